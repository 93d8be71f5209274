"""Compiled epochs: advances any Keras model over arrays that fit in memory, many steps a dispatch.

A session runs the model's own `train_step` (Keras's stateless one) inside one compiled program, over data that lies
on the device as it came: what Keras's `fit` spends between two steps falls away, the arithmetic stays the same.

On a CPU, convolutions and pooling are traced in forms that are fast there (`models/cpu_tracing.py`). A convolution of
XLA's that is left would be ten times slower in a loop: such a model is advanced one step a dispatch.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from mnistry.errors import UsageError
from mnistry.models.backend import JAXTrainer, jax, keras, pythonify_logs
from mnistry.models.cpu_tracing import compile_program, cpu_forms
from mnistry.training.steps import (
    Augment,
    Data,
    DataParallel,
    State,
    Step,
    convert_sparse,
    many_steps,
    one_step,
    test_step,
    train_step,
)  # fmt: skip

SECONDS_PER_DISPATCH = 0.25  # long enough to cost nothing, short enough for a live display and a prompt Ctrl-C
FIRST_DISPATCH_STEPS = 64
STEPS_PER_SLOW_DISPATCH, LONGEST_DISPATCH = 8, 2.0  # every dispatch gets its memory anew from the operating system
PROGRAMS = "_mnistry_programs"
REFERENCES = 4  # to a value that only its variable holds, while it is looked at
SLOW_IN_LOOPS_ON_CPU = "conv_general_dilated"  # JAX's primitive


@dataclass(frozen=True)
class TrainProgress:
    """The progress of a training.

    Attributes:
        epoch: the current one, from 1.
        epochs: how many there will be.
        step: steps done in this epoch.
        steps: steps in an epoch, the last short one included.
        logs: loss and metrics over the epoch so far, or the last step's logs of the model's own `train_step`.
        seconds: since the epoch began, compilation included in the first.
        steps_per_second: over the last dispatch.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    logs: dict[str, Any]
    seconds: float
    steps_per_second: float


