"""Every number of an evaluation: by hand, against published values, against scikit-learn, and under reordering."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, log_loss, precision_recall_fscore_support

from mnistry.errors import UsageError
from mnistry.evaluation import metrics
from mnistry.evaluation.metrics import Evaluation, compute_wilson_interval, evaluate

# Six images of three classes. Beside each row: its label, the answer, whether that is right, and the confidence.
SIX = np.array(
    [
        [0.70, 0.20, 0.10],  # 0, read 0, right, 0.70
        [0.10, 0.52, 0.38],  # 2, read 1, WRONG, 0.52
        [0.50, 0.30, 0.20],  # 0, read 0, right, 0.50
        [0.20, 0.62, 0.18],  # 1, read 1, right, 0.62
        [0.10, 0.82, 0.08],  # 0, read 1, WRONG, 0.82
        [0.05, 0.05, 0.90],  # 2, read 2, right, 0.90
    ]
)
SIX_LABELS = np.array([0, 2, 0, 1, 0, 2])


@pytest.fixture(scope="module")
def six() -> Evaluation:
    return evaluate(SIX, SIX_LABELS)


@pytest.fixture(scope="module")
def random_case() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(7)
    return generator.dirichlet(np.full(5, 0.6), size=400) * 0.999 + 0.0002, generator.integers(0, 5, 400)


def test_counts_and_accuracy_of_six_images(six):
    assert (six.n, six.errors, six.accuracy) == (6, 2, 4 / 6)
    assert six.answers.tolist() == [0, 1, 0, 1, 1, 2]
    assert six.confidences.tolist() == [0.70, 0.52, 0.50, 0.62, 0.82, 0.90]


def test_rows_of_the_confusion_matrix_are_labels(six):
    # Of the three zeros two were read as 0 and one as 1; the one is read as 1; of the twos one as 1, one as 2.
    assert six.confusion.tolist() == [[2, 1, 0], [0, 1, 0], [0, 1, 1]]
    assert six.confusion.dtype == np.int64


def test_precision_recall_and_f1_of_six_images(six):
    # Read as 0: 2, both right; as 1: 3, one right; as 2: 1, right. There are 3 zeros, 1 one and 2 twos.
    assert six.precision.tolist() == [2 / 2, 1 / 3, 1 / 1]
    assert six.recall.tolist() == [2 / 3, 1 / 1, 1 / 2]
    # Twice the right ones over answered plus present: 4 / (2 + 3), 2 / (3 + 1), 2 / (1 + 2).
    assert six.f1.tolist() == [4 / 5, 2 / 4, 2 / 3]


def test_loss_of_six_images(six):
    # The labels' probabilities are 0.7, 0.38, 0.5, 0.62, 0.1 and 0.9: their product is 0.0074214.
    assert six.loss == pytest.approx(-math.log(0.0074214) / 6, rel=1e-12)
    assert six.loss == pytest.approx(0.81723, abs=5e-6)


def test_calibration_bins_of_six_images(six):
    # Fifteenths: 0.50 and 0.52 lie between 7 and 8, 0.62 between 9 and 10, 0.70 above 10, 0.82 above 12, 0.90 above 13.
    filled = {number: each for number, each in enumerate(six.bins) if each.n}
    assert {number: each.n for number, each in filled.items()} == {7: 2, 9: 1, 10: 1, 12: 1, 13: 1}
    assert filled[7].confidence == pytest.approx(0.51)
    assert [each.accuracy for each in filled.values()] == [0.5, 1, 1, 0, 1]
    # Two images are off by 0.51 - 0.5, and the others by 1 - 0.62, 1 - 0.7, 0.82 and 1 - 0.9.
    assert six.ece == pytest.approx((2 * 0.01 + 0.38 + 0.30 + 0.82 + 0.10) / 6)


def test_interval_of_six_images(six):
    # p = 2/3 and z² = 3.8415: the centre is (p + z²/12) / (1 + z²/6) = 0.6016, and the margin
    # z √(p (1 - p) / 6 + z²/144) / (1 + z²/6) = 0.3016.
    assert six.interval == pytest.approx((0.3000, 0.9032), abs=5e-5)


def test_mistakes_come_the_most_confident_first(six):
    assert six.mistakes.tolist() == [4, 1]  # 0.82 before 0.52


def test_equally_confident_mistakes_stay_in_their_order():
    sure = np.tile([0.8, 0.9, 0.8], 100)  # many: short arrays stay in order by chance
    result = evaluate(np.stack([1 - sure, sure], axis=1), np.zeros(300, int))
    assert result.mistakes.tolist() == [*range(1, 300, 3), *(index for index in range(300) if index % 3 != 1)]


def test_of_equal_probabilities_the_first_class_is_the_answer():
    result = evaluate(np.array([[0.4, 0.4, 0.2], [0.2, 0.4, 0.4]]), np.array([0, 2]))
    assert result.answers.tolist() == [0, 1]
    assert result.errors == 1


# Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3.
@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0000, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_interval_has_the_published_values(successes, n, low, high):
    assert compute_wilson_interval(successes, n) == pytest.approx((low, high), abs=5e-5)
    assert compute_wilson_interval(n - successes, n) == pytest.approx((1 - high, 1 - low), abs=5e-5)


@pytest.mark.parametrize(("successes", "n"), [(0, 1), (1, 1), (0, 360), (360, 360), (9775, 10_000)])
def test_wilson_interval_agrees_with_scipy_and_stays_between_0_and_1(successes, n):
    low, high = compute_wilson_interval(successes, n)
    theirs = binomtest(successes, n).proportion_ci(method="wilson")
    assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    assert 0 <= low <= successes / n <= high <= 1


def test_no_successes_out_of_n_end_at_z_squared_over_n_plus_z_squared():
    # With p = 0 the formula shrinks to (0, z² / (n + z²)).
    assert compute_wilson_interval(0, 10) == pytest.approx((0, 3.841459 / 13.841459), abs=1e-6)


@pytest.fixture(scope="module")
def with_absent_classes() -> Evaluation:
    # Class 1 is answered but never there, class 2 is there but never answered, class 3 is neither.
    return evaluate(np.array([[0.7, 0.1, 0.1, 0.1], [0.2, 0.6, 0.1, 0.1]]), np.array([0, 2]))


def test_shares_of_an_absent_class_are_nan(with_absent_classes):
    nan = math.nan
    np.testing.assert_array_equal(with_absent_classes.precision, [1, 0, nan, nan])
    np.testing.assert_array_equal(with_absent_classes.recall, [1, nan, 0, nan])
    np.testing.assert_array_equal(with_absent_classes.f1, [1, 0, 0, nan])


def test_nan_becomes_null_in_json(with_absent_classes):
    read = json.loads(json.dumps(with_absent_classes.as_json(), allow_nan=False))
    assert read["precision"] == [1, 0, None, None]
    assert read["recall"] == [1, None, 0, None]
    assert read["f1"] == [1, 0, 0, None]


def test_json_carries_the_numbers_unrounded(six):
    read = json.loads(json.dumps(six.as_json()))
    assert read == {
        "n": 6,
        "errors": 2,
        "loss": six.loss,
        "accuracy": 4 / 6,
        "interval": list(six.interval),
        "ece": six.ece,
        "confusion": [[2, 1, 0], [0, 1, 0], [0, 1, 1]],
        "precision": [1, 1 / 3, 1],
        "recall": [2 / 3, 1, 1 / 2],
        "f1": [4 / 5, 1 / 2, 2 / 3],
    }


def test_probability_zero_of_the_label_counts_as_a_ten_millionth():
    assert evaluate(np.array([[1.0, 0.0]]), np.array([1])).loss == pytest.approx(-math.log(1e-7), rel=1e-12)
    assert evaluate(np.array([[1.0, 0.0]]), np.array([0])).loss == 0


def test_answers_as_right_as_they_are_sure_are_calibrated():
    # A hundred answers at each confidence c of 0.55, 0.65 … 0.95, of which exactly 100 c are right.
    sure = np.repeat([0.55, 0.65, 0.75, 0.85, 0.95], 100)
    right = np.concatenate([np.arange(100) < count for count in (55, 65, 75, 85, 95)])
    result = evaluate(np.stack([sure, 1 - sure], axis=1), np.where(right, 0, 1))
    assert result.ece == pytest.approx(0, abs=1e-12)


def test_always_sure_and_half_right_is_off_by_a_half():
    result = evaluate(np.array([[1.0, 0.0]] * 10), np.array([0, 1] * 5))
    assert result.ece == 0.5
    assert (result.bins[-1].n, result.bins[-1].confidence, result.bins[-1].accuracy) == (10, 1, 0.5)


def test_bins_are_fifteen_of_equal_width_and_hold_every_image(random_case):
    bins = evaluate(*random_case).bins
    assert [each.low for each in bins] == pytest.approx([number / 15 for number in range(15)])
    assert [each.high for each in bins] == pytest.approx([number / 15 for number in range(1, 16)])
    assert sum(each.n for each in bins) == 400


def test_empty_bins_have_neither_confidence_nor_accuracy(six):
    assert six.bins[0].n == 0
    assert math.isnan(six.bins[0].confidence)
    assert math.isnan(six.bins[0].accuracy)


@pytest.mark.parametrize("number", range(15))
def test_a_bin_takes_its_upper_edge_and_not_its_lower_one(six, number):
    edges = np.array([six.bins[number].low, six.bins[number].high])
    counts = [each.n for each in metrics._bins(edges, np.array([True, True]))]
    below = max(0, number - 1)  # a lower edge belongs to the bin below; 0 has none and stays in the first
    assert [index for index, count in enumerate(counts) for _ in range(count)] == sorted([below, number])


@pytest.mark.parametrize(("row", "number"), [([0.2] * 5, 2), ([0.4, 0.3, 0.3], 5), ([0.6, 0.4], 8), ([0.8, 0.2], 11)])
def test_round_confidences_count_as_upper_edges(row, number):
    # 0.2 = 3/15 is the upper edge of the third bin, number 2; so on for 6/15, 9/15 and 12/15.
    assert [index for index, each in enumerate(evaluate(np.array([row]), np.array([0])).bins) if each.n] == [number]


def test_confidence_a_hair_over_1_lands_in_the_last_bin():
    result = evaluate(np.array([[1.0000002, 0.0], [np.nextafter(1, 2), 0.0]]), np.array([0, 0]))
    assert result.bins[-1].n == 2


def test_float32_probabilities_are_taken():
    scores = np.random.default_rng(3).normal(size=(50, 10)).astype(np.float32)
    p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    assert p.dtype == np.float32
    assert evaluate(p, np.arange(50) % 10).n == 50


def test_agrees_with_scikit_learn(random_case):
    p, y = random_case
    result = evaluate(p, y)
    answers = p.argmax(axis=1)
    np.testing.assert_array_equal(result.confusion, confusion_matrix(y, answers))
    precision, recall, f1, _ = precision_recall_fscore_support(y, answers, zero_division=np.nan)
    np.testing.assert_allclose(result.precision, precision, rtol=1e-12)
    np.testing.assert_allclose(result.recall, recall, rtol=1e-12)
    np.testing.assert_allclose(result.f1, f1, rtol=1e-12)
    assert result.loss == pytest.approx(log_loss(y, p / p.sum(axis=1, keepdims=True)), rel=1e-6)


def test_order_of_the_images_does_not_matter(random_case):
    p, y = random_case
    order = np.random.default_rng(1).permutation(len(y))
    here, there = evaluate(p, y), evaluate(p[order], y[order])
    np.testing.assert_array_equal(there.confusion, here.confusion)
    assert (there.errors, there.interval) == (here.errors, here.interval)
    assert (there.loss, there.ece) == pytest.approx((here.loss, here.ece), rel=1e-12)
    np.testing.assert_array_equal(order[there.mistakes], here.mistakes)


def test_names_of_the_classes_do_not_matter(random_case):
    p, y = random_case
    new = np.array([3, 0, 4, 1, 2])  # class k is now called new[k]
    renamed = np.empty_like(p)
    renamed[:, new] = p
    here, there = evaluate(p, y), evaluate(renamed, new[y])
    np.testing.assert_array_equal(there.confusion[np.ix_(new, new)], here.confusion)
    np.testing.assert_array_equal(there.mistakes, here.mistakes)
    np.testing.assert_allclose(there.f1[new], here.f1, rtol=1e-12)
    assert (there.loss, there.ece) == pytest.approx((here.loss, here.ece), rel=1e-12)


SHAPES = r"Probabilities must be \(n, classes\) and labels \(n,\), with n at least 1; received "
ROWS = "Each row of probabilities must be finite, not negative, and add up to 1"
LABELS = "Labels must be integers from 0 to 1; received "


@pytest.mark.parametrize(
    ("probabilities", "labels", "sentence"),
    [
        ([0.5, 0.5], [0, 1], SHAPES + r"\(2,\) and \(2,\)"),
        ([[0.5, 0.5]], [0, 1], SHAPES + r"\(1, 2\) and \(2,\)"),
        ([[0.5, 0.5]], [[0]], SHAPES + r"\(1, 2\) and \(1, 1\)"),
        (np.empty((0, 2)), np.empty(0, int), SHAPES + r"\(0, 2\) and \(0,\)"),
        ([[math.nan, 1.0]], [0], ROWS),
        ([[math.inf, 0.0]], [0], ROWS),
        ([[-0.1, 1.1]], [0], ROWS),
        ([[0.5, 0.4]], [0], ROWS),
        ([[0.5, 0.5], [3.0, 4.0]], [0, 1], ROWS),
        ([[0.5, 0.5]], [2], LABELS + "int64, 2–2"),
        ([[0.5, 0.5], [0.5, 0.5]], [-1, 0], LABELS + "int64, -1–0"),
        ([[0.5, 0.5]], [0.0], LABELS + "float64"),
        ([[0.5, 0.5]], [True], LABELS + "bool"),
        ([[0.5, 0.5]], ["0"], LABELS),
    ],
)
def test_what_makes_no_sense_is_refused(probabilities, labels, sentence):
    with pytest.raises(UsageError, match=sentence):
        evaluate(np.array(probabilities), np.array(labels))


def test_arguments_are_not_changed(random_case):
    p, y = random_case
    before = p.copy(), y.copy()
    evaluate(p, y)
    np.testing.assert_array_equal(p, before[0])
    np.testing.assert_array_equal(y, before[1])


# Predictions picked out


def test_answers_picked_out_by_hand():
    # Six answers, two of them wrong; four are picked out, one of the wrong ones among them.
    picked = np.array([True, True, False, True, False, True])
    found = metrics.compute_selective_accuracy(picked, np.array([True, False, True, True, False, True]))
    assert (found.n, found.coverage, found.errors, found.accuracy) == (4, 4 / 6, 1, 0.75)
    assert found.interval == compute_wilson_interval(3, 4)
    assert found.as_json() == {
        "n": 4,
        "coverage": 4 / 6,
        "errors": 1,
        "accuracy": 0.75,
        "interval": list(compute_wilson_interval(3, 4)),
    }


def test_where_no_answer_is_picked_out_nothing_is_known_of_its_precision():
    found = metrics.compute_selective_accuracy(np.zeros(3, bool), np.ones(3, bool))
    assert (found.n, found.coverage, found.errors, found.interval) == (0, 0.0, 0, (0.0, 1.0))
    assert math.isnan(found.accuracy)
    assert json.loads(json.dumps(found.as_json(), allow_nan=False))["accuracy"] is None
