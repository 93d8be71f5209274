"""The graph in which a converted model is built: ONNX operations, and values on their way from JAX.

JAX keeps images as height, width, channels; ONNX's convolutions want channels first. So a value may be in the graph
with its axes in another order than JAX has them, and is brought back only where somebody needs that. A convolution or
matrix product waits, too, so that a scale or shift after it can go into its weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

N = 7919  # in place of the number of images where a network is traced: a prime, as no network's own size is
FLOAT, INT64, BOOL = 1, 7, 9  # ONNX's numbers for types

Shape = tuple[int, ...]
"""As JAX has it; a multiple of N is that multiple of the number of images."""


class NoConversionError(Exception):
    """An operation of JAX that is not converted; the text names it."""


@dataclass(frozen=True)
class Node:
    """One operation: its name in ONNX, the names of its inputs and outputs, and its attributes."""

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Const:
    """A constant. Its array may have a length of 1 where the shape has more: all there are alike."""

    shape: Shape
    array: np.ndarray

    def whole(self) -> np.ndarray:
        """The array in its full shape; 1 where the number of images is."""
        return np.broadcast_to(self.array, [1 if length % N == 0 else length for length in self.shape])


@dataclass(frozen=True, eq=False)
class Tensor:
    """A result in the graph: axis i there is axis `order[i]` of the value."""

    shape: Shape
    name: str
    order: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Linear:
    """A convolution or matrix product that a scale or a shift of each channel may still go into.

    Attributes:
        shape: of its result.
        order: as a tensor's.
        operator: Conv or MatMul.
        source: the tensor that it takes.
        weights: float (outputs, …) of a Conv, (…, outputs) of a MatMul.
        bias: float (outputs,).
        attributes: as in a node.
    """

    shape: Shape
    order: tuple[int, ...]
    operator: str
    source: str
    weights: np.ndarray
    bias: np.ndarray
    attributes: Mapping[str, Any]

    def scale(self, factor: np.ndarray) -> Linear:
        """The same with a factor for each output."""
        aligned = factor.reshape(-1, *[1] * (self.weights.ndim - 1)) if self.operator == "Conv" else factor
        return replace(self, weights=self.weights * aligned, bias=self.bias * factor)

    def shift(self, shift: np.ndarray) -> Linear:
        """The same with something added to each output."""
        return replace(self, bias=self.bias + shift)


Value = Const | Tensor | Linear
Input = str | np.ndarray | float | list[int]
"""Of an operation: the name of a tensor; or a constant, of which lists and bare integers become int64."""


@dataclass(eq=False)
class Graph:
    """Operations in the order in which they are computed, and their constants, float32 or int64, by name."""

    nodes: list[Node] = field(default_factory=list)
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    _tensors: dict[int, tuple[Value, Tensor]] = field(default_factory=dict)
    _shared: dict[tuple[Any, ...], str] = field(default_factory=dict)

    def add(self, operator: str, *inputs: Input, outputs: Sequence[str] = (), **attributes: Any) -> str:
        """Add an operation. Returns the name of its first output."""
        made = f"{operator.lower()}_{len(self.nodes)}"
        named = tuple(self._constant(f"{made}_{place}", each) for place, each in enumerate(inputs))
        self.nodes.append(Node(operator, named, tuple(outputs) or (made,), attributes))
        return self.nodes[-1].outputs[0]

    def tensor(self, value: Value) -> Tensor:
        """Put a value into the graph; once only."""
        if isinstance(value, Tensor):
            return value
        if id(value) not in self._tensors:
            self._tensors[id(value)] = (value, self._put(value))
        return self._tensors[id(value)][1]

    def name(self, value: Value, order: Sequence[int] | None = None) -> str:
        """The name of a value's tensor, its axes in some order; as JAX has them if none is named."""
        wanted = tuple(range(len(value.shape)) if order is None else order)
        if isinstance(value, Const):
            array = np.ascontiguousarray(value.whole().transpose(wanted))
            return self._constant(f"constant_{len(self.constants)}", array)
        tensor = self.tensor(value)
        if tensor.order == wanted:
            return tensor.name
        moved = [tensor.order.index(axis) for axis in wanted]
        lengths = [value.shape[axis] for axis in wanted]
        key = (tensor.name, wanted)
        if key not in self._shared:
            longer = [axis for axis in tensor.order if value.shape[axis] != 1]
            if longer == [axis for axis in wanted if value.shape[axis] != 1]:  # the same order in memory
                self._shared[key] = self.reshape(tensor.name, lengths)
            else:
                self._shared[key] = self.add("Transpose", tensor.name, perm=moved)
        return self._shared[key]

    def reshape(self, name: str, shape: Sequence[int]) -> str:
        """Add a reshape; at most one axis counts images."""
        return self.add("Reshape", name, [-1 if length % N == 0 else length for length in shape])

    def prune(self, outputs: Sequence[str]) -> None:
        """Remove operations and constants that no output needs."""
        needed, nodes = set(outputs), []
        for node in reversed(self.nodes):
            if needed & set(node.outputs):
                nodes.append(node)
                needed |= set(node.inputs)
        self.nodes = nodes[::-1]
        self.constants = {name: array for name, array in self.constants.items() if name in needed}

    def _put(self, value: Const | Linear) -> Tensor:
        plain = tuple(range(len(value.shape)))
        if isinstance(value, Const):
            return Tensor(value.shape, self.name(value), plain)
        if value.operator == "Conv":
            made = self.add("Conv", value.source, value.weights, value.bias, **value.attributes)
        elif len(value.shape) == 2:
            made = self.add("Gemm", value.source, value.weights.T, value.bias, transB=1)
        else:
            made = self.add("MatMul", value.source, value.weights)
            made = self.add("Add", made, value.bias) if value.bias.any() else made
        return Tensor(value.shape, made, value.order)

    def _constant(self, name: str, given: Input) -> str:
        if isinstance(given, str):
            return given
        array = np.asarray(given)
        kept = array if array.dtype in (np.int64, bool) else array.astype(np.float32, copy=False)
        if kept.dtype == np.float32 and np.isinf(kept).any():
            kept = np.nan_to_num(kept)  # the largest number that there is
        if kept.size <= 16:  # small ones are shared
            key = (kept.tobytes(), kept.shape, kept.dtype.str)
            name = self._shared.setdefault(key, name)
        self.constants[name] = kept
        return name
