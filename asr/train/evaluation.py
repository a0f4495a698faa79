"""Scoring a finished run: student and teacher on every dev subset, with hypotheses kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from asr.checkpoint.checkpoint import load_newest
from asr.config import Config
from asr.data.audio import AudioReader
from asr.data.audio_bar import audio_bar
from asr.data.features import LogMel
from asr.data.manifest import Manifest
from asr.data.tokens import Tokenizer, load_tokenizer
from asr.decode.choice import GREEDY, NamedSearch
from asr.decode.decoder import Decoded, Decoder, in_order, references
from asr.decode.measure import Measure
from asr.device import choose_device
from asr.errors import UserError
from asr.model.encoder import Encoder
from asr.score.interval import FEW_GROUPS, TOO_NARROW
from asr.score.rates import find_rate
from asr.score.table import format_scores
from asr.score.transcripts import write_transcripts
from asr.train.corpus import read_scored
from asr.whole_file import write_whole

MODELS = ("student", "teacher")


def load_models(config: Config, tokenizer: Tokenizer, run_dir: Path) -> tuple[dict[str, Encoder], int]:
    """Student and teacher of the newest checkpoint, on the GPU where there is one, and its step.

    Raises:
        UserError: the run has no checkpoint.
    """
    checkpoint = load_newest(run_dir / "checkpoints")
    if checkpoint is None:
        raise UserError(f"{run_dir / 'checkpoints'}: no checkpoint; run stage 3")
    device = choose_device()
    models: dict[str, Encoder] = {}
    for name in MODELS:
        models[name] = Encoder(config.features.mels, tokenizer.size, config.model, config.features.shift_ms / 1000)
        models[name].load_state_dict(checkpoint.tensors[name])
        models[name].to(device).eval()
    return models, checkpoint.step


def make_decoder(config: Config, tokenizer: Tokenizer) -> Decoder:
    """In fp32 whatever the training was in: results are those of `kappa-asr transcribe`, with whatever batches."""
    device = choose_device()
    return Decoder(config, tokenizer, LogMel(config.features).to(device), device, nullcontext)


def _speeds(manifest: Manifest, found: Decoded) -> str:
    audio = float(manifest.durations.sum()) * len(MODELS)
    return ", ".join(f"{name} {audio / max(spent, 1e-9):,.0f} ×" for name, spent in found.seconds.items())


def _write_scores(folder: Path, scores: list[dict[str, Any]], step: int) -> str:
    """Add rows to those that the same checkpoint's other decoders have left; returns the table of all."""
    try:
        before = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        before = []
    new = {row["decoder"] for row in scores}
    # An older program's rows may lack something.
    wanted = {find_rate(row): set(row) for row in scores}
    kept = [
        row
        for row in before
        if row.get("step") == step and wanted.get(find_rate(row), set()) <= set(row) and row["decoder"] not in new
    ]
    rows = [*kept, *scores]
    subsets = list(dict.fromkeys(row["subset"] for row in scores))
    rows = [
        row
        for subset in subsets
        for row in sorted(rows, key=lambda r: r["decoder"] != GREEDY.name)
        if row["subset"] == subset
    ]
    named = ", ".join(dict.fromkeys(row["normaliser"] for row in rows))
    table = format_scores(rows, ("subset", "decoder", "model")) + f"\nnormaliser: {named}"
    for name, content in (("scores.json", json.dumps(rows, indent=1)), ("scores.txt", table)):
        write_whole(folder / name, content + "\n")
    return table


def evaluate(
    config: Config,
    dev: Path,
    tokens: Path,
    run_dir: Path,
    search: NamedSearch | None = None,
    tell: Callable[[str], object] = lambda _: None,
    tests: Path | None = None,
) -> str:
    """Decode the dev and test subsets with the run's newest checkpoint, and score; returns the table as text.

    Writes `evaluation/scores.json`, references, and hypotheses in LibriSpeech's `.trans.txt` form; beside hypotheses of
    phones what they were held against.

    Args:
        config: the run's settings.
        dev: holds the manifests of the dev subsets.
        tokens: the token inventory.
        run_dir: the run.
        search: what decodes beside the greedy search, over the same log-probabilities.
        tell: gets a line for each subset.
        tests: holds those of the test subsets, where the settings name any.

    Raises:
        UserError: the run has no checkpoint.
    """
    tokenizer = load_tokenizer(tokens)
    models, step = load_models(config, tokenizer, run_dir)
    decoder = make_decoder(config, tokenizer)
    reader = AudioReader(config.train.loader_threads, 0)
    searches = [GREEDY, *([search] if search else [])]
    folder = run_dir / "evaluation"
    texts = {"normaliser": config.corpus.normaliser}
    scores: list[dict[str, Any]] = []
    try:
        subsets = read_scored(dev, config.corpus.dev)
        if tests is not None:
            subsets |= read_scored(tests, config.corpus.test)
        for subset, manifest in subsets.items():
            with audio_bar(float(manifest.durations.sum()), subset) as bar:
                found = decoder.decode(models, {s.name: s.run for s in searches}, manifest, reader, progress=bar.update)
            tell(f"{subset}: {manifest.hours:.2f} h, × real time: {_speeds(manifest, found)}")
            speakers = [utterance.speaker for utterance in manifest]
            if 1 < len(set(speakers)) < FEW_GROUPS:
                tell(f"{subset}: {len(set(speakers))} speakers, {TOO_NARROW}")
            ids = [manifest.ids[row] for row in range(len(manifest))]
            write_transcripts(folder / f"{subset}.ref.trans.txt", dict(zip(ids, references(manifest), strict=True)))
            for one in searches:
                measure = Measure(tokenizer, one.by_lexicon)
                for name in MODELS:
                    heard = in_order([found.texts[name][one.name]], len(manifest))
                    own = folder / one.folder / name
                    write_transcripts(own / f"{subset}.hyp.trans.txt", dict(zip(ids, heard, strict=True)))
                    if measure.rate == "per":
                        said = measure.references(references(manifest), heard)
                        write_transcripts(own / f"{subset}.ref.trans.txt", dict(zip(ids, said, strict=True)))
                    row = {"model": name, "subset": subset, "decoder": one.name, "step": step, **texts}
                    scores.append(row | measure.score(references(manifest), heard, speakers))
    finally:
        reader.close()
    folder.mkdir(parents=True, exist_ok=True)
    return _write_scores(folder, scores, step)
