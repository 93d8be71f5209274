"""One step of a training or an evaluation, and many of them, as functions that JAX compiles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mnistry.models.backend import jax, keras
from mnistry.training.placement import Placement

State = tuple[list[Any], list[Any], list[Any], list[Any]]
"""The values of trainable, non-trainable, optimizer and metric variables, in the model's order."""
Data = tuple[Any, Any, Any]
"""Inputs, labels and sample weights (or None): arrays or trees of arrays, each with an axis of n images in front."""

Augment = Callable[[Any, Any, Any, Any], tuple[Any, Any]]
"""A key of random numbers, inputs and labels of a batch, and how many steps went before; inputs and labels to train on
out, perhaps more of them."""

Step = Callable[[keras.Model, Any, Data], Any]


def train_step(model: keras.Model, state: State, batch: Data) -> State:
    """The model's own step of a training."""
    advanced: State = model.train_step(state, batch)[1]
    return advanced


def test_step(model: keras.Model, state: tuple[Any, Any, Any], batch: Data) -> tuple[Any, Any, Any]:
    """The model's own step of an evaluation; only metrics change."""
    trainable, fixed, _ = state
    return trainable, fixed, model.test_step(state, batch)[1][2]


def one_step(
    model: keras.Model,
    step: Step,
    batch_size: int,
    placement: Placement,
    augment: tuple[Augment, int] | None,
    state: Any,
    data: Data,
    order: Any,
    index: Any,
) -> Any:
    """One step over the images order[index * batch_size : (index + 1) * batch_size]."""
    chosen = jax.lax.dynamic_slice(order, (index * batch_size,), (batch_size,))
    x, y, weights = placement.shared(jax.tree.map(lambda leaf: leaf[chosen], data), batch_size)
    if augment is not None:
        make, seed = augment
        before = _steps_before(model, state)
        x, y = make(jax.random.fold_in(jax.random.key(seed), before), x, y, before)
    return step(model, state, (_as_inputs(model, x), y, weights))


def _steps_before(model: keras.Model, state: State) -> Any:
    """How many steps the optimizer has made."""
    places = [place for place, one in enumerate(model.optimizer.variables) if one is model.optimizer.iterations]
    return state[2][places[0]]


def many_steps(one: Callable[..., Any], state: Any, data: Data, order: Any, first: Any, until: Any) -> Any:
    """Steps `first` to `until` - 1."""
    return jax.lax.fori_loop(first, until, lambda index, state: one(state, data, order, index), state)


def _as_inputs(model: keras.Model, x: Any) -> Any:
    inputs = getattr(model, "inputs", None)
    takes_floats = inputs is None or all("float" in str(one.dtype) for one in inputs)

    def converted(leaf: Any) -> Any:
        is_small = leaf.dtype == np.uint8  # without declared inputs, larger integers may be meant as such
        as_float = np.issubdtype(leaf.dtype, np.integer) and takes_floats and (inputs is not None or is_small)
        return leaf.astype(np.float32) if as_float else leaf

    return jax.tree.map(converted, x)
