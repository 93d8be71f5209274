"""Blurs against their definitions: ink kept, kernels by hand, pixels that stay in their cells."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal

from mnistry.evaluation.blurs import convolved, shuffled, smoothed


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(5)


def test_a_smoothed_dot_is_a_gaussian():
    dot = np.zeros((2, 29, 29))
    dot[0, 14, 14] = 1
    result = smoothed(dot, 1.5)
    places = np.arange(29) - 14
    bell = np.exp(-(places**2) / (2 * 1.5**2))
    bell /= bell.sum()
    np.testing.assert_allclose(result[0], bell[:, None] * bell, atol=2e-5)
    assert not result[1].any()  # nothing of one image gets into the next


def test_each_image_has_its_own_kernel(random):
    images = random.integers(0, 256, (3, 28, 28)).astype(np.uint8)
    kernels = random.random((3, 7, 7))
    result = convolved(images, kernels)
    for image, kernel, found in zip(images, kernels, result, strict=True):
        expected = signal.convolve2d(image, kernel / kernel.sum(), mode="same")
        np.testing.assert_allclose(found, expected, atol=0.01)


def test_ink_runs_over_an_edge_and_does_not_come_in_at_the_other():
    image = np.zeros((1, 28, 28))
    image[0, :, 27] = 90
    kernel = np.zeros((1, 27, 27))
    kernel[0, 13, :] = 1
    result = convolved(image, kernel)[0, 14]
    np.testing.assert_allclose(result[14:], 90 / 27, atol=1e-3)
    np.testing.assert_allclose(result[:14], 0, atol=1e-3)


@pytest.mark.parametrize(("cell", "margin"), [(2, 0), (2, 1), (3, 0), (3, 1), (3, 2), (5, 3)])
def test_shuffled_pixels_stay_in_their_cells(random, cell, margin):
    numbers = np.tile(np.arange(784, dtype=np.int32).reshape(28, 28), (40, 1, 1))
    result = shuffled(numbers, random, cell=cell, margin=margin)
    assert (np.sort(result.reshape(40, -1), axis=1) == np.arange(784)).all()
    rows, columns = np.indices((28, 28))
    assert ((result // 28 + margin) // cell == (rows + margin) // cell).all()
    assert ((result % 28 + margin) // cell == (columns + margin) // cell).all()


def test_every_order_of_a_cell_is_as_likely(random):
    numbers = np.tile(np.arange(16).reshape(1, 4, 4), (6000, 1, 1))
    corner = shuffled(numbers, random, cell=2, margin=0)[:, :2, :2].reshape(-1, 4)
    _, counts = np.unique(corner, axis=0, return_counts=True)
    assert len(counts) == 24
    assert counts.min() > 250 - 5 * 250**0.5
    assert counts.max() < 250 + 5 * 250**0.5
