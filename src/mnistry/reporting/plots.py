"""The figures of a report, drawn with matplotlib: narrow enough for a phone, readable without colour vision.

Blue and orange are those of Okabe and Ito's palette, which all kinds of colour vision tell apart; nothing is told by
colour alone.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.ticker import MaxNLocator, NullFormatter, PercentFormatter, StrMethodFormatter

BLUE, ORANGE, INK, PALE = "#0072B2", "#D55E00", "#1f2933", "#d9e2ec"
WIDTH = 4.6  # inches; at this width 9-point type is still readable on a telephone
DPI = 200
SAMPLE_COLUMNS, MISTAKE_COLUMNS = 5, 4
COUNTS_SHOWN, NAMES_SHOWN, BARS_SHOWN = 30, 50, 20  # classes in a figure
MAX_CAPTION = 16  # characters that fit under a picture
GAP = 0.22  # between the pictures of a grid, in parts of a picture
FURTHER_FONTS = (  # for names in letters that matplotlib's own font lacks, where one is installed
    "Noto Sans",
    "Noto Sans CJK KR",
    "Noto Sans CJK JP",
    "NanumGothic",
    "Malgun Gothic",
    "Apple SD Gothic Neo",
    "Hiragino Sans",
    "Yu Gothic",
)
INSTALLED = frozenset(font.name for font in fontManager.ttflist)
STYLE: Any = {
    "font.family": ["DejaVu Sans", *(name for name in FURTHER_FONTS if name in INSTALLED)],
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "text.parse_math": False,  # a class may be called $x$
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
}


@matplotlib.rc_context(STYLE)
def save(figure: Figure, path: Path) -> None:
    """Writes the figure as a PNG; letters that no font of the machine has become boxes."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        figure.savefig(path, dpi=DPI, metadata={"Software": None})


@matplotlib.rc_context(STYLE)
def samples(images: np.ndarray, labels: Sequence[str]) -> Figure:
    """Images in rows of five, each with its label.

    Args:
        images: uint8 (n, 28, 28).
        labels: n of them.
    """
    return _picture_grid(images, [(label,) for label in labels], SAMPLE_COLUMNS)


@matplotlib.rc_context(STYLE)
def mistakes(images: np.ndarray, labels: Sequence[str], answers: Sequence[str], confidences: np.ndarray) -> Figure:
    """Images that were answered wrongly: under each its label, the answer and the answer's probability."""
    shown = [f"is {label}, read {answer}" for label, answer in zip(labels, answers, strict=True)]
    if max(map(len, shown)) > MAX_CAPTION:
        shown = [f"is {label}\nread {answer}" for label, answer in zip(labels, answers, strict=True)]
    captions = [
        (*text.splitlines(), f"{_short_of_certain(confidence)} sure")
        for text, confidence in zip(shown, confidences, strict=True)
    ]
    return _picture_grid(images, captions, MISTAKE_COLUMNS)


@matplotlib.rc_context(STYLE)
def corrupted(images: np.ndarray, names: Sequence[str]) -> Figure:
    """One image spoilt in different ways, each with its name, of one or two words."""
    captions = [tuple(name.split(" ", 1)) for name in names]
    return _picture_grid(images, captions, SAMPLE_COLUMNS)


@matplotlib.rc_context(STYLE)
def image(pixels: np.ndarray, title: str) -> Figure:
    """One image with a colour bar.

    Args:
        pixels: uint8 (28, 28).
        title: what stands above it.
    """
    figure, axes = _figure(3.9)
    axes.set_title(title)
    drawn = axes.imshow(pixels, cmap="cividis", vmin=0, vmax=255)
    axes.set_xticks(range(0, 28, 5))
    axes.set_yticks(range(0, 28, 5))
    axes.set_xlabel("column")
    axes.set_ylabel("row")
    bar = figure.colorbar(drawn, ax=axes, shrink=0.85, ticks=[0, 64, 128, 192, 255])
    bar.set_label("value")
    return figure


