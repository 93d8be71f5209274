"""An array of images and an array of labels, of any usual types and shapes, matched."""

from __future__ import annotations

import numpy as np

from mnistry.datasets.formats import pixels
from mnistry.datasets.labelled import ValidationErrors
from mnistry.errors import DataError


def match(
    x: np.ndarray, y: np.ndarray, names: tuple[str, str], problems: ValidationErrors
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Bring images and their labels into one form.

    Args:
        x: images; see `pixels.to_images`.
        y: (n,) or (n, 1), numbers or text; or one-hot (n, classes) or (classes, n), perhaps with -1 for 0.
        names: the names of the two arrays in errors.
        problems: takes numbers that cannot be pixels or labels.

    Returns:
        The images, uint8 (n, height, width, …), the labels, str (n,), and remarks on what was assumed.

    Raises:
        DataError: they have another form, there are none, or one has more than the other.
    """
    labels, assumed = _to_text(y, names[1], problems)
    images, more = pixels.to_images(x, len(labels), names[0], problems)
    if len(images) != len(labels):
        raise DataError(
            f"{names[0]} has {len(images):,} images but {names[1]} has {len(labels):,} labels: they do not match."
        )
    if not len(images):
        raise DataError(f"{names[0]} holds no images.")
    told = ((names[0], more), (names[1], assumed))
    return images, labels, [f"{name}: {each}." for name, those in told for each in those]


def _to_text(y: np.ndarray, name: str, problems: ValidationErrors) -> tuple[np.ndarray, list[str]]:
    """Bring labels into the form of text, str (n,); and the assumptions."""
    assumed: list[str] = []
    if y.ndim == 2 and 1 in y.shape:
        y = y.reshape(-1)
    if y.ndim == 2 and y.dtype.kind in "buif":
        hot = next((each for each in (y, y.T) if len(each) >= each.shape[1] and _is_one_hot(each)), None)
        if hot is not None:
            y, assumed = hot.argmax(axis=1), [f"labels are one-hot, of {hot.shape[1]} classes"]
    if y.ndim != 1:
        raise DataError(
            f"{name} must be (n,), the class of each image, or one-hot, with one 1 in each row; received {y.dtype} "
            f"{y.shape}. Of probabilities save the best: y.argmax(axis=1)."
        )
    if y.dtype.kind == "b":
        return y.astype(np.str_), assumed
    if y.dtype.kind == "S":
        return np.char.decode(y, "utf-8", "replace"), assumed
    if y.dtype.kind == "U":
        return y, assumed
    if y.dtype.kind not in "uif":
        raise DataError(f"{name} must be whole numbers or text; received {y.dtype}.")
    wrong = ~np.isfinite(y) | (y < 0) | (y != np.rint(y)) | (y > 2**31)
    for index in np.flatnonzero(wrong):
        problems.add(f"{name}[{index}]", f"labels must be whole numbers from 0; received {y[index]:g}")
    return np.where(wrong, 0, y).astype(np.int64).astype(np.str_), assumed


def _is_one_hot(y: np.ndarray) -> bool:
    """Tell whether one number in each row is 1, and the others 0, or all of them -1."""
    ones = y == 1
    return bool((ones.sum(axis=1) == 1).all() and ((y[~ones] == 0).all() or (y[~ones] == -1).all()))
