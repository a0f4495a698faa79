"""The other peer of transcribe.py: NeMo's EncDecCTCModel with a Conformer of as many parameters, untrained.

Run by transcribe.py, not by hand. NeMo takes files in their order, so many at a time: here by length, which is faster.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any

import soundfile
import torch
from nemo.collections.asr.models import EncDecCTCModel
from nemo.utils import logging as nemo_logging
from omegaconf import OmegaConf

LAYERS, WIDTH = 6, 144
MODULES = "nemo.collections.asr.modules."


def settings(task: dict[str, Any]) -> Any:
    """Of NeMo's small Conformer (examples/asr/conf/conformer/conformer_ctc_char.yaml), shallower."""
    symbols = [symbol.replace("▁", " ") for symbol in task["symbols"][1:]]
    return OmegaConf.create(
        {
            "sample_rate": 16_000,
            "log_prediction": False,
            "preprocessor": {
                "_target_": MODULES + "AudioToMelSpectrogramPreprocessor",
                "sample_rate": 16_000,
                "normalize": "per_feature",
                "window_size": 0.025,
                "window_stride": 0.01,
                "window": "hann",
                "features": task["mels"],
                "n_fft": 512,
                "dither": 0.0,
                "pad_to": 0,
            },
            "encoder": {
                "_target_": MODULES + "ConformerEncoder",
                "feat_in": task["mels"],
                "feat_out": -1,
                "n_layers": LAYERS,
                "d_model": WIDTH,
                "subsampling": "striding",
                "subsampling_factor": 4,
                "subsampling_conv_channels": WIDTH,
                "ff_expansion_factor": 4,
                "self_attention_model": "rel_pos",
                "n_heads": 4,
                "att_context_size": [-1, -1],
                "conv_kernel_size": 31,
            },
            "decoder": {
                "_target_": MODULES + "ConvASRDecoder",
                "feat_in": WIDTH,
                "num_classes": len(symbols),
                "vocabulary": symbols,
            },
            "decoding": {"strategy": "greedy_batch"},
            "optim": {"name": "adamw", "lr": 1e-3},
        }
    )


def main() -> None:
    """Reads its task from a line of standard input, then a list of files from each further line."""
    task = json.loads(sys.stdin.readline())
    torch.set_num_threads(1)
    torch.manual_seed(1)
    nemo_logging.setLevel(logging.ERROR)
    model = EncDecCTCModel(cfg=settings(task)).eval()
    print(json.dumps({"parameters": sum(p.numel() for p in model.parameters())}), flush=True)
    for line in sys.stdin:
        lengths = {file: soundfile.info(file).duration for file in json.loads(line)}
        files = sorted(lengths, key=lengths.__getitem__)
        begun = time.process_time(), time.perf_counter()
        texts = model.transcribe(files, batch_size=int(sys.argv[1]), num_workers=0, verbose=False)
        cpu, wall = time.process_time() - begun[0], time.perf_counter() - begun[1]
        signs = sum(len(text.text if hasattr(text, "text") else text) for text in texts)
        print(json.dumps({"audio": sum(lengths.values()), "cpu": cpu, "wall": wall, "signs": signs}), flush=True)


if __name__ == "__main__":
    main()
