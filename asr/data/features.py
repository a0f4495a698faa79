"""From waveforms to normalised log-mel features, batched, on whatever device the waveforms are on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from asr.config import FeatureConfig
from asr.data.audio import SAMPLE_RATE, Samples
from asr.errors import UserError

LOG_FLOOR = 1e-10
"""Power under which a band counts as silent: just under 16-bit rounding noise."""
DEAD_LEVEL = -18.0
"""Mean log-mel power under which a frame holds nothing that was recorded, such as digital zeros: the rounding to 16
bits alone has -17.5, and samples of 0 and 1 drawn at random have -16.5."""


@contextmanager
def importing_torchaudio() -> Iterator[None]:
    """Raises UserError, saying what to install, where the import inside fails."""
    try:
        yield
    except (ImportError, OSError, RuntimeError) as error:
        # A torch build that torchaudio was not made for ends in OSError or RuntimeError.
        raise UserError(
            f"torchaudio cannot be imported beside torch {torch.__version__} ({error}); "
            'install a pair that fits: pip install "torch>=2.9,<2.15" "torchaudio>=2.9,<2.12"'
        ) from None


def _transforms(config: FeatureConfig, window: int, shift: int, fft: int) -> tuple[nn.Module, nn.Module]:
    """Waveforms to complex spectrograms, and power spectrograms to mel bands."""
    with importing_torchaudio():
        from torchaudio.transforms import MelScale, Spectrogram
    spectrogram = Spectrogram(fft, win_length=window, hop_length=shift, power=None, center=False)
    return spectrogram, MelScale(config.mels, SAMPLE_RATE, f_min=20.0, n_stft=fft // 2 + 1)


class LogMel(nn.Module):
    """Log-mel features with mean 0 and variance 1 per utterance and band, over frames that hold a recording.

    Digital zeros, whose log-mels lie far below everything else, would move both: a second of them before an utterance
    took the word error rate of a model that had never heard any from 19 to 97 %. Their frames are as quiet as each band
    becomes elsewhere.
    """

    def __init__(self, config: FeatureConfig) -> None:
        super().__init__()
        self.shift = round(config.shift_ms * SAMPLE_RATE / 1000)
        window = round(config.window_ms * SAMPLE_RATE / 1000)
        self.fft = 1 << (window - 1).bit_length()
        self.spectrogram, self.mel = _transforms(config, window, self.shift, self.fft)

    def samples(self, frames: int) -> int:
        """Samples that make up `frames` feature frames."""
        return self.fft + (frames - 1) * self.shift

    def frames(self, samples: Tensor) -> Tensor:
        """Whole frames in utterances of so many samples."""
        return (torch.div(samples - self.fft, self.shift, rounding_mode="floor") + 1).clamp(min=0)

    def frames_in(self, samples: int) -> int:
        """Whole frames in an utterance of so many samples, on the host."""
        return max(0, (samples - self.fft) // self.shift + 1)

    def log_mel(self, waveforms: Tensor) -> Tensor:
        """Log-mel powers `(batch, frames, mels)`, not normalised, of float waveforms in [-1, 1]."""
        # Not the transform's own power: it takes a root first. Nor a sum over pairs, which is slow on a CPU.
        real, imaginary = torch.view_as_real(self.spectrogram(waveforms)).unbind(-1)
        power = torch.addcmul(real.square(), imaginary, imaginary)
        mel: Tensor = self.mel(power)
        return mel.transpose(1, 2).clamp(min=LOG_FLOOR).log()

    @torch.no_grad()
    def forward(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Features `(batch, frames, mels)`, zero beyond each utterance's end, and frames `(batch,)`.

        Args:
            waveforms: int16 `(batch, samples)`, zero beyond each utterance's end.
            lengths: samples of each utterance, `(batch,)`.
        """
        frames = self.frames(lengths)
        features = self.log_mel(waveforms.float() / 32768)
        real = (torch.arange(features.shape[1], device=features.device) < frames[:, None])[:, :, None]
        live = real & (features.mean(2, keepdim=True) > DEAD_LEVEL)
        count = live.sum(1, keepdim=True).clamp(min=1)
        features = features * live
        features = (features - features.sum(1, keepdim=True) / count) * live
        deviation = (features.square().sum(1, keepdim=True) / count).sqrt()
        features = features / (deviation + 1e-3)
        return torch.where(real & ~live, features.amin(1, keepdim=True), features), frames


def pad_waveforms(samples: Sequence[Samples], width: int) -> tuple[Tensor, Tensor]:
    """Utterances as int16 `(batch, width)`, cut or padded with zeros, and their lengths `(batch,)`."""
    padded = np.zeros((len(samples), width), dtype=np.int16)
    lengths = np.zeros(len(samples), dtype=np.int64)
    for row, one in enumerate(samples):
        lengths[row] = min(len(one), width)
        padded[row, : lengths[row]] = one[:width]
    return torch.from_numpy(padded), torch.from_numpy(lengths)
