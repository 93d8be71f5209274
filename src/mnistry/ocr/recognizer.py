"""The recognizer: a classifier that also reads pictures."""

from __future__ import annotations

from functools import cache
from threading import Lock
from typing import TYPE_CHECKING

from mnistry.models.classifier import Classifier
from mnistry.ocr import pipeline

if TYPE_CHECKING:
    from mnistry.ocr.image_io import Source
    from mnistry.ocr.result import Digit, Reading


class Recognizer(Classifier):
    """A model ready to read pictures. Thread-safe. Keeps no threads between calls.

    Takes what `Classifier` takes: the path of a model file, a run folder or a .keras file, or nothing for the built-in
    model.

    >>> Recognizer().read("examples/375.jpg").text
    '375'
    """

    def read(self, picture: Source, *, single: bool = False, name: str | None = None, page: int = 1) -> Reading:
        """Read all digits in a picture. The command line, the service and batches read through this method too.

        Args:
            picture: a path, a file's bytes, an open binary file, a PIL image or an array; see `open_image`.
            single: whether the picture shows exactly one digit, to which all of its ink belongs.
            name: the picture's name in the reading's `source` and in errors; None for the file's own.
            page: the page of a PDF or TIFF file, from 1.

        Raises:
            PictureError: it is not a picture, is damaged, or too large.
        """
        return pipeline.read(self, picture, single=single, name=name, page=page)

    def read_digit(self, picture: Source) -> Digit | None:
        """Read a picture of exactly one digit. Returns None if it is blank. See `read`."""
        return pipeline.read_digit(self, picture)


_loading = Lock()


def read(picture: Source, *, single: bool = False) -> Reading:
    """Read the handwritten digits in a picture with the built-in model, which is loaded once.

    Thread-safe. For another model, see `Recognizer`.

    Args:
        picture: a path, a file's bytes, an open binary file, a PIL image or an array; see `open_image`.
        single: whether the picture shows exactly one digit, to which all of its ink belongs.

    Returns:
        A reading: `text`, and for each digit its class, probability, box and whether the model is sure.

    Raises:
        PictureError: it is not a picture, is damaged, or too large.

    >>> reading = read("examples/375.jpg")
    >>> reading
    Reading('375', sure=True)
    >>> reading.text
    '375'
    """
    with _loading:
        recognizer = _built_in()
    return recognizer.read(picture, single=single)


@cache
def _built_in() -> Recognizer:
    return Recognizer()
