"""Shapes reckoned beforehand: those that ONNX's own inference finds, and everything unfit refused."""

from __future__ import annotations

import itertools

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from mnistry.models.onnx_shapes import RULES, SIDE_BY_SIDE, UNARY, Operation, given, values


def found_by_onnx(operator: str, shapes: list[tuple], constants: list, outputs: int, **attributes: object) -> list:
    """Infer shapes by the `onnx` library, with -1 for the number of images."""
    names = [f"in{place}" for place in range(len(shapes))]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n" if length < 0 else length for length in shape])
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
    return [tuple(each.dim_value or -1 for each in output.type.tensor_type.shape.dim) for output in inferred]


def weights(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


def operation(operator: str, *inputs: tuple | np.ndarray, **attributes: object) -> Operation:
    return Operation(
        operator,
        [each.shape if isinstance(each, np.ndarray) else each for each in inputs],
        [each if isinstance(each, np.ndarray) else None for each in inputs],
        {name: [value] if isinstance(value, int) else value for name, value in attributes.items()},
    )


IMAGE = (-1, 3, 13, 10)
WINDOW = {"kernel_shape": [3, 2], "strides": [2, 3], "pads": [1, 0, 2, 1]}
ONE_SIDE = {"kernel_shape": [3], "strides": [2], "pads": [1, 0]}
UP = {"kernel_shape": [3, 2], "strides": [2, 3], "pads": [1, 0, 1, 1], "dilations": [1, 2], "output_padding": [1, 0]}
CASES: dict[str, tuple[object, ...]] = {
    **dict.fromkeys(UNARY, (IMAGE,)),
    **{name: (IMAGE, weights(3, 1, 1)) for name in SIDE_BY_SIDE},
    "Cast": (IMAGE, {"to": 1}),
    "Softmax": ((-1, 7), {"axis": 1}),
    "Conv": (IMAGE, weights(5, 3, 3, 2), weights(5), WINDOW | {"dilations": [2, 1], "group": 1}),
    "ConvTranspose": (IMAGE, weights(3, 4, 3, 2), weights(4), UP | {"group": 1}),
    "MaxPool": (IMAGE, WINDOW),
    "AveragePool": ((-1, 3, 13), ONE_SIDE | {"count_include_pad": 1}),
    "GlobalAveragePool": (IMAGE,),
    "Gemm": ((-1, 6), weights(4, 6), weights(4), {"transB": 1}),
    "MatMul": ((-1, 2, 5, 6), weights(6, 4)),
    "Reshape": (IMAGE, np.array([-1, 130, 3])),
    "Transpose": (IMAGE, {"perm": [2, 0, 3, 1]}),
    "Concat": (IMAGE, (-1, 2, 13, 10), {"axis": 1}),
    "Slice": (IMAGE, np.array([1, 0]), np.array([3, 9]), np.array([1, 3]), np.array([1, 2])),
    "Pad": (IMAGE, np.array([0, 0, 1, 2, 0, 1, 0, 3]), weights()),
    "Expand": ((-1, 1, 4), np.array([1, 3, 4])),
    "Gather": (IMAGE, np.array([5, 0, 5]), {"axis": 2}),
    "CumSum": (IMAGE, np.array(2), {"reverse": 0}),
    "TopK": (IMAGE, np.array([13]), {"axis": 2, "largest": 0}),
    "Flatten": (IMAGE, {"axis": 1}),
    "Split": ((-1, 11), np.array([10, 1]), {"axis": 1}),
    "Squeeze": ((-1, 1), np.array([1])),
    "ReduceMax": ((-1, 11), {"axes": [1], "keepdims": 0}),
    "ReduceMin": (IMAGE, {"axes": [1, 3], "keepdims": 0}),
    "ReduceSum": (IMAGE, np.array([1, 2]), {"keepdims": 0}),
    "ReduceLogSumExp": ((-1, 11), {"axes": [1], "keepdims": 0}),
}
NOT_FLOAT = {"And", "Or", "Not", "Where"}  # they take truth values, which this test does not make


def test_every_operation_has_its_case():
    assert set(CASES) == set(RULES)


@pytest.mark.parametrize("operator", sorted(set(CASES) - NOT_FLOAT))
def test_the_shape_is_the_one_that_onnx_finds(operator):
    *inputs, last = CASES[operator]
    attributes = last if isinstance(last, dict) else {}
    asked = operation(operator, *inputs, *([] if attributes else [last]), **attributes)
    shapes = given(asked).shapes
    assert shapes == found_by_onnx(operator, asked.shapes, asked.constants, len(shapes), **attributes)


def test_a_choice_between_values_has_the_shape_of_all_three():
    assert given(operation("Where", (-1, 1, 4), (-1, 3, 4), weights())).shapes == [(-1, 3, 4)]
    assert given(operation("Not", IMAGE)).shapes == [IMAGE]


def test_images_that_are_counted_several_times_come_apart_again():
    rows = given(operation("Reshape", IMAGE, np.array([-1, 13, 10]))).shapes[0]
    assert rows == (-3, 13, 10)
    assert given(operation("Reshape", rows, np.array([-1, 3, 130]))).shapes == [(-1, 3, 130)]


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
        asked = operation("Conv", (-1, 1, length, 4), weights(2, 1, width, 1), weights(2), **attributes)
        assert given(asked).shapes == found_by_onnx("Conv", asked.shapes, asked.constants, 1, **attributes)
        tried += 1
    assert tried > 60


def test_multiplications_are_counted():
    # 7 × 4 places for each of 5 channels, and at each 3 × 3 × 2 weights.
    assert given(operation("Conv", IMAGE, weights(5, 3, 3, 2), weights(5), **WINDOW)).products == 7 * 4 * 5 * 3 * 3 * 2
    assert given(operation("Gemm", (-1, 6), weights(4, 6), weights(4), transB=1)).products == 24


UNFIT = {
    "slice of images": operation("Slice", IMAGE, *(np.array([n]) for n in (0, 1, 0, 1))),
    "slice beyond the end": operation("Slice", IMAGE, *(np.array([n]) for n in (0, 14, 2, 1))),
    "margin of images": operation("Pad", IMAGE, np.array([1, 0, 0, 0, 0, 0, 0, 0]), weights()),
    "part that is not there": operation("Gather", IMAGE, np.array([13]), axis=2),
    "joined images": operation("Concat", IMAGE, IMAGE, axis=0),
    "product of matrices of other lengths": operation("MatMul", (-1, 5, 6), weights(5, 4)),
    "sum over images": operation("ReduceSum", IMAGE, np.array([0]), keepdims=0),
    "sum of other shapes": operation("Add", (-1, 3), (-1, 4)),
    "sum across the images": operation("Add", (-1, 3), (-1,)),
    "sum of every image with every other": operation("Add", (-1, 1), (-1,)),
    "sum of one": operation("Add", (-1, 3)),
    "relu of two": operation("Relu", (-1, 3), (-1, 3)),
    "relu of none": operation("Relu"),
    "a setting that is not known": operation("MaxPool", IMAGE, **WINDOW, ceil_mode=1),
    "softmax over the images": operation("Softmax", (-1, 7), axis=0),
    "convolution of other channels": operation("Conv", IMAGE, weights(5, 4, 3, 2), weights(5), **WINDOW),
    "convolution with other groups": operation("Conv", IMAGE, weights(5, 1, 3, 2), weights(5), **WINDOW, group=3),
    "convolution with no group": operation("Conv", IMAGE, weights(5, 3, 3, 2), weights(5), **WINDOW, group=0),
    "convolution with weights that are computed": operation("Conv", IMAGE, (5, 3, 3, 2), weights(5), **WINDOW),
    "convolution without bias": operation("Conv", IMAGE, weights(5, 3, 3, 2), **WINDOW),
    "convolution with another window": operation("Conv", IMAGE, weights(5, 3, 3, 3), weights(5), **WINDOW),
    "window beyond the image": operation("MaxPool", (-1, 1, 2, 2), kernel_shape=[3, 3], strides=[1, 1], pads=[0] * 4),
    "window of no size": operation("MaxPool", IMAGE, kernel_shape=[0, 3], strides=[1, 1], pads=[0] * 4),
    "steps of nothing": operation("MaxPool", IMAGE, kernel_shape=[2, 2], strides=[0, 1], pads=[0] * 4),
    "margin beyond the window": operation("MaxPool", IMAGE, kernel_shape=[2, 2], strides=[1, 1], pads=[2, 0, 0, 0]),
    "margin below nothing": operation("MaxPool", IMAGE, kernel_shape=[2, 2], strides=[1, 1], pads=[-1, 0, 0, 0]),
    "window of one side": operation("MaxPool", IMAGE, kernel_shape=[2], strides=[1], pads=[0, 0]),
    "window without step": operation("MaxPool", IMAGE, kernel_shape=[2, 2], pads=[0] * 4),
    "product of other lengths": operation("Gemm", (-1, 6), weights(4, 5), weights(4), transB=1),
    "product with another bias": operation("Gemm", (-1, 6), weights(4, 6), weights(1), transB=1),
    "product the other way": operation("Gemm", (-1, 6), weights(6, 4), weights(4)),
    "form with other values": operation("Reshape", IMAGE, np.array([0, 3, 13, 11])),
    "form of images": operation("Reshape", IMAGE, np.array([2, 3, 13, 10])),
    "form with a guess": operation("Reshape", IMAGE, np.array([0, -1])),
    "form that is computed": operation("Reshape", IMAGE, (2,)),
    "form in fractions": operation("Reshape", IMAGE, weights(2)),
    "turned onto itself": operation("Transpose", IMAGE, perm=[0, 1, 1, 2]),
    "turned by nothing": operation("Transpose", IMAGE),
    "flat with images": operation("Flatten", IMAGE, axis=0),
    "parts that are more": operation("Split", (-1, 11), np.array([10, 2]), axis=1),
    "parts below nothing": operation("Split", (-1, 11), np.array([12, -1]), axis=1),
    "parts of images": operation("Split", (-1, 11), np.array([10, 1]), axis=0),
    "squeezed though wide": operation("Squeeze", (-1, 2), np.array([1])),
    "largest over images": operation("ReduceMax", (-1, 11), axes=[0], keepdims=0),
    "mean of a row": operation("GlobalAveragePool", (-1, 11)),
}


@pytest.mark.parametrize("asked", UNFIT.values(), ids=list(UNFIT))
def test_what_does_not_fit_is_refused(asked):
    with pytest.raises(ValueError, match=f"its operation {asked.operator} does not fit what it takes, "):
        given(asked)


def test_an_operation_that_is_not_known_is_refused():
    with pytest.raises(ValueError, match="it has the operation 'If', which is none of those that are exported"):
        given(operation("If", (-1,)))


def test_lengths_without_bound_are_numbers_like_any_other():
    assert values((-1, 2**62, 2**62)) == 2**124
