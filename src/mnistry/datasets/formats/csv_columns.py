"""Columns of CSV tables: labels, pixels, names of files, and the content of cells."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from mnistry.datasets.formats import base64_pictures, naming, pixels
from mnistry.datasets.labelled import MAX_CLASSES, list_names
from mnistry.errors import DataError
from mnistry.ocr.image_io import SUFFIXES
from mnistry.runtime.files import short

MAX_LIST_COLUMNS = 64
MAX_FOLDERS = 300  # below a list of files, in which its pictures are looked for
WHOLE = re.compile(r"\d{1,9}\.\d{0,20}(e\+\d{2})?")  # of numbers that may be whole, those with a point
PIXELS = 784
TRUE, FALSE = ("1", "1.0", "true"), ("0", "0.0", "false", "")  # cells of one-hot labels
BRACKETS = str.maketrans("[](),;", " " * 6)  # around and between numbers in one cell
FOLDERS = ("images", "image", "img", "imgs", "pictures", "data", "train", "test", "train_images", "test_images")


class OtherColumnsError(DataError):
    """A table that holds no images."""


@dataclass(frozen=True)
class Layout:
    """The columns of a table.

    Attributes:
        columns: the number of all of them.
        label: the index of the column of labels; None if there is none.
        pixels: the indices of the columns of pixels.
        files: the index of the column of file names, in a list of files, or of pictures in base64.
        split: the index of the column that names the split.
        packed: the index of the column whose cells hold all pixels of an image.
        one_hot: the indices of columns of which one is 1 in each row, with the names of their classes.
        assumed: the assumptions.
    """

    columns: int
    label: int | None
    pixels: tuple[int, ...] = ()
    files: int | None = None
    split: int | None = None
    packed: int | None = None
    one_hot: tuple[tuple[int, str], ...] = ()
    assumed: tuple[str, ...] = ()

    @property
    def labelled(self) -> bool:
        """True if rows have labels."""
        return self.label is not None or bool(self.one_hot)


def find_by_names(head: Sequence[str], rows: Sequence[Sequence[str]], path: Path) -> Layout:
    """The columns by their names."""
    plain, n = [cell.strip() for cell in head], len(head)
    label_name = naming.find_named(plain, naming.LABELS)
    label = None if label_name is None else plain.index(label_name)
    files = _file_column(plain, rows, path, label)
    if files is not None and label is None and n == 2:
        label = 1 - files
        return Layout(n, label, (), files, assumed=(f"the labels are the column {plain[label]!r}",))
    if files is not None and label is not None:
        return Layout(n, label, (), files, _split_column(plain, {label, files}))
    whole = [row for row in rows if len(row) == n]
    if files is not None:
        others = [place for place in range(n) if place != files and plain[place].lower() not in naming.INDICES]
        one_hot, assumed = _find_one_hot(plain, whole, others)
        if one_hot or n == 1:
            return Layout(n, None, (), files, one_hot=one_hot, assumed=assumed)
    packed = find_packed(whole, path)
    if packed is not None:
        return _complete_layout(Layout(n, label, packed=packed), plain, whole, path, {packed})
    others = [number for number in range(n) if number != label]
    places = find_pixel_columns([plain[number] for number in others])
    if places is not None:
        chosen = [others[place] for place in places]
        assumed = ("the columns of pixels are taken in the order of their numbers",) if chosen != sorted(chosen) else ()
        layout = _complete_layout(Layout(n, label, tuple(chosen)), plain, whole, path, set(chosen))
        return replace(layout, assumed=(*assumed, *layout.assumed))
    if label is None and pixels.shape_of(n - 1) is not None:
        return find_by_values(rows[0] if rows else head, rows, path)
    raise OtherColumnsError(f"{short(path)} {_other_columns(n)}")


def _find_one_hot(
    names: Sequence[str], rows: Sequence[Sequence[str]], columns: Sequence[int]
) -> tuple[tuple[tuple[int, str], ...], tuple[str, ...]]:
    """The columns with the names of their classes, and the assumption, if they are one-hot labels; else nothing."""
    if len(columns) < 2 or not is_one_hot(rows, columns):
        return (), ()
    classes = naming.strip_prefix([names[n] for n in columns])
    assumed = f"the labels are one-hot, in the columns {names[columns[0]]!r} to {names[columns[-1]]!r}"
    return tuple(zip(columns, classes, strict=True)), (assumed,)


def _complete_layout(
    layout: Layout, names: Sequence[str], rows: Sequence[Sequence[str]], path: Path, taken: set[int]
) -> Layout:
    """The same with what the columns beside the pixels are: the label, the split, and columns that are passed over.

    Raises:
        DataError: more than one of them may be the label.
    """
    assumed, label, one_hot = list[str](), layout.label, layout.one_hot
    split = _split_column(names, taken | {label})
    rest = [n for n in range(len(names)) if n not in taken and n not in (label, split)]
    if label is None:
        likely = [n for n in rest if names[n].lower() not in naming.INDICES]
        one_hot, told = _find_one_hot(names, rows, likely)
        assumed += told
        if len(likely) == 1 and _may_be_labels([row[likely[0]] for row in rows]):
            label = likely[0]
            assumed.append(f"the labels are column {label + 1}, {names[label]!r}")
        elif len(likely) > 1 and not one_hot:
            raise DataError(
                f"{short(path)} has pixels, and beside them the columns "
                f"{list_names([repr(names[n]) for n in likely])}: which is the label? Name that one label."
            )
    elif label != 0:
        assumed.append(f"the labels are column {label + 1}, {names[label]!r}")
    rest = [n for n in rest if n != label and n not in dict(one_hot)]
    other = next((n for n in rest if label is not None and names[n].lower() in naming.LABELS), None)
    if label is not None and other is not None and not _correspond(rows, label, other):
        raise DataError(
            f"{short(path)} has two columns that may be the label, {names[label]!r} and {names[other]!r}, and they "
            "differ. Remove one of them."
        )
    if rest:
        assumed.append(f"passed over the column{'s' * (len(rest) > 1)} {list_names([repr(names[n]) for n in rest])}")
    return replace(layout, label=label, split=split, one_hot=one_hot, assumed=tuple(assumed))


def find_pixel_columns(names: Sequence[str]) -> list[int] | None:
    """The columns of pixels: those named alike but for numbers, or all but columns that count; None if there are none.

    Args:
        names: of all columns but the label.

    Returns:
        Their indices, in the order of the numbers in their names.
    """
    kinds = [re.sub(r"\d+", "#", name) for name in names]
    kind, most = Counter(kinds).most_common(1)[0] if kinds else ("", 0)
    alike = [n for n, each in enumerate(kinds) if "#" in kind and most > len(names) / 2 and each == kind]
    kept = [n for n, name in enumerate(names) if name.lower() not in naming.INDICES]
    found = next((each for each in (alike, range(len(names)), kept) if pixels.shape_of(len(each)) is not None), None)
    if found is None:
        return None
    by_name = {names[n]: n for n in found}
    return [by_name[name] for name in naming.sort_numbered(list(by_name))] if len(by_name) == len(found) else [*found]


def _split_column(names: Sequence[str], taken: Container[int | None]) -> int | None:
    rest = {n: name for n, name in enumerate(names) if n not in taken}
    name = naming.find_named(rest.values(), naming.SPLIT_COLUMNS)
    return None if name is None else next(n for n, each in rest.items() if each == name)


def find_packed(rows: Sequence[Sequence[str]], path: Path) -> int | None:
    """The column whose cells hold all pixels of an image, as numbers parted by blanks or commas; None if there is none.

    Raises:
        DataError: NumPy has left out most of them.
    """
    if not rows or len(rows[0]) > MAX_LIST_COLUMNS:
        return None
    for number, cell in enumerate(rows[0]):
        cells = cell.translate(BRACKETS).split()
        if cell.lstrip()[:1] == "[" and "..." in cells:
            raise DataError(
                f"{short(path)}, column {number + 1}: NumPy has written an array in short, with '...' for most of its "
                "numbers. Save it in whole, with .tolist(), or the arrays with np.savez."
            )
        if pixels.shape_of(len(cells)) is not None and all(map(is_number, cells)):
            return number
    return None


def is_one_hot(rows: Sequence[Sequence[str]], columns: Sequence[int], *, all_of_them: bool = False) -> bool:
    """Tell whether one of some columns is 1 in each row, and the others 0; perhaps each in some row."""
    seen = set()
    for row in rows:
        ones = [n for n in columns if row[n].strip().lower() in TRUE]
        if len(ones) != 1 or any(row[n].strip().lower() not in FALSE for n in columns if n != ones[0]):
            return False
        seen.add(ones[0])
    return bool(rows) and (not all_of_them or len(seen) == len(columns))


def _may_be_labels(cells: Sequence[str]) -> bool:
    return len(set(cells)) <= max(2, len(cells) // 2)


def _correspond(rows: Sequence[Sequence[str]], first: int, second: int) -> bool:
    pairs = {(row[first].strip(), row[second].strip()) for row in rows}
    return len(pairs) == len({one for one, _ in pairs}) == len({two for _, two in pairs})


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
    if pixels.shape_of(n) is not None:
        return Layout(n, None, tuple(range(n)))
    whole = [row for row in rows if len(row) == n]
    if pixels.shape_of(n - 1) is not None:
        first, last = ([row[place].strip() for row in whole] for place in (0, n - 1))
        if _label_likeness(last) > _label_likeness(first):
            return Layout(n, n - 1, tuple(range(n - 1)), assumed=(f"the labels are the last column, number {n}",))
        return Layout(n, 0, tuple(range(1, n)))
    if pixels.shape_of(n - 2) is not None and counts([row[0] for row in whole]):
        rest = find_by_values(list(head)[1:], [row[1:] for row in whole], path)
        return Layout(
            n,
            None if rest.label is None else rest.label + 1,
            tuple(place + 1 for place in rest.pixels),
            assumed=("passed over the first column, which counts the rows", *rest.assumed),
        )
    packed = find_packed(whole, path) if n <= 2 else None
    if packed is not None:
        return Layout(n, 1 - packed if n == 2 else None, packed=packed)
    groups = [
        (columns, rest)
        for k in range(2, min(MAX_CLASSES, n))
        if pixels.shape_of(n - k) is not None
        for columns, rest in ((range(k), range(k, n)), (range(n - k, n), range(n - k)))
        if is_one_hot(whole, columns, all_of_them=True)
    ]
    if len(groups) == 1:
        columns, others = groups[0]
        place = f"the {'first' if columns[0] == 0 else 'last'} {len(columns)} columns"
        classes = tuple((column, str(number)) for number, column in enumerate(columns))
        return Layout(n, None, tuple(others), one_hot=classes, assumed=(f"the labels are one-hot, {place}",))
    raise OtherColumnsError(f"{short(path)} {_other_columns(n)}")


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
        if base64_pictures.decode(cells[0]) is not None:
            return number
        known = sum(find_picture(path.parent, cell) is not None for cell in cells)
        if known > len(cells) / 2 or (known and any(Path(cell).suffix.lower() in SUFFIXES for cell in cells)):
            return number
        if all(cell.lower().startswith(("http://", "https://")) for cell in cells):
            raise DataError(
                f"{short(path)}, column {number + 1}, holds addresses in the web, such as {cells[0]:.80}. Nothing is "
                "fetched from there: put the pictures into a folder images beside the table, by the same names."
            )
        if all(Path(cell).suffix.lower() in SUFFIXES for cell in cells):
            return number
    return None


def find_picture(folder: Path, name: str) -> Path | None:
    """The picture that a cell names, relative to the table, in a usual folder beside it, or in the one that has it."""
    if not name or "\0" in name or len(name) > 1000:
        return None
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    if ".." in parts:
        return None
    tails = [Path(*parts[start:]) for start in range(len(parts))]  # the beginning may be another computer's
    usual = (folder, *(folder / inner for inner in FOLDERS))
    found = next((place for tail in tails if (place := _picture_at(usual, tail)) is not None), None)
    if found is not None or not tails:
        return found
    below = _folders_below(folder)
    others = [place for each in below if (place := _picture_at((each,), tails[-1])) is not None]
    others = others or [
        place for each in dict.fromkeys((*usual, *below)) if (place := _find_by_lower_name(each, tails[-1].name))
    ]
    return others[0] if len(others) == 1 else None


def _find_by_lower_name(folder: Path, name: str) -> Path | None:
    """The picture whose name differs in capital letters only, or by an ending that was left out; None if not one."""
    found = _pictures_by_name(folder).get(name.lower(), ())
    return found[0] if len(found) == 1 else None


@lru_cache(maxsize=64)
def _pictures_by_name(folder: Path) -> dict[str, list[Path]]:
    """The pictures in a folder, by their names in lower case, with and without an ending."""
    found: dict[str, list[Path]] = {}
    for each in folder.iterdir() if folder.is_dir() else ():
        if each.suffix.lower() in SUFFIXES:
            found.setdefault(each.name.lower(), []).append(each)
            found.setdefault(each.stem.lower(), []).append(each)
    return found


def forget_folders() -> None:
    """Let `find_picture` list the folders again: they may have changed since another table was read."""
    _folders_below.cache_clear()
    _pictures_by_name.cache_clear()


@lru_cache(maxsize=8)
def _folders_below(folder: Path) -> tuple[Path, ...]:
    """The folders in a folder and in these; none if they are too many, as a picture may be in any of them."""
    try:
        first = [each for each in folder.iterdir() if each.is_dir() and not naming.is_hidden(each.name)]
        second = [inner for each in first[:MAX_FOLDERS] for inner in each.iterdir() if inner.is_dir()]
    except OSError:
        return ()
    return (*first, *second) if len(first) + len(second) <= MAX_FOLDERS else ()


def _picture_at(places: Sequence[Path], relative: Path) -> Path | None:
    names = (
        [relative]
        if relative.suffix.lower() in SUFFIXES
        else [relative.with_name(relative.name + end) for end in (".png", ".jpg")]
    )
    try:
        return next((place / each for place in places for each in names if (place / each).is_file()), None)
    except OSError:
        return None


def clean_label(cell: str) -> str:
    """A label as text; 7.0, 7.000000 and 7.0e+00, as np.savetxt and pandas write a 7, are 7."""
    cell = cell.strip()
    if WHOLE.fullmatch(cell) and (value := float(cell)).is_integer():
        return str(int(value))
    return cell


def _label_likeness(cells: Sequence[str]) -> int:
    """The likeness of a column to labels: 0 for one value or too many, 2 for words and for numbers from 0 or 1 up."""
    kinds = {clean_label(cell) for cell in cells}
    if any(cell and not is_number(cell) for cell in kinds):
        return 2
    if not 1 < len(kinds) <= max(2, len(cells) // 2) or not all(cell.isdigit() for cell in kinds):
        return 0
    numbers = sorted(int(cell) for cell in kinds)
    return 2 if numbers[0] in (0, 1) and numbers[-1] - numbers[0] == len(numbers) - 1 else 1


def counts(cells: Sequence[str]) -> bool:
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
