"""What a run reads from the earlier stages: manifests, targets, references."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from asr.config import LABELERS, Config, NormaliserName, PseudoConfig
from asr.data.audio import SAMPLE_RATE
from asr.data.batching import check_lengths
from asr.data.characters import CharTokenizer
from asr.data.features import LogMel
from asr.data.manifest import Manifest, Utterance, read_manifest
from asr.data.tokens import Tokenizer, load_tokenizer, read_normaliser
from asr.decode.search import Search
from asr.errors import UserError
from asr.objective.choice import make_objective
from asr.objective.ctc import needed_frames
from asr.pseudo.filters import LabelFilter, dropped_for
from asr.pseudo.label import Label
from asr.pseudo.offline import digest_of_tokens
from asr.pseudo.pseudo_labels import tokens_per_second
from asr.pseudo.shards import Stretch, read_labels_folder, read_task
from asr.pseudo.store import LabelStore
from asr.pseudo.words import open_word_search
from asr.score.transcripts import read_transcripts
from asr.text.normaliser import find_normaliser

NEAR_SECONDS = 0.01
"""By which an utterance may lie elsewhere than one that was labeled, and still be the same."""


def read_scored(folder: Path, subsets: Sequence[str]) -> dict[str, Manifest]:
    """Subsets of `corpus.dev` or `corpus.test`, as the settings name them, by their last part."""
    return {name: read_manifest(folder / f"{name}.jsonl") for name in (Path(subset).name for subset in subsets)}


def _read_references(manifests: Path) -> dict[str, str]:
    path = manifests / "references" / "unlabeled.trans.txt"
    return read_transcripts(path) if path.exists() else {}


def unfit_rows(manifest: Manifest, targets: Sequence[Sequence[int]], features: LogMel, stride: int) -> list[int]:
    """Rows whose audio is too short for CTC to align their target, or whose target is empty."""
    samples = torch.from_numpy((manifest.durations * SAMPLE_RATE).round().astype(np.int64))
    frames = torch.div(features.frames(samples) + stride - 1, stride, rounding_mode="floor").tolist()
    return [row for row, ids in enumerate(targets) if not ids or needed_frames(ids) > frames[row]]


def _fitting(manifest: Manifest, labels: Mapping[str, Label], config: Config) -> tuple[Manifest, LabelStore, list[str]]:
    """The utterances that CTC can align with their label, by id; these labels; and the ids of the others."""
    targets = [labels[i].tokens if i in labels else () for i in (manifest.ids[row] for row in range(len(manifest)))]
    unfit = set(unfit_rows(manifest, targets, LogMel(config.features), config.model.stride))
    kept: list[Utterance] = [u for row, u in enumerate(manifest) if row not in unfit]
    store = LabelStore(len(kept), (replace(labels[u.id], row=row) for row, u in enumerate(kept)))
    return Manifest(kept), store, [manifest.ids[row] for row in sorted(unfit)]


def _true(texts: Mapping[str, str], tokenizer: Tokenizer) -> dict[str, Label]:
    return {name: Label(0, tuple(tokenizer.encode(text))) for name, text in texts.items()}


def _from_folder(
    settings: PseudoConfig, manifest: Manifest, tokenizer: Tokenizer, normaliser: NormaliserName
) -> tuple[dict[str, Label], list[str]]:
    """Labels that `kappa-asr label` wrote, by id: their text, as this run's tokenizer spells it; and the ids of those
    that it cannot.

    Raises:
        UserError: the folder is not complete, labels no utterance of this corpus, or lacks what a filter goes by.
    """
    folder = Path(settings.labels).expanduser()
    found, stretches = read_labels_folder(folder)
    rows = {i: row for row in range(len(manifest)) if (i := manifest.ids[row]) in found}
    own = {i: found[i] for i in rows}
    if not own:
        raise UserError(f"pseudo.labels = {folder}: has labels of no utterance of this corpus")
    here = {i: Stretch(float(manifest.offsets[row]), float(manifest.durations[row])) for i, row in rows.items()}
    others = [
        i for i, now in here.items() if max(abs(a - b) for a, b in zip(now, stretches[i], strict=True)) > NEAR_SECONDS
    ]
    if others:
        then, now = stretches[others[0]], here[others[0]]
        raise UserError(
            f"pseudo.labels = {folder}: {len(others):,} labels are of other audio than the utterances of these ids are "
            f"here, such as {others[0]!r}: {then.duration:.2f} s from {then.offset:.2f} s on, and here "
            f"{now.duration:.2f} s from {now.offset:.2f} s on; label the manifest that stage 1 made, unlabeled.jsonl"
        )
    task = read_task(folder)
    if settings.min_agreement is not None and all(math.isnan(label.agreement) for label in own.values()):
        raise UserError(
            f"pseudo.labels = {folder}: one search alone wrote these labels, so pseudo.min_agreement = "
            f"{settings.min_agreement:g} would drop none; leave it empty, or label with --decoder beam or lm"
        )
    if task.words:
        if task.normaliser != normaliser:
            # Another model's spelling: cased, or of other signs.
            normalise = find_normaliser(normaliser)
            own = {i: replace(label, text=normalise(label.text)) for i, label in own.items()}
        strange = [i for i, label in own.items() if tokenizer.unknown(label.text)]
        lacking = set(strange)
        known = {i: label for i, label in own.items() if i not in lacking}
        return {i: replace(one, tokens=tuple(tokenizer.encode(one.text))) for i, one in known.items()}, strange
    if task.tokens != digest_of_tokens(tokenizer):
        raise UserError(
            f"pseudo.labels = {folder}: holds phones of another inventory; label with --decoder lm, for words"
        )
    return own, []


def _filtered(
    labels: Mapping[str, Label], manifest: Manifest, settings: PseudoConfig, rate: float
) -> tuple[dict[str, Label], dict[str, list[str]]]:
    """The labels that filters keep, and the ids of those dropped, by reason. A label that is not there is none."""
    bounds = LabelFilter(settings, rate).bounds(
        settings.start_hours, [label.mean_log_prob for label in labels.values() if label.tokens]
    )
    kept: dict[str, Label] = {}
    dropped: dict[str, list[str]] = {}
    for row in range(len(manifest)):
        name = manifest.ids[row]
        if name not in labels:
            dropped.setdefault("without a label", []).append(name)
            continue
        reason = dropped_for(labels[name], float(manifest.durations[row]), bounds)
        if reason is None:
            kept[name] = labels[name]
        else:
            dropped.setdefault(f"label dropped ({reason})", []).append(name)
    return kept, dropped


@dataclass(frozen=True)
class Data:
    """What a run trains on and is measured with, all of it checked."""

    tokenizer: Tokenizer
    labeled: Manifest
    """Utterances with a text that CTC can align."""
    streams: tuple[Manifest, Manifest]
    """What is trained on: labeled and unlabeled utterances; all audio and none, where no text is asked for."""
    texts: LabelStore
    """True text of the first stream's utterances, where it is asked for."""
    stored: LabelStore | None
    """Labels of the unlabeled ones that there are before training: true text under `oracle`, or a folder's."""
    labeled_rate: float
    """Tokens a second of labeled audio."""
    label_references: dict[int, str]
    """True texts of unlabeled rows, where they are known; pseudo-labels are measured against them."""
    dev: dict[str, Manifest]
    left_out: dict[str, list[str]]
    """Ids of utterances too short for their text, or without any, by kind."""
    text: bool = True
    """Whether the objective asks for text."""
    search: Search | None = None
    """Finds pseudo-labels on the host, where the settings want one that does."""


