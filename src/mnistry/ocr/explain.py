"""Explanations of a reading: heat maps, the steps from the picture to an image, and the answer without preparation.

The heat map is made by occlusion (Zeiler and Fergus 2014): a small square of the image is made black, as paper is, and
the loss of the answer is counted for all pixels of the square. It needs nothing of the model but its answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from mnistry.constants import IMAGE_SIZE as SIDE
from mnistry.ocr.background import estimate_background
from mnistry.ocr.binarization import foreground_candidates

if TYPE_CHECKING:
    from mnistry.models.classifier import Classifier, Predictions

SQUARE, STEP = 5, 2  # pixels: of the square that is made black, and from one place of it to the next
NEARLY = 1e-6  # probabilities are kept so far from 0 and 1: beyond it float32 tells nothing apart
MOST_DIGITS = 40  # explained of one picture: each takes up to 256 answers, about 7 ms
RESIZED, INVERTED = "resized", "resized and inverted"


@dataclass(frozen=True, eq=False)
class Naive:
    """Pictures as most programs give them to a network: only resized.

    Attributes:
        images: uint8 (2n, 28, 28): of each picture the resized one, and the same inverted.
        predictions: the recogniser's answers to them.
    """

    images: np.ndarray
    predictions: Predictions


def heat(recognizer: Classifier, images: np.ndarray, classes: Sequence[int]) -> np.ndarray:
    """Measure the influence of each pixel on the answer.

    Args:
        recognizer: the model that answered.
        images: uint8 (n, 28, 28), ink bright on black.
        classes: the answer to each that is to be explained, an index into the class names.

    Returns:
        float32 (n, 28, 28): the log-odds that the answer loses where the squares over a pixel are made black, averaged
        over them. Positive where the ink carried the answer, negative where it spoke against it, 0 where there is none.
    """
    squares = _squares()
    covering = squares.sum(axis=0)
    maps = np.zeros(images.shape, np.float32)
    for i, (image, answer) in enumerate(zip(images, classes, strict=True)):
        touched = squares[(squares & (image > 0)).any(axis=(1, 2))]
        occluded = np.where(touched, 0, image).astype(np.uint8)
        odds = _log_odds(
            recognizer.predict_all(np.concatenate([image[None], occluded]), again=False).probabilities[:, answer]
        )
        maps[i] = np.tensordot(odds[0] - odds[1:], touched.astype(np.float64), 1) / covering * (image > 0)
    return maps


def naive(recognizer: Classifier, pictures: Sequence[np.ndarray]) -> Naive:
    """Predict pictures that were only resized.

    Args:
        recognizer: the model that answers.
        pictures: uint8 (height, width, 3), RGB, each.
    """
    from PIL import Image

    pairs = np.zeros((len(pictures), 2, SIDE, SIDE), np.uint8)
    for pair, pixels in zip(pairs, pictures, strict=True):
        pair[0] = np.asarray(Image.fromarray(pixels).convert("L").resize((SIDE, SIDE), Image.Resampling.BILINEAR))
        pair[1] = 255 - pair[0]
    images = pairs.reshape(-1, SIDE, SIDE)
    return Naive(images, recognizer.predict_all(images))


def steps(pixels: np.ndarray) -> dict[str, np.ndarray]:
    """The first steps of reading a picture, as pictures of the same size.

    Args:
        pixels: uint8 (height, width, 3), RGB.

    Returns:
        `picture`, as it is; `paper`, the estimated background, uint8 (height, width, 3); and `ink`, uint8 (height,
        width), the strength of the ink, bright on black.
    """
    ink = next(foreground_candidates(pixels))
    paper = np.broadcast_to(estimate_background(pixels), pixels.shape)
    return {
        "picture": pixels,
        "paper": np.clip(paper, 0, 255).astype(np.uint8),
        "ink": np.clip(255 * ink.strength, 0, 255).astype(np.uint8),
    }


@cache
def _squares() -> np.ndarray:
    """All places of the square, bool (places, 28, 28). Those at the rim are cut, so each pixel is covered as often."""
    starts = range(STEP - SQUARE, SIDE, STEP)
    squares = np.zeros((len(starts) ** 2, SIDE, SIDE), bool)
    for number, (top, left) in enumerate((top, left) for top in starts for left in starts):
        squares[number, max(0, top) : top + SQUARE, max(0, left) : left + SQUARE] = True
    return squares


def _log_odds(probabilities: np.ndarray) -> np.ndarray:
    kept = np.clip(probabilities.astype(np.float64), NEARLY, 1 - NEARLY)
    return np.log(kept / (1 - kept))
