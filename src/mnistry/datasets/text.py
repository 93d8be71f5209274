"""Text of a data set for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mnistry.datasets.loading import Dataset

if TYPE_CHECKING:
    pass
from mnistry.reporting.text import GRID_COLUMNS, WIDEST, picture


def shapes(dataset: Dataset) -> str:
    """Where the data came from, and the shapes and dtypes of the four arrays."""
    lines = [f"{dataset.title}, {len(dataset.x_train) + len(dataset.x_test):,} images ({dataset.source})"]
    splits = (("train", dataset.x_train, dataset.y_train), ("test", dataset.x_test, dataset.y_test))
    width = max(len(f"{x.shape} {x.dtype}") for _, x, _ in splits)
    for split, x, y in splits:
        lines.append(f"{'x_' + split:<7} {f'{x.shape} {x.dtype}':<{width}}   {'y_' + split:<7} {y.shape} {y.dtype}")
    return "\n".join(lines)


def dataset(loaded: Dataset, index: int) -> str:
    """What a data set holds: shapes, counts per class, mean and standard deviation, source, and a picture."""
    statistics = loaded.statistics()
    lines = [
        f"{loaded.title}: {len(loaded.x_train) + len(loaded.x_test):,} images, uint8 28×28, ink bright on black",
        f"source   {loaded.source}",
        f"licence  {loaded.licence}",
        "",
        f"{'split':<7} {'images':<17} {'labels':<10} {'mean':>7} {'std':>7}   of 0–255; of 0–1",
    ]
    for split, numbers in statistics.items():
        images, labels = (str(tuple(numbers[part]["shape"])) for part in ("images", "labels"))
        mean, std = numbers["mean"], numbers["std"]
        lines.append(
            f"{split:<7} {images:<17} {labels:<10} {mean:7.3f} {std:7.3f}   {mean / 255:.4f} ± {std / 255:.4f}"
        )
    lines += ["", counts(loaded.class_names, {split: numbers["counts"] for split, numbers in statistics.items()})]
    label = loaded.class_names[loaded.y_train[index]]
    return "\n".join([*lines, "", f"training image {index}, label {label}", picture(loaded.x_train[index])])


def counts(class_names: Sequence[str], splits: Mapping[str, Sequence[int]]) -> str:
    """The images of each class: a column a class, or a line a class where that would be too wide.

    >>> print(counts(["0", "1"], {"train": [5, 1200], "test": [0, 7]}))
    class        0     1
    train        5 1,200
    test         0     7
    """
    largest = max(len(f"{max(numbers):,}") for numbers in splits.values())
    width = max(6, largest + 1, *(len(name) + 1 for name in class_names))
    if len(class_names) * width <= WIDEST:
        head = f"{'class':<7} " + "".join(f"{name:>{width}}" for name in class_names)
        rows = (f"{name:<7} " + "".join(f"{n:>{width},}" for n in numbers) for name, numbers in splits.items())
        return "\n".join([head, *rows])
    side = max(5, *(len(name) for name in class_names))
    head = f"{'class':<{side}} " + "".join(f"{split:>9}" for split in splits)
    columns = zip(class_names, *splits.values(), strict=True)
    rows = (f"{name:<{side}} " + "".join(f"{n:>9,}" for n in numbers) for name, *numbers in columns)
    return "\n".join([head, *rows])


def row(image: np.ndarray, index: int, number: int) -> str:
    """One row of a training image, uint8 (28, 28), as numbers."""
    return f"training image {index}, row {number}\n" + " ".join(str(value) for value in image[number])


def grid(indices: range, labels: Sequence[str]) -> str:
    """The labels of consecutive training images, in rows of five.

    >>> print(grid(range(1990, 1997), list("6545305")))
    training images 1990 to 1996
    6 5 4 5 3
    0 5
    """
    width = max(len(label) for label in labels)
    labels = [f"{label:<{width}}" for label in labels]
    lines = [" ".join(labels[start : start + GRID_COLUMNS]).rstrip() for start in range(0, len(labels), GRID_COLUMNS)]
    return "\n".join([f"training images {indices[0]} to {indices[-1]}", *lines])
