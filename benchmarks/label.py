"""Labeling against its model alone: `kappa-asr label` from files, and the same forward passes on audio in memory.

    python benchmarks/label.py RUN exp/NAME/manifests/DIGEST/unlabeled.jsonl --hours 10

The two take turns, greedily, on one thread, in one precision. On our side everything is counted but the start: reading,
decoding, features, model, labels, shards. The other side has features and model. Memory is the largest that the process
had, for all of the audio and for a tenth of it.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from asr.data.manifest import Utterance, read_manifest, write_manifest

SHARDS = 4

ALONE = """
import json, sys, time
from pathlib import Path
import torch
from asr.config import BatchConfig, Config
from asr.data.audio import AudioReader
from asr.data.features import LogMel, pad_waveforms
from asr.data.manifest import Manifest, read_manifest
from asr.decode.decoder import plan_decoding
from asr.model.encoder import Encoder
from asr.model.precision import autocast, autocast_type
from asr.recognizer.trained import find_trained
device = torch.device("cpu")
kind = autocast_type("auto", device)
trained = find_trained(Path(sys.argv[1]))
features = LogMel(trained.features)
model = Encoder(trained.features.mels, len(trained.weights["head.bias"]), trained.model)
model.load_state_dict(trained.weights)
model.eval()
manifest = read_manifest(Path(sys.argv[2]))
batch = BatchConfig(unit_seconds=120, max_device_seconds=120)
config = Config(features=trained.features, model=trained.model, batch=batch)
wall = cpu = 0.0
for shard in range(int(sys.argv[3])):
    part = Manifest(manifest[row] for row in range(shard, len(manifest), int(sys.argv[3])))
    batches = plan_decoding(part, config)
    reader = AudioReader(2, 0)
    audio = list(reader.ahead(((part, b.rows) for b in batches), depth=2))
    reader.close()
    begun = time.perf_counter(), time.process_time()
    with torch.no_grad():
        for batch, samples in zip(batches, audio):
            heard = features(*pad_waveforms(samples, features.samples(batch.frames)))
            with autocast(kind, device):
                model(*heard)
    wall, cpu = wall + time.perf_counter() - begun[0], cpu + time.process_time() - begun[1]
print(json.dumps({"wall": wall, "cpu": cpu}))
"""
LABEL = """
import json, resource, sys, time
import torch
from asr.cli.main import main
from asr.pseudo import offline
run, spent = offline.Labeling.run, []
def timed(*given):
    begun = time.perf_counter(), time.process_time()
    count = run(*given)
    spent.append((time.perf_counter() - begun[0], time.process_time() - begun[1]))
    return count
offline.Labeling.run = timed
assert main(["label", *sys.argv[1:]]) == 0
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"wall": sum(w for w, _ in spent), "cpu": sum(c for _, c in spent), "peak": peak}))
"""


def take(manifest: Path, seconds: float, out: Path) -> float:
    """Write so many seconds of a manifest, whose rows come again under other ids where they do not suffice."""
    rows: list[Utterance] = []
    total = 0.0
    for turn in itertools.count():
        for utterance in read_manifest(manifest):
            if total >= seconds:
                write_manifest(out, rows)
                return total
            rows.append(dataclasses.replace(utterance, id=f"{turn}-{utterance.id}", text=None))
            total += utterance.duration
    return total


def child(code: str, *arguments: str) -> dict[str, float]:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True, check=True, env=environment
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def spread(values: list[float]) -> str:
    return f"{median(values):.2f} ({min(values):.2f} – {max(values):.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("model", help="a run's folder, a checkpoint or an exported folder")
    parser.add_argument("manifest", type=Path, help="JSON lines, as stage 1 writes them")
    parser.add_argument("--hours", type=float, default=10.0, help="of audio (default: 10)")
    parser.add_argument("--rounds", type=int, default=2, help="how often each is run (default: 2)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        whole, tenth = Path(folder) / "whole.jsonl", Path(folder) / "tenth.jsonl"
        seconds = take(arguments.manifest, arguments.hours * 3600, whole)
        take(arguments.manifest, arguments.hours * 360, tenth)
        ours: list[dict[str, float]] = []
        alone: list[dict[str, float]] = []
        for turn in range(arguments.rounds):
            options = ["--decoder", "greedy", "--shards", str(SHARDS)]
            ours.append(child(LABEL, arguments.model, str(whole), "--out", f"{folder}/whole-{turn}", *options))
            alone.append(child(ALONE, arguments.model, str(whole), str(SHARDS)))
        small = child(LABEL, arguments.model, str(tenth), "--out", f"{folder}/tenth", *options)
    print(f"{seconds / 3600:.1f} h of audio; {arguments.rounds} rounds, median (least – most)")
    for kind, name in (("cpu", "CPU second"), ("wall", "wall second")):
        speeds = [[seconds / one[kind] for one in side] for side in (ours, alone)]
        ratios = [one / other for one, other in zip(*speeds, strict=True)]
        sides = f"label {spread(speeds[0])}, model alone {spread(speeds[1])}, ratio {spread(ratios)}"
        print(f"audio seconds per {name}: {sides}")
    print(f"memory at its peak: {max(one['peak'] for one in ours):.0f} MB for all, {small['peak']:.0f} MB for a tenth")


if __name__ == "__main__":
    main()
