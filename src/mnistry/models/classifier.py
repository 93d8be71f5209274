"""The classifier: images to probabilities, on ONNX Runtime; no Keras, no JAX."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources
from typing import Any, Self

import numpy as np

from mnistry.errors import ModelError, UsageError
from mnistry.models import model_source, onnx_file
from mnistry.models.metadata import ModelMetadata
from mnistry.models.outputs import softmax, to_logits
from mnistry.runtime.parallel import count_cpus

SHIPPED = "models/weights/mnistry.onnx"
CHUNK = 128  # images a call of the runtime: their activations stay in the processor's cache
MAX_RUN_VALUES = 2**26  # float32 numbers that a call may compute: 256 MB; fewer images at once for a larger model
BLOCK = 4 * CHUNK  # images that a thread takes at a time; the unsure ones among them are looked at again together
LOOKS = 5  # at an unsure image: as it is, and moved by one pixel each way


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predictions for n images.

    Attributes:
        probabilities: float32 (n, classes), calibrated; rows add up to 1.
        digitness: float32 (n,), 0 to 1: how much the image looks like a digit at all.
        digits: int64 (n,), the most probable class of each, an index into the model's class names.
        is_digit: bool (n,), whether the digit-ness reaches the model's threshold.
        sure: bool (n,), whether it is taken for a digit and the probability of the answer reaches the threshold.

    >>> blank = np.zeros((2, 28, 28), np.uint8)
    >>> predictions = Classifier().predict_all(blank)
    >>> predictions
    Predictions(n=2, sure=0)
    >>> predictions.probabilities.shape, predictions.is_digit
    ((2, 10), array([False, False]))
    """

    probabilities: np.ndarray
    digitness: np.ndarray
    digits: np.ndarray
    is_digit: np.ndarray
    sure: np.ndarray

    def __repr__(self) -> str:
        return f"Predictions(n={len(self.digits)}, sure={int(self.sure.sum())})"


