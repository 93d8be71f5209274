"""Glyphs: complete, labelled, inside their grid, and drawn as their texts say."""

from __future__ import annotations

from importlib import resources

import numpy as np
import pytest

from mnistry.training.augmentation import glyphs
from mnistry.training.augmentation.glyphs import GRID, SEGMENTS, Glyphs

LINES = resources.files("mnistry.training.augmentation").joinpath("glyphs.txt").read_text(encoding="utf-8").splitlines()
ROWS = [line.split(" ", 1) for line in LINES if line and not line.startswith("#")]
DRAWN = [(text, int(label)) for label, text in ROWS if label != "no"]
SIGNS = [text for label, text in ROWS if label == "no"]


@pytest.fixture(scope="module")
def digits() -> Glyphs:
    return glyphs.digits()


@pytest.fixture(scope="module")
def signs() -> Glyphs:
    return glyphs.signs(10)


def lengths(segments: np.ndarray) -> np.ndarray:
    return np.hypot(*np.moveaxis(segments[..., 1, :] - segments[..., 0, :], -1, 0))


def strokes(segments: np.ndarray) -> list[np.ndarray]:
    """The pieces (n, 2, 2) of a glyph, parted where one does not begin at the end of the last."""
    lifted = np.flatnonzero((segments[1:, 0] != segments[:-1, 1]).any(axis=1)) + 1
    return np.split(segments, lifted)


def points(text: str) -> np.ndarray:
    """The points of a stroke's text as (y, x), -1 to 1."""
    given = np.array([[float(number) for number in point.split(",")] for point in text.strip("- ").split()])
    return given[:, ::-1] / (GRID / 2) - 1


def test_every_digit_is_there_with_its_label(digits):
    assert digits.segments.shape == (len(DRAWN), SEGMENTS, 2, 2)
    assert digits.labels.tolist() == [label for _, label in DRAWN]
    assert sorted(set(digits.labels.tolist())) == list(range(10))
    assert np.bincount(digits.labels).min() >= 3  # in several forms each; most of 1 and 7 are made by strokes.py


def test_every_piece_knows_its_stroke(digits, signs):
    for known, texts in ((digits, [text for text, _ in DRAWN]), (signs, SIGNS)):
        assert known.strokes.shape == (len(texts), SEGMENTS)
        assert (np.diff(known.strokes, axis=1) >= 0).all()
        assert (known.strokes.max(axis=1) + 1).tolist() == [text.count(";") + 1 for text in texts]


def test_every_sign_has_the_label_it_was_asked_for(signs):
    assert signs.segments.shape == (len(SIGNS), SEGMENTS, 2, 2)
    assert len(SIGNS) > 100
    assert set(signs.labels.tolist()) == {10}
    assert set(glyphs.signs(26).labels.tolist()) == {26}


@pytest.mark.parametrize("kind", ["digits", "signs"])
def test_segments_are_finite_and_inside_the_grid(kind, request):
    known = request.getfixturevalue(kind)
    assert (known.segments.dtype, known.labels.dtype) == (np.float32, np.int32)
    low, high = known.segments.min(axis=(1, 2)), known.segments.max(axis=(1, 2))  # (n, 2) as y, x
    assert low.min() >= -1.05  # curves may swing out a little
    assert high[:, 1].max() <= 1.05
    assert high[:, 0].max() <= 1.45  # tails of small letters hang below
    assert (high - low).max(axis=1).min() >= 1.3  # none is small


@pytest.mark.parametrize("kind", ["digits", "signs"])
def test_no_piece_is_empty_or_long(kind, request):
    known = request.getfixturevalue(kind)
    assert lengths(known.segments).min() > 0.005  # short where a stroke turns back
    assert lengths(known.segments).max() < 0.37


def test_no_two_are_alike(digits, signs):
    drawn = np.concatenate([digits.segments, signs.segments]).reshape(len(DRAWN) + len(SIGNS), -1)
    apart = np.abs(drawn[:, None] - drawn[None]).max(axis=-1)
    np.fill_diagonal(apart, np.inf)
    assert apart.min() > 0.05


def test_each_stroke_is_one_line_from_its_first_point_to_its_last(digits, signs):
    texts = [text for text, _ in DRAWN] + list(SIGNS)
    for text, segments in zip(texts, [*digits.segments, *signs.segments], strict=True):
        told = text.split(";")
        firsts = [points(stroke)[0] for stroke in told]
        ends = [points(stroke)[-1] for stroke in told]
        joined = sum(np.array_equal(a, b) for a, b in zip(ends[:-1], firsts[1:], strict=True))
        found = strokes(segments)
        assert len(found) == len(told) - joined
        np.testing.assert_allclose(found[0][0, 0], firsts[0], atol=1e-6)
        np.testing.assert_allclose(found[-1][-1, 1], ends[-1], atol=1e-6)


def test_a_straight_stroke_is_cut_into_equal_pieces(signs):
    line = signs.segments[SIGNS.index("-18,3 2,17")]  # a slash
    along = np.linspace(0, 1, SEGMENTS + 1)[:, None]
    expected = (1 - along) * [-0.7, 0.8] + along * [0.7, -0.8]
    np.testing.assert_allclose(line[:, 0], expected[:-1], atol=1e-6)
    np.testing.assert_allclose(line[:, 1], expected[1:], atol=1e-6)


def test_a_curve_goes_through_its_points_and_is_longer_than_the_straight_way(digits):
    number = [text for text, _ in DRAWN].index("4,3 9,0 14,3 13,7 9,9 14,11 16,15 11,20 4,17")  # a 3
    given, curve = points(DRAWN[number][0]), digits.segments[number]
    ends = np.concatenate([curve[:, 0], curve[-1:, 1]])
    nearest = np.hypot(*np.moveaxis(given[:, None] - ends[None], -1, 0)).min(axis=1)
    assert nearest.max() < 0.08  # a piece is 0.14 long
    assert lengths(curve).sum() > np.hypot(*np.diff(given, axis=0).T).sum()


def test_pieces_are_shared_out_by_length(signs):
    stem, bar = strokes(signs.segments[SIGNS.index("-8,0 8,20; -8,10 15,10")])
    assert (len(stem), len(bar)) == (24, 8)  # of 20 and 7 units
