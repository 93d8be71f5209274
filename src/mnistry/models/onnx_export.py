"""A Keras model as one ONNX file that explains itself: written by our own writer, run and compared before it is kept.

Keras's own export on JAX writes files with pooling that pass ONNX's checker and fail in the runtime.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

import mnistry
from mnistry.datasets import loading
from mnistry.errors import ModelError, RunError, UsageError
from mnistry.evaluation import calibration
from mnistry.models import onnx_converter, onnx_file
from mnistry.models.backend import keras
from mnistry.models.metadata import DIGIT_THRESHOLD, KEY, SURE_THRESHOLD, ModelInfo
from mnistry.models.onnx_graph import Graph
from mnistry.ocr.recognizer import Recognizer
from mnistry.runtime import files, run_folder
from mnistry.runtime.folders import short
from mnistry.training import loop
from mnistry.training import result as training_result
from mnistry.training.result import Result

TOLERANCE = 1e-4  # of each probability; what differs is the order in which float32 numbers are added up
CLEAR = 12  # of e: what has this lead, at the temperature, leaves less to the others than the tolerance
DOC = (
    "Takes images, uint8 (n, 28, 28), 0 to 255, ink bright on black, as they are. Gives probabilities, float32 (n, "
    "classes), calibrated, and digitness, float32 (n,): how much each looks like a digit at all. The metadata property "
    f"{KEY} says what the classes are, where the line of what is sure lies, and how the model came about."
)


def to_onnx(model: keras.Model, info: ModelInfo) -> bytes:
    """Writes a Keras model as an ONNX file, in memory; the same model and facts give the same bytes.

    Args:
        model: takes images of values 0–255; its last layer gives logits or probabilities, one for each class, or one
            more for "no digit", which comes last.
        info: what the file shall say of itself; the logits are divided by its temperature.

    Raises:
        UsageError: the model has a layer that cannot be exported, or other outputs than the classes ask for.
    """
    network = onnx_converter.of(model, onnx_file.IMAGES)
    classes = len(info.class_names)
    if network.outputs - classes not in (0, 1):
        raise UsageError(
            f"For {classes} classes a network must have {classes} outputs, or one more for no digit; "
            f"{model.name} has {network.outputs}."
        )
    _add_outputs(network.graph, network.logits, classes, info.temperature, refuses=network.outputs > classes)
    return _assembled(network.graph, info)


def write(model: keras.Model, info: ModelInfo, path: Path, images: np.ndarray) -> None:
    """Writes a model file that has been run in ONNX Runtime and gives what Keras gives.

    Args:
        model: as for `to_onnx`.
        info: what the file shall say of itself.
        path: of the file; one that is there is replaced in one step.
        images: uint8 (n, 28, 28), to compare on.

    Raises:
        UsageError: the model cannot be exported.
        ModelError: the file gives something else than the model; it was not kept.
    """
    files.write_durably(path, [compared(model, info, images)])


def write_of(model: keras.Model, result: Result, path: Path) -> None:
    """Writes the model file of a run that is about to be complete; see `write`."""
    write(model, info_of(asdict(result.config), result.summary()), path, images_to_compare_on())


def compared(model: keras.Model, info: ModelInfo, images: np.ndarray) -> bytes:
    """The content of a model file that gives what Keras gives; see `write`."""
    content = to_onnx(model, info)
    compare(model, Recognizer.from_bytes(content, f"the export of {model.name}"), images)
    return content


def compare(model: keras.Model, exported: Recognizer, images: np.ndarray) -> None:
    """Checks that a model file gives what the Keras model gives, to 1e-4 in each probability and digit-ness.

    Raises:
        ModelError: it does not.
    """
    classes = len(exported.info.class_names)
    outputs = loop.predict(model, images.reshape(len(images), *model.inputs[0].shape[1:])).astype(np.float64)
    softmaxed = onnx_converter.of(model).ends_in_softmax
    logits = np.log(np.maximum(outputs, np.finfo(np.float32).tiny)) if softmaxed else outputs
    expected = calibration.probabilities(logits[:, :classes], exported.info.temperature)
    answers = exported.answer(images, again=False)
    digitness = calibration.digitness(logits, classes, exported.info.temperature)
    differences = abs(answers.probabilities - expected).max(axis=1)
    if softmaxed:  # where all classes have fallen below float32's range, Keras's output says nothing of them
        lowest = np.log(np.finfo(np.float32).tiny) + CLEAR * exported.info.temperature
        differences[logits[:, :classes].max(axis=1) < lowest] = 0
    worst = max(differences.max(), abs(answers.digitness - digitness).max())
    if not worst <= TOLERANCE:
        raise ModelError(
            f"The exported file differs from the Keras model {model.name} by up to {worst:.2g} in a probability; at "
            f"most {TOLERANCE:g} is expected, so it was not kept. Please report this network."
        )


def export_run(run: str | os.PathLike[str], out: str | os.PathLike[str] | None = None) -> Path:
    """Writes the model file of a finished run.

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
        write(model, info, path, images_to_compare_on())
    except OSError as error:
        raise RunError(f"{short(path)} cannot be written: {error.strerror or error}.") from None
    return path


