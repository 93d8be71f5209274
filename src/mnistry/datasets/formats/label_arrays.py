"""Arrays of labels of any usual type and shape, converted to text."""

from __future__ import annotations

import numpy as np

from mnistry.datasets.labelled import ValidationErrors
from mnistry.errors import DataError


def to_text(y: np.ndarray, name: str, problems: ValidationErrors) -> tuple[np.ndarray, list[str]]:
    """Bring labels into the form of text.

    Args:
        y: (n,) or (n, 1), numbers or text; or one-hot (n, classes) or (classes, n), perhaps with -1 for 0.
        name: the name of the array in errors.
        problems: takes numbers that cannot be labels.

    Returns:
        The labels, str (n,), and the assumptions.

    Raises:
        DataError: they have another form.
    """
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
