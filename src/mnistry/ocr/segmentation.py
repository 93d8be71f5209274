"""Lines of writing and what they are made of: the smallest pieces of ink that a digit may be put together from."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np

from mnistry.ocr.components import Components, fill_holes, find_components, median, weighted_median
from mnistry.ocr.morphology import dilate, erode
from mnistry.ocr.result import Box

MOST = 3000  # components of each kind; a picture with more is not a page of numbers
ELONGATED = 6  # times as wide as high: a dash or a line rather than digits that touch
FRAME = 0.85  # of the picture's side: what spans so much and touches the edge is a frame, a table or a shadow
BLOT = 0.2  # of the most ink: no component with more counts for more
SURROUND, WITHIN = 0.5, 0.03  # of the picture; of the ink around
FEW = 5  # components with the most ink count alike for the usual height
# All lengths are parts of the usual height of digits, or of the height of digits in the line.
SMALL, LARGE = 0.42, 2.2  # heights of what may be a digit of its own
SPECK = 0.12
GIANT = 5.0  # what is higher has nothing to do with the writing: the edge of the sheet, a table
WIDEST = 12.0  # of a row of touching digits
WIDEST_SMALL = 3.0  # of a dash
PALE = 0.35  # of the usual contrast of writing
SOLID = 0.7  # of its box: a broad component so full of ink is a sheet or a blot
EDGE_DEPTH = 0.3  # what touches the picture's edge and reaches no deeper into it is dropped
EDGE_HEIGHT = 2.2  # so is what touches it and is higher than this
OVERLAP = 0.35  # of the lower of two neighbours: the rows that they share in a line
RECENT = 2  # members of a row that count: it may be slanted
APART = 0.02  # of that overlap is lost with each height of distance
BAND = 0.5  # of the picture in which rows are looked up
NEIGHBOURS = 4  # to each side of a small piece that it is compared with
NEAR = 0.25  # how far above or below its neighbour a small piece may lie
WIDE = 0.7  # what is wider may be more than one digit
CUT_SPACING, CUT_REACH, CUT_BLUR = 0.06, 0.1, 0.03
RING, SLASH, RING_OFF = (0.15, 0.65), 0.7, 0.25  # heights of the rings and the stroke of a percent sign; how far off
UNDER, TIP, STEEP = 0.2, 0.1, -0.2  # of its width, a ring lies under the slash; of its height, the tip; columns a row
ASIDE = 0.15  # of its height: the tip is no farther from where the slash points
# One digit known to be all of the ink:
STRAY = 0.02  # of the largest component's area
APART_AT_MOST = 0.5  # of the digit's size: a small part farther away does not belong to it
MIDDLE = 0.22, 0.3  # of the width and height: the standard deviation of where the digit in the middle lies
EXTENT_WEIGHT = 0.4  # of the rows between the first and the last ink of a column, against the ink in it


@dataclass(frozen=True, eq=False)
class Line:
    """The pieces of a line of writing, from left to right.

    Attributes:
        first: the number of its first piece in the map of all pieces; the others follow.
        boxes: int64 (n, 4): left, top, right and bottom of each piece, the last two exclusive.
        parts: int64 (n,): the connected component that each is cut from.
        height: the usual height of a digit in this line, in pixels.
    """

    first: int
    boxes: np.ndarray
    parts: np.ndarray
    height: float

    def __len__(self) -> int:
        """The number of pieces."""
        return len(self.boxes)


@dataclass(frozen=True, eq=False)
class PageLayout:
    """All writing in a picture.

    Attributes:
        pieces: int32 (height, width), the number of the piece at each pixel, -1 where there is none.
        lines: from top to bottom.
        ink: pixels of all that may be writing, whether it is part of a line or not.
        left_out: box (left, top, right, bottom) and reason of each component as large as a digit that is in no line.
    """

    pieces: np.ndarray
    lines: tuple[Line, ...]
    ink: int
    left_out: tuple[tuple[Box, str], ...] = ()


def segment_lines(parts: Components, contrast: np.ndarray) -> PageLayout:
    """Find the lines of writing in ink.

    Args:
        parts: the components of the ink less anything that is not writing.
        contrast: float32 (height, width), of the ink to the paper.
    """
    shape = contrast.shape
    pieces = np.full(shape, -1, np.int32)
    if not len(parts):
        return PageLayout(pieces, (), 0)
    usual = _usual_height(parts, shape)
    large, small = _digits_and_marks(parts, shape, usual)
    large, small = _without_pale(parts, contrast, large, small)
    percent = _percent_signs(parts, large, small, usual)
    if len(percent):
        large, small = np.setdiff1d(large, percent), np.setdiff1d(small, percent)
    rows = _rows(parts, large, usual)
    members = _with_marks(parts, rows, small, usual)
    lines: list[Line] = []
    first = 0
    for i in np.argsort([np.mean(parts.top[row] + parts.bottom[row]) for row in rows], kind="stable"):
        height = median(parts.heights[rows[i]])
        line = _line(parts, members[i], height, pieces, first)
        lines.append(line)
        first += len(line)
    longer = np.maximum(parts.heights, parts.widths)
    seen = ~parts.at_edge(shape) & (longer >= SPECK * usual) & (parts.heights <= GIANT * usual)
    seen[[*large, *small]] = True
    left_out = _left_out(parts, shape, usual, np.concatenate([large, small]), percent)
    return PageLayout(pieces, tuple(lines), int(parts.areas[seen].sum()), left_out)


def _left_out(
    parts: Components, shape: tuple[int, ...], usual: float, kept: np.ndarray, signs: np.ndarray
) -> tuple[tuple[Box, str], ...]:
    """Boxes of the components as large as a digit that are in no line, and why."""
    missing = np.maximum(parts.heights, parts.widths) >= SMALL * usual
    missing[kept] = False
    if not missing.any():
        return ()
    edge = parts.at_edge(shape)
    large = (parts.heights > LARGE * usual) | (parts.widths >= WIDEST * usual)
    return tuple(
        (
            parts.box(i),
            "sign" if i in signs else "at the edge" if edge[i] else "too large" if large[i] else "too pale or solid",
        )
        for i in np.flatnonzero(missing)[:MOST]
    )


def _usual_height(parts: Components, shape: tuple[int, ...]) -> float:
    """The height of digits: the median over components, weighted by their ink, those apart that fill the picture."""
    frames = parts.at_edge(shape) & ((parts.widths > FRAME * shape[1]) | (parts.heights > FRAME * shape[0]))
    likely = (parts.widths < ELONGATED * parts.heights) & (parts.heights >= 5) & ~frames
    around = parts.widths * parts.heights > SURROUND * shape[0] * shape[1]
    within = likely & ~around
    if np.count_nonzero(within) >= 3 and parts.areas[within].sum() > WITHIN * parts.areas[around].sum():
        likely = within  # what surrounds them is a table or a frame
    if not likely.any():
        likely[:] = True
    heights, areas = parts.heights[likely], parts.areas[likely].astype(np.float64)
    most = max(np.sort(areas)[-min(FEW, len(areas))], BLOT * areas.max())
    areas = np.minimum(areas, most)  # a blot does not decide alone
    areas *= np.minimum(heights / parts.widths[likely], 1)  # nor do dashes
    if len(areas) <= FEW:
        areas = areas * heights  # nor does a small sign beside a digit
    return weighted_median(heights, areas)


def _digits_and_marks(parts: Components, shape: tuple[int, ...], usual: float) -> tuple[np.ndarray, np.ndarray]:
    """The components that may be digits, and those that may be parts of one, dashes or dots: indices."""
    shallow = np.minimum(parts.heights, parts.widths) < EDGE_DEPTH * usual
    dropped = parts.at_edge(shape) & (shallow | (parts.heights > EDGE_HEIGHT * usual)) | _in_corner(parts, shape)
    longer, narrow = np.maximum(parts.heights, parts.widths), parts.widths < WIDEST * usual
    solid = (parts.widths > 1.2 * parts.heights) & (parts.areas > SOLID * parts.widths * parts.heights)
    large = ~solid & (parts.heights >= SMALL * usual) & (parts.heights <= LARGE * usual) & narrow
    larger = ~solid & (parts.heights > LARGE * usual) & (parts.heights <= GIANT * usual) & ~dropped
    heading = np.flatnonzero(larger & (parts.widths < parts.heights))[:MOST]  # if no other writing lies beside it
    middles = ((parts.top + parts.bottom) / 2)[_largest(parts, np.flatnonzero(large))]
    beside = (middles > parts.top[heading, None]) & (middles < parts.bottom[heading, None])
    large[heading[~beside.any(axis=1)]] = True
    small = (parts.heights < SMALL * usual) & (longer >= SPECK * usual) & (parts.widths < WIDEST_SMALL * usual)
    small &= parts.areas >= 3
    return _largest(parts, np.flatnonzero(large & ~dropped)), _largest(parts, np.flatnonzero(small & ~dropped))


def _percent_signs(parts: Components, large: np.ndarray, small: np.ndarray, usual: float) -> np.ndarray:
    """The components that make percent signs: a slash between two rings, one of which may touch it."""
    found: list[int] = []
    both = np.concatenate([large, small])
    shape = parts.widths[both] / parts.heights[both]
    low = RING[0] * usual, RING[1] * usual
    rings = both[(shape >= 0.4) & (shape <= 2.2) & (parts.heights[both] >= low[0]) & (parts.heights[both] <= low[1])]
    if not len(rings):
        return np.array(found, np.int64)
    x, y = (parts.left[rings] + parts.right[rings]) / 2, (parts.top[rings] + parts.bottom[rings]) / 2
    for i in large[parts.heights[large] >= SLASH * usual].tolist():
        left, top, right, bottom = parts.box(i)
        across, down = (left + right) / 2, (top + bottom) / 2
        inside = (y > top - RING_OFF * usual) & (y < bottom + RING_OFF * usual)
        before = (x < across) & (parts.right[rings] > left - RING_OFF * usual) & (y < down) & inside
        after = (x > across) & (parts.left[rings] < right + RING_OFF * usual) & (y > down) & inside
        if before.sum() + after.sum() not in (1, 2) or max(before.sum(), after.sum()) > 1:
            continue
        stroke = parts.labels[top:bottom, left:right] == i
        if before.any() and after.any():
            is_sign = _is_slash(stroke)
        elif after.any():
            under = parts.left[rings[after][0]] < right - UNDER * parts.widths[rings[after][0]]
            is_sign = under and _is_slash_with_ring(stroke)
        else:
            over = parts.right[rings[before][0]] > left + UNDER * parts.widths[rings[before][0]]
            is_sign = over and _is_slash_with_ring(stroke[::-1, ::-1])
        if is_sign:
            found += [i, *rings[before].tolist(), *rings[after].tolist()]
    return np.array(found, np.int64)


def _is_slash(stroke: np.ndarray) -> bool:
    """Tell whether ink, bool (height, width), is a straight stroke that rises to the right."""
    y, x = np.nonzero(stroke)
    if len(y) < 3 or stroke.shape[1] < 3:
        return False
    slope, start = np.polyfit(y, x, 1)
    off = float(np.std(x - slope * y - start))
    return bool(slope < -0.1 and off <= 0.1 * stroke.shape[0])


def _is_slash_with_ring(stroke: np.ndarray) -> bool:
    """Tell whether ink, bool (height, width), is a slash that has a ring at its upper left, and ends above that."""
    height = len(stroke)
    y, x = np.nonzero(stroke)
    lower = y >= height / 2
    if lower.sum() < 3 or stroke.shape[1] < 3:
        return False
    slope, start = np.polyfit(y[lower], x[lower], 1)
    off = float(np.std(x[lower] - slope * y[lower] - start))
    tip = y < TIP * height
    apart = abs(float(np.mean(x[tip] - slope * y[tip] - start)))
    holes = find_components(fill_holes(stroke) & ~stroke)
    rows, columns = (holes.top + holes.bottom - 1) / 2, (holes.left + holes.right - 1) / 2
    beside = ((columns < slope * rows + start) & (rows < (1 - TIP) * height)).any()
    return bool(beside and slope < STEEP and off <= 0.06 * height and apart <= ASIDE * height)


def _largest(parts: Components, chosen: np.ndarray) -> np.ndarray:
    """No more of them than a page of numbers has: those with the most ink."""
    return np.sort(chosen[np.argsort(-parts.areas[chosen], kind="stable")[:MOST]])


def _in_corner(parts: Components, shape: tuple[int, ...]) -> np.ndarray:
    """Find the components that touch two neighbouring edges of the picture, as a shadow or the next sheet does."""
    beside = (parts.left <= 0) | (parts.right >= shape[1])
    return beside & ((parts.top <= 0) | (parts.bottom >= shape[0]))


def _without_pale(
    parts: Components, contrast: np.ndarray, large: np.ndarray, small: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Leave out what is far paler than most of the writing: hairs, traces of a rubber, the other side of the sheet."""
    if len(large) + len(small) < 2:
        return large, small
    inside = parts.labels >= 0
    shades = np.bincount(parts.labels[inside], contrast[inside], minlength=len(parts)) / parts.areas
    least = PALE * float(np.percentile(shades[large], 75)) if len(large) else 0.0
    return large[shades[large] >= least], small[shades[small] >= least]


