"""Pictures to text, with the model that comes with the package: pages that were written for these tests."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from helpers.writing import BLACK, BLUE, WHITE, Page, digit
from mnistry import Recognizer
from mnistry.errors import PictureError
from mnistry.ocr import pipeline
from mnistry.ocr.binarization import foreground_candidates
from mnistry.ocr.decoding import MOST_HYPOTHESES
from mnistry.ocr.result import Skipped

LINES = ["20835", "6930 852"]  # no digit that writers of the world write in very different ways


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer.load()


def page(height: float = 60, **options: object) -> Page:
    sheet = {name: options.pop(name) for name in ("paper",) if name in options}
    made = Page(round(9 * height), round(5 * height), **sheet)  # type: ignore[arg-type] # passed on
    for row, line in enumerate(LINES):
        made.write(line, (height, height * (0.6 + 1.9 * row)), height, seed=row, **options)  # type: ignore[arg-type] # passed on
    return made


PICTURES = {
    "plain": page().image(),
    "a photo": page().photo(),
    "a dim photo": page().photo(dimmest=0.25, noise=5),
    "a blue pen": page(ink=BLUE, pen=3).photo(),
    "bright on dark": page(ink=WHITE, paper=BLACK).image(),
    "chalk": page(ink=WHITE, paper=(40, 70, 50)).photo(),
    "small": page(height=20).image(),
    "large": page(height=150).image(),
    "thin": page(pen=1.5).image(),
    "thick": page(pen=10).image(),
    "slanted": page(slant=0.25).image(),
    "aslant": page().image().rotate(4, fillcolor=WHITE, expand=True),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_page_is_read(recognizer, name):
    assert recognizer.read(PICTURES[name]).text == "\n".join(LINES)


@pytest.mark.parametrize("name", "0123456789")
def test_a_digit_from_another_hand_than_mnists_is_a_digit(recognizer, name):
    """A network may come to know MNIST's writers so well that it takes nobody else's zero for a digit."""
    sheets = [
        digit(name, 70, seed=seed, slant=slant, pen=pen)
        for seed, pen in enumerate((3, 6, 9) * 4)
        for slant in (-0.1, 0.0, 0.2)
    ]
    found = [recognizer.read_digit(sheet) for sheet in sheets]
    least = recognizer.info.digit_threshold
    taken = [each is not None and each.name == name and each.digitness >= least for each in found]
    assert np.mean(taken) >= 0.9


def test_a_page_on_a_table_is_read(recognizer):
    table = Image.new("RGB", (900, 700), (80, 60, 50))
    table.paste(page().photo(), (150, 200))
    assert recognizer.read(table).text == "\n".join(LINES)


@pytest.mark.parametrize("squared", [False, True])
def test_rulings_are_no_digits(recognizer, squared):
    sheet = Page(560, 300)
    sheet.rule(38, squared=squared)
    sheet.write("20835", (60, 100), 90)
    assert recognizer.read(sheet.image()).text == "20835"


def test_digits_that_touch_are_parted(recognizer):
    sheet = Page(500, 200)
    sheet.write("2083", (60, 50), 100, gap=-0.04)
    assert recognizer.read(sheet.image()).text == "2083"


def test_dashes_and_dots_are_left_out(recognizer):
    sheet = Page(700, 200)
    sheet.write("208", (40, 50), 90)
    sheet.line([(285, 95), (330, 93)], BLACK, 8)
    sheet.write("36", (360, 50), 90)
    sheet.line([(550, 138), (553, 139)], BLACK, 8)
    reading = recognizer.read(sheet.image())
    assert reading.text.replace(" ", "") == "20836"
    assert len(reading.digits) == 5


@pytest.mark.parametrize("noise", [0, 3, 10])
def test_a_blank_sheet_has_no_text(recognizer, noise):
    reading = recognizer.read(Page(800, 600).photo(noise=noise))
    assert (reading.text, reading.digits) == ("", ())


@pytest.mark.parametrize("level", [0, 127, 255])
@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (28, 28), (300, 500)])
def test_an_even_picture_has_no_text(recognizer, level, shape):
    assert recognizer.read(np.full(shape, level, np.uint8)).text == ""
    assert recognizer.read(np.full(shape, level, np.uint8), single=True).text == ""
    assert recognizer.read_digit(np.full(shape, level, np.uint8)) is None


def test_boxes_lie_around_the_digits_in_the_pictures_own_pixels(recognizer):
    sheet = Page(2400, 1600)
    sheet.write("38", (400, 300), 320, pen=30)
    for image, (width, height) in ((sheet.image(), (2400, 1600)), (sheet.image().reduce(8), (300, 200))):
        scale = width / 2400
        boxes = [digit.box for digit in recognizer.read(image).digits]
        assert image.size == (width, height)
        np.testing.assert_allclose([box[1] for box in boxes], 290 * scale, atol=16 * scale + 1)
        np.testing.assert_allclose([box[3] for box in boxes], 340 * scale, atol=24 * scale + 1)
        assert 390 * scale < boxes[0][0] < boxes[0][0] + boxes[0][2] < boxes[1][0] < 800 * scale


def test_boxes_are_those_of_the_upright_picture(recognizer):
    upright = page().image()
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    upright.transpose(Image.Transpose.ROTATE_90).save(file, "PNG", exif=exif)
    turned, plain = recognizer.read(file.getvalue()), recognizer.read(upright)
    assert turned.text == plain.text
    assert [each.box for each in turned.digits] == [each.box for each in plain.digits]


def test_a_picture_and_its_negative_say_the_same(recognizer):
    pixels = np.asarray(page().image())
    assert recognizer.read(255 - pixels).text == recognizer.read(pixels).text


@pytest.mark.parametrize("character", ["0", "2", "3", "5", "6", "8"])
@pytest.mark.parametrize("height", [10, 20, 80, 600])
def test_one_digit_of_any_size(recognizer, character, height):
    found = recognizer.read_digit(digit(character, height=height, seed=2))
    assert found is not None
    assert found.name == character
    assert recognizer.read(digit(character, height=height, seed=2), single=True).text == character


def filling(character: str, side: int, ink: int, paper: int) -> np.ndarray:
    """A digit in so thick a pen that it touches all sides of its picture and covers a third of it or more."""
    drawing = Image.new("L", (160, 160))
    pen = ImageDraw.Draw(drawing)
    if character == "0":
        pen.ellipse((0, 0, 159, 159), outline=255, width=44)
    elif character == "8":
        pen.ellipse((20, 0, 139, 90), outline=255, width=32)
        pen.ellipse((10, 62, 149, 159), outline=255, width=32)
    else:
        pen.arc((0, 0, 150, 86), 200, 90, fill=255, width=34)
        pen.arc((0, 54, 159, 159), -90, 160, fill=255, width=34)
    share = np.asarray(drawing.resize((side, side), Image.Resampling.BOX), float) / 255
    return np.rint(paper + (ink - paper) * share).astype(np.uint8)


@pytest.mark.parametrize(("ink", "paper"), [(255, 0), (0, 255), (60, 200)])
@pytest.mark.parametrize("side", [16, 40, 96, 400])
@pytest.mark.parametrize("character", ["0", "3", "8"])
def test_a_digit_that_fills_its_picture_is_read(recognizer, character, side, ink, paper):
    picture = filling(character, side, ink, paper)
    assert recognizer.read_digit(picture).name == character
    assert recognizer.read(picture).text == character


def test_a_broken_digit_is_one(recognizer):
    pixels = np.asarray(digit("5", height=120)).copy()
    pixels[84:88] = WHITE
    assert recognizer.read_digit(pixels).name == "5"
    sheet = Page(400, 200)
    sheet.write("253", (50, 40), 110)
    pixels = np.asarray(sheet.image()).copy()
    pixels[84:87, 140:225] = WHITE
    assert recognizer.read(pixels).text == "253"


@pytest.mark.parametrize("seed", range(3))
def test_a_dark_stroke_beside_a_faint_digit_is_not_surely_the_digit(recognizer, seed):
    def crop(faint: int) -> np.ndarray:
        drawn = Image.new("L", (50, 56), 0)
        pen = ImageDraw.Draw(drawn)
        pen.ellipse((17, 14, 35, 44), outline=faint, width=3)
        pen.line([(44, 12), (42, 48)], fill=150, width=4)
        strength = np.asarray(drawn.filter(ImageFilter.GaussianBlur(0.6)), float)
        paper = 200 + np.random.default_rng(seed).normal(0, 3, strength.shape)
        return np.clip((paper - strength)[:, :, None] - (0, 10, 30), 0, 255).astype(np.uint8)

    assert not recognizer.read_digit(crop(faint=20)).sure
    alone = recognizer.read_digit(crop(faint=0))  # one digit need not be in the middle
    assert (alone.name, alone.sure) == ("1", True)


def test_a_dark_bar_at_the_edge_is_not_surely_the_digit(recognizer):
    drawn = Image.new("L", (40, 40), 0)
    pen = ImageDraw.Draw(drawn)
    pen.ellipse((10, 9, 26, 32), outline=20, width=4)
    pen.rectangle((37, 4, 39, 35), fill=170)
    strength = np.asarray(drawn.filter(ImageFilter.GaussianBlur(0.8)), float)
    paper = 200 + np.random.default_rng(0).normal(0, 3, strength.shape)
    crop = np.clip((paper - strength)[:, :, None] - (0, 5, 10), 0, 255).astype(np.uint8)
    found = recognizer.read_digit(crop)
    assert found.name == "0" or not found.sure


@pytest.mark.parametrize(("text", "seed"), [("560", 4), ("754", 3), ("2938", 1)])
def test_a_number_whose_strokes_are_all_broken_is_read(recognizer, text, seed):
    sheet = Page(420, 200)
    sheet.write(text, (50, 50), 100, pen=7, seed=seed)
    random = np.random.default_rng(seed)
    for x in range(30, 420, 22):
        y = random.uniform(40, 160)
        sheet.line([(x, y - 14), (x + 16, y + 14)], WHITE, 6)
    assert recognizer.read(sheet.image()).text == text


def test_mnists_images_are_seen_as_they_are(recognizer, mnist):
    for image in mnist.x_test[:50]:
        answer = recognizer.read_digit(image)
        assert answer is not None
        np.testing.assert_array_equal(answer.image, image)
        np.testing.assert_array_equal(answer.probabilities, recognizer.predict(image)[0])


def test_what_a_digit_says_holds_together(recognizer):
    reading = recognizer.read(PICTURES["a photo"])
    for each in reading.digits:
        assert each.digit == int(np.argmax(each.probabilities))
        assert each.probability == pytest.approx(float(each.probabilities.max()))
        assert each.probabilities.sum() == pytest.approx(1, abs=1e-4)
        assert each.image.shape == (28, 28)
        assert not each.sure or each.probability >= recognizer.info.sure_threshold
    assert reading.as_json()["digits"][0]["box"] == list(reading.digits[0].box)
    assert set(reading.as_json()["digits"][0]) == {"digit", "probability", "probabilities", "box", "sure"}


def test_the_same_picture_gives_the_same_reading_in_several_threads(recognizer):
    with ThreadPoolExecutor(4) as pool:
        texts = set(pool.map(lambda name: (name, recognizer.read(PICTURES[name]).text), list(PICTURES) * 2))
    assert len(texts) == len(PICTURES)


def test_what_cannot_be_read_raises(recognizer):
    with pytest.raises(PictureError, match="is not a picture that can be read"):
        recognizer.read(b"no picture")
    with pytest.raises(PictureError, match="finite numbers"):
        recognizer.read_digit(np.full((28, 28), np.nan))


def test_noise_stripes_and_blots_are_read_in_bounded_time_and_without_confidence(recognizer):
    random = np.random.default_rng(0)
    stripes = np.broadcast_to(np.arange(900) // 3 % 2 * np.uint8(255), (700, 900))
    blots = np.full((700, 900), 255, np.uint8)
    for y, x in random.integers(0, 690, (4000, 2)):
        blots[y : y + 6, x : x + 4] = 0
    for pixels in (random.integers(0, 256, (700, 900), dtype=np.uint8), stripes, blots):
        assert not any(each.sure for each in recognizer.read(pixels).digits)


@pytest.mark.parametrize("spacing", [36, 39, 42, 45, 51, 57])
def test_strokes_as_wide_as_a_square_stay_on_squared_paper(recognizer, spacing):
    sheet = Page(820, 330, paper=(244, 240, 226))
    sheet.rule(spacing, squared=True)
    sheet.write("20853", (70, 55), 92, pen=6.5, ink=BLUE, seed=4)
    sheet.write("6930 852", (80, 190), 88, pen=6.5, ink=BLUE, seed=9, slant=0.08)
    photo = sheet.photo(dimmest=0.4).rotate(-1.5, Image.Resampling.BICUBIC, fillcolor=(150, 147, 140))
    assert recognizer.read(photo).text == "20853\n6930 852"


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_page_that_lies_on_its_side_or_head_is_read(recognizer, turns):
    sheet = Page(560, 300)
    sheet.write("20835", (60, 40), 80)
    sheet.write("69342", (60, 170), 80)
    turned = np.rot90(np.asarray(sheet.image()), turns)
    reading, upright = recognizer.read(np.ascontiguousarray(turned)), recognizer.read(sheet.image())
    assert reading.text == upright.text == "20835\n69342"
    x, y, width, height = upright.digits[0].box
    expected = {1: (y, 560 - x - width, height, width), 2: (560 - x - width, 300 - y - height, width, height)}
    np.testing.assert_allclose(reading.digits[0].box, expected.get(turns, (300 - y - height, x, height, width)), atol=2)


@pytest.mark.parametrize(("sign", "points"), [("slash", ((16, -14), (-10, 94))), ("bar", ((0, -14), (0, 94)))])
def test_a_stroke_that_is_longer_than_the_digits_beside_it_is_a_sign(recognizer, sign, points):
    sheet = Page(560, 200)
    sheet.write("28", (40, 60), 80)
    sheet.line([(205 + x, 60 + y) for x, y in points], BLACK, 7)
    sheet.write("365", (250, 60), 80)
    reading = recognizer.read(sheet.image())
    assert (reading.text.replace(" ", ""), [mark.reason for mark in reading.skipped]) == ("28365", ["sign"])


def test_brackets_are_no_ones(recognizer):
    sheet = Page(460, 200)
    sheet.write("286", (90, 60), 80)
    for x, bend in ((60, -18), (330, 18)):
        rows = np.linspace(48, 152, 20)
        sheet.line(np.stack([x + bend * (1 - ((rows - 100) / 52) ** 2), rows], axis=1), BLACK, 6)
    assert recognizer.read(sheet.image()).text == "286"


@pytest.mark.parametrize(("text", "parts"), [("12 5", ("12", "5")), ("2 86", ("2", "86")), ("3 5", ("3", "5"))])
def test_a_wide_gap_is_a_blank_however_few_the_digits(recognizer, text, parts):
    sheet = Page(520, 160)
    sheet.write(parts[0], (40, 40), 70)
    sheet.write(parts[1], (320, 40), 70)
    assert recognizer.read(sheet.image()).text == text


def test_digits_that_all_stand_far_apart_are_one_number(recognizer):
    sheet = Page(700, 160)
    sheet.write("28365", (40, 40), 70, gap=1.6)
    assert recognizer.read(sheet.image()).text == "28365"


@pytest.mark.parametrize("character", ["0", "2", "5", "6", "8"])
def test_one_thing_on_the_sheet_is_an_answer_also_without_single(recognizer, character):
    assert recognizer.read(digit(character, 70, seed=1)).text == character
    crop = np.asarray(digit(character, 28, pen=5))[6:40, 8:34]  # it touches the edges
    assert recognizer.read(crop).text == character


def test_a_small_note_on_a_table_with_a_pattern_is_read(recognizer):
    y, x = np.mgrid[:480, :640]
    wood = np.stack([110 + 25 * np.sin(y / 6 + 3 * np.sin(x / 90)), 75 + 0 * x, 45 + 0 * x], axis=2)
    table = Image.fromarray(wood.astype(np.uint8))
    sheet = Page(300, 180)
    sheet.write("20835", (40, 60), 50)
    table.paste(sheet.image(), (160, 140))
    assert recognizer.read(table).text == "20835"


def test_a_reading_is_not_sure_where_something_as_large_as_a_digit_was_left_out(recognizer):
    plain = recognizer.read(page().image())
    assert plain.sure == all(each.sure for each in plain.digits)
    left_out = Skipped((0, 0, 9, 9), "not a digit", in_number=True)
    assert not replace(plain, skipped=(left_out,)).sure


def test_noise_is_told_from_writing_before_the_recognizer_is_asked(recognizer, monkeypatch):
    monkeypatch.setattr(Recognizer, "predict_all", None)
    noise = np.where(np.random.default_rng(0).random((1700, 1700)) < 0.5, 0, 255).astype(np.uint8)
    reading = recognizer.read(noise)
    assert (reading.text, reading.sure) == ("", False)


def test_the_recognizer_is_asked_about_a_bounded_number_of_images(recognizer, monkeypatch):
    asked: list[int] = []
    real = Recognizer.predict_all

    def counting(self: Recognizer, images: np.ndarray, *, again: bool = True) -> object:
        asked.append(len(images))
        return real(self, images, again=again)

    monkeypatch.setattr(Recognizer, "predict_all", counting)
    bars = np.full((900, 900), 255, np.uint8)
    for top in range(4, 880, 15):
        bars[top : top + 11, 4:-4:7] = 0
    recognizer.read(bars)
    assert sum(asked) <= MOST_HYPOTHESES


def test_all_inks_of_a_picture_share_what_may_be_asked_about(monkeypatch, recognizer):
    looked: list[int] = []
    real = pipeline._interpret

    def counting(*values: object, **options: object) -> pipeline.Interpretation:
        found = real(*values, **options)  # type: ignore[arg-type] # passed on
        looked.append(found.hypotheses)
        return found

    monkeypatch.setattr(pipeline, "_interpret", counting)
    monkeypatch.setattr(pipeline, "MOST_DRAWN", 0)
    y, x = np.mgrid[:400, :400]
    rings = (np.hypot(x - 200, y - 200) // 4 % 2 * 255).astype(np.uint8)
    assert len(list(foreground_candidates(rings[:, :, None].repeat(3, axis=2)))) > 2
    assert recognizer.read(rings).text == ""
    assert len(looked) == 2  # each is too much to look at: the picture is a pattern


def test_images_that_each_cover_much_of_the_page_are_not_drawn_without_end(monkeypatch, recognizer):
    monkeypatch.setattr(pipeline, "MOST_DRAWN", 50)
    assert recognizer.read(page().image()).text == ""
    monkeypatch.setattr(pipeline, "MOST_DRAWN", 60_000_000)
    assert recognizer.read(page().image()).text.splitlines() == LINES


def test_a_column_of_numbers_parts_what_almost_touches_in_another_line(recognizer):
    sheet = Page(420, 330)
    for row, numbers in enumerate((("35", "27"), ("62", "94"), ("48", "56"), ("9037", "82"))):
        for text, x in zip(numbers, (30, 230), strict=True):
            sheet.write(text, (x, 25 + 78 * row), 55, gap=0.25 if len(text) == 2 else 0.34)
    assert recognizer.read(sheet.image()).text == "35 27\n62 94\n48 56\n9037 82"
