"""Temperature, thresholds and ranks: by hand, against a scan, against scikit-learn, and under what must not matter."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp, softmax
from sklearn.metrics import log_loss

from mnistry.errors import UsageError
from mnistry.evaluation.calibration import NOTHING, fit_temperature, threshold_at_recall, threshold_for_precision
from mnistry.evaluation.metrics import compute_wilson_interval
from mnistry.models import outputs


@pytest.fixture(scope="module")
def logits() -> np.ndarray:
    return np.random.default_rng(3).normal(0, 4, (500, 10))


@pytest.fixture(scope="module")
def labels(logits: np.ndarray) -> np.ndarray:
    """Drawn from what the logits say at temperature 2.5."""
    generator = np.random.default_rng(4)
    return np.array([generator.choice(10, p=row) for row in softmax(logits / 2.5, axis=1)])


# Probabilities and digit-ness


def test_probabilities_are_scipys_softmax(logits):
    np.testing.assert_allclose(outputs.softmax(logits, 1.7), softmax(logits / 1.7, axis=1), rtol=1e-12)


def test_probabilities_of_enormous_logits_are_finite():
    assert outputs.softmax(np.array([[1e4, -1e4, 0.0]])).tolist() == [[1.0, 0.0, 0.0]]


def test_digitness_with_an_output_for_no_digit_is_the_share_of_the_others(logits):
    shares = softmax(logits, axis=1)
    np.testing.assert_allclose(outputs.compute_digit_score(logits, classes=9), 1 - shares[:, 9], atol=1e-12)


def test_digitness_without_that_output_is_the_largest_probability(logits):
    np.testing.assert_allclose(outputs.compute_digit_score(logits, classes=10), softmax(logits, axis=1).max(axis=1))


def test_digitness_tells_tiny_ones_apart():
    scores = outputs.compute_digit_score(np.array([[0.0, 0.0, 30.0], [0.0, 0.0, 40.0]]), classes=2)
    np.testing.assert_allclose(scores, 2 * np.exp([-30.0, -40.0]), rtol=1e-9)


# Temperature


def test_the_temperature_of_two_kinds_of_row_by_hand():
    # Three of four rows with a lead of ln 9 are right, one is wrong: the lead that says 3/4 is ln 3, half of ln 9.
    rows = np.array([[math.log(9), 0.0]] * 4)
    assert fit_temperature(rows, np.array([0, 0, 0, 1])) == pytest.approx(2, rel=1e-5)


def test_the_temperature_from_which_labels_were_drawn_is_found_again(logits, labels):
    assert fit_temperature(logits, labels) == pytest.approx(2.5, rel=0.1)


def test_the_temperature_is_where_scipy_finds_the_lowest_log_loss(logits, labels):
    found = minimize_scalar(
        lambda beta: (logsumexp(beta * logits, axis=1) - beta * logits[np.arange(500), labels]).mean(),
        bounds=(0.05, 2),
        method="bounded",
        options={"xatol": 1e-9},
    )
    assert fit_temperature(logits, labels) == pytest.approx(1 / found.x, rel=1e-4)


def test_the_temperature_lowers_the_log_loss_and_changes_no_answer(logits, labels):
    before, after = (outputs.softmax(logits, t) for t in (1.0, fit_temperature(logits, labels)))
    assert log_loss(labels, after, labels=range(10)) < log_loss(labels, before, labels=range(10))
    assert (before.argmax(axis=1) == after.argmax(axis=1)).all()


def test_logits_on_another_scale_have_a_temperature_on_that_scale(logits, labels):
    assert fit_temperature(3 * logits, labels) == pytest.approx(3 * fit_temperature(logits, labels), rel=1e-4)


def test_what_is_added_to_a_row_of_logits_does_not_matter(logits, labels):
    moved = logits + np.random.default_rng(5).normal(0, 100, (500, 1))
    assert fit_temperature(moved, labels) == pytest.approx(fit_temperature(logits, labels), rel=1e-4)


def test_a_row_of_weight_three_counts_as_three_rows(logits, labels):
    weights = np.where(np.arange(500) % 4 == 0, 3.0, 1.0)
    copies = np.repeat(np.arange(500), weights.astype(int))
    expected = fit_temperature(logits[copies], labels[copies])
    assert fit_temperature(logits, labels, weights) == pytest.approx(expected, rel=1e-4)
    assert fit_temperature(logits, labels, weights / 1e6) == pytest.approx(expected, rel=1e-4)
    assert abs(expected / fit_temperature(logits, labels) - 1) > 1e-3


def test_the_temperature_stays_in_its_range():
    rows = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert fit_temperature(rows, np.array([0, 1])) == pytest.approx(0.01, rel=1e-3)  # all right
    assert fit_temperature(rows, np.array([1, 0])) == pytest.approx(100, rel=1e-3)  # all wrong


@pytest.mark.parametrize(
    ("rows", "labels", "sentence"),
    [
        (np.zeros((0, 10)), np.zeros(0, int), r"n at least 1; received \(0, 10\) and \(0,\)"),
        (np.zeros(10), np.zeros(10, int), "Logits must be"),
        (np.zeros((2, 3)), np.zeros(3, int), "Logits must be"),
        (np.array([[np.nan, 0]]), np.array([0]), "Logits must be finite"),
        (np.zeros((1, 3)), np.array([3]), "Labels must be integers from 0 to 2"),
        (np.zeros((1, 3)), np.array([-1]), "Labels must be integers"),
        (np.zeros((1, 3)), np.array([0.0]), "Labels must be integers"),
    ],
)
def test_what_is_no_logits_or_labels_is_refused(rows, labels, sentence):
    with pytest.raises(UsageError, match=sentence):
        fit_temperature(rows, labels)


# Thresholds


def test_the_threshold_for_a_precision_by_hand():
    # The lower end of the Wilson interval of n right answers out of n is n / (n + 3.8415): 0.8 takes 16 of them. The
    # 17th answer is wrong, which brings the lower end down to 0.7302; it never comes back to 0.8 in the 4 right ones
    # after it (20 of 21: 0.7733).
    confidences = np.linspace(0.99, 0.79, 21)
    right = np.ones(21, bool)
    right[16] = False
    assert threshold_for_precision(confidences, right, 0.8) == pytest.approx(confidences[15])
    low = 16 / (16 + 3.8415)
    assert threshold_for_precision(confidences, right, low - 1e-5) == pytest.approx(confidences[15])
    assert threshold_for_precision(confidences, right, low + 1e-5) == NOTHING


def test_the_lowest_threshold_is_taken_though_one_above_it_fails():
    confidences = np.linspace(0.99, 0.5, 100)
    right = np.ones(100, bool)
    right[2] = False  # the first few fail; all 100 together have a lower end of 0.9455
    assert threshold_for_precision(confidences, right, 0.9) == 0.5


def test_equal_confidences_are_sure_together_or_not_at_all():
    confidences, right = np.full(100, 0.9), np.ones(100, bool)
    assert threshold_for_precision(confidences, right, 0.9) == 0.9
    right[:20] = False  # were ties parted, the 80 right ones could be taken alone
    assert threshold_for_precision(confidences, right, 0.9) == NOTHING


@pytest.mark.parametrize("right", [np.zeros(0, bool), np.zeros(50, bool), np.ones(5, bool)])
def test_where_no_line_gives_the_precision_nothing_is_sure(right):
    assert threshold_for_precision(np.full(len(right), 1.0), right, 0.95) == NOTHING


def test_the_order_of_answers_does_not_matter():
    generator = np.random.default_rng(6)
    confidences = generator.uniform(0.5, 1, 2000).round(2)
    right = generator.uniform(size=2000) < confidences
    order = generator.permutation(2000)
    found = threshold_for_precision(confidences, right, 0.9)
    assert found == threshold_for_precision(confidences[order], right[order], 0.9)
    assert 0.7 < found < 0.95
    assert right[confidences >= found].mean() > 0.9


def test_weighted_answers_by_hand():
    # Twenty right answers of weight 3 and twenty of weight 1, one of them wrong: 79 of 80 parts are right, worth
    # 80² / (20 × 9 + 20 × 1) = 32 answers. Of n answers that are all right the lower end is n / (n + 3.8415).
    confidences = np.r_[np.linspace(0.99, 0.9, 20), np.linspace(0.8, 0.7, 20)]
    right, weights = np.ones(40, bool), np.repeat([3.0, 1.0], 20)
    right[39] = False
    low = compute_wilson_interval(32 * 79 / 80, 32)[0]
    assert threshold_for_precision(confidences, right, low - 1e-9, weights) == 0.7
    effective = 79**2 / (20 * 9 + 19)  # without the wrong one
    higher = effective / (effective + 3.8415)
    assert low < 0.88 < higher
    for precision in (low + 1e-9, 0.88, higher - 1e-5):
        assert threshold_for_precision(confidences, right, precision, weights) == pytest.approx(confidences[38])
    assert threshold_for_precision(confidences, right, higher + 1e-5, weights) > confidences[38]


def test_only_the_proportions_of_weights_matter():
    generator = np.random.default_rng(7)
    confidences, weights = generator.uniform(0.5, 1, 1000), generator.uniform(0.1, 2, 1000)
    right = generator.uniform(size=1000) < confidences
    found = threshold_for_precision(confidences, right, 0.9, weights)
    scaled = threshold_for_precision(confidences, right, 0.9, weights / 1e5)
    assert 0.7 < found == scaled < 0.97
    assert threshold_for_precision(confidences, right, 0.9, np.full(1000, 0.1)) == pytest.approx(
        threshold_for_precision(confidences, right, 0.9)
    )


@pytest.mark.parametrize(("share", "threshold"), [(1.0, 0.1), (0.98, 0.1), (0.9, 0.2), (0.5, 0.6), (0.05, 1.0)])
def test_the_threshold_that_keeps_a_share(share, threshold):
    # Of ten scores 0.1 to 1.0, at least the share must be kept.
    scores = np.random.default_rng(1).permutation(np.arange(1, 11) / 10)
    assert threshold_at_recall(scores, share) == threshold
    assert (scores >= threshold).mean() >= share


def test_a_share_that_floating_point_puts_a_hair_too_high_keeps_no_more():
    scores = np.arange(100) / 100
    assert 0.07 * 100 > 7
    assert threshold_at_recall(scores, 0.07) == 0.93


# Two kinds
