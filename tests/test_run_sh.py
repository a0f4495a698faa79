"""The shell script, as far as it can be run without installing anything."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_the_help_names_every_option_of_the_recipe() -> None:
    shown = subprocess.run([ROOT / "run.sh", "--help"], capture_output=True, text=True, check=True).stdout
    recipe = subprocess.run(
        [sys.executable, "-m", "asr", "recipe", "--help"], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout
    options = {word.strip("[],") for word in recipe.split() if word.strip("[").startswith("--")} - {"--help"}
    assert len(options) == 11
    assert not [option for option in options if option.rstrip(",]") not in shown]


def test_shellcheck_has_nothing_to_say() -> None:
    shellcheck = Path(sys.executable).with_name("shellcheck")
    done = subprocess.run([shellcheck, ROOT / "run.sh", ROOT / ".ci" / "run"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


STUB = """#!/bin/bash
echo "$*" >> "$LOG"
case "$*" in
  "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
  "-m pip "*) exit "${PIP_CODE:-0}" ;;
  "-c import sys; sys.exit"*) exit "${OLD_PYTHON:-0}" ;;
  -V) echo Python 3.8.1 ;;
esac
"""


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, str]:
    """Environment variables of a machine without any environment, whose python only notes what it is told."""
    python = tmp_path / "python"
    python.write_text(STUB)
    python.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "CONDA_PREFIX")}
    return kept | {"PYTHON": str(python), "LOG": str(tmp_path / "log"), "XDG_CACHE_HOME": str(tmp_path / "cache")}


def run(machine: dict[str, str], *arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run([ROOT / "run.sh", *arguments], env=machine, capture_output=True, text=True, cwd=cwd)


def calls(machine: dict[str, str]) -> list[str]:
    lines = Path(machine["LOG"]).read_text().splitlines()
    Path(machine["LOG"]).unlink()
    return lines


def environments(machine: dict[str, str]) -> list[Path]:
    return sorted(Path(machine["XDG_CACHE_HOME"]).glob("kappa-asr/env-*"))


def test_an_environment_is_made_once_and_older_ones_stay_and_are_named(machine: dict[str, str], tmp_path: Path) -> None:
    old = tmp_path / "cache" / "kappa-asr" / "env-0123456789ab"
    (old / "bin").mkdir(parents=True)
    (old / "complete").touch()
    done = run(machine, "--stage", "3")
    assert done.returncode == 0
    assert f"{old} is of another version; delete it once nothing runs in it" in done.stderr
    first = calls(machine)
    assert any(call.endswith(f"-e {ROOT}[mini,dev]") for call in first)
    assert first[-1] == "-m asr recipe --stage 3"
    # A training may be running in it.
    assert (old / "complete").exists()
    assert run(machine, "--test", "-k", "x").returncode == 0
    assert calls(machine)[-1] == "-m pytest -k x"
    done = run(machine)
    assert (done.returncode, done.stderr) == (0, "")
    assert not [call for call in calls(machine) if "pip" in call or "venv" in call]
    assert len(environments(machine)) == 2


def without_flock(machine: dict[str, str], tmp_path: Path, script: str | None) -> dict[str, str]:
    """A machine whose flock does what `script` says, or that has none."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("bash", "sha256sum", "cut", "mkdir", "rm", "touch", "dirname", "cat", "cp"):
        found = shutil.which(name)
        assert found
        (tools / name).symlink_to(found)
    if script is not None:
        (tools / "flock").write_text(f"#!/bin/bash\n{script}\n")
        (tools / "flock").chmod(0o755)
    return machine | {"PATH": str(tools)}


@pytest.mark.parametrize("script", [None, "echo flock: 9: No locks available >&2; exit 71"])
def test_where_locks_are_lacking_an_environment_is_made_and_a_half_made_one_is_left_to_the_user(
    machine: dict[str, str], tmp_path: Path, script: str | None
) -> None:
    lacking = without_flock(machine, tmp_path, script)
    done = run(lacking)
    assert done.returncode == 0
    assert ("cannot be locked" in done.stderr) == (script is not None)
    assert calls(machine)[-1] == "-m asr recipe"
    (made,) = environments(machine)
    # Another process may be making it.
    (made / "complete").unlink()
    done = run(lacking)
    assert done.returncode == 2
    assert "is half made: delete it, unless another run.sh is making it just now" in done.stderr
    assert made.exists()
    assert run(machine).returncode == 0
    assert (made / "complete").exists()


def test_an_installation_that_failed_is_done_again(machine: dict[str, str]) -> None:
    done = run(machine | {"PIP_CODE": "1"})
    assert done.returncode == 2
    assert "installing failed" in done.stderr
    assert "-m asr recipe" not in calls(machine)
    assert run(machine).returncode == 0
    assert any("pip" in call for call in calls(machine))


def test_a_python_that_is_too_old_is_named(machine: dict[str, str]) -> None:
    done = run(machine | {"OLD_PYTHON": "1"})
    assert done.returncode == 2
    assert "is Python 3.8.1; Python 3." in done.stderr


def test_help_anywhere_makes_no_environment(machine: dict[str, str]) -> None:
    done = run(machine, "--stage", "3", "--help")
    assert done.returncode == 0
    assert done.stdout.startswith("Usage:")
    assert not Path(machine["LOG"]).exists()


def test_an_active_environment_counts_only_where_the_package_is_in_it(machine: dict[str, str], tmp_path: Path) -> None:
    # What `pip install -e` leaves in a checkout must not be taken for an installation.
    (tmp_path / "kappa_asr.egg-info").mkdir()
    (tmp_path / "kappa_asr.egg-info" / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: kappa-asr\nVersion: 1\n")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "active"], check=True)
    machine |= {"VIRTUAL_ENV": str(tmp_path / "active")}
    assert run(machine, cwd=tmp_path).returncode == 0
    assert calls(machine)[-1] == "-m asr recipe"
    packages = next((tmp_path / "active" / "lib").glob("python*/site-packages"))
    for name in ("kappa_asr", "torch"):
        (packages / f"{name}-1.dist-info").mkdir()
        (packages / f"{name}-1.dist-info" / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    # Without torch in truth, and so the recipe fails; but it is this interpreter that was asked.
    assert run(machine, cwd=tmp_path).returncode != 0
    assert not Path(machine["LOG"]).exists()


def test_an_unknown_option_is_exit_code_2() -> None:
    command = [sys.executable, "-m", "asr", "recipe", "--speed", "2"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2
    assert "--speed" in done.stderr
