"""Canny's detector on figures whose edges one knows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from mnistry.evaluation.edges import canny

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
