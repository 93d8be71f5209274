"""Augmentation: digits as others would write, scan and photograph them, and things that are not digits.

A batch of training images goes in, a larger one comes out, inside the compiled step: all images bent and moved by a
little, a part of them also degraded in one of many ways, digits drawn in hands of the world, and images that are not
digits at all. Everything depends on the key alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mnistry.constants import IMAGE_SIZE as SIDE
from mnistry.models.backend import jax
from mnistry.training.augmentation import geometric, negatives, strokes
from mnistry.training.augmentation.degradations import DEGRADATIONS
from mnistry.training.augmentation.random_pool import RandomPool
from mnistry.training.augmentation.sampling import bilinear_sample

jnp = jax.numpy

CLASSES = 10
DRAWN, MOST_DRAWN = 1 / 16, 3 / 8  # of the batch, added to it, in a short and in a long training
NEGATIVE, MOST_NEGATIVE = 5 / 32, 9 / 32
DEGRADED = 0.25  # share of the images that are degraded
VARIED = 0.5  # share of the images to calibrate on that is degraded
CLEAN_EPOCHS, DEGRADED_EPOCHS = 2, 20  # up to this many epochs nothing is degraded, from that many on the usual share
SHORT, LONG = 10, 60  # epochs: trainings that draw least and most
CALMING, CALM = 0.6, 0.25  # from this part of the training on fewer images are degraded, in the end so few
TWICE = 0.1  # share of those that are degraded in a second way
BESIDE, LEAST_PIECE, MOST_PIECE = 0.1, 1.0, 4.0  # share with a piece of a neighbour at the side; its width, pixels
NUMBERS = 900  # random ones for an image of the batch, more than are needed
THICKEST_SIGN = 3.6  # pixels: with thicker strokes a letter is a blot, as a digit may be

Augment = Callable[[Any, Any, Any, Any], tuple[Any, Any]]


def make_augmenter(
    epochs: int, steps: int, *, classes: int = CLASSES, digits: bool = True, strength: float = 1.0
) -> Augment:
    """Return what makes a larger batch out of a batch, for a training of a given length.

    A short training sees fewer degraded and drawn images, one of two epochs no degraded ones; and towards its end every
    training grows calmer, so that it ends on digits as people write them.

    Args:
        epochs: of the training.
        steps: of the training, in all.
        classes: their number, which is also the label of everything else.
        digits: whether the classes are the ten digits. Of other classes nothing is drawn, and what belongs to none of
            them is invented characters, scribbles and blanks.
        strength: how far images are moved and bent, and how many are degraded, as a multiple of what is usual.

    Returns:
        `augment(key, images, labels, step)`; see `augment`.
    """
    part = DEGRADED * strength * _between(epochs, CLEAN_EPOCHS, DEGRADED_EPOCHS)
    length = _between(epochs, SHORT, LONG)

    def at_step(key: Any, images: Any, labels: Any, step: Any) -> tuple[Any, Any]:
        over = jnp.clip((step / steps - CALMING) / (1 - CALMING), 0.0, 1.0)
        options = {"part": part, "length": length, "strong_fraction": 1 - (1 - CALM) * over, "strength": strength}
        return augment(key, images, labels, classes=classes, digits=digits, **options)

    return at_step


def drawn_mask(n: int, epochs: int) -> np.ndarray:
    """Tell which images of a batch that `make_augmenter` made of n digits were drawn, so that their labels are certain.

    The result, bool (m,), is true for drawn digits and for drawn signs that are not digits.
    """
    drawn, none = _added(n, _between(epochs, SHORT, LONG))
    whole = n + drawn + none
    places = np.arange(whole)
    lines = drawn + sum(negatives.sizes(none)[name] for name in negatives.DRAWN)
    return ((places >= n) & (places < n + lines))[_evenly_mixed(whole)]


def augment(
    key: Any,
    images: Any,
    labels: Any,
    *,
    classes: int = CLASSES,
    digits: bool = True,
    part: float = DEGRADED,
    length: float = 1.0,
    strong_fraction: Any = 1.0,
    strength: float = 1.0,
) -> tuple[Any, Any]:
    """Make a batch to train on.

    Args:
        key: of JAX's random numbers.
        images: uint8 (n, 28, 28), ink bright on black.
        labels: int32 (n,), 0 to classes - 1.
        classes: how many there are.
        digits: whether they are the ten digits.
        part: share of the images that is degraded.
        length: 0 to 1, from the shares of drawn images of a short training to those of a long one.
        strong_fraction: 0 to 1, the part of what would be degraded or strongly bent that is.
        strength: how far images are moved and bent, as a multiple of what is usual.

    Returns:
        float32 (m, 28, 28), 0 to 255, and labels int32 (m,), 0 to classes: the last is "no digit". m is larger than n.
    """
    n = len(images)
    pool = RandomPool(key, NUMBERS * n)
    x = images.astype(jnp.float32) / 255
    make = _of_digits if digits else _of_other_classes
    x, y = make(pool, x, labels, *_added(n, length), classes)
    mixed = _evenly_mixed(len(x))
    x = geometric.change_thickness(pool, geometric.warp(pool, x[mixed], strong_fraction, strength), strength)
    return 255 * jnp.clip(degrade(pool, x, part, strong_fraction), 0, 1), y[mixed]


def drawn_digits(key: Any, n: int) -> tuple[Any, Any]:
    """Draw n digits in hands of the world, as a training sees them but neither moved nor degraded.

    They are float32 (n, 28, 28), 0 to 255, with labels int32 (n,).
    """
    pool = RandomPool(key, NUMBERS * n)
    segments, labels = strokes.digit_strokes(pool, n)
    return 255 * strokes.render(pool, segments), labels


def vary(key: Any, images: Any, *, part: float = VARIED) -> Any:
    """Return images as others would write and scan them: moved, bent, stretched, a `part` of them degraded.

    They are uint8 (n, 28, 28); the result is float32 (n, 28, 28), 0 to 255.
    """
    pool = RandomPool(key, NUMBERS * len(images))
    x = geometric.change_thickness(pool, geometric.warp(pool, images.astype(jnp.float32) / 255))
    return 255 * jnp.clip(degrade(pool, x, part), 0, 1)


def _added(n: int, length: float) -> tuple[int, int]:
    """Return how many drawn digits, and how many images that are not digits, are added to n digits."""
    ranges = (DRAWN, MOST_DRAWN), (NEGATIVE, MOST_NEGATIVE)
    drawn, none = (round(n * (least + length * (most - least))) for least, most in ranges)
    return drawn, none


def _between(value: float, low: float, high: float) -> float:
    return min(max((value - low) / (high - low), 0.0), 1.0)


def _of_digits(pool: RandomPool, x: Any, labels: Any, drawn: int, none: int, classes: int) -> tuple[Any, Any]:
    """Add drawn digits and negatives to a batch of digits; all strokes are rendered in one pass."""
    positive, positive_labels = strokes.digit_strokes(pool, drawn)
    lines = jnp.concatenate([positive, *negatives.negative_strokes(pool, none)])
    thickest = np.where(np.arange(len(lines)) < drawn, strokes.THICKEST, THICKEST_SIGN)[:, None].astype(np.float32)
    ink = strokes.render(pool, lines, thickest)
    others = negatives.negative_images(pool, x, labels, none)
    y = jnp.concatenate([labels, positive_labels, jnp.full(none, classes, labels.dtype)])
    return jnp.concatenate([put_beside(pool, x), ink, others]), y


def _of_other_classes(pool: RandomPool, x: Any, labels: Any, _drawn: int, none: int, classes: int) -> tuple[Any, Any]:
    """Add invented characters, scribbles and blanks to a batch of other classes' images."""
    each = round(none * 0.35)
    lines = jnp.concatenate([strokes.scribble_strokes(pool, each), strokes.character_strokes(pool, each)])
    parts = [x, strokes.render(pool, lines), negatives.blank(pool, none - 2 * each)]
    return jnp.concatenate(parts), jnp.concatenate([labels, jnp.full(none, classes, labels.dtype)])


