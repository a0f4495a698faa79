from __future__ import annotations

import errno
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from asr.cli import score
from asr.cli.main import VERBS, main
from asr.errors import UserError

ROOT = Path(__file__).parents[2]


def test_help_names_every_verb_and_loads_none_of_them() -> None:
    code = (
        "import sys; from asr.cli.main import make_parser; print(make_parser(None).format_help(), "
        "sorted(name for name in sys.modules if name in ('torch', 'numpy', 'yaml') or name.startswith('asr.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert [verb for verb in VERBS if f" {verb}" not in done.stdout] == []
    assert done.stdout.splitlines()[-1].strip() == "['asr.cli', 'asr.cli.main', 'asr.errors', 'asr.processors']"


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_is_summed_up_as_by_its_module(verb: str) -> None:
    assert (importlib.import_module(f"asr.cli.{verb}").__doc__ or "").partition("\n")[0] == VERBS[verb]


def test_every_module_is_a_verb() -> None:
    assert {path.stem for path in (ROOT / "asr" / "cli").glob("*.py")} == {*VERBS, "main", "__init__"}


@pytest.mark.parametrize("argv", [[], ["fly"], ["recipe", "--stage", "9"], ["recipe", "--speed", "1"], ["score", "a"]])
def test_arguments_that_do_not_exist_are_exit_code_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(argv)
    assert stop.value.code == 2
    assert "error:" in capsys.readouterr().err


@pytest.mark.parametrize(
    "argv", [["report", ""], ["manifest", "", "out", "--to", "kaldi"], ["score", "ref", "hyp", ""]]
)
def test_an_empty_path_is_not_the_current_folder(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(argv)
    assert "an empty path; is a variable of the shell not set?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("raised", "code", "message"),
    [
        (UserError("x.flac: broken"), 2, "kappa-asr: error: x.flac: broken\n"),
        (KeyboardInterrupt(), 130, "kappa-asr: interrupted"),
        (OSError(errno.ENOSPC, "No space left on device", "/exp/a"), 2, "kappa-asr: error: /exp/a: No space left"),
        (OSError(errno.EEXIST, "File exists", "a.txt"), 2, "kappa-asr: error: a.txt: File exists"),
        (OSError(errno.EISDIR, "Is a directory", "/exp"), 2, "kappa-asr: error: /exp: Is a directory"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "a"), 2, "kappa-asr: error: a: File name too long"),
    ],
)
def test_what_ends_a_verb_is_one_line_and_an_exit_code(
    raised: BaseException, code: int, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: object) -> int:
        raise raised

    monkeypatch.setattr(score, "run", fail)
    assert main(["score", "a", "b"]) == code
    shown = capsys.readouterr().err
    assert shown.startswith(message)
    assert shown.count("\n") == 1


def test_what_nothing_comes_of_is_refused_before_anything_is_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = tmp_path / "odd.yaml"
    study.write_text("corpus: mini\nkappa: [3.14159]\nseeds: [1]\nfrom_hours: 4\n", encoding="utf-8")
    (tmp_path / "empty").mkdir()
    for argv, message in (
        (["profile", "--steps", "0"], "--steps 0: must be 1 or more"),
        (["study", str(study), "--data-dir", str(tmp_path / "data")], "κ = 1, 3.14159: where κ changes on the way"),
        (["manifest", str(tmp_path / "empty"), str(tmp_path / "a.json"), "--to", "nemo"], "nothing was written"),
    ):
        assert main(argv) == 2, argv
        assert message in capsys.readouterr().err
    assert not (tmp_path / "data").exists()
    assert not (tmp_path / "a.json").exists()


def test_a_fault_of_the_program_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> int:
        raise FileNotFoundError(errno.ENOENT, "No such file", "x")

    monkeypatch.setattr(score, "run", fail)
    with pytest.raises(FileNotFoundError):
        main(["score", "a", "b"])
