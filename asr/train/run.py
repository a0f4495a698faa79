"""One training run, from manifests and tokens on disk to a finished run folder."""

from __future__ import annotations

import json
from pathlib import Path

from asr.config import Config
from asr.config_file import dump_config
from asr.data.audio import AudioReader
from asr.data.batching import check_lengths
from asr.data.features import LogMel
from asr.data.manifest import Manifest, Utterance, read_manifest
from asr.data.tokens import Tokenizer, load_tokenizer
from asr.errors import UserError
from asr.scaling.plan import format_plan, make_plan, write_plan
from asr.score.transcripts import read_transcripts
from asr.train.feeder import Feeder
from asr.train.learner import Learner, unfit_rows
from asr.train.loop import Loop
from asr.train.ranks import Ranks, join_ranks


def read_dev(manifests: Path, config: Config) -> dict[str, Manifest]:
    """The dev subsets by name, in the order of the settings."""
    names = [Path(name).name for name in config.corpus.dev]
    return {name: read_manifest(manifests / "dev" / f"{name}.jsonl") for name in names}


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


def _tell_unfit(ids: list[str], kind: str) -> None:
    if ids:
        shown = ", ".join(ids[:5]) + (" …" if len(ids) > 5 else "")
        print(f"{len(ids)} {kind} utterances are left out: too short for their text, or without any: {shown}")


def train(config: Config, manifests: Path, tokens: Path, run_dir: Path, stop_after: int | None = None) -> None:
    """Train to the end, going on from the newest checkpoint in `run_dir` if there is one.

    Args:
        config: all settings, κ among them.
        manifests: folder that the manifest stage wrote.
        tokens: folder that the token stage wrote.
        run_dir: where everything about this run goes; `complete.json` is written last.
        stop_after: leave at this step instead of at the end, without `complete.json`.

    Raises:
        UserError: settings or data that cannot be trained on.
        Preempted: stopped by a signal, with a checkpoint.
    """
    with join_ranks() as ranks:
        _train(config, manifests, tokens, run_dir, ranks, stop_after)


def _train(config: Config, manifests: Path, tokens: Path, run_dir: Path, ranks: Ranks, stop_after: int | None) -> None:
    plan = make_plan(config)
    tokenizer = load_tokenizer(tokens)
    labeled, unlabeled = (read_manifest(manifests / f"{kind}.jsonl") for kind in ("labeled", "unlabeled"))
    labeled, targets, unfit = _fitting(labeled, {u.id: u.text or "" for u in labeled}, tokenizer, config)
    texts = _read_references(manifests)
    oracle: list[list[int]] = []
    if ranks.main:
        _tell_unfit(unfit, "labeled")
    if config.pseudo.labels == "oracle":
        unlabeled, oracle, unfit = _fitting(unlabeled, texts, tokenizer, config)
        if ranks.main:
            _tell_unfit(unfit, "unlabeled")
    if not len(labeled):
        raise UserError(f"{manifests / 'labeled.jsonl'}: no utterance can be trained on")
    if config.pseudo.labels != "none" and not len(unlabeled):
        raise UserError(f"{manifests / 'unlabeled.jsonl'}: empty; set pseudo.labels to none, or name unlabeled subsets")
    for manifest in (labeled, unlabeled):
        check_lengths(manifest.durations, manifest.ids, config.batch.max_device_seconds)
    dev = read_dev(manifests, config)
    known = {row: texts[u.id] for row, u in enumerate(unlabeled) if u.id in texts}
    if ranks.main:
        run_dir.mkdir(parents=True, exist_ok=True)
        (run_dir / "config.yaml").write_text(dump_config(config), encoding="utf-8")
        write_plan(run_dir / "plan.json", plan)
        print(format_plan(plan), flush=True)
    ranks.wait()
    reader = AudioReader(config.train.loader_threads, config.train.max_bad_audio)
    try:
        learner = Learner(config, plan, tokenizer, {True: targets, False: oracle}, ranks)
        feeder = Feeder(config, plan, (labeled, unlabeled), reader, ranks.rank, ranks.world_size)
        loop = Loop(config, plan, learner, feeder, reader, tokenizer, dev, known, ranks, run_dir)
        loop.run(stop_after)
    finally:
        reader.close()
    if ranks.main and loop.clock.steps == plan.steps:
        facts = {"steps": loop.clock.steps, "hours": loop.clock.hours, "unreadable": reader.errors}
        aside = run_dir / ".complete.json.partial"
        aside.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
        aside.replace(run_dir / "complete.json")
