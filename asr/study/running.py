"""Runs a study's cells as processes of their own, some at a time; what is finished is not run again."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from asr.errors import UserError
from asr.recipe.experiment import Experiment
from asr.recipe.settings import find_config
from asr.recipe.stages import find_paths
from asr.study.grid import Cell, Study

INTERRUPTED = 75


def _command(study: Study, cell: Cell, folders: tuple[Path, Path], last: int) -> list[str]:
    overrides = [part for setting in (*study.settings, *cell.overrides) for part in ("--set", setting)]
    where = ["--data-dir", str(folders[0]), "--exp-dir", str(folders[1])]
    return [
        sys.executable, "-m", "asr", "recipe", "--corpus", study.corpus, "--stop-stage", str(last), *where, *overrides,
    ]  # fmt: skip


def run_folder(study: Study, cell: Cell, folders: tuple[Path, Path]) -> Path:
    """Where a cell's run lies, or will lie; the corpus must be prepared."""
    config = find_config(study.corpus, [*study.settings, *cell.overrides], None)
    return find_paths(Experiment(config, *folders)).run


def _run_cell(study: Study, cell: Cell, folders: tuple[Path, Path], threads: int, log: Path) -> int:
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    with log.open("a", encoding="utf-8") as output:
        command = _command(study, cell, folders, 3)
        return subprocess.run(command, env=environment, stdout=output, stderr=subprocess.STDOUT, check=False).returncode


def run_cells(
    study: Study, folders: tuple[Path, Path], processes: int, out: Path, say: Callable[[str], None]
) -> Sequence[Path]:
    """Train every cell to its end, `processes` at a time, and give their run folders in the order of the cells.

    Args:
        study: what to run.
        folders: data and results, as for the recipe; both absolute.
        processes: at a time; each takes its share of the processors.
        out: gets a log per cell.
        say: told what is finished.

    Raises:
        UserError: a cell failed; the others were run, and rerunning takes up what is missing.
    """
    cells = study.cells()
    # Faults in any cell's settings show before the first one is trained.
    for cell in cells:
        find_config(study.corpus, [*study.settings, *cell.overrides], None)
    prepared = subprocess.run(_command(study, cells[0], folders, 2), check=False)
    if prepared.returncode:
        raise UserError("the study's corpus could not be prepared; see above")
    logs = out / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    threads = max(1, (os.cpu_count() or 1) // processes)
    failed: list[str] = []
    with ThreadPoolExecutor(processes) as pool:
        waiting = {
            pool.submit(_run_cell, study, cell, folders, threads, logs / f"{number:03}.log"): (number, cell)
            for number, cell in enumerate(cells)
        }
        for count, done in enumerate(as_completed(waiting), 1):
            number, cell = waiting[done]
            code = done.result()
            say(f"{count} of {len(cells)}: {cell.name}" + (f" FAILED (exit code {code})" if code else ""))
            if code:
                failed.append(f"{cell.name} ({logs / f'{number:03}.log'})")
    if failed:
        raise UserError(f"{len(failed)} of {len(cells)} cells failed: {'; '.join(failed[:3])}; rerun to go on")
    return [run_folder(study, cell, folders) for cell in cells]
