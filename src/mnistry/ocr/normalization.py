"""Ink brought into MNIST's form: what NIST and LeCun did to their digits, done to anybody's.

NIST's digits were black and white; LeCun, Cortes and Burges fitted each into a box of 20×20 pixels with its aspect
kept, so that grey levels came from the anti-aliasing alone, and put its centre of mass at the centre of a field of
28×28. Here each digit is drawn black and white on a field four times as fine, its strokes are made as thick as MNIST's,
and the field is averaged down.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import islice

import numpy as np

from mnistry.constants import BOX_SIZE as BOX
from mnistry.constants import IMAGE_SIZE as SIDE
from mnistry.ocr.binarization import Foreground
from mnistry.ocr.components import area_around, bounding_box, stroke_width
from mnistry.ocr.morphology import dilate, distances
from mnistry.ocr.resizing import resize
from mnistry.ocr.result import Box

FINE = 4  # fine pixels along a side of a pixel
FULL = BOX * FINE
MARGIN = 2 * FINE  # around the box: room for rounding and anti-aliasing
FIELD = FULL + 2 * MARGIN
THINNEST, THICKEST = 2.4, 3.0  # pixels; the middle half of MNIST's strokes is 2.1 to 2.9 thick
CHUNK = 128  # digits drawn at a time
ROUNDING = 1e-5  # of the ink: a pixel that ink covers by half is set, however the sums are rounded
FAINT = 0.08  # of the ink: fainter greys around small digits are paper
SOFT, FADED = 3, 0.49  # pixels around a digit of small writing; its strength there at most


def normalize(inks: Iterable[np.ndarray]) -> np.ndarray:
    """Bring digits into MNIST's form.

    Args:
        inks: for each digit float32 (height, width) of any size: the strength of its ink, whose edge is at 0.5; some
            must reach that. They are taken a few at a time, so that not all need be in memory at once.

    Returns:
        uint8 (n, 28, 28), ink bright on black: the longest side of the ink's box is 20 pixels, its centre of mass is
        at (14, 14), where MNIST has it.
    """
    waiting = iter(inks)
    parts = [_part(some) for some in iter(lambda: list(islice(waiting, CHUNK)), [])]
    return np.concatenate(parts) if parts else np.zeros((0, SIDE, SIDE), np.uint8)


def _part(inks: Sequence[np.ndarray]) -> np.ndarray:
    """Some digits at a time: a fine field has twelve times the pixels of an image."""
    n = len(inks)
    fields = np.zeros((n, FIELD, FIELD), bool)
    growth = np.zeros(n, np.float32)
    for i, ink in enumerate(inks):
        fields[i], growth[i] = _drawn(ink)
    drawn = _thicken(fields, growth)
    for outside in (slice(MARGIN), slice(MARGIN + FULL, None)):  # a fraction of a fine pixel may have grown out of it
        drawn[:, outside], drawn[:, :, outside] = 0, 0
    rows = drawn.reshape(-1, FINE, FIELD).sum(axis=1)
    cells = rows.reshape(n, FIELD // FINE, FIELD // FINE, FINE).sum(axis=3)
    cells /= np.maximum(cells.max(axis=(1, 2), keepdims=True, initial=0), 1e-6)
    small = np.rint(cells * 255).astype(np.uint8)
    return np.stack([_centre(each) for each in small])


def normalize_small(inks: Iterable[np.ndarray]) -> np.ndarray:
    """Bring digits of few pixels into MNIST's form in their own greys.

    Where a stroke is thinner than a pixel, black and white would lose half of it; its greys say where it runs.

    Args:
        inks: for each digit float32 (height, width): the strength of its ink, see `normalize`, and the fainter ink
            around it.

    Returns:
        uint8 (n, 28, 28), like those of `normalize`.
    """
    images = [_enlarged(ink) for ink in inks]
    return np.stack(images) if images else np.zeros((0, SIDE, SIDE), np.uint8)


def _enlarged(ink: np.ndarray) -> np.ndarray:
    left, top, right, bottom = bounding_box(ink >= 0.5)
    scale = BOX / max(bottom - top, right - left)
    room = int((SIDE - BOX) / 2 / scale)  # source pixels around the box that there is room for
    ink = ink[max(0, top - room) : bottom + room, max(0, left - room) : right + room]
    large = np.clip(resize(ink, *(min(SIDE, max(1, round(side * scale))) for side in ink.shape)), 0, 1)
    large[large < FAINT] = 0
    return _centre(np.rint(large * (255 / max(float(large.max()), 1e-6))).astype(np.uint8))


def is_normalized(image: np.ndarray) -> bool:
    """Tell whether an image, uint8 (28, 28), is in MNIST's form already."""
    if image.shape != (SIDE, SIDE) or not image.any():
        return False
    left, top, right, bottom = bounding_box(image > 0)
    centre = _centre_of_mass(image)
    return max(bottom - top, right - left) in (BOX - 1, BOX) and all(abs(each - SIDE / 2) <= 0.51 for each in centre)


