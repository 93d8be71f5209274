"""Text of a data set for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mnistry.datasets.loading import Dataset
from mnistry.reporting.text import WIDEST, format_entry, render_picture

SHOWN = {"ink": "ink bright on black", "pictures": "grey pictures"}


def format_dataset(loaded: Dataset, index: int) -> str:
    """The content of a data set: shapes, counts per class, mean and standard deviation, source, and a picture."""
    statistics = loaded.statistics()
    side = max(7, *(len(split) for split in statistics))
    lines = [
        f"{loaded.title}: {len(loaded.x_train) + len(loaded.x_test):,} images, uint8 28×28, {SHOWN[loaded.kind]}",
        format_entry("source", loaded.source, 9),
        format_entry("licence", loaded.licence, 9),
        "",
        f"{'split':<{side}} {'images':<17} {'labels':<10} {'mean':>7} {'std':>7}   of 0–255; of 0–1",
    ]
    for split, numbers in statistics.items():
        images, labels = (str(tuple(numbers[part]["shape"])) for part in ("images", "labels"))
        mean, std = numbers["mean"], numbers["std"]
        lines.append(
            f"{split:<{side}} {images:<17} {labels:<10} {mean:7.3f} {std:7.3f}   {mean / 255:.4f} ± {std / 255:.4f}"
        )
    lines += [
        "",
        format_counts(loaded.class_names, {split: numbers["counts"] for split, numbers in statistics.items()}),
    ]
    label = loaded.class_names[loaded.y_train[index]]
    return "\n".join([*lines, "", f"training image {index}, label {label}", render_picture(loaded.x_train[index])])


def format_counts(class_names: Sequence[str], splits: Mapping[str, Sequence[int]]) -> str:
    """The images of each class: a column a class, or a line a class where that would be too wide.

    >>> print(format_counts(["0", "1"], {"train": [5, 1200], "test": [0, 7]}))
    class        0     1
    train        5 1,200
    test         0     7
    """
    largest = max(len(f"{max(numbers):,}") for numbers in splits.values())
    width = max(6, largest + 1, *(len(name) + 1 for name in class_names))
    if 8 + len(class_names) * width <= WIDEST:
        side = max(7, *(len(split) for split in splits))
        head = f"{'class':<{side}} " + "".join(f"{name:>{width}}" for name in class_names)
        rows = (f"{name:<{side}} " + "".join(f"{n:>{width},}" for n in numbers) for name, numbers in splits.items())
        return "\n".join([head, *rows])
    side = max(5, *(len(name) for name in class_names))
    head = f"{'class':<{side}} " + "".join(f"{split:>9}" for split in splits)
    columns = zip(class_names, *splits.values(), strict=True)
    rows = (f"{name:<{side}} " + "".join(f"{n:>9,}" for n in numbers) for name, *numbers in columns)
    return "\n".join([head, *rows])
