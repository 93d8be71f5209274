"""Boxes, combs, tables, circles and underlines: lines that end within the picture, unlike rulings.

A line is a thin straight chain of pixels. It is taken out where it is longer than any stroke of a digit, or where it
forms corners with other lines. Shapes that enclose other ink are taken out as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mnistry.ocr.components import (
    Chain,
    Components,
    ThinInk,
    fill_holes,
    find_chains,
    find_components,
    find_holes,
    find_thin,
    median,
    weighted_median,
)
from mnistry.ocr.line_removal import find_pale_lines, find_ticks
from mnistry.ocr.morphology import dilate, erode

MOST_PARTS = 20_000  # components: a picture with more shows no frames that could be told from its noise
THICKEST = 0.3  # of the usual height: a frame's line
LEVEL, UPRIGHT = 1.55, 2.3  # usual heights: a longer straight line is not a stroke of a digit
SIDE = 0.75  # usual heights: the shortest side of a frame
PIECE = 0.25  # usual heights: a shorter piece of a line is not looked at
SHORTEST = 11  # pixels: a side of a frame; strokes of smaller digits cannot be told from it
DASH, LONGEST_DASH, DASHED = 0.05, 0.6, 0.8  # usual heights; of its component, for it to be nothing else
SMALL = 0.35  # usual heights: a component no larger is a dash though it is bent
DASHES, DASH_GAP = 4, 3.0  # dashes that make a line; lengths of a dash between two
CROSSED, COVERED = 0.12, 0.3  # usual heights of a piece of a line that strokes cross; so much of it lies free
RECENT = 8  # lines in the same rows that a piece is compared with
ROUNDS = 3  # in which lines make others lines
APART = 1.0  # usual heights: a gap within one line
TEETH = 4  # of a comb, at least
SLOTS = 2  # low open boxes beside each other, at least
THICKER = 1.8  # times as thick as the lines around it: a piece that does not belong to them
LARGER = 1.25  # usual heights: what encloses ink and is lower is a digit with a remnant in its loop
RIM = 0.6  # of a remnant's pixels lie along the outline of a frame, for it to be part of that
INNER = 0.3  # of the height of what encloses it: ink so high is more than a speck
NARROW, SQUARE = 1.5, 1.3  # usual heights: a column of a table is no narrower; the sides of a square of squared paper
CROSSED_BY = 70  # percentile of the rows
AROUND = 0.8  # of the height of digits: the least side of a frame around them
FLAT = 5  # times as long as thick: a line
BAR, SPARSE = 20, 0.08  # the same for an upright line; of its box: what has less ink is part of a table


@dataclass(frozen=True, eq=False)
class Cleaned:
    """Ink without the lines and frames that were found in it.

    Attributes:
        mask: bool (height, width), the ink that is left.
        level: float (n, 4), the nearly level lines, rulings apart: column and row of the left end and of the right end.
        upright: float (n, 4), the nearly upright lines: column and row of the upper end and of the lower end.
        boxes: int (n, 4), left, top, right and bottom of each frame or line, rulings of the paper apart.
        unruled: bool (height, width), the ink with these lines and frames, rulings of the paper apart.
        parts: the components of the ink that is left.
    """

    mask: np.ndarray
    level: np.ndarray
    upright: np.ndarray
    boxes: np.ndarray
    unruled: np.ndarray
    parts: Components

    @classmethod
    def nothing(cls, shape: tuple[int, ...]) -> Cleaned:
        """No ink at all, in a picture of this shape (height, width)."""
        blank = np.zeros(shape, bool)
        return cls(blank, NO_LINES, NO_LINES, NO_LINES, blank, find_components(blank))

    def frames(self, height: float) -> int:
        """Count the frames around digits of this height."""
        sides = self.boxes[:, 2:] - self.boxes[:, :2]
        return int((sides >= AROUND * height).all(axis=1).sum())


NO_LINES = np.zeros((0, 4))


def remove_frames(
    unruled: np.ndarray, parts: Components, gone: np.ndarray, contrast: np.ndarray, width: float
) -> Cleaned:
    """Remove frames and the lines of forms from a mask of ink.

    Args:
        unruled: bool (height, width), the ink without rulings.
        parts: its components.
        gone: bool (height, width), the ink that rulings cover.
        contrast: float32 (height, width), contrast of the ink to the paper.
        width: the usual thickness of strokes, in pixels.
    """
    if not 0 < len(parts) <= MOST_PARTS:
        return Cleaned(unruled, NO_LINES, NO_LINES, NO_LINES, unruled, parts)
    left, pale = unruled, find_pale_lines(parts, contrast, width)
    if pale.any():
        left = np.append(~pale, False)[parts.labels]
        parts = find_components(left)
    around = enclosing(parts)
    usual = usual_height(parts, ~around)
    lines, level, upright = _lines(left, parts, gone, usual, width)
    if lines.any():
        cleaned = _without_remnants(left & ~lines, lines | gone, width)
        large = around & (parts.heights >= LARGER * usual)
        if large.any():
            cleaned = _without_rims(cleaned, np.append(large, False)[parts.labels], _thickest(usual, width))
        parts = find_components(cleaned)
        around = enclosing(parts)
    else:
        cleaned = left
    around &= (parts.heights >= LARGER * usual) | ~(~around).any()
    around |= find_ticks(cleaned, parts, lines | gone)
    if around.any():
        cleaned = np.append(~around, False)[parts.labels]
        parts = find_components(cleaned)
    if cleaned is unruled:
        return Cleaned(cleaned, level, upright, NO_LINES, unruled, parts)
    taken = find_components(unruled & ~cleaned)
    large = np.maximum(taken.heights, taken.widths) >= SIDE * usual
    boxes = np.stack([taken.left, taken.top, taken.right, taken.bottom], axis=1)[large]
    return Cleaned(cleaned, level, upright, boxes, unruled, parts)


def enclosing(parts: Components) -> np.ndarray:
    """Find the components that have other ink in their holes, specks apart: bool (n,)."""
    found = np.zeros(len(parts), bool)
    if len(parts) < 2:
        return found
    heights, around, within = find_holes(parts)
    inner = np.flatnonzero(within >= 0)
    large = parts.heights[inner] >= INNER * (heights[within[inner]] + 2)
    found[around[within[inner[large]]]] = True
    return found


def _without_rims(mask: np.ndarray, frames: np.ndarray, thickest: int) -> np.ndarray:
    """Drop what is left of frames along their outlines, such as round corners; `frames` is what they were."""
    inside = erode(fill_holes(frames), 2 * thickest + 1, 2 * thickest + 1, outside=False)
    parts = find_components(mask)
    at_rim = np.bincount(parts.labels[mask & frames & ~inside], minlength=len(parts)) / np.maximum(parts.areas, 1)
    return np.append(at_rim <= RIM, False)[parts.labels]


def _thickest(usual: float, width: float) -> int:
    return int(max(3, min(2.2 * width, THICKEST * usual)))


def usual_height(parts: Components, chosen: np.ndarray) -> float:
    """The median height of components, weighted by their ink; thin lines and specks apart."""
    likely = chosen & (parts.widths < FLAT * parts.heights) & (parts.heights >= 5)
    writing = likely & (parts.heights < BAR * parts.widths) & (parts.areas >= SPARSE * parts.heights * parts.widths)
    if writing.any():
        likely = writing
    if not likely.any():
        likely = chosen if chosen.any() else np.ones(len(parts), bool)
    heights = parts.heights[likely]
    areas = parts.areas[likely].astype(np.float64) * heights  # many dashes count less than a digit
    return weighted_median(heights, areas)


def _lines(
    mask: np.ndarray, parts: Components, gone: np.ndarray, usual: float, width: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The pixels of lines that are not strokes, bool (height, width); and the level and the upright lines."""
    thickest, is_ruled = _thickest(usual, width), bool(gone.any())
    side = max(SIDE * usual, SHORTEST)
    wide, high = int(parts.right.max() - parts.left.min()), int(parts.bottom.max() - parts.top.min())
    if not is_ruled and max(wide, high) <= usual and wide <= side:  # all ink is no larger than a narrow digit
        return np.zeros_like(mask), NO_LINES, NO_LINES
    thin_x, thin_y = (find_thin(each, thickest, DASH * usual) for each in (mask, mask.T))
    if not (is_ruled or _may_be_lines(thin_x, LEVEL, usual) or _may_be_lines(thin_y, UPRIGHT, usual)):
        sides_x, sides_y = ((thin.widths > side).sum() for thin in (thin_x, thin_y))
        if sides_x < (1 if sides_y else SLOTS):  # nor two sides of a frame, nor the bottoms of low open boxes
            return np.zeros_like(mask), NO_LINES, NO_LINES
    ruled_x, ruled_y = (
        find_chains(find_thin(each, thickest, SIDE * usual)) if is_ruled else [] for each in (gone, gone.T)
    )
    level, upright = find_chains(thin_x), find_chains(thin_y)
    labels_x, labels_y = thin_x.parts.labels, thin_y.parts.labels
    near = max(2.0, 1.2 * thickest, 0.1 * usual)
    small = np.maximum(parts.heights, parts.widths) <= SMALL * usual  # also the corners of dashed boxes
    areas = np.where(small, 0, parts.areas)
    long_x, long_y = (
        _long(chains, labels, areas, near / 2, usual, least)
        for chains, labels, least in ((level, parts.labels, LEVEL), (upright, parts.labels.T, UPRIGHT))
    )
    owners_x, owners_y = _owners(level, parts.labels), _owners(upright, parts.labels.T)
    alone_x, alone_y = (
        np.array([chain.area for chain in chains]) >= DASHED * parts.areas[owners]
        for chains, owners in ((level, owners_x), (upright, owners_y))
    )
    joined = (owners_x[:, None] == owners_y) | alone_x[:, None] | alone_y  # no foot of a digit and side of its box
    chosen_x, chosen_y = _frame_lines(level, upright, long_x[0], long_y[0], ruled_x, ruled_y, joined, usual, near)
    found = np.zeros_like(mask)
    _paint(found, labels_x, level, chosen_x, long_x[2])
    _paint(found.T, labels_y, upright, chosen_y, long_y[2])
    borders_y = [] if _is_squared(gone, usual) else ruled_y
    down = np.concatenate([_ends(upright)[chosen_y], _ends(borders_y)])[:, :, ::-1]
    across = np.concatenate([_ends(level)[chosen_x].reshape(-1, 4), long_x[1]])
    return found, across, down.reshape(-1, 4)


