"""What is trained on: how many of each kind, with which labels, and what happens to an image on the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mnistry.datasets.loading import Dataset
from mnistry.models.backend import jax
from mnistry.training.augmentation import pipeline
from mnistry.training.augmentation.pipeline import NO_DIGIT
from mnistry.training.augmentation.random_pool import Dice

jnp = jax.numpy

N = 64
SIDE = 28
SPOILT = 0.4

Batch = tuple[np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def compiled() -> Callable[..., Batch]:
    """The whole augmentation for N images; compiled once, as that takes a while."""
    program = jax.jit(lambda key, x, y, excitement: pipeline.augment(key, x, y, part=SPOILT, excitement=excitement))

    def run(seed: int, images: np.ndarray, labels: np.ndarray, excitement: float = 1.0) -> Batch:
        x, y = program(jax.random.key(seed), images, labels.astype(np.int32), excitement)
        return np.asarray(x), np.asarray(y)

    return run


@pytest.fixture(scope="module")
def batch(digits: Dataset) -> Batch:
    return digits.x_train[:N], digits.y_train[:N]


def made(function: Callable[..., Any], n: int, *given: Any, seed: int = 0) -> np.ndarray:
    """What a part of the augmentation gives, with its own dice."""
    draw = jax.jit(lambda key, *given: function(Dice(key, 1000 * n), *given, n))
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
    drawn, negative = round(N * pipeline.DRAWN), round(N * pipeline.NEGATIVE)
    assert x.shape == (N + drawn + negative, SIDE, SIDE)
    assert (x.dtype, y.dtype) == (np.float32, np.int32)
    counts, given = np.bincount(y, minlength=NO_DIGIT + 1), np.bincount(batch[1], minlength=NO_DIGIT)
    assert len(counts) == NO_DIGIT + 1
    assert counts[NO_DIGIT] == negative
    assert (counts[:NO_DIGIT] >= given).all()
    assert (counts[:NO_DIGIT] - given).sum() == drawn


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


@pytest.mark.parametrize("excitement", [0.0, 1.0])
def test_an_image_keeps_its_label_and_only_excitement_spoils_it(excitement, compiled):
    labels = np.arange(N) % 10
    x, y = compiled(0, squares(labels), labels, excitement)
    given = y < NO_DIGIT
    right = np.abs(x[given, 13:15, 13:15].mean(axis=(1, 2)) - brightness(y[given])) < 1
    first = np.flatnonzero(given) < round(len(x) * SPOILT / 10) * 10  # those that are spoilt come first
    assert right[~first].mean() > 0.8  # the others were drawn, and are no squares
    assert (right[first].mean() > 0.8) == (excitement == 0)


def test_all_parts_of_a_batch_are_mixed(compiled, batch):
    _, y = compiled(0, *batch)
    none = np.flatnonzero(y == NO_DIGIT)
    assert np.diff(none).max() <= 3 / pipeline.NEGATIVE
    for half in (y[: len(y) // 2], y[len(y) // 2 :]):
        assert (half == NO_DIGIT).sum() == pytest.approx(len(none) / 2, abs=1)


@pytest.mark.parametrize("n", [1, 8, 33, 100, 256])
def test_batches_of_any_size_have_enough_random_numbers(n):
    shapes = jax.eval_shape(
        lambda key, x, y: pipeline.augment(key, x, y, part=SPOILT),
        jax.random.key(0),
        jax.ShapeDtypeStruct((n, SIDE, SIDE), np.uint8),
        jax.ShapeDtypeStruct((n,), np.int32),
    )
    m = n + round(n * pipeline.DRAWN) + round(n * pipeline.NEGATIVE)
    assert [each.shape for each in shapes] == [(m, SIDE, SIDE), (m,)]


@pytest.mark.parametrize(("epochs", "part"), [(1, 0.0), (2, 0.0), (11, 0.5), (20, 1.0), (80, 1.0)])
def test_short_trainings_see_fewer_spoilt_images(epochs, part, monkeypatch: pytest.MonkeyPatch):
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(pipeline, "augment", lambda *batch, **options: asked.append(options))
    pipeline.for_training(epochs, 100)("key", "images", "labels", 0)
    assert asked[0]["part"] == pytest.approx(pipeline.SPOILT * part)


def test_a_training_grows_calmer_towards_its_end(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pipeline, "augment", lambda *batch, excitement, **_: excitement)
    at = pipeline.for_training(20, 1000)
    excitements = [float(at("key", "images", "labels", step)) for step in (0, 300, 600, 800, 1000, 1100)]
    assert excitements[:3] == pytest.approx([1, 1, 1])
    assert excitements[3:] == pytest.approx([(1 + pipeline.CALM) / 2, pipeline.CALM, pipeline.CALM])


# Bent, thicker, spoilt


def test_without_deviations_nothing_moves(batch, monkeypatch: pytest.MonkeyPatch):
    for name in ("ROTATION", "SHEAR", "SCALE", "ASPECT", "SHIFT", "ELASTIC"):
        monkeypatch.setattr(pipeline, name, 0.0)
    x = batch[0].astype(np.float32) / 255
    np.testing.assert_allclose(made(lambda dice, x, n: pipeline.warped(dice, x), N, x), x, atol=1e-5)


def test_images_are_shifted_turned_and_scaled_by_as_much_as_is_said():
    n = 600
    grid = np.arange(SIDE) - 13.5
    oval = np.exp(-((grid[:, None] / 6) ** 2) - (grid / 3) ** 2).astype(np.float32)
    x = np.broadcast_to(oval, (n, SIDE, SIDE))
    moved = made(lambda dice, x, n: pipeline.warped(dice, x), n, x)
    ink = moved.sum(axis=(1, 2))
    y0, x0 = (np.einsum("nyx,yx->n", moved, place - 13.5) / ink for place in np.indices((SIDE, SIDE)))
    for middle in (y0, x0):
        assert abs(middle.mean()) < 0.25
        assert 0.8 * pipeline.SHIFT < middle.std() < 1.8 * pipeline.SHIFT
    down, right = grid - y0[:, None], grid - x0[:, None]
    yy, xx, yx = (
        np.einsum("nyx,ny,nx->n", moved, *(axis**power for axis, power in zip((down, right), powers, strict=True)))
        / ink
        for powers in ((2, 0), (0, 2), (1, 1))
    )
    turned = 0.5 * np.arctan2(2 * yx, yy - xx)
    assert pipeline.ROTATION < turned.std() < 4 * pipeline.ROTATION  # shear turns an oval too
    assert abs(turned.mean()) < 0.03
    size = np.log(ink / oval.sum()) / 2
    assert 0.7 * pipeline.SCALE < size.std() < 2 * pipeline.SCALE
    assert abs(size.mean()) < 0.03


def test_strokes_become_thicker_or_thinner_by_a_pixel_at_most(batch):
    x = batch[0].astype(np.float32) / 255
    result = made(lambda dice, x, n: pipeline.thickened(dice, x), N, x)
    more, less = pipeline.around(x, jnp.maximum), pipeline.around(x, jnp.minimum)
    assert (result <= more + 1e-6).all()
    assert (result >= less - 1e-6).all()
    grown = (result >= x - 1e-6).all(axis=(1, 2))
    shrunk = (result <= x + 1e-6).all(axis=(1, 2))
    assert (grown | shrunk).all()
    assert 0.3 < grown.mean() < 0.7


def test_each_spoiler_gets_its_share_and_the_rest_is_left_alone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pipeline, "SPOILERS", [lambda dice, x, by=by: x + by for by in (1, 100)])
    x = np.zeros((80, 1, 1), np.float32)
    result = made(lambda dice, x, n: pipeline.spoilt(dice, x, 0.5), 80, x)[:, 0, 0]
    assert result[:4].tolist() == [2, 2, 101, 101]  # a tenth of each share goes through one again
    assert result[4:20].tolist() == [1] * 16
    assert result[20:40].tolist() == [100] * 20
    assert not result[40:].any()
    assert not made(lambda dice, x, n: pipeline.spoilt(dice, x, 0.0), 80, x).any()


def test_excitement_is_the_chance_to_be_spoilt(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pipeline, "SPOILERS", [lambda dice, x: x + 1])
    x = np.zeros((1000, 1, 1), np.float32)
    result = made(lambda dice, x, n: pipeline.spoilt(dice, x, 1.0, 0.25), 1000, x)
    assert result[100:].mean() == pytest.approx(0.25, abs=0.06)


# What is no digit


def test_negatives_are_as_many_as_asked_for_and_all_kinds_are_among_them(batch):
    assert set(pipeline.PARTS) == {"signs", "scribbles", "glued", "cut", "turned"}
    x, labels = (each[:40] for each in batch)
    for n in (0, 3, 25):
        shape = jax.eval_shape(
            lambda key, x, y, n=n: pipeline.negatives(Dice(key, 1000 * (n + 40)), x, y, n),
            jax.random.key(0),
            x.astype(np.float32),
            labels.astype(np.int32),
        )
        assert shape.shape == (n, SIDE, SIDE)
    blanks = [n - sum(round(n * part) for part in pipeline.PARTS.values()) for n in range(2000)]
    assert min(blanks) >= 0
    assert blanks[-1] > 100


def test_turned_digits_are_only_those_that_are_none_then():
    labels = np.arange(200, dtype=np.int32) % 10
    x = np.random.default_rng(0).random((200, SIDE, SIDE), np.float32)
    kinds = set()
    for image in made(pipeline.turned, 60, x, labels):
        mirrored, lying = (x[..., ::-1] == image).all(axis=(1, 2)), (x.swapaxes(1, 2) == image).all(axis=(1, 2))
        assert mirrored.sum() + lying.sum() == 1
        kinds.add(("mirrored", labels[mirrored.argmax()]) if mirrored.any() else ("lying", labels[lying.argmax()]))
    allowed = {("mirrored", each) for each in pipeline.NO_DIGITS_IN_A_MIRROR}
    allowed |= {("lying", each) for each in pipeline.NO_DIGITS_LYING}
    assert kinds == allowed
    assert not {("mirrored", 0), ("mirrored", 1), ("mirrored", 8), ("lying", 0), ("lying", 8)} & allowed


def test_cut_digits_are_a_third_to_a_half_of_one_drawn_large():
    labels = np.arange(400, dtype=np.int32) % 10
    x = squares(labels).astype(np.float32) / 255
    pieces = made(pipeline.cut, 80, x, labels)
    found = set()
    for piece in pieces:
        rows, columns = (np.flatnonzero((piece > 0.5 * piece.max()).any(axis=axis)) for axis in (1, 0))
        tall, wide = len(rows), len(columns)
        assert 19 <= max(tall, wide) <= 21  # fitted into MNIST's box
        assert 5 <= min(tall, wide) <= 11  # of a square of 20 pixels
        if min(tall, wide) < 8:
            assert tall < wide  # it lies, as it might be a 1
        found.add(round(255 * float(piece.max())))
    assert found == set(brightness(np.array(pipeline.NO_DIGITS_LEFT_OF_A_CUT)).tolist())
    assert brightness(np.array([pipeline.ONE]))[0] not in found


def test_glued_digits_stand_side_by_side_in_one_box():
    n = 80
    x = np.zeros((60, SIDE, SIDE), np.float32)
    x[:30, 4:24, 13:15] = 1.0  # bars, the first half brighter
    x[30:, 4:24, 13:15] = 0.6
    result = made(pipeline.glued, n, x, np.ones(60, np.int32))
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
        """How wide over how tall, (n,)."""
        inked = made(pipeline.glued, n, blocks, np.full(40, label, np.int32)) > 0.3
        wide, tall = (inked.any(axis=axis).sum(axis=1) for axis in (1, 2))
        assert (np.abs(wide - 20) <= 2).all()
        return wide / tall

    pieces = shares(8) < 1.75  # a square and at most 0.6 of one; two squares are twice as wide as tall
    assert 0.35 < pieces.mean() < 0.8
    assert (shares(pipeline.ONE) > 1.75).all()


def test_blanks_are_of_four_kinds():
    n = 400
    images = made(lambda dice, n: pipeline.blank(dice, n), n)
    assert images.min() >= 0
    assert images.max() <= 1
    even = np.ptp(images, axis=(1, 2)) == 0
    empty = even & (images[:, 0, 0] == 0)
    round_ = (images == images[:, ::-1]).all(axis=(1, 2)) & (images == images[..., ::-1]).all(axis=(1, 2)) & ~even
    blobs = ~even & ~round_
    for kind in (empty, even & ~empty, round_, blobs):
        assert kind.mean() == pytest.approx(0.25, abs=0.08)
    dots = images[round_] > 0.5
    sizes = [np.ptp(np.flatnonzero(dot.any(axis=0))) + 1 for dot in dots]
    assert min(sizes) < 10
    assert max(sizes) > 15
    assert (images[blobs].std(axis=(1, 2)) > 0.05).all()
