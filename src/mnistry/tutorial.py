"""The MNIST lesson, from its first cell to its last, as one function."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mnistry import data, download, loop, models, report, results, runs, training, words
from mnistry.data import Dataset
from mnistry.evaluation import evaluate
from mnistry.loop import Moment
from mnistry.results import Result, Sample
from mnistry.training import TrainConfig

GRID_AROUND = 10  # the lesson shows images 1990 to 2009 around its image 2000


@dataclass(frozen=True)
class Listeners:
    """Who wants to hear how the lesson goes on; none has any influence on its result.

    Attributes:
        tell: gets each step's number, its name, and what there is to say about it.
        loaded: gets the data set as soon as it is there.
        training: called several times an epoch.
        download: called while a file arrives.
    """

    tell: Callable[[int, str, str], None] = lambda *_: None
    loaded: Callable[[Dataset], None] = lambda _: None
    training: Callable[[Moment], None] | None = None
    download: download.Progress | None = None


SILENCE = Listeners()
THE_LESSON = TrainConfig(recipe="tutorial")


def tutorial(
    config: TrainConfig = THE_LESSON,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    index: int | None = None,
    out: str | os.PathLike[str] | None = None,
    listeners: Listeners = SILENCE,
    started: float | None = None,
) -> tuple[Path, Result]:
    """Runs the lesson and writes its run folder with the report.

    Args:
        config: epochs, batch size, seed and data set; what it leaves open is as in the lesson.
        data_dir: where to look for the data first.
        index: the training image that the lesson looks at; None means the data set's own, 2000 for MNIST.
        out: the run folder; None means the next free `runs/tutorial-N`.
        listeners: who wants to hear how it goes on.
        started: the `time.perf_counter()` from which the total time counts; None means now.

    Returns:
        The run folder, and what is in it.

    Raises:
        MnistryError: the config, the data or the folder is not what it should be.
    """
    tell, watch = listeners.tell, Stopwatch(started)
    with runs.new_folder(out, "tutorial") as (work, folder):
        dataset = data.load(config.dataset, data_dir=data_dir, progress=listeners.download)
        listeners.loaded(dataset)
        config, index, names = config.settled(dataset), dataset.checked_index(index), dataset.class_names
        x, y = dataset.x_train, dataset.y_train
        tell(1, "load", words.shapes(dataset))

        tell(2, "look at one image", words.row(x[index], index, results.ROW))

        grid = range(max(0, index - GRID_AROUND), min(len(x), index + GRID_AROUND))
        tell(3, "look at many", words.grid(grid, dataset.labels(y[grid.start : grid.stop])))

        tell(4, "normalise", f"{x.min()} to {x.max()} becomes 0 to 1, by dividing by 255: the network's first layer")
        watch.lap("load")

        model = models.tutorial(seed=config.seed, classes=len(names))
        tell(5, "build", words.layers(models.layers(model)))

        models.compile_model(model, learning_rate=models.recipe("tutorial").learning_rate)
        tell(6, "compile", "Adam, sparse categorical cross-entropy, accuracy")
        watch.lap("build")

        epochs = training.run_epochs(model, dataset, config, progress=listeners.training)
        tell(7, "train", words.epochs(epochs))
        watch.lap("train")

        train_probabilities, test_probabilities = loop.predict(model, x), loop.predict(model, dataset.x_test)
        train, test = evaluate(train_probabilities, y), evaluate(test_probabilities, dataset.y_test)
        tell(8, "evaluate", words.result(test))

        tell(9, "confusion matrix", words.confusion(test.confusion, names))

        once = train_probabilities[index].astype(np.float64)
        sample = Sample(index, x[index], names[y[index]], once, softmax(once), names[int(once.argmax())])
        tell(10, "probabilities", words.probabilities(sample, train_probabilities, test_probabilities, names))

        tell(11, "answer", f"the model says {sample.answer}, the label says {sample.label}")
        watch.lap("evaluate")

        result = Result(
            _command(config, index, data_dir), config, dataset, models.layers(model), epochs, train, test, sample, grid,
            watch.seconds, runs.environment(),
        )  # fmt: skip
        results.save(result, model, work)
        report.write(result, work)
        watch.lap("report")
        watch.finish()
        runs.write_json(work / runs.SUMMARY, result.summary())
    return folder, result


class Stopwatch:
    """Adds up how long each part takes."""

    def __init__(self, started: float | None = None) -> None:
        """Starts now, or at a `time.perf_counter()` gone by: what lies between went into imports."""
        now = time.perf_counter()
        self._began = self._last = now if started is None else started
        self.seconds: dict[str, float] = {}
        if started is not None:
            self.lap("import")

    def lap(self, name: str) -> None:
        """Books the time since the last lap under a name."""
        now = time.perf_counter()
        self.seconds[name], self._last = now - self._last, now

    def finish(self) -> None:
        """Books the whole time as the total."""
        self.seconds["total"] = time.perf_counter() - self._began


def softmax(scores: np.ndarray) -> np.ndarray:
    """Softmax of scores (classes,).

    >>> softmax(np.array([0.0, 0.0])).tolist()
    [0.5, 0.5]
    """
    powers = np.exp(scores - scores.max())
    return np.asarray(powers / powers.sum())


def _command(config: TrainConfig, index: int, data_dir: str | os.PathLike[str] | None) -> str:
    parts = ["mnistry", "tutorial", "--dataset", str(config.dataset), "--index", str(index)]
    parts += ["--epochs", str(config.epochs), "--batch-size", str(config.batch_size), "--seed", str(config.seed)]
    parts += [] if data_dir is None else ["--data-dir", str(data_dir)]
    return shlex.join(parts)
