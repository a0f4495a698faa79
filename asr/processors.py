"""What of the machine's processors is free for this process, and how its threads wait for each other."""

from __future__ import annotations

import os
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")
SPINS = "1000"
"""Turns of a waiting thread before it sleeps, of 300,000 that are usual."""


def _quota() -> float:
    """Processors' worth of time that the container or job may take, as Linux's control groups (version 2) bound it."""
    try:
        (own,) = (line[3:] for line in MEMBERSHIP.read_text().splitlines() if line.startswith("0::"))
    except (OSError, ValueError):
        return float("inf")
    least = float("inf")
    folder = CGROUPS / own.strip("/")
    for group in (folder, *folder.parents):
        if not group.is_relative_to(CGROUPS):
            break
        try:
            allowed, period = (group / "cpu.max").read_text().split()
            least = min(least, int(allowed) / int(period))
        except (OSError, ValueError, ZeroDivisionError):
            # The root has no such file, and "max" is no number: no bound.
            continue
    return least


def free_processors() -> int:
    """Those that this process may run on: as taskset or Slurm bind it, within the time that its container may take."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(min(bound, _quota())))


def wait_briefly() -> None:
    """Let threads that wait for each other sleep after some microseconds; to be called before PyTorch is imported.

    Its OpenMP library lets them spin for long, which beside another busy program takes the turn away from the thread
    that is waited for; not to spin at all costs a third of the speed of small models (`benchmarks/beside.py`).
    OMP_WAIT_POLICY and GOMP_SPINCOUNT have the last word.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
