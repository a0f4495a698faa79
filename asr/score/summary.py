"""A scoring in numbers: what is printed, drawn, and written as JSON."""

from __future__ import annotations

import dataclasses
import heapq
from collections.abc import Iterator, Sequence
from typing import Any

from asr.score.interval import FEW_GROUPS, TOO_NARROW
from asr.score.scoring import Comparison, Scoring, System
from asr.score.significance import FEW_SEGMENTS, FEWEST_GROUPS, FEWEST_SEGMENTS
from asr.score.table import summarise
from asr.score.wer import ErrorCounts

CONFUSIONS_KEPT = 100
KINDS = {"sub": "substitutions", "del": "deletions", "ins": "insertions"}


def _rows(scoring: Scoring, system: System, rows: Sequence[int]) -> dict[str, Any]:
    speakers = [scoring.utterances[row].speaker for row in rows]
    return summarise(system.totals.of(rows), speakers, scoring.seed, scoring.resamples)


def _system(scoring: Scoring, system: System) -> dict[str, Any]:
    subsets, speakers = scoring.groups(lambda u: u.subset), scoring.groups(lambda u: u.speaker)
    confusions = {
        KINDS[kind]: [
            [*words, count]
            for words, count in heapq.nsmallest(CONFUSIONS_KEPT, found.items(), key=lambda item: (-item[1], item[0]))
        ]
        for kind, found in system.confusions().items()
    }
    return {
        "name": system.name,
        **_rows(scoring, system, range(len(scoring.utterances))),
        "subsets": {name: _rows(scoring, system, rows) for name, rows in subsets.items()},
        "speakers": {name: _rows(scoring, system, rows) for name, rows in speakers.items()},
        "confusions": confusions,
    }


def _comparison(comparison: Comparison) -> dict[str, Any]:
    return dataclasses.asdict(comparison) | {
        "matched_pairs": dataclasses.asdict(comparison.matched_pairs) | {"p": comparison.matched_pairs.p}
    }


def _warn_of_few(scoring: Scoring, comparisons: Sequence[Comparison]) -> Iterator[str]:
    """What there is too little of to rely on."""
    speakers = len({utterance.speaker for utterance in scoring.utterances})
    if speakers == 1:
        yield "1 speaker: says nothing about others, so there is no interval; --speaker-pattern finds speakers in ids"
    elif speakers < FEW_GROUPS:
        tested = "it gives no p" if speakers < FEWEST_GROUPS else "its p too small"
        yield f"{speakers} speakers, {TOO_NARROW}" + (f", and {tested}" if comparisons else "")
    else:
        for name, rows in scoring.groups(lambda u: u.subset).items():
            within = len({scoring.utterances[row].speaker for row in rows})
            if 1 < within < FEW_GROUPS:
                yield f"subset {name!r}: {within} speakers, {TOO_NARROW}"
    for pair in comparisons:
        segments = pair.matched_pairs.segments
        if segments < FEW_SEGMENTS:
            tested = "gives no p" if segments < FEWEST_SEGMENTS else "gives but a rough p"
            yield (
                f"{pair.first}, {pair.second}: {segments} segments with errors, fewer than {FEW_SEGMENTS}: "
                f"the matched-pair test {tested}"
            )


def _counts(counts: ErrorCounts) -> dict[str, int]:
    return {"words": counts.reference_length, **{kind: getattr(counts, kind) for kind in KINDS.values()}}


def count_utterances(scoring: Scoring) -> list[dict[str, Any]]:
    """Id, speaker and subset of each utterance; under `systems`, by name, the reference's words and the errors."""
    return [
        {
            **utterance._asdict(),
            "systems": {system.name: _counts(system.totals.counts(row)) for system in scoring.systems},
        }
        for row, utterance in enumerate(scoring.utterances)
    ]


def summarise_scoring(scoring: Scoring) -> dict[str, Any]:
    """Rates as shares, counts in words.

    Returns:
        `reference`, `normaliser`, `alignment`, `warnings` of what did not match and of what there is too little of,
        how the intervals were made (`seed`, `resamples`, `speakers`); `systems`, each with its totals, `subsets` and
        `speakers` by name, and `confusions`: lists of words and how often, the most frequent first, at most 100 of a
        kind; `comparisons` of every two systems.
    """
    comparisons = scoring.compare()
    return {
        "reference": scoring.reference,
        "normaliser": scoring.normaliser,
        "alignment": str(scoring.method),
        "seed": scoring.seed,
        "resamples": scoring.resamples,
        "speakers": len({utterance.speaker for utterance in scoring.utterances}),
        "warnings": [*scoring.warnings, *_warn_of_few(scoring, comparisons)],
        "systems": [_system(scoring, system) for system in scoring.systems],
        "comparisons": [_comparison(comparison) for comparison in comparisons],
    }
