from __future__ import annotations

import numpy as np
import torch

from asr.config import FeatureConfig, SpecAugmentConfig
from asr.data.features import LogMel, pad_waveforms
from asr.data.specaugment import specaugment


def noise(seconds: float, seed: int = 0) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    return np.random.default_rng(seed).integers(-5000, 5000, int(seconds * 16_000)).astype(np.int16)


def test_the_same_utterance_alone_and_in_a_padded_batch_has_the_same_features() -> None:
    fbank = LogMel(FeatureConfig())
    short, long = noise(1.0), noise(2.5, 1)
    alone, frames = fbank(*pad_waveforms([short], fbank.samples(110)))
    together, both = fbank(*pad_waveforms([long, short], fbank.samples(260)))
    count = int(frames[0])
    assert both.tolist() == [1 + (40_000 - 512) // 160, count]
    torch.testing.assert_close(together[1, :count], alone[0, :count], rtol=1e-5, atol=1e-5)
    assert together[1, count:].abs().max() == 0


@torch.no_grad()
def over_all_frames(fbank: LogMel, waveforms: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Features as models were trained on before dead frames were left out."""
    frames = fbank.frames(lengths)
    features = fbank.log_mel(waveforms.float() / 32768)
    real = (torch.arange(features.shape[1]) < frames[:, None])[:, :, None]
    count = frames.clamp(min=1)[:, None, None]
    features = features * real
    features = (features - features.sum(1, keepdim=True) / count) * real
    return features / ((features.square().sum(1, keepdim=True) / count).sqrt() + 1e-3)


def test_a_recording_without_digital_zeros_has_the_features_it_always_had_to_the_bit() -> None:
    fbank = LogMel(FeatureConfig())
    faint = np.random.default_rng(2).integers(0, 2, 20_000).astype(np.int16)
    batch = pad_waveforms([noise(1.0), noise(2.5, 1), faint, np.concatenate([faint, noise(1.0)])], fbank.samples(260))
    assert torch.equal(fbank(*batch)[0], over_all_frames(fbank, *batch))


def test_digital_zeros_hardly_change_other_frames_and_are_as_quiet_as_the_quietest() -> None:
    fbank = LogMel(FeatureConfig())
    samples, zeros = noise(2.0), np.zeros(16_000, np.int16)
    alone = fbank(*pad_waveforms([samples], len(samples)))[0][0]
    padded, frames = fbank(*pad_waveforms([np.concatenate([zeros, samples]), samples], 48_000))
    # Frames that hold a little of both count.
    torch.testing.assert_close(padded[0, 100:], alone, atol=0.6, rtol=0)
    torch.testing.assert_close(padded[0, :90], padded[0].amin(0).expand(90, -1))
    assert padded[0].abs().max() < 30
    assert frames.tolist() == [297, 197]
    torch.testing.assert_close(padded[1, :197], alone)


def test_every_band_has_mean_zero_and_variance_one() -> None:
    fbank = LogMel(FeatureConfig())
    features, frames = fbank(*pad_waveforms([noise(3.0)], fbank.samples(320)))
    real = features[0, : int(frames[0])]
    assert real.mean(0).abs().max() < 1e-4
    assert (real.std(0, unbiased=False) - 1).abs().max() < 0.02


def test_log_mels_agree_with_kaldi_s_up_to_a_constant() -> None:
    import pytest

    knf = pytest.importorskip("kaldi_native_fbank")
    options = knf.FbankOptions()
    options.frame_opts.dither = 0
    options.frame_opts.preemph_coeff = 0
    options.frame_opts.remove_dc_offset = False
    options.frame_opts.window_type = "hanning"
    options.frame_opts.snip_edges = True
    options.mel_opts.num_bins = 80
    options.mel_opts.low_freq = 20
    options.use_energy = False
    samples = noise(1.0)
    reference = knf.OnlineFbank(options)
    reference.accept_waveform(16_000, (samples / 32768).tolist())
    expected = torch.stack([torch.from_numpy(reference.get_frame(i)) for i in range(reference.num_frames_ready)])
    fbank = LogMel(FeatureConfig())
    power = fbank.log_mel(torch.from_numpy(samples)[None].float() / 32768)[0]
    # Kaldi's window lies at the start of its 512 samples, torch's in the middle; kaldi interpolates bands in mel.
    count = min(len(power), len(expected))
    assert (power[:count].mean(0) - expected[:count].mean(0))[5:].abs().max() < 0.3


def test_silence_and_nothing_have_finite_features() -> None:
    fbank = LogMel(FeatureConfig())
    silence = np.zeros(8000, dtype=np.int16)
    features, frames = fbank(*pad_waveforms([silence, silence[:0], silence[:100]], fbank.samples(48)))
    assert torch.isfinite(features).all()
    assert frames.tolist() == [47, 0, 0]


def test_masks_stay_within_their_width_and_within_real_frames() -> None:
    config = SpecAugmentConfig(frequency_masks=1, frequency_width=7, time_masks=1, time_width=9, time_share=0.5)
    features = torch.ones(64, 100, 80)
    frames = torch.full((64,), 40)
    masked = specaugment(features, frames, config, np.random.default_rng(0)) == 0
    assert masked.all(1).sum(1).max() == 7
    assert masked.all(2).sum(1).max() == 9
    assert not masked.all(2)[:, 40:].any()
    assert features.min() == 1


def test_masks_depend_on_the_generator_alone() -> None:
    features, frames = torch.ones(3, 60, 80), torch.tensor([60, 50, 0])
    one, two, other = (specaugment(features, frames, SpecAugmentConfig(), np.random.default_rng(s)) for s in (1, 1, 2))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
