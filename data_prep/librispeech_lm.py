"""LibriSpeech's own language models and lexicon, from OpenSLR (resource 11).

OpenSLR publishes no list of sums for these files. Those here are of pydrobert's recipe, whose sums of LibriSpeech's
seven archives are the official ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path

from data_prep.download import Progress, download_checked, hold_folder

RESOURCE = 11
LANGUAGE_MODELS: Mapping[str, str] = {
    "librispeech-3gram-pruned": "3-gram.pruned.1e-7.arpa.gz",
    "librispeech-4gram": "4-gram.arpa.gz",
}
"""By the name that settings have for it."""
LEXICON = "librispeech-lexicon.txt"
"""200,000 words, those of the models, and how they are said."""
MD5 = {
    "3-gram.pruned.1e-7.arpa.gz": "9a0f1325bcaf3a0f7b7be4be10823c2a",
    "4-gram.arpa.gz": "6abdcd5b055bd482e4f9defe91d40408",
    LEXICON: "28f72663f6bfed7cd346283c064c315b",
}


def download_language_model(name: str, folder: Path, base_url: str, progress: Progress | None = None) -> None:
    """Make sure that a language model and the lexicon lie in `folder`, downloading what is missing.

    Args:
        name: one of the `LANGUAGE_MODELS`.
        folder: where they go.
        base_url: `<base_url>/11/4-gram.arpa.gz`, for instance, is fetched.
        progress: told how far it is.

    Raises:
        UserError: a file is neither there nor downloadable, or is not what it should be.
    """
    files = (LANGUAGE_MODELS[name], LEXICON)
    # A folder that has them may be one that nobody here may write to.
    there = all((folder / file).exists() for file in files)
    with nullcontext() if there else hold_folder(folder, "--data-dir", progress):
        for file in files:
            url = f"{base_url.rstrip('/')}/{RESOURCE}/{file}"
            instead = ", or name another file with decode.lm"
            download_checked(url, folder / file, MD5[file], instead, progress)
