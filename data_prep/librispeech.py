"""LibriSpeech from OpenSLR: downloaded, checked, unpacked without trusting the archive.

The MD5 sums are those of the lists that OpenSLR publishes beside the archives, such as
https://www.openslr.org/resources/12/md5sum.txt, compared with the copies in other toolkits' recipes.
"""

from __future__ import annotations

import shutil
import tarfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from asr.errors import UserError
from data_prep.download import CHUNK, DISK, Progress, download_checked, hold_folder


@dataclass(frozen=True)
class Archive:
    resource: int
    """OpenSLR's number of what it belongs to: 12 is LibriSpeech, 31 mini LibriSpeech."""
    md5: str


ARCHIVES: Mapping[str, Archive] = {
    "dev-clean": Archive(12, "42e2234ba48799c1f50f24a7926300a1"),
    "dev-other": Archive(12, "c8d0bcc9cca99d4f8b62fcc847357931"),
    "test-clean": Archive(12, "32fa31d27d2e1cad72775fee3f4849a9"),
    "test-other": Archive(12, "fb5a50374b501bb3bac4815ee91d3135"),
    "train-clean-100": Archive(12, "2a93770f6d5c6c964bc36631d331a522"),
    "train-clean-360": Archive(12, "c0e676e450a7ff2f54aeade5171606fa"),
    "train-other-500": Archive(12, "d1a0fd59409feb2c614ce4d30c387708"),
    "train-clean-5": Archive(31, "5df7d4e78065366204ca6845bb08f490"),
    "dev-clean-2": Archive(31, "6d7ab67ac6a1d2c993d050e16d61080d"),
}


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
    archives: Mapping[str, Archive] = ARCHIVES,
) -> None:
    """Make sure that `root/<subset>` exists for each subset, downloading what is missing.

    Args:
        root: the folder LibriSpeech, where subsets lie or go.
        subsets: such as `train-clean-100`.
        base_url: `<base_url>/<resource>/<subset>.tar.gz` is fetched.
        progress: told how far it is.
        archives: by subset; one that is not listed must be on disk already.

    Raises:
        UserError: a subset is neither there nor downloadable, or an archive is not what it should be.
    """
    missing = [subset for subset in subsets if not (root / subset).is_dir()]
    if not missing:
        return
    for subset in missing:
        # Known before gigabytes of the others have come.
        if subset not in archives:
            known = ", ".join(archives)
            raise UserError(f"{root / subset}: not there, and no LibriSpeech subset to download; those are {known}")
    with hold_folder(root, "corpus.root", progress):
        for subset in missing:
            if (root / subset).is_dir():
                continue
            archive = root / f"{subset}.tar.gz"
            url = f"{base_url.rstrip('/')}/{archives[subset].resource}/{archive.name}"
            instead = f", or put the unpacked subset into {root}"
            download_checked(url, archive, archives[subset].md5, instead, progress)
            if progress:
                progress(f"{subset}: unpacking")
            _unpack(archive, root, subset)
            archive.unlink()
