"""mnistry: learn from, train on and use handwritten digits.

Importing this package loads the standard library only; each name below brings in what it needs when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mnistry.datasets.loading import Dataset, load
    from mnistry.errors import MnistryError
    from mnistry.evaluation.metrics import Evaluation, evaluate
    from mnistry.ocr.recognizer import Answers, Recognizer
    from mnistry.ocr.result import Digit, Reading
    from mnistry.training.config import TrainConfig
    from mnistry.training.fitting import fit
    from mnistry.training.loop import predict
    from mnistry.training.trainer import Trained, train

__version__ = "0.1.0"
__all__ = [
    "Answers",
    "Dataset",
    "Digit",
    "Evaluation",
    "MnistryError",
    "Reading",
    "Recognizer",
    "TrainConfig",
    "Trained",
    "evaluate",
    "fit",
    "load",
    "predict",
    "train",
]

_HOMES = {
    "Dataset": "data",
    "load": "data",
    "MnistryError": "errors",
    "Evaluation": "evaluation",
    "evaluate": "evaluation",
    "fit": "fitting",
    "predict": "loop",
    "Digit": "digit",
    "Reading": "digit",
    "Answers": "recognizer",
    "Recognizer": "recognizer",
    "TrainConfig": "config",
    "Trained": "training",
    "train": "training",
}


def __getattr__(name: str) -> Any:
    """Brings in a public name when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module 'mnistry' has no attribute {name!r}")
    return getattr(importlib.import_module(f"mnistry.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """The public names, those not yet brought in included."""
    return sorted([*__all__, "__version__"])
