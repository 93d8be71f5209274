"""Small writing: digits of few pixels are read in grey in the enlarged picture, sure where two readings agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from mnistry.ocr.binarization import Foreground
from mnistry.ocr.image_io import Picture
from mnistry.ocr.result import DecodedDigit, doubt

SMALL = 14  # pixels: digits no higher are small
MOST_PIXELS = 500_000  # of a picture that is enlarged
TIMES = 2
DOUBTFUL = 0.5  # digit score
SOFT, FADED = 3, 0.49  # pixels around a digit of small writing; its strength there at most


def enlarged(picture: Picture, height: float) -> Picture | None:
    """The picture at twice its size, or None where its lines of writing are high, or there are none."""
    if not 0 < height <= SMALL or picture.pixels.shape[0] * picture.pixels.shape[1] > MOST_PIXELS:
        return None
    pixels = cv2.resize(picture.pixels, None, fx=TIMES, fy=TIMES, interpolation=cv2.INTER_CUBIC)
    return replace(picture, pixels=pixels)


def merge_readings(
    taken: Sequence[Sequence[DecodedDigit]], other: Sequence[Sequence[DecodedDigit]]
) -> list[list[DecodedDigit]]:
    """The digits of one of two readings, not sure where they differ; what is hardly a digit there is the other's."""
    alike = [len(line) for line in taken] == [len(line) for line in other]
    if not alike:
        return [[doubt(each) for each in line] for line in taken]
    return [[_merge(*both) for both in zip(*lines, strict=True)] for lines in zip(taken, other, strict=True)]


def _merge(one: DecodedDigit, other: DecodedDigit) -> DecodedDigit:
    if one.digit.name == other.digit.name:
        return one
    seen = other.digit if one.digit.digitness < DOUBTFUL <= other.digit.digitness else one.digit
    return doubt(replace(one, digit=seen))


def soft_crop(ink: Foreground, pieces: np.ndarray, start: int, stop: int, box: tuple[int, int, int, int]) -> np.ndarray:
    """The contrast of the ink of the pieces `start` to `stop` - 1 of small writing, and of all that fades around it.

    It is a part of their strongest; 0.5 and more is theirs.
    """
    height, width = pieces.shape
    left, top, right, bottom = box
    area = slice(max(0, top - SOFT), min(height, bottom + SOFT)), slice(max(0, left - SOFT), min(width, right + SOFT))
    own = (pieces[area] >= start) & (pieces[area] < stop)
    near = cv2.dilate(own.view(np.uint8), np.ones((2 * SOFT - 1, 2 * SOFT - 1), np.uint8)).view(bool)
    contrast = ink.contrast[area]
    share = contrast / max(float(contrast[own].max()), 1e-6)
    around = np.where(near & (ink.strength[area] < 0.5), np.minimum(share, FADED), 0)
    cropped: np.ndarray = np.where(own, np.maximum(share, 0.5), around).astype(np.float32)
    return cropped
