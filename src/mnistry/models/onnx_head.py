"""The last layer of a model file: its input features for images, and the file with other weights in it."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from mnistry.errors import ModelError
from mnistry.models import onnx_file
from mnistry.models.metadata import KEY, ModelMetadata

CHUNK = 128  # images a call of the runtime


class Head:
    """The dense layer that gives a model's logits.

    Args:
        content: content of a model file.
        name: name of the file in errors.

    Attributes:
        info: the model's metadata.
        weights: float32 (outputs, features).
        bias: float32 (outputs,).

    Raises:
        ModelError: the file is damaged, or its logits do not come from a dense layer.
    """

    def __init__(self, content: bytes, name: str) -> None:
        self.info, _ = onnx_file.check(content, name)
        self._model = onnx.load_from_string(content)
        constants = {each.name: each for each in self._model.graph.initializer}
        layers = [node for node in self._model.graph.node if node.op_type == "Gemm" and node.input[1] in constants]
        if not layers or len(layers[-1].input) != 3:
            raise ModelError(f"{name} has no dense layer at its end, so it cannot be adapted.")
        layer = layers[-1]
        self._features, self._weights, self._bias = layer.input
        options = {each.name: helper.get_attribute_value(each) for each in layer.attribute}
        self._transposed = bool(options.get("transB", 0))
        given = numpy_helper.to_array(constants[self._weights])
        self.weights = np.array(given if self._transposed else given.T, np.float32)
        self.bias = np.array(numpy_helper.to_array(constants[self._bias]), np.float32)
        self._session = self._start()

    def features(self, images: np.ndarray) -> np.ndarray:
        """The layer's inputs for images, uint8 (n, 28, 28): float32 (n, features)."""
        parts = [
            self._session.run([self._features], {onnx_file.IMAGES: np.ascontiguousarray(images[start : start + CHUNK])})
            for start in range(0, len(images), CHUNK)
        ]
        return np.concatenate([part[0] for part in parts]).reshape(len(images), -1)

    def with_weights(self, weights: np.ndarray, info: ModelMetadata) -> bytes:
        """The content of a model file with other metadata and weights, float32 (outputs, features), in this layer."""
        model = onnx.ModelProto()
        model.CopyFrom(self._model)
        for constant in model.graph.initializer:
            if constant.name == self._weights:
                shaped = np.ascontiguousarray(weights if self._transposed else weights.T, np.float32)
                constant.CopyFrom(numpy_helper.from_array(shaped, self._weights))
        facts = info.to_json()
        digest = onnx_file.compute_digest(facts.encode(), model.graph.SerializeToString())
        helper.set_model_props(model, {KEY: facts, onnx_file.DIGEST: digest})
        return bytes(model.SerializeToString())

    def _start(self) -> Any:
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"
        import onnxruntime

        model = onnx.ModelProto()
        model.CopyFrom(self._model)
        model.graph.output.append(helper.make_tensor_value_info(self._features, onnx.TensorProto.FLOAT, None))
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        # Waiting threads leave the cores alone.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
