"""The exported model as sherpa-onnx runs it, and the proof that it computes the same.

sherpa-onnx has many kinds of CTC models. All but one are given features of its own front ends, none of which makes
ours; those of `omnilingual` are given waveforms. Their contract, as version 2.0.1 keeps it:

    in     one recording, (1, samples), of 16 kHz, its mean taken away, divided by √(v + 1e-5) where v is its variance
    out    (1, frames, tokens), a frame every 20 ms, id 0 the blank; the text is that of the best token of each frame
    tokens.txt    a token and its id on a line, "▁" in front of what begins a word
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from asr.data.audio import SAMPLE_RATE
from asr.errors import UserError
from asr.recognizer.onnx_model import (
    export_graph,
    import_runtime,
    largest_difference,
    probe,
    reference,
    refuse_difference,
)
from asr.recognizer.quantised import file_name, quantise
from asr.recognizer.standalone import Recognizer, load
from asr.recognizer.trained import TrainedModel

FOLDER = "sherpa-onnx"
FRAME_US = 20_000
"""Microseconds from one frame to the next, as sherpa-onnx counts time."""
ADDED = 1e-5
"""To the variance that sherpa-onnx divides by."""
SILENT = ("SIL", "<blk>", "<eps>")
"""Tokens that sherpa-onnx leaves out of texts, or takes for the blank."""
SURE = 100.0
"""Nats by which the blank is ahead, where there is nothing to be heard."""


def normalise(centred: Tensor) -> Tensor:
    """Waveforms `(batch, samples)` in [-1, 1] and of mean 0, as sherpa-onnx hands them to the model."""
    return centred / (centred.square().mean(1, keepdim=True) + ADDED).sqrt()


def _centred_probe(seconds: float) -> tuple[Tensor, Tensor]:
    """One waveform in [-1, 1] whose mean is 0, which is what sherpa-onnx makes of any, and its length."""
    waveforms, lengths = probe(1, seconds)
    samples = waveforms.double() / 32768
    return (samples - samples.mean(1, keepdim=True)).float(), lengths


class SherpaModel(nn.Module):
    """A recognizer with the inputs and outputs that sherpa-onnx expects of `omnilingual` models."""

    def __init__(self, recognizer: Recognizer, frame_us: int) -> None:
        """`frame_us`: from one frame of the recognizer to the next, at least `FRAME_US`."""
        super().__init__()
        self.recognizer, self.frame_us = recognizer, frame_us

    def forward(self, waveforms: Tensor) -> Tensor:
        """Log-probabilities `(1, frames, tokens)`; each frame of ours stands at every 20 ms that it is the nearest to.

        Args:
            waveforms: `(1, samples)`, at least one, normalised by sherpa-onnx.
        """
        # Features have a floor, so that loudness matters. What the variance lacks of 1 tells it: ADDED / (v + ADDED).
        lack = (1 - waveforms.square().mean(1, keepdim=True)).clamp(min=1e-6)
        samples, fft = waveforms.shape[1], self.recognizer.features.fft
        padded = nn.functional.pad(waveforms * (ADDED / lack).sqrt(), (0, fft - 1))
        log_probs, frames = self.recognizer(padded, torch.full((1,), samples))
        count, vocabulary = log_probs.shape[1:]
        blank = torch.zeros(vocabulary)
        blank[1:] = -SURE
        log_probs = torch.where((torch.arange(count) < frames[:, None])[..., None], log_probs, blank)
        places = torch.arange((count * self.frame_us + FRAME_US // 2 - 1) // FRAME_US)
        return log_probs[:, torch.div(places * FRAME_US + FRAME_US // 2, self.frame_us, rounding_mode="floor")]


def _frame_us(trained: TrainedModel, symbols: list[str]) -> int:
    """The microseconds of a frame. Raises UserError where sherpa-onnx would write other texts."""
    frame_us = round(trained.features.shift_ms * trained.model.stride * 1000)
    if frame_us < FRAME_US:
        raise UserError(
            f"sherpa-onnx counts frames of {FRAME_US / 1000:g} ms, and the model's are {frame_us / 1000:g} ms apart: "
            "it would miss some; export without --sherpa"
        )
    silent = [symbol for symbol in SILENT if symbol in symbols]
    if silent:
        raise UserError(
            f"the model has a token {silent[0]}, which sherpa-onnx would leave out of texts; export without --sherpa, "
            "or train with other tokens (tokens.size)"
        )
    return frame_us


@torch.no_grad()
def _difference(session: Any, trained: TrainedModel, frame_us: int, seconds: float) -> float:
    """Between the ONNX model and PyTorch, over noise. Raises UserError where frames are missing, or too many."""
    waveforms, lengths = _centred_probe(seconds)
    expected, (frames,) = reference(trained, nn.functional.pad(32768 * waveforms, (0, SAMPLE_RATE)), lengths)
    (log_probs,) = session.run(["log_probs"], {"waveforms": normalise(waveforms).numpy()})
    found = torch.from_numpy(log_probs)
    nearest = torch.div(torch.arange(found.shape[1]) * FRAME_US + FRAME_US // 2, frame_us, rounding_mode="floor")
    heard = nearest < frames
    if sorted(set(nearest[heard].tolist())) != list(range(frames)) or found[0, ~heard].argmax(-1).any():
        raise UserError(f"the ONNX model does not hear {seconds:g} s as PyTorch does; export without --sherpa")
    return largest_difference(found[:, heard], expected[:, nearest[heard]], heard.sum()[None]) if frames else 0.0


def _check(session: Any, trained: TrainedModel, frame_us: int) -> float:
    # Other sizes than it was traced with, the first without a whole frame.
    return max(_difference(session, trained, frame_us, seconds) for seconds in (0.02, 0.5, 4.0, 12.3))


def write_sherpa(trained: TrainedModel, folder: Path, int8: bool = False) -> dict[str, float]:
    """Write `sherpa-onnx/` into an exported folder, and run it.

    Args:
        trained: the model.
        folder: it was exported to.
        int8: whether `model.int8.onnx`, with weights in 8 bits, is wanted too.

    Returns:
        The largest difference from PyTorch's log-probabilities, by what was written.

    Raises:
        UserError: the extra is missing, sherpa-onnx would write other texts than we do, or ONNX Runtime's results
            differ by more than `TOLERANCE`.
    """
    runtime = import_runtime()
    symbols = (folder / "tokens.txt").read_text(encoding="utf-8").split("\n")[:-1]
    frame_us = _frame_us(trained, symbols)
    target = folder / FOLDER / "model.onnx"
    target.parent.mkdir()
    lines = (f"{symbol} {i}\n" for i, symbol in enumerate(symbols))
    (folder / FOLDER / "tokens.txt").write_text("".join(lines), encoding="utf-8")
    model = SherpaModel(load(folder), frame_us).eval()
    inputs = {"waveforms": normalise(_centred_probe(1.5)[0])}
    export_graph(model, inputs, ["log_probs"], ({1: torch.export.Dim("samples", min=1)},), target)
    worst = _check(runtime.InferenceSession(str(target), providers=["CPUExecutionProvider"]), trained, frame_us)
    refuse_difference(worst, "--sherpa")
    found = {FOLDER: worst}
    if int8:
        found[f"{FOLDER}/{file_name(target).name}"] = _check(quantise(target), trained, frame_us)
    return found
