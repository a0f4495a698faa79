"""A recognizer for use without the toolkit that trained it; needs torch and safetensors only.

    from load import load
    recognizer = load("this/folder")
    print(recognizer.transcribe(samples))      # 16 kHz mono, floats in [-1, 1]

or `python load.py AUDIO.flac` (16 kHz mono; needs soundfile). For one utterance of up to some tens of seconds.

With `model.onnx`, where there is one: inputs `waveforms` (batch, samples), fp32 in [-1, 1], zero beyond each end,
and `lengths` (batch,), int64; outputs `log_probs` (batch, frames, tokens) and `frames` (batch,). `tokens.txt` has
one token a line, the blank first; "▁" stands where a word begins.

`sherpa-onnx`, where there is one, holds what sherpa-onnx asks for, and runs in it as a model of the kind omnilingual:
`OfflineRecognizer.from_omnilingual_asr_ctc(model="sherpa-onnx/model.onnx", tokens="sherpa-onnx/tokens.txt")`.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

SAMPLE_RATE = 16_000
DEAD_LEVEL = -18.0
"""Mean log-mel power of digital zeros and the like, which hold no recording, is below it."""


class Features(nn.Module):
    """Log-mel features with mean 0 and variance 1 per utterance and band, over frames that hold a recording."""

    window: Tensor
    mel: Tensor
    waves: Tensor

    def __init__(self, window: Tensor, mel: Tensor, shift: int) -> None:
        """`window` is `(fft,)`, zero at its ends; `mel` is `(fft / 2 + 1, mels)`."""
        super().__init__()
        self.shift, self.fft = shift, len(window)
        turns = torch.arange(len(mel), dtype=torch.float64)[:, None] * torch.arange(self.fft) % self.fft
        angles = 2 * math.pi / self.fft * turns
        waves = torch.cat((angles.cos(), angles.sin())) * window
        # A Fourier transform as a convolution: every runtime has that.
        self.register_buffer("waves", waves.float()[:, None], persistent=False)
        self.register_buffer("mel", mel, persistent=False)

    def forward(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        frames = (torch.div(lengths - self.fft, self.shift, rounding_mode="floor") + 1).clamp(min=0)
        parts = F.conv1d(waveforms[:, None], self.waves, stride=self.shift).transpose(1, 2).square()
        half = self.mel.shape[0]
        features = ((parts[..., :half] + parts[..., half:]) @ self.mel).clamp(min=1e-10).log()
        real = (torch.arange(features.shape[1], device=features.device) < frames[:, None])[:, :, None]
        live = real & (features.mean(2, keepdim=True) > DEAD_LEVEL)
        count = live.sum(1, keepdim=True).clamp(min=1)
        features = features * live
        features = (features - features.sum(1, keepdim=True) / count) * live
        deviation = (features.square().sum(1, keepdim=True) / count).sqrt()
        features = features / (deviation + 1e-3)
        return torch.where(real & ~live, features.amin(1, keepdim=True), features), frames


class Frontend(nn.Module):
    def __init__(self, mels: int, settings: dict[str, Any]) -> None:
        super().__init__()
        kernel = settings["kernel"]
        self.conv = nn.Conv1d(mels, 2 * settings["width"], kernel, settings["stride"], kernel // 2)

    def forward(self, features: Tensor) -> Tensor:
        return F.glu(self.conv(features.transpose(1, 2)).transpose(1, 2), dim=-1)


class Convolution(nn.Module):
    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.gates, self.out, self.norm = nn.Linear(width, 2 * width), nn.Linear(width, width), nn.LayerNorm(width)
        self.depthwise = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = F.glu(self.gates(x), dim=-1) * mask[:, 0, 0, :, None]
        mixed: Tensor = self.out(F.silu(self.norm(self.depthwise(x.transpose(1, 2)).transpose(1, 2))))
        return mixed


class Block(nn.Module):
    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__()
        width, self.heads, self.pre_norm = settings["width"], settings["heads"], settings["norm"] == "pre"
        proxy = settings.get("proxy_head_width")
        self.scale = None if proxy is None else math.sqrt(proxy) * self.heads / width
        self.norm_attention, self.norm_feedforward = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.inner = nn.Linear(width, settings["feedforward"])
        self.outer = nn.Linear(settings["feedforward"], width)
        kernel = settings.get("convolution", 0)
        self.norm_convolution = nn.LayerNorm(width) if kernel else None
        self.convolution = Convolution(width, kernel) if kernel else None

    def _attend(self, x: Tensor, mask: Tensor, turns: tuple[Tensor, Tensor] | None) -> Tensor:
        batch, frames, width = x.shape
        qkv = self.qkv(x).view(batch, frames, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        query, key, value = qkv[0], qkv[1], qkv[2]
        if turns is not None:
            query, key = rotate(query, *turns), rotate(key, *turns)
        heard = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=self.scale)
        mixed: Tensor = self.out(heard.transpose(1, 2).reshape(batch, frames, width))
        return mixed

    def forward(self, x: Tensor, mask: Tensor, turns: tuple[Tensor, Tensor] | None) -> Tensor:
        if self.pre_norm:
            x = x + self._attend(self.norm_attention(x), mask, turns)
            if self.convolution is not None and self.norm_convolution is not None:
                x = x + self.convolution(self.norm_convolution(x), mask)
            fed: Tensor = x + self.outer(F.relu(self.inner(self.norm_feedforward(x))))
            return fed
        x = self.norm_attention(x + self._attend(x, mask, turns))
        if self.convolution is not None and self.norm_convolution is not None:
            x = self.norm_convolution(x + self.convolution(x, mask))
        normed: Tensor = self.norm_feedforward(x + self.outer(F.relu(self.inner(x))))
        return normed


def rotate(heads: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Rotary positions, `(batch, heads, frames, width)`, without complex numbers, which ONNX has not."""
    even, odd = heads[..., 0::2], heads[..., 1::2]
    turned: Tensor = torch.stack((even * cosine - odd * sine, even * sine + odd * cosine), -1).flatten(-2)
    return turned


