from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks import beside

TABLE = """                                        supervised  with pseudo-labels
× real time                                    142                 117
padding                                       1.5%                2.8%
"""


def test_speeds_are_read_from_the_table_and_held_against_the_fair_share(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert beside.speeds(TABLE) == {"supervised": 142.0, "with pseudo-labels": 117.0}
    asked = []

    def measure(options: list[str], policy: str, shared: bool) -> dict[str, float]:
        asked.append((options, policy, shared))
        return {"supervised": 50.0 if shared else 100.0}

    monkeypatch.setattr(beside, "measure", measure)
    monkeypatch.setattr(beside, "free_processors", lambda: 3)
    monkeypatch.setattr(sys, "argv", ["beside.py", "--rounds", "1", "--corpus", "mini"])
    beside.main()
    assert len(asked) == 4
    assert asked[0] == (["--corpus", "mini"], "brief", False)
    assert "brief, supervised: alone 100 (100 – 100) ×, beside 50 (50 – 50) ×, of its fair share 0.67" in (
        capsys.readouterr().out
    )
