"""Distances from lines, dots and zigzags, by hand and against many points of the same figure."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mnistry.evaluation.line_art import drawn, frames, from_dots, from_segment, from_zigzag


def level(n: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """The frame of a horizontal line through the centre."""
    return frames(np.zeros(n), np.zeros(n))


def test_a_level_line_runs_to_the_right_and_down_is_across():
    along, across = level()
    assert along[0, 3].tolist() == (np.arange(28) - 13.5).tolist()
    assert across[0, :, 3].tolist() == (np.arange(28) - 13.5).tolist()


def test_an_angle_turns_the_line_from_right_to_down():
    along, across = frames(np.array([math.pi / 2, math.pi / 4]), np.array([2.0, 0.0]))
    np.testing.assert_allclose(along[0, :, 5], np.arange(28) - 13.5, atol=1e-5)
    np.testing.assert_allclose(across[0, 5], 13.5 - np.arange(28) - 2, atol=1e-5)
    np.testing.assert_allclose(np.diag(across[1]), 0, atol=1e-5)
    np.testing.assert_allclose(np.diag(along[1]), (np.arange(28) - 13.5) * math.sqrt(2), atol=1e-5)


def test_the_distance_from_a_segment_grows_beyond_its_ends():
    along, across = frames(np.zeros(1), np.zeros(1), side=27)  # the centre is a pixel
    distance = from_segment(along, across, np.array([6.0]))[0]
    assert distance[13, 10:17].tolist() == [0] * 7
    assert distance[13, 20] == 4
    assert distance[17, 13] == 4
    assert distance[17, 19] == 5  # 4 down, 3 beyond the end


def test_dots_lie_on_the_line_at_their_spacing():
    along, across = level()
    distance = from_dots(along, across, 4.0, np.array([0.125]))[0]
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
    along, across = frames(np.array([angle]), np.array([offset]))
    distance = from_zigzag(along, across, *(np.array([value], float) for value in (period, height, phase)))[0]
    places = np.linspace(-40, 40, 16_001)
    turn = np.abs((places / period - phase) % 1 - 0.5)  # 0 at one tooth, 0.5 at the next
    teeth = (turn * 4 - 1) * height
    gaps = np.hypot(along[0].reshape(-1, 1) - places, across[0].reshape(-1, 1) - teeth)
    np.testing.assert_allclose(distance.reshape(-1), gaps.min(axis=1), atol=0.01)


def test_a_drawn_line_is_white_inside_and_grey_at_its_edge():
    distances = np.array([0, 0.5, 1.0, 1.25, 1.5, 9])
    assert drawn(distances, width=2).tolist() == [1, 1, 0.5, 0.25, 0, 0]


def test_a_pixel_of_a_level_line_adds_up_to_its_width():
    # A line between two rows of pixels: half a pixel from each.
    ink = drawn(np.abs(level()[1]), width=1)
    np.testing.assert_allclose(ink.sum(axis=1), 1, atol=1e-5)
