"""Convolution as products of matrices: beside Keras's own layer, in what it gives and in its derivatives."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mnistry.models import layers, networks
from mnistry.models.backend import jax, keras, predict
from mnistry.models.layers import MatrixConv2D, plain

jnp = jax.numpy

OPEN_ELSEWHERE = """
import sys
import keras, numpy as np
model = keras.models.load_model(sys.argv[1])
np.save(sys.argv[3], np.asarray(model(np.load(sys.argv[2]).astype(np.float32), training=False)))
print(*(type(layer).__name__ for layer in model.layers))
assert not any(name.split(".")[0] == "mnistry" for name in sys.modules)
"""


def both(size: int, stride: int, channels: int, **options: Any) -> tuple[MatrixConv2D, keras.layers.Conv2D]:
    """Our layer and Keras's, with the same weights."""
    ours, theirs = (kind(4, size, stride, padding="same", **options) for kind in (MatrixConv2D, keras.layers.Conv2D))
    for layer in (ours, theirs):
        layer.build((None, None, None, channels))
    random = np.random.default_rng(0)
    weights = [random.normal(size=value.shape).astype(np.float32) for value in ours.get_weights()]
    ours.set_weights(weights)
    theirs.set_weights(weights)
    return ours, theirs


def some(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


def outputs_and_derivatives(layer: keras.layers.Conv2D, x: np.ndarray) -> list[np.ndarray]:
    """The outputs, and the derivatives of a weighted sum of them by the weights and by the input."""

    @jax.jit
    def run(weights: list[Any], x: Any) -> Any:
        outputs, back = jax.vjp(lambda weights, x: layer.stateless_call(weights, [], x)[0], weights, x)
        return outputs, back(jnp.cos(jnp.arange(outputs.size, dtype=jnp.float32)).reshape(outputs.shape))

    return [np.asarray(each) for each in jax.tree.leaves(run([each.value for each in layer.trainable_variables], x))]


@pytest.mark.parametrize(
    ("size", "stride", "shape"),
    [
        (1, 1, (5, 5, 3)),
        (2, 1, (4, 5, 2)),
        (3, 1, (7, 7, 3)),
        (3, 1, (6, 9, 1)),
        (5, 1, (7, 4, 2)),
        (1, 2, (7, 6, 2)),
        (2, 2, (6, 7, 3)),
        (3, 2, (7, 7, 3)),
        (3, 2, (6, 9, 2)),
        (5, 2, (8, 7, 1)),
        (2, 3, (7, 8, 2)),
        (5, 3, (9, 7, 2)),
    ],
)
def test_outputs_and_derivatives_are_those_of_keras(size, stride, shape):
    ours, theirs = both(size, stride, shape[-1])
    given, expected = (outputs_and_derivatives(layer, some(2, *shape)) for layer in (ours, theirs))
    assert given[0].dtype == np.float32
    assert given[0].shape == (2, -(-shape[0] // stride), -(-shape[1] // stride), 4)
    assert len(given) == len(expected) == 4  # outputs; by kernel, by bias, by input
    for a, b in zip(given, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


@pytest.mark.parametrize(("size", "stride"), [(3, 1), (5, 2)])
def test_bias_and_activation_are_kerass(size, stride):
    ours, theirs = both(size, stride, 2, activation="relu", use_bias=True)
    assert len(ours.get_weights()) == 2
    x = some(3, 8, 8, 2)
    np.testing.assert_allclose(ours(x), theirs(x), atol=2e-5)
    assert np.min(ours(x)) == 0


def test_a_kernel_larger_than_the_image():
    ours, theirs = both(5, 2, 3)
    x = some(1, 2, 3, 3)
    np.testing.assert_allclose(ours(x), theirs(x), atol=2e-5)


def test_the_middle_of_a_kernel_by_hand():
    image = np.zeros((1, 3, 3, 1), np.float32)
    image[0, 1, 1, 0] = 2
    kernel = np.arange(1, 10, dtype=np.float32).reshape(3, 3, 1, 1)
    turned = 2 * np.arange(9, 0, -1).reshape(3, 3)  # a dot brings out the kernel upside down
    assert np.array_equal(np.asarray(layers.convolved(image, kernel, 1))[0, :, :, 0], turned)


def test_no_convolution_of_xla_is_left():
    x, kernel = some(1, 7, 7, 3), some(3, 3, 3, 4)
    for stride in (1, 2):
        forward = lambda x, k, stride=stride: layers.convolved(x, k, stride).sum()  # noqa: E731 - bound in a loop
        assert "conv_general_dilated" not in str(jax.make_jaxpr(jax.grad(forward, (0, 1)))(x, kernel))


def resolved(model: keras.Model) -> keras.Model:
    """With the statistics of its normalisations as after a training, not 0 and 1."""
    random = np.random.default_rng(3)
    model.set_weights([w * random.uniform(0.5, 1.5, w.shape).astype(np.float32) + 0.01 for w in model.get_weights()])
    return model


@pytest.fixture(scope="module")
def strong() -> keras.Model:
    return resolved(networks.strong(seed=2))


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(4).integers(0, 256, (20, 28, 28), np.uint8)


def test_the_plain_network_has_keras_layers_only_and_the_same_outputs(strong, images):
    copy = plain(strong)
    assert not any(isinstance(layer, MatrixConv2D) for layer in copy.layers)
    assert [layer.name for layer in copy.layers] == [layer.name for layer in strong.layers]
    assert (copy.name, copy.inputs[0].name) == (strong.name, strong.inputs[0].name)
    assert all(np.array_equal(a, b) for a, b in zip(copy.get_weights(), strong.get_weights(), strict=True))
    np.testing.assert_allclose(predict(copy, images), predict(strong, images), atol=1e-5)


def test_a_network_of_keras_layers_is_left_as_it_is():
    model = networks.tutorial()
    assert plain(model) is model


def test_the_plain_network_opens_without_mnistry(strong, images, tmp_path: Path):
    plain(strong).save(tmp_path / "model.keras")
    np.save(tmp_path / "images.npy", images)
    files = [str(tmp_path / name) for name in ("model.keras", "images.npy", "outputs.npy")]
    done = subprocess.run(
        [sys.executable, "-c", OPEN_ELSEWHERE, *files],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "KERAS_BACKEND": "jax"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split().count("Conv2D") == 4
    np.testing.assert_allclose(np.load(tmp_path / "outputs.npy"), predict(strong, images), atol=1e-5)


def test_our_own_layer_can_be_saved_too(strong, images, tmp_path: Path):
    strong.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", compile=False)
    assert sum(isinstance(layer, MatrixConv2D) for layer in loaded.layers) == 4
    assert np.array_equal(predict(loaded, images), predict(strong, images))
