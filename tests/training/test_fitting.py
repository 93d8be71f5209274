"""`fit` against Keras's own: same batches, same numbers, same behaviour."""

from __future__ import annotations

import csv
import inspect
import os
import re
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas
import pytest
from jax.experimental import sparse as jax_sparse
from scipy import sparse

from mnistry.errors import UsageError
from mnistry.models import backend, networks
from mnistry.models.backend import keras
from mnistry.training import loop, recipes
from mnistry.training.fitting import fit

Images = tuple[np.ndarray, np.ndarray]


def lesson_network() -> keras.Model:
    return recipes.compile_model(networks.tutorial(seed=5, hidden=16, dropout=0.0), learning_rate=0.01)


def normalised_network() -> keras.Model:
    """A small convolutional network with batch normalisation, without dropout."""
    glorot = keras.initializers.GlorotUniform
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(4, 5, strides=3, use_bias=False, kernel_initializer=glorot(1)),
            keras.layers.BatchNormalization(),
            keras.layers.Activation("relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(10, activation="softmax", kernel_initializer=glorot(2)),
        ]
    )
    return recipes.compile_model(model, learning_rate=0.01)


NETWORKS: list[Callable[[], keras.Model]] = [lesson_network, normalised_network]


@pytest.fixture(scope="module")
def images() -> Images:
    random = np.random.default_rng(7)
    return random.integers(0, 256, (100, 28, 28, 1), dtype=np.uint8), random.integers(0, 10, 100, dtype=np.uint8)


def inputs_of(model: keras.Model, x: np.ndarray) -> np.ndarray:
    return x.reshape(-1, *model.input_shape[1:])


WEIGHTS = 1e-4  # Adam divides a gradient by its own size: one that is nothing but rounding moves a weight too


def assert_same(ours: keras.Model, theirs: keras.Model, *, atol: float = 2e-5) -> None:
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=max(atol, WEIGHTS))
    for a, b in zip(ours.optimizer.variables, theirs.optimizer.variables, strict=True):
        np.testing.assert_allclose(np.asarray(a.value), np.asarray(b.value), atol=atol)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("batch_size", [25, 32])  # without and with a last short batch
def test_losses_and_weights_are_those_of_keras(
    network: Callable[[], keras.Model], batch_size: int, images: Images
) -> None:
    x, y = images
    ours, theirs = network(), network()
    settings = {"epochs": 3, "batch_size": batch_size, "shuffle": False}
    here = fit(ours, inputs_of(ours, x), y, validation=(inputs_of(ours, x[:30]), y[:30]), **settings).history
    there = theirs.fit(
        inputs_of(ours, x), y, validation_data=(inputs_of(ours, x[:30]), y[:30]), verbose=0, **settings
    ).history
    assert list(here) == list(there)
    for name, values in there.items():
        np.testing.assert_allclose(here[name], values, rtol=1e-4, err_msg=name)
    assert_same(ours, theirs)


def test_shuffled_batches_are_those_of_the_drawn_order(images: Images) -> None:
    x, y = images[0][..., 0], images[1]
    ours, theirs = lesson_network(), lesson_network()
    history = fit(ours, x, y, epochs=3, batch_size=32, seed=11).history
    losses = []
    for steps_before in (0, 4, 8):
        order = loop.shuffle(100, 11, steps_before)
        losses += theirs.fit(x[order], y[order], batch_size=32, shuffle=False, verbose=0).history["loss"]
    np.testing.assert_allclose(history["loss"], losses, rtol=2e-5)
    assert_same(ours, theirs)


