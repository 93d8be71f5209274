"""The networks, as Keras models that take images as they are: uint8 values 0–255 in, probabilities out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mnistry.models.backend import keras

if TYPE_CHECKING:
    pass

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


def strong(*, seed: int = 0, classes: int = 10, width: int = CHANNELS[-1]) -> keras.Model:
    """A compact convolutional network, 108,059 weights for ten classes, 2.7 million multiplications an image.

    Four convolutions, three of which halve the sides, each with batch normalisation and relu; then one dense layer with
    an output for each class and one for "no digit". Shaped for a CPU: nearly all work is at 7×7 and 4×4 pixels, in
    products of large matrices, so that a core of today reads some 20,000 images a second and trains on a tenth of that.

    Args:
        seed: 0 or larger; decides the first weights.
        classes: how many there are.
        width: channels of the last convolution; the others keep their proportion to it.

    Returns:
        A model (n, 28, 28) → (n, classes + 1), values 0–255 to probabilities.
    """
    seeds = [int(word) for word in np.random.SeedSequence(seed).generate_state(len(CHANNELS) + 1)]
    shapes = ((5, 2), (3, 2), (3, 1), (3, 2))  # kernel and stride
    parts = [
        keras.Input((28, 28), name="image"),
        keras.layers.Rescaling(1 / 255, name="normalise"),
        keras.layers.Reshape((28, 28, 1), name="channel"),
    ]
    channels_of = [max(1, round(width * channels / CHANNELS[-1])) for channels in CHANNELS]
    for number, (channels, (size, stride)) in enumerate(zip(channels_of, shapes, strict=True), start=1):
        drawn = keras.initializers.HeNormal(seeds[number])
        options = {"padding": "same", "use_bias": False, "kernel_initializer": drawn, "name": f"convolution_{number}"}
        parts += [
            keras.layers.Conv2D(channels, size, stride, **options),
            keras.layers.BatchNormalization(momentum=0.95, name=f"normalisation_{number}"),
            keras.layers.ReLU(name=f"relu_{number}"),
        ]
    last = keras.initializers.GlorotUniform(seeds[0])
    parts += [
        keras.layers.Flatten(name="flatten"),
        keras.layers.Dense(classes + 1, activation="softmax", kernel_initializer=last, name="output"),
    ]
    return keras.Sequential(parts, name="strong")


@dataclass(frozen=True)
class Layer:
    """A layer as people like to see it.

    Attributes:
        kind: what it does, such as "Dense(128, relu)".
        output: the shape of its output, without the batch.
        parameters: how many weights it has.
    """

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
