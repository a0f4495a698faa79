from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from small_model import SMALL, make_run
from tiny_corpus import TinyCorpus

from asr.checkpoint.checkpoint import load_newest
from asr.config import Config, TokenConfig
from asr.config_file import load_config
from asr.data.manifest import Utterance, write_manifest
from asr.data.tokens import build_tokens, load_tokenizer
from asr.errors import UserError
from asr.recipe.initial import find_initial
from asr.train.run import train

PIECES = TokenConfig(kind="bpe", size=20)


@pytest.fixture
def before(tmp_path: Path) -> Path:
    return make_run(tmp_path / "before", tokens=PIECES)


def starting_from(run: Path, **changes: object) -> Config:
    """Settings of `run`, but for `changes` of its model."""
    config = load_config(run / "config.yaml")
    return dataclasses.replace(config, model=dataclasses.replace(config.model, init=str(run), **changes))


def has_head(config: Config, tokens: Path) -> bool:
    initial = find_initial(config, tokens)
    assert initial is not None
    return "head.weight" in initial.weights


def test_with_the_same_tokens_the_head_is_taken_over_too(before: Path) -> None:
    initial = find_initial(starting_from(before), before / "tokens")
    assert initial is not None
    assert initial.differences == ()
    assert has_head(starting_from(before), before / "tokens")
    assert find_initial(load_config(before / "config.yaml"), before / "tokens") is None


def test_a_head_for_other_tokens_is_left_out_even_where_there_are_as_many(before: Path, tmp_path: Path) -> None:
    size = load_tokenizer(before / "tokens").size
    texts = ["HE TELLS TEA TELLERS", "BY THE TEA STORE", "THE TELLERS HE TELLS", "ARE TEA TELLERS SURELY"]
    write_manifest(tmp_path / "labeled.jsonl", [Utterance(str(i), "x", 1.0, 0.0, "s", t) for i, t in enumerate(texts)])
    build_tokens(PIECES, tmp_path / "labeled.jsonl", tmp_path / "tokens")
    assert load_tokenizer(tmp_path / "tokens").size == size
    initial = find_initial(starting_from(before), tmp_path / "tokens")
    assert initial is not None
    assert initial.differences == (f"{size} other tokens: the head starts from chance",)
    assert not has_head(starting_from(before), tmp_path / "tokens")


def test_what_shapes_do_not_tell_is_said(before: Path) -> None:
    config = starting_from(before, heads=4, stride=2)
    config = dataclasses.replace(config, features=dataclasses.replace(config.features, shift_ms=12.5))
    initial = find_initial(config, before / "tokens")
    assert initial is not None
    assert initial.differences == (
        "features.shift_ms is 10.0 there and 12.5 here",
        "model.heads is 2 there and 4 here",
        "model.stride is 3 there and 2 here",
    )


def test_another_shape_is_named(before: Path) -> None:
    with pytest.raises(UserError, match=r"model\.init = .*: model\.layers is 2 there and 3 here; make them the same"):
        find_initial(starting_from(before, layers=3), before / "tokens")


def test_a_run_with_other_tokens_starts_from_the_rest_and_says_so(
    tiny_corpus: TinyCorpus, before: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = dataclasses.replace(SMALL, init=str(before))
    schedule = dataclasses.replace(tiny_corpus.config.schedule, frozen_hours=1.0)
    config = dataclasses.replace(tiny_corpus.config, model=model, schedule=schedule)
    initial = find_initial(config, tiny_corpus.tokens)
    train(config, tiny_corpus.manifests, tiny_corpus.tokens, tmp_path / "run", stop_after=3, initial=initial)
    size = load_tokenizer(before / "tokens").size
    shown = capsys.readouterr().err
    assert f"model.init = {before}: {size} other tokens: the head starts from chance" in shown
    found, given = load_newest(tmp_path / "run" / "checkpoints"), load_newest(before / "checkpoints")
    assert found is not None
    assert given is not None
    for name, tensor in given.tensors["teacher"].items():
        assert name.startswith("head.") or torch.equal(tensor, found.tensors["student"][name]), name
