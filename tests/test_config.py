from __future__ import annotations

import ast
import tempfile
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.config import Config, CorpusConfig, OptimizerConfig
from asr.config_file import dump_config, load_config
from asr.errors import UserError

ROOT = Path(__file__).parents[1]
CONF = sorted((ROOT / "conf").glob("*.yaml")) + sorted((ROOT / "recipes").glob("*/*.yaml"))
CONF += sorted((ROOT / "recipes").glob("*/pretraining/*.yaml"))
ALONE = "pseudo:\n  labels: none\nobjective:\n  kind: masked"


def load(folder: Path, text: str, overrides: tuple[str, ...] = ()) -> Config:
    path = folder / "settings.yaml"
    path.write_text(text)
    return load_config(path, overrides)


@pytest.mark.parametrize("path", CONF, ids=lambda p: p.stem)
def test_settings_that_come_with_the_project_load_and_come_back_as_they_went(path: Path, tmp_path: Path) -> None:
    config = load_config(path)
    assert load(tmp_path, dump_config(config)) == config
    assert config.batch_scale == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("batch:\n  base_second: 3", r"line 2: unknown setting 'batch.base_second'; did you mean 'batch.base_seconds'"),
        ("base_seconds: 3", r"line 1: .*did you mean 'batch.base_seconds'"),
        ("sed: 1", r"line 1: .*did you mean 'seed'"),
        ("\nseed: x", r"line 2: seed must be a whole number; found 'x'"),
        ("seed: 1.5", "seed must be a whole number"),
        ("seed: true", "seed must be a whole number"),
        ("seed: 1\nseed: 2", r"line 2: 'seed' is set twice"),
        ("batch: 3", "line 1: expected settings by name"),
        ("a: [", "not valid YAML"),
        ("tokens:\n  kind: phones", "tokens.lexicon must be a file or cmudict, for tokens.kind = phones; found ''"),
        ("teacher:\n  momentum: 1", r"line 2: teacher.momentum must be at least 0 and less than 1; found 1.0"),
        ("model:\n  norm: mid", "one of pre, post; found 'mid'"),
        ("corpus:\n  dev: dev-clean", "corpus.dev must be a list of strings"),
        ("schedule:\n  total_hours: .inf", "total_hours must be a number"),
        ("batch_scale: 0", "batch_scale must be more than 0"),
        ("extends: nowhere.yaml", "nowhere.yaml: cannot read settings"),
        ("extends: settings.yaml", "extends .* in turn"),
        ("name: ../up", "name must be a plain folder name"),
        ("model:\n  width: 100\n  heads: 3", "line 2: model.width must be a multiple"),
        ("model:\n  convolution: 4", "line 2: model.convolution must be odd"),
        ("model:\n  half_rate: 4", "model.half_rate must be less than model.layers"),
        ("model:\n  intermediate: [4]", "line 2: model.intermediate must be from 1 to"),
        ("model:\n  half_rate: 2\n  intermediate: [2]", "not within the blocks of half rate, 2 to 2"),
        (
            "pseudo:\n  length_rate: [2, 1]",
            "pseudo.length_rate must be two numbers, the first at least 0 and less",
        ),
        ("pseudo:\n  length_rate: [-1, 5]", "line 2: pseudo.length_rate must be two numbers"),
        ("pseudo:\n  min_mean_log_prob: 0.1", "line 2: pseudo.min_mean_log_prob must be at most 0, as logarithms"),
        ("optimizer:\n  clip_ratio: 1", "line 2: optimizer.clip_ratio must be more than 1, or the bound"),
        ("optimizer:\n  max_grad_norm: 2", "line 2: optimizer.clip must be fixed with optimizer.max_grad_norm"),
        ("pseudo:\n  blank_penalty: -1", "line 2: pseudo.blank_penalty must be at least 0"),
        (
            "model:\n  dropout: [[0, 0.3], [9, 0]]\ntrain:\n  compile: true",
            "line 2: model.dropout must be constant, or change in jumps",
        ),
        ("batch:\n  frame_multiple: 25", "multiple of model.stride"),
        ("optimizer:\n  clip: fixed\n  max_grad_norm: 0", "line 3: optimizer.max_grad_norm must be more than 0"),
        ("corpus:\n  labeled_hours: -1", "corpus.labeled_hours must be more than 0"),
        ("schedule:\n  decay_start_hours: -1", "schedule.decay_start_hours must be at least 0"),
        ("corpus:\n  dev: [a/dev, b/dev]", "line 2: corpus.dev must be folders whose last parts differ"),
        ("corpus:\n  dev: [dev]\n  test: [b/dev]", "line 3: corpus.test must be folders whose last parts differ"),
        ("corpus:\n  channel: left", "line 2: corpus.channel must be mix, each or a number from 1; found 'left'"),
        ("corpus:\n  channel: 0", "line 2: corpus.channel must be mix, each or a number from 1; found '0'"),
        ("objective:\n  kind: mask", "line 2: objective.kind must be one of ctc, masked, views; found 'mask'"),
        ("objective:\n  kind: views", "line 2: pseudo.labels must be none with objective.kind = views"),
        (f"{ALONE}\n  mask_share: 1", "line 5: objective.mask_share must be at least 0 and less than 1"),
        (f"{ALONE}\n  top_blocks: 9", "line 5: objective.top_blocks must be at most 4, the blocks that there are"),
        (
            f"{ALONE}\npretrain: [mini]\nschedule:\n  frozen_hours: 1",
            "line 7: schedule.frozen_hours must be 0",
        ),
        ("schedule:\n  frozen_hours: 1", "line 2: schedule.frozen_hours must be 0 without model.init or pretrain"),
        ("pretrain: [mini]\nmodel:\n  init: run", "pretrain must be empty with model.init"),
        ("seed: 1:30", "seed must be a whole number; found '1:30'"),
        (f"seed: {2**63}", "seed must be less than"),
        ("decode:\n  beam: 100000", "line 2: decode.beam must be at most 1000, as memory grows"),
        ("batch:\n  base_seconds: 1" + 400 * "0", "line 2: batch.base_seconds must be a number"),
    ],
)
def test_a_mistake_is_named_with_its_line(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        load(tmp_path, text)


def test_overrides_win_and_their_mistakes_are_named(tmp_path: Path) -> None:
    config = load(tmp_path, "seed: 1", ("seed=7", "optimizer.lr=1e-3", "pseudo.min_mean_log_prob=-0.5"))
    assert (config.seed, config.optimizer.lr, config.pseudo.min_mean_log_prob) == (7, 0.001, -0.5)
    assert load(tmp_path, "corpus:\n  labeled_hours: 2", ("corpus.labeled_hours=",)).corpus.labeled_hours is None
    # Empty is an empty string; what YAML reads as nothing is what was written.
    strings = load(tmp_path, "tokens: {lexicon: cmudict}", ("tokens.lexicon=", "corpus.root=~", "name=null"))
    assert (strings.tokens.lexicon, strings.corpus.root, strings.name) == ("", "~", "null")
    for wrong, message in (
        ("schedule.total_hours=", "must be a number; found nothing"),
        ("pseudo.labels=", "pseudo.labels must be .*; found ''"),
        ("seed", "expected key=value"),
        ("schedule.total_hour=2", "did you mean 'schedule.total_hours'"),
        ("seed=x", r"--set seed=x: seed must be"),
    ):
        with pytest.raises(UserError, match=message):
            load(tmp_path, "", (wrong,))


def test_a_file_that_extends_another_holds_only_the_difference(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("seed: 3\nbatch:\n  base_seconds: 10\n  unit_seconds: 5\n")
    config = load(tmp_path, "extends: base.yaml\nbatch:\n  base_seconds: 20\n")
    assert (config.seed, config.batch.base_seconds, config.batch.unit_seconds) == (3, 20, 5)


def test_a_files_own_settings_win_wherever_it_extends_another(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("seed: 3\n")
    assert load(tmp_path, "seed: 1\nextends: base.yaml\n").seed == 1


def test_names_and_speakers_that_look_like_numbers_stay_as_written(tmp_path: Path) -> None:
    text = "name: 007\ncorpus:\n  labeled_speakers: [0011, 1:30, 1e3, 84, '19']\n"
    config = load(tmp_path, text)
    assert config.name == "007"
    assert config.corpus.labeled_speakers == ("0011", "1:30", "1e3", "84", "19")
    assert load(tmp_path, dump_config(config)) == config


@settings(max_examples=40)
@given(st.text(st.sampled_from("019.:_-+eExXonan "), min_size=1, max_size=8), st.floats(1e-12, 1e12))
def test_any_name_and_number_come_back_from_the_file_that_is_written(name: str, number: float) -> None:
    config = Config(
        name="x" if Path(name).name != name or name in (".", "..") else name,
        corpus=CorpusConfig(labeled_speakers=(name,)),
        optimizer=OptimizerConfig(lr=number),
    )
    with tempfile.TemporaryDirectory() as folder:
        assert load(Path(folder), dump_config(config)) == config


def test_an_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    assert load(tmp_path, "") == Config()


@given(st.text(max_size=60))
def test_no_text_ends_in_a_traceback(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "settings.yaml"
        path.write_text(text, encoding="utf-8", errors="replace")
        with suppress(UserError):
            load_config(path, ("seed=" + text,))


@pytest.mark.parametrize("path", sorted((ROOT / "asr" / "config").glob("*.py")), ids=lambda p: p.stem)
def test_every_setting_has_a_sentence(path: Path) -> None:
    silent: list[str] = []
    for kind in ast.walk(ast.parse(path.read_text())):
        if isinstance(kind, ast.ClassDef):
            for field, after in pairwise([*kind.body, ast.Pass()]):
                # Sections are classes of their own.
                section = isinstance(field, ast.AnnAssign) and ast.unparse(field.annotation).endswith("Config")
                if isinstance(field, ast.AnnAssign) and not section and not isinstance(after, ast.Expr):
                    silent.append(f"{kind.name}.{ast.unparse(field.target)}")
    assert silent == []
