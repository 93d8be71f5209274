"""Boxes, combs, tables, circles and underlines: lines that end within the picture, unlike rulings.

A line is a thin straight chain of pixels. It is taken out where it is longer than any stroke of a digit, or where it
forms corners with other lines. Shapes that enclose other ink are taken out as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from mnistry.ocr.components import Components, as_bytes, connected_components

MOST_PARTS = 20_000  # components: a picture with more shows no frames that could be told from its noise
MOST_CHAINS = 600  # a direction, the longest first
THICKEST = 0.3  # of the usual height: a frame's line
LEVEL, UPRIGHT = 1.55, 2.3  # usual heights: a straight line that is longer is no stroke of a digit
SIDE = 0.75  # usual heights: the shortest side of a frame
PIECE = 0.25  # usual heights: a shorter piece of a line is not looked at
SHORTEST = 11  # pixels: a side of a frame; strokes of smaller digits cannot be told from it
ROUNDS = 3  # in which lines make others lines
APART = 3.0  # usual heights: a gap within one line
SLOPE = 0.16  # rows a column: 9 degrees
BENT = 0.02  # of the length: the deviation from a straight line
INNER = 0.3  # of the height of what encloses it: ink so high is more than a speck
FLAT = 5  # times as long as thick: a dash or a line


@dataclass(frozen=True, eq=False)
class Chain:
    """A thin, straight and nearly level piece of a line, in a picture that may have been transposed.

    Attributes:
        number: of the component of thin ink.
        start: (column, row) of its left end.
        stop: (column, row) of its right end.
    """

    number: int
    start: tuple[float, float]
    stop: tuple[float, float]

    @property
    def length(self) -> float:
        """Columns from end to end."""
        return self.stop[0] - self.start[0]


def remove_frames(mask: np.ndarray, gone: np.ndarray, width: float) -> np.ndarray:
    """Remove frames and the lines of forms from a mask of ink.

    Args:
        mask: bool (height, width), the ink.
        gone: bool (height, width), the ink that rulings cover.
        width: the usual thickness of strokes, in pixels.

    Returns:
        bool (height, width), the ink of `mask` that is not part of a line.
    """
    left: np.ndarray = mask & ~gone
    parts = connected_components(left)
    if not 0 < len(parts) <= MOST_PARTS:
        return left
    around = enclosing(left, parts)
    usual = usual_height(parts, ~around)
    lines = _lines(left, gone, usual, width)
    if lines.any():
        left = _without_remnants(left & ~lines, lines | gone, width)
        parts = connected_components(left)
        around = enclosing(left, parts)
    if around.any():
        keep = np.append(~around, False)
        left = keep[parts.labels]
    return left


def enclosing(mask: np.ndarray, parts: Components) -> np.ndarray:
    """Find the components that have other ink in their holes, specks apart.

    Args:
        mask: bool (height, width).
        parts: its components.

    Returns:
        bool (n,).
    """
    found = np.zeros(len(parts), bool)
    contours, hierarchy = cv2.findContours(as_bytes(mask), cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)
    if hierarchy is None:
        return found
    parents = hierarchy[0, :, 3]
    inner = np.flatnonzero((parents >= 0) & (parents[parents] >= 0))  # an outline in a hole in an outline
    for i in inner.tolist():
        hole = int(parents[i])
        outer = int(parents[hole])
        x, y = contours[i][0, 0]
        own = parts.labels[y, x]
        x, y = contours[outer][0, 0]
        other = parts.labels[y, x]
        if own != other and parts.heights[own] >= INNER * _hole_height(contours[hole]):
            found[other] = True
    return found


def _hole_height(contour: np.ndarray) -> int:
    return int(contour[:, 0, 1].max() - contour[:, 0, 1].min()) + 1


def usual_height(parts: Components, chosen: np.ndarray) -> float:
    """The median height of components, weighted by their ink; thin lines and specks apart."""
    likely = chosen & (parts.widths < FLAT * parts.heights) & (parts.heights >= 5)
    if not likely.any():
        likely = chosen if chosen.any() else np.ones(len(parts), bool)
    heights, areas = parts.heights[likely], np.sqrt(parts.areas[likely].astype(np.float64))
    order = np.argsort(heights)
    weights = np.cumsum(areas[order])
    return float(heights[order][np.searchsorted(weights, weights[-1] / 2)])


def _lines(mask: np.ndarray, gone: np.ndarray, usual: float, width: float) -> np.ndarray:
    """The pixels of lines that are no strokes, bool (height, width)."""
    thickest = int(max(3, min(2.2 * width, THICKEST * usual)))
    ruled_x, ruled_y = (_chains(each, thickest, SIDE * usual)[1] if gone.any() else [] for each in (gone, gone.T))
    labels_x, level = _chains(mask, thickest, PIECE * usual)
    labels_y, upright = _chains(mask.T, thickest, PIECE * usual)
    chosen_x, chosen_y = _frame_lines(level, upright, ruled_x, ruled_y, usual, max(2.0, 1.2 * thickest, 0.1 * usual))
    found = np.zeros_like(mask)
    for labels, chains, chosen, target in ((labels_x, level, chosen_x, found), (labels_y, upright, chosen_y, found.T)):
        if chosen.any():
            wanted = np.zeros(labels.max() + 1, bool)
            wanted[[chain.number for chain, taken in zip(chains, chosen, strict=True) if taken]] = True
            target |= wanted[labels]
    return found


def _chains(mask: np.ndarray, thickest: int, shortest: float) -> tuple[np.ndarray, list[Chain]]:
    """The thin straight chains along the rows of a mask, the longest first; labels int32 (height, width), 0 outside."""
    image = as_bytes(mask)
    thick = cv2.morphologyEx(image, cv2.MORPH_OPEN, np.ones((thickest + 1, 1), np.uint8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(image & ~thick, connectivity=8, ltype=cv2.CV_32S)
    widths, heights, areas = stats[:, 2], stats[:, 3], stats[:, 4]
    likely = (widths >= max(shortest, 4)) & (heights <= SLOPE * widths + 2 * thickest)
    likely &= areas <= widths * (thickest + 1)
    likely[0] = False
    chosen = np.flatnonzero(likely)
    chosen = chosen[np.argsort(-widths[chosen], kind="stable")[:MOST_CHAINS]]
    chains = []
    for i in chosen:
        left, top, across, down = (int(each) for each in stats[i, :4])
        own = labels[top : top + down, left : left + across] == i
        counts = own.sum(axis=0)
        x = np.flatnonzero(counts)
        thickness = float(np.median(counts[x]))
        if across < FLAT * thickness or len(x) < 0.9 * across:
            continue
        y = (np.arange(down) @ own)[x] / counts[x]
        slope, offset = np.polyfit(x, y, 1)
        apart = np.abs(y - slope * x - offset)
        if abs(slope) > SLOPE or np.sqrt(np.mean(apart**2)) > max(0.8, BENT * across):
            continue
        ends = (left, top + offset), (left + across - 1, top + offset + slope * (across - 1))
        chains.append(Chain(int(i), *ends))
    return labels, chains


def _frame_lines(
    level: list[Chain],
    upright: list[Chain],
    ruled_level: list[Chain],
    ruled_upright: list[Chain],
    usual: float,
    near: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Which chains are lines of a frame, a table or an underline: bool for each of `level` and of `upright`."""
    x, y = _ends(level), _ends(upright)[:, :, ::-1]  # as (column, row) of the picture
    lengths_x, lengths_y = (np.array([chain.length for chain in chains]) for chains in (level, upright))
    is_level = lengths_x >= max(LEVEL * usual, SHORTEST)
    is_upright = lengths_y >= max(UPRIGHT * usual, SHORTEST)
    side_x, side_y = (each >= max(SIDE * usual, SHORTEST) for each in (lengths_x, lengths_y))
    rulings_x, rulings_y = _ends(ruled_level), _ends(ruled_upright)[:, :, ::-1]
    meets = np.zeros((len(level), len(upright)), np.int64)  # how many of their ends do
    for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
        meets += np.abs(x[:, None, i] - y[None, :, j]).max(axis=2) <= near
    framed_x, framed_y = _frames(meets * (side_x[:, None] & side_y))
    is_level |= framed_x
    is_upright |= framed_y
    for _ in range(ROUNDS):
        is_upright |= side_y & _held(y, np.concatenate([x[is_level], rulings_x]), 0, near)
        is_level |= side_x & _held(x, np.concatenate([y[is_upright], rulings_y]), 1, near)
        is_level |= _goes_on(x, is_level, 0, near / 2, APART * usual)
        is_upright |= _goes_on(y, is_upright, 1, near / 2, APART * usual)
        is_upright |= (meets[is_level] > 0).any(axis=0)
        is_level |= (meets[:, is_upright] > 0).any(axis=1)
    return is_level, is_upright


