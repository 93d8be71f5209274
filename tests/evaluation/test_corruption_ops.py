"""Warps, blurs, edges and lines: by hand, against their definitions, and on figures whose result one knows."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage, signal

from mnistry.evaluation.corruption_ops import (
    canny,
    convolve,
    distance_from_dots,
    distance_from_segment,
    distance_from_zigzag,
    draw_line,
    gaussian_blur,
    line_coordinates,
    shuffle_cells,
    warp_affine,
)

# Warps


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
    np.testing.assert_allclose(warp_affine(noise, np.tile(np.eye(2), (3, 1, 1)), np.zeros((3, 2))), noise, atol=1e-3)


def test_each_image_has_its_own_map(noise):
    shifts = np.array([[0, 0], [1, 0], [0, -2]])
    result = warp_affine(noise, np.tile(np.eye(2), (3, 1, 1)), shifts)
    np.testing.assert_allclose(result[0], noise[0], atol=1e-3)
    np.testing.assert_allclose(result[1, 1:], noise[1, :-1], atol=1e-3)
    np.testing.assert_allclose(result[2, :, :-2], noise[2, :, 2:], atol=1e-3)


def test_what_comes_in_is_black_and_what_leaves_is_lost(noise):
    result = warp_affine(noise[:1], np.eye(2)[None], np.array([[5, 0]]))
    assert not result[0, :5].any()
    np.testing.assert_allclose(result[0, 5:], noise[0, :23], atol=1e-3)
    assert not warp_affine(noise[:1], np.eye(2)[None], np.array([[0, 29]])).any()


def test_a_shift_by_parts_of_a_pixel_shares_the_ink_among_four():
    # 160 moved down by 0.25 and right by 0.5: three quarters stay in the row, half in the column.
    result = warp_affine(field((10, 10, 160)), np.eye(2)[None], np.array([[0.25, 0.5]]))
    np.testing.assert_allclose(result[0, 10:12, 10:12], [[60, 60], [20, 20]], atol=1e-3)
    assert result.sum() == pytest.approx(160, abs=1e-2)


def test_half_a_pixel_over_the_edge_keeps_half_the_ink():
    result = warp_affine(field((0, 14, 200)), np.eye(2)[None], np.array([[-0.5, 0]]))
    assert result[0, 0, 14] == pytest.approx(100, abs=1e-3)
    assert result.sum() == pytest.approx(100, abs=1e-2)


def test_quarter_turns_are_numpys(noise):
    # (row, column) to (-column, row): what was to the right comes up, as numpy.rot90 turns it.
    turned = warp_affine(noise, np.tile(matrix(0, -1, 1, 0), (3, 1, 1)), np.zeros((3, 2)))
    np.testing.assert_allclose(turned, np.rot90(noise, axes=(1, 2)), atol=0.05)


def test_a_shear_moves_rows_by_their_distance_from_the_middle():
    # The middle lies at row 13.5. Row 10 is 3.5 above: by 2/7 of that, 1, to the left; row 17 by 1 to the right.
    dots = field((10, 14, 200), (17, 14, 100))
    np.testing.assert_allclose(
        warp_affine(dots, matrix(1, 0, 2 / 7, 1), NOWHERE), field((10, 13, 200), (17, 15, 100)), atol=1e-3
    )


def test_half_the_size_is_the_mean_of_two_by_two(noise):
    # The pixel at 13 looks at 13.5 - 2 × 0.5 = 12.5, between 12 and 13: the blocks begin at even rows.
    result = warp_affine(noise, np.tile(matrix(0.5, 0, 0, 0.5), (3, 1, 1)), np.zeros((3, 2)))
    expected = np.zeros((3, 28, 28))
    expected[:, 7:21, 7:21] = noise.reshape(3, 14, 2, 14, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(result, expected, atol=1e-2)


def test_there_and_back_is_where_one_began():
    places = np.hypot(*(np.indices((28, 28)) - 13.5))
    smooth = (255 * np.exp(-((places / 5) ** 2)) * (1 + np.indices((28, 28))[0] / 28) / 2)[None]
    map_there = matrix(0.9, -0.3, 0.2, 1.1)
    there = warp_affine(smooth, map_there, np.array([[1.3, -0.7]]))
    back = warp_affine(there, np.linalg.inv(map_there), -(np.linalg.inv(map_there) @ [1.3, -0.7]))
    assert np.abs(there - smooth).max() > 30
    assert np.abs(back - smooth).max() < 8  # two interpolations smooth a little


# Blurs


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(5)


def test_a_smoothed_dot_is_a_gaussian():
    dot = np.zeros((2, 29, 29))
    dot[0, 14, 14] = 1
    result = gaussian_blur(dot, 1.5)
    places = np.arange(29) - 14
    bell = np.exp(-(places**2) / (2 * 1.5**2))
    bell /= bell.sum()
    np.testing.assert_allclose(result[0], bell[:, None] * bell, atol=2e-5)
    assert not result[1].any()  # nothing of one image gets into the next


def test_each_image_has_its_own_kernel(random):
    images = random.integers(0, 256, (3, 28, 28)).astype(np.uint8)
    kernels = random.random((3, 7, 7))
    result = convolve(images, kernels)
    for image, kernel, found in zip(images, kernels, result, strict=True):
        expected = signal.convolve2d(image, kernel / kernel.sum(), mode="same")
        np.testing.assert_allclose(found, expected, atol=0.01)


def test_ink_runs_over_an_edge_and_does_not_come_in_at_the_other():
    image = np.zeros((1, 28, 28))
    image[0, :, 27] = 90
    kernel = np.zeros((1, 27, 27))
    kernel[0, 13, :] = 1
    result = convolve(image, kernel)[0, 14]
    np.testing.assert_allclose(result[14:], 90 / 27, atol=1e-3)
    np.testing.assert_allclose(result[:14], 0, atol=1e-3)


@pytest.mark.parametrize(("cell", "margin"), [(2, 0), (2, 1), (3, 0), (3, 1), (3, 2), (5, 3)])
def test_shuffled_pixels_stay_in_their_cells(random, cell, margin):
    numbers = np.tile(np.arange(784, dtype=np.int32).reshape(28, 28), (40, 1, 1))
    result = shuffle_cells(numbers, random, cell=cell, margin=margin)
    assert (np.sort(result.reshape(40, -1), axis=1) == np.arange(784)).all()
    rows, columns = np.indices((28, 28))
    assert ((result // 28 + margin) // cell == (rows + margin) // cell).all()
    assert ((result % 28 + margin) // cell == (columns + margin) // cell).all()


def test_every_order_of_a_cell_is_as_likely(random):
    numbers = np.tile(np.arange(16).reshape(1, 4, 4), (6000, 1, 1))
    corner = shuffle_cells(numbers, random, cell=2, margin=0)[:, :2, :2].reshape(-1, 4)
    _, counts = np.unique(corner, axis=0, return_counts=True)
    assert len(counts) == 24
    assert counts.min() > 250 - 5 * 250**0.5
    assert counts.max() < 250 + 5 * 250**0.5


# Edges


EIGHT = np.ones((3, 3))


def rectangle(top: int, bottom: int, left: int, right: int, ink: int = 255, paper: int = 0) -> np.ndarray:
    image = np.full((1, 28, 28), paper, np.uint8)
    image[0, top:bottom, left:right] = ink
    return image


def closed_outline(edges: np.ndarray) -> np.ndarray:
    """The figure that one closed line, a pixel wide, surrounds: bool (28, 28)."""
    line = edges > 0
    _, lines = ndimage.label(line, EIGHT)
    _, neighbours = ndimage.label(~line)  # by sides only: a line of diagonal steps is closed
    assert (lines, neighbours) == (1, 2)
    return ndimage.binary_fill_holes(line)


@pytest.mark.parametrize("box", [(8, 20, 10, 18), (5, 23, 5, 23), (3, 13, 12, 25)])
def test_the_edges_of_a_filled_rectangle_are_its_outline(box):
    edges = canny(rectangle(*box))
    assert edges.dtype == np.uint8
    assert set(np.unique(edges)) == {0, 255}
    figure = rectangle(*box)[0] > 0
    found = closed_outline(edges[0])
    # Nowhere more than a pixel from the rectangle's border.
    assert not (ndimage.binary_erosion(figure, EIGHT) & ~found).any()
    assert not (found & ~ndimage.binary_dilation(figure, EIGHT)).any()
    # A pixel wide: no four edge pixels form a square.
    line = edges[0] > 0
    assert not (line[1:, 1:] & line[:-1, 1:] & line[1:, :-1] & line[:-1, :-1]).any()


def test_a_straight_border_is_one_line_on_its_darker_side():
    image = np.zeros((2, 28, 28), np.uint8)
    image[0, :, 14:] = 255
    image[1, :12, :] = 255
    edges = canny(image)
    assert [np.unique(np.flatnonzero(row)).tolist() for row in edges[0]] == [[13]] * 28
    assert np.flatnonzero(edges[1].all(axis=1)).tolist() == [12]
    assert (edges[1] > 0).sum() == 28


def test_a_diagonal_border_is_one_unbroken_line():
    rows, columns = np.indices((28, 28))
    edges = canny(np.where(rows > columns, 255, 0).astype(np.uint8)[None])[0] > 0
    assert ndimage.label(edges, EIGHT)[1] == 1
    assert edges.any(axis=0).all()
    assert np.abs(rows - columns)[edges].max() <= 1


@pytest.mark.parametrize("grey", [0, 100, 255])
def test_an_even_image_has_no_edges(grey):
    assert not canny(np.full((2, 28, 28), grey, np.uint8)).any()


def test_the_inverse_has_an_outline_too():
    black_on_white = closed_outline(canny(rectangle(8, 20, 10, 18, ink=0, paper=255))[0])
    white_on_black = closed_outline(canny(rectangle(8, 20, 10, 18))[0])
    assert (black_on_white != white_on_black).sum() < 50  # a ring at most: the darker side is the other one


def test_a_faint_edge_counts_only_where_a_strong_one_goes_on():
    faint = rectangle(4, 24, 10, 18, ink=75)
    assert not canny(faint).any()
    # A bar that fades: bright at its top, as faint in its lower half as the one above.
    fading = faint.copy()
    fading[0, 4:14, 10:18] = np.linspace(255, 75, 10)[:, None]
    assert (canny(fading)[0, 14:22] > 0).sum(axis=1).tolist() == [2] * 8
    assert not canny(rectangle(4, 24, 10, 18, ink=30)).any()


def test_an_edge_does_not_go_on_in_the_next_image():
    images = np.concatenate([rectangle(8, 20, 10, 18), rectangle(8, 20, 10, 18, ink=75), rectangle(8, 20, 10, 18)])
    assert canny(images).any(axis=(1, 2)).tolist() == [True, False, True]


def test_turning_the_image_turns_its_edges(digits):
    images = digits.x_train[:50]
    turned = canny(np.rot90(images, axes=(1, 2)).copy())
    assert (turned != np.rot90(canny(images), axes=(1, 2))).mean() < 0.002


# Lines


def level(n: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """The frame of a horizontal line through the centre."""
    return line_coordinates(np.zeros(n), np.zeros(n))


def test_a_level_line_runs_to_the_right_and_down_is_across():
    along, across = level()
    assert along[0, 3].tolist() == (np.arange(28) - 13.5).tolist()
    assert across[0, :, 3].tolist() == (np.arange(28) - 13.5).tolist()


def test_an_angle_turns_the_line_from_right_to_down():
    along, across = line_coordinates(np.array([math.pi / 2, math.pi / 4]), np.array([2.0, 0.0]))
    np.testing.assert_allclose(along[0, :, 5], np.arange(28) - 13.5, atol=1e-5)
    np.testing.assert_allclose(across[0, 5], 13.5 - np.arange(28) - 2, atol=1e-5)
    np.testing.assert_allclose(np.diag(across[1]), 0, atol=1e-5)
    np.testing.assert_allclose(np.diag(along[1]), (np.arange(28) - 13.5) * math.sqrt(2), atol=1e-5)


def test_the_distance_from_a_segment_grows_beyond_its_ends():
    along, across = line_coordinates(np.zeros(1), np.zeros(1), side=27)  # the centre is a pixel
    distance = distance_from_segment(along, across, np.array([6.0]))[0]
    assert distance[13, 10:17].tolist() == [0] * 7
    assert distance[13, 20] == 4
    assert distance[17, 13] == 4
    assert distance[17, 19] == 5  # 4 down, 3 beyond the end


def test_dots_lie_on_the_line_at_their_spacing():
    along, across = level()
    distance = distance_from_dots(along, across, 4.0, np.array([0.125]))[0]
    # Points at 0.5 + 4 k from the centre at 13.5, half a pixel above row 14.
    assert distance[14, 14] == pytest.approx(0.5)
    assert distance[14, 18] == pytest.approx(0.5)
    assert distance[14, 16] == pytest.approx(math.hypot(2, 0.5))
    assert distance[16, 13] == pytest.approx(math.hypot(1, 2.5))


@pytest.mark.parametrize(
    ("angle", "offset", "period", "height", "phase"),
    [(0, 0, 8, 3, 0), (0.7, 4, 11, 2, 0.3), (2.5, -5, 6, 4, 0.9), (1.6, 1, 12, 1, 0.5)],
)
def test_the_distance_from_a_zigzag_is_that_from_the_nearest_of_its_points(angle, offset, period, height, phase):
    along, across = line_coordinates(np.array([angle]), np.array([offset]))
    distance = distance_from_zigzag(along, across, *(np.array([value], float) for value in (period, height, phase)))[0]
    places = np.linspace(-40, 40, 16_001)
    turn = np.abs((places / period - phase) % 1 - 0.5)  # 0 at one tooth, 0.5 at the next
    teeth = (turn * 4 - 1) * height
    gaps = np.hypot(along[0].reshape(-1, 1) - places, across[0].reshape(-1, 1) - teeth)
    np.testing.assert_allclose(distance.reshape(-1), gaps.min(axis=1), atol=0.01)


def test_a_drawn_line_is_white_inside_and_grey_at_its_edge():
    distances = np.array([0, 0.5, 1.0, 1.25, 1.5, 9])
    assert draw_line(distances, width=2).tolist() == [1, 1, 0.5, 0.25, 0, 0]


def test_a_pixel_of_a_level_line_adds_up_to_its_width():
    # A line between two rows of pixels: half a pixel from each.
    ink = draw_line(np.abs(level()[1]), width=1)
    np.testing.assert_allclose(ink.sum(axis=1), 1, atol=1e-5)
