"""The columns of a table: its labels, and its pixels or pictures; found by their names, or by what is in them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mnistry.datasets.formats import naming, pixels
from mnistry.datasets.formats.cells import (
    Cell,
    clean_label,
    count_up,
    is_name,
    is_number,
    is_one_hot,
    numbers,
    picture,
    text,
)
from mnistry.datasets.formats.picture_paths import find_picture, is_picture_name
from mnistry.datasets.labelled import MAX_CLASSES, list_names
from mnistry.errors import DataError
from mnistry.runtime.file_signatures import is_picture
from mnistry.runtime.files import short

MAX_LIST_COLUMNS = 64
PIXELS = 784
IN_ORDER = "the columns of pixels are taken in the order of their numbers"

Rows = Sequence[Sequence[Cell]]


class OtherColumnsError(DataError):
    """A table that holds no images."""


@dataclass(frozen=True)
class Layout:
    """The columns of a table.

    Attributes:
        columns: the number of all of them.
        label: the index of the column of labels; None if there is none.
        pixels: the indices of the columns of pixels.
        files: the index of the column of pictures: their names, or their content.
        split: the index of the column that names the split.
        packed: the index of the column whose cells hold all pixels of an image.
        one_hot: the indices of columns of which one is 1 in each row, with the names of their classes.
        assumed: the assumptions.
    """

    columns: int
    label: int | None = None
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


def find_layout(names: Sequence[str] | None, rows: Rows, path: Path, *, labelled: bool = True) -> Layout:
    """Tell the columns of a table apart.

    Args:
        names: of the columns; None where it has no header.
        rows: the first ones below the header.
        path: of the file: pictures are looked for beside it.
        labelled: whether it must be clear which column is the label.

    Raises:
        OtherColumnsError: it holds no images.
        DataError: there is more than one way.
    """
    if names is None:
        return _find_list(rows[0], path) or _find_by_values(len(rows[0]), rows, path)
    plain, n = [name.strip() for name in names], len(names)
    whole = [row for row in rows if len(row) == n]
    name = naming.find_named(plain, naming.LABELS)
    layout = Layout(n, None if name is None else plain.index(name))
    layout = _find_images(layout, plain, whole, path) or layout
    if layout.files is None and layout.packed is None and not layout.pixels:
        if layout.label is None and any(pixels.shape_of(n - others) is not None for others in (1, 2)):
            return _find_by_values(n, rows, path)
        raise OtherColumnsError(f"{short(path)} {_other_columns(n)}")
    return _complete_layout(layout, plain, whole, path, labelled=labelled)


def _find_images(layout: Layout, names: Sequence[str], rows: Rows, path: Path) -> Layout | None:
    """The same with the columns of pictures or pixels, by the names of all columns; None if there are none."""
    if (files := _file_column(names, rows, path, layout.label)) is not None:
        return replace(layout, files=files)
    if (packed := _find_packed(rows, path, layout.label, names)) is not None:
        return replace(layout, packed=packed)
    others = [number for number in range(len(names)) if number != layout.label]
    places = find_pixel_columns([names[number] for number in others])
    if places is None:
        return None
    chosen = [others[place] for place in places]
    return replace(layout, pixels=tuple(chosen), assumed=(IN_ORDER,) if chosen != sorted(chosen) else ())


def _complete_layout(layout: Layout, names: Sequence[str], rows: Rows, path: Path, *, labelled: bool) -> Layout:
    """The same with the columns beside the images: the label, the split, and those that are passed over.

    Raises:
        DataError: more than one of them may be the label.
    """
    assumed, label, one_hot = list(layout.assumed), layout.label, layout.one_hot
    images = {layout.files, layout.packed, *layout.pixels}
    split = _split_column(names, rows, {*images, label})
    rest = [n for n in range(len(names)) if n not in images and n not in (label, split)]
    if label is None:
        likely = [n for n in rest if names[n].lower() not in naming.INDICES]
        likely = [n for n in likely if names[n].lower() not in naming.BESIDE] or likely
        if len(likely) > 1 and is_one_hot(rows, likely):
            one_hot = tuple(zip(likely, naming.strip_prefix([names[n] for n in likely]), strict=True))
            assumed.append(f"the labels are one-hot, in the columns {names[likely[0]]!r} to {names[likely[-1]]!r}")
        elif len(likely) == 1 and (
            _may_be_labels(rows, likely[0]) or ((layout.files, layout.packed) != (None, None) and layout.columns == 2)
        ):
            label = likely[0]
            assumed.append(f"the labels are column {label + 1}, {names[label]!r}")
        elif len(likely) > 1 and labelled:
            raise DataError(
                f"{short(path)} has {'pixels' if layout.files is None else 'pictures'}, and beside them the columns "
                f"{list_names([repr(names[n]) for n in likely])}: which is the label? Name that one label."
            )
    elif label != 0 and layout.pixels:
        assumed.append(f"the labels are column {label + 1}, {names[label]!r}")
    if label is not None and rows and isinstance(rows[0][label], np.ndarray):
        assumed.append(f"the labels are one-hot, of {np.size(rows[0][label])} classes")
    rest = [n for n in rest if n != label and n not in dict(one_hot)]
    other = next((n for n in rest if label is not None and names[n].lower() in naming.LABELS), None)
    if label is not None and other is not None and layout.files is None and not _correspond(rows, label, other):
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


def _split_column(names: Sequence[str], rows: Rows, taken: set[int | None]) -> int | None:
    """The column that names the splits, in words."""
    rest = {n: name for n, name in enumerate(names) if n not in taken}
    name = naming.find_named(rest.values(), naming.SPLIT_COLUMNS)
    found = None if name is None else next(n for n, each in rest.items() if each == name)
    return found if found is not None and any(is_name(text(row[found])) for row in rows) else None


def _find_packed(rows: Rows, path: Path, label: int | None = None, names: Sequence[str] = ()) -> int | None:
    """The column whose cells hold all pixels of an image, as an array or in a text; None if there is none.

    Raises:
        DataError: NumPy has left out most of them, or there are several such columns.
    """
    if not rows:
        return None
    wide, candidates = len(rows[0]) > MAX_LIST_COLUMNS, []
    for number, column in enumerate(zip(*rows, strict=True)):
        if number == label or (wide and not isinstance(column[0], np.ndarray)):
            continue
        cell = next((each for each in column if len(each)), "")
        found = numbers(cell)
        if isinstance(found, np.ndarray):
            if found.ndim > 1 or pixels.shape_of(len(found)) is not None:
                candidates.append(number)
            continue
        if text(cell)[:1] == "[" and "..." in found:
            raise DataError(
                f"{short(path)}, column {number + 1}: NumPy has written an array in short, with '...' for most of its "
                "numbers. Save it in whole, with .tolist(), or the arrays with np.savez."
            )
        if pixels.shape_of(len(found)) is not None and all(map(is_number, found)):
            candidates.append(number)
    return _choose_images(candidates, names, path)


def _choose_images(candidates: Sequence[int], names: Sequence[str], path: Path) -> int | None:
    """The one column that may hold the images, or the one of them that is named so; None if there is none.

    Raises:
        DataError: there are several.
    """
    named = [number for number in candidates if names and names[number].lower() in naming.PICTURES]
    if len(candidates) > 1 and len(named) != 1:
        columns = list_names([repr(names[number]) if names else str(number + 1) for number in candidates])
        raise DataError(
            f"{short(path)} has several columns that may hold the images: {columns}. Name one of them image."
        )
    return next(iter(named or candidates), None)


def _may_be_labels(rows: Rows, column: int) -> bool:
    return len({text(row[column]) for row in rows}) <= max(2, len(rows) // 2)


def _correspond(rows: Rows, first: int, second: int) -> bool:
    pairs = {(text(row[first]), text(row[second])) for row in rows}
    return len(pairs) == len({one for one, _ in pairs}) == len({two for _, two in pairs})


def _find_list(head: Sequence[Cell], path: Path) -> Layout | None:
    """The columns of a list of pictures without a header; None if its first row names no picture."""
    named = [
        number
        for number, cell in enumerate(map(text, head))
        if is_picture_name(cell) and find_picture(path.parent, cell) is not None
    ]
    if len(named) != 1 or len(head) > MAX_LIST_COLUMNS:
        return None
    if len(head) != 2:
        raise DataError(
            f"{short(path)} lists pictures in {len(head)} columns without a header. Put one above them: file, label."
        )
    return Layout(2, 1 - named[0], files=named[0])


def _find_by_values(n: int, rows: Rows, path: Path) -> Layout:
    """The columns of a table without a header: a label first or last, perhaps an index before it."""
    if pixels.shape_of(n) is not None:
        return Layout(n, pixels=tuple(range(n)))
    whole = [row for row in rows if len(row) == n]
    counted = pixels.shape_of(n - 1) is None and count_up([row[0] for row in whole])
    columns = range(int(counted), n)
    if pixels.shape_of(len(columns) - 1) is not None:
        first, last = ([text(row[place]) for row in whole] for place in (columns[0], columns[-1]))
        is_last = _label_likeness(last) > _label_likeness(first)
        label = columns[-1] if is_last else columns[0]
        assumed = ["passed over the first column, which counts the rows"] if counted else []
        assumed += [f"the labels are the last column, number {n}"] if is_last else []
        return Layout(n, label, tuple(each for each in columns if each != label), assumed=tuple(assumed))
    packed = _find_packed(whole, path) if n <= 2 else None
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


def _file_column(names: Sequence[str], rows: Rows, path: Path, label: int | None) -> int | None:
    """The column whose cells are pictures or their names; None in a table of pixels.

    Raises:
        DataError: there are several with pictures, or the pictures lie in the web.
    """
    if len(names) > MAX_LIST_COLUMNS or not rows:
        return None
    cells_of = {n: [row[n] for row in rows if len(row[n])][:20] for n in range(len(names)) if n != label}
    cells_of = {
        n: seen for n, seen in cells_of.items() if seen and not any(isinstance(each, np.ndarray) for each in seen)
    }
    named = {n for n in cells_of if names[n].lower() in naming.PICTURES}
    contents = {n: [each for cell in seen if (each := picture(cell)) is not None] for n, seen in cells_of.items()}
    with_pictures = [n for n, found in contents.items() if found and (n in named or any(map(is_picture, found)))]
    if with_pictures:
        return _choose_images(with_pictures, names, path)
    for number, seen in sorted(cells_of.items(), key=lambda item: item[0] not in named):
        cells = list(map(text, seen))
        known = sum(find_picture(path.parent, cell) is not None for cell in cells)
        if known > len(cells) / 2 or (known and any(map(is_picture_name, cells))):
            return number
        if all(cell.lower().startswith(("http://", "https://")) for cell in cells):
            raise DataError(
                f"{short(path)}, column {number + 1}, holds addresses in the web, such as {cells[0]:.80}. Nothing is "
                "fetched from there: put the pictures into a folder images beside the table, by the same names."
            )
        if all(map(is_picture_name, cells)):
            return number
    return None


def _label_likeness(cells: Sequence[str]) -> int:
    """The likeness of a column to labels: 0 for one value or too many, 2 for words and for numbers from 0 or 1 up."""
    kinds = {clean_label(cell) for cell in cells}
    if any(cell and not is_number(cell) for cell in kinds):
        return 2
    if not 1 < len(kinds) <= max(2, len(cells) // 2) or not all(cell.isdigit() for cell in kinds):
        return 0
    found = sorted(int(cell) for cell in kinds)
    return 2 if found[0] in (0, 1) and found[-1] - found[0] == len(found) - 1 else 1


def _other_columns(n: int) -> str:
    columns = f"{n} {'column' if n == 1 else 'columns'}"
    return (
        f"has {columns} in its first row, expected {1 + PIXELS}: the label and {PIXELS} pixels, parted by commas; or a "
        "list of picture files with their labels."
    )
