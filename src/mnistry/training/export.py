"""From a run folder to its model file."""

from __future__ import annotations

import json
import logging
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

import mnistry
from mnistry.datasets import loading
from mnistry.errors import RunError, first_line
from mnistry.models import keras_form, keras_models, onnx_export, onnx_file, outputs
from mnistry.models.backend import keras
from mnistry.models.classifier import Classifier
from mnistry.models.metadata import DIGIT_THRESHOLD, SURE_THRESHOLD, ModelMetadata
from mnistry.runtime import provenance, run_folder
from mnistry.runtime.files import short, write_durably
from mnistry.training import result as training_result
from mnistry.training.calibration import choose_sure_threshold, choose_temperature
from mnistry.training.result import Result

logger = logging.getLogger(__name__)

READ, CLEARLY = 0.5, 0.02  # shares of the built-in digits that are read at least when padded, and more than resized


def export(
    model: Any,
    path: str | os.PathLike[str],
    class_names: Sequence[str] | None = None,
    *,
    pixels: str | None = None,
    validation: tuple[np.ndarray, np.ndarray] | None = None,
    kind: str = "ink",
    fit: str | None = None,
) -> Path:
    """Write a custom Keras model as a model file, which every verb and `Recognizer` take.

    The file answers as the Keras model does, on images as they are, uint8 (n, 28, 28), 0–255: both are compared before
    it is kept. Any network on square images will do; see docs/models.md. Assumptions are logged and kept in it.

    Args:
        model: a Keras model, or the path of its .keras or .h5 file.
        path: of the model file; one that exists is replaced.
        class_names: the names of the outputs, in order; None means numbers from 0. There may be one output more than
            names: the last is then "no digit".
        pixels: the values that the model was trained on: "0-1" if the images were divided by 255, "-1-1", or "0-255"
            if they were not scaled. None means that the model scales them itself, which is checked.
        validation: images, uint8 (n, 28, 28), and labels, integers (n,), that it was not trained on: the temperature
            and the threshold of sure answers are chosen on them.
        kind: of the images that it was trained on: "ink" in MNIST's form, or "pictures".
        fit: how images of 28×28 come to the size that it takes: "resize" or "pad" with black. None is "resize"; for
            sizes of 29 to 36 it is what reads the built-in digits better, if it is a model for digits.

    Returns:
        The path.

    Raises:
        UsageError: the model cannot be exported, or the scaling of its pixels is not given.
        ModelError: the file cannot be opened safely, or its answers differ from Keras's.
        RunError: the file cannot be written.

    >>> from mnistry.models.backend import keras
    >>> layers = [keras.layers.Input((28, 28)), keras.layers.Rescaling(1 / 255), keras.layers.Flatten()]
    >>> own = keras.Sequential([*layers, keras.layers.Dense(10, "softmax")])
    >>> import tempfile, mnistry
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = mnistry.export(own, f"{folder}/own.onnx")
    ...     mnistry.Recognizer.load(path).info.class_names[:3]
    ('0', '1', '2')
    """
    opened = keras_models.load(model) if isinstance(model, str | os.PathLike) else model
    own = _prepare_model(opened, class_names, pixels, kind, fit)
    content = own.to_bytes(_digits())
    if validation is not None:
        content = _calibrate(content, own, validation)
    for each in own.info.details.get("assumed", ()):
        logger.warning("%s: %s.", own.info.name, each)
    where = Path(path).expanduser()
    try:
        write_durably(where, [content])
    except OSError as error:
        raise RunError(f"{short(where)} cannot be written: {error.strerror or error}.") from None
    return where


def _prepare_model(
    model: Any, class_names: Sequence[str] | None, pixels: str | None, kind: str, fit: str | None
) -> keras_models.OwnModel:
    """Prepare a model; where images may be padded or resized to its size, by what reads the built-in digits better."""
    if fit is not None or not isinstance(model, keras.Model) or not keras_form.is_padded_or_resized(model):
        return keras_models.prepare(model, class_names, pixels, fit=fit, kind=kind)
    both = [keras_models.prepare(model, class_names, pixels, fit=each, kind=kind) for each in keras_form.FITS]
    resized, padded = both
    if resized.info.class_names != loading.DIGIT_NAMES:
        return resized
    digits = loading.load("digits")
    answers = [Classifier.from_bytes(each.to_bytes()).predict(digits.x_test).argmax(axis=1) for each in both]
    right = [float((each == digits.y_test).mean()) for each in answers]
    if right[1] < READ or right[1] - right[0] < CLEARLY:
        return resized
    told = f"it read {right[1]:.0%} of the built-in digits so, and {right[0]:.0%} when they were resized"
    details = {**padded.info.details, "assumed": [*padded.info.details["assumed"], told]}
    return replace(padded, info=replace(padded.info, details=details))


