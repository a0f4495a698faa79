from __future__ import annotations

from pathlib import Path

import pytest

from asr.score.labels import name_files, shorten_names


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["x/a.txt", "y/b.txt"], ["a.txt", "b.txt"]),
        (["/run/teacher/dev.txt", "/run/student/dev.txt"], ["teacher", "student"]),
        (["/r/1/hyp/dev.txt", "/r/2/hyp/dev.txt"], ["1", "2"]),
        (["/dev.txt", "other/dev.txt"], ["/", "other"]),
        (["r/dev.txt", "r/a/dev.txt"], ["dev.txt", "a/dev.txt"]),
        (["r/x/dev.txt", "r/y/dev.txt", "r/x/test.txt"], ["x/dev.txt", "y/dev.txt", "x/test.txt"]),
        (["r/dev.txt", "r/dev.txt"], ["dev.txt", "dev.txt"]),
        (["."], ["."]),
    ],
)
def test_names_are_what_tells_paths_apart(paths: list[str], names: list[str]) -> None:
    assert name_files([Path(path) for path in paths]) == names


def test_a_short_name_stays_different_from_the_others() -> None:
    long = "experiment-of-tuesday-"
    assert shorten_names([long + "a", long + "b", "c"]) == {
        long + "a": "experimen…-tuesday-a",
        long + "b": "experimen…-tuesday-b",
        "c": "c",
    }
    alike = ["experiment-of-tuesday-evening", "experiment-of-wednesday-evening", "experiment-of-sunday-evening"]
    assert list(shorten_names(alike).values()) == alike
