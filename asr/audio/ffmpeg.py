"""What libsndfile cannot read, by FFmpeg: M4A, MP4, WebM, AAC and others. Needs the extra `av`."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from asr.audio.channels import Floats
from asr.audio.sound import Sound
from asr.audio.stream import Broken, Stream
from asr.audio.view import View

DECLARING = ("mp4", "matroska")
"""Containers that know their length. Of others FFmpeg's is a guess from the first frames."""
NEAR_SECONDS = 0.2
"""Encoders fill up their last frame, and declare it or not."""


class NotInstalled(Exception):
    """The package av is missing."""


def _frames(container: Any, track: Any) -> Iterator[Floats]:
    """Frames of one track, each `(frames, channels)`."""
    import av

    to_float = av.AudioResampler(format="fltp")
    try:
        for frame in itertools.chain(container.decode(track), [None]):
            for converted in to_float.resample(frame):
                yield np.ascontiguousarray(converted.to_ndarray().T)
    except av.FFmpegError as error:
        raise Broken(f"FFmpeg: {error.strerror}") from None
    finally:
        container.close()


def _declared(container: Any, track: Any) -> float | None:
    """Seconds, where the container knows them of this track."""
    if not any(name in container.format.name for name in DECLARING):
        return None
    if track.duration is not None:
        return float(track.duration * track.time_base)
    alone = len(container.streams) == 1
    return container.duration / 1e6 if alone and container.duration else None


def open_ffmpeg(stream: Stream) -> tuple[Sound, int]:
    """The first track of audio, and how many there are.

    Raises:
        NotInstalled: the package av is missing.
        Broken: FFmpeg finds no audio in it.
    """
    try:
        import av
    except ImportError:
        raise NotInstalled from None
    try:
        container = av.open(View(stream.pieces))
    except av.FFmpegError as error:
        raise Broken(f"FFmpeg: {error.strerror}") from None
    tracks = container.streams.audio
    if not tracks:
        container.close()
        raise Broken("no track of audio in it")
    frames = _frames(container, tracks[0])
    # Only a decoded frame tells the true rate: some AAC has twice the one that its header declares.
    first = next(frames, np.zeros((0, 1), np.float32))
    rate, channels = tracks[0].codec_context.sample_rate, first.shape[1]
    blocks = itertools.chain([first], frames)
    kind = f"{container.format.name} {tracks[0].codec_context.name}"
    return Sound(rate, channels, kind, blocks, _declared(container, tracks[0]), NEAR_SECONDS), len(tracks)
