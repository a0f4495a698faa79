"""SpeechBrain's CTC recipe on a manifest of this project: word errors of a dev set against CPU time.

    peer/bin/python benchmarks/speechbrain_recipe.py LABELED.jsonl DEV.jsonl --hours 40

What is compared with `kappa-asr recipe`, whose log has the same two numbers (RESULTS.md, "Beside other programs").
Recipe, from its LibriSpeech/ASR/CTC/hparams/conformer_large.yaml: characters, two convolutions in front that leave
frames of 40 ms, a Conformer with relative positions (or a Transformer), AdamW (0.9, 0.98), a warm-up and a plateau
before lr falls, speeds of 95, 100 and 105 %, bands and chunks left out, the original beside the augmented copy,
greedy decoding. Width as its conformer_small.yaml has it, with as many blocks, and batches as large, as asked for.
CPU seconds are those of training alone, loading included.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import speechbrain as sb
import torch
from speechbrain.augment.augmenter import Augmenter
from speechbrain.augment.time_domain import DropChunk, DropFreq, SpeedPerturb
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.dataio.dataio import read_audio
from speechbrain.dataio.dataloader import SaveableDataLoader
from speechbrain.dataio.dataset import DynamicItemDataset
from speechbrain.dataio.sampler import DynamicBatchSampler
from speechbrain.decoders.ctc import ctc_greedy_decode
from speechbrain.lobes.features import Fbank
from speechbrain.lobes.models.convolution import ConvolutionFrontEnd
from speechbrain.lobes.models.transformer.TransformerASR import TransformerASR
from speechbrain.nnet.linear import Linear
from speechbrain.nnet.schedulers import LinearNoamScheduler
from speechbrain.processing.features import InputNormalization
from speechbrain.utils.metric_stats import ErrorRateStats

MELS = 80
BLANK, BOS, EOS = 0, 1, 2
"""As its recipes have them; the latter two stay unused."""


def read_rows(manifest: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]


def load_data(rows: list[dict[str, Any]], characters: str) -> DynamicItemDataset:
    data = DynamicItemDataset({row["id"]: {k: v for k, v in row.items() if k != "id"} for row in rows})

    def load(audio_filepath: str, offset: float, duration: float) -> torch.Tensor:
        start = round(offset * 16_000)
        where = {"file": audio_filepath, "start": start, "stop": start + round(duration * 16_000)}
        samples: torch.Tensor = read_audio(where)
        return samples

    def encode(text: str) -> torch.Tensor:
        return torch.LongTensor([EOS + 1 + characters.index(c) for c in text])

    data.add_dynamic_item(load, takes=["audio_filepath", "offset", "duration"], provides="samples")
    data.add_dynamic_item(encode, takes="text", provides="target")
    data.set_output_keys(["id", "samples", "target", "text"])
    return data


class Recognizer(sb.Brain):  # type: ignore[misc]
    def compute_forward(self, batch: Any, stage: Any) -> tuple[torch.Tensor, torch.Tensor, Any]:
        samples, lengths = batch.samples
        target = batch.target
        if stage == sb.Stage.TRAIN:
            samples, lengths = self.hparams.augment(samples, lengths)
            target = tuple(self.hparams.augment.replicate_labels(part) for part in target)
        features = self.modules.normalize(self.hparams.fbank(samples), lengths, epoch=self.hparams.epoch)
        heard = self.modules.transformer.encode(self.modules.front(features), lengths)
        return self.modules.head(heard).log_softmax(-1), lengths, target

    def compute_objectives(self, outputs: Any, batch: Any, stage: Any) -> torch.Tensor:  # noqa: ARG002
        log_probs, lengths, (target, target_lengths) = outputs
        loss: torch.Tensor = sb.nnet.losses.ctc_loss(
            log_probs, target, lengths, target_lengths, blank_index=BLANK, reduction="batchmean"
        )
        return loss

    def on_fit_batch_end(self, batch: Any, outputs: Any, loss: Any, should_step: bool) -> None:  # noqa: ARG002
        if should_step:
            self.hparams.annealing(self.optimizer)


def score(brain: Recognizer, data: DynamicItemDataset, characters: str) -> float:
    """Word error rate of greedy decoding, in percent."""
    errors = ErrorRateStats()
    brain.modules.eval()
    with torch.no_grad():
        for batch in SaveableDataLoader(data, batch_size=8, collate_fn=PaddedBatch):
            log_probs, lengths, _ = brain.compute_forward(batch, sb.Stage.VALID)
            found = ctc_greedy_decode(log_probs, lengths, blank_id=BLANK)
            # Tokens that stand for nothing are left out of what is written.
            said = ["".join(characters[i - EOS - 1] for i in ids if i > EOS).split() for ids in found]
            errors.append(batch.id, said, [text.split() for text in batch.text])
    brain.modules.train()
    return float(errors.summarize("error_rate"))


def make_recognizer(options: argparse.Namespace, tokens: int) -> Recognizer:
    speeds = SpeedPerturb(orig_freq=16_000, speeds=[95, 100, 105])
    bands = DropFreq(drop_freq_count_low=1, drop_freq_count_high=3, drop_freq_width=0.05)
    chunks = DropChunk(drop_length_low=1000, drop_length_high=2000, drop_count_low=1, drop_count_high=5)
    front = ConvolutionFrontEnd(
        (8, 10, MELS),
        num_blocks=2,
        num_layers_per_block=1,
        out_channels=(64, 32),
        kernel_sizes=(3, 3),
        strides=(2, 2),
        residuals=(False, False),
    )
    conformer = options.encoder == "conformer"
    transformer = TransformerASR(
        tgt_vocab=tokens,
        input_size=640,
        d_model=144,
        nhead=4,
        num_encoder_layers=options.layers,
        num_decoder_layers=0,
        d_ffn=1024,
        dropout=0.1,
        activation=torch.nn.GELU,
        encoder_module=options.encoder,
        attention_type="RelPosMHAXL" if conformer else "regularMHA",
        normalize_before=True,
        causal=False,
    )
    return Recognizer(
        modules={
            "front": front,
            "transformer": transformer,
            "head": Linear(tokens, input_size=144),
            "normalize": InputNormalization(norm_type="global", update_until_epoch=4),
        },
        opt_class=lambda parameters: torch.optim.AdamW(
            parameters, lr=options.lr, betas=(0.9, 0.98), eps=1e-9, weight_decay=5e-4, fused=True
        ),
        hparams={
            "fbank": Fbank(n_fft=512, n_mels=MELS),
            "annealing": LinearNoamScheduler(options.lr, options.warmup, options.keep),
            "epoch": 0,
            "augment": Augmenter(
                parallel_augment=False,
                concat_original=not options.copy_alone,
                min_augmentations=3,
                max_augmentations=3,
                augmentations=[speeds, bands, chunks],
            ),
        },
        run_opts={"device": "cpu", "noprogressbar": True, "precision": options.precision, "max_grad_norm": 5.0},
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("labeled", type=Path)
    parser.add_argument("dev", type=Path, nargs="+")
    parser.add_argument("--encoder", choices=("conformer", "transformer"), default="conformer")
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--warmup", type=int, default=1000, help="steps (default: 1000)")
    parser.add_argument("--keep", type=int, default=4000, help="steps at the full lr (default: 4000)")
    parser.add_argument("--seconds", type=float, default=30.0, help="of a batch, before its copy (default: 30)")
    parser.add_argument("--copy-alone", action="store_true", help="no originals: half the time a step")
    parser.add_argument("--hours", type=float, default=40.0, help="of audio in all, copies not counted (default: 40)")
    parser.add_argument("--every", type=float, default=2.5, help="hours between scores (default: 2.5)")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    rows = read_rows(options.labeled)
    characters = "".join(sorted({c for row in rows for c in row["text"]}))
    data = load_data(rows, characters)
    dev = {path.stem: load_data(read_rows(path), characters) for path in options.dev}
    lengths = [row["duration"] for row in rows]
    sampler = DynamicBatchSampler(data, options.seconds, num_buckets=60, lengths_list=lengths, shuffle=True)
    brain = make_recognizer(options, EOS + 1 + len(characters))
    brain.on_fit_start()
    brain.modules.train()
    parameters = sum(p.numel() for p in brain.modules.parameters())
    print(f"{options.encoder}, {options.layers} blocks, {parameters / 1e6:.2f} M parameters", flush=True)
    heard, cpu, due, begun = 0.0, 0.0, options.every, time.process_time()
    for epoch in range(10**6):
        sampler.set_epoch(epoch)
        brain.hparams.epoch = epoch
        for batch in SaveableDataLoader(data, batch_sampler=sampler, collate_fn=PaddedBatch):
            brain.step += 1
            loss = brain.fit_batch(batch)
            heard += sum(data.data[i]["duration"] for i in batch.id) / 3600
            if heard < due:
                continue
            cpu += time.process_time() - begun
            due += options.every
            rates = ", ".join(f"{name} {score(brain, one, characters):.1f}" for name, one in dev.items())
            print(f"{heard:.1f} h, {cpu:.0f} CPU s, loss {float(loss):.1f}, WER {rates}", flush=True)
            if heard >= options.hours:
                return
            begun = time.process_time()


if __name__ == "__main__":
    main()
