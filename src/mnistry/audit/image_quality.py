"""Images that do not look as MNIST's do: blank, inverted, or drawn in another size or place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LEAST_CONTRAST = 32  # grey levels between the darkest and the brightest pixel of an image that shows anything
INK = 32  # from this value on a pixel belongs to the ink box: above JPEG's noise, below the edge of a stroke
BOX = (18, 20)  # pixels; of MNIST's 70,000 images all have a longest side of 18 to 20
MIDDLE = 13.5  # of 28 pixels, counted from 0
OFF_CENTRE = 1.5  # pixels; in MNIST the centre of mass is at most 1.0 from the middle, along each side
CHUNK = 4_096


@dataclass(frozen=True, eq=False)
class Appearance:
    """Which images stand out, by kind; an image is of one kind at most.

    Attributes:
        blank: int64 (k,), the indices of images that show nothing.
        inverted: int64 (k,), those with dark ink on a bright ground.
        resized: int64 (k,), those whose ink box has another longest side than MNIST's, the farthest off first.
        misplaced: int64 (k,), those whose ink is not in the middle, the farthest off first.
        boxes: int64 (n,), the longest side of each image's ink box in pixels, 0 without ink.
        offsets: float64 (n,), how far each image's centre of mass is from the middle in pixels, along the side where
            it is farther; 0 without ink.
    """

    blank: np.ndarray
    inverted: np.ndarray
    resized: np.ndarray
    misplaced: np.ndarray
    boxes: np.ndarray
    offsets: np.ndarray


def look(images: np.ndarray) -> Appearance:
    """Sorts out the images that do not look as MNIST's do.

    Args:
        images: uint8 (n, 28, 28) 0–255.
    """
    chunks = [images[start : start + CHUNK] for start in range(0, len(images), CHUNK)] or [images]
    blank = np.concatenate([_contrast(chunk) < LEAST_CONTRAST for chunk in chunks])
    inverted = np.concatenate([_border(chunk) > 127 for chunk in chunks]) & ~blank  # the paper is the ring around
    boxes = np.concatenate([ink_box(chunk) for chunk in chunks])
    offsets = np.concatenate([off_centre(chunk) for chunk in chunks])
    other_size = ~blank & ~inverted & ((boxes < BOX[0]) | (boxes > BOX[1]))
    other_place = ~blank & ~inverted & ~other_size & (offsets > OFF_CENTRE)
    return Appearance(
        blank=np.flatnonzero(blank),
        inverted=np.flatnonzero(inverted),
        resized=_worst_first(other_size, np.abs(boxes - sum(BOX) / 2)),
        misplaced=_worst_first(other_place, offsets),
        boxes=boxes,
        offsets=offsets,
    )


def ink_box(images: np.ndarray) -> np.ndarray:
    """The longest side of each image's ink box in pixels, int64 (n,); 0 without ink."""
    ink = images >= INK
    return np.asarray(np.maximum(_extent(np.any(ink, axis=1)), _extent(np.any(ink, axis=2))))


def off_centre(images: np.ndarray) -> np.ndarray:
    """How far each image's centre of mass is from the middle along either side, float64 (n,); 0 if it is black."""
    weight = np.maximum(images.sum(axis=(1, 2), dtype=np.int64), 1)
    black = ~images.any(axis=(1, 2))
    along = np.arange(images.shape[1])
    centres = [images.sum(axis=axis, dtype=np.int64) @ along / weight for axis in (1, 2)]
    return np.where(black, 0.0, np.maximum(*(np.abs(centre - MIDDLE) for centre in centres)))


def _extent(inked: np.ndarray) -> np.ndarray:
    """From the first to the last True of each row, bool (n, 28), how many there are; 0 if there is none."""
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
