"""When a trained model hears words: what is not to be cut."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from asr.data.audio import Samples
from asr.recognizer.recognizer import choose_windows, open_recognizer
from asr.recognizer.trained import find_trained


def open_spoken(model: Path) -> Callable[[Samples], list[tuple[float, float]]]:
    """A function from samples to the beginning and end of each word, in seconds.

    Args:
        model: a run's folder, a checkpoint or an exported folder.

    Raises:
        UserError: there is no model.
    """
    trained = find_trained(model, None, None)
    recognizer = open_recognizer(trained, choose_windows(trained, None, None, None))

    def spoken(samples: Samples) -> list[tuple[float, float]]:
        return [(word.start, word.end) for word in recognizer.words([samples])[0]]

    return spoken
