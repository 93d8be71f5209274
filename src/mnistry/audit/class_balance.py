"""Class balance: classes with few images, and classes whose share differs between the splits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SCARCE = 0.5  # of an even share
UNEQUAL = 0.25  # by how much a class's share of one split may exceed that of the other, relative to the smaller
BY_CHANCE = 4.0  # standard deviations that shares of two random splits may differ by


@dataclass(frozen=True, eq=False)
class Balance:
    """The number of images of each class, and the unusual ones.

    Attributes:
        counts: int64 (2, classes), images of each class in train and test.
        underrepresented: bool (2, classes), classes with less than half of an even share of their split.
        split_shift: bool (classes,), classes whose shares of train and test differ by more than a quarter, and by
            more than chance explains.
    """

    counts: np.ndarray
    underrepresented: np.ndarray
    split_shift: np.ndarray

    @property
    def ratio(self) -> float:
        """The size of the largest class divided by that of the smallest, over both splits; inf if one is empty."""
        together = self.counts.sum(axis=0)
        return float(together.max() / together.min()) if together.min() else np.inf


def check_balance(y_train: np.ndarray, y_test: np.ndarray, classes: int) -> Balance:
    """Count images by labels, integers (n,), and find the classes with few images or other shares in the two splits."""
    counts = np.stack([np.bincount(y, minlength=classes) for y in (y_train, y_test)])
    sizes = counts.sum(axis=1, keepdims=True)
    underrepresented = (counts < SCARCE * sizes / classes) & (sizes > 0)
    return Balance(counts, underrepresented, _split_shift(counts))


def _split_shift(counts: np.ndarray) -> np.ndarray:
    """Test for each class whether its shares of the two splits differ (two-proportion test)."""
    sizes = counts.sum(axis=1)
    if not sizes.all():
        return np.zeros(counts.shape[1], bool)
    shares = counts / sizes[:, None]
    pooled = counts.sum(axis=0) / sizes.sum()
    spread = np.sqrt(pooled * (1 - pooled) * (1 / sizes).sum())
    small, large = shares.min(axis=0), shares.max(axis=0)
    return np.asarray((large - small > BY_CHANCE * spread) & (large > (1 + UNEQUAL) * small))
