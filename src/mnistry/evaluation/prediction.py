"""Predictions for images without labels, as a CSV table for a competition such as Kaggle's."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mnistry.datasets.labelled import are_digits
from mnistry.datasets.unlabelled import UnlabelledImages, load_unlabelled
from mnistry.errors import DataError
from mnistry.evaluation.run import load
from mnistry.models.classifier import Predictions
from mnistry.runtime.files import short, write_durably


@dataclass(frozen=True, eq=False)
class DatasetPredictions:
    """The answers to a data set's images.

    Attributes:
        images: the images, with their names.
        answers: the model's predictions.
        class_names: of the model.

    >>> answers = predict_dataset(None, "digits")
    >>> answers.labels[:3], answers.csv().splitlines()[1]
    (['7', '6', '3'], '1,7')
    """

    images: UnlabelledImages
    answers: Predictions
    class_names: tuple[str, ...]

    @property
    def labels(self) -> list[str]:
        """The most probable class of each image, by its name."""
        return [self.class_names[number] for number in self.answers.digits.tolist()]

    def counts(self) -> dict[str, int]:
        """Count the images whose most probable class is each class."""
        found = np.bincount(self.answers.digits, minlength=len(self.class_names))
        return dict(zip(self.class_names, found.tolist(), strict=True))

    def csv(self, *, probabilities: bool = False) -> str:
        """A table with a header and a row for each image: its name, its class, and perhaps all probabilities."""
        sink = io.StringIO()
        table = csv.writer(sink, lineterminator="\n")
        table.writerow([*self.images.header, *([f"p_{name}" for name in self.class_names] if probabilities else [])])
        for name, label, row in zip(self.images.names, self.labels, self.answers.probabilities, strict=True):
            table.writerow([name, label, *([f"{value:.6f}" for value in row] if probabilities else [])])
        return sink.getvalue()

    def as_json(self) -> Iterator[dict[str, Any]]:
        """An object for each image."""
        answers = self.answers
        for number, (name, label) in enumerate(zip(self.images.names, self.labels, strict=True)):
            row = answers.probabilities[number]
            yield {
                "image": name,
                "label": label,
                "probability": float(row.max()),
                "sure": bool(answers.sure[number]),
                "probabilities": row.tolist(),
            }


def predict_dataset(
    model: Any = None,
    dataset: str | os.PathLike[str] = "mnist",
    *,
    out: str | os.PathLike[str] | None = None,
    probabilities: bool = False,
    pixels: str | None = None,
) -> DatasetPredictions:
    """Answer images without labels, and write the answers as CSV.

    Args:
        model: a model file, a run folder, a Keras model or its file; None is the built-in model.
        dataset: a path to images: a CSV, NPY, NPZ, Parquet or IDX file, a folder of pictures, an archive of these; or
            the name of a data set, whose test images are taken.
        out: the CSV file, with a header `ImageId,Label` as Kaggle wants it, or that of a sample submission beside the
            images. It is replaced if it exists. None writes none.
        probabilities: whether the file gets a column for each class's probability.
        pixels: for a Keras model that does not scale its pixels: "0-1", "-1-1" or "0-255".

    Raises:
        MnistryError: the model or the data cannot be read, or the file cannot be written.

    >>> answers = predict_dataset(None, "digits")
    >>> len(answers.labels), answers.csv().splitlines()[0]
    (360, 'ImageId,Label')
    """
    classifier = load(model, pixels=pixels)
    info = classifier.info
    images = load_unlabelled(os.fspath(dataset), kind=info.kind, digits=are_digits(info.class_names))
    found = DatasetPredictions(images, classifier.predict_all(images.images), info.class_names)
    if out is not None:
        path = Path(out).expanduser()
        try:
            write_durably(path, [found.csv(probabilities=probabilities).encode()])
        except OSError as error:
            raise DataError(f"{short(path)} cannot be written: {error.strerror or error}.") from None
    return found
