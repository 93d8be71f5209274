"""Evaluate a model, from its file to its report."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from mnistry.datasets import loading
from mnistry.datasets.loading import Dataset
from mnistry.errors import UsageError
from mnistry.evaluation import corruptions
from mnistry.evaluation.metrics import Evaluation, compute_selective_accuracy, evaluate
from mnistry.evaluation.result import AS_THEY_ARE, CORRUPTION_SEED, Corrupted, ModelEvaluation, format_corruption
from mnistry.models import onnx_file, outputs
from mnistry.models.classifier import Classifier, Predictions
from mnistry.models.metadata import ModelMetadata
from mnistry.runtime import provenance, run_folder
from mnistry.runtime.callbacks import NO_CALLBACKS, Callbacks
from mnistry.runtime.files import short
from mnistry.runtime.provenance import Stopwatch

SHIPPED = "the model that comes with mnistry"
CHANGED = "The data have changed since the model was trained on them: it may have learnt some of these test images."


def evaluate_model(
    model: Any = None,
    *,
    dataset: str | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    with_corruptions: bool = True,
    pixels: str | None = None,
    out: str | os.PathLike[str] | None = None,
    callbacks: Callbacks = NO_CALLBACKS,
) -> tuple[Path | None, ModelEvaluation]:
    """Evaluate a model and, if a folder is given, write a report.

    Args:
        model: a model file, a run folder, a Keras model or its file; None is the model that comes with mnistry.
        dataset: the name or path of the data set; None is that on which the model was trained.
        data_dir: where to look for the data first.
        with_corruptions: whether to evaluate it on corrupted images too.
        pixels: for a Keras model that does not scale its pixels: "0-1", "-1-1" or "0-255".
        out: the folder for the report, new or empty; None writes none.
        callbacks: who wants to hear how it goes on.

    Returns:
        The folder, and what came out.

    Raises:
        MnistryError: the model, the data or the folder is missing, damaged or wrong, or they do not belong together.
    """
    watch = Stopwatch()
    nowhere: AbstractContextManager[tuple[Path | None, Path | None]] = nullcontext((None, None))
    with nowhere if out is None else run_folder.create_folder(out, "evaluate") as (work, folder):
        named = None
        if dataset is not None and _is_keras(model):  # its classes are those of the data
            named = loading.load(dataset, data_dir=data_dir, progress=callbacks.download)
        recognizer = load(model, pixels=pixels, class_names=None if named is None else named.class_names)
        loaded = named or loading.load(
            dataset or _find_dataset_name(recognizer.info),
            data_dir=data_dir,
            progress=callbacks.download,
            kind=recognizer.info.kind,
        )
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
            callbacks.progress(format_corruption(name), number, 1 + len(kinds))
            corrupted.append(_evaluate_corrupted(recognizer, loaded, name))
        callbacks.progress("done", 1 + len(kinds), 1 + len(kinds))
        watch.lap("corruptions")

        result = ModelEvaluation(
            command=_command(model, loaded, data_dir, with_corruptions=with_corruptions),
            source=_source(model),
            info=recognizer.info,
            dataset=loaded,
            test=test,
            uncalibrated=_evaluate_uncalibrated(answers, recognizer.info.temperature, labels),
            sure=compute_selective_accuracy(answers.sure, answers.digits == labels),
            digits=compute_selective_accuracy(answers.is_digit, answers.digits == labels),
            sure_of_mistakes=answers.sure[test.mistakes],
            corrupted=tuple(corrupted),
            seconds=watch.seconds,
            environment={**provenance.describe_environment(), "onnxruntime": metadata.version("onnxruntime")},
        )
        watch.finish()
        if work is not None:
            from mnistry.evaluation import report as evaluation_report

            evaluation_report.write(result, work)
    return folder, result


def load(model: Any = None, *, pixels: str | None = None, class_names: Sequence[str] | None = None) -> Classifier:
    """Load the classifier of a model file, a run folder, or a Keras model; None is the built-in model.

    Pixels and class names are for Keras models; see `keras_models.prepare`.

    Raises:
        MnistryError: there is no such model, or it is damaged.
    """
    if _is_keras(model):
        from mnistry.models import keras_models

        return keras_models.to_classifier(model, class_names, pixels)
    if pixels is not None:
        raise UsageError("A model file knows how its pixels are scaled: pixels is for Keras models only.")
    return Classifier.load(model)


def _is_keras(model: Any) -> bool:
    """Tell whether a model is Keras's: an object, or a file in one of its formats."""
    return model is not None and (not isinstance(model, str | os.PathLike) or onnx_file.is_keras(model))


