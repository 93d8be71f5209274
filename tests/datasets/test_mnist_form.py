from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from mnistry.datasets.mnist_form import BOX, SIDE, to_mnist_form

MIDDLE = (SIDE - 1) / 2


def stroke(seed: int) -> np.ndarray:
    """A random line of some corners in a picture of random size: float (height, width) 0–1."""
    random = np.random.default_rng(seed)
    width, height = (int(side) for side in random.integers(12, 300, 2))
    picture = Image.new("L", (width, height))
    corners = [(int(random.integers(0, width)), int(random.integers(0, height))) for _ in range(random.integers(2, 6))]
    ImageDraw.Draw(picture).line(corners, fill=255, width=int(random.integers(1, 1 + max(width, height) // 6)))
    return np.asarray(picture) / 255


def box_of(image: np.ndarray) -> tuple[int, int, int, int]:
    """Top, left, height, width of what is not black."""
    rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    return int(rows[0]), int(columns[0]), int(rows[-1] - rows[0]) + 1, int(columns[-1] - columns[0]) + 1


def centre_of_mass(image: np.ndarray) -> tuple[float, float]:
    mass = image.sum(dtype=np.float64)
    places = np.arange(SIDE)
    return float(places @ image.sum(axis=1, dtype=np.float64) / mass), float(
        places @ image.sum(axis=0, dtype=np.float64) / mass
    )


def test_a_square_of_the_boxs_size_is_only_moved() -> None:
    image = to_mnist_form(np.ones((BOX, BOX)))
    expected = np.zeros((SIDE, SIDE), np.uint8)
    expected[4:24, 4:24] = 255
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, expected)


def test_grey_levels_are_kept_relative_to_the_darkest() -> None:
    ink = np.full((BOX, BOX), 10.0)
    ink[5:15, 5:15] = 50.0
    image = to_mnist_form(ink)
    assert sorted(set(image[4:24, 4:24].ravel().tolist())) == [51, 255]
    assert (image == 255).sum() == 100


def test_two_pixels_are_joined_by_cubic_convolution() -> None:
    """Keys, "Cubic Convolution Interpolation for Digital Image Processing" (1981), with a = -1/2."""

    def weight(distance: float) -> float:
        x = abs(distance)
        return 1.5 * x**3 - 2.5 * x**2 + 1 if x <= 1 else -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2

    places = [(column + 0.5) / 10 for column in range(20)]
    weights = np.array([(weight(place - 0.5), weight(place - 1.5)) for place in places])
    row = weights @ [1.0, 0.5] / weights.sum(axis=1)
    image = to_mnist_form(np.array([[1.0, 0.5], [1.0, 0.5]]))
    top, left, _, _ = box_of(image)
    box = image[top : top + BOX, left : left + BOX].astype(int)
    assert np.abs(box - np.rint(row / row.max() * 255)).max() <= 1


@pytest.mark.parametrize(
    ("shape", "height", "width"),
    [((40, 10), 20, 5), ((10, 40), 5, 20), ((5, 5), 20, 20), ((1, 1), 20, 20), ((300, 300), 20, 20), ((7, 100), 1, 20)],
)
def test_the_aspect_is_kept(shape: tuple[int, int], height: int, width: int) -> None:
    assert box_of(to_mnist_form(np.ones(shape)))[2:] == (height, width)


@pytest.mark.parametrize(("shape", "box"), [((1000, 1), (20, 1)), ((1, 1000), (1, 20))])
def test_a_hairline_is_not_lost(shape: tuple[int, int], box: tuple[int, int]) -> None:
    image = to_mnist_form(np.ones(shape))
    assert box_of(image)[2:] == box
    assert (image == 255).sum() == 20


@pytest.mark.parametrize("seed", range(40))
def test_any_stroke_ends_in_mnist_form(seed: int) -> None:
    image = to_mnist_form(stroke(seed))
    top, left, height, width = box_of(image)
    assert image.shape == (SIDE, SIDE)
    assert image.dtype == np.uint8
    assert image.max() == 255
    assert max(height, width) == BOX
    for centre, start, length in zip(centre_of_mass(image), (top, left), (height, width), strict=True):
        at_the_border = start == 0 or start + length == SIDE
        assert at_the_border or abs(centre - MIDDLE) <= 0.5 + 1e-9


@pytest.mark.parametrize(
    ("corner", "top", "left"),
    [((0, 0), 8, 8), ((0, -1), 8, 0), ((-1, 0), 0, 8), ((-1, -1), 0, 0)],
)
def test_a_box_with_its_mass_in_a_corner_goes_to_the_border_whole(corner: tuple[int, int], top: int, left: int) -> None:
    ink = np.full((BOX, BOX), 1 / 255)
    rows, columns = (slice(0, 3) if end == 0 else slice(-3, None) for end in corner)
    ink[rows, columns] = 1.0
    image = to_mnist_form(ink)
    assert box_of(image) == (top, left, BOX, BOX)
    np.testing.assert_array_equal(image[top : top + BOX, left : left + BOX], np.rint(ink * 255))


@pytest.mark.parametrize("seed", range(5))
def test_margins_place_and_strength_of_the_ink_do_not_matter(seed: int) -> None:
    ink = stroke(seed)
    image = to_mnist_form(ink)
    np.testing.assert_array_equal(to_mnist_form(np.pad(ink, ((3, 40), (17, 0)))), image)
    np.testing.assert_array_equal(to_mnist_form(ink * 0.25), image)
    np.testing.assert_array_equal(to_mnist_form(ink * 4096), image)


@pytest.mark.parametrize("seed", range(5))
def test_rows_and_columns_are_treated_alike(seed: int) -> None:
    ink = stroke(seed)
    difference = to_mnist_form(ink.T).astype(int) - to_mnist_form(ink).T
    assert np.abs(difference).max() <= 1  # the two passes of the resize round in another order


def test_the_ink_is_left_as_it_was() -> None:
    ink = stroke(3)
    before = ink.copy()
    to_mnist_form(ink)
    np.testing.assert_array_equal(ink, before)