def read_data(
    config: Config,
    manifests: Path,
    tokens: Path,
    dev: Path | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Data:
    """What the objective asks for, from the folders of a run's stages; without `dev` nothing to measure with. `tell`
    gets a line about words that labels can never have.

    Raises:
        UserError: there is nothing to train on, or an utterance is longer than a device takes.
    """
    read = _read_text if make_objective(config).needs_text else _read_audio
    data = read(config, manifests, tokens, {} if dev is None else read_scored(dev, config.corpus.dev))
    if not (data.text and config.pseudo.searches_words):
        return data
    return replace(data, search=open_word_search(config.pseudo, tokens, tell))


def _read_text(config: Config, manifests: Path, tokens: Path, dev: dict[str, Manifest]) -> Data:
    """Of labeled utterances, and of others as pseudo-labels come from them."""
    labeled, unlabeled = (read_manifest(manifests / f"{kind}.jsonl") for kind in ("labeled", "unlabeled"))
    if not len(labeled):
        raise UserError(
            f"{manifests / 'labeled.jsonl'}: empty; name labeled subsets, or train on audio alone, by objective.kind"
        )
    tokenizer = load_tokenizer(tokens)
    references = _read_references(manifests)
    left_out: dict[str, list[str]] = {}
    true = _true({u.id: u.text or "" for u in labeled}, tokenizer)
    labeled, texts, left_out["labeled"] = _fitting(labeled, true, config)
    stored: LabelStore | None = None
    rate = tokens_per_second(texts, labeled.durations)
    if config.pseudo.labels == "oracle":
        unlabeled, stored, left_out["unlabeled"] = _fitting(unlabeled, _true(references, tokenizer), config)
    elif config.pseudo.labels not in LABELERS:
        given, strange = _from_folder(config.pseudo, unlabeled, tokenizer, read_normaliser(tokens))
        kept, dropped = _filtered(given, unlabeled, config.pseudo, rate)
        if strange:
            lacking = set(strange)
            dropped["without a label"] = [i for i in dropped["without a label"] if i not in lacking]
            dropped["label with signs or words that the tokens cannot write"] = strange
        unlabeled, stored, unfit = _fitting(unlabeled, kept, config)
        left_out |= {f"unlabeled, {reason}": ids for reason, ids in dropped.items()}
        known = {i for ids in dropped.values() for i in ids}
        left_out["unlabeled"] = [i for i in unfit if i not in known]
    if not len(labeled):
        raise UserError(f"{manifests / 'labeled.jsonl'}: no utterance can be trained on")
    if config.pseudo.labels != "none" and not len(unlabeled):
        raise UserError(f"{manifests / 'unlabeled.jsonl'}: empty; set pseudo.labels to none, or name unlabeled subsets")
    streams = (labeled, unlabeled)
    for manifest in streams:
        check_lengths(manifest.durations, manifest.ids, config.batch.device_seconds)
    # Where there are none, millions of rows need not be gone through.
    true_texts = {row: references[u.id] for row, u in enumerate(unlabeled if references else ()) if u.id in references}
    return Data(tokenizer, labeled, streams, texts, stored, rate, true_texts, dev, left_out)


def _read_audio(config: Config, manifests: Path, tokens: Path, dev: dict[str, Manifest]) -> Data:
    """Of all audio, whether it has a text or not; what text there is serves to measure representations by."""
    told, untold = (read_manifest(manifests / f"{kind}.jsonl") for kind in ("labeled", "unlabeled"))
    audio = Manifest(replace(u, text=None) for manifest in (told, untold) for u in manifest)
    if not len(audio):
        raise UserError(f"{manifests}: no audio to train on; name unlabeled subsets")
    check_lengths(audio.durations, audio.ids, config.batch.device_seconds)
    # Without text there is no inventory, and an alphabet that nothing is written in does no harm.
    tokenizer: Tokenizer = load_tokenizer(tokens) if len(told) else CharTokenizer()
    labeled, _, _ = _fitting(told, _true({u.id: u.text or "" for u in told}, tokenizer), config)
    return Data(tokenizer, labeled, (audio, Manifest(())), LabelStore(len(audio)), None, 0.0, {}, dev, {}, text=False)