class Classifier:
    """A model ready to answer. Thread-safe. Keeps no threads between calls.

    Args:
        path: of a model file, a run folder or a .keras file; None is the built-in model. A Keras model must scale its
            pixels itself, and takes seconds to become a model file: `mnistry.export` does that once.
        threads: how many may work on a large array; None means one for each core. Small arrays take one.

    Attributes:
        info: the model's own facts: class names, thresholds, how it was trained.

    Raises:
        ModelError: the file is not a model of mnistry's or Keras's, is damaged, or of another version.
        UsageError: a Keras model cannot be exported, or does not scale its pixels itself.

    >>> import numpy as np
    >>> Classifier().predict(np.zeros((5, 28, 28), np.uint8)).shape
    (5, 10)
    """

    info: ModelMetadata

    def __init__(self, path: str | os.PathLike[str] | None = None, *, threads: int | None = None) -> None:
        if path is None:
            content, name = resources.files("mnistry").joinpath(SHIPPED).read_bytes(), "the built-in model"
        else:
            content, name = model_source.read(path), os.fspath(path)
        self._start(content, name, threads)

    @classmethod
    def load(cls, path: str | os.PathLike[str] | None = None, *, threads: int | None = None) -> Self:
        """Load a model; the same as calling the class."""
        return cls(path, threads=threads)

    @classmethod
    def from_bytes(cls, content: bytes, name: str = "the model", *, threads: int | None = None) -> Self:
        """Take the content of a model file; `name` is what errors call it."""
        made = cls.__new__(cls)
        made._start(content, name, threads)
        return made

    def _start(self, content: bytes, name: str, threads: int | None) -> None:
        self.info, values = onnx_file.check(content, name)
        self._chunk = max(1, min(CHUNK, MAX_RUN_VALUES // values))
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # from 1.29 on its import would write an id under the user's home
        import onnxruntime

        options = onnxruntime.SessionOptions()
        # One thread a call, and several calls at once for a large array: measured, that is as fast as the runtime's own
        # threads at their best, does not spin while it waits, and is safe where a process forks.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the runtime's errors have no base of their own
            raise ModelError(f"{name} cannot be run: {error}.") from None
        self._name, self._threads = name, threads or count_cpus()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._name!r}, classes={len(self.info.class_names)})"

    def predict(self, images: np.ndarray) -> np.ndarray:
        """The calibrated probabilities of images.

        Args:
            images: uint8 (n, 28, 28) or (28, 28), 0–255, ink bright on black. Array-like objects,
                such as memory-mapped files, are read one slice at a time.

        Returns:
            float32 (n, classes), rows adding up to 1.

        Raises:
            UsageError: the images are of another shape or type.
        """
        return self.predict_all(images).probabilities

    def predict_all(self, images: np.ndarray, *, again: bool = True) -> Predictions:
        """Predict classes, probabilities and digit scores of images.

        Args:
            images: see `predict`.
            again: whether unsure images get a second look, if the model is made for it.
        """
        images = _check_images(images)
        n = len(images)
        probabilities = np.empty((n, len(self.info.class_names)), np.float32)
        digitness = np.empty(n, np.float32)

        def work(start: int) -> None:
            block = slice(start, min(start + BLOCK, n))
            taken = np.ascontiguousarray(images[block])
            probabilities[block], digitness[block] = self._run(taken)
            if again:
                apply_tta(taken, probabilities[block], self.info.second_look, lambda moved: self._run(moved)[0])

        starts = range(0, n, BLOCK)
        if min(len(starts), self._threads) < 2:
            for start in starts:
                work(start)
        else:
            with ThreadPoolExecutor(self._threads) as pool:
                for _ in pool.map(work, starts):
                    pass
        confidences = probabilities.max(axis=1, initial=0)
        is_digit = digitness >= self.info.digit_threshold
        sure = is_digit & (confidences * digitness >= self.info.sure_threshold)
        return Predictions(probabilities, digitness, probabilities.argmax(axis=1), is_digit, sure)

    answer = predict_all  # its former name, which programs still call

    def _run(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities and digit-ness as the model file gives them, of some images in one piece of memory."""
        outputs = [onnx_file.PROBABILITIES, onnx_file.DIGITNESS]
        if len(images) <= self._chunk:
            found: tuple[np.ndarray, np.ndarray] = self._session.run(outputs, {onnx_file.IMAGES: images})
            if not (np.isfinite(found[0]).all() and np.isfinite(found[1]).all()):
                raise ModelError(f"{self._name} gives answers that are not numbers (NaN). Train or export it anew.")
            return found
        parts = [self._run(images[start : start + self._chunk]) for start in range(0, len(images), self._chunk)]
        return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def _check_images(images: Any) -> Any:
    if not (hasattr(images, "shape") and hasattr(images, "dtype")):
        images = np.asarray(images)
    if images.dtype != np.uint8 or images.shape[-2:] != (28, 28) or len(images.shape) not in (2, 3):
        raise UsageError(
            f"Images must be uint8 (n, 28, 28), 0–255, ink bright on black; received {images.dtype} {images.shape}. "
            "Bring pictures of another form into this one first."
        )
    return images[None] if len(images.shape) == 2 else images


def apply_tta(
    images: np.ndarray, probabilities: np.ndarray, below: float, ask: Callable[[np.ndarray], np.ndarray]
) -> None:
    """Replace the probabilities of unsure images by those of test-time augmentation: a second look at moved copies.

    The average over moved copies is the oldest kind (Krizhevsky et al. 2012, "ImageNet Classification with Deep
    Convolutional Neural Networks", section 4.1). Only unsure images are asked about again: one in eighty of MNIST's.

    Args:
        images: uint8 (n, height, width).
        probabilities: float (n, classes), of those images; changed in place.
        below: an image is looked at again where its best probability is below this.
        ask: gives the probabilities of images.
    """
    unsure = np.flatnonzero(probabilities.max(axis=1, initial=0) < below)
    if len(unsure):
        probabilities[unsure] = combine(probabilities[unsure], ask(shift_images(images[unsure])))


def shift_images(images: np.ndarray) -> np.ndarray:
    """Move images by one pixel up, down, left and right; the freed row or column is black.

    Images are uint8 (n, height, width); the result is (4 n, height, width): all moved up, then down, left, right.
    """
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    height, width = images.shape[1:]
    starts = ((2, 1), (0, 1), (1, 2), (1, 0))
    return np.concatenate([padded[:, y : y + height, x : x + width] for y, x in starts])


def combine(first: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Average predictions over an image and its moved copies: the softmax of the mean logits.

    Probabilities of the images, (n, classes), and of their copies by `shift_images`, (4 n, classes), to (n, classes).
    """
    looks = np.concatenate([first[None], others.reshape(LOOKS - 1, *first.shape)])
    return softmax(to_logits(looks).mean(axis=0))
