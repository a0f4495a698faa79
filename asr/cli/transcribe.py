"""Write down what is said in audio files: text, JSON with word times, or subtitles."""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from asr.config import LM_BEAM, MOST_BEAM, USUAL_BEAM, DecodeConfig
from asr.errors import UserError
from asr.path_argument import path

if TYPE_CHECKING:
    from tqdm import tqdm

    from asr.recognizer.audio import AudioFile
    from asr.recognizer.recognizer import Recognizer

FORMATS = ("txt", "json", "srt", "vtt")
FOR_BEAMS = ("beam", "hotword", "hotword_score")
FOR_LANGUAGE_MODELS = ("lm", "lexicon", "lm_weight", "word_score", "blank_penalty")
"""Options that the other decoders have no use for."""
LONG_SECONDS = 60.0
"""One file that is longer has a progress bar, as several files have."""


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of every verb that uses a trained model."""
    parser.add_argument(
        "trained", type=path, metavar="MODEL", help="a run's folder, a checkpoint or an exported folder"
    )
    add_model_options(parser)


def add_model_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", choices=("teacher", "student"), help="of a run's two models; default: teacher")
    parser.add_argument("--tokens", type=path, metavar="DIR", help="token inventory, where the run's folder has none")


def _channel(text: str) -> int | str | None:
    """Raises ArgumentTypeError, which argparse tells."""
    if text in ("mix", "each"):
        return None if text == "mix" else text
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is neither mix, each nor a number from 1")


def add_audio_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verbs that hear audio files."""
    audio = (
        "files, folders, or - for paths on standard input; first, if any, the folder of a model: a run's, a checkpoint "
    )
    parser.add_argument(
        "audio",
        nargs="+",
        metavar="[MODEL] AUDIO",
        help=audio + "or an exported one (default: the one that comes along)",
    )
    add_model_options(parser)
    channels = "of several: mix (default); a number from 1; each: every one as a file of its own, named NAME-1, NAME-2"
    parser.add_argument("--channel", type=_channel, metavar="mix|each|N", help=channels)


def find_files(arguments: argparse.Namespace) -> list[AudioFile]:
    """The audio that `add_audio_arguments` ask for; `trained` is the model then."""
    from asr.recognizer.audio import choose_channels, find_audio
    from asr.recognizer.shipped import holds_model, shipped_model

    first, *others = arguments.audio
    if holds_model(Path(first)):
        arguments.trained, arguments.audio = Path(first), others
        if not others:
            raise UserError(f"{first}: is a model, and no audio is named")
    else:
        arguments.trained = shipped_model()
    return choose_channels(find_audio(arguments.audio, sys.stdin, say), arguments.channel)


