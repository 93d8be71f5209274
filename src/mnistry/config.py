"""What a training is asked to do."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mnistry.errors import UsageError

if TYPE_CHECKING:
    from mnistry.data import Dataset

MAX_SEED = 2**32 - 1


def _setting(default: Any, meaning: str, otherwise: str = "") -> Any:
    """A field with its meaning, and what a default of None stands for."""
    return field(default=default, metadata={"meaning": meaning, "otherwise": otherwise or str(default)})


@dataclass(frozen=True)
class TrainConfig:
    """All that decides the result of a training, the machine and the versions apart.

    The command line takes its options from these fields; each carries its meaning as metadata.
    """

    recipe: str = _setting("tutorial", "The named network with its training settings.")
    dataset: str | None = _setting(None, "mnist or digits.", "MNIST if it is on disk or reachable, else the digits")
    epochs: int | None = _setting(None, "Passes over the training images.", "5 for MNIST, 30 for the digits")
    batch_size: int = _setting(32, "Images a step.")
    seed: int = _setting(0, "Decides first weights, dropout and order.")
    learning_rate: float | None = _setting(None, "How far a step goes.", "the recipe's own")
    validation: float = _setting(0.0, "Part of the training images held out to watch.", "0, none")
    devices: int = _setting(1, "Local devices that share each batch.")

    def __post_init__(self) -> None:
        """Refuses values that make no sense.

        Raises:
            UsageError: one of them does not.
        """
        _require(self.epochs is None or self.epochs >= 1, "The number of epochs must be 1 or more", self.epochs)
        _require(self.batch_size >= 1, "The batch size must be 1 or more", self.batch_size)
        _require(0 <= self.seed <= MAX_SEED, f"The seed must be a whole number from 0 to {MAX_SEED}", self.seed)
        rate = self.learning_rate
        _require(rate is None or 0 < rate < math.inf, "The learning rate must be a number above 0", rate)
        _require(0 <= self.validation <= 0.5, "The part for validation must be from 0 to 0.5", self.validation)
        _require(self.devices >= 1, "The number of devices must be 1 or more", self.devices)
        shared = f"{self.devices} devices must be able to share a batch evenly: the batch size must be a multiple"
        _require(self.batch_size % self.devices == 0, shared, self.batch_size)

    @property
    def rate(self) -> float:
        """The learning rate: that asked for, or the recipe's own.

        Raises:
            UsageError: there is no such recipe.
        """
        from mnistry import models

        own: float = models.recipe(self.recipe).learning_rate
        return own if self.learning_rate is None else self.learning_rate

    def settled(self, dataset: Dataset) -> TrainConfig:
        """The config with nothing left open, for a data set at hand.

        Raises:
            UsageError: the batch size is above the number of images that are left to train on.
        """
        from mnistry import data

        n = len(dataset.x_train) - data.validation_size(dataset, self.validation)
        if self.batch_size > n:
            raise UsageError(
                f"The batch size must be at most the number of training images, {n:,}; received {self.batch_size:,}."
            )
        epochs = dataset.lesson_epochs if self.epochs is None else self.epochs
        return dataclasses.replace(self, dataset=dataset.name, epochs=epochs, learning_rate=self.rate)


def _require(holds: bool, rule: str, received: object) -> None:
    if not holds:
        raise UsageError(f"{rule}; received {received}.")
