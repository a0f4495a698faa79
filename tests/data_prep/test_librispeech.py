"""Downloads from a server on this machine."""

from __future__ import annotations

import errno
import hashlib
import io
import re
import shutil
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from file_server import FileServer

from asr.errors import UserError
from data_prep.librispeech import ARCHIVES, Archive, download


def archive(names: dict[str, bytes], special: tarfile.TarInfo | None = None) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in names.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        if special:
            tar.addfile(special)
    return buffer.getvalue()


GOOD = archive({"LibriSpeech/README.TXT": b"hello", "LibriSpeech/dev-clean/1/2/1-2-0000.flac": bytes(range(256)) * 300})


def fetch(server: FileServer, root: Path, content: bytes = GOOD, md5: str | None = None) -> None:
    server.files["12/dev-clean.tar.gz"] = content
    archives = {"dev-clean": Archive(12, md5 or hashlib.md5(content).hexdigest())}
    download(root, ["dev-clean"], server.url, archives=archives)


def kept(root: Path) -> list[str]:
    return [path.name for path in root.iterdir() if path.name != ".download.lock"]


def test_a_subset_is_fetched_checked_and_unpacked_and_the_archive_removed(server: FileServer, tmp_path: Path) -> None:
    fetch(server, tmp_path / "LibriSpeech")
    assert kept(tmp_path / "LibriSpeech") == ["dev-clean"]
    unpacked = tmp_path / "LibriSpeech" / "dev-clean" / "1" / "2" / "1-2-0000.flac"
    assert unpacked.read_bytes() == bytes(range(256)) * 300


def test_a_subset_on_disk_is_left_alone(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "dev-clean").mkdir()
    fetch(server, tmp_path)
    assert server.ranges == []


@pytest.mark.parametrize("honours_ranges", [True, False])
def test_a_download_that_broke_off_goes_on_in_the_middle(
    server: FileServer, tmp_path: Path, honours_ranges: bool
) -> None:
    server.honours_ranges = honours_ranges
    server.cuts = [700]
    fetch(server, tmp_path)
    assert server.ranges == [None, "bytes=700-"]
    assert (tmp_path / "dev-clean").is_dir()


def test_a_partial_file_of_an_earlier_run_is_used(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / ".dev-clean.tar.gz.partial").write_bytes(GOOD[:500])
    fetch(server, tmp_path)
    assert server.ranges == ["bytes=500-"]


def test_a_wrong_checksum_is_an_error_and_nothing_is_kept(server: FileServer, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"MD5 is .* but should be 0000"):
        fetch(server, tmp_path, md5="0000")
    assert kept(tmp_path) == []


def test_a_corrupted_byte_in_the_middle_is_an_error(server: FileServer, tmp_path: Path) -> None:
    sum_of_whole = hashlib.md5(GOOD).hexdigest()
    corrupted = GOOD[:300] + bytes([GOOD[300] ^ 1]) + GOOD[301:]
    with pytest.raises(UserError, match=f"should be {sum_of_whole}.*by hand"):
        fetch(server, tmp_path, corrupted, sum_of_whole)
    assert kept(tmp_path) == []
    fetch(server, tmp_path)
    assert (tmp_path / "dev-clean").is_dir()


def test_a_partial_file_of_something_else_is_found_out_and_the_next_run_succeeds(
    server: FileServer, tmp_path: Path
) -> None:
    (tmp_path / ".dev-clean.tar.gz.partial").write_bytes(b"x" * 2 * len(GOOD))
    with pytest.raises(UserError, match="MD5"):
        fetch(server, tmp_path)
    fetch(server, tmp_path)
    assert kept(tmp_path) == ["dev-clean"]


def test_many_lost_connections_are_borne_as_long_as_each_brings_something(server: FileServer, tmp_path: Path) -> None:
    server.cuts = [60] * 12
    fetch(server, tmp_path)
    assert server.ranges[-1] == "bytes=720-"
    assert (tmp_path / "dev-clean").is_dir()


@pytest.mark.parametrize("honours_ranges", [True, False])
def test_a_download_that_comes_no_further_is_given_up_and_kept(
    server: FileServer, tmp_path: Path, honours_ranges: bool
) -> None:
    server.honours_ranges = honours_ranges
    server.cuts = [100, *([0] * 30)] if honours_ranges else [100, 50] * 30
    with pytest.raises(UserError, match=r"connection failed.*it goes on, or download .* by hand to .*dev-clean.tar.gz"):
        fetch(server, tmp_path)
    assert len(server.ranges) < 10
    assert kept(tmp_path) == [".dev-clean.tar.gz.partial"]


def test_a_busy_server_is_asked_again_and_a_refusing_one_is_not(server: FileServer, tmp_path: Path) -> None:
    server.refusals = [503, 429]
    fetch(server, tmp_path / "a")
    assert len(server.ranges) == 3
    server.refusals = [403]
    with pytest.raises(UserError, match=r"403 Forbidden; check corpus.base_url"):
        fetch(server, tmp_path / "b")
    assert len(server.ranges) == 4


def test_a_server_that_is_not_there_is_an_error(server: FileServer, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"connection failed.*by hand"):
        download(tmp_path, ["dev-clean"], "http://127.0.0.1:1")
    with pytest.raises(UserError, match=r"unknown url type.*check corpus.base_url"):
        download(tmp_path, ["dev-clean"], "openslr")
    assert server.ranges == []


