"""Channels padded between convolutions: the same answers, and only where nothing else reads them."""

from __future__ import annotations

import numpy as np
import onnx

from mnistry.models import onnx_export
from mnistry.models.backend import keras
from mnistry.models.metadata import ModelMetadata
from mnistry.models.onnx_conversion import padding
from mnistry.models.onnx_conversion.graph import Graph
from mnistry.ocr.recognizer import Recognizer

L = keras.layers
INFO = ModelMetadata(name="three", recipe="none", class_names=("a", "b", "c"))
IMAGES = np.random.default_rng(0).integers(0, 256, (20, 28, 28)).astype(np.uint8)


def exported_shapes(*, skips: bool = False) -> list[list[int]]:
    """The shapes of the convolutions' weights in the file of a network that was compared with Keras."""
    keras.utils.set_random_seed(0)
    start = keras.Input((28, 28, 1))
    first = L.Conv2D(18, 3, strides=4, padding="same", activation="relu")(L.Rescaling(1 / 255)(start))
    second = L.MaxPooling2D(2, padding="same")(L.Conv2D(18, 3, padding="same")(first))
    second = L.Add()([second, L.AveragePooling2D(2, padding="same")(first)]) if skips else second
    third = L.Conv2D(27, 3, padding="same")(second)
    last = L.Conv2D(6, 3, padding="same")(L.ReLU()(L.BatchNormalization()(third)))
    model = keras.Model(start, L.Dense(3)(L.Flatten()(L.Conv2D(5, 1)(last))))
    content = onnx_export.to_onnx(model, INFO)
    onnx_export.compare(model, Recognizer.from_bytes(content), IMAGES)
    graph = onnx.load_from_string(content).graph
    shapes = {each.name: list(each.dims) for each in graph.initializer}
    return [shapes[node.input[1]][:2] for node in graph.node if node.op_type == "Conv"]


def test_channels_between_convolutions_are_a_multiple_of_four():
    # Few channels stay as they are, and so do those that the last layer reads.
    assert exported_shapes() == [[20, 1], [20, 20], [28, 20], [6, 28], [5, 6]]


def test_channels_that_others_read_too_stay_as_they_are():
    assert exported_shapes(skips=True) == [[18, 1], [18, 18], [28, 18], [6, 28], [5, 6]]


def test_what_is_padded_is_zeros():
    graph = Graph()
    weights = np.ones((10, 1, 3, 3), np.float32), np.ones((3, 10, 1, 1), np.float32)
    first = graph.add("Conv", "images", weights[0], np.arange(10.0), kernel_shape=[3, 3])
    graph.add("Conv", graph.add("Relu", first), weights[1], np.arange(3.0), kernel_shape=[1, 1])
    padding.pad_channels(graph)
    (first_node, _, second_node) = graph.nodes
    kernel, bias, following = (
        graph.constants[name] for name in (first_node.inputs[1], first_node.inputs[2], second_node.inputs[1])
    )
    assert (kernel.shape, bias.shape, following.shape) == ((12, 1, 3, 3), (12,), (3, 12, 1, 1))
    assert not kernel[10:].any()
    assert not bias[10:].any()
    assert not following[:, 10:].any()
    np.testing.assert_array_equal(bias[:10], np.arange(10))
    assert (kernel[:10] == 1).all()
    assert (following[:, :10] == 1).all()
