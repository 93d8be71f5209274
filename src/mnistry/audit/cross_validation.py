"""Probabilities for images that a network has not seen: the lesson's network, trained on all but a part, for each part.

Each round deals the images anew into folds and trains networks with other first weights; what an image gets is the mean
over the rounds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from mnistry.models import backend
from mnistry.training import fitting, recipes
from mnistry.training.loop import TrainProgress

RECIPE = "tutorial"
DEAL_STREAM = 1  # sets these random numbers apart from those of the validation split, which has 0 there


@dataclass(frozen=True)
class Plan:
    """How the networks are trained.

    Attributes:
        epochs: of each network.
        folds: how many parts the images are dealt into, 2 or more.
        rounds: how often all of that is done.
        seed: decides the parts, first weights, dropout and order.
    """

    epochs: int
    folds: int = 5
    rounds: int = 3
    seed: int = 0

    @property
    def networks(self) -> int:
        """How many are trained."""
        return self.folds * self.rounds


def _nobody(*_: object) -> None:
    """Does not listen."""


def out_of_fold(
    images: np.ndarray,
    labels: np.ndarray,
    classes: int,
    plan: Plan,
    progress: Callable[[int, TrainProgress], None] = _nobody,
) -> np.ndarray:
    """What networks say of images that they were not trained on.

    Args:
        images: uint8 (n, 28, 28), n at least the number of folds.
        labels: uint8 (n,), below `classes`.
        classes: how many there are.
        plan: how the networks are trained.
        progress: gets the number of a network, from 0, and where its training stands, several times an epoch.

    Returns:
        float64 (n, classes), of each image the mean over the rounds.
    """
    total = np.zeros((len(images), classes))
    for number in range(plan.networks):
        round_, fold = divmod(number, plan.folds)
        held_out = dealt(labels, plan.folds, plan.seed, round_) == fold
        own = recipes.recipe(RECIPE)
        model = own.compiled(own.build(seed=plan.seed + number, classes=classes), learning_rate=own.learning_rate)
        fitting.fit(
            model,
            images[~held_out],
            labels[~held_out],
            epochs=plan.epochs,
            batch_size=min(own.batch_size, int((~held_out).sum())),
            seed=plan.seed + number,
            progress=partial(progress, number),
        )
        total[held_out] += backend.predict(model, images[held_out])
    return total / plan.rounds


def dealt(labels: np.ndarray, folds: int, seed: int, round_: int) -> np.ndarray:
    """The fold of each image, int64 (n,): of every class each fold gets as many, or one more.

    Args:
        labels: integers (n,).
        folds: how many there are.
        seed: decides who comes where.
        round_: the same; each round deals anew.
    """
    order = np.random.default_rng([seed, DEAL_STREAM, round_]).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    fold = np.empty(len(labels), np.int64)
    fold[order] = np.arange(len(labels)) % folds  # on through the classes, so that the folds are of one size too
    return fold
