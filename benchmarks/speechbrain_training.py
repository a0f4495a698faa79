"""The peer of train.py: SpeechBrain's own parts, put together as its CTC recipes do. Run by train.py, not by hand.

Where SpeechBrain leaves a choice the faster one is taken: rotary attention (which goes through PyTorch's fused kernel;
its default returns attention weights), no dropout inside attention, audio loaded in the process itself, fused AdamW.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import speechbrain as sb
import torch
from speechbrain.augment.freq_domain import SpectrogramDrop
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.dataio.dataio import read_audio
from speechbrain.dataio.dataloader import SaveableDataLoader
from speechbrain.dataio.dataset import DynamicItemDataset
from speechbrain.dataio.sampler import DynamicBatchSampler
from speechbrain.lobes.features import Fbank
from speechbrain.lobes.models.transformer.Transformer import TransformerEncoder
from speechbrain.nnet.CNN import Conv1d
from speechbrain.nnet.linear import Linear
from speechbrain.processing.features import InputNormalization

BUCKETS = 60
"""As in SpeechBrain's LibriSpeech recipes."""


def load_data(task: dict[str, Any]) -> tuple[DynamicItemDataset, DynamicBatchSampler]:
    """Batches that hold as much real audio as asked for, in the mean."""
    data = DynamicItemDataset({row.pop("id"): row for row in task["rows"]})

    def load(path: str, offset: float, duration: float) -> torch.Tensor:
        start = round(offset * 16_000)
        samples: torch.Tensor = read_audio({"file": path, "start": start, "stop": start + round(duration * 16_000)})
        return samples

    data.add_dynamic_item(load, takes=["path", "offset", "seconds"], provides="samples")
    data.add_dynamic_item(torch.LongTensor, takes="tokens", provides="target")
    data.set_output_keys(["id", "samples", "target"])
    lengths, most = [row["seconds"] for row in task["rows"]], task["seconds"]
    for _ in range(8):
        sampler = DynamicBatchSampler(data, most, num_buckets=BUCKETS, lengths_list=lengths)
        most *= task["seconds"] / (sum(lengths) / len(sampler))
    return data, sampler


class Encoder(torch.nn.Module):
    def __init__(self, mels: int, tokens: int, model: dict[str, Any]) -> None:
        super().__init__()
        width = model["width"]
        self.front = Conv1d(2 * width, model["kernel"], input_shape=(None, None, mels), stride=model["stride"])
        self.drop = torch.nn.Dropout(model["dropout"])
        self.encoder = TransformerEncoder(
            num_layers=model["layers"],
            nhead=model["heads"],
            d_ffn=model["feedforward"],
            d_model=width,
            dropout=model["dropout"],
            normalize_before=True,
            attention_type="RoPEMHA",
        )
        for layer in self.encoder.layers:
            layer.self_att.dropout = 0.0
        self.head = Linear(tokens, input_size=width)

    def forward(self, features: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        x = self.drop(torch.nn.functional.glu(self.front(features), dim=-1))
        frames = torch.arange(x.shape[1], device=x.device)
        padding = frames >= (lengths * x.shape[1]).round()[:, None]
        heard, _ = self.encoder(x, src_key_padding_mask=padding)
        return self.head(heard).log_softmax(-1)


class Training(sb.Brain):  # type: ignore[misc]
    def compute_forward(self, batch: Any, stage: Any) -> tuple[torch.Tensor, torch.Tensor]:  # noqa: ARG002
        samples, lengths = batch.samples
        features = self.hparams.normalize(self.hparams.fbank(samples), lengths)
        for mask in self.hparams.masks:
            features = mask(features)
        return self.modules.encoder(features, lengths), lengths

    def compute_objectives(self, outputs: Any, batch: Any, stage: Any) -> torch.Tensor:  # noqa: ARG002
        log_probs, lengths = outputs
        target, target_lengths = batch.target
        loss: torch.Tensor = sb.nnet.losses.ctc_loss(
            log_probs, target, lengths, target_lengths, blank_index=0, reduction="batchmean"
        )
        return loss


def main() -> None:
    """Reads its task from a line of standard input, then a number of steps from each further line."""
    task = json.loads(sys.stdin.readline())
    torch.set_num_threads(1)
    torch.manual_seed(task["seed"])
    data, sampler = load_data(task)
    masks = task["specaugment"]
    hparams = {
        "fbank": Fbank(n_fft=512, n_mels=task["mels"]),
        "normalize": InputNormalization(norm_type="sentence"),
        "masks": [
            SpectrogramDrop(0, masks["time_width"], masks["time_masks"], masks["time_masks"], dim=1),
            SpectrogramDrop(0, masks["frequency_width"], masks["frequency_masks"], masks["frequency_masks"], dim=2),
        ],
    }
    brain = Training(
        modules={"encoder": Encoder(task["mels"], task["tokens"], task["model"])},
        opt_class=lambda parameters: torch.optim.AdamW(parameters, lr=1e-4, fused=True),
        hparams=hparams,
        run_opts={"device": "cpu", "noprogressbar": True, "precision": task["precision"]},
    )
    brain.on_fit_start()
    brain.modules.train()
    parameters = sum(p.numel() for p in brain.modules.parameters())

    def endless() -> Any:
        for epoch in range(10**9):
            sampler.set_epoch(epoch)
            yield from SaveableDataLoader(data, batch_sampler=sampler, collate_fn=PaddedBatch)

    batches = endless()
    print(json.dumps({"parameters": parameters}), flush=True)
    for line in sys.stdin:
        begun, audio = time.process_time(), 0.0
        for _ in range(int(line)):
            batch = next(batches)
            brain.step += 1
            loss = brain.fit_batch(batch)
            audio += sum(data.data[i]["seconds"] for i in batch.id)
        cpu = time.process_time() - begun
        print(json.dumps({"audio": audio, "cpu": cpu, "loss": float(loss)}), flush=True)


if __name__ == "__main__":
    main()