class TrainSession:
    """One training in progress: the variables' values on the device, and the programs that advance them.

    The model's own variables keep their old values until `push`.
    """

    def __init__(
        self,
        model: keras.Model,
        data: Data,
        batch_size: int,
        *,
        devices: int = 1,
        augment: Augment | None = None,
        seed: int = 0,
    ) -> None:
        """Bring the data and the model's values onto the device.

        Args:
            model: compiled, with or without variables yet.
            data: x, (x, y) or (x, y, sample weights), as the model's `train_step` takes them: arrays or trees of
                arrays, (n, ...) each.
            batch_size: images per step. Fewer than that in all make one short batch.
            devices: how many local devices share each batch.
            augment: `augment(key, x, y, step)` returns the batch to train on, inside the compiled step. An epoch then
                leaves out the images that do not fill a batch, other ones each time. `data` must be (x, y).
            seed: of the keys that `augment` gets; each step has its own, which depends on the number of steps before.

        Raises:
            UsageError: there are fewer devices, or they cannot share a batch evenly.
        """
        self.model = model
        self.n, self.batch_size = count(data), batch_size
        self.whole, self.short = divmod(self.n, batch_size)
        if augment is not None:
            self.short = 0
        self.steps = self.whole + bool(self.short)
        self.augment = None if augment is None else (augment, seed)
        self.placement = DataParallel(devices, batch_size)
        # Keras makes the variables of optimizer and metrics when it sees the first batch; so does this, symbolically.
        model._symbolic_build(data_batch=convert_sparse(jax.tree.map(lambda leaf: leaf[:batch_size], data)))
        model.reset_metrics()
        self.data: Data = self.placement.replicate(data)
        self.extra = self.placement.replicate(getattr(augment, "values", ()))
        self.fresh_metrics = [np.asarray(variable.value) for variable in model.metrics_variables]
        self.logs: Any = None
        self.rate = 0.0
        self.state: State = ([], [], [], [])
        self.pull()

    def epoch(self, order: np.ndarray, epoch: int, epochs: int) -> Iterator[TrainProgress]:
        """Run one epoch, by its number from 1, with the images in an order, int32 (n,); yields after each dispatch.

        Nothing that the caller does in between changes the result.
        """
        self.state = (*self.state[:3], self.placement.replicate(self.fresh_metrics))
        yield from self.advance(order, epoch, epochs, 0, self.steps)

    def advance(
        self, order: np.ndarray, epoch: int, epochs: int, first: int, until: int, *, every_step: bool = False
    ) -> Iterator[TrainProgress]:
        """Run the steps `first` to `until` - 1 of a pass over the data; yields after each dispatch.

        Args:
            order: int32 (n,), the order of the images.
            epoch: the number of the epoch that these steps make, from 1.
            epochs: how many there will be.
            first: the first step of the pass to run.
            until: the step to end before.
            every_step: return after every step, not only a few times a second.
        """
        boundary = self.whole * self.batch_size
        started, step = time.perf_counter(), first
        while step < until:
            if step < self.whole:
                end = step + 1 if every_step else min(self.whole, until, step + self._steps_ahead())
                self._dispatch(order[:boundary], self.batch_size, step, end)
            else:
                end = step + 1
                self._dispatch(order[boundary:], self.short, 0, 1)
            step = end
            logs = self._logs(self.state[3], self.logs)
            yield TrainProgress(epoch, epochs, step - first, until - first, logs, _since(started), self.rate)

    def evaluate(self, data: Data, batch_size: int) -> dict[str, Any]:
        """Loss and metrics of the present values on other data, which are on the device already; nothing is changed."""
        return self.test(data, batch_size, (*self.state[:2], self.placement.replicate(self.fresh_metrics)))[0]

    def test(
        self, data: Data, batch_size: int, state: tuple[Any, Any, Any], steps: int | None = None
    ) -> tuple[dict[str, Any], tuple[Any, Any, Any]]:
        """Run the model's evaluation steps.

        Args:
            data: as in training, on the device already.
            batch_size: images a step.
            state: values of trainable, non-trainable and metric variables to begin with.
            steps: how many steps, from the first; None for all images.

        Returns:
            Loss and metrics, or the last logs of the model's own `test_step`; and the values afterwards.
        """
        n = count(data)
        if steps is not None:
            n = min(n, steps * batch_size)
        size = min(batch_size, n)
        order = np.arange(n, dtype=np.int32)
        logs: Any = None
        for part in (order[: n - n % size], order[n - n % size :]):
            if len(part):
                step_size = min(size, len(part))
                program = self._program(test_step, step_size, state, data, part)
                state, logs = program(state, data, self.extra, part, 0, len(part) // step_size)
        return self._logs(state[2], logs), state

    def prepare(self) -> None:
        """Compile the training steps, so that an error shows before the first of them."""
        boundary = self.whole * self.batch_size
        if self.whole:
            self._program(train_step, self.batch_size, self.state, self.data, np.zeros(boundary, np.int32))
        if self.short:
            self._program(train_step, self.short, self.state, self.data, np.zeros(self.short, np.int32))

    def place(self, data: Data) -> Data:
        """Put data on the device, for `evaluate`."""
        return self.placement.replicate(data)

    def push(self) -> None:
        """Put the values into the model's own variables; they are shared until `pull`."""
        for variables, values in zip(_variables(self.model), self.state, strict=True):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)

    def pull(self, *, taken: bool = False) -> None:
        """Take the values of the model's own variables, which somebody may have changed.

        They are `taken` if the model does without them until `push`.
        """
        arrays, structure = jax.tree.flatten(_values(self.model))
        own = {id(value) for value in jax.tree.leaves(self.state)} if taken else set()
        self.state = ([], [], [], [])
        # A dispatch overwrites the session's values in place: what somebody else may hold is copied.
        kept = [id(value) in own and sys.getrefcount(value) <= REFERENCES for value in arrays]
        others = [value for value, keep in zip(arrays, kept, strict=True) if not keep]
        copies = iter(self.placement.replicate(others, copied=True))
        values = [value if keep else next(copies) for value, keep in zip(arrays, kept, strict=True)]
        self.state = jax.tree.unflatten(structure, values)
        self.programs = _programs_of(self.model)

    def trainable(self) -> list[np.ndarray]:
        """The values of the trainable variables, in the model's order."""
        return [np.array(value) for value in self.state[0]]  # copies: the next dispatch overwrites them

    def snapshot(self) -> list[np.ndarray]:
        """All values but those of the metrics, in a fixed order, to be kept."""
        return [np.asarray(value) for part in self.state[:3] for value in part]

    def restore(self, values: Sequence[np.ndarray]) -> None:
        """Go back to a snapshot.

        Raises:
            ValueError: it is not one of this model's.
        """
        kept = iter(values)
        parts = [[next(kept) for _ in part] for part in self.state[:3]]
        if [value.shape for part in parts for value in part] != [v.shape for part in self.state[:3] for v in part]:
            raise ValueError("the snapshot is of another model")
        self.state = (*self.placement.replicate(tuple(parts)), self.state[3])

    def _steps_ahead(self) -> int:
        if not self.rate:
            return FIRST_DISPATCH_STEPS
        few = min(STEPS_PER_SLOW_DISPATCH, round(self.rate * LONGEST_DISPATCH))
        return max(1, few, round(self.rate * SECONDS_PER_DISPATCH))

    def _dispatch(self, order: np.ndarray, batch_size: int, first: int, until: int) -> None:
        program = self._program(train_step, batch_size, self.state, self.data, order)
        started = time.perf_counter()
        with _interrupts_deferred():  # the program overwrites the values: they must not be lost half-way
            advanced = program(self.state, self.data, self.extra, order, first, until)
            self.state, self.logs = jax.block_until_ready(advanced)
        self.rate = (until - first) / _since(started)

    def _program(self, step: Step, batch_size: int, state: Any, data: Data, order: np.ndarray) -> Callable[..., Any]:
        """The compiled steps for one batch size; how many a dispatch takes is decided at run time."""
        shapes = tuple((leaf.shape, leaf.dtype) for leaf in jax.tree.leaves((state, data, order)))
        key = (step, batch_size, self.placement.devices, self.augment, jax.tree.structure((state, data)), shapes)
        if key not in self.programs:
            self.programs[key] = self._compile(step, batch_size, state, data, order)
        return self.programs[key]

    def _compile(self, step: Step, batch_size: int, state: Any, data: Data, order: np.ndarray) -> Callable[..., Any]:
        trains = step is train_step
        augment, own = (self.augment if trains else None), has_own_logs(self.model, step.__name__)
        one = partial(one_step, self.model, step, batch_size, self.placement, augment, own)
        donated = (0,) if trains else ()
        with cpu_forms():
            many_at_once = jax.jit(partial(many_steps, one, own), donate_argnums=donated)
            traced = many_at_once.trace(state, data, self.extra, order, 0, 1)
        if jax.default_backend() != "cpu" or not _mentions(traced.jaxpr.jaxpr, SLOW_IN_LOOPS_ON_CPU):
            return compile_program(traced.lower())
        with cpu_forms():
            lowered = jax.jit(one, donate_argnums=donated).lower(state, data, self.extra, order, 0)
        single = compile_program(lowered)

        def stepwise(state: Any, data: Data, extra: Any, order: np.ndarray, first: int, until: int) -> Any:
            placed, logs = self.placement.replicate(order), None
            for index in range(first, until):
                state, logs = single(state, data, extra, placed, index)
            return state, logs

        return stepwise

    def _logs(self, metrics: list[Any], own: Any) -> dict[str, Any]:
        if own is not None:
            return dict(own)
        if "logs" not in self.programs:
            self.programs["logs"] = _log_reader(self.model)
        return _as_numbers(self.programs["logs"](metrics))


