"""Reading a picture: from its ink over lines, pieces and digit images to text.

`text` is what a person would type: digits from left to right, lines from top to bottom, a blank where the gap between
two digits is wide. What is taken for no digit is left out of it, and out of `digits`: dashes, dots, letters, doodles.
Where the caller has said that the picture shows one digit, the answer is that digit whatever it looks like, and `sure`
says whether to believe it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice, pairwise
from typing import TYPE_CHECKING

import numpy as np

from mnistry.ocr.binarization import Foreground, foreground_candidates
from mnistry.ocr.decoding import decode, hypotheses
from mnistry.ocr.frame_removal import remove_frames
from mnistry.ocr.image_io import Picture, open_image
from mnistry.ocr.line_removal import remove_ruling_lines
from mnistry.ocr.normalization import bounding_box, is_normalized, normalize
from mnistry.ocr.rejection import DecodedDigit, reject_implausible
from mnistry.ocr.result import Digit, Reading
from mnistry.ocr.segmentation import isolate_digit, segment_lines
from mnistry.ocr.thumbnail import thumbnail

if TYPE_CHECKING:
    from mnistry.models.classifier import Classifier
    from mnistry.ocr.image_io import Source

RIM = 2  # pixels around a digit's box that are cropped with it, for the blurred edge of its strokes
BLANK_HEIGHTS, BLANK_GAPS = 0.8, 2.0  # of the line's height and of its usual gap: a wider gap is a blank
BETTER = 0.2  # by how much another polarity must be more believable


def read(recognizer: Classifier, source: Source, *, single: bool = False, name: str | None = None) -> Reading:
    """Read a picture.

    Args:
        recognizer: the model that answers.
        source: a path, bytes, a binary file, a PIL image or an array; see `pictures.open_image`.
        single: whether all of its ink is one digit.
        name: what to call it.

    Raises:
        PictureError: it is no picture, damaged, or too large.
    """
    picture = open_image(source, name)
    if single or recognizer.info.kind == "pictures":
        digit = digit_in(recognizer, picture)
        return Reading("" if digit is None else digit.name, () if digit is None else (digit,), picture.name)
    found: list[list[Digit]] = []
    first = True
    for ink in foreground_candidates(picture.pixels):
        other = _lines_of_digits(recognizer, picture, ink)
        sure = any(digit.sure for line in other for digit in line)
        if first or (sure and _belief(other) > _belief(found) + BETTER):
            found = other
        first = False
        if sure:
            break
    text = "\n".join(_text(line) for line in found)
    return Reading(text, tuple(digit for line in found for digit in line), picture.name)


def read_digit(recognizer: Classifier, source: Source) -> Digit | None:
    """Read a picture of one digit: all of its ink belongs to it. None if there is no ink; else see `read`."""
    return digit_in(recognizer, open_image(source))


def images_of_one(picture: Picture) -> Iterator[tuple[np.ndarray, tuple[int, int, int, int]]]:
    """The images that all ink of a picture of one digit may make, and its box there, the most likely ink first.

    Yields:
        uint8 (28, 28), ink bright on black, and left, top, right and bottom; nothing where there is no ink.
    """
    image = picture.pixels[:, :, 0]
    if is_normalized(image) and (picture.pixels == image[:, :, None]).all():
        yield image, _box(image > 0)
        return
    for ink in foreground_candidates(picture.pixels):
        mask = isolate_digit(_writing(ink))
        if mask.any():
            box = _box(mask)
            pieces = np.where(mask, 0, np.where(ink.mask, 1, -1))
            yield normalize([_crop(ink, pieces, 0, 1, box)])[0], box


def digit_in(recognizer: Classifier, picture: Picture) -> Digit | None:
    """The digit that all ink makes, with the ink that the recogniser finds most believable."""
    if recognizer.info.kind == "pictures":
        height, width = picture.pixels.shape[:2]
        return _digits(recognizer, picture, thumbnail(picture.pixels)[None], [(0, 0, width, height)])[0]
    best: Digit | None = None
    for image, box in images_of_one(picture):
        digit = _digits(recognizer, picture, image[None], [box])[0]
        if best is None or digit.score > best.score + BETTER:
            best = digit
        if best.sure:
            break
    return best


def _lines_of_digits(recognizer: Classifier, picture: Picture, ink: Foreground) -> list[list[Digit]]:
    """The digits of each line that has any, from top to bottom."""
    writing = segment_lines(_writing(ink), ink.contrast)
    found = [hypotheses(line) for line in writing.lines]
    spans = [
        (line.first + each.start, line.first + each.stop, each.box)
        for line, those in zip(writing.lines, found, strict=True)
        for each in those
    ]
    crops = [_crop(ink, writing.pieces, *span) for span in spans]
    digits = iter(_digits(recognizer, picture, normalize(crops), [box for _, _, box in spans]))
    taken: list[list[DecodedDigit]] = []
    for line, those in zip(writing.lines, found, strict=True):
        answers = list(islice(digits, len(those)))
        way = decode(line, those, np.array([digit.score for digit in answers]))
        taken.append([DecodedDigit(answers[i], line.first + those[i].start, line.first + those[i].stop) for i in way])
    return reject_implausible(writing, taken, recognizer.info.digit_threshold)


def _writing(ink: Foreground) -> np.ndarray:
    left = remove_ruling_lines(ink.mask, ink.contrast, ink.width)
    return remove_frames(ink.mask, ink.mask & ~left, ink.width)


def _crop(ink: Foreground, pieces: np.ndarray, start: int, stop: int, box: tuple[int, int, int, int]) -> np.ndarray:
    """The strength of the ink of the pieces `start` to `stop` - 1, with the blurred edge of their strokes."""
    height, width = pieces.shape
    left, top, right, bottom = box
    area = slice(max(0, top - RIM), min(height, bottom + RIM)), slice(max(0, left - RIM), min(width, right + RIM))
    own = (pieces[area] >= start) & (pieces[area] < stop)
    near = np.pad(own, 1)
    near[1:] |= near[:-1].copy()
    near[:-1] |= near[1:].copy()
    near[:, 1:] |= near[:, :-1].copy()
    near[:, :-1] |= near[:, 1:].copy()
    strength = ink.strength[area]
    edge = near[1:-1, 1:-1] & (strength < 0.5)
    cropped: np.ndarray = np.where(own | edge, strength, np.float32(0))
    return cropped


def _digits(
    recognizer: Classifier, picture: Picture, images: np.ndarray, boxes: Sequence[tuple[int, int, int, int]]
) -> list[Digit]:
    """Classify digit images, uint8 (n, 28, 28), cropped at these boxes."""
    answers = recognizer.predict_all(images)
    return [
        Digit(
            digit=int(answers.digits[i]),
            probability=float(answers.probabilities[i].max()),
            probabilities=answers.probabilities[i],
            box=_as_given(picture, box),
            sure=bool(answers.sure[i]),
            digitness=float(answers.digitness[i]),
            image=images[i],
            class_names=recognizer.info.class_names,
        )
        for i, box in enumerate(boxes)
    ]


def _as_given(picture: Picture, box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """A box in the pixels of the picture before it was reduced: x, y, width, height."""
    height, width = picture.pixels.shape[:2]
    left, top, right, bottom = box
    x, y = picture.size[0] / width, picture.size[1] / height
    return round(left * x), round(top * y), round(right * x) - round(left * x), round(bottom * y) - round(top * y)


def _text(line: list[Digit]) -> str:
    """The digits of a line, with blanks where the gap is wide."""
    height = float(np.median([digit.box[3] for digit in line]))
    gaps = [right.box[0] - left.box[0] - left.box[2] for left, right in pairwise(line)]
    wide = max(BLANK_HEIGHTS * height, BLANK_GAPS * float(np.median(gaps)) if len(gaps) > 1 else 0.0)
    blanks = ["", *(" " if gap > wide else "" for gap in gaps)]
    return "".join(blank + digit.name for blank, digit in zip(blanks, line, strict=True))


def _box(mask: np.ndarray) -> tuple[int, int, int, int]:
    top, bottom, left, right = bounding_box(mask)
    return left, top, right, bottom


def _belief(lines: list[list[Digit]]) -> float:
    return sum(digit.score for line in lines for digit in line)
