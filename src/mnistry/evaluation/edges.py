"""Edges after Canny 1986, "A Computational Approach to Edge Detection": smooth, differentiate, thin, follow."""

from __future__ import annotations

import numpy as np

# (down, right), in turns of 45 degrees from "to the right"
STEPS = ((0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1))
SOBEL_SCALE = 8.0  # the sum of a Sobel kernel's weights times the distance: gradients come out in grey levels a pixel
TIE = 3  # decimals of a grey level a pixel; less is rounding, and must not decide between two equal pixels
EIGHT_NEIGHBOURS = np.stack([np.zeros((3, 3)), np.ones((3, 3)), np.zeros((3, 3))])  # within an image, not across


def canny(images: np.ndarray, *, sigma: float = 1.0, low: float = 20.0, high: float = 45.0) -> np.ndarray:
    """White edges on black.

    An edge is one pixel wide. Where it lies between two pixels whose gradient is the same, it is the darker one.

    Args:
        images: uint8 (n, 28, 28) 0–255.
        sigma: standard deviation of the Gaussian that smooths first, in pixels.
        low: the least gradient of an edge's pixel, in grey levels a pixel.
        high: the least gradient that one pixel of each edge must have.

    Returns:
        uint8 (n, 28, 28), 0 or 255.
    """
    from scipy import ndimage

    smooth = ndimage.gaussian_filter(images.astype(np.float32), sigma, mode="nearest", axes=(1, 2))
    down = _sobel(smooth, axis=1)
    right = _sobel(smooth, axis=2)
    strength = np.hypot(down, right).round(TIE)
    candidates = _is_crest(strength, down, right) & (strength >= low)
    edges, n = ndimage.label(candidates, EIGHT_NEIGHBOURS)
    kept = np.zeros(n + 1, bool)
    kept[edges[candidates & (strength >= high)]] = True
    return np.where(kept[edges], np.uint8(255), np.uint8(0))


def _sobel(images: np.ndarray, axis: int) -> np.ndarray:
    from scipy import ndimage

    across = ndimage.correlate1d(images, [1, 2, 1], axis=3 - axis, mode="nearest")
    gradient: np.ndarray = ndimage.correlate1d(across, [-1, 0, 1], axis=axis, mode="nearest") / SOBEL_SCALE
    return gradient


def _is_crest(strength: np.ndarray, down: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Where the gradient is larger than that of the next pixel both ways along its own direction."""
    direction = np.rint(np.arctan2(down, right) / (np.pi / 4)).astype(np.int8) % len(STEPS)
    framed = np.pad(strength, ((0, 0), (1, 1), (1, 1)))
    crest = np.zeros(strength.shape, bool)
    for number, (row, column) in enumerate(STEPS):
        brighter, darker = _neighbours(framed, row, column), _neighbours(framed, -row, -column)
        crest |= (direction == number) & (strength >= brighter) & (strength > darker)
    return crest


def _neighbours(framed: np.ndarray, row: int, column: int) -> np.ndarray:
    """What lies so many rows below and columns to the right of each pixel inside the frame."""
    height, width = framed.shape[1:]
    return framed[:, 1 + row : height - 1 + row, 1 + column : width - 1 + column]
