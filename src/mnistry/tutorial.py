"""The MNIST lesson, from its first cell to its last, as one function."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from mnistry.datasets import loading
from mnistry.evaluation.metrics import evaluate
from mnistry.models import backend, networks, onnx_file, outputs
from mnistry.reporting.language import Language, LanguageName, choose_language
from mnistry.runtime import files, provenance, run_folder
from mnistry.runtime.callbacks import NO_CALLBACKS, Callbacks
from mnistry.runtime.provenance import Stopwatch
from mnistry.training import recipes, trainer
from mnistry.training import result as training_result
from mnistry.training.config import ResolvedConfig, TrainConfig
from mnistry.training.lesson import report, terminal
from mnistry.training.lesson.snapshots import Snapshots
from mnistry.training.lesson.steps import Facts, steps
from mnistry.training.result import Result, Sample

OPTIONS = ("dataset", "epochs", "batch_size", "seed", "settings")  # that can be chosen; the rest is the lesson's
LOADED_LAST = ("mnistry.training.export", "h5py")
THE_LESSON = TrainConfig(recipe="tutorial")


def tutorial(
    config: TrainConfig = THE_LESSON,
    *,
    dataset: loading.Dataset | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    index: int | None = None,
    out: str | os.PathLike[str] | None = None,
    language: LanguageName | None = None,
    callbacks: Callbacks = NO_CALLBACKS,
) -> tuple[Path, Result]:
    """Run the lesson and write its run folder with the report.

    Args:
        config: epochs, batch size, seed, data set and the network's settings; the rest is as in the lesson.
        dataset: the data set of the config, if it is loaded already.
        data_dir: the folder that is searched for the data first.
        index: the training image that the lesson follows; None means the data set's example, 2000 for MNIST.
        out: the run folder; None means the next free `runs/tutorial-N`.
        language: of the steps and the report, "en" or "ko"; None means the machine's, and a report that opens in the
            language of the browser.
        callbacks: hear about each step and the progress.

    Returns:
        The run folder, and the result.

    Raises:
        MnistryError: the config, the data or the folder is wrong.
    """
    watch, say = Stopwatch(), Language(language or choose_language())
    with run_folder.create_folder(out, "tutorial") as (work, folder), ThreadPoolExecutor(1) as beside:
        if dataset is None:
            dataset = loading.load(config.dataset, data_dir=data_dir, progress=callbacks.download, kind=config.kind)
        callbacks.loaded(dataset)
        config, index, names = recipes.resolve(config, dataset), dataset.check_index(index), dataset.class_names
        x, y = dataset.x_train, dataset.y_train
        facts = _facts(config, dataset, index)
        lesson, grid = steps(facts), slice(facts.first, facts.last + 1)

        def tell(number: int, shown: str) -> None:
            step = lesson[number - 1]
            with watch.stop():  # somebody may be reading
                callbacks.step(number, say.say(step.title), terminal.step(step, shown, say))

        tell(1, terminal.load(dataset, say))
        tell(2, terminal.one_image(x[index], index, say))
        tell(3, terminal.many_images(x[grid], dataset.labels(y[grid]), facts.first, say))
        tell(4, terminal.normalise(x[index], say))
        watch.lap("load")

        model = networks.tutorial(seed=config.seed, classes=len(names), hidden=facts.hidden, dropout=facts.dropout)
        tell(5, terminal.build(networks.layers(model), facts, say))

        recipes.compile_model(model, learning_rate=config.learning_rate)
        tell(6, terminal.say_compiled(say))
        watch.lap("build")

        snapshots, predict = Snapshots(config.epochs, model.get_weights()), backend.Predictor(model)
        page, waiting = report.Report(dataset, facts, work), list[Future[Any]]()

        def after_epoch(number: int, weights: Sequence[np.ndarray]) -> None:
            snapshots.keep(number, weights)
            if number == 1:  # what does not depend on the weights is done while the network goes on training
                waiting.extend([beside.submit(page.begin), beside.submit(predict.compile, x)])
                waiting.extend(beside.submit(import_module, name) for name in LOADED_LAST)

        records = trainer.run_epochs(model, dataset, config, callbacks=replace(callbacks, weights=after_epoch))
        tell(7, terminal.train(records, facts, say))
        watch.lap("train")

        network, test_probabilities = snapshots.network(model.get_weights()), predict(dataset.x_test)
        test = evaluate(test_probabilities, dataset.y_test)
        waiting.append(beside.submit(page.draw_results, records, test, network))
        tell(8, terminal.say_evaluated(test, say))
        tell(9, terminal.say_confused(test, names, say))

        train_probabilities = predict(x)
        train = evaluate(train_probabilities, y)
        once = train_probabilities[index].astype(np.float64)
        twice = outputs.softmax(once[None])[0]
        sample = Sample(index, x[index], names[y[index]], once, twice, names[int(once.argmax())])
        tell(10, terminal.probabilities(sample, train_probabilities.shape, test_probabilities.shape, names, say))

        unseen = index % len(dataset.y_test)
        tell(11, terminal.say_answered(sample, unseen, names[test.answers[unseen]], names[dataset.y_test[unseen]], say))
        watch.lap("evaluate")

        result = Result(
            command=_command(config, index, data_dir),
            config=config,
            dataset=dataset,
            layers=networks.layers(model),
            weights_sha256=training_result.hash_weights(model),
            records=records,
            train=train,
            test=test,
            grid=range(facts.first, facts.last + 1),
            seconds=watch.seconds,
            environment=provenance.describe_environment(),
            sample=sample,
        )
        waiting.append(beside.submit(_write_files, model, result, work))
        for each in waiting[:-1]:
            each.result()
        page.finish(result, network, language)
        watch.lap("report")
        waiting[-1].result()
        watch.lap("export")
        watch.finish()
        training_result.save(result, model, work)
    return folder, result


def _facts(config: ResolvedConfig, dataset: loading.Dataset, index: int) -> Facts:
    """The numbers that the words of the steps need."""
    usual = recipes.resolve(TrainConfig(dataset=config.dataset, seed=config.seed), dataset)
    return Facts(
        train=len(dataset.x_train),
        test=len(dataset.x_test),
        index=index,
        epochs=config.epochs,
        batch_size=config.batch_size,
        classes=len(dataset.class_names),
        hidden=int(config.settings.get("hidden", Facts.hidden)),
        dropout=config.settings.get("dropout", Facts.dropout),
        comparable=dataset.name == "mnist" and config == usual,
    )


def _write_files(model: backend.keras.Model, result: Result, folder: Path) -> None:
    """Write the config, the metrics and the model file."""
    from mnistry.training import export  # with ONNX: loaded while the network trains

    files.write_json(folder / run_folder.CONFIG, asdict(result.config))
    files.write_json_lines(folder / run_folder.METRICS, result.records)
    export.write_of(model, result, folder / onnx_file.EXPORTED)


def _command(config: ResolvedConfig, index: int, data_dir: str | os.PathLike[str] | None) -> str:
    chosen = {name: getattr(config, name) for name in OPTIONS}
    return provenance.format_command("tutorial", chosen | {"index": index}, data_dir)
