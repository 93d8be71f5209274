"""Conversion of operations that move, slice, join and reduce arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mnistry.models.onnx_conversion import windows
from mnistry.models.onnx_conversion.elementwise import Conversion, order_of
from mnistry.models.onnx_conversion.graph import Const, Graph, Linear, N, NoConversionError, Shape, Tensor, Value


def reshape(graph: Graph, given: list[Value], shape: Shape, _params: Mapping[str, Any]) -> Value:
    """Convert a reshape."""
    return change_shape(graph, given[0], shape)


def change_shape(graph: Graph, value: Value, shape: Shape) -> Value:
    """Reshape a value; one axis at most counts images."""
    if value.shape == shape:
        return value
    if isinstance(value, Const):
        longer = [length for length in value.shape if length != 1]
        if longer == [length for length in shape if length != 1] and value.array.ndim == len(value.shape):
            lengths = iter([a for a, length in zip(value.array.shape, value.shape, strict=True) if length != 1])
            return Const(shape, value.array.reshape([1 if length == 1 else next(lengths) for length in shape]))
        if any(length % N == 0 for length in shape):
            if value.array.size == 1:
                return Const(shape, value.array.reshape([1] * len(shape)))
            raise NoConversionError("it reshapes a constant by the number of images")
        return Const(shape, value.whole().reshape(shape))
    if sum(length % N == 0 for length in shape) > 1:
        raise NoConversionError("it mixes images")
    return Tensor(shape, graph.reshape(graph.name(value), shape), tuple(range(len(shape))))


def transpose(graph: Graph, given: list[Value], shape: Shape, params: Mapping[str, Any]) -> Value:
    """Convert a transposition: nothing is computed, the order of axes is noted."""
    value, axes = given[0], params["permutation"]
    if isinstance(value, Const):
        return Const(shape, value.array.transpose(axes) if value.array.ndim == len(axes) else value.array)
    tensor = graph.tensor(value)
    return Tensor(shape, tensor.name, tuple(axes.index(axis) for axis in tensor.order))


def broadcast(graph: Graph, given: list[Value], shape: Shape, params: Mapping[str, Any]) -> Value:
    """Convert a broadcast; what side-by-side operations broadcast themselves stays small."""
    value, places = given[0], params["broadcast_dimensions"]
    lengths = [1] * len(shape)
    for axis, place in enumerate(places):
        lengths[place] = value.shape[axis]
    if isinstance(value, Const):
        small = value.array if value.array.ndim == len(value.shape) else value.whole()
        sizes = [1] * len(shape)
        for axis, place in enumerate(places):
            sizes[place] = small.shape[axis]
        return Const(shape, small.reshape(sizes))
    found = change_shape(graph, value, tuple(lengths))
    if tuple(lengths) == shape:
        return found
    tensor = graph.tensor(found)
    wanted = [1 if length % N == 0 else length for length in shape]
    if any(length % N == 0 and own == 1 for length, own in zip(shape, lengths, strict=True)):
        raise NoConversionError("it repeats a value by the number of images")
    name = graph.add("Expand", tensor.name, [wanted[axis] for axis in tensor.order])
    return Tensor(shape, name, tensor.order)


def concatenate(graph: Graph, given: list[Value], shape: Shape, params: Mapping[str, Any]) -> Value:
    """Join values along an axis."""
    if any(isinstance(each, Const) and any(length % N == 0 for length in each.shape) for each in given):
        given = [_repeat(graph, each, given) for each in given]
    order = order_of(given)
    names = [graph.name(each, order) for each in given]
    return Tensor(shape, graph.add("Concat", *names, axis=order.index(params["dimension"])), order)


def _repeat(graph: Graph, value: Value, others: Sequence[Value]) -> Value:
    """A constant for each image, as a tensor: nought times an image's values is added."""
    if not isinstance(value, Const):
        return value
    source = next(each for each in others if not isinstance(each, Const) and len(each.shape) == len(value.shape))
    images = next(axis for axis, length in enumerate(value.shape) if length % N == 0)
    if source.shape[images] != value.shape[images]:
        raise NoConversionError("it repeats a constant by the number of images")
    lengths = tuple(length if axis == images else 1 for axis, length in enumerate(source.shape))
    one = cut(graph, source, [0] * len(lengths), lengths)
    nought = graph.add("Mul", graph.name(one), 0.0)
    return Tensor(value.shape, graph.add("Add", nought, value.whole()), tuple(range(len(value.shape))))


def slice_parts(graph: Graph, given: list[Value], shape: Shape, params: Mapping[str, Any]) -> Value:
    """Convert a slice."""
    return cut(graph, given[0], params["start_indices"], shape, params["strides"])


