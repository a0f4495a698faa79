"""LibriSpeech from OpenSLR (resource 12): resumable, checked, unpacked without trusting the archive.

The MD5 sums are those of the `md5sum.txt` that OpenSLR publishes beside the archives.
"""

from __future__ import annotations

import hashlib
import http.client
import shutil
import tarfile
import urllib.error
import urllib.request
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

Progress = Callable[[str], None]


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def _fetch_rest(url: str, partial: Path, progress: Progress | None) -> None:
    """Append what `partial` lacks of `url`; from the start again where the server cannot go on in the middle."""
    have = partial.stat().st_size if partial.exists() else 0
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
                progress(f"{partial.name}: {have >> 20:,} of {total >> 20:,} MiB" if total else f"{have >> 20:,} MiB")
        # A lost connection looks like the end of the file.
        if total is not None and have < total:
            raise http.client.IncompleteRead(b"", total - have)


def _fetch(url: str, archive: Path, md5: str | None, progress: Progress | None) -> None:
    """Download `url` to `archive`, going on where an earlier attempt stopped."""
    if archive.exists():
        return
    partial = archive.with_name(f"{archive.name}.partial")
    by_hand = f"download {url} by hand to {archive}, or put the unpacked subset into {archive.parent}"
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _fetch_rest(url, partial, progress)
            break
        except urllib.error.HTTPError as error:
            raise UserError(
                f"{url}: the server answers {error.code} {error.reason}; check corpus.base_url, or {by_hand}"
            ) from None
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
            if attempt == ATTEMPTS:
                raise UserError(
                    f"{url}: cannot be reached ({error}); run the same command again, or {by_hand}"
                ) from None
        except OSError as error:
            raise UserError(f"{partial}: cannot be written ({error.strerror}); make room and run again") from None
    if md5 is not None and (found := _md5(partial)) != md5:
        partial.unlink()
        raise UserError(f"{url}: MD5 is {found}, but should be {md5}; what was downloaded is deleted, run again")
    partial.replace(archive)


def _check_member(member: tarfile.TarInfo, archive: Path) -> None:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or not (member.isfile() or member.isdir()):
        raise UserError(f"{archive}: refused, since its entry {member.name!r} is a link, a device or leads elsewhere")


def _unpack(archive: Path, root: Path, subset: str) -> None:
    """Unpack `LibriSpeech/<subset>/` of an archive as `root/<subset>`, aside and then renamed."""
    aside = root / f".{subset}.partial"
    shutil.rmtree(aside, ignore_errors=True)
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                _check_member(member, archive)
                parts = PurePosixPath(member.name).parts
                # The archives also carry a README and lists of speakers, beside the subset.
                if parts[:1] == ("LibriSpeech",) and parts[1:2] == (subset,) and member.isfile():
                    source = tar.extractfile(member)
                    target = aside.joinpath(*parts[2:])
                    target.parent.mkdir(parents=True, exist_ok=True)
                    if source is not None:
                        with source, target.open("wb") as file:
                            shutil.copyfileobj(source, file)
    except (tarfile.TarError, EOFError, OSError) as error:
        shutil.rmtree(aside, ignore_errors=True)
        raise UserError(f"{archive}: cannot be unpacked ({error}); delete it and run again, or make room") from None
    except UserError:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    if not aside.is_dir():
        raise UserError(f"{archive}: holds no LibriSpeech/{subset}; is it the right archive?")
    aside.rename(root / subset)


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
        root.mkdir(parents=True, exist_ok=True)
        archive = root / f"{subset}.tar.gz"
        url = f"{base_url.rstrip('/')}/{archive.name}"
        if progress:
            progress(f"{subset}: downloading {url}")
        _fetch(url, archive, md5_sums[subset], progress)
        if progress:
            progress(f"{subset}: unpacking")
        _unpack(archive, root, subset)
        archive.unlink()
