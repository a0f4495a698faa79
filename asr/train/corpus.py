"""What a run reads from the earlier stages: manifests, targets, references."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from asr.config import Config
from asr.data.batching import check_lengths
from asr.data.features import LogMel
from asr.data.manifest import Manifest, Utterance, read_manifest
from asr.data.tokens import Tokenizer, load_tokenizer
from asr.errors import UserError
from asr.score.transcripts import read_transcripts
from asr.train.loss import unfit_rows


def read_dev(manifests: Path, config: Config) -> dict[str, Manifest]:
    """The dev subsets by name, in the order of the settings."""
    names = [Path(name).name for name in config.corpus.dev]
    return {name: read_manifest(manifests / "dev" / f"{name}.jsonl") for name in names}


def read_tests(tests: Path, config: Config) -> dict[str, Manifest]:
    """The test subsets by name, in the order of the settings. For stage 4 only."""
    names = [Path(name).name for name in config.corpus.test]
    return {name: read_manifest(tests / f"{name}.jsonl") for name in names}


def _read_references(manifests: Path) -> dict[str, str]:
    path = manifests / "references" / "unlabeled.trans.txt"
    return read_transcripts(path) if path.exists() else {}


def _fitting(
    manifest: Manifest, texts: dict[str, str], tokenizer: Tokenizer, config: Config
) -> tuple[Manifest, list[list[int]], list[str]]:
    """The utterances that CTC can align with their text, the targets of these, and the ids of the others."""
    targets = [tokenizer.encode(texts.get(u.id, "")) for u in manifest]
    unfit = set(unfit_rows(manifest, targets, LogMel(config.features), config.model.stride))
    kept: list[Utterance] = [u for row, u in enumerate(manifest) if row not in unfit]
    fitting = [t for row, t in enumerate(targets) if row not in unfit]
    return Manifest(kept), fitting, [manifest.ids[row] for row in sorted(unfit)]


@dataclass(frozen=True)
class Data:
    """What a run trains on and is measured with, all of it checked."""

    tokenizer: Tokenizer
    labeled: Manifest
    unlabeled: Manifest
    targets: dict[bool, list[list[int]]]
    """Token ids by row: of the labeled manifest (True), of the unlabeled under `oracle` (False)."""
    label_references: dict[int, str]
    """True texts of unlabeled rows, where they are known; pseudo-labels are measured against them."""
    dev: dict[str, Manifest]
    left_out: dict[str, list[str]]
    """Ids of utterances too short for their text, or without any, by kind."""


def read_data(config: Config, manifests: Path, tokens: Path) -> Data:
    """Raises UserError where there is nothing to train on, or an utterance is longer than a device takes."""
    tokenizer = load_tokenizer(tokens)
    labeled, unlabeled = (read_manifest(manifests / f"{kind}.jsonl") for kind in ("labeled", "unlabeled"))
    texts = _read_references(manifests)
    left_out: dict[str, list[str]] = {}
    labeled, targets, left_out["labeled"] = _fitting(labeled, {u.id: u.text or "" for u in labeled}, tokenizer, config)
    oracle: list[list[int]] = []
    if config.pseudo.labels == "oracle":
        unlabeled, oracle, left_out["unlabeled"] = _fitting(unlabeled, texts, tokenizer, config)
    if not len(labeled):
        raise UserError(f"{manifests / 'labeled.jsonl'}: no utterance can be trained on")
    if config.pseudo.labels != "none" and not len(unlabeled):
        raise UserError(f"{manifests / 'unlabeled.jsonl'}: empty; set pseudo.labels to none, or name unlabeled subsets")
    for manifest in (labeled, unlabeled):
        check_lengths(manifest.durations, manifest.ids, config.batch.max_device_seconds)
    known = {row: texts[u.id] for row, u in enumerate(unlabeled) if u.id in texts}
    dev = read_dev(manifests, config)
    return Data(tokenizer, labeled, unlabeled, {True: targets, False: oracle}, known, dev, left_out)
