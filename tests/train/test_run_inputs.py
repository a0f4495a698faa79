from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from asr.recognizer.trained import find_trained
from asr.train.run import train

if TYPE_CHECKING:
    from tiny_corpus import TinyCorpus


def test_a_run_s_folder_has_all_that_its_model_is_used_with(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(tiny_corpus.config, tiny_corpus.manifests, tiny_corpus.tokens, run, stop_after=3)
    trained = find_trained(run)
    assert trained.tokens == run / "tokens"
    assert (run / "tokens" / "tokens.json").read_bytes() == (tiny_corpus.tokens / "tokens.json").read_bytes()
    assert trained.utterance_seconds is not None
    shortest, usual, longest = trained.utterance_seconds
    assert 0.8 <= shortest <= usual <= longest <= 2.41
    rows = [json.loads(line) for path in tiny_corpus.manifests.glob("*labeled.jsonl") for line in path.open()]
    assert longest == pytest.approx(max(row["duration"] for row in rows), abs=0.01)
    # Going on leaves them as they are.
    train(tiny_corpus.config, tiny_corpus.manifests, tiny_corpus.tokens, run, stop_after=4)
    assert find_trained(run).utterance_seconds == pytest.approx((shortest, usual, longest))


def test_it_says_who_wrote_labels_that_were_there_before(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    config = replace(tiny_corpus.config, pseudo=replace(tiny_corpus.config.pseudo, labels="oracle"))
    train(config, tiny_corpus.manifests, tiny_corpus.tokens, tmp_path, stop_after=1)
    rows = (tiny_corpus.manifests / "unlabeled.jsonl").read_text().splitlines()
    assert json.loads((tmp_path / "labels.json").read_text()) == {"makers": {"transcript": len(rows)}}
