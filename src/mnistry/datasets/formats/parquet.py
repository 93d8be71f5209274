"""Parquet and Arrow tables: pictures with labels as the Hugging Face hub has MNIST, or pixels and a label."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mnistry.datasets.dataset import ROW, make_numbered_origins
from mnistry.datasets.formats import base64_pictures, naming, pixels
from mnistry.datasets.formats.csv_columns import BRACKETS, find_packed, find_pixel_columns
from mnistry.datasets.formats.naming import find_split
from mnistry.datasets.labelled import (
    MAX_BYTES,
    EncodedImage,
    LabelledImages,
    LoadedSplits,
    ValidationErrors,
    join,
    list_names,
    part_by_split,
)
from mnistry.errors import DataError, require
from mnistry.runtime.file_signatures import ARROW, PARQUET
from mnistry.runtime.files import short

if TYPE_CHECKING:
    import pyarrow

MAX_ROWS = 20_000_000
ROWS_AT_A_TIME = 1000
ENDINGS = (".parquet", ".arrow")
DEPTH = 3  # folders below the one that is named, as in a clone of a hub's repository


def find_files(folder: Path) -> list[Path]:
    """The Parquet and Arrow files in and below a folder; hidden folders are left out."""
    found = []
    for parent, folders, names in os.walk(folder):
        depth = len(Path(parent).relative_to(folder).parts)
        folders[:] = sorted(each for each in folders if each[0] not in "._" and depth < DEPTH)
        found += [Path(parent) / name for name in sorted(names) if name.endswith(ENDINGS) and name[0] not in "._"]
    return found


def read(path: Path) -> LoadedSplits:
    """Read one table, or a folder with tables of the splits.

    Raises:
        MissingExtraError: pyarrow is not installed.
        DataError: a file cannot be read, is not such a table, or has wrong rows; the message names them.
    """
    splits, remarks = _by_split(path) if path.is_dir() else ({"train": [path]}, [])
    problems = ValidationErrors()
    tables = {split: [_Table(each, problems) for each in paths] for split, paths in splits.items()}
    problems.refuse(short(path))
    found: dict[str, list[LabelledImages]] = {}
    for split, those in tables.items():
        for table in those:
            part = table.read_labelled(problems)
            several = part_by_split(part, table.splits, problems) if table.splits else {split: part}
            for name, each in several.items():
                found.setdefault(name, []).append(each)
    problems.refuse(short(path))
    parts = {split: join(those) for split, those in found.items()}
    if "train" not in parts:
        raise DataError(f"{short(path)} has no rows to train on, only for {' and '.join(parts)}.")
    assumed = [each for those in tables.values() for table in those for each in table.assumed]
    return LoadedSplits(**parts, remarks=tuple(dict.fromkeys([*remarks, *assumed])))


def read_images(path: Path) -> tuple[np.ndarray | Sequence[EncodedImage], list[str]]:
    """Read the images of a table that may have no labels, and remarks."""
    problems = ValidationErrors()
    table = _Table(path, problems, labelled=False)
    part = table.read_labelled(problems)
    problems.refuse(short(path))
    return part.images, table.assumed


def _by_split(folder: Path) -> tuple[dict[str, list[Path]], list[str]]:
    """The files of each split, named by the file or a folder above it: `train-*.parquet`, `train/0000.parquet`."""
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


class _Columns(NamedTuple):
    """The columns of a table.

    The label, or one-hot ones; pictures, lists of pixels, or a column for each pixel; and what names the split.
    """

    label: str | None
    one_hot: Sequence[str] = ()
    pictures: str | None = None
    lists: str | None = None
    pixels: Sequence[str] = ()
    split: str | None = None
    assumed: Sequence[str] = ()

    @property
    def all(self) -> list[str]:
        """The columns that are read."""
        single = [each for each in (self.label, self.pictures, self.lists, self.split) if each is not None]
        return [*single, *self.one_hot, *self.pixels]


class _Table:
    """The content of a file: labels, perhaps splits, and pictures or pixels; rows are counted from 1."""

    def __init__(self, path: Path, problems: ValidationErrors, *, labelled: bool = True) -> None:
        self.name, self._file = short(path), path.name
        self.assumed: list[str] = []
        self.splits: list[str] = []
        self._pictures: list[EncodedImage] = []
        self._pixels: list[np.ndarray] = []
        self._rows = 0
        labels: list[str] = []
        pyarrow, file, rows = _open(path, self.name)
        try:
            columns = _find_columns(file.schema_arrow, *_find_in_texts(file, path), self.name, labelled=labelled)
            if rows * max(1, len(columns.pixels)) > min(MAX_BYTES, MAX_ROWS * 100):
                raise DataError(f"{self.name} claims {rows:,} rows, which is more than is read.")
            self.assumed += [f"{self.name}: {each}." for each in columns.assumed]
            names = _class_names(file.schema_arrow, columns.label)
            for batch in file.iter_batches(ROWS_AT_A_TIME, columns=columns.all):
                if columns.label is not None:
                    labels.extend(self._labels(batch.column(columns.label), names, problems))
                elif columns.one_hot:
                    marks = np.stack([batch.column(each).to_numpy(zero_copy_only=False) for each in columns.one_hot], 1)
                    labels.extend(self._decode_one_hot(marks, naming.strip_prefix(columns.one_hot), problems))
                if columns.split is not None:
                    self.splits.extend(str(each) for each in batch.column(columns.split).to_pylist())
                if columns.pictures is not None:
                    self._take_pictures(batch.column(columns.pictures), problems)
                elif columns.lists is not None:
                    self._take_lists(batch.column(columns.lists), problems)
                else:
                    self._take_pixels(batch, columns.pixels, problems)
                self._rows += batch.num_rows
        except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:  # the last of a column's name
            raise DataError(f"{self.name} is damaged: {_first_line(error)}.") from None
        if not self._rows:
            raise DataError(f"{self.name} holds no rows.")
        self.labels = np.array(labels, np.str_)

    def read_labelled(self, problems: ValidationErrors) -> LabelledImages:
        """The images and labels."""
        where = make_numbered_origins(self._file, np.arange(1, self._rows + 1), ROW)
        if self._pictures:
            return LabelledImages(self._pictures, self.labels, where)
        values = np.concatenate(self._pixels)

        def place(index: tuple[int, ...]) -> str:
            return f"{self.name}, row {index[0] + 1}, pixel column {index[1] + 1}"

        scaled, assumed = pixels.to_uint8(values, place, problems)
        images, arranged = pixels.arrange(scaled, None, self.name)
        self.assumed += [f"{self.name}: {each}." for each in (arranged, assumed) if each is not None]
        return LabelledImages(images, self.labels, where)

    def _labels(self, column: pyarrow.Array, names: Sequence[str] | None, problems: ValidationErrors) -> list[str]:
        found: list[str] = []
        values = column.to_pylist()
        if values and isinstance(values[0], list) and len({len(each or ()) for each in values}) == 1:
            classes = names or [str(number) for number in range(len(values[0]))]
            if len(classes) == len(values[0]) > 1:
                self._add_remark(f"the labels are one-hot, of {len(classes)} classes")
                return self._decode_one_hot(np.array(values, object), classes, problems)
        for row, value in enumerate(values, self._rows + 1):
            if isinstance(value, bytes):
                value = value.decode("utf-8", "replace")
            if isinstance(value, float) and value.is_integer():
                value = int(value)
            text = "" if value is None else value.strip() if isinstance(value, str) else str(value)
            if isinstance(value, int) and names is not None and 0 <= value < len(names):
                text = names[value]
            elif not text or isinstance(value, float | dict | list) or (isinstance(value, int) and value < 0):
                problems.add(
                    f"{self.name}, row {row}",
                    f"a label must be a whole number from 0 or a word; received {value!r:.40}",
                )
            found.append(text)
        return found

    def _add_remark(self, what: str) -> None:
        if (told := f"{self.name}: {what}.") not in self.assumed:
            self.assumed.append(told)

    def _decode_one_hot(self, marks: np.ndarray, classes: Sequence[str], problems: ValidationErrors) -> list[str]:
        """The classes of rows of which one number is 1, and the others 0."""
        ones, zeros = (np.equal(marks, number).astype(bool) for number in (1, 0))
        wrong = (ones.sum(axis=1) != 1) | ~(ones | zeros).all(axis=1)
        for row in np.flatnonzero(wrong):
            problems.add(
                f"{self.name}, row {self._rows + row + 1}",
                f"expected one 1 among its {len(classes)} labels, and 0 in the others",
            )
        return [classes[place] for place in ones.argmax(axis=1)]

    def _take_pictures(self, column: pyarrow.Array, problems: ValidationErrors) -> None:
        for value in column.to_pylist():
            place = f"{self.name}, row {len(self._pictures) + 1}"
            content = value.get("bytes") if isinstance(value, dict) else value
            content = base64_pictures.decode(content) if isinstance(content, str) else content
            if not content:
                problems.add(place, "it holds no bytes of a picture")
            self._pictures.append(EncodedImage(place, content or b""))

    def _take_lists(self, column: pyarrow.Array, problems: ValidationErrors) -> None:
        """Take pixels that are a list, a list of lists, or numbers in a text, in each row."""
        rows: list[np.ndarray] = []
        for number, value in enumerate(column.to_pylist(), self._rows + 1):
            try:
                row = np.asarray(value.translate(BRACKETS).split() if isinstance(value, str) else value, np.float32)
            except (ValueError, TypeError):
                row = np.empty(0, np.float32)
            first = self._pixels[0][0] if self._pixels else rows[0] if rows else row
            if row.size == 0 or row.shape != first.shape:
                problems.add(f"{self.name}, row {number}", "its pixels are not as many numbers as in the first row")
            else:
                rows.append(row)
        if rows:
            self._pixels.append(pixels.narrow(np.stack(rows)))

    def _take_pixels(self, batch: pyarrow.RecordBatch, columns: Sequence[str], problems: ValidationErrors) -> None:
        for name in columns:
            missing = np.flatnonzero(batch.column(name).is_null().to_numpy(zero_copy_only=False))
            if len(missing):
                place = f"{self.name}, row {self._rows + missing[0] + 1}, column {name}"
                problems.add(place, "a pixel is missing", times=len(missing))
        part = np.stack([batch.column(name).to_numpy(zero_copy_only=False) for name in columns], axis=1)
        self._pixels.append(pixels.narrow(np.nan_to_num(part, nan=0.0) if problems.count else part))


class _ArrowFile:
    """An Arrow file or stream, with the part of a Parquet file's methods that is used."""

    def __init__(self, path: Path) -> None:
        from pyarrow import ipc, memory_map

        mapped = memory_map(str(path))
        is_file = mapped.read(len(ARROW[0])) == ARROW[0]
        mapped.seek(0)
        self._table = (ipc.open_file if is_file else ipc.open_stream)(mapped).read_all()
        self.schema_arrow, self.rows, self.size = self._table.schema, self._table.num_rows, self._table.nbytes

    def iter_batches(self, rows: int, columns: Sequence[str]) -> Iterator[pyarrow.RecordBatch]:
        """The table, some rows at a time."""
        yield from self._table.select(columns).to_batches(max_chunksize=rows)


