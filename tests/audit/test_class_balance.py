"""Balance of classes, against counts made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from mnistry.audit import class_balance


def labels(*counts):
    return np.repeat(np.arange(len(counts)), counts)


def test_counts_are_by_split_and_class():
    found = class_balance.check_balance(labels(3, 0, 2), labels(1, 1, 0), 3)
    assert found.counts.tolist() == [[3, 0, 2], [1, 1, 0]]


def test_the_ratio_is_of_the_largest_to_the_smallest_class():
    assert class_balance.check_balance(labels(30, 10), labels(10, 10), 2).ratio == pytest.approx(2.0)
    assert class_balance.check_balance(labels(30, 0), labels(10, 0), 2).ratio == np.inf


def test_a_class_with_less_than_half_of_an_even_share_is_scarce():
    # 100 images, four classes: an even share is 25, half of it 12.5
    found = class_balance.check_balance(labels(40, 35, 13, 12), labels(25, 25, 25, 25), 4)
    assert found.underrepresented.tolist() == [[False, False, False, True], [False] * 4]


def test_shares_that_differ_by_more_than_chance_are_split_shift():
    # class 0: 10% against 50%; class 1: 50% against 10%; class 2: 40% in both
    found = class_balance.check_balance(labels(100, 500, 400), labels(50, 10, 40), 3)
    assert found.split_shift.tolist() == [True, True, False]


def test_what_chance_does_to_few_images_is_not_split_shift():
    # 5 of 10 against 2 of 10: under one and a half standard deviations
    assert not class_balance.check_balance(labels(5, 5), labels(2, 8), 2).split_shift.any()


def test_a_difference_that_is_sure_but_small_is_not_split_shift():
    # 50% against 55% of 100,000: more than 20 standard deviations, a tenth of the share
    assert not class_balance.check_balance(labels(50_000, 50_000), labels(55_000, 45_000), 2).split_shift.any()


def test_a_split_may_be_empty():
    found = class_balance.check_balance(labels(5, 5), labels(), 2)
    assert not found.underrepresented.any()
    assert not found.split_shift.any()


def test_mnist_is_even(mnist):
    found = class_balance.check_balance(mnist.y_train, mnist.y_test, 10)
    assert not found.underrepresented.any()
    assert not found.split_shift.any()
    assert found.ratio == pytest.approx(7877 / 6313)  # 1s and 5s
