"""mnistry: learn from, train on and use handwritten digits.

Importing this package loads the standard library only. Each name below loads what it needs when it is first used.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING

from mnistry import _lazy

if TYPE_CHECKING:
    from mnistry.datasets.dataset import Dataset
    from mnistry.datasets.loading import load
    from mnistry.errors import MnistryError
    from mnistry.evaluation.metrics import Evaluation, evaluate
    from mnistry.evaluation.prediction import DatasetPredictions, predict_dataset
    from mnistry.models.backend import predict
    from mnistry.models.classifier import Predictions
    from mnistry.ocr.recognizer import Recognizer, read
    from mnistry.ocr.result import Digit, Reading
    from mnistry.training.config import TrainConfig
    from mnistry.training.export import export
    from mnistry.training.fitting import fit
    from mnistry.training.trainer import Trained, train

logging.getLogger("mnistry").addHandler(logging.NullHandler())  # silent, until a program wants to hear

__version__ = "0.1.0"
__all__ = [
    "Dataset", "DatasetPredictions", "Digit", "Evaluation", "MnistryError", "Predictions", "Reading", "Recognizer",
    "TrainConfig", "Trained", "evaluate", "export", "fit", "load", "predict", "predict_dataset", "read", "train",
]  # fmt: skip

if "keras" not in sys.modules:
    os.environ.setdefault("KERAS_BACKEND", "jax")  # a Keras that is imported after this package is one it can train

__getattr__, __dir__ = _lazy.attach(
    __name__,
    {
        "datasets.dataset": "Dataset",
        "datasets.loading": "load",
        "errors": "MnistryError",
        "evaluation.metrics": "Evaluation evaluate",
        "evaluation.prediction": "DatasetPredictions predict_dataset",
        "models.backend": "predict",
        "models.classifier": "Predictions",
        "ocr.recognizer": "Recognizer read",
        "ocr.result": "Digit Reading",
        "training.config": "TrainConfig",
        "training.export": "export",
        "training.fitting": "fit",
        "training.trainer": "Trained train",
    },
    "__version__",
)
