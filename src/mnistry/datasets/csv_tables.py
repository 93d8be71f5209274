"""CSV tables: rows of pixels with a label, as Kaggle has MNIST, or lists of picture files with labels."""

from __future__ import annotations

import csv
import gzip
import io
import shlex
import zlib
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import IO

import numpy as np

from mnistry.datasets import idx, pixels
from mnistry.datasets.csv_columns import (
    clean_label,
    find_by_names,
    find_by_values,
    find_list,
    find_picture,
    is_name,
    is_number,
)
from mnistry.datasets.dataset import ROW, make_file_origins, make_numbered_origins
from mnistry.datasets.labelled import (
    MAX_BYTES,
    EncodedImage,
    Labelled,
    LoadedSplits,
    ValidationErrors,
    join,
    listed,
)
from mnistry.datasets.wording import find_split
from mnistry.errors import DataError, NoLabelsError
from mnistry.runtime.files import short

ROWS_AT_A_TIME = 1000
LOOKED_AT = 1000  # rows that decide which column is the label, where no header says it
MAX_LINE = 4_000_000  # characters
SEPARATORS = ",;\t|"
LEAST_SPACED = 64  # words in a first row that are cells, as np.savetxt parts them, and not the words of a name
MAX_NAME = 2000  # bytes of the first line of a list
ENDINGS = (".csv", ".csv.gz", ".tsv", ".tsv.gz")


def find_tables(folder: Path) -> list[Path]:
    """The tables of a folder."""
    files = [each for each in folder.iterdir() if each.name[0] != "." and each.is_file()]
    named = [each for each in files if each.name.lower().endswith(ENDINGS)]
    return sorted(named or [each for each in files if each.suffix.lower() == ".txt" and _lists_pictures(each)])


def _lists_pictures(path: Path) -> bool:
    """Tell whether a text names a picture and its label in its first line."""
    with path.open("rb") as file:
        words = file.readline(MAX_NAME).decode("utf-8", "replace").split()
    return len(words) == 2 and find_picture(path.parent, words[0]) is not None


def read(path: Path) -> LoadedSplits:
    """Read one table, or a folder with tables of the splits.

    Raises:
        DataError: a file cannot be read, is not such a table, or has wrong rows; the message names them.
    """
    problems, remarks = ValidationErrors(), list[str]()
    if not path.is_dir():
        parts = _parts(path, "train", problems, remarks)
    else:
        parts = {}
        for table, split in _chosen(path, remarks):
            for name, part in _parts(table, split, problems, remarks).items():
                parts[name] = join([parts[name], part]) if name in parts else part
    problems.refuse(short(path))
    if "train" not in parts:
        raise DataError(f"{short(path)} has no rows to train on, only for {' and '.join(parts) or 'nothing'}.")
    return LoadedSplits(parts["train"], parts.get("test"), parts.get("validation"), tuple(dict.fromkeys(remarks)))


def read_images(path: Path) -> tuple[np.ndarray, list[str]]:
    """Read the images of a table that may have no labels: uint8 (n, height, width), and remarks.

    Raises:
        DataError: see `read`.
    """
    problems = ValidationErrors()
    table = _Table(path)
    if table.layout.files is not None:
        raise DataError(f"{short(path)} is a list of files; name the folder with the pictures.")
    part = table.rows(problems)
    problems.refuse(short(path))
    if not isinstance(part.images, np.ndarray):
        raise DataError(f"{short(path)} holds no images.")
    told = [f"{short(path)}: the column of labels is not used."] if table.layout.label is not None else []
    return part.images, [*told, *table.said]


