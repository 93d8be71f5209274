"""Metrics of a classifier: accuracy, log loss, calibration, confusion and selective accuracy, from plain arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mnistry.errors import UsageError

CALIBRATION_BINS = 15  # Guo et al. 2017, "On Calibration of Modern Neural Networks", section 4
MISTAKES_SHOWN = 20  # the most confident, in reports and in JSON
LOG_LOSS_FLOOR = 1e-7  # Keras's epsilon: the loss here is the loss that `keras.Model.evaluate` shows
Z_95 = 1.959963984540054  # the normal distribution's 97.5% quantile


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Accuracy and calibration of a model on labelled images.

    Attributes:
        n: images.
        errors: images whose most probable class is not their label.
        accuracy: (n - errors) / n.
        interval: 95% Wilson score interval of the accuracy, (low, high).
        loss: mean negative log likelihood of the labels, in nats; probabilities under 1e-7 count as 1e-7.
        ece: expected calibration error: the mean gap between confidence and accuracy over 15 bins of equal width,
            weighted by the images in each.
        confusion: int64 (classes, classes): rows are labels, columns are answers.
        precision: float64 (classes,): share of the images predicted as this class that are of it; NaN if none are.
        recall: float64 (classes,): share of the images of this class that are predicted as it; NaN if there are none.
        f1: float64 (classes,): harmonic mean of the two; 0 for a class never predicted right, NaN for an absent one.
        bins: the reliability diagram's bins.
        mistakes: int64 (errors,): indices of the wrong answers, the most confident first.
        answers: int64 (n,): the most probable class of each image.
        confidences: float64 (n,): its probability.

    >>> evaluate(np.array([[0.9, 0.1], [0.3, 0.7], [0.2, 0.8]]), np.array([0, 1, 0]))
    Evaluation(errors=1, n=3, accuracy=66.67%)
    """

    n: int
    errors: int
    accuracy: float
    interval: tuple[float, float]
    loss: float
    ece: float
    confusion: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    bins: tuple[Bin, ...]
    mistakes: np.ndarray
    answers: np.ndarray
    confidences: np.ndarray

    def __repr__(self) -> str:
        return f"Evaluation(errors={self.errors}, n={self.n}, accuracy={self.accuracy:.2%})"

    def as_json(self) -> dict[str, Any]:
        """The object that `summary.json` and `evaluate --json` show as `test`."""
        return {
            "n": self.n,
            "errors": self.errors,
            "loss": self.loss,
            "accuracy": self.accuracy,
            "interval": list(self.interval),
            "ece": self.ece,
            "confusion": self.confusion.tolist(),
            "precision": _without_nan(self.precision),
            "recall": _without_nan(self.recall),
            "f1": _without_nan(self.f1),
        }


@dataclass(frozen=True)
class Bin:
    """The images whose confidence lies in (low, high].

    Attributes:
        low: exclusive, except in the first bin, which includes 0.
        high: inclusive.
        n: number of images.
        confidence: their mean confidence, NaN if there are none.
        accuracy: share of them that is right, NaN if there are none.
    """

    low: float
    high: float
    n: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class SelectiveAccuracy:
    """Accuracy on the answers that a model selects, such as those that it is sure of.

    Attributes:
        n: selected answers.
        coverage: their share of all answers, 0 to 1.
        errors: wrong ones among them.
        accuracy: share of right ones among them; NaN if none are selected.
        interval: 95% Wilson score interval of the accuracy, (low, high); (0, 1) if none are selected.
    """

    n: int
    coverage: float
    errors: int
    accuracy: float
    interval: tuple[float, float]

    def as_json(self) -> dict[str, Any]:
        """The numbers, with null for an accuracy of NaN."""
        return {**vars(self), "accuracy": self.accuracy if self.n else None, "interval": list(self.interval)}