def _rows(parts: Components, large: np.ndarray, usual: float) -> list[list[int]]:
    """Components in rows: each joins the row whose last members share most rows of pixels with it.

    Rows are looked up by the bands of the picture that their last members reach into, so that a component is compared
    with the few rows beside it.
    """
    band = max(1.0, BAND * usual)
    rows: list[list[int]] = []
    extents: list[tuple[int, int]] = []
    beside: dict[int, set[int]] = {}
    for i in large[np.argsort(parts.left[large], kind="stable")].tolist():
        left, top, _, bottom = parts.box(i)
        best, most = -1, OVERLAP
        bands = range(int(top / band), int(bottom / band) + 1)
        for number in sorted(set().union(*(beside.get(each, ()) for each in bands))):
            above, below = extents[number]
            shared = min(bottom, below) - max(top, above)
            apart = max(left - int(parts.right[rows[number][-1]]), 0)
            likeness = shared / min(bottom - top, below - above) - APART * apart / usual
            if likeness > most:
                best, most = number, likeness
        if best < 0:
            best = len(rows)
            rows.append([])
            extents.append((0, 0))
        else:
            for each in range(int(extents[best][0] / band), int(extents[best][1] / band) + 1):
                beside[each].discard(best)
        row = rows[best]
        row.append(i)
        last = row[-RECENT:]
        extents[best] = int(parts.top[last].min()), int(parts.bottom[last].max())
        for each in range(int(extents[best][0] / band), int(extents[best][1] / band) + 1):
            beside.setdefault(each, set()).add(best)
    return rows


