"""The exported model as ONNX, and the proof that it computes the same."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from asr.data.audio import SAMPLE_RATE
from asr.data.features import LogMel
from asr.data.tokens import load_tokenizer
from asr.errors import UserError
from asr.model.encoder import Encoder
from asr.recognizer.quantised import file_name, quantise
from asr.recognizer.standalone import load
from asr.recognizer.trained import TrainedModel

TOLERANCE = 2e-3
"""Largest difference in log-probability, in nats. The order of fp32 sums alone makes up to some 1e-4."""

EXTRA = "writing ONNX needs the extra `onnx`: pip install kappa-asr[onnx]"


def probe(batch: int, seconds: float) -> tuple[Tensor, Tensor]:
    """Noise of unequal lengths and loudness that changes, after some digital zeros, and its lengths.

    As int16 `(batch, samples)`.
    """
    rng = np.random.default_rng(0)
    lengths = (SAMPLE_RATE * seconds * np.linspace(1.0, 0.4, batch)).astype(np.int64)
    samples = np.zeros((batch, lengths[0]), dtype=np.int16)
    for row, length in enumerate(lengths):
        turns = np.arange(0, length + 4000, 4000)
        loudness = np.exp(np.interp(np.arange(length), turns, rng.uniform(2, 9, len(turns))))
        samples[row, :length] = (rng.standard_normal(length) * loudness).clip(-32768, 32767)
    samples[:, : lengths[0] // 4] = 0
    return torch.from_numpy(samples), torch.from_numpy(lengths)


@torch.no_grad()
def reference(trained: TrainedModel, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Log-probabilities and frames by the model as it was trained, of int16 waveforms."""
    tokens = load_tokenizer(trained.tokens).size
    model = Encoder(trained.features.mels, tokens, trained.model, trained.features.shift_ms / 1000)
    model.load_state_dict(trained.weights)
    heard = model.eval()(*LogMel(trained.features)(waveforms, lengths))
    return heard.log_probs, heard.lengths


def largest_difference(one: Tensor, two: Tensor, frames: Tensor) -> float:
    """Of two models' log-probabilities `(batch, frames, tokens)`, over real frames."""
    real = torch.arange(one.shape[1]) < frames[:, None]
    return float((one - two).abs().amax(-1)[real].max())


def refuse_difference(worst: float, option: str) -> None:
    """Raises UserError where log-probabilities differ by more than `TOLERANCE`, or are no numbers."""
    if not worst <= TOLERANCE:
        raise UserError(
            f"the ONNX model's log-probabilities differ from PyTorch's by up to {worst:.2g}, where {TOLERANCE:g} is "
            f"allowed; export without {option}, or try another torch or onnxruntime"
        )


def import_runtime() -> Any:
    """The module onnxruntime. Raises UserError where what writing ONNX needs is missing."""
    try:
        import onnxruntime
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UserError(f"{EXTRA} ({error})") from None
    return onnxruntime


def export_graph(
    model: nn.Module,
    inputs: Mapping[str, Tensor],
    outputs: list[str],
    dynamic: tuple[dict[int, Any], ...],
    target: Path,
) -> None:
    """Write a model as one ONNX file.

    Args:
        model: in evaluation.
        inputs: by name, in order; of any size along what is dynamic.
        outputs: their names.
        dynamic: for each input the `torch.export.Dim` of every axis that may change.
        target: the file.
    """
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        # The exporter tells of its own deprecations, and of its progress.
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        torch.onnx.export(
            model,
            tuple(inputs.values()),
            str(target),
            input_names=list(inputs),
            output_names=outputs,
            dynamic_shapes=dynamic,
            external_data=False,
            dynamo=True,
            verbose=False,
        )


def _export(folder: Path, target: Path) -> None:
    waveforms, lengths = probe(2, 1.5)
    batch, samples = torch.export.Dim("batch"), torch.export.Dim("samples", min=SAMPLE_RATE // 10)
    inputs = {"waveforms": waveforms.float() / 32768, "lengths": lengths}
    export_graph(load(folder), inputs, ["log_probs", "frames"], ({0: batch, 1: samples}, {0: batch}), target)


def _check(session: Any, trained: TrainedModel) -> float:
    """The largest difference from PyTorch. Raises UserError where frames are missing, or too many."""
    worst = 0.0
    # Other sizes than it was traced with.
    for batch, seconds in ((1, 0.5), (3, 4.0), (2, 12.3)):
        waveforms, lengths = probe(batch, seconds)
        expected, frames = reference(trained, waveforms, lengths)
        inputs = {"waveforms": (waveforms.float() / 32768).numpy(), "lengths": lengths.numpy()}
        log_probs, found = session.run(["log_probs", "frames"], inputs)
        if found.tolist() != frames.tolist():
            raise UserError(
                f"the ONNX model counts {found.tolist()} frames, PyTorch {frames.tolist()}; export without it"
            )
        worst = max(worst, largest_difference(torch.from_numpy(log_probs), expected, frames))
    return worst


def write_onnx(trained: TrainedModel, folder: Path, int8: bool = False) -> dict[str, float]:
    """Write `model.onnx` into an exported folder, and run it.

    Args:
        trained: the model.
        folder: it was exported to.
        int8: whether `model.int8.onnx`, with weights in 8 bits, is wanted too.

    Returns:
        The largest difference from PyTorch's log-probabilities, by file.

    Raises:
        UserError: the extra is missing, or ONNX Runtime's results differ by more than `TOLERANCE`.
    """
    runtime = import_runtime()
    target = folder / "model.onnx"
    _export(folder, target)
    worst = _check(runtime.InferenceSession(str(target), providers=["CPUExecutionProvider"]), trained)
    refuse_difference(worst, "--onnx")
    found = {target.name: worst}
    if int8:
        found[file_name(target).name] = _check(quantise(target), trained)
    return found
