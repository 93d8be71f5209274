"""Anybody's ink in MNIST's form, and MNIST's own images, which are in it."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from helpers.writing import STROKES, digit
from mnistry.ocr import normalization
from mnistry.ocr import normalization as forming
from mnistry.ocr.components import stroke_width
from mnistry.ocr.normalization import BOX, SIDE, is_normalized, normalize, normalize_small


def ink(character: str, **options: object) -> np.ndarray:
    return 1 - np.asarray(digit(character, **options).convert("L"), np.float32) / 255


def thickness(image: np.ndarray) -> float:
    large = Image.fromarray(image).resize((4 * SIDE, 4 * SIDE), Image.Resampling.BICUBIC)
    return stroke_width(np.asarray(large) > 127) / 4


@pytest.mark.parametrize("character", STROKES)
@pytest.mark.parametrize("height", [12, 40, 100, 700])
def test_the_box_is_20_and_the_centre_of_mass_in_the_middle(character, height):
    image = normalize([ink(character, height=height)])[0]
    assert image.dtype == np.uint8
    assert image.shape == (SIDE, SIDE)
    assert int(image.max()) == 255
    assert is_normalized(image)


@pytest.mark.parametrize("pen", [1, 3, 9, 20, 28])
def test_strokes_become_as_thick_as_mnists(pen):
    images = normalize([ink(character, pen=pen) for character in STROKES])
    assert all(2.0 < thickness(image) < 3.6 for image in images)


def test_lines_of_one_pixel_stay_whole_however_large_the_picture():
    for height in (60, 200, 900, 1400):
        image = normalize([ink("0", height=height, pen=1)])[0]
        assert (image[4:24].max(axis=1) > 150).all()
        assert image[10:18, 12:15].max() == 0  # a ring with nothing inside


def test_where_an_ink_lies_in_its_crop_does_not_matter():
    plain = ink("5")
    moved = np.pad(plain, ((7, 31), (50, 2)))
    np.testing.assert_array_equal(normalize([plain]), normalize([moved]))


def test_digits_do_not_depend_on_those_beside_them():
    inks = [ink(character, height=30 + 9 * i) for i, character in enumerate(STROKES)] * 30  # several chunks
    together = normalize(inks)
    alone = np.concatenate([normalize([each]) for each in inks[:10]])
    np.testing.assert_array_equal(together[:10], alone)
    np.testing.assert_array_equal(together[290:], alone)


def test_a_dot_and_a_dash_have_a_form_too():
    dot, dash = np.ones((3, 3), np.float32), np.ones((2, 40), np.float32)
    assert normalize([dot, dash]).max(axis=(1, 2)).tolist() == [255, 255]


def test_no_digits_make_no_images():
    assert normalize([]).shape == (0, SIDE, SIDE)


def test_mnists_own_images_are_in_its_form(mnist):
    share = np.mean([is_normalized(image) for image in mnist.x_test[:2000]])
    assert share > 0.995


def test_mnists_images_drawn_large_reproduce_themselves(mnist, monkeypatch):
    monkeypatch.setattr(normalization, "THINNEST", 0.1)
    monkeypatch.setattr(normalization, "THICKEST", 28.0)
    images = mnist.x_test[:200]
    large = [
        np.asarray(Image.fromarray(image).resize((280, 280), Image.Resampling.BICUBIC), np.float32) / 255
        for image in images
    ]
    again = normalize(large)
    likeness = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(images, again, strict=True)]
    assert np.mean(likeness) > 0.94
    assert np.min(likeness) > 0.6  # where the centre of mass is rounded to the next pixel


def test_what_is_not_in_the_form():
    assert not is_normalized(np.zeros((SIDE, SIDE), np.uint8))
    assert not is_normalized(np.full((SIDE, SIDE), 255, np.uint8))
    assert not is_normalized(np.zeros((27, 28), np.uint8))
    corner = np.zeros((SIDE, SIDE), np.uint8)
    corner[:BOX, :10] = 255
    assert not is_normalized(corner)


@pytest.mark.parametrize("growth", [5.5, 2.0, 0.0, -2.0])
def test_a_stroke_grows_on_each_side(growth):
    fields = np.zeros((1, forming.FIELD, forming.FIELD), bool)
    fields[0, :, 40:52] = True
    grown = forming._thicken(fields, np.array([growth], np.float32))
    expected = 12 + 2 * growth
    assert grown[0, 50].sum() == pytest.approx(expected, abs=1.01)  # a pixel is drawn by how much of it is covered


def test_a_stroke_that_would_vanish_stays():
    fields = np.zeros((1, forming.FIELD, forming.FIELD), bool)
    fields[0, :, 40:44] = True
    np.testing.assert_array_equal(forming._thicken(fields, np.array([-5.0], np.float32)), fields)


def test_digits_are_drawn_a_few_at_a_time(monkeypatch):
    drawn: list[int] = []
    real = normalization._part
    monkeypatch.setattr(normalization, "_part", lambda inks: drawn.append(len(inks)) or real(inks))
    stroke = np.zeros((20, 12), np.float32)
    stroke[2:18, 5:8] = 1
    images = normalize(stroke for _ in range(300))
    assert images.shape == (300, 28, 28)
    assert drawn == [128, 128, 44]


def test_small_digits_keep_their_greys_and_get_mnists_size_and_place():
    small = np.zeros((16, 14), np.float32)
    small[4:12, 5:7] = 1.0  # a stroke of 8 rows
    small[4:12, 7] = 0.3  # and its faded edge
    first, second = normalize_small([small, np.pad(small, 9)])
    np.testing.assert_array_equal(first, second)
    rows, columns = np.nonzero(first > 200)
    assert rows.max() - rows.min() + 1 == pytest.approx(BOX, abs=2)
    assert [rows.mean(), columns.mean()] == pytest.approx([SIDE / 2 - 0.5] * 2, abs=1)
    across = first[SIDE // 2].astype(int)
    assert int(across.max()) == 255
    faded = across[columns.max() + 1 : columns.max() + 3]
    assert ((faded > 20) & (faded < 200)).all()
    assert normalize_small([]).shape == (0, SIDE, SIDE)
