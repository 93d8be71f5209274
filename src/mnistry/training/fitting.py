"""`fit`: Keras's `Model.fit` for arrays that fit in memory, on compiled epochs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mnistry.errors import UsageError
from mnistry.models.backend import jax, keras
from mnistry.training.loop import Session, TrainProgress, count, shuffled

BATCH_METHODS = (
    "on_batch_begin",
    "on_batch_end",
    "on_train_batch_begin",
    "on_train_batch_end",
    "on_test_batch_begin",
    "on_test_batch_end",
)
NEEDS_NO_BATCHES = (keras.callbacks.TerminateOnNaN, keras.callbacks.ModelCheckpoint)


def fit(
    model: keras.Model,
    x: Any,
    y: Any,
    *,
    epochs: int = 1,
    batch_size: int = 32,
    seed: int = 0,
    shuffle: bool = True,
    sample_weight: Any = None,
    class_weight: Mapping[int, float] | None = None,
    validation: Sequence[Any] | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    initial_epoch: int = 0,
    devices: int = 1,
    progress: Callable[[TrainProgress], None] | None = None,
) -> keras.callbacks.History:
    """Trains a compiled Keras model in place, as `keras.Model.fit` does, and several times as fast.

    Every epoch takes all images once, in an order drawn from (seed, epoch); a last short batch is trained on too.
    Afterwards the model has its weights, optimizer state and compiled metrics as after Keras's `fit`. What `progress`
    does has no influence on the result.

    Args:
        model: compiled, on the JAX backend; losses and metrics by name or object, any optimizer and schedule.
        x: (n, ...) inputs, an array or a list or dict of arrays. For a model that takes floats, integers such as
            uint8 images are turned to float32 on the device, without scaling.
        y: (n,) integer labels, (n, classes) one-hot labels, or what the model's loss takes.
        epochs: the number of the last epoch, as in Keras.
        batch_size: images a step, at most n.
        seed: decides the order of the images; 0 or larger.
        shuffle: whether the order changes; otherwise it is that of x.
        sample_weight: float (n,), how much each image counts.
        class_weight: how much the images of each class count; classes left out count 1.
        validation: (x, y) or (x, y, sample_weight), evaluated after every epoch.
        callbacks: Keras callbacks; those that want to act in every batch are refused.
        initial_epoch: epochs that are done already, as in Keras.
        devices: how many local devices share each batch.
        progress: called several times an epoch.

    Returns:
        The history, with a list over the epochs for the loss and for each metric.

    Raises:
        UsageError: something cannot be honoured; the sentence says what to use instead.

    >>> from mnistry import load
    >>> digits = load("digits")
    >>> layers = [keras.layers.Flatten(), keras.layers.Dense(10, activation="softmax")]
    >>> model = keras.Sequential(layers)
    >>> model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    >>> history = fit(model, digits.x_train / 255.0, digits.y_train, epochs=3, batch_size=32)
    >>> len(history.history["loss"])
    3
    """
    n = count(x)
    _refuse_what_cannot_be(model, callbacks)
    _check_sizes(n, count(y), epochs, batch_size, seed)
    weights = _weights(y, n, sample_weight, class_weight)
    session = Session(model, x, y, batch_size, sample_weight=weights, devices=devices)
    checked = None if validation is None else session.on_device(*validation)
    order = np.arange(n, dtype=np.int32)
    listeners = keras.callbacks.CallbackList(
        list(callbacks), add_history=True, model=model, epochs=epochs, steps=session.steps, verbose=0
    )
    model.stop_training = False
    logs: dict[str, float] = {}
    listeners.on_train_begin()
    for epoch in range(initial_epoch, epochs):
        listeners.on_epoch_begin(epoch)
        session.take()
        for moment in session.epoch(shuffled(n, seed, epoch + 1) if shuffle else order, epoch + 1, epochs):
            if progress is not None:
                progress(moment)
        session.give_back()
        logs = dict(moment.logs)
        _tell_of_batches(listeners, session.steps - 1, logs)
        if checked is not None:
            listeners.on_test_begin()
            logs |= {f"val_{name}": value for name, value in session.evaluate(checked, batch_size).items()}
            listeners.on_test_end(logs)
        listeners.on_epoch_end(epoch, logs)
        if model.stop_training:
            break
    if epochs > initial_epoch:
        model.optimizer.finalize_variable_values(model.trainable_weights)
    listeners.on_train_end(logs)
    return model.history


def _refuse_what_cannot_be(model: keras.Model, callbacks: Sequence[Any]) -> None:
    if not isinstance(model, keras.Model):
        raise UsageError(f"fit trains Keras models; received {type(model).__name__}.")
    if not model.compiled:
        raise UsageError("The model is not compiled: call model.compile(optimizer, loss, metrics) first.")
    if model.run_eagerly or model.jit_compile is False:
        raise UsageError(
            "fit compiles every step, so run_eagerly=True and jit_compile=False cannot be honoured. "
            "Compile the model without them, or use model.fit."
        )
    if keras.distribution.distribution() is not None:
        raise UsageError("fit places data itself: use devices=N instead of keras.distribution, or use model.fit.")
    for callback in callbacks:
        wanted = [] if isinstance(callback, NEEDS_NO_BATCHES) else _batch_methods(callback)
        if isinstance(callback, keras.callbacks.ModelCheckpoint) and callback.save_freq != "epoch":
            wanted = [f"save_freq={callback.save_freq!r}"]
        if wanted:
            raise UsageError(
                f"{type(callback).__name__} wants to act in every batch ({', '.join(wanted)}), but many batches run in "
                "one go. Use on_epoch_begin or on_epoch_end, the progress argument, or model.fit."
            )


def _batch_methods(callback: Any) -> list[str]:
    """The batch-level methods that a callback has made its own."""
    base = keras.callbacks.Callback
    return [
        name for name in BATCH_METHODS if getattr(getattr(callback, name), "__func__", None) is not vars(base)[name]
    ]


def _tell_of_batches(listeners: Any, last: int, logs: dict[str, float]) -> None:
    """Lets the built-in callbacks that look for NaN in every batch look once an epoch."""
    for callback in listeners.callbacks:
        if isinstance(callback, keras.callbacks.TerminateOnNaN):
            callback.on_batch_end(last, logs)


def _check_sizes(n: int, labels: int, epochs: int, batch_size: int, seed: int) -> None:
    if labels != n:
        raise UsageError(f"There must be as many labels as images; received {n:,} images and {labels:,} labels.")
    if not 1 <= batch_size <= n:
        raise UsageError(f"The batch size must be from 1 to the number of images, {n:,}; received {batch_size:,}.")
    if epochs < 0 or seed < 0:
        raise UsageError(f"epochs and seed must be 0 or more; received epochs={epochs}, seed={seed}.")


def _weights(y: Any, n: int, sample_weight: Any, class_weight: Mapping[int, float] | None) -> np.ndarray | None:
    """The weight of each image, float32 (n,), or None where all count the same."""
    if sample_weight is not None:
        weights = np.asarray(sample_weight, np.float32)
        if class_weight is not None:
            raise UsageError("Give sample_weight or class_weight, not both: multiply them into sample_weight.")
        if weights.shape[:1] != (n,):
            raise UsageError(f"sample_weight must have one weight an image, ({n},); received {weights.shape}.")
        return weights
    if class_weight is None:
        return None
    if len(jax.tree.leaves(y)) != 1:
        raise UsageError("class_weight needs one array of labels; use sample_weight for several outputs.")
    labels = np.asarray(y)
    numbers = labels.argmax(axis=-1) if labels.ndim > 1 and labels.shape[-1] > 1 else labels.reshape(-1)
    table = {int(number): class_weight.get(int(number), 1.0) for number in np.unique(numbers)}
    return np.array([table[int(number)] for number in numbers], np.float32)