def _is_squared(gone: np.ndarray, usual: float) -> bool:
    """Tell whether rulings, bool (height, width), are those of squared paper, and no borders of a table's columns."""
    across, down = _spacing(gone), _spacing(gone.T)
    return 0 < across < NARROW * usual or 0 < max(across, down) <= SQUARE * min(across, down)


def _spacing(gone: np.ndarray) -> float:
    """The distance of the upright rulings in pixels, by how many most rows cross; 0 for fewer than three."""
    crossed = float(np.percentile(np.count_nonzero(gone[:, 1:] > gone[:, :-1], axis=1), CROSSED_BY))
    return gone.shape[1] / crossed if crossed >= 3 else 0.0


def _paint(
    found: np.ndarray, labels: np.ndarray, chains: list[Chain], chosen: np.ndarray, lines: dict[int, tuple[float, ...]]
) -> None:
    """Set the pixels of the chosen chains; of a line in several pieces no more than its thickness at each place."""
    wanted = np.zeros(labels.max() + 2, bool)  # the last is that of all other pixels
    wanted[[chain.number for i, chain in enumerate(chains) if chosen[i] and i not in lines]] = True
    found |= wanted[labels]
    for i, (x0, y0, x1, y1, thick) in lines.items():
        chain = chains[i]
        area = slice(*chain.rows), slice(int(chain.start[0]), int(chain.stop[0]) + 1)
        rows, columns = np.mgrid[area]
        middle = y0 + (y1 - y0) * (columns - x0) / max(x1 - x0, 1)
        found[area] |= (labels[area] == chain.number) & (np.abs(rows - middle) <= thick / 2 + 1)


