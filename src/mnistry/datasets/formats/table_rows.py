"""Rows of cells out of every form of table: CSV, ARFF, LIBSVM, JSON, JSON Lines, Parquet and Arrow."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from mnistry.datasets.formats import naming, parquet, unsupported
from mnistry.datasets.formats.cells import Cell, count_up, is_name, is_number, to_cell
from mnistry.datasets.formats.picture_paths import find_picture, is_picture_name
from mnistry.datasets.formats.pixels import shape_of
from mnistry.datasets.formats.text_lines import Lines, number_lines, read_first_line
from mnistry.datasets.labelled import MAX_BYTES
from mnistry.errors import DataError
from mnistry.reporting.text import format_count
from mnistry.runtime.file_signatures import read_start
from mnistry.runtime.files import short

LOOKED_AT = 20  # rows that show how the cells of a CSV table are written
MAX_CELL_LINES = 200  # of one quoted cell: an array of 784 numbers, as pandas writes it, has about 50
SEPARATORS = ",;\t|"
LEAST_SPACED = 64  # words in a first row that are cells, as np.savetxt parts them, and not the words of a name
DECIMAL_COMMA, POINT = re.compile(r"-?\d+,\d+"), re.compile(r"(?<=\d),(?=\d)")
EXCEL = re.compile(r'"?sep=."?', re.IGNORECASE)  # the first line of a table for Excel
ATTRIBUTE = re.compile(r"@attribute\s+('[^']*'|\"[^\"]*\"|\S+)", re.IGNORECASE)
LIBSVM = re.compile(r"[+-]?\d{1,9}(\.0*)?( +\d{1,9}:[^ :]+)+ *")
LIBSVM_START = re.compile(rb"[+-]?\d{1,9}(\.0*)? +\d{1,9}:[-+.0-9eE]+ ")
SIDES = (8, 16, 20, 28, 32, 48, 64, 96, 128)  # of images whose last pixels may all be left out, as they are zero
LEAST_FILLED = 0.8  # part of an image's pixels up to the last one that any row has

Objects = Callable[[], Iterator[tuple[int, dict[str, Any]]]]


class TableRows(Protocol):
    """A file as rows of cells, as often as it is asked; `assumed` lists the assumptions."""

    assumed: list[str]

    @property
    def names(self) -> list[str] | None:
        """The names of the columns; None where it has no header."""

    def __iter__(self) -> Iterator[tuple[int, list[Cell]]]:
        """The rows below the header with their numbers in the file, from 1."""


def open_rows(path: Path) -> TableRows:
    """Open a table, in the form that its first bytes or lines show.

    Raises:
        DataError: it cannot be read, holds nothing, or is damaged where it begins.
        MissingExtraError: pyarrow is not installed, and it is a Parquet or an Arrow file.
    """
    if path.is_file() and parquet.is_one(read_start(path)):
        return parquet.ParquetRows(path)
    first = next((line for _, line in number_lines(path) if line.strip() and line[0] != "%"), "")
    if first.lower().startswith("@relation"):
        return _Arff(path)
    if path.suffix.lower() == ".json":
        return _Objects(path, "object", partial(enumerate, _read_json(path), 1))
    if first.startswith("{") and first.rstrip().endswith("}"):
        return _Objects(path, "row", partial(_read_json_lines, path))
    return _Libsvm(path) if LIBSVM.fullmatch(first) else _Csv(path)


def is_libsvm(path: Path) -> bool:
    """Tell whether a file begins as LIBSVM's do: a label, then index:value."""
    return LIBSVM_START.match(read_first_line(path, 200)) is not None


class _Csv:
    """A CSV table: its separator and its header are found by looking at its first rows."""

    def __init__(self, path: Path) -> None:
        self._path, self.assumed = path, list[str]()
        self._skipped = self._count_comments()
        first = [line for _, line in islice(self._lines(), 1 + LOOKED_AT)]
        if not first:
            raise DataError(f"{short(path)} is empty.")
        self._separator, self._commas = _find_separator(first[0], path), False
        rows = [self._cells(line) for line in first]
        below = next((row[0] for row in rows[1:] if row), "")
        self.names = rows[0] if _is_header(rows[0], below) else None
        if self._separator in ";\t|" and any(DECIMAL_COMMA.fullmatch(cell.strip()) for row in rows for cell in row):
            self._commas = True
            self.assumed.append("numbers have decimal commas")

    def __iter__(self) -> Iterator[tuple[int, list[Cell]]]:
        for number, line in islice(self._lines(), int(self.names is not None), None):
            yield number, [*self._cells(line)]

    def _cells(self, line: str) -> list[str]:
        if self._separator == " ":  # perhaps several, and some at either end
            line = " ".join(line.split())
        return _split_cells(POINT.sub(".", line) if self._commas else line, self._separator)

    def _lines(self) -> Lines:
        """The filled lines after the comments; programs on Windows leave every other line empty."""
        lines = islice(number_lines(self._path), self._skipped, None)
        filled = _join_quoted((number, line) for number, line in lines if line.strip())
        for number, line in islice(filled, 1):
            yield number, line.removeprefix("#").lstrip() if self._skipped or line[:1] == "#" else line
        yield from filled

    def _count_comments(self) -> int:
        """Count the lines before the table: they begin with # or name the separator for Excel."""
        start = list(islice(number_lines(self._path), 100))
        if start and EXCEL.fullmatch(start[0][1]):
            return 1
        skipped = next((n for n, (_, line) in enumerate(start) if line.strip() and line[0] != "#"), 0)
        if skipped and _commas(start[skipped - 1][1]) == _commas(start[skipped][1]) > 0:
            skipped -= 1  # a header, as np.savetxt writes it
        if comments := sum(bool(line.strip()) for _, line in start[:skipped]):
            self.assumed.append(f"passed over {format_count(comments, 'line')} of comment")
        return skipped


