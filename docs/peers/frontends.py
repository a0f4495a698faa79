"""What front ends make of one second, and which can feed a model exported here; makes the tables of
docs/peers/frontends.md: `kappa-asr export RUN out; python docs/peers/frontends.py out recordings/*.flac` (16 kHz mono).

Every row comes from running the installed package; a tool that is not installed gets none, which is said.
"""

from __future__ import annotations

import itertools
import os
import sys
import warnings
from functools import partial
from importlib import metadata
from pathlib import Path

import numpy as np
import soundfile
import torch
from frontend_tools import TOOLS, Features, FrontEnd, Samples, nemo_mel, ours
from rapidfuzz.distance import Levenshtein

from asr.recognizer import standalone

RATE, SHIFTS = 16_000, (128, 160, 200, 512)
FRAME = 10
NATS, SHORT = 2 * np.log(2), 0.05
"""What twice the amplitude adds to a log-power; how far off it may be where something is added before the log."""
LOGS = {"ln": 1.0, "log10": 1 / np.log(10), "dB": 10 / np.log(10), "log10 / 4": 1 / np.log(10) / 4}


def noise(amplitude: float = 0.1) -> Samples:
    return (amplitude * np.random.default_rng(0).standard_normal(RATE)).astype(np.float32)


def centre(front_end: FrontEnd) -> float:
    """Of the first frame, in ms from the beginning: where a click is loudest to a later one, as many shifts before.

    The clicks stand in noise, which keeps floors and normalisers from hiding them.
    """
    frames = len(front_end(noise()))
    shift = min(SHIFTS, key=lambda known: abs(known - RATE / frames))
    places = FRAME * shift + np.arange(-1200, 1201, 8)
    heard = []
    for place in places:
        click = noise(1e-3)
        click[place] = 0.5
        heard.append(front_end(click)[FRAME].astype(np.float64).mean())
    loud = np.array(heard) - np.median(sorted(heard)[:10])
    # Logarithms are flat on top: the middle between the places where half of it is reached.
    reached = places[loud > loud.max() / 2]
    return ((reached[0] + reached[-1]) / 2 - FRAME * shift) / 16


def htk(hertz: np.ndarray) -> np.ndarray:
    return 2595 * np.log10(1 + hertz / 700)


def slaney(hertz: np.ndarray) -> np.ndarray:
    return np.where(hertz < 1000, hertz * 3 / 200, 15 + np.log(np.maximum(hertz, 1) / 1000) / np.log(6.4) * 27)


