"""Label a corpus with a trained model, shard by shard, on any number of machines."""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from asr.cli.transcribe import add_decoder_arguments, add_model_arguments, decode_settings
from asr.errors import UserError
from asr.path_argument import path

if TYPE_CHECKING:
    from asr.config import DecodeConfig
    from asr.pseudo.offline import Labeling
    from asr.pseudo.shards import Shard

LONGEST = 36.0
"""Seconds of an utterance at most, for a model that does not say what it was trained on."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model_arguments(parser)
    listed = "JSON lines as stage 1 writes them; or a folder of audio, or what NeMo, Kaldi, Lhotse or a table lists"
    parser.add_argument("corpus", type=path, metavar="CORPUS|MANIFEST", help=listed)
    parser.add_argument("--out", type=path, required=True, metavar="DIR", help="where labels go; finished shards stay")
    parser.add_argument("--shards", type=int, metavar="N", help="parts of the work; default: about ten hours each")
    parser.add_argument("--shard", metavar="I/N", help="do one part only, such as 0/100; default: all that is left")
    parser.add_argument("--status", action="store_true", help="count what is done, failed and missing, and do nothing")
    parser.add_argument(
        "--max-bad-audio", type=int, default=0, metavar="N", help="unreadable utterances of a shard to go on without"
    )
    longest = (
        "seconds of an utterance at most, into which a corpus's recordings are cut (default: the longest trained on)"
    )
    parser.add_argument("--longest", type=float, metavar="S", help=longest)
    parser.add_argument("--batch-seconds", type=float, default=120.0, metavar="S", help="audio a forward pass takes")
    parser.add_argument("--write", choices=("nemo", "kaldi", "lhotse"), help="write finished labels in this form, too")
    add_decoder_arguments(parser)


def _check(arguments: argparse.Namespace) -> None:
    """Raises UserError for numbers without sense."""
    for name in ("longest", "batch_seconds"):
        seconds = getattr(arguments, name)
        if seconds is not None and not 0 < seconds < math.inf:
            raise UserError(f"--{name.replace('_', '-')} {seconds:g}: must be a number of seconds, more than 0")
    for name, least in (("shards", 1), ("max_bad_audio", 0)):
        count = getattr(arguments, name)
        if count is not None and count < least:
            raise UserError(f"--{name.replace('_', '-')} {count}: must be at least {least}")


def _chosen(text: str) -> tuple[int, int]:
    index, _, count = text.partition("/")
    if not (index.isdecimal() and count.isdecimal() and int(index) < int(count)):
        raise UserError(f"--shard {text}: expected I/N with I from 0 to N - 1, such as 0/100")
    return int(index), int(count)


def _language_model(trained: Path, decode: DecodeConfig) -> str:
    """Which one labels, by its content, since two may have one name; and its weights, as `open_search` finds them."""
    from asr.decode.language_model import NO_LEXICON
    from asr.decode.tuning import choose_weights, find_tuned, fingerprint, read_tuned
    from asr.recognizer.decoding import run_folder

    run = run_folder(trained)
    if decode.lm:
        digest = fingerprint(Path(decode.lm))
        tuned = find_tuned(run, digest, decode.lexicon)
    else:
        tuned = [entry for entry in read_tuned(run) if decode.lexicon in ("", entry.lexicon)][-1]
        digest = tuned.lm_sha256
    weights, _ = choose_weights(decode, tuned)
    more = f" {weights.blank_penalty:g}" if weights.blank_penalty else ""
    if decode.lexicon:
        more += f" lexicon {decode.lexicon if decode.lexicon == NO_LEXICON else fingerprint(Path(decode.lexicon))[:12]}"
    return f"{digest[:12]} {weights.lm_weight:g} {weights.word_score:g}{more}"


def _open(arguments: argparse.Namespace) -> Labeling:
    import dataclasses

    from asr.config import BatchConfig, Config
    from asr.data.features import LogMel
    from asr.data.tokens import load_tokenizer, read_normaliser
    from asr.decode.decoder import Decoder
    from asr.device import choose_device
    from asr.model.encoder import Encoder
    from asr.model.precision import autocast, autocast_type
    from asr.pseudo.offline import Labeling
    from asr.recognizer.decoding import open_search
    from asr.recognizer.trained import digest_weights, find_trained

    trained = find_trained(arguments.trained, arguments.model, arguments.tokens)
    tokenizer = load_tokenizer(trained.tokens)
    decode = decode_settings(arguments)
    search = open_search(decode, arguments.trained, trained.tokens, lambda line: print(line, file=sys.stderr))
    device = choose_device()
    model = Encoder(trained.features.mels, tokenizer.size, trained.model, trained.features.shift_ms / 1000)
    model.load_state_dict(trained.weights)
    model.to(device).eval()
    batch = dataclasses.replace(BatchConfig(), max_device_seconds=arguments.batch_seconds)
    config = Config(features=trained.features, model=trained.model, batch=batch)
    kind = autocast_type("auto", device)
    decoder = Decoder(config, tokenizer, LogMel(trained.features).to(device), device, lambda: autocast(kind, device))
    normaliser = read_normaliser(trained.tokens)
    maker = f"model {digest_weights(trained.weights)[:12]}, {normaliser}, {decode.decoder}"
    if decode.decoder != "greedy":
        maker += f" {decode.width}"
        # Hotwords and words that may be written make other labels.
        maker += "".join(f" {word}" for word in decode.hotwords)
        maker += f" {decode.hotword_score:g}" if decode.hotwords else ""
    if decode.decoder == "lm":
        maker += f" {_language_model(arguments.trained, decode)}"
    return Labeling(model, decoder, tokenizer, normaliser, maker, search, words=decode.decoder == "lm")


def _find_manifest(arguments: argparse.Namespace) -> Path:
    from asr.recognizer.trained import find_trained
    from data_prep.untold import is_own_manifest, list_audio

    corpus: Path = arguments.corpus
    if is_own_manifest(corpus):
        if arguments.longest is not None:
            raise UserError(f"--longest: {arguments.corpus} says itself where utterances begin and end")
        return corpus
    seconds = find_trained(arguments.trained, arguments.model, arguments.tokens).utterance_seconds
    usual = LONGEST if seconds is None else seconds[-1]
    longest = usual if arguments.longest is None else arguments.longest
    return list_audio(arguments.corpus, arguments.out / "corpus", longest, lambda line: print(line, file=sys.stderr))


def _status(folder: Path) -> int:
    from asr.pseudo.shards import read_task, shards_of

    task = read_task(folder)
    shards = shards_of(folder, task)
    done = [shard for shard in shards if shard.done]
    failed = [shard for shard in shards if not shard.done and shard.failure.is_file()]
    labels = unreadable = 0
    for shard in done:
        found, errors, _ = shard.read()
        labels, unreadable = labels + len(found), unreadable + len(errors)
    print(f"{folder}: {task.maker}; {task.utterances:,} utterances, {task.seconds / 3600:,.1f} h")
    print(f"{len(done)} of {task.shards} shards done, {labels:,} labels, {unreadable:,} utterances unreadable")
    for shard in failed:
        print(f"{shard.name} failed: {shard.failure.read_text(encoding='utf-8').strip()}")
    missing = task.shards - len(done) - len(failed)
    print(f"{len(failed)} failed, {missing} missing")
    return 0 if len(done) == task.shards else 1


def _in_turn(shards: Sequence[Shard]) -> list[Shard]:
    """All shards, from this process's first one on: processes that begin together do not ask for the same."""
    rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    begin = rank * len(shards) // max(world, 1)
    return [*shards[begin:], *shards[:begin]]