class _Arff:
    """An ARFF file, as OpenML and Weka have it: the names of its attributes are the header."""

    def __init__(self, path: Path) -> None:
        self._path, self.names, self.assumed = path, list[str](), list[str]()
        for number, line in number_lines(path):
            if match := ATTRIBUTE.match(line.strip()):
                self.names.append(match[1].strip("'\""))
            elif line.strip().lower().startswith("@data"):
                self._start = number
                return
        raise DataError(f"{short(path)} is an ARFF file without @data: it holds no rows.")

    def __iter__(self) -> Iterator[tuple[int, list[Cell]]]:
        for number, line in islice(number_lines(self._path), self._start, None):
            text = line.strip()
            if text[:1] == "{":
                _check_size(self._path, number, len(self.names))
                yield number, self._dense(text, number)
            elif text and text[0] != "%":
                yield number, [*_split_cells(text.replace("'", '"'), ",")]

    def _dense(self, text: str, number: int) -> list[Cell]:
        """A sparse row, {index value, …}, with its zeros."""
        cells: list[Cell] = ["0"] * len(self.names)
        for pair in filter(None, map(str.strip, text.strip("{}").split(","))):
            index, _, value = pair.partition(" ")
            if not index.isdecimal() or int(index) >= len(cells):
                raise DataError(f"{short(self._path)}, row {number}: {pair!r:.40} is not an index and a value.")
            cells[int(index)] = value.strip(" '\"")
        return cells


class _Libsvm:
    """A LIBSVM file: a label and index:value for each pixel that is not zero; indices are from 0 or 1."""

    def __init__(self, path: Path) -> None:
        self._path, name = path, short(path)
        least, most, number = 1, 0, 0
        for number, line in number_lines(path):
            indices = [int(pair.partition(":")[0]) for pair in self._pairs(line, number)]
            least, most = min([least, *indices]), max([most, *indices])
        count = most + 1 - least
        squares = (side * side for side in SIDES)
        whole = count if len(shape_of(count) or ()) == 3 else 0  # coloured images have something in their last pixel
        self._pixels = whole or next((each for each in squares if LEAST_FILLED * each <= count <= each), 0)
        if not self._pixels:
            raise DataError(
                f"{name} is a LIBSVM file with {count} features, which make no square image of a usual size: "
                f"{', '.join(f'{each}×{each}' for each in SIDES)}."
            )
        _check_size(path, number, self._pixels)
        self._first, side = least, (shape_of(self._pixels) or (0,))[0]
        self.names = ["label", *(f"pixel{n}" for n in range(self._pixels))]
        self.assumed = [f"it is a LIBSVM file; its {count} features are taken as images of {side}×{side}"]

    def __iter__(self) -> Iterator[tuple[int, list[Cell]]]:
        for number, line in number_lines(self._path):
            cells: list[Cell] = ["0"] * self._pixels
            for pair in self._pairs(line, number):
                index, _, value = pair.partition(":")
                cells[int(index) - self._first] = value
            yield number, [(line.split() or [""])[0].removeprefix("+"), *cells]

    def _pairs(self, line: str, number: int) -> list[str]:
        if not LIBSVM.fullmatch(line) and line.strip() and len(line.split()) > 1:
            raise DataError(
                f"{short(self._path)} is a LIBSVM file, but row {number} is not a label followed by index:value: "
                f"{line[:40]!r}."
            )
        return line.split()[1:]


class _Objects:
    """JSON objects with the same keys: those of the first are the header."""

    def __init__(self, path: Path, item: str, objects: Objects) -> None:
        self._path, self._item, self._objects, self.assumed = path, item, objects, list[str]()
        self.names = list(next(objects())[1])

    def __iter__(self) -> Iterator[tuple[int, list[Cell]]]:
        for number, row in self._objects():
            if row.keys() != set(self.names):
                raise DataError(
                    f"{short(self._path)}, {self._item} {number}: expected the keys {', '.join(self.names)}, received "
                    f"{', '.join(row)}."
                )
            yield number, [to_cell(row[name]) for name in self.names]


