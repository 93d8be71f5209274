"""Validation of a model file, from its first byte to its last, before ONNX Runtime opens it.

A model file is an ONNX file with one input and two outputs:

    images         uint8 (n, 28, 28) 0–255, ink bright on black
    probabilities  float32 (n, classes), calibrated: rows add up to 1
    digitness      float32 (n,), 0 to 1: how much the image looks like a digit at all

It carries its facts (`models/metadata.py`) and a digest of facts and graph, so that damage is found. Whoever
makes a file with a right digest can still do no harm: its operations, memory and time are bounded here.
"""

from __future__ import annotations

import hashlib
import math
import os
import shlex
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mnistry.errors import ModelError
from mnistry.models import onnx_shapes
from mnistry.models.metadata import KEY, ModelMetadata
from mnistry.models.protobuf import BYTES, VARINT, Field, Message, Schema
from mnistry.runtime.file_signatures import HDF5, ZIP
from mnistry.runtime.files import short

IMAGES, PROBABILITIES, DIGITNESS = "images", "probabilities", "digitness"
DIGEST = "mnistry_sha256"  # the metadata property with the digest of facts and graph
OPSET, IR_VERSION = 17, 9
MAX_BYTES = 64 * 2**20
MAX_NODES = 5000  # operations, as many as recurrent layers of 128 steps take
MAX_INPUTS = 256  # of an operation
MAX_VALUES = 2**22  # in all tensors together, an image; how many images are run at once depends on it
MAX_PRODUCTS = 10**9  # multiplications an image
UINT8, FLOAT32, INT64, BOOL = 2, 1, 7, 9  # ONNX's numbers for types
TYPES = {FLOAT32: "<f4", INT64: "<i8", BOOL: "|b1"}  # of constants
INT, INTS = 2, 7  # ONNX's numbers for kinds of attributes
EXPORTED = "model.onnx"  # in a run folder
HELP = "Export one with mnistry export, or leave it out to use the built-in model."

# The parts of ONNX's messages, by their numbers in its definition, onnx.proto3.
PROPERTY: Schema = {1: Field("key", BYTES), 2: Field("value", BYTES)}
OPSET_ID: Schema = {1: Field("domain", BYTES), 2: Field("version", VARINT)}
MODEL: Schema = {
    1: Field("ir_version", VARINT),
    2: Field("producer_name", BYTES),
    3: Field("producer_version", BYTES),
    4: Field("domain", BYTES),
    5: Field("model_version", VARINT),
    6: Field("doc_string", BYTES),
    7: Field("graph", BYTES),
    8: Field("opset_import", BYTES, most=100),
    14: Field("metadata_props", BYTES, most=1000),
    20: Field("training_info", BYTES, most=1000),
    25: Field("functions", BYTES, most=1000),
    26: Field("configuration", BYTES, most=1000),
}
GRAPH: Schema = {
    1: Field("node", BYTES, most=MAX_NODES),
    2: Field("name", BYTES),
    5: Field("initializer", BYTES, most=MAX_NODES),
    11: Field("input", BYTES),
    12: Field("output", BYTES, most=2),
}
NODE: Schema = {
    1: Field("input", BYTES, most=MAX_INPUTS),
    2: Field("output", BYTES, most=2),
    3: Field("name", BYTES),
    4: Field("op_type", BYTES),
    5: Field("attribute", BYTES, most=8),
}
ATTRIBUTE: Schema = {
    1: Field("name", BYTES),
    3: Field("i", VARINT),
    8: Field("ints", VARINT, most=8),
    20: Field("type", VARINT),
}
TENSOR: Schema = {
    1: Field("dims", VARINT, most=8),
    2: Field("data_type", VARINT),
    8: Field("name", BYTES),
    9: Field("raw_data", BYTES),
}
VALUE_INFO: Schema = {1: Field("name", BYTES), 2: Field("type", BYTES)}
TYPE: Schema = {1: Field("tensor_type", BYTES)}
TENSOR_TYPE: Schema = {1: Field("elem_type", VARINT), 2: Field("shape", BYTES)}
SHAPE: Schema = {1: Field("dim", BYTES, most=4)}
DIMENSION: Schema = {1: Field("dim_value", VARINT), 2: Field("dim_param", BYTES)}


