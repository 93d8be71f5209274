"""Looks: what MNIST's images have in common, and what does not have it."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mnistry.audit import image_quality


@pytest.fixture
def images(digits):
    return digits.x_train[:20].copy()


def odd(images):
    found = image_quality.find_outliers(images)
    return {kind: getattr(found, kind).tolist() for kind in ("blank", "inverted", "wrong_size", "off_center")}


def made_small(image, side):
    """The whole image in `side` × `side` pixels in the middle."""
    small = np.zeros((28, 28), np.uint8)
    start = (28 - side) // 2
    small[start : start + side, start : start + side] = np.asarray(Image.fromarray(image).resize((side, side)))
    return small


NONE = {"blank": [], "inverted": [], "wrong_size": [], "off_center": []}


def test_images_in_mnists_form_are_not_odd(images):
    assert odd(images) == NONE


def test_all_of_mnist_is_in_mnists_form(mnist):
    assert odd(mnist.x_train) == NONE
    assert odd(mnist.x_test) == NONE


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_an_image_without_contrast_is_blank_whatever_its_grey(images, grey):
    images[3] = grey
    images[3, 5, 5] ^= 16
    assert odd(images) == NONE | {"blank": [3]}


def test_dark_ink_on_a_bright_ground_is_inverted(images):
    images[4] = 255 - images[4]
    assert odd(images) == NONE | {"inverted": [4]}


def test_another_size_is_told_the_farthest_off_first(images):
    images[5], images[6] = made_small(images[5], 20), made_small(images[6], 14)
    assert odd(images) == NONE | {"wrong_size": [6, 5]}


def test_another_place_is_told_the_farthest_off_first(images):
    images[7], images[8] = np.roll(images[7], 3, 1), np.roll(images[8], 4, 1)
    assert odd(images) == NONE | {"off_center": [8, 7]}


def test_an_ink_box_is_measured_from_the_first_to_the_last_inked_pixel():
    images = np.zeros((3, 28, 28), np.uint8)
    images[0, 3, 5], images[0, 12, 7] = 200, 255  # rows 3 to 12: ten
    images[1, 3, 5] = image_quality.INK - 1  # too faint
    assert image_quality.find_ink_box(images).tolist() == [10, 0, 0]


def test_off_centre_is_the_distance_of_the_centre_of_mass_along_a_side():
    images = np.zeros((3, 28, 28), np.uint8)
    images[0, 10, 13] = images[0, 10, 14] = 100  # the middle of 13.5 across; 3.5 up
    images[1, 13:15, 20], images[1, 13:15, 22] = 200, 100  # (2 × 20 + 22) / 3 = 20.67: 7.17 to the right
    np.testing.assert_allclose(image_quality.measure_offset(images), [3.5, 62 / 3 - 13.5, 0])


def test_there_may_be_no_images():
    assert odd(np.empty((0, 28, 28), np.uint8)) == NONE
