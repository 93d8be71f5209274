"""Straight lines, dots and zigzags as distances of pixels, and the ink that they leave; one for each image."""

from __future__ import annotations

import numpy as np

from mnistry.constants import IMAGE_SIZE as SIDE


def frames(angles: np.ndarray, offsets: np.ndarray, *, side: int = SIDE) -> tuple[np.ndarray, np.ndarray]:
    """Each pixel's place along and across a straight line.

    Args:
        angles: float (n,), from "to the right" towards "down", in radians.
        offsets: float (n,), how far the line passes the centre of the field, in pixels.
        side: of the field, in pixels.

    Returns:
        Two float32 arrays (n, side, side), in pixels: along the line from its point nearest to the centre, and across.
    """
    places = np.arange(side, dtype=np.float32) - (side - 1) / 2
    cosine, sine = column(np.cos(angles)), column(np.sin(angles))
    along = cosine * places + sine * places[:, None]
    across = cosine * places[:, None] - sine * places - column(offsets)
    return along, across


def from_segment(along: np.ndarray, across: np.ndarray, length: np.ndarray) -> np.ndarray:
    """The distance from a part of the line, `length` (n,) pixels long, whose middle is its point nearest the centre."""
    beyond = np.maximum(np.abs(along) - column(length) / 2, 0)
    distance: np.ndarray = np.hypot(beyond, across)
    return distance


def from_dots(along: np.ndarray, across: np.ndarray, spacing: float, phase: np.ndarray) -> np.ndarray:
    """The distance from the nearest of the points that lie on the line, `spacing` pixels apart.

    Args:
        along: as `frames` gives it.
        across: likewise.
        spacing: pixels.
        phase: float (n,), where the points lie along the line, in parts of the spacing.
    """
    beside = (along / spacing - column(phase)) % 1
    distance: np.ndarray = np.hypot(np.minimum(beside, 1 - beside) * spacing, across)
    return distance


def from_zigzag(
    along: np.ndarray, across: np.ndarray, period: np.ndarray, height: np.ndarray, phase: np.ndarray
) -> np.ndarray:
    """The distance from a zigzag around the line.

    Args:
        along: as `frames` gives it.
        across: likewise.
        period: float (n,), pixels from tooth to tooth.
        height: float (n,), pixels from the line to the teeth, which stand out to both sides.
        phase: float (n,), where the teeth lie along the line, in periods.
    """
    width, rise = column(period) / 2, 2 * column(height)
    # Mirrored at each tooth, the zigzag is one and the same stroke, by (width, rise).
    right = np.abs((along / (2 * width) - column(phase)) % 1 - 0.5) * 2 * width
    up = across + rise / 2
    nearest = np.clip((right * width + up * rise) / (width**2 + rise**2), 0, 1)
    distance: np.ndarray = np.hypot(right - nearest * width, up - nearest * rise)
    return distance


def drawn(distance: np.ndarray, *, width: float) -> np.ndarray:
    """The ink of a line of that width: 1 in it, 0 outside, and between on the pixels that its edge runs through."""
    return np.clip((width + 1) / 2 - distance, 0, 1)


def column(values: np.ndarray) -> np.ndarray:
    """One number an image, float32 (n, 1, 1), as it meets pixels (n, side, side)."""
    return np.asarray(values, np.float32)[:, None, None]
