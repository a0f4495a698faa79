"""Labels for other toolkits: NeMo's manifests, Kaldi's `text`, Lhotse's supervisions."""

from __future__ import annotations

import gzip
import io
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from asr.data.manifest import Manifest, Utterance
from asr.data.packed import find_place
from asr.pseudo.label import Label
from asr.whole_file import whole_file

Form = Literal["nemo", "kaldi", "lhotse"]
FILES: dict[Form, str] = {"nemo": "labels.json", "kaldi": "text", "lhotse": "supervisions.jsonl.gz"}


CACHED = re.compile(r"/([0-9a-f]{2})/\1[0-9a-f]{18}\.flac$")
"""Where stage 1 keeps what it has decoded: a name that says nothing of the recording."""


def _said_by_ids(rows: Sequence[tuple[str, float]]) -> str | None:
    """The recording's name, by ids and beginnings of its utterances; None where they do not tell it.

    Ids are a recording's, where it is one utterance, or with the hundredth of a second behind it at which each begins.
    """
    bases = {name.removesuffix(f"-{round(100 * begin):07d}") for name, begin in rows}
    whole = len(rows) > 1 or rows[0][1] == 0 or rows[0][0] not in bases
    return bases.pop() if len(bases) == 1 and whole else None


def _choices(path: str, rows: Sequence[tuple[str, float]]) -> list[str]:
    """What a file's recording may be called, best first; the last is no other file's."""
    file, said = Path(path), _said_by_ids(rows)
    ours = find_place(path) is not None or CACHED.search(path) is not None
    return [*([] if ours else [file.stem]), *([said] if said else []), file.name, path]


def _name_recordings(manifest: Manifest) -> dict[str, str]:
    """An id of each file's recording that is no other's."""
    rows: dict[str, list[tuple[str, float]]] = {}
    for utterance in manifest:
        rows.setdefault(utterance.audio_filepath, []).append((utterance.id, utterance.offset))
    choices = {path: _choices(path, own) for path, own in rows.items()}
    again = True
    while again:
        counts = Counter(own[0] for own in choices.values())
        shared = [own for own in choices.values() if counts[own[0]] > 1 and len(own) > 1]
        for own in shared:
            del own[0]
        again = bool(shared)
    return {path: own[0] for path, own in choices.items()}


def _kaldi(utterance: Utterance, label: Label) -> str:
    return f"{utterance.id} {label.text}".rstrip()


def _nemo(utterance: Utterance, label: Label) -> str:
    row = {
        "id": utterance.id,
        "audio_filepath": utterance.audio_filepath,
        "offset": utterance.offset,
        "duration": utterance.duration,
        "text": label.text,
        "mean_log_prob": round(label.mean_log_prob, 5),
    }
    return json.dumps(row, ensure_ascii=False)


def _lhotse(utterance: Utterance, label: Label, recording: str) -> str:
    row = {
        "id": utterance.id,
        "recording_id": recording,
        # Times of a supervision are those within its recording.
        "start": utterance.offset,
        "duration": utterance.duration,
        "channel": 0,
        "text": label.text,
        "speaker": utterance.speaker,
        "custom": {"mean_log_prob": round(label.mean_log_prob, 5)},
    }
    return json.dumps(row, ensure_ascii=False)


def _rows(manifest: Manifest, labels: Mapping[str, Label], form: Form) -> Iterator[str]:
    utterances = (u for u in manifest if u.id in labels)
    if form == "kaldi":
        # Kaldi wants its files sorted by the bytes of their ids.
        ordered = sorted(utterances, key=lambda u: u.id.encode())
        yield from (_kaldi(u, labels[u.id]) + "\n" for u in ordered)
    elif form == "nemo":
        yield from (_nemo(u, labels[u.id]) + "\n" for u in utterances)
    else:
        # Of all utterances, so that a recording has one name however many are labeled.
        recordings = _name_recordings(manifest)
        yield from (_lhotse(u, labels[u.id], recordings[u.audio_filepath]) + "\n" for u in utterances)


def write_labels(folder: Path, manifest: Manifest, labels: Mapping[str, Label], form: Form) -> str:
    """Write all labels into a subfolder of `folder`, named by `form`; returns what to tell the user."""
    target = folder / form / FILES[form]
    with whole_file(target) as raw:
        # Without a time in its header: the same labels are the same bytes.
        packed = gzip.GzipFile("", "wb", fileobj=raw, mtime=0) if form == "lhotse" else raw
        with io.TextIOWrapper(packed, encoding="utf-8", write_through=True) as file:
            file.writelines(_rows(manifest, labels, form))
    missing = len(manifest) - sum(u.id in labels for u in manifest)
    return f"{target}: {len(labels):,} labels" + (f"; {missing:,} utterances have none" if missing else "")
