"""Dilation, erosion, closing and distances are those of SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from mnistry.ocr.morphology import STRIP, close_disc, dilate, distances, erode

SHAPES = [(1, 1), (1, 40), (3, 50), (37, 53)]
WINDOWS = [(1, 1), (3, 3), (2, 2), (8, 1), (1, 9), (5, 11)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("window", WINDOWS)
def test_dilation_and_erosion_are_scipys(shape, window):
    random = np.random.default_rng(0)
    for image in (
        random.random(shape) > 0.6,
        random.integers(0, 256, shape).astype(np.uint8),
        random.normal(size=shape),
    ):
        plain = image.astype(np.float64)
        largest = ndimage.maximum_filter(plain, window, mode="constant", cval=-np.inf)
        smallest = ndimage.minimum_filter(plain, window, mode="constant", cval=np.inf)
        within = ndimage.minimum_filter(plain, window, mode="constant", cval=0)
        np.testing.assert_array_equal(dilate(image, *window), largest)
        np.testing.assert_array_equal(erode(image, *window), smallest)
        np.testing.assert_array_equal(erode(image, *window, outside=False), within)
        assert dilate(image, *window).dtype == image.dtype


def disc(side: int) -> np.ndarray:
    """A disc whose rows are as wide as a circle is there, rounded."""
    reach = side // 2
    away = np.arange(-reach, reach + 1)
    halves = np.rint(np.sqrt(reach**2 - away**2))
    return np.abs(away) <= halves[:, None]


@pytest.mark.parametrize("side", [3, 5, 9])
@pytest.mark.parametrize("shape", [(1, 1), (37, 53), (40, STRIP // 16)])
def test_closing_by_a_disc_is_scipys_in_several_strips_too(side, shape):
    image = np.random.default_rng(1).random(shape).astype(np.float32)
    grown = ndimage.grey_dilation(image, footprint=disc(side), mode="constant", cval=-np.inf)
    expected = ndimage.grey_erosion(grown, footprint=disc(side), mode="constant", cval=np.inf)
    np.testing.assert_array_equal(close_disc(image, side), expected)


@pytest.mark.parametrize("reach", [1, 3, 9])
def test_distances_are_scipys_as_far_as_asked(reach):
    mask = np.random.default_rng(2).random((60, 45)) > 0.98
    found, expected = distances(mask, reach), ndimage.distance_transform_edt(~mask)
    near = expected <= reach
    assert near.mean() > 0.05
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[near], expected[near], rtol=1e-6)
    assert (found[~near] > reach).all()
