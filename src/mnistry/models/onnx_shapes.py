"""The operations of a model file, and the shape of what each gives: reckoned before anything is computed.

A file can ask in a few bytes for an image of a thousand million pixels. So every shape is followed through the graph
first, and what is too large is refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

Shape = tuple[int, ...]
"""Of a tensor; a 0, which may stand first only, is the number of images."""

MAX_WINDOW = 64  # height, width, step or spread of what is slid over an image


@dataclass(frozen=True)
class Operation:
    """A node with what it takes.

    Attributes:
        operator: its name.
        shapes: of its inputs.
        constants: the value of each input that is constant, int64 or float32; None for the others.
        attributes: whole numbers, by name.
    """

    operator: str
    shapes: Sequence[Shape]
    constants: Sequence[np.ndarray | None]
    attributes: Mapping[str, list[int]]


class Given(NamedTuple):
    """Infer the shapes of the results of an operation, and the multiplications that an image takes at most."""

    shapes: list[Shape]
    products: int


def given(operation: Operation) -> Given:
    """Compute what an operation gives.

    Raises:
        ValueError: it is not among those that are exported, or does not fit what it takes; the text is a clause.
    """
    if operation.operator not in RULES:
        raise ValueError(f"it has the operation {operation.operator!r:.40}, which is none of those that are exported")
    rule, attributes = RULES[operation.operator]
    _require(set(operation.attributes) <= attributes, operation)
    try:
        return rule(operation)
    except (IndexError, KeyError, ValueError):
        raise _unfit(operation) from None


def values(shape: Shape) -> int:
    """Count the values of a tensor for one image.

    >>> values((0, 3, 4))
    12
    """
    return math.prod(length for length in shape if length)


def _unfit(operation: Operation) -> ValueError:
    shapes = " and ".join(map(str, operation.shapes))
    return ValueError(f"its operation {operation.operator} does not fit what it takes, {shapes or 'nothing':.80}")


def _require(holds: bool, operation: Operation) -> None:
    if not holds:
        raise _unfit(operation)


def _same(operation: Operation) -> Given:
    (shape,) = operation.shapes
    return Given([shape], values(shape))


def _softmax(operation: Operation) -> Given:
    _require(len(operation.shapes[0]) == 2 and operation.attributes == {"axis": [1]}, operation)
    return _same(operation)


def _pairwise(operation: Operation) -> Given:
    one, other = operation.shapes
    longer = max(len(one), len(other))
    pairs = list(zip((1,) * (longer - len(one)) + one, (1,) * (longer - len(other)) + other, strict=True))
    _require(all(left == right or 1 in (left, right) for left, right in pairs), operation)
    shape = tuple(right if left == 1 else left for left, right in pairs)
    _require(0 not in shape[1:], operation)
    return Given([shape], values(shape))


def _convolution(operation: Operation) -> Given:
    (n, channels, *image), (outputs, inputs, *size), bias = operation.shapes
    (groups,) = operation.attributes.get("group", [1])
    _require(n == 0 and operation.constants[1] is not None and bias == (outputs,) and groups >= 1, operation)
    _require(channels == inputs * groups and outputs % groups == 0, operation)
    _require(operation.attributes["kernel_shape"] == size, operation)
    shape = (0, outputs, *_slid(operation, image))
    return Given([shape], values(shape) * inputs * math.prod(size))


def _pooling(operation: Operation) -> Given:
    ((n, channels, *image),) = operation.shapes
    _require(n == 0, operation)
    shape = (0, channels, *_slid(operation, image))
    return Given([shape], values(shape) * math.prod(operation.attributes["kernel_shape"]))


def _slid(operation: Operation, image: Sequence[int]) -> list[int]:
    """Height and width of what a window gives that is slid over an image."""
    size, strides, pads = (operation.attributes[name] for name in ("kernel_shape", "strides", "pads"))
    dilations = operation.attributes.get("dilations", [1, 1])
    _require([len(each) for each in (image, size, strides, dilations, pads)] == [2, 2, 2, 2, 4], operation)
    _require(all(1 <= each <= MAX_WINDOW for each in (*size, *strides, *dilations)), operation)
    reach = [dilation * (width - 1) + 1 for dilation, width in zip(dilations, size, strict=True)]
    _require(all(0 <= pad < width for pad, width in zip(pads, reach * 2, strict=True)), operation)
    room = [image[axis] + pads[axis] + pads[axis + 2] - reach[axis] for axis in (0, 1)]
    _require(min(room) >= 0, operation)
    return [room[axis] // strides[axis] + 1 for axis in (0, 1)]


def _average(operation: Operation) -> Given:
    ((n, channels, height, width),) = operation.shapes
    _require(n == 0, operation)
    return Given([(0, channels, 1, 1)], channels * height * width)


def _product(operation: Operation) -> Given:
    (n, inputs), (outputs, width), bias = operation.shapes
    _require(n == 0 and operation.constants[1] is not None, operation)
    _require(operation.attributes == {"transB": [1]} and inputs == width and bias == (outputs,), operation)
    return Given([(0, outputs)], inputs * outputs)


def _reshape(operation: Operation) -> Given:
    n, *lengths = _numbers(operation, 1)  # 0 is what was there, here the number of images
    _require(n == 0 and min(lengths) >= 1 and operation.shapes[0][0] == 0, operation)
    _require(math.prod(lengths) == values(operation.shapes[0]), operation)
    return Given([(0, *lengths)], 0)


def _transpose(operation: Operation) -> Given:
    (shape,), order = operation.shapes, operation.attributes["perm"]
    _require(sorted(order) == list(range(len(shape))) and order[0] == 0 and shape[0] == 0, operation)
    return Given([tuple(shape[place] for place in order)], 0)


def _flatten(operation: Operation) -> Given:
    (shape,) = operation.shapes
    _require(shape[0] == 0 and operation.attributes == {"axis": [1]}, operation)
    return Given([(0, values(shape))], 0)


def _split(operation: Operation) -> Given:
    (n, length), parts = operation.shapes[0], _numbers(operation, 1)
    _require(n == 0 and operation.attributes == {"axis": [1]}, operation)
    _require(min(parts) >= 1 and sum(parts) == length, operation)
    return Given([(0, part) for part in parts], 0)


def _reduced(operation: Operation) -> Given:
    ((n, length),) = operation.shapes
    _require(n == 0 and operation.attributes == {"axes": [1], "keepdims": [0]}, operation)
    return Given([(0,)], length)


def _squeeze(operation: Operation) -> Given:
    _require(operation.shapes[0] == (0, 1) and _numbers(operation, 1) == [1], operation)
    return Given([(0,)], 0)


def _numbers(operation: Operation, place: int) -> list[int]:
    """A constant input of whole numbers."""
    constant = operation.constants[place]
    if constant is None or constant.dtype != np.int64 or constant.ndim != 1:
        raise _unfit(operation)
    return [int(number) for number in constant]


WINDOW = {"kernel_shape", "strides", "pads"}
RULES: Mapping[str, tuple[Callable[[Operation], Given], set[str]]] = {
    "Add": (_pairwise, set()),
    "AveragePool": (_pooling, WINDOW),
    "Cast": (_same, {"to"}),
    "Conv": (_convolution, WINDOW | {"dilations", "group"}),
    "Flatten": (_flatten, {"axis"}),
    "Gemm": (_product, {"transB"}),
    "GlobalAveragePool": (_average, set()),
    "MaxPool": (_pooling, WINDOW),
    "Mul": (_pairwise, set()),
    "ReduceLogSumExp": (_reduced, {"axes", "keepdims"}),
    "ReduceMax": (_reduced, {"axes", "keepdims"}),
    "Relu": (_same, set()),
    "Reshape": (_reshape, set()),
    "Sigmoid": (_same, set()),
    "Softmax": (_softmax, {"axis"}),
    "Split": (_split, {"axis"}),
    "Squeeze": (_squeeze, set()),
    "Sub": (_pairwise, set()),
    "Tanh": (_same, set()),
    "Transpose": (_transpose, {"perm"}),
}
"""Each operation that the export writes, with the attributes that it may have."""
