"""Strokes of digits and other signs, drawn as a pen would in MNIST's form, whole batches in a compiled program.

Points are (y, x), y downwards, a digit about two units high. Every drawing has SEGMENTS straight pieces; pieces that a
form does not need have no length.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mnistry.constants import BOX_SIZE as BOX
from mnistry.constants import IMAGE_SIZE as SIDE
from mnistry.models.backend import jax
from mnistry.training.augmentation import glyphs
from mnistry.training.augmentation.glyphs import SEGMENTS
from mnistry.training.augmentation.random_pool import RandomPool, materialize

jnp = jax.numpy

THINNEST, THICKEST = 1.2, 4.4  # pixels; MNIST's strokes are 2 to 4 wide
USUAL_WIDTHS, USUAL = (2.2, 3.4), 0.5  # pixels; the share of drawings with such strokes
SLANT, ASPECT = 0.25, 0.3  # standard deviations: of the shear, and of the logarithm of width over height
WOBBLE, TREMOR, OFFSET = 0.12, 0.02, 0.06  # half heights: smooth bending, rough lines, strokes that miss each other
NIB, NIB_SHARE = 0.6, 0.25  # a broad nib: how much the width depends on the direction, and in how many drawings
BROKEN = 0.12  # share of drawings with a gap
CALM, NERVOUS = 0.5, 1.5  # radians a piece: how much the direction of a scribble changes
BOW, LIFTED = 0.1, 0.06  # radians a piece; the chance that the pen is lifted
ZEROS, ONES, SEVENS = 0.13, 0.27, 0.13  # shares of the digits; the others come from glyphs.txt
FLAG, FLAG_WITH_FOOT, BAR = (19, 72), (10, 72), (-14, 9)  # degrees below the horizontal: a 1's flag, a 7's bar
LONGEST_FLAT_FLAG = 1.1  # half heights: with a longer one a 1 without a foot is a 7
STEEP = 6  # degrees above the flattest flag
LEAST_CURLED = 35  # degrees
ALONG, APART = 0.1, (0.03, 0.35)  # share of ones whose upstroke lies along the stem; radians between the two
BULGE = 0.07  # the most that such an upstroke is bent, to the left
LONGEST_ALONG = 1.2  # half heights: a longer one with a bow makes a 0 of it
CHARACTER_STROKES = 4  # of an invented character
Y, X = 0, 1


def digit_strokes(pool: RandomPool, n: int) -> tuple[Any, Any]:
    """Return the strokes of n digits of all classes, each by another hand.

    They are pieces for `render`, float32 (n, SEGMENTS, 2, 2), with labels int32 (n,).
    """
    zeros, ones, sevens = (round(n * share) for share in (ZEROS, ONES, SEVENS))
    others, labels = glyph_strokes(pool, glyphs.digits(), n - zeros - ones - sevens)
    parts = [
        _bent(pool, _zeros(pool, zeros), 0.4),
        _bent(pool, _ones(pool, ones), 0.3),
        _bent(pool, _sevens(pool, sevens), 0.3),
        others,
    ]
    first = jnp.asarray(np.repeat([0, 1, 7], [zeros, ones, sevens]), jnp.int32)
    return jnp.concatenate(parts), jnp.concatenate([first, labels])


def glyph_strokes(pool: RandomPool, known: glyphs.Glyphs, n: int) -> tuple[Any, Any]:
    """Return the strokes of glyphs chosen at random, each by another hand; see `digit_strokes`."""
    chosen = pool.choose(len(known.labels), n)
    segments = _by_hand(pool, jnp.asarray(known.segments)[chosen], jnp.asarray(known.strokes)[chosen])
    return segments, jnp.asarray(known.labels)[chosen]


def scribble_strokes(pool: RandomPool, n: int) -> Any:
    """Return lines of a restless hand, as pieces for `render`.

    A walk whose direction changes with each piece, too much for a line, an arc or a ring; now and then the pen is
    lifted.
    """
    nervous = jnp.exp(pool.uniform(n, 1, low=np.log(CALM), high=np.log(NERVOUS)))
    turns = BOW * pool.normal(n, 1) + nervous * pool.normal(n, SEGMENTS)
    heading = jnp.cumsum(turns, axis=1) + pool.uniform(n, 1, high=2 * np.pi)
    length = jnp.exp(0.4 * pool.normal(n, SEGMENTS, 1))
    step = length * jnp.stack([jnp.sin(heading), jnp.cos(heading)], axis=-1)
    jump = pool.flip(LIFTED, n, SEGMENTS, 1) * 6 * pool.normal(n, SEGMENTS, 2)
    ends = jnp.cumsum(step + jump, axis=1)  # (n, pieces, 2)
    return jnp.stack([ends - step, ends], axis=2)


def character_strokes(pool: RandomPool, n: int) -> Any:
    """Return invented characters of four strokes, straight or curved, as pieces for `render`."""
    each = SEGMENTS // CHARACTER_STROKES
    turn = jnp.where(pool.flip(0.5, n, CHARACTER_STROKES, 1), 0.0, pool.normal(n, CHARACTER_STROKES, 1) * 2.5 / each)
    heading = pool.uniform(n, CHARACTER_STROKES, 1, high=2 * np.pi) + turn * (np.arange(each) - each / 2)
    length = pool.uniform(n, CHARACTER_STROKES, 1, low=0.8, high=2.0) / each
    step = length[..., None] * jnp.stack([jnp.sin(heading), jnp.cos(heading)], axis=-1)
    ends = jnp.cumsum(step, axis=2)
    middle = pool.uniform(n, CHARACTER_STROKES, 1, 2, low=-0.8, high=0.8)
    ends = ends - ends.mean(axis=2, keepdims=True) + middle
    return jnp.stack([ends - step, ends], axis=3).reshape(n, SEGMENTS, 2, 2)


def _ones(pool: RandomPool, n: int) -> Any:
    """Ones: a stem, nearly always with a flag of any length and angle, straight or curled, with or without a foot."""
    shear = jnp.clip(0.15 + 0.3 * pool.normal(n), -0.35, 0.85)
    foot, flag = pool.flip(0.35, n), pool.flip(0.85, n)
    stem_angle = jnp.arctan2(1.0, shear)
    low = jnp.radians(jnp.where(foot, *(float(each[0]) for each in (FLAG_WITH_FOOT, FLAG))))
    high = jnp.maximum(jnp.minimum(np.radians(FLAG[1]), stem_angle - 0.3), low + 0.05)
    angle = low + (high - low) * pool.uniform(n) ** 1.7  # most where a 1 is nearly a 7
    along = pool.flip(ALONG, n) & flag & ~foot
    angle = jnp.where(along, stem_angle - pool.uniform(n, low=APART[0], high=APART[1]), angle)
    length = jnp.exp(pool.uniform(n, low=np.log(0.25), high=np.log(2.6)))
    longest = jnp.where(foot, 2.6, LONGEST_FLAT_FLAG + (angle - low) / np.radians(STEEP) * (2.6 - LONGEST_FLAT_FLAG))
    longest = jnp.where(along, LONGEST_ALONG, longest)
    length = jnp.where(flag, jnp.minimum(jnp.minimum(length, longest), 1.9 / jnp.sin(angle)), 0.0)
    top, bottom = _point(-1.0, shear), _point(1.0, -shear)
    tip = top + length[:, None] * jnp.stack([jnp.sin(angle), -jnp.cos(angle)], axis=-1)
    bow = jnp.array([0.11, 0.05])[:, None] * pool.normal(n, 2, 1)
    bulge = -BULGE * pool.uniform(n, 1)  # to the left
    curled = pool.flip(0.35, n) & ~foot & (angle > np.radians(LEAST_CURLED))  # a flatter one would be a 7's serif
    curl = curled * jnp.minimum(pool.uniform(n, low=0.1, high=0.45), 0.6 * length)
    lean = pool.uniform(n, low=-0.6, high=0.9)
    hook = tip + curl[:, None] * jnp.stack([jnp.cos(lean), jnp.sin(lean)], axis=-1)
    left, right = (pool.uniform(n, low=0.15, high=0.8) * foot for _ in range(2))
    tilt = 0.08 * pool.normal(n) * foot
    tail = pool.flip(0.2, n) & ~foot  # the pen goes on to the next digit
    right = jnp.where(tail, pool.uniform(n, low=0.15, high=0.6), right)
    tilt = jnp.where(tail, pool.uniform(n, high=0.3), tilt)
    heel = bottom + jnp.stack([jnp.where(tail, 0.0, tilt), -left], axis=-1), bottom + jnp.stack([-tilt, right], axis=-1)
    strokes = [
        _stroke(hook, tip, 4),
        _stroke(tip, top, 10, jnp.where(along[:, None], bulge, bow[:, 0])),
        _stroke(top, bottom, 12, bow[:, 1]),
        _stroke(*heel, 6),
    ]
    return jnp.concatenate(strokes, axis=1)


def _sevens(pool: RandomPool, n: int) -> Any:
    """Sevens: a bar that is nearly horizontal and a stem, with and without a crossing and a serif."""
    slope = jnp.clip(pool.uniform(n, high=0.8) ** 1.3, 0, 0.8)
    angle = jnp.radians(pool.uniform(n, low=float(BAR[0]), high=float(BAR[1])))
    corner, bottom = _point(-1.0, slope), _point(1.0, -slope)
    width = pool.uniform(n, low=0.65, high=1.7)
    start = corner + width[:, None] * jnp.stack([jnp.sin(angle), -jnp.cos(angle)], axis=-1)
    bow = pool.normal(n, 2, 1)
    serif = pool.flip(0.35, n) * pool.uniform(n, low=0.15, high=0.55)
    lean = 0.3 * pool.normal(n)
    hook = start + serif[:, None] * jnp.stack([jnp.cos(lean), jnp.sin(lean)], axis=-1)
    crossed, at = pool.flip(0.4, n), pool.uniform(n, low=0.35, high=0.72)[:, None]
    middle = corner + at * (bottom - corner)
    half, tilt = pool.uniform(n, low=0.25, high=0.65) * crossed, jnp.clip(0.2 * pool.normal(n), -0.4, 0.4)
    arm = half[:, None] * jnp.stack([jnp.sin(tilt), jnp.cos(tilt)], axis=-1)
    strokes = [
        _stroke(hook, start, 4),
        _stroke(start, corner, 10, 0.05 * bow[:, 0]),
        _stroke(corner, bottom, 12, 0.09 * bow[:, 1]),
        _stroke(middle + arm, middle - arm, 6),
    ]
    return jnp.concatenate(strokes, axis=1)


def _zeros(pool: RandomPool, n: int) -> Any:
    """Zeros: from narrow to lying, closed, open at the top or overlapping, round or angular, some with a slash."""
    pieces = SEGMENTS - 4
    start = -np.pi / 2 + 0.5 * pool.normal(n, 1)
    gap = jnp.where(pool.flip(0.5, n, 1), 0.0, pool.uniform(n, 1, low=-0.8, high=1.3))
    angle = start - (2 * np.pi + gap) * np.linspace(0, 1, pieces + 1)  # it begins at the top and turns to the left
    drift = 1 + 0.12 * pool.normal(n, 1) * np.linspace(-0.5, 0.5, pieces + 1)
    corners = pool.uniform(n, 1, low=0.65, high=1.15)  # 1 is an ellipse, less is angular
    sine, cosine = jnp.sin(angle), jnp.cos(angle)
    y, x = (jnp.sign(each) * jnp.abs(each) ** corners * drift for each in (sine, cosine))
    aspect = jnp.exp(pool.uniform(n, 1, low=np.log(0.35), high=np.log(1.35)))
    x = aspect * x - jnp.clip(0.2 * pool.normal(n, 1), -0.4, 0.5) * y
    points = jnp.stack([y, x], axis=-1)
    ring = jnp.stack([points[:, :-1], points[:, 1:]], axis=2)
    slashed, reach = pool.flip(0.15, n), pool.uniform(n, 2, low=0.5, high=1.3)
    steep = pool.uniform(n, low=0.5, high=1.2)
    first, last = (
        jnp.stack([sign * 0.8 * reach[:, side], -sign * 0.8 * reach[:, side] * steep * aspect[:, 0]], axis=-1)
        for side, sign in ((0, 1.0), (1, -1.0))
    )
    first, last = (jnp.where(slashed[:, None], each, points[:, 0]) for each in (first, last))
    return jnp.concatenate([ring, _stroke(first, last, 4)], axis=1)


def _point(y: float, x: Any) -> Any:
    return jnp.stack([jnp.full_like(x, y), x], axis=-1)


def _stroke(start: Any, end: Any, pieces: int, bow: Any = 0.0) -> Any:
    """Cut the way from start to end, (n, 2) each, into pieces; `bow` (n, 1) bends it to its side, in half heights."""
    along = np.linspace(0, 1, pieces + 1, dtype=np.float32)[None, :, None]
    points = start[:, None] + along * (end - start)[:, None]
    if not isinstance(bow, float):
        aside = (end - start)[:, ::-1] * np.array([1.0, -1.0], np.float32)
        points = points + (4 * along * (1 - along)) * (bow * aside)[:, None]
    return jnp.stack([points[:, :-1], points[:, 1:]], axis=2)


def _by_hand(pool: RandomPool, segments: Any, numbers: Any) -> Any:
    """Draw the strokes as another hand would: bent smoothly, slanted, narrow or wide, a little apart."""
    n, most = len(segments), 8
    aside = OFFSET * pool.normal(n, most, 2)
    segments = segments + jnp.take_along_axis(aside, jnp.minimum(numbers, most - 1)[..., None], axis=1)[:, :, None]
    segments = _bent(pool, segments, 1.0)
    x = segments[..., X] + SLANT * pool.normal(n, 1, 1) * segments[..., Y]
    return jnp.stack([segments[..., Y], x * jnp.exp(ASPECT * pool.normal(n, 1, 1))], axis=-1)


def _bent(pool: RandomPool, segments: Any, strength: float) -> Any:
    """Bend strokes smoothly with two waves each way, and make some of them rough."""
    n = len(segments)
    for number in (1, 2):  # a stroke stays a stroke, wherever it runs
        amplitude = strength * WOBBLE * pool.normal(n, 1, 1, 2)
        frequency = number + pool.uniform(n, 1, 1, 2)
        phase = pool.uniform(n, 1, 1, 2, high=2 * np.pi)
        segments = segments + amplitude * jnp.sin(frequency * segments[..., ::-1] * 1.5 + phase)
    rough = TREMOR * jnp.exp(0.7 * pool.normal(n, 1, 1)) * pool.normal(n, SEGMENTS + 1, 2)
    return segments + jnp.stack([rough[:, :-1], rough[:, 1:]], axis=2)


def render(pool: RandomPool, segments: Any, thickest: Any = THICKEST) -> Any:
    """Draw strokes, fitted into MNIST's box, with the centre of mass in the middle: float32 (n, 28, 28), 0 to 1.

    Args:
        pool: random numbers.
        segments: float32 (n, SEGMENTS, 2, 2), straight pieces from (y, x) to (y, x).
        thickest: pixels, or float32 (n, 1) for each drawing; no stroke is wider.
    """
    n = len(segments)
    low, high = segments.min(axis=(1, 2)), segments.max(axis=(1, 2))
    usual = pool.uniform(n, 1, low=USUAL_WIDTHS[0], high=USUAL_WIDTHS[1])
    width = jnp.where(pool.flip(USUAL, n, 1), usual, THINNEST + (thickest - THINNEST) * pool.uniform(n, 1))
    scale = (BOX - width) / jnp.maximum((high - low).max(axis=1, keepdims=True), 1e-3)
    placed = (segments - ((low + high) / 2)[:, None, None]) * scale[:, None, None]
    way = placed[:, :, 1] - placed[:, :, 0]
    length = jnp.sqrt((way**2).sum(axis=-1))
    mass = (length[..., None] * placed.mean(axis=2)).sum(axis=1) / jnp.maximum(length.sum(axis=1), 1e-3)[:, None]
    room = (SIDE - BOX) / 2
    placed = placed - jnp.clip(mass, -room, room)[:, None, None]
    nib = NIB * pool.uniform(n, 1) * pool.flip(NIB_SHARE, n, 1)
    direction = 2 * (jnp.arctan2(way[..., Y], way[..., X] + 1e-6) - pool.uniform(n, 1, high=np.pi))
    half = jnp.maximum(width / 2 * (1 - nib * (0.5 - 0.5 * jnp.cos(direction))), 0.4)  # (n, pieces)
    first = pool.uniform(n, 1, high=SEGMENTS)
    gone = (jnp.abs(np.arange(SEGMENTS) - first) < pool.uniform(n, 1, low=0.5, high=1.5)) & pool.flip(BROKEN, n, 1)
    half = jnp.where(gone, -100.0, half)
    ink = jnp.clip(0.5 - _distance(placed, half), 0, 1)
    return ink * (1 - 0.4 * pool.uniform(n, 1, 1) ** 2)  # some press harder than others


def _distance(segments: Any, half: Any) -> Any:
    """Return the distance of each pixel's centre to the nearest edge of a stroke, negative inside: (n, 28, 28)."""
    grid = np.arange(SIDE, dtype=np.float32) - (SIDE - 1) / 2
    y, x = grid[None, :, None], grid[None, None, :]
    n, pieces = half.shape
    numbers = materialize(jnp.concatenate([segments.reshape(n, pieces * 4), half], axis=1))
    ends, half = numbers[:, : pieces * 4].reshape(n, pieces, 2, 2), numbers[:, pieces * 4 :]
    nearest = jnp.full((n, SIDE, SIDE), 1e6, jnp.float32)
    for piece in range(pieces):  # written out: the compiler makes one pass over the pixels of it
        (y0, x0), (y1, x1) = (tuple(ends[:, piece, end, axis, None, None] for axis in (Y, X)) for end in (0, 1))
        dy, dx = y1 - y0, x1 - x0
        along = jnp.clip(((y - y0) * dy + (x - x0) * dx) / jnp.maximum(dy * dy + dx * dx, 1e-6), 0, 1)
        away = jnp.sqrt((y - y0 - along * dy) ** 2 + (x - x0 - along * dx) ** 2 + 1e-9)
        nearest = jnp.minimum(nearest, away - half[:, piece, None, None])
    return nearest
