"""Reading from Python: one line for the usual case, short texts for results, and pictures in notebooks."""

from __future__ import annotations

import base64
import io
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

import mnistry
from helpers.writing import Page
from mnistry.ocr import recognizer

SAMPLE = Path(__file__).parents[2] / "examples" / "375.jpg"


def test_one_line_reads_a_picture():
    assert mnistry.read(SAMPLE).text == "375"


def test_one_line_reads_a_picture_of_one_digit(digits):
    image = digits.x_test[0]
    assert mnistry.read(image, single=True).text == str(digits.y_test[0])


def test_a_one_in_mnists_form_is_a_stroke_and_not_a_sheet(digits):
    for index in (31, 167, 246, 1110):
        assert [mnistry.read(digits.x_train[index], single=single).text for single in (True, False)] == ["1", "1"]


def test_the_built_in_model_is_loaded_once_for_all_threads(monkeypatch):
    made = []

    class Counted(recognizer.Recognizer):
        def __init__(self):
            made.append(self)
            super().__init__()

    monkeypatch.setattr(recognizer, "Recognizer", Counted)
    recognizer._built_in.cache_clear()
    try:
        with ThreadPoolExecutor(8) as pool:
            texts = [reading.text for reading in pool.map(lambda _: mnistry.read(SAMPLE), range(8))]
    finally:
        recognizer._built_in.cache_clear()
    assert (texts, len(made)) == (["375"] * 8, 1)


def test_a_recognizer_without_arguments_is_the_built_in_one():
    image = np.asarray(Image.open(SAMPLE))
    called, loaded = mnistry.Recognizer(), mnistry.Recognizer.load()
    assert called.info == loaded.info
    assert [digit.probability for digit in called.read(image)] == [digit.probability for digit in loaded.read(image)]
    assert repr(called) == "Recognizer('the built-in model', classes=10)"


def test_a_reading_is_its_text_and_its_digits():
    reading = mnistry.read(SAMPLE)
    assert (str(reading), repr(reading), len(reading)) == ("375", "Reading('375', sure=True)", 3)
    assert [str(digit) for digit in reading] == ["3", "7", "5"]
    assert repr(reading.digits[1]) == "Digit('7', sure=True)"


def test_a_blank_sheet_is_an_empty_reading_that_is_not_sure():
    reading = mnistry.read(Page(200, 100).image())
    assert (str(reading), repr(reading), len(reading), list(reading)) == ("", "Reading('', sure=False)", 0, [])
    assert "no digit found" in reading._repr_html_()
    assert not reading.sure


def test_a_notebook_shows_what_the_network_saw():
    reading = mnistry.read(SAMPLE)
    page = reading._repr_html_()
    assert page.startswith("<div><pre")
    assert ">375</pre>" in page
    pictures = [np.asarray(Image.open(io.BytesIO(base64.b64decode(found)))) for found in urls(page)]
    assert len(pictures) == 3
    for digit, picture in zip(reading, pictures, strict=True):
        assert np.array_equal(picture, digit.image)
    first = reading.digits[0]._repr_html_()
    assert urls(first) == urls(page)[:1]
    assert "<b>3</b><br>3: 100%" in first


def test_a_notebook_marks_doubt_and_escapes_names():
    from mnistry.ocr import notebook

    card = notebook.card(np.zeros((28, 28), np.uint8), np.array([0.3, 0.7]), ("a", "<b>"), sure=False)
    assert "<b>&lt;b&gt;?</b><br>&lt;b&gt;: 70%<br>a: 30%" in card
    assert "<b>a" not in card


def urls(page: str) -> list[str]:
    return re.findall(r'src="data:image/png;base64,([^"]+)"', page)
