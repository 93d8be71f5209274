"""Sampling, smoothing, neighbourhoods: by hand and beside SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from mnistry.models.backend import jax
from mnistry.training.augmentation import sampling

jnp = jax.numpy

ROWS, COLUMNS = (np.broadcast_to(each, (3, 28, 28)).astype(np.float32) for each in np.indices((28, 28)))


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).random((3, 28, 28), np.float32)


def test_sampled_where_the_pixels_are_nothing_changes(images):
    assert np.array_equal(sampling.bilinear_sample(images, ROWS, COLUMNS), images)


@pytest.mark.parametrize(("down", "right"), [(1, 0), (0, 1), (-1, 0), (0, -1), (3, -5)])
def test_sampled_aside_is_rolled_with_nothing_coming_in(images, down, right):
    moved = np.asarray(sampling.bilinear_sample(images, ROWS - down, COLUMNS - right))
    expected = np.roll(images, (down, right), axis=(1, 2))
    for axis, by in ((1, down), (2, right)):
        came_in = np.s_[:by] if by >= 0 else np.s_[by:]
        expected = np.moveaxis(expected, axis, 0)
        if by:
            expected[came_in] = 0
        expected = np.moveaxis(expected, 0, axis)
    assert np.array_equal(moved, expected)


def test_between_four_pixels_is_their_mean(images):
    mean = (images[:, :-1, :-1] + images[:, 1:, :-1] + images[:, :-1, 1:] + images[:, 1:, 1:]) / 4
    np.testing.assert_allclose(
        sampling.bilinear_sample(images, ROWS + 0.5, COLUMNS + 0.5)[:, :-1, :-1], mean, atol=1e-6
    )


def test_it_samples_as_scipy_does_everywhere(images):
    random = np.random.default_rng(1)
    rows, columns = random.uniform(-5, 33, (2, 3, 28, 28)).astype(np.float32)
    expected = [
        ndimage.map_coordinates(image, [r, c], order=1, mode="grid-constant", cval=0)
        for image, r, c in zip(images, rows, columns, strict=True)
    ]
    np.testing.assert_allclose(sampling.bilinear_sample(images, rows, columns), expected, atol=1e-5)


@pytest.mark.parametrize("far", [-1.0, -30.0, 28.0, 28.5, 1e9])
def test_outside_is_nothing(images, far):
    assert not np.any(sampling.bilinear_sample(images, ROWS * 0 + far, COLUMNS))
    assert not np.any(sampling.bilinear_sample(images, ROWS, COLUMNS * 0 + far))


def test_no_image_at_all_stays_none():
    none = jnp.zeros((0, 28, 28))
    assert sampling.bilinear_sample(none, none, none).shape == (0, 28, 28)


@pytest.mark.parametrize("points", [2, 5, 7, 13])
def test_equal_control_points_make_an_even_field(points):
    field = sampling.spline_field(jnp.full((2, points, points), -1.75))
    assert field.shape == (2, 28, 28)
    np.testing.assert_allclose(field, -1.75, rtol=1e-5)


@pytest.mark.parametrize("points", [5, 13])
def test_a_field_is_a_sum_of_bumps_where_the_control_points_lie(points):
    values = np.zeros((points, points), np.float32)
    values[1, 3] = 2.0
    bump = np.asarray(sampling.spline_field(jnp.asarray(values)))
    step = 27 / (points - 1)
    assert np.hypot(*(np.unravel_index(bump.argmax(), bump.shape) - np.array([1, 3]) * step)) < 1
    assert bump.min() >= 0
    assert 0.5 < bump.max() < 2.0
    rows, columns = np.indices((28, 28))
    beyond = (np.abs(rows - step) >= 2 * step) | (np.abs(columns - 3 * step) >= 2 * step)
    assert np.abs(bump[beyond]).max() == 0
    twice = np.asarray(sampling.spline_field(jnp.asarray(np.stack([values, -3 * values]))))
    np.testing.assert_allclose(twice, [bump, -3 * bump], atol=1e-6)


def test_a_field_has_no_edges():
    field = np.asarray(
        sampling.spline_field(jnp.asarray(np.random.default_rng(2).normal(size=(20, 5, 5)), jnp.float32))
    )
    assert np.abs(np.diff(field, axis=-1)).max() < 0.5  # from one control point to the next it is 6.75 pixels
    assert np.abs(np.diff(field, n=2, axis=-1)).max() < 0.15


@pytest.mark.parametrize(
    ("ours", "of_scipy"),
    [(sampling.dilate, ndimage.maximum_filter), (sampling.erode, ndimage.minimum_filter)],
    ids=["dilate", "erode"],
)
@pytest.mark.parametrize("shape", [(3, 28, 28), (2, 5, 9)])
def test_neighbourhoods_are_scipys(ours, of_scipy, shape):
    x = np.random.default_rng(3).random(shape, np.float32)
    expected = [of_scipy(image, size=(3, 3), mode="nearest") for image in x]
    assert np.array_equal(ours(x), expected)
