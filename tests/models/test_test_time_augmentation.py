"""A second look: images moved by hand, and the mean of probabilities reckoned another way."""

from __future__ import annotations

import numpy as np
import pytest

from mnistry.models.test_time_augmentation import apply_tta, combine, shift_images


def test_images_move_a_pixel_each_way_and_what_leaves_is_gone():
    image = np.arange(1, 10, dtype=np.uint8).reshape(1, 3, 3)
    up, down, left, right = shift_images(image)
    assert up.tolist() == [[4, 5, 6], [7, 8, 9], [0, 0, 0]]
    assert down.tolist() == [[0, 0, 0], [1, 2, 3], [4, 5, 6]]
    assert left.tolist() == [[2, 3, 0], [5, 6, 0], [8, 9, 0]]
    assert right.tolist() == [[0, 1, 2], [0, 4, 5], [0, 7, 8]]


def test_all_images_move_the_first_way_then_all_the_second():
    images = np.random.default_rng(0).integers(0, 256, (5, 28, 28), np.uint8)
    together = shift_images(images)
    assert together.dtype == np.uint8
    for number, image in enumerate(images):
        np.testing.assert_array_equal(together[number::5], shift_images(image[None]))


def test_the_mean_is_that_of_the_logits():
    logits = np.random.default_rng(1).normal(0, 3, (5, 7, 10))
    softmax = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    mean = np.exp(logits.mean(axis=0))
    expected = mean / mean.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(combine(softmax[0], softmax[1:].reshape(28, 10)), expected, rtol=1e-12)


def test_impossible_everywhere_stays_impossible():
    certain = np.tile([1.0, 0.0], (5, 1))
    np.testing.assert_allclose(combine(certain[:1], certain[1:]), [[1, 0]], atol=1e-37)


@pytest.mark.parametrize(("below", "asked"), [(0.0, 0), (0.7, 1), (0.9, 2), (1.1, 3)])
def test_only_what_is_unsure_is_asked_about(below, asked):
    images = np.zeros((3, 28, 28), np.uint8)
    images[:, 5, 5] = [10, 20, 30]
    before = np.array([[0.6, 0.4], [0.2, 0.8], [0.05, 0.95]])
    found, seen = before.copy(), []

    def ask(given):
        seen.append(given)
        return np.full((len(given), 2), 0.5)

    apply_tta(images, found, below, ask)
    assert sum(len(given) for given in seen) == 4 * asked
    np.testing.assert_array_equal(found[asked:], before[asked:])
    assert (np.abs(found[:asked] - 0.5) < np.abs(before[:asked] - 0.5)).all()  # four of five looks say one half
