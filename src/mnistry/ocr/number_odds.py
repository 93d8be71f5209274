"""Log odds that characters beside each other are a number, not a word: by their scores, their heights and the gaps."""

from __future__ import annotations

import math
from itertools import pairwise
from statistics import median

import numpy as np

from mnistry.ocr.result import Box, DecodedDigit

WORD_GAP = 0.6  # of the line's height: a wider gap parts words and numbers
CHANGES = (0.7, 0.5), (0.35, 2.0), (-99.0, 4.0)  # gaps in heights of the line, and the cost of changing there
SPACED, CLEARLY = 3.0, 0.7  # times the usual gap; the cost of changing where a gap is wide and so much wider
EVEN = 1.4  # times the usual gap: a narrower one is none between a word and a number
# The log odds that a character is of a number rather than of a word, for what is true of it: the weights of a logistic
# regression over 1,800 groups of composed pages (docs/log.md), lower where unread. A digit counts once in a group.
ODDS = {"unread": -3.7, "surprise": -0.9, "certain": 0.82, "unsure": -1.26, "unlike": -2.5}
DIGIT_ODDS = dict(zip("0123456789", (-1.34, -1.0, 0.64, 1.78, 1.27, 0.22, 0.97, -0.17, 1.55, 1.32), strict=True))
GROUP_ODDS = 0.97  # of a group
LONELY = 3.0  # the log odds that a few characters, which are all that the page has, are a number
CERTAIN, LIKELY = 0.995, 0.9  # scores
MOST_SURPRISE, MOST_UNLIKE = 4.0, 0.7  # in nats; logarithm of a height by the usual one of the group

Characters = list[tuple[Box, DecodedDigit | None]]


def part_numbers_and_words(characters: Characters, height: float, prior: float = 0.0) -> list[tuple[bool, Characters]]:
    """Parts a line into numbers and words, by the most likely sequence of the two (Viterbi's algorithm).

    A character of a word costs the log odds that it is of a number. It costs to go from one to the other, the more the
    narrower the gap is.

    Args:
        characters: from left to right.
        height: of the line.
        prior: the log odds that a group of the page is a number.

    Returns:
        For each run whether it is a number, and its characters.
    """
    costs, steps = [0.0, 0.0], []  # of being in a number, and in a word
    gaps = [(right[0] - left[2]) / height for (left, _), (right, _) in pairwise(characters)]
    usual = max(float(median(gaps)), 0.0) if gaps else 0.0
    odds = [each for group in split_at_gaps(characters, WORD_GAP * height) for each in _odds_of_each(group, prior)]
    spaced, even = SPACED * usual, EVEN * usual if len(gaps) > 2 else 0.0
    for i in range(len(characters)):
        change = 0.0
        if i:
            gap = gaps[i - 1] if gaps[i - 1] >= even else 0.0
            change = next(cost for least, cost in CHANGES if gap >= least)
            if CHANGES[1][0] <= gaps[i - 1] >= spaced:
                change = min(change, CLEARLY)
        before = [int(costs[1] + change < costs[0]), int(costs[1] <= costs[0] + change)]
        costs = [
            costs[before[0]] + (change if before[0] else 0.0),
            costs[before[1]] + change * (before[1] != 1) + odds[i],
        ]
        steps.append(before)
    state = int(costs[1] < costs[0])
    states = []
    for before in reversed(steps):
        states.append(state)
        state = before[state]
    runs: list[tuple[bool, Characters]] = []
    for state, character in zip(reversed(states), characters, strict=True):
        if runs and runs[-1][0] == (state == 0):
            runs[-1][1].append(character)
        else:
            runs.append((state == 0, [character]))
    return runs


def log_odds(group: Characters, prior: float = 0.0) -> float:
    """The log odds that characters beside each other are a number, and not a word."""
    return sum(_odds_of_each(group, prior))


def _odds_of_each(group: Characters, prior: float) -> list[float]:
    """The part of each character in the log odds of a group; the first one has those of the group and of the page."""
    usual = median(height_of(box) for box, _ in group)
    if prior != LONELY and any(each is None for _, each in group):
        prior = min(prior, 0.0)  # what cannot be read is no badly written digit
    found = []
    names: set[str] = set()
    for box, each in group:
        unlike = ODDS["unlike"] * min(abs(math.log(max(height_of(box), 1) / usual)), MOST_UNLIKE)
        if each is None:
            found.append(ODDS["unread"] + unlike)
            continue
        score, name = each.digit.score, each.digit.name
        odds = ODDS["surprise"] * min(-math.log(max(score, 1e-9)), MOST_SURPRISE) + ODDS["certain"] * (score >= CERTAIN)
        if score < LIKELY:
            odds += ODDS["unsure"]
        elif name not in names:
            odds += DIGIT_ODDS.get(name, 0.0)
            names.add(name)
        if name != "0" or height_of(box) > usual:  # zeros are low in many a hand
            odds += unlike
        found.append(odds)
    return [each + (GROUP_ODDS + prior) / len(group) for each in found]


def split_at_gaps(characters: Characters, gap: float) -> list[Characters]:
    """Characters from left to right, parted where the gap is wide."""
    groups: list[Characters] = []
    right = 0
    for box, each in characters:
        if groups and box[0] - right <= gap:
            groups[-1].append((box, each))
        else:
            groups.append([(box, each)])
        right = max(right, box[2])
    return groups


def mean_score(characters: Characters) -> float:
    """The mean over characters, 0 for what is none."""
    scores = [0.0 if each is None else each.digit.score for _, each in characters]
    return float(np.mean(scores)) if scores else 0.0


def height_of(box: Box) -> int:
    """The rows of a box."""
    return box[3] - box[1]
