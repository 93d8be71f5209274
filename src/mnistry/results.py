"""What one training gave, and the files that keep it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mnistry import runs
from mnistry.backend import keras
from mnistry.data import Dataset
from mnistry.evaluation import Evaluation
from mnistry.loop import Moment
from mnistry.models import Layer
from mnistry.training import TrainConfig

ROW = 10  # the row of the sample image that the lesson prints as numbers


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
    """All that a run's summary and report tell.

    Attributes:
        command: what to type to have it again.
        config: the settled config.
        dataset: what it was trained and tested on.
        layers: the network.
        epochs: the last moment of each epoch.
        train: how well the trained model does on the images that it has seen.
        test: how well it does on the others.
        sample: the image that the lesson follows.
        grid: the training images that the lesson shows.
        seconds: how long each part took.
        environment: versions and machine.
    """

    command: str
    config: TrainConfig
    dataset: Dataset
    layers: tuple[Layer, ...]
    epochs: tuple[Moment, ...]
    train: Evaluation
    test: Evaluation
    sample: Sample
    grid: range
    seconds: dict[str, float]
    environment: dict[str, Any]

    def summary(self) -> dict[str, Any]:
        """The content of `summary.json`."""
        dataset, sample = self.dataset, self.sample
        return {
            "dataset": {
                "name": dataset.name,
                "source": dataset.source,
                "train_shape": list(dataset.x_train.shape),
                "test_shape": list(dataset.x_test.shape),
                "fallback": dataset.fallback,
                "remarks": list(dataset.remarks),
                "licence": dataset.licence,
                "digests": dict(dataset.digests),
            },
            "seed": self.config.seed,
            "epochs": [epoch_record(moment) for moment in self.epochs],
            "train": self.train.as_json(),
            "test": self.test.as_json(),
            "seconds": self.seconds,
            "sample": {
                "index": sample.index,
                "label": as_number(sample.label),
                "row_10": sample.image[ROW].tolist(),
                "probabilities": sample.probabilities.tolist(),
                "double_softmax": sample.doubled.tolist(),
                "prediction": as_number(sample.answer),
            },
            "grid": {
                "indices": list(self.grid),
                "labels": [as_number(name) for name in self.grid_labels],
            },
            "command": self.command,
            "environment": self.environment,
        }

    @property
    def grid_labels(self) -> list[str]:
        """The class names of the images in the grid."""
        return self.dataset.labels(self.dataset.y_train[self.grid.start : self.grid.stop])


def save(result: Result, model: keras.Model, folder: Path) -> None:
    """Writes the config, a line an epoch, and the model; the summary comes when all else is there."""
    runs.write_json(folder / "config.json", asdict(result.config))
    lines = (json.dumps(epoch_record(moment)) + "\n" for moment in result.epochs)
    (folder / "metrics.jsonl").write_text("".join(lines), encoding="utf-8")
    model.save(folder / "model.keras")


def epoch_record(moment: Moment) -> dict[str, Any]:
    """What `metrics.jsonl` and `summary.json` keep of an epoch."""
    return {"epoch": moment.epoch, **moment.logs, "seconds": moment.seconds}


def as_number(class_name: str) -> int | str:
    """Digits as numbers, other class names as they are."""
    return int(class_name) if class_name.isdecimal() else class_name