def cut(graph: Graph, value: Value, starts: Sequence[int], shape: Shape, strides: Sequence[int] | None = None) -> Value:
    """A part of a value: from each start, as long as the shape says, in some steps."""
    strides = strides or [1] * len(shape)
    axes = [
        axis for axis in range(len(shape)) if (starts[axis], strides[axis], value.shape[axis]) != (0, 1, shape[axis])
    ]
    if any(value.shape[axis] % N == 0 for axis in axes):
        raise NoConversionError("it takes some images out of several")
    if not axes:
        return value
    ends = [start + (length - 1) * step + 1 for start, length, step in zip(starts, shape, strides, strict=True)]
    if isinstance(value, Const):
        parts = tuple(
            slice(starts[axis], ends[axis], strides[axis]) if axis in axes and length != 1 else slice(None)
            for axis, length in enumerate(value.array.shape)
        )
        return Const(shape, value.array[parts])
    tensor = graph.tensor(value)
    numbers = (
        [each[axis] for axis in axes] for each in (starts, ends, [*map(tensor.order.index, range(len(shape)))], strides)
    )
    return Tensor(shape, graph.add("Slice", tensor.name, *numbers), tensor.order)


def cut_along(graph: Graph, value: Value, axis: int, start: int, length: int) -> Value:
    """A part of a value along one axis."""
    starts, shape = [0] * len(value.shape), list(value.shape)
    starts[axis], shape[axis] = start, length
    return cut(graph, value, starts, tuple(shape))


def dynamic_slice(graph: Graph, given: list[Value], shape: Shape, _params: Mapping[str, Any]) -> Value:
    """Convert a slice from a place that must be constant."""
    starts = [int(each.array.reshape(())) if isinstance(each, Const) else -1 for each in given[1:]]
    starts = [start if start >= 0 or given[0].shape[axis] != shape[axis] else 0 for axis, start in enumerate(starts)]
    if min(starts) < 0:
        raise NoConversionError("it takes a part of a value from a place that depends on the image")
    return cut(graph, given[0], starts, shape)


def gather(graph: Graph, given: list[Value], shape: Shape, params: Mapping[str, Any]) -> Value:
    """Numbered parts of a value along one axis, where the numbers are constant."""
    value, indices = given
    numbers, sizes = params["dimension_numbers"], params["slice_sizes"]
    if not isinstance(indices, Const) or len(numbers.start_index_map) != 1:
        raise NoConversionError("it gathers by indices that depend on the image")
    (axis,), picked = numbers.start_index_map, indices.whole()
    whole = all(
        size == length for place, (size, length) in enumerate(zip(sizes, value.shape, strict=True)) if place != axis
    )
    if not whole or picked.shape[-1] != 1 or value.shape[axis] % N == 0:
        raise NoConversionError("it gathers parts of several axes")
    if picked.size == 1:
        start = min(max(int(picked.reshape(())), 0), value.shape[axis] - sizes[axis])
        return change_shape(graph, cut_along(graph, value, axis, start, sizes[axis]), shape)
    if tuple(numbers.collapsed_slice_dims) != (axis,) or picked.ndim != 2 or isinstance(value, Const):
        raise NoConversionError("it gathers several parts at a time")
    name = graph.add("Gather", graph.name(value), picked[:, 0].astype(np.int64), axis=axis)
    moved = list(range(len(value.shape)))
    batch = next(place for place in range(len(shape)) if place not in numbers.offset_dims)
    order = [place for place in moved if place != axis]
    order.insert(batch, axis)
    lengths = [len(picked) if place == axis else length for place, length in enumerate(value.shape)]
    return transpose(graph, [Tensor(tuple(lengths), name, tuple(moved))], shape, {"permutation": tuple(order)})


def reverse(graph: Graph, given: list[Value], shape: Shape, params: Mapping[str, Any]) -> Value:
    """Reverse the order along axes."""
    value = given[0]
    for axis in params["dimensions"]:
        if shape[axis] % N == 0:
            raise NoConversionError("it reverses the order of images")
        tensor = graph.tensor(value)
        name = graph.add("Gather", tensor.name, [*range(shape[axis])][::-1], axis=tensor.order.index(axis))
        value = Tensor(shape, name, tensor.order)
    return value


def pad(graph: Graph, given: list[Value], shape: Shape, params: Mapping[str, Any]) -> Value:
    """Pad a value, or cut it where the padding is negative."""
    value, filling = given
    config = params["padding_config"]
    if not isinstance(filling, Const):
        raise NoConversionError("it pads with a value that depends on the image")
    for axis, (_, _, interior) in enumerate(config):
        value = windows.spread(graph, value, axis, interior, filling) if interior else value
    starts = [max(0, -low) for low, _, _ in config]
    lengths = tuple(
        length - start - max(0, -high) for length, start, (_, high, _) in zip(value.shape, starts, config, strict=True)
    )
    value = cut(graph, value, starts, lengths)
    tensor = graph.tensor(value)
    pads = [max(0, config[axis][side]) for side in (0, 1) for axis in tensor.order]
    if not any(pads):
        return value
    name = graph.add("Pad", tensor.name, pads, filling.array.reshape(()).astype(np.float32))
    return Tensor(shape, name, tensor.order)


