"""Trials on Ray Tune: several at a time, each on one core, stopped early where others do better.

Tune starts the trials and decides by ASHA which go on (Li et al. 2020, "A System for Massively Parallel Hyperparameter
Tuning"). Each trial keeps its weights in checkpoints of its own, and `trials.write` keeps all results. So nothing
depends on files of Tune's: after a kill ASHA gets again what it knew, and the open trials go on where they were.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import filelock

from mnistry.datasets.dataset import Dataset
from mnistry.errors import MnistryError
from mnistry.runtime import run_folder
from mnistry.training.config import ResolvedConfig
from mnistry.training.tuning import trials as table
from mnistry.training.tuning.trials import State, Trial

THIRD = 3  # of the trials that reach a rung about a third goes on; the next rung is three times as far
EARLIEST = THIRD * THIRD  # the first rung is at this part of the epochs: two come before the end
PATIENCE = 60  # seconds for a trial's former process to die
SETTINGS = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C is ours
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}
OnTrial = Callable[[Trial, Sequence[Trial]], None]


@dataclass(frozen=True, eq=False)
class Work:
    """The data that all trials share, sent to their processes.

    Attributes:
        folder: where trial 7 has its folder `007`.
        dataset: the training split; no trial ever sees a test image.
        configs: of each trial, by its number.
        images: how many are held out.
    """

    folder: Path
    dataset: Dataset
    configs: Mapping[int, ResolvedConfig]
    images: int


def run(work: Work, trials: Sequence[Trial], *, epochs: int, max_concurrent: int, on_trial: OnTrial) -> list[Trial]:
    """Train the trials that are open, on the Ray that this process is connected to; gives all of them, none open.

    Args:
        work: the state that they share.
        trials: all trials.
        epochs: how many each may have.
        max_concurrent: how many run at the same time.
        on_trial: gets a trial after each of its epochs and at its end, and all trials as they are then.
    """
    from ray import tune

    watcher = _watcher(trials, epochs, on_trial)
    scratch = work.folder / ".tune"
    tuner = tune.Tuner(
        tune.with_resources(tune.with_parameters(_train, work=work), {"cpu": 1}),
        param_space={"number": tune.grid_search([trial.number for trial in trials if trial.state == "open"])},
        tune_config=tune.TuneConfig(
            scheduler=_asha(trials, work.images, epochs), max_concurrent_trials=max_concurrent, reuse_actors=True
        ),
        run_config=tune.RunConfig(
            name="search",
            storage_path=str(scratch.absolute()),
            callbacks=[watcher],
            verbose=0,
            failure_config=tune.FailureConfig(max_failures=1),  # a process that was killed starts once more
        ),
    )
    try:
        tuner.fit()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return list(watcher.trials.values())


def first_rung(epochs: int) -> int:
    """The epoch before which nothing is stopped: a ninth of all, rounded up, so that no rung is just before the end.

    >>> [first_rung(epochs) for epochs in (1, 5, 9, 20, 30)]
    [1, 1, 1, 3, 4]
    """
    return -(-epochs // EARLIEST)


def name_folder(folder: Path, number: int) -> Path:
    """Name the folder of a trial's checkpoints."""
    return folder / f"{number:03d}"


def _asha(trials: Sequence[Trial], images: int, epochs: int) -> Any:
    """The ASHA scheduler, fed with the results of the trials that have ended."""
    from ray.tune.schedulers import ASHAScheduler

    scheduler = ASHAScheduler(
        time_attr="epoch",
        metric="score",
        mode="min",
        max_t=epochs,
        grace_period=first_rung(epochs),
        reduction_factor=THIRD,
    )
    for trial in trials:
        if trial.state != "open":
            known = SimpleNamespace(trial_id=f"known {trial.number}")
            scheduler.on_trial_add(None, known)
            for record in trial.records:
                result = {"epoch": record["epoch"], "score": table.compute_score(record, images)}
                scheduler.on_trial_result(None, known, result)
    return scheduler


def _train(asked: Mapping[str, int], *, work: Work) -> None:
    """One trial, in a process of Ray's: goes on from its last checkpoint and reports every epoch."""
    os.environ["NPROC"] = "1"  # what XLA takes for the number of cores, when JAX starts
    from ray import tune

    from mnistry.runtime.callbacks import Callbacks
    from mnistry.training import checkpoints, trainer

    number = asked["number"]
    folder, last = name_folder(work.folder, number), 0

    def report(record: dict[str, Any], _: int = 0) -> None:
        nonlocal last
        last = record["epoch"]
        score = table.compute_score(record, work.images)
        tune.report({"number": number, "epoch": last, "score": score, "record": record})

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(folder / run_folder.LOCK, timeout=PATIENCE):
            found = checkpoints.load_latest(folder, lambda _: None)  # a damaged one costs an epoch
            for record in found.records if found else ():
                report(record)
            callbacks = Callbacks(epoch=report)
            trainer.train(work.configs[number], dataset=work.dataset, folder=folder, callbacks=callbacks)
    except (MnistryError, OSError) as error:
        worst = table.find_worst_score(work.images)
        tune.report({"number": number, "epoch": last + 1, "score": worst, "reason": str(error)})


def _watcher(trials: Sequence[Trial], epochs: int, on_trial: OnTrial) -> Any:
    """Keep book of what Tune hears."""
    from ray import tune

    class Watcher(tune.Callback):  # type: ignore[misc] # Ray is untyped
        # Tune keeps pickles of class and object, and needs neither: nothing of ours is in the class.
        def __init__(self, trials: Sequence[Trial], epochs: int, on_trial: OnTrial) -> None:
            self.trials = {trial.number: trial for trial in trials}
            self.epochs, self.on_trial = epochs, on_trial

        def __getstate__(self) -> dict[str, Any]:
            return {}

        def on_trial_result(self, *, trial: Any, result: dict[str, Any], **_: Any) -> None:
            one = self.trials[trial.config["number"]]
            if "reason" in result:
                self._set(replace(one, reason=result["reason"]))
            elif result["epoch"] == len(one.records) + 1:  # what is reported again after a kill is known
                self._set(replace(one, records=(*one.records, result["record"])))

        def on_trial_complete(self, *, trial: Any, **_: Any) -> None:
            one = self.trials[trial.config["number"]]
            ended: State = "failed" if one.reason else "finished" if len(one.records) == self.epochs else "stopped"
            self._set(replace(one, state=ended))

        def on_trial_error(self, *, trial: Any, **_: Any) -> None:
            one = self.trials[trial.config["number"]]
            lines = str(trial.get_error() or "its process died").strip().splitlines()
            self._set(replace(one, state="failed", reason=lines[-1][:300]))

        def _set(self, trial: Trial) -> None:
            self.trials[trial.number] = trial
            self.on_trial(trial, list(self.trials.values()))

    return Watcher(trials, epochs, on_trial)


def drop_test(dataset: Dataset) -> Dataset:
    """The data set without its test split."""
    return dataclasses.replace(dataset, x_test=dataset.x_test[:0], y_test=dataset.y_test[:0])
