"""The figures of a report: narrow enough for a phone, readable without colour vision, sharp at any zoom.

Colour alone never carries meaning.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mnistry.reporting.drawing import Drawing, estimate_width
from mnistry.reporting.language import Message, message

WIDTH = 460.0
SAMPLE_COLUMNS, MISTAKE_COLUMNS = 5, 4
COUNTS_SHOWN, NAMES_SHOWN, BARS_SHOWN = 30, 50, 20  # classes in a figure
LINE = 16.0  # between two lines of text
SMALL = 11.0


def draw_samples(images: np.ndarray, labels: Sequence[str]) -> Drawing:
    """Images, uint8 (n, 28, 28), in rows of five, dark ink on white, each with its label."""
    return _picture_grid(images, [[label] for label in labels], SAMPLE_COLUMNS)


def draw_mistakes(
    images: np.ndarray, labels: Sequence[str], answers: Sequence[str], confidences: np.ndarray
) -> Drawing:
    """Images that were answered wrongly: under each its label, the answer and the answer's probability."""
    captions: list[list[str | Message]] = []
    long = max(len(label) + len(answer) for label, answer in zip(labels, answers, strict=True)) > 4
    for label, answer, confidence in zip(labels, answers, confidences, strict=True):
        sure = message("{share} sure", share=format_percent(confidence))
        if long:
            captions.append([message("is {label}", label=label), message("read {answer}", answer=answer), sure])
        else:
            captions.append([message("is {label}, read {answer}", label=label, answer=answer), sure])
    return _picture_grid(images, captions, MISTAKE_COLUMNS)


def draw_corrupted(images: np.ndarray, names: Sequence[str]) -> Drawing:
    """One image spoilt in different ways, each with its name, of one or two words."""
    return _picture_grid(images, [name.split(" ", 1) for name in names], SAMPLE_COLUMNS)


def draw_image(pixels: np.ndarray, title: str | Message) -> Drawing:
    """One image, uint8 (28, 28), in reversed grey with a colour bar, as `imshow(image, cmap="gray_r")` draws it."""
    side, left, top = 336.0, 44.0, 30.0
    drawing = Drawing(WIDTH, top + side + 48)
    drawing.text(left + side / 2, 14, title)
    _frame(drawing, left, top, side, side)
    drawing.pixels(left, top, side, side, 255 - pixels)
    for tick in range(0, len(pixels), 5):
        place = (tick + 0.5) * side / len(pixels)
        drawing.text(left - 8, top + place, str(tick), anchor="end", size=SMALL)
        drawing.text(left + place, top + side + 12, str(tick), size=SMALL)
    drawing.text(left + side / 2, top + side + 34, message("column"))
    drawing.text(10, top + side / 2, message("row"), upright=True)
    bar, wide = left + side + 18, 16.0
    _frame(drawing, bar, top, wide, side)
    drawing.pixels(bar, top, wide, side, np.arange(256, dtype=np.uint8)[:, None])
    for tick in (0, 64, 128, 192, 255):
        drawing.text(bar + wide + 6, top + side * (1 - tick / 255), str(tick), anchor="start", size=SMALL)
    return drawing


def draw_curves(losses: Sequence[float], accuracies: Sequence[float]) -> Drawing:
    """Loss and accuracy on the training images, over the epochs."""
    drawing, epochs = Drawing(WIDTH, 380), len(losses)
    panels = (
        (_Panel(drawing, 66, 16, 380, 140), losses, "blue", message("loss"), f"{losses[-1]:.4f}"),
        (_Panel(drawing, 66, 186, 380, 140), accuracies, "orange", message("accuracy"), f"{accuracies[-1]:.2%}"),
    )
    ticks = _whole_ticks(epochs)
    for panel, values, colour, name, last in panels:
        low, high = min(values), max(values)
        room = (high - low or abs(high) or 1.0) * 0.22
        panel.across(0.5, epochs + 0.5).up(max(0.0, low - room), high + room)
        share = colour == "orange"
        panel.grid(_ticks(panel.low, panel.high, 5), _as_share if share else "{:g}".format)
        panel.axis([(tick, str(tick)) for tick in ticks] if share else [(tick, "") for tick in ticks])
        points = [(panel.x(number), panel.y(value)) for number, value in enumerate(values, start=1)]
        drawing.line(points, colour, 2)
        for x, y in points if epochs <= 20 else points[-1:]:
            drawing.disc(x, y, 3.5, colour)
        x, y = points[-1]
        above = y - 14 if y - 24 > panel.top else y + 16
        drawing.text(min(x + 20, panel.right), above, last, anchor="end")
        drawing.text(12, panel.top + panel.height / 2, name, upright=True)
    drawing.text(256, 364, message("epoch"))
    return drawing


