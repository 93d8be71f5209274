"""A Keras model as one ONNX file that explains itself: written by our own writer, run and compared before it is kept.

Keras's own export on JAX writes files with pooling that pass ONNX's checker and fail in the runtime.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper, numpy_helper

from mnistry.errors import ModelError, UsageError
from mnistry.models import backend, onnx_file, outputs
from mnistry.models.backend import keras
from mnistry.models.classifier import Classifier
from mnistry.models.metadata import KEY, ModelMetadata
from mnistry.models.onnx_conversion import converter
from mnistry.models.onnx_conversion.graph import Graph
from mnistry.models.onnx_conversion.padding import pad_channels

ROUNDING = 2e-3  # of single answers, where nearly all others are within the tolerance
LOOSE_TOLERANCE = 0.02  # where Keras computes with 16 bits
TOLERANCE = 1e-4  # of each probability; what differs is the order in which float32 numbers are added up
CLEAR = 12  # of e: what has this lead, at the temperature, leaves less to the others than the tolerance
DOC = (
    "Takes images, uint8 (n, 28, 28), 0 to 255, ink bright on black, as they are. Gives probabilities, float32 (n, "
    "classes), calibrated, and digitness, float32 (n,): how much each looks like a digit at all. The metadata property "
    f"{KEY} says what the classes are, where the line of what is sure lies, and how the model came about."
)


TINY = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True)
class Scaling:
    """The way from pixels, 0–255, to a model's numbers: times `factor`, plus `offset`."""

    factor: float = 1.0
    offset: float = 0.0


AS_THEY_ARE = Scaling()


def to_onnx(model: keras.Model, info: ModelMetadata, scaling: Scaling = AS_THEY_ARE) -> bytes:
    """Write a Keras model as an ONNX file, in memory; the same model and metadata give the same bytes.

    Args:
        model: takes grey images of 28×28 pixels; gives logits or probabilities, one for each class, or one more for
            "no digit", which comes last; or one sigmoid for two classes.
        info: the metadata of the file; the logits are divided by its temperature.
        scaling: of the pixels, where the model does not do it.

    Raises:
        UsageError: the model computes something that cannot be exported, or has other outputs than the classes ask for.
    """
    network = converter.convert(model, onnx_file.IMAGES, factor=scaling.factor, offset=scaling.offset)
    classes, graph = len(info.class_names), network.graph
    binary = network.number == 1 and classes == 2
    if network.number - classes not in (0, 1) and not binary:
        raise UsageError(
            f"For {classes} classes a network must have {classes} outputs, or one more for no digit; "
            f"{model.name} has {network.number}."
        )
    name = network.outputs
    if binary:
        name = graph.add("Concat", graph.add("Mul", name, 0.0), name, axis=1)
    elif network.ends == "probabilities":
        name = graph.add("Log", graph.add("Max", name, TINY))
    _add_outputs(graph, name, classes, info.temperature, refuses=network.number > classes)
    graph.prune([onnx_file.PROBABILITIES, onnx_file.DIGITNESS])
    pad_channels(graph)
    return _assemble(graph, info)


def compute_logits(network: converter.Network, given: np.ndarray) -> np.ndarray:
    """The logits behind a Keras model's outputs, float64 (n, outputs); two columns for one output."""
    given = given.astype(np.float64)
    if network.ends == "sigmoid":
        logits = outputs.to_logits(given) - outputs.to_logits(1 - given)
        return np.concatenate([np.zeros_like(logits), logits], axis=1)
    if network.ends == "logits" and network.number == 1:
        return np.concatenate([np.zeros_like(given), given], axis=1)
    return given if network.ends == "logits" else outputs.to_logits(given)


def export(
    model: keras.Model, info: ModelMetadata, images: np.ndarray | None = None, scaling: Scaling = AS_THEY_ARE
) -> bytes:
    """The content of a model file that has been run in ONNX Runtime and gives what Keras gives.

    Args:
        model: as for `to_onnx`.
        info: the metadata of the file.
        images: uint8 (n, 28, 28), to compare on, beside noise.
        scaling: as for `to_onnx`.

    Raises:
        UsageError: the model cannot be exported.
        ModelError: the file gives something else than the model.
    """
    content, noise = to_onnx(model, info, scaling), _make_noise()
    compared = noise if images is None else np.concatenate([images, noise])
    compare(model, Classifier.from_bytes(content, f"the export of {model.name}"), compared, scaling)
    return content


