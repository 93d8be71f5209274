"""Shape inference for a model file, before anything is run: the operations allowed, and the shape of each result.

A file can ask in a few bytes for an image of a thousand million pixels. So every shape is followed through the graph
first, and anything too large is refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

Shape = tuple[int, ...]
"""Of a tensor; -1 is the number of images, -k is k times as many."""

MAX_WINDOW = 64  # height, width, step or spread of a window that slides over an image
MAX_AXES = 8


@dataclass(frozen=True)
class Operation:
    """A node with its inputs.

    Attributes:
        operator: its name.
        shapes: of its inputs.
        constants: the value of each input that is constant; None for the others.
        attributes: whole numbers, by name.
    """

    operator: str
    shapes: Sequence[Shape]
    constants: Sequence[np.ndarray | None]
    attributes: Mapping[str, list[int]]


class Given(NamedTuple):
    """The results of an operation: their shapes, and the multiplications that an image takes, at most."""

    shapes: list[Shape]
    products: int


def given(operation: Operation) -> Given:
    """Reckon the results of an operation.

    Raises:
        ValueError: it is not among those that are exported, or does not fit its inputs; the text is a clause.
    """
    if operation.operator not in RULES:
        raise ValueError(f"it has the operation {operation.operator!r:.40}, which is none of those that are exported")
    rule, attributes = RULES[operation.operator]
    try:
        _require(set(operation.attributes) <= attributes)
        result = rule(operation)
        for shape in result.shapes:
            _require(len(shape) <= MAX_AXES and 0 not in shape and sum(length < 0 for length in shape) <= 1)
    except (IndexError, KeyError, ValueError, TypeError, ZeroDivisionError):
        shapes = " and ".join(map(str, operation.shapes)) or "nothing"
        raise ValueError(f"its operation {operation.operator} does not fit what it takes, {shapes:.80}") from None
    return result


def values(shape: Shape) -> int:
    """The number of values of a tensor for one image.

    >>> values((-1, 3, 4)), values((-2, 5))
    (12, 10)
    """
    return math.prod(map(abs, shape))


def _require(holds: bool) -> None:
    if not holds:
        raise ValueError


def _same(operation: Operation) -> Given:
    (shape,) = operation.shapes
    return Given([shape], values(shape))


def _cast(operation: Operation) -> Given:
    _require(operation.attributes["to"] in ([1], [7], [9]))  # float32, int64, bool
    return _same(operation)


def _softmax(operation: Operation) -> Given:
    (shape,) = operation.shapes
    (axis,) = operation.attributes["axis"]
    _require(0 <= axis < len(shape) and shape[axis] > 0)
    return _same(operation)


def _broadcast(operation: Operation) -> Given:
    """Operations on values side by side, of two or three inputs."""
    _require(2 <= len(operation.shapes) <= 3)
    shape = _together(operation.shapes)
    return Given([shape], values(shape))


def _together(shapes: Sequence[Shape]) -> Shape:
    longest = max(map(len, shapes))
    aligned = [(1,) * (longest - len(shape)) + shape for shape in shapes]
    result = []
    for lengths in zip(*aligned, strict=True):
        longer = {length for length in lengths if length != 1}
        _require(len(longer) <= 1)
        result.append(next(iter(longer), 1))
    return tuple(result)


def _convolution(operation: Operation) -> Given:
    (n, channels, *image), (outputs, inputs, *size), bias = operation.shapes
    (groups,) = operation.attributes.get("group", [1])
    _require(n < 0 and operation.constants[1] is not None and bias == (outputs,) and groups >= 1)
    _require(channels == inputs * groups and outputs % groups == 0 and operation.attributes["kernel_shape"] == size)
    shape = (n, outputs, *_slid(operation, image))
    return Given([shape], values(shape) * inputs * math.prod(size))


def _conv_transpose(operation: Operation) -> Given:
    (n, channels, *image), (inputs, each, *size), bias = operation.shapes
    attributes = operation.attributes
    (groups,) = attributes["group"]
    _require(n < 0 and groups >= 1 and channels == inputs and inputs % groups == 0)
    _require(operation.constants[1] is not None and bias == (each * groups,))
    names = ("kernel_shape", "strides", "dilations", "output_padding")
    kernel, strides, dilations, more = (attributes[name] for name in names)
    pads, axes = attributes["pads"], len(image)
    _require(axes in (1, 2) and kernel == size and {len(part) for part in (strides, dilations, more)} == {axes})
    _require(len(pads) == 2 * axes and min([*pads, *more]) >= 0 and max([*pads, *more]) <= MAX_WINDOW)
    _require(all(1 <= number <= MAX_WINDOW for number in (*size, *strides, *dilations)))
    lengths = [
        strides[axis] * (image[axis] - 1)
        + more[axis]
        + (size[axis] - 1) * dilations[axis]
        + 1
        - pads[axis]
        - pads[axis + axes]
        for axis in range(axes)
    ]
    _require(min(lengths) >= 1)
    products = values((n, channels, *image)) * each * math.prod(size)
    return Given([(n, each * groups, *lengths)], products)


def _pooling(operation: Operation) -> Given:
    ((n, channels, *image),) = operation.shapes
    _require(n < 0 and operation.attributes.get("count_include_pad", [1]) == [1])
    shape = (n, channels, *_slid(operation, image))
    return Given([shape], values(shape) * math.prod(operation.attributes["kernel_shape"]))


def _slid(operation: Operation, image: Sequence[int]) -> list[int]:
    """The sides of the result of a window that is slid over an image, or over a row."""
    size, strides, pads = (operation.attributes[name] for name in ("kernel_shape", "strides", "pads"))
    axes = len(image)
    dilations = operation.attributes.get("dilations", [1] * axes)
    _require(axes in (1, 2) and len(pads) == 2 * axes and {len(each) for each in (size, strides, dilations)} == {axes})
    _require(all(1 <= each <= MAX_WINDOW for each in (*size, *strides, *dilations)))
    reach = [dilation * (width - 1) + 1 for dilation, width in zip(dilations, size, strict=True)]
    _require(all(0 <= pad < width or pad == 0 for pad, width in zip(pads, reach * 2, strict=True)))
    room = [image[axis] + pads[axis] + pads[axis + axes] - reach[axis] for axis in range(axes)]
    _require(min(room) >= 0 and min(image) > 0)
    return [room[axis] // strides[axis] + 1 for axis in range(axes)]


def _average(operation: Operation) -> Given:
    ((n, channels, height, width),) = operation.shapes
    _require(n < 0)
    return Given([(n, channels, 1, 1)], channels * abs(n) * height * width)


def _product(operation: Operation) -> Given:
    (n, inputs), (outputs, width), bias = operation.shapes
    _require(operation.constants[1] is not None and outputs > 0)
    _require(operation.attributes == {"transB": [1]} and inputs == width and bias == (outputs,))
    return Given([(n, outputs)], abs(n) * inputs * outputs)


def _matrices(operation: Operation) -> Given:
    (*batch, rows, inner), (*other, width, columns) = operation.shapes
    _require(inner == width and inner > 0)
    shape = (*_together([tuple(batch), tuple(other)]), rows, columns)
    return Given([shape], values(shape) * inner)


def _reshape(operation: Operation) -> Given:
    (shape, _), lengths = operation.shapes, _numbers(operation, 1)
    lengths = [shape[place] if length == 0 else length for place, length in enumerate(lengths)]
    known = math.prod(abs(length) for length in lengths if length != -1)
    count, rest = lengths.count(-1), values(shape) // known
    images = any(length < 0 for length in shape)
    _require(rest * known == values(shape) and rest >= 1 and count <= 1 and min(lengths, default=1) >= -1)
    _require(images == bool(count))  # -1 is where images are counted, and nowhere else
    return Given([tuple(-rest if length == -1 else length for length in lengths)], 0)


def _transpose(operation: Operation) -> Given:
    (shape,), order = operation.shapes, operation.attributes["perm"]
    _require(sorted(order) == list(range(len(shape))))
    return Given([tuple(shape[place] for place in order)], values(shape))


def _concatenation(operation: Operation) -> Given:
    (axis,), (first, *_) = operation.attributes["axis"], operation.shapes
    _require(0 <= axis < len(first) and all(len(shape) == len(first) for shape in operation.shapes))
    rest = {(*shape[:axis], *shape[axis + 1 :]) for shape in operation.shapes}
    _require(len(rest) == 1 and all(shape[axis] > 0 for shape in operation.shapes))
    shape = (*first[:axis], sum(shape[axis] for shape in operation.shapes), *first[axis + 1 :])
    return Given([shape], values(shape))


def _slice(operation: Operation) -> Given:
    shape = list(operation.shapes[0])
    parts = [_numbers(operation, place) for place in (1, 2, 3, 4)]
    _require(len({len(part) for part in parts}) == 1 and len(set(parts[2])) == len(parts[2]))
    for start, end, axis, step in zip(*parts, strict=True):
        _require(0 <= axis < len(shape) and 0 <= start < end <= shape[axis] and step >= 1)
        shape[axis] = -(-(end - start) // step)
    return Given([tuple(shape)], values(tuple(shape)))


def _pad(operation: Operation) -> Given:
    shape, pads = operation.shapes[0], _numbers(operation, 1)
    _require(len(pads) == 2 * len(shape) and min(pads) >= 0)
    _require(len(operation.shapes) == 3 and operation.shapes[2] == () and operation.constants[2] is not None)
    padded = []
    for axis, length in enumerate(shape):
        more = pads[axis] + pads[axis + len(shape)]
        _require(length > 0 or more == 0)
        padded.append(length + more)
    return Given([tuple(padded)], values(tuple(padded)))


def _expand(operation: Operation) -> Given:
    lengths = tuple(_numbers(operation, 1))
    _require(min(lengths, default=1) >= 1)
    shape = _together([operation.shapes[0], lengths])
    return Given([shape], values(shape))


def _gather(operation: Operation) -> Given:
    shape, indices = operation.shapes[0], _numbers(operation, 1)
    (axis,) = operation.attributes["axis"]
    _require(0 <= axis < len(shape) and all(0 <= each < shape[axis] for each in indices))
    picked = (*shape[:axis], len(indices), *shape[axis + 1 :])
    return Given([picked], values(picked))


def _flatten(operation: Operation) -> Given:
    (shape,) = operation.shapes
    _require(shape[0] < 0 and operation.attributes == {"axis": [1]})
    return Given([(shape[0], values(shape[1:]))], 0)


def _split(operation: Operation) -> Given:
    (n, length), parts = operation.shapes[0], _numbers(operation, 1)
    _require(operation.attributes == {"axis": [1]} and min(parts) >= 1 and sum(parts) == length)
    return Given([(n, part) for part in parts], 0)


def _sum(operation: Operation) -> Given:
    _require(operation.attributes == {"keepdims": [0]})
    return _without(operation, _numbers(operation, 1))


def _reduce(operation: Operation) -> Given:
    _require(operation.attributes["keepdims"] == [0] and len(operation.shapes) == 1)
    return _without(operation, operation.attributes["axes"])


def _without(operation: Operation, axes: Iterable[int]) -> Given:
    shape, gone = operation.shapes[0], set(axes)
    _require(bool(gone) and all(0 <= axis < len(shape) and shape[axis] > 0 for axis in gone))
    return Given([tuple(length for axis, length in enumerate(shape) if axis not in gone)], values(shape))


def _squeeze(operation: Operation) -> Given:
    _require(operation.shapes[0] == (-1, 1) and _numbers(operation, 1) == [1])
    return Given([(-1,)], 0)


def _sum_shapes(operation: Operation) -> Given:
    shape, axis = operation.shapes[0], operation.constants[1]
    _require(axis is not None and axis.dtype == np.int64 and axis.shape == ())
    _require(axis is not None and 0 <= int(axis) < len(shape) and shape[int(axis)] > 0)
    return Given([shape], values(shape))


def _sort(operation: Operation) -> Given:
    shape, (length,) = operation.shapes[0], _numbers(operation, 1)
    (axis,) = operation.attributes["axis"]
    _require(0 <= axis < len(shape) and shape[axis] == length)
    return Given([shape, shape], 16 * values(shape))


def _numbers(operation: Operation, place: int) -> list[int]:
    """A constant input of whole numbers."""
    constant = operation.constants[place]
    if constant is None or constant.dtype != np.int64 or constant.ndim != 1:
        raise ValueError
    return [int(number) for number in constant]


Rule = Callable[[Operation], Given]
WINDOW = {"kernel_shape", "strides", "pads"}
UNARY = (
    "Abs", "Ceil", "Cos", "Erf", "Exp", "Floor", "Log", "Neg", "Not", "Reciprocal", "Relu", "Round", "Sigmoid", "Sign",
    "Sin", "Sqrt", "Tanh",
)  # fmt: skip
SIDE_BY_SIDE = (
    "Add", "And", "Div", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max", "Min", "Mul", "Or", "Pow",
    "Sub", "Where",
)  # fmt: skip
RULES: Mapping[str, tuple[Rule, set[str]]] = {
    **{name: (_same, set[str]()) for name in UNARY},
    **{name: (_broadcast, set[str]()) for name in SIDE_BY_SIDE},
    "AveragePool": (_pooling, WINDOW | {"count_include_pad"}),
    "Cast": (_cast, {"to"}),
    "Concat": (_concatenation, {"axis"}),
    "Conv": (_convolution, WINDOW | {"dilations", "group"}),
    "ConvTranspose": (_conv_transpose, WINDOW | {"dilations", "group", "output_padding"}),
    "CumSum": (_sum_shapes, {"reverse"}),
    "Expand": (_expand, set()),
    "Flatten": (_flatten, {"axis"}),
    "Gather": (_gather, {"axis"}),
    "Gemm": (_product, {"transB"}),
    "GlobalAveragePool": (_average, set()),
    "MatMul": (_matrices, set()),
    "MaxPool": (_pooling, WINDOW),
    "Pad": (_pad, set()),
    "ReduceLogSumExp": (_reduce, {"axes", "keepdims"}),
    "ReduceMax": (_reduce, {"axes", "keepdims"}),
    "ReduceMin": (_reduce, {"axes", "keepdims"}),
    "ReduceSum": (_sum, {"keepdims"}),
    "Reshape": (_reshape, set()),
    "Slice": (_slice, set()),
    "Softmax": (_softmax, {"axis"}),
    "Split": (_split, {"axis"}),
    "Squeeze": (_squeeze, set()),
    "TopK": (_sort, {"axis", "largest"}),
    "Transpose": (_transpose, {"perm"}),
}
"""Each operation that the export writes, with the attributes that it may have."""
