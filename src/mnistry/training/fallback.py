"""Keras's own `fit`, for what cannot be compiled as a whole."""

from __future__ import annotations

import contextlib
import numbers
import sys
import types
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mnistry.models.backend import JAXTrainer, array_data_adapter, jax, keras, model_supports_jit

COST = (
    "Python then runs every step by itself, which takes two to ten times as long for small networks. "
    "Arrays in memory, and a model compiled without run_eagerly, jit_compile=False and steps_per_execution, are fast."
)


def find_obstacle(model: keras.Model, data: tuple[Any, Any, Any], steps_per_epoch: int | None) -> str:
    """Find the reason why Python must run every step of `fit` by itself: the end of a sentence, or "".

    The data are inputs, labels and weights of the samples, as they were given.
    """
    overridden = [
        name
        for name in ("fit", "make_train_function")
        if getattr(type(model), name) not in (getattr(JAXTrainer, name), getattr(keras.Model, name))
    ]
    if overridden:
        return f"{type(model).__name__} has a {overridden[0]} of its own"
    for name, part in zip(("data", "labels", "sample weights"), data, strict=True):
        if not array_data_adapter.can_convert_arrays(part):
            return f"the {name} are not arrays in memory but of the type {type(part).__name__}"
    if model.run_eagerly:
        return "the model is compiled with run_eagerly=True"
    if not model.jit_compile and model_supports_jit(model):  # without support it is off by itself: see if JAX minds
        return "the model is compiled with jit_compile=False"
    if jax.config.jax_disable_jit:
        return "JAX has been told not to compile (jax_disable_jit)"
    if jax.config.jax_debug_nans or jax.config.jax_debug_infs:
        return "JAX has been told to look for NaN or infinity after each step (jax_debug_nans, jax_debug_infs)"
    if model.steps_per_execution != 1:
        return f"the model is compiled with steps_per_execution={model.steps_per_execution}"
    if keras.distribution.distribution() is not None:
        return "keras.distribution places the data"
    if is_negative(steps_per_epoch):
        return f"steps_per_epoch={steps_per_epoch} means as many as there are"
    return ""


def is_negative(value: Any) -> bool:
    """Tell whether an argument is a negative number. Keras says what is wrong with anything that is not a number."""
    return isinstance(value, numbers.Real) and value < 0


def fit_with_keras(model: keras.Model, arguments: Mapping[str, Any], obstacle: str) -> keras.callbacks.History:
    """Call Keras's own `fit` with these arguments.

    A warning names the obstacle when the training begins: what Keras refuses before needs none.
    """
    caller = sys._getframe(2)  # the user's call of `mnistry.fit`
    place = (caller.f_code.co_filename, caller.f_lineno)
    registry = caller.f_globals.setdefault("__warningregistry__", {})

    def warn(_logs: Any = None) -> None:
        text = f"Keras's own fit takes over, as {obstacle}. {COST}"
        warnings.warn_explicit(text, UserWarning, *place, registry=registry)

    callbacks = arguments["callbacks"]
    if isinstance(callbacks, keras.callbacks.CallbackList):  # the user's own, to which nothing is added
        warn()
    else:
        given = [callbacks] if isinstance(callbacks, keras.callbacks.Callback) else callbacks or ()
        callbacks = [*given, keras.callbacks.LambdaCallback(on_train_begin=warn)]
    with _values_kept(model):
        return _keras_fit()(model, **{**arguments, "callbacks": callbacks})


@contextlib.contextmanager
def _values_kept(model: keras.Model) -> Iterator[None]:
    """Give a model its values back that Keras loses if the first step of a training cannot be traced."""
    variables = [*model.variables, *getattr(model.optimizer, "variables", ()), *model.metrics_variables]
    values = [variable._value for variable in variables]
    try:
        yield
    except BaseException:
        for variable, value in zip(variables, values, strict=True):
            if variable._value is None and value is not None and not value.is_deleted():
                variable._value = value
        raise


def _keras_fit() -> Callable[..., Any]:
    """Keras's own `fit`, also in a program that has put ours in its place."""
    module = sys.modules[JAXTrainer.__module__]
    if JAXTrainer.fit.__module__ != module.__name__:
        fresh = types.ModuleType(module.__name__)
        module.__loader__.exec_module(fresh)  # type: ignore[union-attr]  # a module of files has a loader that can
        module = fresh
    return module.JAXTrainer.fit
