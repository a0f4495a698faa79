"""From files of references and hypotheses to their scoring."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from asr.config import NormaliserName
from asr.errors import UserError
from asr.score.formats import FIELDS, Fields, TextLine, read_texts, shorten_id
from asr.score.matching import STRICT, Policy, index_lines, match_lines
from asr.score.scoring import ScoredText, Scoring, System, Utterance, Weights, score_text
from asr.score.trn import WordGraph, parse_reference
from asr.text.normaliser import DEFAULT, find_normaliser


@dataclass(frozen=True)
class TextFile:
    """A file or folder of texts; `form` is one of `asr.score.formats.FORMATS`, None to find out."""

    path: Path
    name: str
    form: str | None = None
    fields: Fields = FIELDS
    prefix: str = "--"
    """Of the options that name its fields."""


@dataclass(frozen=True)
class Options:
    """How to score."""

    normaliser: NormaliserName | None = None
    """None: the usual one for references in LibriSpeech's form, else none."""
    weights: Weights = "levenshtein"
    policy: Policy = STRICT
    id_stem: bool = False
    """Match by ids without folders and suffix."""
    speaker_pattern: str | None = None
    """Searched for in an id: its first group, or all of it, is the speaker."""
    subset_pattern: str | None = None
    """The same for the subset."""
    speakers: frozenset[str] | None = None
    """Score only these."""
    seed: int = 0
    resamples: int = 1000


def _finder(pattern: str | None, option: str) -> Callable[[TextLine], str | None]:
    if pattern is None:
        return lambda _: None
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise UserError(f"{option} {pattern}: not a regular expression ({error})") from None

    def find(line: TextLine) -> str:
        match = compiled.search(line.id)
        if match is None:
            raise UserError(f"{line.place}: {option} {pattern} is not found in the utterance id {line.id!r}")
        return str(match[1] if compiled.groups else match[0])

    return find


def _speaker_in_id(name: str, form: str) -> str:
    """LibriSpeech and Kaldi put the speaker before the first hyphen, sclite before a hyphen or underscore."""
    return re.split("[-_]" if form == "trn" else "-", name, maxsplit=1)[0]


def _read(file: TextFile, options: Options, warn: Callable[[str], None]) -> tuple[str, dict[str, TextLine]]:
    form, lines = read_texts(file.path, file.form, file.fields, file.prefix)
    if options.id_stem:
        lines = [shorten_id(line) for line in lines]
    return form, index_lines(lines, file.name, options.policy.duplicates, warn)


def _heard(line: TextLine | None, form: str, normalise: Callable[[str], str]) -> str:
    if line is None:
        return ""
    if form != "trn":
        return normalise(line.text)
    text = parse_reference(line.text, line.place, normalise)
    if not isinstance(text, str):
        raise UserError(f"{line.place}: a hypothesis with alternatives; only references may have them")
    return text


def _check_case(references: Sequence[str | WordGraph], system: System, warn: Callable[[str], None]) -> None:
    """Texts that differ in case alone are the most frequent mistake of all."""
    said = " ".join(text for text in references[:200] if isinstance(text, str))
    heard = " ".join(text.hypothesis for text in system.texts[:200])
    if (said.isupper() and heard.islower()) or (said.islower() and heard.isupper()):
        warn(f"{system.name}: is in another case than the references; choose a --normaliser")


def score_files(reference: TextFile, hypotheses: Sequence[TextFile], options: Options) -> Scoring:
    """Read, match, normalise, align and count.

    Raises:
        UserError: a file is malformed, ids do not match, or nothing is left to score.
    """
    warnings: list[str] = []
    speaker_finder = _finder(options.speaker_pattern, "--speaker-pattern")
    subset_finder = _finder(options.subset_pattern, "--subset-pattern")
    form, references = _read(reference, options, warnings.append)
    read = {file.name: _read(file, options, warnings.append) for file in hypotheses}
    if not references:
        raise UserError(f"{reference.path}: holds no utterance")
    lines_of = {name: lines for name, (_, lines) in read.items()}
    ids = match_lines(references, lines_of, options.policy, warnings.append)
    utterances: list[Utterance] = []
    for name in ids:
        line = references[name]
        speaker = speaker_finder(line) or line.speaker or _speaker_in_id(name, form)
        if options.speakers is None or speaker in options.speakers:
            utterances.append(Utterance(name, speaker, subset_finder(line) or line.subset or ""))
    if not utterances:
        raise UserError(f"{reference.path}: no utterance is left to score")
    named: NormaliserName = options.normaliser or (DEFAULT if form == "librispeech" else "none")
    normalise = find_normaliser(named)
    said: list[str | WordGraph] = [
        parse_reference(references[u.id].text, references[u.id].place, normalise)
        if form == "trn"
        else normalise(references[u.id].text)
        for u in utterances
    ]
    if form == "trn" and any(isinstance(text, str) and re.search(r"(?<!\S)\([^\s()]+\)(?!\S)", text) for text in said):
        warnings.append(
            f"{reference.name}: words in parentheses are ordinary words, as to sclite without -D; "
            "write { uh / @ } for what may be left out"
        )
    systems: list[System] = []
    for file, (heard_form, lines) in zip(hypotheses, read.values(), strict=True):
        texts: list[ScoredText] = [
            score_text(text, _heard(lines.get(u.id), heard_form, normalise), options.weights)
            for u, text in zip(utterances, said, strict=True)
        ]
        systems.append(System(file.name, texts))
        _check_case(said, systems[-1], warnings.append)
    return Scoring(
        reference.name, named, options.weights, utterances, systems, options.seed, options.resamples, warnings
    )
