"""Text of a training for the terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from mnistry.models.networks import Layer
    from mnistry.training.result import Sample
from mnistry.reporting.text import counted, probability_table

EPOCHS_SHOWN = 10


CLASSES_SHOWN = 10


WHY_NOT_TWICE = """\
The network already ends in Softmax. The lesson adds a second one, which takes the
probabilities for scores and so can never give more than {most:.1%}, however sure it is."""


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
