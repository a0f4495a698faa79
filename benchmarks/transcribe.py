r"""Transcription against SpeechBrain and NeMo: audio seconds per CPU second, greedy, of files on disk, in one process.

    python -m venv peer && peer/bin/pip install speechbrain==1.1.2 torch==VERSION_OF_HERE soundfile requests
    python -m venv nemo && nemo/bin/pip install 'nemo_toolkit[asr]==3.0.0'
    python benchmarks/transcribe.py LibriSpeech/dev-clean LibriSpeech/dev-other --peer peer/bin/python \
      --nemo nemo/bin/python

They take turns on one thread, in fp32, each with the same files, which are dealt out to the rounds: what `kappa-asr
transcribe` does with the model that ships; the same with an untrained model of plain Transformer blocks; SpeechBrain's
`EncoderASR.transcribe_file` with a model of the same plain blocks, untrained too; its `transcribe_batch` with
batches that are made as ours are, of files of like lengths; and NeMo's `transcribe` with an untrained Conformer, since
it has no such blocks for CTC, file by file and by fours, its default. All have as many parameters, within 1 %.
CPU seconds and wall time are those of the files, reading included and the start left out.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from sides import Side, spread

HERE = Path(__file__).parent
BATCH_SECONDS = 60.0
FORMS = ("the shipped model", "the same layers")
PEERS = {
    "speechbrain": ("SpeechBrain", {"file by file": "file by file", "in batches": "in batches"}),
    "nemo": ("NeMo", {"file by file": "1", "in batches": "4"}),
}
"""By the package that its Python must have: the name, and what its program is called with in each form."""
Figures = list[dict[str, float]]


def plain(model: Any) -> Any:
    """Settings of plain blocks with as many parameters: what a convolution has more goes into feed-forward layers."""
    import dataclasses

    wider = round(1.5 * model.width) if model.convolution else 0
    feedforward = model.feedforward + wider
    return dataclasses.replace(model, convolution=0, half_rate=0, intermediate=(), feedforward=feedforward)


def make_task(model: Path) -> dict[str, Any]:
    """What all are given."""
    from asr.data.tokens import load_tokenizer
    from asr.recognizer.trained import find_trained

    trained = find_trained(model)
    settings = plain(trained.model)
    names = ("layers", "width", "heads", "feedforward", "kernel", "stride")
    return {
        "folder": str(model),
        "model": {name: getattr(settings, name) for name in names},
        "mels": trained.features.mels,
        "symbols": load_tokenizer(trained.tokens).symbols,
        "batch_seconds": BATCH_SECONDS,
    }


def run_own_side(form: str) -> None:
    """What speechbrain_transcribing.py is on the other side."""
    import dataclasses

    import torch

    from asr.model.encoder import Encoder, count_parameters
    from asr.recognizer.audio import find_audio
    from asr.recognizer.output import format_named_text
    from asr.recognizer.recognizer import choose_windows, open_recognizer
    from asr.recognizer.trained import find_trained
    from asr.recognizer.transcribe import transcribe

    task = json.loads(sys.stdin.readline())
    torch.set_num_threads(1)
    torch.manual_seed(1)
    trained = find_trained(Path(task["folder"]))
    if form == FORMS[1]:
        settings = plain(trained.model)
        weights = Encoder(trained.features.mels, len(task["symbols"]), settings).state_dict()
        trained = dataclasses.replace(trained, model=settings, weights=weights)
    recognizer = open_recognizer(trained, choose_windows(trained, None, None, None))
    print(json.dumps({"parameters": count_parameters(recognizer._model)}), flush=True)
    for line in sys.stdin:
        begun = time.process_time(), time.perf_counter()
        done = list(transcribe(recognizer, find_audio(json.loads(line)), lambda _: None))
        signs = sum(len(format_named_text(one)) for one in done)
        cpu, wall = time.process_time() - begun[0], time.perf_counter() - begun[1]
        audio = sum(one.seconds for one in done)
        print(json.dumps({"audio": audio, "cpu": cpu, "wall": wall, "signs": signs}), flush=True)


def compare(model: Path, files: list[str], peers: dict[str, str], rounds: int) -> str:
    """`peers` are Pythons by the package that they have."""
    commands = {f"kappa-asr, {form}": [sys.executable, __file__, "--own-side", form] for form in FORMS}
    for package, python in peers.items():
        name, forms = PEERS[package]
        program = str(HERE / f"{package}_transcribing.py")
        commands |= {f"{name}, {form}": [python, program, word] for form, word in forms.items()}
    names = list(commands)
    with ExitStack() as stack:
        task = make_task(model)
        sides = [stack.enter_context(closing(Side(command, task))) for command in commands.values()]
        found: list[Figures] = [[] for _ in sides]
        for turn in range(rounds + 1):
            # The first round, of a few files, is for warming up.
            part = files[:4] if turn == 0 else files[turn - 1 :: rounds]
            for kept, side in zip(found, sides, strict=True):
                kept.append(side.ask(json.dumps(part)))
            speeds = ", ".join(f"{kept[-1]['audio'] / kept[-1]['cpu']:.0f}" for kept in found)
            print(f"round {turn} of {rounds}: {speeds}", file=sys.stderr, flush=True)
    lines: list[str] = []
    of_rounds = [[one["audio"] / one["cpu"] for one in kept[1:]] for kept in found]
    for side, name, kept, speed in zip(sides, names, found, of_rounds, strict=True):
        wall = sum(one["audio"] for one in kept[1:]) / sum(one["wall"] for one in kept[1:])
        lines.append(f"{name}, {side.parameters / 1e6:.2f} M: {spread(speed)} a CPU second, {wall:.0f} a wall second")
    for own, one in zip(names, of_rounds[: len(FORMS)], strict=False):
        for other, two in zip(names[len(FORMS) :], of_rounds[len(FORMS) :], strict=True):
            ratios = [a / b for a, b in zip(one, two, strict=True)]
            lines.append(f"{own} ÷ {other}: {spread(ratios, 2)}")
    hours = sum(one["audio"] for one in found[0][1:]) / 3600
    head = f"{hours:.2f} h in {len(files)} files, {rounds} rounds, audio seconds; median (least – most)"
    return "\n".join([head, *lines])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("audio", nargs="*", help="files and folders")
    parser.add_argument("--model", type=Path, help="a trained model's folder (default: the one that ships)")
    parser.add_argument("--peer", default=sys.executable, help="a Python that has speechbrain (default: this one)")
    parser.add_argument("--nemo", help="a Python that has nemo (default: without it)")
    parser.add_argument("--rounds", type=int, default=5, help="among which the files are dealt out (default: 5)")
    parser.add_argument("--own-side", choices=FORMS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.own_side:
        return run_own_side(arguments.own_side)
    if not arguments.audio:
        parser.error("which audio? Files or folders, such as LibriSpeech/dev-clean")
    peers = {"speechbrain": arguments.peer} | ({"nemo": arguments.nemo} if arguments.nemo else {})
    for package, python in peers.items():
        if subprocess.run([python, "-c", f"import {package}"], capture_output=True).returncode:
            parser.error(f"{python} has no {package}: make an environment with it, see the top of this file")
    from asr.recognizer.audio import find_audio
    from asr.recognizer.shipped import shipped_model

    files = [str(file.path.absolute()) for file in find_audio(arguments.audio)]
    print(compare(arguments.model or shipped_model(), files, peers, arguments.rounds))
    return None


if __name__ == "__main__":
    main()
