"""The recogniser: images to probabilities, on ONNX Runtime; no Keras, no JAX."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from mnistry.errors import ModelError, UsageError
from mnistry.model_info import KEY, ModelInfo

SHIPPED = "weights/mnistry.onnx"
BATCH = 256  # images a call of the runtime: they and what is computed of them stay in the processor's cache


@dataclass(frozen=True, eq=False)
class Answers:
    """What a model says of n images.

    Attributes:
        probabilities: float32 (n, classes), calibrated; rows add up to 1.
        digitness: float32 (n,), 0 to 1: how much the image looks like a digit at all.
        digits: int64 (n,), the most probable class of each.
        is_digit: bool (n,), whether the digit-ness reaches the model's threshold.
        sure: bool (n,), whether it is taken for a digit and the probability of the answer reaches the threshold.
    """

    probabilities: np.ndarray
    digitness: np.ndarray
    digits: np.ndarray
    is_digit: np.ndarray
    sure: np.ndarray


class Recognizer:
    """A model ready to answer. Several threads may use one."""

    def __init__(self, session: Any, info: ModelInfo) -> None:
        """For `load`."""
        self._session = session
        self.info = info

    @classmethod
    def load(cls, path: str | os.PathLike[str] | None = None, *, threads: int | None = None) -> Recognizer:
        """Loads a model file; None is the one that comes with the package.

        Raises:
            ModelError: it is no model of mnistry's, or damaged.
        """
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        import onnxruntime

        content = resources.files("mnistry").joinpath(SHIPPED).read_bytes() if path is None else Path(path).read_bytes()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        if threads is not None:
            options.intra_op_num_threads = threads
        try:
            session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
            info = ModelInfo.from_json(session.get_modelmeta().custom_metadata_map[KEY])
        except Exception as error:
            raise ModelError(f"{path} is no model that mnistry can use: {error}.") from None
        return cls(session, info)

    def predict(self, images: np.ndarray) -> np.ndarray:
        """The calibrated probabilities of images.

        Args:
            images: uint8 (n, 28, 28) or (28, 28), ink bright on black.

        Returns:
            float32 (n, classes), rows adding up to 1.

        Raises:
            UsageError: the images are of another shape or type.
        """
        return self.answer(images).probabilities

    def answer(self, images: np.ndarray) -> Answers:
        """All that the model says of images; see `predict` for what they must be."""
        images = _checked(images)
        n = len(images)
        probabilities = np.empty((n, len(self.info.class_names)), np.float32)
        digitness = np.empty(n, np.float32)
        for start in range(0, n, BATCH):
            part = slice(start, start + BATCH)
            probabilities[part], digitness[part] = self._session.run(
                ["probabilities", "digitness"], {"images": images[part]}
            )
        is_digit = digitness >= self.info.digit_threshold
        sure = is_digit & (probabilities.max(axis=1, initial=0) >= self.info.sure_threshold)
        return Answers(probabilities, digitness, probabilities.argmax(axis=1), is_digit, sure)


def _checked(images: np.ndarray) -> np.ndarray:
    images = np.asarray(images)
    if images.ndim == 2:
        images = images[None]
    if images.dtype != np.uint8 or images.shape[1:] != (28, 28):
        raise UsageError(
            f"Images must be uint8 (n, 28, 28), 0-255, ink bright on black; received {images.dtype} {images.shape}."
        )
    return np.ascontiguousarray(images)
