"""The embedded corpus's speakers: who they are, how they sound, and what each of them says."""

from __future__ import annotations

from dataclasses import dataclass

from data_prep.draws import Draws
from data_prep.grammar import draw_sentence
from data_prep.noise import KINDS

ACCENTS = ("en-us", "en-gb-x-rp", "en", "en-us-nyc")


@dataclass(frozen=True)
class Subset:
    """How one subset is made. Speaker numbers start at `first_speaker`; SNR is in dB, both ends included."""

    name: str
    first_speaker: int
    speakers: int
    sentences: int
    """Of each speaker."""
    snr_db: tuple[int, int]
    dev: bool


SUBSETS = (
    Subset("train-labeled", 1001, 4, 108, (10, 30), dev=False),
    Subset("train-unlabeled", 2001, 64, 94, (10, 30), dev=False),
    Subset("dev-clean", 3001, 8, 26, (20, 30), dev=True),
    Subset("dev-other", 4001, 8, 26, (6, 14), dev=True),
)


@dataclass(frozen=True)
class Utterance:
    """One sentence and how it is recorded; pauses in samples at 16 kHz."""

    sentence: str
    noise: str
    snr_db: int
    pauses: tuple[int, int]


@dataclass(frozen=True)
class Speaker:
    id: int
    subset: str
    accent: str
    variant: str
    """The content of an eSpeak voice-variant file."""
    words_per_minute: int
    pitch: int
    pitch_range: int
    level: int
    """Root mean square of the speech, in units of 16-bit samples."""
    utterances: tuple[Utterance, ...]


def _variant(draws: Draws, *, female: bool) -> str:
    base = draws.between(150, 215) if female else draws.between(75, 130)
    # Percent of eSpeak's own formant frequencies: a shorter vocal tract raises all of them.
    tract = draws.between(104, 116) if female else draws.between(93, 105)
    lines = [
        "language variant",
        "name speaker",
        f"gender {'female' if female else 'male'}",
        f"pitch {base} {base * draws.between(120, 160) // 100}",
        f"flutter {draws.between(0, 6)}",
        f"roughness {draws.between(0, 2)}",
        f"voicing {draws.between(85, 110)}",
        f"consonants {draws.between(85, 120)} {draws.between(90, 115)}",
        f"intonation {draws.between(1, 4)}",
        f"formant 0 {tract} 100 100",
    ]
    for formant in range(1, 9):
        frequency = tract + draws.between(-4, 4)
        lines.append(f"formant {formant} {frequency} {draws.between(85, 115)} {draws.between(85, 120)}")
    if draws.below(3) == 0:
        breath = draws.between(1, 3)
        lines.append(f"breath 0 {breath} {breath} {breath}")
    low, middle, high = draws.between(190, 255), draws.between(130, 200), draws.between(100, 170)
    lines.append(f"tone 600 {low} 1500 {middle} 3500 {high}")
    return "\n".join(lines) + "\n"


def _utterance(draws: Draws, subset: Subset) -> Utterance:
    return Utterance(
        sentence=draw_sentence(draws, dev=subset.dev),
        noise=draws.choice(KINDS),
        snr_db=draws.between(*subset.snr_db),
        pauses=(draws.between(800, 4800), draws.between(800, 4800)),
    )


def make_speaker(subset: Subset, index: int) -> Speaker:
    """Speaker number `index` of a subset: a pure function of the two."""
    number = subset.first_speaker + index
    draws = Draws(number)
    return Speaker(
        id=number,
        subset=subset.name,
        accent=ACCENTS[index % len(ACCENTS)],
        variant=_variant(draws, female=(index + index // 4) % 2 == 1),
        words_per_minute=draws.between(125, 180),
        pitch=draws.between(35, 65),
        pitch_range=draws.between(25, 80),
        level=draws.between(800, 2000),
        utterances=tuple(_utterance(draws, subset) for _ in range(subset.sentences)),
    )


def all_speakers() -> tuple[Speaker, ...]:
    """Every speaker of the corpus, subset by subset."""
    return tuple(make_speaker(subset, index) for subset in SUBSETS for index in range(subset.speakers))