def _long(
    chains: list[Chain], labels: np.ndarray, areas: np.ndarray, near: float, usual: float, least: float
) -> tuple[np.ndarray, np.ndarray, dict[int, tuple[float, ...]]]:
    """Find the chains that are longer than any stroke, pieces of one line taken together; and those lines.

    Pieces of one component are one line where strokes that touch it part them. Dashes are one line where they are
    many, alike and evenly spaced.

    Returns:
        bool (n,); float (lines, 4): column and row of the left and the right end; and for each chain that is a piece of
        a line those and the line's thickness.
    """
    chosen = np.array([chain.length >= max(least * usual, SHORTEST) for chain in chains], bool)
    owners = _owners(chains, labels).tolist()
    groups: dict[int, list[int]] = {}
    for i, chain in enumerate(chains):
        dash = chain.area >= DASHED * areas[owners[i]] and chain.length <= LONGEST_DASH * usual
        if dash or chain.length >= CROSSED * usual:
            groups.setdefault(-1 if dash else owners[i], []).append(i)
    ends = _ends(chains)
    lines: list[tuple[float, ...]] = []
    of_chain: dict[int, tuple[float, ...]] = {}
    for owner, members in groups.items():
        for run in _collinear(ends[members], near, DASH_GAP if owner < 0 else max(usual, 10.0)):
            pieces = [members[i] for i in run]
            lengths = np.array([chains[i].length for i in pieces])
            line = (*ends[pieces[0], 0], *ends[pieces[-1], 1])
            extent = line[2] - line[0]
            if owner < 0:
                is_line = len(pieces) >= DASHES and extent >= SIDE * usual and lengths.max() <= 2.5 * median(lengths)
            else:
                is_line = len(pieces) > 1 and extent >= least * usual and lengths.sum() >= COVERED * extent
            if is_line:
                chosen[pieces] = True
                lines.append(line)
                if owner >= 0:
                    thick = float(np.average([chains[i].thick for i in pieces], weights=lengths**2))
                    of_chain |= dict.fromkeys(pieces, (*line, thick))
    return chosen, np.array(lines, np.float64).reshape(-1, 4), of_chain


