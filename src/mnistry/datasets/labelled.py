"""What the readers of own data give: images with the names of their classes, and a list of all that is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from mnistry.datasets.dataset import Origins
from mnistry.errors import DataError

SIDE, PIXELS = 28, 28 * 28
LABELS = ("label", "labels", "class")  # what a column of labels may be called
EXAMPLES = 10  # problems that are told one by one
MAX_BYTES = 4_000_000_000  # of a file, unpacked: five million images
DIGITS = frozenset("0123456789")


@dataclass(frozen=True, eq=False)
class Labelled:
    """Images and what they show.

    Attributes:
        images: uint8 (n, 28, 28) 0–255, ink bright on black.
        labels: str (n,), the name of each one's class.
        origins: where each comes from.
    """

    images: np.ndarray
    labels: np.ndarray
    origins: Origins

    def of(self, chosen: np.ndarray) -> Labelled:
        """Some of them, chosen by a mask or by indices."""
        return Labelled(self.images[chosen], self.labels[chosen], self.origins.of(chosen))


@dataclass(frozen=True, eq=False)
class LoadedSplits:
    """What a reader found.

    Attributes:
        train: to learn from; where there is no `test`, to be split.
        test: to test on, or None.
        remarks: what else a user should know.
    """

    train: Labelled
    test: Labelled | None = None
    remarks: tuple[str, ...] = ()


@dataclass
class ValidationErrors:
    """What is wrong, gathered: the first few are kept to be told, the others are counted."""

    examples: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, place: str, what: str, *, times: int = 1) -> None:
        """Notes a problem; `times` where the same place stands for several."""
        self.count += times
        if len(self.examples) < EXAMPLES:
            self.examples.append(f"{place}: {what}")

    def refuse(self, name: str) -> None:
        """Ends here if there is a problem.

        Raises:
            DataError: with a line for each of the first ones, and how many more there are.
        """
        if not self.count:
            return
        more = self.count - len(self.examples)
        lines = [f"  {line}" for line in self.examples] + ([f"  … and {more:,} more"] if more else [])
        things = "1 thing is" if self.count == 1 else f"{self.count:,} things are"
        raise DataError("\n".join([f"{name} cannot be used: {things} wrong.", *lines]))


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """The key that sorts names as people do: numbers by their value and before words.

    >>> sorted(["b", "10", "2", "a12", "A2"], key=natural)
    ['2', '10', 'A2', 'a12', 'b']
    """
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    return (*((0, int(part), "") if part.isdecimal() else (1, 0, part.casefold()) for part in parts), (-1, 0, name))


def are_digits(labels: Sequence[str] | np.ndarray) -> bool:
    """Whether all names of classes are single digits."""
    return set(labels) <= DIGITS


def of_numbers(values: np.ndarray, place: Callable[[tuple[int, ...]], str], problems: ValidationErrors) -> np.ndarray:
    """Numbers of any type as pixels.

    Where no number is above 1, all are taken as parts of white, 0–1; otherwise they must be whole, 0–255.

    Args:
        values: bool, integers or floats of any shape.
        place: the place of a number, from its index.
        problems: takes what is neither.

    Returns:
        uint8 of the same shape, 0–255.
    """
    if values.dtype == bool:
        return values.astype(np.uint8) * np.uint8(255)
    top = values.max(initial=0)
    if values.dtype == np.uint8 and top > 1:
        return values
    wrong = ~np.isfinite(values) | (values < 0) | (values > 255)
    rule = "pixels must be from 0 to 255, or all from 0 to 1"
    if not wrong.any() and top > 1:
        wrong, rule = values != np.rint(values), "pixels above 1 must be whole numbers up to 255"
    if wrong.any():
        _tell(values, wrong, rule, place, problems)
        return np.zeros(values.shape, np.uint8)
    return np.rint(values * 255.0 if top <= 1 else values).astype(np.uint8)


def _tell(
    values: np.ndarray,
    wrong: np.ndarray,
    rule: str,
    place: Callable[[tuple[int, ...]], str],
    problems: ValidationErrors,
) -> None:
    indices = np.argwhere(wrong)
    for number, row in enumerate(indices[:EXAMPLES]):
        index = tuple(int(each) for each in row)
        rest = len(indices) - EXAMPLES + 1 if number == EXAMPLES - 1 else 1
        problems.add(place(index), f"{rule}; received {values[index]:g}", times=rest)
