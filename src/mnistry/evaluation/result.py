"""The result of evaluating a model: accuracy, calibration, mistakes and robustness."""

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
    """Accuracy on test images with one kind of corruption: of all answers, and of those that the model is sure of."""

    name: str
    all: SelectiveAccuracy
    sure: SelectiveAccuracy


@dataclass(frozen=True, eq=False)
class ModelEvaluation:
    """The evaluation of a model.

    Attributes:
        command: the command line that repeats it.
        source: where the model is.
        info: the metadata of the model file.
        dataset: the data set whose test split was used.
        test: accuracy and calibration on the test split.
        uncalibrated: the same with temperature 1; None if the model has no other.
        sure: accuracy of the answers that it is sure of.
        digits: accuracy of the answers to images that it takes for digits at all, which all of them are.
        sure_of_mistakes: bool (errors,), for each of `test.mistakes` whether the model was sure.
        corrupted: accuracy on corrupted images; empty if that was not requested.
        seconds: the time of each part.
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
        """Mean accuracy over all kinds of corruption; NaN if there are none."""
        accuracies = [each.all.accuracy for each in self.corrupted]
        return float(np.mean(accuracies)) if accuracies else float("nan")

    def mistakes(self) -> list[dict[str, Any]]:
        """List the most confident mistakes, at most twenty: image, origin, label, answer and probability."""
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
        """Give the object that `evaluate --json` prints and `evaluation.json` keeps."""
        raw, facts = self.uncalibrated, self.info.as_json()
        each = {one.name: {**one.all.as_json(), "sure": one.sure.as_json()} for one in self.corrupted}
        corruptions = {"mean_accuracy": self.mean_accuracy, "seed": CORRUPTION_SEED, "each": each}
        return {
            "dataset": self.dataset.facts(),
            "model": {"source": self.source, **{name: fact for name, fact in facts.items() if name != "details"}},
            "test": self.test.as_json(),
            "uncalibrated": None if raw is None else {"loss": raw.loss, "ece": raw.ece},
            "sure": self.sure.as_json(),
            "digits": self.digits.as_json(),
            "mistakes": self.mistakes(),
            "corruptions": corruptions if self.corrupted else None,
            "seconds": self.seconds,
            "command": self.command,
            "environment": self.environment,
        }


def format_corruption(corruption: str) -> str:
    """Give the name of a corruption for people.

    >>> format_corruption("motion_blur")
    'motion blur'
    """
    return corruption.replace("_", " ")
