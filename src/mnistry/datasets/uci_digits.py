"""The digits that come with the software.

They are the 1,797 of "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak, 1998), CC BY 4.0, that
scikit-learn carries.
"""

from __future__ import annotations

import hashlib

import numpy as np

from mnistry.datasets.dataset import DIGIT_NAMES, Dataset

DIGITS_TEST_SIZE = 360
DIGITS_SPLIT_SEED = 0


def load() -> Dataset:
    """The embedded digits, always split the same."""
    import sklearn
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    bunch = load_digits()
    x = np.stack([_enlarged(image) for image in bunch.images])
    y = bunch.target.astype(np.uint8)
    x_train, x_test, y_train, y_test = train_test_split(
        x, y, test_size=DIGITS_TEST_SIZE, stratify=y, random_state=DIGITS_SPLIT_SEED
    )
    splits = {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}
    for array in splits.values():
        array.setflags(write=False)
    return Dataset(
        name="digits",
        title="the UCI digits",
        **splits,
        class_names=DIGIT_NAMES,
        source=f"scikit-learn {sklearn.__version__}, embedded, enlarged from 8×8",
        licence="CC BY 4.0 (E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI)",
        digests={name: hashlib.sha256(array.tobytes()).hexdigest() for name, array in splits.items()},
        about="Digits written by 13 people, scanned at 8×8 pixels, and enlarged to fields of 28×28 as MNIST has them.",
    )


def _enlarged(image: np.ndarray) -> np.ndarray:
    """An 8×8 image (0–16, each cell the inked part of a 4×4 block) in MNIST's form.

    The cells are a blurred stroke; drawing them large and raising the contrast gives its edge back.
    """
    from PIL import Image

    from mnistry.datasets.mnist_form import to_mnist_form

    cells = Image.fromarray(np.pad(image / 16, 1).astype(np.float32))
    large = np.asarray(cells.resize((100, 100), Image.Resampling.BICUBIC))
    return to_mnist_form(np.clip((large - 0.2) / 0.6, 0.0, 1.0))
