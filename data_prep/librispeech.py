"""LibriSpeech from OpenSLR (resource 12): resumable, checked, unpacked without trusting the archive.

The MD5 sums are those of the list that OpenSLR publishes beside the archives,
https://www.openslr.org/resources/12/md5sum.txt, compared with the copies in other toolkits' recipes.
"""

from __future__ import annotations

import errno
import hashlib
import http.client
import shutil
import tarfile
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from asr.errors import UserError

OFFICIAL_MD5: Mapping[str, str] = {
    "dev-clean": "42e2234ba48799c1f50f24a7926300a1",
    "dev-other": "c8d0bcc9cca99d4f8b62fcc847357931",
    "test-clean": "32fa31d27d2e1cad72775fee3f4849a9",
    "test-other": "fb5a50374b501bb3bac4815ee91d3135",
    "train-clean-100": "2a93770f6d5c6c964bc36631d331a522",
    "train-clean-360": "c0e676e450a7ff2f54aeade5171606fa",
    "train-other-500": "d1a0fd59409feb2c614ce4d30c387708",
}

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


def _checked_archive(url: str, archive: Path, md5: str, progress: Progress | None) -> None:
    """Make `archive` exist and have this MD5. What was put there by hand is checked too, but never deleted."""
    by_hand = f"download {url} by hand to {archive}, or put the unpacked subset into {archive.parent}"
    if archive.exists():
        if (found := _md5(archive)) != md5:
            raise UserError(f"{archive}: MD5 is {found}, but should be {md5}; delete this file, then run again")
        return
    partial = archive.with_name(f".{archive.name}.partial")
    _fetch(url, partial, by_hand, progress)
    if (found := _md5(partial)) != md5:
        partial.unlink()
        raise UserError(
            f"{url}: MD5 is {found}, but should be {md5}; what was downloaded is deleted, run again, or {by_hand}"
        )
    partial.replace(archive)


def _check_member(member: tarfile.TarInfo, archive: Path) -> None:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or not (member.isfile() or member.isdir()):
        raise UserError(f"{archive}: refused, since its entry {member.name!r} is a link, a device or leads elsewhere")


def _extract(archive: Path, subset: str, folder: Path) -> None:
    """The archive's `LibriSpeech/<subset>/` as `folder`; nothing of it is trusted."""
    with tarfile.open(archive) as tar:
        for member in tar:
            _check_member(member, archive)
            parts = PurePosixPath(member.name).parts
            # The archives also carry a README and lists of speakers, beside the subset.
            if parts[:2] != ("LibriSpeech", subset) or len(parts) == 2 or not member.isfile():
                continue
            source = tar.extractfile(member)
            target = folder.joinpath(*parts[2:])
            target.parent.mkdir(parents=True, exist_ok=True)
            if source is not None:
                with source, target.open("wb") as file:
                    shutil.copyfileobj(source, file, CHUNK)


def _unpack(archive: Path, root: Path, subset: str) -> None:
    """Unpack a subset's archive as `root/<subset>`, aside and then renamed."""
    aside = root / f".{subset}.partial"
    shutil.rmtree(aside, ignore_errors=True)
    try:
        _extract(archive, subset, aside)
        if not aside.is_dir():
            raise UserError(f"{archive}: holds no LibriSpeech/{subset}; is it the right archive?")
        aside.rename(root / subset)
    # ValueError: a name holds a zero byte.
    except (tarfile.TarError, EOFError, OSError, ValueError, zlib.error) as error:
        if isinstance(error, OSError) and error.errno in DISK:
            raise UserError(
                f"{root}: {archive.name} cannot be unpacked here ({error.strerror}); "
                "make room, or allow writing, and run again"
            ) from None
        raise UserError(f"{archive}: cannot be unpacked ({error}); delete it and run again") from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def download(
    root: Path,
    subsets: Sequence[str],
    base_url: str,
    progress: Progress | None = None,
    md5_sums: Mapping[str, str] = OFFICIAL_MD5,
) -> None:
    """Make sure that `root/<subset>` exists for each subset, downloading what is missing.

    Args:
        root: the folder LibriSpeech, where subsets lie or go.
        subsets: such as `train-clean-100`.
        base_url: `<base_url>/<subset>.tar.gz` is fetched.
        progress: told how far it is.
        md5_sums: by subset; one that is not listed must be on disk already.

    Raises:
        UserError: a subset is neither there nor downloadable, or an archive is not what it should be.
    """
    for subset in subsets:
        if (root / subset).is_dir():
            continue
        if subset not in md5_sums:
            known = ", ".join(md5_sums)
            raise UserError(f"{root / subset}: not there, and no LibriSpeech subset to download; those are {known}")
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{root}: cannot be made ({error.strerror}); set corpus.root to another folder") from None
        archive = root / f"{subset}.tar.gz"
        url = f"{base_url.rstrip('/')}/{archive.name}"
        if progress:
            progress(f"{subset}: downloading {url}")
        _checked_archive(url, archive, md5_sums[subset], progress)
        if progress:
            progress(f"{subset}: unpacking")
        _unpack(archive, root, subset)
        archive.unlink()
