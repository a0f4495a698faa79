from __future__ import annotations

import json
from pathlib import Path

from asr.study.finals import LABELED_ONLY, TRUE_TEXT, Final, final_rows, read_final
from asr.study.grid import BASELINE, WITH_RULES, Cell
from asr.study.page import markdown, write_study_page

CELL = Cell(BASELINE, WITH_RULES, 1, ())


def test_a_final_is_the_last_evaluation_with_the_first_and_last_label_wer(tmp_path: Path) -> None:
    def dev(wer: float) -> dict[str, object]:
        return {"kind": "dev", "teacher": {"clean": {"wer": wer}}, "student": {"clean": {"wer": 1.0}}}

    lines = [{"kind": "train", "label_wer": label} for label in (None, 0.5, 0.4, 0.3)]
    content = [lines[0], dev(0.9), *lines[1:], dev(0.2)]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in content))
    assert read_final(CELL, tmp_path) == Final(CELL, "wer", {"clean": 0.2}, (0.5, 0.3))


def test_seeds_of_a_panel_share_a_row_with_their_mean_and_range() -> None:
    cells = [CELL, Cell(BASELINE, WITH_RULES, 2, ()), Cell("labeled only", WITH_RULES, 1, ())]
    finals = [
        Final(cells[0], "wer", {"clean": 0.1, "other": 0.3}, (0.5, 0.2)),
        Final(cells[1], "wer", {"clean": 0.2, "other": 0.4}, (0.6, 0.2)),
        Final(cells[2], "wer", {"clean": 0.5, "other": 0.6}, None),
    ]
    table = markdown(final_rows(finals)).splitlines()
    assert table[2] == (
        f"| {BASELINE} | {WITH_RULES} | 2 | 15.0 (10.0 – 20.0) | 35.0 (30.0 – 40.0) | 55.0 (50.0 – 60.0) "
        "| 20.0 (20.0 – 20.0) |"
    )
    assert table[3] == f"| labeled only | {WITH_RULES} | 1 | 50.0 | 60.0 |  |  |"


def test_rows_say_how_far_each_seed_comes_from_labeled_audio_alone_to_true_text() -> None:
    rates = {"pseudo-labels": (0.3, 0.2), "labeled only": (0.5, 0.6), "true text": (0.1, 0.1)}
    own = {"pseudo-labels": (), "labeled only": LABELED_ONLY, "true text": TRUE_TEXT}
    finals = [
        Final(Cell(name, WITH_RULES, seed, (f"seed={seed}", *own[name])), "wer", {"clean": rate}, None)
        for name, both in rates.items()
        for seed, rate in enumerate(both, 1)
    ]
    assert [row[-1] for row in final_rows(finals)[1:]] == [
        "65.0 (50.0 – 80.0)",
        "0.0 (0.0 – 0.0)",
        "100.0 (100.0 – 100.0)",
    ]
    # With one of both alone nothing is between them.
    assert [row[-1] for row in final_rows(finals[:4])[1:]] == ["", ""]


def test_the_page_holds_its_figure_and_tables_and_needs_nothing_from_outside(tmp_path: Path) -> None:
    figure = tmp_path / "figure.svg"
    figure.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    rows = final_rows([Final(CELL, "wer", {"<clean>": 0.1}, None)])
    write_study_page("kappa", rows, [["panel"], ["κ = 4"]], figure, tmp_path / "out" / "study.html")
    page = (tmp_path / "out" / "study.html").read_text(encoding="utf-8")
    assert "&lt;clean&gt;" in page
    assert "data:image/svg+xml;base64," in page
    assert "κ = 4" in page
    assert "http" not in page.replace("http-equiv", "")