def draw_confusion(matrix: np.ndarray, class_names: Sequence[str]) -> Drawing:
    """The confusion matrix: right answers on a plain diagonal, mistakes coloured on a scale of their own."""
    classes = len(matrix)
    off = np.where(np.eye(classes, dtype=bool), 0, matrix)
    largest = max(1, int(off.max()))
    size = 12.0 if classes <= 10 else 8.0 if classes <= COUNTS_SHOWN else 6.5
    longest = max(estimate_width(name, size) for name in class_names)
    every = math.ceil(classes / NAMES_SHOWN)
    left = 34 + min(longest, 110)
    cell = (WIDTH - left - 4) / classes
    upright = longest > cell * every - 2
    below = min(longest, 110) + 12 if upright else 20
    drawing = Drawing(WIDTH, 4 + cell * classes + below + 24)
    count_size = min(11.5, cell * 0.42, cell / (0.6 * max(3, len(str(int(matrix.max()))))))
    for row in range(classes):
        for column in range(classes):
            count, x, y = int(matrix[row, column]), left + column * cell, 4 + row * cell
            shade = off[row, column] / largest
            fill = "line" if row == column else _orange(shade)
            drawing.box(x, y, cell - 1, cell - 1, fill)
            if classes > COUNTS_SHOWN:
                continue  # of more classes only the colours can be told apart
            ink = "ink" if row == column else "#1f2933" if count else "#6b6b6b"
            style = {"size": count_size, "fill": ink, "bold": row == column}
            drawing.text(x + cell / 2, y + cell / 2, str(count) if count else "·", **style)
    for number in range(0, classes, every):
        middle = (number + 0.5) * cell
        drawing.text(left - 6, 4 + middle, class_names[number], anchor="end", size=size)
        under = 4 + classes * cell + 6
        place = {"anchor": "end", "upright": True} if upright else {}
        drawing.text(left + middle, under if upright else under + 6, class_names[number], size=size, **place)
    drawing.text(left + classes * cell / 2, drawing.height - 10, message("the model's answer"))
    drawing.text(10, 4 + classes * cell / 2, message("the label"), upright=True)
    return drawing


def draw_probabilities(right: np.ndarray, doubled: np.ndarray, class_names: Sequence[str]) -> Drawing:
    """The probabilities of one image beside those that a second Softmax makes of them; the likeliest of many classes.

    Both are float (classes,).
    """
    if len(right) > BARS_SHOWN:
        likely = np.argsort(-right, kind="stable")[:BARS_SHOWN]
        right, doubled, class_names = right[likely], doubled[likely], [class_names[number] for number in likely]
    step, top = 38.0, 58.0
    left = 34 + max(estimate_width(name) for name in class_names)
    drawing = Drawing(WIDTH, top + step * len(right) + 46)
    kinds = (
        (right, 2.0, "blue", False, message("Softmax once: what the model says")),
        (doubled, 18.0, "orange", True, message("Softmax twice: as in the tutorial")),
    )
    panel = _Panel(drawing, left, top, WIDTH - left - 62, step * len(right)).across(0, 1)
    panel.axis([(tick, f"{tick:.0%}") for tick in (0, 0.25, 0.5, 0.75, 1)], lines=True)
    for line, (values, shift, colour, striped, name) in enumerate(kinds):
        drawing.box(left, 10 + 20 * line, 14, 11, colour, striped=striped)
        drawing.text(left + 22, 16 + 20 * line, name, anchor="start")
        largest = set(np.argsort(-values, kind="stable")[:2].tolist())
        for number, value in enumerate(values):
            y, long = top + number * step + shift, panel.x(value) - left
            drawing.box(left, y, max(long, 0.5), 15, colour, striped=striped)
            if number in largest:
                drawing.text(left + long + 5, y + 7.5, format_percent(float(value)), anchor="start", size=SMALL)
    for number, class_name in enumerate(class_names):
        drawing.text(left - 8, top + number * step + 17, class_name, anchor="end")
    drawing.text(left + panel.width / 2, drawing.height - 10, message("probability"))
    drawing.text(10, top + panel.height / 2, message("class"), upright=True)
    return drawing


