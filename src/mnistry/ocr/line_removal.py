"""Ruled and squared paper: long thin straight lines, found in the ink and taken out of it.

A line is found by votes: each column of pixels names the short vertical runs of ink in it, and each run votes for the
lines through it, of all slopes. What lies along the line and is no darker than it goes; ink that crosses it, or lies
on it and is darker, stays. Where all writing is clearly darker than the rulings, whatever is as pale as they are goes:
lines that were not found, crossings, millimetres.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mnistry.ocr.background import sums_around
from mnistry.ocr.components import Components, find_chains, find_components, find_thin, median, spread
from mnistry.ocr.morphology import dilate
from mnistry.ocr.resizing import resize

SMALLEST = 40  # pixels: in a smaller picture a line cannot be told from a stroke
STEEPEST = 0.12  # rows a column: 7 degrees
SLOPES = np.linspace(-STEEPEST, STEEPEST, 49)
MOST = 60  # lines a direction
MOST_WRONG = 20  # lines in a row that turn out to be no rulings: there are none, or too many strokes to tell
MOST_VOTERS = 20_000  # runs: of more, those of every n-th column vote
ENOUGH = 0.3  # of the columns must vote for a line
DARKER = 1.2  # times as dark as the ruling: ink that lies on it
SURELY_INK = 3.0  # times as dark as the ruling: a stroke, even if it lies along the line from end to end
LONG = 40  # stroke widths: no stroke of a digit is so long
FAINT = 0.85  # of the usual contrast of ink: a shorter line must be fainter
PALE = 0.6  # such a line may be hidden where there is ink beside it
VOTES_AT_ONCE = 200_000  # so that they stay in the processor's cache
USUAL = 15  # percentile of the contrasts along a line that is taken for its own: much of it may be ink
THICKEST = 0.03  # of the shorter side
BENT = 0.03  # of the length: the height of the arc that a line may make
WIDE = 0.85  # of the picture: a line so long need not reach its edges
MOST_TICKS = 200
TICKS, TICK, TICK_HEIGHT = 3, 0.35, 5  # ticks of an axis, at least; width by height, at most; pixels, at least
TICK_OFF = 0.15  # of their height and of the space between two: the most that they differ by
MOSTLY_RULING = 0.6  # of a remnant's pixels
DARK_RULING = 0.3  # of what is darker, it may be rulings: with more, one of them is itself darker than the others
CELL_SIDE = 0.125  # of the picture: a side of a cell that was cropped is no farther from its edge
CELLS, AROUND = 16, 5  # along the longer side, and of a neighbourhood, in which the rulings' contrast is averaged
RIDGE = 0.97  # of the contrast of the pixels beside it: the middle of a line or of a stroke
LIMITS = np.geomspace(1.25, 3.0, 23)  # times as dark as the rulings around: ink is darker, if few ridges are near that
BAND, DEEP, LEAST_INK = 0.07, 0.1, 0.02  # of its logarithm, to both sides; of the ridges above; of all ridges
PALER, SHORTEST_PIECE = 0.6, 3  # of the usual contrast of ink; pixels: a piece of a pale frame
STRAIGHT, CORNER, CORNERS = 0.85, 0.1, 2  # of a piece: its lines, and each of those at a corner; pieces with one
LONG_SIDE = 3.0  # stroke widths: the longer side of such a piece


@dataclass(frozen=True, eq=False)
class _Runs:
    """Short vertical runs of ink: column, first row, length, and the contrast in their middle, each (n,)."""

    columns: np.ndarray
    tops: np.ndarray
    lengths: np.ndarray
    contrasts: np.ndarray

    def of(self, chosen: np.ndarray) -> _Runs:
        return _Runs(self.columns[chosen], self.tops[chosen], self.lengths[chosen], self.contrasts[chosen])

    @cached_property
    def middles(self) -> np.ndarray:
        return self.tops + self.lengths / 2

    def paint(self, mask: np.ndarray) -> None:
        mask[spread(self.tops, self.lengths), np.repeat(self.columns, self.lengths)] = True


def remove_ruling_lines(mask: np.ndarray, contrast: np.ndarray, width: float) -> np.ndarray:
    """A mask of ink less the rulings in it.

    Args:
        mask: bool (height, width).
        contrast: float32 (height, width), contrast of the ink to the paper.
        width: how thick strokes are, in pixels.
    """
    if min(mask.shape) < SMALLEST or not mask.any():
        return mask
    if not (_far_enough(mask) or _far_enough(mask.T)):
        return mask
    usual = float(np.percentile(contrast[mask], 75))
    level, level_on = _find_ruled(mask, contrast, width, usual)
    upright, upright_on = _find_ruled(mask.T, contrast.T, width, usual)
    gone = level | upright.T
    if not gone.any():
        return mask
    dark = _darker(mask, contrast, gone) if _inside(level) or _inside(upright) else None
    return _without_remnants(mask & ~gone, level_on | upright_on.T) if dark is None else dark


def _inside(lines: np.ndarray) -> bool:
    """Tell whether any of nearly level lines runs from edge to edge, and is not a side of a cell that was cropped."""
    margin, edge = round(CELL_SIDE * len(lines)), 1 + int(_edge(lines.shape[1]))
    inner = lines[margin : len(lines) - margin]
    return bool(inner[:, :edge].any() and inner[:, -edge:].any())


def _darker(mask: np.ndarray, contrast: np.ndarray, ruled: np.ndarray) -> np.ndarray | None:
    """The ink that is darker than the rulings around it, bool (height, width); None where that cannot be told.

    Args:
        mask: bool (height, width), ink and rulings.
        contrast: float32 (height, width).
        ruled: bool (height, width), pixels of rulings.
    """
    around = dilate(contrast, 3, 3)
    ridges = mask & (contrast >= RIDGE * around)
    times = contrast / _usual_contrast(contrast, ruled)
    logs = np.sort(np.log(times[ridges]))
    limits = np.log(LIMITS)
    near = np.searchsorted(logs, limits + BAND) - np.searchsorted(logs, limits - BAND)
    above = len(logs) - np.searchsorted(logs, limits)
    shares = np.where(above >= LEAST_INK * len(logs), near / np.maximum(above, 1), np.inf)
    best = int(shares.argmin())
    if shares[best] > DEEP:
        return None
    dark = mask & (times > LIMITS[best])
    if np.count_nonzero(dark & ruled) > DARK_RULING * np.count_nonzero(dark):
        return None
    return mask & dilate(dark, 3, 3)


def _usual_contrast(contrast: np.ndarray, ruled: np.ndarray) -> np.ndarray:
    """The mean contrast of the rulings around each pixel, as the light has it: float32 (height, width)."""
    from PIL import Image

    height, width = ruled.shape
    scale = CELLS / max(height, width)
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    sums, counts = (resize(each, *size) for each in (np.where(ruled, contrast, 0), ruled))
    few = 0.02 * counts.mean()
    usual = sums.sum() / counts.sum()
    around = sums_around(np.dstack([sums, counts]), AROUND // 2) / AROUND**2
    cells = Image.fromarray(((around[:, :, 0] + few * usual) / (around[:, :, 1] + few)).astype(np.float32))
    return np.asarray(cells.resize((width, height), Image.Resampling.BILINEAR))


def find_ticks(mask: np.ndarray, parts: Components, lines: np.ndarray) -> np.ndarray:
    """Find the ticks of axes and rulers: short upright strokes on a line, alike and evenly spaced.

    Args:
        mask: bool (height, width), the ink without lines.
        parts: its components.
        lines: bool (height, width), the ink of rulings and other lines.

    Returns:
        bool (n,), the components that are ticks.
    """
    found = np.zeros(len(parts), bool)
    strokes = (parts.widths <= TICK * parts.heights) & (parts.heights >= TICK_HEIGHT)
    if np.count_nonzero(strokes) < TICKS or not lines.any():
        return found
    reach = dilate(lines, 3, 3)
    rows, columns = np.nonzero(mask & reach)
    numbers = parts.labels[rows, columns]
    touching = np.bincount(numbers, minlength=len(parts))
    at = np.bincount(numbers, rows, minlength=len(parts)) / np.maximum(touching, 1)  # the row of the line
    across = (parts.left + parts.right) / 2
    left = set(np.flatnonzero(strokes & (touching > 0))[:MOST_TICKS].tolist())
    while left:
        first = min(left, key=lambda i: float(across[i]))
        height = float(parts.heights[first])
        beside = np.array(sorted(left, key=lambda i: float(across[i])))
        off = np.maximum(np.abs(at[beside] - at[first]), np.abs(parts.top[beside] - parts.top[first]))
        alike = beside[
            (off <= TICK_OFF * height + 1) & (np.abs(parts.heights[beside] - height) <= TICK_OFF * height + 1)
        ]
        spaces = np.diff(across[alike])
        if len(alike) >= TICKS and np.abs(spaces - median(spaces)).max() <= TICK_OFF * median(spaces) + 1:
            found[alike] = True
        left -= set(alike.tolist())
    return found


def find_pale_lines(parts: Components, contrast: np.ndarray, width: float) -> np.ndarray:
    """Find the pieces of pale frames: straight and level or upright, and paler than the strokes that have parted them.

    Returns:
        bool (n,), for each component; none where no two of them have a corner, or nothing else would be left.
    """
    none = np.zeros(len(parts), bool)
    if len(parts) < 3:
        return none
    inked = parts.labels >= 0
    values = contrast[inked]
    shades = np.bincount(parts.labels[inked], values, minlength=len(parts)) / parts.areas
    pale = shades <= PALER * np.percentile(values, 75)
    if np.count_nonzero(pale) < CORNERS:
        return none
    mask = np.append(pale, False)[parts.labels]
    straight = np.zeros((2, len(parts)))
    for areas, thin, labels in zip(straight, (mask, mask.T), (parts.labels, parts.labels.T), strict=True):
        for chain in find_chains(find_thin(thin, int(max(3, 2 * width)), SHORTEST_PIECE)):
            areas[labels[chain.pixel]] += chain.area
    shares = straight / parts.areas
    lines = pale & (shares.sum(axis=0) >= STRAIGHT)
    corners = lines & (shares >= CORNER).all(axis=0) & (np.maximum(parts.heights, parts.widths) >= LONG_SIDE * width)
    return lines if np.count_nonzero(corners) >= CORNERS and not lines.all() else none


def _without_remnants(mask: np.ndarray, on_ruling: np.ndarray) -> np.ndarray:
    """Drop pieces that are little but ruling, one pixel between them and the next ink counted as none."""
    wider = mask.copy()
    wider[1:] |= mask[:-1]
    wider[:, 1:] |= wider[:, :-1].copy()
    parts = find_components(wider)
    if not len(parts):
        return mask
    numbers = parts.labels[mask]
    sizes = np.bincount(numbers, minlength=len(parts))
    share = np.bincount(numbers, on_ruling[mask], minlength=len(parts)) / np.maximum(sizes, 1)
    return mask & (share <= MOSTLY_RULING)[parts.labels]


def _find_ruled(mask: np.ndarray, contrast: np.ndarray, width: float, usual: float) -> tuple[np.ndarray, np.ndarray]:
    """Two masks: the pixels of nearly level rulings, and those together with the ink that lies on them."""
    gone, touched = np.zeros_like(mask), np.zeros_like(mask)
    if not _far_enough(mask):
        return gone, touched
    runs = _short_runs(mask, contrast, max(3.0, 1.6 * width))
    bin_size = max(2.0, 0.8 * width)
    every = max(1, -(-len(runs.columns) // MOST_VOTERS))  # columns
    enough = ENOUGH * mask.shape[1] / every
    wrong = 0
    for _ in range(MOST):
        voters = runs.of(runs.columns % every == 0) if every > 1 else runs
        if len(voters.columns) < enough or wrong >= MOST_WRONG:
            break
        votes, slope, offset = _most_voted(voters, bin_size)
        if votes < enough:
            break
        along = _along(runs, slope, offset, bin_size)
        line = runs.of(along)
        if _is_ruling(line, mask.shape, width, usual):
            line.of(line.contrasts <= SURELY_INK * np.percentile(line.contrasts, USUAL)).paint(touched)
            _no_darker(line).paint(gone)
            wrong = 0
        else:
            wrong += 1
        nearest = np.abs(runs.middles - slope * runs.columns - offset) <= bin_size / 2
        runs = runs.of(~(along | nearest))
    return gone, touched


def _far_enough(mask: np.ndarray) -> bool:
    """Tell whether the ink reaches as far as the shortest level ruling: see `_is_ruling`."""
    across, columns = mask.shape[1], np.flatnonzero(mask.any(axis=0))
    extent, edge = int(columns[-1] - columns[0]) + 1, _edge(across)
    return bool(columns[0] <= edge or columns[-1] >= across - 1 - edge or extent > WIDE * across)


def _edge(across: int) -> float:
    """The distance from the edge of the picture within which a line counts as reaching it."""
    return max(2, 0.02 * across)


def _short_runs(mask: np.ndarray, contrast: np.ndarray, longest: float) -> _Runs:
    height, width = mask.shape
    padded = np.zeros((width, height + 1), np.int8)
    padded[:, :-1] = mask.T
    edges = np.diff(padded.ravel(), prepend=np.int8(0))
    first, last = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    short = last - first <= longest
    first, lengths = first[short], (last - first)[short]
    columns = first // (height + 1)
    tops = first - columns * (height + 1)
    return _Runs(columns, tops, lengths, contrast[np.minimum(tops + lengths // 2, height - 1), columns])


def _most_voted(runs: _Runs, bin_size: float) -> tuple[int, float, float]:
    """The votes, slope and offset (rows at column 0) of the line that most runs lie on."""
    best = (0, 0.0, 0.0)
    middles = runs.middles
    at_once = max(1, VOTES_AT_ONCE // len(runs.columns))
    for slopes in (SLOPES[start : start + at_once] for start in range(0, len(SLOPES), at_once)):
        offsets = middles - slopes[:, None] * runs.columns
        lowest = offsets.min(axis=1)
        bins = ((offsets - lowest[:, None]) / bin_size).astype(np.int64)
        width = int(bins.max()) + 2  # an empty bin after the last of each slope
        votes = np.bincount((bins + width * np.arange(len(slopes))[:, None]).ravel(), minlength=width * len(slopes))
        table = votes.reshape(len(slopes), width)
        table = table[:, :-1] + table[:, 1:]  # a line may lie between two bins
        most = table.argmax(axis=1)
        highest = table.max(axis=1)
        steepest = len(slopes) - 1 - int(highest[::-1].argmax())
        offset = float(lowest[steepest] + (most[steepest] + 1) * bin_size)
        best = max(best, (int(highest[steepest]), float(slopes[steepest]), offset))
    return best


def _along(runs: _Runs, slope: float, offset: float, bin_size: float) -> np.ndarray:
    """Find the runs that lie along a line, which may be bent a little: bool (n,)."""
    chosen = np.abs(runs.middles - slope * runs.columns - offset) <= 2.5 * bin_size
    for order in (1, 2):
        if np.count_nonzero(chosen) < 12:
            break
        curve = np.polynomial.Polynomial.fit(runs.columns[chosen], runs.middles[chosen], order)
        chosen = np.abs(runs.middles - curve(runs.columns)) <= 1.5 * bin_size
    longest = 1.5 * median(runs.lengths[chosen]) + 1 if chosen.any() else 0
    return chosen & (runs.lengths <= longest)


def _is_ruling(line: _Runs, shape: tuple[int, ...], width: float, usual: float) -> bool:
    """Tell whether a line runs from edge to edge, thin and straight, unlike any stroke of a digit."""
    across = shape[1]
    columns = np.unique(line.columns)
    if len(columns) < 0.25 * across:
        return False
    extent = int(columns[-1] - columns[0]) + 1
    cover, edge = len(columns) / extent, _edge(across)
    ends = int(columns[0] <= edge) + int(columns[-1] >= across - 1 - edge)
    shade = np.percentile(line.contrasts, USUAL)
    curve = np.polynomial.Polynomial.fit(line.columns, line.middles, 2)
    arc = abs(curve.coef[2])  # over columns scaled to -1..1: the height of the arc
    return bool(
        arc <= BENT * across
        and median(line.lengths) <= max(3, THICKEST * min(shape))
        and ((extent >= LONG * width and cover > 0.8) or shade < FAINT * usual)
        and (
            (ends == 2 and cover >= (0.35 if shade < PALE * usual else 0.55))
            or (ends == 1 and extent > min(0.75 * across, 2 * LONG * width) and cover > 0.75)
            or (extent > WIDE * across and cover > 0.8)
        )
    )


def _no_darker(line: _Runs) -> _Runs:
    """The runs that are no darker than the line's usual, judged with their neighbours."""
    line = line.of(np.argsort(line.columns, kind="stable"))
    padded = np.pad(line.contrasts, 2, mode="edge")
    smooth = np.median(np.stack([padded[i : i + len(line.contrasts)] for i in range(5)]), axis=0)
    return line.of(smooth <= DARKER * np.percentile(line.contrasts, USUAL) + 4)
