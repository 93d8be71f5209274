"""Blurs of many images at once: one Gaussian for all, a kernel for each, pixels shuffled within small cells."""

from __future__ import annotations

import numpy as np


def smoothed(images: np.ndarray, sigma: float, *, mode: str = "nearest") -> np.ndarray:
    """Each image under a Gaussian.

    Args:
        images: (n, height, width), any number type.
        sigma: standard deviation, in pixels.
        mode: what lies beyond the field, in the words of scipy.ndimage.

    Returns:
        float32, of the same shape.
    """
    from scipy import ndimage

    blurred: np.ndarray = ndimage.gaussian_filter(images.astype(np.float32), sigma, mode=mode, axes=(1, 2))
    return blurred


def convolved(images: np.ndarray, kernels: np.ndarray) -> np.ndarray:
    """Each image under its own kernel; beyond the field all is black.

    Args:
        images: (n, side, side), any number type.
        kernels: float (n, odd, odd), not negative, some of it above 0; each is brought to the sum 1.

    Returns:
        float32 (n, side, side).
    """
    side, reach = images.shape[1], kernels.shape[1] // 2
    room = (side + 2 * reach,) * 2  # so that what runs over an edge does not come in again at the other
    weights = (kernels / kernels.sum(axis=(1, 2), keepdims=True)).astype(np.float32)
    spectrum = np.fft.rfft2(images.astype(np.float32), room) * np.fft.rfft2(weights, room)
    return np.fft.irfft2(spectrum, room)[:, reach : reach + side, reach : reach + side]


def shuffled(images: np.ndarray, random: np.random.Generator, *, cell: int, margin: int) -> np.ndarray:
    """Each image with the pixels of each of its cells in random order.

    Args:
        images: (n, side, side), any number type.
        random: where the order comes from.
        cell: the side of a cell, in pixels; cells at the edges may be cut off.
        margin: how many pixels outside the field the first cells begin, less than `cell`.

    Returns:
        The same pixels, of the same type and shape.
    """
    n, side = images.shape[:2]
    rows = (np.arange(side) + margin) // cell
    cells = rows[:, None] * side + rows  # (side, side): pixels of one cell have the same number
    # Sorted by cell, in order and at random: the k-th of one list goes to the place of the k-th of the other.
    places = np.argsort(cells.reshape(-1), kind="stable")
    order = np.argsort(cells.reshape(-1) + random.random((n, side * side), np.float32), axis=1)
    moved = np.empty((n, side * side), images.dtype)
    moved[:, places] = np.take_along_axis(images.reshape(n, -1), order, axis=1)
    return moved.reshape(images.shape)
