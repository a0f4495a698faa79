from __future__ import annotations

from pathlib import Path

import pytest

from asr.errors import UserError
from asr.recipe.experiment import Experiment
from asr.recipe.pretraining import find_pretraining
from asr.recipe.settings import find_config
from asr.study.grid import read_study

ROOT = Path(__file__).parents[2]
STUDIES = sorted((ROOT / "recipes").glob("*/studies/*.yaml"))

STUDY = """
corpus: mini
kappa: [0.5, 1, 4]
seeds: [1, 2]
settings: {schedule.total_hours: 8}
extra:
  progressive: {scaling.progressive: [[0, 1], [4, 8]]}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "small.yaml"
    path.write_text(text)
    return path


def test_a_grid_crosses_kappa_rules_and_seeds_but_has_one_baseline(tmp_path: Path) -> None:
    study = read_study(write(tmp_path, STUDY))
    cells = study.cells()
    assert study.name == "small"
    assert study.settings == ("schedule.total_hours=8",)
    assert [c.name for c in cells if c.seed == 1] == [
        "κ = 1, with all rules, seed 1",
        "κ = 0.5, with all rules, seed 1",
        "κ = 0.5, without the EMA rule, seed 1",
        "κ = 4, with all rules, seed 1",
        "κ = 4, without the EMA rule, seed 1",
        "progressive, with all rules, seed 1",
    ]
    assert len(cells) == 12
    assert cells[-1].overrides == ("seed=2", "scaling.start_hours=0", "scaling.progressive=[[0, 1], [4, 8]]")
    without = next(c for c in cells if c.rule == "without the EMA rule" and c.panel == "κ = 4")
    rules = "scaling.ema=false", "scaling.optimizer=true"
    assert without.overrides == ("seed=1", "batch_scale=4", "scaling.start_hours=0", *rules)


def test_settings_are_what_is_written(tmp_path: Path) -> None:
    written = "{corpus.labeled_speakers: [0011, 12], optimizer.lr: 1e-3, name: 0012, tokens.lexicon: '', seed: 3}"
    study = read_study(write(tmp_path, STUDY.replace("{schedule.total_hours: 8}", written) + "name: 010\n"))
    assert study.name == "010"
    config = find_config(study.corpus, list(study.settings), None)
    assert (config.corpus.labeled_speakers, config.optimizer.lr) == (("0011", "12"), 1e-3)
    assert (config.name, config.tokens.lexicon, config.seed) == ("0012", "", 3)


def test_kappa_can_hold_from_an_hour_on(tmp_path: Path) -> None:
    cells = read_study(write(tmp_path, STUDY + "from_hours: 4.5\n")).cells()
    without = next(c for c in cells if c.rule == "without the EMA rule" and c.panel == "κ = 4")
    assert without.overrides[1:3] == ("batch_scale=4", "scaling.start_hours=4.5")
    # What a study has at any κ, a batch scale of its own for instance, is not held back by it.
    assert cells[0].overrides == ("seed=1", "scaling.start_hours=0")
    assert {cell.overrides[1] for cell in cells if cell.panel == "progressive"} == {"scaling.start_hours=0"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (STUDY + "kapa: [1]\n", "unknown 'kapa'; did you mean 'kappa'"),
        (STUDY.replace("seeds: [1, 2]", ""), "seeds is missing"),
        (STUDY.replace("[0.5, 1, 4]", "[0, 1]"), "kappa must be a list of positive numbers"),
        (STUDY.replace("[0.5, 1, 4]", "[4, 4.0]"), "kappa must be finite numbers, each of them once"),
        (STUDY.replace("[0.5, 1, 4]", "[1.0e+999]"), "kappa must be finite numbers"),
        (STUDY.replace("[1, 2]", "[1.5, 1.7]"), "seeds must be a list of whole numbers from 0, each of them once"),
        (STUDY.replace("[1, 2]", "[1, 1]"), "seeds must be a list of whole numbers from 0, each of them once"),
        (STUDY.replace("{schedule.total_hours: 8}", "{name: [2024-01-01]}"), "line 5: a value that is neither text"),
        (STUDY.replace("{schedule.total_hours: 8}", "{seed: 1, seed: 2}"), "line 5: 'seed' is set twice"),
        (STUDY + "seeds: [3]\n", "line 8: 'seeds' is set twice"),
        (STUDY + "  progressive: {seed: 3}\n", "'progressive' is set twice"),
        (STUDY + "name: ../elsewhere\n", "name must be a folder's name"),
        ("corpus: mini\nkappa: [4]\nseeds: [1]\nextra: {κ = 4: {seed: 2}}\n", "extra, κ = 4: so the grid's own cells"),
        (STUDY + "ema_rule: [1]\n", "ema_rule must be a list of true and false"),
        (STUDY.replace("{schedule.total_hours: 8}", "8"), "settings: expected settings by name"),
        (STUDY + "from_hours: -1\n", "from_hours must be hours of audio"),
        ("- 1\n", "expected a study's settings by name"),
        ("a: [", "not valid YAML"),
    ],
)
def test_a_study_that_makes_no_sense_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_study(write(tmp_path, text))


@pytest.mark.parametrize("path", STUDIES, ids=lambda p: p.stem)
def test_every_cell_of_the_studies_that_come_with_the_project_has_settings(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    study = read_study(path)
    for cell in study.cells():
        config = find_config(study.corpus, [*study.settings, *cell.overrides], None)
        find_pretraining(Experiment(config, ROOT, ROOT))
