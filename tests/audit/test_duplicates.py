"""Duplicates: copies are found however they were made, and different images are left alone."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from mnistry.audit import duplicates


@pytest.fixture(scope="module")
def images(digits):
    return digits.x_train[:300]


def groups(images):
    return [(group.members.tolist(), group.exact) for group in duplicates.find_duplicates(images)]


def with_copy(images, copy):
    """The images with a copy of number 7 at the end."""
    return np.concatenate([images, copy[None].astype(np.uint8)])


def as_jpeg(image, quality):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def noisy(image, levels):
    noise = np.random.default_rng(0).normal(0, levels, image.shape)
    return np.clip(image + noise, 0, 255)


def test_the_digits_used_here_have_no_duplicates(images):
    assert groups(images) == [([31, 246], False)]


COPIES = {
    "shifted by two pixels": lambda image: np.roll(image, (2, -1), (0, 1)),
    "darker": lambda image: image * 0.6,
    "sixteen grey levels": lambda image: image // 16 * 16,
    "JPEG": lambda image: as_jpeg(image, 75),
    "noise of four levels": lambda image: noisy(image, 4),
    "one pixel of ink away": lambda image: np.where(np.arange(784).reshape(28, 28) == 300, 60, image),
}


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_is_found(images, name):
    found = groups(with_copy(images, COPIES[name](images[7])))
    assert ([7, 300], False) in found
    assert len(found) == 2


def test_the_very_same_image_is_an_exact_duplicate(images):
    assert ([7, 300], True) in groups(with_copy(images, images[7]))


def test_copies_of_copies_make_one_group(images):
    twice = with_copy(with_copy(images, images[7]), np.roll(images[7], 2, 0))
    assert ([7, 300, 301], False) in groups(twice)


@pytest.mark.parametrize("angle", [90, 180])
def test_a_turned_image_is_no_copy_though_its_spectrum_is_the_same(images, angle):
    assert groups(with_copy(images, np.rot90(images[7], angle // 90))) == groups(images)


def test_a_shift_by_more_than_two_pixels_is_no_copy(images):
    assert groups(with_copy(images, np.roll(images[7], 3, 1))) == groups(images)


def test_blank_images_are_copies_of_the_same_blank_only(images):
    blank, grey = np.zeros((1, 28, 28), np.uint8), np.full((1, 28, 28), 9, np.uint8)
    assert ([300, 301], True) in groups(np.concatenate([images, blank, blank, grey]))
    assert len(groups(np.concatenate([images, blank, blank, grey]))) == 2


def test_a_thousand_copies_are_one_group(images):
    random = np.random.default_rng(1)
    copies = np.clip(images[7].astype(int) + random.integers(-3, 4, (1000, 28, 28)), 0, 255).astype(np.uint8)
    found = duplicates.find_duplicates(np.concatenate([images, copies]))
    assert [len(group.members) for group in found] == [1001, 2]


def test_no_images_have_no_duplicates():
    assert duplicates.find_duplicates(np.empty((0, 28, 28), np.uint8)) == ()
    assert duplicates.find_duplicates(np.zeros((1, 28, 28), np.uint8)) == ()


def test_similarity_is_the_cosine_after_the_best_shift(images):
    moved = np.roll(images[:3], (1, 2), (1, 2))
    np.testing.assert_allclose(duplicates.compute_similarity(images[:3], moved), 1, atol=1e-6)
    a, b = np.zeros((2, 1, 28, 28), np.uint8)
    a[0, 10, 10:12], b[0, 20, 20] = 3, 5  # out of reach of each other
    assert duplicates.compute_similarity(a, b)[0] == pytest.approx(0, abs=1e-6)
    b[0, 10, 10] = 5
    # the pixel at (10, 10) on one of the two of length 3: 3 × 5 / (√18 · √50) = 1/2
    assert duplicates.compute_similarity(a, b)[0] == pytest.approx(0.5)


def test_projections_are_never_farther_apart_than_the_images(images):
    points = duplicates._projections(images)
    one, other = np.triu_indices(60, 1)
    apart = ((points[one] - points[other]) ** 2).sum(axis=1)
    assert (apart <= 2 - 2 * duplicates.compute_similarity(images[one], images[other]) + 1e-5).all()


def test_mnist_has_no_duplicates_and_the_most_alike_are_below_the_line(mnist):
    one, other = mnist.x_train[[27111]], mnist.x_test[[63070 - 60000]]
    assert duplicates.compute_similarity(one, other)[0] == pytest.approx(0.99205, abs=1e-4)
