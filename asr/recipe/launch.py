"""torchrun, but with the workers' exit code as its own, where torchrun makes 1 of every failure.

Takes torchrun's arguments. It is a process of its own, since torchrun leaves signal handlers behind.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Any

PREEMPTED = 75
"""Exit code that schedulers take as "try again": stopped by a signal, with a checkpoint."""

GRACE = 120
"""Seconds after a signal, or after another process's death, at which a process that is still there is killed. A step,
an evaluation if one is under way, and a checkpoint must fit in."""

STOP_SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


def supervise(command: Sequence[str]) -> int:
    """Run a command to its end and pass signals on; returns its exit code, `PREEMPTED` after a signal.

    Without this a signal to the recipe alone would leave its workers training.
    """
    stopped = False
    process = subprocess.Popen(command)

    def pass_on(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 (the signature is the interpreter's)
        nonlocal stopped
        stopped = True
        process.terminate()

    before = {number: signal.signal(number, pass_on) for number in STOP_SIGNALS}
    try:
        code = process.wait()
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return PREEMPTED if stopped and code else code


def _terminate_self(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    os.kill(os.getpid(), signal.SIGTERM)


def main(arguments: Sequence[str]) -> int:
    from torch.distributed import run as untyped
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    torchrun: Any = untyped
    # torchrun passes SIGTERM on to its workers, but would die of SIGUSR1 and leave them behind.
    signal.signal(signal.SIGUSR1, _terminate_self)
    parsed = torchrun.parse_args(list(arguments))
    parsed.shutdown_timeout = GRACE
    try:
        torchrun.run(parsed)
    except ChildFailedError as error:
        code: int = error.get_first_failure()[1].exitcode
        # A worker that was killed by signal N has -N, which a shell writes as 128 + N.
        return code if code >= 0 else 128 - code
    except SignalException:
        return PREEMPTED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
