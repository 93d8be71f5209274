"""Negatives: images that nobody takes for a digit."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from mnistry.constants import IMAGE_SIZE as SIDE
from mnistry.models.backend import jax
from mnistry.training.augmentation import glyphs, strokes
from mnistry.training.augmentation.geometric import GRID, fit_together, ink_columns, keep_columns, mirror_where
from mnistry.training.augmentation.random_pool import RandomPool
from mnistry.training.augmentation.sampling import spline_field

jnp = jax.numpy

PARTS = {"signs": 0.36, "characters": 0.14, "scribbles": 0.08, "glued": 0.16, "cut": 0.12, "turned": 0.08}
"""Shares of the negatives; the rest is blank."""
DRAWN = ("signs", "characters", "scribbles")
ONE = 1
NO_DIGITS_IN_A_MIRROR, NO_DIGITS_LYING = (3, 4, 6, 7, 9), (ONE, 3, 6, 9)
NO_DIGITS_LEFT_OF_A_CUT, NO_DIGITS_RIGHT_OF_A_CUT = (0, 2, 3, 4, 5, 6, 7, 8, 9), (0, 2, 5, 6)
NO_DIGIT = 10  # its label


def negative_strokes(pool: RandomPool, n: int) -> list[Any]:
    """Return the strokes of the drawn ones among n negatives: signs, invented characters, scribbles."""
    among = sizes(n)
    return [
        strokes.glyph_strokes(pool, glyphs.signs(NO_DIGIT), among["signs"])[0],
        strokes.character_strokes(pool, among["characters"]),
        strokes.scribble_strokes(pool, among["scribbles"]),
    ]


def negative_images(pool: RandomPool, x: Any, labels: Any, n: int) -> Any:
    """Return the others among n negatives, float32 (k, 28, 28), 0 to 1: digits glued, cut and turned, and blanks.

    They are made of digits x, float32 (m, 28, 28), 0 to 1, with labels int32 (m,).
    """
    among = sizes(n)
    parts = [
        glue(pool, x, labels, among["glued"]),
        cut(pool, x, labels, among["cut"]),
        turn(pool, x, labels, among["turned"]),
        blank(pool, n - sum(among.values())),
    ]
    return jnp.concatenate(parts)


def sizes(n: int) -> dict[str, int]:
    """Return how many of each kind there are among n, never more than n together."""
    ends = [round(n * share) for share in accumulate(PARTS.values(), initial=0.0)]
    return {name: end - start for name, (start, end) in zip(PARTS, pairwise(ends), strict=True)}


def glue(pool: RandomPool, x: Any, labels: Any, n: int) -> Any:
    """Put a digit beside another one at its side, or beside a piece of one, fitted into MNIST's box together."""
    chosen = pool.choose(len(x), 2, n)
    flip = pool.flip(0.5, n, 1, 1)
    first, second = mirror_where(x[chosen[0]], flip), mirror_where(x[chosen[1]], flip)
    left, right, _ = ink_columns(second)
    whole = pool.flip(0.4, n) | (labels[chosen] == ONE).any(axis=0)  # a piece of a 1 may be a flag
    stop = jnp.where(whole, right, left + (right - left) * pool.uniform(n, low=0.3, high=0.6))
    second = keep_columns(second, left, stop)
    aside = ink_columns(first)[1] + pool.uniform(n, low=-1.0, high=4.0) - left
    return mirror_where(fit_together([(first, jnp.zeros(n)), (second, aside)]), flip)


def cut(pool: RandomPool, x: Any, labels: Any, n: int) -> Any:
    """Cut a digit, and fit its left or right part into MNIST's box; a narrow one lies down, as it might be a 1."""
    flip = pool.flip(0.4, len(x))
    good = jnp.where(flip, _among(labels, NO_DIGITS_RIGHT_OF_A_CUT), _among(labels, NO_DIGITS_LEFT_OF_A_CUT))
    best = _some(pool, good, n)
    flip = flip[best][:, None, None]
    piece = mirror_where(x[best], flip)
    left, right, _ = ink_columns(piece)
    piece = keep_columns(piece, left, left + (right - left) * pool.uniform(n, low=0.3, high=0.5))
    fitted = fit_together([(piece, jnp.zeros(n))])
    left, right, height = ink_columns(fitted)
    narrow = (right - left < 0.42 * height)[:, None, None]
    return jnp.where(narrow, jnp.swapaxes(fitted, 1, 2), mirror_where(fitted, flip))


def turn(pool: RandomPool, x: Any, labels: Any, n: int) -> Any:
    """Turn digits that are none when they lie on their side or are seen in a mirror."""
    lying = pool.flip(0.4, len(x))
    good = jnp.where(lying, _among(labels, NO_DIGITS_LYING), _among(labels, NO_DIGITS_IN_A_MIRROR))
    best = _some(pool, good, n)
    return jnp.where(lying[best][:, None, None], jnp.swapaxes(x[best], 1, 2), x[best][..., ::-1])


def blank(pool: RandomPool, n: int) -> Any:
    """Draw nothing, an even grey, blobs, or a grating."""
    grey = pool.uniform(n, 1, 1) * jnp.ones((1, SIDE, SIDE))
    blobs = jax.nn.sigmoid(12 * (spline_field(pool.normal(n, 7, 7)) - 0.25))
    angle, every = pool.uniform(n, 1, 1, high=np.pi), pool.uniform(n, 1, 1, low=2.5, high=7)
    across = GRID[None, :, None] * jnp.cos(angle) + GRID[None, None, :] * jnp.sin(angle)
    grating = jax.nn.sigmoid(4 * jnp.cos(2 * np.pi * across / every))
    kind = pool.choose(4, n, 1, 1)
    return jnp.select([kind == 0, kind == 1, kind == 2], [jnp.zeros_like(grey), grey, blobs], grating)


def _among(labels: Any, digits: tuple[int, ...]) -> Any:
    return jnp.isin(labels, jnp.array(digits))


def _some(pool: RandomPool, good: Any, n: int) -> Any:
    """Choose positions from those that are good, n of them: int (n,)."""
    return jnp.argsort(jnp.where(good, pool.uniform(len(good)), 2.0))[:n]
