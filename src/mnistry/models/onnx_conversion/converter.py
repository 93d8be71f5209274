"""Keras models as graphs of ONNX operations, by way of the program that JAX makes of them.

Keras's layers are traced once, and each primitive operation of JAX is converted: so every layer can be exported that
computes with everyday operations, custom layers and models included. The number of images is open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import numpy as np

from mnistry.constants import IMAGE_SIZE
from mnistry.errors import UsageError, first_line
from mnistry.models import backend
from mnistry.models.backend import jax, keras
from mnistry.models.onnx_conversion import arrays, windows
from mnistry.models.onnx_conversion.arrays import change_shape, concatenate, cut_along, stack, step_of, with_axis
from mnistry.models.onnx_conversion.elementwise import ELEMENTWISE, Conversion, as_float
from mnistry.models.onnx_conversion.graph import FLOAT, Const, Graph, N, NoConversionError, Shape, Tensor, Value

PIXELS = IMAGE_SIZE * IMAGE_SIZE
SHAPES: tuple[Shape, ...] = ((IMAGE_SIZE, IMAGE_SIZE, 1), (IMAGE_SIZE, IMAGE_SIZE), (PIXELS,))
PASSED_THROUGH = {"reshape", "broadcast_in_dim", "convert_element_type", "transpose", "squeeze", "pad", "copy", "sub"}
LARGEST_TABLE = 1024  # rows that a value of an image may choose from
LONGEST_SCAN = 128  # steps of a recurrent layer, which are written out one after the other
INLINED = {
    "jit", "pjit", "closed_call", "core_call", "custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr", "remat",
    "checkpoint", "remat2", "custom_lin",
}  # fmt: skip


@dataclass(frozen=True)
class Network:
    """A Keras model as a graph.

    Attributes:
        graph: from the uint8 tensor `images` to the outputs.
        outputs: the name of the tensor (n, outputs): logits, or probabilities.
        number: of outputs.
        ends: the last step of the Keras model: "softmax" or "sigmoid" (of one output), which have been taken off; or
            "logits" or "probabilities", as they are.
    """

    graph: Graph
    outputs: str
    number: int
    ends: str


def find_input_shape(model: keras.Model) -> Shape:
    """The shape of one image as a model takes it.

    Raises:
        UsageError: it does not take images of 28×28 grey pixels.
    """
    inputs = getattr(model, "inputs", None)
    if inputs is None:  # a model of a custom class does not say
        return _shape_that_works(model)
    if len(inputs) != 1:
        raise UsageError(f"A network needs one input for export; {model.name} has {len(inputs)}.")
    shape = tuple(inputs[0].shape[1:])
    if len(shape) == 3 and shape[:2] == (None, None) and shape[2] in (1, 3):  # pictures of any size
        shape = (IMAGE_SIZE, IMAGE_SIZE, shape[2])
    plain = [length for length in shape if length != 1]
    if plain in ([IMAGE_SIZE, IMAGE_SIZE], [PIXELS]) or shape == (IMAGE_SIZE, IMAGE_SIZE, 3):
        return shape
    raise UsageError(
        f"For export a network must take images (28, 28), (28, 28, 1), (28, 28, 3) or (784,); {model.name} takes "
        f"{shape}."
    )


def _shape_that_works(model: keras.Model) -> Shape:
    for shape in SHAPES:
        try:
            jax.eval_shape(forward(model), jax.ShapeDtypeStruct((N, *shape), np.float32))
        except Exception:  # noqa: S112 - whatever its layers raise, it does not take this shape
            continue
        return shape
    raise UsageError(
        f"The network {model.name} takes no images of 28×28 pixels, or is not built: call it on images once."
    )


def count_outputs(model: keras.Model) -> int:
    """The number of outputs of a model."""
    found = jax.eval_shape(forward(model), jax.ShapeDtypeStruct((N, *find_input_shape(model)), np.float32))
    return int(found.shape[-1]) if getattr(found, "ndim", 0) else 1


def reshape_images(images: np.ndarray, shape: Shape) -> np.ndarray:
    """Bring images (n, 28, 28) into the shape that a model takes; three channels are alike."""
    if shape == (IMAGE_SIZE, IMAGE_SIZE, 3):
        return np.repeat(images[..., None], 3, axis=3)
    return images.reshape(len(images), *shape)


def convert(model: keras.Model, images: str = "images", *, factor: float = 1.0, offset: float = 0.0) -> Network:
    """Convert a Keras model.

    Args:
        model: built; takes images of 28×28 grey pixels and gives a row of numbers for each.
        images: the name that the uint8 (n, 28, 28) input gets.
        factor: pixels, 0–255, are multiplied by it before the model sees them.
        offset: and this is added.

    Raises:
        UsageError: it is built otherwise, or computes something that cannot be exported.
    """
    try:
        return _convert(model, images, factor, offset)
    except NoConversionError as first:
        try:
            with _by_comparing():
                return _convert(model, images, factor, offset)
        except NoConversionError:
            raise UsageError(
                f"The network {model.name} cannot be exported: {first}. What can: dense, convolutional, pooling, "
                "normalization, recurrent and attention layers, and whatever else computes with everyday operations."
            ) from None


def _convert(model: keras.Model, images: str, factor: float, offset: float) -> Network:
    shape = find_input_shape(model)
    jaxpr, constants = _trace(model, shape)
    rows = [variable.aval.shape for variable in jaxpr.outvars]
    if len(rows) != 1 or len(rows[0]) != 2 or rows[0][0] != N:
        raise UsageError(
            f"For export a network must give one row of numbers for each image; {model.name} gives "
            f"{[tuple('n' if length == N else length for length in each) for each in rows]}."
        )
    graph = Graph()
    name = graph.add("Cast", images, to=FLOAT)
    name = graph.add("Mul", name, factor) if factor != 1 else name
    name = graph.add("Add", name, offset) if offset else name
    plain: Value = Tensor((N, IMAGE_SIZE, IMAGE_SIZE), name, (0, 1, 2))
    if shape == (IMAGE_SIZE, IMAGE_SIZE, 3):
        first = change_shape(graph, plain, (N, IMAGE_SIZE, IMAGE_SIZE, 1))
        name = graph.add("Concat", *[graph.name(first)] * 3, axis=3)
        plain = Tensor((N, *shape), name, (0, 1, 2, 3))
    converter = _Converter(graph)
    (result,) = converter.run(jaxpr, constants, [change_shape(graph, plain, (N, *shape))])
    number, made = rows[0][1], graph.name(result)
    if made in converter.softmaxed:
        return Network(graph, graph.name(converter.softmaxed[made]), number, "softmax")
    if graph.nodes[-1].operator == "Sigmoid" and graph.nodes[-1].outputs == (made,):
        if number == 1:
            return Network(graph, graph.nodes[-1].inputs[0], number, "sigmoid")
        return Network(graph, made, number, "probabilities")
    return Network(graph, made, number, "probabilities" if _adds_up(model, shape) else "logits")


@contextmanager
def _by_comparing() -> Iterator[None]:
    """Trace look-ups by the values of an image as comparisons, which can be converted: bins, rows of small tables."""
    numpy, take = jax.numpy, jax.numpy.take

    def digitize(x: Any, bins: Any, right: bool = False) -> Any:
        below = numpy.expand_dims(x, -1) > bins if right else numpy.expand_dims(x, -1) >= bins
        return numpy.sum(below.astype("float32"), axis=-1).astype("int32")

    def taken(a: Any, indices: Any, axis: int | None = None, **options: Any) -> Any:
        if axis == 0 and getattr(a, "ndim", 0) == 2 and len(a) <= LARGEST_TABLE and not isinstance(indices, int):
            chosen = numpy.expand_dims(indices, -1) == numpy.arange(len(a))
            return numpy.matmul(chosen.astype(a.dtype), a)
        return take(a, indices, axis=axis, **options)

    with patch.multiple(numpy, digitize=digitize, take=taken):
        yield


def _adds_up(model: keras.Model, shape: Shape) -> bool:
    """Tell whether the outputs are probabilities, by running the model on noise."""
    noise = np.random.default_rng(0).random((16, IMAGE_SIZE, IMAGE_SIZE), np.float32)
    rows = [backend.predict(model, reshape_images(noise * scale, shape)) for scale in (np.float32(1), np.float32(255))]
    return all(bool((each >= 0).all() and np.allclose(each.sum(axis=1), 1, atol=1e-3)) for each in rows)


def scales_inside(model: keras.Model) -> bool:
    """Tell whether a model scales pixels itself: by a Rescaling or Normalization layer, or by a number."""
    if any(_scales(each) for each in model._flatten_layers()):
        return True
    own = None if getattr(model, "inputs", None) is None else tuple(model.inputs[0].shape[1:])
    jaxpr, _ = _trace(model, own if own is not None and None not in own else find_input_shape(model))
    (seen,) = jaxpr.invars
    for equation in _find_needed(jaxpr):
        name, used = equation.primitive.name, [each for each in equation.invars if each is seen]
        if used and name in ("mul", "div") and any(hasattr(each, "val") for each in equation.invars):
            return True
        if used and name in PASSED_THROUGH:
            seen = equation.outvars[0]
    return False


def _scales(layer: Any) -> bool:
    """Tell whether a layer scales, or takes pixels of 0–255 apart; a Normalization that was never adapted does not."""
    if isinstance(layer, keras.layers.Rescaling):
        return bool(np.any(np.asarray(layer.scale) != 1))
    if isinstance(layer, keras.layers.Discretization):
        return bool(np.max(np.asarray(layer.bin_boundaries or [0])) > 1)
    if not isinstance(layer, keras.layers.Normalization):
        return False
    return bool(np.any(np.asarray(layer.mean) != 0) or np.any(np.asarray(layer.variance) != 1))


def _trace(model: keras.Model, shape: Shape) -> tuple[Any, list[np.ndarray]]:
    """The program of a model, and its constants."""
    try:
        closed = jax.make_jaxpr(forward(model))(jax.ShapeDtypeStruct((N, *shape), np.float32))
    except Exception as error:  # a model runs whatever its layers do
        raise UsageError(
            f"The network {model.name} cannot be run on {N} images {shape}: {first_line(error):.200}."
        ) from None
    return closed.jaxpr, [_array(each) for each in closed.consts]


def forward(model: keras.Model) -> Callable[[Any], Any]:
    """A model as a function of its input, with its weights in it."""
    weights = [
        [np.asarray(each.value) for each in part] for part in (model.trainable_variables, model.non_trainable_variables)
    ]

    return lambda x: model.stateless_call(*weights, x, **backend.find_inference_arguments(model))[0]


class _Converter:
    """Convert a program, equation by equation."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.softmaxed: dict[str, Value] = {}  # by the name of probabilities: the logits that they come from

    def run(self, jaxpr: Any, constants: Sequence[np.ndarray | Value], inputs: Sequence[Value]) -> list[Value]:
        """Convert a program; gives its results."""
        known: dict[Any, Value] = {}
        for variable, constant in zip(jaxpr.constvars, constants, strict=True):
            known[variable] = constant if not isinstance(constant, np.ndarray) else Const(constant.shape, constant)
        known |= dict(zip(jaxpr.invars, inputs, strict=True))

        def read(variable: Any) -> Value:
            if hasattr(variable, "val"):
                array = _array(variable.val)
                return Const(array.shape, array)
            return known[variable]

        makers: dict[Any, Any] = {}
        for equation in _find_needed(jaxpr):
            makers |= dict.fromkeys(equation.outvars, equation)
            logits = _softmax_of(equation, makers)
            if logits is None:
                results = self._convert(equation, [read(each) for each in equation.invars])
            else:
                results = [self._softmax(read(logits), tuple(equation.outvars[0].aval.shape))]
            for variable, value in zip(equation.outvars, results, strict=True):
                known[variable] = value
        return [read(each) for each in jaxpr.outvars]

    def _convert(self, equation: Any, given: list[Value]) -> list[Value]:
        name, params = equation.primitive.name, equation.params
        shapes = [tuple(each.aval.shape) for each in equation.outvars]
        if name in INLINED:
            return self._inline(params, given)
        if name == "scan":
            return self._unroll(params, given)
        if name == "stack":
            rows = [change_shape(self.graph, each, with_axis(each.shape, params["axis"])) for each in given]
            return [concatenate(self.graph, rows, shapes[0], {"dimension": params["axis"]})]
        if name == "split":
            return self._split(params, given[0], shapes)
        if all(isinstance(each, Const) for each in given) and name in FOLDED | set(ELEMENTWISE):
            folded = _fold(equation, [each for each in given if isinstance(each, Const)], shapes)
            if folded is not None:
                return folded
        if name in ("dot_general", "conv_general_dilated"):  # JAX multiplies whole numbers and fractions as they are
            kinds = [each.aval.dtype for each in equation.invars]
            given = [as_float(self.graph, value, kind) for value, kind in zip(given, kinds, strict=True)]
        if name == "conv_general_dilated" and all(isinstance(each, Const) for each in given):
            alike = [jax.numpy.asarray(each.whole(), np.float32) for each in given if isinstance(each, Const)]
            return [Const(shapes[0], _array(equation.primitive.bind(*alike, **params)))]  # as a first state of zeros is
        if name not in CONVERTERS:
            raise NoConversionError(f"it computes {name.replace('_', ' ')}")
        return [CONVERTERS[name](self.graph, given, shapes[0], {**params, "_equation": equation})]

    def _inline(self, params: Mapping[str, Any], given: list[Value]) -> list[Value]:
        inner = next(params[each] for each in ("jaxpr", "call_jaxpr", "fun_jaxpr") if each in params)
        program = getattr(inner, "jaxpr", inner)
        return self.run(program, [_array(each) for each in getattr(inner, "consts", ())], given)

    def _softmax(self, logits: Value, shape: Shape) -> Value:
        name = self.graph.add("Softmax", self.graph.name(logits), axis=len(shape) - 1)
        self.softmaxed[name] = logits
        return Tensor(shape, name, tuple(range(len(shape))))

    def _unroll(self, params: Mapping[str, Any], given: list[Value]) -> list[Value]:
        """A loop over a known number of steps, written out."""
        length, consts, carries = params["length"], params["num_consts"], params["num_carry"]
        if length > LONGEST_SCAN:
            raise NoConversionError(f"it has a loop of {length} steps, more than {LONGEST_SCAN}")
        inner = params["jaxpr"]
        fixed, carry, sequences = given[:consts], given[consts : consts + carries], given[consts + carries :]
        steps = range(length - 1, -1, -1) if params["reverse"] else range(length)
        gathered: list[list[Value]] = []
        for step in steps:
            now = [step_of(self.graph, each, step) for each in sequences]
            results = self.run(inner.jaxpr, [_array(each) for each in inner.consts], [*fixed, *carry, *now])
            carry = results[:carries]
            gathered.append(results[carries:])
        if params["reverse"]:
            gathered.reverse()
        return [*carry, *(stack(self.graph, list(parts)) for parts in zip(*gathered, strict=True))]

    def _split(self, params: Mapping[str, Any], given: Value, shapes: Sequence[Shape]) -> list[Value]:
        axis, start, found = params["axis"], 0, []
        for shape in shapes:
            found.append(cut_along(self.graph, given, axis, start, shape[axis]))
            start += shape[axis]
        return found