def is_one(start: bytes) -> bool:
    """Tell whether a file is a Parquet or an Arrow file, by its first bytes."""
    return start.startswith((PARQUET, *ARROW))


def _open(path: Path, name: str) -> tuple[Any, Any, int]:
    """The library, the file, and the number of its rows."""
    require("A Parquet file", "pyarrow")
    import pyarrow
    import pyarrow.parquet

    try:
        with path.open("rb") as start:
            if start.read(8).startswith(ARROW):
                table = _ArrowFile(path)
                _check_size(table.size, name)
                return pyarrow, table, table.rows
        file = pyarrow.parquet.ParquetFile(path)
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(f"{name} is damaged or not a Parquet file: {_first_line(error)}.") from None
    groups = (file.metadata.row_group(number) for number in range(file.metadata.num_row_groups))
    _check_size(sum(group.total_byte_size for group in groups), name)
    return pyarrow, file, file.metadata.num_rows


def _check_size(size: int, name: str) -> None:
    if size > MAX_BYTES:
        raise DataError(f"{name} unpacks to {size:,} bytes; more than {MAX_BYTES:,} are not read.")


def _find_in_texts(file: Any, path: Path) -> tuple[str | None, str | None]:
    """The columns of text whose cells hold all pixels of an image, and a picture in base64, by the first row."""
    texts = [each.name for each in file.schema_arrow if _is_text(each.type)]
    first = next(file.iter_batches(1, columns=texts), None) if texts else None
    row = [] if first is None else [first.column(each)[0].as_py() or "" for each in texts]
    found = find_packed([row], path) if row else None
    encoded = (name for name, cell in zip(texts, row, strict=False) if base64_pictures.decode(cell) is not None)
    return None if found is None else texts[found], next(encoded, None)


