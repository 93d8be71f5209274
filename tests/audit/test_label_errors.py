"""Confident learning, against cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from mnistry.audit import label_errors

# Six images, three classes. By hand:
#   thresholds: class 0 (0.9 + 0.7 + 0.2) / 3 = 0.6, class 1 (0.8 + 0.4) / 2 = 0.6, class 2 0.5
#   image 0 reaches 0; 1 reaches 0; 2, labelled 0, reaches 1 (0.8); 3 reaches 1; 4, labelled 1, reaches none
#   (0.4, 0.4, 0.2); image 5 reaches 2 (0.5).
PROBABILITIES = np.array(
    [[0.9, 0.1, 0.0], [0.7, 0.2, 0.1], [0.2, 0.8, 0.0], [0.1, 0.8, 0.1], [0.4, 0.4, 0.2], [0.3, 0.2, 0.5]]
)
LABELS = np.array([0, 0, 0, 1, 1, 2], np.uint8)


def test_a_threshold_is_the_mean_confidence_in_the_own_label():
    np.testing.assert_allclose(label_errors.compute_thresholds(PROBABILITIES, LABELS), [0.6, 0.6, 0.5])


def test_a_class_without_images_has_a_threshold_that_nothing_reaches():
    lines = label_errors.compute_thresholds(np.array([[0.2, 0.8]]), np.array([1]))
    assert lines.tolist() == [np.inf, 0.8]
    assert label_errors.find_confident_classes(np.array([[1.0, 0.0]]), lines).tolist() == [label_errors.UNDECIDED]


def test_an_image_is_predicted_as_the_most_probable_class_whose_threshold_it_reaches():
    lines = label_errors.compute_thresholds(PROBABILITIES, LABELS)
    assert label_errors.find_confident_classes(PROBABILITIES, lines).tolist() == [0, 0, 1, 1, label_errors.UNDECIDED, 2]


def test_the_most_probable_class_does_not_count_where_its_threshold_is_not_reached():
    # 0.55 is more than 0.45, but class 0 is usually surer of its own than that
    assert label_errors.find_confident_classes(np.array([[0.55, 0.45]]), np.array([0.9, 0.4])).tolist() == [1]


def test_the_confident_joint_counts_labels_against_classes():
    found = label_errors.find_label_issues(PROBABILITIES, LABELS, fewest=1)
    assert found.joint.tolist() == [[2, 1, 0], [0, 1, 0], [0, 0, 1]]


def test_what_is_off_the_diagonal_is_a_label_issue():
    found = label_errors.find_label_issues(PROBABILITIES, LABELS, fewest=1)
    assert found.indices.tolist() == [2]
    assert found.predicted.tolist() == [1]


def test_issues_come_by_the_probability_of_their_label_and_then_by_their_index():
    probabilities = np.array([[0.1, 0.9], [0.05, 0.95], [0.1, 0.9], [0.9, 0.1], [0.2, 0.8]])
    found = label_errors.find_label_issues(probabilities, np.array([0, 0, 0, 0, 1]), fewest=1)
    # thresholds 0.2875 and 0.8: images 0, 1 and 2 reach class 1 only
    assert found.indices.tolist() == [1, 0, 2]


def test_the_estimate_scales_the_rows_to_the_number_of_each_label():
    # label 0: three images, 1 of 3 counted elsewhere: 1; label 1: two images, none of the one that is counted: 0
    assert label_errors.estimate_errors(np.array([[2, 1], [0, 1]]), np.array([0, 0, 0, 1, 1])) == pytest.approx(1.0)
    # six labels 0 where three are counted: each counts for two
    assert label_errors.estimate_errors(np.array([[2, 1], [0, 0]]), np.array([0] * 6)) == pytest.approx(2.0)


def test_self_confidence_is_the_labels_probability():
    assert label_errors.compute_self_confidence(PROBABILITIES, LABELS).tolist() == [0.9, 0.7, 0.2, 0.8, 0.4, 0.5]


def test_the_order_of_the_classes_does_not_matter():
    swapped = label_errors.find_label_issues(PROBABILITIES[:, [2, 0, 1]], np.array([1, 1, 1, 2, 2, 0]), fewest=1)
    assert swapped.indices.tolist() == [2]
    assert swapped.joint.tolist() == [[1, 0, 0], [0, 2, 1], [0, 0, 1]]


def test_right_labels_are_no_issue():
    probabilities = np.eye(4)[[0, 1, 2, 3, 0, 1]] * 0.9 + 0.025
    found = label_errors.find_label_issues(probabilities, np.array([0, 1, 2, 3, 0, 1]), fewest=1)
    assert found.indices.tolist() == []


def test_a_label_that_is_the_most_probable_class_is_never_an_issue():
    # The rare class 1 is predicted so weakly that its threshold is 0.03. The last image reaches that, and not 0.97,
    # the threshold of its own label, though 94% say its label is right.
    probabilities = np.array([[0.99, 0.01], [0.99, 0.01], [0.97, 0.03], [0.94, 0.06]])
    labels = np.array([0, 0, 1, 0])
    found = label_errors.find_label_issues(probabilities, labels, fewest=1)
    assert found.thresholds == pytest.approx([0.9733, 0.03], abs=1e-4)
    assert found.indices.tolist() == []
    assert found.joint.tolist() == [[3, 0], [0, 1]]


def test_a_label_that_is_more_probable_than_the_predicted_class_is_never_an_issue():
    # The thresholds are 0.8, 0.03 and 0.9: the last image, labelled 0, reaches only the second. Its label has 45%.
    probabilities = np.array([[0.975, 0.02, 0.005], [0.975, 0.02, 0.005], [0.97, 0.03, 0.0], [0.05, 0.05, 0.9]])
    probabilities = np.vstack([probabilities, [[0.45, 0.05, 0.5]]])
    found = label_errors.find_label_issues(probabilities, np.array([0, 0, 1, 2, 0]), fewest=1)
    assert found.thresholds == pytest.approx([0.8, 0.03, 0.9])
    assert found.indices.tolist() == [2]  # the image labelled 1


def test_a_class_with_few_images_is_neither_suspected_nor_predicted():
    # Class 2 has one image, which is predicted as 0, and one of class 1 is predicted as 2.
    probabilities = np.array([[0.9, 0.1, 0.0], [0.9, 0.1, 0.0], [0.1, 0.9, 0.0], [0.1, 0.2, 0.7], [0.95, 0.0, 0.05]])
    labels = np.array([0, 0, 1, 1, 2])
    assert label_errors.find_label_issues(probabilities, labels, fewest=1).indices.tolist() == [4, 3]
    found = label_errors.find_label_issues(probabilities, labels, fewest=2)
    assert found.too_small.tolist() == [False, False, True]
    assert found.thresholds == pytest.approx([0.9, 0.55, np.inf])
    assert found.indices.tolist() == []
    assert found.joint.tolist() == [[2, 0, 0], [0, 1, 0], [0, 0, 0]]


def test_a_class_without_images_is_not_called_too_small():
    found = label_errors.find_label_issues(np.array([[0.2, 0.8, 0.0]] * 20), np.array([1] * 20))
    assert found.too_small.tolist() == [False, False, False]
