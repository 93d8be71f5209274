"""A trained network calibrated on the images that were held out: its temperature, and its lines for what is sure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mnistry.datasets import loading
from mnistry.evaluation import calibration
from mnistry.evaluation.metrics import evaluate
from mnistry.models import backend, outputs
from mnistry.models.metadata import DIGIT_THRESHOLD
from mnistry.models.test_time_augmentation import look_again
from mnistry.training import recipes
from mnistry.training.trainer import Trained

SURE_PRECISION = 0.9975  # of the answers that are called sure, on the images held out, at least this part is right
DIGITS_KEPT = 0.989  # of the images held out: those that are taken for digits


@dataclass(frozen=True)
class Calibration:
    """The calibration of a training, fitted to its validation images.

    Attributes:
        images: how many they are.
        temperature: logits are divided by it.
        sure_threshold: an answer of at least this probability is sure; 2 means that none is.
        sure_precision: the part of sure answers that is right was to be at least this.
        sure_kept: the part of the answers that is sure.
        digit_threshold: an image of at least this digit-ness is taken for a digit.
        digits_kept: the part of the images that is.
        loss_before: log loss with temperature 1.
        loss_after: log loss with the temperature and the second look.
        ece_before: expected calibration error with temperature 1.
        ece_after: expected calibration error with the temperature and the second look.
        second_look: an image whose best probability is below this is looked at again; 0 means that none is.
    """

    images: int
    temperature: float
    sure_threshold: float
    sure_precision: float
    sure_kept: float
    digit_threshold: float
    digits_kept: float
    loss_before: float
    loss_after: float
    ece_before: float
    ece_after: float
    second_look: float


def calibrate(trained: Trained) -> Calibration | None:
    """Choose temperature and thresholds on the images held out; None where none were."""
    _, (x, y) = loading.split(trained.dataset, trained.config.validation, trained.config.seed)
    if not len(y):
        return None
    logits, classes = _logits(trained, x), len(trained.dataset.class_names)
    digits = logits[:, :classes]
    wrong = bool((digits.argmax(axis=1) != y).any())
    temperature = calibration.fit_temperature(digits, y) if wrong else 1.0  # without errors the fit falls to nothing
    again = recipes.recipe(trained.config.recipe).second_look
    before = evaluate(outputs.probabilities(digits, 1.0), y)
    after = evaluate(_looked_at(trained, x, digits, temperature, again), y)
    digitness = outputs.digitness(logits, classes, temperature)
    refuses = logits.shape[1] > classes
    least = calibration.threshold_at_recall(digitness, DIGITS_KEPT) if refuses else DIGIT_THRESHOLD
    taken = digitness >= least
    sure = calibration.threshold_for_precision(after.confidences[taken], (after.answers == y)[taken], SURE_PRECISION)
    return Calibration(
        images=len(y),
        temperature=temperature,
        sure_threshold=sure.value,
        sure_precision=SURE_PRECISION,
        sure_kept=sure.kept * float(taken.mean()),
        digit_threshold=least,
        digits_kept=float(taken.mean()),
        loss_before=before.loss,
        loss_after=after.loss,
        ece_before=before.ece,
        ece_after=after.ece,
        second_look=again,
    )


def probabilities(trained: Trained, chosen: Calibration | None, x: np.ndarray) -> np.ndarray:
    """The calibrated probabilities of images, uint8 (n, 28, 28): float (n, classes)."""
    if chosen is None:
        outputs = backend.predict(trained.model, x)
        classes = outputs[:, : len(trained.dataset.class_names)]
        return classes if classes.shape == outputs.shape else classes / classes.sum(axis=1, keepdims=True)
    logits = _logits(trained, x)[:, : len(trained.dataset.class_names)]
    return _looked_at(trained, x, logits, chosen.temperature, chosen.second_look)


def _looked_at(trained: Trained, x: np.ndarray, logits: np.ndarray, temperature: float, again: float) -> np.ndarray:
    """The probabilities of images, after a second look at those that are unsure at first."""

    def ask(images: np.ndarray) -> np.ndarray:
        return outputs.probabilities(_logits(trained, images)[:, : logits.shape[1]], temperature)

    found = outputs.probabilities(logits, temperature)
    look_again(x, found, again, ask)
    return found


def _logits(trained: Trained, x: np.ndarray) -> Any:
    """Logits, up to a constant: all recipes end in softmax."""
    return np.log(np.maximum(backend.predict(trained.model, x).astype(np.float64), np.finfo(np.float32).tiny))
