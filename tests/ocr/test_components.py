"""Components as SciPy finds them, and how thick strokes are."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy import ndimage

from mnistry.ocr.components import (
    fill_holes,
    find_chains,
    find_components,
    find_thin,
    median,
    run_lengths,
    stroke_width,
)


@pytest.mark.parametrize("share", [0.05, 0.3, 0.45, 0.7, 0.95])
@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (37, 53), (200, 150)])
def test_components_are_those_of_scipy(share, shape):
    mask = np.random.default_rng(int(100 * share)).random(shape) < share
    found = find_components(mask)
    expected, n = ndimage.label(mask, np.ones((3, 3)))
    assert len(found) == n
    pairs = set(zip(found.labels.ravel().tolist(), expected.ravel().tolist(), strict=True))
    assert len(pairs) == n + (not mask.all())  # one number for one number
    assert ((found.labels >= 0) == mask).all()
    for i in range(n):
        rows, columns = np.nonzero(found.labels == i)
        box = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
        assert box == (found.left[i], found.top[i], found.right[i], found.bottom[i])
        assert len(rows) == found.areas[i]


@pytest.mark.parametrize("share", [0.05, 0.45, 0.7, 0.95])
@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (37, 53), (200, 150)])
def test_holes_are_those_of_scipy(share, shape):
    mask = np.random.default_rng(int(100 * share)).random(shape) < share
    np.testing.assert_array_equal(fill_holes(mask), ndimage.binary_fill_holes(mask))


def test_a_spiral_is_one_component():
    y, x = np.mgrid[:301, :301] - 150
    spiral = np.sin(np.hypot(y, x) / 3 + np.arctan2(y, x)) > 0
    assert len(find_components(spiral)) == ndimage.label(spiral, np.ones((3, 3)))[1]


def test_what_touches_the_edge():
    mask = np.zeros((9, 9), bool)
    mask[0, 4] = mask[4, 4] = mask[8, 8] = mask[6, 0] = True
    assert find_components(mask).at_edge(mask.shape).tolist() == [True, False, True, True]


@pytest.mark.parametrize("width", [4, 8, 15])
@pytest.mark.parametrize("angle", [0, 20, 45, 90, 135])
def test_the_width_of_a_stroke_at_any_angle(width, angle):
    image = Image.new("1", (300, 300))
    across, up = np.cos(np.radians(angle)) * 120, np.sin(np.radians(angle)) * 120
    ImageDraw.Draw(image).line((150 - across, 150 - up, 150 + across, 150 + up), fill=1, width=width)
    assert stroke_width(np.asarray(image)) == pytest.approx(width, rel=0.2)


def test_nothing_has_no_width():
    assert stroke_width(np.zeros((5, 5), bool)) == 0
    assert len(find_components(np.zeros((5, 5), bool))) == 0


def test_run_lengths():
    assert run_lengths(np.array([[1, 1, 0, 1], [1, 1, 1, 1], [0, 0, 0, 0]], bool)).tolist() == [2, 1, 4]


def test_a_median_is_numpys():
    random = np.random.default_rng(0)
    for n in (1, 2, 7, 8, 501):
        for values in (random.normal(size=n), random.integers(0, 5, n), random.random((n, 3)).astype(np.float32)):
            assert median(values) == pytest.approx(float(np.median(values)), rel=1e-6)


@pytest.mark.parametrize(("down", "across"), [(0, 0), (1, 0), (60, 33), (61, 90)])
def test_components_and_chains_are_the_same_wherever_they_lie_on_blank_paper(down, across):
    part = np.zeros((60, 70), bool)
    part[10:13, 5:60] = True  # a level line
    part[20:50, 10:18] = True  # a stroke
    part[30:33, 30:50] = part[33:36, 48:69] = True  # a line that breaks off
    mask = np.zeros((121, 160), bool)
    mask[down : down + 60, across : across + 70] = part
    whole, alone = find_components(mask), find_components(part)
    np.testing.assert_array_equal(whole.top - down, alone.top)
    np.testing.assert_array_equal(whole.right - across, alone.right)
    np.testing.assert_array_equal(whole.labels[down : down + 60, across : across + 70], alone.labels)
    thin = find_thin(mask, 5, 10)
    (line,) = [chain for chain in find_chains(thin) if chain.length > 50]
    assert (line.start, line.stop) == ((across + 5, down + 11), (across + 59, down + 11))
    assert (line.thick, line.area, line.rows) == (3, 165, (down + 10, down + 13))
    assert not (thin.parts.labels[down + 20 : down + 50, across + 10 : across + 18] >= 0).any()  # it is thick
