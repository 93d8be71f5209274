"""Small writing: digits of a few pixels are read in the picture enlarged, and are sure where both readings agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

import cv2

from mnistry.ocr.image_io import Picture
from mnistry.ocr.result import DecodedDigit, doubt

SMALL = 14  # pixels: digits no higher are small
MOST_PIXELS = 500_000  # of a picture that is enlarged
TIMES = 2


def enlarged(picture: Picture, lines: Sequence[Sequence[DecodedDigit]]) -> Picture | None:
    """The picture at twice its size, or None where the digits found in it are large or there are none."""
    heights = [each.height for line in lines for each in line]
    if not heights or median(heights) > SMALL or picture.pixels.shape[0] * picture.pixels.shape[1] > MOST_PIXELS:
        return None
    pixels = cv2.resize(picture.pixels, None, fx=TIMES, fy=TIMES, interpolation=cv2.INTER_CUBIC)
    return replace(picture, pixels=pixels)


def doubt_differences(
    taken: Sequence[Sequence[DecodedDigit]], other: Sequence[Sequence[DecodedDigit]]
) -> list[list[DecodedDigit]]:
    """The digits of one of the two readings, not sure where the other one differs."""
    names = [[each.digit.name for each in line] for line in other]
    alike = [len(line) for line in taken] == [len(line) for line in names]
    return [
        [each if alike and each.digit.name == names[i][j] else doubt(each) for j, each in enumerate(line)]
        for i, line in enumerate(taken)
    ]
