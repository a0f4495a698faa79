"""From files of references and hypotheses to their scoring."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from asr.config import NormaliserName
from asr.errors import UserError
from asr.score.alternatives import WordGraph
from asr.score.cleaning import Cleaner
from asr.score.formats import read_texts, shorten_id
from asr.score.lines import FIELDS, Fields, TextLine, Texts
from asr.score.matching import STRICT, Policy, composed, fold_ascii, index_lines, match_lines, tell_rows_apart
from asr.score.sclite import STRICT as NO_LENIENCY
from asr.score.scoring import Scoring, System
from asr.score.speakers import Speakers, find_utterances
from asr.score.texts import Method, align_texts
from asr.score.timed import IGNORED, assign_words
from asr.text.normaliser import DEFAULT

FEW = 0.02
"""Of letters, or of words: a text with less of them is taken to have none."""
_STOP = re.compile(r"\w[.,;:?!…]+(?!\S)")


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
    method: Method = field(default_factory=Method)
    policy: Policy = STRICT
    id_stem: bool = False
    """Match by ids without folders and suffix."""
    speakers: Speakers = field(default_factory=Speakers)
    seed: int = 0
    resamples: int = 1000


def _files_of(texts: Texts) -> set[tuple[int, int]]:
    """What tells the files apart that texts are from, whatever paths lead to them."""
    found: set[tuple[int, int]] = set()
    for path in {line.path for line in texts.lines}:
        try:
            status = path.stat()
        except OSError:
            continue
        found.add((status.st_dev, status.st_ino))
    return found


def _refuse_the_same(said: Texts, file: TextFile, heard: Texts) -> None:
    """Raises UserError where what was heard is taken from where what was said is."""
    if said.field != heard.field or not _files_of(said) & _files_of(heard):
        return
    if heard.field is None or heard.form == "icefall":
        raise UserError(f"{file.path}: holds the references; name the hypotheses' file")
    others = f"; it also has {', '.join(map(repr, heard.unused))}" if heard.unused else ""
    raise UserError(
        f"{file.path}: its field {heard.field!r} holds the references, and none is known to hold hypotheses; "
        f"name that with --hyp-text-field{others}"
    )


def _warn_of_the_same(
    said: Sequence[TextLine], heard: Sequence[TextLine], file: TextFile, texts: Texts, warn: Callable[[str], None]
) -> None:
    """A field that was guessed may be the references', copied."""
    guessed = texts.unused and len(file.fields.text) > 1
    if guessed and [line.text for line in said] == [line.text for line in heard]:
        warn(
            f"{file.name}: {texts.field!r} is word for word what the references are; if it is no hypothesis, name "
            f"another field with --hyp-text-field; it has {', '.join(map(repr, texts.unused))}"
        )


def _in_segments(
    name: str, heard: Texts, said: Texts, key: Callable[[str], str], options: Options, warn: Callable[[str], None]
) -> Texts:
    """A CTM's words in the segments of the references."""
    if said.form != "stm":
        raise UserError(
            f"{name}: a .ctm says when words are heard, and goes with references in .stm, not in {said.form}"
        )
    lines, left = assign_words(heard.lines, said.lines, key)
    if left:
        place = f"{left[0].place}: {len(left):,} words of a recording or channel that the references do not have"
        if options.policy.extra == "error":
            raise UserError(f"{place}; leave them out with --extra skip")
        warn(f"{place}; left out")
    return Texts(heard.form, lines)


def _without_ignored(
    references: dict[str, TextLine], hypotheses: dict[str, dict[str, TextLine]], warn: Callable[[str], None]
) -> dict[str, TextLine]:
    """References without segments that are not to be scored, and hypotheses without what was heard in these."""
    ignored = [same for same, line in references.items() if line.span and IGNORED in line.text.upper()]
    if not ignored:
        return references
    for lines in hypotheses.values():
        for same in ignored:
            lines.pop(same, None)
    warn(f"{len(ignored):,} segments are marked {IGNORED}; neither they nor what was heard in them is scored")
    return {same: line for same, line in references.items() if same not in set(ignored)}


def _has_optional(text: str | WordGraph) -> bool:
    return isinstance(text, str) and re.search(r"(?<!\S)\([^\s()]+\)(?!\S)", text) is not None


def _punctuated(text: str) -> bool:
    return len(_STOP.findall(text)) > FEW * len(text.split())


def _case(text: str) -> str:
    upper, lower = (sum(map(kind, text)) for kind in (str.isupper, str.islower))
    if not upper + lower:
        return "no"
    share = upper / (upper + lower)
    return "lower" if share < FEW else "upper" if share > 1 - FEW else "mixed"


