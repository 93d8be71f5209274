"""Ink brought into MNIST's form: what NIST and LeCun did to their digits, done to anybody's.

NIST's digits were black and white; LeCun, Cortes and Burges fitted each into a box of 20×20 pixels with its aspect
kept, so that grey levels came from the anti-aliasing alone, and put its centre of mass at the centre of a field of
28×28. Here each digit is drawn black and white on a field four times as fine, its strokes are made as thick as MNIST's,
and the field is averaged down.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from mnistry.ocr.components import stroke_width

SIDE, BOX = 28, 20
FINE = 4  # fine pixels along a side of a pixel
FULL = BOX * FINE
MARGIN = 2 * FINE  # around the box: room for rounding and anti-aliasing
FIELD = FULL + 2 * MARGIN
INSIDE = (np.arange(FIELD) >= MARGIN) & (np.arange(FIELD) < MARGIN + FULL)
THINNEST, THICKEST = 2.4, 3.0  # pixels; the middle half of MNIST's strokes is 2.1 to 2.9 thick
CHUNK = 128  # digits drawn at a time
REACH = 14  # fine pixels by which strokes are thickened at most


def normalize(
    inks: Sequence[np.ndarray], *, thinnest: float = THINNEST, thickest: float = THICKEST, slant: float = 0.0
) -> np.ndarray:
    """Digits in MNIST's form.

    Args:
        inks: for each digit float32 (height, width) of any size: the strength of its ink, whose edge is at 0.5; some
            must reach that.
        thinnest: strokes are made at least so thick, in pixels of the result.
        thickest: strokes are made at most so thick.
        slant: columns by which each row is moved to the right for each row that it lies higher.

    Returns:
        uint8 (n, 28, 28), ink bright on black: the longest side of the ink's box is 20 pixels, its centre of mass is
        at (14, 14), where MNIST has it.
    """
    options = {"thinnest": thinnest, "thickest": thickest, "slant": slant}
    parts = [_part(inks[start : start + CHUNK], **options) for start in range(0, len(inks), CHUNK)]
    return np.concatenate(parts) if parts else np.zeros((0, SIDE, SIDE), np.uint8)


def _part(inks: Sequence[np.ndarray], *, thinnest: float, thickest: float, slant: float) -> np.ndarray:
    """Some digits at a time: a fine field has twelve times the pixels of an image."""
    n = len(inks)
    fields = np.zeros((n, FIELD, FIELD), bool)
    growth = np.zeros(n, np.float32)
    for i, ink in enumerate(inks):
        fields[i], growth[i] = _drawn(ink, thinnest * FINE, thickest * FINE, slant)
    drawn = _thickened(fields, growth)
    drawn[:, ~INSIDE], drawn[:, :, ~INSIDE] = 0, 0  # a fraction of a fine pixel may have grown out of the box
    cells = drawn.reshape(n, FIELD // FINE, FINE, FIELD // FINE, FINE).mean(axis=(2, 4))
    cells /= np.maximum(cells.max(axis=(1, 2), keepdims=True, initial=0), 1e-6)
    small = np.rint(cells * 255).astype(np.uint8)
    return np.stack([_centred(each) for each in small])


def is_normalized(image: np.ndarray) -> bool:
    """Tell whether an image, uint8 (28, 28), is in MNIST's form already."""
    if image.shape != (SIDE, SIDE) or not image.any():
        return False
    top, bottom, left, right = bounding_box(image > 0)
    centre = _centre_of_mass(image)
    return max(bottom - top, right - left) in (BOX - 1, BOX) and all(abs(each - SIDE / 2) <= 0.51 for each in centre)


