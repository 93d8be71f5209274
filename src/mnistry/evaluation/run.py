"""Evaluate a model, from its file to its report."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from mnistry.datasets import loading
from mnistry.datasets.loading import Dataset
from mnistry.errors import ModelError, UsageError
from mnistry.evaluation import corruptions
from mnistry.evaluation.metrics import Evaluation, evaluate, selective_accuracy
from mnistry.evaluation.result import AS_THEY_ARE, CORRUPTION_SEED, Corrupted, ModelEvaluation, in_words
from mnistry.models import onnx_file, outputs
from mnistry.models.classifier import Classifier, Predictions
from mnistry.models.metadata import ModelMetadata
from mnistry.runtime import provenance, run_folder
from mnistry.runtime.callbacks import NO_CALLBACKS, Callbacks
from mnistry.runtime.files import short
from mnistry.runtime.provenance import Stopwatch

SHIPPED = "the model that comes with mnistry"


def evaluate_model(
    model: str | os.PathLike[str] | None = None,
    *,
    dataset: str | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    with_corruptions: bool = True,
    out: str | os.PathLike[str] | None = None,
    callbacks: Callbacks = NO_CALLBACKS,
) -> tuple[Path | None, ModelEvaluation]:
    """Evaluate a model and, if a folder is given, write a report.

    Args:
        model: a model file, or a run folder; None is the model that comes with mnistry.
        dataset: the name or path of the data set; None is that on which the model was trained.
        data_dir: where to look for the data first.
        with_corruptions: whether to evaluate it on corrupted images too.
        out: the folder for the report, new or empty; None writes none.
        callbacks: who wants to hear how it goes on.

    Returns:
        The folder, and what came out.

    Raises:
        MnistryError: the model, the data or the folder is not what it should be, or they do not belong together.
    """
    watch = Stopwatch()
    with _folder(out) as (work, folder):
        recognizer = load(model)
        loaded = loading.load(dataset or _trained_on(recognizer.info), data_dir=data_dir, progress=callbacks.download)
        loaded = _for_the_model(recognizer.info, loaded)
        callbacks.loaded(loaded)
        watch.lap("load")

        kinds = corruptions.NAMES if with_corruptions else ()
        callbacks.progress(AS_THEY_ARE, 0, 1 + len(kinds))
        answers, labels = recognizer.predict_all(loaded.x_test), loaded.y_test
        test = evaluate(answers.probabilities, labels)
        watch.lap("test")

        corrupted = []
        for number, name in enumerate(kinds, 1):
            callbacks.progress(in_words(name), number, 1 + len(kinds))
            corrupted.append(_corrupted(recognizer, loaded, name))
        callbacks.progress("done", 1 + len(kinds), 1 + len(kinds))
        watch.lap("corruptions")

        result = ModelEvaluation(
            command=_command(model, loaded, data_dir, with_corruptions=with_corruptions),
            source=SHIPPED if model is None else short(Path(model)),
            info=recognizer.info,
            dataset=loaded,
            test=test,
            uncalibrated=_uncalibrated(answers, recognizer.info.temperature, labels),
            sure=selective_accuracy(answers.sure, answers.digits == labels),
            digits=selective_accuracy(answers.is_digit, answers.digits == labels),
            sure_of_mistakes=answers.sure[test.mistakes],
            corrupted=tuple(corrupted),
            seconds=watch.seconds,
            environment={**provenance.environment(), "onnxruntime": metadata.version("onnxruntime")},
        )
        watch.finish()
        if work is not None:
            from mnistry.evaluation import report as evaluation_report

            evaluation_report.write(result, work)
    return folder, result


def load(model: str | os.PathLike[str] | None) -> Classifier:
    """Load the classifier of a model file or of a run folder; None is the built-in model.

    Raises:
        MnistryError: there is no such model, or it is damaged.
    """
    if model is None or not Path(model).expanduser().is_dir():
        return Classifier.load(model)
    exported = Path(model).expanduser() / onnx_file.EXPORTED
    if not exported.is_file():
        raise ModelError(
            f"{short(Path(model))} holds no {onnx_file.EXPORTED}. "
            f"If it is a finished run, write it with: mnistry export {shlex.quote(str(model))}"
        )
    return Classifier.load(exported)


@contextlib.contextmanager
def _folder(out: str | os.PathLike[str] | None) -> Iterator[tuple[Path | None, Path | None]]:
    if out is None:
        yield None, None
    else:
        with run_folder.new_folder(out, "evaluate") as folders:
            yield folders


def _trained_on(info: ModelMetadata) -> str | None:
    """The data set that a model names as its own; None, which looks for MNIST, if it names none that is known.

    Raises:
        UsageError: it names the path of one's own data, and nothing is there.
    """
    name = _described(info).get("name")
    if not isinstance(name, str) or name == "mnist":
        return None
    if name in loading.LOADERS:
        return name
    if not name.startswith(("/", "~")):
        return None
    if not Path(name).expanduser().exists():
        raise UsageError(f"The model was trained on {name!r:.200}, where nothing is. Name a data set with --dataset.")
    return name


def _described(info: ModelMetadata) -> Mapping[str, Any]:
    """Give what a model file says about its training data."""
    described = info.details.get("dataset")
    return described if isinstance(described, Mapping) else {}


def _for_the_model(info: ModelMetadata, dataset: Dataset) -> Dataset:
    """The data set with the model's classes, of which it may lack some, and a remark if it is not what it was.

    Raises:
        UsageError: it has classes that the model does not have.
    """
    if not set(dataset.class_names) <= set(info.class_names):
        raise UsageError(
            f"The model has the classes {_listed(info.class_names)}; {dataset.title} has "
            f"{_listed(dataset.class_names)}. Name a data set with the model's classes with --dataset, or a model that "
            "was trained on this one."
        )
    described = _described(info)
    if described.get("name") == dataset.name and described.get("digests") not in (None, dict(dataset.digests)):
        remark = (
            "The data have changed since the model was trained on them: it may have learnt some of these test images."
        )
        dataset = replace(dataset, remarks=(*dataset.remarks, remark))
    if info.class_names == dataset.class_names:
        return dataset
    numbers = np.array([info.class_names.index(name) for name in dataset.class_names])
    return replace(
        dataset, class_names=info.class_names, y_train=numbers[dataset.y_train], y_test=numbers[dataset.y_test]
    )


def _listed(names: tuple[str, ...]) -> str:
    return " ".join(names) if len(names) <= 30 else f"{' '.join(names[:29])} … ({len(names)})"


def _uncalibrated(answers: Predictions, temperature: float, labels: np.ndarray) -> Evaluation | None:
    """As `evaluate`, with the logits as they were before the temperature: their logarithms differ by a factor only."""
    if temperature == 1:
        return None
    logits = np.log(np.maximum(answers.probabilities.astype(np.float64), np.finfo(np.float32).tiny))
    return evaluate(outputs.probabilities(logits, 1 / temperature), labels)


def _corrupted(recognizer: Classifier, dataset: Dataset, name: str) -> Corrupted:
    answers = recognizer.predict_all(corruptions.corrupt(name, dataset.x_test, seed=CORRUPTION_SEED))
    right = answers.digits == dataset.y_test
    return Corrupted(name, selective_accuracy(np.ones_like(right), right), selective_accuracy(answers.sure, right))


def _command(
    model: str | os.PathLike[str] | None,
    dataset: Dataset,
    data_dir: str | os.PathLike[str] | None,
    *,
    with_corruptions: bool,
) -> str:
    command = provenance.command("evaluate", {"dataset": dataset.name}, data_dir)
    more = [] if model is None else [os.fspath(model)]
    return shlex.join([*shlex.split(command), *more, *([] if with_corruptions else ["--no-corruptions"])])
