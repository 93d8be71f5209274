"""A picture with its reading drawn on it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mnistry.ocr.image_io import open_image

if TYPE_CHECKING:
    from PIL import ImageDraw
    from PIL.Image import Image

    from mnistry.ocr.image_io import Source
    from mnistry.ocr.result import Digit, Skipped

SKIPPED = (120, 120, 120)
SURE, UNSURE = (0, 110, 200), (215, 95, 0)  # apart for colour-blind eyes too
SMALLEST = 480  # pixels of the longer side: smaller pictures are enlarged, so that the answers can be read
TEXT_HEIGHT = 0.3  # of a digit's


def annotate(source: Source, digits: Sequence[Digit], skipped: Sequence[Skipped] = ()) -> Image:
    """Draw a box around each digit and its answer above: blue where sure, orange with a ? where not.

    Skipped marks get a dashed grey box.

    Raises:
        PictureError: the picture cannot be read.
    """
    from PIL import Image as Images
    from PIL import ImageDraw

    picture = open_image(source)
    height, width = picture.pixels.shape[:2]
    enlarged = max(1, -(-SMALLEST // max(height, width)))
    image = Images.fromarray(np.repeat(np.repeat(picture.pixels, enlarged, axis=0), enlarged, axis=1))
    draw = ImageDraw.Draw(image)
    scale = image.width / picture.size[0], image.height / picture.size[1]
    line = max(1, round(max(image.size) / 400))
    for mark in skipped:
        x, y = mark.box[0] * scale[0], mark.box[1] * scale[1]
        _draw_dashed(draw, (x, y, x + mark.box[2] * scale[0], y + mark.box[3] * scale[1]), line)
    for digit in digits:
        colour = SURE if digit.sure else UNSURE
        left, top = digit.box[0] * scale[0], digit.box[1] * scale[1]
        right, bottom = left + digit.box[2] * scale[0], top + digit.box[3] * scale[1]
        draw.rectangle((left - line, top - line, right + line, bottom + line), outline=colour, width=line)
        size = max(11.0, TEXT_HEIGHT * (bottom - top))
        text = digit.name + ("" if digit.sure else "?")
        draw.text((left, max(0.0, top - 2 * line - size)), text, fill=colour, font_size=size)
    return image


def _draw_dashed(draw: ImageDraw.ImageDraw, box: tuple[float, float, float, float], line: int) -> None:
    left, top, right, bottom = box
    dash = 4.0 * line
    for x in np.arange(left, right, 2 * dash).tolist():
        for y in (top, bottom):
            draw.line((x, y, min(x + dash, right), y), fill=SKIPPED, width=line)
    for y in np.arange(top, bottom, 2 * dash).tolist():
        for x in (left, right):
            draw.line((x, y, x, min(y + dash, bottom)), fill=SKIPPED, width=line)


class Album:
    """A folder for annotated pictures, each under a name of its own."""

    def __init__(self, folder: Path) -> None:
        """Make the folder where it is missing."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._taken = folder, set[str]()

    def path(self, name: str) -> Path:
        """Name the file of this picture: its stem and `.png`, with a number if the name is taken."""
        stem = Path(name).stem or "picture"
        chosen, number = stem, 1
        while chosen in self._taken:
            number += 1
            chosen = f"{stem}-{number}"
        self._taken.add(chosen)
        return self._folder / f"{chosen}.png"
