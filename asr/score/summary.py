"""A scoring in numbers: what is printed, drawn, and written as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from asr.score.scoring import Comparison, Scoring, System
from asr.score.table import summarise

CONFUSIONS_KEPT = 100
KINDS = {"sub": "substitutions", "del": "deletions", "ins": "insertions"}


def _rows(scoring: Scoring, system: System, rows: Sequence[int]) -> dict[str, Any]:
    return summarise(
        [system.texts[row].words for row in rows],
        [system.texts[row].characters for row in rows],
        [scoring.utterances[row].speaker for row in rows],
        scoring.seed,
        scoring.resamples,
    )


def _system(scoring: Scoring, system: System) -> dict[str, Any]:
    subsets, speakers = scoring.groups(lambda u: u.subset), scoring.groups(lambda u: u.speaker)
    confusions = {
        KINDS[kind]: [[*words, count] for words, count in sorted(found.items(), key=lambda item: (-item[1], item[0]))]
        for kind, found in system.confusions().items()
    }
    return {
        "name": system.name,
        **_rows(scoring, system, range(len(scoring.utterances))),
        "subsets": {name: _rows(scoring, system, rows) for name, rows in subsets.items()},
        "speakers": {name: _rows(scoring, system, rows) for name, rows in speakers.items()},
        "confusions": {kind: found[:CONFUSIONS_KEPT] for kind, found in confusions.items()},
    }


def _comparison(comparison: Comparison) -> dict[str, Any]:
    return dataclasses.asdict(comparison) | {
        "matched_pairs": dataclasses.asdict(comparison.matched_pairs) | {"p": comparison.matched_pairs.p}
    }


def summarise_scoring(scoring: Scoring) -> dict[str, Any]:
    """Rates as shares, counts in words.

    Returns:
        `reference`, `normaliser`, `alignment`, `warnings`, how the intervals were made (`seed`, `resamples`,
        `speakers`); `systems`, each with its totals, `subsets` and `speakers` by name, and `confusions`: lists of
        words and how often, the most frequent first, at most 100 of a kind; `comparisons` of every two systems.
    """
    return {
        "reference": scoring.reference,
        "normaliser": scoring.normaliser,
        "alignment": scoring.weights,
        "seed": scoring.seed,
        "resamples": scoring.resamples,
        "speakers": len({utterance.speaker for utterance in scoring.utterances}),
        "warnings": scoring.warnings,
        "systems": [_system(scoring, system) for system in scoring.systems],
        "comparisons": [_comparison(comparison) for comparison in scoring.compare()],
    }
