"""The session: what advances the values, whoever asks."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mnistry.errors import UsageError
from mnistry.models import backend, networks
from mnistry.models.backend import jax, keras
from mnistry.models.cpu_tracing import compile_program
from mnistry.training import loop, recipes
from mnistry.training.loop import TrainProgress, TrainSession, shuffle


def small_network(*, dropout: float = 0.0, learning_rate: float = 0.01) -> keras.Model:
    return recipes.compile_model(networks.tutorial(seed=5, hidden=16, dropout=dropout), learning_rate=learning_rate)


def convolutional_network() -> keras.Model:
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.Conv2DTranspose(4, 5, strides=3, kernel_initializer=keras.initializers.GlorotUniform(1)),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(10, activation="softmax", kernel_initializer=keras.initializers.GlorotUniform(2)),
        ]
    )
    return recipes.compile_model(model, learning_rate=0.01)


def some_images(n: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(7)
    return random.integers(0, 256, (n, 28, 28), dtype=np.uint8), random.integers(0, 10, n, dtype=np.uint8)


def run(session: TrainSession, epochs: int, *, seed: int = 1) -> list[TrainProgress]:
    return [
        moment
        for epoch in range(1, epochs + 1)
        for moment in session.epoch(shuffle(session.n, seed, epoch), epoch, epochs)
    ]


def test_orders_are_permutations_drawn_from_seed_and_epoch() -> None:
    orders = {(seed, epoch): shuffle(100, seed, epoch) for seed in (0, 1) for epoch in (1, 2)}
    assert all(sorted(order) == list(range(100)) for order in orders.values())
    assert len({order.tobytes() for order in orders.values()}) == 4
    assert np.array_equal(shuffle(100, 1, 2), orders[1, 2])
    assert shuffle(10, 0, 1).tolist() == [9, 1, 3, 8, 7, 6, 0, 4, 2, 5]  # golden: stored runs rely on it


def test_same_seed_same_bits_whatever_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = some_images(300)
    first, second = small_network(dropout=0.5), small_network(dropout=0.5)
    session = TrainSession(first, (x, y), 7)
    run(session, 2)
    session.push()
    monkeypatch.setattr(loop, "SECONDS_PER_DISPATCH", 1e-9)  # one step a dispatch, and someone who looks after each
    monkeypatch.setattr(loop, "FIRST_DISPATCH_STEPS", 1)
    monkeypatch.setattr(loop, "STEPS_PER_SLOW_DISPATCH", 1)
    session = TrainSession(second, (x, y), 7)
    assert len(run(session, 2)) == 2 * 43
    session.push()
    assert all(np.array_equal(a, b) for a, b in zip(first.get_weights(), second.get_weights(), strict=True))


def test_moments_come_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "FIRST_DISPATCH_STEPS", 4)
    x, y = some_images(100)
    seen = run(TrainSession(small_network(), (x, y), 8), 2)
    assert {moment.steps for moment in seen} == {13}
    assert seen[0].step == 4
    assert all(a.epoch < b.epoch or a.step < b.step for a, b in itertools.pairwise(seen))
    assert [moment.epoch for moment in seen if moment.step == 13] == [1, 2]
    assert all(0 <= moment.logs["accuracy"] <= 1 and moment.seconds > 0 for moment in seen)


def test_the_logs_are_means_over_all_images_of_the_epoch() -> None:
    x, y = some_images(50)
    model = small_network(learning_rate=0.0)  # nothing changes: the epoch's loss is the loss of the model
    probabilities = backend.predict(model, x).astype(np.float64)
    last = run(TrainSession(model, (x, y), 16), 2)[-1]
    assert last.logs["loss"] == pytest.approx(-np.log(probabilities[np.arange(50), y]).mean(), rel=1e-5)
    assert last.logs["accuracy"] == pytest.approx((probabilities.argmax(axis=1) == y).mean(), rel=1e-6)


def test_evaluating_changes_nothing() -> None:
    x, y = some_images(90)
    with_evaluation, without = small_network(dropout=0.5), small_network(dropout=0.5)
    watched = TrainSession(with_evaluation, (x, y), 8)
    checked = watched.place((x[:33], y[:33]))
    for epoch in (1, 2):
        for _ in watched.epoch(shuffle(90, 1, epoch), epoch, 2):
            watched.evaluate(checked, 10)
    watched.push()
    plain = TrainSession(without, (x, y), 8)
    run(plain, 2)
    plain.push()
    assert all(np.array_equal(a, b) for a, b in zip(with_evaluation.get_weights(), without.get_weights(), strict=True))


@pytest.mark.parametrize("batch_size", [7, 11, 33, 100])
def test_evaluation_is_that_of_keras(batch_size: int) -> None:
    x, y = some_images(33)
    model = small_network(dropout=0.5)
    session = TrainSession(model, (x, y), 8)
    logs = session.evaluate(session.place((x, y)), batch_size)
    expected = model.evaluate(x, y, batch_size=batch_size, verbose=0, return_dict=True)
    assert logs == pytest.approx(expected, rel=1e-5)


def test_a_snapshot_brings_everything_back() -> None:
    x, y = some_images(64)
    session = TrainSession(small_network(dropout=0.5), (x, y), 8)
    run(session, 1)
    kept = [value.copy() for value in session.snapshot()]
    first = run(session, 1, seed=3)[-1].logs
    session.restore(kept)
    assert all(np.array_equal(a, b) for a, b in zip(session.snapshot(), kept, strict=True))
    assert run(session, 1, seed=3)[-1].logs == first  # dropout's position is part of it


def test_images_without_labels_are_refused() -> None:
    x, y = some_images(16)
    with pytest.raises(UsageError, match=r"must have the same number of images; received \[12, 16\]"):
        run(TrainSession(small_network(), (x, y[:12]), 8), 1)


@pytest.mark.parametrize("network", [small_network, convolutional_network])
def test_programs_are_compiled_with_the_options_of_the_processor(
    network: Callable[[], keras.Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = network()
    model.compile("adam", "sparse_categorical_crossentropy")
    lowered: list[Any] = []

    def compile_noted(program: Any) -> Any:
        lowered.append(program)
        return compile_program(program)

    monkeypatch.setattr(loop, "compile_program", compile_noted)
    run(TrainSession(model, some_images(16), 8), 1)
    assert lowered


def test_a_snapshot_of_another_model_is_refused() -> None:
    x, y = some_images(16)
    other = TrainSession(recipes.compile_model(networks.tutorial(hidden=8), learning_rate=0.01), (x, y), 8)
    with pytest.raises(ValueError, match="another model"):
        TrainSession(small_network(), (x, y), 8).restore(other.snapshot())


def test_convolutions_of_xla_run_step_by_step_on_a_cpu_and_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = some_images(40)
    stepwise, looped = convolutional_network(), convolutional_network()
    dispatches: list[int] = []
    one_step = loop.one_step
    monkeypatch.setattr(loop, "one_step", lambda *a: (dispatches.append(1), one_step(*a))[1])
    session = TrainSession(stepwise, (x[..., None], y), 8)
    run(session, 2)
    session.push()
    assert len(dispatches) == 2  # traced as a loop, where the convolution was seen, and then as a single step
    monkeypatch.setattr(loop, "SLOW_IN_LOOPS_ON_CPU", "no such primitive")
    session = TrainSession(looped, (x[..., None], y), 8)
    run(session, 2)
    session.push()
    for a, b in zip(stepwise.get_weights(), looped.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


# Augmentation


def noisy(key: Any, x: Any, y: Any, step: Any) -> tuple[Any, Any]:
    """Twice as many images, the second half with noise."""
    x = x.astype(np.float32)
    grain = 50 * jax.random.normal(key, x.shape)
    return jax.numpy.concatenate([x, x + grain]), jax.numpy.concatenate([y, y])


def test_with_augmentation_an_epoch_leaves_out_what_fills_no_batch() -> None:
    x, y = some_images(50)
    model = small_network()
    session = TrainSession(model, (x, y), 8, augment=noisy)
    assert session.steps == 6
    assert run(session, 2)[-1].step == 6
    session.push()
    assert int(model.optimizer.iterations) == 12


def test_each_step_has_a_key_of_its_own_that_depends_on_the_steps_before() -> None:
    seen: dict[int, bytes] = {}

    def watched(key: Any, x: Any, y: Any, step: Any) -> tuple[Any, Any]:
        jax.debug.callback(
            lambda words, step: seen.update({int(step): words.tobytes()}), jax.random.key_data(key), step
        )
        return x, y

    x, y = some_images(50)
    session = TrainSession(small_network(), (x, y), 8, augment=watched, seed=4)
    run(session, 1)
    kept = [value.copy() for value in session.snapshot()]
    run(session, 1)
    jax.effects_barrier()
    expected = {step: jax.random.key_data(jax.random.fold_in(jax.random.key(4), step)) for step in range(12)}
    assert seen == {step: np.asarray(words).tobytes() for step, words in expected.items()}
    assert len(set(seen.values())) == 12
    seen.clear()
    session.restore(kept)  # as after a kill
    run(session, 1)
    jax.effects_barrier()
    assert seen == {step: np.asarray(expected[step]).tobytes() for step in range(6, 12)}


def test_what_augmentation_gives_is_what_is_trained_on() -> None:
    x, y = some_images(40)
    model = small_network(learning_rate=0.0)
    expected = -np.log(backend.predict(model, np.full((1, 28, 28), 9, np.uint8))[0, 3])
    watched = model.evaluate(x, y, verbose=0, return_dict=True)
    session = TrainSession(model, (x, y), 8, augment=lambda key, x, y, step: (x * 0 + 9, y * 0 + 3))
    assert run(session, 1)[-1].logs["loss"] == pytest.approx(expected, rel=1e-5)
    assert session.evaluate(session.place((x, y)), 8) == pytest.approx(watched, rel=1e-5)  # as it is


def test_an_augmented_training_goes_on_to_the_same_bits() -> None:
    x, y = some_images(50)
    straight, first, second, other = (
        TrainSession(small_network(dropout=0.5), (x, y), 8, augment=noisy, seed=seed) for seed in (1, 1, 1, 2)
    )
    run(straight, 2)
    for _ in first.epoch(shuffle(50, 1, 1), 1, 2):
        pass
    second.restore([value.copy() for value in first.snapshot()])
    for _ in second.epoch(shuffle(50, 1, 2), 2, 2):
        pass
    assert all(np.array_equal(a, b) for a, b in zip(straight.snapshot(), second.snapshot(), strict=True))
    run(other, 2)
    assert not np.array_equal(straight.snapshot()[0], other.snapshot()[0])


@pytest.mark.parametrize("n", [1, 9, 10, 25])
def test_predictions_do_not_depend_on_how_many_come_at_once(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    x, _ = some_images(n)
    model = small_network(dropout=0.5)
    at_once = backend.predict(model, x)
    monkeypatch.setattr(backend, "PREDICT_CHUNK", 10)
    np.testing.assert_allclose(backend.predict(model, x), at_once, atol=1e-6)
    np.testing.assert_allclose(at_once, model.predict(x, verbose=0), atol=1e-6)
    assert at_once.shape == (n, 10)
    assert at_once.dtype == np.float32


def test_a_program_that_is_compiled_ahead_takes_the_weights_of_the_day() -> None:
    x, _ = some_images(12)
    model = small_network(dropout=0.5)
    predict = backend.Predictor(model)
    program = predict.compile(x)
    before = predict(x)
    model.set_weights([-weights for weights in model.get_weights()])
    assert predict.compile(x) is program
    np.testing.assert_array_equal(predict(x), backend.predict(model, x))
    assert abs(predict(x) - before).max() > 0.01


def test_more_devices_than_there_are() -> None:
    x, y = some_images(16)
    available = len(jax.local_devices())
    with pytest.raises(UsageError, match=f"There are {available} devices of kind cpu; received devices=64"):
        TrainSession(small_network(), (x, y), 8, devices=64)
