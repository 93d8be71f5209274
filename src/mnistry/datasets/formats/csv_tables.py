"""CSV tables: rows of pixels with a label, as Kaggle has MNIST, or lists of picture files with labels."""

from __future__ import annotations

import csv
import re
import shlex
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mnistry.datasets.dataset import ROW, make_file_origins, make_numbered_origins
from mnistry.datasets.formats import base64_pictures, csv_lines, pixels
from mnistry.datasets.formats.csv_columns import (
    BRACKETS,
    PIXELS,
    TRUE,
    Layout,
    clean_label,
    find_by_names,
    find_by_values,
    find_list,
    find_picture,
    forget_folders,
    is_name,
    is_number,
    is_one_hot,
)
from mnistry.datasets.formats.naming import find_split
from mnistry.datasets.labelled import EncodedImage, LabelledImages, ValidationErrors, join, part_by_split
from mnistry.errors import DataError, NoLabelsError
from mnistry.ocr.image_io import SUFFIXES
from mnistry.runtime.files import short

ROWS_AT_A_TIME = 1000
LOOKED_AT = 1000  # rows that decide which column is the label, where no header says it
SEPARATORS = ",;\t|"
DECIMAL_COMMA, POINT = re.compile(r"-?\d+,\d+"), re.compile(r"(?<=\d),(?=\d)")
LEAST_SPACED = 64  # words in a first row that are cells, as np.savetxt parts them, and not the words of a name
MISSING = ("", "nan", "NaN", "NAN")  # labels that are none


def read_images(path: Path) -> tuple[np.ndarray | Sequence[EncodedImage], list[str]]:
    """Read the images of a table or list that may have no labels, uint8 (n, height, width) or pictures; and remarks.

    Raises:
        DataError: see `read`.
    """
    problems = ValidationErrors()
    table = Table(path)
    if table.layout.files is not None:
        found = list(table.files("test", problems, table.assumed).values())
    else:
        found = [table.rows(problems)[0]]
    problems.refuse(short(path))
    if not found:
        raise DataError(f"{short(path)} holds no images, only a header.")
    part = join(found)
    told = [f"{short(path)}: the labels are not used."] if table.layout.labelled else []
    return part.images, [*told, *table.assumed]


def read_parts(path: Path, split: str, problems: ValidationErrors, remarks: list[str]) -> dict[str, LabelledImages]:
    """Read the content of a table by split; `split` is what the file is named after."""
    table = Table(path)
    if not table.layout.labelled:
        if split == "test":
            remarks.append(
                f"{short(path)} has no labels and is not used here. Once there is a model: mnistry predict MODEL "
                f"--dataset {shlex.quote(str(path))} --out submission.csv"
            )
            return {}
        raise NoLabelsError(f"{short(path)} {_without_labels(table.layout, path)}")
    if table.layout.files is not None:
        remarks += table.assumed
        return table.files(split, problems, remarks)
    part, splits = table.rows(problems)
    remarks += table.assumed
    return {split: part} if table.layout.split is None else part_by_split(part, splits, problems)


class _Rows(NamedTuple):
    """The content of rows: pixels (n, columns), labels, what names the split, and the numbers of the rows."""

    values: np.ndarray
    labels: list[str]
    splits: list[str]
    numbers: list[int]