def _owners(chains: list[Chain], labels: np.ndarray) -> np.ndarray:
    """The component to which each chain belongs: int (n,)."""
    return np.array([labels[chain.pixel] for chain in chains], np.int64)


def _collinear(ends: np.ndarray, near: float, gap: float) -> list[list[int]]:
    """Chains that go on in each other, from left to right; gaps in pixels, or in lengths of the piece before.

    Args:
        ends: float (n, 2, 2), the two ends of each, (column, row).
        near: rows by which one may be off the line of another.
        gap: the widest gap; below 10 it counts lengths.
    """
    runs: list[list[int]] = []
    open_runs: dict[int, list[int]] = {}  # by the rows where they end
    size = max(1.0, 2 * near)
    for i in np.argsort(ends[:, 0, 0], kind="stable").tolist():
        x, y = ends[i, 0]
        best, least = -1, near
        for band in range(int(y / size) - 1, int(y / size) + 2):
            for number in open_runs.get(band, [])[-RECENT:]:
                last = ends[runs[number][-1]]
                widest = gap * (last[1, 0] - last[0, 0] + 1) if gap < 10 else gap
                if -near <= x - last[1, 0] <= widest and abs(y - last[1, 1]) <= least:
                    best, least = number, abs(y - last[1, 1])
        if best < 0:
            best = len(runs)
            runs.append([])
        runs[best].append(i)
        open_runs.setdefault(int(ends[i, 1, 1] / size), []).append(best)
    return runs


def _may_be_lines(thin: ThinInk, least: float, usual: float) -> bool:
    """Tell whether chains of thin ink, one or several together, may be longer than strokes of digits: see `_long`."""
    if not len(thin.chosen):
        return False
    lefts, dashes = thin.parts.left[thin.chosen], len(thin.chosen) >= DASHES
    extent = int((lefts + thin.widths).max() - lefts.min())
    return bool(thin.widths[0] > max(least * usual, SHORTEST)) or (
        len(thin.chosen) > 1 and extent > (SIDE if dashes else least) * usual
    )


