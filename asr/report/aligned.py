"""The utterances with the most errors, reference above hypothesis, word under word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from asr.errors import UserError
from asr.report.markup import element
from asr.score.wer import AlignedWord, ErrorCounts, align, count_errors

NAMES = {"sub": "substituted", "del": "deleted", "ins": "inserted"}


@dataclass(frozen=True)
class ScoredUtterance:
    id: str
    reference: str
    hypothesis: str
    counts: ErrorCounts


def worst_utterances(references: Mapping[str, str], hypotheses: Mapping[str, str], most: int) -> list[ScoredUtterance]:
    """Utterances with at least one word error, those with most first; ties: higher WER, then id.

    Raises:
        UserError: an utterance has no hypothesis.
    """
    missing = [name for name in references if name not in hypotheses]
    if missing:
        raise UserError(
            f"{len(missing)} of {len(references)} utterances have no hypothesis, {missing[0]!r} for one; evaluate again"
        )
    names = list(references)
    counts = count_errors([references[n] for n in names], [hypotheses[n] for n in names], "word")
    wrong = [
        ScoredUtterance(name, references[name], hypotheses[name], count)
        for name, count in zip(names, counts, strict=True)
        if count.errors
    ]
    return sorted(wrong, key=lambda u: (-u.counts.errors, -u.counts.rate, u.id))[:most]


def _column(word: AlignedWord) -> Element:
    # A dash stands where a text has no word, so that errors are told apart without their colours.
    upper = element("span", word.reference or "—", class_="ref")
    lower = element("span", word.hypothesis or "—", class_="hyp")
    column = element("span", upper, lower, class_=f"word {word.kind}")
    if word.kind in NAMES:
        column.set("title", NAMES[word.kind])
    return column


def draw_utterance(utterance: ScoredUtterance, units: str = "words") -> Element:
    """One utterance: id, counts, aligned words; a screen reader gets the two texts one after the other."""
    counts = utterance.counts
    words = units.removesuffix("s") if counts.reference_length == 1 else units
    errors = "error" if counts.errors == 1 else "errors"
    spoken = f"Reference: {utterance.reference or '(nothing)'}. Hypothesis: {utterance.hypothesis or '(nothing)'}."
    columns = [_column(word) for word in align(utterance.reference, utterance.hypothesis)]
    return element(
        "li",
        element(
            "p",
            element("code", utterance.id),
            element("span", f"{counts.errors} {errors} in {counts.reference_length} {words}"),
            class_="about",
        ),
        element("p", spoken, class_="spoken"),
        element("p", *columns, class_="aligned", aria_hidden="true"),
    )


def error_key() -> Element:
    """What the colours mean, shown on words."""
    examples = [
        ("substituted", AlignedWord("sub", "SAID", "HEARD")),
        ("deleted", AlignedWord("del", "SAID", None)),
        ("inserted", AlignedWord("ins", None, "HEARD")),
    ]
    entries = [element("span", _column(word), text, class_="entry") for text, word in examples]
    return element("p", "Reference above, hypothesis below: ", *entries, class_="key")
