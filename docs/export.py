"""What exported models write, in ONNX Runtime and in sherpa-onnx, whole and quantised; the table of docs/export.md:
`kappa-asr export RUN out --onnx --sherpa --int8; python docs/export.py out recordings/*.flac`. They are 16 kHz mono,
with LibriSpeech's transcripts beside them.
"""

from __future__ import annotations

import itertools
import json
import logging
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import sherpa_onnx
import soundfile
from onnxruntime.quantization import QuantType, quantize_dynamic
from rapidfuzz.distance import Levenshtein

from asr.data.tokens import load_tokenizer
from asr.recognizer.quantised import file_name
from asr.score.transcripts import read_transcripts

Texts = Callable[[list[np.ndarray]], list[str]]


def by_onnx(file: Path, symbols: list[str], batch: int) -> Texts:
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
            for one, count in zip(log_probs, frames, strict=True):
                best = [0, *one[:count].argmax(-1)]
                kept = [new for old, new in itertools.pairwise(best) if new not in (0, old)]
                texts.append(" ".join("".join(symbols[i] for i in kept).replace("▁", " ").split()))
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


def quantise(file: Path, folder: Path) -> Path:
    """As int8 in weights and in what they meet, by its range at each call."""
    folder.mkdir(exist_ok=True)
    graph = onnx.load(str(file)).graph
    # Powers of a spectrum have no room in 8 bits; their product with the mel filters is the first one.
    first = next(node.name for node in graph.node if node.op_type == "MatMul")
    target = folder / "dynamic.onnx"
    quantize_dynamic(
        str(file), str(target), op_types_to_quantize=["MatMul"], weight_type=QuantType.QInt8, nodes_to_exclude=[first]
    )
    return target


def spoken(out: Path, paths: tuple[str, ...]) -> list[str]:
    """What was said in LibriSpeech's recordings, in the model's tokens."""
    tokenizer = load_tokenizer(out / "tokens")
    texts: dict[str, str] = {}
    for folder in {Path(path).parent for path in paths}:
        for file in folder.glob("*.trans.txt"):
            texts |= read_transcripts(file)
    written = ["".join(tokenizer.symbols[i] for i in tokenizer.encode(texts[Path(path).stem])) for path in paths]
    return [" ".join(text.replace("▁", " ").split()) for text in written]


def edits(one: list[list[str]], other: list[list[str]]) -> float:
    """Of `other`, for 100 of its tokens."""
    return 100 * sum(Levenshtein.distance(*pair) for pair in zip(one, other, strict=True)) / sum(map(len, other))


def main(exported: str, *paths: str) -> None:
    out, recordings = Path(exported), [soundfile.read(path, dtype="float32")[0] for path in paths]
    centred = [one - one.mean() for one in recordings]
    symbols = (out / "tokens.txt").read_text(encoding="utf-8").split("\n")[:-1]
    origin = json.loads((out / "recognizer.json").read_text(encoding="utf-8"))["origin"]
    phones, said = "▁" in symbols[-1], spoken(out, paths)
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("onnxruntime", "sherpa-onnx"))
    print(f"{origin}; {versions}; {len(recordings)} recordings, {sum(map(len, recordings)) / 16_000:.0f} s")
    whole, sherpa = out / "model.onnx", out / "sherpa-onnx"
    with tempfile.TemporaryDirectory() as folder:
        dynamic, weights = quantise(whole, Path(folder)), file_name(whole)
        sherpa_dynamic = quantise(sherpa / "model.onnx", Path(folder, "sherpa-onnx"))
        sherpa_weights = file_name(sherpa / "model.onnx")
        rows = [
            ("model.onnx, one at a time", whole, 1, recordings),
            ("model.onnx, four at a time", whole, 4, recordings),
            ("model.onnx, one at a time, its mean taken away", whole, 1, centred),
            ("sherpa-onnx", sherpa / "model.onnx", 0, recordings),
            ("sherpa-onnx, its mean taken away before", sherpa / "model.onnx", 0, centred),
            ("model.onnx, int8, one at a time", dynamic, 1, recordings),
            ("model.onnx, int8, four at a time", dynamic, 4, recordings),
            ("sherpa-onnx, int8", sherpa_dynamic, 0, recordings),
            ("model.onnx, weights in int8, one at a time", weights, 1, recordings),
            ("model.onnx, weights in int8, four at a time", weights, 4, recordings),
            ("sherpa-onnx, weights in int8", sherpa_weights, 0, recordings),
        ]
        print("| | MB | other texts | edits per 100 tokens | errors per 100 tokens | CPU s |")
        print("| --- | --- | --- | --- | --- | --- |")
        expected: list[str] = []
        for name, file, batch, given in rows:
            write = by_onnx(file, symbols, batch) if batch else by_sherpa(file, sherpa / "tokens.txt")
            begun = time.process_time()
            found = write(given)
            spent = time.process_time() - begun
            expected = expected or found
            # Phones stand apart as words do; characters and pieces are told apart by the letter.
            split = str.split if phones else list
            units, right, true = ([split(text) for text in texts] for texts in (found, expected, said))
            other = sum(one != two for one, two in zip(found, expected, strict=True))
            size, share, wrong = file.stat().st_size / 1e6, edits(units, right), edits(units, true)
            print(f"| {name} | {size:.1f} | {other} | {share:.2f} | {wrong:.1f} | {spent:.1f} |", flush=True)


if __name__ == "__main__":
    logging.disable(logging.INFO)
    main(*sys.argv[1:])