def has_own_logs(model: keras.Model, step: str) -> bool:
    """Tell whether a model's `train_step` or `test_step` logs anything but the results of its metrics."""
    methods = (step, "compute_metrics", "get_metrics_result", "_update_metrics_variables")
    return any(getattr(getattr(model, name), "__func__", None) is not getattr(JAXTrainer, name) for name in methods)


@contextlib.contextmanager
def _interrupts_deferred() -> Iterator[None]:
    """Let a Ctrl-C wait until the end of the block."""
    previous = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(previous):
        yield
        return
    caught: list[tuple[Any, Any]] = []
    signal.signal(signal.SIGINT, lambda number, frame: caught.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
        if caught:
            previous(*caught[0])


def shuffle(n: int, seed: int, epoch: int) -> np.ndarray:
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


def _mentions(program: Any, primitive: str) -> bool:
    """Tell whether a jaxpr has a primitive, its inner programs included."""
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
            return model.get_metrics_result()

    return read


def _as_numbers(logs: dict[str, Any]) -> dict[str, Any]:
    """Logs with Python's numbers; a metric that returns a dict keeps it, as its place among the others."""
    return {
        name: _as_numbers(value) if isinstance(value, dict) else pythonify_logs({name: value})[name]
        for name, value in sorted(logs.items())
    }


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