def read(path: str | os.PathLike[str]) -> bytes:
    """The content of a model file, as long as it may be one.

    Raises:
        ModelError: it is missing, a folder, no ordinary file, empty, too large or cannot be read.
    """
    where, name = Path(path).expanduser(), short(Path(path))
    try:
        status = where.stat()
        if stat.S_ISDIR(status.st_mode):
            raise ModelError(
                f"{name} holds no {EXPORTED}. If it is a finished run, write it with: mnistry export "
                f"{shlex.quote(os.fspath(path))}"
            )
        if not stat.S_ISREG(status.st_mode):
            raise ModelError(f"{name} is not a regular file. {HELP}")
        if not 0 < status.st_size <= MAX_BYTES:
            raise ModelError(f"{name} has {status.st_size:,} bytes; a model file has 1 to {MAX_BYTES:,}. {HELP}")
        return where.read_bytes()
    except FileNotFoundError:
        raise ModelError(f"There is no model file {name}. {HELP}") from None
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        raise ModelError(f"{name} cannot be read: {getattr(error, 'strerror', None) or error}. {HELP}") from None


def is_keras(path: str | os.PathLike[str]) -> bool:
    """Tell whether a file is a Keras model, by its first bytes: a ZIP with a config, or HDF5."""
    where = Path(path).expanduser()
    if not os.path.isfile(where):  # opening a pipe would wait for a writer
        return False
    try:
        with where.open("rb") as file:
            start = file.read(len(HDF5))
        if start.startswith(ZIP):
            with zipfile.ZipFile(where) as archive:
                return "config.json" in archive.namelist()
        return start == HDF5
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):
        return False


def check(content: bytes, name: str) -> tuple[ModelMetadata, int]:
    """Check the content of a model file as a whole; `name` is what errors call it.

    Returns:
        Its metadata, and the number of values that it computes for an image.

    Raises:
        ModelError: it is not an ONNX file, comes from elsewhere, is of another version, damaged, or too large.
    """
    if content.startswith((*ZIP, HDF5)):
        raise ModelError(f"{name} is a Keras model, not a model file. Make it one with: mnistry export {name}")
    if len(content) > MAX_BYTES:
        raise ModelError(f"{name} has {len(content):,} bytes; a model file has at most {MAX_BYTES:,}. {HELP}")
    try:
        model = Message(memoryview(content), MODEL)
        properties = [Message(each, PROPERTY) for each in model.all_bytes("metadata_props")]
        facts = {each.text("key"): each.bytes("value") for each in properties}
        maker = "".join(f" of {each:.40}" for each in model.texts("producer_name") if each.isprintable())
    except ValueError as error:
        raise ModelError(f"{name} is not an ONNX file, or a damaged one: {error}. {HELP}") from None
    if not facts.keys() >= {KEY, DIGEST}:
        raise ModelError(
            f"{name} is an ONNX file{maker}, but none that mnistry export wrote: its classes, "
            "scaling of pixels and calibration are missing. Build the same network in Keras, set its weights, and use "
            "mnistry.export(model, path)."
        )
    if compute_digest(facts[KEY], model.bytes("graph")) != bytes(facts[DIGEST]).decode("ascii", "replace"):
        raise ModelError(f"{name} is damaged: its content is not what its digest was made of. Get it once more.")
    try:
        info = ModelMetadata.from_json(str(facts[KEY], "utf-8"))
        _check_versions(model)
        values = _check_graph(Message(model.bytes("graph"), GRAPH), len(info.class_names))
    except ValueError as error:
        raise ModelError(f"{name} is not a model that this version of mnistry can use: {error}. {HELP}") from None
    return info, values


def compute_digest(facts: bytes | memoryview, graph: bytes | memoryview) -> str:
    """The SHA-256 of facts and graph, as both are in the file."""
    sha256 = hashlib.sha256(facts)
    sha256.update(graph)
    return sha256.hexdigest()


def _check_versions(model: Message) -> None:
    if any(model.has(name) for name in ("training_info", "functions", "configuration")):
        raise ValueError("it holds more than a graph")
    opsets = [(each.text("domain"), each.number("version")) for each in model.messages("opset_import", OPSET_ID)]
    if model.number("ir_version") != IR_VERSION or opsets != [("", OPSET)]:
        raise ValueError(
            f"it is in version {model.number('ir_version')} of ONNX's format with operations {opsets!s:.60}; "
            f"expected are {IR_VERSION} and {[('', OPSET)]}"
        )


