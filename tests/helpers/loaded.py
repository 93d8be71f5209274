"""A data set as it was loaded: its images with their labels, or the sentence that refuses it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mnistry.datasets import loading
from mnistry.datasets.dataset import Dataset
from mnistry.errors import DataError


def refused(path: Path) -> str:
    """The sentence that refuses a file or folder."""
    with pytest.raises(DataError) as caught:
        loading.load(str(path))
    return str(caught.value)


def pairs(loaded: Dataset) -> list[tuple[bytes, str]]:
    """The images of all splits and their class names, sorted."""
    splits = loaded.splits.values()
    return sorted(
        (image.tobytes(), loaded.class_names[label]) for x, y in splits for image, label in zip(x, y, strict=True)
    )


def holds(loaded: Dataset, images: np.ndarray, labels: Any) -> bool:
    """Tell whether all images are there as they were, each with its label."""
    return pairs(loaded) == sorted((image.tobytes(), str(label)) for image, label in zip(images, labels, strict=True))