def _chosen(folder: Path, remarks: list[str]) -> list[tuple[Path, str]]:
    """The tables of a folder with the split of each; what else is there is remarked on."""
    tables = find_tables(folder)
    chosen: list[tuple[Path, str]] = []
    others: list[str] = []
    for table in tables:
        split = find_split(_stem(table), prefix=True)
        if "submission" in table.name.lower() or (
            split is None and len(tables) > 1 and any(find_split(_stem(each), prefix=True) for each in tables)
        ):
            others.append(table.name)
        else:
            chosen.append((table, split or "train"))
    for split in ("train", "test", "validation"):
        of_it = [table for table, each in chosen if each == split]
        if len(of_it) > 1:
            raise DataError(
                f"{short(folder)} holds several tables for {split}: {listed([each.name for each in of_it])}. Name one "
                "of them, or keep one set in a folder."
            )
    folders = sorted(each.name for each in folder.iterdir() if each.is_dir() and each.name[0] != ".")
    lists_files = any(_Table(table).layout.files is not None for table, _ in chosen)
    if others:
        remarks.append(f"{short(folder)}: passed over {listed(others)}.")
    if folders and not lists_files:
        remarks.append(f"{short(folder)}: passed over the folders {listed(folders)}, as there are tables beside them.")
    return chosen


def _parts(path: Path, split: str, problems: ValidationErrors, remarks: list[str]) -> dict[str, Labelled]:
    """The content of a table by split."""
    table = _Table(path)
    if table.layout.label is None:
        if split == "test":
            remarks.append(
                f"{short(path)} has no labels and is not used here. Once there is a model: mnistry predict MODEL "
                f"--dataset {path.name} --out submission.csv"
            )
            return {}
        raise NoLabelsError(f"{short(path)} {_without_labels(table.layout.columns, path)}")
    remarks += table.said
    if table.layout.files is None:
        return {split: table.rows(problems)}
    return table.files(split, problems, remarks)


