"""Conversion of elementwise operations: each number of the result depends on the numbers at its place only."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mnistry.models.backend import jax
from mnistry.models.onnx_conversion.graph import (
    BOOL,
    FLOAT,
    INT64,
    Const,
    Graph,
    Linear,
    NoConversionError,
    Shape,
    Tensor,
    Value,
)

# (graph, inputs, shape of the result, parameters) → value
Conversion = Callable[[Graph, list[Value], Shape, Mapping[str, Any]], Value]


def order_of(given: Sequence[Value]) -> tuple[int, ...]:
    """The order of axes in which most of some values of the same shape are in the graph already."""
    orders = [each.order for each in given if not isinstance(each, Const)]
    odd = [order for order in orders if order != tuple(range(len(order)))]
    return next(iter(odd or orders))


def _elementwise(operator: str) -> Conversion:
    def convert(graph: Graph, given: list[Value], shape: Shape, _params: Mapping[str, Any]) -> Value:
        order = order_of([each for each in given if len(each.shape) == len(shape)])
        return Tensor(shape, graph.add(operator, *(_align(graph, each, order) for each in given)), order)

    return convert


def _align(graph: Graph, value: Value, order: tuple[int, ...]) -> str | np.ndarray:
    """An input of an elementwise operation; constants stay as small as they are."""
    if not isinstance(value, Const):
        return graph.name(value, order if len(value.shape) == len(order) else None)
    array = value.array
    if array.size == 1:
        return array.reshape(())
    return array.transpose(order) if array.ndim == len(order) else array


def _channels(value: Value, given: Linear) -> np.ndarray | None:
    """A constant as one number for each output of a linear operation; None if it is not that."""
    if not isinstance(value, Const):
        return None
    array, outputs = value.array.astype(np.float64), given.shape[-1]
    if array.size == 1:
        return np.full(outputs, float(array.reshape(())))
    return array.reshape(-1) if array.ndim and array.shape[-1] == array.size == outputs else None


def _folding(operator: str, fold: Callable[[Linear, np.ndarray], Linear], *, commutes: bool = False) -> Conversion:
    """An operation with a number for each channel, which goes into the linear operation before it."""

    def convert(graph: Graph, given: list[Value], shape: Shape, params: Mapping[str, Any]) -> Value:
        for one, other in (given, given[::-1]) if commutes else (given,):
            numbers = _channels(other, one) if isinstance(one, Linear) else None
            if isinstance(one, Linear) and numbers is not None and (operator != "Div" or numbers.all()):
                return fold(one, numbers)
        return _elementwise(operator)(graph, given, shape, params)

    return convert


def _max(graph: Graph, given: list[Value], shape: Shape, params: Mapping[str, Any]) -> Value:
    for one, other in (given, given[::-1]):
        if isinstance(other, Const) and not other.array.any() and not isinstance(one, Const):
            return _elementwise("Relu")(graph, [one], shape, params)
    return _elementwise("Max")(graph, given, shape, params)


def _chain(*operators: str) -> Conversion:
    """Several operations one after the other, all but the first of one input."""

    def convert(graph: Graph, given: list[Value], shape: Shape, params: Mapping[str, Any]) -> Value:
        value = given
        for operator in operators:
            value = [_elementwise(operator)(graph, value, shape, params)]
        return value[0]

    return convert


def _with(operator: str, constant: float, *, before: str = "", after: str = "", first: bool = False) -> Conversion:
    """An operation with a constant, perhaps with another one before or after it."""

    def convert(graph: Graph, given: list[Value], shape: Shape, params: Mapping[str, Any]) -> Value:
        value = _elementwise(before)(graph, given, shape, params) if before else given[0]
        pair: list[Value] = [value, Const((), np.array(constant, np.float32))]
        value = _elementwise(operator)(graph, pair[::-1] if first else pair, shape, params)
        return _elementwise(after)(graph, [value], shape, params) if after else value

    return convert


def _power(graph: Graph, given: list[Value], shape: Shape, params: Mapping[str, Any]) -> Value:
    exponent = params.get("y")
    if exponent == 2:
        return _square(graph, given, shape, params)
    pair = [given[0], Const((), np.array(exponent, np.float32))] if exponent is not None else given
    return _elementwise("Pow")(graph, list(pair), shape, params)


def _square(graph: Graph, given: list[Value], shape: Shape, params: Mapping[str, Any]) -> Value:
    return _elementwise("Mul")(graph, [given[0], given[0]], shape, params)


def _clamp(graph: Graph, given: list[Value], shape: Shape, params: Mapping[str, Any]) -> Value:
    low, value, high = given
    return _elementwise("Min")(graph, [_max(graph, [value, low], shape, params), high], shape, params)


def _select(graph: Graph, given: list[Value], shape: Shape, params: Mapping[str, Any]) -> Value:
    if len(given) != 3:
        raise NoConversionError("it selects among more than two values")
    condition, otherwise, value = given
    always = isinstance(condition, Const) and condition.array.all()
    never = isinstance(condition, Const) and not condition.array.any()
    chosen = value if always else otherwise
    if (always or never) and chosen.shape == shape:
        return chosen
    return _elementwise("Where")(graph, [condition, value, otherwise], shape, params)


def _convert_type(graph: Graph, given: list[Value], shape: Shape, params: Mapping[str, Any]) -> Value:
    (source,) = params["_equation"].invars
    kinds = [_kind(source.aval.dtype), _kind(params["new_dtype"])]
    if kinds[0] == kinds[1]:
        return given[0]
    order = order_of(given)
    return Tensor(shape, graph.add("Cast", graph.name(given[0], order), to=kinds[1]), order)


def as_float(graph: Graph, value: Value, dtype: Any) -> Value:
    """Give a value as float, where the program has it as whole numbers."""
    if isinstance(value, Const) or _kind(dtype) == FLOAT:
        return value
    order = order_of([value])
    return Tensor(value.shape, graph.add("Cast", graph.name(value, order), to=FLOAT), order)


def _kind(dtype: Any) -> int:
    if np.dtype(dtype).kind == "b":
        return BOOL
    return FLOAT if jax.numpy.issubdtype(dtype, np.floating) else INT64


def _same(_graph: Graph, given: list[Value], _shape: Shape, _params: Mapping[str, Any]) -> Value:
    return given[0]


ELEMENTWISE: Mapping[str, Conversion] = {
    **{
        name: _elementwise(operator)
        for name, operator in {
            "abs": "Abs", "and": "And", "ceil": "Ceil", "cos": "Cos", "eq": "Equal", "erf": "Erf", "exp": "Exp",
            "floor": "Floor", "ge": "GreaterOrEqual", "gt": "Greater", "le": "LessOrEqual", "log": "Log",
            "logistic": "Sigmoid", "lt": "Less", "min": "Min", "neg": "Neg", "not": "Not", "or": "Or", "round": "Round",
            "sign": "Sign", "sin": "Sin", "sqrt": "Sqrt", "tanh": "Tanh",
        }.items()
    },
    **dict.fromkeys(("add", "add_any"), _folding("Add", Linear.shift, commutes=True)),
    "clamp": _clamp,
    "convert_element_type": _convert_type,
    **dict.fromkeys(("copy", "copy_p", "reduce_precision", "stop_gradient"), _same),
    "div": _folding("Div", lambda linear, numbers: linear.scale(1 / numbers)),
    "erfc": _with("Sub", 1.0, before="Erf", first=True),
    "exp2": _with("Mul", math.log(2), after="Exp"),
    "expm1": _with("Sub", 1.0, before="Exp"),
    "integer_pow": _power,
    "is_finite": _with("Less", 3e38, before="Abs"),
    "log1p": _with("Add", 1.0, after="Log"),
    "max": _max,
    "mul": _folding("Mul", Linear.scale, commutes=True),
    "ne": _chain("Equal", "Not"),
    "pow": _power,
    "rsqrt": _chain("Sqrt", "Reciprocal"),
    "select_n": _select,
    "square": _square,
    "sub": _folding("Sub", lambda linear, numbers: linear.shift(-numbers)),
}  # fmt: skip
