"""The recognizer: a classifier that also reads pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mnistry.models.classifier import Classifier
from mnistry.ocr import pipeline

if TYPE_CHECKING:
    from mnistry.ocr.image_io import Source
    from mnistry.ocr.result import Digit, Reading


class Recognizer(Classifier):
    """A model ready to read pictures. Thread-safe. Keeps no threads between calls."""

    def read(self, picture: Source, *, single: bool = False) -> Reading:
        """All digits in a picture: a path, bytes, a binary file, a PIL image or an array.

        Args:
            picture: see `pictures.open_image` for what is taken.
            single: whether the picture shows one digit, to which all of its ink belongs.

        Raises:
            PictureError: it is no picture, damaged, or too large.
        """
        return pipeline.read(self, picture, single=single)

    def read_digit(self, picture: Source) -> Digit | None:
        """The digit in a picture of one, to which all of its ink belongs; None where there is no ink. See `read`."""
        return pipeline.read_digit(self, picture)