def _find_needed(jaxpr: Any) -> list[Any]:
    """The equations that the results depend on; losses that layers add are left out."""
    needed, found = {each for each in jaxpr.outvars if not hasattr(each, "val")}, []
    for equation in reversed(jaxpr.eqns):
        if needed & set(equation.outvars):
            found.append(equation)
            needed |= {each for each in equation.invars if not hasattr(each, "val")}
    return found[::-1]


def _softmax_of(equation: Any, makers: Mapping[Any, Any]) -> Any | None:
    """The variable whose softmax over the last axis an operation gives; None if it is not the end of one."""

    def maker(variable: Any, *names: str) -> Any | None:
        made = None if hasattr(variable, "val") else makers.get(variable)
        return made if made is not None and made.primitive.name in names else None

    if equation.primitive.name != "div":
        return None
    powers, total = equation.invars
    exp = maker(powers, "exp")
    spread = maker(total, "broadcast_in_dim", "reshape", "expand_dims")
    summed = None if spread is None else maker(spread.invars[0], "reduce_sum")
    shifted = None if exp is None else maker(exp.invars[0], "sub")
    if shifted is None or summed is None or summed.invars[0] is not powers:
        return None
    logits, most = shifted.invars
    last = len(logits.aval.shape) - 1
    if tuple(summed.params["axes"]) != (last,) or (most.aval.shape and most.aval.shape[-1] != 1):
        return None
    return logits


