"""What the user sees of a run: a progress bar on a terminal, lines in a log file, TensorBoard."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tqdm import tqdm

from asr.errors import UserError
from asr.score.rates import UNITS, RateName, find_rate


def _write(name: str, value: float | None, form: str) -> str:
    return "" if value is None else f"{name} {value:{form}}  "


def _rate(line: Mapping[str, Any]) -> RateName:
    """What an evaluation counts."""
    return find_rate(next(iter(line["teacher"].values()), {}))


def describe(line: Mapping[str, Any]) -> str:
    """A line of metrics for people."""
    head = f"step {line['step']}  {line['hours']:.2f} h  "
    if line["kind"] == "dev":
        rate = _rate(line)
        rates = [
            f"{subset}: student {line['student'][subset][rate]:.1%}, teacher {scores[rate]:.1%}"
            for subset, scores in line["teacher"].items()
        ]
        return f"{head}{rate.upper()} {'; '.join(rates)}" if rates else f"{head}nothing to measure by"
    parts = (
        _write("loss", line.get("loss"), ".3f"),
        _write("variance of targets", line.get("target_variance"), ".2f"),
        _write("of predictions", line.get("prediction_variance"), ".2f"),
        _write("rank", line.get("rank"), ".1f"),
        _write("loss", line["loss_labeled"], ".2f"),
        _write("loss on pseudo-labels", line["loss_unlabeled"], ".2f"),
        *(_write(f"label {rate.upper()}", line.get(f"label_{rate}"), ".1%") for rate in UNITS),
        _write("kept", line["labels_kept"], ".1%"),
        _write("gradient norm", line["grad_norm"], ".2f"),
        _write("clipped", line["clipped_steps"] or None, ".0%"),
        f"lr {line['lr']:.2e}",
    )
    return (head + "".join(parts)).rstrip()


def _scalars(line: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a line of metrics, by the name TensorBoard shows."""
    if line["kind"] == "dev":
        return {
            f"dev/{subset} {rate} {model}": value
            for model in ("student", "teacher")
            for subset, rates in line[model].items()
            for rate, value in rates.items()
        }
    numbers = {f"train/{k}": v for k, v in line.items() if k not in ("kind", "step") and isinstance(v, int | float)}
    return numbers | {f"train/dropped, {reason}": share for reason, share in line["labels_dropped"].items()}


def _open_tensorboard(folder: Path, begun: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise UserError(
            'train.tensorboard needs a package: pip install "kappa-asr[tensorboard]", or set it to false'
        ) from None
    # A resumed run hides what it logged after its checkpoint.
    return SummaryWriter(str(folder), purge_step=begun + 1)


class Progress:
    """Wall-clock times belong here, and nowhere near the metrics."""

    def __init__(self, run_dir: Path, steps: int, begun: int, main: bool, tensorboard: bool) -> None:
        """`begun` of `steps` steps are done already; only the main rank shows or writes anything."""
        self._main = main
        if not main:
            return
        self._board = _open_tensorboard(run_dir / "tensorboard", begun) if tensorboard else None
        self._file = (run_dir / "train.log").open("a", encoding="utf-8")
        self._bar = tqdm(
            total=steps,
            initial=begun,
            unit="step",
            dynamic_ncols=True,
            disable=not sys.stderr.isatty(),
            leave=False,
        )
        self._seconds, self._since = 0.0, time.perf_counter()
        self._shown: dict[str, str] = {}

    def step(self, audio_seconds: float) -> None:
        if self._main:
            self._seconds += audio_seconds
            self._bar.update()

    def say(self, text: str) -> None:
        """To the log file, and above the bar."""
        if self._main:
            self._file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {text}\n")
            self._file.flush()
            self._bar.write(text, file=sys.stderr) if not self._bar.disable else print(text, file=sys.stderr)

    def log(self, line: Mapping[str, Any]) -> None:
        if not self._main:
            return
        now = time.perf_counter()
        text = describe(line)
        if line["kind"] == "train":
            text += f"  {self._seconds / (now - self._since):.0f} × real time"
            self._seconds = 0.0
            self._shown["loss"] = f"{line.get('loss') or line['loss_labeled'] or 0:.2f}"
        else:
            for model in ("student", "teacher"):
                rates = [s[_rate(line)] for s in line[model].values()]
                self._shown[model] = f"{sum(rates) / len(rates):.1%}" if rates else "–"
        # An evaluation's time is not training's.
        self._since = time.perf_counter()
        self._bar.set_postfix(self._shown, refresh=False)
        if self._board is not None:
            for name, value in _scalars(line).items():
                self._board.add_scalar(name, value, line["step"])
        self.say(text)

    def close(self) -> None:
        if self._main:
            self._bar.close()
            self._file.close()
            if self._board is not None:
                self._board.close()