def scale(front_end: FrontEnd) -> str:
    """The mel scale, and its ends in Hz, by which band hears which tone best."""
    hertz = np.linspace(150, 7000, 60)
    time = np.arange(RATE // 2) / RATE
    # Half of it is noise, against which a tone stands out where bands are normalised over time.
    tones = [noise(1e-3)[: RATE // 2] + 0.1 * np.sin(2 * np.pi * f * time) * (time < 0.25) for f in hertz]
    found = [front_end(tone.astype(np.float32)) for tone in tones]
    frames, bands = found[0].shape
    begin, middle, end = frames // 8, frames // 2, -(frames // 8)
    best = [(one[begin : middle - begin].mean(0) - one[middle + begin : end].mean(0)).argmax() for one in found]
    fits = {}
    for (name, mel), low, high in itertools.product((("HTK", htk), ("Slaney", slaney)), (0, 20), (7600, 8000)):
        ends = mel(np.array([low, high], float))
        place = (mel(hertz) - ends[0]) / (ends[1] - ends[0]) * (bands + 1) - 1
        fits[f"{bands}, {name}, {low}–{high} Hz"] = np.abs(place - np.array(best)).mean()
    return min(fits, key=lambda fit: fits[fit])


def log(front_end: FrontEnd) -> str:
    """Of what, by how much twice the amplitude adds to noise; its base is the tool's."""
    added = float((front_end(noise(0.2)) - front_end(noise())).mean())
    for name, unit in LOGS.items():
        if abs(added / (NATS * unit) - 1) < SHORT:
            return name
    return "normalised" if abs(added) < SHORT * NATS else f"{added:.2f} per doubling"


def ruined(front_end: FrontEnd, recording: Samples) -> str:
    """What a level of 16-bit integers changes in normalised features, on the mean."""
    one, other = normalise(front_end(recording)), normalise(front_end(32768 * recording))
    return f"{np.abs(one - other).mean():.2g}"


def dither(name: str, front_end: FrontEnd) -> str:
    def same(made: FrontEnd) -> bool:
        return np.array_equal(made(noise()), made(noise()))

    if name == "NeMo" and same(front_end):
        return "none" if same(partial(nemo_mel, training=True)) else "in training"
    return "none" if same(front_end) else "yes"


def normalise(features: Features) -> Features:
    centred = features - features.mean(0)
    return (centred / (np.sqrt(np.square(centred).mean(0)) + 1e-3)).astype(np.float32)


def align(features: Features, frames: int, first: float) -> Features:
    """Of a tool whose first frame's centre is `first` ms from the beginning, those nearest to ours, at 16 ms."""
    before = max(0, round((16 - first) / 10))
    return features[before : before + frames]


def text(model: standalone.Recognizer, features: Features) -> list[str]:
    with torch.no_grad():
        log_probs, _ = model.encoder(torch.from_numpy(features)[None], torch.tensor([len(features)]))
    ids = torch.unique_consecutive(log_probs[0].argmax(-1)).tolist()
    return [model.tokens[i] for i in ids if i]


def fed(model: standalone.Recognizer, front_end: FrontEnd, first: float, recordings: list[Samples]) -> list[str]:
    """Largest and mean difference of normalised features, other texts, and edits per 100 tokens."""
    apart, edits, tokens, other = [], 0, 0, 0
    for one in recordings:
        right = normalise(ours(one))
        made = front_end(one)
        given = align(made, len(right), first)
        if given.shape[1] != right.shape[1] or not 0.98 < len(made) / len(right) < 1.1:
            return ["–"] * 4
        given = normalise(given)
        apart.append(np.abs(given - right[: len(given)]))
        said, found = text(model, right), text(model, given)
        edits, tokens, other = edits + Levenshtein.distance(found, said), tokens + len(said), other + (found != said)
    largest, mean = max(one.max() for one in apart), np.concatenate(apart).mean()
    return [f"{largest:.2g}", f"{mean:.2g}", str(other), f"{100 * edits / tokens:.1f}"]


def show(cells: list[str]) -> None:
    print("| " + " | ".join(cells) + " |", flush=True)


def table(exported: str, *paths: str) -> None:
    model = standalone.load(Path(exported))
    recordings = [soundfile.read(path, dtype="float32")[0] for path in paths]
    print(f"{len(recordings)} recordings, {sum(map(len, recordings)) / RATE:.0f} s")
    head = "tool, run with, frames, first centre (ms), bands; scale, log, ±32768 for ±1, dither".replace(",", " |")
    show(head.replace(";", ",").split(" | "))
    show(["---"] * 8)
    rows = []
    for name, tool in TOOLS.items():
        try:
            default = tool.default
            first, second = centre(default), default(noise())
            version = f"{tool.package} {metadata.version(tool.package)}"
            cells = [name, version, str(len(second)), f"{first:.1f}", scale(default), log(default)]
            show([*cells, ruined(default, recordings[0]), dither(name, default)])
            near = ["–"] * 4 if tool.near is None else fed(model, tool.near, centre(tool.near), recordings)
            rows.append([name, *fed(model, default, first, recordings), *near])
        except (metadata.PackageNotFoundError, ImportError) as error:
            print(f"{name}: not run ({' '.join(str(error).split())[:200]})", file=sys.stderr)
    columns = ["largest", "mean", "other texts", "edits per 100 tokens"]
    show(["tool", *columns, *(f"near: {column}" for column in columns)])
    show(["---"] * 9)
    for row in rows:
        show(row)


if __name__ == "__main__":
    os.environ["TRANSFORMERS_VERBOSITY"] = "error"
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    table(*sys.argv[1:])
