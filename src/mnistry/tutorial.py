"""The MNIST lesson, from its first cell to its last, as one function."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

import numpy as np

from mnistry.datasets import loading
from mnistry.datasets import text as datasets_text
from mnistry.evaluation import text as evaluation_text
from mnistry.evaluation.metrics import evaluate
from mnistry.models import backend, networks, onnx_file
from mnistry.runtime import files, provenance, run_folder
from mnistry.runtime.callbacks import NO_CALLBACKS, Callbacks
from mnistry.runtime.provenance import Stopwatch
from mnistry.training import export, recipes, trainer
from mnistry.training import report as training_report
from mnistry.training import result as training_result
from mnistry.training import text as training_text
from mnistry.training.config import TrainConfig
from mnistry.training.result import Result, Sample

OPTIONS = ("dataset", "epochs", "batch_size", "seed")  # what can be chosen; the rest is the lesson's
GRID_AROUND = 10  # the lesson shows images 1990 to 2009 around its image 2000


THE_LESSON = TrainConfig(recipe="tutorial")


def tutorial(
    config: TrainConfig = THE_LESSON,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    index: int | None = None,
    out: str | os.PathLike[str] | None = None,
    callbacks: Callbacks = NO_CALLBACKS,
) -> tuple[Path, Result]:
    """Runs the lesson and writes its run folder with the report.

    Args:
        config: epochs, batch size, seed and data set; what it leaves open is as in the lesson.
        data_dir: where to look for the data first.
        index: the training image that the lesson looks at; None means the data set's own, 2000 for MNIST.
        out: the run folder; None means the next free `runs/tutorial-N`.
        callbacks: who wants to hear how it goes on.

    Returns:
        The run folder, and what is in it.

    Raises:
        MnistryError: the config, the data or the folder is not what it should be.
    """
    tell, watch = callbacks.step, Stopwatch()
    with run_folder.new_folder(out, "tutorial") as (work, folder):
        dataset = loading.load(config.dataset, data_dir=data_dir, progress=callbacks.download, kind=config.kind)
        callbacks.loaded(dataset)
        config, index, names = recipes.resolve(config, dataset), dataset.checked_index(index), dataset.class_names
        x, y = dataset.x_train, dataset.y_train
        tell(1, "load", datasets_text.shapes(dataset))

        tell(2, "look at one image", datasets_text.row(x[index], index, training_result.ROW))

        grid = range(max(0, index - GRID_AROUND), min(len(x), index + GRID_AROUND))
        tell(3, "look at many", datasets_text.grid(grid, dataset.labels(y[grid.start : grid.stop])))

        tell(4, "normalise", f"{x.min()} to {x.max()} becomes 0 to 1, by dividing by 255: the network's first layer")
        watch.lap("load")

        model = networks.tutorial(seed=config.seed, classes=len(names))
        tell(5, "build", training_text.layers(networks.layers(model)))

        recipes.compile_model(model, learning_rate=config.learning_rate)
        tell(6, "compile", "Adam, sparse categorical cross-entropy, accuracy")
        watch.lap("build")

        records = trainer.run_epochs(model, dataset, config, callbacks=callbacks)
        tell(7, "train", training_text.epochs(records, steps=-(-len(x) // config.batch_size)))
        watch.lap("train")

        train_probabilities, test_probabilities = backend.predict(model, x), backend.predict(model, dataset.x_test)
        train, test = evaluate(train_probabilities, y), evaluate(test_probabilities, dataset.y_test)
        tell(8, "evaluate", evaluation_text.test_result(test))

        tell(9, "confusion matrix", evaluation_text.confusion(test.confusion, names))

        once = train_probabilities[index].astype(np.float64)
        sample = Sample(index, x[index], names[y[index]], once, softmax(once), names[int(once.argmax())])
        tell(10, "probabilities", training_text.probabilities(sample, train_probabilities, test_probabilities, names))

        tell(11, "answer", f"the model says {sample.answer}, the label says {sample.label}")
        watch.lap("evaluate")

        result = Result(
            command=_command(config, index, data_dir),
            config=config,
            dataset=dataset,
            layers=networks.layers(model),
            weights_sha256=training_result.weights_sha256(model),
            records=records,
            train=train,
            test=test,
            grid=grid,
            seconds=watch.seconds,
            environment=provenance.environment(),
            sample=sample,
        )
        files.write_json(work / run_folder.CONFIG, asdict(config))
        files.write_json_lines(work / run_folder.METRICS, records)
        training_report.write(result, work)
        watch.lap("report")
        export.write_of(model, result, work / onnx_file.EXPORTED)
        watch.lap("export")
        watch.finish()
        training_result.save(result, model, work)
    return folder, result


def _command(config: TrainConfig, index: int, data_dir: str | os.PathLike[str] | None) -> str:
    chosen = {name: getattr(config, name) for name in OPTIONS}
    return provenance.command("tutorial", chosen | {"index": index}, data_dir)


def softmax(scores: np.ndarray) -> np.ndarray:
    """Softmax of scores (classes,).

    >>> softmax(np.array([0.0, 0.0])).tolist()
    [0.5, 0.5]
    """
    powers = np.exp(scores - scores.max())
    return np.asarray(powers / powers.sum())
