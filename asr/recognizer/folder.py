"""An exported model: one folder that this program, plain PyTorch and (by option) ONNX Runtime can use.

    recognizer.json        settings of features and model, the texts' normaliser, where the weights come from
    model.safetensors      weights
    features.safetensors   window and mel filters
    tokens.txt, tokens/    what each token writes; the token inventory as trained
    load.py                loads all this with torch and safetensors alone
    model.onnx             waveforms to log-probabilities, by option
    sherpa-onnx/           model.onnx and tokens.txt as sherpa-onnx has them, by option
    model.int8.onnx        beside either: the same with weights in 8 bits, by option
    lm.arpa.gz, tuned.json a language model, and how much it counts, by option

The weights bear the encoder's own names.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from asr.config import FeatureConfig
from asr.data.audio import SAMPLE_RATE
from asr.data.features import LogMel
from asr.data.tokens import FILES, load_tokenizer, read_normaliser
from asr.decode.tuning import Tuned
from asr.errors import UserError
from asr.recognizer import standalone
from asr.recognizer.onnx_model import write_onnx
from asr.recognizer.sherpa import write_sherpa
from asr.recognizer.shipped import put_language_model
from asr.recognizer.trained import FORMAT, SETTINGS_FILE, WEIGHTS_FILE, TrainedModel
from asr.whole_file import make_folder


def feature_tensors(config: FeatureConfig) -> dict[str, Tensor]:
    """The window, `(fft,)`, and the mel filters, `(fft / 2 + 1, mels)`, that features are made with."""
    features = LogMel(config)
    window, mel = features.spectrogram.get_buffer("window"), features.mel.get_buffer("fb")
    padded = window.new_zeros(features.fft)
    start = (features.fft - len(window)) // 2
    padded[start : start + len(window)] = window
    return {"window": padded, "mel": mel.contiguous()}


def settings_of(trained: TrainedModel) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "sample_rate": SAMPLE_RATE,
        "features": dataclasses.asdict(trained.features),
        # Where its own training began is a path of that machine.
        "model": dataclasses.asdict(dataclasses.replace(trained.model, init="")),
        "utterance_seconds": trained.utterance_seconds,
        "normaliser": read_normaliser(trained.tokens),
        "origin": trained.origin,
    }


def _fill(folder: Path, trained: TrainedModel, half: bool) -> None:
    kind = torch.float16 if half else torch.float32
    (folder / SETTINGS_FILE).write_text(json.dumps(settings_of(trained), indent=1) + "\n", encoding="utf-8")
    (folder / WEIGHTS_FILE).write_bytes(
        save({k: t.detach().to(kind).contiguous().cpu() for k, t in trained.weights.items()})
    )
    (folder / "features.safetensors").write_bytes(save(feature_tensors(trained.features)))
    (folder / "tokens").mkdir()
    for name in FILES:
        if (trained.tokens / name).is_file():
            shutil.copyfile(trained.tokens / name, folder / "tokens" / name)
    symbols = load_tokenizer(trained.tokens).symbols
    (folder / "tokens.txt").write_text("".join(f"{symbol}\n" for symbol in symbols), encoding="utf-8")
    shutil.copyfile(standalone.__file__, folder / "load.py")


def write_folder(
    trained: TrainedModel,
    out: Path,
    onnx: bool = False,
    sherpa: bool = False,
    half: bool = False,
    int8: bool = False,
    language_model: tuple[Path, Tuned] | None = None,
) -> dict[str, float]:
    """Export a model to a new folder. Until all of it is written and checked, nothing bears its name.

    Args:
        trained: the model.
        out: the folder.
        onnx: whether `model.onnx` is wanted.
        sherpa: whether the folder `sherpa-onnx` is wanted.
        half: whether weights are kept in fp16, which is half as much; they are computed with in fp32.
        int8: whether what is written for ONNX Runtime and sherpa-onnx is also written with weights in 8 bits.
        language_model: one that the folder is to have, and its weights.

    Returns:
        For each of these, the largest difference between ONNX Runtime's log-probabilities and PyTorch's.

    Raises:
        UserError: the folder is there already; 8 bits are asked for without either ONNX model; or ONNX is asked for and
            the extra is missing, the results differ, or sherpa-onnx would write other texts.
    """
    if out.exists():
        raise UserError(f"{out}: is there already; name a new folder, or delete this one")
    if int8 and not (onnx or sherpa):
        raise UserError("--int8 is a form of the ONNX models; ask for --onnx or --sherpa as well")
    aside = out.with_name(f".{out.name}.partial")
    shutil.rmtree(aside, ignore_errors=True)
    make_folder(aside)
    differences: dict[str, float] = {}
    try:
        _fill(aside, trained, half)
        if language_model is not None:
            put_language_model(aside, *language_model)
        if onnx:
            differences |= write_onnx(trained, aside, int8)
        if sherpa:
            differences |= write_sherpa(trained, aside, int8)
        aside.rename(out)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return differences
