"""How long programs say that awkward files are; makes the table of docs/peers/containers.md:
`python docs/peers/containers.py`.

Every column comes from running the installed package or program; what is not installed gets none, which is said.
"""

from __future__ import annotations

import functools
import io
import shutil
import subprocess
import sys
import tempfile
import warnings
import wave
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import soundfile

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
from encoded import encode, flac_without_length, steps, wav_size, without_xing

NOT_THERE = (ImportError, metadata.PackageNotFoundError, FileNotFoundError)


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def m4a(seconds: float) -> bytes:
    """AAC as phones record it, by FFmpeg's encoder."""
    import av
    import numpy as np

    content = io.BytesIO()
    with av.open(content, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(steps(seconds)[np.newaxis], format="s16", layout="mono")
        frame.sample_rate = 16_000
        container.mux([*stream.encode(frame), *stream.encode(None)])
    return content.getvalue()


def files() -> Iterator[tuple[str, str, float, bytes]]:
    """Name, suffix, seconds of audio that can be decoded, and content."""
    wav, flac, mp3 = encode(steps(20), "WAV", "PCM_16"), encode(steps(20), "FLAC", "PCM_16"), encode(steps(20), "MP3")
    yield "WAV written to a pipe (sizes 0xFFFFFFFF)", "wav", 20, wav_size(wav, 0xFFFFFFFF, 0xFFFFFFFF)
    yield "WAV whose recorder died (sizes 0)", "wav", 20, wav_size(wav, 0, 0)
    yield "WAV, first half", "wav", 10, cut(wav)
    yield "FLAC written to a pipe (total 0)", "flac", 20, flac_without_length(flac)
    yield "MP3 of variable bit rate, Xing", "mp3", 20, mp3
    yield "MP3 of variable bit rate, no Xing", "mp3", 20, without_xing(mp3)
    yield "MP3, 4 s and 3 s joined", "mp3", 7, encode(steps(4), "MP3") + encode(steps(3, 2000), "MP3")
    for subtype in ("VORBIS", "OPUS"):
        chained = encode(steps(4), "OGG", subtype) + encode(steps(3, 2000), "OGG", subtype)
        yield f"Ogg {subtype.title()}, 4 s and 3 s chained", "ogg", 7, chained
    yield "Ogg Opus, whole", "opus", 20, encode(steps(20), "OGG", "OPUS")
    yield "SPHERE", "sph", 20, encode(steps(20), "NIST", "PCM_16")
    yield "M4A (AAC)", "m4a", 20, m4a(20)


def libsndfile_says(path: Path) -> float:
    return soundfile.info(path).frames / soundfile.info(path).samplerate


def libsndfile_reads(path: Path) -> float:
    samples, rate = soundfile.read(path)
    return len(samples) / rate


def ffmpeg_says(path: Path) -> float:
    import av

    with av.open(str(path)) as container:
        return container.duration / av.time_base


def ffmpeg_reads(path: Path) -> float:
    import av

    with av.open(str(path)) as container:
        return sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))


def soxi(path: Path) -> float:
    done = subprocess.run(["soxi", "-D", str(path)], capture_output=True, text=True)
    if done.returncode:
        raise ValueError(done.stderr)
    return float(done.stdout)


def lhotse(path: Path) -> float:
    from lhotse import Recording

    return Recording.from_file(path).duration


def torchaudio(path: Path) -> float:
    import torchaudio

    samples, rate = torchaudio.load(path)
    return samples.shape[1] / rate


def mutagen(path: Path) -> float:
    from mutagen import File

    return File(path).info.length


def tinytag(path: Path) -> float:
    from tinytag import TinyTag

    return TinyTag.get(path).duration


def python_wave(path: Path) -> float:
    with wave.open(str(path)) as file:
        return file.getnframes() / file.getframerate()


def ours(path: Path) -> str:
    """With what is said beside the length."""
    from asr.recognizer.audio import read_audio

    audio = read_audio(path)
    return " ".join([f"{audio.seconds:.2f}", *(f"({note.split(':')[0]})" for note in audio.notes)])


TOOLS: dict[str, tuple[str, Callable[[Path], float | str]]] = {
    "libsndfile says": ("soundfile", libsndfile_says),
    "libsndfile reads": ("soundfile", libsndfile_reads),
    "FFmpeg says": ("av", ffmpeg_says),
    "FFmpeg reads": ("av", ffmpeg_reads),
    "soxi": ("", soxi),
    "lhotse": ("lhotse", lhotse),
    "torchaudio reads": ("torchaudio", torchaudio),
    "mutagen": ("mutagen", mutagen),
    "tinytag": ("tinytag", tinytag),
    "wave": ("", python_wave),
    "ours": ("kappa-asr", ours),
}


@functools.cache
def version(name: str, package: str) -> str:
    if package:
        return metadata.version(package)
    if name == "wave":
        return sys.version.split()[0]
    program = shutil.which(name)
    if program is None:
        raise FileNotFoundError(name)
    said = subprocess.run([program.replace("soxi", "sox"), "--version"], capture_output=True, text=True)
    return said.stdout.split()[-1]


def length(tool: Callable[[Path], float | str], path: Path) -> str:
    try:
        found = tool(path)
    except Exception as error:
        print(f"{tool.__name__} {path.name}: {type(error).__name__}: {error}", file=sys.stderr)
        return "–"
    return found if isinstance(found, str) else f"{found:.2f}" if found < 1e9 else f"{found:.2g}"


def table() -> None:
    columns = {}
    with tempfile.TemporaryDirectory() as folder:
        probe = Path(folder, "probe.wav")
        probe.write_bytes(encode(steps(1), "WAV", "PCM_16"))
        for name, (package, tool) in TOOLS.items():
            try:
                print(f"{name}: {package} {version(name, package)}", file=sys.stderr)
                tool(probe)
                columns[name] = tool
            except NOT_THERE as error:
                print(f"{name}: not run ({' '.join(str(error).split())[:200]})", file=sys.stderr)
        for row in (["file", "holds", *columns], ["---"] * (len(columns) + 2)):
            print("| " + " | ".join(row) + " |")
        for number, (name, suffix, seconds, content) in enumerate(files()):
            path = Path(folder, f"{number}.{suffix}")
            path.write_bytes(content)
            cells = [name, f"{seconds:g}", *(length(tool, path) for tool in columns.values())]
            print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(f"libsndfile {soundfile.__libsndfile_version__}", file=sys.stderr)
    table()
