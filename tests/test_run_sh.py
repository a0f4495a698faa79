"""The shell script, as far as it can be run without installing anything."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_help_names_every_option_of_the_recipe() -> None:
    shown = subprocess.run([ROOT / "run.sh", "--help"], capture_output=True, text=True, check=True).stdout
    recipe = subprocess.run(
        [sys.executable, "-m", "asr", "recipe", "--help"], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout
    options = {word.strip("[],") for word in recipe.split() if word.strip("[").startswith("--")} - {"--help"}
    assert len(options) == 9
    assert not [option for option in options if option.rstrip(",]") not in shown]


def test_shellcheck_has_nothing_to_say() -> None:
    shellcheck = Path(sys.executable).with_name("shellcheck")
    done = subprocess.run([shellcheck, ROOT / "run.sh", ROOT / ".ci" / "run"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