def put_beside(pool: RandomPool, x: Any) -> Any:
    """Put a piece of their neighbour beside some digits, too narrow to be taken for a digit."""
    n = round(len(x) * BESIDE)
    if not n:
        return x
    flip = pool.flip(0.5, n, 1, 1)
    first, second = geometric.mirror_where(x[:n], flip), geometric.mirror_where(x[n : 2 * n], flip)
    low, right = pool.uniform(n, low=-6.0, high=6.0), geometric.ink_columns(first)[1]
    second = bilinear_sample(
        second,
        geometric.GRID[None, :, None] + (SIDE - 1) / 2 + low[:, None, None] + 0 * second,
        geometric.GRID[None, None, :] + (SIDE - 1) / 2 + 0 * second,
    )
    left = geometric.ink_columns(second)[0]
    second = geometric.keep_columns(second, left, left + pool.uniform(n, low=LEAST_PIECE, high=MOST_PIECE))
    aside = right + pool.uniform(n, low=0.0, high=4.0) - left
    fitted = geometric.mirror_where(geometric.fit_together([(first, jnp.zeros(n)), (second, aside)]), flip)
    return jnp.concatenate([fitted, x[n:]])


def degrade(pool: RandomPool, x: Any, part: float = DEGRADED, strong_fraction: Any = 1.0) -> Any:
    """Degrade a part of the images, each in one way, and a few in two."""
    total = sum(weight for _, weight in DEGRADATIONS)
    sizes = [round(len(x) * part * weight / total) for _, weight in DEGRADATIONS]
    for each in (sizes, [round(size * TWICE) for size in sizes]):
        x = _each_in_its_way(pool, x, each, strong_fraction)
    return x


def _each_in_its_way(pool: RandomPool, x: Any, sizes: Sequence[int], chance: Any) -> Any:
    """Degrade the first images, `each` in each way, with that chance; the second time others meet the same way."""
    ends = np.cumsum(sizes)
    first, rest = x[: ends[-1]], x[ends[-1] :]
    done = [
        way(pool, first[end - size : end])
        for (way, _), size, end in zip(DEGRADATIONS, sizes, ends, strict=True)
        if size
    ]
    if not done:
        return x
    happens = pool.flip(chance, len(first), 1, 1)
    return jnp.concatenate([jnp.where(happens, jnp.concatenate(done), first), rest])


def _evenly_mixed(n: int) -> np.ndarray:
    """Return an order in which every run of positions has all parts of the batch in their proportion."""
    golden = (5**0.5 - 1) / 2
    return np.argsort(np.arange(n) * golden % 1)
