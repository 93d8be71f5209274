"""Shapes reckoned beforehand: those that ONNX's own inference finds, and everything unfit refused."""

from __future__ import annotations

import itertools

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from mnistry.models.onnx_shapes import RULES, Operation, given, values


def found_by_onnx(operator: str, shapes: list[tuple], constants: list, outputs: int, **attributes: object) -> list:
    """What ONNX's shape inference says, 0 for the number of images."""
    names = [f"in{place}" for place in range(len(shapes))]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [length or "n" for length in shape])
        for name, shape, constant in zip(names, shapes, constants, strict=True)
        if constant is None
    ]
    made = [f"out{place}" for place in range(outputs)]
    graph = helper.make_graph(
        [helper.make_node(operator, names, made, **attributes)],
        "one",
        inputs,
        [helper.make_empty_tensor_value_info(name) for name in made],
        [numpy_helper.from_array(each, name) for name, each in zip(names, constants, strict=True) if each is not None],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph.output
    return [tuple(each.dim_value for each in output.type.tensor_type.shape.dim) for output in inferred]


def weights(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


def operation(operator: str, *inputs: tuple | np.ndarray, **attributes: object) -> Operation:
    return Operation(
        operator,
        [each.shape if isinstance(each, np.ndarray) else each for each in inputs],
        [each if isinstance(each, np.ndarray) else None for each in inputs],
        {name: [value] if isinstance(value, int) else value for name, value in attributes.items()},
    )


IMAGE = (0, 3, 13, 10)
WINDOW = {"kernel_shape": [3, 2], "strides": [2, 3], "pads": [1, 0, 2, 1]}
CASES = {
    "Add": (IMAGE, weights(3, 1, 1)),
    "Sub": ((0,), (0,)),
    "Mul": (IMAGE, weights()),
    "Relu": (IMAGE,),
    "Tanh": (IMAGE,),
    "Sigmoid": ((0,),),
    "Cast": (IMAGE, {"to": 1}),
    "Softmax": ((0, 7), {"axis": 1}),
    "Conv": (IMAGE, weights(5, 3, 3, 2), weights(5), WINDOW | {"dilations": [2, 1], "group": 1}),
    "MaxPool": (IMAGE, WINDOW),
    "AveragePool": (IMAGE, WINDOW),
    "GlobalAveragePool": (IMAGE,),
    "Gemm": ((0, 6), weights(4, 6), weights(4), {"transB": 1}),
    "Reshape": (IMAGE, np.array([0, 130, 3])),
    "Transpose": (IMAGE, {"perm": [0, 2, 3, 1]}),
    "Flatten": (IMAGE, {"axis": 1}),
    "Split": ((0, 11), np.array([10, 1]), {"axis": 1}),
    "Squeeze": ((0, 1), np.array([1])),
    "ReduceMax": ((0, 11), {"axes": [1], "keepdims": 0}),
    "ReduceLogSumExp": ((0, 11), {"axes": [1], "keepdims": 0}),
}


def test_every_operation_has_its_case():
    assert set(CASES) == set(RULES)


@pytest.mark.parametrize("operator", CASES)
def test_the_shape_is_the_one_that_onnx_finds(operator):
    *inputs, last = CASES[operator]
    attributes = last if isinstance(last, dict) else {}
    asked = operation(operator, *inputs, *([] if attributes else [last]), **attributes)
    shapes = given(asked).shapes
    assert shapes == found_by_onnx(operator, asked.shapes, asked.constants, len(shapes), **attributes)


def test_windows_of_all_kinds_have_the_size_that_onnx_finds():
    settings = itertools.product([7, 12], [1, 3, 5], [1, 2, 5], [1, 2], [(0, 0), (1, 0), (0, 2)])
    tried = 0
    for length, width, stride, dilation, (before, behind) in settings:
        reach = dilation * (width - 1) + 1
        if max(before, behind) >= reach or reach > length + before + behind:
            continue
        attributes = {
            "kernel_shape": [width, 1],
            "strides": [stride, 1],
            "dilations": [dilation, 1],
            "pads": [before, 0, behind, 0],
            "group": 1,
        }
        asked = operation("Conv", (0, 1, length, 4), weights(2, 1, width, 1), weights(2), **attributes)
        assert given(asked).shapes == found_by_onnx("Conv", asked.shapes, asked.constants, 1, **attributes)
        tried += 1
    assert tried > 60


def test_multiplications_are_counted():
    # 7 × 4 places for each of 5 channels, and at each 3 × 3 × 2 weights.
    assert given(operation("Conv", IMAGE, weights(5, 3, 3, 2), weights(5), **WINDOW)).products == 7 * 4 * 5 * 3 * 3 * 2
    assert given(operation("Gemm", (0, 6), weights(4, 6), weights(4), transB=1)).products == 24


UNFIT = {
    "sum of other shapes": operation("Add", (0, 3), (0, 4)),
    "sum across the images": operation("Add", (0, 3), (0,)),
    "sum of every image with every other": operation("Add", (0, 1), (0,)),
    "sum of one": operation("Add", (0, 3)),
    "relu of two": operation("Relu", (0, 3), (0, 3)),
    "relu of none": operation("Relu"),
    "a setting that is not known": operation("MaxPool", IMAGE, **WINDOW, ceil_mode=1),
    "softmax over the images": operation("Softmax", (0, 7), axis=0),
    "softmax of images": operation("Softmax", IMAGE, axis=1),
    "convolution of other channels": operation("Conv", IMAGE, weights(5, 4, 3, 2), weights(5), **WINDOW),
    "convolution with other groups": operation("Conv", IMAGE, weights(5, 1, 3, 2), weights(5), **WINDOW, group=3),
    "convolution with no group": operation("Conv", IMAGE, weights(5, 3, 3, 2), weights(5), **WINDOW, group=0),
    "convolution with weights that are computed": operation("Conv", IMAGE, (5, 3, 3, 2), weights(5), **WINDOW),
    "convolution without bias": operation("Conv", IMAGE, weights(5, 3, 3, 2), **WINDOW),
    "convolution with another window": operation("Conv", IMAGE, weights(5, 3, 3, 3), weights(5), **WINDOW),
    "window beyond the image": operation("MaxPool", (0, 1, 2, 2), kernel_shape=[3, 3], strides=[1, 1], pads=[0] * 4),
    "window of no size": operation("MaxPool", IMAGE, kernel_shape=[0, 3], strides=[1, 1], pads=[0] * 4),
    "steps of nothing": operation("MaxPool", IMAGE, kernel_shape=[2, 2], strides=[0, 1], pads=[0] * 4),
    "margin beyond the window": operation("MaxPool", IMAGE, kernel_shape=[2, 2], strides=[1, 1], pads=[2, 0, 0, 0]),
    "margin below nothing": operation("MaxPool", IMAGE, kernel_shape=[2, 2], strides=[1, 1], pads=[-1, 0, 0, 0]),
    "window of one side": operation("MaxPool", IMAGE, kernel_shape=[2], strides=[1], pads=[0, 0]),
    "window without step": operation("MaxPool", IMAGE, kernel_shape=[2, 2], pads=[0] * 4),
    "product of other lengths": operation("Gemm", (0, 6), weights(4, 5), weights(4), transB=1),
    "product with another bias": operation("Gemm", (0, 6), weights(4, 6), weights(1), transB=1),
    "product the other way": operation("Gemm", (0, 6), weights(6, 4), weights(4)),
    "form with other values": operation("Reshape", IMAGE, np.array([0, 3, 13, 11])),
    "form of images": operation("Reshape", IMAGE, np.array([2, 3, 13, 10])),
    "form with a guess": operation("Reshape", IMAGE, np.array([0, -1])),
    "form that is computed": operation("Reshape", IMAGE, (2,)),
    "form in fractions": operation("Reshape", IMAGE, weights(2)),
    "turned with images": operation("Transpose", IMAGE, perm=[1, 0, 2, 3]),
    "turned onto itself": operation("Transpose", IMAGE, perm=[0, 1, 1, 2]),
    "turned by nothing": operation("Transpose", IMAGE),
    "flat with images": operation("Flatten", IMAGE, axis=0),
    "parts that are more": operation("Split", (0, 11), np.array([10, 2]), axis=1),
    "parts below nothing": operation("Split", (0, 11), np.array([12, -1]), axis=1),
    "parts of images": operation("Split", (0, 11), np.array([10, 1]), axis=0),
    "squeezed though wide": operation("Squeeze", (0, 2), np.array([1])),
    "largest over images": operation("ReduceMax", (0, 11), axes=[0], keepdims=0),
    "mean of a row": operation("GlobalAveragePool", (0, 11)),
}


@pytest.mark.parametrize("asked", UNFIT.values(), ids=list(UNFIT))
def test_what_does_not_fit_is_refused(asked):
    with pytest.raises(ValueError, match=f"its operation {asked.operator} does not fit what it takes, "):
        given(asked)


def test_an_operation_that_is_not_known_is_refused():
    with pytest.raises(ValueError, match="it has the operation 'If', which is none of those that are exported"):
        given(operation("If", (0,)))


def test_lengths_without_bound_are_numbers_like_any_other():
    assert values((0, 2**62, 2**62)) == 2**124
