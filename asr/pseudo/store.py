"""Labels by utterance, as columns: no Python object a label, and one form in memory, in checkpoints and in shards."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields

import numpy as np
import numpy.typing as npt

from asr.data.columns import StringColumn
from asr.pseudo.label import Label

Columns = dict[str, npt.NDArray[np.generic]]
"""Arrays by name, as safetensors keeps them."""

NUMBERS = {"mean_log_prob": "f", "frames": "i", "hour": "d", "churn": "f", "agreement": "f"}
"""Type codes of the columns with one number a label."""


class LabelStore:
    """At most one label an utterance; the newest one counts.

    What has been replaced stays until half of the store is old, and is then dropped.
    """

    def __init__(self, utterances: int, labels: Iterable[Label] = ()) -> None:
        """`utterances` is the number of rows of the manifest."""
        self._utterances = utterances
        self._clear()
        for label in labels:
            self.put(label)

    def _clear(self) -> None:
        # One more than the place of an utterance's label; 0: it has none. Zeros take no memory until they are written.
        self._place = np.zeros(self._utterances, dtype=np.int64)
        self._numbers = {name: array(code) for name, code in NUMBERS.items()}
        self._tokens, self._ends, self._makers = array("i"), array("q"), array("i")
        self._texts = StringColumn()
        self._maker_names: dict[str, int] = {}
        self._live = 0

    def __len__(self) -> int:
        return self._live

    def __contains__(self, row: int) -> bool:
        return bool(self._place[row])

    def __iter__(self) -> Iterator[Label]:
        """Labels in the order of their utterances, however they came here."""
        for row in np.flatnonzero(self._place).tolist():
            yield self[row]

    @property
    def utterances(self) -> int:
        """Rows of the manifest."""
        return self._utterances

    @property
    def nbytes(self) -> int:
        columns = (self._tokens, self._ends, self._makers, *self._numbers.values())
        return sum(len(c) * c.itemsize for c in columns) + self._texts.nbytes + self._place.nbytes

    def put(self, label: Label) -> None:
        """Add a label, in place of an older one of the same utterance."""
        self._live += not self._place[label.row]
        self._tokens.extend(label.tokens)
        self._ends.append(len(self._tokens))
        self._place[label.row] = len(self._ends)
        self._makers.append(self._maker_names.setdefault(label.maker, len(self._maker_names)))
        self._texts.append(label.text)
        for name, column in self._numbers.items():
            column.append(getattr(label, name))
        if len(self._ends) > 2 * self._live + 1000:
            self._tidy()

    def drop(self, row: int) -> None:
        """Forget an utterance's label, if there is one."""
        self._live -= bool(self._place[row])
        self._place[row] = 0

    def tokens(self, row: int) -> tuple[int, ...] | None:
        """What is trained on for an utterance; None where it has no label."""
        place = int(self._place[row]) - 1
        if place < 0:
            return None
        start = self._ends[place - 1] if place else 0
        return tuple(self._tokens[start : self._ends[place]])

    def __getitem__(self, row: int) -> Label:
        """An utterance's label. Raises KeyError where it has none."""
        tokens = self.tokens(row)
        if tokens is None:
            raise KeyError(row)
        place = int(self._place[row]) - 1
        maker = list(self._maker_names)[self._makers[place]]
        numbers = {name: column[place] for name, column in self._numbers.items()}
        return Label(row=row, tokens=tokens, maker=maker, text=self._texts[place], **numbers)

    def _tidy(self) -> None:
        labels = list(self)
        self._clear()
        for label in labels:
            self.put(label)

    def columns(self) -> tuple[Columns, list[str]]:
        """All labels in the order of their utterances, and the names that `maker` counts in."""
        labels = list(self)
        makers = sorted({label.maker for label in labels})
        numbers = {maker: number for number, maker in enumerate(makers)}
        texts = [label.text.encode() for label in labels]
        found: Columns = {
            "row": np.array([label.row for label in labels], dtype=np.int64),
            "tokens": np.array([t for label in labels for t in label.tokens], dtype=np.int32),
            "tokens_end": np.cumsum([len(label.tokens) for label in labels], dtype=np.int64),
            "text": np.frombuffer(b"".join(texts), dtype=np.uint8).copy(),
            "text_end": np.cumsum([len(text) for text in texts], dtype=np.int64),
            "maker": np.array([numbers[label.maker] for label in labels], dtype=np.int32),
        }
        for name, code in NUMBERS.items():
            found[name] = np.array([getattr(label, name) for label in labels], dtype=np.dtype(code))
        return found, makers


def labels_of(columns: Mapping[str, npt.NDArray[np.generic]], makers: list[str]) -> Iterator[Label]:
    """The labels of `LabelStore.columns`.

    Raises:
        KeyError, ValueError, IndexError: the columns are not of one store.
    """
    rows = columns["row"]
    names = {f.name for f in fields(Label)} & NUMBERS.keys()
    lengths = {len(columns[name]) for name in ("row", "tokens_end", "text_end", "maker", *names)}
    if len(lengths) > 1:
        raise ValueError(f"label columns of {sorted(lengths)} rows")
    text = columns["text"].tobytes()
    tokens = columns["tokens"].tolist()
    numbers = {name: columns[name].tolist() for name in names}
    begun = spelled = 0
    for place, (row, end, stop, maker) in enumerate(
        zip(
            rows.tolist(),
            columns["tokens_end"].tolist(),
            columns["text_end"].tolist(),
            columns["maker"].tolist(),
            strict=True,
        )
    ):
        yield Label(
            row=row,
            tokens=tuple(tokens[begun:end]),
            maker=makers[maker],
            text=text[spelled:stop].decode(),
            **{name: values[place] for name, values in numbers.items()},
        )
        begun, spelled = end, stop
