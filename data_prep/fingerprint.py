"""A digest of files, without any of them opened."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from asr.text.normaliser import VERSION as TEXT_VERSION
from data_prep.audio_cache import VERSION
from data_prep.subset import stamp_subset


def fingerprint_files(settings: Mapping[str, object], names: Iterable[str], root: Path, source: str) -> str:
    """Equal while settings and every file's path, size and time are. A newer way of decoding or of cleaning text also
    makes it differ.

    Args:
        settings: what else it stands for.
        names: of subsets.
        root: folder that holds them.
        source: as `corpus.source`.

    Raises:
        UserError: a subset is missing.
    """
    content = [VERSION, TEXT_VERSION, settings, str(root.absolute()), source == "manifest"]
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode())
    for name in dict.fromkeys(names):
        for stamp in stamp_subset(root, name, source):
            digest.update(stamp.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
