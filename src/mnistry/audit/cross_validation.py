"""Out-of-fold probabilities: the lesson's network, trained on all folds but one, predicts that one.

Each repeat assigns the images to new folds and trains networks with other initial weights. The result is the mean over
the repeats.
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
FOLD_STREAM = 1  # sets these random numbers apart from those of the validation split, which has 0 there


@dataclass(frozen=True)
class Plan:
    """The settings of the cross-validation.

    Attributes:
        epochs: of each network.
        folds: how many parts the images are divided into, 2 or more.
        repeats: number of cross-validations that are averaged.
        seed: determines folds, initial weights, dropout and order.
    """

    epochs: int
    folds: int = 5
    repeats: int = 3
    seed: int = 0

    @property
    def networks(self) -> int:
        """The number of networks that are trained."""
        return self.folds * self.repeats


def predict_out_of_fold(
    images: np.ndarray,
    labels: np.ndarray,
    classes: int,
    plan: Plan,
    progress: Callable[[int, TrainProgress], None] = lambda *_: None,
) -> np.ndarray:
    """Predict each image by networks that were not trained on it: float64 (n, classes), the mean over the repeats.

    Args:
        images: uint8 (n, 28, 28), n at least the number of folds.
        labels: uint8 (n,), below `classes`.
        classes: number of classes.
        plan: the settings.
        progress: called several times an epoch with the number of the network, from 0, and the training's progress.
    """
    total = np.zeros((len(images), classes))
    for number in range(plan.networks):
        repeat, fold = divmod(number, plan.folds)
        held_out = assign_folds(labels, plan.folds, plan.seed, repeat) == fold
        own = recipes.find_recipe(RECIPE)
        model = own.compiled(own.build(seed=plan.seed + number, classes=classes), learning_rate=own.learning_rate)
        fitting.fit(
            model,
            images[~held_out],
            labels[~held_out],
            epochs=plan.epochs,
            batch_size=min(own.batch_size, int((~held_out).sum())),
            seed=plan.seed + number,
            verbose=0,
            progress=partial(progress, number),
        )
        total[held_out] += backend.predict(model, images[held_out])
    return total / plan.repeats


def assign_folds(labels: np.ndarray, folds: int, seed: int, repeat: int) -> np.ndarray:
    """Assign each image to a fold, int64 (n,), stratified: class counts of two folds differ by at most one.

    The labels are integers (n,); seed and the number of the repeat determine the assignment.
    """
    order = np.random.default_rng([seed, FOLD_STREAM, repeat]).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    fold = np.empty(len(labels), np.int64)
    fold[order] = np.arange(len(labels)) % folds  # on through the classes, so that the folds are of one size too
    return fold