def _array(given: Any) -> np.ndarray:
    """A constant of a program; numbers of 16 bits as float32."""
    array = np.asarray(given)
    if array.dtype == bool:
        return array
    return array.astype(np.int64) if array.dtype.kind in "iu" else array.astype(np.float32)


def _fold(equation: Any, given: Sequence[Const], shapes: Sequence[Shape]) -> list[Value] | None:
    """The results of an operation on constants; None if the number of images is in its way."""
    name = equation.primitive.name
    elementwise = name in ELEMENTWISE
    if not elementwise and any(
        length % N == 0 and length for shape in [*shapes, *(each.shape for each in given)] for length in shape
    ):
        return None
    arrays = (
        np.broadcast_arrays(*(each.array for each in given))
        if elementwise and given
        else [each.whole() for each in given]
    )
    if elementwise and len({each.ndim for each in arrays}) > 1:
        return None
    kinds = [variable.aval.dtype for variable in equation.invars]
    typed = [
        jax.numpy.asarray(array, np.float32 if jax.numpy.issubdtype(kind, np.floating) else kind)
        for array, kind in zip(arrays, kinds, strict=True)
    ]
    params = dict(equation.params)
    if name == "convert_element_type" and jax.numpy.issubdtype(params["new_dtype"], np.floating):
        params["new_dtype"] = np.dtype(np.float32)
    found = equation.primitive.bind(*typed, **params)
    results = found if equation.primitive.multiple_results else [found]
    return [Const(shape, _array(each)) for shape, each in zip(shapes, results, strict=True)]


