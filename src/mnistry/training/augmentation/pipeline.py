"""Augmentation of the strong recipe: digits as others write, scan and photograph them, and images without a digit.

A batch of training images goes in, a larger one comes out, inside the compiled step: all images bent and moved by a
little, a part of them also spoilt in one of many ways (see `spoil`), some digits drawn by `pen`, and some images that
are no digits at all. Everything depends on the key alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mnistry.models.backend import jax
from mnistry.training.augmentation import glyphs, strokes
from mnistry.training.augmentation.degradations import SPOILERS
from mnistry.training.augmentation.random_pool import Dice, held
from mnistry.training.augmentation.sampling import SIDE, around, sampled, smooth

jnp = jax.numpy

CLASSES = 10
NO_DIGIT = CLASSES  # the label of what is no digit
DRAWN, NEGATIVE = 1 / 16, 5 / 32  # of the batch, added to it
SPOILT = 0.2  # of the batch: the images that go through one of the spoilers
UNSPOILT_EPOCHS, SPOILT_EPOCHS = 2, 20  # trainings so short have none of them, so long have all
CALMING, CALM = 0.6, 0.25  # from this part of the training on fewer images are spoilt or wild, in the end so few
TWICE = 0.1  # of those: they go through another one
WILD, WILDER = 0.12, 3.5  # the part of the images that is moved and bent much more, and how much more
ROTATION, SHEAR, SCALE, ASPECT, SHIFT = 0.09, 0.12, 0.06, 0.08, 0.8  # standard deviations; radians, logs, pixels
ELASTIC, ELASTIC_GRID = 0.6, 5  # pixels; control points on a side of the field of displacements
THICKNESS = 0.3
NUMBERS = 750  # random ones for an image, more than are needed
PARTS = {"signs": 0.36, "scribbles": 0.1, "glued": 0.2, "cut": 0.16, "turned": 0.1}  # of negatives; the rest is blank
ONE = 1
NO_DIGITS_IN_A_MIRROR, NO_DIGITS_LYING = (3, 4, 6, 7, 9), (ONE, 3, 6, 9)
NO_DIGITS_LEFT_OF_A_CUT, NO_DIGITS_RIGHT_OF_A_CUT = (0, 2, 3, 4, 5, 6, 7, 8, 9), (0, 2, 5, 6)
INKED = 0.2  # a pixel that belongs to a stroke
BOX = 20
GRID = np.arange(SIDE, dtype=np.float32) - (SIDE - 1) / 2
DIGIT_GLYPHS, SIGN_GLYPHS = glyphs.digits(), glyphs.signs(NO_DIGIT)


def for_training(epochs: int, steps: int, *, strength: float = 1.0) -> Callable[[Any, Any, Any, Any], tuple[Any, Any]]:
    """`augment` for a training of so many epochs and steps.

    A short one sees fewer spoilt images, one of two epochs none; and towards its end every training grows calmer, so
    that the last word is that of digits as people write them.

    Args:
        epochs: how many there will be.
        steps: how many there will be in all.
        strength: how far images are moved and bent, and how many are spoilt, as a multiple of what is usual.
    """
    first, last = UNSPOILT_EPOCHS, SPOILT_EPOCHS
    part = SPOILT * strength * min(max((epochs - first) / (last - first), 0.0), 1.0)

    def at_step(key: Any, images: Any, labels: Any, step: Any) -> tuple[Any, Any]:
        over = jnp.clip((step / steps - CALMING) / (1 - CALMING), 0.0, 1.0)
        return augment(key, images, labels, part=part, excitement=1 - (1 - CALM) * over, strength=strength)

    return at_step


def augment(
    key: Any, images: Any, labels: Any, *, part: float = SPOILT, excitement: Any = 1.0, strength: float = 1.0
) -> tuple[Any, Any]:
    """A batch to train on.

    Args:
        key: of JAX's random numbers.
        images: uint8 (n, 28, 28), ink bright on black.
        labels: int32 (n,), 0 to 9.
        part: of the images, spoilt.
        excitement: 0 to 1, the part of what would be spoilt or wild that is.
        strength: how far images are moved and bent, as a multiple of what is usual.

    Returns:
        float32 (m, 28, 28), 0 to 255, and labels int32 (m,), 0 to 10: 10 is "no digit". m is larger than n.
    """
    n = len(images)
    dice = Dice(key, NUMBERS * n)
    x = images.astype(jnp.float32) / 255
    new_x, new_y = strokes.glyph(dice, DIGIT_GLYPHS, round(n * DRAWN))
    no_x = negatives(dice, x, labels, round(n * NEGATIVE))
    x = jnp.concatenate([x, new_x, no_x])
    y = jnp.concatenate([labels, new_y, jnp.full(len(no_x), NO_DIGIT, labels.dtype)])
    mixed = _evenly_mixed(len(x))
    x = spoilt(dice, thickened(dice, warped(dice, x[mixed], excitement, strength), strength), part, excitement)
    return 255 * jnp.clip(x, 0, 1), y[mixed]


def _evenly_mixed(n: int) -> np.ndarray:
    """An order in which every run of positions has all parts of the batch in their proportion."""
    golden = (5**0.5 - 1) / 2
    return np.argsort(np.arange(n) * golden % 1)


def warped(dice: Dice, x: Any, excitement: Any = 1.0, strength: float = 1.0) -> Any:
    """Turned, sheared, scaled, shifted and bent elastically (Simard et al. 2003)."""
    n = len(x)
    much = jnp.where(dice.flip(WILD * excitement, n), WILDER, 1.0)

    def normal(deviation: float, *shape: int) -> Any:
        return strength * deviation * jnp.clip(dice.normal(n, *shape), -2, 2)

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
    bent = smooth(strength * ELASTIC * dice.normal(n, 2, ELASTIC_GRID, ELASTIC_GRID)) + middle
    rows, columns = row_of_y * y + row_of_x * x_, column_of_y * y + column_of_x * x_
    return sampled(x, rows + bent[:, 0], columns + bent[:, 1])


def thickened(dice: Dice, x: Any, strength: float = 1.0) -> Any:
    """Strokes thicker or thinner, by up to a pixel on each side."""
    amount = jnp.clip(strength * THICKNESS * dice.normal(len(x), 1, 1), -0.7, 1.0)
    more, less = around(x, jnp.maximum), around(x, jnp.minimum)
    return x + jnp.maximum(amount, 0) * (more - x) - jnp.maximum(-amount, 0) * (x - less)


def spoilt(dice: Dice, x: Any, part: float = SPOILT, excitement: Any = 1.0) -> Any:
    """A part of the images spoilt, each in one way, and a few in two."""
    size = round(len(x) * part / len(SPOILERS))
    for each in (size, round(size * TWICE)):
        x = _each_its_own(dice, x, each, excitement) if each else x
    return x


def _each_its_own(dice: Dice, x: Any, size: int, chance: Any) -> Any:
    """The first images spoilt, `size` in each way, with that chance; the second time others meet the same spoiler."""
    first = x[: size * len(SPOILERS)]
    done = [spoil(dice, first[number * size : (number + 1) * size]) for number, spoil in enumerate(SPOILERS)]
    happens = dice.flip(chance, len(first), 1, 1)
    return jnp.concatenate([jnp.where(happens, jnp.concatenate(done), first), x[len(first) :]])


def negatives(dice: Dice, x: Any, labels: Any, n: int) -> Any:
    """Images of no digit: signs, scribbles, digits glued, cut or turned, blanks.

    Args:
        dice: where chance comes from.
        x: float32 (m, 28, 28), 0 to 1, digits to take.
        labels: int32 (m,), theirs.
        n: how many.

    Returns:
        float32 (n, 28, 28), 0 to 1.
    """
    sizes = {name: round(n * part) for name, part in PARTS.items()}
    parts = [
        strokes.glyph(dice, SIGN_GLYPHS, sizes["signs"])[0],
        strokes.scribble(dice, sizes["scribbles"]),
        glued(dice, x, labels, sizes["glued"]),
        cut(dice, x, labels, sizes["cut"]),
        turned(dice, x, labels, sizes["turned"]),
        blank(dice, n - sum(sizes.values())),
    ]
    return jnp.concatenate(parts)


def glued(dice: Dice, x: Any, labels: Any, n: int) -> Any:
    """A digit with another one at its side, or with a piece of one, fitted into MNIST's box together."""
    chosen = dice.choose(len(x), 2, n)
    flip = dice.flip(0.5, n, 1, 1)
    first, second = _mirrored(x[chosen[0]], flip), _mirrored(x[chosen[1]], flip)
    left, right, _ = _columns(second)
    whole = dice.flip(0.4, n) | (labels[chosen] == ONE).any(axis=0)  # a piece of a 1 may be a flag
    stop = jnp.where(whole, right, left + (right - left) * dice.uniform(n, low=0.25, high=0.6))
    second = _without(second, left, stop)
    aside = _columns(first)[1] + dice.uniform(n, low=-1.0, high=4.0) - left
    return _mirrored(_fitted([(first, jnp.zeros(n)), (second, aside)]), flip)


