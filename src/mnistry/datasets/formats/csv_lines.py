"""Text tables line by line: CSV as it is; ARFF, LIBSVM, JSON and JSON Lines turned into CSV."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any, Protocol

from mnistry.datasets.formats import naming, unsupported
from mnistry.datasets.formats.pixels import shape_of
from mnistry.datasets.labelled import MAX_BYTES
from mnistry.errors import DataError
from mnistry.ocr.image_io import SUFFIXES
from mnistry.reporting.text import format_count
from mnistry.runtime.file_signatures import GZIP, read_start
from mnistry.runtime.files import short

MAX_LINE = 4_000_000  # characters
MAX_CELL_LINES = 200  # of one quoted cell: an array of 784 numbers, as pandas writes it, has about 50
DAMAGES = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile)  # of a packed file
OPENERS: dict[bytes, Callable[..., Any]] = {GZIP: gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
ENCODINGS = ((b"\xff\xfe\0\0", "utf-32"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))  # by their marks
LIBSVM = re.compile(r"[+-]?\d{1,9}(\.0*)?( +\d{1,9}:[^ :]+)+ *")
LIBSVM_START = re.compile(rb"[+-]?\d{1,9}(\.0*)? +\d{1,9}:[-+.0-9eE]+ ")
SIDES = (8, 16, 20, 28, 32, 48, 64, 96, 128)  # of images whose last pixels may all be left out, as they are zero
LEAST_FILLED = 0.8  # part of an image's pixels up to the last one that any row has
EXCEL = re.compile(r'"?sep=."?', re.IGNORECASE)  # the first line of a table for Excel
ATTRIBUTE = re.compile(r"@attribute\s+('[^']*'|\"[^\"]*\"|\S+)", re.IGNORECASE)

Lines = Iterator[tuple[int, str]]
"""Lines with their numbers in the file, from 1."""


class Reader(Protocol):
    """A file as lines of CSV, as often as it is asked; `assumed` lists the assumptions."""

    assumed: list[str]

    def lines(self) -> Lines:
        """The lines; a header that the file does not have has the number 0."""


def choose_reader(path: Path) -> Reader:
    """Choose how to read a file, by its first lines."""
    first = next((line for _, line in _number_lines(path) if line.strip() and line[0] != "%"), "")
    if first.lower().startswith("@relation"):
        return _Arff(path)
    if path.suffix.lower() == ".json":
        return _Json(path)
    if first.startswith("{") and first.rstrip().endswith("}"):
        return _JsonLines(path)
    return _Libsvm(path) if LIBSVM.fullmatch(first) else _Plain(path)


def first_line(path: Path, most: int) -> str:
    """The first line of a text, no more than `most` bytes of it; packed or not.

    Raises:
        OSError: it cannot be read, or one of `DAMAGES`: it cannot be unpacked.
    """
    with _open_bytes(path) as file:
        return file.readline(most).decode("utf-8", "replace")


def is_libsvm(path: Path) -> bool:
    """Tell whether a file begins as LIBSVM's do: a label, then index:value."""
    try:
        with _open_bytes(path) as file:
            return LIBSVM_START.match(file.read(200)) is not None
    except (OSError, *DAMAGES):
        return False


class _Plain:
    """A CSV table; comments before it, that begin with #, are passed over."""

    def __init__(self, path: Path) -> None:
        self._path = path
        start = list(islice(_number_lines(path), 100))
        self._skipped = next((n for n, (_, line) in enumerate(start) if line.strip() and line[0] != "#"), 0)
        self.assumed = list[str]()
        if start and EXCEL.fullmatch(start[0][1]):  # it names the separator, which is seen in the rows, too
            self._skipped = 1
            return
        if self._skipped and _commas(start[self._skipped - 1][1]) == _commas(start[self._skipped][1]) > 0:
            self._skipped -= 1  # a header, as np.savetxt writes it
        comments = sum(bool(line.strip()) for _, line in start[: self._skipped])
        self.assumed = [f"passed over {format_count(comments, 'line')} of comment"] if comments else []

    def lines(self) -> Lines:
        filled = ((n, line) for n, line in islice(_number_lines(self._path), self._skipped, None) if line.strip())
        lines = _join_quoted(filled)  # programs on Windows leave every other line empty
        for number, line in islice(lines, 1):
            yield number, line.removeprefix("#").lstrip() if self._skipped or line[:1] == "#" else line
        yield from lines


