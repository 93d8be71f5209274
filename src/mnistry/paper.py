"""The paper behind the ink: its colour at every pixel, whatever the light that fell on it.

Paper is what most of a picture's neighbourhood has in common. The neighbourhood is the whole picture where that
explains it; where the light falls off, a smooth surface is taken away first; where there are shadows or more than one
sheet, the neighbourhood becomes smaller. All of it happens on a coarse grid of cells.
"""

from __future__ import annotations

import numpy as np

CELLS = 64  # along the longer side
REACHES = (CELLS, CELLS // 4, CELLS // 8)  # of a neighbourhood to each side, in cells, the largest first
LEVELS = 64  # of brightness, for medians
LIKE_PAPER = 8.0  # of 255: how much the brightness of paper may differ from the median of its neighbourhood
GOOD_ENOUGH = 0.9  # of the cells that the best explanation makes paper, for a simpler one to be taken
TREND_ORDER = 4  # of the polynomial that light may follow: lenses darken corners with the fourth power
TREND_ROUNDS = 8
MEAN_REACH = 8  # cells over which the paper's colour is averaged
LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


def paper_of(pixels: np.ndarray) -> np.ndarray:
    """The paper's colour.

    Args:
        pixels: uint8 (height, width, 3), RGB.

    Returns:
        float32 (height, width, 3), 0–255.
    """
    from PIL import Image

    height, width = pixels.shape[:2]
    scale = min(1.0, CELLS / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    cells = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX), np.float32)
    paper = _averaged(cells, *_medians(cells @ LUMINANCE, uneven=scale < 1))
    if scale == 1:
        return paper
    planes = [Image.fromarray(np.ascontiguousarray(paper[:, :, i])) for i in range(3)]
    return np.dstack([np.asarray(plane.resize((width, height), Image.Resampling.BICUBIC)) for plane in planes])


def _medians(brightness: np.ndarray, *, uneven: bool) -> tuple[np.ndarray, int]:
    """The brightness of the paper at each cell by the simplest explanation that will do, and its reach in cells."""
    flat = np.full_like(brightness, np.median(brightness))
    if not uneven:  # a small picture is a drawing or a crop, and each of its pixels a cell
        return flat, CELLS
    bent = _trend(brightness)
    light = flat if _paper_share(brightness, flat) >= GOOD_ENOUGH * _paper_share(brightness, bent) else bent
    tried = [_local_median(brightness - light, reach) + light for reach in REACHES]
    shares = [_paper_share(brightness, middle) for middle in tried]
    chosen = next(i for i, share in enumerate(shares) if share >= GOOD_ENOUGH * max(shares))
    return tried[chosen], REACHES[chosen]


def _paper_share(brightness: np.ndarray, middle: np.ndarray) -> float:
    return float((np.abs(brightness - middle) < LIKE_PAPER).mean())


def _averaged(cells: np.ndarray, middle: np.ndarray, reach: int) -> np.ndarray:
    """The mean colour of the cells around that are like paper, for each cell."""
    brightness = cells @ LUMINANCE
    paper = cells
    for tolerance in (1.2 * LIKE_PAPER, LIKE_PAPER):
        weight = np.exp(-0.5 * ((brightness - middle) / tolerance) ** 2)[:, :, None] + 1e-6
        sums = _sums(np.dstack([(cells - middle[:, :, None]) * weight, weight]), min(reach, MEAN_REACH))
        paper = (middle[:, :, None] + sums[:, :, :3] / sums[:, :, 3:]).astype(np.float32)
        middle = paper @ LUMINANCE
    return paper


def _trend(brightness: np.ndarray) -> np.ndarray:
    """The polynomial in both directions with the least absolute deviations, found by reweighting squares."""
    height, width = brightness.shape
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    powers = [(i, j) for i in range(TREND_ORDER + 1) for j in range(TREND_ORDER + 1 - i)]
    terms = np.stack([(x**i * y**j).ravel() for i, j in powers], axis=1)  # (cells, 15)
    values = brightness.ravel().astype(np.float64)
    weights, fitted = np.ones_like(values), values
    for _ in range(TREND_ROUNDS):
        weighted = terms * weights[:, None]
        ridge = 1e-6 * np.eye(len(powers))
        fitted = terms @ np.linalg.solve(terms.T @ weighted + ridge, weighted.T @ values)
        weights = 1 / np.maximum(np.abs(values - fitted), 2.0)
    light: np.ndarray = fitted.reshape(height, width).astype(np.float32)
    return light


def _local_median(values: np.ndarray, reach: int) -> np.ndarray:
    """The median of the (2 reach + 1)² cells around each, by counting levels; float32 like the values."""
    low, high = float(values.min()), float(values.max())
    step = max((high - low) / LEVELS, 1e-3)
    levels = np.minimum((values - low) / step, LEVELS - 1).astype(np.int64)
    counts = np.zeros((*values.shape, LEVELS), np.float32)
    np.put_along_axis(counts, levels[:, :, None], 1, axis=2)
    up_to = _sums(counts, reach).cumsum(axis=2)
    middle = (up_to < up_to[:, :, -1:] / 2).sum(axis=2)
    medians: np.ndarray = (low + (middle + 0.5) * step).astype(np.float32)
    return medians


def _sums(values: np.ndarray, reach: int) -> np.ndarray:
    """The sums over the (2 reach + 1)² cells around each, fewer at the edges: float64 (height, width, n)."""
    height, width, n = values.shape
    table = np.zeros((height + 1, width + 1, n))
    table[1:, 1:] = values.cumsum(axis=0, dtype=np.float64).cumsum(axis=1)
    rows, columns = np.arange(height), np.arange(width)
    strips = table[np.minimum(rows + reach + 1, height)] - table[np.maximum(rows - reach, 0)]
    sums: np.ndarray = strips[:, np.minimum(columns + reach + 1, width)] - strips[:, np.maximum(columns - reach, 0)]
    return sums
