"""Connected components of a mask, the width of its strokes, and thin straight chains of its pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mnistry.ocr.morphology import dilate, erode
from mnistry.ocr.result import Box

MOST_CHAINS = 600  # a direction, the longest first
SLOPE = 0.16  # rows a column: 9 degrees
BENT = 0.02  # of the length: the deviation from a straight line
STUBBY = 2  # times as long as thick: the least of a chain


@dataclass(frozen=True, eq=False)
class Components:
    """The components of a mask, numbered from 0: 8-connected unless asked otherwise, of all its ink or the thin part.

    Attributes:
        labels: int32 (height, width), -1 elsewhere.
        left: int64 (n,), the first column of each.
        top: int64 (n,), the first row of each.
        right: int64 (n,), one more than its last column.
        bottom: int64 (n,), one more than its last row.
        areas: int64 (n,), its pixels.
        first: int64 (n,), the column of its first pixel in its first row.
    """

    labels: np.ndarray
    left: np.ndarray
    top: np.ndarray
    right: np.ndarray
    bottom: np.ndarray
    areas: np.ndarray
    first: np.ndarray

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
        parts: its components.
        chosen: int64 (m,), those that may be chains, the longest first.
    """

    parts: Components
    chosen: np.ndarray

    @property
    def widths(self) -> np.ndarray:
        """The columns of each that may be a chain, the most first."""
        return self.parts.widths[self.chosen]


def find_components(mask: np.ndarray) -> Components:
    """Find the connected components of a mask, bool (height, width)."""
    return _label(mask)


def _label(mask: np.ndarray, thickest: int = 0, connectivity: int = 8) -> Components:
    """Find the components of a mask, or of its ink that is thin along its rows.

    Only the part that has ink is looked at: in drawings that is a quarter of the picture.

    Args:
        mask: bool (height, width).
        thickest: rows: what is thicker is left out; 0 for all ink.
        connectivity: 8 where pixels that touch at a corner belong together, or 4.
    """
    left, top, right, bottom = bounding_box(mask)
    room = thickest + 2
    start = max(top - 2 * room, 0)
    part = np.ascontiguousarray(mask[start : bottom + room, left:right])
    if thickest:
        core = erode(part, thickest + 1, 1)[::-1]  # upside down, an even window lies the other way: nothing is shifted
        part = part & ~dilate(core, thickest + 1, 1)[::-1]
    rows, starts, stops = find_runs(part)
    owners = _connect(rows, starts, stops, part.shape[1], connectivity)
    labels = np.full(mask.shape, -1, np.int32)
    labels[start : bottom + room, left:right][part] = np.repeat(owners.astype(np.int32), stops - starts)
    n = int(owners.max(initial=-1)) + 1
    first, tops, bottoms, rights = (np.zeros(n, np.int64) for _ in range(4))
    first[owners[::-1]], tops[owners[::-1]], bottoms[owners] = starts[::-1], rows[::-1], rows + 1  # the last counts
    lefts = first.copy()
    np.minimum.at(lefts, owners, starts)
    np.maximum.at(rights, owners, stops)
    areas = np.bincount(owners, stops - starts, minlength=n).astype(np.int64)
    return Components(labels, lefts + left, tops + start, rights + left, bottoms + start, areas, first + left)


def _connect(rows: np.ndarray, starts: np.ndarray, stops: np.ndarray, width: int, connectivity: int) -> np.ndarray:
    """Number the components that runs belong to, see `find_runs`, in the order of their first runs: int64 (n,).

    Each run points to an earlier one that it touches, in several rounds, until all of a component point to its first.
    """
    corner = int(connectivity == 8)
    first, below = rows * (width + 2) + starts, width + 2  # no run touches the end of the row before
    last = first + (stops - starts)
    low = np.searchsorted(last, first + below + 1 - corner)
    counts = np.searchsorted(first, last + below - 1 + corner, side="right") - low
    upper, lower = np.repeat(np.arange(len(rows)), counts), spread(low, counts)
    owners = np.arange(len(rows))
    while True:
        one, other = owners[upper], owners[lower]
        apart = one != other
        if not np.count_nonzero(apart):
            break
        upper, lower, one, other = upper[apart], lower[apart], one[apart], other[apart]
        np.minimum.at(owners, np.maximum(one, other), np.minimum(one, other))
        while np.count_nonzero((earlier := owners[owners]) != owners):
            owners = earlier[earlier]
    numbers = np.cumsum(owners == np.arange(len(rows))) - 1
    return numbers[owners]


def fill_holes(mask: np.ndarray) -> np.ndarray:
    """Set what a mask, bool (height, width), encloses."""
    return _label(_outside(~mask), connectivity=4).labels[1:-1, 1:-1] != 0


def _outside(paper: np.ndarray) -> np.ndarray:
    """The paper, bool (height, width), with a rim of it around, which is of its first component."""
    outside = np.ones((paper.shape[0] + 2, paper.shape[1] + 2), bool)
    outside[1:-1, 1:-1] = paper
    return outside


def find_holes(parts: Components) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find the holes of components.

    Returns:
        int64 (holes,), the rows of each; int64 (holes,), the component around each; int64 (n,), the hole that each
        component lies in, -1 for those in none.
    """
    holes = _label(_outside(parts.labels < 0), connectivity=4)  # the first is what lies outside of all
    around = parts.labels[holes.top[1:] - 2, holes.first[1:] - 1]
    return holes.heights[1:], around, holes.labels[parts.top + 1, parts.first] - 1


def find_thin(mask: np.ndarray, thickest: int, shortest: float) -> ThinInk:
    """Find the thin ink along the rows of a mask.

    Args:
        mask: bool (height, width).
        thickest: rows: what is thicker does not belong to it.
        shortest: columns that a chain has at least.
    """
    parts = _label(mask, thickest)
    widths = parts.widths
    likely = (widths >= max(shortest, 3)) & (parts.heights <= SLOPE * widths + 2 * thickest)
    likely &= parts.areas <= widths * (thickest + 1)
    chosen = np.flatnonzero(likely)
    return ThinInk(parts, chosen[np.argsort(-widths[chosen], kind="stable")[:MOST_CHAINS]])


def find_chains(thin: ThinInk) -> list[Chain]:
    """Find the chains of thin ink that are straight, the longest first."""
    parts, chains = thin.parts, []
    for i in thin.chosen.tolist():
        left, top, across, down = (int(each[i]) for each in (parts.left, parts.top, parts.widths, parts.heights))
        own = parts.labels[top : top + down, left : left + across] == i
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
        chains.append(Chain(i, *ends, pixel, int(parts.areas[i]), thickness, (top, top + down)))
    return chains


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
    rows = np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return 0, 0, 0, 0
    columns = np.flatnonzero(mask[rows[0] : rows[-1] + 1].any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


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
    _, starts, stops = find_runs(mask)
    return stops - starts


def find_runs(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find the runs of set pixels along the rows of a mask: the row, the first column and the column after the last.

    Each is int64 (n,).
    """
    height, width = mask.shape
    padded = np.zeros(height * (width + 1) + 1, bool)
    padded[1:].reshape(height, width + 1)[:, :-1] = mask
    edges = np.flatnonzero(padded[1:] != padded[:-1])
    rows, starts = np.divmod(edges[::2], width + 1)
    return rows, starts, edges[1::2] - rows * (width + 1)


def spread(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The numbers start, start + 1, ... of each run, one run after the other."""
    offsets = np.cumsum(lengths) - lengths
    return np.arange(int(lengths.sum())) + np.repeat(starts - offsets, lengths)
