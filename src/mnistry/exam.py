"""An examination of a model: how right it is on a test split, how rightly sure, and what leads it astray."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from mnistry import calibration, corruptions, data, model_file, runs
from mnistry.data import Dataset
from mnistry.errors import UsageError
from mnistry.evaluation import Chosen, Evaluation, chosen, evaluate
from mnistry.folders import short
from mnistry.listeners import SILENCE, Listeners
from mnistry.model_info import ModelInfo
from mnistry.recognizer import Answers, Recognizer
from mnistry.stopwatch import Stopwatch

SHIPPED = "the model that comes with mnistry"
CORRUPTION_SEED = 0
MISTAKES_SHOWN = 20
AS_THEY_ARE = "as they are"


@dataclass(frozen=True, eq=False)
class Corrupted:
    """How a model does on the test images with one kind of corruption.

    Attributes:
        name: of the corruption.
        all: of all its answers, how right they are.
        sure: of those that it is sure of.
    """

    name: str
    all: Chosen
    sure: Chosen


@dataclass(frozen=True, eq=False)
class Exam:
    """What came out of an examination.

    Attributes:
        command: what to type to have it again.
        source: where the model is.
        info: what the model says of itself.
        dataset: whose test split it was examined on.
        test: how right and how rightly sure it is.
        uncalibrated: the same with temperature 1; None where that is the model's own.
        sure: the answers that it is sure of.
        digits: the answers to images that it takes for digits at all; all of them are.
        sure_of_mistakes: bool (errors,), whether it is sure, for each of `test.mistakes`.
        corrupted: how it does on corrupted images; none if that was not asked for.
        seconds: how long each part took.
        environment: versions and machine.
    """

    command: str
    source: str
    info: ModelInfo
    dataset: Dataset
    test: Evaluation
    uncalibrated: Evaluation | None
    sure: Chosen
    digits: Chosen
    sure_of_mistakes: np.ndarray
    corrupted: tuple[Corrupted, ...]
    seconds: dict[str, float]
    environment: dict[str, Any]

    @property
    def mean_accuracy(self) -> float:
        """Over all kinds of corruption; NaN if there are none."""
        accuracies = [each.all.precision for each in self.corrupted]
        return float(np.mean(accuracies)) if accuracies else float("nan")

    def mistakes(self) -> list[dict[str, Any]]:
        """The most confident mistakes, at most twenty: which image, its label, the answer, and how sure."""
        test, names = self.test, self.dataset.class_names
        return [
            {
                "index": int(index),
                "label": names[self.dataset.y_test[index]],
                "answer": names[test.answers[index]],
                "probability": float(test.confidences[index]),
                "sure": bool(sure),
            }
            for index, sure in zip(test.mistakes[:MISTAKES_SHOWN], self.sure_of_mistakes, strict=False)
        ]

    def as_json(self) -> dict[str, Any]:
        """The object that `evaluate --json` prints and `evaluation.json` keeps."""
        dataset, info = self.dataset, self.info
        return {
            "dataset": {
                "name": dataset.name,
                "source": dataset.source,
                "train_shape": list(dataset.x_train.shape),
                "test_shape": list(dataset.x_test.shape),
                "fallback": dataset.fallback,
                "remarks": list(dataset.remarks),
                "licence": dataset.licence,
                "digests": dict(dataset.digests),
            },
            "model": {
                "source": self.source,
                **{name: fact for name, fact in info.as_json().items() if name != "details"},
            },
            "test": self.test.as_json(),
            "uncalibrated": None
            if self.uncalibrated is None
            else {"loss": self.uncalibrated.loss, "ece": self.uncalibrated.ece},
            "sure": self.sure.as_json(),
            "digits": self.digits.as_json(),
            "mistakes": self.mistakes(),
            "corruptions": {
                "mean_accuracy": self.mean_accuracy,
                "seed": CORRUPTION_SEED,
                "each": {each.name: {**each.all.as_json(), "sure": each.sure.as_json()} for each in self.corrupted},
            }
            if self.corrupted
            else None,
            "seconds": self.seconds,
            "command": self.command,
            "environment": self.environment,
        }


def run_exam(
    model: str | os.PathLike[str] | None = None,
    *,
    dataset: str | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    with_corruptions: bool = True,
    out: str | os.PathLike[str] | None = None,
    listeners: Listeners = SILENCE,
    started: float | None = None,
) -> tuple[Path | None, Exam]:
    """Examines a model and, where a folder is asked for, writes a report.

    Args:
        model: a model file, or a run folder; None is the model that comes with mnistry.
        dataset: the name of the data set; None is that on which the model was trained.
        data_dir: where to look for the data first.
        with_corruptions: whether to examine it on corrupted images too.
        out: the folder for the report, new or empty; None writes none.
        listeners: who wants to hear how it goes on.
        started: the `time.perf_counter()` from which the total time counts; None means now.

    Returns:
        The folder, and what came out.

    Raises:
        MnistryError: the model, the data or the folder is not what it should be, or they do not belong together.
    """
    watch = Stopwatch(started)
    with _folder(out) as (work, folder):
        recognizer = load(model)
        loaded = data.load(dataset or _trained_on(recognizer.info), data_dir=data_dir, progress=listeners.download)
        listeners.loaded(loaded)
        _check_classes(recognizer.info, loaded)
        watch.lap("load")

        kinds = corruptions.NAMES if with_corruptions else ()
        listeners.progress(AS_THEY_ARE, 0, 1 + len(kinds))
        answers, labels = recognizer.answer(loaded.x_test), loaded.y_test
        test = evaluate(answers.probabilities, labels)
        watch.lap("test")

        corrupted = []
        for number, name in enumerate(kinds, 1):
            listeners.progress(in_words(name), number, 1 + len(kinds))
            corrupted.append(_corrupted(recognizer, loaded, name))
        listeners.progress("done", 1 + len(kinds), 1 + len(kinds))
        watch.lap("corruptions")

        result = Exam(
            command=_command(model, loaded, data_dir, with_corruptions=with_corruptions),
            source=SHIPPED if model is None else short(Path(model)),
            info=recognizer.info,
            dataset=loaded,
            test=test,
            uncalibrated=_uncalibrated(answers, recognizer.info.temperature, labels),
            sure=chosen(answers.sure, answers.digits == labels),
            digits=chosen(answers.is_digit, answers.digits == labels),
            sure_of_mistakes=answers.sure[test.mistakes],
            corrupted=tuple(corrupted),
            seconds=watch.seconds,
            environment={**runs.environment(), "onnxruntime": metadata.version("onnxruntime")},
        )
        watch.finish()
        if work is not None:
            from mnistry import exam_report

            exam_report.write(result, work)
    return folder, result


def in_words(corruption: str) -> str:
    """The name of a corruption for people.

    >>> in_words("motion_blur")
    'motion blur'
    """
    return corruption.replace("_", " ")


def load(model: str | os.PathLike[str] | None) -> Recognizer:
    """The recogniser out of a model file or of a run folder; where that has no model file, of what it would be.

    Raises:
        MnistryError: there is no such model, or it is damaged.
    """
    if model is None or not Path(model).expanduser().is_dir():
        return Recognizer.load(model)
    exported = Path(model).expanduser() / model_file.EXPORTED
    if not needs_keras(model):
        return Recognizer.load(exported)
    from mnistry import export

    network, info = export.load_run(model)
    return Recognizer.from_bytes(export.compared(network, info, export.images_to_compare_on()), short(exported))


def needs_keras(model: str | os.PathLike[str] | None) -> bool:
    """Whether the model must be exported first: a run folder without a model file."""
    folder = None if model is None else Path(model).expanduser()
    return folder is not None and folder.is_dir() and not (folder / model_file.EXPORTED).is_file()


@contextlib.contextmanager
def _folder(out: str | os.PathLike[str] | None) -> Iterator[tuple[Path | None, Path | None]]:
    if out is None:
        yield None, None
    else:
        with runs.new_folder(out, "evaluate") as folders:
            yield folders


def _trained_on(info: ModelInfo) -> str | None:
    """The data set that a model names as its own; None, which looks for MNIST, if it names none that is known."""
    described = info.details.get("dataset")
    name = described.get("name") if isinstance(described, Mapping) else None
    return name if isinstance(name, str) and name in data.LOADERS and name != "mnist" else None


def _check_classes(info: ModelInfo, dataset: Dataset) -> None:
    if info.class_names != dataset.class_names:
        raise UsageError(
            f"The model has the classes {_listed(info.class_names)}; {dataset.title} has "
            f"{_listed(dataset.class_names)}. Name a data set with the model's classes with --dataset, or a model that "
            "was trained on this one."
        )


def _listed(names: tuple[str, ...]) -> str:
    return " ".join(names) if len(names) <= 30 else f"{' '.join(names[:29])} … ({len(names)})"


def _uncalibrated(answers: Answers, temperature: float, labels: np.ndarray) -> Evaluation | None:
    """As `evaluate`, with the logits as they were before the temperature: their logarithms differ by a factor only."""
    if temperature == 1:
        return None
    logits = np.log(np.maximum(answers.probabilities.astype(np.float64), np.finfo(np.float32).tiny))
    return evaluate(calibration.probabilities(logits, 1 / temperature), labels)


def _corrupted(recognizer: Recognizer, dataset: Dataset, name: str) -> Corrupted:
    answers = recognizer.answer(corruptions.corrupt(name, dataset.x_test, seed=CORRUPTION_SEED))
    right = answers.digits == dataset.y_test
    return Corrupted(name, chosen(np.ones_like(right), right), chosen(answers.sure, right))


def _command(
    model: str | os.PathLike[str] | None,
    dataset: Dataset,
    data_dir: str | os.PathLike[str] | None,
    *,
    with_corruptions: bool,
) -> str:
    command = runs.command("evaluate", {"dataset": dataset.name}, data_dir)
    more = [] if model is None else [os.fspath(model)]
    return shlex.join([*shlex.split(command), *more, *([] if with_corruptions else ["--no-corruptions"])])