def pairs(x: Tensor) -> Tensor:
    """Every two frames of `(batch, frames, width)`, the last one with zeros where it is alone."""
    batch, frames, width = x.shape
    even: Tensor = F.pad(x, (0, 0, 0, 1))[:, : (frames + 1) // 2 * 2].reshape(batch, -1, 2, width)
    return even


class Encoder(nn.Module):
    def __init__(self, mels: int, tokens: int, settings: dict[str, Any], frame_seconds: float) -> None:
        super().__init__()
        width = settings["width"]
        self.stride, self.head_width = settings["stride"], width // settings["heads"]
        self.rotary, self.frame_seconds = settings["positions"] == "rotary", frame_seconds
        self.frontend = Frontend(mels, settings)
        self.blocks = nn.ModuleList(Block(settings) for _ in range(settings["layers"]))
        self.norm = nn.LayerNorm(width) if settings["norm"] == "pre" else nn.Identity()
        self.head = nn.Linear(width, tokens)
        # Blocks in the middle run at half the frame rate.
        layers, slow = settings["layers"], settings.get("half_rate", 0)
        self.first, self.stop = (layers - slow + 1) // 2, (layers - slow + 1) // 2 + slow

    def _turns(self, steps: Tensor) -> tuple[Tensor, Tensor] | None:
        if not self.rotary:
            return None
        even = torch.arange(0, self.head_width, 2, device=steps.device, dtype=torch.float32)
        angles = steps.float()[:, None] * 10000.0 ** (-even / self.head_width)
        return angles.cos(), angles.sin()

    def forward(self, features: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        x = self.frontend(features)
        lengths = torch.div(frames + self.stride - 1, self.stride, rounding_mode="floor")
        steps = torch.arange(x.shape[1], device=x.device)
        mask = (steps < lengths.clamp(min=1)[:, None])[:, None, None, :]
        turns = self._turns(steps)
        if not self.rotary:
            half = x.shape[2] // 2
            rates = torch.exp(-math.log(10000.0) / half * torch.arange(half, device=x.device)) * 30.0
            centred = steps.float() - (lengths.clamp(min=1)[:, None] - 1) / 2
            angles = (centred * self.frame_seconds)[:, :, None] * rates
            x = x + torch.cat((angles.sin(), angles.cos()), -1)
        for block in self.blocks[: self.first]:
            x = block(x, mask, turns)
        if self.first < self.stop:
            real = mask[:, 0, 0, :, None].to(x.dtype)
            slow = pairs(x * real).sum(2) / pairs(real).sum(2).clamp(min=1)
            begun, slow_mask = slow, (pairs(real).sum(2) > 0)[:, None, None, :, 0]
            slow_turns = self._turns(torch.arange(slow.shape[1], device=x.device))
            for block in self.blocks[self.first : self.stop]:
                slow = block(slow, slow_mask, slow_turns)
            x = x + (slow - begun).repeat_interleave(2, dim=1)[:, : x.shape[1]]
        for block in self.blocks[self.stop :]:
            x = block(x, mask, turns)
        return F.log_softmax(self.head(self.norm(x)), dim=-1), lengths


class Recognizer(nn.Module):
    """Waveforms in, log-probabilities of tokens out."""

    def __init__(self, settings: dict[str, Any], tokens: list[str], features: dict[str, Tensor]) -> None:
        super().__init__()
        self.tokens = tokens
        shift_ms, stride = settings["features"]["shift_ms"], settings["model"]["stride"]
        self.features = Features(features["window"], features["mel"], round(shift_ms * SAMPLE_RATE / 1000))
        mels = settings["features"]["mels"]
        self.encoder = Encoder(mels, len(tokens), settings["model"], shift_ms / 1000 * stride)

    def forward(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probabilities `(batch, frames, tokens)`, and real frames `(batch,)`.

        Args:
            waveforms: `(batch, samples)`, fp32 in [-1, 1], zero beyond each end; at least one window of samples.
            lengths: samples of each, `(batch,)`.
        """
        features, frames = self.features(waveforms, lengths)
        log_probs: tuple[Tensor, Tensor] = self.encoder(features, frames)
        return log_probs

    @torch.no_grad()
    def transcribe(self, samples: Any) -> str:
        """The text of 16 kHz mono samples in [-1, 1]: the best token of every frame, repeats and blanks out."""
        waveform = torch.as_tensor(samples, dtype=torch.float32)
        if len(waveform) < self.features.fft:
            return ""
        log_probs, _ = self(waveform[None], torch.tensor([len(waveform)]))
        ids = torch.unique_consecutive(log_probs[0].argmax(-1)).tolist()
        return " ".join("".join(self.tokens[i] for i in ids if i).replace("▁", " ").split())


def load(folder: str | Path) -> Recognizer:
    """The recognizer of an exported folder."""
    folder = Path(folder)
    settings = json.loads((folder / "recognizer.json").read_text(encoding="utf-8"))
    tokens = (folder / "tokens.txt").read_text(encoding="utf-8").split("\n")[:-1]
    recognizer = Recognizer(settings, tokens, load_file(folder / "features.safetensors"))
    recognizer.encoder.load_state_dict(load_file(folder / "model.safetensors"))
    return recognizer.eval()


if __name__ == "__main__":
    import soundfile

    one = load(Path(__file__).parent)
    for name in sys.argv[1:]:
        audio, rate = soundfile.read(name, dtype="float32")
        if rate != SAMPLE_RATE or audio.ndim != 1:
            sys.exit(f"{name}: {rate} Hz, {audio.shape}; expected 16000 Hz mono")
        print(one.transcribe(audio))
