"""Sampling and smoothing of whole batches of images inside compiled programs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mnistry.constants import IMAGE_SIZE as SIDE
from mnistry.models.backend import jax

jnp = jax.numpy

PAD = SIDE + 3  # a row of the padded image that is sampled from


def bilinear_sample(x: Any, rows: Any, columns: Any) -> Any:
    """Sample between the pixels, bilinearly; outside there is no ink.

    All arrays are float32 (n, 28, 28); rows and columns say where the value of each pixel is to be taken from.
    """
    n = len(x)
    rows, columns = (jnp.clip(place, -1.0, SIDE) + 1 for place in (rows, columns))
    top, left = jnp.floor(rows), jnp.floor(columns)
    down, right = rows - top, columns - left
    padded = jnp.pad(x, ((0, 0), (1, 2), (1, 2))).reshape(n, PAD * PAD)
    first = (top * PAD + left).astype(jnp.int32).reshape(n, SIDE * SIDE)

    def taken(offset: int) -> Any:
        values = jnp.take_along_axis(padded, first + offset, axis=1, mode="promise_in_bounds")
        return values.reshape(n, SIDE, SIDE)

    above = taken(0) * (1 - right) + taken(1) * right
    below = taken(PAD) * (1 - right) + taken(PAD + 1) * right
    return above * (1 - down) + below * down


def spline_field(values: Any) -> Any:
    """Turn control points (..., g, g) into a smooth field (..., 28, 28): cubic B-splines."""
    basis = jnp.asarray(_basis(values.shape[-1]))
    return jnp.einsum("yi,...ij,xj->...yx", basis, values, basis, precision=jax.lax.Precision.HIGHEST)


def _basis(points: int) -> np.ndarray:
    distance = np.abs(np.linspace(0, points - 1, SIDE)[:, None] - np.arange(points))
    near, far = (4 - 6 * distance**2 + 3 * distance**3) / 6, np.maximum(2 - distance, 0) ** 3 / 6
    weights = np.where(distance < 1, near, far)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def dilate(x: Any) -> Any:
    """Return the largest value of each pixel's 3×3 neighbourhood, float32 (n, height, width)."""
    return _neighbourhood(x, jnp.maximum)


def erode(x: Any) -> Any:
    """Return the smallest value of each pixel's 3×3 neighbourhood, float32 (n, height, width)."""
    return _neighbourhood(x, jnp.minimum)


def _neighbourhood(x: Any, choose: Callable[[Any, Any], Any]) -> Any:
    for axis in (1, 2):
        pads = [(1, 1) if axis == one else (0, 0) for one in range(3)]
        padded, size = jnp.pad(x, pads, mode="edge"), x.shape[axis]
        first, middle, last = (jax.lax.slice_in_dim(padded, at, at + size, axis=axis) for at in range(3))
        x = choose(choose(first, middle), last)
    return x
