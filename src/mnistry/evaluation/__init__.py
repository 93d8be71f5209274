"""Metrics, calibration, corruptions, and the evaluation of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mnistry import _lazy

if TYPE_CHECKING:
    from mnistry.evaluation.corruptions import corrupt
    from mnistry.evaluation.run import evaluate_model

__all__ = ["corrupt", "evaluate_model"]

__getattr__, __dir__ = _lazy.attach(__name__, {"evaluation.corruptions": "corrupt", "evaluation.run": "evaluate_model"})
