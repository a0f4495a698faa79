"""The settings of a corpus, wherever they lie."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from asr.config import Config
from asr.config_file import load_config
from asr.errors import UserError

CONF = Path(__file__).parents[2] / "conf"


def find_config(corpus: str, overrides: Sequence[str], batch_scale: float | None) -> Config:
    """Settings of a corpus by name (in conf/) or by path, at κ."""
    path = Path(corpus) if corpus.endswith((".yaml", ".yml")) else CONF / f"{corpus}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in CONF.glob("*.yaml")))
        raise UserError(f"--corpus {corpus}: no such settings; known are {known}, or give the path of a YAML file")
    config = load_config(path, overrides)
    return config if batch_scale is None else dataclasses.replace(config, batch_scale=batch_scale)
