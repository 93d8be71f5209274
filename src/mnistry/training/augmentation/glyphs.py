"""Characters as pen strokes: digits as they are written around the world, and signs that nobody takes for a digit.

The strokes are in `glyphs.txt`, which says how they are written down. The forms of 0, 1 and 7 that vary without
steps (round to narrow, flags of any angle) are made by `strokes`.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import NamedTuple

import numpy as np

SEGMENTS = 32  # pieces that each glyph is drawn with
SMOOTHNESS = 8  # straight pieces between two points of a curve
GRID = 20
NO_DIGIT = "no"


class Glyphs(NamedTuple):
    """Glyphs, ready to be drawn.

    Attributes:
        segments: float32 (n, SEGMENTS, 2, 2), start and end of each piece as (y, x), -1 to 1.
        strokes: int32 (n, SEGMENTS), the stroke that each piece belongs to, from 0.
        labels: int32 (n,), the class of each.
    """

    segments: np.ndarray
    strokes: np.ndarray
    labels: np.ndarray


@cache
def digits() -> Glyphs:
    """Return the digits, in forms that are common in other schools than MNIST's."""
    rows = [(label, strokes) for label, strokes in _read() if label != NO_DIGIT]
    return _prepare([strokes for _, strokes in rows], [int(label) for label, _ in rows])


@cache
def signs(label: int) -> Glyphs:
    """Return letters of several scripts, symbols and small drawings, all with the label of what is not a digit."""
    texts = [strokes for name, strokes in _read() if name == NO_DIGIT]
    return _prepare(texts, [label] * len(texts))


def _read() -> list[tuple[str, str]]:
    text = resources.files("mnistry.training.augmentation").joinpath("glyphs.txt").read_text(encoding="utf-8")
    rows = [line.partition(" ") for line in text.splitlines() if line and not line.startswith("#")]
    return [(label, strokes) for label, _, strokes in rows]


def _prepare(texts: list[str], labels: list[int]) -> Glyphs:
    segments, strokes = zip(*(_pieces(text) for text in texts), strict=True)
    return Glyphs(np.stack(segments).astype(np.float32), np.stack(strokes), np.array(labels, np.int32))


def _pieces(text: str) -> tuple[np.ndarray, np.ndarray]:
    """Cut a glyph into SEGMENTS straight pieces: (SEGMENTS, 2, 2), and the stroke of each (SEGMENTS,)."""
    strokes = [_curve(stroke.strip()) for stroke in text.split(";")]
    lengths = np.array([np.hypot(*np.diff(stroke, axis=0).T).sum() for stroke in strokes])
    spare = SEGMENTS - len(strokes)
    shares = np.floor(spare * lengths / lengths.sum()).astype(int) + 1
    shares[np.argmax(lengths)] += SEGMENTS - shares.sum()
    pieces = []
    for stroke, share in zip(strokes, shares, strict=True):
        along = np.r_[0, np.cumsum(np.hypot(*np.diff(stroke, axis=0).T))]
        at = np.linspace(0, along[-1], share + 1)
        points = np.stack([np.interp(at, along, stroke[:, axis]) for axis in (1, 0)], axis=-1)
        pieces.append(np.stack([points[:-1], points[1:]], axis=1))
    return np.concatenate(pieces) / (GRID / 2) - 1, np.repeat(np.arange(len(strokes), dtype=np.int32), shares)


def _curve(text: str) -> np.ndarray:
    """Return a stroke's points, (n, 2) as (x, y): those given, or a Catmull-Rom spline through them."""
    points = np.array([point.split(",") for point in text.removeprefix("-").split()], float)
    if text.startswith("-"):
        return points
    around = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    t = np.linspace(0, 1, SMOOTHNESS, endpoint=False)[:, None]
    a, b, c, d = (around[start : len(around) - 3 + start, None] for start in range(4))
    spline = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    return np.concatenate([spline.reshape(-1, 2), points[-1:]])
