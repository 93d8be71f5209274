"""Draw strokes as a pen would, whole batches at once inside a compiled program, in MNIST's form."""

from __future__ import annotations

from typing import Any

import numpy as np

from mnistry.models.backend import jax
from mnistry.training.augmentation import glyphs
from mnistry.training.augmentation.random_pool import Dice

jnp = jax.numpy

SIDE, BOX = 28, 20
THINNEST, THICKEST = 1.2, 4.5  # pixels; MNIST's strokes are 2 to 4 wide
SLANT, ASPECT = 0.25, 0.3  # standard deviations: of the shear, and of the logarithm of width over height
WOBBLE = 0.12  # how far hands stray from the model, in parts of half the box
CALM, NERVOUS = 0.2, 1.2  # radians a piece: how much the direction of a scribble changes
BOW, LIFTED = 0.1, 0.06  # radians a piece; the chance that the pen is lifted
Y, X = 0, 1


def glyph(dice: Dice, known: glyphs.Glyphs, n: int) -> tuple[Any, Any]:
    """Glyphs drawn at random, each by another hand.

    Args:
        dice: where chance comes from.
        known: what to choose from.
        n: how many.

    Returns:
        float32 (n, 28, 28), 0 to 1, and their labels, int32 (n,).
    """
    chosen = dice.choose(len(known.labels), n)
    segments = jnp.asarray(known.segments)[chosen]
    return _draw(dice, _by_hand(dice, segments)), jnp.asarray(known.labels)[chosen]


def scribble(dice: Dice, n: int) -> Any:
    """Lines that a restless hand draws: float32 (n, 28, 28), 0 to 1.

    A walk whose direction changes a little (bows) or a lot (crumples) with each piece; now and then the pen is lifted.
    """
    pieces = glyphs.SEGMENTS
    nervous = jnp.exp(dice.uniform(n, 1, low=np.log(CALM), high=np.log(NERVOUS)))
    turns = BOW * dice.normal(n, 1) + nervous * dice.normal(n, pieces)
    heading = jnp.cumsum(turns, axis=1) + dice.uniform(n, 1, high=2 * np.pi)
    length = jnp.exp(0.4 * dice.normal(n, pieces, 1))
    step = length * jnp.stack([jnp.sin(heading), jnp.cos(heading)], axis=-1)
    jump = dice.flip(LIFTED, n, pieces, 1) * 6 * dice.normal(n, pieces, 2)
    ends = jnp.cumsum(step + jump, axis=1)  # (n, pieces, 2)
    return _draw(dice, jnp.stack([ends - step, ends], axis=2))


def _by_hand(dice: Dice, segments: Any) -> Any:
    """The same strokes as another hand would draw them: bent smoothly, slanted, narrow or wide."""
    n = len(segments)
    for number in (1, 2):  # two waves each way: a stroke stays a stroke, wherever it runs
        amplitude, frequency = WOBBLE * dice.normal(n, 1, 1, 2), number + dice.uniform(n, 1, 1, 2)
        phase = dice.uniform(n, 1, 1, 2, high=2 * np.pi)
        segments = segments + amplitude * jnp.sin(frequency * segments[..., ::-1] * 1.5 + phase)
    x = segments[..., X] + SLANT * dice.normal(n, 1, 1) * segments[..., Y]
    return jnp.stack([segments[..., Y], x * jnp.exp(ASPECT * dice.normal(n, 1, 1))], axis=-1)


def _draw(dice: Dice, segments: Any) -> Any:
    """Straight pieces (n, pieces, 2, 2) as images: fitted into MNIST's box, the centre of mass in the middle."""
    n = len(segments)
    low, high = segments.min(axis=(1, 2)), segments.max(axis=(1, 2))
    width = dice.uniform(n, 1, 1, low=THINNEST, high=THICKEST)
    scale = (BOX - width[:, 0]) / jnp.maximum((high - low).max(axis=1, keepdims=True), 1e-3)
    placed = (segments - ((low + high) / 2)[:, None, None]) * scale[:, None, None]
    length = jnp.sqrt(((placed[:, :, 1] - placed[:, :, 0]) ** 2).sum(axis=-1, keepdims=True))
    mass = (length * placed.mean(axis=2)).sum(axis=1) / jnp.maximum(length.sum(axis=1), 1e-3)
    room = (SIDE - BOX) / 2
    placed = placed - jnp.clip(mass, -room, room)[:, None, None]
    ink = jnp.clip(0.5 + width / 2 - _distance(placed), 0, 1)
    return ink * (1 - 0.4 * dice.uniform(n, 1, 1) ** 2)  # some press harder than others


def _distance(segments: Any) -> Any:
    """Measure each pixel's distance from the nearest piece: (n, 28, 28), in pixels."""
    grid = np.arange(SIDE, dtype=np.float32) - (SIDE - 1) / 2
    y, x = grid[None, :, None], grid[None, None, :]
    nearest = jnp.full((len(segments), SIDE, SIDE), 1e6, jnp.float32)
    for piece in range(segments.shape[1]):  # written out: the compiler makes one pass over the pixels of it
        (y0, x0), (y1, x1) = (tuple(segments[:, piece, end, axis, None, None] for axis in (Y, X)) for end in (0, 1))
        dy, dx = y1 - y0, x1 - x0
        along = jnp.clip(((y - y0) * dy + (x - x0) * dx) / jnp.maximum(dy * dy + dx * dx, 1e-6), 0, 1)
        nearest = jnp.minimum(nearest, (y - y0 - along * dy) ** 2 + (x - x0 - along * dx) ** 2)
    return jnp.sqrt(nearest)
