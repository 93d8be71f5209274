"""Calibrate a trained network on the images held out: its temperature, and when it is sure.

A network of digits is calibrated on the held-out images as they are, on the same images moved, stretched and degraded,
and on digits drawn in other hands. Each set counts by a stated share, whatever its number of images: the temperature is
nearly that of the held-out images, so that probabilities hold for images such as the network was trained for; the
threshold for sure is that of all three.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mnistry.datasets import loading
from mnistry.evaluation import calibration
from mnistry.evaluation.metrics import evaluate
from mnistry.models import backend, outputs
from mnistry.models.backend import jax
from mnistry.models.classifier import apply_tta
from mnistry.models.metadata import DIGIT_THRESHOLD
from mnistry.training import recipes
from mnistry.training.augmentation import pipeline
from mnistry.training.trainer import Trained

TEMPERATURE_SHARES = 0.98, 0.01, 0.01  # of held-out, degraded and drawn images in the loss that it is fitted by
SURE_SHARES = 0.5, 0.4, 0.1  # the same in the precision of sure answers
FULL = 5_000  # images: of a smaller set each counts as in a set of that size, so that none weighs much
SURE_PRECISION = 0.998  # at least this share of the sure answers is right, with the images weighted by those shares
LEAST_SURE = 0.975
"""No answer is sure below this, whatever the precision.

The built-in network reaches the precision from 0.93 on; but of its answers with 0.93 to 0.95 on degraded and drawn
images, three in a hundred are wrong.
"""
DIGITS_KEPT = 0.97  # at least this share of the images of each class is taken for digits, held-out and drawn ones apart
DRAWN, CHUNK = 12_000, 1000  # digits that are drawn; images that are made at a time
STREAM = 3  # of random numbers, apart from those of the training


@dataclass(frozen=True)
class Calibration:
    """The calibration of a training, fitted to its validation images.

    Attributes:
        images: how many they are.
        others: how many degraded and drawn images were used besides.
        temperature: logits are divided by it.
        sure_threshold: an answer is sure if its probability times its digit score is at least this; 2 means never.
        sure_precision: the weighted share of sure answers that is right was to be at least this.
        sure_kept: share of the held-out images whose answer is sure.
        digit_threshold: an image with at least this digit score is taken for a digit.
        digits_kept: share of the held-out images that is.
        drawn_kept: share of the drawn digits that is; 1 where none were drawn.
        least_kept: the smallest share of any class that is, among held-out and among drawn images.
        loss_before: log loss with temperature 1.
        loss_after: log loss with the temperature and test-time augmentation.
        ece_before: expected calibration error with temperature 1.
        ece_after: expected calibration error with the temperature and test-time augmentation.
        second_look: test-time augmentation is used where the best probability is below this; 0 means never.
    """

    images: int
    others: int
    temperature: float
    sure_threshold: float
    sure_precision: float
    sure_kept: float
    digit_threshold: float
    digits_kept: float
    drawn_kept: float
    least_kept: float
    loss_before: float
    loss_after: float
    ece_before: float
    ece_after: float
    second_look: float


@dataclass(frozen=True, eq=False)
class _Answers:
    """The network's outputs for some images: labels (n,), logits (n, classes), all its logits (n, outputs)."""

    images: np.ndarray
    labels: np.ndarray
    logits: np.ndarray
    outputs: np.ndarray


def calibrate(trained: Trained) -> Calibration | None:
    """Choose temperature and thresholds on the images held out; None where none were."""
    _, (x, y) = loading.split(trained.dataset, trained.config.validation, trained.config.seed)
    if not len(y):
        return None
    recipe, classes = recipes.find_recipe(trained.config.recipe), len(trained.dataset.class_names)
    drawn = recipe.refuses and tuple(trained.dataset.class_names) == loading.DIGIT_NAMES
    made = _made(x, y, trained.config.seed) if drawn else []
    sets = []
    for images, truths in [(x, y), *made]:
        scores = _logits(trained, images)
        sets.append(_Answers(images, truths, scores[:, :classes], scores))
    logits, labels = (np.concatenate([getattr(each, name) for each in sets]) for name in ("logits", "labels"))
    temperature = choose_temperature(logits, labels, np.concatenate(_weights(sets, TEMPERATURE_SHARES)))
    again = recipe.second_look
    scores = [outputs.compute_digit_score(each.outputs, classes, temperature) for each in sets]
    # Some of the degraded images, the second set, are beyond recognition: none of them has to be kept.
    groups = [
        scores[place][sets[place].labels == label]
        for place in range(len(sets))
        for label in range(classes)
        if place != 1 and (sets[place].labels == label).any()
    ]
    refuses = sets[0].outputs.shape[1] > classes
    least = min(calibration.threshold_at_recall(each, DIGITS_KEPT) for each in groups) if refuses else DIGIT_THRESHOLD
    found = [_look_again(trained, each.images, each.logits, temperature, again) for each in sets]
    before, after = evaluate(outputs.softmax(sets[0].logits), y), evaluate(found[0], y)
    beliefs = [p.max(axis=1) * score for p, score in zip(found, scores, strict=True)]
    rights = [p.argmax(axis=1) == each.labels for p, each in zip(found, sets, strict=True)]
    taken = [score >= least for score in scores]
    belief, right, weights = (
        np.concatenate([part[mask] for part, mask in zip(parts, taken, strict=True)])
        for parts in (beliefs, rights, _weights(sets, SURE_SHARES))
    )
    sure = choose_sure_threshold(belief, right, weights)
    return Calibration(
        images=len(y),
        others=len(labels) - len(y),
        temperature=temperature,
        sure_threshold=sure,
        sure_precision=SURE_PRECISION,
        sure_kept=float((taken[0] & (beliefs[0] >= sure)).mean()),
        digit_threshold=least,
        digits_kept=float(taken[0].mean()),
        drawn_kept=float(taken[-1].mean()) if made else 1.0,
        least_kept=min(float((each >= least).mean()) for each in groups),
        loss_before=before.loss,
        loss_after=after.loss,
        ece_before=before.ece,
        ece_after=after.ece,
        second_look=again,
    )


