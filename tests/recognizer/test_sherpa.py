"""The exported model in sherpa-onnx, the package itself."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from small_model import CHARACTERS, SMALL, make_run

from asr.config import ModelConfig, TokenConfig
from asr.data.audio import Samples
from asr.errors import UserError
from asr.recognizer import sherpa
from asr.recognizer.folder import write_folder
from asr.recognizer.onnx_model import TOLERANCE
from asr.recognizer.recognizer import Recognizer, WindowSettings
from asr.recognizer.trained import TrainedModel, find_trained

SAY = """
import sys, tempfile
from pathlib import Path
import soundfile
from data_prep.espeak import Synthesizer, make_data_folder
from data_prep.resample import resample

with tempfile.TemporaryDirectory() as folder:
    make_data_folder(Path(folder), {})
    synthesizer = Synthesizer(Path(folder))
    synthesizer.set_voice("en-us", 170, 50, 50)
    for number, text in enumerate(sys.argv[2:]):
        soundfile.write(f"{sys.argv[1]}/{number}.wav", resample(synthesizer.speak(text)), 16_000, subtype="PCM_16")
"""
SENTENCES = ("She sells sea shells by the sea shore.", "Yes.", "The shells she sells are sea shells, surely.")


def centre(samples: Samples, seed: int = 0) -> Samples:
    """With the noise of a microphone, and without an offset, which sherpa-onnx takes away."""
    noisy = samples.astype(np.int64) + np.random.default_rng(seed).integers(-3, 4, len(samples))
    offset, rest = divmod(int(noisy.sum()), len(noisy))
    noisy -= offset
    noisy[np.linspace(0, len(noisy) - 1, rest).astype(int)] -= 1
    return noisy.clip(-32768, 32767).astype(np.int16)


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> list[Samples]:
    """Sentences that eSpeak says, in a process of its own: it can be started but once in each."""
    pytest.importorskip("espeakng_loader", reason='eSpeak NG is absent: pip install "kappa-asr[mini]"')
    folder = tmp_path_factory.mktemp("speech")
    subprocess.run([sys.executable, "-c", SAY, str(folder), *SENTENCES], check=True, cwd=Path(__file__).parents[2])
    return [centre(soundfile.read(folder / f"{number}.wav", dtype="int16")[0]) for number in range(len(SENTENCES))]


def export(folder: Path, tokens: TokenConfig, model: ModelConfig = SMALL) -> tuple[TrainedModel, dict[str, float], Any]:
    """A model of random weights; how far the export is from it; and sherpa-onnx with it."""
    for package in ("sherpa_onnx", "onnxruntime", "onnxscript"):
        pytest.importorskip(package)
    import sherpa_onnx

    trained = find_trained(make_run(folder / "run", model, tokens))
    assert write_folder(trained, folder / "out", sherpa=True)["sherpa-onnx"] <= TOLERANCE
    files = folder / "out" / "sherpa-onnx"
    return trained, sherpa_onnx.OfflineRecognizer.from_omnilingual_asr_ctc(
        model=str(files / "model.onnx"), tokens=str(files / "tokens.txt")
    )


@pytest.fixture(scope="module")
def characters(tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainedModel, Any]:
    model = dataclasses.replace(SMALL, layers=1, stride=4)
    return export(tmp_path_factory.mktemp("characters"), CHARACTERS, model)


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainedModel, Any]:
    model = dataclasses.replace(SMALL, layers=1, norm="post", positions="cape")
    return export(tmp_path_factory.mktemp("pieces"), TokenConfig(kind="bpe", size=24), model)


@pytest.fixture(scope="module")
def unigrams(tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainedModel, Any]:
    model = dataclasses.replace(SMALL, layers=1)
    return export(tmp_path_factory.mktemp("unigrams"), TokenConfig(kind="unigram", size=20), model)


@pytest.fixture(scope="module")
def phones(tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainedModel, Any]:
    folder = tmp_path_factory.mktemp("phones")
    (folder / "lexicon").write_text("SHE SH IY1\nSELLS S EH1 L Z\nSEA S IY1\nSHELLS SH EH1 L Z\nSHORE SH AO1 R\n")
    tokens = TokenConfig(kind="phones", lexicon=str(folder / "lexicon"), boundary=True)
    return export(folder, tokens, dataclasses.replace(SMALL, convolution=3, half_rate=1))


def hear(recognizer: Any, samples: Samples) -> Any:
    stream = recognizer.create_stream()
    stream.accept_waveform(16_000, samples.astype(np.float32) / 32768)
    recognizer.decode_stream(stream)
    return stream.result


def peaks(trained: TrainedModel, samples: Samples) -> list[int]:
    """The frames at which our tokens begin."""
    log_probs = Recognizer(trained, WindowSettings(whole_seconds=60), torch.device("cpu")).log_probs(samples)
    best = [0, *log_probs.argmax(-1).tolist()]
    return [i for i in range(len(best) - 1) if best[i + 1] not in (0, best[i])]


def texts(trained: TrainedModel, recordings: list[Samples]) -> list[str]:
    ours = Recognizer(trained, WindowSettings(whole_seconds=60), torch.device("cpu"))
    return [" ".join(word.text for word in words) for words in ours.words(recordings)]


@pytest.mark.parametrize("exported", ["characters", "pieces", "unigrams", "phones"])
def test_sherpa_onnx_writes_the_same_text_with_every_kind_of_tokens(
    exported: str, speech: list[Samples], request: pytest.FixtureRequest
) -> None:
    trained, recognizer = request.getfixturevalue(exported)
    expected = texts(trained, speech)
    assert len(set(expected)) == len(speech)
    results = [hear(recognizer, samples) for samples in speech]
    # A word boundary and a phone's blank are two blanks there.
    assert [" ".join(result.text.split()) for result in results] == expected
    times = [peak * 0.01 * trained.model.stride for peak in peaks(trained, speech[0])]
    np.testing.assert_allclose(results[0].timestamps, times, atol=0.0101)


def test_sherpa_onnx_writes_nothing_of_what_has_no_frame(characters: tuple[TrainedModel, Any]) -> None:
    assert hear(characters[1], np.full(500, 300, np.int16)).text == ""


def test_sherpa_onnx_writes_the_same_text_of_real_speech(
    characters: tuple[TrainedModel, Any], speech_data: Path
) -> None:
    files = sorted(speech_data.glob("LibriSpeech/dev-*/*/*/*.flac"))[::60]
    real = [centre(soundfile.read(file, dtype="int16")[0]) for file in files]
    assert len(real) == 8
    trained, recognizer = characters
    assert [" ".join(hear(recognizer, samples).text.split()) for samples in real] == texts(trained, real)


def test_what_sherpa_onnx_would_not_write_is_refused(tmp_path: Path) -> None:
    trained = find_trained(make_run(tmp_path / "run"))
    for symbol in ("SIL", "<eps>"):
        with pytest.raises(UserError, match=f"token {symbol}, which sherpa-onnx would leave out"):
            sherpa._frame_us(trained, ["<blank>", "▁SIL", symbol])
    fast = dataclasses.replace(trained, model=dataclasses.replace(trained.model, stride=1))
    with pytest.raises(UserError, match="frames of 20 ms, and the model's are 10 ms apart"):
        sherpa._frame_us(fast, ["<blank>", "A"])