class _Arff:
    """An ARFF file, as OpenML and Weka have it: the names of its attributes are the header."""

    def __init__(self, path: Path) -> None:
        self._path, self._names, self.assumed = path, list[str](), list[str]()
        for number, line in _number_lines(path):
            if match := ATTRIBUTE.match(line.strip()):
                self._names.append(match[1].strip("'\""))
            elif line.strip().lower().startswith("@data"):
                self._start = number
                return
        raise DataError(f"{short(path)} is an ARFF file without @data: it holds no rows.")

    def lines(self) -> Lines:
        yield 0, _join_cells(self._names)
        for number, line in _number_lines(self._path):
            text = line.strip()
            if text[:1] == "{":
                _check_size(self._path, number, len(self._names))
            if number > self._start and text and text[0] != "%":
                yield number, self._dense(text, number) if text[0] == "{" else text.replace("'", '"')

    def _dense(self, text: str, number: int) -> str:
        """A sparse row, {index value, …}, with its zeros."""
        cells = ["0"] * len(self._names)
        for pair in filter(None, map(str.strip, text.strip("{}").split(","))):
            index, _, value = pair.partition(" ")
            if not index.isdecimal() or int(index) >= len(cells):
                raise DataError(f"{short(self._path)}, row {number}: {pair!r:.40} is not an index and a value.")
            cells[int(index)] = value.strip(" '\"")
        return ",".join(cells)


class _JsonLines:
    """A file with a JSON object in each line: the keys of the first are the header."""

    item = "row"

    def __init__(self, path: Path) -> None:
        self._path, self.assumed = path, list[str]()
        self._names = list(next(self._rows())[1])

    def _rows(self) -> Iterator[tuple[int, dict[str, Any]]]:
        for number, line in _number_lines(self._path):
            try:
                found = json.loads(line)
            except (ValueError, RecursionError):
                found = None
            if not isinstance(found, dict):
                raise DataError(f"{short(self._path)}, row {number}: expected a JSON object, received {line[:40]!r}.")
            yield number, found

    def lines(self) -> Lines:
        yield 0, _join_cells(self._names)
        for number, row in self._rows():
            if row.keys() != set(self._names):
                raise DataError(
                    f"{short(self._path)}, {self.item} {number}: expected the keys {', '.join(self._names)}, received "
                    f"{', '.join(row)}."
                )
            yield number, _join_cells([row[name] for name in self._names])


class _Json(_JsonLines):
    """A JSON file of rows, as a list of objects or as pandas writes them, or of a label for each picture."""

    item = "object"

    def __init__(self, path: Path) -> None:
        try:
            content = json.loads(" ".join(line for _, line in _number_lines(path)))
        except (ValueError, RecursionError):
            raise DataError(f"{short(path)} is damaged: it is not JSON.") from None
        self._found = _find_rows(content)
        if not self._found:
            told = unsupported.describe(path, read_start(path))
            raise DataError(f"{short(path)} is not a list of objects with the same keys. {told or ''}".rstrip())
        super().__init__(path)

    def _rows(self) -> Iterator[tuple[int, dict[str, Any]]]:
        yield from enumerate(self._found, 1)


def _join_cells(cells: Sequence[Any]) -> str:
    """A line of CSV; what is not text is written as JSON."""
    sink = io.StringIO()
    csv.writer(sink, lineterminator="").writerow(
        [each if isinstance(each, str) else json.dumps(each) for each in cells]
    )
    return sink.getvalue()


def _find_rows(content: Any) -> list[dict[str, Any]]:
    """The rows of a table in JSON; empty where it is none."""
    if isinstance(content, dict) and len(content) == 1 and isinstance(next(iter(content.values())), list):
        (content,) = content.values()  # {"data": [{…}, …]}
    if isinstance(content, list):
        return content if content and all(isinstance(each, dict) for each in content) else []
    if not isinstance(content, dict) or not content:
        return []
    values = list(content.values())
    if all(isinstance(each, str | int) for each in values):
        if not any(Path(name).suffix.lower() in SUFFIXES for name in content):
            return []
        return [{"file": name, "label": label} for name, label in content.items()]
    if all(map(naming.find_split, content)) and all(map(_find_rows, values)):
        return [{**row, "split": split} for split, rows in content.items() for row in _find_rows(rows)]
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


