"""The pen: what it draws lies where MNIST's digits lie, with the ink that a stroke of its width has."""

from __future__ import annotations

import numpy as np
import pytest

from mnistry.models.backend import jax
from mnistry.training.augmentation import glyphs, strokes
from mnistry.training.augmentation.glyphs import Glyphs
from mnistry.training.augmentation.random_pool import RandomPool

N = 96
NUMBERS = 400 * N
SIDE = 28


def drawn(known: Glyphs | None, seed: int = 0, n: int = N) -> tuple[np.ndarray, np.ndarray]:
    def draw(key):
        pool = RandomPool(key, NUMBERS)
        segments, labels = strokes.digit_strokes(pool, n) if known is None else strokes.glyph_strokes(pool, known, n)
        return strokes.render(pool, segments), labels

    images, labels = jax.jit(draw)(jax.random.key(seed))
    return np.asarray(images), np.asarray(labels)


def straight(*ends: tuple[tuple[float, float], tuple[float, float]]) -> Glyphs:
    """Glyphs of one straight stroke each, from (y, x) to (y, x), -1 to 1."""
    along = np.linspace(0, 1, glyphs.SEGMENTS + 1)[:, None]
    lines = [(1 - along) * start + along * end for start, end in np.array(ends)]
    segments = np.stack([np.stack([line[:-1], line[1:]], axis=1) for line in lines])
    return Glyphs(
        segments.astype(np.float32), np.zeros(segments.shape[:2], np.int32), np.arange(len(ends), dtype=np.int32)
    )


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    return drawn(None)


@pytest.fixture(scope="module")
def scribbles() -> np.ndarray:
    def draw(key):
        pool = RandomPool(key, NUMBERS)
        return strokes.render(pool, strokes.scribble_strokes(pool, N))

    return np.asarray(jax.jit(draw)(jax.random.key(0)))


@pytest.fixture(params=["digits", "scribbles"])
def images(request: pytest.FixtureRequest) -> np.ndarray:
    found = request.getfixturevalue(request.param)
    return found[0] if request.param == "digits" else found


