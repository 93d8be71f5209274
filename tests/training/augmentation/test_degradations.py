"""Degradations: each does what its name says, and leaves the rest alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from mnistry.datasets.loading import Dataset
from mnistry.models.backend import jax
from mnistry.training.augmentation import degradations
from mnistry.training.augmentation.degradations import DEGRADATIONS
from mnistry.training.augmentation.random_pool import RandomPool

N = 48
WAYS = [way for way, _ in DEGRADATIONS]
GENTLE = [each for each in WAYS if each not in (degradations.stripe, degradations.outline)]
NUMBERS = 2000 * N  # two of the spoilers take more than a number for each pixel

Spoiler = Callable[[RandomPool, Any], Any]


@pytest.fixture(scope="module")
def images(digits: Dataset) -> np.ndarray:
    """float32 (N, 28, 28), 0 to 1."""
    return digits.x_test[:N].astype(np.float32) / 255


@pytest.fixture(scope="module")
def spoilt(images: np.ndarray) -> Callable[..., np.ndarray]:
    """Runs a spoiler over the images, or over others of the same shape; each is compiled once."""
    compiled: dict[Spoiler, Any] = {}

    def run(spoiler: Spoiler, x: np.ndarray = images, seed: int = 0) -> np.ndarray:
        if spoiler not in compiled:
            compiled[spoiler] = jax.jit(lambda key, x: spoiler(RandomPool(key, NUMBERS), x))
        return np.asarray(compiled[spoiler](jax.random.key(seed), x))

    return run


by_name = pytest.mark.parametrize("spoiler", WAYS, ids=lambda each: each.__name__)


def test_all_of_them_have_a_weight():
    assert [each.__name__ for each in WAYS] == [
        "add_noise", "blur", "shatter", "cross_with_line", "stripe", "fog", "light_unevenly", "spatter", "erase",
        "outline", "rasterize", "rule", "break_strokes",
    ]  # fmt: skip
    assert min(weight for _, weight in DEGRADATIONS) > 0


@by_name
def test_shape_type_and_range_are_kept(spoiler, spoilt, images):
    result = spoilt(spoiler)
    assert result.shape == images.shape
    assert result.dtype == np.float32
    assert np.isfinite(result).all()
    assert result.min() >= -0.01
    assert result.max() <= 2.1  # fog and light overexpose, and are cut off later


@by_name
def test_most_images_are_changed(spoiler, spoilt, images):
    changed = np.abs(spoilt(spoiler) - images).max(axis=(1, 2)) > 0.05
    assert changed.mean() > (
        0.4 if spoiler in (degradations.erase, degradations.break_strokes) else 0.9
    )  # much that is erased was blank before


@pytest.mark.parametrize("spoiler", GENTLE, ids=lambda each: each.__name__)
def test_an_image_is_still_most_like_itself(spoiler, spoilt, images):
    result = spoilt(spoiler)
    flat = [(each - each.mean(axis=(1, 2), keepdims=True)).reshape(N, -1) for each in (result, images)]
    norms = [np.linalg.norm(each, axis=1, keepdims=True) + 1e-9 for each in flat]
    alike = np.abs((flat[0] / norms[0]) @ (flat[1] / norms[1]).T)
    assert (alike.argmax(axis=1) == np.arange(N)).mean() > 0.6


@by_name
def test_chance_is_the_keys_alone(spoiler, spoilt):
    one, same, other = (spoilt(spoiler, seed=seed) for seed in (5, 5, 6))
    assert np.array_equal(one, same)
    assert (np.abs(one - other).max(axis=(1, 2)) > 1e-3).mean() > 0.5


@by_name
def test_each_image_is_spoilt_in_its_own_way(spoiler, spoilt, images):
    result = spoilt(spoiler, np.repeat(images[:1], N, axis=0)).reshape(N, -1)
    assert len(np.unique(result.round(3), axis=0)) > 0.5 * N


def test_noise_stays_in_range_and_is_of_three_kinds(spoilt, images):
    grey = spoilt(degradations.add_noise, np.full_like(images, 0.5))
    assert 0 <= grey.min() <= grey.max() <= 1
    stuck = np.isin(grey, [0, 0.5, 1]).all(axis=(1, 2))
    assert 0.15 < stuck.mean() < 0.55
    assert np.abs(grey.mean(axis=(1, 2)) - 0.5).max() < 0.07
    black = spoilt(degradations.add_noise, np.zeros_like(images))
    assert (black[stuck].max(axis=(1, 2)) == 1).all()


def test_blur_keeps_the_ink_and_spreads_it(spoilt, images):
    inner = np.zeros_like(images)
    inner[:, 4:-4, 4:-4] = images[:, 4:-4, 4:-4]
    result = spoilt(degradations.blur, inner)
    np.testing.assert_allclose(result.sum(axis=(1, 2)), inner.sum(axis=(1, 2)), rtol=1e-4)
    assert (result.max(axis=(1, 2)) <= inner.max(axis=(1, 2)) + 1e-6).all()
    dot = np.zeros_like(images)
    dot[:, 14, 14] = 1
    kernels = spoilt(degradations.blur, dot)
    assert not kernels[:, [0, -1]].any()
    np.testing.assert_allclose(kernels[:, 8:21, 8:21], kernels[:, 20:7:-1, 20:7:-1], atol=1e-6)  # no shift
    spread = np.einsum("nyx,y->n", kernels, (np.arange(28) - 14.0) ** 2)
    assert spread.max() > 4 * spread.min()


def test_glass_takes_each_pixel_from_nearby(spoilt, images):
    result = spoilt(degradations.shatter)
    highest = ndimage.maximum_filter(images, (1, 5, 5), mode="constant")
    lowest = ndimage.minimum_filter(images, (1, 5, 5), mode="constant")
    assert (result <= highest + 1e-6).all()
    assert (result >= lowest - 1e-6).all()


def test_a_line_only_adds_ink_and_little_of_it(spoilt, images):
    assert (spoilt(degradations.cross_with_line) >= images).all()
    alone = spoilt(degradations.cross_with_line, np.zeros_like(images))
    assert 0.5 <= alone.max(axis=(1, 2)).mean() <= 1
    assert 0 < (alone > 0.2).mean() < 0.2


def test_a_stripe_is_a_band_of_the_negative_or_all_but_a_band(spoilt, images):
    result = spoilt(degradations.stripe)
    turned = np.abs(result - images) > 1e-6
    np.testing.assert_allclose(result, np.where(turned, 1 - images, images), atol=1e-6)
    whole = np.zeros_like(images)  # black and nothing else: what is turned is 1
    bands = spoilt(degradations.stripe, whole) == 1
    for band in bands:
        lines = band[0] if (band == band[0]).all() else band[:, 0]
        assert (band == (lines if (band == band[0]).all() else lines[:, None])).all()
        edges = np.flatnonzero(np.diff(lines.astype(int)))
        assert len(edges) <= 2
        if len(edges) == 2:
            assert 2 <= edges[1] - edges[0] <= 16


def test_fog_leaves_a_bright_uneven_ground(spoilt, images):
    ground = spoilt(degradations.fog, np.zeros_like(images))
    assert (ground >= 0).all()
    assert (ground.mean(axis=(1, 2)) > 0.03).all()
    assert (np.ptp(ground, axis=(1, 2)) > 0.02).all()
    result = spoilt(degradations.fog)
    ink, paper = images > 0.7, images == 0
    assert all(a[i].mean() > a[p].mean() + 0.2 for a, i, p in zip(result, ink, paper, strict=True))


def test_light_keeps_the_order_of_greys(spoilt, images):
    ramp = np.broadcast_to(np.linspace(0, 1, 28, dtype=np.float32), images.shape)
    result = spoilt(degradations.light_unevenly, ramp)
    assert (np.diff(result, axis=2) >= -1e-6).all()
    assert (result == result[:, :1]).all()
    assert np.ptp(result[:, 0, 0]) > 0.5  # black paper becomes grey in some
    hard = np.array([len(np.unique(each)) == 2 for each in result])
    assert 0.05 < hard.mean() < 0.45


def test_blots_add_ink_or_take_it_away(spoilt, images):
    change = spoilt(degradations.spatter) - images
    adds, takes = (change >= -1e-6).all(axis=(1, 2)), (change <= 1e-6).all(axis=(1, 2))
    assert (adds | takes).all()
    assert 0.05 < (takes & ~adds).mean() < 0.5


def test_what_is_erased_or_filled_is_a_small_rectangle(spoilt, images):
    result = spoilt(degradations.erase, np.full_like(images, 0.5))
    sizes = []
    for image in result:
        rows, columns = (np.flatnonzero((image != 0.5).any(axis=axis)) for axis in (1, 0))
        inside = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        assert inside.size == (image != 0.5).sum()
        assert len(set(inside.ravel().tolist())) == 1
        assert max(inside.shape) <= 8
        sizes.append(inside.size)
    filled = (result == 1).any(axis=(1, 2))
    assert set(np.unique(result).tolist()) == {0, 0.5, 1}
    assert 0.03 < filled.mean() < 0.45
    assert max(sizes) > 4 * min(sizes)


def test_an_outline_has_edges_and_nothing_within(spoilt, images):
    block = np.zeros_like(images)
    block[:, 8:20, 8:20] = 1
    result = spoilt(degradations.outline, block)
    assert np.abs(result[:, 11:17, 11:17]).max() < 0.01
    assert np.abs(result[:, :5]).max() < 0.01
    inner, outer = result[:, 8, 14] > 0.5, result[:, 7, 14] > 0.5
    assert (inner | outer).all()
    assert (inner & outer).any()
    assert (inner & ~outer).any()
    assert (outer & ~inner).any()


def test_a_raster_is_coarse_and_a_large_block_stays_where_it_is(spoilt, images):
    block = np.zeros_like(images)
    block[:, 6:22, 9:19] = 1
    result = spoilt(degradations.rasterize, block)
    assert (result[:, 10:18, 12:16] > 0.85).all()
    assert result[:, [0, 1, 2, -3, -2, -1]].max() < 0.1
    thin = np.zeros_like(images)
    thin[:, :, 14] = 0.3  # thinner than a cell: black and white shows it whole or not at all
    shown = spoilt(degradations.rasterize, thin).max(axis=(1, 2))
    assert (shown < 0.05).mean() > 0.1


def test_rulings_run_through_the_image_level_or_upright(spoilt, images):
    lines = spoilt(degradations.rule, np.zeros_like(images)) > 0.2
    level = lines.any(axis=2).sum(axis=1) < lines.any(axis=1).sum(axis=1)
    assert 0.55 < level.mean() < 0.95
    whole = np.where(level, lines.any(axis=1).all(axis=1), lines.any(axis=2).all(axis=1))
    assert whole.mean() > 0.8  # some lie at the edge
    assert (spoilt(degradations.rule) >= images).all()


def test_broken_strokes_only_lose_ink_along_lines(spoilt, images):
    assert (spoilt(degradations.break_strokes) <= images + 1e-6).all()
    lost = 1 - spoilt(degradations.break_strokes, np.ones_like(images))
    assert 0.01 < lost.mean() < 0.15
    assert (lost.max(axis=(1, 2)) > 0.9).mean() > 0.4
