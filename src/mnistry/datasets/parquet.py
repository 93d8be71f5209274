"""Parquet tables: a column of pictures as the Hugging Face hub has MNIST, or 784 columns of pixels; and the labels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mnistry.datasets import preprocess
from mnistry.datasets.dataset import ROW, join_origins, numbered_origins
from mnistry.datasets.labelled import (
    LABELS,
    MAX_BYTES,
    PIXELS,
    SIDE,
    Labelled,
    LoadedSplits,
    ValidationErrors,
    are_digits,
    of_numbers,
)
from mnistry.datasets.preprocess import Raw
from mnistry.errors import DataError, require
from mnistry.runtime.files import short

if TYPE_CHECKING:
    import pyarrow

PICTURES = ("image", "images", "img", "picture")
ROWS_AT_A_TIME = 1000


def files_in(folder: Path) -> dict[str, list[Path]]:
    """The files of each split: `train-*.parquet` or `train.parquet`, and the same for `test`; in and below `data`."""
    for place in (folder, folder / "data"):
        found = {
            split: sorted([*place.glob(f"{split}-*.parquet"), *place.glob(f"{split}.parquet")])
            for split in ("train", "test")
        }
        if found["train"]:
            return {split: paths for split, paths in found.items() if paths}
    return {}


def read(path: Path) -> LoadedSplits:
    """One table, to be split, or a folder with those of `train` and perhaps of `test`.

    Raises:
        MissingExtraError: pyarrow is not installed.
        DataError: a file cannot be read, is no such table, or has wrong rows; the message names them.
    """
    splits = files_in(path) if path.is_dir() else {"train": [path]}
    problems = ValidationErrors()
    tables = {split: [_Table(each, problems) for each in paths] for split, paths in splits.items()}
    problems.refuse(short(path))
    digits = are_digits([label for those in tables.values() for table in those for label in table.labels])
    read = {
        split: _joined([table.labelled(problems, digits=digits) for table in those]) for split, those in tables.items()
    }
    problems.refuse(short(path))
    return LoadedSplits(read["train"], read.get("test"))


def _joined(parts: Sequence[Labelled]) -> Labelled:
    return Labelled(
        np.concatenate([part.images for part in parts]),
        np.concatenate([part.labels for part in parts]),
        join_origins([part.origins for part in parts]),
    )


class _Table:
    """What a file holds: labels, and pictures or pixels; rows are counted from 1."""

    def __init__(self, path: Path, problems: ValidationErrors) -> None:
        self.name, self._file = short(path), path.name
        self._pictures: list[Raw] = []
        self._pixels: list[np.ndarray] = []
        labels: list[str] = []
        pyarrow, file = _opened(path, self.name)
        try:
            label, picture, pixels = _columns(file.schema_arrow, self.name)
            names = _class_names(file.schema_arrow, label)
            for batch in file.iter_batches(ROWS_AT_A_TIME, columns=[label, *([picture] if picture else pixels)]):
                labels.extend(self._labels(batch.column(label), names, len(labels), problems))
                if picture:
                    self._take_pictures(batch.column(picture), problems)
                else:
                    self._take_pixels(batch, pixels, problems)
        except (pyarrow.ArrowException, OSError) as error:
            raise DataError(f"{self.name} is damaged: {_first_line(error)}.") from None
        if not labels:
            raise DataError(f"{self.name} holds no rows.")
        self.labels = np.array(labels, np.str_)

    def labelled(self, problems: ValidationErrors, *, digits: bool) -> Labelled:
        """Its images and labels."""
        where = numbered_origins(self._file, np.arange(1, len(self.labels) + 1), ROW)
        if self._pictures:
            return Labelled(preprocess.images(self._pictures, problems, digits=digits), self.labels, where)
        values = np.concatenate(self._pixels)

        def place(index: tuple[int, ...]) -> str:
            return f"{self.name}, row {index[0] + 1}, pixel column {index[1] + 1}"

        return Labelled(of_numbers(values, place, problems).reshape(-1, SIDE, SIDE), self.labels, where)

    def _labels(
        self, column: pyarrow.Array, names: Sequence[str] | None, before: int, problems: ValidationErrors
    ) -> list[str]:
        found = []
        for row, value in enumerate(column.to_pylist(), before + 1):
            text = "" if value is None else value.strip() if isinstance(value, str) else str(value)
            if isinstance(value, int) and names is not None and 0 <= value < len(names):
                text = names[value]
            elif not text or isinstance(value, float | dict | list | bytes) or (isinstance(value, int) and value < 0):
                problems.add(
                    f"{self.name}, row {row}",
                    f"a label must be a whole number from 0 or a word; received {value!r:.40}",
                )
            found.append(text)
        return found

    def _take_pictures(self, column: pyarrow.Array, problems: ValidationErrors) -> None:
        for value in column.to_pylist():
            place = f"{self.name}, row {len(self._pictures) + 1}"
            content = value.get("bytes") if isinstance(value, dict) else value
            if not content:
                problems.add(place, "it holds no bytes of a picture")
            self._pictures.append(Raw(place, content or b""))

    def _take_pixels(self, batch: pyarrow.RecordBatch, columns: Sequence[str], problems: ValidationErrors) -> None:
        before = sum(len(part) for part in self._pixels)
        for name in columns:
            missing = np.flatnonzero(batch.column(name).is_null().to_numpy(zero_copy_only=False))
            if len(missing):
                place = f"{self.name}, row {before + missing[0] + 1}, column {name}"
                problems.add(place, "a pixel is missing", times=len(missing))
        parts = [batch.column(name).to_numpy(zero_copy_only=False) for name in columns]
        self._pixels.append(
            np.nan_to_num(np.stack(parts, axis=1), nan=0.0) if problems.count else np.stack(parts, axis=1)
        )


def _opened(path: Path, name: str) -> tuple[Any, Any]:
    """The library and the file."""
    require("A Parquet file", "pyarrow")
    import pyarrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(
            f"{name} is damaged or no Parquet file: {str(error).splitlines()[0].rstrip('.'):.200}."
        ) from None
    groups = (file.metadata.row_group(number) for number in range(file.metadata.num_row_groups))
    size = sum(group.total_byte_size for group in groups)
    if size > MAX_BYTES:
        raise DataError(f"{name} unpacks to {size:,} bytes; more than {MAX_BYTES:,} are not read.")
    return pyarrow, file


def _columns(schema: pyarrow.Schema, name: str) -> tuple[str, str | None, list[str]]:
    """The column of labels, that of pictures if there is one, and otherwise those of pixels."""
    import pyarrow

    label = next((each for each in LABELS if each in schema.names), None)
    if label is None:
        raise DataError(f"{name} has no column {' or '.join(LABELS)}; its columns are {_listed(schema.names)}.")
    picture = next((each for each in PICTURES if each in schema.names), None)
    if picture is not None:
        kind = schema.field(picture).type
        inner = (
            kind.field("bytes").type if pyarrow.types.is_struct(kind) and kind.get_field_index("bytes") >= 0 else kind
        )
        if not (pyarrow.types.is_binary(inner) or pyarrow.types.is_large_binary(inner)):
            raise DataError(f"{name}: column {picture} must hold the bytes of picture files; it is {kind!s:.80}.")
        return label, picture, []
    pixels = [each for each in schema.names if each != label]
    if len(pixels) != PIXELS:
        raise DataError(
            f"{name} must have a column image, or {PIXELS} columns of pixels beside {label}; it has {len(pixels)}: "
            f"{_listed(pixels)}."
        )
    for each in pixels:
        kind = schema.field(each).type
        if not (pyarrow.types.is_integer(kind) or pyarrow.types.is_floating(kind)):
            raise DataError(f"{name}: column {each} must hold numbers; it is {kind!s:.80}.")
    return label, None, pixels


def _class_names(schema: pyarrow.Schema, label: str) -> list[str] | None:
    """The names behind numbers, where the Hugging Face hub has noted them in the table."""
    try:
        noted = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"][label]["names"]
    except (KeyError, TypeError, ValueError):
        return None
    return noted if isinstance(noted, list) and all(isinstance(each, str) and each for each in noted) else None


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".")[:200]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:10]) + (f", … ({len(names)})" if len(names) > 10 else "")