@matplotlib.rc_context(STYLE)
def curves(losses: Sequence[float], accuracies: Sequence[float]) -> Figure:
    """Loss and accuracy on the training images, over the epochs."""
    figure = Figure(figsize=(WIDTH, 3.8), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    epochs = range(1, len(losses) + 1)
    for axes, values, colour, name in ((upper, losses, BLUE, "loss"), (lower, accuracies, ORANGE, "accuracy")):
        axes.plot(epochs, values, color=colour, marker="o" if len(losses) <= 20 else None, markersize=4)
        axes.set_ylabel(name)
        axes.grid(axis="y", color=PALE)
        axes.annotate(
            f"{values[-1]:.4f}" if axes is upper else f"{values[-1]:.2%}",
            (len(losses), values[-1]),
            xytext=(0, 9 if axes is upper else -15),
            textcoords="offset points",
            ha="right",
        )
    lower.yaxis.set_major_formatter(PercentFormatter(1, decimals=None))
    lower.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    lower.set_xlim(0.5, len(losses) + 0.5)
    lower.margins(y=0.25)
    lower.set_xlabel("epoch")
    return figure


@matplotlib.rc_context(STYLE)
def confusion(matrix: np.ndarray, class_names: Sequence[str]) -> Figure:
    """The confusion matrix: right answers on a plain diagonal, mistakes coloured on a scale of their own."""
    figure, axes = _figure(4.5)
    counts = matrix
    classes = len(counts)
    off = np.where(np.eye(classes, dtype=bool), 0, counts)
    largest = max(1, int(off.max()))
    shade = np.ma.masked_where(np.eye(classes, dtype=bool), off / largest)
    colours = matplotlib.colormaps["Oranges"].with_extremes(bad=PALE)
    axes.imshow(shade, cmap=colours, vmin=0, vmax=1.15)
    size = 7.5 if classes <= 10 else 5
    counted = range(classes) if classes <= COUNTS_SHOWN else ()  # of more classes only the colours can be told apart
    for row in counted:
        for column in counted:
            count = int(counts[row, column])
            dark = row != column and count > 0.75 * largest
            axes.text(
                column,
                row,
                str(count) if count else "·",
                ha="center",
                va="center",
                fontsize=size,
                fontweight="bold" if row == column else "normal",
                color="white" if dark else INK if count else "#9aa5b1",
            )
    every = math.ceil(classes / NAMES_SHOWN)
    longest = max(map(len, class_names))
    style: Any = {"fontsize": 9 if classes <= 15 else 4.5 if classes > COUNTS_SHOWN else 6}
    axes.set_xticks(
        range(0, classes, every), class_names[::every], rotation=90 if longest * classes > 40 else 0, **style
    )
    axes.set_yticks(range(0, classes, every), class_names[::every], **style)
    axes.set_xlabel("the model's answer")
    axes.set_ylabel("the label")
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return figure


@matplotlib.rc_context(STYLE)
def probabilities(right: np.ndarray, doubled: np.ndarray, class_names: Sequence[str]) -> Figure:
    """The probabilities of one image, and what becomes of them when Softmax is applied twice; of the likely classes.

    Args:
        right: float (classes,), the model's output.
        doubled: float (classes,), Softmax of that.
        class_names: what stands under the bars.
    """
    if len(right) > BARS_SHOWN:
        likely = np.argsort(-right, kind="stable")[:BARS_SHOWN]
        right, doubled, class_names = right[likely], doubled[likely], [class_names[number] for number in likely]
    figure, axes = _figure(0.8 + 0.42 * len(right))
    positions = np.arange(len(right))
    for values, shift, colour, hatch, name in (
        (right, -0.19, BLUE, None, "Softmax once: what the model says"),
        (doubled, 0.19, ORANGE, "////", "Softmax twice: as in the lesson"),
    ):
        axes.barh(
            positions + shift, values, 0.36, color=colour, hatch=hatch, edgecolor="white", linewidth=0, label=name
        )
        for position in np.argsort(-values, kind="stable")[:2]:
            where = (values[position], position + shift)
            axes.annotate(
                _short_of_certain(values[position]), where, xytext=(3, 0), textcoords="offset points", va="center"
            )
    axes.set_yticks(positions, class_names)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.22)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    figure.legend(loc="outside upper left")
    axes.set_xlabel("probability")
    axes.set_ylabel("class")
    return figure


