"""What a training is asked to do, and the training itself."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, replace

from mnistry import data, models
from mnistry.backend import keras
from mnistry.data import Dataset
from mnistry.errors import TrainingError, UsageError
from mnistry.loop import Moment, Session, shuffled

MAX_SEED = 2**32 - 1


@dataclass(frozen=True)
class TrainConfig:
    """All that decides the result of a training, the machine and the versions apart.

    Attributes:
        recipe: the named network with its training settings.
        dataset: a data set's name; None means MNIST if it can be had, else the embedded digits.
        epochs: passes over the training images; None means what the data set takes (5 for MNIST, as in the lesson).
        batch_size: images a step.
        seed: decides the first weights, dropout and the order of the images; 0 to 2³² - 1.
    """

    recipe: str = "tutorial"
    dataset: str | None = None
    epochs: int | None = None
    batch_size: int = 32
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuses values that make no sense.

        Raises:
            UsageError: one of them does not.
        """
        models.recipe(self.recipe)
        if self.epochs is not None:
            _require_positive("The number of epochs", self.epochs)
        _require_positive("The batch size", self.batch_size)
        if not 0 <= self.seed <= MAX_SEED:
            raise UsageError(f"The seed must be a whole number from 0 to {MAX_SEED}; received {self.seed}.")

    def settled(self, dataset: Dataset) -> TrainConfig:
        """The config with nothing left open, for a data set at hand.

        Raises:
            UsageError: the batch size is above the number of training images.
        """
        if self.batch_size > len(dataset.x_train):
            raise UsageError(
                f"The batch size must be at most the number of training images, {len(dataset.x_train):,}; "
                f"received {self.batch_size:,}."
            )
        epochs = dataset.lesson_epochs if self.epochs is None else self.epochs
        return replace(self, dataset=dataset.name, epochs=epochs)


@dataclass(frozen=True, eq=False)
class Trained:
    """What a training gives.

    Attributes:
        config: the settled config.
        dataset: what it was trained on.
        model: the trained network, compiled.
        epochs: the last moment of each epoch.
    """

    config: TrainConfig
    dataset: Dataset
    model: keras.Model
    epochs: tuple[Moment, ...]


def train(
    config: TrainConfig,
    *,
    dataset: Dataset | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    progress: Callable[[Moment], None] | None = None,
) -> Trained:
    """Trains the network that the config names.

    Args:
        config: what to do.
        dataset: what to train on, where it is loaded already; otherwise the config says.
        data_dir: where to look for the data first.
        progress: called several times an epoch; has no influence on the result.

    Raises:
        UsageError: the config does not fit the data.
        DataError: the data cannot be had.
        TrainingError: the training diverged.
    """
    dataset = dataset or data.load(config.dataset, data_dir=data_dir)
    config = config.settled(dataset)
    model = models.build(config.recipe, seed=config.seed, classes=len(dataset.class_names))
    models.compile_model(model, learning_rate=models.recipe(config.recipe).learning_rate)
    return Trained(config, dataset, model, run_epochs(model, dataset, config, progress=progress))


def run_epochs(
    model: keras.Model, dataset: Dataset, config: TrainConfig, *, progress: Callable[[Moment], None] | None = None
) -> tuple[Moment, ...]:
    """Trains a compiled model on the training split as the settled config says.

    Returns:
        The last moment of each epoch.

    Raises:
        TrainingError: the loss is no longer a finite number.
    """
    if config.epochs is None:
        raise UsageError("The config leaves the epochs open: settle it with config.settled(dataset) first.")
    session = Session(model, dataset.x_train, dataset.y_train, config.batch_size)
    done = []
    for epoch in range(1, config.epochs + 1):
        for moment in session.epoch(shuffled(session.n, config.seed, epoch), epoch, config.epochs):
            if progress is not None:
                progress(moment)
        if not math.isfinite(moment.logs["loss"]):
            raise TrainingError(
                f"The loss is {moment.logs['loss']} in epoch {epoch}: the training has diverged. "
                "Try a smaller learning rate."
            )
        done.append(moment)
    session.give_back()
    return tuple(done)


def _require_positive(what: str, value: int) -> None:
    if value < 1:
        raise UsageError(f"{what} must be 1 or more; received {value}.")
