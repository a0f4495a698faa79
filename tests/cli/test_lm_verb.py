from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from asr.cli.main import main

if TYPE_CHECKING:
    from tiny_corpus import TinyCorpus


@pytest.mark.parametrize("order", ["0", "1", "7"])
def test_an_order_that_kenlm_does_not_read_is_refused(
    order: str, tiny_corpus: TinyCorpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text").write_text("ONE TWO\n")
    out = tmp_path / "lm.arpa"
    command = ["lm", str(tmp_path / "text"), "--out", str(out), "--tokens", str(tiny_corpus.tokens)]
    assert main([*command, "--order", order]) == 2
    assert f"--order {order}: must be between 2 and 6" in capsys.readouterr().err
    assert not out.exists()
    assert main([*command, "--order", "2"]) == 0
    assert out.exists()
