"""`fit`: Keras's `Model.fit`, on compiled epochs where the data are arrays in memory.

The flow of a training is that of Keras's own JAX trainer, call by call; only its inner loop is another: many steps run
in one compiled program, and Python sees every step only if a callback wants to.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np

from mnistry.errors import UsageError, first_line
from mnistry.models.backend import (
    JAXEpochIterator,
    JAXTrainer,
    array_data_adapter,
    array_slicing,
    is_default,
    keras,
    pythonify_logs,
)
from mnistry.training.array_data import ArrayData
from mnistry.training.fallback import find_obstacle, fit_with_keras, is_negative
from mnistry.training.loop import TrainProgress, TrainSession, has_own_logs, shuffle

STEP_HOOKS = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")
TEST_STEP_HOOKS = ("on_test_batch_begin", "on_test_batch_end")
VALUES = ("trainable_variables", "non_trainable_variables", "optimizer_variables", "metrics_variables")
EPOCHS_WITHOUT_STEPS = "_mnistry_epochs_without_steps"


def fit(
    model: keras.Model,
    x: Any = None,
    y: Any = None,
    batch_size: int | None = None,
    epochs: int = 1,
    verbose: str | int = "auto",
    callbacks: Any = None,
    validation_split: float = 0.0,
    validation_data: Any = None,
    shuffle: bool | str = True,
    class_weight: Mapping[int, float] | None = None,
    sample_weight: Any = None,
    initial_epoch: int = 0,
    steps_per_epoch: int | None = None,
    validation_steps: int | None = None,
    validation_batch_size: int | None = None,
    validation_freq: int | Any = 1,
    *,
    seed: int = 0,
    devices: int = 1,
    progress: Callable[[TrainProgress], None] | None = None,
    validation: Any = None,
) -> keras.callbacks.History:
    """Train a compiled Keras model in place, as `keras.Model.fit` does, and several times as fast.

    All arguments up to `validation_freq` are Keras's, with Keras's defaults. Afterwards the model has its weights,
    optimizer state and metrics as after Keras's `fit`; the differences are those of rounding, and the order of the
    images. That order depends on `seed` and on the number of steps that the optimizer has made: the same calls give
    the same bits, and a training that goes on with `initial_epoch` gives those of one that was not interrupted.

    A training that cannot be compiled goes to Keras's own `fit`, with a warning: data that are not arrays in
    memory (generators, `PyDataset`, `tf.data`, loaders), `run_eagerly`, `jit_compile=False`, `steps_per_execution`,
    a distribution of `keras.distribution`, methods of Keras's trainer that are overridden. `docs/fit.md` has the list.

    Args:
        model: compiled, on the JAX backend.
        x: (n, ...) inputs: an array, a sparse matrix, a DataFrame, or a list or dict of them; or anything else that
            Keras takes.
        y: (n, ...) labels, likewise; None if the loss needs none.
        batch_size: images per step; None is 32.
        epochs: the number of the last epoch.
        verbose: 0 silent, 1 a progress bar, 2 a line per epoch; "auto" is 1.
        callbacks: one Keras callback, a list of them, or None. If one of them has a hook for batches, the compiled
            loop is left after every step.
        validation_split: share of the images, the last ones, to hold out for validation.
        validation_data: (x, y) or (x, y, sample weights), or anything else that Keras takes.
        shuffle: whether each epoch has another order; "batch" shuffles within the batches.
        class_weight: weight of the images of each class; 1 for classes left out.
        sample_weight: float (n,) weight of each image, or one such array per output.
        initial_epoch: epochs that are done already.
        steps_per_epoch: steps that count as one epoch; the next goes on with the images that follow.
        validation_steps: steps of a validation; None takes all images.
        validation_batch_size: images per step of a validation; None is `batch_size`.
        validation_freq: the number of epochs between validations, or a list of the epochs to validate after.
        seed: decides the order of the images; 0 or larger.
        devices: number of local devices that share each batch.
        progress: called several times an epoch. It cannot change the result.
        validation: an older name of `validation_data`.

    Returns:
        The history, with a list over the epochs for the loss and for each metric.

    Raises:
        UsageError: `model`, `seed`, `batch_size`, `validation_split` or `devices` make no sense.
        ValueError: Keras refuses the model or the data.

    >>> from mnistry import load
    >>> digits = load("digits")
    >>> layers = [keras.layers.Flatten(), keras.layers.Dense(10, activation="softmax")]
    >>> model = keras.Sequential(layers)
    >>> model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    >>> history = fit(model, digits.x_train / 255.0, digits.y_train, epochs=3, verbose=0)
    >>> len(history.history["loss"])
    3
    """
    if not isinstance(model, JAXTrainer):
        raise UsageError(f"fit trains Keras models on the JAX backend; received {type(model).__name__}.")
    if seed < 0 or is_negative(batch_size):
        raise UsageError(f"seed and batch_size must not be negative; received seed={seed}, batch_size={batch_size}.")
    if is_negative(validation_split):
        raise UsageError(f"validation_split must be at least 0 and below 1; received {validation_split}.")
    arguments = {
        "x": x,
        "y": y,
        "batch_size": batch_size,
        "epochs": epochs,
        "verbose": verbose,
        "callbacks": callbacks,
        "validation_split": validation_split,
        "validation_data": validation_data if validation is None else validation,
        "shuffle": shuffle,
        "class_weight": class_weight,
        "sample_weight": sample_weight,
        "initial_epoch": initial_epoch,
        "steps_per_epoch": steps_per_epoch,
        "validation_steps": validation_steps,
        "validation_batch_size": validation_batch_size,
        "validation_freq": validation_freq,
    }
    model._assert_compile_called("fit")
    obstacle = find_obstacle(model, (x, y, sample_weight), steps_per_epoch)
    if not obstacle:
        try:
            training = _Training(model, arguments, seed=seed, devices=devices)
            training.session.prepare()
        except UsageError:
            raise
        except Exception as error:  # whatever it is, Keras either copes with it or tells it best
            obstacle = f"it cannot be compiled as a whole ({type(error).__name__}: {first_line(error)})"
        else:
            return training.run(progress)
    if devices > 1:
        raise UsageError(f"devices={devices} needs compiled epochs, but {obstacle}.")
    return fit_with_keras(model, arguments, obstacle)


class _Training:
    """One call of `fit` that runs compiled: its data, its callbacks and how far it has come."""

    def __init__(self, model: keras.Model, arguments: Mapping[str, Any], *, seed: int, devices: int) -> None:
        given = SimpleNamespace(**arguments)
        self.model, self.seed, self.shuffle = model, seed, given.shuffle
        self.epochs, self.initial_epoch = given.epochs, given.initial_epoch
        self.verbose, self.callbacks, self.validation_freq = given.verbose, given.callbacks, given.validation_freq
        limit = keras.config.max_epochs()
        if limit and limit < self.epochs:
            warnings.warn(f"Limiting epochs to {limit}", stacklevel=3)
            self.epochs = limit
        data, validation_data = (given.x, given.y, given.sample_weight), given.validation_data
        if given.validation_split and validation_data is None:
            data, validation_data = array_slicing.train_validation_split(data, validation_split=given.validation_split)
        self.iterator = JAXEpochIterator(
            **dict(zip(("x", "y", "sample_weight"), data, strict=True)),
            batch_size=given.batch_size,
            steps_per_epoch=given.steps_per_epoch,
            shuffle=given.shuffle,
            class_weight=given.class_weight,
        )
        size = min(self.iterator.data_adapter.batch_size, self.iterator.data_adapter._num_samples)
        self.data = ArrayData(self.iterator)
        self.session = TrainSession(model, self.data.whole, size, devices=devices)
        self.validation = None
        if validation_data is not None:
            size = given.validation_batch_size or given.batch_size
            self.validation = _Validation(self.session, validation_data, size, given.validation_steps)
        self.order = np.zeros(0, np.int32)
        self.position = 0  # the next step in the pass over the data

    def run(self, progress: Callable[[TrainProgress], None] | None) -> keras.callbacks.History:
        """Train, as `JAXTrainer.fit` does."""
        model, heard = self.model, self._listeners()
        every_step = any(_wants(callback, STEP_HOOKS) for callback in heard.callbacks)
        model.stop_training = False
        logs: dict[str, Any] = {}
        finished = False
        heard.on_train_begin()
        first_epoch = model._initial_epoch or self.initial_epoch
        try:
            for epoch in range(first_epoch, self.epochs):
                model.reset_metrics()
                heard.on_epoch_begin(epoch)
                logs = self._run_epoch(epoch, heard, every_step, progress)
                if self.validation is not None and model._should_eval(epoch, self.validation_freq):
                    found = self.validation.run(heard)
                    logs |= {f"val_{name}": value for name, value in found.items()}
                heard.on_epoch_end(epoch, logs)
                if model.stop_training:
                    break
            finished = True
        finally:
            model.jax_state_sync()
            if isinstance(model.optimizer, keras.optimizers.Optimizer) and self.epochs > 0:
                model.optimizer.finalize_variable_values(model.trainable_weights)
            if self.validation is not None:
                self.validation.close()
            if finished:
                heard.on_train_end(logs)
            model._jax_state = None
        return model.history

    def _listeners(self) -> Any:
        """The callbacks, with Keras's own history and progress bar."""
        if isinstance(self.callbacks, keras.callbacks.CallbackList):
            return self.callbacks
        given = self.callbacks
        if isinstance(given, keras.callbacks.Callback):
            given = [given]  # from one alone Keras does not learn that it must not run beside the training
        return keras.callbacks.CallbackList(
            given,
            add_history=True,
            add_progbar=self.verbose != 0,
            verbose=self.verbose,
            epochs=self.epochs,
            steps=self.iterator.num_batches,
            model=self.model,
        )

    def _run_epoch(
        self, epoch: int, heard: Any, every_step: bool, progress: Callable[[TrainProgress], None] | None
    ) -> dict[str, Any]:
        """Run the steps of one epoch. Returns its logs; the values are in the model's variables afterwards."""
        model, session = self.model, self.session
        before = self._steps_made()
        first, until = self._next_steps(before)
        every_step = every_step or model.stop_training  # a callback may have asked when the epoch began
        if _runs_other_code(heard) and self.data.update():
            session.data = session.place(self.data.whole)
        moments = session.advance(self.order, epoch + 1, self.epochs, first, until, every_step=every_step)
        model._jax_state_synced = True
        step, logs = 0, {}
        try:
            while step < until - first:
                heard.on_train_batch_begin(step)
                if model._jax_state_synced:
                    object.__setattr__(model, "_jax_state", None)  # it holds the values of before
                    session.pull(taken=True)
                    model._purge_model_variables(**dict.fromkeys(VALUES, True))  # as Keras does: the session has them
                    model._jax_state_synced = False
                _show_state(model, session.state)
                moment = next(moments)
                _show_state(model, session.state)
                step, logs = moment.step, moment.logs
                heard.on_train_batch_end(step - 1, logs)
                if progress is not None:
                    progress(moment)
                if model.stop_training:
                    break
        finally:
            if not model._jax_state_synced:
                _show_state(model, session.state)
                model.jax_state_sync()
        if self._steps_made() == before:  # an optimizer of the model's own
            object.__setattr__(model, EPOCHS_WITHOUT_STEPS, getattr(model, EPOCHS_WITHOUT_STEPS, 0) + 1)
        return _final_logs(model, "train_step", logs)

    def _next_steps(self, steps_made: int) -> tuple[int, int]:
        """The steps of the present pass over the data that make the next epoch; draws the order of a new pass."""
        wanted = self.iterator.steps_per_epoch
        if self.position == 0 or wanted is None:
            self.position = 0
            self.order = self._draw_order(steps_made)
        first = self.position
        until = min(first + (wanted or self.session.steps), self.session.steps)
        if wanted and until - first < wanted:
            self.iterator._interrupted_warning()
        self.position = until % self.session.steps
        return first, until

    def _draw_order(self, steps_made: int) -> np.ndarray:
        n, size = self.session.n, self.session.batch_size
        if not self.shuffle:
            return np.arange(n, dtype=np.int32)
        if self.shuffle == "batch":
            random = np.random.default_rng([self.seed, steps_made])
            parts = [start + random.permutation(min(size, n - start)) for start in range(0, n, size)]
            return np.concatenate(parts).astype(np.int32)
        return shuffle(n, self.seed, steps_made)

    def _steps_made(self) -> int:
        """The number that tells passes over the data apart: the optimizer's steps, or epochs if it makes none."""
        made = getattr(self.model.optimizer, "iterations", 0)
        return int(made) + getattr(self.model, EPOCHS_WITHOUT_STEPS, 0)


