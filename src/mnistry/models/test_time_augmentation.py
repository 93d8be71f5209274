"""A second look at images that a network is unsure of: moved by one pixel each way, its answers taken together.

The average over moved copies is the oldest kind of test-time augmentation (Krizhevsky et al. 2012, "ImageNet
Classification with Deep Convolutional Neural Networks", section 4.1). Where a network is sure it changes nothing, so
only the few others are looked at again: one in eighty of MNIST's.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

LOOKS = 5


def shift_images(images: np.ndarray) -> np.ndarray:
    """Images one pixel further up, down, left and right; what is left empty is black.

    Args:
        images: uint8 (n, height, width).

    Returns:
        uint8 (4 n, height, width): all moved up, then all moved down, left, right.
    """
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    height, width = images.shape[1:]
    starts = ((2, 1), (0, 1), (1, 2), (1, 0))
    return np.concatenate([padded[:, y : y + height, x : x + width] for y, x in starts])


def combine(first: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The geometric mean of probabilities, made to add up to 1: the softmax of the mean logits.

    Args:
        first: float (n, classes), of the images as they are.
        others: float (4 n, classes), of what `shift_images` gives.

    Returns:
        float64 (n, classes).
    """
    looks = np.concatenate([first[None], others.reshape(LOOKS - 1, *first.shape)]).astype(np.float64)
    logs = np.log(np.maximum(looks, np.finfo(np.float32).tiny)).mean(axis=0)
    powers = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def apply_tta(
    images: np.ndarray, probabilities: np.ndarray, below: float, ask: Callable[[np.ndarray], np.ndarray]
) -> None:
    """Replace the probabilities of images that are unsure by those of a second look.

    Args:
        images: uint8 (n, height, width).
        probabilities: float (n, classes), of those images; changed in place.
        below: an image is looked at again where its best probability is below this.
        ask: gives the probabilities of images.
    """
    unsure = np.flatnonzero(probabilities.max(axis=1, initial=0) < below)
    if len(unsure):
        probabilities[unsure] = combine(probabilities[unsure], ask(shift_images(images[unsure])))