def run(arguments: argparse.Namespace) -> int:
    if arguments.status:
        return _status(arguments.out)
    _check(arguments)
    from asr.data.audio_bar import audio_bar
    from asr.data.manifest import read_manifest
    from asr.pseudo.offline import task_of
    from asr.pseudo.shards import open_task, read_labels_folder
    from asr.pseudo.writers import write_labels

    chosen = None if arguments.shard is None else _chosen(arguments.shard)
    if chosen and arguments.shards not in (None, chosen[1]):
        raise UserError(f"--shard {arguments.shard} and --shards {arguments.shards} name two numbers of shards")
    manifest = read_manifest(_find_manifest(arguments))
    labeling = _open(arguments)
    task = task_of(manifest, labeling, chosen[1] if chosen else arguments.shards)
    if chosen and chosen[1] != task.shards:
        raise UserError(f"--shard {arguments.shard}: {len(manifest)} utterances make {task.shards} shards at most")
    shards = open_task(arguments.out, task)
    failures: list[str] = []
    for shard in [shards[chosen[0]]] if chosen else _in_turn(shards):
        with shard.claimed() as mine:
            if not mine:
                continue
            seconds = float(manifest.durations[list(shard.rows(len(manifest)))].sum())
            try:
                with audio_bar(seconds, shard.name) as bar:
                    count = labeling.run(shard, manifest, arguments.max_bad_audio, 0, bar.update)
                print(f"{shard.name}: {count:,} labels", file=sys.stderr)
            except UserError as error:
                failures.append(str(error))
    if failures:
        raise UserError(f"{len(failures)} of {len(shards)} shards failed:\n  " + "\n  ".join(failures))
    left = [shard.name for shard in shards if not shard.done]
    if left:
        print(f"{arguments.out}: {len(left)} of {len(shards)} shards are left to others", file=sys.stderr)
    elif arguments.write:
        print(write_labels(arguments.out, manifest, read_labels_folder(arguments.out)[0], arguments.write))
    return 0