def _calibrate(content: bytes, own: keras_models.OwnModel, validation: tuple[np.ndarray, np.ndarray]) -> bytes:
    """The same model file with a temperature and a threshold that are chosen on images with labels."""
    answers = Classifier.from_bytes(content).predict(validation[0])
    labels, logits = np.asarray(validation[1]), outputs.to_logits(answers)
    temperature = choose_temperature(logits, labels)
    cooled = outputs.softmax(logits, temperature)
    right = cooled.argmax(axis=1) == labels
    sure = choose_sure_threshold(cooled.max(axis=1), right)
    chosen = replace(own.info, temperature=temperature, sure_threshold=sure)
    return replace(own, info=chosen).to_bytes(_digits())


def write_of(model: keras.Model, result: Result, path: Path) -> None:
    """Write the model file of a run that is about to be complete."""
    write_durably(path, [onnx_export.export(model, info_of(asdict(result.config), result.summary()), _digits())])


def export_run(run: str | os.PathLike[str], out: str | os.PathLike[str] | None = None) -> Path:
    """Write the model file of a finished run.

    Args:
        run: the run folder.
        out: the file, which must not exist yet; None means `model.onnx` in the run folder.

    Returns:
        The file.

    Raises:
        RunError: the folder holds no finished run, its model cannot be read, or the file exists or cannot be written.
        UsageError: the model cannot be exported.
    """
    model, info = load_run(run)
    path = Path(run).expanduser() / onnx_file.EXPORTED if out is None else Path(out).expanduser()
    if out is not None and (path.exists() or path.is_symlink()):
        raise RunError(f"{short(path)} exists already, and nothing is overwritten. Name another file with --out.")
    try:
        write_durably(path, [onnx_export.export(model, info, _digits())])
    except OSError as error:
        raise RunError(f"{short(path)} cannot be written: {error.strerror or error}.") from None
    return path


def load_run(run: str | os.PathLike[str]) -> tuple[keras.Model, ModelMetadata]:
    """The Keras model of a finished run, and what its model file shall say.

    Raises:
        RunError: the folder holds no finished run, or its files cannot be read or do not belong together.
    """
    folder = Path(run).expanduser()
    if folder.exists() and not folder.is_dir():
        raise RunError(f"{short(folder)} is neither a run folder nor a whole Keras model (.keras or .h5).")
    if not folder.is_dir():
        raise RunError(f"There is no run folder {short(folder)}. Name the folder that a training wrote.")
    files = (run_folder.CONFIG, run_folder.SUMMARY, run_folder.MODEL)
    if missing := [name for name in files if not (folder / name).is_file()]:
        raise RunError(
            f"{short(folder)} holds no finished run: {' and '.join(missing)} missing. If it was stopped, go on with: "
            f"mnistry train --resume --out {shlex.quote(str(run))}"
        )
    try:
        config, summary = (json.loads((folder / name).read_text(encoding="utf-8")) for name in files[:2])
        info = info_of(config, summary)
        info.to_json()  # odd numbers show here
        model = keras_models.load(folder / run_folder.MODEL)
    except Exception as error:  # Keras raises whatever the part that is damaged leads to, and odd numbers anything
        raise RunError(f"The run in {short(folder)} cannot be read: {first_line(error)}. Train it anew.") from None
    if training_result.hash_weights(model) != summary["weights_sha256"]:
        raise RunError(
            f"{short(folder)}: {run_folder.MODEL} has other weights than {run_folder.SUMMARY} says. Train it anew."
        )
    return model, info


def info_of(config: Mapping[str, Any], summary: Mapping[str, Any]) -> ModelMetadata:
    """Collect the metadata of a model file from the config and the summary of its run."""
    dataset, calibrated = summary["dataset"], summary.get("calibration") or {}
    return ModelMetadata(
        name=f"mnistry-{config['recipe']}",
        recipe=config["recipe"],
        class_names=tuple(dataset.get("class_names", loading.DIGIT_NAMES)),
        temperature=calibrated.get("temperature", 1.0),
        sure_threshold=calibrated.get("sure_threshold", SURE_THRESHOLD),
        digit_threshold=calibrated.get("digit_threshold", DIGIT_THRESHOLD),
        second_look=calibrated.get("second_look", 0.0),
        kind=dataset.get("kind", "ink"),
        version=mnistry.__version__,
        details={
            "config": config,
            "dataset": {name: dataset[name] for name in ("name", "train_shape", "test_shape", "licence", "digests")},
            "test": {name: summary["test"][name] for name in ("n", "errors", "accuracy", "interval", "loss", "ece")},
            "calibration": calibrated,
            "command": provenance.format_command("train", config, None),
            "weights_sha256": summary["weights_sha256"],
            "environment": summary["environment"],
        },
    )


def _digits() -> np.ndarray:
    """Real digits, uint8 (n, 28, 28), to compare an export on."""
    return loading.load("digits").x_test
