"""One training run of a recipe: from config to report, safe at every moment, able to go on."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mnistry.datasets import loading
from mnistry.errors import UsageError
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
    """Train a recipe in a run folder, evaluate it on the test split, and write the report.

    A run that was killed goes on from its last epoch. On the same machine it ends with the same weights, to the bit, as
    one that was not.

    Args:
        given: fields of `TrainConfig` that are asked for; a run that goes on takes the others from its folder.
        data_dir: where to look for the data first.
        out: the run folder; None means the next free `runs/train-N`.
        resume: whether to go on with the run in the folder. In an empty one, the run starts from its beginning.
        callbacks: who wants to hear how it goes on.

    Returns:
        The run folder and its result; None if it was complete already.

    Raises:
        MnistryError: the config, the data or the folder is wrong or damaged, the training diverged, or somebody
            stopped it.
    """
    watch = Stopwatch()
    config = TrainConfig(**given)
    recipes.find_recipe(config.recipe)  # before data are looked for
    with run_folder.lock_run_folder(out, "train", resume=resume) as folder:
        asked, missed = loading.with_full_name(given), callbacks.warning if resume else None
        stored = run_folder.load_plan(folder, run_folder.CONFIG, TrainConfig, asked, "run", missed=missed)
        if stored is not None and (folder / run_folder.SUMMARY).exists():
            return folder, None
        config = stored or config
        dataset = loading.load(config.dataset, data_dir=data_dir, progress=callbacks.download, kind=config.kind)
        callbacks.loaded(dataset)
        resolved = recipes.resolve(config, dataset)
        if stored is None:
            files.write_json(folder / run_folder.CONFIG, asdict(resolved))
        watch.lap("load")

        resumed = ("mnistry", "train", "--resume", "--out", str(folder))
        with run_folder.explain_resume(*resumed), _forgotten_if_refused(folder, new=stored is None):
            trained = trainer.train(resolved, dataset=dataset, folder=folder, callbacks=callbacks)
        watch.lap("train")

        chosen = calibration.calibrate(trained)
        train, test = (
            evaluate(calibration.predict_calibrated(trained, chosen, x), y)
            for x, y in ((dataset.x_train, dataset.y_train), (dataset.x_test, dataset.y_test))
        )
        watch.lap("evaluate")

        shutil.rmtree(folder / run_folder.UNFINISHED, ignore_errors=True)  # left by a kill: nobody else works here
        with run_folder.stage(folder) as work:
            result = Result(
                command=provenance.format_command("train", asdict(resolved), data_dir),
                config=resolved,
                dataset=dataset,
                layers=networks.layers(trained.model),
                weights_sha256=training_result.hash_weights(trained.model),
                records=trained.records,
                train=train,
                test=test,
                grid=range(min(SHOWN, len(dataset.x_train))),
                seconds=watch.seconds,
                environment=provenance.describe_environment(),
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
def _forgotten_if_refused(folder: Path, *, new: bool) -> Iterator[None]:
    """Forget a new run that never began, as its settings make no sense."""
    try:
        yield
    except UsageError:
        if new:
            (folder / run_folder.CONFIG).unlink(missing_ok=True)
        raise
