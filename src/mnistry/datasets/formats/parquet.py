"""Parquet and Arrow tables: the rows of a file, and the files of a folder by split, as on the Hugging Face hub."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mnistry.datasets.formats import naming
from mnistry.datasets.formats.cells import Cell, to_cell
from mnistry.datasets.formats.columns import IN_ORDER, find_pixel_columns
from mnistry.datasets.formats.naming import find_split
from mnistry.datasets.labelled import MAX_BYTES, list_names
from mnistry.errors import DataError, require
from mnistry.runtime.file_signatures import ARROW, PARQUET, read_start
from mnistry.runtime.files import short

if TYPE_CHECKING:
    import pyarrow

MAX_ROWS = 20_000_000
ROWS_AT_A_TIME = 1000
ENDINGS = (".parquet", ".arrow")
DEPTH = 3  # folders below the one that is named, as in a clone of a hub's repository


def is_one(start: bytes) -> bool:
    """Tell whether a file is a Parquet or an Arrow file, by its first bytes."""
    return start.startswith((PARQUET, *ARROW))


def find_files(folder: Path) -> list[Path]:
    """The Parquet and Arrow files in and below a folder; hidden folders are left out."""
    found = []
    for parent, folders, names in os.walk(folder):
        depth = len(Path(parent).relative_to(folder).parts)
        folders[:] = sorted(each for each in folders if each[0] not in "._" and depth < DEPTH)
        found += [Path(parent) / name for name in sorted(names) if name.endswith(ENDINGS) and name[0] not in "._"]
    return found


def find_splits(folder: Path) -> tuple[dict[str, list[Path]], list[str]]:
    """The files of each split, named by the file or a folder above it: `train-*.parquet`, `train/0000.parquet`.

    Returns:
        The files, and remarks on those that are passed over.

    Raises:
        DataError: there are several sets, or none to train on.
    """
    groups: dict[str, dict[str, list[Path]]] = {}
    for path in find_files(folder):
        parents = path.relative_to(folder).parts[:-1]
        named = [split for each in reversed(parents) if (split := find_split(each, prefix=True))]
        split = find_split(path.stem, prefix=True) or next(iter(named), "all")
        config = "/".join(each for each in parents if find_split(each, prefix=True) is None and each != "data")
        groups.setdefault(config, {}).setdefault(split, []).append(path)
    usable = {config: splits for config, splits in groups.items() if {"train", "all"} & set(splits)}
    if len(usable) > 1:
        raise DataError(
            f"{short(folder)} holds several sets: {list_names(sorted(usable))}. Name the folder of the one that "
            "you want."
        )
    if not usable:
        names = [each.name for each in find_files(folder)]
        raise DataError(f"{short(folder)} has no Parquet file to train on: {list_names(names)}.")
    config, splits = next(iter(usable.items()))
    remarks = [f"{short(folder)}: passed over {each or 'the folder itself'}." for each in groups if each != config]
    if "train" in splits and "all" in splits:
        remarks.append(f"{short(folder)}: passed over {list_names([each.name for each in splits.pop('all')])}.")
    elif "all" in splits:
        splits["train"] = splits.pop("all")
    return splits, remarks


class ParquetRows:
    """The rows of a Parquet or Arrow file; columns of pixels that are numbers are one column, the last."""

    def __init__(self, path: Path) -> None:
        """Open it.

        Raises:
            MissingExtraError: pyarrow is not installed.
            DataError: it is damaged or too large, or holds no rows.
        """
        require("A Parquet file", "pyarrow")
        import pyarrow.parquet

        self._name, self.assumed = short(path), list[str]()
        try:
            self._file = _ArrowFile(path) if read_start(path).startswith(ARROW) else pyarrow.parquet.ParquetFile(path)
            schema = self._file.schema_arrow
            names = list(schema.names)
        except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:  # the last of a column's name
            raise DataError(f"{self._name} is damaged or not a Parquet file: {_first_line(error)}.") from None
        metadata = self._file.metadata
        size = sum(metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))
        if size > MAX_BYTES:
            raise DataError(f"{self._name} unpacks to {size:,} bytes; more than {MAX_BYTES:,} are not read.")
        self._pixels = _find_pixels(schema)
        if metadata.num_rows * len(self._pixels) > MAX_BYTES or metadata.num_rows > MAX_ROWS:
            raise DataError(f"{self._name} claims {metadata.num_rows:,} rows, which is more than is read.")
        if not metadata.num_rows:
            raise DataError(f"{self._name} holds no rows.")
        if self._pixels != sorted(self._pixels):
            self.assumed.append(IN_ORDER)
        self._others = [place for place in range(len(names)) if place not in set(self._pixels)]
        self.names = [names[place] for place in self._others]
        if self._pixels:
            self.names.append(f"{names[self._pixels[0]]} to {names[self._pixels[-1]]}")
        label = naming.find_named(names, naming.LABELS)
        self._label = None if label is None else names.index(label)
        self._classes = _find_class_names(schema, label)

    def __iter__(self) -> Iterator[tuple[int, list[Cell]]]:
        """The rows with their numbers, from 1."""
        import pyarrow

        number = 0
        try:
            for batch in self._file.iter_batches(ROWS_AT_A_TIME):
                columns: list[Sequence[Cell]] = [self._cells(batch.column(place), place) for place in self._others]
                if self._pixels:
                    numbers = [batch.column(place).to_numpy(zero_copy_only=False) for place in self._pixels]
                    columns.append(list(np.stack(numbers, axis=1).astype(np.float32)))
                for cells in zip(*columns, strict=True):
                    number += 1
                    yield number, [*cells]
        except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
            raise DataError(f"{self._name} is damaged: {_first_line(error)}.") from None

    def _cells(self, column: pyarrow.Array, place: int) -> list[Cell]:
        values = column.to_pylist()
        if place == self._label:
            values = [each.decode("utf-8", "replace") if isinstance(each, bytes) else each for each in values]
            names = self._classes
            values = [names[each] if isinstance(each, int) and 0 <= each < len(names) else each for each in values]
            values = [None if _is_no_label(each) else each for each in values]
        return [to_cell(each) for each in values]


class _ArrowFile:
    """An Arrow file or stream, with the part of a Parquet file's methods that is used."""

    def __init__(self, path: Path) -> None:
        from pyarrow import ipc, memory_map

        mapped = memory_map(str(path))
        is_file = mapped.read(len(ARROW[0])) == ARROW[0]
        mapped.seek(0)
        self._table = (ipc.open_file if is_file else ipc.open_stream)(mapped).read_all()
        self.schema_arrow, self.metadata = self._table.schema, self
        self.num_rows, self.num_row_groups, self.total_byte_size = self._table.num_rows, 1, self._table.nbytes

    def row_group(self, _: int) -> _ArrowFile:
        """The one group of rows."""
        return self

    def iter_batches(self, rows: int) -> Iterator[pyarrow.RecordBatch]:
        """The table, some rows at a time."""
        yield from self._table.to_batches(max_chunksize=rows)


def _find_pixels(schema: pyarrow.Schema) -> list[int]:
    """The places of the columns of pixels, in the order of their numbers; empty where they are not numbers."""
    from pyarrow import types

    label = naming.find_named(schema.names, naming.LABELS)
    others = [place for place, name in enumerate(schema.names) if name != label]
    found = [others[n] for n in find_pixel_columns([schema.names[place] for place in others]) or ()]
    checks = (types.is_integer, types.is_floating, types.is_boolean)
    return found if all(any(check(schema.types[place]) for check in checks) for place in found) else []


def _find_class_names(schema: pyarrow.Schema, label: str | None) -> list[str]:
    """The names behind numbers, where the Hugging Face hub has noted them in the table; else none."""
    try:
        noted = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"][label]["names"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return []
    return noted if isinstance(noted, list) and all(isinstance(each, str) and each for each in noted) else []


def _is_no_label(value: Any) -> bool:
    """Tell whether a label is missing (-1 on the Hugging Face hub), or is neither a word nor a whole number from 0."""
    return isinstance(value, dict) or (
        isinstance(value, int | float) and not (value >= 0 and float(value).is_integer())
    )


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".")[:200]
