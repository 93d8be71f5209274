"""Degradations: noise, blur, lines, stripes, fog, light, blots, holes, outlines, few pixels, rulings, gaps.

Each function takes random numbers and float32 (n, 28, 28), 0 to 1, and returns the like; values may leave the range a
little. They are drawn wide on purpose and have nothing in common with `corruptions`, by which a finished model is
tested.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mnistry.constants import IMAGE_SIZE as SIDE
from mnistry.models.backend import jax
from mnistry.training.augmentation.random_pool import RandomPool
from mnistry.training.augmentation.sampling import bilinear_sample, dilate, erode, spline_field

jnp = jax.numpy

GRID = np.arange(SIDE, dtype=np.float32)
ROWS, COLUMNS = GRID[None, :, None], GRID[None, None, :]
MIDDLE = (SIDE - 1) / 2
REACH = 3  # of a blur, in pixels each way


def add_noise(pool: RandomPool, x: Any) -> Any:
    """Grains of all kinds: even, with the light, and pixels that are stuck."""
    n = len(x)
    amount, kind = _one(pool, x, 0.05, 0.35), pool.choose(3, n, 1, 1)
    grain, stuck = pool.normal(*x.shape), pool.uniform(*x.shape)
    salted = jnp.where(stuck < amount, (stuck < amount / 2).astype(x.dtype), x)
    shot = x + amount * jnp.sqrt(x + 0.02) * 1.5 * grain
    return jnp.clip(jnp.select([kind == 0, kind == 1], [x + amount * grain, shot], salted), 0, 1)


def blur(pool: RandomPool, x: Any) -> Any:
    """Out of focus, or moved while the picture was taken."""
    angle, half, sigma = _one(pool, x, 0, np.pi), _one(pool, x, 0.5, 3.5), _one(pool, x, 0.4, 1.6)
    reach = np.arange(-REACH, REACH + 1)
    dy, dx = (offsets.reshape(1, -1, 1) for offsets in np.meshgrid(reach, reach, indexing="ij"))
    along, across = dx * jnp.cos(angle) + dy * jnp.sin(angle), dy * jnp.cos(angle) - dx * jnp.sin(angle)
    motion = jnp.exp(-0.5 * (across / 0.6) ** 2) * jax.nn.sigmoid(4 * (half - jnp.abs(along)))
    focus = jnp.exp(-0.5 * (dx**2 + dy**2) / sigma**2)
    kernel = jnp.where(pool.flip(0.6, len(x), 1, 1), motion, focus)
    kernel = kernel / kernel.sum(axis=1, keepdims=True)  # (n, 49, 1)
    padded = jnp.pad(x, ((0, 0), (REACH, REACH), (REACH, REACH)))
    return sum(
        kernel[:, row * len(reach) + column, :, None] * padded[:, row : row + SIDE, column : column + SIDE]
        for row in range(len(reach))
        for column in range(len(reach))
    )


def shatter(pool: RandomPool, x: Any) -> Any:
    """Seen through frosted glass: every pixel from somewhere near."""
    reach = _one(pool, x, 0.5, 2.0)
    places = (reach * pool.uniform(*x.shape, low=-1, high=1) + along for along in (ROWS, COLUMNS))
    return bilinear_sample(x, *places)


def cross_with_line(pool: RandomPool, x: Any) -> Any:
    """Crossed by a line: straight, dotted or zigzag."""
    n = len(x)
    angle, every, kind = _one(pool, x, 0, np.pi), _one(pool, x, 2.0, 7.0), pool.choose(3, n, 1, 1)
    y, x_ = ROWS - MIDDLE, COLUMNS - MIDDLE
    across = y * jnp.cos(angle) - x_ * jnp.sin(angle) - _one(pool, x, -8, 8)
    phase = (y * jnp.sin(angle) + x_ * jnp.cos(angle) + 2 * SIDE) / every % 1
    zigzag = across - every * (2 * jnp.abs(phase - 0.5) - 0.5)
    distance = jnp.abs(jnp.where(kind == 2, zigzag, across))
    line = jnp.clip(0.5 + _one(pool, x, 0.4, 1.2) - distance, 0, 1) * jnp.where(kind == 1, phase < 0.5, 1.0)
    return jnp.maximum(x, line * _one(pool, x, 0.5, 1.0))


def stripe(pool: RandomPool, x: Any) -> Any:
    """A band turned into its negative, or all but a band."""
    n = len(x)
    start, width = _one(pool, x, 0, 22), _one(pool, x, 2, 16)
    place = jnp.where(pool.flip(0.3, n, 1, 1), ROWS, COLUMNS)
    inside = (place >= start) & (place < start + width)
    return jnp.where(inside ^ pool.flip(0.4, n, 1, 1), 1 - x, x)


def fog(pool: RandomPool, x: Any) -> Any:
    """Behind fog: a bright, uneven ground."""
    n = len(x)
    cloud = 0.6 * spline_field(pool.normal(n, 5, 5)) + 0.35 * spline_field(pool.normal(n, 13, 13))
    fog = _one(pool, x, 0.1, 0.75) * jnp.clip(0.6 + 0.6 * cloud, 0, 1.4)
    return (x + fog) / jnp.where(pool.flip(0.5, n, 1, 1), 1 + fog.max(axis=(1, 2), keepdims=True), 1.0)


def light_unevenly(pool: RandomPool, x: Any) -> Any:
    """Brighter, paler, harder or softer."""
    n = len(x)
    curve = jnp.clip(x, 1e-4, 1) ** jnp.exp(_one(pool, x, -1.0, 1.0))
    curve = jnp.where(pool.flip(0.2, n, 1, 1), (x > 0.4).astype(x.dtype), curve)
    return curve * _one(pool, x, 0.3, 1.1) + jnp.maximum(_one(pool, x, -0.4, 0.75), 0)


def spatter(pool: RandomPool, x: Any) -> Any:
    """Blots on it, or blots of nothing."""
    n = len(x)
    field = spline_field(pool.normal(n, 13, 13))
    blots = jax.nn.sigmoid(14 * (field - _one(pool, x, 0.55, 1.0))) * _one(pool, x, 0.4, 1.0)
    return jnp.where(pool.flip(0.25, n, 1, 1), x * (1 - blots), jnp.maximum(x, blots))


def erase(pool: RandomPool, x: Any) -> Any:
    """A rectangle of it gone, or filled."""
    top, left = _one(pool, x, 2, 26), _one(pool, x, 2, 26)
    inside = (jnp.abs(ROWS - top) < _one(pool, x, 1, 4)) & (jnp.abs(COLUMNS - left) < _one(pool, x, 1, 4))
    return jnp.where(inside, pool.flip(0.2, len(x), 1, 1).astype(x.dtype), x)


def outline(pool: RandomPool, x: Any) -> Any:
    """The edges of the strokes alone, inside them, outside, or both."""
    n = len(x)
    solid = jax.nn.sigmoid(20 * (x - _one(pool, x, 0.2, 0.6)))
    inner, outer = solid - erode(solid), dilate(solid) - solid
    kind = pool.choose(3, n, 1, 1)
    return jnp.select([kind == 0, kind == 1], [inner, outer], inner + outer)


def rasterize(pool: RandomPool, x: Any) -> Any:
    """Scanned with few pixels, 8 to 17 along the box of the digit, grey or black and white, and enlarged again."""
    n = len(x)
    size = 20 / _one(pool, x, 8, 17)
    down, right = (_one(pool, x, -0.5, 0.5) for _ in range(2))
    rows, columns = (MIDDLE + (along - MIDDLE + shift) * size for along, shift in ((ROWS, down), (COLUMNS, right)))
    quarter = size / 4
    cells = sum(
        bilinear_sample(x, rows + y * quarter + 0 * columns, columns + x_ * quarter + 0 * rows)
        for y in (-1, 1)
        for x_ in (-1, 1)
    )
    cells = cells / 4
    cells = jnp.where(pool.flip(0.6, n, 1, 1), jax.nn.sigmoid(24 * (cells - _one(pool, x, 0.25, 0.55))), cells)
    rows, columns = (MIDDLE + (along - MIDDLE) / size - shift for along, shift in ((ROWS, down), (COLUMNS, right)))
    large = bilinear_sample(cells, rows + 0 * columns, columns + 0 * rows)
    return jnp.where(pool.flip(0.6, n, 1, 1), jax.nn.sigmoid(12 * (large - 0.5)), large)


def rule(pool: RandomPool, x: Any) -> Any:
    """Written on ruled or squared paper: one or two straight lines, nearly level or upright."""
    n = len(x)
    tilt, first, apart = _one(pool, x, -0.06, 0.06), _one(pool, x, -13, 13), _one(pool, x, 5, 18)
    y, x_ = ROWS - MIDDLE, COLUMNS - MIDDLE
    across = jnp.where(pool.flip(0.75, n, 1, 1), y + tilt * x_, x_ + tilt * y) - first
    other = jnp.where(pool.flip(0.5, n, 1, 1), across + apart, 1e3)
    line = jnp.clip(0.5 + _one(pool, x, 0.2, 0.9) - jnp.minimum(jnp.abs(across), jnp.abs(other)), 0, 1)
    return jnp.maximum(x, line * _one(pool, x, 0.4, 1.0))


def break_strokes(pool: RandomPool, x: Any) -> Any:
    """Strokes with gaps, along two thin lines across the image."""
    n = len(x)
    for _ in range(2):
        angle, aside, half = _one(pool, x, 0, np.pi), _one(pool, x, -8, 8), _one(pool, x, 0.3, 1.1)
        across = (ROWS - MIDDLE) * jnp.cos(angle) - (COLUMNS - MIDDLE) * jnp.sin(angle) - aside
        near = (ROWS - MIDDLE) * jnp.sin(angle) + (COLUMNS - MIDDLE) * jnp.cos(angle) > _one(pool, x, -9, 4)
        x = x * jnp.where(near | pool.flip(0.4, n, 1, 1), jnp.clip(jnp.abs(across) - half + 0.5, 0, 1), 1.0)
    return x


def _one(pool: RandomPool, x: Any, low: float, high: float) -> Any:
    """A number for each image, (n, 1, 1)."""
    return pool.uniform(len(x), 1, 1, low=low, high=high)


DEGRADATIONS: tuple[tuple[Callable[[RandomPool, Any], Any], float], ...] = (
    (add_noise, 1),
    (blur, 1),
    (shatter, 1),
    (cross_with_line, 1),
    (stripe, 1),
    (fog, 1),
    (light_unevenly, 1),
    (spatter, 1),
    (erase, 1),
    (outline, 1),
    (rasterize, 3),
    (rule, 1),
    (break_strokes, 1.5),
)
"""Ways to spoil an image, each with its weight among them."""
