"""Runs a study's cells as processes of their own, some at a time; what is finished is not run again."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from asr.config import Config
from asr.errors import UserError
from asr.processors import free_processors
from asr.recipe.experiment import Experiment
from asr.recipe.settings import find_config
from asr.recipe.stages import find_paths
from asr.scaling.plan import Plan
from asr.study.grid import Cell, Study
from asr.study.trunk import beginning, fork, grown, has_begun


def _command(study: Study, cell: Cell, folders: tuple[Path, Path], *more: str) -> list[str]:
    overrides = [part for setting in (*study.settings, *cell.overrides) for part in ("--set", setting)]
    where = ["--data-dir", str(folders[0]), "--exp-dir", str(folders[1])]
    return [sys.executable, "-m", "asr", "recipe", "--corpus", study.corpus, *where, *overrides, *more]


def cell_config(study: Study, cell: Cell) -> Config:
    """A cell's settings. Raises UserError where they are not valid."""
    return find_config(study.corpus, [*study.settings, *cell.overrides], None)


def run_folder(study: Study, cell: Cell, folders: tuple[Path, Path]) -> Path:
    """Where a cell's run lies, or will lie; the corpus must be prepared."""
    return find_paths(Experiment(cell_config(study, cell), *folders)).run


@dataclass(frozen=True)
class Runner:
    """Trains cells in processes of their own, some at a time, each with its share of the processors.

    folders: data and results, as for the recipe; both absolute.
    logs: gets a log per cell.
    say: told what is finished.
    """

    study: Study
    folders: tuple[Path, Path]
    processes: int
    logs: Path
    say: Callable[[str], None]

    def _train(self, number: int, cell: Cell, stop: tuple[str, ...]) -> tuple[int, float]:
        """The exit code, and seconds of processors."""
        threads = max(1, free_processors() // self.processes)
        command = _command(self.study, cell, self.folders, "--stop-stage", "3", *stop)
        with self._log(number).open("a", encoding="utf-8") as output:
            environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
            process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
            _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        return process.returncode, usage.ru_utime + usage.ru_stime

    def _log(self, number: int) -> Path:
        return self.logs / f"{number:03}.log"

    def train(self, cells: Mapping[int, Cell], what: str, *stop: str) -> None:
        """Train cells, by number. Raises UserError where one failed, once the others have been trained."""
        failed: list[str] = []
        with ThreadPoolExecutor(self.processes) as pool:
            waiting = {pool.submit(self._train, number, cell, stop): number for number, cell in cells.items()}
            for count, done in enumerate(as_completed(waiting), 1):
                number, (code, seconds) = waiting[done], done.result()
                name = cells[number].name
                end = f"FAILED (exit code {code})" if code else f"({seconds:.0f} CPU s)"
                self.say(f"{count} of {len(cells)}{what}: {name} {end}")
                if code:
                    failed.append(f"{name} ({self._log(number)})")
        if failed:
            raise UserError(f"{len(failed)} of {len(cells)} cells failed: {'; '.join(failed[:3])}; rerun to go on")

    def share_beginnings(self, cells: Sequence[Cell]) -> None:
        """Train what cells have in common until the study's `from_hours` once, and let all of them go on from there."""
        hours = self.study.from_hours
        alike: dict[str, list[int]] = {}
        for number, cell in enumerate(cells):
            alike.setdefault(beginning(cell_config(self.study, cell), hours), []).append(number)
        runs = [run_folder(self.study, cell, self.folders) for cell in cells]
        groups = [numbers for numbers in alike.values() if any(not has_begun(runs[n]) for n in numbers[1:])]
        trunks = {n: cells[n] for n, *_ in groups if not grown(runs[n], cell_config(self.study, cells[n]), hours)}
        if trunks:
            self.train(trunks, f" until {hours:g} h", "--stop-hours", f"{hours:.15g}")
        for first, *others in groups:
            own = {runs[n]: cell_config(self.study, cells[n]) for n in others}
            begun = fork(runs[first], cell_config(self.study, cells[first]), hours, own)
            self.say(f"{cells[first].name}: {len(begun)} of {len(others)} others go on from it at {hours:g} h")


def run_cells(
    study: Study, folders: tuple[Path, Path], processes: int, out: Path, say: Callable[[str], None]
) -> Sequence[Path]:
    """Train every cell to its end, `processes` at a time, and give their run folders in the order of the cells.

    Where the study has `from_hours`, cells that are alike until then are one run until then.

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
        Plan(cell_config(study, cell))
    prepared = subprocess.run(_command(study, cells[0], folders, "--stop-stage", "2"), check=False)
    if prepared.returncode:
        raise UserError("the study's corpus could not be prepared; see above")
    logs = out / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    runner = Runner(study, folders, processes, logs, say)
    if study.from_hours:
        runner.share_beginnings(cells)
    runner.train(dict(enumerate(cells)), "")
    return [run_folder(study, cell, folders) for cell in cells]
