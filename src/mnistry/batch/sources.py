"""The sources of a batch: a folder, a list of paths, a file of images or Parquet, as pieces in a fixed order."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from mnistry.batch import storage
from mnistry.batch.array_source import HEAD, is_image_file, open_images
from mnistry.batch.parquet_source import IMAGES, PICTURES, Column, ParquetRows
from mnistry.batch.storage import Entry, Place
from mnistry.errors import DataError, UsageError
from mnistry.ocr.image_io import SUFFIXES
from mnistry.runtime import file_signatures
from mnistry.runtime.files import PassedOver

FOLDER, LIST, ARRAY, PARQUET = "folder of pictures", "list of paths", "file of images", "Parquet"
PARQUET_SUFFIXES = frozenset((".parquet", ".pq"))
EXPECTED = (
    "a folder of pictures or Parquet files, a Parquet, IDX, NPY, NPZ, CSV, HDF5 or MATLAB file, or a text file of paths"
)


@dataclass(frozen=True)
class Piece:
    """Rows of a file that follow each other; a picture's file has one.

    Attributes:
        file: its path below the source, or its line in a list of paths; empty if the source is the file.
        first: the number of the first row.
        rows: how many.
        stamp: what changes when the file does.
    """

    file: str
    first: int
    rows: int
    stamp: str


@dataclass(frozen=True)
class Source:
    """The source of a batch.

    Attributes:
        given: as the user named it; pictures are named after it.
        address: what names it on any machine.
        form: one of FOLDER, LIST, ARRAY, PARQUET.
        kind: whether it holds pictures of any kind or 28×28 images.
        column: the column of Parquet or the array of an NPZ file that is read; None where there is no choice.
        folder: the folder that was current, to which the paths of a list are relative.
    """

    given: str
    address: str
    form: str
    kind: str
    column: str | None
    folder: str

    @property
    def content(self) -> str:
        """A description of what is read."""
        return f"{self.form} with {self.kind}{'' if self.column is None else f' in {self.column}'}"

    def place(self, file: str = "") -> Place:
        """Locate the source, or the file of one of its pieces; named as the user would name it."""
        if self.form == LIST and file:
            return _locate_listed(file, self.folder)
        found = storage.locate(self.address)
        named = Place(self.given, found.system, found.path)
        return named.below(file) if file else named


def recognise(given: str, column: str | None = None) -> Source:
    """Look at a source and tell its kind.

    Args:
        given: a path or an address.
        column: which column of Parquet, or array of NPZ, is to be read; None is the only one.

    Raises:
        DataError: it is not there, or nothing that can be read.
        UsageError: there is no such column, or it has to be named.
    """
    place = storage.locate(given)
    is_folder = storage.find_entry(place) is None
    first = next(storage.walk(place, SUFFIXES | PARQUET_SUFFIXES, PassedOver()), None) if is_folder else None
    folder = os.getcwd()
    if first is not None and _is_parquet(first):
        found = ParquetRows(place.below(first.name)).column(column)
        return Source(given, place.address, PARQUET, found.kind, found.path, folder)
    form, kind, column = (FOLDER, PICTURES, column) if first is not None else _recognise_file(place, column)
    if column is not None and form in (FOLDER, LIST):
        raise UsageError(f"--column names a column of Parquet or an array of NPZ; {given} is a {form}.")
    return Source(given, place.address, form, kind, column, folder)


def list_pieces(source: Source, passed_over: PassedOver) -> Iterator[Piece]:
    """Yield all that a source holds, in an order that is always the same.

    Args:
        source: a source.
        passed_over: counts the files of a folder that are neither pictures nor Parquet files by their names.

    Raises:
        DataError: it cannot be listed or read, or holds what does not go together.
    """
    place = source.place()
    entry = storage.find_entry(place)
    if source.form == LIST:
        yield from _list_lines(place)
    elif source.form == ARRAY and entry is not None:
        images = open_images(place, source.column)
        images.check()
        yield Piece("", 0, images.count, _stamp(entry))
    else:
        wanted = SUFFIXES | PARQUET_SUFFIXES
        found = iter([entry]) if entry is not None else storage.walk(place, wanted, passed_over)
        for each in found:
            if entry is None and _is_parquet(each) != (source.form == PARQUET):
                raise DataError(f"{source.given} holds pictures and Parquet files: name a folder with one kind.")
            rows = _parquet_rows(source, each) if source.form == PARQUET else 1
            yield Piece(each.name, 0, rows, _stamp(each))


def _recognise_file(place: Place, column: str | None) -> tuple[str, str, str | None]:
    """Form, kind and column of a source that is a file."""
    if storage.find_entry(place) is None:
        raise DataError(f"{place.given} holds no pictures ({', '.join(sorted(SUFFIXES))}) and no Parquet files.")
    try:
        with storage.open_file(place) as file:
            head = file.read(HEAD)
    except OSError as error:
        raise DataError(f"{place.given} cannot be read: {storage.explain_error(error)}.") from None
    if head.startswith(file_signatures.PARQUET):
        found = ParquetRows(place).column(column)
        return PARQUET, found.kind, found.path
    if PurePosixPath(place.path).suffix.lower() in SUFFIXES:
        raise UsageError(f"{place.given} is one picture: mnistry read reads it. A batch takes {EXPECTED}.")
    if is_image_file(head):
        open_images(place, column)
        return ARRAY, IMAGES, column
    if not head.strip() or b"\0" in head:
        what = "is empty" if not head.strip() else "cannot be read"
        raise DataError(f"{place.given} {what}: expected {EXPECTED}.")
    return LIST, PICTURES, column


def _list_lines(place: Place) -> Iterator[Piece]:
    """The paths in a list, one a line."""
    try:
        with storage.open_file(place) as file:
            for line in itertools.chain(file):
                path = line.decode(errors="surrogateescape").rstrip("\r\n")
                if path.strip():
                    yield Piece(path, 0, 1, "")
    except OSError as error:
        raise DataError(f"{place.given} cannot be read: {storage.explain_error(error)}.") from None


def _locate_listed(line: str, folder: str) -> Place:
    """Locate the file that a line of a list names."""
    if storage.ADDRESS in line:
        return storage.locate(line)
    found = storage.locate(os.path.join(folder, os.path.expanduser(line)))
    return Place(line, found.system, found.path)


def _parquet_rows(source: Source, entry: Entry) -> int:
    rows = ParquetRows(source.place(entry.name))
    found = rows.column(source.column)
    if found != Column(source.column or "", source.kind):
        raise DataError(f"{source.place(entry.name).given} holds {found.kind}, the file before it {source.kind}.")
    return rows.count


def _is_parquet(entry: Entry) -> bool:
    return PurePosixPath(entry.name).suffix.lower() in PARQUET_SUFFIXES


def _stamp(entry: Entry) -> str:
    return f"{entry.size} bytes, {entry.stamp}"
