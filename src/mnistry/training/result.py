"""The result of a run, and its files."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mnistry.datasets.dataset import Dataset, count_learning
from mnistry.evaluation.metrics import Evaluation
from mnistry.models.backend import keras
from mnistry.models.networks import Layer
from mnistry.runtime import files, run_folder
from mnistry.training.config import ResolvedConfig
from mnistry.training.lesson.steps import ROW

if TYPE_CHECKING:
    from mnistry.training.calibration import Calibration


@dataclass(frozen=True, eq=False)
class Sample:
    """The one training image that the lesson follows.

    Attributes:
        index: its position in the training split.
        image: uint8 (28, 28).
        label: the name of its class.
        probabilities: float64 (classes,), the model's output.
        doubled: float64 (classes,), Softmax of that, as the lesson computes it.
        answer: the name of the most probable class.
    """

    index: int
    image: np.ndarray
    label: str
    probabilities: np.ndarray
    doubled: np.ndarray
    answer: str


@dataclass(frozen=True, eq=False)
class Result:
    """The content of a run's summary and report.

    Attributes:
        command: what to type to have it again.
        config: the resolved config.
        dataset: the data for training and test.
        layers: the network.
        weights_sha256: digest of the trained weights' bytes: equal weights, to the bit, have equal digests.
        records: of each epoch its number, loss, metrics and seconds.
        train: how well the trained model does on the whole training split.
        test: how well it does on the test split.
        grid: the training images that are shown.
        seconds: how long each part took.
        environment: versions and machine.
        calibration: the values chosen on the images held out; None where none were.
        sample: the image that the lesson follows; None outside the lesson.
    """

    command: str
    config: ResolvedConfig
    dataset: Dataset
    layers: tuple[Layer, ...]
    weights_sha256: str
    records: tuple[dict[str, Any], ...]
    train: Evaluation
    test: Evaluation
    grid: range
    seconds: dict[str, float]
    environment: dict[str, Any]
    calibration: Calibration | None = None
    sample: Sample | None = None

    @property
    def trained_on(self) -> int:
        """The number of training images that the network learnt from."""
        return count_learning(self.dataset, self.config.validation)

    @property
    def grid_labels(self) -> list[str]:
        """The class names of the images in the grid."""
        return self.dataset.labels(self.dataset.y_train[self.grid.start : self.grid.stop])

    def summary(self) -> dict[str, Any]:
        """The content of `summary.json`."""
        summary = {
            "dataset": self.dataset.facts(),
            "recipe": self.config.recipe,
            "seed": self.config.seed,
            "epochs": list(self.records),
            "train": self.train.as_json(),
            "test": self.test.as_json(),
            "calibration": None if self.calibration is None else asdict(self.calibration),
            "seconds": self.seconds,
            "weights_sha256": self.weights_sha256,
            "command": self.command,
            "environment": self.environment,
        }
        return summary if self.sample is None else summary | self._lesson(self.sample)

    def _lesson(self, sample: Sample) -> dict[str, Any]:
        return {
            "sample": {
                "index": sample.index,
                "label": to_number(sample.label),
                "row_10": sample.image[ROW].tolist(),
                "probabilities": sample.probabilities.tolist(),
                "double_softmax": sample.doubled.tolist(),
                "prediction": to_number(sample.answer),
            },
            "grid": {"indices": list(self.grid), "labels": [to_number(name) for name in self.grid_labels]},
        }


def save(result: Result, model: keras.Model, folder: Path) -> None:
    """Write the model and the summary into a run folder that has the config and the metrics already."""
    model.save(folder / run_folder.MODEL)
    files.write_json(folder / run_folder.SUMMARY, result.summary())


def hash_weights(model: keras.Model) -> str:
    """The digest of a model's weights, in the model's order."""
    return hashlib.sha256(b"".join(weights.tobytes() for weights in model.get_weights())).hexdigest()


def to_number(class_name: str) -> int | str:
    """Digits as numbers, other class names as they are."""
    return int(class_name) if class_name.isdecimal() else class_name
