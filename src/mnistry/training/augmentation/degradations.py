"""Degradations of digit images for training: noise, blur, lines, stripes, fog, light, blots, holes, outlines.

Each function takes dice and float32 (n, 28, 28), 0 to 1, and gives the like; values may leave the range a little. They
are drawn wide on purpose and have nothing in common with `corruptions`, by which a finished model is tested.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mnistry.models.backend import jax
from mnistry.training.augmentation.random_pool import Dice
from mnistry.training.augmentation.sampling import SIDE, around, sampled, smooth

jnp = jax.numpy

GRID = np.arange(SIDE, dtype=np.float32)
ROWS, COLUMNS = GRID[None, :, None], GRID[None, None, :]
MIDDLE = (SIDE - 1) / 2
REACH = 3  # of a blur, in pixels each way


def noisy(dice: Dice, x: Any) -> Any:
    """Grains of all kinds: even, with the light, and pixels that are stuck."""
    n = len(x)
    amount, kind = _one(dice, x, 0.05, 0.35), dice.choose(3, n, 1, 1)
    grain, stuck = dice.normal(*x.shape), dice.uniform(*x.shape)
    salted = jnp.where(stuck < amount, (stuck < amount / 2).astype(x.dtype), x)
    shot = x + amount * jnp.sqrt(x + 0.02) * 1.5 * grain
    return jnp.clip(jnp.select([kind == 0, kind == 1], [x + amount * grain, shot], salted), 0, 1)


def blurred(dice: Dice, x: Any) -> Any:
    """Out of focus, or moved while the picture was taken."""
    angle, half, sigma = _one(dice, x, 0, np.pi), _one(dice, x, 0.5, 3.5), _one(dice, x, 0.4, 1.6)
    reach = np.arange(-REACH, REACH + 1)
    dy, dx = (offsets.reshape(1, -1, 1) for offsets in np.meshgrid(reach, reach, indexing="ij"))
    along, across = dx * jnp.cos(angle) + dy * jnp.sin(angle), dy * jnp.cos(angle) - dx * jnp.sin(angle)
    motion = jnp.exp(-0.5 * (across / 0.6) ** 2) * jax.nn.sigmoid(4 * (half - jnp.abs(along)))
    focus = jnp.exp(-0.5 * (dx**2 + dy**2) / sigma**2)
    kernel = jnp.where(dice.flip(0.6, len(x), 1, 1), motion, focus)
    kernel = kernel / kernel.sum(axis=1, keepdims=True)  # (n, 49, 1)
    padded = jnp.pad(x, ((0, 0), (REACH, REACH), (REACH, REACH)))
    return sum(
        kernel[:, row * len(reach) + column, :, None] * padded[:, row : row + SIDE, column : column + SIDE]
        for row in range(len(reach))
        for column in range(len(reach))
    )


def shattered(dice: Dice, x: Any) -> Any:
    """Seen through frosted glass: every pixel from somewhere near."""
    reach = _one(dice, x, 0.5, 2.0)
    places = (reach * dice.uniform(*x.shape, low=-1, high=1) + along for along in (ROWS, COLUMNS))
    return sampled(x, *places)


def lined(dice: Dice, x: Any) -> Any:
    """Crossed by a line: straight, dotted or zigzag."""
    n = len(x)
    angle, every, kind = _one(dice, x, 0, np.pi), _one(dice, x, 2.0, 7.0), dice.choose(3, n, 1, 1)
    y, x_ = ROWS - MIDDLE, COLUMNS - MIDDLE
    across = y * jnp.cos(angle) - x_ * jnp.sin(angle) - _one(dice, x, -8, 8)
    phase = (y * jnp.sin(angle) + x_ * jnp.cos(angle) + 2 * SIDE) / every % 1
    zigzag = across - every * (2 * jnp.abs(phase - 0.5) - 0.5)
    distance = jnp.abs(jnp.where(kind == 2, zigzag, across))
    line = jnp.clip(0.5 + _one(dice, x, 0.4, 1.2) - distance, 0, 1) * jnp.where(kind == 1, phase < 0.5, 1.0)
    return jnp.maximum(x, line * _one(dice, x, 0.5, 1.0))


def striped(dice: Dice, x: Any) -> Any:
    """A band turned into its negative, or all but a band."""
    n = len(x)
    start, width = _one(dice, x, 0, 22), _one(dice, x, 2, 16)
    place = jnp.where(dice.flip(0.3, n, 1, 1), ROWS, COLUMNS)
    inside = (place >= start) & (place < start + width)
    return jnp.where(inside ^ dice.flip(0.4, n, 1, 1), 1 - x, x)


def fogged(dice: Dice, x: Any) -> Any:
    """Behind fog: a bright, uneven ground."""
    n = len(x)
    cloud = 0.6 * smooth(dice.normal(n, 5, 5)) + 0.35 * smooth(dice.normal(n, 13, 13))
    fog = _one(dice, x, 0.1, 0.75) * jnp.clip(0.6 + 0.6 * cloud, 0, 1.4)
    return (x + fog) / jnp.where(dice.flip(0.5, n, 1, 1), 1 + fog.max(axis=(1, 2), keepdims=True), 1.0)


def lit(dice: Dice, x: Any) -> Any:
    """Brighter, paler, harder or softer."""
    n = len(x)
    curve = jnp.clip(x, 1e-4, 1) ** jnp.exp(_one(dice, x, -1.0, 1.0))
    curve = jnp.where(dice.flip(0.2, n, 1, 1), (x > 0.4).astype(x.dtype), curve)
    return curve * _one(dice, x, 0.3, 1.1) + jnp.maximum(_one(dice, x, -0.4, 0.75), 0)


def spattered(dice: Dice, x: Any) -> Any:
    """Blots on it, or blots of nothing."""
    n = len(x)
    field = smooth(dice.normal(n, 13, 13))
    blots = jax.nn.sigmoid(14 * (field - _one(dice, x, 0.55, 1.0))) * _one(dice, x, 0.4, 1.0)
    return jnp.where(dice.flip(0.25, n, 1, 1), x * (1 - blots), jnp.maximum(x, blots))


def erased(dice: Dice, x: Any) -> Any:
    """A rectangle of it gone, or filled."""
    top, left = _one(dice, x, 2, 26), _one(dice, x, 2, 26)
    inside = (jnp.abs(ROWS - top) < _one(dice, x, 1, 4)) & (jnp.abs(COLUMNS - left) < _one(dice, x, 1, 4))
    return jnp.where(inside, dice.flip(0.2, len(x), 1, 1).astype(x.dtype), x)


def outlined(dice: Dice, x: Any) -> Any:
    """The edges of the strokes alone, inside them, outside, or both."""
    n = len(x)
    solid = jax.nn.sigmoid(20 * (x - _one(dice, x, 0.2, 0.6)))
    inner, outer = solid - around(solid, jnp.minimum), around(solid, jnp.maximum) - solid
    kind = dice.choose(3, n, 1, 1)
    return jnp.select([kind == 0, kind == 1], [inner, outer], inner + outer)


def _one(dice: Dice, x: Any, low: float, high: float) -> Any:
    """A number for each image, (n, 1, 1)."""
    return dice.uniform(len(x), 1, 1, low=low, high=high)


SPOILERS: tuple[Callable[[Dice, Any], Any], ...] = (
    noisy,
    blurred,
    shattered,
    lined,
    striped,
    fogged,
    lit,
    spattered,
    erased,
    outlined,
)
