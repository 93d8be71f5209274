"""Fifteen corruptions of digit images that leave them readable for people.

The kinds are those of MNIST-C (Mu and Gilmer 2019, "MNIST-C: A Robustness Benchmark for Computer Vision",
arXiv 1906.02337), in its order, reimplemented from their descriptions: noise as of a sensor, blurs, affine maps,
light, and things that lie over the digit. How strong each one is, is our own choice by the paper's aim, to keep what
the image means and to mislead networks. It was set by looking at training images, so that a person reads them, and so
that a small CNN reads about four in five: of 3,000 training images that they had not seen, in the mean over the
fifteen, the lesson's network reads 63% and a CNN of two convolutions 81%. Figures measured here do not compare with
those measured on the published files.

Each corruption takes uint8 (n, 28, 28) and a random generator, and returns numbers of the same shape, which `corrupt`
clips to 0–255 and rounds. A pair of numbers is a range, from which each image gets its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from mnistry.constants import IMAGE_SIZE as SIDE
from mnistry.errors import UsageError, did_you_mean
from mnistry.evaluation import corruption_ops as ops

WHITE = 255
BLOCK = 256  # positions that share a random generator; also the images that are worked on at once

Range = tuple[float, float]
Corruption = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def corrupt(name: str, images: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """Corrupt images in one way.

    The result for an image depends only on the name, the seed, its position and the image itself, not on the images
    around it or on their number. Another version of NumPy may draw other random numbers.

    Args:
        name: one of `NAMES`.
        images: uint8 (n, 28, 28) 0–255, ink bright on black. They are left as they are.
        seed: 0 or more.

    Returns:
        uint8 (n, 28, 28) 0–255.

    Raises:
        UsageError: an unknown name, images of another shape or type, or a negative seed.

    >>> white = np.full((2, 28, 28), 255, np.uint8)
    >>> np.array_equal(corrupt("impulse_noise", white)[:1], corrupt("impulse_noise", white[:1]))
    True
    """
    if name not in CORRUPTIONS:
        raise UsageError(f"There is no corruption named {name!r}. {did_you_mean(name, CORRUPTIONS)}")
    images = _check_images(images, seed)
    result = np.empty_like(images)
    for first in range(0, len(images), BLOCK):
        # Whole blocks, so that each position gets the same random numbers whatever else is there.
        block = np.zeros((BLOCK, SIDE, SIDE), np.uint8)
        n = len(images[first : first + BLOCK])
        block[:n] = images[first : first + BLOCK]
        key = (NAMES.index(name), first // BLOCK)
        random = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
        result[first : first + n] = np.rint(np.clip(CORRUPTIONS[name](block, random), 0, WHITE))[:n]
    return result


def _check_images(images: np.ndarray, seed: int) -> np.ndarray:
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1:] != (SIDE, SIDE):
        raise UsageError(f"Images must be uint8 (n, {SIDE}, {SIDE}); received {images.dtype} {images.shape}.")
    if seed < 0:
        raise UsageError(f"The seed must be 0 or more; received {seed}.")
    return images


def shot_noise(images: np.ndarray, random: np.random.Generator, *, photons: int = 4) -> np.ndarray:
    """Photon counting: each pixel is a Poisson count, and the sensor is full at `photons`, which white brings."""
    greys = np.arange(WHITE + 1) / WHITE * photons
    shares = np.stack([np.exp(-greys) * greys**k / math.factorial(k) for k in range(photons)])
    at_most = shares.cumsum(axis=0).astype(np.float32)  # (photons, 256): the chance of k photons or fewer
    # By the inverse of the distribution: one random number a pixel, whatever its grey.
    chance = random.random(images.shape, np.float32)
    counts = np.zeros(images.shape, np.float32)
    for limits in at_most:
        counts += chance >= limits[images]
    return counts * np.float32(WHITE / photons)


def impulse_noise(images: np.ndarray, random: np.random.Generator, *, share: float = 0.25) -> np.ndarray:
    """Dead pixels: a share of all is replaced by white or black, each as often."""
    chance = random.random(images.shape, np.float32)
    return np.where(chance < share / 2, WHITE, np.where(chance < share, 0, images))


def glass_blur(images: np.ndarray, random: np.random.Generator, *, sigma: float = 0.5, cell: int = 2) -> np.ndarray:
    """Frosted glass: pixels change places with their neighbours, between two slight Gaussian blurs.

    All pixels of each `cell` × `cell` are shuffled; twice, the second time over other cells.
    """
    glass = ops.gaussian_blur(images, sigma)
    for margin in (0, cell // 2):
        glass = ops.shuffle_cells(glass, random, cell=cell, margin=margin)
    return ops.gaussian_blur(glass, sigma)


def motion_blur(images: np.ndarray, random: np.random.Generator, *, length: Range = (4.5, 6.5)) -> np.ndarray:
    """The hand moved: the mean along a straight line of `length` pixels, in any direction."""
    n = len(images)
    inner = random.uniform(*length, n) - 1  # the ends fade over a pixel each, half of which is theirs
    along, across = ops.line_coordinates(random.uniform(0, math.pi, n), np.zeros(n), side=SIDE - 1)
    return ops.convolve(images, ops.draw_line(ops.distance_from_segment(along, across, inner), width=1))


def shear(images: np.ndarray, random: np.random.Generator, *, slope: Range = (0.4, 0.7)) -> np.ndarray:
    """Slanted: each row is moved sideways by `slope` times its distance from the middle row, to either side."""
    matrices = _identities(len(images))
    matrices[:, 1, 0] = _either_way(random, slope, len(images))
    return ops.warp_affine(images, matrices, np.zeros((len(images), 2)))


def scale(images: np.ndarray, random: np.random.Generator, *, factor: Range = (0.55, 0.75)) -> np.ndarray:
    """Smaller by `factor`, about the centre."""
    matrices = _identities(len(images)) * ops.as_column(random.uniform(*factor, len(images)))
    return ops.warp_affine(images, matrices, np.zeros((len(images), 2)))


def rotate(images: np.ndarray, random: np.random.Generator, *, degrees: Range = (20, 40)) -> np.ndarray:
    """Turned about the centre, to either side."""
    angle = np.radians(_either_way(random, degrees, len(images)))
    cosine, sine = np.cos(angle), np.sin(angle)
    matrices = np.stack([np.stack([cosine, -sine], axis=1), np.stack([sine, cosine], axis=1)], axis=1)
    return ops.warp_affine(images, matrices, np.zeros((len(images), 2)))


def brightness(images: np.ndarray, random: np.random.Generator, *, more: Range = (0.4, 0.65)) -> np.ndarray:
    """Too much light: a constant, `more` times white, is added to every pixel."""
    return images + ops.as_column(random.uniform(*more, len(images)) * WHITE)


def translate(images: np.ndarray, random: np.random.Generator, *, pixels: Range = (2, 5)) -> np.ndarray:
    """Moved by `pixels` up or down, and by as many left or right, drawn apart."""
    shifts = np.stack([_either_way(random, pixels, len(images)) for _ in range(2)], axis=1)
    return ops.warp_affine(images, _identities(len(images)), shifts)


def _either_way(random: np.random.Generator, size: Range, n: int) -> np.ndarray:
    return random.uniform(*size, n) * random.choice((-1, 1), n)


def _identities(n: int) -> np.ndarray:
    return np.tile(np.eye(2), (n, 1, 1))


def stripe(images: np.ndarray, random: np.random.Generator, *, width: int = 7) -> np.ndarray:
    """A vertical stripe across the middle half of the field, inside which black is white and white black."""
    left = random.integers(SIDE // 4, SIDE - SIDE // 4 - width, len(images), endpoint=True)
    columns = np.arange(SIDE)
    inside = (columns >= left[:, None]) & (columns < left[:, None] + width)
    return np.where(inside[:, None, :], WHITE - images, images)


def fog(images: np.ndarray, random: np.random.Generator, *, density: Range = (0.9, 1.3)) -> np.ndarray:
    """Clouds before the digit: a plasma fractal, `density` times as bright as white, is added, and the sum dimmed."""
    thick = ops.as_column(random.uniform(*density, len(images)))
    return (images + thick * _plasma(len(images), random)) / (1 + thick)


def _plasma(n: int, random: np.random.Generator, roughness: float = 1.7) -> np.ndarray:
    """Noise whose waves are the stronger the longer they are, by that power: float32 (n, 28, 28), each 0–255."""
    side = 2 * SIDE  # the noise repeats itself; half of it does not show that
    waves = np.fft.rfft2(random.standard_normal((n, side, side), np.float32))
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)).astype(np.float32)
    frequency[0, 0] = np.inf  # no constant part
    clouds = np.fft.irfft2(waves / frequency**roughness)[:, :SIDE, :SIDE]
    clouds -= clouds.min(axis=(1, 2), keepdims=True)
    clouds *= WHITE / clouds.max(axis=(1, 2), keepdims=True)
    return clouds


def spatter(
    images: np.ndarray, random: np.random.Generator, *, sigma: float = 1.2, level: float = 1.1, tone: Range = (0.5, 0.8)
) -> np.ndarray:
    """Drops on the lens: grey blobs, where Gaussian noise smoothed by `sigma` is over `level` standard deviations."""
    noise = ops.gaussian_blur(random.standard_normal(images.shape, np.float32), sigma, mode="wrap")
    over = noise / noise.std(axis=(1, 2), keepdims=True) - level
    cover = np.clip(2 * over + 0.5, 0, 1)  # soft edges, as of a drop out of focus
    return images * (1 - cover) + WHITE * ops.as_column(random.uniform(*tone, len(images))) * cover


def dotted_line(
    images: np.ndarray, random: np.random.Generator, *, spacing: float = 3.5, width: float = 1.8
) -> np.ndarray:
    """A straight line of white dots, `spacing` pixels apart, from edge to edge."""
    distance = ops.distance_from_dots(*_through(images, random), spacing, random.random(len(images)))
    return _over(images, ops.draw_line(distance, width=width))


def zigzag(
    images: np.ndarray,
    random: np.random.Generator,
    *,
    period: Range = (8, 12),
    height: Range = (2, 4),
    width: float = 1.2,
) -> np.ndarray:
    """A white zigzag from edge to edge: a tooth every `period` pixels, `height` pixels to both sides."""
    n = len(images)
    distance = ops.distance_from_zigzag(
        *_through(images, random), random.uniform(*period, n), random.uniform(*height, n), random.random(n)
    )
    return _over(images, ops.draw_line(distance, width=width))


def _through(images: np.ndarray, random: np.random.Generator, off: float = 6.0) -> tuple[np.ndarray, np.ndarray]:
    """A line of any direction that passes the centre within `off` pixels, and so runs through most digits."""
    return ops.line_coordinates(random.uniform(0, math.pi, len(images)), random.uniform(-off, off, len(images)))


def _over(images: np.ndarray, ink: np.ndarray) -> np.ndarray:
    return np.maximum(images, WHITE * ink)


def canny_edges(images: np.ndarray, _: np.random.Generator) -> np.ndarray:
    """Only the outlines: white edges on black, as Canny's detector finds them."""
    return ops.canny(images)


CORRUPTIONS: dict[str, Corruption] = {
    function.__name__: function
    for function in (
        shot_noise, impulse_noise, glass_blur, motion_blur, shear, scale, rotate, brightness, translate, stripe, fog,
        spatter, dotted_line, zigzag, canny_edges,
    )
}  # fmt: skip
NAMES = tuple(CORRUPTIONS)
