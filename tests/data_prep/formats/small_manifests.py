"""A small corpus of two recordings, whose rows every format is to give."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import soundfile

from asr.config import CorpusConfig
from asr.data.manifest import Utterance, read_manifest
from data_prep.manifests import build_manifests
from data_prep.summary import format_summary

RATE = 16_000
ROWS = [
    ("anna-1", "anna", "talk.flac", 0.5, 1.25, "ONE TWO"),
    ("anna-2", "anna", "talk.flac", 2.0, 0.7501875, "THREE"),
    ("ben-1", "ben", "deep/call.mp3", 0.0, 3.0, "FOUR"),
    ("ben-2", "ben", "talk.flac", 3.0, 1.0, "FIVE SIX"),
]
"""Id, speaker, file, offset, duration, text."""


def tone(seconds: float, rate: int = RATE) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    return (8000 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)).astype(np.int16)


def write_audio(folder: Path) -> Path:
    """The recordings: 4 s of FLAC, which stays where it is, and 3 s of MP3, which is decoded."""
    (folder / "deep").mkdir(parents=True, exist_ok=True)
    soundfile.write(folder / "talk.flac", tone(4), RATE)
    soundfile.write(folder / "deep" / "call.mp3", tone(3), RATE)
    return folder


def write_nemo_rows(path: Path, rows: list[dict[str, object]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def nemo_rows() -> list[dict[str, object]]:
    names = ("id", "speaker", "audio_filepath", "offset", "duration", "text")
    return [dict(zip(names, row, strict=True)) for row in ROWS]


def build(folder: Path, *names: str, **settings: object) -> tuple[list[Utterance], str]:
    """The labeled rows of manifests, and the table."""
    corpus = CorpusConfig(source="manifest", labeled=names, unlabeled=(), dev=(), **settings)  # type: ignore[arg-type]
    table = format_summary(build_manifests(corpus, folder, folder / "cache", folder / "out"))
    return list(read_manifest(folder / "out" / "labeled.jsonl")), table


def expected() -> list[tuple[str, str, str, float, float, str]]:
    """What all formats are to give: on the grid of samples, with the MP3 decoded."""
    return [
        (name, speaker, path.replace("deep/call.mp3", "decoded"), offset, round(seconds * RATE) / RATE, text)
        for name, speaker, path, offset, seconds, text in ROWS
    ]


def told(folder: Path, rows: list[Utterance]) -> list[tuple[str, str, str, float, float, str | None]]:
    """Rows as `expected` has them."""
    cache = str(folder / "cache")
    return [
        (
            u.id,
            u.speaker,
            "decoded" if u.audio_filepath.startswith(cache) else str(Path(u.audio_filepath).relative_to(folder)),
            u.offset,
            u.duration,
            u.text,
        )
        for u in rows
    ]
