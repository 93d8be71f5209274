"""Arrays of any usual type and shape, converted to uint8 images."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from mnistry.constants import IMAGE_SIZE
from mnistry.datasets.labelled import EXAMPLES, ValidationErrors
from mnistry.errors import DataError

SMALLEST_SIDE, SMALLEST_COLOURED = 8, 20  # pixels: of images that are rows of numbers, grey and in three colours
LOOKED_AT = 100  # rows that tell how colours are stored
BITS = (10, 12, 14, 16)  # of grey levels of cameras and scanners in medicine
WHITES = (15, 16)  # the brightest value where grey levels are of four bits, as in scikit-learn's digits
MEAN, SPREAD = 0.1307, 0.3081  # of MNIST's pixels: taken off and divided by in many PyTorch programs
BACKGROUND, MOST_DEVIATIONS = 0.2, 20  # share of pixels that are the least; standard deviations of standardized ones
STANDARDIZED = (-MEAN / SPREAD, (1 - MEAN) / SPREAD)

Place = Callable[[tuple[int, ...]], str]
"""Names the place of a number, from its index."""


def to_uint8(values: np.ndarray, place: Place, problems: ValidationErrors) -> tuple[np.ndarray, str | None]:
    """Bring numbers of any type to 0–255.

    Numbers up to 255 are taken as they are, fractions among them rounded; if none is above 1, all are parts of white,
    0–1; if some are below 0, from -1 to 1, or from -0.5 to 0.5 or -128 to 127, if those are the least and the most.
    Whole numbers of 10 to 16 bits are scaled, numbers up to 15 or 16 taken for four bits, and MNIST's usual
    standardization undone, as is any other of which the background, the least number, is left in many pixels.

    Args:
        values: bool, integers or floats of any shape.
        place: names the place of a number.
        problems: takes numbers that are none of these.

    Returns:
        uint8 of the same shape, 0–255; and the assumption, if there was a choice.
    """
    if values.dtype == bool:
        return values.astype(np.uint8) * np.uint8(255), None
    top, least = (0, 0) if values.size == 0 else (values.max(), values.min())
    if least >= 0 and top in WHITES and values.size >= 100 * float(top):
        return _scale(values, 255 / top), f"its brightest pixel is {top:g}, which is taken as white"
    if least == -128 and 1 < top <= 127 and (values == np.rint(values)).all():
        return _scale(values, 1.0, 128.0), "pixels from -128 to 127 are brought to 0–255"
    if values.dtype.kind in "ui":
        if least >= 0 and top == 1:
            return values.astype(np.uint8) * np.uint8(255), None
        bits = next((bits for bits in BITS if top < 2**bits), 0) if least >= 0 and values.dtype == np.uint16 else 0
        if bits and top > 255:
            return _scale(values, 255 / (2**bits - 1)), f"pixels of {bits} bits are scaled to 0–255"
    elif np.isfinite(top) and np.isfinite(least):
        if -1 <= least < 0 and top <= 1:
            if (least, top) == (-0.5, 0.5):
                return _scale(values, 255.0, 127.5), "pixels from -0.5 to 0.5 are scaled to 0–255"
            return _scale(values, 127.5, 127.5), "pixels from -1 to 1 are scaled to 0–255"
        if np.allclose((least, top), STANDARDIZED, atol=0.002):
            return _scale(values, 255 * SPREAD, 255 * MEAN), "pixels with MNIST's mean of 0.1307 taken off are restored"
        if -MOST_DEVIATIONS < least < 0 < top < MOST_DEVIATIONS and (values == least).mean() >= BACKGROUND:
            factor = 255 / (float(top) - float(least))
            return _scale(values, factor, -factor * float(least)), (
                f"pixels from {least:.3g} to {top:.3g}, of which a mean seems to be taken off, are scaled to 0–255"
            )
        if least >= 0 and 1 < top <= 255 and not (values == np.rint(values)).all():
            return _scale(values, 1.0), "fractions of grey levels are rounded"
    wrong = ~np.isfinite(values) | (values < 0) | (values > 255)
    if wrong.any():
        _report_wrong(values, wrong, place, problems)
        return np.zeros(values.shape, np.uint8), None
    return (_scale(values, 255.0), None) if top <= 1 else (values.astype(np.uint8, copy=False), None)


def narrow(values: np.ndarray) -> np.ndarray:
    """Whole numbers that fit into bytes as bytes; others as float32."""
    if values.size and values.dtype != bool and ((values >= 0) & (values <= 255)).all():
        small = values.astype(np.uint8)
        if (small == values).all():
            return small
    return values if values.dtype == bool else values.astype(np.float32)


def _scale(values: np.ndarray, factor: float, offset: float = 0.0) -> np.ndarray:
    """Scale numbers and round them, a part at a time: memory for one float32 copy of a part, not of all."""
    scaled = np.empty(values.shape, np.uint8)
    step = max(1, 2**22 // max(1, math.prod(values.shape[1:])))
    for start in range(0, len(values), step):
        scaled[start : start + step] = np.rint(values[start : start + step] * float(factor) + offset)
    return scaled


def _report_wrong(values: np.ndarray, wrong: np.ndarray, place: Place, problems: ValidationErrors) -> None:
    rule = "pixels must be from 0 to 255, or all from 0 to 1"
    indices = np.argwhere(wrong)
    for number, row in enumerate(indices[:EXAMPLES]):
        index = tuple(int(each) for each in row)
        rest = len(indices) - EXAMPLES + 1 if number == EXAMPLES - 1 else 1
        problems.add(place(index), f"{rule}; received {values[index]:g}", times=rest)


def shape_of(columns: int) -> tuple[int, ...] | None:
    """The shape of a square image with this many numbers, grey or in three colours; None if there is none.

    >>> shape_of(784), shape_of(3072), shape_of(785)
    ((28, 28), (32, 32, 3), None)
    """
    for channels, smallest in ((1, SMALLEST_SIDE), (3, SMALLEST_COLOURED)):
        side = math.isqrt(max(0, columns) // channels)
        if channels * side * side == columns and side >= smallest:
            return (side, side) if channels == 1 else (side, side, channels)
    return None


def to_images(x: np.ndarray, images: int | None, name: str, problems: ValidationErrors) -> tuple[np.ndarray, list[str]]:
    """Bring an array of numbers into the form of images: uint8 (n, height, width) or (n, height, width, 3 or 4).

    Args:
        x: see `arrange` and `to_uint8`.
        images: the number of labels, where it is known.
        name: the name of the array in errors.
        problems: takes numbers that cannot be pixels.

    Returns:
        The images, 0–255, and the assumptions.

    Raises:
        DataError: it is not an array of images.
    """
    values, arranged = arrange(x, images, name)

    def place(index: tuple[int, ...]) -> str:
        return f"{name}[{index[0]}], row {index[1]}, column {index[2]}"

    scaled, assumed = to_uint8(values, place, problems)
    if scaled.shape[1:] == (IMAGE_SIZE, IMAGE_SIZE, 3) and (scaled == scaled[..., :1]).all():
        scaled = scaled[..., 0]  # grey, stored three times
    return scaled, [each for each in (arranged, assumed) if each is not None]


def arrange(x: np.ndarray, images: int | None, name: str) -> tuple[np.ndarray, str | None]:
    """Arrange an array as images (n, height, width) or (n, height, width, 3 or 4).

    Args:
        x: numbers; (n, height, width), (n, pixels), with channels first or last, or rows of coloured pixels.
        images: the number of labels, where it is known: it tells which axis counts images.
        name: the name of the array in errors.

    Returns:
        A view of the array, and the assumption, if there was a choice.

    Raises:
        DataError: it is not an array of images.
    """
    assumed = None
    counted = x.shape[0] != images == x.shape[-1] if images is not None else _are_last(x.shape)
    if counted and x.ndim in (2, 3, 4):
        x = np.moveaxis(x, -1, 0)  # as MATLAB has them
        assumed = "images are counted by its last axis"
    if x.ndim == 2 and (shape := shape_of(x.shape[1])) is not None:
        if len(shape) == 3:
            return _arrange_colours(x, shape[0])
        return x.reshape(len(x), *shape), assumed if shape[
            0
        ] == IMAGE_SIZE else f"rows are images of {shape[0]}×{shape[0]}"
    if x.ndim == 4 and x.shape[3] not in (1, 3, 4) and x.shape[1] in (1, 3, 4):
        x, assumed = np.moveaxis(x, 1, 3), assumed if x.shape[1] == 1 else "channels are its second axis"
    if x.ndim == 4 and x.shape[3] == 1:
        x = x[..., 0]
    if x.ndim not in (3, 4) or (x.ndim == 4 and x.shape[3] not in (3, 4)) or 0 in x.shape[1:]:
        raise DataError(f"{name} must be images (n, 28, 28) or (n, height, width); received {x.dtype} {x.shape}.")
    return x, assumed


def _are_last(shape: tuple[int, ...]) -> bool:
    """Tell whether the last axis counts images, where no labels say so: the first two are the sides of a square.

    >>> _are_last((28, 28, 500)), _are_last((32, 32, 3, 500)), _are_last((28, 28, 28)), _are_last((28, 28, 3))
    (True, True, False, False)
    """
    few = (1, 3, 4)  # channels
    if len(shape) not in (3, 4) or shape[0] != shape[1] or shape[-1] in (*few, shape[0]):
        return False
    return len(shape) == 3 or shape[2] in few


def _arrange_colours(rows: np.ndarray, side: int) -> tuple[np.ndarray, str]:
    """Rows of coloured images as (n, side, side, 3): a plane for each colour, or three numbers for each pixel.

    Pixels below each other are alike in the one order, and less so in the other.
    """
    seen = rows[:: max(1, len(rows) // LOOKED_AT)].astype(np.float32)
    planes, mixed = seen.reshape(-1, 3, side, side), seen.reshape(-1, side, side, 3)
    if np.abs(np.diff(planes, axis=2)).mean() <= np.abs(np.diff(mixed, axis=1)).mean():
        told = f"rows are coloured images of {side}×{side}, all of their red first"
        return np.moveaxis(rows.reshape(-1, 3, side, side), 1, 3), told
    return rows.reshape(-1, side, side, 3), f"rows are coloured images of {side}×{side}, pixel by pixel"