@matplotlib.rc_context(STYLE)
def reliability(bins: Sequence[Any], n: int) -> Figure:
    """How often answers of each confidence are right, and how many there are."""
    figure = Figure(figsize=(WIDTH, 4.2), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    filled = [each for each in bins if each.n]
    width = bins[0].high - bins[0].low
    upper.plot([0, 1], [0, 1], color=INK, linestyle="--", linewidth=1, label="as sure as right")
    upper.bar(
        [each.low for each in filled],
        [each.accuracy for each in filled],
        width,
        align="edge",
        color=BLUE,
        edgecolor="white",
        label="right, in fact",
    )
    upper.plot(
        [each.confidence for each in filled],
        [each.confidence for each in filled],
        "D",
        color=ORANGE,
        markersize=4,
        label="right, as promised",
        clip_on=False,
        zorder=3,
    )
    upper.set_ylim(0, 1)
    upper.yaxis.set_major_formatter(PercentFormatter(1))
    upper.set_ylabel("right answers")
    upper.legend(loc="upper left")
    lower.bar(
        [each.low for each in bins], [max(each.n, 0.5) for each in bins], width, align="edge", color=PALE, edgecolor=INK
    )
    lower.set_yscale("log")
    lower.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    lower.yaxis.set_minor_formatter(NullFormatter())
    lower.set_ylim(0.7, n * 2)
    lower.set_ylabel("images")
    lower.set_xlabel("the model's confidence")
    lower.set_xlim(0, 1)
    lower.xaxis.set_major_formatter(PercentFormatter(1))
    return figure


@matplotlib.rc_context(STYLE)
def robustness(names: Sequence[str], unsure: np.ndarray, sure: np.ndarray) -> Figure:
    """The wrong answers to each kind of image: those that the model was not sure of, and those that it was.

    Args:
        names: of the kinds.
        unsure: float (kinds,), wrong answers that were not sure, as parts of all answers.
        sure: float (kinds,), wrong answers that were.
    """
    figure, axes = _figure(0.9 + 0.29 * len(names))
    positions = np.arange(len(names))
    axes.barh(positions, unsure, 0.62, color=BLUE, label="wrong, but not sure")
    axes.barh(
        positions, sure, 0.62, left=unsure, color=ORANGE, hatch="////", edgecolor="white", label="wrong, and sure of it"
    )
    for position, whole in zip(positions, unsure + sure, strict=True):
        axes.annotate(f"{whole:.1%}", (whole, position), xytext=(3, 0), textcoords="offset points", va="center")
    axes.set_yticks(positions, names)
    axes.invert_yaxis()
    axes.set_xlim(0, max(0.01, 1.18 * float((unsure + sure).max())))
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=None))
    axes.set_xlabel("wrong answers")
    axes.tick_params(axis="y", length=0)
    figure.legend(loc="outside upper left", ncols=2)
    return figure


def _short_of_certain(probability: float) -> str:
    """The probability in percent; only 1 itself is shown as 100%."""
    text = f"{probability:.1%}"
    return "over 99.9%" if text == "100.0%" and probability < 1 else text


def _figure(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.subplots()


def _picture_grid(images: np.ndarray, captions: Sequence[tuple[str, ...]], columns: int) -> Figure:
    """Pictures in rows with lines of text under each, drawn as one canvas: quicker than many axes."""
    lines = max(len(caption) for caption in captions)
    rows = math.ceil(len(images) / columns)
    step_x, step_y = 1 + GAP, 1 + GAP + 0.2 * lines
    figure = Figure(figsize=(WIDTH, WIDTH * (rows * step_y - GAP / 2) / (columns * step_x)))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(-GAP / 2, columns * step_x - GAP / 2), ylim=(rows * step_y - GAP / 2, 0))
    axes.axis("off")
    for index, (pixels, caption) in enumerate(zip(images, captions, strict=True)):
        left, top = (index % columns) * step_x, (index // columns) * step_y
        axes.imshow(
            pixels, cmap="gray", vmin=0, vmax=255, extent=(left, left + 1, top + 1, top), interpolation="nearest"
        )
        for line, text in enumerate(caption):
            axes.text(left + 0.5, top + 1.04 + 0.18 * line, text, ha="center", va="top")
    axes.set(xlim=(-GAP / 2, columns * step_x - GAP / 2), ylim=(rows * step_y - GAP / 2, 0), aspect="auto")
    return figure
