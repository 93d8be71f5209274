"""Connected components of a mask, and the width of its strokes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
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
        """Find those that touch the edge of a picture of this shape (height, width)."""
        return (self.left <= 0) | (self.top <= 0) | (self.right >= shape[1]) | (self.bottom >= shape[0])


def find_components(mask: np.ndarray) -> Components:
    """Find the connected components of a mask, bool (height, width)."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(as_bytes(mask), connectivity=8, ltype=cv2.CV_32S)
    labels -= 1
    left, top, width, height, area = stats[1:count].astype(np.int64).T
    return Components(labels, left, top, left + width, top + height, area)


def as_bytes(mask: np.ndarray) -> np.ndarray:
    """A mask, bool (height, width), as the uint8 that OpenCV takes: no copy where it lies in one piece."""
    return np.ascontiguousarray(mask).view(np.uint8)


def stroke_width(mask: np.ndarray) -> float:
    """Estimate the stroke width of a mask, in pixels: twice its area by the length of its edge; 0 without any.

    The length is Cauchy and Crofton's: the edges that lines in four directions cross, each weighted by the distance
    between such lines.
    """
    m = np.pad(mask, 1)
    straight = np.count_nonzero(m[:, 1:] != m[:, :-1]) + np.count_nonzero(m[1:] != m[:-1])
    oblique = np.count_nonzero(m[1:, 1:] != m[:-1, :-1]) + np.count_nonzero(m[1:, :-1] != m[:-1, 1:])
    edge = math.pi / 8 * (straight + oblique / math.sqrt(2))
    return float(2 * np.count_nonzero(mask) / edge) if edge else 0.0


def run_lengths(mask: np.ndarray) -> np.ndarray:
    """Measure each run of set pixels along the rows of a mask: int64 (n,)."""
    padded = np.zeros((mask.shape[0], mask.shape[1] + 1), np.int8)
    padded[:, :-1] = mask
    edges = np.diff(padded.ravel(), prepend=np.int8(0))
    return np.flatnonzero(edges == -1) - np.flatnonzero(edges == 1)


def spread(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The numbers start, start + 1, ... of each run, one run after the other."""
    offsets = np.cumsum(lengths) - lengths
    counted: np.ndarray = np.arange(int(lengths.sum())) + np.repeat(starts - offsets, lengths)
    return counted