def test_every_image_is_trained_on_once_an_epoch() -> None:
    # Plain gradient descent on one linear output that is to grow: each image moves its own weight by its share of the
    # batch. In a batch of three that is 1/3; the last batch, of one, gives its image 1.
    n = 10
    model = keras.Sequential([keras.Input((n,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")])
    model.compile(optimizer=keras.optimizers.SGD(1.0), loss=lambda label, output: -output)
    fit(model, np.eye(n, dtype=np.float32), np.zeros(n, np.int32), epochs=4, batch_size=3, seed=0)
    expected = np.full(n, 4 / 3)
    for steps_before in (0, 4, 8, 12):
        expected[loop.shuffle(n, 0, steps_before)[-1]] += 1 - 1 / 3
    np.testing.assert_allclose(model.get_weights()[0][:, 0], expected, rtol=1e-6)


def test_seeds_decide(images: Images) -> None:
    x, y = images[0][..., 0], images[1]
    weights = []
    for seed in (1, 1, 2):
        model = lesson_network()
        fit(model, x, y, epochs=1, batch_size=10, seed=seed)
        weights.append(model.get_weights()[0])
    assert np.array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])


def test_dropout_leaves_out_other_units_in_every_step(images: Images) -> None:
    x, y = images[0][..., 0], images[1]
    model = recipes.compile_model(networks.tutorial(seed=5, hidden=16, dropout=0.5), learning_rate=0.01)
    fit(model, x, y, epochs=2, batch_size=10)
    (generator,) = [layer.seed_generator for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    assert int(generator.state.value[1]) == 20  # one draw a step


OPTIMIZERS = {
    "sgd by name": lambda: "sgd",
    "momentum and decay": lambda: keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True, weight_decay=1e-3),
    "schedule": lambda: keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.01, 12, warmup_steps=3)),
    "clipped": lambda: keras.optimizers.RMSprop(0.001, global_clipnorm=0.1),
    "averaged": lambda: keras.optimizers.AdamW(0.01, use_ema=True, ema_momentum=0.5),
    "accumulated": lambda: keras.optimizers.Adam(0.01, gradient_accumulation_steps=2),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_any_optimizer(name: str, images: Images) -> None:
    x, y = images[0][..., 0], images[1]
    ours, theirs = lesson_network(), lesson_network()
    for model in (ours, theirs):
        model.compile(OPTIMIZERS[name](), "sparse_categorical_crossentropy", metrics=["accuracy"])
    here = fit(ours, x, y, epochs=2, batch_size=25, shuffle=False).history
    there = theirs.fit(x, y, epochs=2, batch_size=25, shuffle=False, verbose=0).history
    np.testing.assert_allclose(here["loss"], there["loss"], rtol=1e-4)
    assert_same(ours, theirs, atol=1e-4)


def test_one_hot_labels_objects_and_several_metrics(images: Images) -> None:
    x, y = images[0][..., 0], np.eye(10, dtype=np.float32)[images[1]]
    ours, theirs = lesson_network(), lesson_network()
    for model in (ours, theirs):
        model.compile(
            keras.optimizers.Adam(0.01),
            keras.losses.CategoricalCrossentropy(label_smoothing=0.1),
            metrics=[
                keras.metrics.CategoricalAccuracy(name="right"),
                keras.metrics.AUC(num_thresholds=20, name="auc"),
                "mae",
            ],
            weighted_metrics=["mse"],
        )
    here = fit(ours, x, y, epochs=2, batch_size=32, shuffle=False).history
    there = theirs.fit(x, y, epochs=2, batch_size=32, shuffle=False, verbose=0).history
    assert set(here) == set(there) == {"loss", "right", "auc", "mae", "mse"}
    for name, values in there.items():
        np.testing.assert_allclose(here[name], values, rtol=1e-4, err_msg=name)


@pytest.mark.parametrize("kind", ["sample", "class", "class of one-hot"])
def test_weights_of_samples_and_classes(kind: str, images: Images) -> None:
    x, y = images[0][..., 0], images[1]
    ours, theirs = lesson_network(), lesson_network()
    labels = y
    if kind == "class of one-hot":
        labels = np.eye(10, dtype=np.float32)[y]
        for model in (ours, theirs):
            model.compile("adam", "categorical_crossentropy", weighted_metrics=["accuracy"])
    if kind == "sample":
        weights = {"sample_weight": np.random.default_rng(1).uniform(0, 2, 100)}
    else:
        weights = {"class_weight": {0: 0.0, 3: 5.0, 7: 0.5}}
    here = fit(ours, x, labels, epochs=2, batch_size=32, shuffle=False, **weights).history
    there = theirs.fit(x, labels, epochs=2, batch_size=32, shuffle=False, verbose=0, **weights).history
    np.testing.assert_allclose(here["loss"], there["loss"], rtol=1e-4)
    assert_same(ours, theirs)


def test_weighted_validation(images: Images) -> None:
    x, y = images[0][..., 0], images[1]
    checked = (x[:40], y[:40], np.linspace(0, 2, 40))
    ours, theirs = lesson_network(), lesson_network()
    here = fit(ours, x, y, batch_size=25, shuffle=False, validation=checked).history
    there = theirs.fit(x, y, batch_size=25, shuffle=False, validation_data=checked, verbose=0).history
    assert here["val_loss"] == pytest.approx(there["val_loss"], rel=1e-5)


def test_several_inputs_and_outputs(images: Images) -> None:
    x, y = images[0][..., 0], images[1]

    def network() -> keras.Model:
        pixels, number = keras.Input((28, 28), name="pixels"), keras.Input((1,), dtype="int32", name="number")
        table = keras.layers.Embedding(4, 3, embeddings_initializer="ones")(number)
        flat = keras.layers.Concatenate()([keras.layers.Flatten()(pixels), keras.layers.Flatten()(table)])
        outputs = {
            "digit": keras.layers.Dense(10, "softmax", kernel_initializer="zeros", name="digit")(flat),
            "odd": keras.layers.Dense(1, "sigmoid", kernel_initializer="zeros", name="odd")(flat),
        }
        model = keras.Model({"pixels": pixels, "number": number}, outputs)
        model.compile("sgd", {"digit": "sparse_categorical_crossentropy", "odd": "binary_crossentropy"})
        return model

    inputs = {"pixels": (x / 255).astype(np.float32), "number": (y % 4).astype(np.int32)[:, None]}
    labels = {"digit": y, "odd": (y % 2).astype(np.float32)[:, None]}
    ours, theirs = network(), network()
    here = fit(ours, inputs, labels, epochs=2, batch_size=32, shuffle=False).history
    there = theirs.fit(inputs, labels, epochs=2, batch_size=32, shuffle=False, verbose=0).history
    np.testing.assert_allclose(here["loss"], there["loss"], rtol=1e-5)
    assert_same(ours, theirs)


def test_a_subclassed_model_with_its_own_train_step(images: Images) -> None:
    x, y = images[0][..., 0], images[1]

    class Halved(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.body = networks.tutorial(seed=5, hidden=16, dropout=0.0)

        def call(self, inputs):
            return self.body(inputs)

        def compute_loss(self, *args, **kwargs):
            return super().compute_loss(*args, **kwargs) / 2

    ours, theirs = Halved(), Halved()
    for model in (ours, theirs):
        recipes.compile_model(model, learning_rate=0.01)
    here = fit(ours, x, y, epochs=2, batch_size=32, shuffle=False).history
    there = theirs.fit(x, y, epochs=2, batch_size=32, shuffle=False, verbose=0).history
    np.testing.assert_allclose(here["loss"], there["loss"], rtol=1e-5)


def test_fitting_goes_on_where_it_stopped(images: Images) -> None:
    x, y = images[0][..., 0], images[1]
    at_once, in_parts = (
        recipes.compile_model(networks.tutorial(seed=5, hidden=16, dropout=0.5), learning_rate=0.01) for _ in range(2)
    )
    fit(at_once, x, y, epochs=4, batch_size=8, seed=2)
    fit(in_parts, x, y, epochs=1, batch_size=8, seed=2)
    history = fit(in_parts, x, y, epochs=4, initial_epoch=1, batch_size=8, seed=2)
    assert history.epoch == [1, 2, 3]
    assert all(np.array_equal(a, b) for a, b in zip(at_once.get_weights(), in_parts.get_weights(), strict=True))


def test_early_stopping_restores_the_best_weights(images: Images) -> None:
    x, y = images[0][..., 0], images[1]
    seen: list[list[np.ndarray]] = []
    keeper = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: seen.append(model.get_weights()))
    model = lesson_network()
    stopper = keras.callbacks.EarlyStopping("val_loss", patience=2, restore_best_weights=True)
    history = fit(
        model, x[:50], y[:50], epochs=60, batch_size=8, validation=(x[50:], y[50:]), callbacks=[keeper, stopper]
    )
    losses = history.history["val_loss"]
    best = int(np.argmin(losses))
    assert len(losses) == best + 3 < 60
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), seen[best], strict=True))


