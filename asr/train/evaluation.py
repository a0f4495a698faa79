"""Scoring a finished run: student and teacher on every dev subset, with hypotheses kept."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from asr.config import Config
from asr.data.audio import AudioReader
from asr.data.features import LogMel
from asr.data.manifest import Manifest
from asr.data.tokens import load_tokenizer
from asr.decode.decoder import Decoder, in_order, references
from asr.errors import UserError
from asr.model.encoder import Encoder
from asr.model.precision import autocast, autocast_type
from asr.score.interval import bootstrap_interval
from asr.score.transcripts import write_transcripts
from asr.score.wer import ErrorCounts, count_errors
from asr.train.checkpoint import load_newest
from asr.train.run import read_dev

MODELS = ("student", "teacher")


def score_texts(manifest: Manifest, hypotheses: list[str]) -> dict[str, Any]:
    """WER with its 95 % interval over speakers, CER, and error counts in words, of one subset."""
    texts = references(manifest)
    by_word, by_character = (count_errors(texts, hypotheses, unit) for unit in ("word", "char"))
    words, characters = sum(by_word, ErrorCounts()), sum(by_character, ErrorCounts())
    low, high = bootstrap_interval(by_word, [u.speaker for u in manifest])
    return {
        "utterances": len(manifest),
        "words": words.reference_length,
        "wer": words.rate,
        "wer_low": low,
        "wer_high": high,
        "cer": characters.rate,
        "substitutions": words.substitutions,
        "deletions": words.deletions,
        "insertions": words.insertions,
    }


def format_scores(scores: Sequence[Mapping[str, Any]]) -> str:
    """The WER table as text."""
    head = f"{'subset':<16} {'model':<8} {'utts':>6} {'words':>8} {'WER %':>7} {'95 % interval':>15} {'CER %':>7}"
    lines = [f"{head} {'sub':>7} {'del':>7} {'ins':>7}"]
    for s in scores:
        low, high = s["wer_low"], s["wer_high"]
        interval = f"{low:.2%}".rstrip("%") + " – " + f"{high:.2%}".rstrip("%") if low == low else "–"
        lines.append(
            f"{s['subset']:<16} {s['model']:<8} {s['utterances']:>6,} {s['words']:>8,} {100 * s['wer']:>7.2f} "
            f"{interval:>15} {100 * s['cer']:>7.2f} {s['substitutions']:>7,} {s['deletions']:>7,} {s['insertions']:>7,}"
        )
    return "\n".join(lines)


def evaluate(config: Config, manifests: Path, tokens: Path, run_dir: Path) -> str:
    """Decode the dev subsets with the run's newest checkpoint, and score; returns the table as text.

    Writes `evaluation/scores.json`, references, and hypotheses in LibriSpeech's `.trans.txt` form.

    Raises:
        UserError: the run has no checkpoint.
    """
    checkpoint = load_newest(run_dir / "checkpoints")
    if checkpoint is None:
        raise UserError(f"{run_dir / 'checkpoints'}: no checkpoint; run stage 3")
    tokenizer = load_tokenizer(tokens)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind = autocast_type(config.train.precision, device)
    frame_seconds = config.features.shift_ms / 1000
    models: dict[str, Encoder] = {}
    for name in MODELS:
        models[name] = Encoder(config.features.mels, tokenizer.size, config.model, frame_seconds)
        models[name].load_state_dict(checkpoint.tensors[name])
        models[name].to(device).eval()
    features = LogMel(config.features).to(device)
    decoder = Decoder(config, tokenizer, features, device, lambda: autocast(kind, device))
    reader = AudioReader(config.train.loader_threads, 0)
    folder = run_dir / "evaluation"
    scores: list[dict[str, Any]] = []
    try:
        for subset, manifest in read_dev(manifests, config).items():
            texts = decoder.texts(models, manifest, reader)
            ids = [manifest.ids[row] for row in range(len(manifest))]
            write_transcripts(folder / f"{subset}.ref.trans.txt", dict(zip(ids, references(manifest), strict=True)))
            for name in MODELS:
                heard = in_order([texts[name]], len(manifest))
                write_transcripts(folder / name / f"{subset}.hyp.trans.txt", dict(zip(ids, heard, strict=True)))
                row = {"model": name, "subset": subset, "decoder": "greedy", "step": checkpoint.step}
                scores.append(row | score_texts(manifest, heard))
    finally:
        reader.close()
    aside = folder / ".scores.json.partial"
    aside.write_text(json.dumps(scores, indent=1) + "\n", encoding="utf-8")
    aside.replace(folder / "scores.json")
    table = format_scores(scores)
    (folder / "scores.txt").write_text(table + "\n", encoding="utf-8")
    return table
