"""Log-mel features of other tools, by default and as near to ours as options go; see frontends.py.

All take 16 kHz mono, `(samples,)`, floats in [-1, 1], and give `(frames, bands)`, in whatever unit the tool has.
"""

from __future__ import annotations

import importlib.util
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from types import ModuleType
from typing import Any

import numpy as np
import torch

Samples = np.ndarray[tuple[int], np.dtype[np.float32]]
Features = np.ndarray[tuple[int, int], np.dtype[np.float32]]
FrontEnd = Callable[[Samples], Features]

LATER = 56
"""Samples by which our first window begins later than one that is not filled up to 512 at both ends; its end is as
far from ours."""


@dataclass(frozen=True)
class Tool:
    package: str
    default: FrontEnd
    near: FrontEnd | None = None
    """None: it has no options for that, or they are no nearer."""


def ours(samples: Samples) -> Features:
    from asr.config import FeatureConfig
    from asr.data.features import LogMel

    return LogMel(FeatureConfig()).log_mel(torch.from_numpy(samples)[None])[0].numpy()


def torchaudio_mel(samples: Samples, **options: Any) -> Features:
    from torchaudio.transforms import MelSpectrogram

    return MelSpectrogram(**options)(torch.from_numpy(samples)).clamp(min=1e-10).log().T.numpy()


def torchaudio_kaldi(samples: Samples, **options: Any) -> Features:
    from torchaudio.compliance.kaldi import fbank

    return fbank(torch.from_numpy(samples)[None], **options).numpy()


def native(samples: Samples, kind: str = "") -> Features:
    """kaldi-native-fbank; `sherpa` as sherpa-onnx sets it by default, `nemo` as for NeMo's models, `near` to ours."""
    import kaldi_native_fbank as knf

    options = knf.FbankOptions()
    frame, mel = options.frame_opts, options.mel_opts
    if kind:
        frame.dither, mel.num_bins = 0.0, 80
        frame.snip_edges = kind == "near"
    if kind == "sherpa":
        mel.high_freq = -400.0
    if kind == "nemo":
        frame.remove_dc_offset, mel.low_freq, mel.high_freq, mel.is_librosa = False, 0.0, -400.0, True
    if kind == "near":
        frame.remove_dc_offset, frame.preemph_coeff, frame.window_type = False, 0.0, "hann"
        samples = 32768 * samples[LATER:-LATER]
    found = knf.OnlineFbank(options)
    found.accept_waveform(16_000, samples.tolist())
    found.input_finished()
    return np.stack([found.get_frame(i) for i in range(found.num_frames_ready)])


def lhotse_fbank(samples: Samples, **options: Any) -> Features:
    from lhotse import Fbank, FbankConfig

    return Fbank(FbankConfig(**options)).extract(samples, 16_000)


def librosa_mel(samples: Samples, **options: Any) -> Features:
    import librosa

    return np.log(np.maximum(librosa.feature.melspectrogram(y=samples, sr=16_000, **options), 1e-10)).T


def speechbrain_fbank(samples: Samples, **options: Any) -> Features:
    from speechbrain.lobes.features import Fbank

    return Fbank(**options)(torch.from_numpy(samples)[None])[0].numpy()


def whisper_mel(samples: Samples) -> Features:
    import whisper.audio

    return whisper.audio.log_mel_spectrogram(samples).T.numpy()


def espnet_mel(samples: Samples, **options: Any) -> Features:
    from espnet2.asr.frontend.default import DefaultFrontend

    found, _ = DefaultFrontend(**options)(torch.from_numpy(samples)[None], torch.tensor([len(samples)]))
    return found[0].numpy()


def speech_features(samples: Samples, **options: Any) -> Features:
    from python_speech_features import fbank

    # What its logfbank() does, which has no window.
    return np.log(fbank(samples, 16_000, **options)[0])


def transformers_features(samples: Samples, name: str, **options: Any) -> Features:
    """Of a feature extractor as it is made without a model's settings."""
    import transformers

    given = {"sampling_rate": 16_000, "return_tensors": "np"}
    return np.asarray(getattr(transformers, name)()(samples, **given, **options)["input_features"][0])