def _check_graph(graph: Message, classes: int) -> int:
    """Follow every shape from the input to the outputs; gives the number of values for an image."""
    declared = [_read_declared(each) for part in ("input", "output") for each in graph.messages(part, VALUE_INFO)]
    expected = [(IMAGES, UINT8, (0, 28, 28)), (PROBABILITIES, FLOAT32, (0, classes)), (DIGITNESS, FLOAT32, (0,))]
    if declared != expected:
        raise ValueError(f"its input and outputs are {declared!s:.200}; expected are {expected}, where 0 is any number")
    constants = dict(_constant(each) for each in graph.messages("initializer", TENSOR))
    known: dict[str, onnx_shapes.Shape] = {name: each.shape for name, each in constants.items()}
    known[IMAGES] = (-1, 28, 28)
    if len(known) != len(graph.all_bytes("initializer")) + 1:
        raise ValueError("two of its tensors have the same name")
    total = products = 0
    for node in graph.messages("node", NODE):
        made, more = _compute_shapes(node, known, constants)
        if made.keys() & known.keys():
            raise ValueError("two of its tensors have the same name")
        known |= made
        total, products = total + sum(map(onnx_shapes.values, made.values())), products + more
        if total > MAX_VALUES or products > MAX_PRODUCTS:
            raise ValueError(
                f"it asks for {total:,} values and {products:,} multiplications an image, or more; at most are "
                f"{MAX_VALUES:,} and {MAX_PRODUCTS:,}"
            )
    if known.get(PROBABILITIES) != (-1, classes) or known.get(DIGITNESS) != (-1,):
        raise ValueError("its outputs have another shape than it says")
    return total


def _compute_shapes(
    node: Message, known: Mapping[str, onnx_shapes.Shape], constants: Mapping[str, np.ndarray]
) -> tuple[dict[str, onnx_shapes.Shape], int]:
    """The tensors that a node makes, with their shapes, and the multiplications an image that it takes."""
    inputs, outputs = node.texts("input"), node.texts("output")
    if not set(inputs) <= known.keys():
        raise ValueError("an operation takes a value that has not been computed")
    if IMAGES in inputs and node.text("op_type") != "Cast":
        raise ValueError("its images are not made into numbers first")
    given = onnx_shapes.given(
        onnx_shapes.Operation(
            operator=node.text("op_type"),
            shapes=[known[name] for name in inputs],
            constants=[constants.get(name) for name in inputs],
            attributes=dict(_attribute(each) for each in node.messages("attribute", ATTRIBUTE)),
        )
    )
    if len(set(outputs)) != len(given.shapes):
        raise ValueError("an operation names another number of results than it has")
    return dict(zip(outputs, given.shapes, strict=True)), given.products


def _attribute(attribute: Message) -> tuple[str, list[int]]:
    kind, ints = attribute.number("type"), attribute.numbers("ints")
    if kind not in (INT, INTS) or (ints and kind == INT):
        raise ValueError("a setting of an operation is not a whole number")
    return attribute.text("name"), [attribute.number("i")] if kind == INT else ints


def _constant(tensor: Message) -> tuple[str, np.ndarray]:
    """A constant of the graph; its values are checked, not copied."""
    name, dims, raw = tensor.text("name"), tensor.numbers("dims"), tensor.bytes("raw_data")
    if tensor.number("data_type") not in TYPES or any(length < 1 for length in dims):
        raise ValueError("a constant is of another type or shape than those that are exported")
    kind = np.dtype(TYPES[tensor.number("data_type")])
    if math.prod(dims) * kind.itemsize != len(raw):
        raise ValueError("a constant has another number of values than its shape says")
    values = np.frombuffer(raw, kind).reshape(dims)
    if not np.isfinite(values).all():
        raise ValueError("a constant is not a finite number")
    return name, values


def _read_declared(value: Message) -> tuple[str, int, tuple[int, ...]]:
    """Name, type and shape that an input or output has by its own account; 0 for a length that has a name."""
    tensor = value.message("type", TYPE).message("tensor_type", TENSOR_TYPE)
    lengths = tensor.message("shape", SHAPE).messages("dim", DIMENSION)
    return value.text("name"), tensor.number("elem_type"), tuple(each.number("dim_value") for each in lengths)
