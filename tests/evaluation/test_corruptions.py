"""Each of the fifteen does what its name says and no more; all are repeatable; the digit can still be read."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy import ndimage
from sklearn.neighbors import KNeighborsClassifier

from mnistry.errors import UsageError
from mnistry.evaluation import corruptions
from mnistry.evaluation.corruptions import BLOCK, NAMES, corrupt

RANDOM = tuple(name for name in NAMES if name != "canny_edges")


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(11)


@pytest.fixture(scope="module")
def images(digits) -> np.ndarray:
    """More than one block of them, and not a whole number of blocks."""
    return digits.x_train[: BLOCK + 70]


def blank(n: int, grey: int = 0) -> np.ndarray:
    return np.full((n, 28, 28), grey, np.uint8)


def square(n: int, side: int = 8) -> np.ndarray:
    """White in the middle: far enough from the edges that none of it leaves the field."""
    images = blank(n)
    low, high = 14 - side // 2, 14 + side // 2
    images[:, low:high, low:high] = 255
    return images


def centres(images: np.ndarray) -> np.ndarray:
    """Float (n, 2): the centre of mass of each, from the centre of the field."""
    places, mass = np.arange(28) - 13.5, images.sum(axis=(1, 2), dtype=float)
    return np.stack([images.sum(axis=2) @ places / mass, images.sum(axis=1) @ places / mass], axis=1)


# All corruptions


def test_the_names_are_those_of_the_paper_in_its_order():
    assert NAMES == (
        "shot_noise",
        "impulse_noise",
        "glass_blur",
        "motion_blur",
        "shear",
        "scale",
        "rotate",
        "brightness",
        "translate",
        "stripe",
        "fog",
        "spatter",
        "dotted_line",
        "zigzag",
        "canny_edges",
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_images_and_leaves_the_input_alone(name, images):
    before = images.copy()
    first, second = corrupt(name, images, seed=3), corrupt(name, images, seed=3)
    assert first.dtype == np.uint8
    assert first.shape == images.shape
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(images, before)
    assert not np.shares_memory(first, images)


@pytest.mark.parametrize("name", RANDOM)
def test_another_seed_and_another_position_give_other_images(name, images):
    same = np.tile(images[:1], (BLOCK + 2, 1, 1))
    first, other = corrupt(name, same, seed=0), corrupt(name, same, seed=1)
    assert (first != other).any(axis=(1, 2)).mean() > 0.8
    # A stripe has 8 places, and light some 65 steps; the others hardly ever repeat themselves.
    kinds = len(np.unique(first.reshape(len(first), -1), axis=0))
    assert kinds >= {"stripe": 8, "brightness": 60}.get(name, 240)
    assert (first[0] != first[BLOCK]).any() or (first[1] != first[BLOCK + 1]).any()


@pytest.mark.parametrize("name", NAMES)
def test_an_image_depends_on_its_position_and_on_nothing_around_it(name, images):
    whole = corrupt(name, images)
    assert all(np.array_equal(corrupt(name, images[:n]), whole[:n]) for n in (1, 100, BLOCK + 3))
    strangers = 255 - images
    strangers[50], strangers[BLOCK + 5] = images[50], images[BLOCK + 5]
    among_strangers = corrupt(name, strangers)
    np.testing.assert_array_equal(among_strangers[[50, BLOCK + 5]], whole[[50, BLOCK + 5]])


@pytest.mark.parametrize("name", NAMES)
def test_no_images_give_no_images(name):
    assert corrupt(name, blank(0)).shape == (0, 28, 28)


def test_read_only_and_strided_images_are_taken(images):
    view = images[::2]
    view.setflags(write=False)
    np.testing.assert_array_equal(corrupt("fog", view), corrupt("fog", view.copy()))


@pytest.mark.parametrize("name", NAMES)
def test_memory_does_not_grow_with_the_number_of_images(name):
    corrupt(name, blank(1))  # what is imported and cached on the first call

    def most(n: int) -> int:
        given = blank(n)
        tracemalloc.start()
        corrupt(name, given)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak - given.nbytes  # the result

    assert most(8 * BLOCK) < most(2 * BLOCK) + 200_000
    assert most(BLOCK) < 60_000_000


@pytest.mark.parametrize("name", NAMES)
def test_a_digit_is_changed_and_can_still_be_read(name, digits):
    """A reader that has seen the corruption reads most of them: what the image means is left."""
    spoilt = corrupt(name, digits.x_test)
    change = np.abs(spoilt.astype(int) - digits.x_test).mean(axis=(1, 2))
    assert change.mean() > 4
    assert (change > 1).mean() > 0.99
    reader = KNeighborsClassifier(3).fit(
        corrupt(name, digits.x_train, seed=1).reshape(-1, 784).astype(np.float32), digits.y_train
    )
    assert reader.score(spoilt.reshape(-1, 784).astype(np.float32), digits.y_test) > 0.7


@pytest.mark.parametrize("name", ["shear", "scale", "rotate", "translate", "stripe", "canny_edges", "brightness"])
def test_a_reader_that_knows_clean_digits_only_is_misled(name, digits):
    reader = KNeighborsClassifier(1).fit(digits.x_train.reshape(-1, 784).astype(np.float32), digits.y_train)
    clean = reader.score(digits.x_test.reshape(-1, 784).astype(np.float32), digits.y_test)
    spoilt = reader.score(corrupt(name, digits.x_test).reshape(-1, 784).astype(np.float32), digits.y_test)
    assert clean > 0.95
    assert spoilt < clean - 0.1


# Bad input


def test_an_unknown_name_gets_a_hint():
    with pytest.raises(UsageError, match=r"There is no corruption named 'zigzags'\. Did you mean zigzag\?"):
        corrupt("zigzags", blank(1))
    with pytest.raises(UsageError, match=r"named 'snow'\. Known are: brightness, canny_edges, .*, zigzag\."):
        corrupt("snow", blank(1))


@pytest.mark.parametrize(
    ("images", "received"),
    [
        (np.zeros((2, 28, 28), np.float32), r"float32 \(2, 28, 28\)"),
        (np.zeros((28, 28), np.uint8), r"uint8 \(28, 28\)"),
        (np.zeros((2, 784), np.uint8), r"uint8 \(2, 784\)"),
        (np.zeros((2, 28, 28, 1), np.uint8), r"uint8 \(2, 28, 28, 1\)"),
        (np.zeros((2, 32, 32), np.uint8), r"uint8 \(2, 32, 32\)"),
    ],
)
def test_other_arrays_are_refused(images, received):
    with pytest.raises(UsageError, match=rf"Images must be uint8 \(n, 28, 28\); received {received}\."):
        corrupt("fog", images)


def test_a_negative_seed_is_refused():
    with pytest.raises(UsageError, match=r"The seed must be 0 or more; received -1\."):
        corrupt("fog", blank(1), seed=-1)


# Noise


def test_shot_noise_keeps_the_mean_and_has_a_poisson_distributions_variance(random):
    # 128 of 255 is 20.08 of 40 photons: so far below 40 that the sensor is never full.
    result = corruptions.shot_noise(blank(100, 128), random, photons=40)
    counts = result * (40 / 255)
    np.testing.assert_allclose(counts, np.rint(counts), atol=1e-4)
    n = counts.size
    mean = 128 / 255 * 40
    assert counts.mean() == pytest.approx(mean, abs=5 * (mean / n) ** 0.5)
    assert counts.var() == pytest.approx(mean, rel=0.03)


def test_shot_noise_as_it_comes_keeps_the_mean_of_dark_grey_and_black_black():
    # 64 of 255 is 1.0039 of 4 photons. More than 4 come 0.37% of the time: 0.0045 photons are lost in the mean.
    result = corrupt("shot_noise", blank(500, 64))
    assert set(np.unique(result)) == {0, 64, 128, 191, 255}
    assert result.mean() == pytest.approx(64 * (1 - 0.0045), abs=0.6)
    assert not corrupt("shot_noise", blank(5)).any()


def test_impulse_noise_replaces_a_quarter_half_white_half_black():
    result = corrupt("impulse_noise", blank(500, 100))
    n = result.size
    sigma = (0.125 * 0.875 / n) ** 0.5
    assert (result == 255).mean() == pytest.approx(0.125, abs=5 * sigma)
    assert (result == 0).mean() == pytest.approx(0.125, abs=5 * sigma)
    assert set(np.unique(result)) == {0, 100, 255}


# Blurs


def test_glass_without_blur_only_moves_pixels_by_two_at_most(random):
    dots = blank(200)
    dots[:, 13, 14] = 255
    result = corruptions.glass_blur(dots, random, sigma=0)
    assert ((result == 255).sum(axis=(1, 2)) == 1).all()
    assert ((result == 0).sum(axis=(1, 2)) == 783).all()
    moved = np.abs(np.argwhere(result == 255)[:, 1:] - [13, 14])
    assert moved.max() == 2
    assert (moved.max(axis=1) > 0).mean() > 0.7


def test_glass_blur_keeps_the_ink_and_spreads_it():
    result = corrupt("glass_blur", square(100))
    np.testing.assert_allclose(result.sum(axis=(1, 2)), 64 * 255, rtol=0.02)
    assert not result[:, :6].any()  # 2 pixels of shuffling, and 4 standard deviations of each blur: 2 pixels
    assert (result[:, 9] > 0).any()
    assert result[:, 14, 14].mean() < 254


def test_motion_blur_keeps_the_ink_and_draws_a_dot_out_to_a_line(random):
    dots = blank(200)
    dots[:, 13, 13] = 255
    result = corruptions.motion_blur(dots, random, length=(12, 12))
    np.testing.assert_allclose(result.sum(axis=(1, 2)), 255, rtol=1e-4)
    places = np.stack(np.indices((28, 28)) - 13).reshape(2, -1)
    for image in result:
        short, long = np.linalg.eigvalsh(np.cov(places, aweights=np.clip(image, 0, None).reshape(-1), bias=True))
        # The standard deviation of an even line of 12 pixels is 12 / √12.
        assert long**0.5 == pytest.approx(12 / 12**0.5, abs=0.25)
        assert short**0.5 < 0.55


def test_motion_goes_in_every_direction():
    dots = blank(400)
    dots[:, 13, 13] = 255
    result = corrupt("motion_blur", dots).astype(float)
    places = np.arange(28) - 13
    angles = [np.arctan2(*np.linalg.eigh(moments(image, places))[1][:, 1]) % np.pi for image in result]
    assert np.histogram(angles, 4, (0, np.pi))[0].min() > 60


def moments(image: np.ndarray, places: np.ndarray) -> np.ndarray:
    rows, columns = np.meshgrid(places, places, indexing="ij")
    values = np.stack([rows.reshape(-1), columns.reshape(-1)])
    return (values * image.reshape(-1)) @ values.T


# Affine maps


def test_shear_moves_a_row_by_its_distance_from_the_middle(random):
    # Row 10 is 3.5 above the middle: at a slope of 2/7 it moves by 1, and row 17 by as much the other way.
    dots = blank(60)
    dots[:, 10, 14], dots[:, 17, 14] = 200, 100
    result = corruptions.shear(dots, random, slope=(2 / 7, 2 / 7)).round().astype(int)
    seen = {tuple(map(tuple, np.argwhere(image))) for image in result}
    assert seen == {((10, 13), (17, 15)), ((10, 15), (17, 13))}
    assert (result.sum(axis=(1, 2)) == 300).all()


def test_shear_as_it_comes_leans_by_four_to_seven_tenths_to_either_side():
    bars = blank(300)
    bars[:, 4:24, 12:16] = 255
    result = corrupt("shear", bars)
    places = np.arange(28) - 13.5
    columns = (result @ places)[:, 8:20] / result.sum(axis=2)[:, 8:20]
    slopes = np.polyfit(places[8:20], columns.T, 1)[0]
    assert np.abs(slopes).min() == pytest.approx(0.4, abs=0.03)
    assert np.abs(slopes).max() == pytest.approx(0.7, abs=0.03)
    assert 100 < (slopes > 0).sum() < 200


def test_scale_by_half_is_the_mean_of_two_by_two(random, images):
    result = corruptions.scale(images[:20], random, factor=(0.5, 0.5))
    expected = np.zeros((20, 28, 28))
    expected[:, 7:21, 7:21] = images[:20].reshape(20, 14, 2, 14, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(result, expected, atol=0.02)


def test_scale_as_it_comes_leaves_the_middle_and_shrinks_the_rest():
    result = corrupt("scale", square(300, side=20))
    np.testing.assert_allclose(centres(result), 0, atol=0.05)
    sides = (result.sum(axis=(1, 2)) / 255) ** 0.5 / 20
    assert sides.min() == pytest.approx(0.55, abs=0.02)
    assert sides.max() == pytest.approx(0.75, abs=0.02)


def test_a_quarter_turn_is_numpys_to_either_side(random, images):
    result = corruptions.rotate(images[:60], random, degrees=(90, 90))
    left, right = (np.rot90(images[:60], turns, axes=(1, 2)) for turns in (1, -1))
    to_left = np.abs(result - left).max(axis=(1, 2)) < 0.1
    to_right = np.abs(result - right).max(axis=(1, 2)) < 0.1
    assert (to_left | to_right).all()
    assert 15 < to_left.sum() < 45


def test_rotate_as_it_comes_turns_by_twenty_to_forty_degrees():
    dots = blank(300)
    dots[:, 13:15, 21:23] = 255  # 8 to the right of the middle
    down, right = centres(corrupt("rotate", dots)).T
    np.testing.assert_allclose(np.hypot(down, right), 8, atol=0.1)
    degrees = np.degrees(np.arctan2(down, right))
    assert np.abs(degrees).min() == pytest.approx(20, abs=1)
    assert np.abs(degrees).max() == pytest.approx(40, abs=1)
    assert 100 < (degrees > 0).sum() < 200


def test_translate_keeps_the_ink_and_goes_to_all_four_corners():
    result = corrupt("translate", square(300))
    np.testing.assert_allclose(result.sum(axis=(1, 2)), 64 * 255, rtol=2e-3)
    moved = centres(result)
    assert np.abs(moved).min() == pytest.approx(2, abs=0.05)
    assert np.abs(moved).max() == pytest.approx(5, abs=0.05)
    corners = np.bincount((moved[:, 0] > 0) * 2 + (moved[:, 1] > 0), minlength=4)
    assert corners.min() > 45


# Light


def test_brightness_adds_one_number_to_all_pixels_of_an_image(images):
    result = corrupt("brightness", images).astype(int)
    added = result.min(axis=(1, 2))  # every digit has black around it
    np.testing.assert_array_equal(result, np.minimum(images + added[:, None, None], 255))
    assert added.min() == pytest.approx(0.4 * 255, abs=2)
    assert added.max() == pytest.approx(0.65 * 255, abs=2)


def test_brightness_never_turns_the_order_of_two_pixels(images):
    order = np.argsort(images.reshape(len(images), -1), axis=1, kind="stable")
    brighter = np.take_along_axis(corrupt("brightness", images).reshape(len(images), -1).astype(int), order, axis=1)
    assert (np.diff(brighter, axis=1) >= 0).all()


def test_fog_dims_all_ink_alike_and_puts_the_same_clouds_over_it():
    clouds, lit = corrupt("fog", blank(200)).astype(int), corrupt("fog", blank(200, 255)).astype(int)
    contrast = lit - clouds
    assert (np.ptp(contrast, axis=(1, 2)) <= 1).all()  # rounding
    assert contrast.min() == pytest.approx(255 / 2.3, abs=2)
    assert contrast.max() == pytest.approx(255 / 1.9, abs=2)
    # Each image's own sky reaches from none to full.
    assert (clouds.min(axis=(1, 2)) == 0).all()
    np.testing.assert_allclose(clouds.max(axis=(1, 2)) + contrast[:, 0, 0], 255, atol=2)


def test_clouds_are_alike_nearby_and_different_far_away():
    clouds = corrupt("fog", blank(300)).astype(float)
    clouds -= clouds.mean(axis=(1, 2), keepdims=True)
    variance = (clouds**2).mean()
    alike = {gap: (clouds[:, :, gap:] * clouds[:, :, :-gap]).mean() / variance for gap in (1, 4, 14)}
    assert alike[1] > 0.9
    assert alike[1] > alike[4] + 0.1 > alike[14] + 0.3
    for gap, value in alike.items():  # they have no direction of their own
        assert (clouds[:, gap:] * clouds[:, :-gap]).mean() / variance == pytest.approx(value, abs=0.05)


# Things that lie over the digit


def test_a_stripe_inverts_seven_columns_and_nothing_else(images):
    result = corrupt("stripe", images)
    inverted = (result == 255 - images).all(axis=1)
    same = (result == images).all(axis=1)
    assert (inverted ^ same).all()
    for row in inverted:
        columns = np.flatnonzero(row)
        assert columns.tolist() == list(range(columns[0], columns[0] + 7))
    first = inverted.argmax(axis=1)
    assert sorted(set(first.tolist())) == list(range(7, 15))  # the middle half: columns 7 to 20


def test_spatter_covers_a_part_with_even_grey_and_leaves_the_rest(images):
    on_black, on_digits = corrupt("spatter", blank(len(images))), corrupt("spatter", images)
    clear = on_black == 0
    np.testing.assert_array_equal(on_digits[clear], images[clear])
    tone = on_black.max(axis=(1, 2), keepdims=True).astype(int)
    assert tone.min() >= 0.5 * 255 - 1
    assert tone.max() <= 0.8 * 255 + 1
    full = on_black == tone
    np.testing.assert_allclose(on_digits[full], np.broadcast_to(tone, full.shape)[full], atol=1)  # rounding
    covered = (on_black > 0.5 * tone).mean(axis=(1, 2))
    assert covered.mean() == pytest.approx(0.136, abs=0.02)  # the normal distribution's part over 1.1
    assert covered.max() < 0.3


def test_drops_are_blobs_not_grains():
    covered = corrupt("spatter", blank(50)) > 60
    drops = [ndimage.label(image, np.ones((3, 3)))[1] for image in covered]
    assert 5 < np.mean(drops) < 25
    assert covered.sum() / np.sum(drops) > 4  # pixels each


@pytest.mark.parametrize("name", ["dotted_line", "zigzag"])
def test_a_line_only_adds_ink_and_the_same_to_every_digit(name, images):
    line = corrupt(name, blank(len(images)))
    np.testing.assert_array_equal(corrupt(name, images), np.maximum(images, line))
    assert (line.max(axis=(1, 2)) > 200).all()


def test_dots_lie_on_a_straight_line_from_edge_to_edge():
    for image in corrupt("dotted_line", blank(100)):
        rows, columns = np.nonzero(image > 100)
        places = np.stack([rows, columns]) - 13.5
        short, _ = np.linalg.eigvalsh(np.cov(places))
        assert short**0.5 < 0.8
        reach = max(np.ptp(rows), np.ptp(columns))
        assert reach >= 15
        _, dots = ndimage.label(image > 100, np.ones((3, 3)))
        length = np.hypot(np.ptp(rows), np.ptp(columns))
        assert dots == pytest.approx(length / 3.5 + 1, abs=1.6)


def test_a_zigzag_is_one_line_that_goes_up_and_down_from_edge_to_edge():
    lines = corrupt("zigzag", blank(100))
    for image in lines:
        ink = image > 60
        labels, parts = ndimage.label(ink, np.ones((3, 3)))
        assert np.bincount(labels[ink]).max() > 0.6 * ink.sum()  # at an edge of the field a tooth may be cut off
        assert parts <= 4
        short, long = np.linalg.eigvalsh(np.cov(np.stack(np.nonzero(ink))))
        assert 0.8 < short**0.5 < 4  # a straight line of this width: 0.4
        assert long > short
    assert (lines > 128).mean(axis=(1, 2)).max() < 0.15


def test_canny_edges_are_white_outlines_whatever_the_seed(images):
    edges = corrupt("canny_edges", images)
    assert set(np.unique(edges)) == {0, 255}
    np.testing.assert_array_equal(edges, corrupt("canny_edges", images, seed=9))
    ring = corrupt("canny_edges", square(1, side=12))[0] > 0
    assert not ring[11:17, 11:17].any()  # hollow
    filled = ndimage.binary_fill_holes(ring)
    assert np.abs(np.argwhere(filled) - 13.5).max() <= 7.5
    assert filled.sum() == pytest.approx(144, rel=0.3)
