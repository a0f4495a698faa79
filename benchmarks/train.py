"""Training against SpeechBrain: audio seconds per CPU second of a supervised step, from audio files on disk.

    python -m venv peer && peer/bin/pip install speechbrain==1.1.2 torch==VERSION_OF_HERE soundfile requests
    python benchmarks/train.py exp/mini-librispeech/manifests/DIGEST/labeled.jsonl --peer peer/bin/python

The manifest is one that stage 1 has written. Both train a model of the same layers on the same utterances, in fp32 or
in bf16 (autocast), on one thread, in batches of as much audio, with as many and as wide masks, the same dropout and
AdamW; each with its own features, batches, loader, encoder, loss and loop. Each warms up; then they take turns. CPU
seconds are those of the whole process, loading included; audio is counted without padding. On our side the step moves
the EMA teacher, too.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from sides import Side, spread

PEER = Path(__file__).with_name("speechbrain_training.py")
MASKS = {"frequency_masks": 2, "frequency_width": 30, "time_masks": 10, "time_width": 50}
MODEL = {"layers": 4, "width": 192, "heads": 4, "feedforward": 768, "kernel": 7, "stride": 3, "dropout": 0.1}
MELS = 80
SEED = 1


def make_task(manifest: Path, folder: Path, seconds: float) -> dict[str, Any]:
    """What both sides are given. Our own manifest and tokens are left in `folder`."""
    from asr.config import TokenConfig
    from asr.data.manifest import read_manifest, write_manifest
    from asr.data.tokens import build_tokens, load_tokenizer

    rows = [u for u in read_manifest(manifest) if u.text]
    write_manifest(folder / "labeled.jsonl", rows)
    write_manifest(folder / "unlabeled.jsonl", [])
    build_tokens(TokenConfig(), folder / "labeled.jsonl", folder / "tokens")
    tokenizer = load_tokenizer(folder / "tokens")
    listed = [
        {
            "id": u.id,
            "path": u.audio_filepath,
            "offset": u.offset,
            "seconds": u.duration,
            "tokens": tokenizer.encode(u.text or ""),
        }
        for u in rows
    ]
    sizes = {"tokens": tokenizer.size, "mels": MELS, "seconds": seconds, "seed": SEED}
    return {"folder": str(folder), "rows": listed, "model": MODEL, "specaugment": MASKS, **sizes}


def run_own_side() -> None:
    """What speechbrain_training.py is on the other side."""
    import torch

    from asr.config import Config, SpecAugmentConfig
    from asr.data.audio import AudioReader
    from asr.model.encoder import count_parameters
    from asr.scaling.plan import Plan
    from asr.step.clock import Clock
    from asr.step.planner import Positions
    from asr.step.ranks import join_ranks
    from asr.train.allocator import keep_memory
    from asr.train.corpus import read_data
    from asr.train.run import build

    task = json.loads(sys.stdin.readline())
    torch.set_num_threads(1)
    keep_memory()
    base, seconds, folder = Config(), task["seconds"], Path(task["folder"])
    longest = max(row["seconds"] for row in task["rows"])
    config = dataclasses.replace(
        base,
        seed=task["seed"],
        corpus=dataclasses.replace(base.corpus, dev=()),
        features=dataclasses.replace(base.features, mels=task["mels"]),
        specaugment=SpecAugmentConfig(**task["specaugment"]),
        model=dataclasses.replace(base.model, **task["model"]),
        batch=dataclasses.replace(
            base.batch, base_seconds=seconds, max_device_seconds=max(1.25 * seconds, longest + 1), frame_multiple=12
        ),
        optimizer=dataclasses.replace(base.optimizer, lr=1e-4),
        pseudo=dataclasses.replace(base.pseudo, labels="none"),
        train=dataclasses.replace(base.train, precision=task["precision"]),
    )
    with join_ranks() as ranks:
        reader = AudioReader(1, 0)
        machinery = build(Plan(config), read_data(config, folder, folder / "tokens"), reader, ranks)
        learner, clock = machinery.learner, Clock(seconds)
        batches = machinery.feeder.feed(clock, Positions())
        print(json.dumps({"parameters": count_parameters(learner.student)}), flush=True)
        for line in sys.stdin:
            begun, audio = time.process_time(), 0.0
            for _ in range(int(line)):
                batch = next(batches)
                result = learner.step(batch, clock)
                clock.tick(batch.cut.scale)
                audio += batch.seconds
            cpu = time.process_time() - begun
            loss = result.loss_labeled / result.utterances_labeled
            print(json.dumps({"audio": audio, "cpu": cpu, "loss": loss}), flush=True)
        reader.close()


def compare(manifest: Path, peer: str, seconds: float, rounds: int, audio: float, precisions: tuple[str, str]) -> str:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        task = make_task(manifest, Path(folder), seconds)
        steps = max(1, round(audio / seconds))
        commands = [sys.executable, __file__, "--own-side"], [peer, str(PEER)]
        sides = [
            stack.enter_context(closing(Side(command, task | {"precision": precision})))
            for command, precision in zip(commands, precisions, strict=True)
        ]
        speeds: list[list[float]] = [[], []]
        heard = [0.0, 0.0]
        for _ in range(rounds + 1):
            done = [side.ask(str(steps)) for side in sides]
            heard = [before + one["audio"] for before, one in zip(heard, done, strict=True)]
            for kept, one in zip(speeds, done, strict=True):
                kept.append(one["audio"] / one["cpu"])
    own, others = (kept[1:] for kept in speeds)  # The first round is for warming up.
    ratios = [one / other for one, other in zip(own, others, strict=True)]
    means = [audio / (steps * (rounds + 1)) for audio in heard]
    sizes = " and ".join(f"{side.parameters / 1e6:.2f}" for side in sides)
    return (
        f"batches of {seconds:g} s ({means[0]:.1f} and {means[1]:.1f} in the mean), {sizes} M parameters, "
        f"{rounds} rounds of {steps} steps: audio seconds per CPU second, median (least – most)\n"
        f"kappa-asr, {precisions[0]} {spread(own)}   "
        f"SpeechBrain, {precisions[1]} {spread(others)}   ratio {spread(ratios, 2)}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("manifest", type=Path, nargs="?", help="labeled.jsonl of stage 1")
    parser.add_argument("--peer", default=sys.executable, help="a Python that has speechbrain (default: this one)")
    parser.add_argument("--seconds", type=float, nargs="+", default=[15.0, 60.0], help="of a batch (default: 15 60)")
    parser.add_argument("--rounds", type=int, default=7, help="that are counted (default: 7)")
    parser.add_argument("--audio", type=float, default=300.0, help="seconds of audio a round (default: 300)")
    kinds = "fp32", "bf16"
    parser.add_argument("--precision", choices=kinds, default="fp32", help="of our side (default: fp32)")
    parser.add_argument("--peer-precision", choices=kinds, default="fp32", help="of the other (default: fp32)")
    parser.add_argument("--own-side", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.own_side:
        return run_own_side()
    if arguments.manifest is None:
        parser.error("which manifest? One that stage 1 has written, such as exp/NAME/manifests/DIGEST/labeled.jsonl")
    if subprocess.run([arguments.peer, "-c", "import speechbrain"], capture_output=True).returncode:
        parser.error(f"{arguments.peer} has no speechbrain: make an environment with it, see the top of this file")
    for seconds in arguments.seconds:
        precisions = arguments.precision, arguments.peer_precision
        done = compare(arguments.manifest, arguments.peer, seconds, arguments.rounds, arguments.audio, precisions)
        print(done, flush=True)
    return None


if __name__ == "__main__":
    main()
