"""What front ends make of one second, and which can feed a model exported here; makes the tables of
docs/peers/frontends.md: `kappa-asr export RUN out; python docs/peers/frontends.py out recordings/*.flac`.

Every row comes from running the installed package; a tool that is not installed gets none, which is said.
"""

from __future__ import annotations

import itertools
import sys
import warnings
from importlib import metadata
from pathlib import Path

import numpy as np
import soundfile
import torch
from frontend_tools import TOOLS, Features, FrontEnd, Samples, ours
from rapidfuzz.distance import Levenshtein

from asr.recognizer import standalone

RATE, SHIFT = 16_000, 160
FRAME = 10


def noise(seconds: float = 1.0) -> Samples:
    return (0.1 * np.random.default_rng(0).standard_normal(round(seconds * RATE))).astype(np.float32)


def centre(front_end: FrontEnd) -> str:
    """Of the first frame, in ms from the beginning: where a click is loudest to a later one, as many shifts before."""
    places = np.arange(FRAME * SHIFT - 640, FRAME * SHIFT + 640, 20)
    heard = []
    for place in places:
        click = np.zeros(RATE // 2, np.float32)
        click[place] = 1
        heard.append(np.exp(front_end(click)[FRAME].astype(np.float64)).sum())
    loud = np.array(heard) - min(heard)
    loud *= loud > loud.max() / 1000
    return f"{((loud * places).sum() / loud.sum() - FRAME * SHIFT) / 16:.1f}"


def htk(hertz: np.ndarray) -> np.ndarray:
    return 2595 * np.log10(1 + hertz / 700)


def slaney(hertz: np.ndarray) -> np.ndarray:
    return np.where(hertz < 1000, hertz * 3 / 200, 15 + np.log(np.maximum(hertz, 1) / 1000) / np.log(6.4) * 27)


def scale(front_end: FrontEnd) -> str:
    """The mel scale, and its ends in Hz, by which band hears which tone best."""
    hertz = np.linspace(150, 7000, 40)
    time = np.arange(RATE // 4) / RATE
    tones = [0.1 * np.sin(2 * np.pi * f * time).astype(np.float32) for f in hertz]
    found = [front_end(tone)[5:15].mean(0) for tone in tones]
    bands, best = len(found[0]), np.array([one.argmax() for one in found])
    fits = {}
    for (name, mel), low, high in itertools.product((("HTK", htk), ("Slaney", slaney)), (0, 20), (7600, 8000)):
        ends = mel(np.array([low, high], float))
        place = (mel(hertz) - ends[0]) / (ends[1] - ends[0]) * (bands + 1) - 1
        fits[f"{name}, {low}–{high} Hz"] = np.abs(place - best).mean()
    return f"{bands} bands, {min(fits, key=lambda fit: fits[fit])}"


def dither(front_end: FrontEnd) -> str:
    return "none" if np.array_equal(front_end(noise()), front_end(noise())) else "yes"


def normalise(features: Features) -> Features:
    centred = features - features.mean(0)
    return centred / (np.sqrt(np.square(centred).mean(0)) + 1e-3)


def align(features: Features, frames: int) -> Features:
    """Of tools that make a frame or more at each end beyond ours: those whose centres are nearest to ours."""
    before = (len(features) - frames) // 2
    return features[before : before + frames]


def text(model: standalone.Recognizer, features: Features) -> list[str]:
    with torch.no_grad():
        log_probs, _ = model.encoder(torch.from_numpy(features)[None].float(), torch.tensor([len(features)]))
    ids = torch.unique_consecutive(log_probs[0].argmax(-1)).tolist()
    return [model.tokens[i] for i in ids if i]


def fed(model: standalone.Recognizer, front_end: FrontEnd | None, recordings: list[Samples]) -> list[str]:
    """Largest and mean difference of normalised features, and edits per 100 tokens of text."""
    if front_end is None or front_end(recordings[0]).shape[1] != 80:
        return ["–"] * 3
    apart, edits, tokens = [], 0, 0
    for one in recordings:
        right = normalise(ours(one))
        given = normalise(align(front_end(one), len(right)))
        apart.append(np.abs(given - right))
        said = text(model, right)
        edits, tokens = edits + Levenshtein.distance(text(model, given), said), tokens + len(said)
    return [
        f"{max(one.max() for one in apart):.2g}",
        f"{np.concatenate(apart).mean():.2g}",
        f"{100 * edits / tokens:.1f}",
    ]


def table(exported: str, *paths: str) -> None:
    model = standalone.load(Path(exported))
    recordings = [soundfile.read(path, dtype="float32")[0] for path in paths]
    head = "tool, run with, frames, first centre (ms), mel scale, level, silence, dither".split(", ")
    fits = [f"{what}, {how}" for how in ("default", "near") for what in ("largest", "mean", "edits")]
    for row in (head + fits, ["---"] * (len(head) + 6)):
        print("| " + " | ".join(row) + " |")
    level = ours(noise()).mean()
    for name, (package, default, near) in TOOLS.items():
        try:
            second, silence = default(noise()), default(np.zeros(RATE, np.float32))
            cells = [name, f"{package} {metadata.version(package)}", str(len(second)), centre(default), scale(default)]
            cells += [f"{second.mean() - level:+.1f}", f"{silence.mean():.1f}", dither(default)]
            cells += [*fed(model, default, recordings), *fed(model, near, recordings)]
            print("| " + " | ".join(cells) + " |", flush=True)
        except (metadata.PackageNotFoundError, ImportError) as error:
            print(f"{name}: not run ({' '.join(str(error).split())[:200]})", file=sys.stderr)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    table(*sys.argv[1:])