class Table:
    """One table: its separator, its header and its columns, found by looking at its first rows."""

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, short(path)
        self._length = 0  # of images in one cell
        forget_folders()
        self._reader = csv_lines.choose_reader(path)
        first = [line for _, line in islice(self._reader.lines(), LOOKED_AT)]
        if not first:
            raise DataError(f"{self.name} is empty.")
        self._separator = find_separator(first[0], path)
        if self._separator == " ":
            first = [" ".join(line.split()) for line in first]
        head = self._cells(first[0])
        below = next((cells[0] for line in first[1:] if (cells := self._cells(line))), "")
        self._header = _is_header(head, below)
        rows = [self._cells(line) for line in first[int(self._header) :]]
        self._commas = self._separator in ";\t|" and any(
            DECIMAL_COMMA.fullmatch(cell.strip()) for row in rows[:20] for cell in row
        )
        if self._commas:
            rows = [[POINT.sub(".", cell) for cell in row] for row in rows]
        listed_files = None if self._header else find_list(head, self.path)
        self.layout = listed_files or (find_by_names if self._header else find_by_values)(head, rows, self.path)
        told = [*self._reader.assumed, *self.layout.assumed, *["numbers have decimal commas"] * self._commas]
        self.assumed = [f"{self.name}: {each}." for each in told]

    def rows(self, problems: ValidationErrors) -> tuple[LabelledImages, list[str]]:
        """The images and labels of a table of pixels, and what names their splits.

        Labels and splits are empty where there are none.
        """
        read: list[_Rows] = []
        lines = self._lines()
        while rows := list(islice(lines, ROWS_AT_A_TIME)):
            read.append(self._parse_fast(rows) or self._parse_by_cell(rows, problems))
        numbers = [number for part in read for number in part.numbers]
        labels = [label for part in read for label in part.labels]
        if not numbers and not problems.count:
            raise DataError(f"{self.name} holds no images{', only a header' if self._header else ''}.")
        if self.layout.label is not None:
            for number, label in zip(numbers, labels, strict=True):
                if label in MISSING:
                    what = f"the label is {label or 'empty'}"
                    problems.add(f"{self.name}, row {number}, column {self.layout.label + 1}", what)
        parts = [part.values for part in read if len(part.values)]
        values = np.concatenate(parts) if parts else np.zeros((0, PIXELS), np.uint8)
        columns = self.layout.pixels or [self.layout.packed or 0] * values.shape[1]

        def place(index: tuple[int, ...]) -> str:
            return f"{self.name}, row {numbers[index[0]]}, column {columns[index[1]] + 1}"

        scaled, assumed = pixels.to_uint8(values, place, problems)
        images, arranged = pixels.arrange(scaled, None, self.name)
        if self.layout.packed is not None and images.ndim == 3:
            arranged = f"column {self.layout.packed + 1} holds images of {images.shape[1]}×{images.shape[2]} pixels"
        self.assumed += [f"{self.name}: {each}." for each in (assumed, arranged) if each is not None]
        where = make_numbered_origins(self.path.name, numbers, ROW)
        part = LabelledImages(images, np.array(labels, np.str_), where)
        return part, [split for rows_ in read for split in rows_.splits]

    def _lines(self) -> csv_lines.Lines:
        """The rows below the header."""
        lines = islice(self._reader.lines(), int(self._header), None)
        for number, line in lines:
            if self._separator == " ":  # perhaps several, and some at either end
                yield number, " ".join(line.split())
            else:
                yield number, POINT.sub(".", line) if self._commas else line

    def files(self, split: str, problems: ValidationErrors, remarks: list[str]) -> dict[str, LabelledImages]:
        """The pictures of a list of files, by split."""
        found: dict[str, list[tuple[EncodedImage, str, str]]] = {}
        layout, folder = self.layout, self.path.parent
        known: dict[Path, tuple[str, int]] = {}
        moved = twice = 0
        for number, line in self._lines():
            cells = line.split() if self._separator == " " else self._cells(line)
            if len(cells) != layout.columns:
                problems.add(f"{self.name}, row {number}", f"expected {layout.columns} columns, received {len(cells)}")
                continue
            name, label = cells[layout.files or 0].strip(), self._label(cells)
            content = base64_pictures.decode(name)
            place = find_picture(folder, name) if content is None else Path(f"{self.path.name}, row {number}")
            if place is None:
                problems.add(f"{self.name}, row {number}", f"there is no picture {name!r:.80}")
            elif label in MISSING and layout.labelled:
                problems.add(f"{self.name}, row {number}", f"the label is {label or 'empty'}")
            elif known.setdefault(place, (label, number))[0] != label:
                other, row = known[place]
                problems.add(
                    f"{self.name}, row {number}", f"{name!r:.80} is {label!r:.40}, but {other!r:.40} in row {row}"
                )
            elif known[place][1] != number:
                twice += 1
            else:
                here = place.as_posix().rpartition(".")[0].lower()
                listed = name.replace("\\", "/").removeprefix("./").lower().removesuffix(place.suffix.lower())
                moved += content is None and not here.endswith(listed)
                where = split if layout.split is None else find_split(cells[layout.split].strip())
                if where is None:
                    problems.add(f"{self.name}, row {number}", f"{cells[layout.split or 0]!r:.40} names no split")
                else:
                    origin = str(place) if content is not None else place.relative_to(folder).as_posix()
                    found.setdefault(where, []).append((EncodedImage(str(place), content), label, origin))
        encoded = any(picture.content for those in found.values() for picture, _, _ in those)
        what = "holds pictures in base64" if encoded else "is a list of files"
        remarks.append(f"{self.name} {what}: {sum(map(len, found.values())):,} pictures are taken.")
        if moved:
            remarks.append(f"{self.name}: the folders before {moved:,} names are not here and are passed over.")
        if twice:
            remarks.append(f"{self.name}: {twice:,} rows name a picture again, with the same label.")
        return {
            name: LabelledImages(
                [picture for picture, _, _ in those],
                np.array([label for _, label, _ in those], np.str_),
                make_file_origins([origin for _, _, origin in those]),
            )
            for name, those in found.items()
        }

    def _parse_fast(self, rows: Sequence[tuple[int, str]]) -> _Rows | None:
        """The content of rows in which all is as it should be; None where something may not be."""
        layout, lines = self.layout, [line for _, line in rows]
        if layout.packed is not None or any(
            line.count(self._separator) != layout.columns - 1 or '"' in line for line in lines
        ):
            return None
        wanted = (*layout.pixels, *(column for column, _ in layout.one_hot))
        try:
            values = np.loadtxt(lines, np.float32, delimiter=self._separator, usecols=wanted, comments=None, ndmin=2)
        except ValueError:
            return None
        values, marks = np.split(values, [len(layout.pixels)], axis=1)
        if layout.one_hot:
            if not (((marks == 0) | (marks == 1)).all() and (marks.sum(axis=1) == 1).all()):
                return None
            labels = [layout.one_hot[place][1] for place in marks.argmax(axis=1)]
        else:
            labels = [clean_label(each) for each in self._column(lines, layout.label)]
        return _Rows(pixels.narrow(values), labels, self._column(lines, layout.split), [number for number, _ in rows])

    def _column(self, lines: Sequence[str], column: int | None) -> list[str]:
        """The cells of a column, of lines without quotation marks; empty where there is none."""
        if column is None:
            return [""] * len(lines)
        if column == self.layout.columns - 1:
            return [line.rpartition(self._separator)[2] for line in lines]
        return [line.split(self._separator, column + 1)[column] for line in lines]

    def _parse_by_cell(self, rows: Sequence[tuple[int, str]], problems: ValidationErrors) -> _Rows:
        """The same, cell by cell, without rows in which something is wrong; that goes to the problems."""
        values: list[np.ndarray] = []
        kept = _Rows(np.empty(0), [], [], [])
        layout = self.layout
        for number, line in rows:
            place, cells = f"{self.name}, row {number}", self._cells(line)
            if len(cells) != layout.columns:
                problems.add(place, f"expected {layout.columns} columns, received {len(cells)}")
                continue
            if layout.packed is None:
                numbers, where = [cells[column] for column in layout.pixels], layout.pixels
            else:
                numbers = cells[layout.packed].translate(BRACKETS).split()
                where = (layout.packed,) * len(numbers)
                self._length = self._length or len(numbers)
                if len(numbers) != self._length:
                    problems.add(
                        f"{place}, column {layout.packed + 1}",
                        f"expected {self._length} pixels, received {len(numbers)}",
                    )
                    continue
            try:
                with np.errstate(over="ignore"):
                    row = np.array(numbers, np.float64).astype(np.float32)
                wrong = []
            except ValueError:
                wrong = [(column, cell) for column, cell in zip(where, numbers, strict=True) if not is_number(cell)]
            for column, cell in wrong:
                problems.add(f"{place}, column {column + 1}", f"expected a number, received {cell!r:.40}")
            if layout.one_hot and not is_one_hot([cells], [column for column, _ in layout.one_hot]):
                problems.add(
                    place, f"expected one 1 among its {len(layout.one_hot)} columns of labels, and 0 in the others"
                )
                continue
            if not wrong:
                values.append(row)
                kept.labels.append(self._label(cells))
                kept.splits.append("" if layout.split is None else cells[layout.split].strip())
                kept.numbers.append(number)
        return kept._replace(values=np.stack(values) if values else np.empty((0, 0), np.float32))

    def _label(self, cells: Sequence[str]) -> str:
        """The label of a row; empty where it has none."""
        if self.layout.label is not None:
            return clean_label(cells[self.layout.label])
        hot = [name for column, name in self.layout.one_hot if cells[column].strip().lower() in TRUE]
        return hot[0] if len(hot) == 1 else ""

    def _cells(self, line: str) -> list[str]:
        return split_cells(line, self._separator)


