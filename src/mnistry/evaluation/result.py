"""What an examination of a model gives: how right it is, how rightly sure, and what leads it astray."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mnistry.datasets.loading import Dataset
from mnistry.evaluation.metrics import MISTAKES_SHOWN, Evaluation, SelectiveAccuracy
from mnistry.models.metadata import ModelMetadata

CORRUPTION_SEED = 0
AS_THEY_ARE = "as they are"


@dataclass(frozen=True, eq=False)
class Corrupted:
    """How a model does on the test images with one kind of corruption.

    Attributes:
        name: of the corruption.
        all: of all its answers, how right they are.
        sure: of those that it is sure of.
    """

    name: str
    all: SelectiveAccuracy
    sure: SelectiveAccuracy


@dataclass(frozen=True, eq=False)
class ModelEvaluation:
    """What came out of an examination.

    Attributes:
        command: what to type to have it again.
        source: where the model is.
        info: what the model says of itself.
        dataset: whose test split it was examined on.
        test: how right and how rightly sure it is.
        uncalibrated: the same with temperature 1; None where that is the model's own.
        sure: the answers that it is sure of.
        digits: the answers to images that it takes for digits at all; all of them are.
        sure_of_mistakes: bool (errors,), whether it is sure, for each of `test.mistakes`.
        corrupted: how it does on corrupted images; none if that was not asked for.
        seconds: how long each part took.
        environment: versions and machine.
    """

    command: str
    source: str
    info: ModelMetadata
    dataset: Dataset
    test: Evaluation
    uncalibrated: Evaluation | None
    sure: SelectiveAccuracy
    digits: SelectiveAccuracy
    sure_of_mistakes: np.ndarray
    corrupted: tuple[Corrupted, ...]
    seconds: dict[str, float]
    environment: dict[str, Any]

    @property
    def mean_accuracy(self) -> float:
        """Over all kinds of corruption; NaN if there are none."""
        accuracies = [each.all.precision for each in self.corrupted]
        return float(np.mean(accuracies)) if accuracies else float("nan")

    def mistakes(self) -> list[dict[str, Any]]:
        """The most confident mistakes, at most twenty: which image, its origin, label, answer, and how sure."""
        test, names = self.test, self.dataset.class_names
        return [
            {
                "index": int(index),
                "origin": self.dataset.origin("test", int(index)),
                "label": names[self.dataset.y_test[index]],
                "answer": names[test.answers[index]],
                "probability": float(test.confidences[index]),
                "sure": bool(sure),
            }
            for index, sure in zip(test.mistakes[:MISTAKES_SHOWN], self.sure_of_mistakes, strict=False)
        ]

    def as_json(self) -> dict[str, Any]:
        """The object that `evaluate --json` prints and `evaluation.json` keeps."""
        info = self.info
        return {
            "dataset": self.dataset.facts(),
            "model": {
                "source": self.source,
                **{name: fact for name, fact in info.as_json().items() if name != "details"},
            },
            "test": self.test.as_json(),
            "uncalibrated": None
            if self.uncalibrated is None
            else {"loss": self.uncalibrated.loss, "ece": self.uncalibrated.ece},
            "sure": self.sure.as_json(),
            "digits": self.digits.as_json(),
            "mistakes": self.mistakes(),
            "corruptions": {
                "mean_accuracy": self.mean_accuracy,
                "seed": CORRUPTION_SEED,
                "each": {each.name: {**each.all.as_json(), "sure": each.sure.as_json()} for each in self.corrupted},
            }
            if self.corrupted
            else None,
            "seconds": self.seconds,
            "command": self.command,
            "environment": self.environment,
        }


def in_words(corruption: str) -> str:
    """The name of a corruption for people.

    >>> in_words("motion_blur")
    'motion blur'
    """
    return corruption.replace("_", " ")
