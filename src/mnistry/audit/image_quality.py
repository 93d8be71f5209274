"""Images unlike MNIST's: blank, inverted, of another size or off centre."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LEAST_CONTRAST = 32  # grey levels between the darkest and the brightest pixel of an image that shows anything
INK = 32  # from this value on a pixel belongs to the ink box: above JPEG's noise, below the edge of a stroke
BOX = (18, 20)  # pixels; of MNIST's 70,000 images all have a longest side of 18 to 20
MIDDLE = 13.5  # of 28 pixels, counted from 0
OFF_CENTER = 1.5  # pixels; in MNIST the centre of mass is at most 1.0 from the middle, along each side
CHUNK = 4_096


KINDS = (  # attribute, name, and what such images have
    ("blank", "blank", "with nothing to see"),
    ("inverted", "inverted", "with dark ink on a bright ground"),
    ("wrong_size", "wrong size", f"with ink whose longest side is not {BOX[0]} to {BOX[1]} pixels"),
    ("off_center", "off centre", f"with ink more than {OFF_CENTER:g} pixels off the middle"),
)


@dataclass(frozen=True, eq=False)
class ImageQuality:
    """Unusual images, by kind; each is of one kind at most.

    Attributes:
        blank: int64 (k,), the indices of images that show nothing.
        inverted: int64 (k,), those with dark ink on a bright ground.
        wrong_size: int64 (k,), those whose ink box has another longest side than MNIST's, the farthest off first.
        off_center: int64 (k,), those whose ink is not in the middle, the farthest off first.
    """

    blank: np.ndarray
    inverted: np.ndarray
    wrong_size: np.ndarray
    off_center: np.ndarray


def find_outliers(images: np.ndarray) -> ImageQuality:
    """Find the images, uint8 (n, 28, 28) 0–255, that differ from MNIST's form."""
    chunks = [images[start : start + CHUNK] for start in range(0, len(images), CHUNK)] or [images]
    blank = np.concatenate([_contrast(chunk) < LEAST_CONTRAST for chunk in chunks])
    inverted = np.concatenate([_border(chunk) > 127 for chunk in chunks]) & ~blank  # the paper is the ring around
    boxes = np.concatenate([find_ink_box(chunk) for chunk in chunks])
    offsets = np.concatenate([measure_offset(chunk) for chunk in chunks])
    other_size = ~blank & ~inverted & ((boxes < BOX[0]) | (boxes > BOX[1]))
    other_place = ~blank & ~inverted & ~other_size & (offsets > OFF_CENTER)
    return ImageQuality(
        blank=np.flatnonzero(blank),
        inverted=np.flatnonzero(inverted),
        wrong_size=_worst_first(other_size, np.abs(boxes - sum(BOX) / 2)),
        off_center=_worst_first(other_place, offsets),
    )


def find_ink_box(images: np.ndarray) -> np.ndarray:
    """Measure the longest side of each image's ink box in pixels, int64 (n,); 0 without ink."""
    ink = images >= INK
    return np.asarray(np.maximum(_extent(np.any(ink, axis=1)), _extent(np.any(ink, axis=2))))


def measure_offset(images: np.ndarray) -> np.ndarray:
    """Measure how far each centre of mass is off the middle, across or down: pixels, float64 (n,); 0 if black."""
    weight = np.maximum(images.sum(axis=(1, 2), dtype=np.int64), 1)
    black = ~images.any(axis=(1, 2))
    along = np.arange(images.shape[1])
    centres = [images.sum(axis=axis, dtype=np.int64) @ along / weight for axis in (1, 2)]
    return np.where(black, 0.0, np.maximum(*(np.abs(centre - MIDDLE) for centre in centres)))


def _extent(inked: np.ndarray) -> np.ndarray:
    """Measure the span from the first to the last True of each row of bool (n, 28); 0 without any."""
    span = inked.shape[1] - inked.argmax(axis=1) - inked[:, ::-1].argmax(axis=1)
    return np.where(inked.any(axis=1), span, 0)


def _contrast(images: np.ndarray) -> np.ndarray:
    flat = images.reshape(len(images), 28 * 28)
    return np.asarray(flat.max(axis=1).astype(int) - flat.min(axis=1))


def _border(images: np.ndarray) -> np.ndarray:
    """The median of the outermost pixels of each image."""
    sides = (images[:, 0], images[:, -1], images[:, 1:-1, 0], images[:, 1:-1, -1])
    return np.asarray(np.median(np.concatenate(sides, axis=1), axis=1))


def _worst_first(chosen: np.ndarray, badness: np.ndarray) -> np.ndarray:
    found = np.flatnonzero(chosen)
    return found[np.argsort(-badness[found], kind="stable")]
