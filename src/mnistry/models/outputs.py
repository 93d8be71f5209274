"""From logits to a model's outputs: calibrated probabilities and the digit score."""

from __future__ import annotations

import numpy as np


def softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Softmax of logits divided by a temperature.

    Args:
        logits: float (n, classes).
        temperature: above 0; larger is less sure.

    Returns:
        float64 (n, classes), rows adding up to 1.

    >>> softmax(np.array([[0.0, np.log(4.0)]]), temperature=2).round(4).tolist()
    [[0.3333, 0.6667]]
    """
    scores = np.asarray(logits, np.float64) / temperature
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def compute_digit_score(logits: np.ndarray, classes: int, temperature: float = 1.0) -> np.ndarray:
    """Compute the digit score: how much each image looks like a digit at all.

    With a last output for "no digit": the probability that it is not that, out of all outputs, whatever the
    temperature. Without: the largest probability, the usual baseline (Hendrycks and Gimpel 2017, "A Baseline for
    Detecting Misclassified and Out-of-Distribution Examples").

    Args:
        logits: float (n, classes) or (n, classes + 1).
        classes: how many there are.
        temperature: of the probabilities.

    Returns:
        float64 (n,), 0 to 1.

    >>> compute_digit_score(np.log([[2.0, 1.0, 1.0]]), classes=2).round(4).tolist()
    [0.75]
    >>> compute_digit_score(np.log([[2.0, 1.0, 1.0]]), classes=3).round(4).tolist()
    [0.5]
    """
    scores = np.asarray(logits, np.float64)
    if scores.shape[1] == classes:
        return np.asarray(softmax(scores, temperature).max(axis=1))
    return np.asarray(1 / (1 + np.exp(np.clip(scores[:, classes] - log_sum_exp(scores[:, :classes]), -700, 700))))


def to_logits(probabilities: np.ndarray) -> np.ndarray:
    """Logits, up to a constant: the logarithms of probabilities, float64; 0 counts as float32's smallest number."""
    return np.log(np.maximum(np.asarray(probabilities, np.float64), np.finfo(np.float32).tiny))


def log_sum_exp(scores: np.ndarray) -> np.ndarray:
    """The logarithm of the sum of the exponentials of each row."""
    most = scores.max(axis=1)
    return np.asarray(most + np.log(np.exp(scores - most[:, None]).sum(axis=1)))