def _find_columns(
    schema: pyarrow.Schema, packed: str | None, encoded: str | None, name: str, *, labelled: bool
) -> _Columns:
    """Tell the columns apart, by their names and types, and by the columns of text that hold pixels or pictures."""
    label = naming.find_named(schema.names, naming.LABELS)
    rest = [each for each in schema.names if each != label]
    picture = encoded or (_picture_column(schema, rest, name) if packed is None else None)
    lists = [each for each in rest if _is_list(schema.field(each).type)] if packed is None else [packed]
    if picture is None and len(lists) != 1:
        places = find_pixel_columns(rest)
        if places is None:
            raise DataError(
                f"{name} must have a column image, or 784 columns of pixels beside {label or 'the label'}; it has "
                f"{len(rest)}: {list_names(rest)}."
            )
        chosen = [rest[place] for place in places]
        for each in chosen:
            if not _is_number(schema.field(each).type):
                raise DataError(f"{name}: column {each} must hold numbers; it is {schema.field(each).type!s:.80}.")
        found = _Columns(label, pixels=chosen)
    elif picture is None or _is_list(schema.field(picture).type):
        found = _Columns(label, lists=picture or lists[0])
    else:
        found = _Columns(label, pictures=picture)
    split = naming.find_named((each for each in rest if _is_text(schema.field(each).type)), naming.SPLIT_COLUMNS)
    found = found._replace(split=split if labelled else None)
    return found if label is not None or not labelled else _find_label(found, schema, name)


