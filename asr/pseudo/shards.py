"""Labels on disk: a folder of shards, each written aside and renamed, that any number of machines fill together.

labels.json                          what is labeled, by whom, in how many shards
shard-00003-of-00012.safetensors     columns of `LabelStore`, the utterances' ids, and which part of a file each is
shard-00003-of-00012.failed          what went wrong; gone once the shard is done
"""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from asr.data.manifest import Manifest
from asr.errors import UserError
from asr.lock import HELD
from asr.pseudo.label import Label
from asr.pseudo.store import Columns, LabelStore, labels_of
from asr.whole_file import make_folder

TASK_FILE = "labels.json"


@dataclass(frozen=True)
class LabelTask:
    """What a folder of labels is of. Two commands that differ in any of it do not write to one folder."""

    manifest: str
    """Digest of ids, offsets and durations."""
    utterances: int
    seconds: float
    maker: str
    """Model, search and normaliser."""
    tokens: str
    """Digest of the inventory that token ids count in."""
    words: bool
    """Whether text is words: that of phones, greedily labeled, is phones."""
    normaliser: str
    """What the text of the model's training went through, and so what its labels are written in."""
    shards: int

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps(asdict(self)).encode()).hexdigest()


class Stretch(NamedTuple):
    """Of a recording, in seconds."""

    offset: float
    duration: float