def _with_marks(parts: Components, rows: list[list[int]], small: np.ndarray, usual: float) -> list[list[int]]:
    """The rows with the small components that lie in or next to them.

    Each is compared with the nearest members to its left and right in the bands of the picture around it.
    """
    members = [list(row) for row in rows]
    band = max(1.0, BAND * usual)
    beside: dict[int, list[tuple[int, int, int]]] = {}  # left, component, row
    for number, row in enumerate(rows):
        for j in row:
            for each in range(int(parts.top[j] / band), int(parts.bottom[j] / band) + 1):
                beside.setdefault(each, []).append((int(parts.left[j]), j, number))
    for found in beside.values():
        found.sort()
    reach = NEAR * usual
    for i in small.tolist():
        middle = (parts.top[i] + parts.bottom[i]) / 2
        nearest, distance = -1, 2 * usual
        for each in range(int((middle - reach) / band), int((middle + reach) / band) + 1):
            found = beside.get(each, [])
            at = bisect_left(found, (int(parts.left[i]), 0, 0))
            for _, j, number in found[max(0, at - NEIGHBOURS) : at + NEIGHBOURS]:
                across = max(int(parts.left[j] - parts.right[i]), int(parts.left[i] - parts.right[j]), 0)
                above = max(parts.top[j] - middle, middle - parts.bottom[j], 0)
                if above <= reach and above + 0.3 * across < distance:
                    nearest, distance = number, above + 0.3 * across
        if nearest >= 0:
            members[nearest].append(i)
    return members


