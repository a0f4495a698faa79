from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
from file_server import FileServer

from asr.errors import UserError
from data_prep.librispeech_lm import LANGUAGE_MODELS, LEXICON, MD5, download_language_model

FILES = {file: bytes(range(256)) * (10 + row) for row, file in enumerate(MD5)}


@pytest.fixture
def openslr(server: FileServer, monkeypatch: pytest.MonkeyPatch) -> FileServer:
    for file, content in FILES.items():
        server.files[f"11/{file}"] = content
        monkeypatch.setitem(MD5, file, hashlib.md5(content).hexdigest())
    return server


def test_the_sums_are_of_all_files_and_well_formed() -> None:
    assert set(MD5) == {*LANGUAGE_MODELS.values(), LEXICON}
    assert all(re.fullmatch("[0-9a-f]{32}", md5) for md5 in MD5.values())


@pytest.mark.parametrize("name", LANGUAGE_MODELS)
def test_a_language_model_comes_with_its_lexicon_and_only_once(name: str, openslr: FileServer, tmp_path: Path) -> None:
    openslr.cuts = [1000]
    for _ in range(2):
        download_language_model(name, tmp_path / "lm", openslr.url)
    arpa = LANGUAGE_MODELS[name]
    assert openslr.paths == [f"11/{arpa}", f"11/{arpa}", f"11/{LEXICON}"]
    assert openslr.ranges[:2] == [None, "bytes=1000-"]
    assert {path.name: path.read_bytes() for path in (tmp_path / "lm").glob("[!.]*")} == {
        file: FILES[file] for file in (arpa, LEXICON)
    }


def test_a_file_that_is_not_the_official_one_is_refused(openslr: FileServer, tmp_path: Path) -> None:
    openslr.files["11/3-gram.pruned.1e-7.arpa.gz"] = b"other"
    with pytest.raises(UserError, match=r"1e-7\.arpa\.gz: MD5 is .*name another file with decode\.lm"):
        download_language_model("librispeech-3gram-pruned", tmp_path, openslr.url)
    assert [path.name for path in tmp_path.iterdir()] == [".download.lock"]
    (tmp_path / "4-gram.arpa.gz").write_bytes(b"other")
    with pytest.raises(UserError, match=r"4-gram\.arpa\.gz: MD5 is .* delete this file"):
        download_language_model("librispeech-4gram", tmp_path, openslr.url)
    assert (tmp_path / "4-gram.arpa.gz").read_bytes() == b"other"
