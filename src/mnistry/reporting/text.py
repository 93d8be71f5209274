"""Numbers and pictures as plain text, aligned for a terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mnistry.datasets.loading import Dataset
from mnistry.evaluation.metrics import Evaluation

if TYPE_CHECKING:
    from mnistry.models.networks import Layer
    from mnistry.training.result import Sample

SHADES = " ░▒▓█"
GRID_COLUMNS = 5
EPOCHS_SHOWN = 10
WIDEST = 150  # characters of a table of classes; wider ones stand on their side
CONFUSIONS_SHOWN, CLASSES_SHOWN = 20, 10
WHY_NOT_TWICE = """\
The network already ends in Softmax. The lesson adds a second one, which takes the
probabilities for scores and so can never give more than {most:.1%}, however sure it is."""


def counted(n: int, thing: str) -> str:
    """A number and what it counts.

    >>> counted(1, "error"), counted(1875, "step")
    ('1 error', '1,875 steps')
    """
    return f"{n:,} {thing}" if n == 1 else f"{n:,} {thing}s"


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


def picture(pixels: np.ndarray) -> str:
    """An image in shades, two characters a pixel so that it is not squeezed.

    Args:
        pixels: uint8 (height, width).
    """
    levels = (pixels.astype(int) * len(SHADES)) // 256
    return "\n".join("".join(SHADES[level] * 2 for level in row).rstrip() for row in levels)


def layers(rows: Sequence[Layer]) -> str:
    """A network's layers, a line each, with their output shapes and weights, and the sum."""
    kind, output = max(22, *(len(row.kind) for row in rows)), max(10, *(len(str(row.output)) for row in rows))
    total = f"{sum(row.parameters for row in rows):,}"
    width = max(9, len(total))
    lines = [f"{row.kind:<{kind}} {row.output!s:<{output}} {row.parameters:>{width},}" for row in rows]
    return "\n".join([*lines, f"{'weights':<{kind + 1 + output}} {total:>{width}}"])


def epoch(record: Mapping[str, Any], epochs: int, *, loss_width: int = 6) -> str:
    """Loss, accuracy and seconds of an epoch, and what was watched beside.

    >>> epoch({"epoch": 3, "loss": 0.1, "accuracy": 0.97, "seconds": 0.5}, 12)
    'epoch  3/12   loss 0.1000   accuracy  97.00%    0.50 s'
    """
    parts = [f"epoch {record['epoch']:>{len(str(epochs))}}/{epochs}", f"loss {record['loss']:{loss_width}.4f}"]
    parts.append(f"accuracy {record['accuracy']:7.2%}")
    if "val_loss" in record:
        parts.append(f"validation loss {record['val_loss']:{loss_width}.4f} accuracy {record['val_accuracy']:7.2%}")
    return "   ".join([*parts, f"{record['seconds']:5.2f} s"])


def epochs(records: Sequence[Mapping[str, Any]], *, steps: int) -> str:
    """Loss, accuracy and seconds of each epoch; of a long training the first and the last ones.

    Args:
        records: one an epoch.
        steps: how many an epoch has.
    """
    loss_width = max(len(f"{record['loss']:.4f}") for record in records)
    lines = [epoch(record, len(records), loss_width=loss_width) for record in records]
    left_out = len(lines) - EPOCHS_SHOWN
    if left_out > 0:
        lines = [*lines[:1], f"… {left_out} more …", *lines[1 - EPOCHS_SHOWN :]]
    return "\n".join([f"{counted(len(records), 'epoch')} of {counted(steps, 'step')}", *lines])


def result(test: Evaluation) -> str:
    """The test result as a sentence and two figures."""
    low, high = test.interval
    return (
        f"{counted(test.errors, 'error')} in {test.n:,} test images: accuracy {test.accuracy:.2%} "
        f"(95% interval {low:.2%} to {high:.2%})\n"
        f"loss {test.loss:.4f}, expected calibration error {test.ece:.2%}"
    )


def confusion(matrix: np.ndarray, class_names: Sequence[str]) -> str:
    """A confusion matrix: a row a label, a column an answer, a dot for none; of many classes the confusions as a list.

    >>> print(confusion(np.array([[3, 0], [1, 12]]), ["0", "1"]))
    label   0  1  ← answer
        0   3  ·
        1   1 12
    """
    width = max(len(str(int(matrix.max()))), *(len(name) for name in class_names))
    side = max(5, *(len(name) for name in class_names))
    if len(class_names) * (width + 1) > WIDEST:
        return _confusions(matrix, class_names, side)
    head = f"{'label':<{side}}  " + " ".join(f"{name:>{width}}" for name in class_names) + "  ← answer"
    rows = (
        f"{name:>{side}}  " + " ".join(f"{count or '·':>{width}}" for count in counts)
        for name, counts in zip(class_names, matrix.tolist(), strict=True)
    )
    return "\n".join([head, *rows])


def _confusions(matrix: np.ndarray, class_names: Sequence[str], side: int) -> str:
    """What is most often taken for what, a line each."""
    wrong = matrix * (1 - np.eye(len(matrix), dtype=matrix.dtype))
    pairs = np.argwhere(wrong)
    order = np.argsort(-wrong[wrong > 0], kind="stable")[:CONFUSIONS_SHOWN]
    if not len(order):
        return "nothing is taken for anything else"
    lines = (f"{class_names[i]:>{side}}  read as {class_names[j]}: {wrong[i, j]:,}" for i, j in pairs[order])
    left_out = len(pairs) - len(order)
    return "\n".join([f"{'label':>{side}}", *lines, *([f"… and {counted(left_out, 'kind')} more"] if left_out else [])])


def probability_table(rows: Sequence[tuple[str, np.ndarray]], class_names: Sequence[str]) -> str:
    """Probabilities in percent, a column a class."""
    side = max(len(name) for name, _ in rows)
    width = max(6, *(len(name) for name in class_names))
    head = " " * side + "  " + " ".join(f"{name:>{width}}" for name in class_names)
    lines = (f"{name:<{side}}  " + " ".join(f"{value:>{width}.1%}" for value in values) for name, values in rows)
    return "\n".join([head, *lines])


def probabilities(sample: Sample, train: np.ndarray, test: np.ndarray, class_names: Sequence[str]) -> str:
    """The sample image's probabilities as they are and as the lesson shows them, with the reason of the difference.

    Args:
        sample: the image.
        train: (n, classes), those of all training images.
        test: (n, classes), those of all test images.
        class_names: what the columns stand for.
    """
    rows = [("Softmax once", sample.probabilities), ("Softmax twice", sample.doubled)]
    likely = np.argsort(-sample.probabilities, kind="stable")[:CLASSES_SHOWN]
    if len(likely) < len(class_names):
        rows = [(name, values[likely]) for name, values in rows]
    shown = [class_names[number] for number in likely] if len(likely) < len(class_names) else class_names
    return "\n".join(
        [
            f"for all images: train {train.shape}, test {test.shape}; training image {sample.index}:",
            probability_table(rows, shown),
            *WHY_NOT_TWICE.format(most=most_of_doubled(len(class_names))).splitlines(),
        ]
    )


def most_of_doubled(classes: int) -> float:
    """The most that Softmax can give when it is fed probabilities: one of them 1, the others 0.

    >>> round(most_of_doubled(10), 3)
    0.232
    """
    return math.e / (math.e + classes - 1)
