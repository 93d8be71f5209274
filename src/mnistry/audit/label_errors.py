"""Labels that are probably wrong, found by confident learning on plain arrays.

Northcutt, Jiang and Chuang 2021, "Confident Learning: Estimating Uncertainty in Dataset Labels" (arXiv 1911.00068),
section 3. A network predicts images that it was not trained on. The threshold of a class is the mean of the probability
that it gives that class, over the images with that label. An image above another class's threshold has a label issue,
unless its own label is at least as probable. Classes with few images are left out: networks that have seen a handful of
them take right labels for wrong ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

UNDECIDED = -1
FEWEST = 20  # images of a class that is judged: below, up to 3 in 4 right labels were suspected (docs/data_check.md)


@dataclass(frozen=True, eq=False)
class LabelIssues:
    """The label issues of a data set.

    Attributes:
        too_small: bool (classes,), the classes with images, but with too few of them to be judged.
        thresholds: float64 (classes,), the mean probability of each class over its images; inf if it has none or is
            too small.
        joint: int64 (classes, classes), the confident joint: the number of images with each label (row) whose predicted
            class is each column. Images that reach no threshold are not counted.
        indices: int64 (k,), the images off its diagonal, the one with the least probable label first.
        predicted: int64 (k,), the predicted class of each of them.
    """

    too_small: np.ndarray
    thresholds: np.ndarray
    joint: np.ndarray
    indices: np.ndarray
    predicted: np.ndarray


def find_label_issues(probabilities: np.ndarray, labels: np.ndarray, *, fewest: int = FEWEST) -> LabelIssues:
    """Find labels that are probably wrong.

    Of the paper's two orders this is the one by self-confidence, which found more of the labels that were made wrong on
    purpose than the one by margin (docs/data_check.md).

    Args:
        probabilities: float (n, classes), of networks that have not seen the image.
        labels: integers (n,), below `classes`.
        fewest: images that a class needs to be judged. Images of smaller classes are never an issue, and no image is
            predicted as one of these.
    """
    counts = np.bincount(labels, minlength=probabilities.shape[1])
    too_small = (counts > 0) & (counts < fewest)
    lines = np.where(too_small, np.inf, compute_thresholds(probabilities, labels))
    counted = find_confident_classes(probabilities, lines)
    # A common class has a high threshold, a rare one a low one: an image whose own label is more probable reaches the
    # other's first. It supports its label all the same.
    own = compute_self_confidence(probabilities, labels)
    supported = (counted != UNDECIDED) & (own >= probabilities[np.arange(len(labels)), counted])
    counted = np.where(too_small[labels], UNDECIDED, np.where(supported, labels, counted))
    off = np.flatnonzero((counted != UNDECIDED) & (counted != labels))
    indices = off[np.argsort(own[off], kind="stable")]
    joint = confident_joint(labels, counted, probabilities.shape[1])
    return LabelIssues(too_small, lines, joint, indices, counted[indices])


def compute_thresholds(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Compute the mean probability of each class over the images with that label, float64 (classes,).

    A class without images has a threshold that nothing reaches, inf.
    """
    classes, own = probabilities.shape[1], compute_self_confidence(probabilities, labels)
    counts, sums = (np.bincount(labels, weights, minlength=classes) for weights in (None, own))
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)


def find_confident_classes(probabilities: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """Predict the class of each image, int64 (n,): the most probable of those whose threshold it reaches.

    `UNDECIDED` where it reaches none.
    """
    reached = np.where(probabilities >= lines, probabilities, -1.0)
    return np.where(reached.max(axis=1) < 0, UNDECIDED, reached.argmax(axis=1))


def confident_joint(labels: np.ndarray, counted: np.ndarray, classes: int) -> np.ndarray:
    """Count the images of each label (row) by predicted class (column), int64 (classes, classes)."""
    decided = counted != UNDECIDED
    pairs = labels[decided].astype(np.int64) * classes + counted[decided]
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def estimate_errors(joint: np.ndarray, labels: np.ndarray) -> float:
    """Estimate the number of wrong labels from the confident joint, its rows scaled to the number of each label.

    The paper's equation 3. Images that are merely hard count as well, so this errs on the large side.
    """
    counts = np.bincount(labels, minlength=len(joint))
    kept = np.diag(joint) / np.maximum(joint.sum(axis=1), 1)
    return float((counts * (1 - kept))[joint.sum(axis=1) > 0].sum())


def compute_self_confidence(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Give the probability of each image's label, float64 (n,)."""
    return np.array(probabilities[np.arange(len(labels)), labels], np.float64)
