"""Affine maps: by hand, by NumPy's own turns, and there and back again."""

from __future__ import annotations

import numpy as np
import pytest

from mnistry.evaluation.affine import warped

NOWHERE = np.zeros((1, 2))


def field(*pixels: tuple[int, int, int]) -> np.ndarray:
    """A black image with some pixels (row, column, value)."""
    image = np.zeros((1, 28, 28), np.uint8)
    for row, column, value in pixels:
        image[0, row, column] = value
    return image


def matrix(a: float, b: float, c: float, d: float) -> np.ndarray:
    return np.array([[[a, b], [c, d]]], float)


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, 28, 28)).astype(np.uint8)


def test_the_identity_changes_nothing(noise):
    np.testing.assert_allclose(warped(noise, np.tile(np.eye(2), (3, 1, 1)), np.zeros((3, 2))), noise, atol=1e-3)


def test_each_image_has_its_own_map(noise):
    shifts = np.array([[0, 0], [1, 0], [0, -2]])
    result = warped(noise, np.tile(np.eye(2), (3, 1, 1)), shifts)
    np.testing.assert_allclose(result[0], noise[0], atol=1e-3)
    np.testing.assert_allclose(result[1, 1:], noise[1, :-1], atol=1e-3)
    np.testing.assert_allclose(result[2, :, :-2], noise[2, :, 2:], atol=1e-3)


def test_what_comes_in_is_black_and_what_leaves_is_lost(noise):
    result = warped(noise[:1], np.eye(2)[None], np.array([[5, 0]]))
    assert not result[0, :5].any()
    np.testing.assert_allclose(result[0, 5:], noise[0, :23], atol=1e-3)
    assert not warped(noise[:1], np.eye(2)[None], np.array([[0, 29]])).any()


def test_a_shift_by_parts_of_a_pixel_shares_the_ink_among_four():
    # 160 moved down by 0.25 and right by 0.5: three quarters stay in the row, half in the column.
    result = warped(field((10, 10, 160)), np.eye(2)[None], np.array([[0.25, 0.5]]))
    np.testing.assert_allclose(result[0, 10:12, 10:12], [[60, 60], [20, 20]], atol=1e-3)
    assert result.sum() == pytest.approx(160, abs=1e-2)


def test_half_a_pixel_over_the_edge_keeps_half_the_ink():
    result = warped(field((0, 14, 200)), np.eye(2)[None], np.array([[-0.5, 0]]))
    assert result[0, 0, 14] == pytest.approx(100, abs=1e-3)
    assert result.sum() == pytest.approx(100, abs=1e-2)


def test_quarter_turns_are_numpys(noise):
    # (row, column) to (-column, row): what was to the right comes up, as numpy.rot90 turns it.
    turned = warped(noise, np.tile(matrix(0, -1, 1, 0), (3, 1, 1)), np.zeros((3, 2)))
    np.testing.assert_allclose(turned, np.rot90(noise, axes=(1, 2)), atol=0.05)


def test_a_shear_moves_rows_by_their_distance_from_the_middle():
    # The middle lies at row 13.5. Row 10 is 3.5 above: by 2/7 of that, 1, to the left; row 17 by 1 to the right.
    dots = field((10, 14, 200), (17, 14, 100))
    np.testing.assert_allclose(
        warped(dots, matrix(1, 0, 2 / 7, 1), NOWHERE), field((10, 13, 200), (17, 15, 100)), atol=1e-3
    )


def test_half_the_size_is_the_mean_of_two_by_two(noise):
    # The pixel at 13 looks at 13.5 - 2 × 0.5 = 12.5, between 12 and 13: the blocks begin at even rows.
    result = warped(noise, np.tile(matrix(0.5, 0, 0, 0.5), (3, 1, 1)), np.zeros((3, 2)))
    expected = np.zeros((3, 28, 28))
    expected[:, 7:21, 7:21] = noise.reshape(3, 14, 2, 14, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(result, expected, atol=1e-2)


def test_there_and_back_is_where_one_began():
    places = np.hypot(*(np.indices((28, 28)) - 13.5))
    smooth = (255 * np.exp(-((places / 5) ** 2)) * (1 + np.indices((28, 28))[0] / 28) / 2)[None]
    map_there = matrix(0.9, -0.3, 0.2, 1.1)
    there = warped(smooth, map_there, np.array([[1.3, -0.7]]))
    back = warped(there, np.linalg.inv(map_there), -(np.linalg.inv(map_there) @ [1.3, -0.7]))
    assert np.abs(there - smooth).max() > 30
    assert np.abs(back - smooth).max() < 8  # two interpolations smooth a little
