"""What a trained model hears in long recordings that are to be cut."""

from __future__ import annotations

from pathlib import Path

from asr.data.audio import Samples
from asr.errors import UserError
from asr.recognizer.alignment import MOST_CELLS, align_words
from asr.recognizer.recognizer import Recognizer, choose_windows, open_recognizer
from asr.recognizer.trained import find_trained
from asr.recognizer.words import Word


class Hearing:
    """Words with times, as the model hears them or as a text has them."""

    def __init__(self, recognizer: Recognizer) -> None:
        self._recognizer = recognizer

    def words(self, samples: Samples) -> list[Word]:
        """What the model hears."""
        return self._recognizer.words([samples])[0]

    def align(self, samples: Samples, text: str) -> list[Word]:
        """When the words of a text are said, whether or not the model hears them.

        Raises:
            UserError: the text does not fit into the audio, is too long, or has words that the model cannot write.
        """
        recognizer = self._recognizer
        log_probs = recognizer.log_probs(samples)
        if len(log_probs) * 2 * len(text) > MOST_CELLS:
            raise UserError("too long to be aligned at once; part recording and text, into some 20 minutes each")
        found = align_words(
            log_probs, text, recognizer.tokenizer, recognizer.frame_seconds, recognizer.normalise, listen=False
        )
        if found.left_out:
            raise UserError(f"the model has no tokens for {' '.join(found.left_out[:5])}")
        return found.words


def open_hearing(model: Path) -> Hearing:
    """The hearing of a trained model: of a run's folder, a checkpoint or an exported folder.

    Raises:
        UserError: there is no model.
    """
    trained = find_trained(model, None, None)
    return Hearing(open_recognizer(trained, choose_windows(trained, None, None, None)))