def steady(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hand that draws the model as it is."""
    for name in ("WOBBLE", "TREMOR", "OFFSET", "SLANT", "ASPECT", "NIB_SHARE", "BROKEN"):
        monkeypatch.setattr(strokes, name, 0.0)


def test_ink_is_between_nothing_and_full(images):
    assert images.shape == (N, SIDE, SIDE)
    assert images.dtype == np.float32
    assert images.min() == 0
    assert images.max() <= 1
    strongest = images.max(axis=(1, 2))
    assert strongest.min() >= 0.5  # a thin, pale line
    assert strongest.max() > 0.95


def test_the_longest_side_of_the_ink_is_20_pixels(images):
    for image in images:
        inked = image > 0.5 * image.max()
        rows, columns = (np.flatnonzero(inked.any(axis=axis)) for axis in (1, 0))
        longest = max(np.ptp(rows), np.ptp(columns)) + 1
        assert 17 <= longest <= 21


def test_the_centre_of_mass_is_in_the_middle(images):
    grid = np.arange(SIDE) - (SIDE - 1) / 2
    total = images.sum(axis=(1, 2))
    down, right = (images.sum(axis=axis) @ grid / total for axis in (2, 1))
    off = np.hypot(down, right)  # not exactly 0: where strokes cross, ink lies only once
    assert np.median(off) < 0.75
    assert off.max() < 4.5


def test_digits_keep_off_the_edge(digits):
    images, _ = digits
    assert images[:, [0, -1]].max() < 0.6
    assert images[:, :, [0, -1]].max() < 0.6


def test_glyphs_come_with_their_labels_and_all_of_them_come(digits):
    labels = digits[1]
    assert labels.dtype == np.int32
    assert sorted(set(labels.tolist())) == list(range(10))
    one, same = (drawn(straight(((-1, 0), (1, 0)), ((0, -1), (0, 1)))) for _ in range(2))
    tall = np.array([np.ptp(np.flatnonzero((image > 0.3).any(axis=1))) > 12 for image in one[0]])
    assert (tall == (one[1] == 0)).mean() > 0.95  # a hand may bend a short line a lot
    assert np.array_equal(one[0], same[0])


def test_another_key_another_hand(digits):
    other = drawn(None, seed=1)
    assert not np.array_equal(digits[1], other[1])
    assert (np.abs(digits[0] - other[0]).max(axis=(1, 2)) > 0.3).all()


def test_no_two_scribbles_are_alike(scribbles):
    flat = (scribbles > 0.3).reshape(N, -1).astype(float)
    common = flat @ flat.T / np.maximum(flat.sum(axis=1), flat.sum(axis=1)[:, None])
    np.fill_diagonal(common, 0)
    assert common.max() < 0.9


@pytest.mark.parametrize("ends", [((-1.0, 0.0), (1.0, 0.0)), ((0.0, -1.0), (0.0, 1.0)), ((0.3, 0.5), (0.9, 0.5))])
def test_a_straight_stroke_has_the_ink_of_its_length_and_width(ends, monkeypatch: pytest.MonkeyPatch):
    steady(monkeypatch)
    images, _ = drawn(straight(ends))
    if ends[0][0] == ends[1][0]:
        images = images.swapaxes(1, 2)
    pressure = images.max(axis=(1, 2))
    width = images[:, SIDE // 2].sum(axis=1) / pressure  # across its middle
    wide = width > 2  # so that its middle is drawn in full ink
    assert wide.sum() > N / 2
    ink = images.sum(axis=(1, 2)) / pressure
    expected = (20 - width) * width + np.pi / 4 * width**2  # a bar with round ends, 20 from tip to tip
    np.testing.assert_allclose(ink[wide], expected[wide], rtol=0.03)
    assert width[wide].max() <= strokes.THICKEST + 0.01
    assert 0.6 <= pressure[wide].min() < 0.7
    np.testing.assert_allclose(images, images[:, :, ::-1], atol=1e-5)


def test_a_single_point_is_a_round_dot(monkeypatch: pytest.MonkeyPatch):
    steady(monkeypatch)
    images, _ = drawn(straight(((0.4, -0.2), (0.4, -0.2))))
    assert np.isfinite(images).all()
    np.testing.assert_allclose(images, images.swapaxes(1, 2), atol=1e-5)
    np.testing.assert_allclose(images, images[:, ::-1], atol=1e-5)
    assert (images.sum(axis=(1, 2)) < np.pi * 3**2).all()


def test_hands_differ_in_slant_and_width():
    images, _ = drawn(straight(((-1, 0), (1, 0))))
    grid = np.arange(SIDE) - (SIDE - 1) / 2
    total = images.sum(axis=(1, 2))
    covariance = np.einsum("nyx,y,x->n", images, grid, grid) / total
    slant = covariance / (np.einsum("nyx,y->n", images, grid**2) / total)
    assert 0.1 < slant.std() < 0.6  # the shear of 0.25, narrowed or widened, and what wobbles
    assert abs(slant.mean()) < 0.15


def flags(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Ones' flags and sevens' bars: degrees below the horizontal, lengths in half heights; which have a foot."""
    draw = jax.jit(
        lambda key: (lambda pool: (strokes._ones(pool, 400), strokes._sevens(pool, 400)))(RandomPool(key, 10_000))
    )
    ones, sevens = (np.asarray(each) for each in draw(jax.random.key(seed)))
    found = []
    for segments in (ones, sevens):
        way = segments[:, 13, 1] - segments[:, 4, 0]
        found.append((np.degrees(np.arctan2(-way[:, 0], way[:, 1])), np.hypot(*way.T)))
    flagged = found[0][1] > 0.1  # a 1 may have no flag
    foot = np.hypot(*(ones[:, -1, 1] - ones[:, -6, 0]).T) > 0.1
    return found[0][0][flagged], found[0][1][flagged], foot[flagged], found[1][0]


def test_flags_of_ones_are_steep_and_bars_of_sevens_are_level():
    ones, long, foot, sevens = flags(0)
    assert ones.min() >= 9.9
    assert ones[~foot].min() >= 18.9
    assert long[~foot & (ones < 22)].max() <= 1.1 + 1.5 * 3 / 6 + 0.1  # flat and long, it would be a 7
    assert long[~foot & (ones > 26)].max() > 1.9
    assert ones.max() > 60
    assert np.mean((ones > 18) & (ones < 40)) > 0.3  # many near the border
    assert sevens.min() >= -14.1
    assert sevens.max() <= 9.1
    assert len(sevens) == 400
    assert 250 < len(ones) < 400


def test_only_steep_flags_of_ones_without_a_foot_are_curled():
    draw = jax.jit(lambda key: strokes._ones(RandomPool(key, 9000), 400))
    ones = np.asarray(draw(jax.random.key(0)))
    way = ones[:, 13, 1] - ones[:, 4, 0]
    angle = np.degrees(np.arctan2(-way[:, 0], way[:, 1]))
    curled = np.hypot(*(ones[:, 3, 1] - ones[:, 0, 0]).T) > 0.01
    assert 0.05 < curled.mean() < 0.3
    assert angle[curled].min() > 34.9


def test_zeros_are_narrow_round_and_wide():
    draw = jax.jit(lambda key: strokes._zeros(RandomPool(key, 9000), 300))
    rings = np.asarray(draw(jax.random.key(0)))[:, :-4]
    high, wide = (np.ptp(rings[..., axis], axis=(1, 2)) for axis in (0, 1))
    aspect = wide / high
    assert (aspect < 0.6).mean() > 0.1
    assert ((aspect > 0.8) & (aspect < 1.2)).mean() > 0.2
    assert (aspect > 1.2).mean() > 0.03
    assert aspect.max() < 2.2


def test_invented_characters_have_four_strokes_in_the_same_room():
    draw = jax.jit(lambda key: strokes.character_strokes(RandomPool(key, 9000), 50))
    segments = np.asarray(draw(jax.random.key(0)))
    lifted = (np.abs(segments[:, 1:, 0] - segments[:, :-1, 1]).max(axis=-1) > 1e-4).sum(axis=1)
    assert (lifted == 3).all()
    assert np.abs(segments).max() < 2.2