def test_an_archive_put_there_by_hand_is_checked_and_used_without_the_network(
    server: FileServer, tmp_path: Path
) -> None:
    path = tmp_path / "dev-clean.tar.gz"
    path.write_bytes(GOOD[:-1])
    with pytest.raises(UserError, match="delete this file"):
        fetch(server, tmp_path)
    assert path.read_bytes() == GOOD[:-1]
    path.write_bytes(GOOD)
    fetch(server, tmp_path)
    assert server.ranges == []
    assert kept(tmp_path) == ["dev-clean"]


def test_a_full_disk_is_an_error_that_says_so(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(UserError, match=r"cannot be unpacked here .No space left.*make room"):
        fetch(server, tmp_path)
    assert kept(tmp_path) == ["dev-clean.tar.gz"]
    monkeypatch.undo()
    monkeypatch.setattr("data_prep.download._fetch_rest", full)
    with pytest.raises(UserError, match=r"\.partial: cannot be written .No space left.*make room"):
        fetch(server, tmp_path / "b")


def test_a_root_that_cannot_be_made_is_an_error(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UserError, match=r"cannot be made .*corpus.root"):
        fetch(server, tmp_path / "file" / "LibriSpeech")


def test_two_processes_that_want_a_subset_fetch_it_once(server: FileServer, tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: fetch(server, tmp_path), range(2)))
    assert server.ranges == [None]
    assert kept(tmp_path) == ["dev-clean"]


def test_the_official_sums_are_of_all_subsets_and_well_formed() -> None:
    assert len({archive.md5 for archive in ARCHIVES.values()}) == len(ARCHIVES) == 9
    assert all(re.fullmatch("[0-9a-f]{32}", archive.md5) for archive in ARCHIVES.values())


def test_each_subset_comes_from_the_resource_that_has_it(server: FileServer, tmp_path: Path) -> None:
    archives = {}
    for subset, official in ARCHIVES.items():
        content = archive({f"LibriSpeech/{subset}/1/2/1-2-0000.flac": subset.encode()})
        server.files[f"{official.resource}/{subset}.tar.gz"] = content
        archives[subset] = Archive(official.resource, hashlib.md5(content).hexdigest())
    download(tmp_path, ["train-clean-5", "dev-clean-2", "dev-clean"], server.url, archives=archives)
    assert server.paths == ["31/train-clean-5.tar.gz", "31/dev-clean-2.tar.gz", "12/dev-clean.tar.gz"]
    for subset in ("train-clean-5", "dev-clean-2", "dev-clean"):
        assert (tmp_path / subset / "1" / "2" / "1-2-0000.flac").read_bytes() == subset.encode()


def special(name: str, kind: bytes, target: str = "") -> bytes:
    member = tarfile.TarInfo(name)
    member.type = kind
    member.linkname = target
    return archive({"LibriSpeech/dev-clean/a": b"x"}, member)


HOSTILE = {
    "above": archive({"../evil": b"x"}),
    "absolute": archive({"/evil": b"x"}),
    "up and down": archive({"LibriSpeech/dev-clean/../../evil": b"x"}),
    "symbolic link": special("LibriSpeech/dev-clean/b", tarfile.SYMTYPE, "/etc/passwd"),
    "hard link": special("LibriSpeech/dev-clean/b", tarfile.LNKTYPE, "/etc/passwd"),
    "link to a folder": special("LibriSpeech/dev-clean", tarfile.SYMTYPE, "/tmp"),
    "pipe": special("LibriSpeech/dev-clean/b", tarfile.FIFOTYPE),
    "device": special("LibriSpeech/dev-clean/b", tarfile.CHRTYPE),
    "beside the subset": special("LibriSpeech/other", tarfile.SYMTYPE, "/tmp"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_archive_is_refused_and_leaves_nothing(server: FileServer, tmp_path: Path, kind: str) -> None:
    root = tmp_path / "deep" / "root"
    with pytest.raises(UserError, match="refused"):
        fetch(server, root, HOSTILE[kind])
    assert kept(root) == ["dev-clean.tar.gz"]
    assert kept(tmp_path) == ["deep"]


def test_an_archive_of_something_else_or_of_nothing_is_an_error(server: FileServer, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no LibriSpeech/dev-clean"):
        fetch(server, tmp_path / "a", archive({"Other/x": b"x"}))
    with pytest.raises(UserError, match="cannot be unpacked"):
        fetch(server, tmp_path / "b", b"no archive")
    with pytest.raises(UserError, match="cannot be unpacked"):
        fetch(server, tmp_path / "c", GOOD[: len(GOOD) // 2])
    assert [name for folder in "abc" for name in kept(tmp_path / folder)] == ["dev-clean.tar.gz"] * 3


def test_what_the_server_lacks_and_what_has_no_sum_are_errors(server: FileServer, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"answers 404.*by hand"):
        download(tmp_path, ["dev-other"], server.url)
    asked = len(server.paths)
    with pytest.raises(UserError, match="train-clean-6: not there, and no LibriSpeech subset to download"):
        download(tmp_path, ["dev-clean", "train-clean-6"], server.url)
    assert len(server.paths) == asked
