"""Programs that take turns: a process each, told on a line of standard input what to do, answering in JSON."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from statistics import median
from typing import Any


class Side:
    """A process on one thread; its first line is its task, its first answer how many parameters its model has."""

    def __init__(self, command: list[str], task: dict[str, Any]) -> None:
        alone = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        root = str(Path(__file__).parents[1])
        path = {"PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | alone | path
        )
        self.parameters = int(self.ask(json.dumps(task))["parameters"])

    def ask(self, line: str) -> dict[str, float]:
        """What it answers to a line. Raises SystemExit where it ends instead."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(line, file=self._process.stdin, flush=True)
        for answer in self._process.stdout:
            if answer.startswith("{"):
                found: dict[str, float] = json.loads(answer)
                return found
        raise SystemExit(f"{' '.join(map(str, self._process.args))}: ended; what it said stands above")  # type: ignore[arg-type]

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def spread(values: list[float], digits: int = 1) -> str:
    return f"{median(values):.{digits}f} ({min(values):.{digits}f} – {max(values):.{digits}f})"
