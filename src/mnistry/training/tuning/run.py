"""A search for good settings of a recipe: many trials, chosen on images held out, the best one kept as a run."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mnistry.datasets import loading
from mnistry.datasets.dataset import Dataset, count_validation
from mnistry.errors import RunError, UsageError, require
from mnistry.runtime import files, ray_cluster, run_folder
from mnistry.runtime.callbacks import NO_CALLBACKS, Callbacks
from mnistry.training import recipes
from mnistry.training import run as training_run
from mnistry.training.config import ResolvedConfig, TrainConfig
from mnistry.training.tuning import ray_tune, trials
from mnistry.training.tuning.trials import Trial

PLAN, BEST, TRIALS = "search.json", "best", "trials"
VALIDATION = 1 / 6  # held out where the recipe itself holds out nothing
OnTrial = Callable[[Trial, Sequence[Trial], int], None]
OF_THE_CONFIG = ("learning_rate", "batch_size")
TRIALS_AS_USUAL = 20
DRAWS = 7  # keeps the draws apart from all else that depends on the seed


@dataclass(frozen=True)
class Plan:
    """The plan of a search. It is stored, and a search that is resumed must have the same.

    Attributes:
        recipe: whose settings are searched.
        dataset: the training data.
        trials: how many there are.
        epochs: how many each may have.
        seed: decides the settings of all trials, and first weights, order and split of each.
        validation: the part of the training images that is held out.
        digests: of the data.
    """

    recipe: str
    dataset: str
    trials: int
    epochs: int
    seed: int
    validation: float
    digests: Mapping[str, str]

    def config(self, settings: Mapping[str, float], dataset: Dataset) -> ResolvedConfig:
        """The config of a trial."""
        config = TrainConfig(
            recipe=self.recipe,
            dataset=self.dataset,
            epochs=self.epochs,
            batch_size=int(settings["batch_size"]),
            seed=self.seed,
            learning_rate=settings["learning_rate"],
            validation=self.validation,
            settings={name: value for name, value in settings.items() if name not in OF_THE_CONFIG},
        )
        return recipes.resolve(config, dataset)


@dataclass(frozen=True, eq=False)
class SearchResult:
    """The result of a search.

    Attributes:
        folder: of the search.
        plan: the plan that it followed.
        trials: all of them, by their number.
        images: how many were held out.
        best: the best trial.
        summary: that of the best one's run: the content of its `summary.json`.
    """

    folder: Path
    plan: Plan
    trials: tuple[Trial, ...]
    images: int
    best: Trial
    summary: Mapping[str, Any]


def search(
    asked: Mapping[str, Any],
    *,
    data_dir: str | os.PathLike[str] | None = None,
    out: str | os.PathLike[str] | None = None,
    resume: bool = False,
    max_concurrent: int = 2,
    address: str | None = None,
    callbacks: Callbacks = NO_CALLBACKS,
    on_trial: OnTrial = lambda *_: None,
) -> SearchResult:
    """Train a recipe with many settings, and keep the best as a run folder.

    The best is the one with the fewest errors on the images held out, after all epochs. The test images are opened
    once, for its report. A search that was killed goes on from the last epoch of each trial.

    Args:
        asked: `recipe`, `dataset`, `trials`, `epochs` and `seed`, as far as they are asked for; a search that goes on
            takes the others from its folder.
        data_dir: where to look for the data first.
        out: the search's folder; None means the next free `runs/search-N`.
        resume: whether to go on with the search in the folder.
        max_concurrent: how many trials run at the same time, each on one core.
        address: of a Ray cluster, whose nodes all see the folder at the same path; None starts Ray here.
        callbacks: who wants to hear how it goes on.
        on_trial: gets a trial after each of its epochs and at its end, all trials as they are then, and how many epochs
            each may have.

    Raises:
        MnistryError: something is not as it should be, no trial came to its end, or somebody stopped the search.
    """
    require("mnistry search", "ray")
    config, wanted = _check(asked, max_concurrent)
    with run_folder.lock_run_folder(out, "search", resume=resume) as folder:
        asked, missed = loading.with_full_name(asked), callbacks.warning if resume else None
        stored = run_folder.load_plan(folder, PLAN, Plan, asked, "search", ignored=(trials.TABLE,), missed=missed)
        name = asked.get("dataset") if stored is None else stored.dataset
        dataset = loading.load(name, data_dir=data_dir, progress=callbacks.download)
        callbacks.loaded(dataset)
        plan = _begun(folder, config, wanted, dataset) if stored is None else stored
        if dict(plan.digests) != dict(dataset.digests):
            raise RunError(f"The search in {folder} is on other data: its images have other SHA-256 digests.")
        images = count_validation(dataset, plan.validation)
        with run_folder.explain_resume("mnistry", "search", "--resume", "--out", str(folder)):
            all_trials = _run(folder, plan, dataset, max_concurrent=max_concurrent, address=address, on_trial=on_trial)
            best = trials.find_best(all_trials, images)
            _adopt(folder, best, plan.config(best.settings, dataset))
            training_run.train_run({}, data_dir=data_dir, out=folder / BEST, resume=True, callbacks=callbacks)
        shutil.rmtree(folder / TRIALS, ignore_errors=True)  # of those that are not the best
        summary = json.loads((folder / BEST / run_folder.SUMMARY).read_text(encoding="utf-8"))
        return SearchResult(folder, plan, tuple(all_trials), images, best, summary)


def draw(recipe: recipes.Recipe, number: int, seed: int, batch_size: int) -> dict[str, float]:
    """The settings of a trial, by its number from 1 and the search's seed; the first is the recipe as it is.

    The batch size is the recipe's own for the data; where it is smaller than usual, all that are drawn are.
    """
    ranges = {**recipe.searched, **{name: one.searched for name, one in recipe.settings.items()}}
    if number == 1:
        own = {name: one.default for name, one in recipe.settings.items()}
        return {"learning_rate": recipe.learning_rate, "batch_size": batch_size, **own}
    random = np.random.default_rng([seed, DRAWS, number])
    drawn = {name: one.at(random.random()) for name, one in ranges.items()}
    return drawn | {"batch_size": max(1, round(drawn["batch_size"] * batch_size / recipe.batch_size))}


def _check(asked: Mapping[str, Any], max_concurrent: int) -> tuple[TrainConfig, int]:
    """The config of a training and the number of trials; refuses what makes no sense before anything is made."""
    wanted = asked.get("trials", TRIALS_AS_USUAL)
    if wanted < 1:
        raise UsageError(f"The number of trials must be 1 or more; received {wanted}.")
    if max_concurrent < 1:
        raise UsageError(f"The number of concurrent trials must be 1 or more; received {max_concurrent}.")
    config = TrainConfig(**{name: value for name, value in asked.items() if name != "trials"})
    recipes.find_recipe(config.recipe)
    return config, wanted


def _begun(folder: Path, given: TrainConfig, wanted: int, dataset: Dataset) -> Plan:
    """Draw the trials and keep them; then the plan, as the sign that they are there."""
    config = recipes.resolve(given, dataset)
    recipe = recipes.find_recipe(config.recipe)
    plan = Plan(
        recipe=config.recipe,
        dataset=config.dataset,
        trials=wanted,
        epochs=config.epochs,
        seed=config.seed,
        validation=recipe.validation or VALIDATION,
        digests=dict(dataset.digests),
    )
    drawn = [Trial(number, draw(recipe, number, plan.seed, config.batch_size)) for number in range(1, plan.trials + 1)]
    trials.write(folder, drawn)
    files.write_json(folder / PLAN, asdict(plan))
    return plan


def _run(
    folder: Path, plan: Plan, dataset: Dataset, *, max_concurrent: int, address: str | None, on_trial: OnTrial
) -> list[Trial]:
    """Train the trials that are open; every epoch is kept."""
    all_trials = trials.read(folder)

    def keep(trial: Trial, now: Sequence[Trial]) -> None:
        trials.write(folder, now)
        on_trial(trial, now, plan.epochs)

    configs, failed = {}, {}
    for trial in all_trials:
        try:
            configs[trial.number] = plan.config(trial.settings, dataset)
        except UsageError as error:  # such as a batch that is larger than a small data set
            failed[trial.number] = str(error)
    all_trials = [
        replace(trial, state="failed", reason=failed[trial.number]) if trial.number in failed else trial
        for trial in all_trials
    ]
    if all(trial.state != "open" for trial in all_trials):
        trials.write(folder, all_trials)
        return all_trials
    work = ray_tune.Work(
        folder=(folder / TRIALS).absolute(),
        dataset=ray_tune.drop_test(dataset),
        configs=configs,
        images=count_validation(dataset, plan.validation),
    )
    room = ray_cluster.OBJECT_STORE + dataset.x_train.nbytes
    with ray_cluster.connect(address, cpus=max_concurrent, object_store=room, settings=ray_tune.SETTINGS):
        return ray_tune.run(work, all_trials, epochs=plan.epochs, max_concurrent=max_concurrent, on_trial=keep)


def _adopt(folder: Path, best: Trial, config: ResolvedConfig) -> None:
    """Make the best trial's folder a run; its checkpoints are taken along, so that nothing is trained again."""
    if (folder / BEST).exists():
        return
    source = ray_tune.name_folder(folder / TRIALS, best.number)
    source.mkdir(parents=True, exist_ok=True)
    files.write_json(source / run_folder.CONFIG, asdict(config))
    source.rename(folder / BEST)
