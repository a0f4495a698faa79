"""Scoring a finished run: student and teacher on every dev subset, with hypotheses kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from asr.config import Config
from asr.data.audio import AudioReader
from asr.data.features import LogMel
from asr.data.tokens import load_tokenizer
from asr.decode.decoder import Decoder, in_order, references
from asr.errors import UserError
from asr.model.encoder import Encoder
from asr.model.precision import autocast, autocast_type
from asr.score.table import format_scores, score_texts
from asr.score.transcripts import write_transcripts
from asr.train.checkpoint import load_newest
from asr.train.corpus import read_dev

MODELS = ("student", "teacher")


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
                scores.append(row | score_texts(references(manifest), heard, [u.speaker for u in manifest]))
    finally:
        reader.close()
    folder.mkdir(parents=True, exist_ok=True)
    aside = folder / ".scores.json.partial"
    aside.write_text(json.dumps(scores, indent=1) + "\n", encoding="utf-8")
    aside.replace(folder / "scores.json")
    table = format_scores(scores)
    (folder / "scores.txt").write_text(table + "\n", encoding="utf-8")
    return table