def _check_alike(said: Sequence[str | WordGraph], system: System, warn: Callable[[str], None]) -> None:
    """Texts that differ in case or punctuation alone are the most frequent mistakes of all; in Unicode form, the least
    visible one."""
    references = " ".join(text for text in said[:200] if isinstance(text, str))
    heard = " ".join(text.hypothesis for text in system.texts[:200])
    if unicodedata.is_normalized("NFC", references) != unicodedata.is_normalized("NFC", heard):
        warn(
            f"{system.name}: is in another Unicode form than the references, as é is one sign or two; choose a "
            "--normaliser"
        )
    cases = _case(references), _case(heard)
    if "no" not in cases and len({*cases}) > 1:
        told = f"{cases[1]}, not {cases[0]}"
        warn(f"{system.name}: is in another case than the references ({told}); choose a --normaliser")
    if references and heard and _punctuated(references) != _punctuated(heard):
        has = ("no punctuation", "have") if _punctuated(references) else ("punctuation", "have none")
        warn(f"{system.name}: has {has[0]}, and the references {has[1]}; choose a --normaliser")


def score_files(reference: TextFile, hypotheses: Sequence[TextFile], options: Options) -> Scoring:
    """Read, match, normalise, align and count.

    Raises:
        UserError: a file is malformed, ids do not match, or nothing is left to score.
    """
    files = [reference, *hypotheses]
    texts = [read_texts(file.path, file.form, file.fields, file.prefix) for file in files]
    try:
        return _score(files, texts, options)
    except UserError as error:
        guessed = [f"{file.name} as {read.form}" for file, read in zip(files, texts, strict=True) if file.form is None]
        if not guessed:
            raise
        raise UserError(
            f"{error} (formats were guessed: {', '.join(guessed)}; --ref-format and --hyp-format name others)"
        ) from None


def _score(files: Sequence[TextFile], texts: list[Texts], options: Options) -> Scoring:
    warnings: list[str] = []
    warn = warnings.append
    sclite = options.method.weights == "sclite"
    key: Callable[[str], str] = (lambda name: fold_ascii(composed(name))) if sclite else composed
    reference, said = files[0], texts[0]
    if said.form == "ctm":
        raise UserError(f"{reference.path}: a .ctm has no segments; references with times are in .stm")
    for file, heard in zip(files[1:], texts[1:], strict=True):
        _refuse_the_same(said, file, heard)
    if not said.lines:
        raise UserError(f"{reference.path}: holds no utterance")
    read = [
        heard if heard.form != "ctm" else _in_segments(file.name, heard, said, key, options, warn)
        for file, heard in zip(files, texts, strict=True)
    ]
    lines = [[*map(shorten_id, heard.lines)] if options.id_stem else heard.lines for heard in read]
    indexed = [
        index_lines(rows, file.name, options.policy.duplicates, warn, key, heard.form == "kaldi" and file.form is None)
        for file, heard, rows in zip(files, read, tell_rows_apart(lines), strict=True)
    ]
    by_name = {file.name: found for file, found in zip(files[1:], indexed[1:], strict=True)}
    references = _without_ignored(indexed[0], by_name, warn)
    ids = match_lines(references, by_name, options.policy, warn)
    chosen = find_utterances([(same, references[same]) for same in ids], said.form, options.speakers)
    if not chosen:
        raise UserError(f"{reference.path}: no utterance is left to score")
    lenient = options.method.leniency != NO_LENIENCY
    named: NormaliserName = options.normaliser or ("none" if said.form != "librispeech" or lenient else DEFAULT)
    cleaner = Cleaner(named, options.method)
    told = [references[same] for same, _ in chosen]
    spoken = [cleaner.text(line, said.form) for line in told]
    if said.form == "trn" and not options.method.leniency.optional and any(map(_has_optional, spoken)):
        warn(
            f"{reference.name}: words in parentheses are ordinary words, as to sclite without -D; write {{ uh / @ }} "
            "for what may be left out, or take --alignment sclite --optional"
        )
    systems: list[System] = []
    for file, heard in zip(files[1:], read[1:], strict=True):
        rows = [by_name[file.name].get(same) for same, _ in chosen]
        _warn_of_the_same(told, [row for row in rows if row is not None], file, heard, warn)
        written = ["" if row is None else cleaner.text(row, heard.form) for row in rows]
        systems.append(System(file.name, *align_texts(spoken, written, options.method)))
        if not sclite:
            _check_alike(spoken, systems[-1], warn)
    utterances = [utterance for _, utterance in chosen]
    return Scoring(
        reference.name, named, options.method, utterances, systems, options.seed, options.resamples, warnings
    )
