"""Text of a data set for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mnistry.datasets.loading import Dataset
from mnistry.reporting.text import GRID_COLUMNS, WIDEST, picture

SHOWN = {"ink": "ink bright on black", "pictures": "grey pictures"}


def shapes(dataset: Dataset) -> str:
    """The source of the data, and the shapes and dtypes of its arrays."""
    lines = [f"{dataset.title}, {len(dataset.x_train) + len(dataset.x_test):,} images ({dataset.source})"]
    width = max(len(f"{x.shape} {x.dtype}") for x, _ in dataset.splits.values())
    side = max(len(f"x_{split}") for split in dataset.splits)
    for split, (x, y) in dataset.splits.items():
        lines.append(
            f"{'x_' + split:<{side}} {f'{x.shape} {x.dtype}':<{width}}   {'y_' + split:<{side}} {y.shape} {y.dtype}"
        )
    return "\n".join(lines)


def dataset(loaded: Dataset, index: int) -> str:
    """The content of a data set: shapes, counts per class, mean and standard deviation, source, and a picture."""
    statistics = loaded.statistics()
    side = max(7, *(len(split) for split in statistics))
    lines = [
        f"{loaded.title}: {len(loaded.x_train) + len(loaded.x_test):,} images, uint8 28×28, {SHOWN[loaded.kind]}",
        f"source   {loaded.source}",
        f"licence  {loaded.licence}",
        "",
        f"{'split':<{side}} {'images':<17} {'labels':<10} {'mean':>7} {'std':>7}   of 0–255; of 0–1",
    ]
    for split, numbers in statistics.items():
        images, labels = (str(tuple(numbers[part]["shape"])) for part in ("images", "labels"))
        mean, std = numbers["mean"], numbers["std"]
        lines.append(
            f"{split:<{side}} {images:<17} {labels:<10} {mean:7.3f} {std:7.3f}   {mean / 255:.4f} ± {std / 255:.4f}"
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
        side = max(7, *(len(split) for split in splits))
        head = f"{'class':<{side}} " + "".join(f"{name:>{width}}" for name in class_names)
        rows = (f"{name:<{side}} " + "".join(f"{n:>{width},}" for n in numbers) for name, numbers in splits.items())
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
