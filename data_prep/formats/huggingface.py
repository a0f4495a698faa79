"""Hugging Face's `datasets` on disk: Parquet files with audio in them, and folders that `save_to_disk` has written.

Needs the extra `pyarrow`. The package `datasets` itself is not needed, nor anything from the network.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from asr.audio.stream import Unreadable
from asr.errors import UserError
from data_prep.formats.columns import choose_columns, source_of
from data_prep.source import Listing, Source, named

SUFFIXES = (".parquet", ".arrow")
GROUPS_IN_MEMORY = 16
"""Groups of rows whose audio is kept while their rows are decoded, a hundred rows or so each."""


def _arrow() -> Any:
    try:
        import pyarrow
        import pyarrow.ipc
        import pyarrow.parquet
    except ImportError:
        raise UserError(
            'datasets in Parquet and Arrow files are read by pyarrow; run: pip install "kappa-asr[pyarrow]"'
        ) from None
    return pyarrow


def is_table(path: Path) -> bool:
    """Whether a file's name is that of a dataset's file."""
    return path.suffix.lower() in SUFFIXES


def find_tables(path: Path) -> list[Path]:
    """The files of a dataset: one file, those of a folder, or those of a split, as `data/train` names it.

    Raises:
        UserError: a folder holds several splits.
    """
    if is_table(path):
        return [path] if path.is_file() else []
    if not path.is_dir():
        return sorted(p for p in path.parent.glob(f"{path.name}-*") if is_table(p))
    found = sorted(p for p in path.glob("*") if is_table(p))
    splits = sorted({p.name.partition("-")[0] for p in found if "-of-" in p.name})
    if len(splits) > 1:
        raise UserError(
            f"{path}: several splits ({', '.join(splits)}); name one as the subset, such as {path / splits[0]}"
        )
    return found


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() == ".parquet"


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A Parquet file, or the stream of batches that `datasets` writes, mapped into memory.

    Raises:
        UserError: it cannot be read.
    """
    arrow = _arrow()
    try:
        with ExitStack() as opened:
            if _is_parquet(path):
                yield opened.enter_context(arrow.parquet.ParquetFile(path, memory_map=True))
            else:
                source = opened.enter_context(arrow.memory_map(str(path)))
                yield opened.enter_context(arrow.ipc.open_stream(source))
    except (arrow.ArrowException, OSError) as error:
        raise UserError(f"{path}: cannot be read ({' '.join(str(error).split())})") from None


def _schema(path: Path) -> Any:
    with _opened(path) as file:
        return file.schema_arrow if _is_parquet(path) else file.schema


def _groups(path: Path, columns: list[str]) -> Iterator[dict[str, list[Any]]]:
    """The values of some columns, for each group of rows. A struct's field is named with a dot."""
    with _opened(path) as file:
        if _is_parquet(path):
            count = file.num_row_groups
            tables = (file.read_row_group(group, columns) for group in range(count))
        else:
            tables = iter(file)
        for found in tables:
            yield {column: _values(found, column) for column in columns}


def _values(found: Any, column: str) -> list[Any]:
    name, _, inner = column.partition(".")
    values = found[name]
    if inner:
        values = values.combine_chunks() if hasattr(values, "combine_chunks") else values
        values = values.field(inner)
    return list(values.to_pylist())


def _audio_column(path: Path, schema: Any) -> str:
    """The column whose rows have bytes and a path; of several the one that is called audio.

    Raises:
        UserError: there is none, or it is not clear which one is meant.
    """
    is_struct, kinds = _arrow().types.is_struct, {str(field.name): field.type for field in schema}
    found = [
        name
        for name, kind in kinds.items()
        if is_struct(kind) and {"bytes", "path"} <= {kind.field(n).name for n in range(kind.num_fields)}
    ]
    chosen = [name for name in found if name.lower() == "audio"] if len(found) > 1 else found
    if len(chosen) != 1:
        columns = ", ".join(f"{name} ({kind})" for name, kind in kinds.items())
        which = f"several columns hold audio ({', '.join(found)})" if found else "no column holds audio"
        raise UserError(f"{path}: {which}, which has bytes and a path; found {columns:.300}")
    return chosen[0]


@lru_cache(GROUPS_IN_MEMORY)
def _read_group(path: Path, group: int, _: int) -> tuple[list[bytes | None], list[str | None]]:
    """The encoded audio of a group's rows, and its files. With the table's time, lest one that was changed is
    remembered."""
    audio = _audio_column(path, _schema(path))
    columns = [f"{audio}.bytes", f"{audio}.path"]
    with _opened(path) as file:
        # A stream has no index, but what is passed over is not read.
        found = file.read_row_group(group, columns) if _is_parquet(path) else next(itertools.islice(file, group, None))
        return _values(found, columns[0]), _values(found, columns[1])


def read_audio_bytes(path: Path, group: int, row: int) -> memoryview:
    """The encoded audio of one row.

    Raises:
        Unreadable: there is none.
        UserError: the file cannot be read.
    """
    contents, names = _read_group(path, group, path.stat().st_mtime_ns)
    content, name = contents[row], names[row]
    if not content:
        told = f"row {row} of group {group}, of which it has the path {name!r}; embed it, or list paths in a CSV file"
        raise Unreadable(path, "no audio in it", told)
    return memoryview(content)


def _sources(path: Path) -> Iterator[Source]:
    schema = _schema(path)
    audio = _audio_column(path, schema)
    columns = {role: str(schema.names[n]) for role, n in choose_columns(schema.names, str(path), audio).items()}
    del columns["path"]
    # Of the audio only its name: its bytes are read when they are decoded.
    name_column = f"{audio}.path"
    number = 0
    for group, values in enumerate(_groups(path, [name_column, *columns.values()])):
        for row, name in enumerate(values[name_column]):
            number += 1
            said = {column: values[column][row] for column in columns.values()}
            source = source_of(said, columns, str(path), f"{path}, row {number}")
            # Its audio is the row's own, all of it; times are of the recording that it was cut from.
            whole = replace(source, offset=0.0, seconds=None, claim=source.claim or source.seconds)
            yield replace(whole, member=name or f"{path.stem}-{group}-{row}", part=(group, row))


def read_huggingface(path: Path) -> Listing:
    """The rows of a dataset's files.

    Raises:
        UserError: pyarrow is missing, a file cannot be read or holds no audio, or a row is not what it should be.
    """
    listing = Listing(files=find_tables(path))
    sources: list[Source] = []
    for file in listing.files:
        sources += _sources(file)
    bare = named([source for source in sources if not source.id], path.parent)
    listing.sources = [source for source in sources if source.id] + bare
    return listing
