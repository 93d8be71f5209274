"""Numbers on forms, under markers and beside words: kinds of pages that were once read wrong, with the right text."""

from __future__ import annotations

import pytest
from PIL import ImageDraw

from helpers.writing import BLACK, BLUE, FINER, RED, Page
from mnistry import Recognizer


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer.load()


@pytest.mark.parametrize("colour", [BLACK, RED])
@pytest.mark.parametrize("photo", [False, True])
def test_a_frame_with_round_corners_is_not_read(recognizer, colour, photo):
    page = Page(300, 160)
    page.write("79", (90, 50), 60, ink=BLACK, seed=2)
    box = [each * FINER for each in (60, 24, 210, 132)]
    ImageDraw.Draw(page._image).rounded_rectangle(box, radius=25 * FINER, outline=colour, width=3 * FINER)
    reading = recognizer.read(page.photo() if photo else page.image())
    assert reading.text == "79"
    assert reading.sure


@pytest.mark.parametrize("ink", [BLUE, RED])
def test_a_number_that_reaches_beyond_the_markers_colour_is_read_whole(recognizer, ink):
    page = Page(460, 240)
    page.line([(60, 108), (330, 112)], (250, 240, 90), 56)
    page.write("767", (110, 76), 64, ink=ink, seed=1)
    for image in (page.image(), page.photo()):
        assert recognizer.read(image).text == "767"
