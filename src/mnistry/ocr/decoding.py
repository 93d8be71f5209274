"""Find the pieces that of a line make a digit together: the best way through all that they may make."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, islice, pairwise

import numpy as np

from mnistry.ocr.result import Box, DecodedDigit, doubt
from mnistry.ocr.segmentation import Line

MOST_PIECES = 9  # a digit
MOST_HYPOTHESES = 4500  # a picture: a page of 600 digits has some 2,000
WIDEST = 1.7  # heights
GAP = 0.35  # heights between two pieces of a digit, at most
LOWEST, FEWEST_ROWS = 0.3, 4  # heights; pixels: nothing so low is a digit
SKIPPED, SKIPPED_SIZE, LARGEST = 0.3, 3.0, 1.2  # cost of passing over a piece: fixed, by its size squared, size at most
TORN = 1.0  # cost of passing over a piece of a component, or of what looks like one, of which another may be taken
WITHIN, CLOSE = 0.7, 0.12  # of its width; heights: a piece that lies above or below another one
BESIDE = 12  # pieces to each side that are compared
DASH = 0.4, 0.35  # heights: the most of a dash or an equals sign, and its least width
TOGETHER, FARTHER = 0.12, 3.0  # heights between two pieces that may well be of one digit; joints for each more
HIGH, JOINED = 0.6, 1.5  # heights; cost of joining two pieces so high with a gap between them
APART = 0.04, 0.12  # heights: with a gap so wide it costs nothing, and all of that
ZERO, NARROW = 0.28, 0.4  # heights; width by height: a small zero, at least
FOOT = 0.08  # heights by which it may reach below the others
CUT = 0.35  # cost of each side on which a digit is cut off its neighbour
LOW, LOW_COST = 0.5, 8.0  # heights; a lower digit costs half, and this for each height that it lacks
ROUND, CLEAR, SMALL_RING = 0.6, 0.9, 0.25  # width by height, score, and part of that cost, of a small zero
ROUNDS = 4  # in which few hypotheses are asked about; then all that may matter
DOUBTFUL = 0.5  # digit score
BROAD, BROAD_COST = 1.2, 3.0  # widths by height; a broader digit costs this for each that is too much


Ask = Callable[[Sequence[tuple[int, int]]], Sequence[float] | None]


@dataclass(frozen=True)
class Hypothesis:
    """Pieces that follow each other in a line and may be a digit.

    Attributes:
        start: the first piece, counted from the line's first.
        stop: the piece after the last.
        box: left, top, right and bottom, the last two exclusive.
    """

    start: int
    stop: int
    box: Box


def hypotheses(lines: Sequence[Line], most: int = MOST_HYPOTHESES) -> list[list[Hypothesis]] | None:
    """All that the pieces of each line may make, with fewer pieces to a digit where that would be more than `most`.

    None where it is more even with one piece to a digit.
    """
    for pieces in (MOST_PIECES, 3, 1):
        found: list[list[Hypothesis]] = []
        left = most
        for line in lines:
            found.append(list(islice(_of_line(line, pieces), left + 1)))
            left -= len(found[-1])
            if left < 0:
                break
        else:
            return found
    return None


def _of_line(line: Line, most: int) -> Iterator[Hypothesis]:
    """Yield all candidates of up to `most` neighbouring pieces of a line."""
    boxes = line.boxes.tolist()
    for start in range(len(line)):
        left, top, right, bottom = boxes[start]
        for stop in range(start + 1, min(start + most, len(line)) + 1):
            box = boxes[stop - 1]
            if box[0] - right > GAP * line.height:
                break
            left, top, right, bottom = min(left, box[0]), min(top, box[1]), max(right, box[2]), max(bottom, box[3])
            if right - left > WIDEST * line.height:
                break
            if bottom - top >= max(LOWEST * line.height, FEWEST_ROWS):
                yield Hypothesis(start, stop, (left, top, right, bottom))


def decode(lines: Sequence[Line], found: Sequence[list[Hypothesis]], ask: Ask) -> list[list[int]] | None:
    """Find the hypotheses that explain each line best, by dynamic programming from left to right.

    The recognizer is asked as little as the answer needs: a hypothesis that nobody has asked about counts as surely a
    digit, and only those on the best way are asked about, until all on it are known (Dellin and Srinivasa 2016, "A
    Unifying Formalism for Shortest Path Problems with Expensive Edge Evaluations"). The ways are the same as if all
    had been asked about.

    Args:
        lines: the lines.
        found: the hypotheses of each.
        ask: gives, for hypotheses as (line, index) pairs, how much each looks like some one digit, 0 to 1; None where
            they are too much to look at.

    Returns:
        For each line indices into its hypotheses, from left to right; pieces that belong to none are passed over.
        None where `ask` gave none.
    """
    lattices = [_Lattice(line, those) for line, those in zip(lines, found, strict=True)]
    ways: list[list[int]] = [[] for _ in lattices]
    open_lines = list(range(len(lattices)))
    asked = 0
    while open_lines:
        wanted = []
        for number in open_lines:
            ways[number], unknown = lattices[number].best_way(few=asked < ROUNDS)
            wanted += [(number, index) for index in unknown]
        beliefs = ask(wanted) if wanted else ()
        if beliefs is None:
            return None
        for (number, index), belief in zip(wanted, beliefs, strict=True):
            lattices[number].learn(index, belief)
        open_lines = sorted({number for number, _ in wanted})
        asked += 1
    return ways


class _Lattice:
    """The ways through a line: each hypothesis with its cost, or the least that it can cost while it is not known."""

    def __init__(self, line: Line, found: list[Hypothesis]) -> None:
        cuts, pieces_of = _cuts(line), Counter(line.parts.tolist())
        self._line, self._found = line, found
        self._passing = [_cost_of_passing(line, cuts, piece) for piece in range(len(line))]
        self._shape = [_cost_of_shape(line, cuts, pieces_of, each) for each in found]
        self._costs = [_cost(line, each, shape, 1.0) for each, shape in zip(found, self._shape, strict=True)]
        self._known = [False] * len(found)
        self._ending: list[list[int]] = [[] for _ in range(len(line) + 1)]
        for index, candidate in enumerate(found):
            self._ending[candidate.stop].append(index)

    def learn(self, index: int, belief: float) -> None:
        """Take in how much a hypothesis looks like some one digit."""
        self._costs[index] = _cost(self._line, self._found[index], self._shape[index], belief)
        self._known[index] = True

    def best_way(self, *, few: bool) -> tuple[list[int], list[int]]:
        """The best way, and what must be asked about: what is unknown on it, or all that may be on a better one."""
        costs, steps = self._forward(self._costs)
        way, stop = [], len(self._line)
        while stop:
            stop, index = steps[stop]
            if index >= 0:
                way.append(index)
        unknown = [index for index in way if not self._known[index]]
        if unknown and not few:
            surely = [cost if known else math.inf for cost, known in zip(self._costs, self._known, strict=True)]
            most = self._forward(surely)[0][-1]
            after = self._backward()
            unknown = [
                index
                for index, each in enumerate(self._found)
                if not self._known[index] and costs[each.start] + self._costs[index] + after[each.stop] <= most
            ]
        return way[::-1], unknown

    def _forward(self, hypothesis_costs: list[float]) -> tuple[list[float], list[tuple[int, int]]]:
        """The least cost from the start to each border, and the last step to there: from which border, by which."""
        costs, steps = [0.0], [(0, -1)]
        for stop in range(1, len(self._line) + 1):
            best = (costs[stop - 1] + self._passing[stop - 1], stop - 1, -1)
            for index in self._ending[stop]:
                start = self._found[index].start
                best = min(best, (costs[start] + hypothesis_costs[index], start, index))
            costs.append(best[0])
            steps.append(best[1:])
        return costs, steps

    def _backward(self) -> list[float]:
        """The least cost from each border to the end."""
        n = len(self._line)
        costs = [math.inf] * n + [0.0]
        for stop in range(n, 0, -1):
            costs[stop - 1] = min(costs[stop - 1], costs[stop] + self._passing[stop - 1])
            for index in self._ending[stop]:
                start = self._found[index].start
                costs[start] = min(costs[start], costs[stop] + self._costs[index])
        return costs


def _cost_of_shape(line: Line, cuts: list[int], pieces_of: dict[int, int], candidate: Hypothesis) -> float:
    """Compute what it costs to take pieces for a digit that lack a digit's shape."""
    left, top, right, bottom = candidate.box
    cost = BROAD_COST * max((right - left) / (bottom - top) - BROAD, 0.0)
    cost += JOINED * _joints(line, pieces_of, candidate)
    return cost + CUT * (cuts[candidate.start] + cuts[candidate.stop])


def _cost(line: Line, candidate: Hypothesis, shape: float, belief: float) -> float:
    """Compute the cost of taking pieces for a digit: the surprise in nats, that of its shape, and more if it is low."""
    left, top, right, bottom = candidate.box
    height, width = bottom - top, right - left
    cost = shape - math.log(max(belief, 1e-6))
    if height < LOW * line.height:
        round_one = width >= ROUND * height and belief >= CLEAR
        cost += (LOW_COST * (LOW - height / line.height) + 0.5) * (SMALL_RING if round_one else 1)
    return cost


def _joints(line: Line, pieces_of: dict[int, int], candidate: Hypothesis) -> float:
    """Count the neighbours that it joins which are high, whole components, and have paper between them.

    A dash or an equals sign counts by how far off it is.
    """
    boxes: dict[int, np.ndarray] = {}
    counts: dict[int, int] = {}
    for i in range(candidate.start, candidate.stop):
        part, box = int(line.parts[i]), line.boxes[i]
        known = boxes.get(part)
        boxes[part] = box if known is None else np.r_[np.minimum(known[:2], box[:2]), np.maximum(known[2:], box[2:])]
        counts[part] = counts.get(part, 0) + 1
    whole = [
        box
        for part, box in boxes.items()
        if counts[part] == pieces_of[part]
        and (box[3] - box[1] >= HIGH * line.height or _may_be_zero(box, list(boxes.values()), line.height))
    ]
    whole.sort(key=lambda box: int(box[0]))
    low, most = APART
    gaps = [(int(right[0]) - int(left[2])) / line.height for left, right in pairwise(whole)]
    high = sum(min(max((gap - low) / (most - low), 0.0), 1.0) for gap in gaps)
    ordered = sorted(boxes.values(), key=lambda box: int(box[0]))
    ends = np.maximum.accumulate([box[2] for box in ordered])
    apart = max(
        (
            int(right[0] - end)
            for left, right, end in zip(ordered, ordered[1:], ends, strict=False)
            if _is_dash(left, line.height) or _is_dash(right, line.height)
        ),
        default=0,
    )
    return high + FARTHER * max(apart / line.height - TOGETHER, 0.0)


def _may_be_zero(box: np.ndarray, boxes: Sequence[np.ndarray], height: float) -> bool:
    """Tell whether a component may be a small zero, on the base line of the others or above it, in their lower half."""
    high, wide = int(box[3] - box[1]), int(box[2] - box[0])
    top, bottom = (
        min(int(each[1]) for each in boxes),
        max((int(each[3]) for each in boxes if each is not box), default=0),
    )
    at_foot = 2 * box[1] >= top + bottom and box[3] <= bottom + FOOT * height
    return bool(high >= ZERO * height and NARROW * high <= wide <= high and at_foot)


def _is_dash(box: np.ndarray, height: float) -> bool:
    return bool(box[3] - box[1] <= DASH[0] * height and box[2] - box[0] >= DASH[1] * height)


def _cost_of_passing(line: Line, cuts: list[int], piece: int) -> float:
    left, top, right, bottom = line.boxes[piece]
    size = min(math.sqrt((bottom - top) * max(bottom - top, right - left)) / line.height, LARGEST)
    torn = cuts[piece] + cuts[piece + 1] > 0
    return SKIPPED + SKIPPED_SIZE * size**2 + TORN * (torn or _is_above_or_below(line, piece))


def _is_above_or_below(line: Line, piece: int) -> bool:
    """Tell whether a piece lies close above or below a larger one, like the parts of a broken digit."""
    around = slice(max(0, piece - BESIDE), piece + BESIDE + 1)
    left, top, right, bottom = line.boxes[around].T
    parts, piece = line.parts[around], min(piece, BESIDE)
    shared = np.minimum(right, right[piece]) - np.maximum(left, left[piece])
    apart = np.maximum(top - bottom[piece], top[piece] - bottom)
    within = (shared >= WITHIN * (right[piece] - left[piece])) & (apart <= CLOSE * line.height)
    larger = bottom - top > bottom[piece] - top[piece]
    return bool((within & larger & (parts != parts[piece])).any())


def _cuts(line: Line) -> list[int]:
    """Count the components with pieces on both sides of each border, from the start of the line."""
    parts = line.parts.tolist()
    first = {part: at for at, part in reversed(list(enumerate(parts)))}
    last = {part: at for at, part in enumerate(parts)}
    changes = [0] * (len(parts) + 1)
    for part, at in first.items():
        changes[at + 1] += 1
        changes[last[part] + 1] -= 1
    return list(accumulate(changes))


def merge_readings(
    taken: Sequence[Sequence[DecodedDigit]], other: Sequence[Sequence[DecodedDigit]]
) -> list[list[DecodedDigit]]:
    """The digits of one of two readings, not sure where they differ; what is hardly a digit there is the other's."""
    alike = [len(line) for line in taken] == [len(line) for line in other]
    if not alike:
        return [[doubt(each) for each in line] for line in taken]
    return [[_merge(*both) for both in zip(*lines, strict=True)] for lines in zip(taken, other, strict=True)]


def _merge(one: DecodedDigit, other: DecodedDigit) -> DecodedDigit:
    if one.digit.name == other.digit.name:
        return one
    seen = other.digit if one.digit.digitness < DOUBTFUL <= other.digit.digitness else one.digit
    return doubt(replace(one, digit=seen))
