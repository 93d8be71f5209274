"""The configuration of a training."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mnistry.errors import UsageError

MAX_SEED = 2**32 - 1
OF_THE_RECIPE = "the recipe's own"  # the command line says which, from `recipes.RECIPES`


def _setting(default: Any, meaning: str, otherwise: str = "") -> Any:
    """A field with its meaning, and the meaning of a default of None."""
    return field(default=default, metadata={"meaning": meaning, "otherwise": otherwise or str(default)})


@dataclass(frozen=True)
class TrainConfig:
    """Everything that determines a training result, except machine and library versions.

    The command line takes its options from these fields; each carries its meaning as metadata. None leaves a value to
    the recipe.

    >>> config = TrainConfig(recipe="strong", epochs=3)
    >>> config.epochs, config.batch_size, config.seed
    (3, None, 0)
    """

    recipe: str = _setting("tutorial", "The named network with its training settings.")
    dataset: str | None = _setting(
        None,
        "mnist, fashion-mnist, kmnist, qmnist, emnist-digits, digits, or the path of your own data.",
        "MNIST if it is on disk or reachable, else the digits",
    )
    kind: str | None = _setting(
        None,
        "Your own data show ink on paper, brought into MNIST's form, or pictures, made grey and 28×28.",
        "decided by looking",
    )
    epochs: int | None = _setting(None, "Passes over the training images.", OF_THE_RECIPE)
    batch_size: int | None = _setting(None, "Images per training step.", OF_THE_RECIPE)
    seed: int = _setting(0, "Determines initial weights, dropout and order.")
    learning_rate: float | None = _setting(
        None, "The optimizer's step size; the largest, if it changes.", OF_THE_RECIPE
    )
    validation: float | None = _setting(
        None, "Share of the training images held out for validation and calibration.", OF_THE_RECIPE
    )
    devices: int = _setting(1, "Number of local devices that share each batch.")
    teachers: str | None = _setting(
        None,
        "Run folders, separated by commas, whose networks' averaged answers are learned from (distillation).",
        "the labels alone",
    )
    initial: str | None = _setting(
        None,
        "Run folders, separated by commas, from the mean of whose last checkpoints the weights start.",
        "drawn from the seed",
    )
    settings: Mapping[str, float] = field(
        default_factory=dict,
        hash=False,
        metadata={"meaning": "A hyperparameter of the recipe; may be repeated.", "otherwise": OF_THE_RECIPE},
    )

    def __post_init__(self) -> None:
        """Refuse values that make no sense.

        Raises:
            UsageError: one of them does not.
        """
        least = 1 if self.initial is None else 0  # weights that start from runs can be taken as they are
        epochs, size, part = self.epochs, self.batch_size, self.validation
        _require(epochs is None or epochs >= least, f"The number of epochs must be {least} or more", epochs)
        kinds = "The kind of a data set is ink or pictures"
        _require(self.kind in (None, "ink", "pictures"), kinds, repr(self.kind))
        _require(size is None or size >= 1, "The batch size must be 1 or more", size)
        _require(0 <= self.seed <= MAX_SEED, f"The seed must be a whole number from 0 to {MAX_SEED}", self.seed)
        rate = self.learning_rate
        _require(rate is None or 0 < rate < math.inf, "The learning rate must be a number above 0", rate)
        _require(part is None or 0 <= part <= 0.5, "The part for validation must be from 0 to 0.5", part)
        _require(self.devices >= 1, "The number of devices must be 1 or more", self.devices)
        shared = f"{self.devices} devices must be able to share a batch evenly: the batch size must be a multiple"
        _require(size is None or size % self.devices == 0, shared, size)


@dataclass(frozen=True, kw_only=True)
class ResolvedConfig(TrainConfig):
    """A config with nothing left open."""

    dataset: str
    epochs: int
    batch_size: int
    learning_rate: float
    validation: float


def _require(holds: bool, rule: str, received: object) -> None:
    if not holds:
        raise UsageError(f"{rule}; received {received}.")
