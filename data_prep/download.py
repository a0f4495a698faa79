"""Files from the network: downloads go on where they stopped, and nothing is used unchecked."""

from __future__ import annotations

import errno
import hashlib
import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from asr.errors import UserError
from asr.lock import take_turns

CHUNK = 1 << 20
TIMEOUT = 60
"""Seconds without a byte after which a connection counts as lost."""
ATTEMPTS = 5
"""Attempts in a row that bring nothing, after which a download is given up."""
PAUSE = 1.0
"""Seconds before the second attempt; twice as long before each further one."""
BUSY = (408, 429, 500, 502, 503, 504)
"""HTTP codes that may pass by themselves."""
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO)
"""Error numbers that speak of the disk and not of the network or the archive."""

Progress = Callable[[str], None]


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _fetch_rest(url: str, partial: Path, progress: Progress | None) -> None:
    """Append what `partial` lacks of `url`; from the start again where the server cannot go on in the middle."""
    have = _size(partial)
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        # 416: nothing lies beyond what we have.
        if error.code == 416:
            return
        raise
    with answer, partial.open("ab" if answer.status == 206 else "wb") as file:
        have = file.tell()
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length else None
        told = have
        while chunk := answer.read(CHUNK):
            file.write(chunk)
            have += len(chunk)
            if progress and have - told >= 200 * CHUNK:
                told = have
                of = f" of {total >> 20:,}" if total else ""
                progress(f"{url.rpartition('/')[2]}: {have >> 20:,}{of} MiB")
        # A lost connection looks like the end of the file.
        if total is not None and have < total:
            raise http.client.IncompleteRead(b"", total - have)


def _fetch(url: str, partial: Path, by_hand: str, progress: Progress | None) -> None:
    """Download `url` to `partial`, going on where an earlier attempt or run stopped."""
    attempt, most = 1, _size(partial)
    while True:
        try:
            _fetch_rest(url, partial, progress)
            return
        except urllib.error.HTTPError as error:
            failure = f"the server answers {error.code} {error.reason}"
            if error.code not in BUSY:
                raise UserError(f"{url}: {failure}; check corpus.base_url, or {by_hand}") from None
        except ValueError as error:
            raise UserError(f"{url}: {error}; check corpus.base_url") from None
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, OSError) and error.errno in DISK:
                raise UserError(
                    f"{partial}: cannot be written ({error.strerror}); make room, or allow writing, and run again: "
                    "it goes on where it stopped"
                ) from None
            failure = f"the connection failed ({error})"
        size = _size(partial)
        attempt = 1 if size > most else attempt + 1
        most = max(most, size)
        if attempt > ATTEMPTS:
            raise UserError(f"{url}: {failure}; run the same command again, it goes on, or {by_hand}")
        if progress:
            progress(f"{url}: {failure}; trying again")
        time.sleep(PAUSE * 2 ** (attempt - 1))


@contextmanager
def hold_folder(folder: Path, setting: str, progress: Progress | None = None) -> Iterator[None]:
    """Be the only process that downloads to a folder, which is made where it is not there yet.

    Args:
        folder: where files go.
        setting: names it.
        progress: told where another process is waited for.

    Raises:
        UserError: it cannot be made or written to.
    """
    with ExitStack() as held:
        try:
            held.enter_context(take_turns(folder / ".download.lock", progress))
        except OSError as error:
            raise UserError(
                f"{folder}: cannot be made or written to ({error.strerror}); set {setting} to another folder"
            ) from None
        yield


def download_checked(url: str, path: Path, md5: str, instead: str = "", progress: Progress | None = None) -> None:
    """Make `path` exist with this MD5, downloading it where it does not. What was put there by hand is never deleted.

    Its folder is to be held (`hold_folder`): two processes would write to one file.

    Args:
        url: where it comes from.
        path: where it goes, and where one may put it by hand.
        md5: 32 hexadecimal digits.
        instead: what else one can do by hand, behind a comma.
        progress: told how far it is.

    Raises:
        UserError: it cannot be downloaded or written, or is not what it should be.
    """
    by_hand = f"download {url} by hand to {path}{instead}"
    if path.exists():
        if (found := _md5(path)) != md5:
            raise UserError(f"{path}: MD5 is {found}, but should be {md5}; delete this file, then run again")
        return
    if progress:
        progress(f"{path.name}: downloading {url}")
    partial = path.with_name(f".{path.name}.partial")
    _fetch(url, partial, by_hand, progress)
    if (found := _md5(partial)) != md5:
        partial.unlink()
        raise UserError(
            f"{url}: MD5 is {found}, but should be {md5}; what was downloaded is deleted, run again, or {by_hand}"
        )
    partial.replace(path)
