"""What a run left in its folder, read for the report.

A run that is not finished lacks parts: all may be missing but one of config.yaml and metrics.jsonl.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from asr.errors import UserError
from asr.scaling.table import show, show_scaled
from asr.score.rates import UNITS, RateName, find_rate
from asr.score.transcripts import read_transcripts

MODELS = ("student", "teacher")


@dataclass(frozen=True)
class ScalingRow:
    """One line of the plan: a quantity at κ = 1, at this run's κ, and the rule between them."""

    name: str
    base: str
    scaled: str
    rule: str


@dataclass(frozen=True)
class Score:
    """One row of the evaluation; rates are shares (0.25 is 25 %), NaN where there is none."""

    model: str
    subset: str
    decoder: str
    utterances: int
    rate: RateName
    length: int
    """Of the references, in what the rate counts."""
    error: float
    low: float
    high: float
    cer: float
    substitutions: int
    deletions: int
    insertions: int


@dataclass(frozen=True)
class Evaluation:
    """Dev scores at one point of training: `errors[model][subset]`, as shares."""

    step: int
    hours: float
    errors: dict[str, dict[str, float]]
    rate: RateName = "wer"


@dataclass(frozen=True)
class RunRecord:
    name: str
    settings: dict[str, Any]
    batch_scale: float | None
    scaling: list[ScalingRow]
    train: list[dict[str, Any]]
    """Training lines in order, as logged; `curve` picks one quantity."""
    evaluations: list[Evaluation]
    scores: list[Score]
    references: dict[str, dict[str, str]]
    """Transcripts by subset and utterance id."""
    hypotheses: dict[str, dict[str, dict[str, str]]]
    """Hypotheses by model, subset and utterance id."""
    makers: dict[str, int]
    """Who wrote the pseudo-labels that were there before training, and how many each."""
    phones: dict[str, dict[str, dict[str, str]]]
    """By model, subset and utterance id: what hypotheses are held against where they are phones."""

    @property
    def of_audio_alone(self) -> bool:
        """Whether the model writes no text, and a linear rule on it is what errors are of."""
        kind: str = self.settings.get("objective", {}).get("kind", "ctc")
        return kind != "ctc"

    @property
    def rate(self) -> RateName:
        """What training counts errors in."""
        return self.evaluations[-1].rate if self.evaluations else "wer"

    @property
    def hours(self) -> float:
        """Audio seen, in hours."""
        return max((float(p["hours"]) for p in self.train), default=self._evaluated_hours)

    @property
    def _evaluated_hours(self) -> float:
        return max((e.hours for e in self.evaluations), default=0.0)

    @property
    def pseudo_start(self) -> float | None:
        """Hours of audio seen before the first pseudo-label, as near as the log tells; None where there is none."""
        before = 0.0
        for line in self.train:
            if line.get("loss_unlabeled") is not None:
                return before
            before = float(line["hours"])
        return None

    @property
    def subsets(self) -> list[str]:
        """Every dev subset met, in the order of the scores, of training, of the references."""
        trained = [s for e in self.evaluations for scores in e.errors.values() for s in scores]
        return list(dict.fromkeys([*(s.subset for s in self.scores), *trained, *self.references]))

    def curve(self, key: str) -> tuple[list[float], list[float]]:
        """Hours and values of one logged quantity, where it is a finite number."""
        logged = [(float(p["hours"]), p.get(key)) for p in self.train]
        points = [(h, float(v)) for h, v in logged if isinstance(v, int | float) and math.isfinite(v)]
        return [p[0] for p in points], [p[1] for p in points]

    def dev_curve(self, model: str, subset: str) -> tuple[list[float], list[float]]:
        """Hours and errors of one model on one subset."""
        points = [(e.hours, e.errors[model][subset]) for e in self.evaluations if subset in e.errors.get(model, {})]
        return [p[0] for p in points], [p[1] for p in points]


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot read it ({error})") from None


def _read_json(path: Path) -> Any:
    text = _read(path)
    try:
        return None if text is None else json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"{path}: not valid JSON ({error}); run the stage that writes it again") from None


def _read_settings(path: Path) -> dict[str, Any]:
    try:
        settings = yaml.safe_load(_read(path) or "{}")
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML ({' '.join(str(error).split())})") from None
    if not isinstance(settings, dict):
        raise UserError(f"{path}: expected settings by name, found {type(settings).__name__}")
    return {str(key): value for key, value in settings.items()}


def _parse_metrics(path: Path) -> Iterator[dict[str, Any]]:
    """Lines in order. One that a killed process left unfinished, at the very end, is skipped."""
    text = _read(path) or ""
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            # Also refuses what is no object, and an object without the two numbers every line has.
            int(row["step"]), float(row["hours"]), str(row["kind"])
        except (ValueError, KeyError, TypeError) as error:
            if text.endswith(line):
                return
            raise UserError(f"{path}, line {number}: not a line of metrics ({error!r}); remove it") from None
        yield row


