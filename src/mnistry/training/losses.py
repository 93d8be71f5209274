"""Losses of the recipes."""

from __future__ import annotations

from typing import Any

from mnistry.models.backend import keras


@keras.saving.register_keras_serializable("mnistry")
class SmoothedCrossEntropy(keras.losses.Loss):  # type: ignore[misc]  # Keras comes without types
    """Cross-entropy with label smoothing over the classes; "no digit", the last output, stays as it is.

    Szegedy et al. 2016, "Rethinking the Inception Architecture for Computer Vision".
    """

    def __init__(self, smoothing: float = 0.05, name: str = "smoothed_cross_entropy", **options: Any) -> None:
        """Set the share of a label that is spread over the classes."""
        super().__init__(name=name, **options)
        self.smoothing = smoothing

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Compute the loss of each image, float (n,): of labels (n,) or (n, 1) and probabilities (n, classes + 1)."""
        ops = keras.ops
        logs = ops.log(ops.maximum(y_pred, keras.config.epsilon()))
        none = y_pred.shape[-1] - 1
        y = ops.cast(ops.reshape(y_true, (-1,)), "int32")
        spread = ops.where(y < none, self.smoothing, 0.0)
        of_label = ops.take_along_axis(logs, y[:, None], axis=1)[:, 0]
        return -(1 - spread) * of_label - spread * ops.mean(logs[:, :none], axis=1)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the loss."""
        return {**super().get_config(), "smoothing": self.smoothing}