def test_model_checkpoint_saves_the_epochs_weights(images: Images, tmp_path: Path) -> None:
    x, y = images[0][..., 0], images[1]
    model, half = lesson_network(), lesson_network()
    saver = keras.callbacks.ModelCheckpoint(str(tmp_path / "{epoch}.keras"))
    fit(model, x, y, epochs=2, batch_size=8, callbacks=[saver])
    fit(half, x, y, epochs=1, batch_size=8)
    for number, expected in ((1, half), (2, model)):
        saved = keras.saving.load_model(tmp_path / f"{number}.keras").get_weights()
        assert all(np.array_equal(a, b) for a, b in zip(saved, expected.get_weights(), strict=True))


def test_csv_logger_writes_every_epoch(images: Images, tmp_path: Path) -> None:
    x, y = images[0][..., 0], images[1]
    logger = keras.callbacks.CSVLogger(str(tmp_path / "log.csv"))
    history = fit(lesson_network(), x, y, epochs=3, batch_size=8, callbacks=[logger]).history
    rows = list(csv.DictReader((tmp_path / "log.csv").read_text().splitlines()))
    assert [float(row["loss"]) for row in rows] == pytest.approx(history["loss"])
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]


def test_learning_rates_set_by_callbacks_are_used(images: Images) -> None:
    x, y = images[0][..., 0], images[1]
    ours, theirs = lesson_network(), lesson_network()
    rates = [0.1, 0.0, 0.001]

    def callbacks() -> list[keras.callbacks.Callback]:
        return [keras.callbacks.LearningRateScheduler(lambda epoch: rates[epoch])]

    here = fit(ours, x, y, epochs=3, batch_size=25, shuffle=False, callbacks=callbacks()).history
    there = theirs.fit(x, y, epochs=3, batch_size=25, shuffle=False, callbacks=callbacks(), verbose=0).history
    assert here["learning_rate"] == pytest.approx(rates)
    np.testing.assert_allclose(here["loss"], there["loss"], rtol=1e-4)


def test_reduce_on_plateau_reduces(images: Images) -> None:
    x, y = images[0][..., 0], images[1]
    model = lesson_network()
    reducer = keras.callbacks.ReduceLROnPlateau("loss", factor=0.1, patience=1, min_delta=100)
    fit(model, x, y, epochs=3, batch_size=25, callbacks=[reducer])
    assert float(model.optimizer.learning_rate) == pytest.approx(0.01 * 0.1 * 0.1, rel=1e-5)


