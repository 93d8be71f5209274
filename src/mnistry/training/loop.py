"""Compiled epochs: advances any Keras model over arrays that fit in memory, many steps a dispatch.

A session runs the model's own `train_step` (Keras's stateless one) inside one compiled program, over data that lies
on the device as it came: what Keras's `fit` spends between two steps falls away, the arithmetic stays the same.

On a CPU, XLA compiles a convolution inside a loop onto a path more than ten times slower; models that have one are
therefore advanced one step a dispatch there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from mnistry.errors import UsageError
from mnistry.models.backend import jax, keras
from mnistry.training.placement import Placement
from mnistry.training.steps import Augment, Data, State, Step, many_steps, one_step, test_step, train_step

SECONDS_PER_DISPATCH = 0.25  # long enough to cost nothing, short enough for a live display and a prompt Ctrl-C
FIRST_DISPATCH_STEPS = 64
PROGRAMS = "_mnistry_programs"
SLOW_IN_LOOPS_ON_CPU = "conv_general_dilated"  # JAX's primitive


@dataclass(frozen=True)
class TrainProgress:
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


class Session:
    """One training in progress: the variables' values on the device, and the programs that advance them.

    The model's own variables keep their old values until `give_back`.
    """

    def __init__(
        self,
        model: keras.Model,
        x: Any,
        y: Any,
        batch_size: int,
        *,
        sample_weight: Any = None,
        devices: int = 1,
        augment: Augment | None = None,
        seed: int = 0,
    ) -> None:
        """Brings the data and the model's values onto the device.

        Args:
            model: compiled, with or without variables yet.
            x: (n, ...) inputs, an array or a tree of arrays. For a model that takes floats, integers are turned to
                float32 on the device, without scaling.
            y: (n, ...) labels, an array or a tree of arrays.
            batch_size: images a step, at most n.
            sample_weight: float (n,), or None.
            devices: how many local devices share each batch.
            augment: `augment(key, x, y, step)` makes what is trained on out of a batch, inside the compiled step. An
                epoch then leaves out the images that fill no batch, others each time.
            seed: of the keys that `augment` gets; each step has its own, which depends on the number of steps before.

        Raises:
            UsageError: there are not as many devices, or they cannot share a batch evenly.
        """
        self.model = model
        self.n, self.batch_size = count(x), batch_size
        self.whole, self.short = divmod(self.n, batch_size)
        if augment is not None:
            self.short = 0
        self.steps = self.whole + bool(self.short)
        self.augment = None if augment is None else (augment, seed)
        self.placement = Placement(devices, batch_size)
        data: Data = (_plain(x), _labels(y), None if sample_weight is None else np.asarray(sample_weight, np.float32))
        # Keras makes the variables of optimizer and metrics when it sees the first batch; so does this, symbolically.
        model._symbolic_build(data_batch=jax.tree.map(lambda leaf: leaf[:batch_size], data))
        model.reset_metrics()
        self.data: Data = self.placement.everywhere(data)
        self.fresh_metrics = [np.asarray(variable.value) for variable in model.metrics_variables]
        self.state: State = self.placement.everywhere(_values(model))
        self.programs = _programs_of(model)
        self.rate = 0.0

    def epoch(self, order: np.ndarray, epoch: int, epochs: int) -> Iterator[TrainProgress]:
        """Runs one epoch; gives a moment after each dispatch. What the caller does in between changes nothing.

        Args:
            order: int32 (n,), who comes when.
            epoch: its number, from 1.
            epochs: how many there will be.
        """
        self.state = (*self.state[:3], self.placement.everywhere(self.fresh_metrics))
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
            yield TrainProgress(epoch, epochs, step, self.steps, self._logs(self.state[3]), _since(started), self.rate)

    def evaluate(self, data: Data, batch_size: int) -> dict[str, float]:
        """Loss and metrics of the present values on other data, on the device already; nothing is changed.

        Args:
            data: inputs, labels, and sample weights or None, as `on_device` gives them.
            batch_size: images a step.
        """
        n = count(data[0])
        size = min(batch_size, n)
        metrics = self.placement.everywhere(self.fresh_metrics)
        order = np.arange(n, dtype=np.int32)
        for part in (order[: n - n % size], order[n - n % size :]):
            if len(part):
                step_size = min(size, len(part))
                program = self._program(test_step, step_size, (*self.state[:2], metrics), data, part)
                metrics = program((*self.state[:2], metrics), data, part, 0, len(part) // step_size)[2]
        return self._logs(metrics)

    def on_device(self, x: Any, y: Any, sample_weight: Any = None) -> Data:
        """Data for `evaluate`."""
        weights = None if sample_weight is None else np.asarray(sample_weight, np.float32)
        placed: Data = self.placement.everywhere((_plain(x), _labels(y), weights))
        return placed

    def give_back(self) -> None:
        """Puts the values into the model's own variables; they are shared until `take`."""
        for variables, values in zip(_variables(self.model), self.state, strict=True):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)

    def take(self) -> None:
        """Takes the values of the model's own variables, which somebody may have changed."""
        # Copies: a dispatch overwrites the session's own values in place.
        self.state = self.placement.everywhere(jax.tree.map(jax.numpy.copy, _values(self.model)))

    def trainable(self) -> list[np.ndarray]:
        """The values of the trainable variables, in the model's order."""
        return [np.array(value) for value in self.state[0]]  # copies: the next dispatch overwrites them

    def snapshot(self) -> list[np.ndarray]:
        """All values but those of the metrics, in a fixed order, to be kept."""
        return [np.asarray(value) for part in self.state[:3] for value in part]

    def restore(self, values: Sequence[np.ndarray]) -> None:
        """Goes back to a snapshot.

        Raises:
            ValueError: it is not one of this model's.
        """
        kept = iter(values)
        parts = [[next(kept) for _ in part] for part in self.state[:3]]
        if [value.shape for part in parts for value in part] != [v.shape for part in self.state[:3] for v in part]:
            raise ValueError("the snapshot is of another model")
        self.state = (*self.placement.everywhere(tuple(parts)), self.state[3])

    def _steps_ahead(self) -> int:
        return max(1, round(self.rate * SECONDS_PER_DISPATCH)) if self.rate else FIRST_DISPATCH_STEPS

    def _advance(self, order: np.ndarray, batch_size: int, first: int, until: int) -> None:
        program = self._program(train_step, batch_size, self.state, self.data, order)
        started = time.perf_counter()
        self.state = jax.block_until_ready(program(self.state, self.data, order, first, until))
        self.rate = (until - first) / _since(started)

    def _program(self, step: Step, batch_size: int, state: Any, data: Data, order: np.ndarray) -> Callable[..., Any]:
        """The compiled steps for one batch size; how many a dispatch takes is decided at run time."""
        shapes = tuple((leaf.shape, leaf.dtype) for leaf in jax.tree.leaves((data, order)))
        key = (step, batch_size, self.placement.devices, self.augment, jax.tree.structure(data), shapes)
        if key not in self.programs:
            self.programs[key] = self._compiled(step, batch_size, state, data, order)
        return self.programs[key]

    def _compiled(self, step: Step, batch_size: int, state: Any, data: Data, order: np.ndarray) -> Callable[..., Any]:
        trains = step is train_step
        one = partial(one_step, self.model, step, batch_size, self.placement, self.augment if trains else None)
        donated = (0,) if trains else ()
        traced = jax.jit(partial(many_steps, one), donate_argnums=donated).trace(state, data, order, 0, 1)
        if jax.default_backend() != "cpu" or not _mentions(traced.jaxpr.jaxpr, SLOW_IN_LOOPS_ON_CPU):
            many: Callable[..., Any] = traced.lower().compile()
            return many
        single = jax.jit(one, donate_argnums=donated).lower(state, data, order, 0).compile()

        def stepwise(state: Any, data: Data, order: np.ndarray, first: int, until: int) -> Any:
            placed = self.placement.everywhere(order)
            for index in range(first, until):
                state = single(state, data, placed, index)
            return state

        return stepwise

    def _logs(self, metrics: list[Any]) -> dict[str, float]:
        if "logs" not in self.programs:
            self.programs["logs"] = _log_reader(self.model)
        return {name: float(value) for name, value in self.programs["logs"](metrics).items()}


