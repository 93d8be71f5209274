"""Conversion of convolutions and poolings, which slide a window over images."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from mnistry.models.onnx_conversion.graph import Const, Graph, Linear, N, NoConversionError, Shape, Tensor, Value


def convolution(graph: Graph, given: list[Value], shape: Shape, params: Mapping[str, Any]) -> Value:
    """Convert a convolution, plain, grouped, dilated or transposed; the kernel must be constant."""
    source, kernel = given
    numbers = params["dimension_numbers"]
    left, right, out = numbers.lhs_spec, numbers.rhs_spec, numbers.out_spec
    if not isinstance(kernel, Const) or params["batch_group_count"] != 1:
        raise NoConversionError("it convolves with a kernel that depends on the image")
    weights = kernel.whole().transpose(right).astype(np.float64)  # out, in, height, width
    name = graph.name(source, left)  # n, channels, height, width
    groups, strides, padding = params["feature_group_count"], params["window_strides"], params["padding"]
    spread_, dilations = params["lhs_dilation"], params["rhs_dilation"]
    size, order = list(weights.shape[2:]), tuple(out)
    attributes: dict[str, Any] = {"kernel_shape": size, "group": groups, "dilations": list(dilations)}
    if all(each == 1 for each in spread_) and all(min(pair) >= 0 for pair in padding):
        pads = [low for low, _ in padding] + [high for _, high in padding]
        attributes |= {"strides": list(strides), "pads": pads}
        return Linear(shape, order, "Conv", name, weights, np.zeros(len(weights)), attributes)
    if any(each != 1 for each in strides):
        raise NoConversionError("it convolves with a step and spreads its input at once")
    reach = [dilation * (length - 1) for dilation, length in zip(dilations, weights.shape[2:], strict=True)]
    before = [far - low for far, (low, _) in zip(reach, padding, strict=True)]
    behind = [far - high for far, (_, high) in zip(reach, padding, strict=True)]
    if min(before) < 0:
        raise NoConversionError("it pads a transposed convolution by more than its kernel")
    outputs, inputs, *window = weights.shape
    flipped = weights[(slice(None), slice(None), *[slice(None, None, -1)] * len(window))]
    grouped = flipped.reshape(groups, outputs // groups, inputs, *window)
    turned = grouped.swapaxes(1, 2).reshape(groups * inputs, outputs // groups, *window)
    made = graph.add(
        "ConvTranspose",
        name,
        turned,
        np.zeros(outputs),
        strides=list(spread_),
        pads=before + [max(0, each) for each in behind],
        output_padding=[max(0, -each) for each in behind],
        **attributes,
    )
    return Tensor(shape, made, order)


def max_pooling(graph: Graph, given: list[Value], shape: Shape, params: Mapping[str, Any]) -> Value:
    """Convert a pooling by the largest value."""
    name, order, attributes = _window(graph, given[0], params)
    return Tensor(shape, graph.add("MaxPool", name, **attributes), order)


def sum_pooling(graph: Graph, given: list[Value], shape: Shape, params: Mapping[str, Any]) -> Value:
    """Convert a pooling by the sum: the mean, times the size of the window."""
    name, order, attributes = _window(graph, given[0], params)
    mean = graph.add("AveragePool", name, count_include_pad=1, **attributes)
    return Tensor(shape, graph.add("Mul", mean, float(math.prod(attributes["kernel_shape"]))), order)


def _window(graph: Graph, value: Value, params: Mapping[str, Any]) -> tuple[str, tuple[int, ...], dict[str, Any]]:
    """The tensor with images, channels and then the axes of the window, and the attributes of a pooling."""
    sizes, strides, padding = params["window_dimensions"], params["window_strides"], params["padding"]
    if any(each != 1 for each in (*params["base_dilation"], *params["window_dilation"])):
        raise NoConversionError("it pools with gaps")
    still = [axis for axis in range(len(sizes)) if (sizes[axis], strides[axis], tuple(padding[axis])) == (1, 1, (0, 0))]
    if not still or value.shape[0] % N or 0 not in still:
        raise NoConversionError("it pools over images")
    if len(still) == 1:
        raise NoConversionError("it pools over channels")
    channels = still[-1]
    moving = [axis for axis in range(len(sizes)) if axis not in (0, channels)]
    order = (0, channels, *moving)
    pads = [padding[axis][side] for side in (0, 1) for axis in moving]
    attributes = {
        "kernel_shape": [sizes[axis] for axis in moving],
        "strides": [strides[axis] for axis in moving],
        "pads": pads,
    }
    return graph.name(value, order), order, attributes


def spread(graph: Graph, value: Value, axis: int, gap: int, filling: Const) -> Value:
    """Put a gap between the values along an axis: they and the filling as one axis, less the last gap."""
    if filling.array.any() or isinstance(value, Const):
        raise NoConversionError("it spreads values apart")
    shape, name, length = value.shape, graph.name(value), value.shape[axis]
    before, after = shape[:axis], shape[axis + 1 :]
    apart = graph.reshape(name, (*before, length, 1, *after))
    pads = [0] * (2 * len(shape) + 2)
    pads[len(shape) + 1 + axis + 1] = gap
    padded = graph.add("Pad", apart, pads, 0.0)
    joined = graph.reshape(padded, (*before, length * (gap + 1), *after))
    end = length * (gap + 1) - gap
    cut = graph.add("Slice", joined, [0], [end], [axis], [1])
    return Tensor((*before, end, *after), cut, tuple(range(len(shape))))
