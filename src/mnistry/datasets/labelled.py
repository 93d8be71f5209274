"""Labelled images as the readers of `formats` give them, by split, and the list of what is wrong with some."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from mnistry.datasets.dataset import DIGIT_NAMES
from mnistry.datasets.formats.naming import find_split
from mnistry.errors import DataError

EXAMPLES = 10  # problems that are listed one by one
MAX_BYTES = 2_000_000_000  # of one split or file, unpacked: two and a half million images of 28×28
SPLITS = ("train", "test", "validation")
DIGITS = frozenset(DIGIT_NAMES)
MAX_CLASSES = 256  # labels are bytes


@dataclass(frozen=True, eq=False)
class EncodedImage:
    """A picture that is not opened yet.

    Attributes:
        name: the path of a file, or the place that errors name.
        content: the bytes of its file; None where `name` is the path of one.
    """

    name: str
    content: bytes | None = None

    @property
    def source(self) -> str | bytes:
        """Its bytes, or the path of its file."""
        return self.name if self.content is None else self.content


Images = np.ndarray | Sequence[EncodedImage]
"""Pixels, uint8 (n, height, width) or (n, height, width, 3 or 4); or pictures to be opened."""


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Images and the names of their classes.

    Attributes:
        images: as they were found.
        labels: str (n,), the name of each image's class.
        origins: the place that each image comes from; see `make_origins`.
    """

    images: Images
    labels: np.ndarray
    origins: np.ndarray

    def of(self, chosen: np.ndarray) -> LabelledImages:
        """Select some of them, by a mask or by indices."""
        indices = np.flatnonzero(chosen) if chosen.dtype == bool else chosen
        images = self.images[indices] if isinstance(self.images, np.ndarray) else [self.images[int(i)] for i in indices]
        return LabelledImages(images, self.labels[indices], self.origins[indices])


@dataclass(frozen=True, eq=False)
class LoadedSplits:
    """The splits that a reader found.

    Attributes:
        train: to learn from; where there is no `test`, a part of it is split off.
        test: to test on, or None.
        validation: to choose by, or None.
        remarks: other things to know: assumptions, and files that were passed over.
    """

    train: LabelledImages
    test: LabelledImages | None = None
    validation: LabelledImages | None = None
    remarks: tuple[str, ...] = ()

    @property
    def all(self) -> dict[str, LabelledImages]:
        """The splits by name, those that exist."""
        named = {"train": self.train, "test": self.test, "validation": self.validation}
        return {name: part for name, part in named.items() if part is not None}


@dataclass
class ValidationErrors:
    """A list of errors: the first few are kept for the message, the others are counted."""

    examples: list[str] = field(default_factory=list)
    count: int = 0
    inkless: int = 0  # pictures without ink among them

    def add(self, place: str, what: str, *, times: int = 1) -> None:
        """Note a problem, found `times` times at the same place."""
        self.count += times
        if len(self.examples) < EXAMPLES:
            self.examples.append(f"{place}: {what}")

    def refuse(self, name: str) -> None:
        """Raise an error if there is a problem.

        Raises:
            DataError: with a line for each of the first ones, and how many more there are.
        """
        if not self.count:
            return
        more = self.count - len(self.examples)
        lines = [f"  {line}" for line in self.examples] + ([f"  … and {more:,} more"] if more else [])
        things = "1 thing is" if self.count == 1 else f"{self.count:,} things are"
        raise DataError("\n".join([f"{name} cannot be used: {things} wrong.", *lines]))


def join(parts: Sequence[LabelledImages]) -> LabelledImages:
    """Join the content of several files, in their order."""
    if len(parts) == 1:
        return parts[0]
    labels, where = (
        np.concatenate(each) for each in zip(*((part.labels, part.origins) for part in parts), strict=True)
    )
    arrays = [part.images for part in parts if isinstance(part.images, np.ndarray)]
    if len(arrays) == len(parts):
        if len({array.shape[1:] for array in arrays}) > 1:
            raise DataError(f"{where[0]} and {where[-1]} are images of different sizes.")
        return LabelledImages(np.concatenate(arrays), labels, where)
    return LabelledImages([each for part in parts for each in part.images], labels, where)


def part_by_split(part: LabelledImages, names: Sequence[str], problems: ValidationErrors) -> dict[str, LabelledImages]:
    """Part images by the names of their splits; names of none are problems."""
    where = {name: find_split(name, prefix=True) for name in set(names)}
    masks = {split: np.array([where[name] == split for name in names], bool) for split in SPLITS}
    for row, name in enumerate(names):
        if where[name] is None:
            problems.add(part.origins[row], f"{name!r:.40} names no split")
    return {split: part.of(mask) for split, mask in masks.items() if mask.any()}


def class_name(label: str) -> str:
    r"""Normalize the name of a class: é is one letter, whichever way a computer wrote it.

    >>> class_name("e\u0301cole ") == "\u00e9cole"
    True
    """
    return unicodedata.normalize("NFC", label).strip()


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """The key that sorts names as people do: numbers by their value and before words.

    >>> sorted(["b", "10", "2", "a12", "A2"], key=natural)
    ['2', '10', 'A2', 'a12', 'b']
    """
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    return (*((0, int(part), "") if part.isdecimal() else (1, 0, part.casefold()) for part in parts), (-1, 0, name))


def list_names(names: Sequence[str]) -> str:
    """The first ten of some names, and how many there are.

    >>> list_names(["a", "b"])
    'a, b'
    """
    shown = ", ".join(names[:10])
    return f"{shown}, … ({len(names):,} in all)" if len(names) > 10 else shown


def are_digits(labels: Sequence[str] | np.ndarray) -> bool:
    """Tell whether all class names are single digits."""
    return set(labels) <= DIGITS
