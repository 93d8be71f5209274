"""Reading a picture, one step after the other: ink, frames, lines, digits, text.

`text` is what a person would type: digits from left to right, lines from top to bottom, a blank where the gap between
two digits is wide. What is not a digit is left out of it and listed in `skipped`. Where a choice is open, such as which
ink is the writing or which side is up, the picture is read each way, and the recognizer's scores decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from mnistry.ocr.background import content_region
from mnistry.ocr.binarization import MUCH_INK, Foreground, foreground_candidates, middle_foreground
from mnistry.ocr.components import area_around, bounding_box, find_components
from mnistry.ocr.decoding import MOST_HYPOTHESES, decode, hypotheses, merge_readings
from mnistry.ocr.frame_removal import Cleaned, remove_frames
from mnistry.ocr.image_io import Picture, enlarge, open_image
from mnistry.ocr.line_removal import remove_ruling_lines
from mnistry.ocr.morphology import dilate
from mnistry.ocr.normalization import is_normalized, normalize, normalize_small, soft_crop
from mnistry.ocr.rejection import Judgement, reject_implausible
from mnistry.ocr.result import Box, DecodedDigit, Digit, Mark, Reading, Skipped, doubt, line_texts, turn_back
from mnistry.ocr.segmentation import isolate_digit, middle_digit, segment_lines
from mnistry.ocr.thumbnail import thumbnail

if TYPE_CHECKING:
    from mnistry.models.classifier import Classifier
    from mnistry.ocr.image_io import Source

RIM = 2  # pixels around a digit's box that are cropped with it, for the blurred edge of its strokes
BETTER = 0.2  # by how much another polarity must be more believable
OUTSIDE = 2.0  # the same for what lies outside of a sheet
MORE_DIGITS = 0.5  # by how much, if it shows more digits between shadows
LIT, SEVERAL = 0.9, 4  # mean score of such a page; its digits
SURELY_UPRIGHT = 0.95  # mean score: below it a page is tried turned
TURN, AS_LIKELY = 4.0, 3.0  # by how much (nats) a turned page must be more believable than upright; than another turn
QUALITY = 20.0  # nats for all ink read
DOUBTFUL, WHOLE_STROKES = 0.8, 0.15  # mean score: below it gaps in strokes are closed; by how much that must be better
GAPS = (1.0, 2.0)  # stroke widths: gaps in broken strokes that are closed
MOST_EDGES = 260_000  # of strokes along rows or columns; a page of 600 digits on squared paper has 200,000
MOST_TURNED = 1500  # hypotheses: with more it is not tried which side is up
MOST_DRAWN = 60_000_000  # pixels of an ink's images, before they are reduced: of nested arcs, each is half the page
PATTERN = MOST_HYPOTHESES // 2  # for how many an ink with too much in it counts: two such are a pattern, and no writing
ANOTHER = MOST_HYPOTHESES // 3  # with no more left, no other ink is tried: a page of 600 digits leaves 2,500
MORE = 3  # times the hypotheses of the page as it is: the most that it may have when it is turned or closed
SECOND_LOOKS = 1500  # images of a page: those asked about later get no second look, which costs four times as much
FEW = 3  # characters: with fewer it cannot be told which side is up
WHOLE = 0.75  # of the ink: one digit that has so much may be all that is there
PLAUSIBLE = 0.02  # digit score of one digit that is all there is
CROWDING = 0.02  # of all ink: a piece at the edge that has so much may be of a neighbour
ASIDE = 0.3  # of the width: a piece at the edge that is so far from the middle may be a neighbour, though it is alone


@dataclass(frozen=True, eq=False)
class Interpretation:
    """One way to read a picture.

    Attributes:
        found: the digits and marks.
        cleaned: the lines that were removed.
        turned: quarter turns, anticlockwise, by which the ink was turned before.
        shape: (height, width) of the turned ink.
        hypotheses: how many images the recognizer may have been asked about.
        height: the usual height of its digits, or of its lines of writing where no digit is read, or 0.
        too_many: whether there was more ink, or more to ask about, than writing has; then nothing is read.
    """

    found: Judgement
    cleaned: Cleaned
    turned: int
    shape: tuple[int, ...]
    hypotheses: int
    height: float
    too_many: bool

    @property
    def cost(self) -> int:
        """The hypotheses that it takes from those that a picture may have."""
        return max(self.hypotheses, PATTERN) if self.too_many else self.hypotheses

    @property
    def sure(self) -> bool:
        """True if any digit is sure."""
        return self.sure_digits > 0

    @property
    def sure_digits(self) -> int:
        """The number of digits that are sure."""
        return sum(each.digit.sure for line in self.found.lines for each in line)

    @property
    def digits(self) -> int:
        """The number of digits."""
        return sum(map(len, self.found.lines))

    @property
    def all_sure(self) -> bool:
        """True if there are digits, and all of them are sure."""
        return bool(self.found.lines) and all(each.digit.sure for line in self.found.lines for each in line)

    @property
    def belief(self) -> float:
        """The belief that this side is up: the log odds that it shows numbers, and how much of the ink is read."""
        return self.found.odds + QUALITY * self.found.quality

    @property
    def score(self) -> float:
        """The sum of the scores of its digits."""
        return sum(each.digit.score for line in self.found.lines for each in line)


def read(
    recognizer: Classifier, source: Source, *, single: bool = False, name: str | None = None, page: int = 1
) -> Reading:
    """Read a picture.

    Args:
        recognizer: the model that answers.
        source: a path, bytes, a binary file, a PIL image or an array; see `image_io.open_image`.
        single: whether all of its ink is one digit.
        name: what to call it.
        page: of a file with several, from 1.

    Raises:
        PictureError: it is not a picture, is damaged, or too large.
    """
    picture = open_image(source, name, page=page)
    if single or recognizer.info.kind == "pictures":
        digit = digit_in(recognizer, picture)
        return Reading("" if digit is None else digit.name, () if digit is None else (digit,), picture.name)
    best, chosen, tried = _best_ink(recognizer, picture)
    best, chosen = _rejoin(recognizer, chosen, best)
    large = None if best.too_many else enlarge(picture, best.height)
    if large is not None:
        other, ink, inks = _best_ink(recognizer, large, small=True)
        lines = best.found.lines, other.found.lines
        if sum(map(len, lines[1])) >= sum(map(len, lines[0])):
            picture, best, chosen, tried, lines = large, other, ink, inks, lines[::-1]
        best = replace(best, found=replace(best.found, lines=merge_readings(*lines)))
    alone = None if best.all_sure else _as_one_digit(recognizer, picture, best, tried)
    return alone or _as_reading(picture, _upright(recognizer, chosen, best))


def read_digit(recognizer: Classifier, source: Source) -> Digit | None:
    """Read a picture of exactly one digit, to which all of its ink belongs. Returns None if it is blank."""
    return digit_in(recognizer, open_image(source))


def images_of_one(picture: Picture, tried: list[Foreground] | None = None) -> Iterator[tuple[np.ndarray, Box]]:
    """The images that all ink of a picture of one digit may make, and its box there, the most likely ink first.

    Args:
        picture: the picture.
        tried: gets the inks, in order; none where the picture is an image in MNIST's form already.

    Yields:
        uint8 (28, 28), ink bright on black, and left, top, right and bottom; nothing where there is no ink.
    """
    image = picture.pixels[:, :, 0]
    if is_normalized(image) and (picture.pixels == image[:, :, None]).all():
        yield image, bounding_box(image > 0)
        return
    for ink in foreground_candidates(picture.pixels):
        if tried is not None:
            tried.append(ink)
        found = _image_of_one(ink, isolate_digit(_clean(ink).parts))
        if found is not None:
            yield found


def _image_of_one(ink: Foreground, mask: np.ndarray) -> tuple[np.ndarray, Box] | None:
    """The image, uint8 (28, 28), that a part of the ink makes, and its box; None where there is none."""
    if not mask.any():
        return None
    box = bounding_box(mask)
    pieces = np.where(mask, 0, np.where(ink.mask, 1, -1))
    return normalize([_crop(ink, pieces, 0, 1, box)])[0], box


def digit_in(recognizer: Classifier, picture: Picture) -> Digit | None:
    """The digit that all ink makes, with the ink that the recognizer finds most believable.

    Where that ink may be of neighbours, or only a part of the digit, the middle of the picture is read once more.
    """
    if recognizer.info.kind == "pictures":
        height, width = picture.pixels.shape[:2]
        box = _as_given(picture, (0, 0, width, height))
        return _digits(recognizer, thumbnail(picture.pixels)[None], [box])[0]
    tried: list[Foreground] = []
    digit = _best_of(recognizer, picture, images_of_one(picture, tried))
    if digit is None or not tried:
        return digit
    parts, shape = tried[0].parts, tried[0].mask.shape
    at_edge = parts.at_edge(shape) & (parts.areas >= CROWDING * tried[0].mask.sum())
    if at_edge.any():  # pieces of neighbours, if there are others or it is at the side; black and white has but one ink
        aside = np.abs(parts.left + parts.right - shape[1]).max() / 2 > ASIDE * shape[1]
        look = (len(parts) > 1 or not digit.sure or aside) and len(np.unique(picture.pixels)) > 2
    else:
        look = digit.sure and content_region(picture.pixels) is None  # faint ink may be missing
    ink = middle_foreground(picture.pixels) if look else None
    found = None if ink is None else _image_of_one(ink, middle_digit(_clean(ink).parts))
    if found is None:
        return digit
    image, box = found
    other = _digits(recognizer, image[None], [_as_given(picture, box)])[0]
    doubted = other.score >= DOUBTFUL and other.digit != digit.digit
    return _average(recognizer, [digit, other]) if at_edge.any() or doubted else digit


def _average(recognizer: Classifier, digits: list[Digit]) -> Digit:
    """One digit seen in several ways: the mean of what each says, sure only where that is."""
    weights = np.array([each.digitness for each in digits], np.float64)
    scores = np.stack([each.probabilities * each.digitness for each in digits]).mean(axis=0, dtype=np.float64)
    probabilities = (scores / max(float(weights.mean()), 1e-12)).astype(np.float32)
    answer = int(scores.argmax())
    shown = max(digits, key=lambda each: float(each.probabilities[answer]) * each.digitness)
    is_digit = weights.mean() >= recognizer.info.digit_threshold
    return replace(
        shown,
        digit=answer,
        probability=float(probabilities[answer]),
        probabilities=probabilities,
        digitness=float(weights.mean()),
        sure=bool(is_digit and scores[answer] >= recognizer.info.sure_threshold),
    )


def _best_of(recognizer: Classifier, picture: Picture, images: Iterable[tuple[np.ndarray, Box]]) -> Digit | None:
    """The most believable of the digits that these images and boxes show; the first that is sure ends the search."""
    best: Digit | None = None
    for image, box in images:
        digit = _digits(recognizer, image[None], [_as_given(picture, box)])[0]
        if best is None or digit.score > best.score + BETTER:
            best = digit
        if best.sure:
            break
    return best


def _best_ink(
    recognizer: Classifier, picture: Picture, *, small: bool = False
) -> tuple[Interpretation, Foreground, list[tuple[Foreground, Interpretation]]]:
    """The most believable reading of the picture as it is, its ink, and all inks that were tried."""
    candidates = foreground_candidates(picture.pixels, shadows=True)
    chosen = next(candidates)
    best = _interpret(recognizer, chosen, small=small)
    tried = [(chosen, best)]
    left = MOST_HYPOTHESES - best.cost  # all inks share it: a pattern is as much of one in each of them
    while left > ANOTHER and (not best.sure or chosen.partial or tried[-1][0].shaded):
        ink = next(candidates, None)
        if ink is None:
            break
        other = _interpret(recognizer, ink, most=left, small=small)
        left -= other.cost
        tried.append((ink, other))
        if tried[-2][0].shaded:
            better = _shows_more(other, best)
        elif chosen.partial:
            better = other.score > best.score + OUTSIDE if best.sure else True
        else:
            better = other.score > best.score + BETTER
        if better and (other.sure or chosen.partial):
            best, chosen = other, ink
        if other.sure:
            break
    return best, chosen, tried


def _shows_more(lit: Interpretation, shaded: Interpretation) -> bool:
    """Tell whether a page shows more digits between the shadows, or surer ones and hardly fewer."""
    if lit.digits < SEVERAL or lit.found.quality < LIT:
        return False
    more = lit.digits > shaded.digits and lit.score > shaded.score + MORE_DIGITS
    return more or (lit.all_sure and not shaded.all_sure and lit.score > shaded.score - OUTSIDE)


def _interpret(
    recognizer: Classifier, ink: Foreground, turned: int = 0, most: int = MOST_HYPOTHESES, *, small: bool = False
) -> Interpretation:
    """Read ink: frames away, lines, digits, and anything that is not a digit rejected. Boxes are in the ink's pixels.

    Where the ink may make more than `most` digits, none is read. Digits of `small` writing are seen in grey.
    """
    cleaned = _clean(ink)
    layout = segment_lines(cleaned.parts, ink.contrast)
    possible = hypotheses(layout.lines, most)
    found = possible or []
    answers: dict[tuple[int, int], DecodedDigit] = {}
    drawn = 0

    def ask(wanted: Sequence[tuple[int, int]]) -> list[float] | None:
        nonlocal drawn
        asked = [(layout.lines[i].first, found[i][j]) for i, j in wanted]
        spans = [(first + each.start, first + each.stop, each.box) for first, each in asked]
        drawn += sum((right - left) * (bottom - top) for _, _, (left, top, right, bottom) in spans)
        if drawn > MOST_DRAWN:
            return None
        crop, draw = (soft_crop, normalize_small) if small else (_crop, normalize)
        crops = (crop(ink, layout.pieces, *span) for span in spans)
        again = len(answers) + len(wanted) <= SECOND_LOOKS
        digits = _digits(recognizer, draw(crops), [box for _, _, box in spans], again=again)
        for key, digit, span in zip(wanted, digits, spans, strict=True):
            answers[key] = DecodedDigit(digit, *span)
        return [digit.score for digit in digits]

    ways = None if possible is None else decode(layout.lines, found, ask)
    taken = [[answers[i, j] for j in way] for i, way in enumerate(ways or [[] for _ in layout.lines])]
    judged = reject_implausible(layout, taken, cleaned, recognizer.info.digit_threshold)
    judged.marks.extend(Mark(tuple(int(side) for side in box), "frame") for box in cleaned.boxes)  # type: ignore[arg-type] # four
    count = sum(len(each) for each in found)
    kept = [each.height for line in judged.lines for each in line]
    height = median(kept or [line.height for line in layout.lines] or [0.0])
    return Interpretation(judged, cleaned, turned, ink.mask.shape, count, height, too_many=ways is None)


def _upright(recognizer: Classifier, ink: Foreground, upright: Interpretation) -> Interpretation:
    """The reading of the ink as it is, or turned by a quarter or a half where that is more believable.

    Where two of the turned readings are as believable, none of their digits is sure.
    """
    if upright.too_many or upright.found.quality >= SURELY_UPRIGHT:
        return upright
    if not FEW <= upright.found.characters <= upright.hypotheses <= MOST_TURNED:
        return upright
    turned = [_interpret(recognizer, ink.turn(turns), turns, MORE * upright.hypotheses) for turns in (1, 2, 3)]
    surer = [other for other in turned if other.sure_digits > upright.sure_digits and other.found.odds >= TURN]
    likely = sorted((other for other in surer if other.belief >= upright.belief + TURN), key=lambda page: -page.belief)
    if not likely:
        return upright
    best = likely[0]
    if len(likely) > 1 and best.belief - likely[1].belief < AS_LIKELY:
        lines = [[doubt(each) for each in line] for line in best.found.lines]
        return replace(best, found=replace(best.found, lines=lines))
    return best


def _rejoin(recognizer: Classifier, ink: Foreground, broken: Interpretation) -> tuple[Interpretation, Foreground]:
    """The reading of the ink as it is, or with the gaps in its strokes closed where that is much more believable."""
    if broken.too_many or broken.all_sure or broken.found.quality >= DOUBTFUL:
        return broken, ink
    if not 0 < broken.hypotheses <= MOST_TURNED:
        return broken, ink
    best, chosen = broken, ink
    for gap in GAPS:
        closed = ink.close_gaps(gap)
        other = _interpret(recognizer, closed, most=MORE * broken.hypotheses)
        least = max(broken.found.quality + WHOLE_STROKES, DOUBTFUL, best.found.quality if best is not broken else 0.0)
        framed = other.cleaned.frames(other.height) >= broken.cleaned.frames(other.height)
        if framed and other.sure and other.found.quality >= least and other.score > broken.score:
            best, chosen = other, closed
    return best, chosen


def _as_one_digit(
    recognizer: Classifier, picture: Picture, page: Interpretation, tried: Sequence[tuple[Foreground, Interpretation]]
) -> Reading | None:
    """The reading of a picture whose ink makes one digit altogether, if that is more believable than the page."""
    digits = [each.digit for line in page.found.lines for each in line]
    images = []
    for ink, other in tried:
        left = other.cleaned.mask
        is_pattern = ink.mask.mean() >= MUCH_INK and left.sum() < ink.mask.sum() / 2  # most of it was lines
        if other.found.characters > FEW or is_pattern:
            continue
        mask = isolate_digit(other.cleaned.parts)
        image = _image_of_one(ink, mask) if mask.sum() >= WHOLE * left.sum() else None
        if image is not None:
            images.append(image)
    digit = _best_of(recognizer, picture, images)
    if digit is None or digit.digitness < PLAUSIBLE:
        return None
    if max(len(digits), page.found.characters) > FEW and not digit.sure:
        return None
    if digits and digit.score < min(each.score for each in digits):
        return None
    return Reading(digit.name, (digit,), picture.name)


def _as_reading(picture: Picture, page: Interpretation) -> Reading:
    """A reading with boxes in the pixels of the picture as it was given."""

    def placed(box: Box) -> tuple[int, int, int, int]:
        return _as_given(picture, turn_back(box, page.turned, page.shape))

    lines = page.found.lines
    text = "\n".join(line_texts(lines, page.cleaned.upright))
    digits = tuple(replace(each.digit, box=placed(each.box)) for line in lines for each in line)
    marks = sorted(page.found.marks, key=lambda mark: (mark.box[1], mark.box[0]))
    skipped = tuple(Skipped(placed(mark.box), mark.reason, mark.in_number) for mark in marks)
    return Reading(text, digits, picture.name, skipped)


def _clean(ink: Foreground) -> Cleaned:
    if _is_texture(ink.mask):
        return Cleaned.nothing(ink.mask.shape)
    left = remove_ruling_lines(ink.mask, ink.contrast, ink.width)
    parts = ink.parts if left is ink.mask else find_components(left)
    return remove_frames(left, parts, ink.mask & ~left, ink.contrast, ink.width)


def _is_texture(mask: np.ndarray) -> bool:
    """Tell whether ink has far more strokes than a page of numbers: noise, a pattern, a halftone."""
    across = np.count_nonzero(mask[:, 1:] != mask[:, :-1])
    down = np.count_nonzero(mask[1:] != mask[:-1])
    return bool(max(across, down) > MOST_EDGES)


def _crop(ink: Foreground, pieces: np.ndarray, start: int, stop: int, box: Box) -> np.ndarray:
    """The strength of the ink of the pieces `start` to `stop` - 1, with the blurred edge of their strokes."""
    area = area_around(box, RIM, pieces.shape)
    own = (pieces[area] >= start) & (pieces[area] < stop)
    near = dilate(own, 3, 1) | dilate(own, 1, 3)
    strength = ink.strength[area]
    edge = near & (strength < 0.5)
    return np.where(own | edge, strength, np.float32(0))


def _digits(
    recognizer: Classifier, images: np.ndarray, boxes: Sequence[tuple[int, int, int, int]], *, again: bool = True
) -> list[Digit]:
    """Recognize digit images, uint8 (n, 28, 28), cropped at these boxes; `again` allows a second look."""
    if not len(images):
        return []
    answers = recognizer.predict_all(images, again=again)
    return [
        Digit(
            digit=int(answers.digits[i]),
            probability=float(answers.probabilities[i].max()),
            probabilities=answers.probabilities[i],
            box=box,
            sure=bool(answers.sure[i]),
            digitness=float(answers.digitness[i]),
            image=images[i],
            class_names=recognizer.info.class_names,
        )
        for i, box in enumerate(boxes)
    ]


def _as_given(picture: Picture, box: Box) -> tuple[int, int, int, int]:
    """A box in the pixels of the picture before it was reduced: x, y, width, height."""
    height, width = picture.pixels.shape[:2]
    left, top, right, bottom = box
    x, y = picture.size[0] / width, picture.size[1] / height
    return round(left * x), round(top * y), round(right * x) - round(left * x), round(bottom * y) - round(top * y)