def _read_json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in number_lines(path):
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise DataError(f"{short(path)}, row {number}: expected a JSON object, received {line[:40]!r}.")
        yield number, found


def _read_json(path: Path) -> list[dict[str, Any]]:
    """The rows in a JSON file: a list of objects, as pandas writes them, or a label for each picture."""
    try:
        content = json.loads(" ".join(line for _, line in number_lines(path)))
    except (ValueError, RecursionError):
        raise DataError(f"{short(path)} is damaged: it is not JSON.") from None
    found = _find_objects(content)
    if not found:
        told = unsupported.describe(path, read_start(path))
        raise DataError(f"{short(path)} is not a list of objects with the same keys. {told or ''}".rstrip())
    return found


def _find_objects(content: Any) -> list[dict[str, Any]]:
    """The rows of a table in JSON; empty where it is none."""
    if isinstance(content, dict) and len(content) == 1 and isinstance(next(iter(content.values())), list):
        (content,) = content.values()  # {"data": [{…}, …]}
    if isinstance(content, list):
        return content if content and all(isinstance(each, dict) for each in content) else []
    if not isinstance(content, dict) or not content:
        return []
    values = list(content.values())
    if all(isinstance(each, str | int) for each in values):
        if not any(map(is_picture_name, content)):
            return []
        return [{"file": name, "label": label} for name, label in content.items()]
    if all(map(naming.find_split, content)) and all(map(_find_objects, values)):
        return [{**row, "split": split} for split, rows in content.items() for row in _find_objects(rows)]
    of_texts = all(isinstance(each, list) and all(isinstance(name, str) for name in each) for each in values)
    if of_texts and not naming.find_named(content, naming.LABELS):  # {"cat": ["1.png", …], …}
        return [{"file": name, "label": label} for label, names in content.items() for name in names]
    if all(isinstance(each, dict) for each in values):
        if not all(key.isdigit() for key in values[0]):
            return [{"file": name, **row} for name, row in content.items()]
        values = [list(each.values()) for each in values]  # {"label": {"0": 7, "1": 3, …}, …}
    if all(isinstance(each, list) and len(each) == len(values[0]) for each in values):
        return [dict(zip(content, row, strict=True)) for row in zip(*values, strict=True)]
    return []


def _check_size(path: Path, rows: int, columns: int) -> None:
    """Refuse rows without their zeros that are too many with them."""
    if rows * columns > MAX_BYTES:
        raise DataError(
            f"{short(path)} has {rows:,} rows of {columns:,} numbers with their zeros; more than {MAX_BYTES:,} numbers "
            "are not read."
        )


def _commas(line: str) -> int:
    return max(map(line.count, SEPARATORS))


def _split_cells(line: str, separator: str) -> list[str]:
    """The cells of a line, some of which may be quoted."""
    if '"' not in line:
        return line.split(separator)
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:  # a cell of more than a hundred thousand characters
        return line.split(separator)


def _find_separator(line: str, path: Path) -> str:
    """Guess the separator of a table's cells from its first line."""
    for each in SEPARATORS[1:]:
        cells = line.split(each)
        if len(cells) > 2 and all(is_number(cell.strip().replace(",", ".", 1)) for cell in cells):
            return each  # commas in it are decimal ones
    if any(map(line.count, SEPARATORS)):
        return max(SEPARATORS, key=line.count)
    words = line.split()
    listed = len(words) == 2 and find_picture(path.parent, words[0]) is not None
    return " " if listed or len(words) > LEAST_SPACED else ","


def _is_header(head: Sequence[str], below: str) -> bool:
    """Tell whether the first row of a table names its columns; `below` is the first cell of the next row."""
    words = any(not is_number(cell) for cell in head[1:] or head) and any(map(is_name, head))
    above_files = is_picture_name(below) and is_name(head[0]) and not is_picture_name(head[0])  # the rest: numbers
    numbered = list(head) == [str(n) for n in range(len(head))]  # as pandas numbers columns, perhaps after a name
    return words or above_files or numbered or (len(head) > LEAST_SPACED and count_up(head[1:]))


def _join_quoted(lines: Lines) -> Lines:
    """The same, with the lines of a quoted cell as one."""
    for number, line in lines:
        if line.count('"') % 2 == 0:
            yield number, line
            continue
        parts = [(number, line)]
        for each in islice(lines, MAX_CELL_LINES):
            parts.append(each)
            if each[1].count('"') % 2:
                yield number, " ".join(text for _, text in parts)
                break
        else:
            yield from parts  # a quotation mark that is none
