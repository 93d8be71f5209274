"""Pictures of other sizes: areas are averaged, lines interpolated; Otsu's threshold parts two tones."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from mnistry.ocr.resizing import median_of_five, otsu_threshold, reduce_picture, resize


@pytest.mark.parametrize(
    ("before", "after"), [((12, 20), (4, 5)), ((7, 5), (3, 2)), ((100, 70), (80, 60)), ((9, 4), (9, 1))]
)
def test_a_smaller_picture_has_the_mean_of_each_area(before, after):
    image = np.random.default_rng(0).random(before).astype(np.float32)
    fine = image.repeat(after[0], axis=0).repeat(after[1], axis=1)  # each new pixel covers whole ones of these
    expected = fine.reshape(after[0], before[0], after[1], before[1]).mean(axis=(1, 3), dtype=np.float64)
    np.testing.assert_allclose(resize(image, *after), expected, atol=1e-6)


def test_a_larger_picture_is_cubic():
    resized = resize(np.array([[0, 0, 1, 1]], np.float32), 1, 8)[0]
    # by hand, from Keys' weights at a quarter between two pixels: -27, 225, 67, -9 of 256
    np.testing.assert_allclose(resized * 256, [0, -9, -27, 58, 198, 283, 265, 256], atol=1e-3)


def test_a_picture_of_one_tone_keeps_it_at_any_size():
    for shape in ((1, 1), (5, 3), (40, 33)):
        image = np.full((*shape, 3), 200, np.uint8)
        for after in ((1, 1), (7, 90), (80, 60)):
            np.testing.assert_allclose(resize(image, *after), 200, rtol=1e-6)
        assert (median_of_five(image) == 200).all()
        assert (reduce_picture(image, 1, 1) == 200).all()


def test_a_median_of_five_is_that_of_rows_and_columns():
    image = np.random.default_rng(2).integers(0, 256, (11, 17, 3), dtype=np.uint8)
    rows = ndimage.median_filter(image, (5, 1, 1), mode="nearest")
    np.testing.assert_array_equal(median_of_five(image), ndimage.median_filter(rows, (1, 5, 1), mode="nearest"))


def test_a_picture_is_reduced_to_means():
    blocks = np.random.default_rng(3).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    np.testing.assert_array_equal(reduce_picture(blocks.repeat(20, axis=0).repeat(20, axis=1), 6, 8), blocks)


def test_otsus_threshold_parts_two_tones():
    random = np.random.default_rng(4)
    tones = np.concatenate([random.normal(60, 10, 900), random.normal(180, 15, 300)]).round().astype(np.uint8)
    best = max(range(255), key=lambda level: _between(tones, level))
    assert otsu_threshold(tones) == best
    assert 80 < best < 150
    assert otsu_threshold(np.full((3, 3), 7, np.uint8)) == 0  # one tone: all of it is above


def _between(levels: np.ndarray, level: int) -> float:
    """The variance between both classes."""
    low, high = levels[levels <= level], levels[levels > level]
    if not (len(low) and len(high)):
        return 0.0
    return len(low) * len(high) * (low.mean() - high.mean()) ** 2