@dataclass(frozen=True)
class Shard:
    """The utterances of one unit of work: every `of`-th, from `index`."""

    folder: Path
    index: int
    of: int
    task: str
    """Digest of what it is a part of."""

    @property
    def name(self) -> str:
        return f"shard-{self.index:05d}-of-{self.of:05d}"

    @property
    def path(self) -> Path:
        return self.folder / f"{self.name}.safetensors"

    @property
    def failure(self) -> Path:
        return self.folder / f"{self.name}.failed"

    @property
    def done(self) -> bool:
        return self.path.is_file()

    def rows(self, utterances: int) -> range:
        """Of the manifest."""
        return range(self.index, utterances, self.of)

    @contextmanager
    def claimed(self) -> Iterator[bool]:
        """Whether this process may label it; another one that does holds it until it ends, however it ends."""
        with (self.folder / f".{self.name}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno in HELD:
                    yield False
                    return
                # A file system without locks: two processes may do the same work, and leave the same file.
            if self.done:
                self._read_about()
            yield not self.done

    def write(self, labels: Sequence[Label], manifest: Manifest, unreadable: dict[str, str]) -> None:
        """Write all labels of the shard, whose rows count in the manifest, and which audio each is of.

        `unreadable` names utterances without a label, and why they have none.
        """
        store = LabelStore(max((label.row for label in labels), default=-1) + 1, labels)
        columns, makers = store.columns()
        rows = [label.row for label in labels]
        spelled = [manifest.ids[row].encode() for row in rows]
        columns["id"] = np.frombuffer(b"".join(spelled), dtype=np.uint8).copy()
        columns["id_end"] = np.cumsum([len(name) for name in spelled], dtype=np.int64)
        columns["offset"] = np.array([manifest.offsets[row] for row in rows], dtype=np.float64)
        columns["duration"] = np.array([manifest.durations[row] for row in rows], dtype=np.float64)
        aside = self.folder / f".{self.name}.partial"
        # One entry: several would be written in an order that changes from process to process (safetensors 0.8).
        about = {"task": self.task, "index": self.index, "makers": makers, "unreadable": unreadable}
        save_file(columns, aside, {"about": json.dumps(about)})
        aside.replace(self.path)
        self.failure.unlink(missing_ok=True)

    def fail(self, why: str) -> None:
        """Say why it could not be done, for whoever looks at the folder."""
        self.failure.write_text(why + "\n", encoding="utf-8")

    def _read_about(self) -> dict[str, Any]:
        """What it says of itself. Raises UserError where that is not what it is taken for."""
        try:
            with safe_open(self.path, "np") as file:
                about: dict[str, Any] = json.loads(file.metadata()["about"])
            found = about["task"], about["index"]
        except (OSError, SafetensorError, KeyError, ValueError, TypeError) as error:
            raise self._damaged(error) from None
        if found != (self.task, self.index):
            raise UserError(f"{self.path}: labels of another task, or of other utterances; delete it and label again")
        return about

    def _damaged(self, error: Exception) -> UserError:
        told = " ".join(str(error).split())
        return UserError(f"{self.path}: not a shard of labels ({told:.200}); delete it and label again")

    def read(self) -> tuple[dict[str, Label], dict[str, str], dict[str, Stretch]]:
        """Labels by utterance id, what could not be read, and which audio the labels are of.

        Raises:
            UserError: the file is damaged, or from before labels knew their audio.
        """
        about = self._read_about()
        try:
            with safe_open(self.path, "np") as file:
                columns: Columns = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
            text, ends = columns["id"].tobytes(), columns["id_end"].tolist()
            starts = [0, *ends[:-1]]
            ids = [text[a:b].decode() for a, b in zip(starts, ends, strict=True)]
            labels = labels_of(columns, about["makers"])
            spans = map(Stretch, columns["offset"].tolist(), columns["duration"].tolist())
            named = dict(zip(ids, labels, strict=True)), dict(about["unreadable"])
            return *named, dict(zip(ids, spans, strict=True))
        except (OSError, SafetensorError, KeyError, ValueError, IndexError, TypeError) as error:
            raise self._damaged(error) from None


def open_task(folder: Path, task: LabelTask) -> list[Shard]:
    """The shards of a folder, which is made where it is absent.

    Raises:
        UserError: the folder holds labels of something else, or by somebody else.
    """
    make_folder(folder)
    path = folder / TASK_FILE
    if not path.exists():
        # Several machines begin at once: all would write the same.
        aside = folder / f".{TASK_FILE}.{id(task)}.partial"
        aside.write_text(json.dumps(asdict(task), indent=1) + "\n", encoding="utf-8")
        aside.replace(path)
    found = read_task(folder)
    differing = [name for name, value in asdict(task).items() if getattr(found, name) != value]
    if differing == ["shards"]:
        raise UserError(
            f"{folder}: holds labels in {found.shards} shards, and now it would be {task.shards}; go on with "
            f"--shards {found.shards}, or name another folder"
        )
    if differing:
        said = ", ".join(f"{name} {getattr(found, name)!r} there, {getattr(task, name)!r} now" for name in differing)
        raise UserError(f"{folder}: holds other labels ({said}); name another folder")
    return shards_of(folder, task)


def shards_of(folder: Path, task: LabelTask) -> list[Shard]:
    return [Shard(folder, index, task.shards, task.digest) for index in range(task.shards)]


def read_task(folder: Path) -> LabelTask:
    """Raises UserError where the folder is none that `kappa-asr label` wrote."""
    try:
        found = LabelTask(**json.loads((folder / TASK_FILE).read_text(encoding="utf-8")))
        kinds: dict[str, Any] = {"utterances": int, "seconds": (int, float), "words": bool, "shards": int}
        if any(not isinstance(value, kinds.get(name, str)) for name, value in asdict(found).items()):
            raise ValueError(f"{TASK_FILE} is not as it was written")
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{folder}: no labels here ({error}); kappa-asr label writes them") from None
    return found


def fingerprint_labels(folder: Path) -> str:
    """Stands for all that a folder of labels holds now. Raises UserError where it is none."""
    digest = hashlib.sha256((json.dumps(asdict(read_task(folder)))).encode())
    for path in sorted(folder.glob("shard-*.safetensors")):
        with path.open("rb") as file:
            digest.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()


def read_labels_folder(folder: Path) -> tuple[dict[str, Label], dict[str, Stretch]]:
    """All labels of a folder by utterance id, and which audio each is of.

    Raises:
        UserError: not all shards are done: what is missing is not to be taken for what has no label.
    """
    task = read_task(folder)
    shards = shards_of(folder, task)
    missing = [shard.name for shard in shards if not shard.done]
    if missing:
        raise UserError(
            f"{folder}: {len(missing)} of {task.shards} shards are not done, such as {missing[0]}; "
            "kappa-asr label goes on where it was"
        )
    found: dict[str, Label] = {}
    stretches: dict[str, Stretch] = {}
    for shard in shards:
        labels, _, of = shard.read()
        found.update(labels)
        stretches.update(of)
    return {name: replace(label, row=0) for name, label in found.items()}, stretches