FOLDED = {
    "argmax", "broadcast_in_dim", "concatenate", "conv_general_dilated", "cumsum", "dot_general", "dynamic_slice",
    "expand_dims", "gather", "iota", "nextafter", "pad", "reduce_and", "reduce_max", "reduce_min", "reduce_or",
    "reduce_prod", "reduce_sum", "reduce_window_max", "reduce_window_sum", "rem", "reshape", "rev", "slice", "sort",
    "squeeze", "transpose",
}  # fmt: skip
"""Operations that are computed at once where all they take is constant; those side by side are, too."""

CONVERTERS: Mapping[str, Conversion] = {
    **ELEMENTWISE,
    "broadcast_in_dim": arrays.broadcast,
    "concatenate": concatenate,
    "conv_general_dilated": windows.convolution,
    "cumsum": arrays.cumulative_sum,
    "dot_general": arrays.product,
    "dynamic_slice": arrays.dynamic_slice,
    "expand_dims": arrays.reshape,
    "gather": arrays.gather,
    "pad": arrays.pad,
    "reduce_max": arrays.reduce_axes("ReduceMax"),
    "reduce_min": arrays.reduce_axes("ReduceMin"),
    "reduce_sum": arrays.reduce_axes("ReduceSum"),
    "reduce_window_max": windows.max_pooling,
    "reduce_window_sum": windows.sum_pooling,
    "reshape": arrays.reshape,
    "rev": arrays.reverse,
    "slice": arrays.slice_parts,
    "sort": arrays.sort,
    "squeeze": arrays.reshape,
    "transpose": arrays.transpose,
}