def _frame_lines(
    level: list[Chain],
    upright: list[Chain],
    is_level: np.ndarray,
    is_upright: np.ndarray,
    ruled_level: list[Chain],
    ruled_upright: list[Chain],
    joined: np.ndarray,
    usual: float,
    near: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Find the chains that are lines of a frame, a table or an underline: bool for each of `level` and of `upright`.

    Lines make what touches them lines too, but only pieces of about their own thickness: on squared paper, a stroke of
    a digit may be as wide as a square. `joined`, bool (level, upright), says which may touch each other at all.
    """
    x, y = _ends(level), _ends(upright)[:, :, ::-1]  # as (column, row) of the picture
    lengths_x, lengths_y = (np.array([chain.length for chain in chains]) for chains in (level, upright))
    is_level, is_upright = is_level.copy(), is_upright.copy()
    side_x, side_y = (each >= max(SIDE * usual, SHORTEST) for each in (lengths_x, lengths_y))
    sides = side_x.sum() >= (1 if side_y.any() else SLOTS)
    if not (is_level.any() or is_upright.any() or sides or ruled_level or ruled_upright):
        return is_level, is_upright
    piece_x, piece_y = (each >= PIECE * usual for each in (lengths_x, lengths_y))
    rulings_x, rulings_y = _ends(ruled_level), _ends(ruled_upright)[:, :, ::-1]
    meets = np.zeros((len(level), len(upright)), np.int64)  # how many of their ends do
    for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
        meets += np.abs(x[:, None, i] - y[None, :, j]).max(axis=2) <= near
    meets[~piece_x], meets[:, ~piece_y] = 0, 0
    framed_x, framed_y = _frames(meets * (side_x[:, None] & side_y))
    slots = side_x & ((meets * joined).sum(axis=1) >= 2)
    is_level |= framed_x | (slots & (slots.sum() >= SLOTS) & (not ruled_level and not ruled_upright))
    is_upright |= framed_y
    meets *= joined
    thick_x, thick_y, ruled = (
        np.array([chain.thick for chain in chains]) for chains in (level, upright, [*ruled_level, *ruled_upright])
    )
    is_upright |= side_y & _teeth(y, np.concatenate([x[is_level], rulings_x]), near)
    for _ in range(ROUNDS):
        lines = np.concatenate([thick_x[is_level], thick_y[is_upright], ruled])
        thickest = THICKER * median(lines) if lines.size else 0.0
        thin_x, thin_y = thick_x <= thickest, thick_y <= thickest
        piece_x, piece_y, side_x, side_y = piece_x & thin_x, piece_y & thin_y, side_x & thin_x, side_y & thin_y
        meets[~thin_x], meets[:, ~thin_y] = 0, 0
        is_upright |= side_y & _held(y, np.concatenate([x[is_level], rulings_x]), 0, near)
        is_level |= side_x & _held(x, np.concatenate([y[is_upright], rulings_y]), 1, near)
        is_level |= piece_x & _goes_on(x, is_level, 0, near / 2, APART * usual)
        is_upright |= piece_y & _goes_on(y, is_upright, 1, near / 2, APART * usual)
        is_upright |= (meets[is_level] > 0).any(axis=0)
        is_level |= (meets[:, is_upright] > 0).any(axis=1)
    return is_level, is_upright


def _goes_on(ends: np.ndarray, chosen: np.ndarray, axis: int, near: float, apart: float) -> np.ndarray:
    """Find the lines that go on where chosen ones of the same direction end: bool (n,)."""
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
    return (found & (gaps <= apart)).any(axis=1)


def _ends(chains: list[Chain]) -> np.ndarray:
    """The two ends of each chain: float (n, 2, 2), (column, row)."""
    return np.array([[chain.start, chain.stop] for chain in chains], np.float64).reshape(-1, 2, 2)


def _frames(corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the lines that form at least two corners with others that do so too, in groups of three or more."""
    level, upright = corners.sum(axis=1), corners.sum(axis=0)
    by_level = level >= 2  # a side with an upright at each end
    by_upright = upright >= 2
    meets = corners > 0
    is_level = by_level | (meets & by_upright[None]).any(axis=1)
    is_upright = by_upright | (meets & by_level[:, None]).any(axis=0)
    return is_level, is_upright


def _teeth(ends: np.ndarray, others: np.ndarray, near: float) -> np.ndarray:
    """Find the upright lines of a comb, bool (n,): on level lines, and as long as at least three others there."""
    standing = _held(ends, others, 0, near, (1,)) & (np.abs(ends[:, 1, 0] - ends[:, 0, 0]) <= near / 2)
    lengths = ends[:, 1, 1] - ends[:, 0, 1]
    alike = np.abs(lengths[:, None] - lengths[standing]) <= near / 2
    return standing & (alike.sum(axis=1) >= TEETH)


def _held(ends: np.ndarray, others: np.ndarray, axis: int, near: float, which: tuple[int, ...] = (0, 1)) -> np.ndarray:
    """Find the lines that have both ends, or `which`, on some of the others, of the other direction: bool (n,)."""
    held = np.ones(len(ends), bool)
    if not len(others):
        return np.zeros(len(ends), bool)
    low, high = others[:, :, axis].min(axis=1), others[:, :, axis].max(axis=1)
    for i in which:
        along, across = ends[:, i, axis], ends[:, i, 1 - axis]
        inside = (along[:, None] >= low - near) & (along[:, None] <= high + near)
        share = (along[:, None] - others[:, 0, axis]) / np.maximum(others[:, 1, axis] - others[:, 0, axis], 1)
        at = others[:, 0, 1 - axis] + share * (others[:, 1, 1 - axis] - others[:, 0, 1 - axis])
        held &= (inside & (np.abs(across[:, None] - at) <= near)).any(axis=1)
    return held


def _without_remnants(mask: np.ndarray, lines: np.ndarray, width: float) -> np.ndarray:
    """Drop the small pieces that are left of lines: corners, crossings, rough edges."""
    parts = find_components(mask)
    if not len(parts):
        return mask
    reach = dilate(lines, 5, 5)
    touching = np.bincount(parts.labels[mask & reach], minlength=len(parts)) / parts.areas
    longer = np.maximum(parts.heights, parts.widths)
    remnant = (touching > 0.5) | ((touching > 0) & (longer <= 2.5 * width + 2))
    return np.append(~remnant, False)[parts.labels]