def _find_label(found: _Columns, schema: pyarrow.Schema, name: str) -> _Columns:
    """The same with the label: the one column beside the images that may be it, or several one-hot ones.

    Raises:
        DataError: none may be it, or more than one.
    """
    beside = [each for each in schema.names if each not in found.all and each.lower() not in naming.BESIDE]
    if len(beside) == 1:
        return found._replace(label=beside[0], assumed=(f"the labels are the column {beside[0]!r}",))
    if len(beside) > 2 and all(_is_number(schema.field(each).type) for each in beside):
        return found._replace(
            one_hot=beside, assumed=(f"the labels are one-hot, in the columns {beside[0]!r} to {beside[-1]!r}",)
        )
    which = f"may be {list_names(beside)}: name one of them label" if beside else "is missing"
    raise DataError(
        f"{name} has no column {' or '.join(naming.LABELS[:3])}; its columns are {list_names(schema.names)}. The "
        f"label {which}."
    )


def _picture_column(schema: pyarrow.Schema, names: Sequence[str], name: str) -> str | None:
    """The column of pictures: the one of a usual name, or the only one that holds bytes; None if there is none."""
    usual = naming.find_named(names, naming.PICTURES)
    if usual is None:
        found = [each for each in names if _holds_bytes(schema.field(each).type)]
        return found[0] if len(found) == 1 else None
    kind = schema.field(usual).type
    if not _holds_bytes(kind) and not _is_list(kind):
        raise DataError(
            f"{name}: column {usual} must hold the bytes of picture files; it is {kind!s:.80}. A list of names "
            "of files is read as CSV: pd.read_parquet(path).to_csv('labels.csv', index=False)."
        )
    return usual


def _is(kind: pyarrow.DataType, *names: str) -> bool:
    """Tell whether a type is one of those that PyArrow names so."""
    from pyarrow import types

    return any(getattr(types, f"is_{name}")(kind) for name in names)


def _holds_bytes(kind: pyarrow.DataType) -> bool:
    """Tell whether a column may hold picture files: bytes, or a struct with bytes."""
    inner = kind.field("bytes").type if _is(kind, "struct") and kind.get_field_index("bytes") >= 0 else kind
    return _is(inner, "binary", "large_binary")


def _is_list(kind: pyarrow.DataType) -> bool:
    return _is(kind, "list", "large_list", "fixed_size_list")


def _is_text(kind: pyarrow.DataType) -> bool:
    return _is(kind, "string", "large_string")


def _is_number(kind: pyarrow.DataType) -> bool:
    return _is(kind, "integer", "floating", "boolean")


def _class_names(schema: pyarrow.Schema, label: str | None) -> list[str] | None:
    """The names behind numbers, where the Hugging Face hub has noted them in the table."""
    try:
        noted = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"][label]["names"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
    return noted if isinstance(noted, list) and all(isinstance(each, str) and each for each in noted) else None


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".")[:200]
