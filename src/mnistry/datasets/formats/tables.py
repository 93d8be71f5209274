"""Tables: rows of pixels with a label, as Kaggle has MNIST, or lists of pictures with labels."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from operator import itemgetter
from pathlib import Path

import numpy as np

from mnistry.datasets.dataset import make_origins
from mnistry.datasets.formats import pixels
from mnistry.datasets.formats.cells import Cell, clean_label, find_hot, is_number, numbers, picture, text
from mnistry.datasets.formats.columns import PIXELS, find_layout
from mnistry.datasets.formats.picture_paths import find_picture, forget_folders
from mnistry.datasets.formats.table_rows import open_rows
from mnistry.datasets.labelled import EncodedImage, LabelledImages, ValidationErrors, part_by_split
from mnistry.errors import DataError, NoLabelsError
from mnistry.runtime.files import short

ROWS_AT_A_TIME = 1000
LOOKED_AT = 1000  # rows that tell the columns apart
MISSING = ("", "nan", "NaN", "NAN")  # labels that are none


def read_images(path: Path) -> tuple[np.ndarray | Sequence[EncodedImage], list[str]]:
    """Read the images of a table or list that may have no labels, uint8 (n, height, width) or pictures; and remarks.

    Raises:
        DataError: see `Table.read`.
    """
    problems = ValidationErrors()
    table = Table(path, labelled=False)
    part, _ = table.read(problems)
    problems.refuse(short(path))
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
        what = "pictures" if table.layout.files is not None else f"{table.layout.columns} columns, all of them pixels"
        raise NoLabelsError(
            f"{short(path)} has {what}: it has no labels, as the test.csv of Kaggle's competition. Name the file that "
            "has them; it is split for you. For answers to these images: mnistry predict MODEL --dataset "
            f"{shlex.quote(str(path))}"
        )
    part, splits = table.read(problems)
    remarks += table.assumed
    return {split: part} if table.layout.split is None else part_by_split(part, splits, problems)


class Table:
    """One table: its columns, found by looking at its first rows."""

    def __init__(self, path: Path, *, labelled: bool = True) -> None:
        """Look at it; see `find_layout`."""
        forget_folders()
        self.path, self.name = path, short(path)
        self._rows = open_rows(path)
        first = [cells for _, cells in islice(self._rows, LOOKED_AT)]
        self.layout = find_layout(self._rows.names, first, path, labelled=labelled)
        self._pick, packed = _pick(self.layout.pixels), self.layout.packed
        filled = (cells[packed] for cells in first if packed is not None and packed < len(cells) and len(cells[packed]))
        self._shape = _shape_of(numbers(next(filled, "")))
        self.assumed = list[str]()
        self._assume(*self._rows.assumed, *self.layout.assumed)

    def read(self, problems: ValidationErrors) -> tuple[LabelledImages, list[str]]:
        """The images with their labels, and what names their splits; both are empty where there are none.

        Raises:
            DataError: it holds no images, or is damaged.
        """
        part, splits = (self._read_pixels if self.layout.files is None else self._read_pictures)(problems)
        if not len(part.images) and not problems.count:
            raise DataError(f"{self.name} holds no images{', only a header' if self._rows.names else ''}.")
        return part, splits

    def _read_pixels(self, problems: ValidationErrors) -> tuple[LabelledImages, list[str]]:
        chunks, labels, splits, rows = list[np.ndarray](), list[str](), list[str](), list[int]()
        images = list[np.ndarray]()
        for row, cells, label in self._good_rows(problems):
            with np.errstate(over="ignore"):
                image = self._parse_pixels(cells, row, problems)
            if image is None:
                continue
            images.append(image)
            labels.append(label)
            splits.append(self._split_name(cells))
            rows.append(row)
            if len(images) == ROWS_AT_A_TIME:  # most are bytes, which take a quarter of the memory
                chunks.append(pixels.narrow(np.stack(images)))
                images.clear()
        if images:
            chunks.append(pixels.narrow(np.stack(images)))
        values = np.concatenate(chunks) if chunks else np.zeros((0, PIXELS), np.uint8)

        def place(index: tuple[int, ...]) -> str:
            return self._place(rows[index[0]], index[1])

        scaled, assumed = pixels.to_uint8(values, place, problems)
        arrays, arranged = pixels.arrange(scaled, None, self.name)
        if self.layout.packed is not None and arrays.ndim == 3:
            arranged = f"{self._packed} holds images of {arrays.shape[1]}×{arrays.shape[2]} pixels"
        self._assume(*(each for each in (assumed, arranged) if each is not None))
        where = make_origins(f"{self.path.name}, row {row}" for row in rows)
        return LabelledImages(arrays, np.array(labels, np.str_), where), splits

    def _parse_pixels(self, cells: Sequence[Cell], row: int, problems: ValidationErrors) -> np.ndarray | None:
        """The pixels of a row, float32; None if something is wrong with them, which goes to the problems."""
        packed = self.layout.packed
        found = self._pick(cells) if packed is None else numbers(cells[packed])
        if packed is not None and (shape := _shape_of(found)) != self._shape:
            what = f"expected {math.prod(self._shape)} pixels, received {math.prod(shape)}"
            problems.add(f"{self.name}, row {row}, {self._packed}", what)
            return None
        try:
            return np.asarray(found, np.float32)
        except ValueError:
            for number, cell in enumerate(found):
                if not is_number(cell):
                    problems.add(self._place(row, number), f"expected a number, received {text(cell)!r:.40}")
            return None

    def _read_pictures(self, problems: ValidationErrors) -> tuple[LabelledImages, list[str]]:
        """The pictures that rows hold or name."""
        pictures, labels, splits, origins = list[EncodedImage](), list[str](), list[str](), list[str]()
        known = dict[Path, tuple[str, int]]()
        listed = moved = 0
        for row, cells, label in self._good_rows(problems):
            cell, origin = cells[self.layout.files or 0], f"{self.path.name}, row {row}"
            if (content := picture(cell)) is not None:
                pictures.append(EncodedImage(f"{self.name}, row {row}", content))
            else:
                listed += 1
                place = self._find_listed(text(cell), label, row, known, problems)
                if place is None:
                    continue
                origin = place.relative_to(self.path.parent).as_posix()
                pictures.append(EncodedImage(str(place)))
                moved += not _is_as_listed(place, text(cell))
            labels.append(label)
            splits.append(self._split_name(cells))
            origins.append(origin)
        if known:
            self._assume(f"it is a list of files, and {len(pictures):,} pictures are taken")
        if moved:
            self._assume(f"the folders before {moved:,} names are not here and are passed over")
        if twice := listed - len(known):
            self._assume(f"{twice:,} rows name a picture again, with the same label")
        return LabelledImages(pictures, np.array(labels, np.str_), make_origins(origins)), splits

    def _find_listed(
        self, name: str, label: str, row: int, known: dict[Path, tuple[str, int]], problems: ValidationErrors
    ) -> Path | None:
        """The picture that a row names; None if there is none, or an earlier row, which is in `known`, names it too."""
        place, where = find_picture(self.path.parent, name), f"{self.name}, row {row}"
        if place is None:
            problems.add(where, f"there is no picture {name!r:.80}" if name else "there is no picture in it")
            return None
        other, before = known.setdefault(place, (label, row))
        if other != label:
            problems.add(where, f"{name!r:.80} is {label!r:.40}, but {other!r:.40} in row {before}")
        return place if before == row else None

    def _good_rows(self, problems: ValidationErrors) -> Iterator[tuple[int, Sequence[Cell], str]]:
        """The rows of as many cells as there are columns, with their numbers and labels; empty where there are none."""
        layout = self.layout
        for row, cells in self._rows:
            where, label = f"{self.name}, row {row}", ""
            if len(cells) != layout.columns:
                problems.add(where, f"expected {layout.columns} columns, received {len(cells)}")
                continue
            if layout.label is not None and not isinstance(cells[layout.label], np.ndarray):
                label = clean_label(cells[layout.label])
                if label in MISSING:
                    problems.add(f"{where}, column {layout.label + 1}", f"the label is {label or 'empty'}")
            elif layout.labelled:
                marks, classes = self._marks(cells)
                hot = find_hot(marks)
                if hot is None:
                    problems.add(where, f"expected one 1 among its {len(classes)} labels, and 0 in the others")
                    continue
                label = classes[hot]
            yield row, cells, label

    def _marks(self, cells: Sequence[Cell]) -> tuple[Sequence[Cell], Sequence[str]]:
        """The cells of a one-hot label, and the classes that they mark."""
        if self.layout.label is not None:
            found = [f"{mark:g}" for mark in np.ravel(np.asarray(cells[self.layout.label]))]
            return found, [str(number) for number in range(len(found))]
        return [cells[n] for n, _ in self.layout.one_hot], [name for _, name in self.layout.one_hot]

    def _split_name(self, cells: Sequence[Cell]) -> str:
        return "" if self.layout.split is None else text(cells[self.layout.split])

    def _place(self, row: int, number: int) -> str:
        """The place of a pixel, for messages."""
        if self.layout.packed is None:
            return f"{self.name}, row {row}, column {self.layout.pixels[number] + 1}"
        return f"{self.name}, row {row}, {self._packed}, pixel {number + 1}"

    @property
    def _packed(self) -> str:
        """The column whose cells hold images, for messages."""
        number, names = self.layout.packed or 0, self._rows.names
        return f"column {number + 1}" if names is None else f"column {names[number]!r}"

    def _assume(self, *what: str) -> None:
        self.assumed += [f"{self.name}: {each}." for each in what]


def _shape_of(found: Sequence[Cell] | np.ndarray) -> tuple[int, ...]:
    return found.shape if isinstance(found, np.ndarray) else (len(found),)


def _is_as_listed(place: Path, name: str) -> bool:
    """Tell whether a picture lies in the folders that a list names; case and ending may differ."""
    listed = name.replace("\\", "/").removeprefix("./").lower().removesuffix(place.suffix.lower())
    return place.with_suffix("").as_posix().lower().endswith(listed)


def _pick(columns: tuple[int, ...]) -> Callable[[Sequence[Cell]], Sequence[Cell]]:
    """The function that takes the cells of columns out of a row; a slice is the fastest."""
    start = columns[0] if columns else 0
    stop = start + len(columns)
    return itemgetter(*([slice(start, stop)] if columns == tuple(range(start, stop)) else columns))
