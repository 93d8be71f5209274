"""The recipes: named networks with their training settings.

Importing this module loads neither Keras nor NumPy: the command line takes its help texts from the recipes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from mnistry.errors import UsageError, did_you_mean
from mnistry.models.metadata import UNSURE
from mnistry.training.config import ResolvedConfig, TrainConfig

if TYPE_CHECKING:
    from mnistry.datasets.dataset import Dataset
    from mnistry.models.backend import keras

SMALLEST_BATCH, LEAST_STEPS = 16, 10  # where there are few images
LABEL_SMOOTHING = 0.05
WARM_UP = 0.15  # the part of the training in which the learning rate rises
MOMENTUM = 0.9
WEIGHT_DECAY = 0.005

Part = Literal["network", "optimizer", "augmentation"]


@dataclass(frozen=True)
class SearchRange:
    """The range in which a search looks for a number.

    Attributes:
        low: the least.
        high: the most.
        even: "steps" if all numbers in between are as likely, "factors" if doubling counts the same everywhere.
        multiple: the number is a whole multiple of this, counted from `low`; None means any number.
    """

    low: float
    high: float
    even: Literal["steps", "factors"] = "steps"
    multiple: int | None = None

    def at(self, place: float) -> float:
        """The number at a place from 0, the low end, to 1; three digits of it, or a whole multiple.

        >>> SearchRange(0.001, 0.1, "factors").at(0.5), SearchRange(16, 64, "steps", 16).at(0.5)
        (0.01, 48)
        """
        if self.even == "factors":
            value = self.low * (self.high / self.low) ** place
        else:
            value = self.low + (self.high - self.low) * place
        if self.multiple is None:
            return float(f"{value:.3g}")
        return self.low + self.multiple * math.floor((value - self.low) / self.multiple + 0.5)


@dataclass(frozen=True)
class Hyperparameter:
    """A number of a recipe that can be chosen: `mnistry train --set NAME=X`.

    Attributes:
        meaning: a sentence on it.
        part: what of the recipe it changes: that takes it as an argument of the setting's name.
        default: its value if none is given.
        least: the least that makes sense.
        most: the most that makes sense.
        searched: where a search looks; a multiple there makes it a whole number.
    """

    meaning: str
    part: Part
    default: float
    least: float
    most: float
    searched: SearchRange

    @property
    def whole(self) -> bool:
        """True if it is a whole number."""
        return self.searched.multiple is not None


@dataclass(frozen=True)
class Recipe:
    """A named network with its training settings.

    Attributes:
        build: `build(seed=..., classes=...)` gives the network, its weights drawn from the seed.
        compiled: `compiled(model, learning_rate=..., steps=...)` compiles it for a training of that number of steps.
        learning_rate: of the optimiser; the largest, where it changes.
        epochs: how many, for a number of training images.
        batch_size: images a step.
        validation: the part of the training images that is held out, to watch and to calibrate on.
        augment: `augment(epochs, steps, ...)` gives what makes a larger batch out of a batch; None leaves it as it is.
        second_look: the best probability below which an image is looked at again; 0 for never.
        settings: the numbers that can be chosen, by their names.
        searched: where a search looks for `learning_rate` and `batch_size`.
        refuses: whether the network has one more output than classes, for images of none of them.
    """

    build: Callable[..., keras.Model]
    compiled: Callable[..., keras.Model]
    learning_rate: float
    epochs: Callable[[int], int]
    batch_size: int
    validation: float = 0.0
    settings: Mapping[str, Hyperparameter] = field(default_factory=dict)
    searched: Mapping[str, SearchRange] = field(default_factory=dict)
    augment: Callable[..., Callable[[Any, Any, Any, Any], tuple[Any, Any]]] | None = None
    second_look: float = 0.0
    refuses: bool = False


def resolve(config: TrainConfig, dataset: Dataset) -> ResolvedConfig:
    """Fill in the open fields of a config, from its recipe and for the data set at hand.

    Raises:
        UsageError: there is no such recipe, it does not have such settings, or the batch size is above the number of
            images that are left to train on.
    """
    from mnistry.datasets.dataset import count_learning

    own = find_recipe(config.recipe)
    validation = own.validation if config.validation is None else config.validation
    n = count_learning(dataset, validation)
    batch_size = config.batch_size
    if batch_size is None:
        batch_size = _default_batch_size(own.batch_size, n, config.devices)
    if batch_size > n:
        raise UsageError(
            f"The batch size must be at most the number of training images, {n:,}; received {batch_size:,}."
        )
    return ResolvedConfig(
        recipe=config.recipe,
        dataset=dataset.name,
        epochs=own.epochs(len(dataset.x_train)) if config.epochs is None else config.epochs,
        batch_size=batch_size,
        seed=config.seed,
        learning_rate=own.learning_rate if config.learning_rate is None else config.learning_rate,
        validation=validation,
        devices=config.devices,
        teachers=config.teachers,
        initial=config.initial,
        settings=check_settings(config.settings, own.settings, config.recipe),
    )


def check_settings(chosen: Mapping[str, float], known: Mapping[str, Hyperparameter], recipe: str) -> dict[str, float]:
    """Check hyperparameters against those of the recipe, and give them; whole ones as `int`.

    Raises:
        UsageError: the recipe has no such setting, or its value is out of range.
    """
    for name, value in chosen.items():
        if name not in known:
            raise UsageError(f"The recipe {recipe} has no setting named {name!r}. {did_you_mean(name, known)}")
        one = known[name]
        if not one.least <= value <= one.most or (one.whole and value != int(value)):
            kind = "a whole number" if one.whole else "a number"
            raise UsageError(f"{name} must be {kind} from {one.least:g} to {one.most:g}; received {value:g}.")
    return {name: int(value) if known[name].whole else float(value) for name, value in chosen.items()}


def _default_batch_size(usual: int, n: int, devices: int) -> int:
    """The recipe's own batch size; smaller for few images, so that an epoch has at least some ten steps."""
    size = min(usual, max(SMALLEST_BATCH, n // LEAST_STEPS), n)
    return usual if size == usual else max(size - size % devices, devices)


def build(config: ResolvedConfig, *, classes: int, images: int) -> keras.Model:
    """The network of a recipe, its weights drawn from the seed, compiled for epochs of that number of images."""
    from mnistry.models import backend

    backend.check_settings()
    own = find_recipe(config.recipe)
    model: keras.Model = own.build(seed=config.seed, classes=classes, **select_settings(config, "network"))
    optimizer = select_settings(config, "optimizer")
    if config.teachers is not None:
        if not own.refuses:
            raise UsageError(f"The recipe {config.recipe} cannot learn from teachers; strong and teacher can.")
        optimizer["distilled"] = True
    return own.compiled(model, learning_rate=config.learning_rate, steps=count_steps(config, images), **optimizer)


def select_settings(config: ResolvedConfig, part: Part) -> dict[str, Any]:
    """The settings that were chosen for a part of the recipe, as its arguments."""
    known = find_recipe(config.recipe).settings
    return {name: value for name, value in config.settings.items() if known[name].part == part}


def count_steps(config: ResolvedConfig, images: int) -> int:
    """Count the steps of a training; with augmentation, an incomplete batch is left out."""
    whole, short = divmod(images, config.batch_size)
    return config.epochs * (whole + bool(short and find_recipe(config.recipe).augment is None))


def compile_model(model: keras.Model, *, learning_rate: float, steps: int = 0) -> keras.Model:  # noqa: ARG001 - a constant rate needs none
    """Compile as the lesson does: Adam, sparse categorical cross-entropy, accuracy."""
    from mnistry.models.backend import keras

    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate=learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def compile_strong(
    model: keras.Model,
    *,
    learning_rate: float,
    steps: int,
    weight_decay: float = WEIGHT_DECAY,
    label_smoothing: float = LABEL_SMOOTHING,
    distilled: bool = False,
) -> keras.Model:
    """Compile for the strong recipe: Nesterov momentum, decoupled weight decay, a rate that rises and then falls.

    Sutskever et al. 2013, "On the importance of initialization and momentum in deep learning"; Loshchilov and Hutter
    2017, "SGDR", for the cosine, and 2019, "Decoupled Weight Decay Regularization".

    Args:
        model: to be compiled.
        learning_rate: the largest.
        steps: of the training.
        weight_decay: how fast weights shrink.
        label_smoothing: share of a label that is spread over the other classes.
        distilled: whether it learns from teachers' answers instead.
    """
    from mnistry.models.backend import keras
    from mnistry.training import distillation
    from mnistry.training.losses import SmoothedCrossEntropy

    rising = int(steps * WARM_UP)
    rate = keras.optimizers.schedules.CosineDecay(
        learning_rate / 25, max(steps - rising, 1), warmup_target=learning_rate, warmup_steps=rising
    )
    optimizer = keras.optimizers.SGD(rate, momentum=MOMENTUM, nesterov=True, weight_decay=weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
    if distilled:
        model.compile(optimizer=optimizer, loss=distillation.distillation_loss, metrics=[distillation.accuracy])
    else:
        loss = SmoothedCrossEntropy(label_smoothing)
        model.compile(optimizer=optimizer, loss=loss, metrics=["accuracy"])
    return model


def _epochs(usual: int, most: int, images: int) -> int:
    """As many as usual for MNIST; up to `most` where there are fewer images, as each epoch then has fewer steps."""
    return min(max(usual * 60_000 // images, usual), most)


def _build(network: str, **settings: Any) -> keras.Model:
    from mnistry.models import networks

    make: Callable[..., keras.Model] = getattr(networks, network)
    return make(**settings)


def _augment_strong(*course: Any, **settings: Any) -> Callable[[Any, Any, Any, Any], tuple[Any, Any]]:
    from mnistry.training.augmentation import pipeline

    return pipeline.make_augmenter(*course, **settings)


def find_recipe(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        UsageError: there is none.
    """
    if name not in RECIPES:
        raise UsageError(f"There is no recipe named {name!r:.80}. {did_you_mean(name, RECIPES)}")
    return RECIPES[name]


STRENGTH = Hyperparameter(
    "How far images are moved and bent, and how many are spoilt, as a multiple of the usual.",
    "augmentation", 1, 0, 2, SearchRange(0.5, 1.5),
)  # fmt: skip
DECAY = Hyperparameter(
    "How fast weights shrink.", "optimizer", WEIGHT_DECAY, 0, 0.1, SearchRange(0.001, 0.02, "factors")
)
TUTORIAL = Recipe(
    build=partial(_build, "tutorial"),
    compiled=compile_model,
    learning_rate=0.001,
    epochs=partial(_epochs, 5, 30),
    batch_size=32,
    settings={
        "hidden": Hyperparameter(
            "Width of the hidden layer.", "network", 128, 1, 4096, SearchRange(32, 512, "factors", 16)
        ),
        "dropout": Hyperparameter(
            "Part of the hidden layer left out in a step.", "network", 0.2, 0, 0.9, SearchRange(0, 0.5)
        ),
    },
    searched={"learning_rate": SearchRange(0.0003, 0.01, "factors"), "batch_size": SearchRange(16, 128, "factors", 16)},
)
STRONG = Recipe(
    build=partial(_build, "strong"),
    compiled=compile_strong,
    learning_rate=0.1,
    epochs=partial(_epochs, 20, 200),
    batch_size=128,
    validation=1 / 12,  # 5,000 of MNIST's 60,000
    settings={
        "width": Hyperparameter(
            "Channels of the last convolution; the others keep their proportion.",
            "network", 96, 6, 960, SearchRange(48, 144, "factors", 12),
        ),
        "depth": Hyperparameter("More convolutions at each size.", "network", 0, 0, 8, SearchRange(0, 2, "steps", 1)),
        "strength": STRENGTH,
        "weight_decay": DECAY,
        "label_smoothing": Hyperparameter(
            "Share of a label that is spread over the other classes.",
            "optimizer", LABEL_SMOOTHING, 0, 0.5, SearchRange(0, 0.1),
        ),
    },
    searched={
        "learning_rate": SearchRange(0.03, 0.3, "factors"), "batch_size": SearchRange(64, 256, "factors", 32),
    },
    augment=_augment_strong,
    second_look=UNSURE,
    refuses=True,
)  # fmt: skip
TEACHER = replace(
    STRONG,
    build=partial(_build, "teacher"),
    # Label smoothing would hide its knowledge: Müller et al. 2019, "When Does Label Smoothing Help?", section 4.
    compiled=partial(compile_strong, label_smoothing=0.0),
    settings={
        "width": Hyperparameter(
            "Channels of the last stage; those before have a half and a quarter.",
            "network", 192, 4, 1024, SearchRange(96, 384, "factors", 32),
        ),
        "depth": Hyperparameter("Convolutions in a stage.", "network", 3, 1, 8, SearchRange(2, 4, "steps", 1)),
        "kernel": Hyperparameter("Side of the kernels, in pixels.", "network", 3, 1, 9, SearchRange(3, 5, "steps", 2)),
        "strength": STRENGTH,
        "weight_decay": DECAY,
    },
)  # fmt: skip
RECIPES: Mapping[str, Recipe] = {"tutorial": TUTORIAL, "strong": STRONG, "teacher": TEACHER}
