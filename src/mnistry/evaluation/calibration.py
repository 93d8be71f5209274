"""Calibration: the temperature, and the thresholds of confidence and rejection, fitted to plain arrays.

Everything that is fitted here is fitted on a validation split, never on the test split.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from mnistry.errors import UsageError
from mnistry.evaluation.metrics import compute_wilson_interval
from mnistry.models.outputs import log_sum_exp

MAX_TEMPERATURE = 100.0
MIN_TEMPERATURE = 0.01
EXACTNESS = 1e-5  # to which the logarithm of the temperature is found
NOTHING = 2.0  # a threshold that no probability reaches


def fit_temperature(logits: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None) -> float:
    """The temperature that makes the labels most likely: Guo et al. 2017, "On Calibration of Modern Neural Networks".

    The log loss is convex in 1 / temperature, so it has one valley; it is found by golden section, over the logarithm
    of the temperature, to a relative error of 1e-5. Where every answer is right, the colder the better: then 0.01.

    Args:
        logits: float (n, classes), without "no digit".
        labels: integers (n,).
        weights: float (n,), above 0: how much each counts; None means the same for all.

    Returns:
        From 0.01 to 100.

    Raises:
        UsageError: shapes do not match, a label is out of range, a logit is not finite, or there are none.
    """
    scores, y = np.asarray(logits, np.float64), np.asarray(labels)
    if scores.ndim != 2 or len(scores) == 0 or y.shape != (len(scores),) or not np.isfinite(scores).all():
        raise UsageError(
            f"Logits must be finite (n, classes) and labels (n,), n at least 1; received {scores.shape} and {y.shape}."
        )
    if not np.issubdtype(y.dtype, np.integer) or y.min() < 0 or y.max() >= scores.shape[1]:
        raise UsageError(f"Labels must be integers from 0 to {scores.shape[1] - 1}.")
    below_label = scores - scores[np.arange(len(y)), y][:, None]

    def loss(log_temperature: float) -> float:
        return float(np.average(log_sum_exp(below_label / math.exp(log_temperature)), weights=weights))

    return math.exp(_lowest(loss, math.log(MIN_TEMPERATURE), math.log(MAX_TEMPERATURE)))


def threshold_for_precision(
    confidences: np.ndarray, right: np.ndarray, precision: float, weights: np.ndarray | None = None
) -> float:
    """The lowest confidence from which on answers are right often enough.

    Often enough: the lower end of the 95% Wilson interval of the part that is right reaches the precision. The plain
    part would be met by luck, since the lowest of thousands of lines is taken, and be missed as often as not on new
    images; for the interval, a handful of right answers is not enough, as it should be. Where no line does, nothing
    is sure. Of weighted answers the interval is that of their effective number (Kish 1965, "Survey Sampling",
    section 11.2).

    Args:
        confidences: float (n,), 0 to 1.
        right: bool (n,), whether each answer is right.
        precision: above 0 and below 1.
        weights: float (n,), above 0: how much each counts; None means the same for all.

    Returns:
        A confidence of at least this is sure; 2 where no line gives the precision.
    """
    confidences, right = np.asarray(confidences, np.float64), np.asarray(right, bool)
    order = np.argsort(-confidences, kind="stable")
    values, counted = confidences[order], np.ones(len(order)) if weights is None else weights[order]
    totals, rights, squares = (np.cumsum(each) for each in (counted, counted * right[order], counted * counted))
    for last in np.flatnonzero(np.append(values[1:] != values[:-1], True))[::-1] if len(values) else ():
        share, effective = rights[last] / totals[last], max(totals[last] ** 2 / squares[last], 1.0)
        if compute_wilson_interval(share * effective, effective)[0] >= precision:
            return float(values[last])
    return NOTHING


def threshold_at_recall(scores: np.ndarray, share: float) -> float:
    """The highest threshold that keeps at least a share of the scores: kept is what reaches it.

    Args:
        scores: float (n,), n at least 1.
        share: above 0, at most 1.

    >>> threshold_at_recall(np.array([0.1, 0.4, 0.2, 0.3]), 0.75)
    0.2
    """
    scores = np.sort(np.asarray(scores, np.float64))
    kept = math.ceil(share * len(scores) - 1e-9)  # 0.98 × 50 is 49.00000000000001 in floating point
    return float(scores[len(scores) - kept])


def _lowest(function: Callable[[float], float], low: float, high: float) -> float:
    """Find the minimum of a function with one valley by golden section (Kiefer 1953)."""
    golden = (math.sqrt(5) - 1) / 2
    left, right = high - golden * (high - low), low + golden * (high - low)
    at_left, at_right = function(left), function(right)
    while high - low > EXACTNESS:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - golden * (high - low)
            at_left = function(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + golden * (high - low)
            at_right = function(right)
    return (low + high) / 2
