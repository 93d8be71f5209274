"""Geometric augmentation: images turned, stretched, bent, made thicker or thinner, and fitted into MNIST's box."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mnistry.constants import BOX_SIZE as BOX
from mnistry.constants import IMAGE_SIZE as SIDE
from mnistry.models.backend import jax
from mnistry.training.augmentation.random_pool import RandomPool, materialize
from mnistry.training.augmentation.sampling import bilinear_sample, dilate, erode, spline_field

jnp = jax.numpy

STRONG_SHARE, STRONGER = 0.12, 3.5  # the share of the images that is moved and bent much more, and how much more
ROTATION, SHEAR, SCALE, ASPECT, SHIFT = 0.09, 0.12, 0.06, 0.08, 0.8  # standard deviations; radians, logs, pixels
STRETCHED, STRETCH = 0.2, 0.6  # the share that is stretched or narrowed, and by how much at most, as a logarithm
SLANTED, SLANT = 0.12, 0.6  # the share that leans to the right as old handwriting does, and by how much at most
ELASTIC, ELASTIC_GRID = 0.6, 5  # pixels; control points on a side of the field of displacements
THICKNESS = 0.3
HEAVY, HAIRLINE, BLOT = 0.12, -1.0, 1.6  # the share with other pens, and how much thinner or thicker, in pixels
INKED = 0.2  # a pixel that belongs to a stroke
GRID = np.arange(SIDE, dtype=np.float32) - (SIDE - 1) / 2


def warp(pool: RandomPool, x: Any, strong_fraction: Any = 1.0, strength: float = 1.0) -> Any:
    """Turn, shear, scale, stretch, shift and bend images elastically (Simard et al. 2003).

    Stretched or slanted digits keep the longer side of their ink, as MNIST's box does.
    """
    n = len(x)
    much = jnp.where(pool.flip(STRONG_SHARE * strong_fraction, n), STRONGER, 1.0)

    def normal(deviation: float, *shape: int) -> Any:
        return strength * deviation * jnp.clip(pool.normal(n, *shape), -2, 2)

    angle, shear, scale = (normal(deviation) * much for deviation in (ROTATION, SHEAR, SCALE))
    aspect, shift = normal(ASPECT), normal(SHIFT, 2) * much[:, None]
    stretch = jnp.where(pool.flip(STRETCHED, n), pool.uniform(n, low=-STRETCH, high=STRETCH), 0.0)
    slant = jnp.where(pool.flip(SLANTED, n), pool.uniform(n, high=SLANT), 0.0)
    left, right, high = ink_columns(x)
    broad = right - left
    tall, wide = jnp.exp(stretch / 2), jnp.exp(-stretch / 2)  # how many pixels of the source make one
    fitted = jnp.maximum(high / tall, (broad + slant * high) / wide) / jnp.maximum(jnp.maximum(high, broad), 1.0)
    fitted = jnp.where(high > 0, fitted, 1.0)
    tall, wide = tall * fitted * jnp.exp(aspect / 2 - scale), wide * fitted * jnp.exp(-aspect / 2 - scale)
    cos, sin, shear = jnp.cos(angle), jnp.sin(angle), shear + slant
    row_of_y, column_of_y = cos * tall - sin * wide * shear, sin * tall + cos * wide * shear
    row_of_x, column_of_x = -sin * wide, cos * wide
    numbers = materialize(jnp.stack([row_of_y, row_of_x, column_of_y, column_of_x, shift[:, 0], shift[:, 1]], axis=1))
    row_of_y, row_of_x, column_of_y, column_of_x, down, right = (one[:, None, None] for one in numbers.T)
    middle = (SIDE - 1) / 2
    grid = jnp.arange(SIDE) - middle
    y, x_ = grid[None, :, None] - down, grid[None, None, :] - right
    bent = spline_field(strength * ELASTIC * pool.normal(n, 2, ELASTIC_GRID, ELASTIC_GRID)) + middle
    rows, columns = row_of_y * y + row_of_x * x_, column_of_y * y + column_of_x * x_
    return bilinear_sample(x, rows + bent[:, 0], columns + bent[:, 1])


def change_thickness(pool: RandomPool, x: Any, strength: float = 1.0) -> Any:
    """Make strokes thicker or thinner: by a little, or in some images from a hairline to a blot."""
    n = len(x)
    little = jnp.clip(strength * THICKNESS * pool.normal(n, 1, 1), -0.7, 1.0)
    much = pool.uniform(n, 1, 1, low=HAIRLINE, high=BLOT)
    amount = materialize(jnp.where(pool.flip(HEAVY * strength, n, 1, 1), much, little).reshape(n, 1)).reshape(n, 1, 1)
    more, less = dilate(x), erode(x)
    most = dilate(more)
    thicker = x + jnp.clip(amount, 0, 1) * (more - x) + jnp.maximum(amount - 1, 0) * (most - more)
    return thicker - jnp.maximum(-amount, 0) * (x - less)


def ink_columns(x: Any) -> tuple[Any, Any, Any]:
    """Return the first column with ink, the one after the last, and the height of the ink, of each image: (n,) each."""
    edges = []
    for axis in (1, 2):
        inked = (x > INKED).any(axis=axis)
        edges.append((jnp.argmax(inked, axis=1), SIDE - jnp.argmax(inked[:, ::-1], axis=1)))
    (left, right), (top, bottom) = edges
    return left.astype(jnp.float32), right.astype(jnp.float32), (bottom - top).astype(jnp.float32)


def keep_columns(x: Any, left: Any, stop: Any) -> Any:
    """Keep only the columns from `left` to `stop`."""
    column = jnp.arange(SIDE)[None, None, :]
    return jnp.where((column >= left[:, None, None]) & (column < stop[:, None, None]), x, 0.0)


def fit_together(parts: Sequence[tuple[Any, Any]]) -> Any:
    """Put images side by side, each moved right by its columns (n,), and fit them together into MNIST's box."""
    across = [(left + aside, right + aside) for (left, right, _), aside in ((ink_columns(x), a) for x, a in parts)]
    down = [ink_columns(jnp.swapaxes(x, 1, 2))[:2] for x, _ in parts]
    left, top = (jnp.stack([first for first, _ in edges]).min(axis=0) for edges in (across, down))
    right, bottom = (jnp.stack([last for _, last in edges]).max(axis=0) for edges in (across, down))
    size = jnp.maximum(jnp.maximum(right - left, bottom - top), 1.0) / BOX
    centre = (top + bottom - 1) / 2, (left + right - 1) / 2
    numbers = materialize(jnp.stack([size, *centre, *(aside for _, aside in parts)], axis=1))
    size, row, column, *asides = (one[:, None, None] for one in numbers.T)
    rows, columns = GRID[None, :, None] * size + row, GRID[None, None, :] * size + column
    whole = jnp.ones((1, SIDE, SIDE))
    drawn = [
        bilinear_sample(x, rows * whole, (columns - aside) * whole) for (x, _), aside in zip(parts, asides, strict=True)
    ]
    return jnp.stack(drawn).max(axis=0)


def mirror_where(x: Any, flip: Any) -> Any:
    """Mirror images, left to right, where `flip` (n, 1, 1) is true."""
    return jnp.where(flip, x[..., ::-1], x)