def cut(dice: Dice, x: Any, labels: Any, n: int) -> Any:
    """The left or right part of a digit, fitted into MNIST's box; a narrow one lies down, as it might be a 1."""
    flip = dice.flip(0.4, len(x))
    good = jnp.where(
        flip,
        jnp.isin(labels, jnp.array(NO_DIGITS_RIGHT_OF_A_CUT)),
        jnp.isin(labels, jnp.array(NO_DIGITS_LEFT_OF_A_CUT)),
    )
    best = _some(dice, good, n)
    flip = flip[best][:, None, None]
    piece = _mirrored(x[best], flip)
    left, right, _ = _columns(piece)
    piece = _without(piece, left, left + (right - left) * dice.uniform(n, low=0.3, high=0.5))
    fitted = _fitted([(piece, jnp.zeros(n))])
    left, right, height = _columns(fitted)
    narrow = (right - left < 0.42 * height)[:, None, None]
    return jnp.where(narrow, jnp.swapaxes(fitted, 1, 2), _mirrored(fitted, flip))


def turned(dice: Dice, x: Any, labels: Any, n: int) -> Any:
    """Digits that are none when they lie on their side or are seen in a mirror."""
    lying = dice.flip(0.4, len(x))
    good = jnp.where(
        lying, jnp.isin(labels, jnp.array(NO_DIGITS_LYING)), jnp.isin(labels, jnp.array(NO_DIGITS_IN_A_MIRROR))
    )
    best = _some(dice, good, n)
    return jnp.where(lying[best][:, None, None], jnp.swapaxes(x[best], 1, 2), x[best][..., ::-1])


