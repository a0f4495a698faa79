import json
import re
import shutil
from pathlib import Path

import pytest
import yaml
from fake_run import metric_lines
from page_reader import Reader

from asr.errors import UserError
from asr.report.page import write_report


def read(run_dir: Path) -> Reader:
    out = run_dir / "report.html"
    write_report(run_dir, out)
    return Reader(out.read_text(encoding="utf-8"))


def test_a_finished_run_shows_all_its_parts(run_dir: Path) -> None:
    page = read(run_dir)
    scores = json.loads((run_dir / "evaluation" / "scores.json").read_text())
    assert [t for t, _ in page.tags].count("figure") == 6
    for score in scores:
        assert f"{100 * score['wer']:.1f}%" in page.texts
        assert f"{100 * score['wer_low']:.1f} – {100 * score['wer_high']:.1f}%" in page.texts
        assert str(score["substitutions"]) in page.texts
    for text in (
        "mini",
        "√κ · lr",
        "0.996006",
        "dev-other, teacher: 10 worst of 40 utterances",
        "pseudo.labels",
    ):
        assert text in page.texts
    assert "missing" not in [attributes.get("class") for _, attributes in page.tags]


def test_who_wrote_the_labels_is_said(run_dir: Path) -> None:
    assert "teacher, greedy" in read(run_dir).texts
    (run_dir / "labels.json").write_text(json.dumps({"makers": {"model 12ab, upper, lm": 2345, "true text": 6}}))
    page = read(run_dir)
    assert "2,345 by model 12ab, upper, lm" in page.texts
    assert "6 by true text" in page.texts
    assert "teacher, greedy" not in page.texts
    (run_dir / "labels.json").write_text("{}")
    with pytest.raises(UserError, match=r"labels\.json: does not say who wrote labels"):
        read(run_dir)


def test_the_page_asks_for_nothing_from_outside(run_dir: Path) -> None:
    page = read(run_dir)
    text = (run_dir / "report.html").read_text(encoding="utf-8")
    assert not {"src", "href", "xlink:href", "srcset", "action"} & {
        a for _, attributes in page.tags for a in attributes
    }
    assert not {"link", "img", "iframe", "object", "base"} & {tag for tag, _ in page.tags}
    assert not re.search(r"url\(|@import|fetch\(", text)
    # The namespace of SVG is a name, not an address.
    assert set(re.findall(r"https?://[^\"' ]*", text)) <= {"http://www.w3.org/2000/svg"}
    policy = next(a["content"] for _, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'")


def test_the_same_run_gives_the_same_bytes_and_leaves_nothing_beside_them(run_dir: Path, tmp_path: Path) -> None:
    write_report(run_dir, tmp_path / "new" / "a.html")
    write_report(run_dir, tmp_path / "new" / "b.html")
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == ["a.html", "b.html"]
    assert (tmp_path / "new" / "a.html").read_bytes() == (tmp_path / "new" / "b.html").read_bytes()


def test_every_text_is_escaped(run_dir: Path) -> None:
    attack = "</script><script>alert('&amp;\"')</script>"
    (run_dir / "config.yaml").write_text(yaml.safe_dump({"name": attack, attack: {"key": [attack]}}))
    (run_dir / "plan.json").write_text(
        json.dumps({"rows": [{"name": attack, "base": attack, "scaled": "\ud800", "rule": attack}]})
    )
    word = attack.replace(" ", "_")
    (run_dir / "evaluation" / "dev-clean.ref.trans.txt").write_text(f"{word} {word} A\n")
    (run_dir / "evaluation" / "teacher" / "dev-clean.hyp.trans.txt").write_text(f"{word} {word}X\n")
    lines = metric_lines()
    for line in lines:
        if line["kind"] == "dev":
            line["teacher"] = {attack: {"wer": 0.5}}
    (run_dir / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    page = read(run_dir)
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert page.texts.count(attack) >= 4
    assert page.texts.count(word) >= 2


def test_charts_have_a_title_a_description_and_the_mark(run_dir: Path) -> None:
    page = read(run_dir)
    tags = [tag for tag, _ in page.tags]
    assert tags.count("desc") == tags.count("figure") == 6
    assert page.texts.count("pseudo-labels →") == 6
    assert all(a["role"] == "img" for tag, a in page.tags if tag == "svg" and "tabindex" in a)


def test_a_run_without_pseudo_labels_says_so(run_dir: Path) -> None:
    (run_dir / "metrics.jsonl").write_text("".join(json.dumps(x) + "\n" for x in metric_lines(pseudo=False)))
    page = read(run_dir)
    assert "No pseudo-labels were used up to here" in page.text
    assert "WER of pseudo-labels" not in page.texts
    assert "Share of pseudo-labels" not in page.texts
    assert "pseudo-labels →" not in page.texts
    assert "CTC loss" in page.texts


def test_untranscribed_audio_has_no_chart_of_label_wer(run_dir: Path) -> None:
    lines = metric_lines(transcribed=False)
    (run_dir / "metrics.jsonl").write_text("".join(json.dumps(x) + "\n" for x in lines))
    page = read(run_dir)
    assert "WER of pseudo-labels" not in page.texts
    assert "The WER of pseudo-labels is unknown" in page.text


def test_before_evaluation_the_last_dev_wer_leads(run_dir: Path) -> None:
    shutil.rmtree(run_dir / "evaluation")
    page = read(run_dir)
    last = [line for line in metric_lines() if line["kind"] == "dev"][-1]
    assert isinstance(last["teacher"], dict)
    assert f"{100 * last['teacher']['dev-clean']['wer']:.1f}%" in page.texts
    assert "while training, at 10.0 h" in page.texts
    assert "Not evaluated yet" in page.text
    assert "No hypotheses have been written yet." in page.texts


def test_settings_alone_make_a_page(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("name: early\nseed: 3\npseudo: {min_mean_log_prob: null}\n")
    page = read(tmp_path)
    assert "early" in page.texts
    for sentence in ("No WER has been measured yet.", "Nothing has been logged yet.", "no scaling plan"):
        assert sentence in page.text


def test_metrics_alone_make_a_page_named_after_the_folder(tmp_path: Path) -> None:
    run_dir = tmp_path / "lonely"
    run_dir.mkdir()
    (run_dir / "metrics.jsonl").write_text(json.dumps(metric_lines()[0]) + "\n")
    page = read(run_dir)
    assert "lonely" in page.texts
    assert "No evaluation on dev has been logged yet." in page.texts
    assert "holds no settings" in page.text


def test_a_perfect_subset_says_so(run_dir: Path) -> None:
    folder = run_dir / "evaluation"
    shutil.copy(folder / "dev-clean.ref.trans.txt", folder / "teacher" / "dev-clean.hyp.trans.txt")
    assert "dev-clean, teacher: all 40 utterances are right." in read(run_dir).texts


def test_a_missing_hypothesis_is_named(run_dir: Path) -> None:
    path = run_dir / "evaluation" / "teacher" / "dev-clean.hyp.trans.txt"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(UserError, match=r"teacher on dev-clean: 1 of 40 utterances have no hypothesis, 'c07-1-0004'"):
        write_report(run_dir, run_dir / "report.html")
    assert not (run_dir / "report.html").exists()
