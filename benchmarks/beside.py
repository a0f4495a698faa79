"""A training step beside one other busy program, against the same step alone and against its fair share.

    python benchmarks/beside.py --corpus mini --data-dir DATA --exp-dir EXP --rounds 3

The corpus must be prepared (./run.sh --stop-stage 2). Alone and beside take turns, each with threads that soon sleep
when they wait for each other, as `kappa-asr` has them, and with threads that spin for long, as PyTorch has them. On N
processors a program of N threads has, beside a busy one, N of N + 1 turns.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from contextlib import ExitStack
from statistics import median

from asr.processors import SPINS, free_processors

POLICIES = {"brief": SPINS, "long": "300000"}
"""Values of GOMP_SPINCOUNT; the second is what GCC's OpenMP has by default."""


def speeds(table: str) -> dict[str, float]:
    """× real time by kind of step, from what `kappa-asr profile` prints."""
    lines = table.splitlines()
    (place,) = (i for i, line in enumerate(lines) if line.startswith("× real time"))
    kinds = [kind.strip() for kind in lines[place - 1].split("  ") if kind.strip()]
    return dict(zip(kinds, map(float, lines[place].split()[3:]), strict=True))


def measure(options: list[str], policy: str, beside: bool) -> dict[str, float]:
    with ExitStack() as held:
        if beside:
            busy = held.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
            held.callback(busy.kill)
        command = [sys.executable, "-m", "asr", "profile", *options]
        environment = os.environ | {"GOMP_SPINCOUNT": POLICIES[policy]}
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return speeds(done.stdout)


def spread(values: list[float], form: str = ".2f") -> str:
    return f"{median(values):{form}} ({min(values):{form}} – {max(values):{form}})"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="how often each is run (default: 3)")
    arguments, options = parser.parse_known_args()
    processors = free_processors()
    fair = processors / (processors + 1)
    print(f"{processors} processors, fair share {fair:.2f}; {arguments.rounds} rounds, median (least – most)")
    found: dict[tuple[str, bool], list[dict[str, float]]] = {}
    for _ in range(arguments.rounds):
        for policy in POLICIES:
            for beside in (False, True):
                found.setdefault((policy, beside), []).append(measure(options, policy, beside))
    for policy in POLICIES:
        alone, shared = found[policy, False], found[policy, True]
        for kind in alone[0]:
            ratios = [other[kind] / one[kind] / fair for one, other in zip(alone, shared, strict=True)]
            each = (spread([one[kind] for one in side], ".0f") for side in (alone, shared))
            print(f"{policy}, {kind}: alone {' ×, beside '.join(each)} ×, of its fair share {spread(ratios)}")


if __name__ == "__main__":
    main()