def test_terminate_on_nan_terminates(images: Images) -> None:
    x, y = images[0][..., 0], images[1]
    model = keras.Sequential([keras.Input((28, 28)), keras.layers.Flatten(), keras.layers.Dense(10)])
    model.compile(keras.optimizers.SGD(1e38), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    history = fit(model, x, y, epochs=5, batch_size=8, callbacks=[keras.callbacks.TerminateOnNaN()]).history
    assert len(history["loss"]) == 1
    assert not np.isfinite(history["loss"][0])


def test_callbacks_hear_of_everything_in_keras_order(images: Images) -> None:
    x, y = images[0][..., 0], images[1]
    heard: list[str] = []
    names = ["train_begin", "train_end", "epoch_begin", "epoch_end"]

    class Listener(keras.callbacks.Callback):
        def on_test_begin(self, logs: object = None) -> None:
            heard.append("test_begin")

        def on_test_end(self, logs: object = None) -> None:
            heard.append("test_end")

    listener = Listener()
    for name in names:
        setattr(listener, f"on_{name}", lambda *_, name=name, **__: heard.append(name))
    fit(lesson_network(), x, y, epochs=2, batch_size=50, validation=(x, y), callbacks=[listener])
    an_epoch = ["epoch_begin", "test_begin", "test_end", "epoch_end"]
    assert heard == ["train_begin", *an_epoch, *an_epoch, "train_end"]


STEPWISE = "takes two to ten times as long"


class CountsBatches(keras.callbacks.Callback):
    def __init__(self) -> None:
        super().__init__()
        self.batches: list[tuple[int, float]] = []

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self.batches.append((batch, logs["loss"]))


def test_callbacks_that_want_every_batch_get_every_batch(images: Images) -> None:
    x, y = images[0][..., 0], images[1]
    heard = []
    for train in (fit, keras.Model.fit):
        counter, begun, tested = CountsBatches(), [], []
        hooks = keras.callbacks.LambdaCallback(
            on_train_batch_begin=lambda batch, logs, begun=begun: begun.append(batch)
        )
        hooks.on_test_batch_end = lambda batch, logs, tested=tested: tested.append((batch, logs["loss"]))
        settings = {"epochs": 2, "batch_size": 30, "shuffle": False, "verbose": 0, "validation_data": (x[:40], y[:40])}
        train(lesson_network(), x, y, callbacks=[counter, hooks], **settings)
        heard.append((counter.batches, begun, tested))
    (batches, begun, tested), (their_batches, their_begun, their_tested) = heard
    assert begun == their_begun == [0, 1, 2, 3] * 2
    assert [batch for batch, _ in batches] == [0, 1, 2, 3] * 2
    np.testing.assert_allclose([loss for _, loss in batches], [loss for _, loss in their_batches], rtol=1e-5)
    assert [batch for batch, _ in tested] == [0, 1] * 2
    np.testing.assert_allclose([loss for _, loss in tested], [loss for _, loss in their_tested], rtol=1e-5)


def test_batch_hooks_change_no_bits_and_may_change_the_model(images: Images) -> None:
    x, y = images[0][..., 0], images[1]
    plain, watched, changed = lesson_network(), lesson_network(), lesson_network()
    fit(plain, x, y, epochs=2, batch_size=8, verbose=0)
    fit(watched, x, y, epochs=2, batch_size=8, verbose=0, callbacks=CountsBatches())
    assert all(np.array_equal(a, b) for a, b in zip(plain.get_weights(), watched.get_weights(), strict=True))

    class Resets(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: object = None) -> None:
            self.model.set_weights([np.zeros_like(w) for w in self.model.get_weights()])

    fit(changed, x, y, batch_size=8, verbose=0, callbacks=Resets())
    assert all(not w.any() for w in changed.get_weights())


def test_a_callback_stops_in_the_middle_of_an_epoch(images: Images) -> None:
    x, y = images[0][..., 0], images[1]

    class Stops(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: object = None) -> None:
            self.model.stop_training = batch == 2

    model = lesson_network()
    history = fit(model, x, y, epochs=5, batch_size=10, verbose=0, callbacks=Stops())
    assert int(model.optimizer.iterations) == 3
    assert history.epoch == [0]


def test_a_callback_stops_an_epoch_that_begins(images: Images) -> None:
    x, y = images[0][..., 0], images[1]
    stops = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: setattr(model, "stop_training", epoch == 1)
    )
    for train in (fit, keras.Model.fit):
        model = lesson_network()
        history = train(model, x, y, epochs=5, batch_size=10, verbose=0, callbacks=[stops])
        assert (int(model.optimizer.iterations), history.epoch) == (11, [0, 1])  # Keras makes one step before it looks


def test_values_that_somebody_holds_are_not_overwritten(images: Images) -> None:
    x, y = images[0][..., 0], images[1]
    held: list[tuple[Any, np.ndarray]] = []

    def hold(_epoch: int, _logs: Any) -> None:
        value = model.layers[-1].kernel.value
        held.append((value, np.array(value)))

    model = lesson_network()
    kernel = model.layers[-1].kernel
    before, first = kernel.value, np.array(kernel.value)
    fit(model, x, y, epochs=3, callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=hold)], verbose=0)
    for value, expected in [(before, first), *held]:
        assert np.array_equal(np.asarray(value), expected)
    assert len({expected.tobytes() for _, expected in held}) == 3


def test_an_interrupt_leaves_the_steps_done_in_the_model(images: Images) -> None:
    x, y = images[0][..., 0], images[1]

    def interrupt(progress: loop.TrainProgress) -> None:
        if progress.epoch == 2:
            signal.raise_signal(signal.SIGINT)

    whole, stopped = lesson_network(), lesson_network()
    with pytest.raises(KeyboardInterrupt):
        fit(stopped, x, y, epochs=3, batch_size=10, verbose=0, progress=interrupt)
    fit(whole, x, y, epochs=2, batch_size=10, verbose=0)
    assert int(stopped.optimizer.iterations) == 20
    assert all(np.array_equal(a, b) for a, b in zip(whole.get_weights(), stopped.get_weights(), strict=True))