def load_run(run: str | os.PathLike[str]) -> tuple[keras.Model, ModelInfo]:
    """The Keras model of a finished run, and what its model file shall say.

    Raises:
        RunError: the folder holds no finished run, or its files cannot be read or do not belong together.
    """
    folder = Path(run).expanduser()
    if not folder.is_dir():
        raise RunError(f"There is no run folder {short(folder)}. Name the folder that a training wrote.")
    missing = [
        name for name in (run_folder.CONFIG, run_folder.SUMMARY, training_result.MODEL) if not (folder / name).is_file()
    ]
    if missing:
        raise RunError(
            f"{short(folder)} holds no finished run: {' and '.join(missing)} missing. If it was stopped, go on with: "
            f"mnistry train --resume --out {shlex.quote(str(run))}"
        )
    try:
        config, summary = (
            json.loads((folder / name).read_text(encoding="utf-8")) for name in (run_folder.CONFIG, run_folder.SUMMARY)
        )
        info = info_of(config, summary)
        model = keras.models.load_model(folder / training_result.MODEL, compile=False)
    except Exception as error:  # Keras raises whatever the part that is damaged leads to
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise RunError(f"The run in {short(folder)} cannot be read: {first.rstrip('.')}. Train it anew.") from None
    if training_result.weights_sha256(model) != summary["weights_sha256"]:
        raise RunError(
            f"{short(folder)}: {training_result.MODEL} has other weights than {run_folder.SUMMARY} says. Train it anew."
        )
    return model, info


def info_of(config: Mapping[str, Any], summary: Mapping[str, Any]) -> ModelInfo:
    """What a model file shall say, out of the config and the summary of its run."""
    dataset, calibrated = summary["dataset"], summary.get("calibration") or {}
    return ModelInfo(
        name=f"mnistry-{config['recipe']}",
        recipe=config["recipe"],
        class_names=tuple(dataset.get("class_names", loading.DIGIT_NAMES)),
        temperature=calibrated.get("temperature", 1.0),
        sure_threshold=calibrated.get("sure_threshold", SURE_THRESHOLD),
        digit_threshold=calibrated.get("digit_threshold", DIGIT_THRESHOLD),
        second_look=calibrated.get("second_look", 0.0),
        version=mnistry.__version__,
        details={
            "config": config,
            "dataset": {name: dataset[name] for name in ("name", "train_shape", "test_shape", "licence", "digests")},
            "test": {name: summary["test"][name] for name in ("n", "errors", "accuracy", "interval", "loss", "ece")},
            "calibration": calibrated,
            "command": run_folder.command("train", config, None),
            "weights_sha256": summary["weights_sha256"],
            "environment": summary["environment"],
        },
    )


def images_to_compare_on() -> np.ndarray:
    """Real digits, noise, black and white: uint8 (n, 28, 28)."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 28, 28), np.uint8)
    plain = np.stack([np.full((28, 28), value, np.uint8) for value in (0, 255)])
    return np.concatenate([loading.load("digits").x_test, noise, plain])


def _add_outputs(graph: Graph, logits: str, classes: int, temperature: float, *, refuses: bool) -> None:
    """Adds the calibrated softmax and the digit-ness; `calibration.py` has the formulas."""
    digits = logits
    if refuses:
        digits, no_digit = "digit_logits", "no_digit_logit"
        graph.add("Split", logits, np.array([classes, 1]), outputs=[digits, no_digit], axis=1)
        all_digits = graph.add("ReduceLogSumExp", digits, axes=[1], keepdims=0)
        lead = graph.add("Sub", all_digits, graph.add("Squeeze", no_digit, np.array([1])))
        graph.add("Sigmoid", lead, outputs=[onnx_file.DIGITNESS])
    cooled = graph.add("Mul", digits, np.array(1 / temperature))
    graph.add("Softmax", cooled, outputs=[onnx_file.PROBABILITIES], axis=1)
    if not refuses:
        graph.add("ReduceMax", onnx_file.PROBABILITIES, outputs=[onnx_file.DIGITNESS], axes=[1], keepdims=0)


def _assembled(graph: Graph, info: ModelInfo) -> bytes:
    value = helper.make_tensor_value_info
    made = helper.make_graph(
        [helper.make_node(node.operator, node.inputs, node.outputs, **node.attributes) for node in graph.nodes],
        "mnistry",
        [value(onnx_file.IMAGES, onnx.TensorProto.UINT8, ["n", 28, 28])],
        [
            value(onnx_file.PROBABILITIES, onnx.TensorProto.FLOAT, ["n", len(info.class_names)]),
            value(onnx_file.DIGITNESS, onnx.TensorProto.FLOAT, ["n"]),
        ],
        [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in graph.constants.items()],
    )
    model = helper.make_model(
        made,
        opset_imports=[helper.make_opsetid("", onnx_file.OPSET)],
        ir_version=onnx_file.IR_VERSION,
        producer_name="mnistry",
        producer_version=info.version,
        doc_string=DOC,
    )
    facts = info.to_json()
    digest = onnx_file.digest(facts.encode(), model.graph.SerializeToString())
    helper.set_model_props(model, {KEY: facts, onnx_file.DIGEST: digest})
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())
