"""CSV tables: the label first, then 784 pixels, as Kaggle has MNIST; a header or none."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mnistry.datasets import idx
from mnistry.datasets.dataset import ROW, numbered_origins
from mnistry.datasets.labelled import (
    LABELS,
    MAX_BYTES,
    PIXELS,
    SIDE,
    Labelled,
    LoadedSplits,
    ValidationErrors,
    of_numbers,
)
from mnistry.errors import DataError
from mnistry.runtime.files import read_bytes, short

COLUMNS = 1 + PIXELS
ROWS_AT_A_TIME = 1000
SPLITS = ("train.csv", "test.csv")


def read(path: Path) -> LoadedSplits:
    """One table, to be split, or a folder with `train.csv` and perhaps `test.csv`.

    Raises:
        DataError: a file cannot be read, is no such table, or has wrong rows; the message names them.
    """
    problems = ValidationErrors()
    paths = [path / name for name in SPLITS if (path / name).exists()] if path.is_dir() else [path]
    tables = [_table(each, problems) for each in paths]
    problems.refuse(short(path))
    return LoadedSplits(tables[0], tables[1] if len(tables) > 1 else None)


def _table(path: Path, problems: ValidationErrors) -> Labelled:
    name = short(path)
    lines = _lines(path, name)
    first = _cells(lines[0]) if lines else []
    header = any(not _is_number(cell) for cell in first[1:]) and any(_is_name(cell) for cell in first[1:])
    header = header or first == [str(number) for number in range(len(first))]  # as pandas numbers columns
    if len(first) != COLUMNS:
        raise DataError(f"{name} {_other_columns(len(first))}")
    named = next((column for column, cell in enumerate(first, 1) if header and cell.strip().lower() in LABELS), 1)
    if named != 1:
        raise DataError(
            f"{name} has the column {first[named - 1].strip()!r} as number {named}: labels must stand first."
        )
    pixels: list[np.ndarray] = []
    labels: list[str] = []
    numbers: list[int] = []  # of the row that each image stands in, counted as an editor does
    for start in range(int(header), len(lines), ROWS_AT_A_TIME):
        rows = [
            (number, line)
            for number, line in enumerate(lines[start : start + ROWS_AT_A_TIME], start + 1)
            if line.strip() or number < len(lines)
        ]
        part = _quickly([line for _, line in rows])
        kept = rows
        if part is None:
            part, kept = _carefully(rows, name, problems)
        pixels.append(part[0])
        labels.extend(part[1])
        numbers.extend(number for number, _ in kept)
    if not labels and not problems.count:
        raise DataError(f"{name} holds no images{', only a header' if header else ''}.")

    def place(index: tuple[int, ...]) -> str:
        return f"{name}, row {numbers[index[0]]}, column {index[1] + 2}"

    values = np.concatenate(pixels) if pixels else np.zeros((0, PIXELS), np.uint8)
    for number, label in zip(numbers, labels, strict=True):
        if not label:
            problems.add(f"{name}, row {number}, column 1", "the label is empty")
    images = of_numbers(values, place, problems).reshape(-1, SIDE, SIDE)
    return Labelled(images, np.array(labels, np.str_), numbered_origins(path.name, numbers, ROW))


def _lines(path: Path, name: str) -> list[str]:
    content = idx.unpack(read_bytes(path, MAX_BYTES), name)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = content.count(b"\n", 0, error.start) + 1
        raise DataError(f"{name} is no text in UTF-8: row {row} has a byte that does not belong.") from None
    if "\0" in text:
        raise DataError(f"{name} is no CSV table: it holds bytes of zero.")
    lines = text.splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        raise DataError(f"{name} is empty.")
    return lines


def _quickly(lines: Sequence[str]) -> tuple[np.ndarray, list[str]] | None:
    """Pixels (n, 784) and labels of rows in which all is as it should be; None where something may not be."""
    if any(line.count(",") != PIXELS or '"' in line for line in lines):
        return None
    try:
        values = np.loadtxt(lines, np.float32, delimiter=",", usecols=range(1, COLUMNS), comments=None, ndmin=2)
    except ValueError:
        return None
    small = values.astype(np.uint8) if ((values >= 0) & (values <= 255)).all() else values
    return small if (small == values).all() else values, [line.partition(",")[0].strip() for line in lines]


def _carefully(
    rows: Sequence[tuple[int, str]], name: str, problems: ValidationErrors
) -> tuple[tuple[np.ndarray, list[str]], list[tuple[int, str]]]:
    """The same, cell by cell, and the rows that were kept; what is wrong goes to the problems."""
    values: list[list[float]] = []
    labels: list[str] = []
    kept: list[tuple[int, str]] = []
    for number, line in rows:
        cells = _cells(line)
        if len(cells) != COLUMNS:
            problems.add(f"{name}, row {number}", f"expected {COLUMNS} columns, received {len(cells)}")
            continue
        wrong = [column for column, cell in enumerate(cells[1:], 2) if not _is_number(cell)]
        for column in wrong:
            problems.add(
                f"{name}, row {number}, column {column}", f"expected a number, received {cells[column - 1]!r:.40}"
            )
        if not wrong:
            values.append([float(cell) for cell in cells[1:]])
            labels.append(cells[0].strip())
            kept.append((number, line))
    return (np.array(values, np.float32).reshape(-1, PIXELS), labels), kept


def _cells(line: str) -> list[str]:
    try:
        return next(csv.reader([line]), [])
    except csv.Error:  # a cell of more than a hundred thousand characters
        return line.split(",")


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _is_name(cell: str) -> bool:
    """Whether it may stand in a header: a word such as pixel12 or 1x1, not a cell left empty or garbled."""
    return any(letter.isalpha() for letter in cell) and not _is_number(cell)


def _other_columns(n: int) -> str:
    must = f"expected {COLUMNS}, the label and then {PIXELS} pixels"
    if n == PIXELS:
        return (
            f"has {n} columns, {must}: it has no labels, as the test.csv of Kaggle's competition. Name the file that "
            "has them; it is split for you."
        )
    return f"has {n} {'column' if n == 1 else 'columns'} in its first row, {must}, parted by commas."