def test_an_interrupt_during_a_dispatch_waits_until_it_is_done(images: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = images[0][..., 0], images[1]
    block = loop.jax.block_until_ready

    def interrupted(values: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        return block(values)

    model = lesson_network()
    monkeypatch.setattr(loop.jax, "block_until_ready", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fit(model, x, y, batch_size=10, verbose=0)
    monkeypatch.undo()
    assert int(model.optimizer.iterations) == 10
    assert np.isfinite(model.get_weights()[0]).all()


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_what_cannot_be_compiled_goes_to_keras_with_one_remark(images: Images) -> None:
    x, y = images[0][..., 0], images[1]

    class Batches(keras.utils.PyDataset):
        def __len__(self) -> int:
            return 4

        def __getitem__(self, index: int) -> Images:
            return x[index * 25 : (index + 1) * 25], y[index * 25 : (index + 1) * 25]

    def generator() -> Iterator[Images]:
        yield from (Batches()[index] for index in range(4))

    eager, several, uncompiled = lesson_network(), lesson_network(), lesson_network()
    eager.run_eagerly = True
    several.steps_per_execution = 2
    uncompiled.jit_compile = False
    expected = lesson_network().fit(x, y, batch_size=25, shuffle=False, verbose=0).history["loss"]
    for model, data, reason in (
        (lesson_network(), (generator(),), "of the type generator"),
        (lesson_network(), (Batches(),), "of the type Batches"),
        (eager, (x, y), "run_eagerly=True"),
        (several, (x, y), "steps_per_execution=2"),
        (uncompiled, (x, y), "jit_compile=False"),
    ):
        with pytest.warns(UserWarning, match=reason) as remarks:
            history = fit(model, *data, batch_size=25 if len(data) == 2 else None, shuffle=False, verbose=0)
        (remark,) = [remark for remark in remarks if STEPWISE in str(remark.message)]
        assert remark.filename == __file__
        np.testing.assert_allclose(history.history["loss"], expected, rtol=1e-4)
    with jax.debug_nans(True), pytest.warns(UserWarning, match="told to look for NaN"):
        fit(lesson_network(), x, y, verbose=0)
    with jax.disable_jit(), pytest.warns(UserWarning, match="told not to compile"):
        history = fit(
            lesson_network(), x, y, batch_size=25, shuffle=False, verbose=0, callbacks=keras.callbacks.History()
        )
    np.testing.assert_allclose(history.history["loss"], expected, rtol=1e-4)
    with pytest.warns(UserWarning, match="steps_per_epoch=-1"):
        history = fit(lesson_network(), x, y, batch_size=25, shuffle=False, verbose=0, steps_per_epoch=-1)
    np.testing.assert_allclose(history.history["loss"], expected, rtol=1e-4)
    with pytest.raises(UsageError, match="devices=2 needs compiled epochs, but the data are not arrays"):
        fit(lesson_network(), Batches(), devices=2)


def test_a_model_that_jax_cannot_trace_goes_to_keras(images: Images) -> None:
    x, y = images[0][..., 0], images[1]

    class Looks(keras.Sequential):
        def train_step(self, state: Any, data: Any) -> Any:
            assert float(np.asarray(data[0]).max()) > 0  # which needs values
            return super().train_step(state, data)

    dense = keras.layers.Dense(10)
    dense.supports_jit = False
    model = Looks([keras.Input((28, 28)), keras.layers.Flatten(), dense])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    with pytest.warns(UserWarning, match="cannot be compiled as a whole"):
        history = fit(model, x, y, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


def test_values_that_make_no_sense_are_refused(images: Images) -> None:
    x, y = images[0][..., 0], images[1]
    with pytest.raises(UsageError, match="trains Keras models on the JAX backend; received str"):
        fit("model", x, y)  # type: ignore[arg-type] # the wrong type is what is tested
    with pytest.raises(UsageError, match="must not be negative; received seed=-1"):
        fit(lesson_network(), x, y, seed=-1)
    with pytest.raises(ValueError, match=r"You must call `compile\(\)`"):
        fit(networks.tutorial(), x, y)
    with pytest.raises(UsageError, match=r"no values where they are masked: fill them"):
        fit(lesson_network(), np.ma.masked_less(x, 9), y)
    with pytest.raises(UsageError, match=r"validation_split must be at least 0 and below 1; received -0\.1"):
        fit(lesson_network(), x, y, validation_split=-0.1)


@pytest.mark.filterwarnings("error::UserWarning")  # Keras's error comes alone
def test_what_keras_refuses_is_refused_with_its_words(images: Images) -> None:
    x, y = images[0][..., 0], images[1]
    for odd, expected in (
        ((x, y[:99]), "Make sure all arrays contain the same number of samples"),
        ((x, y.astype(str)), "Invalid dtype: str"),
        ((x[:, :20], y), "expected axis -1 of input shape"),
    ):
        with pytest.raises(ValueError, match=expected):
            fit(lesson_network(), *odd, verbose=0)
    with pytest.raises(TypeError, match="unsupported operand"):
        fit(lesson_network(), x, y, batch_size="16", verbose=0)


@pytest.mark.filterwarnings("ignore:Keras's own fit takes over")
def test_a_model_that_refuses_the_data_keeps_its_weights(images: Images) -> None:
    x, y = images[0][..., 0], images[1]
    model = lesson_network()
    fit(model, x, y, verbose=0)
    before = model.get_weights()
    with pytest.raises(ValueError, match="expected axis -1 of input shape"):
        fit(model, x[:, :20], y, verbose=0)
    for value, kept in zip(model.get_weights(), before, strict=True):
        assert np.array_equal(value, kept)
    fit(model, x, y, verbose=0)


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_all_of_keras_arguments_by_position(images: Images) -> None:
    x, y = images[0][..., 0], images[1]
    parameters = list(inspect.signature(fit).parameters.values())
    theirs = list(inspect.signature(keras.Model.fit).parameters.values())
    assert [(one.name, one.default) for one in parameters[1 : len(theirs)]] == [
        (one.name, one.default) for one in theirs[1:]
    ]
    ours, others = lesson_network(), lesson_network()
    weights = np.linspace(0, 2, 100)
    arguments = (x, y, 30, 3, 0, None, 0.2, None, False, None, weights, 1, 2, 1, 7, [2])
    here, there = fit(ours, *arguments), others.fit(*arguments)
    assert (here.epoch, here.params["steps"]) == (there.epoch, there.params["steps"]) == ([1, 2], 2)
    assert list(here.history) == list(there.history)
    for name, values in there.history.items():
        np.testing.assert_allclose(here.history[name], values, rtol=1e-4, err_msg=name)
    assert_same(ours, others)


@pytest.mark.parametrize("steps", [3, 4, 5])
@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_steps_per_epoch_go_on_through_the_data(steps: int, images: Images) -> None:
    x, y = images[0][..., 0], images[1]
    ours, theirs = lesson_network(), lesson_network()
    settings = {"batch_size": 25, "epochs": 4, "steps_per_epoch": steps, "shuffle": False, "verbose": 0}
    here, there = fit(ours, x, y, **settings).history, theirs.fit(x, y, **settings).history
    np.testing.assert_allclose(here["loss"], there["loss"], rtol=1e-4)
    assert int(ours.optimizer.iterations) == int(theirs.optimizer.iterations)


def test_fewer_images_than_the_batch_size_make_one_short_batch(images: Images) -> None:
    x, y = images[0][:20, ..., 0], images[1][:20]
    ours, theirs = lesson_network(), lesson_network()
    here, there = fit(ours, x, y, shuffle=False, verbose=0), theirs.fit(x, y, shuffle=False, verbose=0)
    assert here.history["loss"] == pytest.approx(there.history["loss"], rel=1e-5)
    assert int(ours.optimizer.iterations) == 1


@pytest.mark.parametrize("verbose", [1, 2])
def test_what_is_shown_is_what_keras_shows(verbose: int, images: Images, capsys: pytest.CaptureFixture[str]) -> None:
    x, y = images[0][..., 0], images[1]
    shown = []
    for train in (fit, keras.Model.fit):
        train(lesson_network(), x, y, epochs=2, batch_size=25, shuffle=False, verbose=verbose)
        text = re.sub(r"\x1b\[[0-9;]*m|\x08", "", capsys.readouterr().out)
        lines = [re.split(r"\r|\n", line)[-1] for line in text.strip().split("\n")]
        lines = [line.split("\r")[-1].rstrip() for line in lines]  # Keras pads what is shorter than the line before
        shown.append([re.sub(r"\d+m?s(/step)?|\d+us/step", "TIME", line) for line in lines])
    ours, theirs = ([line for line in lines if line.startswith("Epoch") or " - loss" in line] for lines in shown)
    assert len(ours) == 4
    assert [re.sub(r"\d\.\d{4}", "N", line)[-40:] for line in ours] == [
        re.sub(r"\d\.\d{4}", "N", line)[-40:] for line in theirs
    ]


def test_calls_of_one_epoch_each_see_other_orders(images: Images) -> None:
    x, y = images[0][..., 0], images[1]

    class Seen(keras.layers.Layer):
        """Remembers the sum of the first image of the last batch."""

        def __init__(self) -> None:
            super().__init__()
            self.first = self.add_weight(shape=(), initializer="zeros", trainable=False)

        def call(self, inputs: Any, training: bool = False) -> Any:
            if training:
                self.first.assign(keras.ops.sum(inputs[0]))
            return inputs

    def orders(seed: int) -> list[float]:
        seen = Seen()
        model = keras.Sequential([keras.Input((28, 28)), seen, keras.layers.Flatten(), keras.layers.Dense(10)])
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        found = []
        for _ in range(3):
            fit(model, x, y, batch_size=100, seed=seed, verbose=0)
            found.append(float(seen.first.value))
        return found

    assert orders(0) == orders(0) != orders(1)
    assert len(set(orders(0))) == 3


def test_shuffle_batch_keeps_the_batches(images: Images) -> None:
    x, y = images[0][..., 0], images[1]
    shuffled, straight = lesson_network(), lesson_network()
    here = fit(shuffled, x, y, epochs=2, batch_size=30, shuffle="batch", verbose=0).history["loss"]
    there = fit(straight, x, y, epochs=2, batch_size=30, shuffle=False, verbose=0).history["loss"]
    np.testing.assert_allclose(here, there, rtol=1e-4)


class OwnSteps(keras.Model):
    """Logs something of its own, in training and in evaluation."""

    def train_step(self, state: Any, data: Any) -> Any:
        assert len(data) == 2  # without sample weights, as Keras gives it
        logs, state = super().train_step(state, data)
        return {"mine": logs["loss"] * 2, "nested": {"constant": 10.0}}, state

    def test_step(self, state: Any, data: Any) -> Any:
        logs, state = super().test_step(state, data)
        return {**logs, "largest": keras.ops.max(data[0])}, state


def test_what_a_train_step_logs_comes_back(images: Images) -> None:
    x, y = images[0][..., 0].astype(np.float32), images[1]

    def network() -> keras.Model:
        inputs = keras.Input((28, 28))
        outputs = networks.tutorial(seed=5, hidden=16, dropout=0.0)(inputs)
        return recipes.compile_model(OwnSteps(inputs, outputs), learning_rate=0.01)

    settings = {"epochs": 2, "batch_size": 30, "shuffle": False, "validation_data": (x[:50], y[:50]), "verbose": 0}
    counter = CountsLogs()
    here = fit(network(), x, y, callbacks=counter, **settings).history
    there = network().fit(x, y, **settings).history
    assert list(here) == list(there)
    for name, values in there.items():
        np.testing.assert_allclose(here[name], values, rtol=1e-4, err_msg=name)
    assert counter.names == {"mine", "constant"}


class DoublesLogs(keras.Sequential):
    """Logs what the metrics are called, but twice as much: at the end of an epoch Keras asks the metrics."""

    def train_step(self, state: Any, data: Any) -> Any:
        logs, state = super().train_step(state, data)
        return keras.tree.map_structure(lambda value: 2 * value, logs), state

    def test_step(self, state: Any, data: Any) -> Any:
        logs, state = super().test_step(state, data)
        return keras.tree.map_structure(lambda value: 3 * value, logs), state


class Counts(keras.metrics.Metric):
    """Returns a dict whose names lie elsewhere in the alphabet than its own."""

    def __init__(self) -> None:
        super().__init__(name="counts")
        self.images = self.add_weight(name="images", initializer="zeros")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self.images.assign_add(keras.ops.shape(y_true)[0])

    def result(self) -> dict[str, Any]:
        return {"a_twice": 2 * self.images, "z_once": self.images + 0}


def test_logs_that_the_metrics_give_and_their_order(images: Images) -> None:
    x, y = images[0][..., 0].astype(np.float32), images[1]

    def network() -> keras.Model:
        model = DoublesLogs([keras.Input((28, 28)), keras.layers.Flatten(), keras.layers.Dense(10, "softmax")])
        model.set_weights([np.zeros((784, 10)), np.zeros(10)])
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy", Counts()])
        return model

    settings = {"epochs": 2, "shuffle": False, "validation_data": (x[:50], y[:50]), "verbose": 0}
    here, there = fit(network(), x, y, **settings).history, network().fit(x, y, **settings).history
    assert list(here) == list(there)
    assert here["z_once"] == [100.0, 100.0]
    for name, values in there.items():
        np.testing.assert_allclose(here[name], values, rtol=1e-4, err_msg=name)


def test_data_that_callbacks_change_between_epochs_are_those_of_the_next(images: Images) -> None:
    def train(fit_with: Callable[..., Any]) -> tuple[dict[str, list[float]], keras.Model]:
        x, y = images[0][..., 0].astype(np.float64), images[1].copy()
        held_out, weights = x[:50].copy(), np.ones(100, np.float32)

        def change(_epoch: int, _logs: Any) -> None:
            x[:] = x[:, ::-1] * 0.5
            y[:50], weights[50:], held_out[:] = 1, 0, 0

        model = lesson_network()
        history = fit_with(
            model,
            x,
            y,
            sample_weight=weights,
            epochs=3,
            shuffle=False,
            validation_data=(held_out, images[1][:50]),
            callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=change)],
            verbose=0,
        )
        return history.history, model

    (here, ours), (there, theirs) = train(fit), train(keras.Model.fit)
    for name, values in there.items():
        np.testing.assert_allclose(here[name], values, rtol=1e-4, err_msg=name)
    assert_same(ours, theirs)


class CountsLogs(keras.callbacks.Callback):
    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self.names = set(logs)


def test_labels_may_be_missing(images: Images) -> None:
    x = (images[0][..., 0] / 255).astype(np.float32)

    class Compare(keras.layers.Layer):
        def call(self, image: Any, drawn: Any) -> Any:
            self.add_loss(keras.ops.mean((image - drawn) ** 2))
            return drawn

    def network() -> keras.Model:
        image = keras.Input((28, 28))
        drawn = keras.layers.Reshape((28, 28))(
            keras.layers.Dense(784, kernel_initializer="ones")(keras.layers.Flatten()(image))
        )
        model = keras.Model(image, Compare()(image, drawn))
        model.compile("adam")
        return model

    here, there = fit(network(), x, verbose=0), network().fit(x, shuffle=False, verbose=0)
    assert here.history["loss"] == pytest.approx(there.history["loss"], rel=0.05)


def test_the_bytes_of_numbers_may_be_in_the_other_order(images: Images) -> None:
    x, y = images[0][..., 0], images[1]
    models = [lesson_network(), lesson_network()]
    histories = [
        fit(model, x.astype(f"{order}f4"), y.astype(f"{order}i4"), verbose=0)
        for model, order in zip(models, "<>", strict=True)
    ]
    assert histories[0].history == histories[1].history


def test_a_validation_with_more_steps_than_there_are_says_so(images: Images) -> None:
    x, y = images[0][..., 0], images[1]
    for train in (fit, keras.Model.fit):
        with pytest.warns(UserWarning, match="Your input ran out of data"):
            train(lesson_network(), x, y, batch_size=32, validation_data=(x, y), validation_steps=20, verbose=0)


@pytest.mark.parametrize("kind", ["csr", "bcoo", "frame"])
def test_sparse_matrices_and_frames_run_compiled(kind: str) -> None:
    random = np.random.default_rng(3)
    dense = (random.random((50, 12)) * (random.random((50, 12)) < 0.2)).astype(np.float32)
    y = random.integers(0, 3, 50)
    x = {"csr": lambda: sparse.csr_matrix(dense), "bcoo": lambda: jax_sparse.BCOO.fromdense(dense)}.get(
        kind, lambda: pandas.DataFrame(dense)
    )()
    ours, theirs = (
        (keras.Sequential([keras.Input((12,)), keras.layers.Dense(3, kernel_initializer="ones")])) for _ in "ab"
    )
    for model in (ours, theirs):
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        here = fit(ours, x, y, epochs=2, batch_size=16, shuffle=False, verbose=0).history
    there = theirs.fit(dense, y, epochs=2, batch_size=16, shuffle=False, verbose=0).history
    np.testing.assert_allclose(here["loss"], there["loss"], rtol=1e-4)
    assert_same(ours, theirs)


def test_weights_of_each_output(images: Images) -> None:
    x, y = images[0][..., 0], images[1]

    def network() -> keras.Model:
        image = keras.Input((28, 28))
        flat = keras.layers.Rescaling(1 / 255)(keras.layers.Flatten()(image))
        outputs = [keras.layers.Dense(units, kernel_initializer="zeros", name=f"of_{units}")(flat) for units in (10, 1)]
        model = keras.Model(image, outputs)
        model.compile("sgd", [keras.losses.SparseCategoricalCrossentropy(from_logits=True), "mse"])
        return model

    labels, weights = [y, (y % 2).astype(np.float32)], [np.linspace(0, 1, 100), np.linspace(1, 0, 100)]
    settings = {"sample_weight": weights, "shuffle": False, "verbose": 0, "validation_data": (x, labels, weights)}
    here, there = fit(network(), x, labels, **settings).history, network().fit(x, labels, **settings).history
    for name, values in there.items():
        np.testing.assert_allclose(here[name], values, rtol=1e-4, err_msg=name)


def test_layers_that_only_train_are_compiled(images: Images) -> None:
    x, y = images
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.RandomRotation(0.1, seed=1),
            keras.layers.Flatten(),
            keras.layers.Dense(10),
        ]
    )
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        losses = fit(model, x / 255, y, epochs=2, verbose=0, validation_split=0.2).history
    assert np.isfinite([*losses["loss"], *losses["val_loss"]]).all()