def _goes_on(ends: np.ndarray, chosen: np.ndarray, axis: int, near: float, apart: float) -> np.ndarray:
    """Which lines go on where chosen ones of the same direction end: bool (n,)."""
    known = ends[chosen]
    if not len(known):
        return chosen
    low, high = known[:, 0, axis], known[:, 1, axis]
    slope = (known[:, 1, 1 - axis] - known[:, 0, 1 - axis]) / np.maximum(high - low, 1)
    found = np.ones((len(ends), len(known)), bool)
    for i in (0, 1):
        expected = known[:, 0, 1 - axis] + slope * (ends[:, None, i, axis] - low)
        found &= np.abs(ends[:, None, i, 1 - axis] - expected) <= near
    gaps = np.maximum(ends[:, None, 0, axis] - high, low - ends[:, None, 1, axis])
    goes_on: np.ndarray = (found & (gaps <= apart)).any(axis=1)
    return goes_on


def _ends(chains: list[Chain]) -> np.ndarray:
    """The two ends of each chain: float (n, 2, 2), (column, row)."""
    return np.array([[chain.start, chain.stop] for chain in chains], np.float64).reshape(-1, 2, 2)


def _frames(corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which lines form at least two corners with others that do so too, in groups of three or more."""
    level, upright = corners.sum(axis=1), corners.sum(axis=0)
    by_level = level >= 2  # a side with an upright at each end
    by_upright = upright >= 2
    meets = corners > 0
    is_level = by_level | (meets & by_upright[None]).any(axis=1)
    is_upright = by_upright | (meets & by_level[:, None]).any(axis=0)
    return is_level, is_upright


def _held(ends: np.ndarray, others: np.ndarray, axis: int, near: float) -> np.ndarray:
    """Which lines have both ends on some of the other lines, of the other direction: bool (n,)."""
    held = np.ones(len(ends), bool)
    if not len(others):
        return np.zeros(len(ends), bool)
    low, high = others[:, :, axis].min(axis=1), others[:, :, axis].max(axis=1)
    for i in range(2):
        along, across = ends[:, i, axis], ends[:, i, 1 - axis]
        inside = (along[:, None] >= low - near) & (along[:, None] <= high + near)
        share = (along[:, None] - others[:, 0, axis]) / np.maximum(others[:, 1, axis] - others[:, 0, axis], 1)
        at = others[:, 0, 1 - axis] + share * (others[:, 1, 1 - axis] - others[:, 0, 1 - axis])
        held &= (inside & (np.abs(across[:, None] - at) <= near)).any(axis=1)
    return held


def _without_remnants(mask: np.ndarray, lines: np.ndarray, width: float) -> np.ndarray:
    """Drop the small pieces that are left of lines: corners, crossings, rough edges."""
    parts = connected_components(mask)
    if not len(parts):
        return mask
    reach = cv2.dilate(as_bytes(lines), np.ones((5, 5), np.uint8)).view(bool)
    touching = np.bincount(parts.labels[mask & reach], minlength=len(parts)) / parts.areas
    longer = np.maximum(parts.heights, parts.widths)
    remnant = (touching > 0.5) | ((touching > 0) & (longer <= 2.5 * width + 2))
    kept: np.ndarray = np.append(~remnant, False)[parts.labels]
    return kept
