"""Log-mel features of other tools, by default and as near to ours as options go; see frontends.py.

All take 16 kHz mono, `(samples,)`, floats in [-1, 1], and give `(frames, bands)` in nats.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

Samples = np.ndarray[tuple[int], np.dtype[np.float32]]
Features = np.ndarray[tuple[int, int], np.dtype[np.float32]]
FrontEnd = Callable[[Samples], Features]


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


def native(samples: Samples, librosa: bool = False, near: bool = False) -> Features:
    """kaldi-native-fbank, which sherpa-onnx uses; `librosa` as its NeMo models have it."""
    import kaldi_native_fbank as knf

    options = knf.FbankOptions()
    options.frame_opts.dither = 0 if librosa or near else options.frame_opts.dither
    options.mel_opts.num_bins = 80 if librosa or near else options.mel_opts.num_bins
    if librosa:
        options.frame_opts.remove_dc_offset = False
        options.frame_opts.window_type = "hann"
        options.frame_opts.snip_edges = False
        options.mel_opts.low_freq = 0
        options.mel_opts.is_librosa = True
    if near:
        options.frame_opts.remove_dc_offset, options.frame_opts.preemph_coeff = False, 0.0
        options.frame_opts.window_type = "hann"
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
    """Decibels of power, at most 80 below the loudest."""
    from speechbrain.lobes.features import Fbank

    return Fbank(**options)(torch.from_numpy(samples)[None])[0].numpy() * np.log(10) / 10


def whisper_mel(samples: Samples) -> Features:
    """Undone: (log10 + 4) / 4, at most 8 below the loudest. From the file itself, as the package is not installed."""
    if "whisper.audio" not in sys.modules:
        package = ModuleType("whisper")
        (folder,) = [Path(place, "whisper") for place in sys.path if Path(place, "whisper", "audio.py").is_file()][:1]
        package.__path__ = [str(folder)]
        sys.modules["whisper"] = package
    import whisper.audio

    return (4 * whisper.audio.log_mel_spectrogram(samples).T.numpy() - 4) * np.log(10)


def nemo_mel(samples: Samples, **options: Any) -> Features:
    """Not normalised. From the file itself: what it imports for training is replaced by nothing."""
    name = "nemo.collections.asr.parts.preprocessing"
    if "nemo_features" not in sys.modules:
        for part, content in (
            (f"{name}.perturb", {"AudioAugmentor": object}),
            (f"{name}.segment", {"AudioSegment": object}),
            ("nemo.utils", {"logging": __import__("logging")}),
        ):
            sys.modules[part] = ModuleType(part)
            vars(sys.modules[part]).update(content)
        for depth in range(1, 6):
            sys.modules.setdefault(".".join(name.split(".")[:depth]), ModuleType("nemo"))
        end = "asr/parts/preprocessing/features.py"
        (path,) = [f for f in metadata.files("nemo-toolkit") or [] if str(f).endswith(end)]
        spec = importlib.util.spec_from_file_location("nemo_features", path.locate())
        sys.modules["nemo_features"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules["nemo_features"])
    made = sys.modules["nemo_features"].FilterbankFeatures(**{"normalize": None, "pad_to": 0} | options)
    made.eval()
    made.training = "dither" not in options
    found, count = made(torch.from_numpy(samples)[None], torch.tensor([len(samples)]))
    return found[0, :, : int(count[0])].T.numpy()


SHAPE = {"n_fft": 512, "win_length": 400, "hop_length": 160, "n_mels": 80}
TOOLS: dict[str, tuple[str, FrontEnd, FrontEnd | None]] = {
    "ours": ("kappa-asr", ours, ours),
    "torchaudio MelSpectrogram": (
        "torchaudio",
        torchaudio_mel,
        lambda samples: torchaudio_mel(samples, **SHAPE, f_min=20.0, center=False),
    ),
    "torchaudio kaldi.fbank": (
        "torchaudio",
        torchaudio_kaldi,
        lambda samples: torchaudio_kaldi(
            samples, num_mel_bins=80, preemphasis_coefficient=0.0, remove_dc_offset=False, window_type="hanning"
        ),
    ),
    "kaldi-native-fbank": ("kaldi-native-fbank", native, lambda samples: native(samples, near=True)),
    "the same, as sherpa-onnx for NeMo": ("kaldi-native-fbank", lambda samples: native(samples, librosa=True), None),
    "lhotse (icefall)": (
        "lhotse",
        lhotse_fbank,
        lambda samples: lhotse_fbank(
            samples, preemph_coeff=0.0, remove_dc_offset=False, window_type="hanning", high_freq=0.0, snip_edges=True
        ),
    ),
    "librosa": (
        "librosa",
        librosa_mel,
        lambda samples: librosa_mel(samples, **SHAPE, fmin=20.0, htk=True, norm=None, center=False),
    ),
    "SpeechBrain": (
        "speechbrain",
        speechbrain_fbank,
        lambda samples: speechbrain_fbank(samples, n_mels=80, n_fft=512, f_min=20, f_max=8000),
    ),
    "Whisper": ("openai-whisper", whisper_mel, None),
    "NeMo": (
        "nemo-toolkit",
        nemo_mel,
        lambda samples: nemo_mel(
            samples, n_window_size=400, nfilt=80, preemph=0.0, lowfreq=20, mel_norm=None, dither=0.0
        ),
    ),
}
