from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
import yaml

from asr.config_file import to_dict

if TYPE_CHECKING:
    from tiny_corpus import TinyCorpus


@pytest.fixture
def recipe(tiny_corpus: TinyCorpus, tmp_path: Path) -> list[str]:
    """A corpus on disk and arguments that take it through all stages in seconds."""
    rng = np.random.default_rng(0)
    for subset, speaker, count in (("train", 1, 8), ("audio", 2, 12), ("dev", 3, 3), ("dev", 4, 2)):
        folder = tmp_path / "data" / "tiny" / subset / str(speaker) / "1"
        folder.mkdir(parents=True)
        names = [f"{speaker}-1-{row:04d}" for row in range(count)]
        for name in names:
            samples = rng.integers(-3000, 3000, int(rng.uniform(0.8, 2.0) * 16_000)).astype(np.int16)
            soundfile.write(folder / f"{name}.flac", samples, 16_000)
        (folder / f"{speaker}-1.trans.txt").write_text("".join(f"{name} ONE TWO\n" for name in names))
    settings = to_dict(tiny_corpus.config)
    settings["corpus"] |= {"labeled": ["train"], "unlabeled": ["audio"], "dev": ["dev"]}
    config = tmp_path / "tiny.yaml"
    config.write_text(yaml.safe_dump(settings))
    places = ["--data-dir", str(tmp_path / "data"), "--exp-dir", str(tmp_path / "exp")]
    return ["recipe", "--corpus", str(config), *places]