def _source(model: Any) -> str:
    if model is None:
        return SHIPPED
    return short(Path(model)) if isinstance(model, str | os.PathLike) else f"the Keras model {model.name}"


def _find_dataset_name(info: ModelMetadata) -> str:
    """The data set that a model names as its own.

    Raises:
        UsageError: it names no known data set, or a path where nothing is.
    """
    name = _describe(info).get("name")
    if isinstance(name, str) and name in loading.LOADERS:
        return name
    if not isinstance(name, str) or not name.startswith(("/", "~")):
        raise UsageError(
            "The model does not say on which data it was trained, so there is nothing to test it on. Name a data set "
            "with --dataset."
        )
    if not Path(name).expanduser().exists():
        raise UsageError(f"The model was trained on {name!r:.200}, where nothing is. Name a data set with --dataset.")
    return name


def _describe(info: ModelMetadata) -> Mapping[str, Any]:
    """Name the training data that a model file states."""
    described = info.details.get("dataset")
    return described if isinstance(described, Mapping) else {}


def _for_the_model(info: ModelMetadata, dataset: Dataset) -> Dataset:
    """The data set with the model's classes, of which it may lack some, and a remark if it is not what it was.

    Raises:
        UsageError: it has classes that the model does not have.
    """
    if not set(dataset.class_names) <= set(info.class_names):
        raise UsageError(
            f"The model has the classes {_list_names(info.class_names)}; {dataset.title} has "
            f"{_list_names(dataset.class_names)}. Name a data set with the model's classes with --dataset, or a model "
            "that was trained on this one."
        )
    described = _describe(info)
    if described.get("name") == dataset.name and described.get("digests") not in (None, dict(dataset.digests)):
        dataset = replace(dataset, remarks=(*dataset.remarks, CHANGED))
    if info.class_names == dataset.class_names:
        return dataset
    numbers = np.array([info.class_names.index(name) for name in dataset.class_names])
    return replace(
        dataset, class_names=info.class_names, y_train=numbers[dataset.y_train], y_test=numbers[dataset.y_test]
    )


def _list_names(names: tuple[str, ...]) -> str:
    return " ".join(names) if len(names) <= 30 else f"{' '.join(names[:29])} … ({len(names)})"


def _evaluate_uncalibrated(answers: Predictions, temperature: float, labels: np.ndarray) -> Evaluation | None:
    """As `evaluate`, with the logits as they were before the temperature: their logarithms differ by a factor only."""
    if temperature == 1:
        return None
    return evaluate(outputs.softmax(outputs.to_logits(answers.probabilities), 1 / temperature), labels)


def _evaluate_corrupted(recognizer: Classifier, dataset: Dataset, name: str) -> Corrupted:
    answers = recognizer.predict_all(corruptions.corrupt(name, dataset.x_test, seed=CORRUPTION_SEED))
    right = answers.digits == dataset.y_test
    return Corrupted(
        name, compute_selective_accuracy(np.ones_like(right), right), compute_selective_accuracy(answers.sure, right)
    )


def _command(model: Any, dataset: Dataset, data_dir: str | os.PathLike[str] | None, *, with_corruptions: bool) -> str:
    command = provenance.format_command("evaluate", {"dataset": dataset.name}, data_dir)
    more = [os.fspath(model)] if isinstance(model, str | os.PathLike) else []
    return shlex.join([*shlex.split(command), *more, *([] if with_corruptions else ["--no-corruptions"])])