def test_validation_sees_what_callbacks_leave(images: Images) -> None:
    x, y = images[0][..., 0], images[1]
    histories = []
    for train in (fit, keras.Model.fit):
        model = lesson_network()
        model.compile(keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9), "sparse_categorical_crossentropy")
        settings = {"epochs": 3, "batch_size": 25, "shuffle": False, "validation_data": (x, y), "verbose": 0}
        histories.append(train(model, x, y, callbacks=[keras.callbacks.SwapEMAWeights()], **settings).history)
    for name, values in histories[1].items():
        np.testing.assert_allclose(histories[0][name], values, rtol=1e-3, err_msg=name)


def test_a_backup_is_gone_on_with(images: Images, tmp_path: Path) -> None:
    x, y = images[0][..., 0], images[1]
    whole, parts = lesson_network(), lesson_network()
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup", delete_checkpoint=False)
    fit(whole, x, y, epochs=4, batch_size=25, verbose=0)
    fit(parts, x, y, epochs=2, batch_size=25, verbose=0, callbacks=backup)
    again = lesson_network()
    history = fit(again, x, y, epochs=4, batch_size=25, verbose=0, callbacks=backup)
    assert history.epoch == [2, 3]
    assert all(np.array_equal(a, b) for a, b in zip(whole.get_weights(), again.get_weights(), strict=True))