def blank(dice: Dice, n: int) -> Any:
    """Nothing, an even grey, blobs, or a dot."""
    grey = dice.uniform(n, 1, 1) * jnp.ones((1, SIDE, SIDE))
    blobs = jax.nn.sigmoid(12 * (smooth(dice.normal(n, 7, 7)) - 0.25))
    wide = dice.uniform(n, 1, 1, low=4, high=10)
    tall = wide * dice.uniform(n, 1, 1, low=0.4, high=1.2)
    y, x_ = GRID[None, :, None] / tall, GRID[None, None, :] / wide
    dot = jnp.clip(tall * (1 - jnp.sqrt(y**2 + x_**2)), 0, 1)
    kind = dice.choose(4, n, 1, 1)
    return jnp.select([kind == 0, kind == 1, kind == 2], [jnp.zeros_like(grey), grey, blobs], dot)


def _some(dice: Dice, good: Any, n: int) -> Any:
    """Positions drawn from those that are good, n of them: int (n,)."""
    return jnp.argsort(jnp.where(good, dice.uniform(len(good)), 2.0))[:n]


def _mirrored(x: Any, flip: Any) -> Any:
    return jnp.where(flip, x[..., ::-1], x)


def _columns(x: Any) -> tuple[Any, Any, Any]:
    """Of each image the first column with ink, the one after the last, and how many rows are from first to last."""
    edges = []
    for axis in (1, 2):
        inked = (x > INKED).any(axis=axis)
        edges.append((jnp.argmax(inked, axis=1), SIDE - jnp.argmax(inked[:, ::-1], axis=1)))
    (left, right), (top, bottom) = edges
    return left.astype(jnp.float32), right.astype(jnp.float32), (bottom - top).astype(jnp.float32)


def _without(x: Any, left: Any, stop: Any) -> Any:
    """Only the columns from `left` to `stop`."""
    column = jnp.arange(SIDE)[None, None, :]
    return jnp.where((column >= left[:, None, None]) & (column < stop[:, None, None]), x, 0.0)


def _fitted(parts: Sequence[tuple[Any, Any]]) -> Any:
    """Images side by side, each moved right by its columns (n,), fitted together into MNIST's box of 20 pixels."""
    across = [(left + aside, right + aside) for (left, right, _), aside in ((_columns(x), a) for x, a in parts)]
    down = [_columns(jnp.swapaxes(x, 1, 2))[:2] for x, _ in parts]
    left, top = (jnp.stack([first for first, _ in edges]).min(axis=0) for edges in (across, down))
    right, bottom = (jnp.stack([last for _, last in edges]).max(axis=0) for edges in (across, down))
    size = jnp.maximum(jnp.maximum(right - left, bottom - top), 1.0) / BOX
    centre = (top + bottom - 1) / 2, (left + right - 1) / 2
    numbers = held(jnp.stack([size, *centre, *(aside for _, aside in parts)], axis=1))
    size, row, column, *asides = (one[:, None, None] for one in numbers.T)
    rows, columns = GRID[None, :, None] * size + row, GRID[None, None, :] * size + column
    whole = jnp.ones((1, SIDE, SIDE))
    drawn = [sampled(x, rows * whole, (columns - aside) * whole) for (x, _), aside in zip(parts, asides, strict=True)]
    return jnp.stack(drawn).max(axis=0)