def reduce_axes(operator: str) -> Conversion:
    """Make the conversion of a sum, or of the largest or least number, over axes."""

    def convert(graph: Graph, given: list[Value], shape: Shape, params: Mapping[str, Any]) -> Value:
        axes = params["axes"]
        if any(given[0].shape[axis] % N == 0 for axis in axes):
            raise NoConversionError("it mixes images")
        tensor = graph.tensor(given[0])
        places = [tensor.order.index(axis) for axis in axes]
        rest = [axis for axis in tensor.order if axis not in axes]
        order = tuple(sorted(rest).index(axis) for axis in rest)
        if operator == "ReduceSum":
            name = graph.add(operator, tensor.name, places, keepdims=0)
        else:
            name = graph.add(operator, tensor.name, axes=places, keepdims=0)
        return Tensor(shape, name, order)

    return convert


def sort(graph: Graph, given: list[Value], shape: Shape, params: Mapping[str, Any]) -> Value:
    """Convert a sort along an axis."""
    axis = params["dimension"]
    if len(given) != 1 or shape[axis] % N == 0:
        raise NoConversionError("it sorts several values at once")
    tensor = graph.tensor(given[0])
    outputs = [f"{tensor.name}sort", f"{tensor.name}_places"]
    name = graph.add("TopK", tensor.name, [shape[axis]], outputs=outputs, axis=tensor.order.index(axis), largest=0)
    return Tensor(shape, name, tensor.order)


def cumulative_sum(graph: Graph, given: list[Value], shape: Shape, params: Mapping[str, Any]) -> Value:
    """Convert a cumulative sum along an axis."""
    tensor = graph.tensor(given[0])
    axis = tensor.order.index(params["axis"])
    return Tensor(shape, graph.add("CumSum", tensor.name, axis, reverse=int(params["reverse"])), tensor.order)


def product(graph: Graph, given: list[Value], shape: Shape, params: Mapping[str, Any]) -> Value:
    """A product of tensors, as one of matrices."""
    (left_axes, right_axes), (left_batch, right_batch) = params["dimension_numbers"]
    left, right = given
    if isinstance(left, Const) and not left_batch and not isinstance(right, Const):
        rest = len(right.shape) - len(right_axes)
        flipped = {"dimension_numbers": ((right_axes, left_axes), ((), ()))}
        inner = len(left.shape) - len(left_axes)
        moved = (*range(rest, rest + inner), *range(rest))
        lengths = tuple(shape[moved.index(axis)] for axis in range(len(shape)))
        return transpose(graph, [product(graph, [right, left], lengths, flipped)], shape, {"permutation": moved})
    left_free = [axis for axis in range(len(left.shape)) if axis not in (*left_axes, *left_batch)]
    right_free = [axis for axis in range(len(right.shape)) if axis not in (*right_axes, *right_batch)]
    inner = math.prod(left.shape[axis] for axis in left_axes)
    outer = math.prod(right.shape[axis] for axis in right_free)
    if isinstance(right, Const) and not right_batch:
        weights = right.whole().transpose([*right_axes, *right_free]).reshape(inner, outer).astype(np.float64)
        free = [left.shape[axis] for axis in left_free]
        source = permute(graph, left, [*left_free, *left_axes])
        name = graph.name(change_shape(graph, source, (*free, inner)))
        flat = Linear((*free, outer), tuple(range(len(free) + 1)), "MatMul", name, weights, np.zeros(outer), {})
        return flat if flat.shape == shape else change_shape(graph, flat, shape)
    batch = [left.shape[axis] for axis in left_batch]
    rows = math.prod(left.shape[axis] for axis in left_free)
    one = change_shape(graph, permute(graph, left, [*left_batch, *left_free, *left_axes]), (*batch, rows, inner))
    other = change_shape(graph, permute(graph, right, [*right_batch, *right_axes, *right_free]), (*batch, inner, outer))
    name = graph.add("MatMul", graph.name(one), graph.name(other))
    return change_shape(graph, Tensor((*batch, rows, outer), name, tuple(range(len(batch) + 2))), shape)


def permute(graph: Graph, value: Value, axes: Sequence[int]) -> Value:
    """Bring the axes of a value into another order."""
    return transpose(graph, [value], tuple(value.shape[axis] for axis in axes), {"permutation": tuple(axes)})


def step_of(graph: Graph, value: Value, step: int) -> Value:
    """One step of a sequence, whose first axis counts steps."""
    return change_shape(graph, cut_along(graph, value, 0, step, 1), value.shape[1:])


def with_axis(shape: Shape, axis: int) -> Shape:
    """Put an axis of length 1 into a shape."""
    return (*shape[:axis], 1, *shape[axis:])


def stack(graph: Graph, parts: list[Value]) -> Value:
    """Join values along a new first axis."""
    rows = [change_shape(graph, each, (1, *each.shape)) for each in parts]
    if len(rows) == 1:
        return rows[0]
    return concatenate(graph, rows, (len(rows), *parts[0].shape), {"dimension": 0})
