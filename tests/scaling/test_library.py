from __future__ import annotations

import doctest
import importlib
import pkgutil
import subprocess
import sys

import pytest

import asr.scaling

MODULES = [m.name for m in pkgutil.walk_packages(asr.scaling.__path__, "asr.scaling.")]


@pytest.mark.parametrize("name", ["asr.scaling", *MODULES])
def test_the_examples_of_the_documentation_are_true(name: str) -> None:
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        pytest.skip(f"{name} needs {error.name}")
    assert doctest.testmod(module, optionflags=doctest.ELLIPSIS).failed == 0


def test_everything_that_is_offered_is_there_and_has_a_docstring() -> None:
    for name in asr.scaling.__all__:
        assert getattr(asr.scaling, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'ScaledEma'"):
        _ = asr.scaling.ScaledEma


def test_the_rules_are_had_without_torch_or_any_trainer() -> None:
    code = (
        "import sys, asr.scaling as s; s.ema_rate(0.999, 8); s.RunningClip().add(1.0); "
        "print(*{'torch', 'numpy', 'lightning', 'transformers', 'speechbrain'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
