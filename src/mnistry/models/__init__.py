"""The classifier in all its forms: Keras networks on JAX, the ONNX file, ONNX Runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mnistry import _lazy

if TYPE_CHECKING:
    from mnistry.models.backend import predict
    from mnistry.models.classifier import Classifier, Predictions
    from mnistry.models.metadata import ModelMetadata

__all__ = ["Classifier", "ModelMetadata", "Predictions", "predict"]

__getattr__, __dir__ = _lazy.attach(
    __name__,
    {"models.backend": "predict", "models.classifier": "Classifier Predictions", "models.metadata": "ModelMetadata"},
)
