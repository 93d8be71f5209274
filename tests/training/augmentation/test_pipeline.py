"""The images that a network is trained on: the number of each kind, their labels, and their changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mnistry.datasets.loading import Dataset
from mnistry.models.backend import jax
from mnistry.training.augmentation import geometric, negatives, pipeline
from mnistry.training.augmentation.random_pool import RandomPool
from mnistry.training.augmentation.sampling import dilate, erode

jnp = jax.numpy

N = 64
SIDE = 28
DEGRADED = 0.4
NO_DIGIT = pipeline.CLASSES

Batch = tuple[np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def compiled() -> Callable[..., Batch]:
    """The whole augmentation for N images; compiled once, as that takes a while."""
    program = jax.jit(
        lambda key, x, y, excitement: pipeline.augment(key, x, y, part=DEGRADED, strong_fraction=excitement)
    )

    def run(seed: int, images: np.ndarray, labels: np.ndarray, excitement: float = 1.0) -> Batch:
        x, y = program(jax.random.key(seed), images, labels.astype(np.int32), excitement)
        return np.asarray(x), np.asarray(y)

    return run


@pytest.fixture(scope="module")
def batch(digits: Dataset) -> Batch:
    return digits.x_train[:N], digits.y_train[:N]


def made(function: Callable[..., Any], n: int, *given: Any, seed: int = 0) -> np.ndarray:
    """The output of a part of the augmentation, with random numbers of its own."""
    draw = jax.jit(lambda key, *given: function(RandomPool(key, 1000 * n), *given, n))
    return np.asarray(draw(jax.random.key(seed), *given))


def squares(labels: np.ndarray) -> np.ndarray:
    """Images with a filled square whose brightness tells the label: uint8 (n, 28, 28)."""
    images = np.zeros((len(labels), SIDE, SIDE), np.uint8)
    images[:, 4:24, 4:24] = brightness(labels)[:, None, None]
    return images


def brightness(labels: np.ndarray) -> np.ndarray:
    return (60 + 20 * labels).astype(np.uint8)  # all of it counts as ink


# The whole


def test_a_batch_comes_back_larger_with_labels_counted_exactly(compiled, batch):
    x, y = compiled(0, *batch)
    drawn, negative = round(N * pipeline.MOST_DRAWN), round(N * pipeline.MOST_NEGATIVE)
    assert x.shape == (N + drawn + negative, SIDE, SIDE)
    assert (x.dtype, y.dtype) == (np.float32, np.int32)
    counts, given = np.bincount(y, minlength=NO_DIGIT + 1), np.bincount(batch[1], minlength=NO_DIGIT)
    assert len(counts) == NO_DIGIT + 1
    assert counts[NO_DIGIT] == negative
    assert (counts[:NO_DIGIT] >= given).all()
    assert (counts[:NO_DIGIT] - given).sum() == drawn


def test_the_mask_finds_what_was_drawn(compiled, batch):
    labels = np.full(N, 3)
    _, y = compiled(0, batch[0], labels)
    mask = pipeline.drawn_mask(N, pipeline.LONG)
    drawn, negative = round(N * pipeline.MOST_DRAWN), round(N * pipeline.MOST_NEGATIVE)
    assert mask.shape == y.shape
    assert mask.dtype == bool
    assert (y[mask] != NO_DIGIT).sum() == drawn
    assert len(set(y[mask & (y != NO_DIGIT)].tolist())) > 3
    assert (y[~mask & (y != NO_DIGIT)] == 3).all()
    signs = sum(negatives.sizes(negative)[name] for name in ("signs", "characters", "scribbles"))
    assert (y[mask] == NO_DIGIT).sum() == signs
    assert 0 < signs < negative


def test_values_are_those_of_images(compiled, batch):
    for seed in range(3):
        x, _ = compiled(seed, *batch)
        assert np.isfinite(x).all()
        assert x.min() == 0
        assert x.max() == 255
        assert (x.max(axis=(1, 2)) > 60).mean() > 0.95  # all but some of the blanks


def test_everything_depends_on_the_key(compiled, batch):
    one, same, other = (compiled(seed, *batch) for seed in (7, 7, 8))
    assert np.array_equal(one[0], same[0])
    assert np.array_equal(one[1], same[1])
    assert (np.abs(one[0] - other[0]).max(axis=(1, 2)) > 10).mean() > 0.98
    assert not np.array_equal(one[1], other[1])  # other digits are drawn


def test_an_image_keeps_its_label_and_only_excitement_degrades_it(compiled):
    labels = np.arange(N) % 10
    whole = {}
    for strong_fraction in (0.0, 1.0):
        x, y = compiled(0, squares(labels), labels, strong_fraction)
        given = np.flatnonzero(y < NO_DIGIT)
        right = np.abs(x[given, 13:15, 13:15].mean(axis=(1, 2)) - brightness(y[given])) < 1
        first = given < round(len(x) * DEGRADED)  # those that are degraded come first
        whole[strong_fraction] = right[first].mean(), right[~first].mean()
    assert min(whole[0.0][0], whole[0.0][1], whole[1.0][1]) > 0.55  # the others were drawn, and are not squares
    assert whole[1.0][0] < whole[0.0][0] - 0.15


def test_all_parts_of_a_batch_are_mixed(compiled, batch):
    _, y = compiled(0, *batch)
    none = np.flatnonzero(y == NO_DIGIT)
    assert np.diff(none).max() <= 3 / pipeline.MOST_NEGATIVE
    for half in (y[: len(y) // 2], y[len(y) // 2 :]):
        assert (half == NO_DIGIT).sum() == pytest.approx(len(none) / 2, abs=1)


@pytest.mark.parametrize("n", [1, 8, 33, 100, 256])
def test_batches_of_any_size_have_enough_random_numbers(n):
    shapes = jax.eval_shape(
        lambda key, x, y: pipeline.augment(key, x, y, part=DEGRADED),
        jax.random.key(0),
        jax.ShapeDtypeStruct((n, SIDE, SIDE), np.uint8),
        jax.ShapeDtypeStruct((n,), np.int32),
    )
    m = n + round(n * pipeline.MOST_DRAWN) + round(n * pipeline.MOST_NEGATIVE)
    assert [each.shape for each in shapes] == [(m, SIDE, SIDE), (m,)]


@pytest.mark.parametrize(("epochs", "part"), [(1, 0.0), (2, 0.0), (11, 0.5), (20, 1.0), (80, 1.0)])
def test_short_trainings_see_fewer_spoilt_images(epochs, part, monkeypatch: pytest.MonkeyPatch):
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(pipeline, "augment", lambda *batch, **options: asked.append(options))
    pipeline.make_augmenter(epochs, 100)("key", "images", "labels", 0)
    assert asked[0]["part"] == pytest.approx(pipeline.DEGRADED * part)


def test_a_training_grows_calmer_towards_its_end(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pipeline, "augment", lambda *batch, strong_fraction, **_: strong_fraction)
    at = pipeline.make_augmenter(20, 1000)
    excitements = [float(at("key", "images", "labels", step)) for step in (0, 300, 600, 800, 1000, 1100)]
    assert excitements[:3] == pytest.approx([1, 1, 1])
    assert excitements[3:] == pytest.approx([(1 + pipeline.CALM) / 2, pipeline.CALM, pipeline.CALM])


# Bent, thicker, spoilt


def test_without_deviations_nothing_moves(batch, monkeypatch: pytest.MonkeyPatch):
    for name in ("ROTATION", "SHEAR", "SCALE", "ASPECT", "SHIFT", "ELASTIC", "STRETCH", "SLANT"):
        monkeypatch.setattr(geometric, name, 0.0)
    x = batch[0].astype(np.float32) / 255
    np.testing.assert_allclose(made(lambda pool, x, n: geometric.warp(pool, x), N, x), x, atol=1e-5)


def test_images_are_shifted_turned_and_scaled_by_as_much_as_is_said(monkeypatch: pytest.MonkeyPatch):
    for name in ("STRETCHED", "SLANTED"):
        monkeypatch.setattr(geometric, name, 0.0)
    n = 600
    grid = np.arange(SIDE) - 13.5
    oval = np.exp(-((grid[:, None] / 6) ** 2) - (grid / 3) ** 2).astype(np.float32)
    x = np.broadcast_to(oval, (n, SIDE, SIDE))
    moved = made(lambda pool, x, n: geometric.warp(pool, x), n, x)
    ink = moved.sum(axis=(1, 2))
    y0, x0 = (np.einsum("nyx,yx->n", moved, place - 13.5) / ink for place in np.indices((SIDE, SIDE)))
    for middle in (y0, x0):
        assert abs(middle.mean()) < 0.25
        assert 0.8 * geometric.SHIFT < middle.std() < 1.8 * geometric.SHIFT
    down, right = grid - y0[:, None], grid - x0[:, None]
    yy, xx, yx = (
        np.einsum("nyx,ny,nx->n", moved, *(axis**power for axis, power in zip((down, right), powers, strict=True)))
        / ink
        for powers in ((2, 0), (0, 2), (1, 1))
    )
    turned = 0.5 * np.arctan2(2 * yx, yy - xx)
    assert geometric.ROTATION < turned.std() < 4 * geometric.ROTATION  # shear turns an oval too
    assert abs(turned.mean()) < 0.03
    size = np.log(ink / oval.sum()) / 2
    assert 0.7 * geometric.SCALE < size.std() < 2 * geometric.SCALE
    assert abs(size.mean()) < 0.03


def test_strokes_become_thicker_or_thinner_by_a_pixel_at_most(batch):
    x = batch[0].astype(np.float32) / 255
    result = made(lambda pool, x, n: geometric.change_thickness(pool, x), N, x)
    more, less = dilate(dilate(x)), erode(x)
    assert (result <= more + 1e-6).all()
    assert (result >= less - 1e-6).all()
    grown = (result >= x - 1e-6).all(axis=(1, 2))
    shrunk = (result <= x + 1e-6).all(axis=(1, 2))
    assert (grown | shrunk).all()
    assert 0.3 < grown.mean() < 0.7


def test_each_spoiler_gets_its_share_and_the_rest_is_left_alone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pipeline, "DEGRADATIONS", [(lambda pool, x, by=by: x + by, 1) for by in (1, 100)])
    x = np.zeros((80, 1, 1), np.float32)
    result = made(lambda pool, x, n: pipeline.degrade(pool, x, 0.5), 80, x)[:, 0, 0]
    assert result[:4].tolist() == [2, 2, 101, 101]  # a tenth of each share goes through one again
    assert result[4:20].tolist() == [1] * 16
    assert result[20:40].tolist() == [100] * 20
    assert not result[40:].any()
    assert not made(lambda pool, x, n: pipeline.degrade(pool, x, 0.0), 80, x).any()


def test_excitement_is_the_chance_to_be_spoilt(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pipeline, "DEGRADATIONS", [(lambda pool, x: x + 1, 1)])
    x = np.zeros((1000, 1, 1), np.float32)
    result = made(lambda pool, x, n: pipeline.degrade(pool, x, 1.0, 0.25), 1000, x)
    assert result[100:].mean() == pytest.approx(0.25, abs=0.06)


# Negatives


def test_negatives_are_as_many_as_asked_for_and_all_kinds_are_among_them(batch):
    assert set(negatives.PARTS) == {"signs", "characters", "scribbles", "glued", "cut", "turned"}
    x, labels = (each[:40] for each in batch)

    def both(key, x, y, n):
        pool = RandomPool(key, 1000 * (n + 40))
        return negatives.negative_strokes(pool, n), negatives.negative_images(pool, x, y, n)

    for n in (0, 3, 25):
        lines, images = jax.eval_shape(
            lambda key, x, y, n=n: both(key, x, y, n), jax.random.key(0), x.astype(np.float32), labels.astype(np.int32)
        )
        assert sum(len(each) for each in lines) + len(images) == n
    blanks = [n - sum(negatives.sizes(n).values()) for n in range(2000)]
    assert min(blanks) >= 0
    assert blanks[-1] > 100


def test_turned_digits_are_only_those_that_are_none_then():
    labels = np.arange(200, dtype=np.int32) % 10
    x = np.random.default_rng(0).random((200, SIDE, SIDE), np.float32)
    kinds = set()
    for image in made(negatives.turn, 60, x, labels):
        mirrored, lying = (x[..., ::-1] == image).all(axis=(1, 2)), (x.swapaxes(1, 2) == image).all(axis=(1, 2))
        assert mirrored.sum() + lying.sum() == 1
        kinds.add(("mirrored", labels[mirrored.argmax()]) if mirrored.any() else ("lying", labels[lying.argmax()]))
    allowed = {("mirrored", each) for each in negatives.NO_DIGITS_IN_A_MIRROR}
    allowed |= {("lying", each) for each in negatives.NO_DIGITS_LYING}
    assert kinds == allowed
    assert not {("mirrored", 0), ("mirrored", 1), ("mirrored", 8), ("lying", 0), ("lying", 8)} & allowed


def test_cut_digits_are_a_third_to_a_half_of_one_drawn_large():
    labels = np.arange(400, dtype=np.int32) % 10
    x = squares(labels).astype(np.float32) / 255
    pieces = made(negatives.cut, 80, x, labels)
    found = set()
    for piece in pieces:
        rows, columns = (np.flatnonzero((piece > 0.5 * piece.max()).any(axis=axis)) for axis in (1, 0))
        tall, wide = len(rows), len(columns)
        assert 19 <= max(tall, wide) <= 21  # fitted into MNIST's box
        assert 5 <= min(tall, wide) <= 11  # of a square of 20 pixels
        if min(tall, wide) < 8:
            assert tall < wide  # it lies, as it might be a 1
        found.add(round(255 * float(piece.max())))
    assert found == set(brightness(np.array(negatives.NO_DIGITS_LEFT_OF_A_CUT)).tolist())
    assert brightness(np.array([negatives.ONE]))[0] not in found


def test_glued_digits_stand_side_by_side_in_one_box():
    n = 80
    x = np.zeros((60, SIDE, SIDE), np.float32)
    x[:30, 4:24, 13:15] = 1.0  # bars, the first half brighter
    x[30:, 4:24, 13:15] = 0.6
    result = made(negatives.glue, n, x, np.ones(60, np.int32))
    assert result.max() <= 1
    alike, both = 0, 0
    for image in result:
        rows, columns = (np.flatnonzero((image > 0.2).any(axis=axis)) for axis in (1, 0))
        assert 19 <= np.ptp(rows) + 1 <= 22  # two bars are taller than wide
        assert abs((rows[0] + rows[-1]) / 2 - 13.5) <= 1
        assert abs((columns[0] + columns[-1]) / 2 - 13.5) <= 1
        assert 3 <= np.ptp(columns) + 1 <= 10
        both += np.ptp(np.diff(columns)) > 0 or len(columns) > 5
        across = image[14, columns]
        alike += np.ptp(across[across > 0.5]) < 0.05
    assert both > 0.5 * n  # most have a gap
    assert 0 < alike < n  # of two different brightnesses, or of one


def test_a_piece_is_glued_on_unless_it_is_of_a_1():
    n = 60
    blocks = squares(np.full(40, 9)).astype(np.float32) / 255

    def shares(label: int) -> np.ndarray:
        """Width over height, (n,)."""
        inked = made(negatives.glue, n, blocks, np.full(40, label, np.int32)) > 0.3
        wide, tall = (inked.any(axis=axis).sum(axis=1) for axis in (1, 2))
        assert (np.abs(wide - 20) <= 2).all()
        return wide / tall

    pieces = shares(8) < 1.75  # a square and at most 0.6 of one; two squares are twice as wide as tall
    assert 0.35 < pieces.mean() < 0.8
    assert (shares(negatives.ONE) > 1.75).all()


def test_blanks_are_of_four_kinds():
    n = 400
    images = made(lambda pool, n: negatives.blank(pool, n), n)
    assert images.min() >= 0
    assert images.max() <= 1
    even = np.ptp(images, axis=(1, 2)) == 0
    empty = even & (images[:, 0, 0] == 0)
    turned = images[:, ::-1, ::-1]
    gratings = (np.abs(images - turned).max(axis=(1, 2)) < 1e-4) & ~even
    for kind in (empty, even & ~empty, gratings, ~even & ~gratings):
        assert kind.mean() == pytest.approx(0.25, abs=0.08)
    assert (images[~even].std(axis=(1, 2)) > 0.05).all()


def test_a_piece_of_a_neighbour_stands_beside_a_few_digits():
    n = 400
    x = squares(np.full(n, 9)).astype(np.float32) / 240
    x[: n // 2, :, 10:] = 0  # bars, whose longer side does not change
    result = np.asarray(jax.jit(lambda key, x: pipeline.put_beside(RandomPool(key, 9000), x))(jax.random.key(0), x))
    count = round(n * pipeline.BESIDE)
    assert np.array_equal(result[count:], x[count:])
    for image in result[:count]:
        columns = np.flatnonzero((image > 0.1).any(axis=0))
        assert 7 <= np.ptp(columns) + 1 <= 15  # six columns, a gap of up to four, and a piece of up to four


def test_other_classes_get_no_digits_and_no_pieces_of_digits(batch):
    x, y = (each[:32] for each in batch)
    made_ = jax.jit(lambda key, x, y: pipeline.augment(key, x, y, classes=26, digits=False))
    images, labels = made_(jax.random.key(0), x, y.astype(np.int32))
    labels = np.asarray(labels)
    negative = round(32 * pipeline.MOST_NEGATIVE)
    assert images.shape == (32 + negative, SIDE, SIDE)
    assert (labels == 26).sum() == negative
    assert np.array_equal(np.sort(labels[labels < 26]), np.sort(y))


@pytest.mark.parametrize(("epochs", "length"), [(2, 0.0), (10, 0.0), (35, 0.5), (60, 1.0), (200, 1.0)])
def test_short_trainings_draw_less(epochs, length, monkeypatch: pytest.MonkeyPatch):
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(pipeline, "augment", lambda *batch, **options: asked.append(options))
    pipeline.make_augmenter(epochs, 100)("key", "images", "labels", 0)
    assert asked[0]["length"] == pytest.approx(length)


def test_a_stretched_image_keeps_its_longer_side(monkeypatch: pytest.MonkeyPatch):
    for name in ("ROTATION", "SHEAR", "SCALE", "ASPECT", "SHIFT", "ELASTIC", "SLANT"):
        monkeypatch.setattr(geometric, name, 0.0)
    monkeypatch.setattr(geometric, "STRETCHED", 1.0)
    x = np.zeros((200, SIDE, SIDE), np.float32)
    x[:, 4:24, 8:20] = 1
    result = made(lambda pool, x, n: geometric.warp(pool, x), 200, x) > 0.5
    tall, wide = result.any(axis=2).sum(axis=1), result.any(axis=1).sum(axis=1)
    assert (np.abs(np.maximum(tall, wide) - 20) <= 1).all()
    assert wide.min() <= 8
    assert (wide / tall).max() >= 1.0


def test_varied_images_are_as_many_and_still_themselves(batch):
    x = batch[0]
    result = np.asarray(jax.jit(pipeline.vary)(jax.random.key(0), x))
    assert result.shape == x.shape
    assert 0 <= result.min() <= result.max() <= 255
    flat = [each.reshape(N, -1) - each.reshape(N, -1).mean(axis=1, keepdims=True) for each in (result, x.astype(float))]
    flat = [each / (np.linalg.norm(each, axis=1, keepdims=True) + 1e-9) for each in flat]
    assert ((flat[0] @ flat[1].T).argmax(axis=1) == np.arange(N)).mean() > 0.6


def test_drawn_digits_have_all_labels():
    images, labels = jax.jit(pipeline.drawn_digits, static_argnums=1)(jax.random.key(0), 200)
    assert images.shape == (200, SIDE, SIDE)
    assert 200 < np.asarray(images).max() <= 255
    assert sorted(set(np.asarray(labels).tolist())) == list(range(10))
