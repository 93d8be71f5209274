"""The drawings of the lesson itself: the network, its three ideas, and its weights while it learned."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from mnistry.reporting.drawing import Drawing
from mnistry.reporting.language import message
from mnistry.reporting.plots import SMALL, WIDTH
from mnistry.training.lesson.snapshots import Network
from mnistry.training.lesson.steps import Facts

UNITS_SHOWN = 6
BLUE, ORANGE, PAPER = (np.array(colour, float) for colour in ((0, 114, 178), (213, 94, 0), (255, 255, 255)))


def network(pixels: np.ndarray, facts: Facts, class_names: Sequence[str]) -> Drawing:
    """The network: an image, uint8 (28, 28), its 784 pixels, hidden units, outputs, and where its weights are."""
    drawing = Drawing(WIDTH, 236)
    first, second = facts.weights
    middle, columns = 112.0, (118.0, 272.0, 402.0)
    inputs, hidden = _column(middle, 9, 20), _column(middle, 8, 22)
    outputs = _column(middle, min(facts.classes, 10), 19)
    for left, right, ends in ((columns[0], columns[1], (inputs, hidden)), (columns[1], columns[2], (hidden, outputs))):
        for start in ends[0]:
            for end in ends[1]:
                drawing.line([(left, start), (right, end)], "line", 0.6)
    drawing.box(7, middle - 37, 74, 74, "line")
    drawing.pixels(8, middle - 36, 72, 72, 255 - pixels)
    drawing.line([(85, middle), (106, middle)], "soft", 1.5)
    drawing.area([(112, middle), (104, middle - 4), (104, middle + 4)], "soft")
    for x, places, colour in zip(columns, (inputs, hidden, outputs), ("soft", "blue", "orange"), strict=True):
        for y in places:
            drawing.disc(x, y, 5.5, colour)
    for number, y in enumerate(outputs):
        drawing.text(columns[2] + 12, y, class_names[number][:6], anchor="start", size=SMALL)
    for x, weights in ((195.0, first), (337.0, second)):
        words = message("{n:,} weights", n=weights)
        drawing.box(x - 44, middle - 10, 88, 20, "paper")
        drawing.text(x, middle, words, bold=True, size=SMALL)
    heads = (
        (44.0, message("28 × 28 pixels"), "Flatten"),
        (columns[0], message("784 inputs"), ""),
        (columns[1], message("{n} units", n=facts.hidden), "relu, dropout"),
        (columns[2], message("{n} outputs", n=facts.classes), "softmax"),
    )
    for x, words, below in heads:
        drawing.text(x, 212, words, size=SMALL)
        drawing.text(x, 227, below or " ", size=10, fill="soft")
    return drawing


def _column(middle: float, n: int, step: float) -> list[float]:
    return [middle + (number - (n - 1) / 2) * step for number in range(n)]


def ideas(facts: Facts) -> Drawing:
    """relu, dropout and softmax, each as a small picture."""
    drawing = Drawing(WIDTH, 148)
    for x, name in ((75.0, "relu"), (230.0, "dropout"), (385.0, "softmax")):
        drawing.text(x, 10, name, bold=True)
    # relu: 0 up to 0, then as it is
    drawing.line([(20, 110), (130, 110)], "faint")
    drawing.line([(75, 28), (75, 118)], "faint")
    drawing.line([(20, 110), (75, 110), (130, 48)], "blue", 2.5)
    drawing.text(75, 136, message("negative: 0"), size=SMALL)
    # dropout: some of the units are silent in this step
    silent = np.random.default_rng(4).permutation(20)[: max(1, round(20 * facts.dropout))]
    for number in range(20):
        x, y = 186 + 22 * (number % 5), 36 + 24 * (number // 5)
        drawing.disc(x, y, 7, "line" if number in silent else "blue")
        if number in silent:
            drawing.line([(x - 5, y - 5), (x + 5, y + 5)], "soft", 1.5)
            drawing.line([(x - 5, y + 5), (x + 5, y - 5)], "soft", 1.5)
    drawing.text(230, 136, message("{share:.0%} silent in a step", share=facts.dropout), size=SMALL)
    # softmax: scores become parts of a whole
    scores = np.array([1.0, 3.0, 2.2, -0.5])
    parts = np.exp(scores) / np.exp(scores).sum()
    for number, (score, part) in enumerate(zip(scores, parts, strict=True)):
        y = 32 + 22 * number
        drawing.text(338, y + 7, f"{score:g}", anchor="end", size=SMALL)
        drawing.box(346, y, max(1.0, 70 * float(part)), 14, "orange")
        drawing.text(350 + 70 * float(part), y + 7, f"{part:.0%}", anchor="start", size=SMALL)
    drawing.text(385, 136, message("together 100%"), size=SMALL)
    return drawing


def learning(trained: Network) -> Drawing:
    """The weights of some hidden units before the training, during it and after it; the units that matter most."""
    moments = [weights[0] for weights in trained.earlier] + [trained.weights[0]]
    strength = np.abs(trained.weights[2]).sum(axis=1) * np.abs(trained.weights[0]).sum(axis=0)
    units = np.argsort(-strength, kind="stable")[:UNITS_SHOWN]
    left, top, gap = 34.0, 20.0, 5.0
    side = (WIDTH - left) / max(6, len(moments)) - gap
    drawing = Drawing(WIDTH, top + (side + gap) * len(units) + 26)
    for column, weights in enumerate(moments):
        x = left + column * (side + gap)
        number = trained.moments[column] if column < len(trained.moments) else None
        words = message("end") if number is None else message("before") if number == 0 else str(number)
        drawing.text(x + side / 2, 9, words, size=SMALL)
        for row, unit in enumerate(units):
            drawing.pixels(x, top + row * (side + gap), side, side, weights_picture(weights[:, unit]))
    for row, unit in enumerate(units):
        drawing.text(left - 8, top + row * (side + gap) + side / 2, str(int(unit) + 1), anchor="end", size=SMALL)
    drawing.text(left + (WIDTH - left) / 2, drawing.height - 12, message("weights of six hidden units, by epoch"))
    drawing.text(8, top + (side + gap) * len(units) / 2, message("unit"), upright=True)
    return drawing


def weights_picture(weights: np.ndarray) -> np.ndarray:
    """Weights (784,) as a picture, uint8 (28, 28, 3): orange for ink that speaks for the unit, blue against it."""
    share = np.clip(weights.reshape(28, 28) / (2.5 * math.sqrt(float(np.mean(weights**2))) + 1e-12), -1, 1)[..., None]
    ends = np.where(share > 0, ORANGE, BLUE)
    return np.asarray(np.rint(PAPER + np.abs(share) * (ends - PAPER)), np.uint8)