class _Libsvm:
    """A LIBSVM file: a label and index:value for each pixel that is not zero; indices are from 0 or 1."""

    def __init__(self, path: Path) -> None:
        self._path, name = path, short(path)
        least, most, number = 1, 0, 0
        for number, line in _number_lines(path):
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
        self.assumed = [f"it is a LIBSVM file; its {count} features are taken as images of {side}×{side}"]

    def _pairs(self, line: str, number: int) -> list[str]:
        if not LIBSVM.fullmatch(line) and line.strip() and len(line.split()) > 1:
            raise DataError(
                f"{short(self._path)} is a LIBSVM file, but row {number} is not a label followed by index:value: "
                f"{line[:40]!r}."
            )
        return line.split()[1:]

    def lines(self) -> Lines:
        yield 0, ",".join(["label", *(f"pixel{n}" for n in range(self._pixels))])
        for number, line in _number_lines(self._path):
            cells = ["0"] * self._pixels
            for pair in self._pairs(line, number):
                index, _, value = pair.partition(":")
                cells[int(index) - self._first] = value
            yield number, ",".join([(line.split() or [""])[0].removeprefix("+"), *cells])


def _check_size(path: Path, rows: int, columns: int) -> None:
    """Refuse rows without their zeros that are too many with them."""
    if rows * columns > MAX_BYTES:
        raise DataError(
            f"{short(path)} has {rows:,} rows of {columns:,} numbers with their zeros; more than {MAX_BYTES:,} numbers "
            "are not read."
        )


def _commas(line: str) -> int:
    return max(map(line.count, ",;\t|"))


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


def _number_lines(path: Path) -> Lines:
    """The lines of a file with their numbers from 1; empty ones at the end are left out."""
    name = short(path)
    waiting: list[int] = []
    try:
        with _open_text(path, name) as file:
            total = 0
            for number in range(1, 2**62):
                line = file.readline(MAX_LINE)
                if not line:
                    return
                total += len(line)
                if len(line) == MAX_LINE or total > MAX_BYTES:
                    limit = f"a line of {MAX_LINE:,}" if len(line) == MAX_LINE else f"{MAX_BYTES:,}"
                    raise DataError(f"{name} has {limit} characters or more, which is not read.")
                line = line.rstrip("\r\n")
                if "\0" in line:
                    raise DataError(
                        f"{name} is not a CSV table: it holds bytes of zero. If it is text in UTF-16, save it as UTF-8."
                    )
                if not line.strip():
                    waiting.append(number)
                    continue
                yield from ((each, "") for each in waiting)
                waiting.clear()
                yield number, line
    except UnicodeDecodeError:
        raise DataError(
            f"{name} is not text in UTF-8: row {_undecodable(path)} has a byte that does not belong. "
            "Save it as UTF-8, or in Python: pd.read_csv(path, encoding='cp1252').to_csv('own.csv', index=False), with "
            "'cp949' for a Korean file."
        ) from None
    except DAMAGES as error:
        raise DataError(f"{name} is cut short or damaged: {str(error).rstrip('.'):.200}. Fetch it again.") from None
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror or error}.") from None


def _undecodable(path: Path) -> int:
    with _open_bytes(path) as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return 1


def _open_text(path: Path, name: str) -> IO[str]:
    """The file as text: UTF-8, or UTF-16 or UTF-32 if it begins so; packed or not."""
    if path.exists() and not path.is_file():
        raise DataError(f"{name} is {'a folder' if path.is_dir() else 'not a regular file'}, not a data file.")
    raw = _open_bytes(path)
    start = raw.read(4)
    raw.seek(0)
    encoding = next((name for begin, name in ENCODINGS if start.startswith(begin)), "utf-8-sig")
    if len(start) == 4 and start[1] == start[3] == 0 < min(start[0], start[2]):
        encoding = "utf-16-le"  # without its mark
    return io.TextIOWrapper(raw, encoding, newline=None)


def _open_bytes(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        start = file.read(8)
    opener = next((opener for magic, opener in OPENERS.items() if start.startswith(magic)), open)
    return opener(path, "rb")
