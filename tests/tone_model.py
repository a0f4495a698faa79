"""A language of tones, and a model that has learnt it in seconds: what the recognizer does is tested on what is heard.

Every letter is a chord, every word some letters with a breath after it. The model hears almost all words of sentences
like those that it was trained on.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from small_model import make_run

from asr.checkpoint.checkpoint import Checkpoint, save_checkpoint
from asr.config import Config, ModelConfig
from asr.data.characters import CharTokenizer
from asr.data.features import LogMel, pad_waveforms
from asr.model.encoder import Encoder

RATE = 16_000
WORDS = "ABE CAB DEAF FACE BEAD FED ACE EBB DAB BAD CAFE ADA".split()
HERTZ = (300, 900), (450, 2600), (650, 1500), (300, 3400), (1100, 4200), (800, 5200)
CHORDS = dict(zip("ABCDEF", HERTZ, strict=True))
LEVEL = 3000.0
TONES = ModelConfig(layers=2, width=32, heads=2, feedforward=64, kernel=7, stride=4, convolution=5, dropout=0.0)
STEPS, BATCH = 160, 6

Sound = npt.NDArray[np.float64]


def say(word: str, rng: np.random.Generator) -> Sound:
    """One word: 70 to 110 ms a letter, and a breath of 50 to 90 ms after it."""
    voice = rng.uniform(0.96, 1.04)
    parts = []
    for letter in word:
        time = np.arange(round(rng.uniform(0.07, 0.11) * RATE)) / RATE
        low, high = (np.sin(2 * np.pi * voice * f * time + rng.uniform(0, 6)) for f in CHORDS[letter])
        parts.append((low + 0.7 * high) * np.minimum(1, np.minimum(time, time[::-1]) / 0.01 + 0.05))
    return np.concatenate([*parts, np.zeros(round(rng.uniform(0.05, 0.09) * RATE))]) * LEVEL


def speak(text: str, rng: np.random.Generator, edge: float = 0.2) -> Sound:
    """Words without a pause, `edge` seconds of background before and after them."""
    quiet = np.zeros(round(edge * RATE))
    return np.concatenate([quiet, *(say(word, rng) for word in text.split()), quiet])


def sentence(rng: np.random.Generator, words: int, edge: float = 0.2) -> tuple[Sound, str]:
    """So many words as `speak` says them, and the text."""
    text = " ".join(rng.choice(WORDS, words))
    return speak(text, rng, edge), text


def record(sound: Sound, rng: np.random.Generator, background: float = 20.0) -> npt.NDArray[np.int16]:
    """As a microphone hears it."""
    noisy: npt.NDArray[np.int16] = (sound + background * rng.standard_normal(len(sound))).astype(np.int16)
    return noisy


def train_on_tones(folder: Path) -> Path:
    """A run's folder, with a model of sentences of 3 to 6 words, 1.5 to 3 s."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    run = make_run(folder, TONES)
    tokenizer, features = CharTokenizer(), LogMel(Config().features)
    model = Encoder(Config().features.mels, tokenizer.size, TONES)
    optimizer = torch.optim.AdamW(model.parameters(), lr=6e-3, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=STEPS, pct_start=0.15)
    for _ in range(STEPS):
        said = [sentence(rng, int(rng.integers(3, 7)), rng.uniform(0.05, 0.3)) for _ in range(BATCH)]
        heard = [record(sound * rng.uniform(0.2, 3), rng, 20 * rng.uniform(0.2, 3)) for sound, _ in said]
        targets = [torch.tensor(tokenizer.encode(text)) for _, text in said]
        output = model(*features(*pad_waveforms(heard, max(map(len, heard)))))
        sizes = torch.tensor([len(one) for one in targets])
        loss = F.ctc_loss(output.log_probs.transpose(0, 1), torch.cat(targets), output.lengths, sizes)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    weights = dict(model.state_dict())
    save_checkpoint(run / "checkpoints", Checkpoint(2, {"student": weights, "teacher": weights}, {"dev_wer": None}))
    (run / "lengths.json").write_text('{"utterance_seconds": [1.2, 3.0, 3.6]}\n')
    return run
