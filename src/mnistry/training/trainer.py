"""The training: epoch by epoch, each one safe on disk before the next begins."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mnistry.datasets import loading
from mnistry.datasets.dataset import count_learning
from mnistry.datasets.loading import Dataset
from mnistry.errors import RunError, TrainingError
from mnistry.models import networks
from mnistry.models.backend import keras, want_cpu_devices
from mnistry.runtime import files, provenance, run_folder
from mnistry.runtime.callbacks import NO_CALLBACKS, Callbacks
from mnistry.training import checkpoints, recipes
from mnistry.training.checkpoints import Checkpoint
from mnistry.training.config import ResolvedConfig, TrainConfig
from mnistry.training.loop import TrainProgress, TrainSession, shuffle
from mnistry.training.steps import Augment

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Trained:
    """The result of a training.

    Attributes:
        config: the resolved config.
        dataset: the training data.
        model: the trained network, compiled.
        records: of each epoch its number, loss, metrics and seconds.

    >>> trained = train(TrainConfig(dataset="digits", epochs=2))
    >>> trained
    Trained('tutorial', dataset='digits', epochs=2)
    >>> trained.model.count_params()
    101770
    """

    config: ResolvedConfig
    dataset: Dataset
    model: keras.Model
    records: tuple[dict[str, Any], ...]

    def __repr__(self) -> str:
        return f"Trained({self.config.recipe!r}, dataset={self.dataset.name!r}, epochs={len(self.records)})"


def train(
    config: TrainConfig,
    *,
    dataset: Dataset | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    folder: Path | None = None,
    callbacks: Callbacks = NO_CALLBACKS,
) -> Trained:
    """Train the network that the config names.

    Args:
        config: what to do.
        dataset: what to train on, where it is loaded already; otherwise the config says.
        data_dir: where to look for the data first.
        folder: an existing folder for checkpoints; where it has some, the training goes on from the last. None keeps
            nothing.
        callbacks: who wants to hear how it goes on.

    Raises:
        UsageError: the config does not fit the data.
        DataError: the data cannot be had.
        RunError: checkpoints cannot be read or written, or are of other data.
        TrainingError: the training diverged.

    >>> trained = train(TrainConfig(dataset="digits", epochs=2, seed=1))
    >>> [record["epoch"] for record in trained.records]
    [1, 2]
    """
    dataset = dataset or loading.load(config.dataset, data_dir=data_dir, progress=callbacks.download, kind=config.kind)
    resolved = recipes.resolve(config, dataset)
    want_cpu_devices(resolved.devices)
    model = recipes.build(
        resolved, classes=len(dataset.class_names), images=count_learning(dataset, resolved.validation)
    )
    if resolved.initial is not None:
        _start_from(model, resolved.initial, callbacks.warning)
    records = run_epochs(model, dataset, resolved, folder=folder, callbacks=callbacks)
    if any(layer.compute_dtype != "float32" for layer in model.layers):
        model = networks.with_precision(model, "float32")  # as it is exported and compared
    return Trained(resolved, dataset, model, records)


def run_epochs(
    model: keras.Model,
    dataset: Dataset,
    config: ResolvedConfig,
    *,
    folder: Path | None = None,
    callbacks: Callbacks = NO_CALLBACKS,
) -> tuple[dict[str, Any], ...]:
    """Train a compiled model on the training split as the resolved config says; the record of each epoch."""
    learn, watch = loading.split(dataset, config.validation, config.seed)
    augment = _augmentation(config, dataset.class_names, len(learn[1]))
    session = TrainSession(model, learn, config.batch_size, devices=config.devices, augment=augment, seed=config.seed)
    watched = session.place(watch) if len(watch[1]) else None
    records = [] if folder is None else _restore(session, folder, _identity(dataset), callbacks.warning)
    for epoch in range(len(records) + 1, config.epochs + 1):
        for moment in session.epoch(shuffle(session.n, config.seed, epoch), epoch, config.epochs):
            callbacks.training(moment)
        _refuse_divergence(moment, folder)
        logs = dict(moment.logs)
        if watched is not None:
            logs |= {f"val_{name}": value for name, value in session.evaluate(watched, config.batch_size).items()}
        records.append({"epoch": epoch, **logs, "seconds": moment.seconds})
        if folder is not None:
            _keep(session, folder, records, _identity(dataset))
        callbacks.epoch(records[-1], config.epochs)
        logger.info("epoch %d of %d: loss %.4f", epoch, config.epochs, records[-1]["loss"])
        if callbacks.weights is not None:
            callbacks.weights(epoch, session.trainable())
    session.push()
    return tuple(records)


def _augmentation(config: ResolvedConfig, class_names: Sequence[str], images: int) -> Augment | None:
    """Make the augmentation of a recipe, if it has one."""
    make = recipes.find_recipe(config.recipe).augment
    if make is None:
        return None
    from mnistry.training.augmentation import pipeline  # which the lesson does without
    from mnistry.training.distillation import Distillation, load_teachers

    classes = {"classes": len(class_names), "digits": tuple(class_names) == loading.DIGIT_NAMES}
    epochs = (
        config.epochs if config.initial is None else max(config.epochs, pipeline.LONG)
    )  # it goes on with a long one
    steps, settings = recipes.count_steps(config, images), recipes.select_settings(config, "augmentation")
    made = make(epochs, steps, **classes, **settings)
    if config.teachers is None:
        return made
    certain = partial(pipeline.drawn_mask, epochs=epochs) if classes["digits"] else None
    return Distillation(made, load_teachers(config.teachers), len(class_names) + 1, certain)


def _start_from(model: keras.Model, names: str, warn: Callable[[str], None]) -> None:
    """Give a model the mean of the weights of some runs' last checkpoints.

    Wortsman et al. 2022, "Model soups: averaging weights of multiple fine-tuned models improves accuracy without
    increasing inference time".
    """
    variables = [*model.trainable_variables, *model.non_trainable_variables]
    shapes = [tuple(variable.shape) for variable in variables]
    runs = []
    for name in names.split(","):
        folder = Path(name.strip()).expanduser()
        found = checkpoints.load_latest(folder, warn) if folder.is_dir() else None
        if found is None:
            raise RunError(f"There is no checkpoint in {folder}. Name the folder of a training with --initial.")
        runs.append(found.values[: len(variables)])
        if [tuple(value.shape) for value in runs[-1]] != shapes:
            raise RunError(f"The checkpoints in {folder} are of another network: choose the same recipe and settings.")
    for variable, values in zip(variables, zip(*runs, strict=True), strict=True):
        floats = np.issubdtype(values[0].dtype, np.floating)
        variable.assign(np.mean(values, axis=0, dtype=np.float64).astype(values[0].dtype) if floats else values[0])


def _restore(
    session: TrainSession, folder: Path, identity: dict[str, Any], warn: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Bring the session to the last checkpoint, and gives the records of the epochs done."""
    found = checkpoints.load_latest(folder, warn)
    if found is None:
        return []
    if found.identity["data"] != identity["data"]:
        raise RunError(f"The run in {folder} was trained on other data: its images have other SHA-256 digests.")
    before = found.identity["versions"]
    changed = [name for name, version in identity["versions"].items() if before.get(name) != version]
    told = [f"with other versions of {', '.join(changed)}"] if changed else []
    told += (
        ["on another processor"]
        if found.identity.get("processor", identity["processor"]) != identity["processor"]
        else []
    )
    if told:
        warn(f"The run began {' and '.join(told)}: the result may differ in its last bits.")
    try:
        session.restore(found.values)
    except (StopIteration, ValueError):
        raise RunError(f"The checkpoints in {folder} are of another network.") from None
    return found.records


