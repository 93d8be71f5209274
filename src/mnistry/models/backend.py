"""Keras on the JAX backend, set up in this one place: everything that needs either imports it from here."""

from __future__ import annotations

import contextlib
import inspect
import os
import sys
from typing import Any

from mnistry.errors import TrainingError
from mnistry.runtime.files import find_cache_folder

if "keras" not in sys.modules:
    os.environ["KERAS_BACKEND"] = "jax"
    import keras

    # ~/.keras/keras.json may hold others, with which the same seed would give other weights.
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)
    keras.config.set_image_data_format("channels_last")

import jax
import keras
import numpy as np
from keras.src.backend.jax import nn as keras_nn
from keras.src.backend.jax.trainer import JAXEpochIterator, JAXTrainer
from keras.src.layers.convolutional.base_conv import BaseConv
from keras.src.trainers.data_adapters import array_data_adapter, array_slicing
from keras.src.trainers.trainer import model_supports_jit
from keras.src.utils.python_utils import is_default, pythonify_logs

from mnistry.models import compilation_cache, threefry

if keras.backend.backend() != "jax":
    raise TrainingError(
        f"mnistry trains with Keras on the JAX backend, but Keras is loaded on {keras.backend.backend()!r} already: "
        "import mnistry before keras, with KERAS_BACKEND unset or jax."
    )


SETTINGS = {"floatx": "float32", "epsilon": 1e-7, "image_data_format": "channels_last"}


def check_settings() -> None:
    """Check that Keras has the settings with which the recipes give the same weights everywhere.

    Raises:
        TrainingError: a program that loaded Keras before has others.
    """
    for name, expected in SETTINGS.items():
        if (found := getattr(keras.config, name)()) != expected:
            raise TrainingError(
                f"The recipes need Keras's {name} to be {expected}; it is {found}, from this program or "
                f"~/.keras/keras.json. Call keras.config.set_{name}({expected!r}) first."
            )


def want_cpu_devices(number: int) -> None:
    """Let a CPU appear as several devices, one for each part of a batch, if JAX has not started yet.

    Whether there are enough in the end is seen when they are used.
    """
    if number > 1:
        with contextlib.suppress(RuntimeError):  # it has started: then the devices are what they are
            jax.config.update("jax_num_cpu_devices", number)


def _cache_compilations() -> None:
    """Let JAX keep compiled programs in the user's cache folder: the second run starts at once."""
    if jax.config.jax_compilation_cache_dir:
        return  # the user has chosen a place
    folder = find_cache_folder("compiled")
    if compilation_cache.prepare(folder):
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


_cache_compilations()
threefry.install()

__all__ = [
    "BaseConv", "JAXEpochIterator", "JAXTrainer", "Predictor", "array_data_adapter", "array_slicing",
    "check_settings", "is_default", "jax", "keras", "keras_nn", "model_supports_jit", "predict", "pythonify_logs",
    "want_cpu_devices",
]  # fmt: skip


def find_inference_arguments(model: keras.Model) -> dict[str, bool]:
    """The arguments that tell a model that it is not trained; one's own class may take none."""
    taken = inspect.signature(model.call).parameters
    kinds = {each.kind for each in taken.values()}
    return {"training": False} if "training" in taken or inspect.Parameter.VAR_KEYWORD in kinds else {}


PREDICT_CHUNK = 10_000


class Predictor:
    """A model's outputs, without the layers that only train; with the values that its variables have at the time."""

    def __init__(self, model: keras.Model) -> None:
        """Take a model that is built; nothing is compiled yet."""
        self._model = model
        self._programs: dict[Any, Any] = {}
        arguments = find_inference_arguments(model)

        def forward(trainable: list[Any], fixed: list[Any], batch: Any) -> Any:
            with jax.default_matmul_precision("highest"):  # a GPU would round to ten bits
                return model.stateless_call(trainable, fixed, batch.astype(np.float32), **arguments)[0]

        self._forward = jax.jit(forward)

    def compile(self, x: np.ndarray) -> Any:
        """Compile the program for as many inputs as these, or for the largest chunk of them."""
        shape = (min(PREDICT_CHUNK, len(x)), *x.shape[1:])
        key = shape, x.dtype
        if key not in self._programs:
            self._programs[key] = self._forward.lower(*self._values(), jax.ShapeDtypeStruct(shape, x.dtype)).compile()
        return self._programs[key]

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """The outputs, float32 (n, ...), for inputs (n, ...), which are turned to float32 on the device."""
        values, program = self._values(), self.compile(x)
        size = min(PREDICT_CHUNK, len(x))
        parts = []
        for start in range(0, len(x), size):
            batch = x[start : start + size]
            missing = size - len(batch)  # filled up: one compiled shape for all
            padded = np.concatenate([batch, np.zeros((missing, *x.shape[1:]), x.dtype)]) if missing else batch
            parts.append(np.asarray(program(*values, padded))[: len(batch)])
        return np.concatenate(parts)

    def _values(self) -> tuple[list[Any], list[Any]]:
        model = self._model
        return [v.value for v in model.trainable_variables], [v.value for v in model.non_trainable_variables]


def predict(model: keras.Model, x: np.ndarray) -> np.ndarray:
    """The model's outputs for all inputs; see `Predictor`.

    >>> model = keras.Sequential([keras.layers.Input((28, 28)), keras.layers.Flatten(), keras.layers.Dense(10)])
    >>> predict(model, np.zeros((5, 28, 28), np.uint8)).shape
    (5, 10)
    """
    return Predictor(model)(x)