class _Validation:
    """Validation data, evaluated after epochs: compiled if that can be, else by the model's own `evaluate`."""

    def __init__(self, session: TrainSession, data: Any, batch_size: int | None, steps: int | None) -> None:
        self.session, self.model, self.steps = session, session.model, steps
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        self.arguments = {"x": x, "y": y, "sample_weight": sample_weight, "batch_size": batch_size}
        self.iterator = JAXEpochIterator(**self.arguments, steps_per_epoch=steps, shuffle=False)
        evaluates_as_keras = getattr(self.model.evaluate, "__func__", None) is JAXTrainer.evaluate
        self.data = None
        if evaluates_as_keras and array_data_adapter.can_convert_arrays((x, y, sample_weight)):
            self.data = ArrayData(self.iterator)
            self.placed = session.place(self.data.whole)

    def run(self, heard: Any) -> dict[str, Any]:
        """Evaluate; the callbacks hear of it."""
        if self.data is None or any(_wants(callback, TEST_STEP_HOOKS) for callback in heard.callbacks):
            self.model._eval_epoch_iterator = self.iterator
            return self.model.evaluate(
                **self.arguments, steps=self.steps, callbacks=heard, return_dict=True, _use_cached_eval_dataset=True
            )
        heard.on_test_begin()
        if _runs_other_code(heard) and self.data.update():
            self.placed = self.session.place(self.data.whole)
        self.model.reset_metrics()
        parts = (self.model.trainable_variables, self.model.non_trainable_variables, self.model.metrics_variables)
        values = self.session.place(tuple([variable.value for variable in part] for part in parts))
        logs, after = self.session.test(
            self.placed, self.iterator.data_adapter.batch_size, values, self.iterator.steps_per_epoch
        )
        for variables, changed in zip(parts[1:], after[1:], strict=True):
            for variable, value in zip(variables, changed, strict=True):
                variable.assign(value)
        if self.steps is not None and self.steps > self.iterator.data_adapter.num_batches:
            self.iterator._interrupted_warning()
        found = pythonify_logs(_final_logs(self.model, "test_step", logs))
        heard.on_test_end(found)
        return found

    def close(self) -> None:
        """Forget what Keras keeps between the epochs."""
        if getattr(self.model, "_eval_epoch_iterator", None) is not None:
            del self.model._eval_epoch_iterator


