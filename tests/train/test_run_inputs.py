from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from asr.config import Config
from asr.data.manifest import read_manifest, write_manifest
from asr.errors import UserError
from asr.pseudo.label import Label
from asr.pseudo.shards import LabelTask, open_task
from asr.recognizer.trained import find_trained
from asr.train.corpus import read_data
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


def given(
    corpus: TinyCorpus, folder: Path, texts: dict[str, str], normaliser: str, agreement: float = math.nan
) -> Config:
    """Settings of a run on a folder of labels, which is written."""
    manifest = read_manifest(corpus.manifests / "unlabeled.jsonl")
    task = LabelTask("m", len(manifest), 1.0, "model x", "t", True, normaliser, 1)
    rows = [row for row in range(len(manifest)) if manifest.ids[row] in texts]
    labels = [Label(row, (1,), text=texts[manifest.ids[row]], agreement=agreement) for row in rows]
    open_task(folder, task)[0].write(labels, manifest, {})
    return replace(corpus.config, pseudo=replace(corpus.config.pseudo, labels=str(folder)))


def test_labels_of_a_model_with_other_spelling_are_spelled_as_this_one_s_text(
    tiny_corpus: TinyCorpus, tmp_path: Path
) -> None:
    ids = read_manifest(tiny_corpus.manifests / "unlabeled.jsonl").ids
    words = read_manifest(tiny_corpus.manifests / "labeled.jsonl")[0].text or ""
    config = given(tiny_corpus, tmp_path / "a", {ids[0]: words.lower(), ids[1]: words.lower() + " 日本"}, "cased")
    data = read_data(config, tiny_corpus.manifests, tiny_corpus.tokens)
    assert data.stored is not None
    assert [data.tokenizer.decode(data.stored[row].tokens) for row in range(len(data.streams[1]))] == [words]
    assert data.left_out["unlabeled, label with signs or words that the tokens cannot write"] == [ids[1]]
    assert ids[1] not in data.left_out["unlabeled, without a label"]


def test_labels_of_other_audio_under_the_same_ids_are_refused(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    """As recordings have that were cut into other utterances: those are called by where they begin."""
    manifest = read_manifest(tiny_corpus.manifests / "unlabeled.jsonl")
    config = given(tiny_corpus, tmp_path / "labels", dict.fromkeys([manifest.ids[0], manifest.ids[1]], "A"), "upper")
    other = [replace(u, duration=u.duration / 2) if row == 1 else u for row, u in enumerate(manifest)]
    shutil.copytree(tiny_corpus.manifests, tmp_path / "manifests")
    write_manifest(tmp_path / "manifests" / "unlabeled.jsonl", other)
    with pytest.raises(UserError, match=rf"1 labels are of other audio .* such as '{manifest.ids[1]}': .* and here"):
        read_data(config, tmp_path / "manifests", tiny_corpus.tokens)


def test_a_filter_that_labels_have_no_number_for_is_refused(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    ids = read_manifest(tiny_corpus.manifests / "unlabeled.jsonl").ids
    for agreement in (math.nan, 1.0):
        config = given(tiny_corpus, tmp_path / f"{agreement}", {ids[0]: "A"}, "upper", agreement)
        config = replace(config, pseudo=replace(config.pseudo, min_agreement=0.9))
        if math.isnan(agreement):
            with pytest.raises(
                UserError, match=r"one search alone wrote these labels, so pseudo\.min_agreement = 0\.9"
            ):
                read_data(config, tiny_corpus.manifests, tiny_corpus.tokens)
        else:
            assert len(read_data(config, tiny_corpus.manifests, tiny_corpus.tokens).streams[1]) == 1
