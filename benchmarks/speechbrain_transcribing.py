"""The peer of transcribe.py: SpeechBrain's EncoderASR with a model of its own parts. Run by transcribe.py, not by hand.

Where SpeechBrain leaves a choice the faster one is taken, as in speechbrain_training.py.
"""

from __future__ import annotations

import functools
import json
import sys
import time
from typing import Any

import torch
from speechbrain.decoders.ctc import ctc_greedy_decode
from speechbrain.inference.ASR import EncoderASR
from speechbrain.lobes.features import Fbank
from speechbrain.processing.features import InputNormalization
from speechbrain.utils.data_utils import batch_pad_right
from speechbrain_training import Encoder

GROUP_SECONDS = 600.0
"""Files that are loaded and sorted by length together, where they are batched; as on the other side."""
RATE = 16_000


class Recognizer(torch.nn.Module):
    """From waveforms to log-probabilities."""

    def __init__(self, task: dict[str, Any]) -> None:
        super().__init__()
        self.fbank = Fbank(n_fft=512, n_mels=task["mels"])
        self.normalize = InputNormalization(norm_type="sentence")
        self.encoder = Encoder(task["mels"], len(task["symbols"]), task["model"] | {"dropout": 0.0})

    def forward(self, samples: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        return self.encoder(self.normalize(self.fbank(samples), lengths), lengths)


class Tokenizer:
    def __init__(self, symbols: list[str]) -> None:
        self._symbols = symbols

    def decode_ids(self, ids: list[int]) -> str:
        return "".join(self._symbols[i] for i in ids).replace("▁", " ").strip()


def in_batches(asr: EncoderASR, files: list[str], seconds: float) -> tuple[list[str], int]:
    """Texts and samples of the files, those of like lengths together."""
    texts: list[str] = []
    heard = 0
    waiting: list[torch.Tensor] = []
    for number, file in enumerate(files, 1):
        waiting.append(asr.load_audio(file))
        held = sum(map(len, waiting))
        if number < len(files) and held < GROUP_SECONDS * RATE:
            continue
        heard += held
        waiting.sort(key=len)
        while waiting:
            count = max(1, int(seconds * RATE) // len(waiting[-1]))
            batch, waiting = waiting[-count:], waiting[:-count]
            texts += asr.transcribe_batch(*batch_pad_right(batch))[0]
    return texts, heard


def main() -> None:
    """Reads its task from a line of standard input, then a list of files from each further line."""
    form = sys.argv[1]
    task = json.loads(sys.stdin.readline())
    torch.set_num_threads(1)
    torch.manual_seed(1)
    asr = EncoderASR(
        modules={"encoder": Recognizer(task)},
        hparams={
            "tokenizer": Tokenizer(task["symbols"]),
            "decoding_function": functools.partial(ctc_greedy_decode, blank_id=0),
        },
        run_opts={"device": "cpu"},
        freeze_params=True,
    )
    parameters = sum(p.numel() for p in asr.mods.parameters())
    print(json.dumps({"parameters": parameters}), flush=True)
    for line in sys.stdin:
        files = json.loads(line)
        begun = time.process_time(), time.perf_counter()
        if form == "in batches":
            texts, heard = in_batches(asr, files, task["batch_seconds"])
        else:
            texts, heard = [asr.transcribe_file(file) for file in files], 0
        cpu, wall = time.process_time() - begun[0], time.perf_counter() - begun[1]
        heard = heard or sum(len(asr.load_audio(file)) for file in files)
        figures = {"audio": heard / RATE, "cpu": cpu, "wall": wall, "signs": sum(map(len, texts))}
        print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
