"""Every command of README, CONTRIBUTING and docs: run where that is cheap, else parsed."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pages import COMMANDS, PAGES, ROOT, blocks, inline, write_settings

from asr.cli.main import main, make_parser
from asr.config_file import load_config
from asr.scaling.plan import Plan
from asr.scaling.table import format_table

ONLY_PARSED = {
    "kappa-asr plan --corpus librispeech": "counts the parameters of a large model: seconds",
    "kappa-asr plan --corpus conf/librispeech-slimipl.yaml": "the same",
    "kappa-asr study": "trains for hours",
    "kappa-asr tune --corpus librispeech": "needs LibriSpeech and a trained model of it",
    "kappa-asr profile": "trains for a minute, on a prepared corpus",
    "./run.sh --test": "runs these tests",
}
"""Commands that begin so, and why they are not run. `./run.sh` is run with --dry-run. All commands of docs/results.md
are parsed alone: they trained for hours."""
NOT_OURS = {
    "export": "sets a variable",
    "mypy": "is run by .ci/run",
    "python3": "makes an environment",
    "ruff": "is run by .ci/run",
    "source": "sets variables",
    "zensical": "is run by .ci/run",
}
"""Other programs, and why they are not run."""


def commands(page: Path) -> Iterator[tuple[str, list[str]]]:
    """Commands in their order: where, and words."""
    for block in blocks(page, *COMMANDS):
        for line in block.text.replace("\\\n", " ").splitlines():
            if words := shlex.split(line, comments=True):
                yield f"{block}: {line}", words


def parsed(where: str, words: list[str]) -> None:
    try:
        make_parser(words[0]).parse_args(words)
    except SystemExit:
        pytest.fail(f"{where}: not understood")


def check_file(where: str, words: list[str]) -> None:
    """A script with its arguments, or a `pip install` of this project's extras."""
    if words[0].endswith("pip"):
        extras = set(re.findall(r"[a-z]+", re.findall(r"\[(.+)\]", words[-1])[0]))
        known = set(re.findall(r"^([a-z]+) = \[", (ROOT / "pyproject.toml").read_text(), re.MULTILINE))
        assert extras <= known, f"{where}: no such extra"
        return
    script = ROOT / next(word for word in words if word.endswith((".py", ".sh", ".sbatch", ".ci/run")))
    assert script.is_file(), f"{where}: no such file"
    if script.suffix == ".py":
        compile(script.read_text(), script, "exec")
    else:
        subprocess.run(["bash", "-n", str(script)], check=True)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_of_a_page_run(
    page: Path, desk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here = tmp_path / "desk"
    shutil.copytree(desk, here, symlinks=True)
    monkeypatch.chdir(here)
    write_settings(page, here)
    for where, (program, *rest) in commands(page):
        line = shlex.join([program, *rest])
        alone = page.name == "results.md" or any(line.startswith(known) for known in ONLY_PARSED)
        if program == "kappa-asr":
            parsed(where, rest)
            assert alone or main(rest) == 0, f"{where}: {capsys.readouterr().err}"
        elif program == "./run.sh" and rest and rest[0] in ("--test", "--help"):
            subprocess.run(["bash", "-n" if alone else "-e", str(ROOT / "run.sh"), *rest], check=True)
        elif program == "./run.sh":
            parsed(where, ["recipe", *rest])
            assert alone or main(["recipe", *rest, "--dry-run"]) == 0, f"{where}: {capsys.readouterr().err}"
        elif program not in NOT_OURS:
            check_file(where, [program, *rest])
        capsys.readouterr()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_settings_within_the_text_are_known(page: Path) -> None:
    for code in inline(page):
        words = code.split()
        if words[0] == "kappa-asr" and len(words) > 1:
            verbs = next(action for action in make_parser(words[1])._actions if action.choices).choices
            assert isinstance(verbs, dict)
            assert words[1] in verbs, code
            options = {word.partition("=")[0] for word in words if word.startswith("--")}
            assert options <= set(verbs[words[1]]._option_string_actions), code
        elif re.fullmatch(r"[a-z]+\.[a-z_]+=\S+", code):
            load_config(ROOT / "conf" / "mini.yaml", shlex.split(code))


def test_the_plan_of_the_recipe_s_settings_has_its_events_where_the_recipe_has_them() -> None:
    table = format_table(Plan(load_config(ROOT / "conf" / "librispeech-slimipl.yaml")))
    for event, step in (
        ("SpecAugment starts", "5,000"),
        ("pseudo-labels start", "20,000"),
        ("training ends", "400,000"),
    ):
        assert re.search(rf"{event} +step {step} ", table)
    assert re.search(r"warm-up ends +step 64,000 ", table)


def test_what_is_only_parsed_is_still_in_the_documentation() -> None:
    lines = [shlex.join(words) for page in PAGES for _, words in commands(page)]
    for known in (*ONLY_PARSED, *NOT_OURS):
        assert any(line.startswith(known) for line in lines), f"{known}: is in no page any more"
