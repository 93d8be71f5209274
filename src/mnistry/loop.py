"""Compiled epochs: trains any Keras model on arrays that fit in memory, many steps a dispatch.

The loop runs the model's own `train_step` (Keras's stateless one) inside one compiled program, over data that lies
on the device as it came: what Keras's `fit` spends between two steps falls away, the arithmetic stays the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from mnistry.backend import jax, keras
from mnistry.errors import TrainingError

SECONDS_PER_DISPATCH = 0.25  # long enough to cost nothing, short enough for a live display and a prompt Ctrl-C
FIRST_DISPATCH_STEPS = 64
PREDICT_CHUNK = 10_000

State = tuple[list[Any], list[Any], list[Any], list[Any]]
"""Trainable, non-trainable, optimizer and metric variables, in the model's order."""


@dataclass(frozen=True)
class Moment:
    """Where a training stands.

    Attributes:
        epoch: the current one, from 1.
        epochs: how many there will be.
        step: steps done in this epoch.
        steps: steps in an epoch, the last short one included.
        logs: loss and metrics over the epoch so far.
        seconds: since the epoch began, compilation included in the first.
        steps_per_second: over the last dispatch.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    logs: dict[str, float]
    seconds: float
    steps_per_second: float


def fit(
    model: keras.Model,
    x: np.ndarray,
    y: np.ndarray,
    *,
    epochs: int,
    batch_size: int,
    seed: int,
    progress: Callable[[Moment], None] | None = None,
) -> tuple[Moment, ...]:
    """Trains the model in place.

    Every epoch takes all images once, in an order drawn from (seed, epoch); a last short batch is trained on too.
    What `progress` does has no influence on the result.

    Args:
        model: built and compiled.
        x: (n, ...) inputs; integers are turned to float32 on the device, without scaling, as Keras does.
        y: (n,) integer labels.
        epochs: passes over the data.
        batch_size: images a step, at most n.
        seed: decides the order of the images.
        progress: called several times an epoch.

    Returns:
        The last moment of each epoch.

    Raises:
        TrainingError: the loss is no longer a finite number.
    """
    session = _Session(model, x, y, batch_size)
    history = []
    for epoch in range(1, epochs + 1):
        order = np.random.default_rng([seed, epoch]).permutation(len(x)).astype(np.int32)
        for moment in session.epoch(order, epoch, epochs):
            if progress is not None:
                progress(moment)
        if not np.isfinite(moment.logs["loss"]):
            raise TrainingError(
                f"The loss is {moment.logs['loss']} after epoch {epoch}: the training has diverged. "
                "Try a smaller learning rate."
            )
        history.append(moment)
    session.give_back()
    return tuple(history)


def predict(model: keras.Model, x: np.ndarray) -> np.ndarray:
    """The model's outputs for all images, without the layers that only train.

    Args:
        model: built.
        x: (n, ...) inputs, turned to float32 on the device.

    Returns:
        float32 (n, ...), what the model gives for each input.
    """

    @jax.jit
    def forward(trainable: list[Any], fixed: list[Any], batch: Any) -> Any:
        return model.stateless_call(trainable, fixed, batch.astype(np.float32), training=False)[0]

    trainable, fixed = _values(model.trainable_variables), _values(model.non_trainable_variables)
    size = min(PREDICT_CHUNK, len(x))
    parts = []
    for start in range(0, len(x), size):
        batch = x[start : start + size]
        missing = size - len(batch)  # filled up: one compiled shape for all
        padded = np.concatenate([batch, np.zeros((missing, *x.shape[1:]), x.dtype)]) if missing else batch
        parts.append(np.asarray(forward(trainable, fixed, padded))[: len(batch)])
    return np.concatenate(parts)


class _Session:
    """One training in progress: the variables' values on the device, and the programs that advance them."""

    def __init__(self, model: keras.Model, x: np.ndarray, y: np.ndarray, batch_size: int) -> None:
        self.model = model
        self.steps = -(-len(x) // batch_size)
        self.whole, self.short = divmod(len(x), batch_size)
        self.batch_size = batch_size
        # Keras makes the variables of optimizer and metrics when it sees the first batch; so does this, symbolically.
        model._symbolic_build(data_batch=(x[:batch_size], y[:batch_size].astype(np.int32)))
        self.state: State = _state_of(model)
        self.data = (jax.device_put(x), jax.device_put(y.astype(np.int32)))
        self.read_logs = _log_reader(model)
        self.programs: dict[int, Callable[..., State]] = {}
        self.rate = 0.0

    def epoch(self, order: np.ndarray, epoch: int, epochs: int) -> Iterator[Moment]:
        """Runs one epoch; gives a moment after each dispatch."""
        self.state = (*self.state[:3], [jax.numpy.zeros_like(value) for value in self.state[3]])
        boundary = self.whole * self.batch_size
        started, step = time.perf_counter(), 0
        while step < self.steps:
            if step < self.whole:
                until = min(self.whole, step + self._steps_ahead())
                self._advance(order[:boundary], self.batch_size, step, until)
            else:
                until = step + 1
                self._advance(order[boundary:], self.short, 0, 1)
            step = until
            logs = {name: float(value) for name, value in self.read_logs(self.state[3]).items()}
            yield Moment(epoch, epochs, step, self.steps, logs, time.perf_counter() - started, self.rate)

    def give_back(self) -> None:
        """Puts the values into the model's own variables."""
        for variables, values in zip(_variables(self.model), self.state, strict=True):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)

    def _steps_ahead(self) -> int:
        return max(1, round(self.rate * SECONDS_PER_DISPATCH)) if self.rate else FIRST_DISPATCH_STEPS

    def _advance(self, order: np.ndarray, batch_size: int, first: int, until: int) -> None:
        program = self._program(order, batch_size)
        started = time.perf_counter()
        self.state = jax.block_until_ready(program(self.state, *self.data, order, first, until))
        self.rate = (until - first) / (time.perf_counter() - started)

    def _program(self, order: np.ndarray, batch_size: int) -> Callable[..., State]:
        """The compiled steps for one batch size; how many a dispatch takes is decided at run time."""
        if batch_size not in self.programs:
            traced = jax.jit(partial(_steps, self.model, batch_size))
            self.programs[batch_size] = traced.lower(self.state, *self.data, order, 0, 1).compile()
        return self.programs[batch_size]


