"""Audit a data set, from loading it to the report."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from mnistry.audit import class_balance, duplicates, image_quality, label_errors
from mnistry.audit.cross_validation import Plan, predict_out_of_fold
from mnistry.audit.result import DatasetAudit, Labels
from mnistry.datasets import loading
from mnistry.datasets.loading import Dataset
from mnistry.runtime import provenance, run_folder
from mnistry.runtime.callbacks import NO_CALLBACKS, Callbacks
from mnistry.runtime.provenance import Stopwatch
from mnistry.training import recipes
from mnistry.training.loop import TrainProgress

FORMER_PARTS = 3  # of the work, before the networks


def audit_dataset(
    *,
    dataset: str | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    kind: str | None = None,
    out: str | os.PathLike[str] | None = None,
    callbacks: Callbacks = NO_CALLBACKS,
) -> tuple[Path, DatasetAudit]:
    """Check a data set and write a page about it.

    Args:
        dataset: its name; None means MNIST if it is on disk or reachable, else the embedded digits.
        data_dir: where to look for the data first.
        kind: of custom data, "ink" or "pictures"; None decides by looking.
        out: the folder for the page, new or empty. None means the next free `runs/check-N`.
        callbacks: who wants to hear how it goes on.

    Returns:
        The folder, and what came out.

    Raises:
        MnistryError: the data or the folder is missing, damaged or wrong.
    """
    watch = Stopwatch()
    with run_folder.create_folder(out, "check") as (work, folder):
        loaded = loading.load(dataset, data_dir=data_dir, progress=callbacks.download, kind=kind)
        callbacks.loaded(loaded)
        watch.lap("load")
        command = f"{provenance.format_command('data', {'dataset': loaded.name, 'kind': kind}, data_dir)} --check"
        result = check(loaded, watch, callbacks, command)
        from mnistry.audit import report as audit_report

        audit_report.write(result, work)
    return folder, result


def check(
    dataset: Dataset, watch: Stopwatch, callbacks: Callbacks, command: str, epochs: int | None = None
) -> DatasetAudit:
    """Check a data set that is loaded already; `command` is what to type to have the check again.

    The number of epochs is that of each network; None means the tutorial recipe's own.
    """
    images = np.concatenate([dataset.x_train, dataset.x_test])
    labels = np.concatenate([dataset.y_train, dataset.y_test])
    epochs = epochs or recipes.find_recipe("tutorial").epochs(len(dataset.x_train))
    judged_classes = int((np.bincount(labels) >= label_errors.FEWEST).sum())
    plan = Plan(epochs) if judged_classes > 1 else None
    total = FORMER_PARTS + (plan.networks * plan.epochs if plan else 0)

    callbacks.progress("duplicates", 0, total)
    copies = duplicates.find_duplicates(images)
    watch.lap("duplicates")
    callbacks.progress("sizes and places", FORMER_PARTS - 1, total)
    looks = image_quality.find_outliers(images)
    watch.lap("image_quality")
    judged = None if plan is None else _check_labels(images, labels, len(dataset.class_names), plan, callbacks)
    watch.lap("labels")
    callbacks.progress("done", total, total)
    watch.finish()
    return DatasetAudit(
        command=command,
        dataset=dataset,
        duplicates=copies,
        image_quality=looks,
        balance=class_balance.check_balance(dataset.y_train, dataset.y_test, len(dataset.class_names)),
        labels=judged,
        seconds=watch.seconds,
        environment=provenance.describe_environment(),
    )


def _check_labels(images: np.ndarray, labels: np.ndarray, classes: int, plan: Plan, callbacks: Callbacks) -> Labels:
    total = FORMER_PARTS + plan.networks * plan.epochs

    def progress(number: int, moment: TrainProgress) -> None:
        done = FORMER_PARTS + number * plan.epochs + moment.epoch - 1
        callbacks.progress(f"labels: network {number + 1} of {plan.networks}", done, total)

    probabilities = predict_out_of_fold(images, labels, classes, plan, progress)
    return Labels(plan, probabilities, label_errors.find_label_issues(probabilities, labels))