def test_model_checkpoint_by_batches(images: Images, tmp_path: Path) -> None:
    x, y = images[0][..., 0], images[1]
    saver = keras.callbacks.ModelCheckpoint(str(tmp_path / "{batch}.weights.h5"), save_freq=3, save_weights_only=True)
    fit(lesson_network(), x, y, batch_size=10, verbose=0, callbacks=[saver])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["3.weights.h5", "6.weights.h5", "9.weights.h5"]


def test_ours_may_take_the_place_of_keras(images: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend.JAXTrainer, "fit", fit)
    x, y = images[0][..., 0], images[1]
    assert len(lesson_network().fit(x, y, verbose=0).history["loss"]) == 1
    eager = lesson_network()
    eager.run_eagerly = True
    with pytest.warns(UserWarning, match="run_eagerly"):
        assert len(eager.fit(x[:32], y[:32], verbose=0).history["loss"]) == 1


def test_no_epochs_change_nothing(images: Images) -> None:
    model = lesson_network()
    before = model.get_weights()
    assert fit(model, images[0][..., 0], images[1], epochs=0).history == {}
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


ON_DEVICES = """
import sys
import numpy as np
from mnistry import fit
from mnistry.models import networks
from mnistry.models.backend import jax
from mnistry.training import recipes
assert len(jax.local_devices()) == 4
random = np.random.default_rng(7)
x, y = random.integers(0, 256, (203, 28, 28), dtype=np.uint8), random.integers(0, 10, 203, dtype=np.uint8)
curves = []
for devices in (1, 2, 4):
    model = recipes.compile_model(networks.tutorial(seed=5, hidden=16, dropout=0.5), learning_rate=0.01)
    settings = {"epochs": 3, "batch_size": 20, "seed": 1, "validation": (x[:50], y[:50]), "verbose": 0}
    history = fit(model, x, y, devices=devices, **settings).history
    curves.append(history["loss"] + history["val_loss"])
np.testing.assert_allclose(curves[1], curves[0], rtol=1e-4)
np.testing.assert_allclose(curves[2], curves[0], rtol=1e-4)
print(*curves[0])
"""