def bounding_box(mask: np.ndarray) -> tuple[int, int, int, int]:
    """The first row, the row after the last, and the same of columns, of what is set in a mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def _drawn(ink: np.ndarray, thinnest: float, thickest: float, slant: float) -> tuple[np.ndarray, float]:
    """A digit in black and white on the fine field, and by how much its strokes must still grow on each side.

    The box that counts is that of the finished digit. Growing adds to it, so the line along the middle of the strokes
    is what must fit: it is (side - width) long, and shall become (FULL - wanted width).
    """
    image = _sheared(_coarse(ink), slant)
    scale = FULL / max(image.shape)
    width = min(stroke_width(_resized(image, scale)), FULL)
    wanted = min(max(width, thinnest), thickest)
    if width > FULL / 3:  # a blot: no line to speak of
        wanted = width
    scale *= (FULL - wanted) / (FULL - width) if width < FULL else 1.0
    growth = (wanted - width * scale * max(image.shape) / FULL) / 2
    drawn = _resized(image, scale)
    start = MARGIN + max(0, round(growth))
    height, across = (min(side, FIELD - start) for side in drawn.shape)
    field = np.zeros((FIELD, FIELD), bool)
    field[start : start + height, start : start + across] = drawn[:height, :across]
    return field, growth


def _coarse(ink: np.ndarray) -> np.ndarray:
    """The ink's box, with fewer pixels where it has many more than are needed; thin strokes stay whole."""
    top, bottom, left, right = bounding_box(ink >= 0.5)
    ink = ink[top:bottom, left:right]
    block = max(ink.shape) // (2 * FULL)
    if block > 1:
        height, width = ink.shape
        padded = np.pad(ink, ((0, -height % block), (0, -width % block)))
        ink = padded.reshape(padded.shape[0] // block, block, padded.shape[1] // block, block).max(axis=(1, 3))
    if max(ink.shape) > FULL and stroke_width(ink >= 0.5) * FULL < 2 * max(ink.shape):
        ink = np.pad(ink, 1)  # lines that would vanish between the fine pixels
        ink = np.maximum(np.maximum(ink, np.roll(ink, 1, 0)), np.roll(ink, -1, 0))
        ink = np.maximum(np.maximum(ink, np.roll(ink, 1, 1)), np.roll(ink, -1, 1))
    return ink


def _sheared(ink: np.ndarray, slant: float) -> np.ndarray:
    """Each row moved to the right, the more the higher it is; the box of the result."""
    if slant == 0:
        return ink
    from PIL import Image

    height, width = ink.shape
    room = abs(slant) * height
    data = (1, slant, -room if slant > 0 else 0.0, 0, 1, 0) if slant > 0 else (1, slant, 0.0, 0, 1, 0)
    moved = Image.fromarray(np.ascontiguousarray(ink, np.float32)).transform(
        (int(np.ceil(width + room)), height), Image.Transform.AFFINE, data, Image.Resampling.BILINEAR
    )
    sheared = np.asarray(moved)
    if not (sheared >= 0.5).any():
        return ink
    top, bottom, left, right = bounding_box(sheared >= 0.5)
    return sheared[top:bottom, left:right]


def _resized(ink: np.ndarray, scale: float) -> np.ndarray:
    """Ink in black and white at another size: bool."""
    from PIL import Image

    height, width = ink.shape
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    resized = np.asarray(Image.fromarray(np.ascontiguousarray(ink, np.float32)).resize(size, Image.Resampling.BICUBIC))
    return resized >= min(0.5, float(resized.max()))


def _thickened(fields: np.ndarray, growth: np.ndarray) -> np.ndarray:
    """Strokes grown by so many fine pixels on each side, negative for thinner: float32 (n, FIELD, FIELD), 0–1."""
    ink = fields.astype(np.float32)
    more, less = growth > 0.25, growth < -0.25
    if more.any():
        reach = _reach(growth[more])
        ink[more] = np.clip(growth[more, None, None] + 0.5 - _distance(fields[more], reach), 0, 1)
    if less.any():
        reach = _reach(growth[less])
        ink[less] = np.clip(growth[less, None, None] - 0.5 + _distance(~fields[less], reach), 0, 1)
        ink[less] = np.where(ink[less].any(axis=(1, 2), keepdims=True), ink[less], fields[less])
    return ink


def _reach(growth: np.ndarray) -> int:
    """The reach of distances that are needed for strokes to grow or shrink so much."""
    return min(REACH, math.ceil(float(np.abs(growth).max()) + 1.5))


def _distance(fields: np.ndarray, reach: int) -> np.ndarray:
    """Measure each pixel's distance from the nearest set one, up to `reach`: first along columns, then along rows."""
    squares = np.where(fields, np.float32(0), np.float32((reach + 1) ** 2))
    for axis in (1, 2):
        before = np.moveaxis(squares.copy(), axis, 1)
        after = np.moveaxis(squares, axis, 1)
        for step in range(1, reach + 1):
            np.minimum(after[:, step:], before[:, :-step] + step * step, out=after[:, step:])
            np.minimum(after[:, :-step], before[:, step:] + step * step, out=after[:, :-step])
    return np.sqrt(squares)


def _centred(box: np.ndarray) -> np.ndarray:
    """An image (28, 28) with the centre of mass as near to (14, 14) as whole pixels allow, all ink inside."""
    top, bottom, left, right = bounding_box(box > 0)
    row, column = _centre_of_mass(box)
    down = int(np.clip(round(SIDE / 2 - row), -top, SIDE - bottom))
    across = int(np.clip(round(SIDE / 2 - column), -left, SIDE - right))
    field = np.zeros((SIDE, SIDE), np.uint8)
    field[top + down : bottom + down, left + across : right + across] = box[top:bottom, left:right]
    return field


def _centre_of_mass(image: np.ndarray) -> tuple[float, float]:
    """Row and column of the centre of mass of an image with something in it."""
    rows, columns = image.sum(axis=1, dtype=np.float64), image.sum(axis=0, dtype=np.float64)
    mass = rows.sum()
    return float(np.arange(len(rows)) @ rows / mass), float(np.arange(len(columns)) @ columns / mass)
