"""Makes the tables of docs/muon.md: `python docs/muon.py`, some minutes on one core."""

from __future__ import annotations

import dataclasses

import torch

from asr.study.muon import Quadratic, Rule, distances, follow, run_muon
from asr.study.page import markdown

EXPONENTS = tuple(round(0.3 + 0.05 * i, 2) for i in range(24))
KAPPAS = 4, 8, 16, 32
NOISES = 0.01, 0.3, 3.0


def exponents(power: bool) -> str:
    head = ["noise σ", "κ", "best exponent [95 %]", "distance there", "at κ¹", "at √κ"]
    rows = [head]
    for noise in NOISES:
        for kappa in KAPPAS:
            found = follow(Quadratic(noise=noise), kappa, Rule(EXPONENTS, power))
            low, high = found.interval
            of = found.distances
            best = f"{found.exponent:.2f} [{low:.2f}, {high:.2f}]"
            rows.append([f"{noise:g}", f"{kappa}", best, *(f"{of[p]:.3f}" for p in (found.exponent, 1.0, 0.5))])
    return markdown(rows)


def chance() -> str:
    rows = [["noise σ", "distance of two base runs"]]
    for noise in NOISES:
        problem = Quadratic(noise=noise)
        base, other = (run_muon(dataclasses.replace(problem, draw=draw), 1, Rule((0.0,))) for draw in (0, 1))
        rows.append([f"{noise:g}", f"{distances(base, other, 1).item():.3f}"])
    return markdown(rows)


def decay() -> str:
    rows = [["noise σ", "κ", "λ/√κ", "λ", "√κ·λ"]]
    for noise in NOISES[:2]:
        problem = Quadratic(noise=noise, decay=0.5)
        base = run_muon(problem, 1, Rule((0.0,)))
        for kappa in KAPPAS:
            of = [distances(base, run_muon(problem, kappa, Rule((1.0,), decay=q)), kappa) for q in (-0.5, 0.0, 0.5)]
            rows.append([f"{noise:g}", f"{kappa}", *(f"{d.item():.3f}" for d in of)])
    return markdown(rows)


if __name__ == "__main__":
    torch.set_num_threads(1)
    for name, made in (
        ("Momentum ρ^κ", exponents(True)),
        ("Momentum as it is", exponents(False)),
        ("Decay, with lr·κ and ρ^κ", decay()),
        ("Chance", chance()),
    ):
        print(f"### {name}\n\n{made}", flush=True)
