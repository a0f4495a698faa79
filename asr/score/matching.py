"""The hypothesis of each reference, by utterance id; whatever does not match is an error or a warning."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from asr.errors import UserError
from asr.score.formats import TextLine


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


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:3]))
    return shown + (f" and {len(names) - 3:,} more" if len(names) > 3 else "")


def index_lines(
    lines: Iterable[TextLine], name: str, duplicates: Literal["error", "first", "last"], warn: Callable[[str], None]
) -> dict[str, TextLine]:
    """Lines by id, in their order.

    Raises:
        UserError: an id occurs twice, and that is an error.
    """
    found: dict[str, TextLine] = {}
    repeated: list[str] = []
    for line in lines:
        earlier = found.get(line.id)
        if earlier is not None:
            if duplicates == "error":
                raise UserError(
                    f"{line.place}: utterance id {line.id!r} was already at {earlier.place}; "
                    "keep one, or choose with --duplicates first|last"
                )
            repeated.append(line.id)
        if earlier is None or duplicates == "last":
            found[line.id] = line
    if repeated:
        warn(f"{name}: {len(repeated):,} repeated utterance ids, {_some(repeated)}; took the {duplicates} of each")
    return found


def match_lines(
    references: Mapping[str, TextLine],
    hypotheses: Mapping[str, Mapping[str, TextLine]],
    policy: Policy,
    warn: Callable[[str], None],
) -> list[str]:
    """The ids to score, in the references' order.

    Args:
        references: lines by id.
        hypotheses: lines by id, by the name of their file.
        policy: what to do about ids that do not match.
        warn: called with a sentence.

    Raises:
        UserError: an id is missing or extra, and that is an error; or no id is left.
    """
    left_out: set[str] = set()
    for name, lines in hypotheses.items():
        missing = [key for key in references if key not in lines]
        extra = [key for key in lines if key not in references]
        if missing and len(missing) == len(references):
            mine, other = (_some(list(keys)[:1]) or "nothing" for keys in (references, lines))
            raise UserError(
                f"{name}: has none of the references' utterance ids; they are such as {mine}, here {other}. "
                "--id-stem drops folders and suffixes, --id-field and --hyp-id-field name other fields"
            )
        if missing:
            found = f"{name}: no hypothesis for {len(missing):,} of {len(references):,} utterances, {_some(missing)}"
            if policy.missing == "error":
                raise UserError(f"{found}; score them as empty or leave them out with --missing empty|skip")
            warn(f"{found}; {'scored as empty' if policy.missing == 'empty' else 'left out'}")
            left_out.update(missing if policy.missing == "skip" else ())
        if extra:
            found = f"{name}: {len(extra):,} hypotheses without a reference, {_some(extra)}"
            if policy.extra == "error":
                raise UserError(f"{found}; leave them out with --extra skip")
            warn(f"{found}; left out")
    return [key for key in references if key not in left_out]