def _line(parts: Components, members: list[int], height: float, pieces: np.ndarray, first: int) -> Line:
    """Cut the wide components of a line and number the pieces by their middles, in the map."""
    found = []  # middle, component, left, top, right, bottom
    for i in members:
        whole = parts.box(i)
        cuts = _cuts(parts, i, height) if whole[2] - whole[0] > max(WIDE * height, 8) else []
        if not cuts:
            found.append(((whole[0] + whole[2]) / 2, i, *whole))
            continue
        for left, right in zip([parts.left[i], *cuts], [*cuts, parts.right[i]], strict=True):
            inside = parts.labels[parts.top[i] : parts.bottom[i], left:right] == i
            rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
            if len(rows):
                box = left + columns[0], parts.top[i] + rows[0], left + columns[-1] + 1, parts.top[i] + rows[-1] + 1
                found.append(((box[0] + box[2]) / 2, i, *box))
    found.sort()
    for number, (_, i, left, top, right, bottom) in enumerate(found, start=first):
        view = pieces[top:bottom, left:right]
        view[parts.labels[top:bottom, left:right] == i] = number
    return Line(first, np.array([each[2:] for each in found]), np.array([each[1] for each in found]), height)


def _cuts(parts: Components, i: int, height: float) -> list[int]:
    """The columns at which a wide component may be cut: where there is little ink, or it spans few rows."""
    inside = parts.labels[parts.top[i] : parts.bottom[i], parts.left[i] : parts.right[i]] == i
    ink = inside.sum(axis=0).astype(np.float64)
    extent = np.where(ink > 0, inside.shape[0] - inside[::-1].argmax(axis=0) - inside.argmax(axis=0), 0.0)
    cost = ink + EXTENT_WEIGHT * extent
    cuts: list[int] = []
    for column in sorted({*_valleys(cost, height), *_valleys(extent, height)}):
        if not cuts or column - cuts[-1] >= max(2, int(CUT_SPACING * height)):
            cuts.append(column)
        elif cost[column] < cost[cuts[-1]]:
            cuts[-1] = column
    return [int(parts.left[i]) + column for column in cuts]


