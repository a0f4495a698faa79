"""The scores of one subset, and a table of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from asr.score.interval import bootstrap_interval
from asr.score.wer import ErrorCounts, count_errors


def score_texts(references: Sequence[str], hypotheses: Sequence[str], speakers: Sequence[str]) -> dict[str, Any]:
    """WER with its 95 % bootstrap interval over speakers, CER, and error counts in words.

    Rates are shares: 0.25 is 25 %. The interval's ends are None where there are fewer than two speakers.
    """
    by_word = count_errors(references, hypotheses, "word")
    words = sum(by_word, ErrorCounts())
    characters = sum(count_errors(references, hypotheses, "char"), ErrorCounts())
    low, high = (None if math.isnan(end) else end for end in bootstrap_interval(by_word, speakers))
    return {
        "utterances": len(references),
        "words": words.reference_length,
        "wer": words.rate,
        "wer_low": low,
        "wer_high": high,
        "cer": characters.rate,
        "substitutions": words.substitutions,
        "deletions": words.deletions,
        "insertions": words.insertions,
    }


def format_scores(scores: Sequence[Mapping[str, Any]]) -> str:
    """The table as text; rates in per cent."""
    head = f"{'subset':<16} {'model':<8} {'utts':>6} {'words':>8} {'WER %':>7} {'95 % interval':>15} {'CER %':>7}"
    lines = [f"{head} {'sub':>7} {'del':>7} {'ins':>7}"]
    for s in scores:
        interval = "–" if s["wer_low"] is None else f"{100 * s['wer_low']:.2f} – {100 * s['wer_high']:.2f}"
        lines.append(
            f"{s['subset']:<16} {s['model']:<8} {s['utterances']:>6,} {s['words']:>8,} {100 * s['wer']:>7.2f} "
            f"{interval:>15} {100 * s['cer']:>7.2f} {s['substitutions']:>7,} {s['deletions']:>7,} {s['insertions']:>7,}"
        )
    return "\n".join(lines)
