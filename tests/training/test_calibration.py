"""Calibration on what was held out: with outputs made by hand, whose true temperature is known."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import numpy as np
import pytest

from mnistry.datasets import loading
from mnistry.datasets.loading import Dataset
from mnistry.evaluation import calibration
from mnistry.evaluation.metrics import compute_wilson_interval
from mnistry.models import backend, outputs
from mnistry.models.metadata import DIGIT_THRESHOLD
from mnistry.training import calibration as training_calibration
from mnistry.training import recipes
from mnistry.training.config import ResolvedConfig
from mnistry.training.trainer import Trained

MANY = 6000
TOO_SURE = 2.0  # the outputs are as sure as if all logits were so much larger


def dataset_of(digits: Dataset, labels: np.ndarray) -> Dataset:
    """A data set whose images tell their position by their first pixels."""
    x = np.zeros((len(labels), 28, 28), np.uint8)
    x[:, 0, 0], x[:, 0, 1] = np.arange(len(labels)) // 256, np.arange(len(labels)) % 256
    return dataclasses.replace(digits, x_train=x, y_train=labels.astype(np.uint8))


def trained_on(dataset: Dataset, validation: float) -> Trained:
    config = ResolvedConfig(
        recipe="tutorial", dataset="digits", epochs=1, batch_size=8, learning_rate=0.1, validation=validation
    )  # a recipe without a second look: these images tell their position, so none may be moved
    return Trained(config, dataset, None, ())


@pytest.fixture
def made(digits: Dataset, monkeypatch: pytest.MonkeyPatch):
    """A training whose network gives what we say: labels are drawn from the probabilities, the outputs are too sure."""

    def make(n: int = MANY, *, validation: float = 0.5, refuses: bool = True, spread: float = 4.0) -> Trained:
        random = np.random.default_rng(0)
        logits = random.normal(0, spread, (n, 10))
        labels = np.array([random.choice(10, p=row) for row in outputs.softmax(logits)])
        scores = TOO_SURE * logits
        if refuses:
            scores = np.c_[scores, scores.max(axis=1) - 2 - random.exponential(4, n)]
        softmaxed = outputs.softmax(scores).astype(np.float32)

        def predict(model: object, x: np.ndarray) -> np.ndarray:
            return softmaxed[x[:, 0, 0].astype(int) * 256 + x[:, 0, 1]]

        monkeypatch.setattr(backend, "predict", predict)
        return trained_on(dataset_of(digits, labels), validation)

    return make


@pytest.fixture
def three_sets(digits: Dataset, monkeypatch: pytest.MonkeyPatch):
    """Calibrate a network on three sets of given sizes, on each of which the outputs are too sure by another factor."""

    def calibrate(sizes: tuple[int, int, int], factors: tuple[float, float, float]):
        randoms = [np.random.default_rng(place) for place in range(3)]
        logits = [random.normal(0, 4, (n, 10)) for random, n in zip(randoms, sizes, strict=True)]
        labels = [
            (outputs.softmax(each).cumsum(axis=1) > random.uniform(size=(len(each), 1))).argmax(axis=1)
            for random, each in zip(randoms, logits, strict=True)
        ]
        scores = np.concatenate([factor * each for factor, each in zip(factors, logits, strict=True)])
        dataset = dataset_of(digits, np.concatenate(labels))
        softmaxed = outputs.softmax(np.c_[scores, scores.max(axis=1) - 30]).astype(np.float32)
        places = np.cumsum([0, *sizes])
        sets = [(dataset.x_train[a:b], dataset.y_train[a:b]) for a, b in pairwise(places)]
        recipe = dataclasses.replace(recipes.find_recipe("strong"), second_look=0.0)
        monkeypatch.setattr(recipes, "find_recipe", lambda name: recipe)
        monkeypatch.setattr(loading, "split", lambda *_: (sets[0], sets[0]))
        monkeypatch.setattr(training_calibration, "_made", lambda *_: sets[1:])
        monkeypatch.setattr(backend, "predict", lambda _, x: softmaxed[x[:, 0, 0].astype(int) * 256 + x[:, 0, 1]])
        chosen = training_calibration.calibrate(trained_on(dataset, 0.5))
        probabilities = outputs.softmax(scores, chosen.temperature)
        right = probabilities.argmax(axis=1) == dataset.y_train
        return chosen, [(probabilities[a:b].max(axis=1), right[a:b]) for a, b in pairwise(places)]

    return calibrate


def test_the_temperature_is_nearly_that_of_the_images_held_out(three_sets):
    chosen, _ = three_sets((5000, 5000, 12_000), (1.0, 2.0, 3.0))
    assert chosen.temperature == pytest.approx(1.0, rel=0.08)
    assert chosen.others == 17_000


def test_of_few_images_held_out_the_temperature_is_that_of_the_others(three_sets):
    chosen, _ = three_sets((20, 20, 12_000), (1.0, 3.0, 3.0))
    assert 2 < chosen.temperature < 3.2


def test_each_set_counts_by_its_share_in_what_is_sure(three_sets, monkeypatch):
    monkeypatch.setattr(training_calibration, "SURE_PRECISION", 0.95)
    monkeypatch.setattr(training_calibration, "LEAST_SURE", 0.0)
    chosen, sets = three_sets((5000, 5000, 12_000), (1.0, 1.0, 1.0))
    above = [belief >= chosen.sure_threshold for belief, _ in sets]
    parts = [share * mask.mean() for share, mask in zip(training_calibration.SURE_SHARES, above, strict=True)]
    precisions = [right[mask].mean() for mask, (_, right) in zip(above, sets, strict=True)]
    assert 0.95 < np.average(precisions, weights=parts) < 0.96
    more, _ = three_sets((5000, 5000, 24_000), (1.0, 1.0, 1.0))
    assert more.sure_threshold == pytest.approx(chosen.sure_threshold, abs=0.01)  # twice as many drawn: the same line
    hard_drawn, _ = three_sets((5000, 5000, 12_000), (1.0, 1.0, 2.0))
    hard_degraded, _ = three_sets((5000, 5000, 12_000), (1.0, 2.0, 1.0))  # fewer images, but four times the share
    assert chosen.sure_threshold < hard_drawn.sure_threshold < hard_degraded.sure_threshold


def test_without_images_held_out_nothing_is_chosen(made):
    assert training_calibration.calibrate(made(100, validation=0.0)) is None


def test_the_temperature_is_found_and_lowers_the_loss(made):
    chosen = training_calibration.calibrate(made())
    assert chosen is not None
    assert chosen.images == pytest.approx(MANY / 2, abs=10)
    assert chosen.temperature == pytest.approx(TOO_SURE, rel=0.08)
    assert chosen.loss_after < 0.9 * chosen.loss_before
    assert chosen.ece_after < 0.5 * chosen.ece_before
    assert chosen.ece_after < 0.03


def test_the_figures_are_those_of_the_images_held_out(made):
    trained = made()
    chosen = training_calibration.calibrate(trained)
    _, (x, y) = loading.split(trained.dataset, 0.5, trained.config.seed)
    for temperature, loss in ((1.0, chosen.loss_before), (chosen.temperature, chosen.loss_after)):
        given = training_calibration.predict_calibrated(
            trained, dataclasses.replace(chosen, temperature=temperature), x
        )
        assert -np.log(given[np.arange(len(y)), y]).mean() == pytest.approx(loss, rel=1e-6)


def test_the_lines_keep_what_they_say(made, monkeypatch):
    monkeypatch.setattr(training_calibration, "LEAST_SURE", 0.0)
    trained = made(12_000, spread=60.0)
    chosen = training_calibration.calibrate(trained)
    _, (x, y) = loading.split(trained.dataset, 0.5, trained.config.seed)
    outputs = backend.predict(None, x).astype(np.float64)
    probabilities = training_calibration.predict_calibrated(trained, chosen, x)
    score = 1 - outputs[:, 10]
    is_digit = score >= chosen.digit_threshold - 1e-7
    assert is_digit.mean() == pytest.approx(chosen.digits_kept, abs=1 / len(y))
    kept = [is_digit[y == label].mean() for label in range(10)]
    assert min(kept) == pytest.approx(chosen.least_kept, abs=1 / len(y))
    assert training_calibration.DIGITS_KEPT <= min(kept) < training_calibration.DIGITS_KEPT + 0.005
    belief = probabilities.max(axis=1) * score
    sure = is_digit & (belief >= chosen.sure_threshold)
    assert sure.mean() == pytest.approx(chosen.sure_kept, abs=2 / len(y))
    right = probabilities.argmax(axis=1)[sure] == y[sure]
    assert (
        compute_wilson_interval(int(right.sum()), len(right))[0]
        >= chosen.sure_precision
        == training_calibration.SURE_PRECISION
    )
    assert 0.1 < chosen.sure_kept < 0.97
    lower = is_digit & (belief >= chosen.sure_threshold - 0.02)
    right = probabilities.argmax(axis=1)[lower] == y[lower]
    assert compute_wilson_interval(int(right.sum()), len(right))[0] < chosen.sure_precision  # a lower line would not do


def test_no_answer_is_sure_below_a_fixed_probability_however_precise_the_network(made):
    assert training_calibration.calibrate(made(12_000, spread=60.0)).sure_threshold == training_calibration.LEAST_SURE


def test_of_few_images_none_is_sure(made):
    chosen = training_calibration.calibrate(made(200))
    assert chosen.sure_threshold == calibration.NOTHING
    assert chosen.sure_kept == 0


def test_a_network_that_cannot_refuse_takes_all_for_digits(made):
    chosen = training_calibration.calibrate(made(refuses=False))
    assert (chosen.digit_threshold, chosen.digits_kept) == (DIGIT_THRESHOLD, 1.0)
    assert chosen.temperature == pytest.approx(TOO_SURE, rel=0.08)


def test_probabilities_are_of_the_classes_alone_and_calibrated(made):
    trained = made(300)
    chosen = training_calibration.calibrate(trained)
    outputs = backend.predict(None, trained.dataset.x_train).astype(np.float64)
    given = training_calibration.predict_calibrated(trained, chosen, trained.dataset.x_train)
    powers = outputs[:, :10] ** (1 / chosen.temperature)
    np.testing.assert_allclose(given, powers / powers.sum(axis=1, keepdims=True), atol=1e-6)
    assert np.array_equal(given.argmax(axis=1), outputs[:, :10].argmax(axis=1))


@pytest.mark.parametrize("refuses", [False, True])
def test_without_calibration_probabilities_add_up_to_one(made, refuses):
    trained = made(300, refuses=refuses)
    outputs = backend.predict(None, trained.dataset.x_train)
    given = training_calibration.predict_calibrated(trained, None, trained.dataset.x_train)
    assert given.shape == (300, 10)
    np.testing.assert_allclose(given.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(given * outputs[:, :10].sum(axis=1, keepdims=True), outputs[:, :10], atol=1e-6)
