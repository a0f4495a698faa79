"""eSpeak NG through ctypes: text in, samples out.

What eSpeak says depends on everything the process has synthesized before (random state, filters), so a
result can be repeated only by a fresh process that makes the same calls in the same order.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asr.errors import UserError

SAMPLE_RATE = 22050

_ENGLISH_DATA = ("en_dict", "intonations", "lang", "phondata", "phonindex", "phontab")
_OUTPUT_SYNCHRONOUS = 2
_DO_NOT_EXIT = 0x8000
_TEXT_IS_UTF8 = 1
_RATE, _PITCH, _RANGE = 1, 3, 4
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


def locate() -> tuple[Path, Path]:
    """eSpeak's shared library and its data folder.

    Raises:
        UserError: the package espeakng-loader is not installed.
    """
    try:
        import espeakng_loader
    except ImportError:
        raise UserError(
            "the mini corpus is spoken by eSpeak NG, and the package espeakng-loader is not installed; "
            'run: pip install "kappa-asr[mini]"'
        ) from None
    return Path(espeakng_loader.get_library_path()), Path(espeakng_loader.get_data_path())


def make_data_folder(folder: Path, variants: dict[str, str]) -> None:
    """Fill `folder` with links to eSpeak's data for English, and with `variants`: content by name."""
    _, data = locate()
    home = folder / "espeak-ng-data"
    (home / "voices" / "!v").mkdir(parents=True)
    for name in _ENGLISH_DATA:
        (home / name).symlink_to(data / name)
    for name, content in variants.items():
        (home / "voices" / "!v" / name).write_text(content, encoding="utf-8")


class Synthesizer:
    """The process's one eSpeak. Make it once, with a folder from `make_data_folder`."""

    def __init__(self, data_parent: Path) -> None:
        library, _ = locate()
        try:
            self._espeak = ctypes.CDLL(str(library))
        except OSError as error:
            raise UserError(f"{library}: cannot load eSpeak NG ({error})") from None
        path = str(data_parent).encode()
        rate = self._espeak.espeak_Initialize(_OUTPUT_SYNCHRONOUS, 0, path, _DO_NOT_EXIT)
        if rate != SAMPLE_RATE:
            raise UserError(
                f"{data_parent}: eSpeak NG starts with sample rate {rate}, not {SAMPLE_RATE}; reinstall espeakng-loader"
            )
        self._pieces: list[bytes] = []
        # eSpeak has seeded its breath and flutter noise with the time of day.
        self._espeak.espeak_ng_SetRandSeed(ctypes.c_long(1))
        # Kept as an attribute: ctypes does not hold a reference to the callback it passes on.
        self._callback = _CALLBACK(self._receive)
        self._espeak.espeak_SetSynthCallback(self._callback)

    def _receive(self, samples: object, count: int, _events: object) -> int:
        if samples and count > 0:
            self._pieces.append(ctypes.string_at(samples, 2 * count))  # type: ignore[arg-type]
        return 0

    def set_voice(self, name: str, rate: int, pitch: int, pitch_range: int) -> None:
        """Choose `language+variant`; `rate` in words per minute, `pitch` and `pitch_range` in 0-99.

        Raises:
            UserError: eSpeak has no such voice.
        """
        if self._espeak.espeak_SetVoiceByName(name.encode()) != 0:
            raise UserError(f"eSpeak NG has no voice {name!r}; reinstall espeakng-loader")
        for parameter, value in ((_RATE, rate), (_PITCH, pitch), (_RANGE, pitch_range)):
            self._espeak.espeak_SetParameter(parameter, value, 0)

    def speak(self, text: str) -> NDArray[np.int16]:
        """Samples at `SAMPLE_RATE`, `(samples,)`, with the pauses that eSpeak puts around the text.

        Raises:
            UserError: eSpeak reports an error or returns no audio.
        """
        self._pieces = []
        encoded = text.encode() + b"\0"
        status = self._espeak.espeak_Synth(encoded, len(encoded), 0, 0, 0, _TEXT_IS_UTF8, None, None)
        if status != 0 or not self._pieces:
            raise UserError(f"eSpeak NG could not say {text!r} (status {status}); reinstall espeakng-loader")
        return np.frombuffer(b"".join(self._pieces), dtype=np.dtype("=i2"))