def _valleys(cost: np.ndarray, height: float) -> list[int]:
    """Find where a curve is lowest for some way to both sides."""
    blur, reach = max(1, int(CUT_BLUR * height)), max(2, int(CUT_REACH * height))
    if len(cost) <= 2 * reach:
        return []
    padded = np.concatenate([cost[:1].repeat(blur), cost, cost[-1:].repeat(blur)])
    smooth = np.convolve(padded, np.full(2 * blur + 1, 1 / (2 * blur + 1)), "valid")
    lowest, highest = (each(smooth[None], 1, 2 * reach + 1)[0] for each in (erode, dilate))
    valleys: list[int] = []
    for column in np.flatnonzero((smooth == lowest) & (smooth < highest)).tolist():
        if not reach <= column < len(cost) - reach:
            continue
        if not (valleys and column - valleys[-1] < reach and smooth[valleys[-1]] == smooth[column]):
            valleys.append(column)
    return valleys


def isolate_digit(parts: Components) -> np.ndarray:
    """The ink of one digit, bool (height, width): all components but specks, frames and what lies at the edge."""
    shape = parts.labels.shape
    if len(parts) <= 1:
        return parts.labels >= 0
    main = _main(parts, shape)
    keep = np.zeros(len(parts), bool)
    keep[main] = True
    box = np.array(parts.box(main))
    edge = parts.at_edge(shape)
    for i in np.argsort(-parts.areas):
        if keep[i] or parts.areas[i] < max(2, STRAY * parts.areas[main]):
            continue
        size = max(box[2] - box[0], box[3] - box[1])
        gap = max(parts.left[i] - box[2], box[0] - parts.right[i], parts.top[i] - box[3], box[1] - parts.bottom[i], 0)
        far = (0.15 if edge[i] else APART_AT_MOST if parts.areas[i] > 0.1 * parts.areas[main] else 0.25) * size
        if gap > far or (edge[i] and _hugs(parts, i, shape)):
            continue
        keep[i] = True
        own = parts.box(i)
        box = np.array([*np.minimum(box[:2], own[:2]), *np.maximum(box[2:], own[2:])])
    return (parts.labels >= 0) & keep[parts.labels]


def middle_digit(parts: Components) -> np.ndarray:
    """The ink of the digit in the middle, bool (height, width): components without those of its neighbours."""
    shape = parts.labels.shape
    if len(parts) <= 1:
        return parts.labels >= 0
    height, width = shape
    across = ((parts.left + parts.right) / (2 * width) - 0.5) / MIDDLE[0]
    down = ((parts.top + parts.bottom) / (2 * height) - 0.5) / MIDDLE[1]
    edge = parts.at_edge(shape)
    main = int((parts.areas * np.exp(-(across**2 + down**2) / 2) * np.where(edge, 0.6, 1.0)).argmax())
    shared = np.minimum(parts.right, parts.right[main]) - np.maximum(parts.left, parts.left[main])
    apart = np.maximum(parts.top - parts.bottom[main], parts.top[main] - parts.bottom)
    keep = ~edge & (shared >= 0.6 * parts.widths) & (parts.areas >= 0.04 * parts.areas[main])
    keep &= apart <= 0.25 * parts.heights[main]
    keep[main] = True
    return (parts.labels >= 0) & keep[parts.labels]


def _hugs(parts: Components, i: int, shape: tuple[int, ...]) -> bool:
    """Tell whether a component lies along the picture's edge: its whole depth is within an eighth of the side."""
    height, width = shape
    return bool(
        parts.right[i] <= 0.12 * width
        or parts.left[i] >= 0.88 * width
        or parts.bottom[i] <= 0.12 * height
        or parts.top[i] >= 0.88 * height
    )


def _main(parts: Components, shape: tuple[int, ...]) -> int:
    """The component with the most ink; what lies along the edge counts less."""
    height, width = shape
    centre = 1 - np.maximum(
        abs((parts.left + parts.right) / width - 1), abs((parts.top + parts.bottom) / height - 1)
    )  # 1 in the middle, 0 at the edge
    weight = parts.areas * np.where(parts.at_edge(shape), 0.2 + 0.5 * centre, 1.0)
    return int(weight.argmax())