def _keep(session: TrainSession, folder: Path, records: list[dict[str, Any]], identity: dict[str, Any]) -> None:
    epoch = len(records)
    try:
        checkpoints.write(folder, Checkpoint(epoch, session.snapshot(), records, identity))
        files.write_json_lines(folder / run_folder.METRICS, records)
    except OSError as error:
        safe = f"Epochs 1 to {epoch - 1} are safe" if epoch > 1 else "Nothing is kept yet"
        raise RunError(
            f"The checkpoint of epoch {epoch} cannot be written to {folder}: {error.strerror or error}. {safe}: "
            f"make room, then go on with mnistry train --resume --out {folder}"
        ) from None


def _refuse_divergence(moment: TrainProgress, folder: Path | None) -> None:
    if math.isfinite(moment.logs["loss"]):
        return
    good = moment.epoch - 1
    kept = f" Epoch {good}, the last good one, is kept in {folder}." if good and folder is not None else ""
    raise TrainingError(
        f"The loss is {moment.logs['loss']} in epoch {moment.epoch}: the training has diverged.{kept} "
        "Try a smaller learning rate in a new folder."
    )


def _identity(dataset: Dataset) -> dict[str, Any]:
    """Facts that must be the same when a training is resumed."""
    versions, processor = provenance.list_versions(), provenance.name_processor()
    return {"data": dict(dataset.digests), "versions": versions, "processor": processor}
