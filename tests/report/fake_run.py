"""A run's folder as a finished run leaves it, made up: plausible curves, texts with planted errors."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path

import yaml

from asr.score.transcripts import write_transcripts
from asr.score.wer import ErrorCounts, count_errors

HOURS, STEPS, START = 10.0, 150, 2.0
FINAL_WER = {"dev-clean": 0.14, "dev-other": 0.29}
SENTENCES = (
    "THE OLD FARMER WALKS SLOWLY THROUGH THE GARDEN BECAUSE A SMALL CHILD WAITS BESIDE THE RIVER "
    "NEVER OPENS A LETTER WITHOUT THE DOCTOR ALTHOUGH IT'S QUIET AND THE SAILOR REMEMBERS NO MORNING "
    "BUT A YOUNG TEACHER FINDS EVERY BLUE WINDOW OVER THE MARKET AT NINE O'CLOCK AND ANSWERS ALWAYS"
)
WORDS = SENTENCES.split()


def _texts(subset: str, rng: random.Random) -> dict[str, str]:
    return {
        f"{subset[4]}{speaker:02d}-{chapter}-{row:04d}": " ".join(rng.choices(WORDS, k=rng.randint(2, 24)))
        for speaker in range(8)
        for chapter in (1,)
        for row in range(5)
    }


def _mishear(text: str, rate: float, rng: random.Random) -> str:
    heard: list[str] = []
    for word in text.split():
        draw = rng.random()
        if draw < rate * 0.65:
            heard.append(word[:-1] + rng.choice("SEDT") if len(word) > 2 else rng.choice(WORDS))
        elif draw >= rate * 0.85:
            heard.append(word)
        if rng.random() < rate * 0.15:
            heard.append(rng.choice(["A", "AND", "IT", "THE"]))
    return " ".join(heard)


def _wer(hours: float, final: float, lag: float) -> float:
    return min(final + (1.05 - final) * math.exp(-max(hours - 0.4 - lag, 0) / 1.6), 1.2)


def metric_lines(pseudo: bool = True, transcribed: bool = True) -> list[dict[str, object]]:
    """Lines of metrics.jsonl, in the order a run logs them."""
    rng = random.Random(5)
    lines: list[dict[str, object]] = []
    for step in range(2, STEPS + 1, 2):
        hours = step * HOURS / STEPS
        labeling = pseudo and hours >= START
        rise, fall = hours / 0.5, (HOURS - hours) / (HOURS - 0.5)
        loss = 320 * math.exp(-hours * 0.55) + 9 + rng.random() * 4
        lines.append(
            {
                "kind": "train",
                "step": step,
                "hours": hours,
                "lr": 2e-3 * min(rise, fall),
                "loss_labeled": loss,
                "loss_unlabeled": loss * 1.3 + 6 * rng.random() if labeling else None,
                "grad_norm": 1 + rng.random(),
                "label_wer": _wer(hours, 0.2, 0.1) + rng.random() * 0.04 if labeling and transcribed else None,
                "labels_kept": 0.97 - 0.3 * math.exp(START - hours) if labeling else None,
                "labels_empty": 0.15 * math.exp(START - hours) if labeling else None,
                "momentum": 0.996,
            }
        )
        if step % 10 == 0:
            models = {
                name: {s: {"wer": _wer(hours, f * better, lag), "cer": f / 3} for s, f in FINAL_WER.items()}
                for name, better, lag in (("student", 1.12, 0.0), ("teacher", 1.0, 0.12))
            }
            lines.append({"kind": "dev", "step": step, "hours": hours, **models})
    return lines


def _evaluate(folder: Path) -> None:
    rng = random.Random(9)
    scores: list[dict[str, object]] = []
    for subset, rate in FINAL_WER.items():
        references = _texts(subset, rng)
        write_transcripts(folder / f"{subset}.ref.trans.txt", references)
        for model, worse in (("student", 1.15), ("teacher", 1.0)):
            heard = {name: _mishear(text, rate * worse, rng) for name, text in references.items()}
            write_transcripts(folder / model / f"{subset}.hyp.trans.txt", heard)
            pair = list(references.values()), list(heard.values())
            words, characters = (sum(count_errors(*pair, unit), ErrorCounts()) for unit in ("word", "char"))
            scores.append(
                {
                    "model": model,
                    "subset": subset,
                    "decoder": "greedy",
                    "utterances": len(references),
                    "words": words.reference_length,
                    "wer": words.rate,
                    "wer_low": words.rate * 0.91,
                    "wer_high": words.rate * 1.1,
                    "cer": characters.rate,
                    "substitutions": words.substitutions,
                    "deletions": words.deletions,
                    "insertions": words.insertions,
                }
            )
    (folder / "scores.json").write_text(json.dumps(scores))


SETTINGS: dict[str, object] = {
    "name": "mini",
    "seed": 1,
    "batch_scale": 4.0,
    "corpus": {"source": "mini", "root": "", "labeled": ["train-labeled"], "dev": ["dev-clean", "dev-other"]},
    "model": {"layers": 4, "width": 192, "heads": 4, "norm": "pre"},
    "batch": {"base_seconds": 60.0, "frame_multiple": 48},
    "optimizer": {"kind": "adamw", "lr": 0.001, "beta1": 0.9, "beta2": 0.98, "weight_decay": 0.0},
    "schedule": {"total_hours": 10.0, "warmup_hours": 0.5, "decay": "linear"},
    "teacher": {"momentum": 0.999},
    "pseudo": {"labels": "teacher", "start_hours": 2.0, "unlabeled_share": 0.75},
}

SCALING = [
    ("audio per step", "s", 60.0, [240.0], "κ · seconds"),
    ("learning rate", "1", 1e-3, [2e-3], "√κ · lr"),
    ("β₁", "1", 0.9, [0.6561], "β^κ"),
    ("ε", "1", 1e-8, [5e-9], "ε / √κ"),
    ("teacher half-life", "h", 2.0, [2.0], "audio"),
    ("teacher momentum ρ", "1", 0.999, [0.996006], "ρ^κ"),
    ("pseudo-labels start", "step", 1200, [300.0], "2 h of audio"),
]


def write_fake_run(folder: Path) -> Path:
    """Write all parts of a run's folder and return it."""
    (folder / "evaluation").mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(SETTINGS, sort_keys=False))
    rows = [dict(zip(("name", "unit", "base", "scaled", "rule"), row, strict=True)) for row in SCALING]
    (folder / "plan.json").write_text(json.dumps({"batch_scale": 4.0, "rows": rows}))
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in metric_lines()))
    _evaluate(folder / "evaluation")
    return folder
