"""The weights of a language model: how they are found, and the small file in a run's folder that keeps them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from asr.config import DecodeConfig
from asr.decode.search import Weights
from asr.errors import UserError
from asr.whole_file import write_whole

TUNED_FILE = "tuned.json"
USUAL = Weights(0.8, 0.0)
"""Where they have not been tuned; also where tuning starts."""
FIRST_STEPS = Weights(0.4, 1.0, 1.0)
FINEST = 4
"""Tuning ends with steps that are so many times finer."""


@dataclass(frozen=True)
class Tuned:
    lm_sha256: str
    lm: str
    """Where the language model lay."""
    lexicon: str
    lm_weight: float
    word_score: float
    wer: float
    model: str
    """teacher or student."""
    subset: str
    utterances: int
    blank_penalty: float = 0.0

    @property
    def weights(self) -> Weights:
        return Weights(self.lm_weight, self.word_score, self.blank_penalty)


def fingerprint(path: Path) -> str:
    """SHA-256 of a file. Raises UserError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"{path}: cannot read language model ({error.strerror})") from None


def read_tuned(run: Path) -> list[Tuned]:
    """What has been tuned for a run, in that order. Raises UserError where the file is not `write_tuned`'s."""
    path = run / TUNED_FILE
    try:
        return [Tuned(**entry) for entry in json.loads(path.read_text(encoding="utf-8"))]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{path}: not what tuning writes ({error}); tune again, or delete it") from None


def find_tuned(run: Path, lm_sha256: str, lexicon: str) -> Tuned | None:
    found = [t for t in read_tuned(run) if (t.lm_sha256, t.lexicon) == (lm_sha256, lexicon)]
    return found[-1] if found else None


def choose_weights(config: DecodeConfig, tuned: Tuned | None) -> tuple[Weights, str]:
    """The weights, and where they come from: the settings, or else tuning, or else what is usual.

    With a weight and a word score of their own, settings that name no blank penalty mean none.
    """
    weights = USUAL if tuned is None else tuned.weights
    if config.lm_weight is not None and config.word_score is not None:
        weights, note = USUAL, "weights as set"
    elif tuned is None:
        note = "weights as usual; `kappa-asr tune` finds better ones on a dev subset"
    else:
        heard = f"{tuned.utterances} utterances of {tuned.subset}, heard by the {tuned.model}"
        note = f"weights tuned on {heard}, whose WER they flatter"
    own = {name: value for name in Weights._fields if (value := getattr(config, name)) is not None}
    return weights._replace(**own), note


def write_tuned(run: Path, tuned: Tuned) -> Path:
    """Add an entry, in place of an older one of the same language model and lexicon."""
    key = tuned.lm_sha256, tuned.lexicon
    entries = [*(t for t in read_tuned(run) if (t.lm_sha256, t.lexicon) != key), tuned]
    path = run / TUNED_FILE
    write_whole(path, json.dumps([dataclasses.asdict(t) for t in entries], indent=1) + "\n")
    return path


WAYS = (
    (0, 0, 0),
    *((w, s, 0) for w in (0, -1, 1) for s in (0, -1, 1) if w or s),
    *((w, s, -s) for w in (0, -1, 1) for s in (-1, 1) if w != s),
)
"""In which tuning goes, in weight, word score and blank penalty. A lower blank makes more words, which a lower score of
each or a greater weight takes back, so that these are moved at once."""


def _around(point: Weights, steps: Weights) -> Iterator[Weights]:
    for way in WAYS:
        weight, score, penalty = (round(at + by * step, 4) for at, by, step in zip(point, way, steps, strict=True))
        yield Weights(max(0.0, weight), score, max(0.0, penalty))


def descend(measure: Callable[[Weights], float], steps: Weights = FIRST_STEPS) -> tuple[Weights, float]:
    """The weights of lowest WER that a walk over a grid finds, and this WER.

    The walk goes to the best of the neighbours until there is none better; then the grid becomes finer. Of equally
    good points the one nearest to where it stands is taken, so that the result depends on nothing else.

    Args:
        measure: WER with these weights.
        steps: the first ones; 0 leaves a weight as it is.
    """
    known: dict[Weights, float] = {}
    point, fineness = USUAL, 1
    while True:
        for place in _around(point, steps):
            if place not in known:
                known[place] = measure(place)
        best = min(_around(point, steps), key=lambda place: known[place])
        if known[best] < known[point]:
            point = best
        elif fineness == FINEST:
            return point, known[point]
        else:
            fineness *= 2
            steps = Weights(*(step / 2 for step in steps))