def _make_noise() -> np.ndarray:
    """Images that any export is compared on: noise, strokes of noise, black and white; uint8 (n, 28, 28)."""
    random = np.random.default_rng(0)
    noise = random.integers(0, 256, (48, 28, 28), np.uint8)
    strokes = noise * (random.random((48, 28, 28)) < 0.2).astype(np.uint8)
    return np.concatenate([noise, strokes, *(np.full((1, 28, 28), value, np.uint8) for value in (0, 255))])


def compare(model: keras.Model, exported: Classifier, images: np.ndarray, scaling: Scaling = AS_THEY_ARE) -> None:
    """Check that a model file answers as the Keras model does, to 1e-4 in each probability and digit score.

    Of a model that computes with 16 bits, 0.02 is asked for: the file computes with 32.

    Raises:
        ModelError: it does not.
    """
    classes = len(exported.info.class_names)
    network = converter.convert(model)
    scaled = converter.reshape_images(images, converter.find_input_shape(model)).astype(np.float32)
    given = backend.predict(model, scaled * np.float32(scaling.factor) + np.float32(scaling.offset))
    logits = compute_logits(network, given)
    expected = outputs.softmax(logits[:, :classes], exported.info.temperature)
    answers = exported.predict_all(images, again=False)
    digitness = outputs.compute_digit_score(logits, classes, exported.info.temperature)
    differences = abs(answers.probabilities - expected).max(axis=1)
    if network.ends != "logits":  # where all classes have fallen below float32's range, Keras's output says nothing
        lowest = np.log(TINY) + CLEAR * exported.info.temperature
        differences[logits[:, :classes].max(axis=1) < lowest] = 0
    worst = max(differences.max(), abs(answers.digitness - digitness).max())
    has_16_bits = any("16" in str(layer.compute_dtype) for layer in model._flatten_layers())
    tolerance = LOOSE_TOLERANCE if has_16_bits else TOLERANCE
    if np.median(differences) <= TOLERANCE:  # where logits are in the hundreds, float32 has fewer digits left
        tolerance = max(tolerance, ROUNDING)
    if not worst <= tolerance:
        raise ModelError(
            f"The exported file differs from the Keras model {model.name} by up to {worst:.2g} in a probability; at "
            f"most {tolerance:g} is expected, so it was not kept. Please report this network."
        )


def _add_outputs(graph: Graph, logits: str, classes: int, temperature: float, *, refuses: bool) -> None:
    """Add the calibrated softmax and the digit score; `models/outputs.py` has the formulas."""
    digits = logits
    if refuses:
        digits, no_digit = "digit_logits", "no_digit_logit"
        graph.add("Split", logits, [classes, 1], outputs=[digits, no_digit], axis=1)
        all_digits = graph.add("ReduceLogSumExp", digits, axes=[1], keepdims=0)
        lead = graph.add("Sub", all_digits, graph.add("Squeeze", no_digit, [1]))
        graph.add("Sigmoid", lead, outputs=[onnx_file.DIGITNESS])
    cooled = graph.add("Mul", digits, 1 / temperature)
    graph.add("Softmax", cooled, outputs=[onnx_file.PROBABILITIES], axis=1)
    if not refuses:
        graph.add("ReduceMax", onnx_file.PROBABILITIES, outputs=[onnx_file.DIGITNESS], axes=[1], keepdims=0)


def _assemble(graph: Graph, info: ModelMetadata) -> bytes:
    value = helper.make_tensor_value_info
    made = helper.make_graph(
        [helper.make_node(node.operator, node.inputs, node.outputs, **node.attributes) for node in graph.nodes],
        "mnistry",
        [value(onnx_file.IMAGES, onnx.TensorProto.UINT8, ["n", 28, 28])],
        [
            value(onnx_file.PROBABILITIES, onnx.TensorProto.FLOAT, ["n", len(info.class_names)]),
            value(onnx_file.DIGITNESS, onnx.TensorProto.FLOAT, ["n"]),
        ],
        [numpy_helper.from_array(np.require(array, requirements="C"), name) for name, array in graph.constants.items()],
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
    digest = onnx_file.compute_digest(facts.encode(), model.graph.SerializeToString())
    helper.set_model_props(model, {KEY: facts, onnx_file.DIGEST: digest})
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())
