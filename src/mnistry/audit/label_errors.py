"""Labels that are probably wrong: confident learning, on plain arrays.

Northcutt, Jiang and Chuang 2021, "Confident Learning: Estimating Uncertainty in Dataset Labels" (arXiv 1911.00068),
section 3. A network is asked about images that it was not trained on. How sure it is of a class, on average over the
images with that label, is the threshold of the class; an image is counted as the class whose threshold it reaches.
Images that are counted as another class than their label says are suspects.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

UNDECIDED = -1


@dataclass(frozen=True, eq=False)
class Suspicion:
    """What confident learning makes of labels and probabilities.

    Attributes:
        thresholds: float64 (classes,), how sure the network is of each class on average; inf where no image has it.
        joint: int64 (classes, classes), the confident joint: how many images with each label (row) are counted as each
            class (column). Images that reach no threshold are in none.
        suspects: int64 (k,), the images off its diagonal, the one with the least probable label first.
        counted_as: int64 (k,), what each suspect is counted as.
    """

    thresholds: np.ndarray
    joint: np.ndarray
    suspects: np.ndarray
    counted_as: np.ndarray


def suspicion(probabilities: np.ndarray, labels: np.ndarray) -> Suspicion:
    """Finds the labels that are probably wrong.

    Of the paper's two orders this is the one by self-confidence, which found more of the labels that were made wrong on
    purpose than the one by margin (docs/data_check.md).

    Args:
        probabilities: float (n, classes), of networks that have not seen the image.
        labels: integers (n,), below `classes`.
    """
    lines = thresholds(probabilities, labels)
    counted = confident_classes(probabilities, lines)
    off = np.flatnonzero((counted != UNDECIDED) & (counted != labels))
    suspects = off[np.argsort(self_confidence(probabilities, labels)[off], kind="stable")]
    joint = confident_joint(labels, counted, probabilities.shape[1])
    return Suspicion(lines, joint, suspects, counted[suspects])


def thresholds(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The mean probability of each class over the images that are labelled so, float64 (classes,).

    A class without images has a threshold that nothing reaches, inf.
    """
    own = probabilities[np.arange(len(labels)), labels]
    classes = probabilities.shape[1]
    counts = np.bincount(labels, minlength=classes)
    sums = np.bincount(labels, weights=own, minlength=classes)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)


def confident_classes(probabilities: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """What each image is counted as, int64 (n,): of the classes whose threshold it reaches, the most probable.

    `UNDECIDED` where it reaches none.
    """
    reached = np.where(probabilities >= lines, probabilities, -1.0)
    return np.where(reached.max(axis=1) < 0, UNDECIDED, reached.argmax(axis=1))


def confident_joint(labels: np.ndarray, counted: np.ndarray, classes: int) -> np.ndarray:
    """How many images with each label are counted as each class, int64 (classes, classes)."""
    decided = counted != UNDECIDED
    pairs = labels[decided].astype(np.int64) * classes + counted[decided]
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def estimated_errors(joint: np.ndarray, labels: np.ndarray) -> float:
    """How many of all labels are wrong, as the confident joint has it: its rows scaled to the number of each label.

    The paper's equation 3. Images that are merely hard count as well, so this errs on the large side.
    """
    counts = np.bincount(labels, minlength=len(joint))
    kept = np.diag(joint) / np.maximum(joint.sum(axis=1), 1)
    return float((counts * (1 - kept))[joint.sum(axis=1) > 0].sum())


def margins(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The normalised margin, float64 (n,), -1 to 1: the label's probability less the largest other one."""
    images = np.arange(len(labels))
    others = np.array(probabilities, np.float64)
    own = others[images, labels]
    others[images, labels] = -np.inf
    return np.asarray(own - others.max(axis=1))


def self_confidence(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The probability of each image's label, float64 (n,)."""
    return np.array(probabilities[np.arange(len(labels)), labels], np.float64)
