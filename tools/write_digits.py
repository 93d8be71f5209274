"""Write the embedded digits, src/mnistry/datasets/digits.npz, from scikit-learn's copy of the UCI digits.

    python tools/write_digits.py

Each image is brought into MNIST's form (LeCun, Cortes and Burges, "The MNIST database"): scaled into a box of 20×20
pixels, grey levels from the resize, centre of mass at the centre of 28×28.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from mnistry.constants import BOX_SIZE, IMAGE_SIZE

TEST_SIZE = 360
SPLIT_SEED = 0


def enlarge(image: np.ndarray) -> np.ndarray:
    """Bring an 8×8 image (0–16, each cell the inked part of a 4×4 block) into MNIST's form.

    The cells are a blurred stroke. Drawing them large and raising the contrast gives its edge back.
    """
    cells = Image.fromarray(np.pad(image / 16, 1).astype(np.float32))
    large = np.asarray(cells.resize((100, 100), Image.Resampling.BICUBIC))
    return normalize(np.clip((large - 0.2) / 0.6, 0.0, 1.0))


def normalize(ink: np.ndarray) -> np.ndarray:
    """Bring ink, float (height, width) from 0, into MNIST's form, uint8 (28, 28)."""
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    cropped = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.float32)
    height, width = cropped.shape
    scale = BOX_SIZE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    resized = np.asarray(Image.fromarray(cropped).resize(size, Image.Resampling.BICUBIC))
    box = np.rint(np.clip(resized / resized.max(), 0.0, 1.0) * 255).astype(np.uint8)
    height, width = box.shape
    mass, middle = box.sum(dtype=np.float64), (IMAGE_SIZE - 1) / 2
    top = int(np.clip(round(middle - (np.arange(height) @ box.sum(axis=1)) / mass), 0, IMAGE_SIZE - height))
    left = int(np.clip(round(middle - (np.arange(width) @ box.sum(axis=0)) / mass), 0, IMAGE_SIZE - width))
    field = np.zeros((IMAGE_SIZE, IMAGE_SIZE), np.uint8)
    field[top : top + height, left : left + width] = box
    return field


def main() -> None:
    """Write the file."""
    bunch = load_digits()
    x, y = np.stack([enlarge(image) for image in bunch.images]), bunch.target.astype(np.uint8)
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=TEST_SIZE, stratify=y, random_state=SPLIT_SEED)
    path = Path(__file__).parent.parent / "src/mnistry/datasets/digits.npz"
    np.savez_compressed(path, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)


if __name__ == "__main__":
    main()