def nemo_features() -> Any:
    """NeMo's file on its own: what it imports for training is replaced by nothing."""
    name = "nemo.collections.asr.parts.preprocessing"
    if "nemo_features" not in sys.modules:
        for part, content in (
            (f"{name}.perturb", {"AudioAugmentor": object}),
            (f"{name}.segment", {"AudioSegment": object}),
            ("nemo.utils", {"logging": logging}),
        ):
            sys.modules[part] = ModuleType(part)
            vars(sys.modules[part]).update(content)
        for depth in range(1, 6):
            sys.modules.setdefault(".".join(name.split(".")[:depth]), ModuleType("nemo"))
        end = "asr/parts/preprocessing/features.py"
        (path,) = [f for f in metadata.files("nemo-toolkit") or [] if str(f).endswith(end)]
        spec = importlib.util.spec_from_file_location("nemo_features", path.locate())
        assert spec is not None and spec.loader is not None  # noqa: PT018
        sys.modules["nemo_features"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules["nemo_features"])
    return sys.modules["nemo_features"]


def nemo_mel(samples: Samples, training: bool = False, **options: Any) -> Features:
    """What AudioToMelSpectrogramPreprocessor makes, with its defaults, but for 80 bands and no filling up of frames."""
    given = {"n_window_size": 320, "nfilt": 80, "pad_to": 0, "dither": 1e-5} | options
    made = nemo_features().FilterbankFeatures(**given).train(training)
    found, count = made(torch.from_numpy(samples)[None], torch.tensor([len(samples)]))
    return found[0, :, : int(count[0])].T.numpy()


SHAPE = {"n_fft": 512, "win_length": 400, "hop_length": 160, "n_mels": 80}
PLAIN = {"remove_dc_offset": False, "window_type": "hanning"}
TOOLS: dict[str, Tool] = {
    "ours": Tool("kappa-asr", ours, ours),
    "torchaudio `MelSpectrogram`": Tool(
        "torchaudio", torchaudio_mel, lambda x: torchaudio_mel(x, **SHAPE, f_min=20.0, center=False)
    ),
    "torchaudio `kaldi.fbank`": Tool(
        "torchaudio",
        torchaudio_kaldi,
        lambda x: torchaudio_kaldi(
            32768 * x[LATER:-LATER], num_mel_bins=80, preemphasis_coefficient=0.0, dither=0.0, **PLAIN
        ),
    ),
    "kaldi-native-fbank": Tool("kaldi-native-fbank", native, lambda x: native(x, "near")),
    "the same, as sherpa-onnx sets it": Tool("kaldi-native-fbank", lambda x: native(x, "sherpa")),
    "the same, as sherpa-onnx for NeMo": Tool("kaldi-native-fbank", lambda x: native(x, "nemo")),
    "lhotse `Fbank` (icefall)": Tool(
        "lhotse",
        lhotse_fbank,
        lambda x: lhotse_fbank(x[LATER:-LATER], preemph_coeff=0.0, high_freq=0.0, snip_edges=True, **PLAIN),
    ),
    "librosa": Tool(
        "librosa", librosa_mel, lambda x: librosa_mel(x, **SHAPE, fmin=20.0, htk=True, norm=None, center=False)
    ),
    "SpeechBrain": Tool(
        "speechbrain", speechbrain_fbank, lambda x: speechbrain_fbank(x, n_mels=80, n_fft=512, f_min=20)
    ),
    "ESPnet": Tool(
        "espnet",
        espnet_mel,
        lambda x: espnet_mel(x, n_fft=512, win_length=400, hop_length=160, fmin=20, htk=True, center=False),
    ),
    "NeMo": Tool(
        "nemo-toolkit",
        nemo_mel,
        lambda x: nemo_mel(x, n_window_size=400, n_fft=512, preemph=None, lowfreq=20, mel_norm=None, normalize=None),
    ),
    "openai-whisper": Tool("openai-whisper", whisper_mel),
    "transformers Whisper": Tool(
        "transformers", lambda x: transformers_features(x, "WhisperFeatureExtractor", padding=False).T
    ),
    "transformers Speech2Text": Tool("transformers", lambda x: transformers_features(x, "Speech2TextFeatureExtractor")),
    "transformers SeamlessM4T": Tool(
        "transformers",
        lambda x: transformers_features(x, "SeamlessM4TFeatureExtractor", padding=False).reshape(-1, 80),
    ),
    "transformers Parakeet": Tool("transformers", lambda x: transformers_features(x, "ParakeetFeatureExtractor")),
    "python_speech_features": Tool(
        "python_speech_features",
        speech_features,
        lambda x: speech_features(
            x[LATER:-LATER], nfilt=80, lowfreq=20, preemph=0.0, winfunc=lambda n: np.hanning(n + 1)[:-1]
        ),
    ),
}
