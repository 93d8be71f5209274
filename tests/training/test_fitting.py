"""`fit` against Keras's own: same batches, same numbers, same behaviour."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

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


def assert_same(ours: keras.Model, theirs: keras.Model, *, atol: float = 2e-5) -> None:
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=atol)
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
    for epoch in (1, 2, 3):
        order = loop.shuffled(100, 11, epoch)
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
    for epoch in range(1, 5):
        expected[loop.shuffled(n, 0, epoch)[-1]] += 1 - 1 / 3
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


class WantsBatches(keras.callbacks.Callback):
    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        pass


def test_what_cannot_be_honoured_is_refused(images: Images) -> None:
    x, y = images[0][..., 0], images[1]
    with pytest.raises(
        UsageError, match=r"WantsBatches wants to act in every batch \(on_train_batch_end\).*model\.fit"
    ):
        fit(lesson_network(), x, y, callbacks=[WantsBatches()])
    with pytest.raises(UsageError, match="LambdaCallback wants to act in every batch"):
        fit(lesson_network(), x, y, callbacks=[keras.callbacks.LambdaCallback(on_train_batch_begin=print)])
    with pytest.raises(UsageError, match="save_freq=10"):
        fit(lesson_network(), x, y, callbacks=[keras.callbacks.ModelCheckpoint("a.keras", save_freq=10)])
    eager = lesson_network()
    eager.run_eagerly = True
    with pytest.raises(UsageError, match=r"run_eagerly=True and jit_compile=False cannot be honoured.*use model\.fit"):
        fit(eager, x, y)
    with pytest.raises(UsageError, match=r"not compiled: call model\.compile"):
        fit(networks.tutorial(), x, y)
    with pytest.raises(UsageError, match="trains Keras models; received str"):
        fit("model", x, y)  # type: ignore[arg-type] # the wrong type is what is tested


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"batch_size": 0}, "The batch size must be from 1 to the number of images, 100; received 0."),
        ({"batch_size": 101}, "The batch size must be from 1 to the number of images, 100; received 101."),
        ({"seed": -1}, "epochs and seed must be 0 or more; received epochs=1, seed=-1."),
        ({"sample_weight": np.ones(7)}, r"sample_weight must have one weight an image, \(100\); received \(7,\)."),
        ({"sample_weight": np.ones(100), "class_weight": {0: 2.0}}, "Give sample_weight or class_weight, not both"),
    ],
)
def test_values_that_make_no_sense_are_refused(arguments: dict, sentence: str, images: Images) -> None:
    with pytest.raises(UsageError, match=sentence.replace("(100)", "(100,)").replace(r"\(100\)", r"\(100,\)")):
        fit(lesson_network(), images[0][..., 0], images[1], **arguments)


def test_labels_and_images_must_match(images: Images) -> None:
    with pytest.raises(UsageError, match="received 100 images and 99 labels"):
        fit(lesson_network(), images[0][..., 0], images[1][:99])


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
    history = fit(model, x, y, epochs=3, batch_size=20, seed=1, devices=devices, validation=(x[:50], y[:50])).history
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
    compile_program = loop.Session._compiled
    monkeypatch.setattr(loop.Session, "_compiled", lambda *a: (compiled.append(1), compile_program(*a))[1])
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
