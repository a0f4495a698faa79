"""The embedded corpus: generated speech in LibriSpeech's layout, with the same samples on every machine."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from asr.errors import UserError
from asr.lock import take_turns
from asr.processors import free_processors
from data_prep.espeak import locate
from data_prep.speakers import SUBSETS, Speaker, all_speakers

VERSION = 1
"""Raise it when the sound changes in a way that the settings digest does not see."""
MARKER = "corpus.json"

_CORPUS_NAME = "kappa-asr mini"
_PROJECT_FOLDER = Path(__file__).resolve().parents[1]


def _marker_content(speakers: tuple[Speaker, ...]) -> str:
    digest = hashlib.sha256(repr(speakers).encode()).hexdigest()
    content = {"corpus": _CORPUS_NAME, "version": VERSION, "settings_sha256": digest}
    return json.dumps(content, indent=2) + "\n"


def _is_ours(marker: Path) -> bool:
    try:
        content = json.loads(marker.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.get("corpus") == _CORPUS_NAME


def _is_current(root: Path, content: str) -> bool:
    try:
        return (root / MARKER).read_text(encoding="utf-8") == content
    except (OSError, UnicodeDecodeError):
        return False


def _check_replaceable(folder: Path, marker: str) -> None:
    """Raise UserError unless `folder` is absent, empty, or holds this corpus and nothing else."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UserError(f"{folder}: is a file; move it away or choose another folder for the mini corpus")
    found = {entry.name for entry in folder.iterdir()}
    foreign = sorted(found - {marker, *(subset.name for subset in SUBSETS)})
    if foreign or (found and not _is_ours(folder / marker)):
        seen = f"holds {foreign[0]!r}" if foreign else f"has no {marker} of the mini corpus"
        raise UserError(
            f"{folder}: {seen}, so it is not replaced; move it away or choose another folder for the mini corpus"
        )


def _remove(folder: Path, marker: str) -> None:
    """Delete a folder that `_check_replaceable` lets pass. The marker goes last: a kill leaves it ours."""
    for subset in SUBSETS:
        if (folder / subset.name).exists():
            shutil.rmtree(folder / subset.name)
    (folder / marker).unlink(missing_ok=True)
    if folder.exists():
        folder.rmdir()


def _run_shard(speaker: Speaker, root: Path, lock: int) -> None:
    path = os.pathsep.join([str(_PROJECT_FOLDER), *filter(None, [os.environ.get("PYTHONPATH")])])
    # One thread each: the shards are what runs in parallel.
    threads = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    finished = subprocess.run(
        [sys.executable, "-m", "data_prep.mini_shard", str(speaker.id), str(root)],
        env={**os.environ, "PYTHONPATH": path, **threads},
        # Should this process be killed, a child that is still writing keeps the lock until it is done.
        pass_fds=(lock,),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if finished.returncode == 2:
        raise UserError(finished.stderr.strip())
    if finished.returncode != 0:
        raise RuntimeError(
            f"speaker {speaker.id} of the mini corpus failed with exit status {finished.returncode}:\n"
            + finished.stderr
        )


def _write_speakers(
    speakers: tuple[Speaker, ...],
    root: Path,
    lock: int,
    processes: int,
    progress: Callable[[str], None] | None,
) -> None:
    with ThreadPoolExecutor(processes) as pool:
        futures = [pool.submit(_run_shard, speaker, root, lock) for speaker in speakers]
        try:
            for done, future in enumerate(as_completed(futures), 1):
                future.result()
                if progress is not None and (done % 10 == 0 or done == len(futures)):
                    progress(f"mini corpus: {done} of {len(futures)} speakers")
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def generate(root: Path, processes: int | None = None, progress: Callable[[str], None] | None = None) -> None:
    """Make sure that `root` holds the embedded corpus: four subset folders and a marker file.

    The samples do not depend on `processes` (default: one per core). A corpus of the current version is
    left alone; one of another version is replaced. The work is done in `root.partial` and renamed.

    Raises:
        UserError: espeakng-loader is missing, or `root` holds anything but this corpus.
    """
    root = root.resolve()
    speakers = all_speakers()
    content = _marker_content(speakers)
    if _is_current(root, content):
        return
    _check_replaceable(root, MARKER)
    locate()
    partial = root.with_name(f"{root.name}.partial")
    unfinished = f"{MARKER}.partial"
    with take_turns(root.with_name(f".{root.name}.lock"), progress) as lock:
        if _is_current(root, content):
            return
        _check_replaceable(partial, unfinished)
        _remove(partial, unfinished)
        partial.mkdir()
        (partial / unfinished).write_text(content, encoding="utf-8")
        _write_speakers(speakers, partial, lock, processes or free_processors(), progress)
        # From here on a kill loses work at most: the marker under its final name comes before the folder.
        _check_replaceable(root, MARKER)
        _remove(root, MARKER)
        (partial / unfinished).rename(partial / MARKER)
        partial.rename(root)
