"""Real processes that train, and ways to kill them. They are forked from one that has imported everything."""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import torch

from asr.checkpoint.background import THREAD
from asr.cli.main import main
from asr.config_file import dump_config
from asr.train.run import train

if TYPE_CHECKING:
    from tiny_corpus import TinyCorpus

_CONTEXT = multiprocessing.get_context("forkserver")
# The last four are imported by a first step, which takes longer than the whole of a tiny run.
_CONTEXT.set_forkserver_preload(
    [
        "processes",
        "asr.train.run",
        "torchaudio.transforms",
        "torch._dynamo",
        "torch.distributed.fsdp",
        "torch.distributed.checkpoint.hf_storage",
    ]
)

Fault = Callable[[], None]
"""Called in a process before it trains."""

WATCHED = ("/asr/train/", "/asr/step/", "/asr/checkpoint/", "/asr/pseudo/", "/asr/decode/", "/asr/data/audio.py")


LAST = "AudioReader.close"


@dataclass(frozen=True)
class Training:
    """One run in the making, by one process or several."""

    processes: list[BaseProcess]
    run_dir: Path

    def wait(self, seconds: float = 60.0) -> list[int | None]:
        """Exit codes; None, and an end, for a process that has not ended by itself."""
        until = time.monotonic() + seconds
        for process in self.processes:
            process.join(max(0.0, until - time.monotonic()))
        codes = [process.exitcode for process in self.processes]
        for process in self.processes:
            process.kill()
            process.join()
        return codes

    def said(self, rank: int = 0) -> str:
        """What a process has printed."""
        return (self.run_dir / f"output-{rank}").read_text()


def _train(
    corpus: TinyCorpus, run_dir: Path, place: dict[str, str], fault: Fault | None, stop_after: int | None
) -> None:
    os.environ.update(place)
    torch.set_num_threads(1)
    output = os.open(run_dir / f"output-{place['RANK']}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    if fault is not None:
        fault()
    if stop_after is not None:
        train(corpus.config, corpus.manifests, corpus.tokens, run_dir, stop_after)
        return
    places = ["--manifests", str(corpus.manifests), "--tokens", str(corpus.tokens), "--run-dir", str(run_dir)]
    sys.exit(main(["train", str(run_dir / "settings.yaml"), *places]))


def start(
    corpus: TinyCorpus,
    run_dir: Path,
    world_size: int = 1,
    faults: dict[int, Fault] | None = None,
    stop_after: int | None = None,
) -> Training:
    """Start training as torchrun would, to the end or to a step. `faults` by rank."""
    run_dir.mkdir(parents=True, exist_ok=True)
    (run_dir / "settings.yaml").write_text(dump_config(corpus.config))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes: list[BaseProcess] = []
    for rank in range(world_size):
        place = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world_size)}
        place |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
        arguments = (corpus, run_dir, place, (faults or {}).get(rank), stop_after)
        processes.append(_CONTEXT.Process(target=_train, args=arguments, daemon=True))
        processes[-1].start()
    return Training(processes, run_dir)


def finish(corpus: TinyCorpus, run_dir: Path, world_size: int = 1, stop_after: int | None = None) -> None:
    """Train to the end, or to a step."""
    training = start(corpus, run_dir, world_size, stop_after=stop_after)
    codes = training.wait(90)
    assert codes == [0] * world_size, "\n".join(map(training.said, range(world_size)))


def _trace(on_line: Callable[[str], None]) -> None:
    def inside(frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            on_line(frame.f_code.co_qualname)
        return inside

    def entered(frame: FrameType, _event: str, _argument: Any) -> Any:
        return inside if any(part in frame.f_code.co_filename for part in WATCHED) else None

    def begun(frame: FrameType, event: str, argument: Any) -> Any:
        # Each thread has its own; those that read audio would be slowed down.
        if threading.current_thread().name.startswith(THREAD):
            sys.settrace(entered)
            return entered(frame, event, argument)
        sys.settrace(None)
        return None

    sys.settrace(entered)
    threading.settrace(begun)


def _count(path: Path) -> None:
    lines: Counter[str] = Counter()

    def count(name: str) -> None:
        lines[name] += 1
        # The last function that a run enters.
        if name == LAST:
            path.write_text(json.dumps(lines))

    _trace(count)


def _signal(number: int, function: str, line: int) -> None:
    left = line

    def count(name: str) -> None:
        nonlocal left
        if name == function:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), number)

    _trace(count)


def count_lines(path: Path) -> Fault:
    """Write to `path` how many lines of each function are executed."""
    return partial(_count, path)


def signal_in(number: int, function: str, line: int) -> Fault:
    """A signal just before the `line`-th line, from 1, that is executed of a function."""
    return partial(_signal, number, function, line)


def _limit(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def no_file_over(size: int) -> Fault:
    """Writing fails beyond `size` bytes, as it does on a full disk."""
    return partial(_limit, size)


def _confine(size: int) -> None:
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + size, used + size))


def no_memory_over(size: int) -> Fault:
    """The process gets `size` bytes more than it has."""
    return partial(_confine, size)
