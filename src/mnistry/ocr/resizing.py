"""Resizing and smoothing of pictures, in NumPy.

Rows come first, then columns. Each pixel is a weighted sum of a few.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

CUBIC = -0.75  # the slope of cubic interpolation at 1 pixel
REDUCING_GAP = 2.0  # times as large as wanted: what whole pixels are averaged to first
ROUNDING = 1e-9  # pixels


def resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize a picture: the mean of what each pixel covers along an axis that shrinks, else cubic interpolation.

    Args:
        image: (height, width) or (height, width, planes), numbers.
        height: rows that it will have.
        width: columns that it will have.

    Returns:
        float32, of that shape. Cubic interpolation overshoots beside edges.
    """
    return _resample(_resample(image, height, 0), width, 1)


def reduce_picture(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Reduce a picture, uint8 (height, width, 3), to about the mean of the area that each pixel covers: uint8."""
    from PIL import Image

    picture = Image.fromarray(pixels)
    return np.asarray(picture.resize((width, height), Image.Resampling.BOX, reducing_gap=REDUCING_GAP))


def _resample(image: np.ndarray, size: int, axis: int) -> np.ndarray:
    pixels, weights = _taps(image.shape[axis], size)
    shaped = weights.reshape(len(weights), -1, *[1] * (image.ndim - 1 - axis))
    resampled = image.take(pixels[0], axis) * shaped[0]
    for some, weight in zip(pixels[1:], shaped[1:], strict=True):
        resampled += image.take(some, axis) * weight
    return resampled


@lru_cache(maxsize=1024)
def _taps(before: int, after: int) -> tuple[np.ndarray, np.ndarray]:
    """The pixels that each new pixel of a line is a sum of, int64 (taps, after); and their weights, float32."""
    step = before / after
    if after < before:
        first = np.floor(np.arange(after) * step + ROUNDING).astype(np.int64)
        pixels = first + np.arange(int(np.ceil(step)) + 1)[:, None]
        edges = np.arange(after + 1) * step
        weights = (np.minimum(edges[1:], pixels + 1) - np.maximum(edges[:-1], pixels)).clip(0) / step
    else:
        places = (np.arange(after) + 0.5) * step - 0.5
        pixels = np.floor(places).astype(np.int64) + np.arange(-1, 3)[:, None]
        far = np.abs(places - pixels)
        weights = _cubic(far)
    return np.clip(pixels, 0, before - 1), weights.astype(np.float32)


def _cubic(far: np.ndarray) -> np.ndarray:
    """The weight of a pixel so far away, see Keys 1981, "Cubic Convolution Interpolation"."""
    near = ((CUBIC + 2) * far - (CUBIC + 3)) * far * far + 1
    return np.where(far <= 1, near, ((CUBIC * far - 5 * CUBIC) * far + 8 * CUBIC) * far - 4 * CUBIC)


def median_of_five(image: np.ndarray) -> np.ndarray:
    """The median of five rows of the medians of five columns around each pixel, of an array whose first axes these are.

    Beyond the edge its pixels go on.
    """
    for axis in (0, 1):
        reach = [(0, 0)] * image.ndim
        reach[axis] = (2, 2)
        padded = np.moveaxis(np.pad(image, reach, "edge"), axis, 0)
        a, b, c, d, e = (padded[i : len(padded) - 4 + i] for i in range(5))
        a, b = np.minimum(a, b), np.maximum(a, b)
        c, d = np.minimum(c, d), np.maximum(c, d)
        low, high = np.maximum(a, c), np.minimum(b, d)  # neither the least nor the greatest of four
        image = np.moveaxis(np.maximum(np.minimum(low, high), np.minimum(np.maximum(low, high), e)), 0, axis)
    return image


def otsu_threshold(levels: np.ndarray) -> int:
    """Find the level, uint8, that parts pixels best into two classes: those above it and the rest.

    Otsu 1979, "A Threshold Selection Method from Gray-Level Histograms".
    """
    counts = np.bincount(levels.ravel(), minlength=256).astype(np.float64)
    below, sums = np.cumsum(counts), np.cumsum(counts * np.arange(256))
    above = below[-1] - below
    apart = sums * above - (sums[-1] - sums) * below
    spread = np.divide(apart * apart, below * above, out=np.zeros(256), where=(below > 0) & (above > 0))
    return int(spread.argmax())