def draw_reliability(bins: Sequence[Any], n: int) -> Drawing:
    """The share of right answers at each confidence, and the number of answers there."""
    drawing = Drawing(WIDTH, 440)
    upper = _Panel(drawing, 62, 50, 374, 236).across(0, 1).up(0, 1)
    lower = _Panel(drawing, 62, 306, 374, 76).across(0, 1).up(math.log10(0.7), math.log10(n * 2))
    upper.grid([0, 0.25, 0.5, 0.75, 1], lambda value: f"{value:.0%}")
    powers = range(math.floor(math.log10(n)) + 1)
    lower.grid(list(powers)[:: 1 + len(powers) // 4], lambda value: f"{10**value:,.0f}")
    upper.axis([])
    lower.axis([(tick, f"{tick:.0%}") for tick in (0, 0.25, 0.5, 0.75, 1)])
    for each in bins:
        x, wide = upper.x(each.low), upper.x(each.high) - upper.x(each.low) - 1
        if each.n:
            drawing.box(x, upper.y(each.accuracy), wide, upper.bottom - upper.y(each.accuracy), "blue")
            drawing.box(x, lower.y(math.log10(each.n)), wide, lower.bottom - lower.y(math.log10(each.n)), "faint")
    drawing.line([(upper.x(0), upper.y(0)), (upper.x(1), upper.y(1))], "ink", dashed=True)
    for each in bins:
        if each.n:
            _diamond(drawing, upper.x(each.confidence), upper.y(each.confidence))
    drawing.box(62, 8, 12, 11, "blue")
    drawing.text(82, 14, message("right answers"), anchor="start")
    _diamond(drawing, 68, 34)
    drawing.text(82, 34, message("confidence: how many should be right"), anchor="start")
    drawing.text(12, upper.top + upper.height / 2, message("right answers"), upright=True)
    drawing.text(12, lower.top + lower.height / 2, message("images"), upright=True)
    drawing.text(249, 424, message("the model's confidence"))
    return drawing


def draw_robustness(names: Sequence[str], unsure: np.ndarray, sure: np.ndarray) -> Drawing:
    """The wrong answers to each kind of image: those that the model was not sure of, and those that it was.

    Both are float (kinds,), as parts of all answers.
    """
    step, top = 26.0, 34.0
    left = 14 + max(estimate_width(name) for name in names)
    drawing = Drawing(WIDTH, top + step * len(names) + 46)
    most = max(0.01, 1.02 * float((unsure + sure).max()))
    panel = _Panel(drawing, left, top, WIDTH - left - 54, step * len(names)).across(0, most)
    panel.axis([(tick, _as_share(tick)) for tick in _ticks(0, most, 4)], lines=True)
    for number, (name, one, other) in enumerate(zip(names, unsure, sure, strict=True)):
        y, middle, end = top + number * step + 4, panel.x(float(one)), panel.x(float(one + other))
        drawing.box(left, y, max(middle - left, 0.5), 18, "blue")
        if other:
            drawing.box(middle, y, end - middle, 18, "orange", striped=True)
        drawing.text(end + 5, y + 9, f"{one + other:.1%}", anchor="start", size=SMALL)
        drawing.text(left - 8, y + 9, name, anchor="end")
    x = 12.0
    for colour, text in (("blue", message("wrong, but not sure")), ("orange", message("wrong, and sure of it"))):
        drawing.box(x, 8, 14, 11, colour, striped=colour == "orange")
        drawing.text(x + 20, 14, text, anchor="start")
        x += 44 + estimate_width(str(text))
    drawing.text(left + panel.width / 2, drawing.height - 10, message("wrong answers"))
    return drawing


def format_percent(probability: float) -> str:
    """The probability in percent; only 1 itself is shown as 100%."""
    text = f"{probability:.1%}"
    return ">99.9%" if text == "100.0%" and probability < 1 else text


@dataclass
class _Panel:
    """A field of a drawing with a scale across and a scale up; sides are in units of the drawing."""

    drawing: Drawing
    left: float
    top: float
    width: float
    height: float
    first: float = 0.0
    last: float = 1.0
    low: float = 0.0
    high: float = 1.0

    def across(self, first: float, last: float) -> _Panel:
        self.first, self.last = first, last
        return self

    def up(self, low: float, high: float) -> _Panel:
        self.low, self.high = low, high
        return self

    @property
    def right(self) -> float:
        return self.left + self.width

    @property
    def bottom(self) -> float:
        return self.top + self.height

    def x(self, value: float) -> float:
        return self.left + (value - self.first) / (self.last - self.first) * self.width

    def y(self, value: float) -> float:
        return self.bottom - (value - self.low) / (self.high - self.low) * self.height

    def grid(self, ticks: Sequence[float], shown: Callable[[float], str]) -> None:
        """Draw a pale line and a number for each value up."""
        for tick in ticks:
            self.drawing.line([(self.left, self.y(tick)), (self.right, self.y(tick))], "line")
            self.drawing.text(self.left - 8, self.y(tick), shown(tick), anchor="end", size=SMALL)

    def axis(self, ticks: Sequence[tuple[float, str]], *, lines: bool = False) -> None:
        """Draw the lower edge, or upright lines, with a mark and a text for each value across."""
        for tick, text in ticks:
            top = self.top if lines else self.bottom
            self.drawing.line([(self.x(tick), top), (self.x(tick), self.bottom + 4)], "line" if lines else "ink")
            if text:
                self.drawing.text(self.x(tick), self.bottom + 13, text, size=SMALL)
        if not lines:
            self.drawing.line([(self.left, self.bottom), (self.right, self.bottom)], "ink")


def _picture_grid(images: np.ndarray, captions: Sequence[Sequence[str | Message]], columns: int) -> Drawing:
    """Pictures in rows, dark ink on white, with lines of text under each."""
    lines = max(len(caption) for caption in captions)
    across, gap = WIDTH / columns, 14.0
    side = across - gap
    step = side + LINE * lines + 12
    drawing = Drawing(WIDTH, math.ceil(len(images) / columns) * step)
    for number, (pixels, caption) in enumerate(zip(images, captions, strict=True)):
        x, y = (number % columns) * across + gap / 2, (number // columns) * step + 2
        _frame(drawing, x, y, side, side)
        drawing.pixels(x, y, side, side, 255 - pixels)
        for line, text in enumerate(caption):
            size = min(12.0, 12.0 * (across - 2) / max(1.0, estimate_width(str(text))))
            drawing.text(x + side / 2, y + side + 11 + LINE * line, text, size=size)
    return drawing


def _frame(drawing: Drawing, x: float, y: float, width: float, height: float) -> None:
    drawing.box(x - 1, y - 1, width + 2, height + 2, "line")


def _diamond(drawing: Drawing, x: float, y: float) -> None:
    drawing.area([(x - 5, y), (x, y - 5), (x + 5, y), (x, y + 5)], "orange")


def _orange(share: float) -> str:
    """A colour between nearly white and orange, on which dark letters can be read."""
    low, high = np.array([255, 247, 240]), np.array([226, 120, 45])
    red, green, blue = (round(float(value)) for value in low + (high - low) * min(1.0, share))
    return f"#{red:02x}{green:02x}{blue:02x}"


def _ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers between two values, at most `most` steps of 1, 2 or 5 times a power of ten apart.

    >>> _ticks(0.2, 1.1, 5)
    [0.2, 0.4, 0.6, 0.8, 1.0]
    """
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    return [round(number * step, 10) for number in range(math.ceil(low / step), math.floor(high / step + 1e-9) + 1)]


def _whole_ticks(n: int) -> list[int]:
    step = max(1, math.ceil(n / 8))
    nice = next(size for size in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10**9) if size >= step)
    return [1] if n == 1 else list(range(1 if nice == 1 else nice, n + 1, nice))


def _as_share(value: float) -> str:
    return f"{100 * value:g}%"