def test_several_devices_give_the_same_curve() -> None:
    environment = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=4"}
    done = subprocess.run(
        [sys.executable, "-c", ON_DEVICES], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    losses = [float(word) for word in done.stdout.split()]
    assert losses[2] < losses[0]


def test_fitting_again_compiles_nothing_anew(images: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = images[0][..., 0], images[1]
    model, compiled = lesson_network(), []
    compile_program = loop.TrainSession._compile
    monkeypatch.setattr(loop.TrainSession, "_compile", lambda *a: (compiled.append(1), compile_program(*a))[1])
    fit(model, x, y, batch_size=32, validation=(x, y))
    first = len(compiled)
    fit(model, x, y, epochs=2, initial_epoch=1, batch_size=32, validation=(x, y))
    assert len(compiled) == first == 4  # whole and short batches, of training and of validation
    fit(model, x[:50], y[:50], batch_size=32)
    assert len(compiled) == first + 2  # other shapes


def test_a_model_compiled_anew_is_trained_anew(images: Images) -> None:
    x, y = images[0][..., 0], images[1]
    ours, theirs = lesson_network(), lesson_network()
    for model, train in ((ours, fit), (theirs, keras.Model.fit)):
        quiet = {} if train is fit else {"verbose": 0}
        train(model, x, y, batch_size=25, shuffle=False, **quiet)
        model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", metrics=["accuracy"])
        train(model, x, y, batch_size=25, shuffle=False, **quiet)
        model.layers[2].trainable = False
        model.compile(keras.optimizers.SGD(0.5), "sparse_categorical_crossentropy")
        train(model, x, y, batch_size=25, shuffle=False, **quiet)
    assert_same(ours, theirs, atol=1e-4)


def test_a_fitted_model_can_be_saved_and_copied(images: Images, tmp_path: Path) -> None:
    x, y = images[0][..., 0], images[1]
    model = lesson_network()
    fit(model, x, y, batch_size=25)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    before = backend.predict(model, x)
    np.testing.assert_array_equal(backend.predict(loaded, x), before)
    fit(loaded, x, y, batch_size=25, initial_epoch=1, epochs=2)
    np.testing.assert_array_equal(backend.predict(model, x), before)
