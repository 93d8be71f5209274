"""Adaptation of a model to somebody's hand: its last layer learns a few corrected digits and forgets nothing else.

Only the last layer changes, on the features that the rest of the network gives. Each sample is shown with small
changes of place, size, slant and angle. Other digits are shown with the answers that the model gave before: learning
without forgetting (Li and Hoiem 2016). Many of them are those that lie nearest to another class, which would be
forgotten first. At last the change is made smaller until digits that it was not trained on are read as before.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mnistry.datasets import custom, loading
from mnistry.errors import DataError, UsageError
from mnistry.models import classifier, model_source
from mnistry.models.classifier import Classifier
from mnistry.models.onnx_head import Head
from mnistry.models.outputs import softmax
from mnistry.reporting.text import format_count

LEAST = 10  # samples, fewer of which tell little
HELD_BACK = 4  # every fourth sample of a class is held back for the figures
VARIANTS = 8  # of each sample, beside itself
ANGLE, SCALE, SHEAR, SHIFT = 7.0, 0.07, 0.1, 0.7  # standard deviations: degrees, log, columns a row, pixels
MOST_VARIANTS = 4_000
OTHERS, GUARDING = 20_000, 8_000  # other digits: those to show some of, and those that the change is checked by
REPEATED, NEAREST = 3_000, 3_000  # that are shown: any, and those nearest to another class
STEPS, RATE = 160, 0.0012  # of Adam
FAITH = 30.0  # weight of the other digits against the samples
PARTS = (1.0, 0.85, 0.7, 0.55, 0.4, 0.3, 0.2, 0.1)  # of the change: the largest that forgets nothing is taken
FORGOTTEN = 6 / 8_000  # of the guarding digits at most


@dataclass(frozen=True)
class Adaptation:
    """A model that was adapted.

    Attributes:
        content: content of its file.
        samples: number of samples that it learned.
        held: number of samples that were held back from a first adaptation, for the figures.
        before: of those, the model's mistakes.
        after: of those, the mistakes of the first adaptation.
        misread: of all samples, those that the adapted model still reads as something else than their label says,
            by index, with what it reads: their labels may be wrong.
        check: `n`, `before` and `after` on the built-in digits that are not trained on.
        seconds: time that it took.
    """

    content: bytes
    samples: int
    held: int
    before: int
    after: int
    misread: Mapping[int, int]
    check: Mapping[str, int]
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """The object that `mnistry adapt --json` prints."""
        figures = {"samples": self.samples, "held": self.held, "before": self.before, "after": self.after}
        return {**figures, "check": dict(self.check), "seconds": round(self.seconds, 2)}


class Samples(NamedTuple):
    """Corrected digits.

    Attributes:
        images: uint8 (n, 28, 28), ink bright on black.
        labels: int64 (n,), indices into the model's class names.
        origins: the file, or the place in it, that each comes from.
    """

    images: np.ndarray
    labels: np.ndarray
    origins: list[str]


def load_samples(path: str | os.PathLike[str], names: tuple[str, ...]) -> Samples:
    """Load corrected digits: any data of one's own, such as a folder with a folder of pictures for each digit.

    They may be of one class only; all must be among the model's class names.

    Raises:
        DataError: the data cannot be read, or have other classes than the model.
        UsageError: there is nothing there, or there are too few.
    """
    found = custom.load_ink(loading.own_path(os.fspath(Path(path).expanduser().absolute())))
    unknown = sorted(set(found.labels.tolist()) - set(names))
    if unknown:
        raise DataError(f"{path} has the class {unknown[0]!r}, which the model does not have: {', '.join(names)}.")
    images = np.asarray(found.images)
    if len(images) < LEAST:
        raise UsageError(
            f"{path} has {format_count(len(images), 'sample')}; at least {LEAST} are needed. Correct some more digits."
        )
    labels = np.array([names.index(label) for label in found.labels.tolist()], np.int64)
    return Samples(images, labels, [found.origins[number] for number in range(len(labels))])


def adapt(
    images: np.ndarray,
    labels: np.ndarray,
    *,
    model: str | os.PathLike[str] | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    seed: int = 0,
) -> Adaptation:
    """Adapt a model to corrected digits.

    Args:
        images: uint8 (n, 28, 28), ink bright on black: each digit as the model saw it.
        labels: int64 (n,), what each is: indices into the model's class names.
        model: path of the model file or the run folder; None is the built-in model.
        data_dir: folder with MNIST. Its training images are the other digits where they are there or cached; without
            them it is the built-in digits alone. Nothing is downloaded.
        seed: of the small changes.

    Raises:
        ModelError: the model cannot be read or adapted.
    """
    started = time.perf_counter()
    if model is None:
        content, name = resources.files("mnistry").joinpath(classifier.SHIPPED).read_bytes(), "the built-in model"
    else:
        content, name = model_source.read(model), os.fspath(model)
    head = Head(content, name)
    teacher = _Teacher(head, data_dir, np.random.default_rng(seed))
    held = _held_back(labels)
    first = head.with_weights(teacher.learn(images[~held], labels[~held]), head.info)
    note = {"samples": len(images), "from": head.info.details.get("weights_sha256"), "seed": seed}
    info = replace(
        head.info,
        name=f"{head.info.name.removesuffix('-adapted')}-adapted",
        details={**head.info.details, "adapted": note},
    )
    adapted = head.with_weights(teacher.learn(images, labels), info)
    old, rehearsed, new = (Classifier.from_bytes(each, name) for each in (content, first, adapted))
    digits = loading.load("digits")
    read = new.predict_all(images).digits
    return Adaptation(
        adapted,
        samples=len(images),
        held=int(held.sum()),
        before=_mistakes(old, images[held], labels[held]),
        after=_mistakes(rehearsed, images[held], labels[held]),
        misread={int(index): int(read[index]) for index in np.flatnonzero(read != labels)},
        check={
            "n": len(digits.x_test),
            "before": _mistakes(old, digits.x_test, digits.y_test),
            "after": _mistakes(new, digits.x_test, digits.y_test),
        },
        seconds=time.perf_counter() - started,
    )


class _Teacher:
    """Train the last layer."""

    def __init__(self, head: Head, data_dir: str | os.PathLike[str] | None, random: np.random.Generator) -> None:
        self._head, self._random = head, random
        mnist = loading.load_local("mnist", data_dir=data_dir)
        images = loading.load("digits").x_train if mnist is None else mnist.x_train
        order = random.permutation(len(images))
        guarding = min(GUARDING, len(images) // 3)
        self._guarding = head.features(images[order[:guarding]])
        others = head.features(images[order[guarding : guarding + OTHERS]])
        best = np.sort(self._logits(others), axis=1)
        nearest = np.argsort(best[:, -1] - best[:, -2])[:NEAREST]
        self._repeated = others[np.union1d(nearest, np.arange(min(REPEATED, len(others))))]

    def learn(self, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """The layer's weights after learning some samples."""
        head, random = self._head, self._random
        variants = min(VARIANTS, MOST_VARIANTS // len(images))
        shown = np.concatenate([images, *(_vary(images, random) for _ in range(variants))])
        features, truth = head.features(shown), np.tile(labels, variants + 1)
        seen = np.concatenate([features, self._repeated])
        said = seen @ head.weights.T + head.bias
        wanted = np.concatenate([np.eye(len(head.bias), dtype=np.float32)[truth], softmax(said[len(features) :])])
        weight = np.full((len(said), 1), FAITH / len(self._repeated), np.float32)
        weight[: len(features)] = 1 / len(features)
        change, mean, square = (np.zeros_like(head.weights) for _ in range(3))
        for step in range(1, STEPS + 1):
            off = ((softmax(said + seen @ change.T) - wanted) * weight).astype(np.float32)
            slope = off.T @ seen
            mean += 0.1 * (slope - mean)
            square += 0.001 * (slope * slope - square)
            change -= RATE * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
        return head.weights + self._safe_part(change) * change

    def _safe_part(self, change: np.ndarray) -> float:
        """The largest part of a change by which no more than a few of the guarding digits are read differently."""
        logits = self._logits(self._guarding)
        moved = (self._guarding @ change.T)[:, : logits.shape[1]]
        before = logits.argmax(axis=1)
        most = max(1, round(FORGOTTEN * len(before)))
        for part in PARTS:
            if ((logits + part * moved).argmax(axis=1) != before).sum() <= most:
                return part
        return 0.0

    def _logits(self, features: np.ndarray) -> np.ndarray:
        """The model's own logits of its classes, without that of no digit: float32 (n, classes)."""
        head = self._head
        return (features @ head.weights.T + head.bias)[:, : len(head.info.class_names)]


def _vary(images: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Images, uint8 (n, 28, 28), each a little turned, sheared, scaled and moved."""
    from scipy import ndimage

    varied = np.empty_like(images)
    middle = np.array([13.5, 13.5])
    for number, image in enumerate(images):
        angle = np.radians(random.normal(0, ANGLE))
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        matrix = turn @ np.array([[1, random.normal(0, SHEAR)], [0, 1]]) / np.exp(random.normal(0, SCALE))
        offset = middle - matrix @ (middle + random.normal(0, SHIFT, 2))
        moved = ndimage.affine_transform(image.astype(np.float32), matrix, offset, order=1)
        varied[number] = np.clip(moved, 0, 255)
    return varied


def _held_back(labels: np.ndarray) -> np.ndarray:
    """Every fourth sample of each class, bool (n,)."""
    held = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        held[np.flatnonzero(labels == label)[HELD_BACK - 1 :: HELD_BACK]] = True
    return held


def _mistakes(model: Classifier, images: np.ndarray, labels: np.ndarray) -> int:
    return int((model.predict_all(images).digits != labels).sum()) if len(images) else 0
