"""Connected strokes in a mask, by runs, in NumPy alone: loading SciPy takes longer than reading most pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Components:
    """The 8-connected components of a mask, numbered from 0.

    Attributes:
        labels: int32 (height, width), -1 where the mask is not set.
        left: int64 (n,), the first column of each.
        top: int64 (n,), the first row of each.
        right: int64 (n,), one more than its last column.
        bottom: int64 (n,), one more than its last row.
        areas: int64 (n,), its pixels.
    """

    labels: np.ndarray
    left: np.ndarray
    top: np.ndarray
    right: np.ndarray
    bottom: np.ndarray
    areas: np.ndarray

    def __len__(self) -> int:
        return len(self.areas)

    @property
    def heights(self) -> np.ndarray:
        """int64 (n,), the rows of each."""
        sides: np.ndarray = self.bottom - self.top
        return sides

    @property
    def widths(self) -> np.ndarray:
        """int64 (n,), the columns of each."""
        sides: np.ndarray = self.right - self.left
        return sides

    def at_edge(self, shape: tuple[int, ...]) -> np.ndarray:
        """Which of them touch the edge of a picture of this shape (height, width)."""
        return (self.left <= 0) | (self.top <= 0) | (self.right >= shape[1]) | (self.bottom >= shape[0])


def components(mask: np.ndarray) -> Components:
    """Finds the components of a mask, bool (height, width).

    Runs of set pixels are the nodes of a graph whose edges join runs that touch in adjacent rows; the least number is
    then passed along the edges until all nodes of a component have it.
    """
    height, width = mask.shape
    padded = np.zeros((height, width + 1), np.int8)
    padded[:, :-1] = mask
    edges = np.diff(padded.ravel(), prepend=np.int8(0))
    first, last = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    rows = first // (width + 1)
    starts, ends = first - rows * (width + 1), last - rows * (width + 1)
    numbers = _connected(rows, starts, ends, width + 2)
    names, numbers = np.unique(numbers, return_inverse=True)
    n = len(names)
    labels = np.full(height * width, -1, np.int32)
    lengths = ends - starts
    labels[spread(rows * width + starts, lengths)] = np.repeat(numbers, lengths)
    left, top = np.full(n, width), np.full(n, height)
    right, bottom = np.zeros(n, np.int64), np.zeros(n, np.int64)
    np.minimum.at(left, numbers, starts)
    np.minimum.at(top, numbers, rows)
    np.maximum.at(right, numbers, ends)
    np.maximum.at(bottom, numbers, rows + 1)
    areas = np.bincount(numbers, lengths, minlength=n).astype(np.int64)
    return Components(labels.reshape(height, width), left, top, right, bottom, areas)


def stroke_width(mask: np.ndarray) -> float:
    """How thick the strokes of a mask are, in pixels: twice their area by the length of their edge, 0 without any.

    The length is Cauchy and Crofton's: the edges that lines in four directions cross, each weighted by the distance
    between such lines.
    """
    m = np.pad(mask, 1)
    straight = np.count_nonzero(m[:, 1:] != m[:, :-1]) + np.count_nonzero(m[1:] != m[:-1])
    oblique = np.count_nonzero(m[1:, 1:] != m[:-1, :-1]) + np.count_nonzero(m[1:, :-1] != m[:-1, 1:])
    edge = math.pi / 8 * (straight + oblique / math.sqrt(2))
    return float(2 * np.count_nonzero(mask) / edge) if edge else 0.0


def run_lengths(mask: np.ndarray) -> np.ndarray:
    """How long each run of set pixels is along the rows of a mask: int64 (n,)."""
    padded = np.zeros((mask.shape[0], mask.shape[1] + 1), np.int8)
    padded[:, :-1] = mask
    edges = np.diff(padded.ravel(), prepend=np.int8(0))
    return np.flatnonzero(edges == -1) - np.flatnonzero(edges == 1)


def _connected(rows: np.ndarray, starts: np.ndarray, ends: np.ndarray, stride: int) -> np.ndarray:
    """For each run the least number of a run in its component."""
    low = np.searchsorted(rows * stride + ends, (rows + 1) * stride + starts, "left")
    high = np.searchsorted(rows * stride + starts, (rows + 1) * stride + ends, "right")
    touching = np.maximum(high - low, 0)
    above, below = np.repeat(np.arange(len(rows)), touching), spread(low, touching)
    least = np.arange(len(rows))
    while True:
        one, other = least[above], least[below]
        apart = one != other
        if not apart.any():
            return least
        above, below, one, other = above[apart], below[apart], one[apart], other[apart]
        np.minimum.at(least, np.maximum(one, other), np.minimum(one, other))
        while (least[least] != least).any():
            least = least[least]


def spread(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The numbers start, start + 1, ... of each run, one run after the other."""
    offsets = np.cumsum(lengths) - lengths
    counted: np.ndarray = np.arange(int(lengths.sum())) + np.repeat(starts - offsets, lengths)
    return counted
