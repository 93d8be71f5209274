"""Keras models read layer by layer into a graph of ONNX operations.

What need not be computed is not: a batch normalisation goes into the weights of the convolution before it, and the
weights of a Dense are put into the order of what is flattened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mnistry.errors import UsageError
from mnistry.models.backend import keras
from mnistry.models.onnx_graph import Flat, Graph, Linear, Shape, Softmaxed, Tensor, Value

IMAGE = (28, 28)
FLOAT = 1  # float32 in ONNX's numbering of types


@dataclass(frozen=True)
class Network:
    """A Keras model as a graph.

    Attributes:
        graph: from the uint8 tensor `images` to the logits.
        logits: the name of the tensor (n, outputs) that a softmax is applied to.
        outputs: how many there are.
        ends_in_softmax: whether the Keras model applies the softmax itself.
    """

    graph: Graph
    logits: str
    outputs: int
    ends_in_softmax: bool


def of(model: keras.Model, images: str = "images") -> Network:
    """Read a Keras model, Sequential or functional.

    Args:
        model: takes images (28, 28) or (28, 28, 1) of values 0–255; gives a row of logits or probabilities.
        images: the name that the uint8 (n, 28, 28) input shall have.

    Raises:
        UsageError: it is built otherwise, or has a layer that cannot be exported.
    """
    inputs, outputs = getattr(model, "inputs", None), getattr(model, "outputs", None)
    if not inputs or not outputs:
        raise UsageError(f"The network {model.name} is not built, or neither Sequential nor functional: no export.")
    if len(inputs) != 1 or len(outputs) != 1:
        raise UsageError(
            f"A network needs one input and one output for export; received {len(inputs)}, {len(outputs)}."
        )
    shape, row = tuple(inputs[0].shape[1:]), tuple(outputs[0].shape[1:])
    if shape not in (IMAGE, (*IMAGE, 1)) or len(row) != 1:
        raise UsageError(
            f"For export a network must lead from (28, 28) to one row; this one leads from {shape} to {row}."
        )
    graph = Graph()
    pixels: Value = Tensor(IMAGE, graph.add("Cast", images, to=FLOAT))
    result = _walk(graph, model, [pixels if shape == IMAGE else _reshaped(graph, pixels, shape)])
    logits = result.logits if isinstance(result, Softmaxed) else result
    return Network(graph, graph.name(logits), row[0], isinstance(result, Softmaxed))


def _walk(graph: Graph, model: keras.Model, given: Sequence[Value]) -> Value:
    """Convert the layers of a model; called again for models within it."""
    known = {id(tensor): value for tensor, value in zip(model.inputs, given, strict=True)}

    def value_of(tensor: Any) -> Value:
        if id(tensor) not in known:
            operation, node, _ = tensor._keras_history
            sources = [value_of(each) for each in operation._inbound_nodes[node].input_tensors]
            known[id(tensor)] = _converted(graph, operation, sources, tuple(tensor.shape[1:]))
        return known[id(tensor)]

    return value_of(model.outputs[0])


def _converted(graph: Graph, layer: Any, sources: Sequence[Value], shape: Shape) -> Value:
    if isinstance(layer, keras.Model):
        return _walk(graph, layer, sources)
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        raise _cannot(layer, "with channels first")
    for kind in type(layer).__mro__:
        if kind in TRAIN_ONLY:
            return sources[0]
        if kind in CONVERTERS:
            return CONVERTERS[kind](graph, layer, sources, shape)
    raise _cannot(layer)


def _cannot(layer: Any, what: str = "") -> UsageError:
    kind = " ".join(filter(None, [type(layer).__name__, what]))
    names = ", ".join(sorted(each.__name__ for each in (*CONVERTERS, *TRAIN_ONLY)))
    return UsageError(f"The layer {layer.name} ({kind}) cannot be exported. What can: {names}.")


def _dense(graph: Graph, layer: Any, sources: Sequence[Value], shape: Shape) -> Value:
    source, kernel = sources[0], _array(layer.kernel)
    if isinstance(source, Flat) and len(source.source.shape) == 3:
        name = graph.add("Flatten", graph.name(source.source), axis=1)
        kernel = kernel.reshape(*source.source.shape, -1).transpose(2, 0, 1, 3).reshape(len(kernel), -1)
    elif len(source.shape) == 1:
        name = graph.name(source)
    else:
        raise _cannot(layer, f"on shape {source.shape}")
    return _activated(graph, layer, Linear(shape, "Gemm", name, kernel.T, _bias(layer, shape[-1]), {"transB": 1}))


def _convolution(graph: Graph, layer: Any, sources: Sequence[Value], shape: Shape) -> Value:
    kernel = _array(layer.kernel).transpose(3, 2, 0, 1)  # height, width, in, out → out, in, height, width
    return _convolved(graph, layer, sources[0], shape, kernel, layer.groups)


def _depthwise(graph: Graph, layer: Any, sources: Sequence[Value], shape: Shape) -> Value:
    kernel = _array(layer.kernel).transpose(2, 3, 0, 1)  # height, width, in, each → in, each, height, width
    groups = len(kernel)
    return _convolved(graph, layer, sources[0], shape, kernel.reshape(-1, 1, *kernel.shape[2:]), groups)


def _convolved(graph: Graph, layer: Any, source: Value, shape: Shape, kernel: np.ndarray, groups: int) -> Value:
    size, strides, dilations = kernel.shape[2:], layer.strides, layer.dilation_rate
    attributes = {
        **_window(layer, source.shape, size, strides, dilations),
        "dilations": list(dilations),
        "group": groups,
    }
    bias = _bias(layer, len(kernel))
    return _activated(graph, layer, Linear(shape, "Conv", graph.name(source), kernel, bias, attributes))


def _pooling(operator: str) -> Converter:
    def convert(graph: Graph, layer: Any, sources: Sequence[Value], shape: Shape) -> Value:
        window = _window(layer, sources[0].shape, layer.pool_size, layer.strides, (1, 1))
        return Tensor(shape, graph.add(operator, graph.name(sources[0]), **window))

    return convert


def _window(
    layer: Any, shape: Shape, size: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> dict[str, Any]:
    """Size, strides and padding; Keras's 'same' puts what is odd behind, and how much there is depends on the image."""
    if layer.padding not in ("same", "valid"):
        raise _cannot(layer, f"with padding {layer.padding!r}")
    before, behind = [], []
    for length, width, stride, dilation in zip(shape, size, strides, dilations, strict=False):
        reach = (-(-length // stride) - 1) * stride + (width - 1) * dilation + 1
        missing = max(reach - length, 0) if layer.padding == "same" else 0
        before.append(missing // 2)
        behind.append(missing - missing // 2)
    return {"kernel_shape": list(size), "strides": list(strides), "pads": before + behind}


def _global_average(graph: Graph, layer: Any, sources: Sequence[Value], shape: Shape) -> Value:
    pooled = Tensor((1, 1, shape[-1]), graph.add("GlobalAveragePool", graph.name(sources[0])))
    return pooled if layer.keepdims else Flat(shape, pooled)


def _batch_normalisation(graph: Graph, layer: Any, sources: Sequence[Value], shape: Shape) -> Value:
    source = sources[0]
    if layer.axis not in (-1, len(shape)):
        raise _cannot(layer, f"over axis {layer.axis}")
    scale = 1 / np.sqrt(_array(layer.moving_variance) + layer.epsilon)
    scale = scale * _array(layer.gamma) if layer.scale else scale
    shift = (_array(layer.beta) if layer.center else 0) - _array(layer.moving_mean) * scale
    if isinstance(source, Linear):
        weights = source.weights * scale.reshape(-1, *[1] * (source.weights.ndim - 1))
        return replace(source, weights=weights, bias=source.bias * scale + shift)
    aligned = (-1, *[1] * (len(shape) - 1))
    scaled = graph.add("Mul", graph.name(source), scale.reshape(aligned))
    return Tensor(shape, graph.add("Add", scaled, shift.reshape(aligned)))


def _rescaling(graph: Graph, layer: Any, sources: Sequence[Value], shape: Shape) -> Value:
    if np.ndim(layer.scale) or np.ndim(layer.offset):
        raise _cannot(layer, "with a scale for each channel")
    name = graph.add("Mul", graph.name(sources[0]), np.array(layer.scale))
    return Tensor(shape, graph.add("Add", name, np.array(layer.offset)) if layer.offset else name)


def _flatten(_graph: Graph, _layer: Any, sources: Sequence[Value], shape: Shape) -> Value:
    return sources[0] if sources[0].shape == shape else Flat(shape, sources[0])


def _reshape(graph: Graph, _layer: Any, sources: Sequence[Value], shape: Shape) -> Value:
    return _reshaped(graph, sources[0], shape)


def _reshaped(graph: Graph, source: Value, shape: Shape) -> Value:
    plain = graph.name_in_keras_order(source)
    if len(shape) != 3:
        return Tensor(shape, graph.add("Reshape", plain, np.array([0, *shape])))  # 0: as many images as there are
    height, width, channels = shape
    if channels == 1:  # the same order in both
        return Tensor(shape, graph.add("Reshape", plain, np.array([0, 1, height, width])))
    return Tensor(shape, graph.add("Transpose", graph.add("Reshape", plain, np.array([0, *shape])), perm=[0, 3, 1, 2]))


def _add(graph: Graph, layer: Any, sources: Sequence[Value], shape: Shape) -> Value:
    if any(each.shape != shape for each in sources):
        raise _cannot(layer, "of different shapes")
    total = graph.name(sources[0])
    for each in sources[1:]:
        total = graph.add("Add", total, graph.name(each))
    return Tensor(shape, total)


def _relu(graph: Graph, layer: Any, sources: Sequence[Value], _shape: Shape) -> Value:
    if layer.max_value is not None or layer.negative_slope or layer.threshold:
        raise _cannot(layer, "with a bend of its own")
    return _applied(graph, "Relu", sources[0])


def _softmax(_graph: Graph, layer: Any, sources: Sequence[Value], shape: Shape) -> Value:
    if len(shape) != 1 or layer.axis not in (-1, 1):
        raise _cannot(layer, f"over axis {layer.axis} of shape {shape}")
    return Softmaxed(shape, sources[0])


def _activation(graph: Graph, layer: Any, sources: Sequence[Value], _shape: Shape) -> Value:
    return _activated(graph, layer, sources[0])


def _activated(graph: Graph, layer: Any, value: Value) -> Value:
    name = layer.activation.__name__
    if name == "linear":
        return value
    if name == "softmax" and len(value.shape) == 1:
        return Softmaxed(value.shape, value)
    if name not in ACTIVATIONS:
        raise _cannot(layer, f"with activation {name}")
    return _applied(graph, ACTIVATIONS[name], value)


def _applied(graph: Graph, operator: str, value: Value) -> Value:
    if isinstance(value, Flat):  # the order of the numbers is of no importance
        return replace(value, source=_applied(graph, operator, value.source))
    return Tensor(value.shape, graph.add(operator, graph.name(value)))


def _bias(layer: Any, outputs: int) -> np.ndarray:
    return _array(layer.bias) if layer.use_bias else np.zeros(outputs)


def _array(variable: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(variable), np.float64)


Converter = Callable[[Graph, Any, Sequence[Value], Shape], Value]
ACTIVATIONS: Mapping[str, str] = {"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh"}
CONVERTERS: Mapping[type, Converter] = {
    keras.layers.Activation: _activation,
    keras.layers.Add: _add,
    keras.layers.AveragePooling2D: _pooling("AveragePool"),
    keras.layers.BatchNormalization: _batch_normalisation,
    keras.layers.Conv2D: _convolution,
    keras.layers.Dense: _dense,
    keras.layers.DepthwiseConv2D: _depthwise,
    keras.layers.Flatten: _flatten,
    keras.layers.GlobalAveragePooling2D: _global_average,
    keras.layers.MaxPooling2D: _pooling("MaxPool"),
    keras.layers.ReLU: _relu,
    keras.layers.Rescaling: _rescaling,
    keras.layers.Reshape: _reshape,
    keras.layers.Softmax: _softmax,
}
TRAIN_ONLY = (
    keras.layers.ActivityRegularization,
    keras.layers.AlphaDropout,
    keras.layers.Dropout,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
    keras.layers.Identity,
    keras.layers.RandomContrast,
    keras.layers.RandomRotation,
    keras.layers.RandomTranslation,
    keras.layers.RandomZoom,
    keras.layers.SpatialDropout2D,
)
