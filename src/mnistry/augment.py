"""What the strong recipe trains on: digits as others would write, scan and photograph them, and what is no digit.

A batch of training images goes in, a larger one comes out, inside the compiled step: all images bent and moved by a
little, a part of them also spoilt in one of many ways (see `spoil`), some digits drawn by `pen`, and some images that
are no digits at all. Everything depends on the key alone.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from mnistry import glyphs, pen
from mnistry.backend import jax
from mnistry.dice import Dice, held
from mnistry.spoil import SPOILERS
from mnistry.warp import SIDE, around, sampled, smooth

jnp = jax.numpy

CLASSES = 10
NO_DIGIT = CLASSES  # the label of what is no digit
DRAWN, NEGATIVE = 1 / 16, 1 / 8  # of the batch, added to it
SPOILT = 0.4  # of the batch: the images that go through one of the spoilers
UNSPOILT_EPOCHS, SPOILT_EPOCHS = 2, 20  # trainings so short have none of them, so long have all
TWICE = 0.1  # of those: they go through another one
WILD, WILDER = 0.12, 2.5  # the part of the images that is moved and bent much more, and how much more
ROTATION, SHEAR, SCALE, ASPECT, SHIFT = 0.13, 0.18, 0.08, 0.1, 1.0  # standard deviations; radians, logs, pixels
ELASTIC, ELASTIC_GRID = 0.8, 5  # pixels; control points on a side of the field of displacements
THICKNESS = 0.4
NUMBERS = 750  # random ones for an image, more than are needed
SIGNS, SCRIBBLES, GLUED, TURNED = 0.45, 0.2, 0.15, 0.15  # parts of what is no digit; the rest is blank
NO_DIGITS_WHEN_TURNED = (3, 4, 6, 7, 9)
DIGIT_GLYPHS, SIGN_GLYPHS = glyphs.digits(), glyphs.signs(NO_DIGIT)


def for_training(epochs: int) -> Callable[[Any, Any, Any], tuple[Any, Any]]:
    """`augment` for a training of so many epochs: a short one sees fewer spoilt images, one of two epochs none."""
    first, last = UNSPOILT_EPOCHS, SPOILT_EPOCHS
    return partial(augment, part=SPOILT * min(max((epochs - first) / (last - first), 0.0), 1.0))


def augment(key: Any, images: Any, labels: Any, *, part: float = SPOILT) -> tuple[Any, Any]:
    """A batch to train on.

    Args:
        key: of JAX's random numbers.
        images: uint8 (n, 28, 28), ink bright on black.
        labels: int32 (n,), 0 to 9.
        part: of the images, spoilt.

    Returns:
        float32 (m, 28, 28), 0 to 255, and labels int32 (m,), 0 to 10: 10 is "no digit". m is larger than n.
    """
    n = len(images)
    dice = Dice(key, NUMBERS * n)
    x = images.astype(jnp.float32) / 255
    new_x, new_y = pen.glyph(dice, DIGIT_GLYPHS, round(n * DRAWN))
    no_x = negatives(dice, x, labels, round(n * NEGATIVE))
    x = jnp.concatenate([x, new_x, no_x])
    y = jnp.concatenate([labels, new_y, jnp.full(len(no_x), NO_DIGIT, labels.dtype)])
    mixed = _evenly_mixed(len(x))
    x = spoilt(dice, thickened(dice, warped(dice, x[mixed])), part)
    return 255 * jnp.clip(x, 0, 1), y[mixed]


def _evenly_mixed(n: int) -> np.ndarray:
    """An order in which every run of positions has all parts of the batch in their proportion."""
    golden = (5**0.5 - 1) / 2
    return np.argsort(np.arange(n) * golden % 1)


def warped(dice: Dice, x: Any) -> Any:
    """Turned, sheared, scaled, shifted and bent elastically (Simard et al. 2003)."""
    n = len(x)
    much = jnp.where(dice.flip(WILD, n), WILDER, 1.0)

    def normal(deviation: float, *shape: int) -> Any:
        return deviation * jnp.clip(dice.normal(n, *shape), -2, 2)

    angle, shear, scale = (normal(deviation) * much for deviation in (ROTATION, SHEAR, SCALE))
    aspect, shift = normal(ASPECT), normal(SHIFT, 2) * much[:, None]
    tall, wide = jnp.exp(aspect / 2 - scale), jnp.exp(-aspect / 2 - scale)
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    row_of_y, column_of_y = cos * tall - sin * wide * shear, sin * tall + cos * wide * shear
    row_of_x, column_of_x = -sin * wide, cos * wide
    numbers = held(jnp.stack([row_of_y, row_of_x, column_of_y, column_of_x, shift[:, 0], shift[:, 1]], axis=1))
    row_of_y, row_of_x, column_of_y, column_of_x, down, right = (one[:, None, None] for one in numbers.T)
    middle = (SIDE - 1) / 2
    grid = jnp.arange(SIDE) - middle
    y, x_ = grid[None, :, None] - down, grid[None, None, :] - right
    bent = smooth(ELASTIC * dice.normal(n, 2, ELASTIC_GRID, ELASTIC_GRID)) + middle
    rows, columns = row_of_y * y + row_of_x * x_, column_of_y * y + column_of_x * x_
    return sampled(x, rows + bent[:, 0], columns + bent[:, 1])


def thickened(dice: Dice, x: Any) -> Any:
    """Strokes thicker or thinner, by up to a pixel on each side."""
    amount = jnp.clip(THICKNESS * dice.normal(len(x), 1, 1), -0.7, 1.0)
    more, less = around(x, jnp.maximum), around(x, jnp.minimum)
    return x + jnp.maximum(amount, 0) * (more - x) - jnp.maximum(-amount, 0) * (x - less)


def spoilt(dice: Dice, x: Any, part: float = SPOILT) -> Any:
    """A part of the images spoilt, each in one way, and a few in two."""
    size = round(len(x) * part / len(SPOILERS))
    for each in (size, round(size * TWICE)):
        x = _each_its_own(dice, x, each) if each else x
    return x


def _each_its_own(dice: Dice, x: Any, size: int) -> Any:
    """The first images spoilt, `size` in each way; the second time others meet the same spoiler."""
    done = [spoil(dice, x[number * size : (number + 1) * size]) for number, spoil in enumerate(SPOILERS)]
    return jnp.concatenate([*done, x[size * len(SPOILERS) :]])


def negatives(dice: Dice, x: Any, labels: Any, n: int) -> Any:
    """Images of no digit: signs, scribbles, digits glued, turned or overlaid, blanks.

    Args:
        dice: where chance comes from.
        x: float32 (m, 28, 28), 0 to 1, digits to take.
        labels: int32 (m,), theirs.
        n: how many.

    Returns:
        float32 (n, 28, 28), 0 to 1.
    """
    signs, scribbles, glued, turned = (round(n * part) for part in (SIGNS, SCRIBBLES, GLUED, TURNED))
    parts = [
        pen.glyph(dice, SIGN_GLYPHS, signs)[0],
        pen.scribble(dice, scribbles),
        _glued(dice, x, glued),
        _turned(dice, x, labels, turned),
        _blank(dice, n - signs - scribbles - glued - turned),
    ]
    return jnp.concatenate(parts)


def _glued(dice: Dice, x: Any, n: int) -> Any:
    """Two digits in the place of one: side by side, or one over the other a few pixels aside."""
    pairs = x[dice.choose(len(x), 2, n)]
    narrow = (pairs[..., ::2] + pairs[..., 1::2]) / 2  # 14 wide
    side_by_side = jnp.concatenate([narrow[0], narrow[1]], axis=-1)
    crossed = jnp.maximum(jnp.roll(pairs[0], 4, axis=-1), jnp.roll(pairs[1], (-3, 3), axis=(-1, -2)))
    return jnp.where(dice.flip(0.7, n, 1, 1), side_by_side, crossed)


def _turned(dice: Dice, x: Any, labels: Any, n: int) -> Any:
    """Digits that are none when they lie on their side or are seen in a mirror."""
    good = jnp.isin(labels, jnp.array(NO_DIGITS_WHEN_TURNED))
    best = jnp.argsort(jnp.where(good, dice.uniform(len(x)), 2.0))[:n]
    lying, mirrored = jnp.swapaxes(x[best], 1, 2), x[best][..., ::-1]
    return jnp.where(dice.flip(0.5, n, 1, 1), lying, mirrored)


def _blank(dice: Dice, n: int) -> Any:
    """Nothing, an even grey, or blobs."""
    grey = dice.uniform(n, 1, 1) * jnp.ones((1, SIDE, SIDE))
    blobs = jax.nn.sigmoid(12 * (smooth(dice.normal(n, 7, 7)) - 0.25))
    kind = dice.choose(3, n, 1, 1)
    return jnp.select([kind == 0, kind == 1], [jnp.zeros_like(grey), grey], blobs)
