"""One speaker of the embedded corpus, in a process of its own: `python -m data_prep.mini_shard 1001 FOLDER`.

eSpeak's sound depends on what the process has said before, so the division of the corpus into speakers is
also its division into processes.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from asr.errors import UserError
from asr.score.transcripts import write_transcripts
from data_prep.draws import Draws
from data_prep.espeak import Synthesizer, make_data_folder
from data_prep.grammar import draw_sentence, words_of
from data_prep.noise import make_noise, mix
from data_prep.resample import resample
from data_prep.speakers import ACCENTS, SUBSETS, Speaker, make_speaker

SAMPLE_RATE = 16000

_CHAPTER_UTTERANCES = 50
_TALKERS = 6
_TALKER_SENTENCES = 3


def _spoken(sentence: str) -> str:
    return sentence.lower() if sentence.endswith("?") else sentence.lower() + "."


def _background_talk(synthesizer: Synthesizer, draws: Draws) -> list[NDArray[np.int16]]:
    """Recordings of other voices, at 16 kHz, out of which babble is made."""
    talk = []
    for talker in range(_TALKERS):
        accent = ACCENTS[talker % len(ACCENTS)]
        rate, pitch = draws.between(140, 200), draws.between(20, 80)
        synthesizer.set_voice(f"{accent}+talker{talker % 2}", rate, pitch, 50)
        sentences = [draw_sentence(draws, dev=False) for _ in range(_TALKER_SENTENCES)]
        talk.append(np.concatenate([resample(synthesizer.speak(_spoken(s))) for s in sentences]))
    return talk


_TALKER_VARIANTS = {
    "talker0": "language variant\nname talker0\ngender male\npitch 80 120\nformant 0 98 100 100\n",
    "talker1": "language variant\nname talker1\ngender female\npitch 150 220\nformant 0 114 100 100\n",
}


def speak(speaker: Speaker) -> Iterator[NDArray[np.int16]]:
    """The speaker's utterances in order, 16 kHz, `(samples,)`.

    The bits are the corpus's only in a process that has not used eSpeak before.

    Raises:
        UserError: eSpeak is missing or broken.
    """
    draws = Draws(speaker.id, 1)
    with tempfile.TemporaryDirectory(prefix="mini-voices-") as folder:
        make_data_folder(Path(folder), {**_TALKER_VARIANTS, "speaker": speaker.variant})
        synthesizer = Synthesizer(Path(folder))
        talk = _background_talk(synthesizer, draws)
        synthesizer.set_voice(f"{speaker.accent}+speaker", speaker.words_per_minute, speaker.pitch, speaker.pitch_range)
        for utterance in speaker.utterances:
            speech = np.pad(resample(synthesizer.speak(_spoken(utterance.sentence))), utterance.pauses)
            noise = make_noise(utterance.noise, draws, len(speech), talk)
            yield mix(speech, noise, utterance.snr_db, speaker.level)


def write_shard(speaker: Speaker, subset_folder: Path) -> None:
    """Write the speaker's folder in LibriSpeech's layout.

    Raises:
        UserError: eSpeak is missing or broken.
        OSError: the folder cannot be written.
    """
    texts: dict[Path, dict[str, str]] = {}
    for number, samples in enumerate(speak(speaker)):
        chapter = f"{speaker.id}{number // _CHAPTER_UTTERANCES:02d}"
        folder = subset_folder / str(speaker.id) / chapter
        name = f"{speaker.id}-{chapter}-{number % _CHAPTER_UTTERANCES:04d}"
        folder.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / f"{name}.flac", samples, SAMPLE_RATE, subtype="PCM_16")
        transcript = folder / f"{speaker.id}-{chapter}.trans.txt"
        texts.setdefault(transcript, {})[name] = words_of(speaker.utterances[number].sentence)
    for path, lines in texts.items():
        write_transcripts(path, lines)


def main(arguments: list[str]) -> int:
    number, root = int(arguments[0]), Path(arguments[1])
    for subset in SUBSETS:
        if subset.first_speaker <= number < subset.first_speaker + subset.speakers:
            try:
                write_shard(make_speaker(subset, number - subset.first_speaker), root / subset.name)
            except UserError as error:
                sys.stderr.write(f"{error}\n")
                return 2
            return 0
    sys.stderr.write(f"the embedded corpus has no speaker {number}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
