"""Downloads from a server on this machine."""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from asr.errors import UserError
from data_prep.librispeech import download


@dataclass
class Server:
    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    ranges: list[str | None] = field(default_factory=list)
    honours_ranges: bool = True
    cut_after: int | None = None


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # noqa: N802 (the library's name)
            content = state.files.get(self.path.lstrip("/"))
            wanted = self.headers.get("Range")
            state.ranges.append(wanted)
            if content is None:
                self.send_error(404)
                return
            start = 0
            if wanted and state.honours_ranges:
                match = re.match(r"bytes=(\d+)-", wanted)
                start = int(match[1]) if match else 0
                if start >= len(content):
                    self.send_error(416)
                    return
                self.send_response(206)
            else:
                self.send_response(200)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            stop, state.cut_after = state.cut_after, None
            self.wfile.write(content[start:stop])
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{http.server_address[1]}/"
    yield state
    http.shutdown()


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


def fetch(server: Server, root: Path, content: bytes = GOOD, md5: str | None = None) -> None:
    server.files["dev-clean.tar.gz"] = content
    sums = {"dev-clean": md5 or hashlib.md5(content).hexdigest()}
    download(root, ["dev-clean"], server.url, md5_sums=sums)


def test_a_subset_is_fetched_checked_and_unpacked_and_the_archive_removed(server: Server, tmp_path: Path) -> None:
    fetch(server, tmp_path / "LibriSpeech")
    assert [p.name for p in (tmp_path / "LibriSpeech").iterdir()] == ["dev-clean"]
    unpacked = tmp_path / "LibriSpeech" / "dev-clean" / "1" / "2" / "1-2-0000.flac"
    assert unpacked.read_bytes() == bytes(range(256)) * 300


def test_a_subset_on_disk_is_left_alone(server: Server, tmp_path: Path) -> None:
    (tmp_path / "dev-clean").mkdir()
    fetch(server, tmp_path)
    assert server.ranges == []


@pytest.mark.parametrize("honours_ranges", [True, False])
def test_a_download_that_broke_off_goes_on_in_the_middle(server: Server, tmp_path: Path, honours_ranges: bool) -> None:
    server.honours_ranges = honours_ranges
    server.cut_after = 700
    fetch(server, tmp_path)
    assert server.ranges == [None, "bytes=700-"]
    assert (tmp_path / "dev-clean").is_dir()


def test_a_partial_file_of_an_earlier_run_is_used(server: Server, tmp_path: Path) -> None:
    (tmp_path / "dev-clean.tar.gz.partial").write_bytes(GOOD[:500])
    fetch(server, tmp_path)
    assert server.ranges == ["bytes=500-"]


def test_a_wrong_checksum_is_an_error_and_nothing_is_kept(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="MD5 is .* but should be 0000"):
        fetch(server, tmp_path, md5="0000")
    assert list(tmp_path.iterdir()) == []


def link(name: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type = tarfile.SYMTYPE
    member.linkname = "/etc/passwd"
    return member


@pytest.mark.parametrize(
    "content",
    [
        archive({"../evil": b"x"}),
        archive({"/evil": b"x"}),
        archive({"LibriSpeech/dev-clean/../../evil": b"x"}),
        archive({"LibriSpeech/dev-clean/a": b"x"}, link("LibriSpeech/dev-clean/b")),
    ],
)
def test_a_hostile_archive_is_refused(server: Server, tmp_path: Path, content: bytes) -> None:
    root = tmp_path / "deep" / "root"
    with pytest.raises(UserError, match="refused"):
        fetch(server, root, content)
    assert [p.name for p in root.iterdir()] == ["dev-clean.tar.gz"]
    assert [p.name for p in tmp_path.iterdir()] == ["deep"]


def test_an_archive_of_something_else_or_of_nothing_is_an_error(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no LibriSpeech/dev-clean"):
        fetch(server, tmp_path / "a", archive({"Other/x": b"x"}))
    with pytest.raises(UserError, match="cannot be unpacked"):
        fetch(server, tmp_path / "b", b"no archive")


def test_what_the_server_lacks_and_what_has_no_sum_are_errors(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"answers 404.*by hand"):
        download(tmp_path, ["dev-other"], server.url)
    with pytest.raises(UserError, match="no LibriSpeech subset to download"):
        download(tmp_path, ["train-clean-5"], server.url)