def _steps(
    model: keras.Model, batch_size: int, state: State, x: Any, y: Any, order: Any, first: Any, until: Any
) -> State:
    """Training steps `first` to `until` - 1 of an epoch; x and y are whole, `order` (n,) says who comes when."""

    def step(index: Any, state: State) -> State:
        chosen = jax.lax.dynamic_slice(order, (index * batch_size,), (batch_size,))
        batch = x[chosen].astype(np.float32), y[chosen]
        advanced: State = model.train_step(state, batch)[1]
        return advanced

    result: State = jax.lax.fori_loop(first, until, step, state)
    return result


def _log_reader(model: keras.Model) -> Callable[[list[Any]], dict[str, Any]]:
    """A compiled function from the values of the metric variables to the metrics' results."""

    @jax.jit
    def read(values: list[Any]) -> dict[str, Any]:
        with keras.StatelessScope(state_mapping=zip(model.metrics_variables, values, strict=True)):
            results: dict[str, Any] = model.get_metrics_result()
            return results

    reader: Callable[[list[Any]], dict[str, Any]] = read
    return reader


def _variables(model: keras.Model) -> tuple[list[Any], ...]:
    return (
        model.trainable_variables,
        model.non_trainable_variables,
        model.optimizer.variables,
        model.metrics_variables,
    )


def _state_of(model: keras.Model) -> State:
    trainable, fixed, optimizer, metrics = (_values(variables) for variables in _variables(model))
    return trainable, fixed, optimizer, metrics


def _values(variables: list[Any]) -> list[Any]:
    return [variable.value for variable in variables]
