"""The model that ships: hands that MNIST's writers do not have."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image, ImageDraw

from mnistry import Recognizer
from mnistry.models.backend import jax
from mnistry.training.augmentation import pipeline

PEN = 14


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer.load(threads=1)


def drawn(*lines: tuple[tuple[float, float], tuple[float, float]], pen: int = PEN) -> Image.Image:
    picture = Image.new("L", (400, 400), 255)
    draw = ImageDraw.Draw(picture)
    for line in lines:
        draw.line(line, fill=0, width=pen)
        for x, y in line:
            draw.ellipse((x - pen / 2, y - pen / 2, x + pen / 2, y + pen / 2), fill=0)
    return picture


def flagged(angle: float, length: float, *, foot: bool) -> Image.Image:
    """A stem of 200 pixels with a flag, `angle` degrees below the horizontal and `length` stems long."""
    top, bottom, reach = (220, 100), (220, 300), 200 * length
    tip = top[0] - reach * math.cos(math.radians(angle)), top[1] + reach * math.sin(math.radians(angle))
    return drawn((tip, top), (top, bottom), *([((170, 300), (270, 300))] if foot else []))


def ring(aspect: float, pen: int) -> Image.Image:
    picture = Image.new("L", (400, 400), 255)
    wide, tall = (100 * aspect, 100) if aspect < 1 else (100, 100 / aspect)
    ImageDraw.Draw(picture).ellipse((200 - wide, 200 - tall, 200 + wide, 200 + tall), outline=0, width=pen)
    return picture


def test_drawn_hands_are_kept_class_by_class_and_read_right(recognizer):
    """The rule of the calibration, with digits that were drawn for neither training nor calibration."""
    draw = jax.jit(pipeline.drawn_digits, static_argnums=1)
    drawings, answers = zip(*(draw(jax.random.key(seed), 6000) for seed in (2026, 2027, 2028)), strict=True)
    labels = np.concatenate(answers)
    found = recognizer.predict_all(np.rint(np.concatenate(drawings)).astype(np.uint8))
    for label in range(10):
        assert found.is_digit[labels == label].mean() >= 0.96, label  # 97% with some 1,100 images of each, or more
    assert found.is_digit.mean() >= 0.985
    assert (found.digits == labels).mean() >= 0.98
    assert (found.digits == labels)[found.sure].mean() >= 0.995
    assert found.sure.mean() >= 0.8


@pytest.mark.parametrize("pen", [6, 14, 26])
@pytest.mark.parametrize("aspect", [0.4, 0.6, 0.7, 0.8, 1.0, 1.3, 1.5])
def test_a_ring_of_any_shape_is_surely_a_zero(recognizer, aspect, pen):
    found = recognizer.read_digit(ring(aspect, pen))
    assert (found.name, found.sure) == ("0", True)


@pytest.mark.parametrize("length", [0.33, 0.5, 0.7, 0.9])
def test_a_steep_flag_makes_a_one_and_a_level_bar_a_seven(recognizer, length):
    for angle in (35, 40, 50, 60):
        assert recognizer.read_digit(flagged(angle, length, foot=False)).name == "1"
    for angle in (15, 20, 25, 30):  # near the border: nobody may be sure of a 7
        found = recognizer.read_digit(flagged(angle, length, foot=False))
        assert found.name == "1" or not found.sure
    found = recognizer.read_digit(flagged(0, length, foot=False))
    assert (found.name, found.sure) == ("7", True)


@pytest.mark.parametrize("length", [0.2, 0.33, 0.5, 0.7, 0.9])
def test_a_one_with_a_foot_is_a_one(recognizer, length):
    for angle in (5, 15, 20, 30, 40, 60):
        found = recognizer.read_digit(flagged(angle, length, foot=True))
        assert (found.name, found.sure) == ("1", True)
