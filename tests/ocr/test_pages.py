"""Numbers on forms, under markers and beside words: kinds of pages that were once read wrong, with the right text."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from helpers.writing import BLACK, BLUE, FINER, RED, Page
from mnistry import Recognizer
from mnistry.ocr import open_image, pipeline


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


def print_text(page: Page, text: str, at: tuple[float, float], size: float) -> None:
    """Prints text on a page, capitals some 0.73 of the size high."""
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    font = ImageFont.truetype(str(path), round(size * FINER))
    page._draw.text((at[0] * FINER, at[1] * FINER), text, fill=BLACK, font=font)


@pytest.mark.parametrize("word", ["Sum:", "Invoice:", "ID:", "Class:"])
def test_print_half_as_high_as_a_number_is_no_digit(recognizer, word):
    page = Page(620, 120)
    print_text(page, word, (20, 50), 36)
    page.write("5938", (220, 35), 52, seed=3)
    reading = recognizer.read(page.image())
    assert reading.text == "5938"
    assert reading.skipped


def test_printed_words_as_high_as_a_number_are_no_digits(recognizer):
    page = Page(620, 120)
    print_text(page, "Class", (20, 22), 70)
    page.write("9525", (260, 35), 52, seed=3)
    assert recognizer.read(page.image()).text == "9525"


@pytest.mark.parametrize("word", ["Gas", "Sex", "Oslo", "Filial"])
def test_letters_as_high_and_low_as_digits_never_are_leave_a_short_number(recognizer, word):
    page = Page(560, 130)
    print_text(page, word, (20, 18), 72)
    page.write("36", (380, 35), 52, seed=3)
    reading = recognizer.read(page.image())
    assert reading.text == "36"
    assert "letters" in {mark.reason for mark in reading.skipped}


@pytest.mark.parametrize("text", ["1111", "1011", "7111"])
def test_a_number_of_ones_alone_is_no_word(recognizer, text):
    page = Page(460, 130)
    page.write(text, (60, 35), 52, seed=3)
    assert recognizer.read(page.image()).text == text


def test_letters_like_digits_far_from_a_number_are_no_digits(recognizer):
    page = Page(620, 420)
    print_text(page, "ID", (30, 20), 60)
    page.write("93064", (150, 260), 50, seed=3)
    assert recognizer.read(page.image()).text == "93064"


def test_a_short_number_in_a_column_is_kept(recognizer):
    page = Page(420, 420)
    for row, text in enumerate(("9306", "10", "825", "01")):
        page.write(text, (60, 30 + 95 * row), 50, seed=row)
    assert recognizer.read(page.image()).text == "9306\n10\n825\n01"


@pytest.mark.parametrize("photo", [False, True])
@pytest.mark.parametrize(("struck", "pen"), [("268", 3), ("36", 2), ("4725", 5)])
def test_a_number_that_a_line_crosses_is_not_read(recognizer, struck, pen, photo):
    page = Page(560, 130)
    page.write(struck, (40, 35), 56, pen=pen, seed=1)
    right = 40 + 56 / 1.6 * 1.35 * len(struck)
    page.line([(30, 66), (right, 62)], BLACK, pen)
    page.write("8059", (right + 60, 35), 56, pen=pen, seed=2)
    reading = recognizer.read(page.photo() if photo else page.image())
    assert reading.text == "8059"
    assert "struck out" in {each.reason for each in reading.skipped}


@pytest.mark.parametrize("struck", ["44", "817", "1619"])
def test_a_number_that_a_line_crosses_from_corner_to_corner_is_not_read(recognizer, struck):
    page = Page(560, 130)
    page.write(struck, (40, 35), 56, pen=4, seed=1)
    right = 40 + 56 / 1.6 * 1.35 * len(struck)
    page.line([(34, 82), (right, 42)], BLACK, 4)
    page.write("8059", (right + 60, 35), 56, pen=4, seed=2)
    assert recognizer.read(page.image()).text == "8059"


def test_one_digit_beside_a_sign_is_read(recognizer):
    page = Page(220, 130)
    for ends in ([(30, 50), (72, 46)], [(30, 72), (72, 68)], [(45, 30), (38, 92)], [(63, 28), (56, 90)]):  # #
        page.line(ends, BLACK, 4)
    page.write("5", (100, 32), 56, pen=4, seed=1)
    assert recognizer.read(page.image()).text == "5"


def ring(page: Page, x: float, y: float) -> None:
    angles = np.linspace(0, 2 * np.pi, 20)
    page.line(np.stack([x + 7 * np.cos(angles), y + 8 * np.sin(angles)], axis=1), BLACK, 4)


@pytest.mark.parametrize("rings", [((152, 38), (190, 76)), ((171, 48), (190, 79)), ((157, 45), (176, 78))])
def test_a_percent_sign_is_no_number(recognizer, rings):
    page = Page(300, 130)
    page.write("25", (40, 35), 56, pen=4, seed=1)
    page.line([(190, 30), (155, 95)], BLACK, 4)
    for x, y in rings:  # apart from the slash, or the upper or the lower one touches it
        ring(page, x, y)
    reading = recognizer.read(page.image())
    assert reading.text == "25"
    assert "sign" in {each.reason for each in reading.skipped}


@pytest.mark.parametrize(("digit", "seed"), [("0", 1), ("7", 2), ("3", 3)])
def test_a_degree_sign_is_no_zero(recognizer, digit, seed):
    page = Page(200, 120)
    page.write(digit, (30, 35), 56, pen=4, seed=seed)
    ring(page, 95, 38)
    reading = recognizer.read(page.image())
    assert (reading.text, [each.reason for each in reading.skipped]) == (digit, ["sign"])


@pytest.mark.parametrize(
    ("text", "height", "pen", "seed"), [("4820", 9, 2.0, 11), ("3823", 8, 0.9, 18), ("2855", 8, 1.6, 22)]
)
def test_digits_of_eight_pixels_are_read_in_the_picture_enlarged(recognizer, text, height, pen, seed):
    page = Page(70, 30)
    page.write(text, (10, 8), height, pen=pen, slant=0.2, seed=seed)
    reading = recognizer.read(page.photo(seed=seed))
    assert reading.text == text
    assert all(box[0] + box[2] <= 70 and box[1] + box[3] <= 30 for box in (each.box for each in reading.digits))


@pytest.mark.parametrize(("text", "pen", "seed"), [("9668", 1.49, 7), ("1766", 1.13, 37)])
def test_digits_of_six_pixels_are_read_by_their_greys(recognizer, text, pen, seed):
    page = Page(60, 20)
    page.write(text, (8, 6), 6, pen=pen, slant=0.1, seed=seed)
    assert recognizer.read(page.image()).text == text


@pytest.mark.parametrize(
    ("quarters", "lines", "seed"),
    [(1, "57557 85547", 45), (1, "43589 255", 33), (2, "88808 21079", 13), (2, "766 097", 37), (3, "05525 2519", 29)],
)
def test_a_page_that_makes_likely_digits_on_its_side_or_head_is_read_upright(recognizer, quarters, lines, seed):
    page = Page(340, 200)
    for i, text in enumerate(lines.split()):
        page.write(text, (30, 25 + 85 * i), 48, pen=5, slant=0.1, seed=seed + i)
    reading = recognizer.read(page.image().rotate(90 * quarters, expand=True))
    assert reading.text.split() == lines.split()


def test_small_print_beside_a_large_number_is_no_small_writing(recognizer):
    page = Page(360, 200)
    page.write("175810", (40, 20), 44, pen=4, seed=1)
    image = page.image()
    for i, text in enumerate(("Total of all bills", "See the other side", "Name and address")):
        ImageDraw.Draw(image).text((40, 90 + 24 * i), text, fill=BLACK, font=ImageFont.load_default(10))
    page_as_it_is, _, _ = pipeline._best_ink(recognizer, open_image(image))
    assert page_as_it_is.height == pytest.approx(48, abs=8)
    assert recognizer.read(image).text == "175810"


@pytest.mark.parametrize("photo", [False, True])
def test_the_teeth_of_a_comb_are_no_digits(recognizer, photo):
    page = Page(560, 130)
    page.line([(40, 100), (520, 100)], RED, 2)
    for x in range(40, 521, 80):
        page.line([(x, 50), (x, 100)], RED, 2)
    for i, name in enumerate("652690"):
        page.write(name, (66 + 80 * i, 40), 48, pen=4, seed=i)
    reading = recognizer.read(page.photo() if photo else page.image())
    assert reading.text.replace(" ", "") == "652690"


@pytest.mark.parametrize(("spacing", "colour", "width"), [(26, (60, 140, 90), 2.2), (7, (150, 175, 225), 1.0)])
def test_numbers_on_squared_paper_are_read_without_its_squares(recognizer, spacing, colour, width):
    page = Page(420, 240)
    page.rule(spacing, colour, width, squared=True)
    page.write("5083", (40, 30), 70, ink=BLUE, seed=4)
    page.write("24", (60, 140), 70, ink=BLUE, seed=5)
    image = page.photo(dimmest=0.5).rotate(1.5, Image.Resampling.BICUBIC, fillcolor=(150, 147, 140))
    assert recognizer.read(image).text == "5083\n24"


def test_squares_as_dark_as_a_pencil_leave_its_digits(recognizer):
    page = Page(420, 140)
    page.rule(30, (110, 110, 110), 1, squared=True)
    page.write("5083", (40, 35), 70, ink=(110, 110, 110), pen=3, seed=1)
    assert recognizer.read(page.photo()).text == "5083"


def test_a_crop_of_a_cell_with_pale_and_dark_sides_is_read(recognizer):
    page = Page(80, 80)
    page.line([(8, 0), (8, 80)], (190, 190, 190), 1.5)
    page.line([(73, 0), (73, 80)], BLACK, 2)
    page.line([(0, 6), (80, 6)], (190, 190, 190), 1.5)
    page.write("3", (26, 20), 42, ink=BLUE, seed=1)
    assert recognizer.read(page.image()).text == "3"


def circle(page: Page, x: float, y: float, radius: float, pen: float) -> None:
    angles = np.linspace(0, 2 * np.pi, 40)
    page.line(np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], axis=1), BLACK, pen)


def reasons(reading) -> set[str]:
    return {mark.reason for mark in reading.skipped}


def test_the_ticks_of_an_axis_are_no_ones(recognizer):
    page = Page(420, 110)
    page.line([(10, 35), (410, 35)], BLACK, 2)
    for i, text in enumerate(("5", "20", "40", "60")):
        page.line([(50 + 100 * i, 26), (50 + 100 * i, 44)], BLACK, 2)
        page.write(text, (38 + 100 * i, 60), 26, seed=i)
    assert recognizer.read(page.image()).text.replace(" ", "") == "5204060"


def test_ones_beside_other_digits_on_a_ruling_stay(recognizer):
    page = Page(420, 110)
    page.line([(0, 61), (420, 61)], (120, 150, 200), 1.5)
    page.write("1171", (60, 34), 44, pen=4, seed=3)
    assert recognizer.read(page.image()).text == "1171"


def test_a_heading_and_the_smaller_lines_below_it_are_read(recognizer):
    page = Page(420, 300)
    page.write("42", (60, 30), 100, pen=8, seed=1)
    page.write("6569", (60, 170), 34, pen=3, seed=2)
    page.write("3724", (60, 235), 34, pen=3, seed=3)
    assert recognizer.read(page.image()).text == "42\n6569\n3724"


def test_equals_signs_around_a_number_do_not_set_its_size(recognizer):
    page = Page(460, 130)
    for x in (30, 300):
        for y in (58, 74):
            page.line([(x, y), (x + 34, y)], BLACK, 7)
    page.write("548", (100, 35), 60, pen=7, gap=0.6, seed=1)
    assert recognizer.read(page.image()).text == "548"


def test_low_open_boxes_below_digits_are_frames(recognizer):
    page = Page(400, 110)
    for i, text in enumerate("1964"):
        left = 55 + 74 * i
        page.line([(left, 62), (left, 84), (left + 62, 84), (left + 62, 62)], BLACK, 2.5)
        page.write(text, (left + 18, 34), 42, pen=3, ink=BLUE, seed=i)
    reading = recognizer.read(page.image())
    assert reading.text == "1964"
    assert reasons(reading) == {"frame"}


@pytest.mark.parametrize("down", [0, 3, 6])
def test_the_foot_of_a_two_near_the_corner_of_its_box_is_kept(recognizer, down):
    page = Page(260, 110)
    for i, text in enumerate("2232"):
        left = 20 + 54 * i
        page.line([(left, 26), (left + 42, 26), (left + 42, 82), (left, 82), (left, 26)], (90, 140, 200), 2)
        page.write(text, (left + 14, 34 + down), 36, pen=2, ink=BLUE, seed=i)
    assert recognizer.read(page.photo(seed=down)).text == "2232"


def test_a_single_factor_of_a_product_is_read(recognizer):
    page = Page(270, 260)
    page.write("605", (130, 25), 40, pen=4, seed=1)
    page.line([(30, 95), (52, 120)], BLACK, 4)
    page.line([(52, 95), (30, 120)], BLACK, 4)
    page.write("7", (195, 90), 40, pen=4, seed=2)
    page.line([(25, 150), (245, 149)], BLACK, 4)
    page.write("4235", (95, 175), 40, pen=4, seed=3)
    assert recognizer.read(page.image()).text == "605\n7\n4235"


def test_the_hole_of_a_price_tag_is_no_zero(recognizer):
    page = Page(330, 130)
    circle(page, 45, 68, 8, 3)
    page.write("572", (95, 35), 60, pen=5, seed=1)
    reading = recognizer.read(page.image())
    assert reading.text == "572"
    assert "sign" in reasons(reading)


def test_a_word_among_the_words_of_a_first_column_is_no_number(recognizer):
    page = Page(520, 330)
    for row, (name, one, two) in enumerate((("Kim", "98", "288"), ("Olga", "35", "457"), ("Lisa", "42", "568"))):
        print_text(page, name, (25, 25 + 100 * row), 32)
        page.write(one, (190, 20 + 100 * row), 40, pen=4, seed=row)
        page.write(two, (340, 20 + 100 * row), 40, pen=4, seed=9 + row)
    assert recognizer.read(page.image()).text == "98 288\n35 457\n42 568"


def test_the_other_side_of_the_sheet_shows_through(recognizer):
    page = Page(560, 130)
    page.write("6273", (280, 35), 60, pen=4, ink=(185, 185, 184), seed=2)
    page.write("9451", (40, 35), 60, pen=4, seed=1)
    assert recognizer.read(page.image()).text.startswith("9451")


def test_syllables_with_rings_are_no_zeros(recognizer):
    page = Page(300, 130)
    for x in (60, 130, 200):  # as in Hangul
        circle(page, x, 45, 15, 4)
        page.line([(x - 22, 70), (x + 22, 70)], BLACK, 4)
        page.line([(x - 8, 70), (x - 8, 95)], BLACK, 4)
        page.line([(x + 8, 70), (x + 8, 95)], BLACK, 4)
    assert not any(each.sure for each in recognizer.read(page.image()).digits)


def test_the_box_of_an_answer_is_no_digit(recognizer):
    page = Page(330, 180)
    for y in (30, 105):
        page.line([(25, y), (58, y), (58, y + 34), (25, y + 34), (25, y)], BLACK, 1.5)
    page.line([(30, 112), (53, 133)], BLUE, 2.5)
    page.line([(53, 112), (30, 133)], BLUE, 2.5)
    page.write("938", (95, 28), 38, pen=4, ink=BLUE, seed=1)
    page.write("564", (95, 103), 38, pen=4, ink=BLUE, seed=2)
    assert recognizer.read(page.photo()).text == "938\n564"


def print_bracket(page: Page, left: float, facing: int, *, height: float = 70, at: float = 30) -> None:
    """Draws [ (facing 1) or ] (facing -1)."""
    corners = [(left + 9 * facing, at), (left, at), (left, at + height), (left + 9 * facing, at + height)]
    page.line(corners, BLACK, 4)


@pytest.mark.parametrize("height", [52, 70])
def test_square_brackets_are_no_ones(recognizer, height):
    page = Page(420, 130)
    print_bracket(page, 50, 1, height=height, at=61 - height / 2)
    page.write("984", (76, 35), 52, seed=3)
    print_bracket(page, 245, -1, height=height, at=61 - height / 2)
    assert recognizer.read(page.image()).text == "984"


def test_an_exclamation_mark_is_no_one(recognizer):
    page = Page(300, 130)
    page.write("35", (50, 35), 52, seed=3)
    page.line([(172, 33), (168, 72)], BLACK, 5)
    page.line([(167, 86), (167, 87)], BLACK, 6)
    assert recognizer.read(page.image()).text == "35"


def test_a_point_beside_a_one_is_none_of_its_dots(recognizer):
    page = Page(300, 130)
    page.write("1", (60, 35), 52, seed=3)
    page.line([(92, 86), (93, 87)], BLACK, 6)
    page.write("1", (110, 35), 52, seed=4)
    assert recognizer.read(page.image()).text.replace(" ", "") == "11"


@pytest.mark.parametrize("word", ["Lisa", "sign", "Hill", "mini"])
def test_a_stroke_with_a_dot_above_is_no_one(recognizer, word):
    page = Page(620, 130)
    print_text(page, word, (20, 22), 60)
    page.write("538", (300, 35), 52, seed=3)
    assert recognizer.read(page.image()).text == "538"


@pytest.mark.parametrize("photo", [False, True])
def test_light_digits_on_dark_windows_are_read(recognizer, photo):
    page = Page(460, 140)
    for number, digit in enumerate("40732"):
        left = 40 + 76 * number
        page.line([(left + 32, 30), (left + 32, 110)], (30, 30, 34), 62)
        page.write(digit, (left + 18, 46), 48, ink=(245, 245, 240), seed=3 + number)
    reading = recognizer.read(page.photo() if photo else page.image())
    assert reading.text.replace(" ", "") == "40732"
    assert reading.sure


def test_a_dark_cell_beside_light_ones_is_read(recognizer):
    page = Page(420, 130)
    ImageDraw.Draw(page._image).rectangle([each * FINER for each in (150, 20, 270, 110)], fill=(60, 80, 120))
    page.write("18", (40, 40), 50, seed=1)
    page.write("52", (170, 40), 50, ink=(250, 250, 247), seed=2)
    page.write("7", (310, 40), 50, seed=4)
    assert recognizer.read(page.image()).text.replace(" ", "") == "18527"


def test_the_bars_of_a_barcode_are_no_ones(recognizer):
    page = Page(420, 190)
    widths = [2, 4, 2, 6, 2, 2, 4, 2, 6, 4, 2, 2, 6, 2, 4, 2, 2, 4, 6, 2, 2, 4]
    left = 40.0
    for width in widths:
        page.line([(left + width / 2, 20), (left + width / 2, 90)], BLACK, width)
        left += width + 5
    page.write("53974", (60, 115), 46, seed=5)
    reading = recognizer.read(page.image())
    assert reading.text == "53974"
    assert "sign" in {mark.reason for mark in reading.skipped}


def test_an_uneven_name_beside_even_numbers_is_no_number(recognizer):
    page = Page(700, 240)
    print_text(page, "Isola", (20, 20), 58)
    page.write("6924", (330, 35), 44, seed=3)
    print_text(page, "Olio", (20, 130), 58)
    page.write("3432", (330, 145), 44, seed=4)
    assert recognizer.read(page.image()).text == "6924\n3432"


@pytest.mark.parametrize("photo", [False, True])
def test_a_tick_after_a_number_is_no_eleven(recognizer, photo):
    page = Page(420, 240)
    for top, text in ((30, "194"), (140, "075")):
        page.write(text, (40, top), 52, seed=3)
        page.line([(240, top + 28), (254, top + 50), (292, top - 2)], BLACK, 5)
    reading = recognizer.read(page.photo() if photo else page.image())
    assert reading.text == "194\n075"


@pytest.mark.parametrize(("first", "second"), [("98", "54"), ("37", "64")])
def test_rings_and_strokes_far_lower_than_short_sure_numbers_are_no_digits(recognizer, first, second):
    page = Page(420, 260)
    for top, text in ((40, first), (160, second)):
        page.write("0", (30, top), 20, seed=5)
        page.line([(75, top + 4), (74, top + 26)], BLACK, 4)
        page.write(text, (200, top - 8), 50, seed=3)
    assert recognizer.read(page.image()).text == f"{first}\n{second}"


def test_the_sides_of_low_open_boxes_are_no_ones(recognizer):
    page = Page(420, 150)
    for number, digit in enumerate("194"):
        left = 40 + 90 * number
        page.write(digit, (left + 26, 34), 56, seed=3 + number)
        for x in (left, left + 76):
            page.line([(x, 78), (x, 112)], BLACK, 2)
    assert recognizer.read(page.image()).text.replace(" ", "") == "194"


def shaded(page: Page, shadow: np.ndarray, blur: float) -> Image.Image:
    """A photo of a page with a soft-edged shadow, bool (height, width), over it."""
    soft = Image.fromarray(np.uint8(255 * shadow)).filter(ImageFilter.GaussianBlur(blur))
    light = 1 - 0.4 * np.asarray(soft)[:, :, None] / 255
    return Image.fromarray(np.uint8(np.asarray(page.photo(dimmest=0.8)) * light))


def two_numbers() -> Page:
    page = Page(360, 230)
    page.write("34372", (40, 45), 48, pen=4, seed=1)
    page.write("1542", (55, 135), 48, pen=4, seed=2)
    return page


@pytest.mark.parametrize("period", [90, 110, 130])
def test_a_page_in_the_light_of_a_blind_is_read(recognizer, period):
    row, column = np.mgrid[:230, :360]
    stripes = np.sin(2 * np.pi * (row + 0.4 * column) / period) > 0
    assert recognizer.read(shaded(two_numbers(), stripes, 4)).text == "34372\n1542"


@pytest.mark.parametrize("share", [0.4, 0.45, 0.5])
def test_a_small_zero_beside_a_digit_is_no_part_of_it(recognizer, share):
    page = Page(330, 110)
    x = 40.0
    for seed, (character, high) in enumerate(zip("20860", (1, share, 1, 1, share), strict=True)):
        page.write(character, (x, 30 + 0.95 * 50 * (1 - high)), 50 * high, pen=3, seed=seed)
        x += 50 / 1.6 * high + 9
    assert recognizer.read(page.image()).text == "20860"


def test_a_bold_zero_is_no_blot(recognizer):
    page = Page(330, 110)
    page.write("31", (40, 30), 50, pen=6, seed=1)
    image = page.image()
    ImageDraw.Draw(image).ellipse((130, 42, 186, 80), outline=BLACK, width=13)
    assert recognizer.read(image).text == "310"


@pytest.mark.parametrize("gap", [2, 3, 4])
def test_a_four_of_two_strokes_that_do_not_meet_is_a_digit(recognizer, gap):
    page = Page(300, 120)
    page.write("8", (40, 30), 56, pen=3, seed=1)
    page.line([(107, 32), (104, 66), (116, 65)], BLACK, 3)
    page.line([(119 + gap, 30), (117 + gap, 86)], BLACK, 3)
    page.write("5", (150, 30), 56, pen=3, seed=2)
    assert recognizer.read(page.image()).text == "845"


@pytest.mark.parametrize("word", ["Hill", "Gloria", "zoology", "Oslo", "TOTAL", "Lilli", "Otto"])
@pytest.mark.parametrize("size", [44, 70])
def test_words_alone_have_no_sure_digits(recognizer, word, size):
    page = Page(520, 140)
    print_text(page, word, (40, 20), size)
    assert not any(digit.sure for digit in recognizer.read(page.image()))


@pytest.mark.parametrize("quarters", [1, 2, 3])
@pytest.mark.parametrize("word", ["Total", "Anna"])
def test_a_page_with_a_word_is_turned_by_its_numbers(recognizer, word, quarters):
    page = Page(420, 320)
    print_text(page, word, (30, 10), 44)
    page.write("4735", (40, 90), 48, seed=2)
    page.write("2894", (40, 190), 48, seed=5)
    assert recognizer.read(page.image().rotate(90 * quarters, expand=True)).text == "4735\n2894"


def test_a_word_above_a_number_is_none(recognizer):
    page = Page(520, 200)
    print_text(page, "Zola", (30, 10), 48)
    page.write("13375541", (40, 90), 50, seed=2)
    print_text(page, "Sibyl", (60, 150), 40)
    assert recognizer.read(page.image()).text == "13375541"


@pytest.mark.parametrize("unit", ["kg", "km", "USD", "pcs"])
def test_a_unit_after_a_number_is_none(recognizer, unit):
    page = Page(520, 130)
    page.write("4728", (40, 35), 52, seed=4)
    print_text(page, unit, (300, 18), 66)
    assert recognizer.read(page.image()).text == "4728"


@pytest.mark.parametrize("number", ["70", "07"])
def test_the_only_number_beside_a_word_is_read(recognizer, number):
    page = Page(560, 130)
    print_text(page, "Lukas", (20, 28), 62)
    page.write(number, (330, 40), 48, seed=2)
    assert recognizer.read(page.image()).text == number
