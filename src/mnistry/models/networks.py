"""The networks, as Keras models that take images as they are: uint8 values 0–255 in, probabilities out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from mnistry.datasets.loading import Dataset
from mnistry.errors import UsageError, did_you_mean
from mnistry.models import test_time_augmentation
from mnistry.models.backend import keras
from mnistry.models.layers import MatrixConv2D
from mnistry.training.augmentation import pipeline
from mnistry.training.hyperparameters import Part, Range, Setting

if TYPE_CHECKING:
    from mnistry.training.config import SettledConfig

CHANNELS = (16, 48, 64, 96)  # of the strong network's convolutions: 28 to 14, to 7, at 7, to 4 pixels a side
LABEL_SMOOTHING = 0.05
WARM_UP = 0.15  # the part of the training in which the learning rate rises
MOMENTUM = 0.9
WEIGHT_DECAY = 0.005


@dataclass(frozen=True)
class Recipe:
    """A named network with its training settings.

    Attributes:
        build: `build(seed=..., classes=...)` gives the network, its weights drawn from the seed.
        compiled: `compiled(model, learning_rate=..., steps=...)` compiles it for a training of so many steps.
        learning_rate: of the optimiser; the largest, where it changes.
        epochs: how many, for a data set.
        batch_size: images a step.
        validation: the part of the training images that is held out, to watch and to calibrate on.
        augment: `augment(epochs, steps, ...)` gives what makes a larger batch out of a batch; None leaves it as it is.
        second_look: the best probability below which an image is looked at again (`second_look.py`); 0 for never.
        settings: the numbers that can be chosen, by their names.
        searched: where a search looks for `learning_rate` and `batch_size`.
        refuses: whether the network has one more output than classes, for what is none of them.
    """

    build: Callable[..., keras.Model]
    compiled: Callable[..., keras.Model]
    learning_rate: float
    epochs: Callable[[Dataset], int]
    batch_size: int
    validation: float = 0.0
    settings: Mapping[str, Setting] = field(default_factory=dict)
    searched: Mapping[str, Range] = field(default_factory=dict)
    augment: Callable[..., Callable[[Any, Any, Any, Any], tuple[Any, Any]]] | None = None
    second_look: float = 0.0
    refuses: bool = False


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
            MatrixConv2D(channels, size, stride, **options),
            keras.layers.BatchNormalization(momentum=0.95, name=f"normalisation_{number}"),
            keras.layers.ReLU(name=f"relu_{number}"),
        ]
    last = keras.initializers.GlorotUniform(seeds[0])
    parts += [
        keras.layers.Flatten(name="flatten"),
        keras.layers.Dense(classes + 1, activation="softmax", kernel_initializer=last, name="output"),
    ]
    return keras.Sequential(parts, name="strong")


def build(config: SettledConfig, *, classes: int, images: int) -> keras.Model:
    """The network of a recipe, its weights drawn from the seed, compiled.

    Args:
        config: names the recipe, and how long and how fast it is trained.
        classes: how many there are.
        images: how many an epoch has.
    """
    own = recipe(config.recipe)
    model: keras.Model = own.build(seed=config.seed, classes=classes, **chosen(config, "network"))
    rate = config.learning_rate
    own.compiled(model, learning_rate=rate, steps=steps(config, images), **chosen(config, "optimizer"))
    return model


def chosen(config: SettledConfig, part: Part) -> dict[str, float]:
    """The settings that were chosen for a part of the recipe, as its arguments."""
    known = recipe(config.recipe).settings
    return {name: value for name, value in config.settings.items() if known[name].part == part}


def steps(config: SettledConfig, images: int) -> int:
    """How many steps a training has; with augmentation, what fills no batch is left out."""
    whole, short = divmod(images, config.batch_size)
    return config.epochs * (whole + bool(short and recipe(config.recipe).augment is None))


def compile_model(model: keras.Model, *, learning_rate: float, steps: int = 0) -> keras.Model:  # noqa: ARG001 - a constant rate needs none
    """Compiles as the lesson does: Adam, sparse categorical cross-entropy, accuracy."""
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate=learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def compile_strong(
    model: keras.Model, *, learning_rate: float, steps: int, weight_decay: float = WEIGHT_DECAY
) -> keras.Model:
    """Compiles for the strong recipe: Nesterov momentum, decoupled weight decay, a rate that rises and then falls.

    Sutskever et al. 2013, "On the importance of initialization and momentum in deep learning"; Loshchilov and Hutter
    2017, "SGDR", for the cosine, and 2019, "Decoupled Weight Decay Regularization".
    """
    rising = int(steps * WARM_UP)
    rate = keras.optimizers.schedules.CosineDecay(
        learning_rate / 25, steps - rising, warmup_target=learning_rate, warmup_steps=rising
    )
    optimizer = keras.optimizers.SGD(rate, momentum=MOMENTUM, nesterov=True, weight_decay=weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
    model.compile(optimizer=optimizer, loss=smoothed_cross_entropy, metrics=["accuracy"])
    return model


def smoothed_cross_entropy(labels: Any, probabilities: Any) -> Any:
    """Cross-entropy with label smoothing (Szegedy et al. 2016) over the classes; "no digit", the last, stays as it is.

    Args:
        labels: integers (n,) or (n, 1).
        probabilities: float (n, classes + 1).

    Returns:
        float (n,).
    """
    ops = keras.ops
    logs = ops.log(ops.maximum(probabilities, keras.config.epsilon()))
    none = probabilities.shape[-1] - 1
    y = ops.cast(ops.reshape(labels, (-1,)), "int32")
    smoothing = ops.where(y < none, LABEL_SMOOTHING, 0.0)
    of_label = ops.take_along_axis(logs, y[:, None], axis=1)[:, 0]
    return -(1 - smoothing) * of_label - smoothing * ops.mean(logs[:, :none], axis=1)


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


def _strong_epochs(dataset: Dataset) -> int:
    """20 for MNIST; more where there are fewer images, as each epoch then has fewer steps."""
    return int(np.clip(20 * 60_000 / len(dataset.x_train), 20, 200))


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
    if isinstance(layer, keras.layers.Conv2D):
        stride = "" if layer.strides[0] == 1 else f", stride {layer.strides[0]}"
        return f"Conv2D({layer.filters}, {layer.kernel_size[0]}×{layer.kernel_size[1]}{stride})"
    if isinstance(layer, keras.layers.Rescaling):
        return f"Rescaling(1/{1 / layer.scale:g})"
    return type(layer).__name__


RECIPES: Mapping[str, Recipe] = {
    "tutorial": Recipe(
        build=tutorial,
        compiled=compile_model,
        learning_rate=0.001,
        epochs=lambda dataset: dataset.lesson_epochs,
        batch_size=32,
        settings={
            "hidden": Setting(
                "Width of the hidden layer.", "network", 128, 1, 4096, Range(32, 512, "factors", 16), whole=True
            ),
            "dropout": Setting("Part of the hidden layer left out in a step.", "network", 0.2, 0, 0.9, Range(0, 0.5)),
        },
        searched={"learning_rate": Range(0.0003, 0.01, "factors"), "batch_size": Range(16, 128, "factors", 16)},
    ),
    "strong": Recipe(
        build=strong,
        compiled=compile_strong,
        learning_rate=0.1,
        epochs=_strong_epochs,
        batch_size=128,
        validation=1 / 12,  # 5,000 of MNIST's 60,000
        settings={
            "width": Setting(
                "Channels of the last convolution; the others keep their proportion.",
                "network",
                CHANNELS[-1],
                6,
                960,
                Range(48, 144, "factors", 12),
                whole=True,
            ),
            "strength": Setting(
                "How far images are moved and bent, and how many are spoilt, as a multiple of the usual.",
                "augmentation",
                1,
                0,
                2,
                Range(0.5, 1.5),
            ),
            "weight_decay": Setting(
                "How fast weights shrink.", "optimizer", WEIGHT_DECAY, 0, 0.1, Range(0.001, 0.02, "factors")
            ),
        },
        searched={"learning_rate": Range(0.03, 0.3, "factors"), "batch_size": Range(64, 256, "factors", 32)},
        augment=pipeline.for_training,
        second_look=test_time_augmentation.UNSURE,
        refuses=True,
    ),
}
