"""What exported models write, in ONNX Runtime and in sherpa-onnx, whole and quantised; the table of docs/export.md:
`kappa-asr export RUN out --onnx --sherpa; python docs/export.py out recordings/*.flac` (16 kHz mono).
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import sherpa_onnx
import soundfile
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.matmul_nbits_quantizer import DefaultWeightOnlyQuantConfig, MatMulNBitsQuantizer
from rapidfuzz.distance import Levenshtein

from asr.data.tokens import Tokenizer, load_tokenizer
from asr.decode.greedy import collapse
from asr.recognizer.recognizer import Recognizer, WindowSettings
from asr.recognizer.trained import find_trained

Texts = Callable[[list[np.ndarray]], list[str]]


def by_onnx(file: Path, tokens: Tokenizer, batch: int) -> Texts:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session: Any = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])

    def write(recordings: list[np.ndarray]) -> list[str]:
        texts = []
        for first in range(0, len(recordings), batch):
            some = recordings[first : first + batch]
            lengths = np.array([len(one) for one in some])
            waveforms = np.zeros((len(some), lengths.max()), np.float32)
            for row, one in enumerate(some):
                waveforms[row, : len(one)] = one
            log_probs, frames = session.run(None, {"waveforms": waveforms, "lengths": lengths})
            best = [one[:count].argmax(-1) for one, count in zip(log_probs, frames, strict=True)]
            texts += [tokens.decode(collapse(ids)) for ids in best]
        return texts

    return write


def by_sherpa(file: Path, tokens: Path) -> Texts:
    recognizer = sherpa_onnx.OfflineRecognizer.from_omnilingual_asr_ctc(model=str(file), tokens=str(tokens))

    def write(recordings: list[np.ndarray]) -> list[str]:
        streams = [recognizer.create_stream() for _ in recordings]
        for stream, one in zip(streams, recordings, strict=True):
            stream.accept_waveform(16_000, one)
        recognizer.decode_streams(streams)
        return [" ".join(stream.result.text.split()) for stream in streams]

    return write


def quantise(file: Path, folder: Path) -> tuple[Path, Path]:
    """As int8 in weights and in what they meet, by its range at each call; and in weights alone."""
    folder.mkdir(exist_ok=True)
    dynamic, weights = folder / "dynamic.onnx", folder / "weights.onnx"
    quantize_dynamic(str(file), str(dynamic), op_types_to_quantize=["MatMul"], weight_type=QuantType.QInt8)
    import onnx

    config = DefaultWeightOnlyQuantConfig(block_size=32, is_symmetric=True, bits=8)
    quantizer = MatMulNBitsQuantizer(onnx.load(str(file)), algo_config=config)
    quantizer.process()
    quantizer.model.save_model_to_file(str(weights))
    return dynamic, weights


def cut(tokens: Tokenizer, texts: list[str]) -> list[list[str]]:
    """Phones, or else characters."""
    return [list(text) if tokens.writes_words else text.split() for text in texts]


def main(exported: str, *paths: str) -> None:
    out, recordings = Path(exported), [soundfile.read(path, dtype="int16")[0] for path in paths]
    floats = [one.astype(np.float32) / 32768 for one in recordings]
    centred = [one - one.mean() for one in floats]
    trained = find_trained(out)
    tokens = load_tokenizer(trained.tokens)
    ours = Recognizer(trained, WindowSettings(whole_seconds=60), torch.device("cpu"))
    expected = [" ".join(word.text for word in words) for words in ours.words(recordings)]
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("torch", "onnxruntime", "sherpa-onnx"))
    print(f"{trained.origin}; {versions}; {len(recordings)} recordings, {sum(map(len, recordings)) / 16_000:.0f} s")
    sherpa = out / "sherpa-onnx"
    with tempfile.TemporaryDirectory() as folder:
        whole, (dynamic, weights) = out / "model.onnx", quantise(out / "model.onnx", Path(folder))
        writers = {
            f"ONNX Runtime, {n}": (file, by_onnx(file, tokens, b), r)
            for n, file, b, r in (
                ("one at a time", whole, 1, floats),
                ("four at a time", whole, 4, floats),
                ("one at a time, mean taken away", whole, 1, centred),
                ("int8, one at a time", dynamic, 1, floats),
                ("int8, four at a time", dynamic, 4, floats),
                ("int8 weights, one at a time", weights, 1, floats),
                ("int8 weights, four at a time", weights, 4, floats),
            )
        }
        dynamic, weights = quantise(sherpa / "model.onnx", Path(folder, "sherpa-onnx"))
        writers |= {
            f"sherpa-onnx, {n}": (file, by_sherpa(file, sherpa / "tokens.txt"), floats)
            for n, file in (("as exported", sherpa / "model.onnx"), ("int8", dynamic), ("int8 weights", weights))
        }
        print("| | MB | other texts than ours | edits per 100 tokens | CPU s |\n| --- | --- | --- | --- | --- |")
        pieces = cut(tokens, expected)
        for name, (file, write, given) in writers.items():
            begun = time.process_time()
            found = write(given)
            spent = time.process_time() - begun
            edits = sum(Levenshtein.distance(*pair) for pair in zip(cut(tokens, found), pieces, strict=True))
            other = sum(one != two for one, two in zip(found, expected, strict=True))
            share = 100 * edits / sum(map(len, pieces))
            print(f"| {name} | {file.stat().st_size / 1e6:.1f} | {other} | {share:.2f} | {spent:.1f} |", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