def _wants(callback: Any, hooks: tuple[str, ...]) -> bool:
    """Tell whether a callback does something in these hooks for batches."""
    kinds = keras.callbacks
    if type(callback) in (kinds.ProgbarLogger, kinds.TerminateOnNaN):  # they look as often as the loop is left
        return False
    if type(callback) in (kinds.ModelCheckpoint, kinds.BackupAndRestore) and callback.save_freq == "epoch":
        return False
    return not all(is_default(getattr(callback, name)) for name in hooks)


def _runs_other_code(heard: Any) -> bool:
    """Tell whether the callbacks run code that is not Keras's, which may change the data."""
    kinds = keras.callbacks
    return any(
        type(callback).__module__.partition(".")[0] != "keras"
        or isinstance(callback, kinds.LambdaCallback | kinds.LearningRateScheduler)
        for callback in heard.callbacks
    )


def _final_logs(model: keras.Model, step: str, logs: dict[str, Any]) -> dict[str, Any]:
    """The logs of an epoch; of a model's own step, unless it logs what the metrics are called, the last step's."""
    return dict(model._get_metrics_result_or_logs(logs) if has_own_logs(model, step) else logs)


def _show_state(model: keras.Model, state: Any) -> None:
    """Let callbacks find the values where Keras has them, past its bookkeeping of attributes, which is slow."""
    object.__setattr__(model, "_jax_state", dict(zip(VALUES, state, strict=True)))
