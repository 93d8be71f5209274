"""Out-of-fold probabilities: every image is predicted once a repeat, by a network that has not seen it."""

from __future__ import annotations

import numpy as np
import pytest

from mnistry.audit.cross_validation import Plan, assign_folds, predict_out_of_fold


def test_each_fold_gets_as_many_of_each_class_or_one_more():
    labels = np.repeat([0, 1, 2], [17, 8, 5])
    fold = assign_folds(labels, 5, 0, 0)
    counts = np.array([np.bincount(fold[labels == label], minlength=5) for label in range(3)])
    assert (np.ptp(counts, axis=1) <= 1).all()
    assert counts.sum(axis=0).tolist() == [6, 6, 6, 6, 6]


def test_each_round_and_each_seed_deals_anew_and_always_the_same():
    labels = np.arange(200) % 10
    assert np.array_equal(assign_folds(labels, 5, 3, 1), assign_folds(labels, 5, 3, 1))
    assert not np.array_equal(assign_folds(labels, 5, 3, 1), assign_folds(labels, 5, 3, 0))
    assert not np.array_equal(assign_folds(labels, 5, 3, 1), assign_folds(labels, 5, 4, 1))


@pytest.fixture(scope="module")
def probabilities(digits):
    return predict_out_of_fold(digits.x_train[:400], digits.y_train[:400], 10, Plan(epochs=8, folds=2, repeats=2))


def test_rows_are_probabilities(probabilities):
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


def test_most_images_are_answered_rightly_by_networks_that_have_not_seen_them(probabilities, digits):
    assert (probabilities.argmax(axis=1) == digits.y_train[:400]).mean() > 0.85


def test_the_same_seed_gives_the_same_probabilities(probabilities, digits):
    again = predict_out_of_fold(digits.x_train[:400], digits.y_train[:400], 10, Plan(epochs=8, folds=2, repeats=2))
    assert np.array_equal(again, probabilities)


def test_an_image_has_no_influence_on_what_is_said_of_it(digits):
    images, labels = digits.x_train[:100], digits.y_train[:100]
    other = images.copy()
    other[0] = 255 - other[0]  # seen in training only by the networks that are not asked about it
    plan, beside = Plan(epochs=1, folds=2, repeats=1), assign_folds(labels, 2, 0, 0) == assign_folds(labels, 2, 0, 0)[0]
    before, after = (predict_out_of_fold(each, labels, 10, plan) for each in (images, other))
    assert np.array_equal(before[beside][1:], after[beside][1:])
    assert not np.array_equal(before[~beside], after[~beside])


def test_progress_tells_which_network_is_trained(digits):
    heard = []
    predict_out_of_fold(
        digits.x_train[:100],
        digits.y_train[:100],
        10,
        Plan(epochs=2, folds=2, repeats=1),
        lambda number, moment: heard.append((number, moment.epoch)),
    )
    assert list(dict.fromkeys(heard)) == [(0, 1), (0, 2), (1, 1), (1, 2)]
