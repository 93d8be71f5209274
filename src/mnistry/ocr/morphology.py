"""Morphology of masks and pictures: dilation, erosion, closing and distances, in NumPy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

STRIP = 1 << 16  # pixels that are closed at a time: they stay in the processor's cache


def dilate(image: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Replace each pixel by the largest of the window around it; what lies outside does not count.

    Args:
        image: (height, width), bool, uint8 or floats.
        rows: of the window; where they are even, one more lies above the pixel than below it.
        columns: of the window, likewise.
    """
    return _slide(_slide(image, rows, np.maximum, _lowest(image)).T, columns, np.maximum, _lowest(image)).T


def erode(image: np.ndarray, rows: int, columns: int, *, outside: bool = True) -> np.ndarray:
    """Replace each pixel by the smallest of the window around it, see `dilate`.

    Args:
        image: (height, width), bool, uint8 or floats.
        rows: of the window.
        columns: of the window.
        outside: False where what lies outside the picture counts as 0.
    """
    fill = _highest(image) if outside else 0
    return _slide(_slide(image, rows, np.minimum, fill).T, columns, np.minimum, fill).T


def _lowest(image: np.ndarray) -> float:
    return 0 if image.dtype.kind in "bu" else -np.inf


def _highest(image: np.ndarray) -> float:
    return 1 if image.dtype.kind == "b" else 255 if image.dtype.kind == "u" else np.inf


def _slide(image: np.ndarray, size: int, pick: Callable[..., np.ndarray], fill: float) -> np.ndarray:
    """Pick from each `size` rows, those outside being `fill`: windows of twice the size come from two of the size."""
    height = len(image)
    window = np.full((height + size - 1, image.shape[1]), fill, image.dtype)
    window[size // 2 : size // 2 + height] = image
    reach = 1
    while reach < size:
        step = min(reach, size - reach)
        window = pick(window[:-step], window[step:])
        reach += step
    return window


def close_disc(image: np.ndarray, side: int) -> np.ndarray:
    """Close what is narrower than a disc: dilate by it, then erode.

    Args:
        image: float32 (height, width), 0 and more.
        side: pixels across the disc, odd.
    """
    closed, rows = np.empty_like(image), max(2 * side, STRIP // image.shape[1])
    for top in range(0, len(image), rows):
        above = min(top, side - 1)
        part = image[top - above : top + rows + side - 1]
        grown = _by_disc(part, side, np.maximum, -np.inf)
        closed[top : top + rows] = _by_disc(grown, side, np.minimum, np.inf)[above : above + rows]
    return closed


def _by_disc(image: np.ndarray, side: int, pick: Callable[..., np.ndarray], fill: float) -> np.ndarray:
    """Pick from a disc around each pixel, row by row of the disc, the narrowest first."""
    reach, (height, width) = side // 2, image.shape
    field = np.full((height + 2 * reach, width + 2 * reach), fill, image.dtype)
    field[reach : reach + height, reach : reach + width] = image
    halves = [round(reach * np.sqrt(1 - (row / reach) ** 2)) for row in range(reach + 1)]
    row, found, half = field[:, reach : reach + width].copy(), np.full(image.shape, fill, image.dtype), 0
    for away in range(reach, -1, -1):
        while half < halves[away]:
            half += 1
            for start in (reach - half, reach + half):
                pick(row, field[:, start : start + width], out=row)
        for start in {reach - away, reach + away}:
            pick(found, row[start : start + height], out=found)
    return found


def distances(mask: np.ndarray, reach: int) -> np.ndarray:
    """Measure how far each pixel is from the next one that is set.

    Args:
        mask: bool (height, width).
        reach: pixels; what is farther away may have any distance beyond it.

    Returns:
        float32 (height, width).
    """
    squares = np.where(mask, np.int32(0), np.int32(4 * reach * reach + 4))
    for _ in range(2):
        nearest = squares.copy()
        for step in range(1, reach + 1):
            away = squares + step * step
            np.minimum(nearest[step:], away[:-step], out=nearest[step:])
            np.minimum(nearest[:-step], away[step:], out=nearest[:-step])
        squares = nearest.T
    return np.sqrt(squares, dtype=np.float32)
