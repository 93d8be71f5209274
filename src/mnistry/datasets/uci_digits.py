"""The digits that come with the software: "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak, 1998).

`digits.npz` holds the 1,797 that scikit-learn carries, enlarged and split; `tools/write_digits.py` made it.
"""

from __future__ import annotations

import hashlib
import io
from importlib import resources

import numpy as np

from mnistry.datasets.dataset import DIGIT_NAMES, Dataset


def load() -> Dataset:
    """Load the embedded digits, which are always split the same."""
    with np.load(io.BytesIO(resources.files("mnistry").joinpath("datasets/digits.npz").read_bytes())) as arrays:
        splits = {name: arrays[name] for name in ("x_train", "y_train", "x_test", "y_test")}
    for array in splits.values():
        array.setflags(write=False)
    return Dataset(
        name="digits",
        title="the UCI digits",
        **splits,
        class_names=DIGIT_NAMES,
        source="embedded, enlarged from 8×8",
        licence="CC BY 4.0 (E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI)",
        digests={name: hashlib.sha256(array.tobytes()).hexdigest() for name, array in splits.items()},
        about="Digits written by 13 people, scanned at 8×8 pixels, and enlarged to 28×28 in MNIST's form.",
    )
