"""Connected components of a mask, the width of its strokes, and thin straight chains of its pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from mnistry.ocr.result import Box

MOST_CHAINS = 600  # a direction, the longest first
SLOPE = 0.16  # rows a column: 9 degrees
BENT = 0.02  # of the length: the deviation from a straight line
STUBBY = 2  # times as long as thick: the least of a chain


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
        return self.bottom - self.top

    @property
    def widths(self) -> np.ndarray:
        """int64 (n,), the columns of each."""
        return self.right - self.left

    def box(self, i: int) -> Box:
        """Left, top, right and bottom of a component; the last two are exclusive."""
        return int(self.left[i]), int(self.top[i]), int(self.right[i]), int(self.bottom[i])

    def at_edge(self, shape: tuple[int, ...]) -> np.ndarray:
        """Find those that touch the edge of a picture of this shape (height, width)."""
        return (self.left <= 0) | (self.top <= 0) | (self.right >= shape[1]) | (self.bottom >= shape[0])


@dataclass(frozen=True, eq=False)
class Chain:
    """A thin, straight and nearly level piece of a line, in a picture that may have been transposed.

    Attributes:
        number: of the component of thin ink.
        start: (column, row) of its left end.
        stop: (column, row) of its right end.
        pixel: (row, column) of one of its pixels.
        area: its pixels.
        thick: its usual thickness.
        rows: its first row, and the row after its last.
    """

    number: int
    start: tuple[float, float]
    stop: tuple[float, float]
    pixel: tuple[int, int]
    area: int
    thick: float
    rows: tuple[int, int]

    @property
    def length(self) -> float:
        """Columns from end to end."""
        return self.stop[0] - self.start[0]


@dataclass(frozen=True, eq=False)
class ThinInk:
    """The thin ink of a mask.

    Attributes:
        labels: int32 (height, width), the number of the component at each pixel, 0 outside.
        stats: int32 (n, 5), of each its left column, top row, width, height and area.
        chosen: int64 (m,), those that may be chains, the longest first.
    """

    labels: np.ndarray
    stats: np.ndarray
    chosen: np.ndarray

    @property
    def widths(self) -> np.ndarray:
        """The columns of each that may be a chain, the most first."""
        return self.stats[self.chosen, 2]


def find_components(mask: np.ndarray) -> Components:
    """Find the connected components of a mask, bool (height, width)."""
    labels, stats = _label(as_bytes(mask), 0)
    labels -= 1
    left, top, width, height, area = stats[1:].astype(np.int64).T
    return Components(labels, left, top, left + width, top + height, area)


def _label(image: np.ndarray, thickest: int) -> tuple[np.ndarray, np.ndarray]:
    """Find the components of an image, uint8 (height, width), or of its ink that is thin along its rows.

    Only the part that has ink is looked at: in drawings that is a quarter of the picture.

    Returns:
        int32 (height, width), their numbers from 1, 0 outside; int32 (n + 1, 5), of each its left column, top row,
        width, height and area.
    """
    left, top, width, height = cv2.boundingRect(image)
    left, top, room = left // 2 * 2, top // 2 * 2, thickest + 2  # OpenCV numbers components by blocks of two pixels
    rows, columns = slice(max(top - 2 * room, 0), top + height + room), slice(left, left + width + 1)
    part = image[rows, columns]
    if thickest:
        part = part & ~cv2.morphologyEx(part, cv2.MORPH_OPEN, np.ones((thickest + 1, 1), np.uint8))
    _, inner, stats, _ = cv2.connectedComponentsWithStats(part, connectivity=8, ltype=cv2.CV_32S)
    labels = np.zeros(image.shape, np.int32)
    labels[rows, columns] = inner
    stats[:, :2] += (columns.start, rows.start)
    return labels, stats


def find_thin(mask: np.ndarray, thickest: int, shortest: float) -> ThinInk:
    """Find the thin ink along the rows of a mask.

    Args:
        mask: bool (height, width).
        thickest: rows: what is thicker does not belong to it.
        shortest: columns that a chain has at least.
    """
    labels, stats = _label(as_bytes(mask), thickest)
    widths, heights, areas = stats[:, 2], stats[:, 3], stats[:, 4]
    likely = (widths >= max(shortest, 3)) & (heights <= SLOPE * widths + 2 * thickest)
    likely &= areas <= widths * (thickest + 1)
    likely[0] = False
    chosen = np.flatnonzero(likely)
    chosen = chosen[np.argsort(-widths[chosen], kind="stable")[:MOST_CHAINS]]
    return ThinInk(labels, stats, chosen)


def find_chains(thin: ThinInk) -> list[Chain]:
    """Find the chains of thin ink that are straight, the longest first."""
    labels, chains = thin.labels, []
    for i in thin.chosen:
        left, top, across, down, area = thin.stats[i].tolist()
        own = labels[top : top + down, left : left + across] == i
        counts = own.sum(axis=0)
        x = np.flatnonzero(counts)
        thickness = median(counts[x])
        if across < STUBBY * thickness or len(x) < 0.9 * across:
            continue
        y = (np.arange(down) @ own)[x] / counts[x]
        middle, height = x.mean(), y.mean()
        slope = float((x - middle) @ (y - height) / max((x - middle) @ (x - middle), 1))
        offset = float(height - slope * middle)
        if abs(slope) > SLOPE or np.sqrt(np.mean((y - slope * x - offset) ** 2)) > max(0.8, BENT * across):
            continue
        ends = (left, top + offset), (left + across - 1, top + offset + slope * (across - 1))
        pixel = top + int(own[:, x[0]].argmax()), left + int(x[0])
        chains.append(Chain(int(i), *ends, pixel, area, thickness, (top, top + down)))
    return chains


def as_bytes(mask: np.ndarray) -> np.ndarray:
    """A mask, bool (height, width), as the uint8 that OpenCV takes: no copy where it lies in one piece."""
    return np.ascontiguousarray(mask).view(np.uint8)


def stroke_width(mask: np.ndarray) -> float:
    """Estimate the stroke width of a mask, in pixels: twice its area by the length of its edge; 0 without any.

    The length is Cauchy and Crofton's: the edges that lines in four directions cross, each weighted by the distance
    between such lines.
    """
    m = np.zeros((mask.shape[0] + 2, mask.shape[1] + 2), bool)
    m[1:-1, 1:-1] = mask
    straight = np.count_nonzero(m[:, 1:] != m[:, :-1]) + np.count_nonzero(m[1:] != m[:-1])
    oblique = np.count_nonzero(m[1:, 1:] != m[:-1, :-1]) + np.count_nonzero(m[1:, :-1] != m[:-1, 1:])
    edge = math.pi / 8 * (straight + oblique / math.sqrt(2))
    return float(2 * np.count_nonzero(mask) / edge) if edge else 0.0


def bounding_box(mask: np.ndarray) -> Box:
    """The left, top, right and bottom of what is set in a mask; the last two are exclusive."""
    left, top, width, height = cv2.boundingRect(as_bytes(mask))
    return left, top, left + width, top + height


def median(values: np.ndarray) -> float:
    """The median of all values: NumPy's own takes ten times as long for the few that most pictures ask about."""
    middle = (values.size - 1) // 2, values.size // 2
    ordered = np.partition(values, middle, axis=None)
    return (float(ordered[middle[0]]) + float(ordered[middle[1]])) / 2


def weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    """The value, of (n,), up to which half of the weight lies."""
    order = np.argsort(values)
    sums = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(sums, sums[-1] / 2)])


def area_around(box: Box, room: int, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """The rows and columns of a box, and of so much room around it as there is in a shape."""
    left, top, right, bottom = box
    return slice(max(0, top - room), min(shape[0], bottom + room)), slice(
        max(0, left - room), min(shape[1], right + room)
    )


def run_lengths(mask: np.ndarray) -> np.ndarray:
    """Measure each run of set pixels along the rows of a mask: int64 (n,)."""
    padded = np.zeros((mask.shape[0], mask.shape[1] + 1), np.int8)
    padded[:, :-1] = mask
    edges = np.diff(padded.ravel(), prepend=np.int8(0))
    return np.flatnonzero(edges == -1) - np.flatnonzero(edges == 1)


def spread(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The numbers start, start + 1, ... of each run, one run after the other."""
    offsets = np.cumsum(lengths) - lengths
    return np.arange(int(lengths.sum())) + np.repeat(starts - offsets, lengths)
