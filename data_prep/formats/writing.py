"""A corpus's utterances as NeMo, Kaldi and Lhotse write them down. Audio stays where it is."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asr.audio.measure import Measured, measure
from asr.audio.stream import Unreadable
from asr.audio.view import map_file
from asr.processors import free_processors
from asr.whole_file import write_whole
from data_prep.audio_cache import NEAR_SECONDS
from data_prep.formats.kaldi import refuse_path
from data_prep.source import Rejection, Source, named

RECORDINGS, SUPERVISIONS = "recordings.jsonl.gz", "supervisions.jsonl.gz"


@dataclass(frozen=True)
class Row:
    """An utterance, and the file that it is in, whose length was measured."""

    source: Source
    recording: str
    """Id of the file."""
    audio: Measured

    @property
    def seconds(self) -> float:
        """To the end of the audio at most."""
        left = self.audio.seconds - self.source.offset
        return left if self.source.seconds is None else min(self.source.seconds, left)


def _row(source: Source, recording: str, audio: Measured) -> Row | Rejection:
    if source.claim is not None and abs(source.claim - audio.seconds) > NEAR_SECONDS:
        detail = f"{source.claim:.2f} s are declared, {audio.seconds:.2f} s are there"
        return Rejection(source.id, "length differs", detail)
    if source.channel is not None and source.channel > audio.channels:
        detail = f"{source.path}: it has {audio.channels}, and not {source.channel}"
        return Rejection(source.id, "no such channel", detail)
    end = source.offset + (source.seconds or 0.0)
    if source.offset >= audio.seconds or end > audio.seconds + NEAR_SECONDS:
        detail = f"{source.offset:.2f} to {end:.2f} s of {audio.seconds:.2f} s"
        return Rejection(source.id, "lies beyond the end of its audio", detail)
    row = Row(source, recording, audio)
    if row.seconds * audio.rate < 1:
        return Rejection(source.id, "no audio in it", f"{row.seconds:g} s from {source.offset:.2f} s on")
    return row


def _measure(path: str) -> Measured | Rejection:
    try:
        return measure(path, map_file(Path(path)))
    except Unreadable as error:
        return Rejection(path, error.reason, error.detail)


def measure_rows(sources: Iterable[Source]) -> tuple[list[Row], list[Rejection]]:
    """The utterances with the lengths of their files, and those that cannot be written down."""
    listed = list(sources)
    paths = dict.fromkeys(source.path for source in listed)
    files = named((Source("", "", path, None) for path in paths), Path("/"))
    recordings = dict(zip(paths, (file.id for file in files), strict=True))
    plain = list(dict.fromkeys(source.path for source in listed if source.part is None))
    # libsndfile releases the interpreter, so threads use all cores.
    with ThreadPoolExecutor(free_processors()) as pool:
        measured = dict(zip(plain, pool.map(_measure, plain), strict=True))
    rows: list[Row] = []
    rejections: list[Rejection] = []
    for source in listed:
        if source.part is not None:
            detail = f"{source.name}; unpack it, or take the manifests that stage 1 makes of it"
            rejections.append(Rejection(source.id, "audio in an archive or a table", detail))
            continue
        audio = measured[source.path]
        if isinstance(audio, Rejection):
            rejections.append(Rejection(source.id, audio.reason, f"{source.path} {audio.detail}".strip()))
            continue
        row = _row(source, recordings[source.path], audio)
        if isinstance(row, Row):
            rows.append(row)
        else:
            rejections.append(row)
    return rows, rejections


def _write(path: Path, lines: Iterable[str]) -> None:
    """The same bytes for the same lines, packed or not."""
    content = "".join(line + "\n" for line in lines).encode()
    if path.suffix == ".gz":
        packed = io.BytesIO()
        with gzip.GzipFile("", "wb", fileobj=packed, mtime=0) as file:
            file.write(content)
        content = packed.getvalue()
    write_whole(path, content)


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps({key: value for key, value in content.items() if value is not None}, ensure_ascii=False)


def write_nemo(rows: Sequence[Row], out: Path) -> None:
    """A file of JSON lines."""
    _write(
        out,
        (
            _json(
                {
                    "audio_filepath": row.source.path,
                    "offset": row.source.offset,
                    "duration": row.seconds,
                    "text": row.source.text,
                    "id": row.source.id,
                    "speaker": row.source.speaker or None,
                }
            )
            for row in rows
        ),
    )


def write_kaldi(rows: Sequence[Row], out: Path) -> None:
    """A data folder. Kaldi wants a speaker of every utterance: one that has none is its own."""
    ordered = sorted(rows, key=lambda row: row.source.id)
    audio = sorted({(row.recording, row.source.path) for row in rows})
    _write(out / "wav.scp", (f"{name} {path}" for name, path in audio))
    ends = [(row, row.source.offset + row.seconds) for row in ordered]
    _write(
        out / "segments",
        (f"{row.source.id} {row.recording} {row.source.offset:.6f} {end:.6f}" for row, end in ends),
    )
    texts = [(row.source.id, row.source.text) for row in ordered if row.source.text is not None]
    _write(out / "text", (f"{name} {' '.join(text.split())}".rstrip() for name, text in texts))
    _write(out / "utt2spk", (f"{row.source.id} {row.source.speaker or row.source.id}" for row in ordered))


def write_lhotse(rows: Sequence[Row], out: Path) -> None:
    """A folder with manifests of recordings and of supervisions."""
    recordings = {row.recording: row for row in rows}
    _write(
        out / RECORDINGS,
        (
            _json(
                {
                    "id": name,
                    "sources": [
                        {"type": "file", "channels": list(range(row.audio.channels)), "source": row.source.path}
                    ],
                    "sampling_rate": row.audio.rate,
                    "num_samples": row.audio.frames,
                    "duration": row.audio.seconds,
                    "channel_ids": list(range(row.audio.channels)),
                }
            )
            for name, row in recordings.items()
        ),
    )
    _write(
        out / SUPERVISIONS,
        (
            _json(
                {
                    "id": row.source.id,
                    "recording_id": row.recording,
                    "start": row.source.offset,
                    "duration": row.seconds,
                    "channel": (row.source.channel or 1) - 1,
                    "text": row.source.text,
                    "speaker": row.source.speaker or None,
                }
            )
            for row in rows
        ),
    )


FILES = {"nemo": (), "kaldi": ("wav.scp", "segments", "text", "utt2spk"), "lhotse": (RECORDINGS, SUPERVISIONS)}
"""What is written in a folder."""
WRITERS: Mapping[str, Callable[[Sequence[Row], Path], None]] = {
    "nemo": write_nemo,
    "kaldi": write_kaldi,
    "lhotse": write_lhotse,
}


def _unsayable(row: Row, to: str) -> Rejection | None:
    """Why a format cannot say a row: of several channels NeMo knows their mean, Lhotse each, Kaldi none."""
    source = row.source
    said = {"nemo": source.channel is None, "lhotse": source.channel is not None, "kaldi": False}[to]
    if not said and row.audio.channels > 1:
        detail = f"{source.path}; write one channel of it to a file"
        return Rejection(source.id, f"several channels, which {to} cannot say", detail)
    if to == "kaldi" and source.speaker.split() not in ([], [source.speaker]):
        return Rejection(
            source.id, "speaker of several words, which kaldi cannot say", f"{source.speaker!r}; join them"
        )
    # The rest of a line is a path, and those are no files.
    if to == "kaldi" and ("\n" in source.path or source.path != source.path.strip() or refuse_path(source.path, "")):
        return Rejection(source.id, "path that kaldi cannot say", f"{source.path!r}; rename the file")
    return None


def refuse_unsayable(rows: Iterable[Row], to: str) -> tuple[list[Row], list[Rejection]]:
    """The rows that a format can say, and the others."""
    kept: list[Row] = []
    rejections: list[Rejection] = []
    for row in rows:
        why = _unsayable(row, to)
        if why is None:
            kept.append(row)
        else:
            rejections.append(why)
    return kept, rejections
