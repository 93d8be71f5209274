"""The networks, as Keras models that take images as they are: uint8 values 0–255 in, probabilities out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mnistry.models.backend import jax, keras

TEACHER_WIDTH, TEACHER_DEPTH, TEACHER_DROPOUT = 192, 3, 0.3
CHANNELS = (16, 48, 64, 96)  # of the strong network's convolutions: 28 to 14, to 7, at 7, to 4 pixels a side


def tutorial(*, seed: int = 0, classes: int = 10, hidden: int = 128, dropout: float = 0.2) -> keras.Model:
    """The lesson's network: Flatten → Dense(128, relu) → Dropout(0.2) → Dense(10, softmax), 101,770 weights.

    Its first layer divides by 255, so that nobody can forget to. Initial weights and dropout depend on `seed` alone.

    Args:
        seed: 0 or larger.
        classes: how many there are.
        hidden: width of the hidden layer.
        dropout: the part of the hidden layer that is left out in a training step.

    Returns:
        A model (n, 28, 28) → (n, classes), values 0–255 to probabilities.
    """
    hidden_seed, dropout_seed, output_seed = (int(word) for word in np.random.SeedSequence(seed).generate_state(3))
    glorot = keras.initializers.GlorotUniform  # Keras's own default, here with a seed
    return keras.Sequential(
        [
            keras.Input((28, 28), name="image"),
            keras.layers.Rescaling(1 / 255, name="normalise"),
            keras.layers.Flatten(name="flatten"),
            keras.layers.Dense(hidden, activation="relu", kernel_initializer=glorot(hidden_seed), name="hidden"),
            keras.layers.Dropout(dropout, seed=dropout_seed, name="dropout"),
            keras.layers.Dense(classes, activation="softmax", kernel_initializer=glorot(output_seed), name="output"),
        ],
        name="tutorial",
    )


def strong(*, seed: int = 0, classes: int = 10, width: int = CHANNELS[-1], depth: int = 0) -> keras.Model:
    """Build a compact convolutional network, 108,059 weights for ten classes, 2.7 million multiplications an image.

    Four convolutions, three of which halve the sides, each with batch normalization and relu; then one dense layer with
    an output for each class and one for "no digit". Shaped for a CPU: nearly all work is at 7×7 and 4×4 pixels, in
    products of large matrices, so that a core of today reads some 20,000 images a second and trains on a tenth of that.

    Args:
        seed: 0 or larger; decides the first weights.
        classes: how many there are.
        width: channels of the last convolution; the others keep their proportion to it.
        depth: convolutions more at each size, 14×14, 7×7 and 4×4.

    Returns:
        A model (n, 28, 28) → (n, classes + 1), values 0–255 to probabilities.
    """
    first, second, third, fourth = (max(1, round(width * channels / CHANNELS[-1])) for channels in CHANNELS)
    shapes = [(first, 5, 2), *[(first, 3, 1)] * depth, (second, 3, 2), (third, 3, 1), *[(third, 3, 1)] * depth]
    shapes += [(fourth, 3, 2), *[(fourth, 3, 1)] * depth]
    return _convolutional("strong", shapes, seed=seed, classes=classes)


def teacher(
    *, seed: int = 0, classes: int = 10, width: int = TEACHER_WIDTH, depth: int = TEACHER_DEPTH, kernel: int = 3
) -> keras.Model:
    """Build a large convolutional network for others to learn from: for ten classes 1.1 million weights.

    Three stages at 28×28, 14×14 and 7×7 pixels, each of `depth` convolutions with batch normalization and relu. On a
    GPU it computes in bfloat16.

    Args:
        seed: 0 or larger; decides the first weights.
        classes: how many there are.
        width: channels of the last stage; those before have a half and a quarter of it.
        depth: convolutions in a stage.
        kernel: side of the kernels, in pixels.

    Returns:
        A model (n, 28, 28) → (n, classes + 1), values 0–255 to probabilities.
    """
    shapes = [
        (max(1, width // part), kernel, 2 if part < 4 and not place else 1)
        for part in (4, 2, 1)
        for place in range(depth)
    ]
    policy = "mixed_bfloat16" if jax.default_backend() == "gpu" else "float32"
    return _convolutional("teacher", shapes, seed=seed, classes=classes, dropout=TEACHER_DROPOUT, policy=policy)


def _convolutional(
    name: str,
    shapes: Sequence[tuple[int, int, int]],
    *,
    seed: int,
    classes: int,
    dropout: float = 0.0,
    policy: str = "float32",
) -> keras.Model:
    """Build convolutions of (channels, kernel, stride), each with batch normalization and relu, and a dense layer."""
    words = np.random.SeedSequence(seed).generate_state(len(shapes) + 2)
    last_seed, *seeds, dropout_seed = (int(word) for word in words)
    parts = [
        keras.Input((28, 28), name="image"),
        keras.layers.Rescaling(1 / 255, name="normalise"),
        keras.layers.Reshape((28, 28, 1), name="channel"),
    ]
    for number, (channels, size, stride) in enumerate(shapes, start=1):
        drawn = keras.initializers.HeNormal(seeds[number - 1])
        options = {"padding": "same", "use_bias": False, "kernel_initializer": drawn, "dtype": policy}
        parts += [
            keras.layers.Conv2D(channels, size, stride, **options, name=f"convolution_{number}"),
            keras.layers.BatchNormalization(momentum=0.95, dtype=policy, name=f"normalisation_{number}"),
            keras.layers.ReLU(dtype=policy, name=f"relu_{number}"),
        ]
    parts.append(keras.layers.Flatten(name="flatten"))
    if dropout:
        parts.append(keras.layers.Dropout(dropout, seed=dropout_seed, name="dropout"))
    last = keras.initializers.GlorotUniform(last_seed)
    parts.append(keras.layers.Dense(classes + 1, activation="softmax", kernel_initializer=last, name="output"))
    return keras.Sequential(parts, name=name)


def with_precision(model: keras.Model, policy: str) -> keras.Model:
    """Return the same convolutional network computing in another precision, with the same weights.

    The policy is Keras's, such as mixed_bfloat16, for convolutions, batch normalizations and relus; the other layers
    compute in float32.
    """
    changed = (keras.layers.Conv2D, keras.layers.BatchNormalization, keras.layers.ReLU)
    layers = [
        type(layer).from_config({**layer.get_config(), "dtype": policy if isinstance(layer, changed) else "float32"})
        for layer in model.layers
    ]
    copy = keras.Sequential([keras.Input(model.input_shape[1:], name=model.inputs[0].name), *layers], name=model.name)
    copy.set_weights(model.get_weights())
    return copy


@dataclass(frozen=True)
class Layer:
    """A layer as people like to see it: kind and size, such as "Dense(128, relu)", output shape, number of weights."""

    kind: str
    output: tuple[int, ...]
    parameters: int


def layers(model: keras.Model) -> tuple[Layer, ...]:
    """The layers of a model, in order."""
    return tuple(Layer(_kind(layer), tuple(layer.output.shape[1:]), layer.count_params()) for layer in model.layers)


def _kind(layer: keras.Layer) -> str:
    if isinstance(layer, keras.layers.Dense):
        return f"Dense({layer.units}, {layer.activation.__name__})"
    if isinstance(layer, keras.layers.Dropout):
        return f"Dropout({layer.rate:g})"
    if isinstance(layer, keras.layers.Conv2D):
        stride = "" if layer.strides[0] == 1 else f", stride {layer.strides[0]}"
        return f"Conv2D({layer.filters}, {layer.kernel_size[0]}×{layer.kernel_size[1]}{stride})"
    if isinstance(layer, keras.layers.Rescaling):
        return f"Rescaling(1/{1 / layer.scale:g})"
    return type(layer).__name__
