from __future__ import annotations

import itertools

import numpy as np
import pytest

from mnistry import loop, models
from mnistry.backend import keras
from mnistry.errors import TrainingError
from mnistry.loop import Moment


def small_network(*, dropout: float = 0.0, learning_rate: float = 0.01) -> keras.Model:
    return models.compile_model(models.tutorial(seed=5, hidden=16, dropout=dropout), learning_rate=learning_rate)


def some_images(n: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(7)
    return random.integers(0, 256, (n, 28, 28), dtype=np.uint8), random.integers(0, 10, n, dtype=np.uint8)


def order_of(seed: int, epoch: int, n: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(n)


@pytest.mark.parametrize("n", [128, 100])  # batches of 32: with and without a last short one
def test_steps_are_those_of_kerass_own_fit(n: int) -> None:
    x, y = some_images(n)
    ours, theirs = small_network(), small_network()
    epochs = loop.fit(ours, x, y, epochs=3, batch_size=32, seed=11)
    losses = []
    for epoch in (1, 2, 3):  # the same order of images, without shuffling
        order = order_of(11, epoch, n)
        history = theirs.fit(x[order], y[order], batch_size=32, epochs=1, shuffle=False, verbose=0)
        losses.append(history.history["loss"][0])
    np.testing.assert_allclose([moment.logs["loss"] for moment in epochs], losses, rtol=2e-5)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-5)
    assert int(ours.optimizer.iterations) == int(theirs.optimizer.iterations) == 3 * -(-n // 32)


def test_every_image_is_trained_on_once_an_epoch() -> None:
    # One step of plain gradient descent on a linear model with one output moves each weight by the mean of what it saw:
    # with one-hot inputs the weights show who was seen, and how often.
    n = 10
    model = keras.Sequential([keras.Input((n,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")])
    model.compile(optimizer=keras.optimizers.SGD(1.0), loss=lambda label, output: -output)
    loop.fit(model, np.eye(n, dtype=np.float32), np.zeros(n, np.int32), epochs=4, batch_size=3, seed=0)
    seen = model.get_weights()[0][:, 0]
    # In a batch of three each image weighs 1/3; the last batch, of one, gives its image 1.
    counts = np.full(n, 4 / 3)
    for epoch in range(1, 5):
        counts[order_of(0, epoch, n)[-1]] += 1 - 1 / 3
    np.testing.assert_allclose(seen, counts, rtol=1e-6)


def test_same_seed_same_bits_whatever_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = some_images(300)
    first, second = small_network(dropout=0.5), small_network(dropout=0.5)
    loop.fit(first, x, y, epochs=2, batch_size=7, seed=1)
    monkeypatch.setattr(loop, "SECONDS_PER_DISPATCH", 1e-9)  # one step a dispatch, and someone who watches each
    monkeypatch.setattr(loop, "FIRST_DISPATCH_STEPS", 1)
    seen: list[Moment] = []
    loop.fit(second, x, y, epochs=2, batch_size=7, seed=1, progress=seen.append)
    assert len(seen) == 2 * 43
    assert all(np.array_equal(a, b) for a, b in zip(first.get_weights(), second.get_weights(), strict=True))


def test_another_seed_gives_another_order() -> None:
    x, y = some_images(300)
    first, second = small_network(), small_network()
    loop.fit(first, x, y, epochs=1, batch_size=10, seed=1)
    loop.fit(second, x, y, epochs=1, batch_size=10, seed=2)
    assert not np.array_equal(first.get_weights()[0], second.get_weights()[0])


def test_dropout_leaves_out_other_units_in_every_step() -> None:
    x, y = some_images(64)
    with_dropout, without = small_network(dropout=0.5), small_network(dropout=0.0)
    a = loop.fit(with_dropout, x, y, epochs=1, batch_size=8, seed=1)
    b = loop.fit(without, x, y, epochs=1, batch_size=8, seed=1)
    assert a[0].logs["loss"] != b[0].logs["loss"]
    assert (
        int(with_dropout.layers[3].seed_generator.state.value[1]) == 8
    )  # the dropout layer's generator: one draw a step


def test_progress_is_told_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "FIRST_DISPATCH_STEPS", 4)
    x, y = some_images(100)
    seen: list[Moment] = []
    history = loop.fit(small_network(), x, y, epochs=2, batch_size=8, seed=0, progress=seen.append)
    assert [moment.steps for moment in seen] == [13] * len(seen)
    assert seen[0].step == 4
    assert all(a.epoch < b.epoch or a.step < b.step for a, b in itertools.pairwise(seen))
    ends = [moment for moment in seen if moment.step == 13]
    assert tuple(ends) == history
    assert all(0 <= moment.logs["accuracy"] <= 1 and moment.seconds > 0 for moment in seen)


def test_the_logs_are_means_over_all_images_of_the_epoch() -> None:
    x, y = some_images(50)
    model = small_network(learning_rate=0.0)  # nothing changes: the epoch's loss is the loss of the model
    probabilities = loop.predict(model, x).astype(np.float64)
    history = loop.fit(model, x, y, epochs=1, batch_size=16, seed=0)
    assert history[0].logs["loss"] == pytest.approx(-np.log(probabilities[np.arange(50), y]).mean(), rel=1e-5)
    assert history[0].logs["accuracy"] == pytest.approx((probabilities.argmax(axis=1) == y).mean(), rel=1e-6)


def test_diverging_is_an_error() -> None:
    x, y = some_images(64)
    model = keras.Sequential([keras.Input((28, 28)), keras.layers.Flatten(), keras.layers.Dense(10)])
    model.compile(
        optimizer=keras.optimizers.SGD(1e38), loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    with pytest.raises(TrainingError, match=r"diverged\. Try a smaller learning rate"):
        loop.fit(model, x, y, epochs=2, batch_size=8, seed=0)


@pytest.mark.parametrize("n", [1, 9, 10, 25])
def test_predictions_do_not_depend_on_how_many_come_at_once(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    x, _ = some_images(n)
    model = small_network(dropout=0.5)
    at_once = loop.predict(model, x)
    monkeypatch.setattr(loop, "PREDICT_CHUNK", 10)
    np.testing.assert_allclose(loop.predict(model, x), at_once, atol=1e-6)
    np.testing.assert_allclose(at_once, model.predict(x, verbose=0), atol=1e-6)
    assert at_once.shape == (n, 10)
    assert at_once.dtype == np.float32
