"""The networks, as Keras models that take images as they are: uint8 values 0–255 in, probabilities out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from mnistry.backend import keras
from mnistry.errors import UsageError, did_you_mean


@dataclass(frozen=True)
class Recipe:
    """A named network with its training settings.

    Attributes:
        build: `build(seed=..., classes=...)` gives the network, its weights drawn from the seed.
        learning_rate: of Adam.
    """

    build: Callable[..., keras.Model]
    learning_rate: float


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


def build(name: str, *, seed: int, classes: int) -> keras.Model:
    """The network of a recipe, its weights drawn from the seed, not yet compiled."""
    model: keras.Model = recipe(name).build(seed=seed, classes=classes)
    return model


def compile_model(model: keras.Model, *, learning_rate: float) -> keras.Model:
    """Compiles as the lesson does: Adam, sparse categorical cross-entropy, accuracy."""
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate=learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


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


def recipe(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        UsageError: there is none.
    """
    if name not in RECIPES:
        raise UsageError(f"There is no recipe named {name!r}. {did_you_mean(name, RECIPES)}")
    return RECIPES[name]


def _kind(layer: keras.Layer) -> str:
    if isinstance(layer, keras.layers.Dense):
        return f"Dense({layer.units}, {layer.activation.__name__})"
    if isinstance(layer, keras.layers.Dropout):
        return f"Dropout({layer.rate:g})"
    if isinstance(layer, keras.layers.Rescaling):
        return f"Rescaling(1/{1 / layer.scale:g})"
    return type(layer).__name__


RECIPES: Mapping[str, Recipe] = {
    "tutorial": Recipe(build=tutorial, learning_rate=0.001),
}
