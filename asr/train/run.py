"""One training run, from manifests and tokens on disk to a finished run folder."""

from __future__ import annotations

import json
import math
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from asr.config import Config, PseudoConfig
from asr.config_file import dump_config
from asr.data.audio import AudioReader
from asr.decode.decoder import Decoder
from asr.decode.measure import Measure
from asr.decode.tuning import fingerprint
from asr.errors import UserError
from asr.lock import hold
from asr.model.precision import compute_deterministically
from asr.pseudo.pseudo_labels import PseudoLabels
from asr.scaling.plan import Plan
from asr.scaling.table import format_table, write_table
from asr.step.feeder import Feeder
from asr.step.learner import Learner
from asr.step.planner import Planner
from asr.step.ranks import Ranks, join_ranks
from asr.train.allocator import keep_memory
from asr.train.corpus import Data, read_data
from asr.train.dev import DevDecoding, Evaluation
from asr.train.initial import Initial
from asr.train.loop import Loop, Machinery
from asr.train.probe import Probe
from asr.train.stop import stop_requests
from asr.whole_file import write_whole

LM = "labels_lm.sha256"
"""Which language model the labels of a run are searched with."""


def _tell_left_out(ids: list[str], kind: str) -> None:
    """`kind` of utterances, and after a comma why they are left out."""
    if ids:
        shown = ", ".join(ids[:5]) + (" …" if len(ids) > 5 else "")
        kind, _, why = kind.partition(", ")
        why = why or "too short for their text, or without any"
        print(f"{len(ids)} {kind} utterances are left out: {why}: {shown}")


@contextmanager
def _alone_in(run_dir: Path) -> Iterator[None]:
    """Hold the run's folder: two processes that write checkpoints to it would ruin each other's."""
    with ExitStack() as held:
        try:
            held.enter_context(hold(run_dir / ".lock", wait=False))
        except BlockingIOError:
            raise UserError(f"{run_dir}: another process is training here; wait for it, or stop it first") from None
        yield


def _record(plan: Plan, data: Data, tokens: Path, run_dir: Path) -> None:
    """Keep in the run's folder its settings, and what a trained model is used with: its tokens, if it writes any, the
    lengths it is used to; and who wrote its pseudo-labels, where they were there before, or what they are searched
    with."""
    write_whole(run_dir / "config.yaml", dump_config(plan.config))
    write_table(run_dir / "plan.json", plan)
    used = data.streams[:1] if plan.config.pseudo.labels == "none" else data.streams
    durations = np.concatenate([manifest.durations for manifest in used])
    # With the maximum: what is no longer than it has been heard whole, and need not be cut.
    seconds = [math.ceil(100 * s) / 100 for s in np.percentile(durations, (1, 99, 100)).tolist()]
    write_whole(run_dir / "lengths.json", json.dumps({"utterance_seconds": seconds}) + "\n")
    if data.stored is not None:
        makers = Counter(label.maker for label in data.stored)
        write_whole(run_dir / "labels.json", json.dumps({"makers": makers}, indent=1) + "\n")
    if plan.config.pseudo.searches_words:
        write_whole(run_dir / LM, f"{_fingerprint_lm(plan.config.pseudo)}\n")
    kept, aside = run_dir / "tokens", run_dir / ".tokens.partial"
    # A run's tokens do not change: its folder is named by theirs.
    if data.text and not kept.exists():
        shutil.rmtree(aside, ignore_errors=True)
        shutil.copytree(tokens, aside, ignore=shutil.ignore_patterns("done.json"))
        aside.rename(kept)


def _fingerprint_lm(settings: PseudoConfig) -> str:
    return fingerprint(Path(settings.lm).expanduser())


