"""Whether all classes have enough images, and as many in one split as in the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SCARCE = 0.5  # of an even share
UNEQUAL = 0.25  # by how much a class's share of one split may exceed that of the other, relative to the smaller
BY_CHANCE = 4.0  # standard deviations that shares of two random splits may differ by


@dataclass(frozen=True, eq=False)
class Balance:
    """How many images each class has, and what is odd about that.

    Attributes:
        counts: int64 (2, classes), images of each class in train and test.
        scarce: bool (2, classes), classes with less than half of an even share of their split.
        unequal: bool (classes,), classes whose share of train and of test differ by more than a quarter, and by more
            than chance would have it.
    """

    counts: np.ndarray
    scarce: np.ndarray
    unequal: np.ndarray

    @property
    def ratio(self) -> float:
        """How many times as many images the largest class has as the smallest, both splits taken together."""
        together = self.counts.sum(axis=0)
        return float(together.max() / together.min()) if together.min() else np.inf


def weigh(y_train: np.ndarray, y_test: np.ndarray, classes: int) -> Balance:
    """Counts the images of each class in both splits.

    Args:
        y_train: integers (n,), below `classes`.
        y_test: integers (m,), below `classes`.
        classes: how many there are.
    """
    counts = np.stack([np.bincount(y, minlength=classes) for y in (y_train, y_test)])
    sizes = counts.sum(axis=1, keepdims=True)
    scarce = (counts < SCARCE * sizes / classes) & (sizes > 0)
    return Balance(counts, scarce, _unequal(counts))


def _unequal(counts: np.ndarray) -> np.ndarray:
    """Which classes have other shares in the two splits; a two-proportion test, with all classes of one split apart."""
    sizes = counts.sum(axis=1)
    if not sizes.all():
        return np.zeros(counts.shape[1], bool)
    shares = counts / sizes[:, None]
    pooled = counts.sum(axis=0) / sizes.sum()
    spread = np.sqrt(pooled * (1 - pooled) * (1 / sizes).sum())
    small, large = shares.min(axis=0), shares.max(axis=0)
    return np.asarray((large - small > BY_CHANCE * spread) & (large > (1 + UNEQUAL) * small))
