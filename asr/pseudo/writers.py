"""Labels for other toolkits: NeMo's manifests, Kaldi's `text`, Lhotse's supervisions."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from asr.data.manifest import Manifest, Utterance
from asr.data.packed import find_place
from asr.pseudo.label import Label

Form = Literal["nemo", "kaldi", "lhotse"]
FILES: dict[Form, str] = {"nemo": "labels.json", "kaldi": "text", "lhotse": "supervisions.jsonl.gz"}


def _row(utterance: Utterance, label: Label, form: Form) -> str:
    if form == "kaldi":
        return f"{utterance.id} {label.text}".rstrip()
    confidence = round(label.mean_log_prob, 5)
    if form == "nemo":
        return json.dumps(
            {
                "audio_filepath": utterance.audio_filepath,
                "offset": utterance.offset,
                "duration": utterance.duration,
                "text": label.text,
                "mean_log_prob": confidence,
            },
            ensure_ascii=False,
        )
    # Times of a supervision are those within its recording, whose name is the file's. Many places share a tar's.
    audio = Path(utterance.audio_filepath)
    return json.dumps(
        {
            "id": utterance.id,
            "recording_id": audio.name if find_place(utterance.audio_filepath) else audio.stem,
            "start": utterance.offset,
            "duration": utterance.duration,
            "channel": 0,
            "text": label.text,
            "speaker": utterance.speaker,
            "custom": {"mean_log_prob": confidence},
        },
        ensure_ascii=False,
    )


def _rows(manifest: Manifest, labels: Mapping[str, Label], form: Form) -> Iterator[str]:
    utterances = (u for u in manifest if u.id in labels)
    # Kaldi wants its files sorted by the bytes of their ids.
    for utterance in sorted(utterances, key=lambda u: u.id.encode()) if form == "kaldi" else utterances:
        yield _row(utterance, labels[utterance.id], form) + "\n"


def write_labels(folder: Path, manifest: Manifest, labels: Mapping[str, Label], form: Form) -> str:
    """Write all labels into a subfolder of `folder`, named by `form`; returns what to tell the user."""
    target = folder / form / FILES[form]
    target.parent.mkdir(exist_ok=True)
    aside = target.with_name(f".{target.name}.partial")
    with aside.open("wb") as raw:
        # Without a time in its header: the same labels are the same bytes.
        packed = gzip.GzipFile("", "wb", fileobj=raw, mtime=0) if form == "lhotse" else raw
        with io.TextIOWrapper(packed, encoding="utf-8", write_through=True) as file:
            file.writelines(_rows(manifest, labels, form))
    aside.replace(target)
    missing = len(manifest) - sum(u.id in labels for u in manifest)
    return f"{target}: {len(labels):,} labels" + (f"; {missing:,} utterances have none" if missing else "")