def _drawn(ink: np.ndarray) -> tuple[np.ndarray, float]:
    """A digit in black and white on the fine field, and by how much its strokes must still grow on each side.

    The box that counts is that of the finished digit. Growing adds to it, so the line along the middle of the strokes
    is what must fit: it is (side - width) long, and shall become (FULL - wanted width).
    """
    image = _coarse(ink)
    scale = FULL / max(image.shape)
    width = min(stroke_width(_resize(image, scale)), FULL)
    wanted = min(max(width, THINNEST * FINE), THICKEST * FINE)
    if width > FULL / 3:  # a blot: no line to speak of
        wanted = width
    scale *= (FULL - wanted) / (FULL - width) if width < FULL else 1.0
    growth = (wanted - width * scale * max(image.shape) / FULL) / 2
    drawn = _resize(image, scale)
    start = MARGIN + max(0, round(growth))
    height, across = (min(side, FIELD - start) for side in drawn.shape)
    field = np.zeros((FIELD, FIELD), bool)
    field[start : start + height, start : start + across] = drawn[:height, :across]
    return field, growth


def _coarse(ink: np.ndarray) -> np.ndarray:
    """The ink's box, with fewer pixels where it has many more than are needed; thin strokes stay whole."""
    left, top, right, bottom = bounding_box(ink >= 0.5)
    ink = ink[top:bottom, left:right]
    block = max(ink.shape) // (2 * FULL)
    if block > 1:
        height, width = ink.shape
        padded = np.pad(ink, ((0, -height % block), (0, -width % block)))
        rows = padded.reshape(padded.shape[0] // block, block, padded.shape[1]).max(axis=1)
        ink = rows.reshape(len(rows), padded.shape[1] // block, block).max(axis=2)
    if max(ink.shape) > FULL and stroke_width(ink >= 0.5) * FULL < 2 * max(ink.shape):
        ink = np.pad(ink, 1)  # lines that would vanish between the fine pixels
        ink = np.maximum(np.maximum(ink, np.roll(ink, 1, 0)), np.roll(ink, -1, 0))
        ink = np.maximum(np.maximum(ink, np.roll(ink, 1, 1)), np.roll(ink, -1, 1))
    return ink


def _resize(ink: np.ndarray, scale: float) -> np.ndarray:
    """Ink in black and white at another size: bool."""
    resized = resize(ink, *(max(1, round(side * scale)) for side in ink.shape))
    return resized >= min(0.5, float(resized.max())) - ROUNDING


def _thicken(fields: np.ndarray, growth: np.ndarray) -> np.ndarray:
    """Strokes grown by fine pixels on each side, negative for thinner: float32 (n, FIELD, FIELD), 0–1."""
    ink = fields.astype(np.float32)
    for i in np.flatnonzero(np.abs(growth) > 0.25):
        left, top, right, bottom = bounding_box(fields[i])
        room = 1 + math.ceil(abs(growth[i]))
        area = slice(max(top - room, 0), bottom + room), slice(max(left - room, 0), right + room)
        field = fields[i][area]
        if growth[i] > 0:
            ink[i][area] = np.clip(growth[i] + 0.5 - distances(field, room), 0, 1)
        else:
            thinner = np.clip(growth[i] - 0.5 + distances(~field, room + 1), 0, 1)
            ink[i][area] = thinner if thinner.any() else field
    return ink


def _centre(box: np.ndarray) -> np.ndarray:
    """An image (28, 28) with the centre of mass as near to (14, 14) as whole pixels allow, all ink inside."""
    left, top, right, bottom = bounding_box(box > 0)
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


def soft_crop(ink: Foreground, pieces: np.ndarray, start: int, stop: int, box: Box) -> np.ndarray:
    """The contrast of the ink of the pieces `start` to `stop` - 1 of small writing, and of all that fades around it.

    It is a part of their strongest; 0.5 and more is theirs.
    """
    area = area_around(box, SOFT, pieces.shape)
    own = (pieces[area] >= start) & (pieces[area] < stop)
    near = dilate(own, 2 * SOFT - 1, 2 * SOFT - 1)
    contrast = ink.contrast[area]
    share = contrast / max(float(contrast[own].max()), 1e-6)
    around = np.where(near & (ink.strength[area] < 0.5), np.minimum(share, FADED), 0)
    return np.where(own, np.maximum(share, 0.5), around).astype(np.float32)