class _Table:
    """One table: its separator, its header and its columns, found by looking at its first rows."""

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, short(path)
        first = [line for _, line in islice(self._lines(), LOOKED_AT)]
        if not first:
            raise DataError(f"{self.name} is empty.")
        self._separator = max(SEPARATORS, key=first[0].count)
        if not any(map(first[0].count, SEPARATORS)):
            words = first[0].split()
            listed_ = len(words) == 2 and find_picture(path.parent, words[0]) is not None
            self._separator = " " if listed_ or len(words) > LEAST_SPACED else ","
        if self._separator == " ":
            first = [" ".join(line.split()) for line in first]
        head = self._cells(first[0])
        self._header = any(not is_number(cell) for cell in head[1:]) and any(is_name(cell) for cell in head)
        self._header = self._header or head == [str(number) for number in range(len(head))]  # as pandas numbers columns
        rows = [self._cells(line) for line in first[int(self._header) :]]
        listed_files = None if self._header else find_list(head, self.path)
        self.layout = listed_files or (find_by_names if self._header else find_by_values)(head, rows, self.path)
        self.said = [f"{self.name}: {each}." for each in self.layout.said]

    def rows(self, problems: ValidationErrors) -> Labelled:
        """The images and labels of a table of pixels; labels are empty where there are none."""
        parts: list[np.ndarray] = []
        labels: list[str] = []
        numbers: list[int] = []  # of the row that each image is in, counted as an editor does
        lines = self._lines()
        if self._separator == " ":  # perhaps several, and some at either end
            lines = ((number, " ".join(line.split())) for number, line in lines)
        if self._header:
            next(lines)
        while rows := list(islice(lines, ROWS_AT_A_TIME)):
            part = self._quickly([line for _, line in rows])
            kept = rows
            if part is None:
                part, kept = self._carefully(rows, problems)
            parts.append(part[0])
            labels.extend(part[1])
            numbers.extend(number for number, _ in kept)
        if not numbers and not problems.count:
            raise DataError(f"{self.name} holds no images{', only a header' if self._header else ''}.")
        columns = self.layout.pixels

        def place(index: tuple[int, ...]) -> str:
            return f"{self.name}, row {numbers[index[0]]}, column {columns[index[1]] + 1}"

        values = np.concatenate(parts) if parts else np.zeros((0, len(columns)), np.uint8)
        if self.layout.label is not None:
            for number, label in zip(numbers, labels, strict=True):
                if not label:
                    problems.add(f"{self.name}, row {number}, column {self.layout.label + 1}", "the label is empty")
        scaled, said = pixels.to_uint8(values, place, problems)
        self.said += [f"{self.name}: {said}."] if said else []
        side = pixels.side_of(len(columns)) or 0
        return Labelled(
            scaled.reshape(-1, side, side),
            np.array(labels, np.str_),
            make_numbered_origins(self.path.name, numbers, ROW),
        )

    def files(self, split: str, problems: ValidationErrors, remarks: list[str]) -> dict[str, Labelled]:
        """The pictures of a list of files, by split."""
        found: dict[str, list[tuple[Path, str]]] = {}
        layout, folder = self.layout, self.path.parent
        known: dict[Path, tuple[str, int]] = {}
        moved = twice = 0
        lines = self._lines()
        if self._header:
            next(lines)
        for number, line in lines:
            cells = line.split() if self._separator == " " else self._cells(line)
            if len(cells) != layout.columns:
                problems.add(f"{self.name}, row {number}", f"expected {layout.columns} columns, received {len(cells)}")
                continue
            name, label = cells[layout.files or 0].strip(), cells[layout.label or 0].strip()
            place = find_picture(folder, name)
            if place is None:
                problems.add(f"{self.name}, row {number}", f"there is no picture {name!r:.80}")
            elif not label:
                problems.add(f"{self.name}, row {number}", "the label is empty")
            elif known.setdefault(place, (label, number))[0] != label:
                other, row = known[place]
                problems.add(
                    f"{self.name}, row {number}", f"{name!r:.80} is {label!r:.40}, but {other!r:.40} in row {row}"
                )
            elif known[place][1] != number:
                twice += 1
            else:
                moved += (
                    not place.as_posix()
                    .rpartition(".")[0]
                    .endswith(name.replace("\\", "/").removeprefix("./").removesuffix(place.suffix))
                )
                where = split if layout.split is None else find_split(cells[layout.split].strip())
                if where is None:
                    problems.add(f"{self.name}, row {number}", f"{cells[layout.split or 0]!r:.40} names no split")
                else:
                    found.setdefault(where, []).append((place, label))
        remarks.append(f"{self.name} is a list of files: {sum(map(len, found.values())):,} pictures are taken.")
        if moved:
            remarks.append(f"{self.name}: the folders before {moved:,} names are not here and are passed over.")
        if twice:
            remarks.append(f"{self.name}: {twice:,} rows name a picture again, with the same label.")
        return {
            name: Labelled(
                [EncodedImage(str(path)) for path, _ in pairs],
                np.array([label for _, label in pairs], np.str_),
                make_file_origins([path.relative_to(folder).as_posix() for path, _ in pairs]),
            )
            for name, pairs in found.items()
        }

    def _lines(self) -> Iterator[tuple[int, str]]:
        """The lines of the file with their numbers from 1; empty ones at the end are left out."""
        waiting: list[int] = []
        try:
            with _opened(self.path, self.name) as file:
                total = 0
                for number in range(1, 2**62):
                    line = file.readline(MAX_LINE)
                    if not line:
                        return
                    total += len(line)
                    if len(line) == MAX_LINE or total > MAX_BYTES:
                        limit = f"a line of {MAX_LINE:,}" if len(line) == MAX_LINE else f"{MAX_BYTES:,}"
                        raise DataError(f"{self.name} has {limit} characters or more, which is not read.")
                    line = line.rstrip("\r\n")
                    if "\0" in line:
                        raise DataError(f"{self.name} is not a CSV table: it holds bytes of zero.")
                    if not line.strip():
                        waiting.append(number)
                        continue
                    yield from ((each, "") for each in waiting)
                    waiting.clear()
                    yield number, line
        except UnicodeDecodeError:
            raise DataError(
                f"{self.name} is not text in UTF-8: row {self._undecodable()} has a byte that does not belong. "
                "Save it as UTF-8, or in Python: pd.read_csv(path, encoding='cp1252').to_csv('own.csv', index=False)."
            ) from None
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DataError(
                f"{self.name} is cut short or damaged: {str(error).rstrip('.'):.200}. Fetch it again."
            ) from None
        except OSError as error:
            raise DataError(f"{self.name} cannot be read: {error.strerror or error}.") from None

    def _undecodable(self) -> int:
        with (gzip.open if _is_packed(self.path) else open)(self.path, "rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    line.decode()
                except UnicodeDecodeError:
                    return number
        return 1

    def _quickly(self, lines: Sequence[str]) -> tuple[np.ndarray, list[str]] | None:
        """Pixels (n, columns) and labels of rows in which all is as it should be; None where something may not be."""
        layout = self.layout
        if any(line.count(self._separator) != layout.columns - 1 or '"' in line for line in lines):
            return None
        try:
            values = np.loadtxt(
                lines, np.float32, delimiter=self._separator, usecols=layout.pixels, comments=None, ndmin=2
            )
        except ValueError:
            return None
        labels = [""] * len(lines)
        if layout.label is not None:
            last = layout.label == layout.columns - 1
            labels = [
                (
                    line.rpartition(self._separator)[2]
                    if last
                    else line.split(self._separator, layout.label + 1)[layout.label]
                )
                for line in lines
            ]
        return _narrow(values), [clean_label(each) for each in labels]

    def _carefully(
        self, rows: Sequence[tuple[int, str]], problems: ValidationErrors
    ) -> tuple[tuple[np.ndarray, list[str]], list[tuple[int, str]]]:
        """The same, cell by cell, and the rows that were kept; what is wrong goes to the problems."""
        values: list[list[float]] = []
        labels: list[str] = []
        kept: list[tuple[int, str]] = []
        layout = self.layout
        for number, line in rows:
            cells = self._cells(line)
            if len(cells) != layout.columns:
                problems.add(f"{self.name}, row {number}", f"expected {layout.columns} columns, received {len(cells)}")
                continue
            wrong = [column for column in layout.pixels if not is_number(cells[column])]
            for column in wrong:
                problems.add(
                    f"{self.name}, row {number}, column {column + 1}",
                    f"expected a number, received {cells[column]!r:.40}",
                )
            if not wrong:
                values.append([float(cells[column]) for column in layout.pixels])
                labels.append("" if layout.label is None else clean_label(cells[layout.label]))
                kept.append((number, line))
        with np.errstate(over="ignore"):
            return (np.array(values, np.float32).reshape(-1, len(layout.pixels)), labels), kept

    def _cells(self, line: str) -> list[str]:
        try:
            return next(csv.reader([line], delimiter=self._separator), [])
        except csv.Error:  # a cell of more than a hundred thousand characters
            return line.split(self._separator)


def _opened(path: Path, name: str) -> IO[str]:
    """The file as text: UTF-8, or UTF-16 if its mark says so; packed with gzip or not."""
    if path.exists() and not path.is_file():
        raise DataError(f"{name} is {'a folder' if path.is_dir() else 'not a regular file'}, not a data file.")
    raw = gzip.open(path, "rb") if _is_packed(path) else path.open("rb")  # noqa: SIM115 - the caller closes it
    start = raw.read(2)
    raw.seek(0)
    encoding = "utf-16" if start in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    return io.TextIOWrapper(raw, encoding, newline=None)


def _is_packed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == idx.GZIP_MAGIC


def _stem(path: Path) -> str:
    name = path.name.lower()
    ending = next(end for end in (*sorted(ENDINGS, key=len, reverse=True), ".txt") if name.endswith(end))
    return path.name[: -len(ending)]


def _narrow(values: np.ndarray) -> np.ndarray:
    small = values.astype(np.uint8) if ((values >= 0) & (values <= 255)).all() else values
    return small if (small == values).all() else values


def _without_labels(n: int, path: Path) -> str:
    return (
        f"has {n} columns, all of them pixels: it has no labels, as the test.csv of Kaggle's competition. Name the "
        "file that has them; it is split for you. For answers to these images: "
        f"mnistry predict MODEL --dataset {shlex.quote(str(path))}"
    )
