"""What a folder holds, nothing passed over."""

from __future__ import annotations

import os
from pathlib import Path

from asr.errors import UserError


def files_below(folder: Path) -> list[Path]:
    """What is in and below a folder, sorted; through links to folders, too, each folder once, so that loops end.

    Links that lead nowhere and pipes are among it: whoever reads them says so.

    Raises:
        UserError: a folder cannot be listed.
    """
    found: list[Path] = []
    seen: set[str] = set()

    def refuse(error: OSError) -> None:
        raise UserError(f"{error.filename}: cannot list this folder ({error.strerror})")

    for above, folders, names in os.walk(folder, followlinks=True, onerror=refuse):
        if (real := os.path.realpath(above)) in seen:
            folders.clear()
            continue
        seen.add(real)
        folders.sort()
        found += (Path(above, name) for name in names)
    return sorted(found)
