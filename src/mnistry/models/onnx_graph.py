"""Operations and values on the way from Keras to ONNX.

Keras keeps images as height, width, channels; ONNX as channels, height, width. A value carries the shape that Keras has
for it; the graph's tensors have ONNX's order. A value is put into the graph when somebody needs it, so that what comes
after it can still change how it is computed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Node:
    """One operation.

    Attributes:
        operator: its name in ONNX.
        inputs: names of tensors.
        outputs: the names of its results.
        attributes: its settings, by their names in ONNX.
    """

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Tensor:
    """The contents of the graph so far."""

    shape: Shape
    name: str


@dataclass(frozen=True, eq=False)
class Linear:
    """A convolution or a matrix product that a batch normalisation may still go into.

    Attributes:
        shape: of its result.
        operator: Conv or Gemm.
        source: the tensor that it takes.
        weights: float (outputs, ...), in ONNX's order.
        bias: float (outputs,).
        attributes: as in a node.
    """

    shape: Shape
    operator: str
    source: str
    weights: np.ndarray
    bias: np.ndarray
    attributes: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Flat:
    """A value in one row: in Keras's order, if anybody but a Dense needs it."""

    shape: Shape
    source: Value


@dataclass(frozen=True, eq=False)
class Softmaxed:
    """Probabilities, and the logits that they come from."""

    shape: Shape
    logits: Value


Value = Tensor | Linear | Flat | Softmaxed
"""A layer's output; its shape is Keras's, without the batch."""


@dataclass(eq=False)
class Graph:
    """Operations in the order in which they are computed, and the constants that they take.

    Attributes:
        nodes: the operations.
        constants: arrays by name, float32 or int64.
    """

    nodes: list[Node] = field(default_factory=list)
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    _names: dict[Value, str] = field(default_factory=dict)

    def add(self, operator: str, *inputs: str | np.ndarray, outputs: Sequence[str] = (), **attributes: Any) -> str:
        """Add an operation; arrays among its inputs become constants. Returns the name of its first output."""
        made = f"{operator.lower()}_{len(self.nodes)}"
        named = tuple(self._constant(f"{made}_{place}", each) for place, each in enumerate(inputs))
        self.nodes.append(Node(operator, named, tuple(outputs) or (made,), attributes))
        return self.nodes[-1].outputs[0]

    def name(self, value: Value) -> str:
        """The tensor of a value, in ONNX's order; computed once."""
        if value not in self._names:
            self._names[value] = self._computed(value)
        return self._names[value]

    def name_in_keras_order(self, value: Value) -> str:
        """The tensor of a value, in Keras's order."""
        if len(value.shape) == 3 and value.shape[2] > 1 and value.shape[:2] != (1, 1):
            return self.add("Transpose", self.name(value), perm=[0, 2, 3, 1])
        return self.name(value)

    def _computed(self, value: Value) -> str:
        match value:
            case Tensor():
                return value.name
            case Linear():
                return self.add(value.operator, value.source, value.weights, value.bias, **value.attributes)
            case Flat():
                return self.add("Flatten", self.name_in_keras_order(value.source), axis=1)
            case Softmaxed():
                return self.add("Softmax", self.name(value.logits), axis=1)

    def _constant(self, name: str, given: str | np.ndarray) -> str:
        if isinstance(given, str):
            return given
        self.constants[name] = given if given.dtype == np.int64 else np.asarray(given, np.float32)
        return name
