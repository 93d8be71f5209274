"""Text of a data set for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mnistry.datasets.loading import Dataset
from mnistry.reporting.language import count_columns
from mnistry.reporting.text import WIDEST, format_entry, format_table, render_picture

SHOWN = {"ink": "ink bright on black", "pictures": "grey pictures"}


def format_dataset(loaded: Dataset, index: int) -> str:
    """The content of a data set: shapes, counts per class, mean and standard deviation, source, and a picture."""
    statistics = loaded.statistics()
    rows = [["split", "images", "labels", "mean", "std", "of 0–255; of 0–1"]]
    for split, numbers in statistics.items():
        images, labels = (str(tuple(numbers[part]["shape"])) for part in ("images", "labels"))
        mean, std = numbers["mean"], numbers["std"]
        rows.append([split, images, labels, f"{mean:.3f}", f"{std:.3f}", f"{mean / 255:.4f} ± {std / 255:.4f}"])
    counts = {split: numbers["counts"] for split, numbers in statistics.items()}
    lines = [
        f"{loaded.title}: {len(loaded.x_train) + len(loaded.x_test):,} images, uint8 28×28, {SHOWN[loaded.kind]}",
        format_entry("source", loaded.source, 9),
        format_entry("licence", loaded.licence, 9),
        "",
        format_table(rows, left={0, 1, 2, 5}),
        "",
        format_counts(loaded.class_names, counts),
        "",
        f"training image {index}, label {loaded.class_names[loaded.y_train[index]]}",
        render_picture(loaded.x_train[index]),
    ]
    return "\n".join(lines)


def format_counts(class_names: Sequence[str], splits: Mapping[str, Sequence[int]]) -> str:
    """The images of each class: a column a class, or a line a class where that would be too wide.

    >>> print(format_counts(["0", "1"], {"train": [5, 1200], "test": [0, 7]}))
    class  0      1
    train  5  1,200
    test   0      7
    """
    rows = [["class", *class_names], *([split, *(f"{n:,}" for n in counts)] for split, counts in splits.items())]
    table = format_table(rows, left={0})
    is_wide = max(map(count_columns, table.splitlines())) > WIDEST
    return format_table(list(zip(*rows, strict=True)), left={0}) if is_wide else table
