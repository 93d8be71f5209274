"""Pictures turned into training images: ink as the picture reader sees it, other pictures made grey and small.

Many are shared among processes, one for each core.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mnistry.constants import IMAGE_SIZE
from mnistry.datasets.formats import unsupported
from mnistry.datasets.kinds import Kind
from mnistry.datasets.labelled import EncodedImage, LabelledImages, ValidationErrors, natural
from mnistry.errors import PictureError
from mnistry.ocr import pipeline
from mnistry.ocr.image_io import open_image
from mnistry.ocr.thumbnail import thumbnail
from mnistry.runtime.file_signatures import read_start
from mnistry.runtime.parallel import LostTask, ProcessPool, count_cpus

if TYPE_CHECKING:
    from mnistry.models.classifier import Classifier

ONE_PICTURE = " is one picture"
BRIGHT = 127
NO_INK = "no ink is found in it"
MANY = 400  # pictures: with fewer, starting processes takes longer than they save
AT_ONCE = 16  # pictures that a process is handed at a time
SECONDS = 60.0  # that a picture may take; on any machine far more than the largest needs


def load_images(part: LabelledImages, problems: ValidationErrors, *, kind: Kind, digits: bool) -> np.ndarray:
    """Bring images into the form that networks take.

    A grey image of 28×28 pixels passes as it is. Of any other picture of ink all ink is taken, as `mnistry read
    --single` does: dark on bright or bright on dark, scaled, centred, and its strokes made as thick as MNIST's. Any
    other picture is made grey and 28×28 pixels small.

    Args:
        part: the images.
        problems: takes those that cannot be read or show no ink.
        kind: of the images.
        digits: whether they show digits: the built-in model then decides which ink it is where that is open.

    Returns:
        uint8 (n, 28, 28) 0–255, black where there was a problem.
    """
    found = part.images
    if isinstance(found, np.ndarray):
        if found.shape[1:] == (IMAGE_SIZE, IMAGE_SIZE):
            return found
        if kind == "pictures":
            return np.stack([thumbnail(pixels) for pixels in found])
        found = [EncodedImage(part.origins[number], _as_file(pixels)) for number, pixels in enumerate(found)]
    return _load_pictures(found, problems, kind=kind, digits=digits)


def is_dark_ink(images: np.ndarray) -> np.ndarray:
    """Tell which images, uint8 (n, 28, 28), are bright at their edge, as paper is: bool (n,)."""
    edges = np.concatenate([images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]], axis=1)
    return np.median(edges, axis=1) > BRIGHT


def invert_dark_ink(images: np.ndarray) -> np.ndarray:
    """The same images, uint8 (n, 28, 28), with dark ink inverted."""
    return np.where(is_dark_ink(images)[:, None, None], 255 - images, images)


def _load_pictures(
    pictures: Sequence[EncodedImage], problems: ValidationErrors, *, kind: Kind, digits: bool
) -> np.ndarray:
    """Open pictures and bring them into the form that networks take; see `load_images`."""
    setup, work = partial(_recognizer, digits=digits and kind == "ink"), partial(_load_picture, kind=kind)
    if len(pictures) < MANY or count_cpus() < 2:
        recognizer = setup()
        answers: list[np.ndarray | str | LostTask] = [work(recognizer, picture) for picture in pictures]
    else:
        with ProcessPool(setup, work, seconds=SECONDS) as pool:
            answers = list(pool.map(pictures, chunk=AT_ONCE))
    result = np.zeros((len(pictures), IMAGE_SIZE, IMAGE_SIZE), np.uint8)
    wrong = []
    for number, answer in enumerate(answers):
        if isinstance(answer, np.ndarray):
            result[number] = answer
        else:
            wrong.append((pictures[number].name, answer.reason if isinstance(answer, LostTask) else answer))
    for name, reason in sorted(wrong, key=lambda each: natural(each[0])):
        problems.add(name, reason)
        problems.inkless += reason == NO_INK
    return result


def _load_picture(recognizer: Classifier | None, picture: EncodedImage, *, kind: Kind) -> np.ndarray | str:
    """Bring one picture into the form that networks take, uint8 (28, 28), or say why it cannot be."""
    try:
        opened = open_image(picture.source, "it")
    except PictureError as error:
        path = Path(picture.name)
        told = unsupported.describe(path, read_start(path)) if picture.content is None else None
        return str(error) if told is None or ONE_PICTURE in told else told
    except MemoryError:
        return "it needs more memory than there is"
    grey = opened.pixels[:, :, 0]
    if grey.shape == (IMAGE_SIZE, IMAGE_SIZE) and (opened.pixels == grey[:, :, None]).all():
        return grey
    if kind == "pictures":
        return thumbnail(opened.pixels)
    if recognizer is not None:
        digit = pipeline.digit_in(recognizer, opened)
        found = None if digit is None else digit.image
    else:
        found = next((image for image, _ in pipeline.images_of_one(opened)), None)
    return NO_INK if found is None else found


def _as_file(pixels: np.ndarray) -> bytes:
    from PIL import Image

    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, "PNG", compress_level=1)
    return sink.getvalue()


def _recognizer(*, digits: bool) -> Classifier | None:
    if not digits:
        return None
    from mnistry.models.classifier import Classifier

    return Classifier.load(threads=1)