def _keep_to_lm(settings: PseudoConfig, run_dir: Path) -> None:
    """Raises UserError where labels of the run so far were searched with another language model."""
    kept = run_dir / LM
    if kept.exists() and kept.read_text(encoding="utf-8").strip() != _fingerprint_lm(settings):
        raise UserError(
            f"{run_dir}: labels were searched with another language model than pseudo.lm = {settings.lm} is now; go on "
            "with that one, or train in another folder"
        )


def build(plan: Plan, data: Data, reader: AudioReader, ranks: Ranks) -> Machinery:
    """What a step goes through, in its first state."""
    config, tokenizer = plan.config, data.tokenizer
    seconds = data.streams[1].durations
    pseudo = PseudoLabels(config.pseudo, tokenizer, seconds, data.labeled_rate, data.stored, data.search)
    learner = Learner(config, plan, tokenizer.size if data.text else 0, data.texts, pseudo, ranks)
    feeder = Feeder(Planner(config, plan, data.streams), reader, ranks.rank, ranks.world_size)
    decoder = Decoder(config, tokenizer, learner.features, ranks.device, learner.autocast)
    evaluation: Evaluation
    if data.text:
        evaluation = DevDecoding(data.dev, decoder, Measure(tokenizer), reader, ranks, learner.sharded)
    else:
        evaluation = Probe(data.labeled, data.dev, tokenizer, decoder, reader)
    return Machinery(reader, feeder, learner, evaluation, ranks)


def train(
    config: Config,
    manifests: Path,
    tokens: Path,
    run_dir: Path,
    stop_after: int | None = None,
    initial: Initial | None = None,
    stop_hours: float | None = None,
    dev: Path | None = None,
) -> None:
    """Train to the end, going on from the newest checkpoint in `run_dir` if there is one.

    Args:
        config: all settings, κ among them.
        manifests: folder that the manifest stage wrote.
        tokens: folder that the token stage wrote; none is needed where there is no labeled audio.
        run_dir: where everything about this run goes; `complete.json` is written last.
        stop_after: leave at this step instead of at the end, without `complete.json`.
        stop_hours: likewise, with a checkpoint, at the first step that begins at so many hours of audio.
        initial: the model that student and teacher start from, where there is no checkpoint yet.
        dev: folder of the dev subsets' manifests; None: `dev` in `manifests`.

    Raises:
        UserError: settings or data that cannot be trained on.
        Preempted: stopped by a signal, with a checkpoint.
    """
    with stop_requests() as stops, join_ranks() as ranks, ExitStack() as held:
        if ranks.device.type == "cpu":
            keep_memory()
        elif config.train.deterministic:
            compute_deterministically()
        plan = Plan(config)
        scored = manifests / "dev" if dev is None else dev
        data = read_data(config, manifests, tokens, scored, tell=print if ranks.main else lambda _: None)
        if ranks.main:
            held.enter_context(_alone_in(run_dir))
            if config.pseudo.searches_words:
                _keep_to_lm(config.pseudo, run_dir)
            print(format_table(plan), flush=True)
            for kind, ids in data.left_out.items():
                _tell_left_out(ids, kind)
        ranks.wait()
        reader = AudioReader(config.train.loader_threads, config.train.max_bad_audio)
        try:
            machinery = build(plan, data, reader, ranks)
            loop = Loop(plan, data, machinery, run_dir, stops)
            loop.take_up(initial)
            # Not before: a checkpoint of other settings must not be found beside these.
            if ranks.main:
                _record(plan, data, tokens, run_dir)
            loop.run(stop_after, stop_hours)
        finally:
            reader.close()
        if ranks.main and loop.done:
            left_out = {kind: len(ids) for kind, ids in data.left_out.items()}
            clock, errors = loop.state.clock, loop.state.unreadable
            if errors:
                print(f"{len(errors)} utterances could not be read and were skipped; complete.json names them")
            facts = {"steps": clock.steps, "hours": clock.hours, "left_out": left_out, "unreadable": errors}
            write_whole(run_dir / "complete.json", json.dumps(facts, indent=1) + "\n")