def shuffled(n: int, seed: int, epoch: int) -> np.ndarray:
    """The order of the images in an epoch, int32 (n,): a permutation drawn from (seed, epoch) alone."""
    return np.random.default_rng([seed, epoch]).permutation(n).astype(np.int32)


def count(x: Any) -> int:
    """The number of images in an array or a tree of arrays.

    Raises:
        UsageError: the arrays do not have the same number.
    """
    counts = {len(leaf) for leaf in jax.tree.leaves(x)}
    if len(counts) != 1:
        raise UsageError(f"All inputs must have the same number of images; received {sorted(counts)}.")
    return counts.pop()


def _labels(y: Any) -> Any:
    def converted(leaf: Any) -> np.ndarray:
        array = np.asarray(leaf)
        return array.astype(np.int32) if np.issubdtype(array.dtype, np.integer) else array

    return jax.tree.map(converted, y)


def _plain(x: Any) -> Any:
    return jax.tree.map(np.asarray, x)


def _mentions(program: Any, primitive: str) -> bool:
    """Whether a jaxpr has a primitive, in its inner programs too."""
    for equation in program.eqns:
        if equation.primitive.name == primitive:
            return True
        for parameter in jax.tree.leaves(list(equation.params.values()), is_leaf=lambda p: hasattr(p, "jaxpr")):
            inner = getattr(parameter, "jaxpr", parameter)
            if hasattr(inner, "eqns") and _mentions(inner, primitive):
                return True
    return False


def _programs_of(model: keras.Model) -> dict[Any, Callable[..., Any]]:
    """The programs compiled for a model so far; none if it has been compiled anew or has other variables since.

    They are kept on the model itself, past Keras's own bookkeeping of attributes, and go with it.
    """
    variables = [variable for part in _variables(model) for variable in part]
    made_for = [model.optimizer, model._compile_loss, model._compile_metrics, *variables]
    kept: tuple[list[Any], dict[Any, Callable[..., Any]]] = getattr(model, PROGRAMS, ([], {}))
    if len(kept[0]) != len(made_for) or any(a is not b for a, b in zip(kept[0], made_for, strict=True)):
        kept = (made_for, {})
        object.__setattr__(model, PROGRAMS, kept)
    return kept[1]


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


def _values(model: keras.Model) -> State:
    trainable, fixed, optimizer, metrics = ([variable.value for variable in part] for part in _variables(model))
    return trainable, fixed, optimizer, metrics


def _since(started: float) -> float:
    return time.perf_counter() - started
