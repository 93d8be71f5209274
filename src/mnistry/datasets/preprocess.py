"""Pictures as images to learn from: those of 28×28 grey pixels as they are, others as the picture reader sees them.

Many are shared among processes, one for each core.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from mnistry.datasets.labelled import SIDE, ValidationErrors
from mnistry.errors import PictureError
from mnistry.ocr import pipeline
from mnistry.ocr.image_io import open_image
from mnistry.runtime.parallel import LostTask, ProcessPool, cpu_count

if TYPE_CHECKING:
    from mnistry.models.classifier import Classifier

MANY = 400  # pictures: with fewer, starting processes takes longer than they save
AT_ONCE = 16  # pictures that a process is handed at a time
SECONDS = 60.0  # that a picture may take; on any machine far more than the largest needs


@dataclass(frozen=True, eq=False)
class Raw:
    """A picture that is not opened yet.

    Attributes:
        name: what to call it: its path, or the row that it stands in.
        content: the bytes of its file; None where `name` is the path of one.
    """

    name: str
    content: bytes | None = None


def images(pictures: Sequence[Raw], problems: ValidationErrors, *, digits: bool) -> np.ndarray:
    """Pictures in the form that networks take.

    A grey picture of 28×28 pixels passes as it is. Of any other one all ink is taken, as `mnistry read --single` does:
    dark on bright or bright on dark, scaled, centred, and its strokes made as thick as MNIST's.

    Args:
        pictures: what to open.
        problems: takes those that cannot be read or show no ink.
        digits: whether they show digits; then the recogniser that comes with mnistry decides which ink it is where
            that is open.

    Returns:
        uint8 (n, 28, 28) 0–255, ink bright on black; black where there was a problem.
    """
    setup = partial(_recognizer, digits=digits)
    if len(pictures) < MANY or cpu_count() < 2:
        recognizer = setup()
        answers: list[np.ndarray | str | LostTask] = [one(recognizer, picture) for picture in pictures]
    else:
        with ProcessPool(setup, one, seconds=SECONDS) as pool:
            answers = list(pool.map(pictures, chunk=AT_ONCE))
    result = np.zeros((len(pictures), SIDE, SIDE), np.uint8)
    for number, answer in enumerate(answers):
        if isinstance(answer, LostTask):
            problems.add(pictures[number].name, answer.reason)
        elif isinstance(answer, str):
            problems.add(pictures[number].name, answer)
        else:
            result[number] = answer
    return result


def one(recognizer: Classifier | None, picture: Raw) -> np.ndarray | str:
    """One picture as an image, uint8 (28, 28), or why it cannot be one; see `images`."""
    try:
        opened = open_image(picture.name if picture.content is None else picture.content, "it")
    except PictureError as error:
        return str(error)
    except MemoryError:
        return "it needs more memory than there is"
    grey = opened.pixels[:, :, 0]
    if grey.shape == (SIDE, SIDE) and (opened.pixels == grey[:, :, None]).all():
        return grey
    if recognizer is not None:
        digit = pipeline.digit_in(recognizer, opened)
        found = None if digit is None else digit.image
    else:
        found = next((image for image, _ in pipeline.images_of_one(opened)), None)
    return "no ink is found in it" if found is None else found


def _recognizer(*, digits: bool) -> Classifier | None:
    if not digits:
        return None
    from mnistry.models.classifier import Classifier

    return Classifier.load(threads=1)
