"""Labeling of a whole corpus, shard by shard: what noisy student and iterative pseudo-labeling train on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from torch import Tensor, nn

from asr.data.audio import AudioReader
from asr.data.manifest import Manifest
from asr.data.tokens import Tokenizer
from asr.decode.decoder import Decoder
from asr.decode.greedy import pack_best
from asr.decode.search import Search
from asr.errors import UserError
from asr.pseudo.label import Label, difference
from asr.pseudo.labeler import read_labels, respell
from asr.pseudo.shards import LabelTask, Shard


def digest_of(manifest: Manifest) -> str:
    """Of which utterances there are and where they lie within their files; paths may differ between machines."""
    digest = hashlib.sha256()
    for row in range(len(manifest)):
        digest.update(f"{manifest.ids[row]}\t{manifest.offsets[row]:.6f}\t{manifest.durations[row]:.6f}\n".encode())
    return digest.hexdigest()[:16]


def digest_of_tokens(tokenizer: Tokenizer) -> str:
    """Of the inventory that ids count in."""
    return hashlib.sha256("\n".join(tokenizer.symbols).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Labeling:
    """Who labels: one model, one search."""

    model: nn.Module
    decoder: Decoder
    tokenizer: Tokenizer
    normaliser: str
    """What the text went through that the model was trained on."""
    maker: str
    search: Search | None = None
    """None: greedy."""
    words: bool = False
    """Whether the search finds words where tokens by themselves are none, as phones are."""

    def _label(self, log_probs: Tensor, lengths: Tensor, rows: Sequence[int]) -> list[Label]:
        greedy = read_labels(pack_best(log_probs, lengths), rows, self.tokenizer, 0.0, self.maker)
        if self.search is None:
            return [replace(one, text=self.tokenizer.decode(one.tokens)) for one in greedy]
        labels: list[Label] = []
        for one, sentence in zip(greedy, self.search(log_probs, lengths), strict=True):
            tokens = respell(self.tokenizer, sentence.ids)
            agreement = 1 - difference(one.tokens, tokens)
            labels.append(replace(one, tokens=tokens, text=sentence.text(self.tokenizer), agreement=agreement))
        return labels

    def run(
        self, shard: Shard, manifest: Manifest, most_bad: int, threads: int, progress: Callable[[float], object]
    ) -> int:
        """Label a shard and write it; returns how many utterances have a label.

        Args:
            shard: which utterances.
            manifest: of all of them.
            most_bad: unreadable utterances after which the shard is given up.
            threads: that read audio; 0: as many as there are cores for.
            progress: gets the seconds of audio that are done.

        Raises:
            UserError: too much audio could not be read. The shard's folder says so too.
        """
        rows = shard.rows(len(manifest))
        part = Manifest(manifest[row] for row in rows)
        reader = AudioReader(threads, most_bad)
        labels: list[Label] = []
        try:
            for batch, of_models in self.decoder.log_probs({"labeler": self.model}, part, reader):
                log_probs, lengths = of_models["labeler"]
                own = [int(row) for row in batch.rows]
                labels += self._label(log_probs, lengths, [rows[row] for row in own])
                progress(float(part.durations[batch.rows].sum()))
        except UserError as error:
            shard.fail(str(error))
            raise UserError(f"{shard.name}: {error}") from None
        finally:
            reader.close()
        heard = [label for label in labels if manifest.ids[label.row] not in reader.errors]
        labels = sorted(heard, key=lambda label: label.row)
        shard.write(labels, manifest, reader.errors)
        return len(labels)


def task_of(manifest: Manifest, labeling: Labeling, shards: int | None) -> LabelTask:
    """What is to be done; without a number of `shards` as many as make about ten hours each."""
    if not len(manifest):
        raise UserError("nothing to label: the manifest has no utterances")
    seconds = float(manifest.durations.sum())
    count = shards or max(1, round(seconds / 36_000))
    return LabelTask(
        manifest=digest_of(manifest),
        utterances=len(manifest),
        seconds=round(seconds, 3),
        maker=labeling.maker,
        tokens=digest_of_tokens(labeling.tokenizer),
        words=labeling.tokenizer.writes_words or labeling.words,
        normaliser=labeling.normaliser,
        shards=min(count, len(manifest)),
    )