def evaluate(probabilities: np.ndarray, labels: np.ndarray) -> Evaluation:
    """Evaluate probabilities against labels.

    Args:
        probabilities: float (n, classes), each row adding up to 1.
        labels: integers (n,), 0 to classes - 1.

    Raises:
        UsageError: shapes do not match, a label is out of range, a row is not a distribution, or there are no rows.

    >>> result = evaluate(np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]]), np.array([0, 1, 1]))
    >>> result.n, result.errors, result.confusion.tolist(), result.mistakes.tolist()
    (3, 1, [[1, 0], [1, 1]], [1])
    """
    p, y = _check(np.asarray(probabilities, np.float64), np.asarray(labels))
    n, classes = p.shape
    answers, confidences = p.argmax(axis=1), p.max(axis=1)
    wrong = np.flatnonzero(answers != y)
    confusion = np.bincount(y * classes + answers, minlength=classes**2).reshape(classes, classes)
    right, answered, present = np.diag(confusion), confusion.sum(axis=0), confusion.sum(axis=1)
    bins = _bins(confidences, answers == y)
    return Evaluation(
        n=n,
        errors=len(wrong),
        accuracy=(n - len(wrong)) / n,
        interval=compute_wilson_interval(n - len(wrong), n),
        loss=float(-np.log(np.maximum(p[np.arange(n), y], LOG_LOSS_FLOOR)).mean()),
        ece=sum(each.n * abs(each.confidence - each.accuracy) for each in bins if each.n) / n,
        confusion=confusion,
        precision=_ratio(right, answered),
        recall=_ratio(right, present),
        f1=_ratio(2 * right, answered + present),
        bins=bins,
        mistakes=wrong[np.argsort(-confidences[wrong], kind="stable")],
        answers=answers,
        confidences=confidences,
    )


def find_confusions(confusion: np.ndarray) -> list[tuple[int, int, int]]:
    """List the mistakes of a confusion matrix, the most frequent first: label, answer and number of each kind.

    >>> find_confusions(np.array([[3, 1], [2, 12]]))
    [(1, 0, 2), (0, 1, 1)]
    """
    wrong = confusion * (1 - np.eye(len(confusion), dtype=confusion.dtype))
    order = np.argsort(-wrong, axis=None, kind="stable")[: np.count_nonzero(wrong)]
    return [(i, j, int(wrong[i, j])) for i, j in (divmod(int(place), len(wrong)) for place in order)]


def compute_selective_accuracy(selected: np.ndarray, right: np.ndarray) -> SelectiveAccuracy:
    """Count how many of the selected answers are right.

    Args:
        selected: bool (n,), n at least 1.
        right: bool (n,).

    >>> found = compute_selective_accuracy(np.array([True, True, True, False]), np.array([True, False, True, False]))
    >>> found.n, found.coverage, found.errors, round(found.accuracy, 4)
    (3, 0.75, 1, 0.6667)
    """
    n, successes = int(selected.sum()), int((selected & right).sum())
    interval = compute_wilson_interval(successes, n) if n else (0.0, 1.0)
    return SelectiveAccuracy(n, n / len(selected), n - successes, successes / n if n else float("nan"), interval)


def compute_wilson_interval(successes: float, n: float) -> tuple[float, float]:
    """Compute the 95% Wilson score interval of a proportion, of n at least 1 (E. B. Wilson 1927).

    >>> [round(edge, 4) for edge in compute_wilson_interval(9775, 10000)]
    [0.9744, 0.9802]
    """
    share, spread = successes / n, Z_95 * Z_95 / n
    centre = (share + spread / 2) / (1 + spread)
    margin = Z_95 * np.sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    low = 0.0 if successes == 0 else float(centre - margin)
    return low, 1.0 if successes == n else float(centre + margin)


def _check(p: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if p.ndim != 2 or len(p) == 0 or y.shape != (len(p),):
        raise UsageError(
            f"Probabilities must be (n, classes) and labels (n,), with n at least 1; received {p.shape} and {y.shape}."
        )
    if not (np.isfinite(p).all() and (p >= 0).all() and np.allclose(p.sum(axis=1), 1, atol=1e-3)):
        raise UsageError("Each row of probabilities must be finite, not negative, and add up to 1.")
    must = f"Labels must be integers from 0 to {p.shape[1] - 1}; received"
    if not np.issubdtype(y.dtype, np.integer):
        raise UsageError(f"{must} {y.dtype}.")
    if y.min() < 0 or y.max() >= p.shape[1]:
        raise UsageError(f"{must} {y.dtype}, {y.min()}–{y.max()}.")
    return p, y.astype(np.int64)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)


def _bins(confidences: np.ndarray, right: np.ndarray) -> tuple[Bin, ...]:
    edges = np.linspace(0, 1, CALIBRATION_BINS + 1)
    # A row may add up to a hair more than 1, and so may its largest probability.
    index = np.clip(np.digitize(confidences, edges[1:-1], right=True), 0, CALIBRATION_BINS - 1)
    return tuple(
        Bin(float(edges[i]), float(edges[i + 1]), int(inside.sum()), _mean(confidences[inside]), _mean(right[inside]))
        for i in range(CALIBRATION_BINS)
        for inside in [index == i]
    )


def _without_nan(values: np.ndarray) -> list[float | None]:
    return [None if np.isnan(value) else value for value in values.tolist()]


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")
