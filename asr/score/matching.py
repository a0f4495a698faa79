"""The hypothesis of each reference, by utterance id; whatever does not match is an error or a warning."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from asr.errors import UserError
from asr.score.lines import TextLine

_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


@dataclass(frozen=True)
class Policy:
    """What becomes of ids that do not match. Everything but "error" goes on with a warning."""

    missing: Literal["error", "empty", "skip"] = "error"
    """References without a hypothesis: `empty` takes it that nothing was recognized; `skip` leaves them out."""
    extra: Literal["error", "skip"] = "error"
    """Hypotheses without a reference."""
    duplicates: Literal["error", "first", "last"] = "error"
    """Ids that a file has twice: which line is taken."""


STRICT = Policy()


def composed(name: str) -> str:
    """An id as it is compared: é is the same letter, whether as one character or as two."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def fold_ascii(text: str) -> str:
    """A to Z in lower case, and nothing else: how sclite compares ids and words."""
    return text.translate(_LOWER)


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:3]))
    return shown + (f" and {len(names) - 3:,} more" if len(names) > 3 else "")


def tell_rows_apart(files: Iterable[list[TextLine]]) -> list[list[TextLine]]:
    """Several rows of one recording get ids of their own, path and offset, in all of the files."""
    files = list(files)
    if any(line.offset is None for lines in files for line in lines):
        return files
    if all(len({line.id for line in lines}) == len(lines) for lines in files):
        return files
    return [[line._replace(id=f"{line.id}@{line.offset:.3f}") for line in lines] for lines in files]


def index_lines(
    lines: Iterable[TextLine],
    name: str,
    duplicates: Literal["error", "first", "last"],
    warn: Callable[[str], None],
    key: Callable[[str], str] = composed,
    guessed: bool = False,
) -> dict[str, TextLine]:
    """Lines by what their ids are compared by, in their order.

    Args:
        lines: of a file.
        name: of the file.
        duplicates: what becomes of ids that occur twice.
        warn: called with a sentence.
        key: what ids are compared by.
        guessed: that lines begin with an id is no more than a guess.

    Raises:
        UserError: an id occurs twice, and that is an error.
    """
    found: dict[str, TextLine] = {}
    repeated: list[str] = []
    for line in lines:
        same = key(line.id)
        earlier = found.get(same)
        if earlier is not None:
            if duplicates == "error" and guessed:
                raise UserError(
                    f"{line.place}: begins with {line.id!r} as line {earlier.number} does. If that is an utterance id, "
                    "keep one of the lines; if it is none, the format is not kaldi: name the one it is"
                )
            if duplicates == "error" and line.offset != earlier.offset:
                raise UserError(
                    f"{line.place}: another row of the recording {line.id!r}, as {earlier.place} is; rows are told "
                    "apart by their field 'offset', which not all rows of all files have. Add it, or name a field "
                    "whose ids differ with --id-field"
                )
            if duplicates == "error":
                as_if = "" if earlier.id == line.id else f", written {earlier.id!r},"
                raise UserError(
                    f"{line.place}: utterance id {line.id!r} was already{as_if} at {earlier.place}; "
                    "keep one, or choose with --duplicates first|last"
                )
            repeated.append(line.id)
        if earlier is None or duplicates == "last":
            found[same] = line
    if repeated:
        warn(f"{name}: {len(repeated):,} repeated utterance ids, {_some(repeated)}; took the {duplicates} of each")
    return found


def _nearly(references: Mapping[str, TextLine], lines: Mapping[str, TextLine]) -> str:
    folded = {name.casefold() for name in lines}
    same = any(name.casefold() in folded for name in references)
    return " Some differ in case alone; --alignment sclite takes these for one." if same else ""


def match_lines(
    references: Mapping[str, TextLine],
    hypotheses: Mapping[str, Mapping[str, TextLine]],
    policy: Policy,
    warn: Callable[[str], None],
) -> list[str]:
    """What the ids to score are compared by, in the references' order.

    Args:
        references: lines by what their ids are compared by.
        hypotheses: the same, by the name of their file.
        policy: what to do about ids that do not match.
        warn: called with a sentence.

    Raises:
        UserError: an id is missing or extra, and that is an error; or no id is left.
    """
    left_out: set[str] = set()
    for name, lines in hypotheses.items():
        missing = [line.id for same, line in references.items() if same not in lines]
        extra = [line.id for same, line in lines.items() if same not in references]
        if missing and len(missing) == len(references):
            mine, other = (
                _some([line.id for line in list(found.values())[:1]]) or "nothing" for found in (references, lines)
            )
            raise UserError(
                f"{name}: has none of the references' utterance ids; they are such as {mine}, here {other}. "
                "--id-stem drops folders and suffixes, --id-field and --hyp-id-field name other fields."
                f"{_nearly(references, lines)}"
            )
        if missing:
            found = f"{name}: no hypothesis for {len(missing):,} of {len(references):,} utterances, {_some(missing)}"
            if policy.missing == "error":
                hint = _nearly({n: references[n] for n in references if n not in lines}, lines) if extra else ""
                raise UserError(
                    f"{found}; score them as empty or leave them out with --missing empty|skip{hint and '.'}{hint}"
                )
            warn(f"{found}; {'scored as empty' if policy.missing == 'empty' else 'left out'}")
            left_out.update(same for same in references if policy.missing == "skip" and same not in lines)
        if extra:
            found = f"{name}: {len(extra):,} hypotheses without a reference, {_some(extra)}"
            if policy.extra == "error":
                raise UserError(f"{found}; leave them out with --extra skip")
            warn(f"{found}; left out")
    return [same for same in references if same not in left_out]