def split_cells(line: str, separator: str) -> list[str]:
    """The cells of a line, some of which may be quoted."""
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:  # a cell of more than a hundred thousand characters
        return line.split(separator)


def find_separator(line: str, path: Path) -> str:
    """Guess the separator of a table's cells from its first line."""
    for each in SEPARATORS[1:]:
        cells = line.split(each)
        if len(cells) > 2 and all(is_number(cell.strip().replace(",", ".", 1)) for cell in cells):
            return each  # commas in it are decimal ones
    if any(map(line.count, SEPARATORS)):
        return max(SEPARATORS, key=line.count)
    words = line.split()
    listed_ = len(words) == 2 and find_picture(path.parent, words[0]) is not None
    return " " if listed_ or len(words) > LEAST_SPACED else ","


def _is_header(head: Sequence[str], below: str) -> bool:
    """Tell whether the first row of a table names its columns; `below` is the first cell of the next row."""
    words = any(not is_number(cell) for cell in head[1:] or head) and any(map(is_name, head))
    above_files = _names_picture(below) and is_name(head[0]) and not _names_picture(head[0])  # the rest may be numbers
    return words or above_files or list(head) == [str(n) for n in range(len(head))]  # as pandas numbers columns


def _names_picture(cell: str) -> bool:
    return Path(cell.strip()).suffix.lower() in SUFFIXES


def _without_labels(layout: Layout, path: Path) -> str:
    what = "names of pictures" if layout.files is not None else f"{layout.columns} columns, all of them pixels"
    return (
        f"has {what}: it has no labels, as the test.csv of Kaggle's competition. Name the "
        "file that has them; it is split for you. For answers to these images: "
        f"mnistry predict MODEL --dataset {shlex.quote(str(path))}"
    )
