"""Columns of CSV tables: which one is the label, which are pixels or names of files, and what a cell holds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from mnistry.datasets import pixels, wording
from mnistry.errors import DataError
from mnistry.ocr.read_many import SUFFIXES
from mnistry.runtime.files import short

MAX_LIST_COLUMNS = 64
WHOLE = re.compile(r"\d{1,9}\.\d{0,20}(e\+\d{2})?")  # of numbers that may be whole, those with a point
PIXELS = 784
FOLDERS = ("images", "image", "img", "imgs", "pictures", "data", "train", "test", "train_images", "test_images")


@dataclass(frozen=True)
class Layout:
    """The columns of a table.

    Attributes:
        columns: the number of all of them.
        label: the index of the column of labels; None if there is none.
        pixels: the indices of the columns of pixels.
        files: the index of the column of file names, in a list of files.
        split: the index of the column that names the split, in a list of files.
        said: what was assumed.
    """

    columns: int
    label: int | None
    pixels: tuple[int, ...] = ()
    files: int | None = None
    split: int | None = None
    said: tuple[str, ...] = ()


def find_by_names(head: Sequence[str], rows: Sequence[Sequence[str]], path: Path) -> Layout:
    """The columns by their names."""
    name, said = short(path), []
    plain = [cell.strip() for cell in head]
    label_name = wording.find_named(plain, wording.LABELS)
    label = None if label_name is None else plain.index(label_name)
    files = _file_column(plain, rows, path, label)
    if files is not None and label is None and len(head) == 2:
        label, said = 1 - files, [f"the labels are the column {plain[1 - files]!r}"]
    if files is not None and label is not None:
        split = wording.find_named(
            [cell for n, cell in enumerate(plain) if n not in (label, files)], ("split", "subset", "set", "usage")
        )
        return Layout(len(head), label, (), files, None if split is None else plain.index(split), tuple(said))
    others = [number for number in range(len(head)) if number != label]
    numbers_only = all(cell.isdigit() for cell in plain)
    if not numbers_only:
        dropped = [number for number in others if plain[number].lower() in wording.INDICES]
        if dropped and pixels.side_of(len(others)) is None and pixels.side_of(len(others) - len(dropped)) is not None:
            others = [number for number in others if number not in dropped]
            said.append(f"passed over the column {', '.join(repr(plain[number]) for number in dropped)}")
    if pixels.side_of(len(others)) is not None:
        if label is None:
            return Layout(len(head), None, tuple(others), said=tuple(said))
        if label != 0:
            said.append(f"the labels are column {label + 1}, {plain[label]!r}")
        return Layout(len(head), label, tuple(others), said=tuple(said))
    if label is None and pixels.side_of(len(head) - 1) is not None:
        found = find_by_values(rows[0] if rows else head, rows, path)
        return Layout(found.columns, found.label, found.pixels, said=found.said)
    raise DataError(f"{name} {_other_columns(len(head))}")


def find_list(head: Sequence[str], path: Path) -> Layout | None:
    """The columns of a list of pictures without a header; None if its first row names no picture."""
    cells = [
        (number, cell.strip()) for number, cell in enumerate(head) if Path(cell.strip()).suffix.lower() in SUFFIXES
    ]
    named = [number for number, cell in cells if find_picture(path.parent, cell) is not None]
    if len(named) != 1 or len(head) > MAX_LIST_COLUMNS:
        return None
    if len(head) != 2:
        raise DataError(
            f"{short(path)} lists pictures in {len(head)} columns without a header. Put one above them: file, label."
        )
    return Layout(2, 1 - named[0], (), named[0])


def find_by_values(head: Sequence[str], rows: Sequence[Sequence[str]], path: Path) -> Layout:
    """The columns of a table without a header: a label first or last, perhaps an index before it."""
    n = len(head)
    if pixels.side_of(n) is not None:
        return Layout(n, None, tuple(range(n)))
    whole = [row for row in rows if len(row) == n]
    if pixels.side_of(n - 1) is not None:
        first, last = ([row[place].strip() for row in whole] for place in (0, n - 1))
        if _likeness(last) > _likeness(first):
            return Layout(n, n - 1, tuple(range(n - 1)), said=(f"the labels are the last column, number {n}",))
        return Layout(n, 0, tuple(range(1, n)))
    if pixels.side_of(n - 2) is not None and _counts([row[0] for row in whole]):
        rest = find_by_values(list(head)[1:], [row[1:] for row in whole], path)
        return Layout(
            n,
            None if rest.label is None else rest.label + 1,
            tuple(place + 1 for place in rest.pixels),
            said=("passed over the first column, which counts the rows", *rest.said),
        )
    raise DataError(f"{short(path)} {_other_columns(n)}")


def _file_column(names: Sequence[str], rows: Sequence[Sequence[str]], path: Path, label: int | None) -> int | None:
    """The column whose cells are names of pictures; None in a table of pixels."""
    if len(names) > MAX_LIST_COLUMNS:
        return None
    whole = [row for row in rows if len(row) == len(names)]
    if not whole:
        return None
    for number in range(len(names)):
        if number == label:
            continue
        cells = [row[number].strip() for row in whole[:20]]
        known = sum(find_picture(path.parent, cell) is not None for cell in cells)
        if known > len(cells) / 2 or (known and any(Path(cell).suffix.lower() in SUFFIXES for cell in cells)):
            return number
        if all(Path(cell).suffix.lower() in SUFFIXES for cell in cells):
            return number
    return None


def find_picture(folder: Path, name: str) -> Path | None:
    """The picture that a cell names, relative to the table or in a usual folder beside it."""
    if not name or "\0" in name or len(name) > 1000:
        return None
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    if ".." in parts:
        return None
    tails = ("/".join(parts[start:]) for start in range(len(parts)))  # the beginning may be another computer's
    return next((found for tail in tails if (found := _picture_at(folder, Path(tail))) is not None), None)


def _picture_at(folder: Path, relative: Path) -> Path | None:
    names = (
        [relative]
        if relative.suffix.lower() in SUFFIXES
        else [relative.with_name(relative.name + end) for end in (".png", ".jpg")]
    )
    try:
        return next(
            (
                place / each
                for place in (folder, *(folder / inner for inner in FOLDERS))
                for each in names
                if (place / each).is_file()
            ),
            None,
        )
    except OSError:
        return None


def clean_label(cell: str) -> str:
    """A label as text; 7.0, 7.000000 and 7.0e+00, as np.savetxt and pandas write a 7, are 7."""
    cell = cell.strip()
    if WHOLE.fullmatch(cell) and (value := float(cell)).is_integer():
        return str(int(value))
    return cell


def _likeness(cells: Sequence[str]) -> int:
    """The likeness of a column to labels: 0 for one value or too many, 2 for words and for numbers from 0 or 1 up."""
    kinds = {clean_label(cell) for cell in cells}
    if any(cell and not is_number(cell) for cell in kinds):
        return 2
    if not 1 < len(kinds) <= max(2, len(cells) // 2) or not all(cell.isdigit() for cell in kinds):
        return 0
    numbers = sorted(int(cell) for cell in kinds)
    return 2 if numbers[0] in (0, 1) and numbers[-1] - numbers[0] == len(numbers) - 1 else 1


def _counts(cells: Sequence[str]) -> bool:
    """Tell whether cells count the rows, from any number."""
    numbers = [int(cell) for cell in cells if clean_label(cell).isdigit() and cell.strip().isdigit()]
    return len(numbers) == len(cells) > 1 and all(after - before == 1 for before, after in pairwise(numbers))


def is_number(cell: str) -> bool:
    """Tell whether a cell is a number.

    >>> is_number(" 7.0"), is_number("7a"), is_number("")
    (True, False, False)
    """
    try:
        float(cell)
    except ValueError:
        return False
    return True


def is_name(cell: str) -> bool:
    """Tell whether a cell may be in a header: a word such as pixel12 or 1x1, not an empty or garbled cell."""
    return any(letter.isalpha() for letter in cell) and not is_number(cell)


def _other_columns(n: int) -> str:
    columns = f"{n} {'column' if n == 1 else 'columns'}"
    return (
        f"has {columns} in its first row, expected {1 + PIXELS}: the label and {PIXELS} pixels, parted by commas; or a "
        "list of picture files with their labels."
    )