def choose_temperature(logits: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Fit the temperature; see `fit_temperature`. 1 if every answer is right, where the fit would fall to nothing."""
    wrong = (logits.argmax(axis=1) != labels).any()
    return calibration.fit_temperature(logits, labels, weights) if wrong else 1.0


def choose_sure_threshold(beliefs: np.ndarray, right: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Choose the threshold for sure answers: the lowest of the stated precision, at least `LEAST_SURE`; 2 for none.

    Beliefs, float (n,), are calibrated probability times digit score; weights, float (n,), say how much each counts.
    """
    return max(calibration.threshold_for_precision(beliefs, right, SURE_PRECISION, weights), LEAST_SURE)


def _weights(sets: Sequence[_Answers], shares: Sequence[float]) -> list[np.ndarray]:
    """The weight of each image of each set, float (n,), if the sets count by these shares."""
    return [
        np.full(len(each.labels), share / max(len(each.labels), FULL))
        for each, share in zip(sets, shares, strict=False)  # a network of other classes has the first set alone
    ]


def _made(x: np.ndarray, y: np.ndarray, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Make degraded copies of images, and drawn digits, both with their labels; they depend on the seed alone."""
    keys = jax.random.split(jax.random.fold_in(jax.random.key(seed), STREAM), 2)
    vary, draw = jax.jit(pipeline.vary), jax.jit(pipeline.drawn_digits, static_argnums=1)
    varied = []
    for place, start in enumerate(range(0, len(x), CHUNK)):
        part = np.resize(x[start : start + CHUNK], (min(CHUNK, len(x)), *x.shape[1:]))  # one compiled shape for all
        made = np.asarray(vary(jax.random.fold_in(keys[0], place), part))
        varied.append(made[: len(x[start : start + CHUNK])])
    drawn = [draw(jax.random.fold_in(keys[1], place), CHUNK) for place in range(DRAWN // CHUNK)]
    digits, labels = (np.concatenate(each) for each in zip(*drawn, strict=True))
    return [
        (np.rint(images).astype(np.uint8), truths) for images, truths in ((np.concatenate(varied), y), (digits, labels))
    ]


def predict_calibrated(trained: Trained, chosen: Calibration | None, x: np.ndarray) -> np.ndarray:
    """The calibrated probabilities of images, uint8 (n, 28, 28): float (n, classes)."""
    if chosen is None:
        given = backend.predict(trained.model, x)
        classes = given[:, : len(trained.dataset.class_names)]
        return classes if classes.shape == given.shape else classes / classes.sum(axis=1, keepdims=True)
    logits = _logits(trained, x)[:, : len(trained.dataset.class_names)]
    return _look_again(trained, x, logits, chosen.temperature, chosen.second_look)


def _look_again(trained: Trained, x: np.ndarray, logits: np.ndarray, temperature: float, again: float) -> np.ndarray:
    """The probabilities of images, after a second look at those that are unsure at first."""

    def ask(images: np.ndarray) -> np.ndarray:
        return outputs.softmax(_logits(trained, images)[:, : logits.shape[1]], temperature)

    found = outputs.softmax(logits, temperature)
    apply_tta(x, found, again, ask)
    return found


def _logits(trained: Trained, x: np.ndarray) -> Any:
    """Logits, up to a constant: all recipes end in softmax."""
    return outputs.to_logits(backend.predict(trained.model, x))
