"""A data set: images with labels in two splits, and facts about them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mnistry.errors import UsageError

DIGIT_NAMES = tuple("0123456789")
STATISTICS_CHUNK = 5_000
EXAMPLES, AROUND = (2000, 1000), 10  # the image that is shown, where as many come after it
VALIDATION_STREAM = 0  # epochs are numbered from 1, so no order of images shares its random numbers

Split = tuple[np.ndarray, np.ndarray]
"""Images, uint8 (n, 28, 28), and their labels, uint8 (n,)."""


def make_origins(places: Iterable[str]) -> np.ndarray:
    """The places that images come from, in words: StringDType (n,), which holds long and short texts side by side.

    >>> make_origins(f"train.csv, row {number}" for number in (2, 3, 5))[2]
    'train.csv, row 5'
    """
    return np.array(list(places), np.dtypes.StringDType())


@dataclass(frozen=True, eq=False)
class Dataset:
    """A named set of images with a train and a test split.

    Attributes:
        name: the word that loads it.
        title: its name for people.
        x_train: uint8 (n, 28, 28) 0–255, ink bright on black.
        y_train: uint8 (n,), indices into `class_names`.
        x_test: like `x_train`.
        y_test: like `y_train`.
        class_names: the name of each label.
        source: where the bytes came from.
        licence: the terms of the data.
        digests: SHA-256 of each file or array.
        about: a sentence on the images, for a report.
        fallback: the reason why this set replaces MNIST, or None where it does not.
        remarks: what else a user should know, such as a damaged file that was passed over.
        origins: for each split where its images come from, see `make_origins`; None where their numbers say all.
        x_validation: like `x_train`, where the data have a validation split of their own; else None.
        y_validation: likewise.
        kind: "ink", brought into MNIST's form, or "pictures", made grey and small.

    >>> from mnistry import load
    >>> digits = load("digits")
    >>> digits
    Dataset('digits', train=1437, test=360, classes=10)
    >>> digits.x_train.shape, digits.x_train.dtype
    ((1437, 28, 28), dtype('uint8'))
    """

    name: str
    title: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    class_names: tuple[str, ...]
    source: str
    licence: str
    digests: Mapping[str, str]
    about: str = ""
    fallback: str | None = None
    remarks: tuple[str, ...] = field(default=())
    origins: Mapping[str, np.ndarray] | None = None
    x_validation: np.ndarray | None = None
    y_validation: np.ndarray | None = None
    kind: str = "ink"

    def __repr__(self) -> str:
        train, test = len(self.x_train), len(self.x_test)
        return f"Dataset({self.name!r}, train={train}, test={test}, classes={len(self.class_names)})"

    @property
    def shows_digits(self) -> bool:
        """True if the classes are the ten digits."""
        return self.class_names == DIGIT_NAMES

    def origin(self, split: str, index: int) -> str | None:
        """The file, and the row there, that an image was read from; None where its number says all."""
        return None if self.origins is None else self.origins[split][index]

    def labels(self, classes: np.ndarray) -> list[str]:
        """The class names of integers (n,)."""
        return [self.class_names[int(number)] for number in classes]

    @property
    def splits(self) -> dict[str, Split]:
        """Images and labels of each split, by name; "validation" only where the data have one."""
        found = {"train": (self.x_train, self.y_train), "test": (self.x_test, self.y_test)}
        if self.x_validation is not None and self.y_validation is not None:
            found["validation"] = (self.x_validation, self.y_validation)
        return found

    def statistics(self) -> dict[str, Any]:
        """Shapes, dtypes, images per class, and the mean and standard deviation of the pixels, for each split."""
        return {name: _statistics(x, y, len(self.class_names)) for name, (x, y) in self.splits.items()}

    def facts(self) -> dict[str, Any]:
        """The facts that summaries and evaluations tell; JSON's types only."""
        return {
            "name": self.name,
            "source": self.source,
            "train_shape": list(self.x_train.shape),
            "test_shape": list(self.x_test.shape),
            "class_names": list(self.class_names),
            "kind": self.kind,
            "fallback": self.fallback,
            "remarks": list(self.remarks),
            "licence": self.licence,
            "digests": dict(self.digests),
        }

    def as_json(self) -> dict[str, Any]:
        """The object that `mnistry data --json` prints."""
        facts = self.facts()
        del facts["train_shape"], facts["test_shape"]  # the statistics have them
        return {"title": self.title, **facts, **self.statistics()}

    def check_index(self, index: int | None) -> int:
        """The index of a training image; None gives the example: 2000, as in MNIST's lesson, or one further ahead.

        Raises:
            UsageError: there is no such image.
        """
        if index is None:
            n = len(self.x_train)
            return next((example for example in EXAMPLES if n >= example + AROUND), n // 2)
        if not 0 <= index < len(self.x_train):
            raise UsageError(
                f"The index must be from 0 to {len(self.x_train) - 1}, as {self.title} has {len(self.x_train):,} "
                f"training images; received {index}."
            )
        return index


def count_validation(dataset: Dataset, part: float) -> int:
    """Count the images to choose by: those of a validation split, or those that `split` holds out."""
    if part and dataset.y_validation is not None:
        return len(dataset.y_validation)
    counts = np.bincount(dataset.y_train, minlength=len(dataset.class_names)).tolist()
    return sum(_held_out(count, part) for count in counts)


def count_learning(dataset: Dataset, part: float) -> int:
    """Count the training images that are learnt from."""
    held_out = 0 if dataset.y_validation is not None else count_validation(dataset, part)
    return len(dataset.y_train) - held_out


def split(dataset: Dataset, part: float, seed: int) -> tuple[Split, Split]:
    """Split the training images in two: to learn from, and to choose by.

    Where the data have a validation split of their own, it is taken, and all training images are learnt from.

    Args:
        dataset: the data set.
        part: the share of each class to hold out, 0 to 0.5, at least one image and never the only one; 0 holds out
            none.
        seed: decides which.

    Returns:
        Images and labels to learn from, and images and labels held out, each in their old order.
    """
    if part and dataset.x_validation is not None and dataset.y_validation is not None:
        return (dataset.x_train, dataset.y_train), (dataset.x_validation, dataset.y_validation)
    held_out = np.zeros(len(dataset.y_train), bool)
    random = np.random.default_rng([seed, VALIDATION_STREAM])
    for number in range(len(dataset.class_names)):
        members = np.flatnonzero(dataset.y_train == number)
        if part and len(members):
            held_out[random.permutation(members)[: _held_out(len(members), part)]] = True
    if not held_out.any():
        return (dataset.x_train, dataset.y_train), (dataset.x_train[:0], dataset.y_train[:0])
    return (dataset.x_train[~held_out], dataset.y_train[~held_out]), (
        dataset.x_train[held_out],
        dataset.y_train[held_out],
    )


def _held_out(count: int, part: float) -> int:
    """The images of a class to hold out: at least one, and never the only one."""
    return min(max(1, int(count * part)), count - 1) if part and count else 0


def _statistics(x: np.ndarray, y: np.ndarray, classes: int) -> dict[str, Any]:
    total = squares = 0.0
    for start in range(0, len(x), STATISTICS_CHUNK):  # in parts: float64 takes eight times the memory
        pixels = x[start : start + STATISTICS_CHUNK].reshape(-1).astype(np.float64)
        total, squares = total + float(pixels.sum()), squares + float(pixels @ pixels)
    mean = total / x.size
    variance = squares / x.size - mean**2
    return {
        "images": {"shape": list(x.shape), "dtype": str(x.dtype)},
        "labels": {"shape": list(y.shape), "dtype": str(y.dtype)},
        "counts": np.bincount(y, minlength=classes).tolist(),
        "mean": mean,
        "std": variance**0.5,
    }