def add_window_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verbs that cut long files."""
    group = parser.add_argument_group(
        "long files",
        "are cut around pauses, into windows as long as what the model was trained on, which overlap",
    )
    group.add_argument("--shortest", type=float, metavar="S", help="seconds of a window at least; default: longest / 2")
    group.add_argument("--longest", type=float, metavar="S", help="seconds of a window at most")
    group.add_argument("--overlap", type=float, metavar="S", help="seconds that windows share; default: longest / 4")


def add_decoder_arguments(parser: argparse.ArgumentParser) -> None:
    """Settings of `decode`, as options."""
    usual = DecodeConfig()
    group = parser.add_argument_group("decoding", "other than greedy takes longer and makes fewer errors")
    group.add_argument(
        "--decoder", choices=("greedy", "beam", "lm"), help="default: greedy, or lm of a folder that has one"
    )
    group.add_argument("--beam", type=int, metavar="N", help=f"hypotheses; default: {USUAL_BEAM}, or {LM_BEAM} by lm")
    group.add_argument("--lm", default="", metavar="FILE", help="ARPA or KenLM binary; default: as tuned")
    group.add_argument("--lexicon", default="", metavar="FILE|none", help="words to write; default: those of the LM")
    group.add_argument("--lm-weight", type=float, metavar="X", help="of its log-probabilities; default: as tuned")
    group.add_argument("--word-score", type=float, metavar="X", help="nats for each word; default: as tuned")
    group.add_argument("--blank-penalty", type=float, metavar="X", help="nats off the blank's; default: as tuned")
    group.add_argument("--hotword", action="append", default=[], metavar="TEXT", help="expected word or phrase")
    score = f"nats for each (default: {usual.hotword_score:g})"
    group.add_argument("--hotword-score", type=float, metavar="X", help=score)


def decode_settings(arguments: argparse.Namespace) -> DecodeConfig:
    """What `add_decoder_arguments` ask for of the model `trained`."""
    from asr.recognizer.shipped import own_language_model

    usual = DecodeConfig()
    decoder = arguments.decoder
    if decoder is None:
        decoder = usual.decoder if own_language_model(arguments.trained) is None else "lm"
    idle = [(name, "lm") for name in FOR_LANGUAGE_MODELS if decoder != "lm"]
    idle += [(name, "beam or lm") for name in FOR_BEAMS if decoder == "greedy"]
    for name, needed in idle:
        if getattr(arguments, name) not in (None, "", []):
            raise UserError(f"--{name.replace('_', '-')}: not for --decoder {decoder}; add --decoder {needed}")
    if arguments.hotword_score is not None and not arguments.hotword:
        raise UserError("--hotword-score: of no hotword; add --hotword TEXT")
    config = DecodeConfig(
        decoder=decoder,
        beam=arguments.beam,
        lm=arguments.lm,
        lexicon=arguments.lexicon,
        lm_weight=arguments.lm_weight,
        word_score=arguments.word_score,
        blank_penalty=arguments.blank_penalty,
        hotwords=tuple(arguments.hotword),
        hotword_score=usual.hotword_score if arguments.hotword_score is None else arguments.hotword_score,
    )
    if not 1 <= config.width <= MOST_BEAM:
        raise UserError(f"--beam {config.width}: must be between 1 and {MOST_BEAM}, as memory grows with its square")
    for name in ("lm_weight", "blank_penalty", "hotword_score"):
        value = getattr(config, name)
        if value is not None and not 0 <= value < math.inf:
            raise UserError(f"--{name.replace('_', '-')} {value:g}: must be a number, and at least 0")
    if config.word_score is not None and not math.isfinite(config.word_score):
        raise UserError(f"--word-score {config.word_score:g}: must be a number")
    return config


def open_model(arguments: argparse.Namespace, decode: DecodeConfig | None = None) -> Recognizer:
    """The recognizer that `add_model_arguments` and `add_window_arguments` ask for."""
    from asr.recognizer.decoding import open_search
    from asr.recognizer.recognizer import choose_windows, open_recognizer
    from asr.recognizer.trained import find_trained

    trained = find_trained(arguments.trained, arguments.model, arguments.tokens)
    windows = choose_windows(trained, arguments.shortest, arguments.longest, arguments.overlap)
    search = None if decode is None else open_search(decode, arguments.trained, trained.tokens, say)
    return open_recognizer(trained, windows, search)


def write(text: str, file: TextIO) -> None:
    """To standard output or error at once; a bar on the same terminal makes room for it."""
    from tqdm import tqdm

    with tqdm.external_write_mode(file):
        print(text, end="", file=file, flush=True)


def say(text: str) -> None:
    write(text + "\n", sys.stderr)


def open_bar(files: Sequence[AudioFile], name: str) -> tqdm[Any]:
    """Progress on a terminal, where there is enough to do that one wants to see it."""
    from asr.data.audio_bar import audio_bar
    from asr.recognizer.audio import declared_seconds

    seconds = declared_seconds(files) if sys.stderr.isatty() else 0.0
    return audio_bar(seconds, name, len(files) > 1 or seconds > LONG_SECONDS)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_audio_arguments(parser)
    formats = "txt: a line for each file; json: also times of words; srt, vtt: subtitles (default: txt)"
    parser.add_argument("--format", choices=FORMATS, default="txt", help=formats)
    parser.add_argument("--out", type=path, metavar="DIR", help="write a file for each; default: standard output")
    add_decoder_arguments(parser)
    add_window_arguments(parser)
    parser.epilog = (
        "Any format, rate and number of channels that libsndfile reads, or FFmpeg with the extra av. "
        "JSON is one line for each file."
    )


def run(arguments: argparse.Namespace) -> int:
    from asr.data.audio_bar import advance
    from asr.recognizer.output import TRANSCRIPT_FORMATS, format_named_text, open_output, write_result
    from asr.recognizer.transcribe import transcribe

    files = find_files(arguments)
    decode = decode_settings(arguments)
    if arguments.out is not None:
        open_output(arguments.out, files, arguments.format)
    elif len(files) > 1 and arguments.format in ("srt", "vtt"):
        raise UserError(f"{len(files)} files as {arguments.format}: give --out DIR, for a file each")
    form = TRANSCRIPT_FORMATS[arguments.format]
    if arguments.out is None and arguments.format == "txt" and (len(arguments.audio) > 1 or len(files) > 1):
        form = format_named_text
    recognizer = open_model(arguments, decode)
    seconds, started = 0.0, time.monotonic()
    with open_bar(files, "transcribing") as bar:
        for transcript in transcribe(recognizer, files, say, lambda done: advance(bar, done)):
            seconds += transcript.seconds
            if arguments.out is None:
                write(form(transcript), sys.stdout)
            else:
                write_result(arguments.out, transcript.file, arguments.format, form(transcript))
    taken = time.monotonic() - started
    print(f"{seconds:.1f} s of audio in {taken:.1f} s, {seconds / taken:.0f} × real time", file=sys.stderr)
    return 0
