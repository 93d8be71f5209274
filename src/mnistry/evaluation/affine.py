"""Images moved, turned, sheared and scaled about the centre of their field, with bilinear interpolation."""

from __future__ import annotations

import numpy as np

from mnistry.constants import IMAGE_SIZE as SIDE

CENTRE = (SIDE - 1) / 2
BEYOND = 2  # black pixels kept around the field, so that every place has four neighbours


def warped(images: np.ndarray, matrices: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Each image under its own affine map.

    What lies at the place q = (row, column) goes to centre + matrix (q - centre) + shift. What leaves the field is
    lost, and black comes in.

    Args:
        images: (n, 28, 28), any number type.
        matrices: float (n, 2, 2), invertible.
        shifts: float (n, 2), in pixels: down, right.

    Returns:
        float32 (n, 28, 28), in the images' own range.

    >>> dot = np.zeros((1, 28, 28))
    >>> dot[0, 10, 10] = 200
    >>> moved = warped(dot, np.eye(2)[None], np.array([[3, 0.25]]))
    >>> moved[0, 13, 9:13].tolist()
    [0.0, 150.0, 50.0, 0.0]
    """
    n = len(images)
    rows, columns = _sources(matrices, shifts)
    padded = np.pad(images.astype(np.float32), ((0, 0), (BEYOND, BEYOND), (BEYOND, BEYOND)))
    stride = SIDE + 2 * BEYOND
    row, column = rows.astype(np.int32), columns.astype(np.int32)
    down, right = rows - row, columns - column
    first = (np.arange(n, dtype=np.int32) * stride**2)[:, None] + row * stride + column
    pixels = padded.reshape(-1)
    upper = pixels[first] * (1 - right) + pixels[first + 1] * right
    lower = pixels[first + stride] * (1 - right) + pixels[first + stride + 1] * right
    blended: np.ndarray = (upper * (1 - down) + lower * down).reshape(n, SIDE, SIDE)
    return blended


def _sources(matrices: np.ndarray, shifts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each pixel comes from in the padded image: float32 rows and columns, (n, 784) each."""
    offsets = np.arange(SIDE) - CENTRE
    grid = np.stack(np.meshgrid(offsets, offsets, indexing="ij")).reshape(2, -1)
    places = np.linalg.inv(matrices) @ (grid - shifts[:, :, None]) + (CENTRE + BEYOND)
    # A hair under the edge: its neighbour below must be inside the padded image. Both are black.
    inside = np.clip(places, 0, SIDE + 2 * BEYOND - 1 - 1e-3).astype(np.float32)
    return inside[:, 0], inside[:, 1]
