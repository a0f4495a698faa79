"""The scores of one subset, and a table of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from asr.score.interval import bootstrap_interval
from asr.score.rates import UNITS, RateName, find_rate
from asr.score.texts import Method, Totals, align_texts
from asr.score.wer import ErrorCounts


def summarise(totals: Totals, speakers: Sequence[str], seed: int = 0, resamples: int = 1000) -> dict[str, Any]:
    """Rates and counts of some utterances, with the 95 % bootstrap interval over speakers.

    Rates are shares: 0.25 is 25 %; errors and `words` are in words. The interval's ends are None where there
    are fewer than two speakers.
    """
    words = ErrorCounts(*totals.words.sum(axis=0).tolist())
    wrong, letters = totals.letters.sum(axis=0).tolist()
    interval = bootstrap_interval(totals.errors, totals.lengths, speakers, seed, resamples)
    low, high = (None if math.isnan(end) else end for end in interval)
    return {
        "utterances": len(totals.words),
        "words": words.reference_length,
        "wer": words.rate,
        "wer_low": low,
        "wer_high": high,
        "cer": wrong / max(letters, 1),
        "sentence_error_rate": int((totals.errors > 0).sum()) / max(len(totals.words), 1),
        "substitutions": words.substitutions,
        "deletions": words.deletions,
        "insertions": words.insertions,
    }


def score_texts(references: Sequence[str], hypotheses: Sequence[str], speakers: Sequence[str]) -> dict[str, Any]:
    """The summary of plain texts, each with its speaker."""
    said, heard = ([" ".join(text.split()) for text in texts] for texts in (references, hypotheses))
    _, totals = align_texts(said, heard, Method())
    return summarise(totals, speakers)


def format_scores(scores: Sequence[Mapping[str, Any]], labels: Sequence[str] = ("subset", "model")) -> str:
    """The table as text, or one of words and one of phones; rates in per cent.

    `labels` are the keys of what tells the rows apart.
    """
    by_rate = {rate: [row for row in scores if find_rate(row) == rate] for rate in UNITS}
    return "\n\n".join(
        _format(rows, labels, rate) for rate, rows in by_rate.items() if rows or (not scores and rate == "wer")
    )


def _format(scores: Sequence[Mapping[str, Any]], labels: Sequence[str], rate: RateName) -> str:
    units = UNITS[rate]
    widths = [max(len(key), *(len(str(s[key])) for s in scores)) if scores else len(key) for key in labels]
    head = "  ".join(f"{key:<{width}}" for key, width in zip(labels, widths, strict=True))
    head += f" {'utts':>7} {units:>9} {rate.upper() + ' %':>7} {'95 % interval':>15} {'CER %':>7} {'sent. %':>7}"
    lines = [f"{head} {'sub':>7} {'del':>7} {'ins':>7}"]
    for s in scores:
        name = "  ".join(f"{s[key]!s:<{width}}" for key, width in zip(labels, widths, strict=True))
        low, high = (s[f"{rate}_{end}"] for end in ("low", "high"))
        interval = "–" if low is None else f"{100 * low:.2f} – {100 * high:.2f}"
        cer = f"{100 * s['cer']:.2f}" if "cer" in s else "–"
        lines.append(
            f"{name} {s['utterances']:>7,} {s[units]:>9,} {100 * s[rate]:>7.2f} {interval:>15} "
            f"{cer:>7} {100 * s['sentence_error_rate']:>7.2f} "
            f"{s['substitutions']:>7,} {s['deletions']:>7,} {s['insertions']:>7,}"
        )
    return "\n".join(lines)
