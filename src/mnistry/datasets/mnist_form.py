"""The form in which MNIST shows a digit, and how to bring ink into it.

LeCun, Cortes and Burges, "The MNIST database": the digit is fitted into a box of 20×20 pixels with its aspect kept,
grey levels come from the anti-aliasing of that resize, and the box is placed so that the centre of mass lies at the
centre of the 28×28 field.
"""

from __future__ import annotations

import numpy as np

SIDE = 28
BOX = 20


def to_mnist_form(ink: np.ndarray) -> np.ndarray:
    """One digit in MNIST's form.

    Args:
        ink: float (height, width), 0 where there is none, larger where there is more; any size, some ink in it.

    Returns:
        uint8 (28, 28), ink bright on black: longest side of the ink box 20 pixels, the darkest ink 255, centre of
        mass at the centre.
    """
    from PIL import Image

    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    cropped = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.float32)
    height, width = cropped.shape
    scale = BOX / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    resized = np.asarray(Image.fromarray(cropped).resize(size, Image.Resampling.BICUBIC))
    resized = np.clip(resized / resized.max(), 0.0, 1.0)
    return _centred(np.rint(resized * 255).astype(np.uint8))


def _centred(box: np.ndarray) -> np.ndarray:
    height, width = box.shape
    mass = box.sum(dtype=np.float64)
    centre_row = (np.arange(height) @ box.sum(axis=1)) / mass
    centre_column = (np.arange(width) @ box.sum(axis=0)) / mass
    middle = (SIDE - 1) / 2
    top = int(np.clip(round(middle - centre_row), 0, SIDE - height))
    left = int(np.clip(round(middle - centre_column), 0, SIDE - width))
    field = np.zeros((SIDE, SIDE), np.uint8)
    field[top : top + height, left : left + width] = box
    return field
