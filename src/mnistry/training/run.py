"""One training run of a recipe: from config to report, safe at every moment, able to go on."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mnistry.datasets import loading
from mnistry.errors import RunError, StoppedError, UsageError
from mnistry.evaluation.metrics import evaluate
from mnistry.models import networks, onnx_file
from mnistry.runtime import files, provenance, run_folder
from mnistry.runtime.callbacks import NO_CALLBACKS, Callbacks
from mnistry.runtime.provenance import Stopwatch
from mnistry.training import calibration, export, recipes, trainer
from mnistry.training import report as training_report
from mnistry.training import result as training_result
from mnistry.training.config import TrainConfig
from mnistry.training.result import Result

SHOWN = 20  # training images in the report


def train_run(
    given: Mapping[str, Any],
    *,
    data_dir: str | os.PathLike[str] | None = None,
    out: str | os.PathLike[str] | None = None,
    resume: bool = False,
    callbacks: Callbacks = NO_CALLBACKS,
) -> tuple[Path, Result | None]:
    """Train a recipe in a run folder, evaluates it on the test split, and writes the report.

    A run that was killed goes on from its last epoch and ends with the same weights, to the bit, as one that was not.

    Args:
        given: fields of `TrainConfig` that are asked for; a run that goes on takes the others from its folder.
        data_dir: where to look for the data first.
        out: the run folder; None means the next free `runs/train-N`.
        resume: whether to go on with what is in the folder. Where nothing is, the run starts from its beginning.
        callbacks: who wants to hear how it goes on.

    Returns:
        The run folder and what is in it; None if it was complete already.

    Raises:
        MnistryError: the config, the data or the folder is not what it should be, the training diverged, or somebody
            stopped it.
    """
    watch = Stopwatch()
    config = TrainConfig(**given)
    with run_folder.locked_run_folder(out, "train", resume=resume) as folder:
        stored = _stored_config(folder)
        if stored is not None:
            config = _agreed(given, stored, folder)
            if (folder / run_folder.SUMMARY).exists():
                return folder, None
        elif resume:
            callbacks.warning(f"There is nothing to resume in {folder}: the run starts from its beginning.")
        dataset = loading.load(config.dataset, data_dir=data_dir, progress=callbacks.download, kind=config.kind)
        callbacks.loaded(dataset)
        resolved = recipes.resolve(config, dataset)
        if stored is None:
            files.write_json(folder / run_folder.CONFIG, asdict(resolved))
        watch.lap("load")

        with _stoppable(folder, new=stored is None):
            trained = trainer.train(resolved, dataset=dataset, folder=folder, callbacks=callbacks)
        watch.lap("train")

        chosen = calibration.calibrate(trained)
        train, test = (
            evaluate(calibration.probabilities(trained, chosen, x), y)
            for x, y in ((dataset.x_train, dataset.y_train), (dataset.x_test, dataset.y_test))
        )
        watch.lap("evaluate")

        shutil.rmtree(
            folder / run_folder.UNFINISHED, ignore_errors=True
        )  # what a kill left, and nobody else works here
        with run_folder.staged(folder) as work:
            result = Result(
                command=provenance.command("train", asdict(resolved), data_dir),
                config=resolved,
                dataset=dataset,
                layers=networks.layers(trained.model),
                weights_sha256=training_result.weights_sha256(trained.model),
                records=trained.records,
                train=train,
                test=test,
                grid=range(min(SHOWN, len(dataset.x_train))),
                seconds=watch.seconds,
                environment=provenance.environment(),
                calibration=chosen,
            )
            training_report.write(result, work)
            watch.lap("report")
            export.write_of(trained.model, result, work / onnx_file.EXPORTED)
            watch.lap("export")
            watch.finish()
            training_result.save(result, trained.model, work)
    return folder, result


@contextlib.contextmanager
def _stoppable(folder: Path, *, new: bool) -> Iterator[None]:
    """Say how to go on when somebody stops the training, and forgets a new run that never began."""
    try:
        yield
    except KeyboardInterrupt:
        raise StoppedError(
            f"stopped; what is done is kept, go on with: mnistry train --resume --out {shlex.quote(str(folder))}"
        ) from None
    except UsageError:
        if new:
            (folder / run_folder.CONFIG).unlink(missing_ok=True)
        raise


def _stored_config(folder: Path) -> TrainConfig | None:
    """The config of the run in the folder, None if there is none yet.

    Raises:
        RunError: what is in the folder is no run, or its config cannot be read.
    """
    path = folder / run_folder.CONFIG
    if not path.exists():
        strange = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
        if strange:
            raise RunError(
                f"{folder} holds {strange[0]}, but no run ({run_folder.CONFIG} is missing). Name another folder."
            )
        return None
    try:
        return TrainConfig(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise RunError(f"{path} cannot be read as the config of a run: {error}. Train in another folder.") from None


def _agreed(given: Mapping[str, Any], stored: TrainConfig, folder: Path) -> TrainConfig:
    """The stored config, if nothing else was asked for."""
    if given.get("dataset") is not None:
        given = {**given, "dataset": loading.name_of(given["dataset"])}
    differences = run_folder.differences(stored, given)
    if differences:
        raise RunError(
            f"The run in {folder} has other settings: {differences}. Leave them out to go on with its own, "
            "or train in another folder."
        )
    return stored