def _read_evaluation(row: dict[str, Any]) -> Evaluation:
    """The finite rates of a line of metrics."""
    scored = {model: row.get(model) or {} for model in MODELS}
    rate = find_rate(next((scores for by_subset in scored.values() for scores in by_subset.values()), {}))
    errors = {
        model: {s: float(e) for s, scores in found.items() if (e := scores.get(rate)) is not None and math.isfinite(e)}
        for model, found in scored.items()
    }
    return Evaluation(int(row["step"]), float(row["hours"]), errors, rate)


def _read_scaling(row: dict[str, Any]) -> ScalingRow:
    # Older programs wrote texts.
    unit = row.get("unit")
    base = str(row["base"]) if unit is None else show(float(row["base"]), unit)
    scaled = str(row["scaled"]) if unit is None else show_scaled(row["scaled"], unit, bool(row.get("at_least")))
    return ScalingRow(str(row["name"]), base, scaled, str(row["rule"]))


def _read_metrics(path: Path) -> tuple[list[dict[str, Any]], list[Evaluation]]:
    """Training lines and evaluations. A resumed run logs steps again; what it went back behind is dropped."""
    kept: dict[str, list[dict[str, Any]]] = {"train": [], "dev": []}
    for row in _parse_metrics(path):
        step, own = row["step"], kept.setdefault(row["kind"], [])
        for rows in kept.values():
            while rows and (rows[-1]["step"] > step or (rows is own and rows[-1]["step"] == step)):
                rows.pop()
        own.append(row)
    return kept["train"], [_read_evaluation(row) for row in kept["dev"]]


def _read_scores(path: Path) -> list[Score]:
    def rate(value: Any) -> float:
        return math.nan if value is None else float(value)

    scores: list[Score] = []
    for number, row in enumerate(_read_json(path) or [], 1):
        try:
            name = find_rate(row)
            scores.append(
                Score(
                    model=str(row["model"]),
                    subset=str(row["subset"]),
                    decoder=str(row["decoder"]),
                    utterances=int(row["utterances"]),
                    rate=name,
                    length=int(row[UNITS[name]]),
                    error=float(row[name]),
                    low=rate(row.get(f"{name}_low")),
                    high=rate(row.get(f"{name}_high")),
                    cer=rate(row.get("cer")),
                    substitutions=int(row["substitutions"]),
                    deletions=int(row["deletions"]),
                    insertions=int(row["insertions"]),
                )
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UserError(f"{path}, entry {number}: not a score ({error!r}); evaluate again") from None
    return scores


def _read_makers(path: Path) -> dict[str, int]:
    content = _read_json(path)
    try:
        return {} if content is None else {str(maker): int(count) for maker, count in content["makers"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{path}: does not say who wrote labels ({error!r}); train again") from None


def _read_by_model(folder: Path, ending: str) -> dict[str, dict[str, dict[str, str]]]:
    texts: dict[str, dict[str, dict[str, str]]] = {}
    for path in sorted(folder.glob(f"*/*{ending}")):
        texts.setdefault(path.parent.name, {})[path.name.removesuffix(ending)] = read_transcripts(path)
    return texts


def read_run(run_dir: Path) -> RunRecord:
    """Read a run's folder.

    Raises:
        UserError: the folder is no run's, or a file in it cannot be read or is malformed.
    """
    if not (run_dir / "config.yaml").is_file() and not (run_dir / "metrics.jsonl").is_file():
        raise UserError(f"{run_dir}: no run is here (neither config.yaml nor metrics.jsonl); train one first")
    settings = _read_settings(run_dir / "config.yaml")
    plan = _read_json(run_dir / "plan.json") or {}
    try:
        scaling = [_read_scaling(row) for row in plan.get("rows", [])]
        scale = plan.get("batch_scale", settings.get("batch_scale"))
        batch_scale = None if scale is None else float(scale)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{run_dir / 'plan.json'}: not a scaling plan ({error!r}); train again") from None
    train, evaluations = _read_metrics(run_dir / "metrics.jsonl")
    folder = run_dir / "evaluation"
    return RunRecord(
        name=str(settings.get("name", run_dir.resolve().name)),
        settings=settings,
        batch_scale=batch_scale,
        scaling=scaling,
        train=train,
        evaluations=evaluations,
        scores=_read_scores(folder / "scores.json"),
        references={
            path.name.removesuffix(".ref.trans.txt"): read_transcripts(path)
            for path in sorted(folder.glob("*.ref.trans.txt"))
        },
        hypotheses=_read_by_model(folder, ".hyp.trans.txt"),
        makers=_read_makers(run_dir / "labels.json"),
        phones=_read_by_model(folder, ".ref.trans.txt"),
    )
