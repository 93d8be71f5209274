"""Classes found in the names of pictures, such as 5_0001.png, 0001_label5.png or cat.12.jpg."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from mnistry.datasets.formats.naming import SPLITS, find_split
from mnistry.datasets.labelled import MAX_CLASSES, natural

PART = re.compile(r"[0-9]+|[^\W\d_]+")
SAID = re.compile(r"(?:label|class|digit|target|cls)[ _=-]*([^\W_]+)", re.IGNORECASE)
LONGEST = 2  # figures of a class's number


class NamedClasses(NamedTuple):
    """Classes that were read out of file names.

    Attributes:
        labels: of each file.
        splits: of each file, where the names say it; else empty.
        example: a name and its class.
    """

    labels: list[str]
    splits: list[str]
    example: str


def read(paths: Sequence[Path]) -> tuple[NamedClasses | None, str]:
    """Read the classes of pictures out of their names.

    A class is a word or a number of one or two figures at the same place in each name, or follows a word such as
    label; at least two pictures have it on average. Numbers that count pictures are recognized by leading zeros, by
    their length, or because the larger ones are rarer.

    Returns:
        The classes; or None and the reason, a clause, where there is no way or more than one.
    """
    stems = [path.stem for path in paths]
    marked = [SAID.search(stem) for stem in stems]
    names = [PART.findall(stem) for stem in stems]
    columns = _columns(names)
    splits = next((column for column in columns if all(cell.lower() in SPLITS for cell in column)), None)
    if all(marked):
        return _name_classes([each[1] for each in marked if each], splits, paths), ""
    rest = [column for column in columns if column is not splits and len(set(column)) > 1]
    words = [column for column in rest if _repeats(column) and not any(cell[0].isdigit() for cell in column)]
    numbers = [column for column in rest if _repeats(column) and all(_is_class_number(cell) for cell in column)]
    found = words or (numbers if len(numbers) < 2 else [each for each in numbers if not _counts(each)])
    if len(found) == 1:
        return _name_classes(list(found[0]), splits, paths), ""
    several = len(words) > 1 or len(numbers) > 1
    first = paths[0].name
    return None, f"more than one part of names such as {first} may be the class" if several else (
        f"names such as {first} hold no class"
    )


def _name_classes(labels: list[str], splits: Sequence[str] | None, paths: Sequence[Path]) -> NamedClasses | None:
    if not 1 < len(set(labels)) <= MAX_CLASSES:
        return None
    of_splits = [] if splits is None else [find_split(each) or "train" for each in splits]
    return NamedClasses(labels, of_splits, f"{labels[0]} of {paths[0].name}")


def _columns(names: Sequence[Sequence[str]]) -> list[list[str]]:
    """The parts of names by their place; the first and the last where names have several lengths."""
    lengths = {len(parts) for parts in names}
    if 0 in lengths:
        return []
    places = range(next(iter(lengths))) if len(lengths) == 1 else (0, -1)
    return [[parts[place] for parts in names] for place in places]


def _repeats(column: Sequence[str]) -> bool:
    return 1 < len(set(column)) <= min(MAX_CLASSES, len(column) // 2)


def _is_class_number(cell: str) -> bool:
    return cell.isdigit() and len(cell) <= LONGEST and (cell == "0" or cell[0] != "0")


def _counts(column: Sequence[str]) -> bool:
    """Tell whether numbers count the pictures of each class: larger ones are rarer."""
    counts = Counter(column)
    ordered = [counts[value] for value in sorted(counts, key=natural)]
    return all(before >= after for before, after in pairwise(ordered))
