"""Custom Keras models brought into one form: images (28, 28) in, a row of scores out.

A network for images of another size gets layers before it that enlarge or reduce them. Of several outputs the one that
can be the classifier is taken; axes of length 1 are dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np

from mnistry.constants import IMAGE_SIZE
from mnistry.errors import UsageError
from mnistry.models.backend import jax, keras
from mnistry.models.onnx_conversion import converter
from mnistry.models.onnx_conversion.graph import N, Shape

Fit = Literal["resize", "pad"]
FITS: tuple[str, ...] = get_args(Fit)
SMALLEST, LARGEST = 8, 512  # sides of images that a network may take
PADDED = range(IMAGE_SIZE + 1, IMAGE_SIZE + 9)  # sides to which MNIST's images are often padded, as LeNet's 32


def in_one_form(
    model: keras.Model, class_names: Sequence[str] | None, fit: Fit | None
) -> tuple[keras.Model, tuple[str, ...]]:
    """Bring a model into the form that is exported.

    Args:
        model: built, or of a custom class.
        class_names: those that are given; they tell which of several outputs is meant.
        fit: how images come to another size: "resize" or "pad" with black; None is "resize".

    Returns:
        The model itself, or one around it; and the assumptions.

    Raises:
        UsageError: it has several inputs or takes something that is not an image, or none or several of its outputs can
            be the classifier.
    """
    inputs = getattr(model, "inputs", None)
    if inputs is None or not _needs_a_form(model, tuple(inputs[0].shape[1:])):
        return model, ()
    if len(inputs) != 1:
        raise UsageError(f"A network needs one input for export; {model.name} has {len(inputs)}.")
    shape, said = tuple(inputs[0].shape[1:]), list[str]()
    image = keras.Input((IMAGE_SIZE, IMAGE_SIZE))
    given = _fit_images(image, model, shape, fit, said)
    number, length = _classifier(model, _outputs(model, shape), class_names, said)
    result = keras.tree.flatten(model(given))[number]
    if len(result.shape) > 2:
        result = keras.layers.Reshape((length,))(result)
    return keras.Model(image, result, name=model.name), tuple(said)


def is_padded_or_resized(model: keras.Model) -> bool:
    """Tell whether a model takes images of a size to which some pad MNIST's images and others resize them."""
    inputs = getattr(model, "inputs", None)
    side = None if inputs is None or len(inputs) != 1 else _side(tuple(inputs[0].shape[1:]))
    return side in PADDED


def _needs_a_form(model: keras.Model, shape: Shape) -> bool:
    if len(model.inputs) != 1:
        return True
    try:
        converter.find_input_shape(model)
    except UsageError:
        return True
    found = _outputs(model, shape)
    return len(found) != 1 or len(found[0][1]) != 2 or isinstance(getattr(model, "output", None), dict | list)


def _side(shape: tuple[int | None, ...]) -> int | None:
    """The side of the square images of a shape; None if it is not that of images."""
    if len(shape) == 3 and shape[2] in (1, 3):
        height, width = shape[:2]
    elif len(shape) == 3 and shape[0] in (1, 3):
        height, width = shape[1:]
    elif len(shape) == 2 and 1 not in shape:
        height, width = shape
    else:
        pixels = int(np.prod([length or 0 for length in shape])) if shape else 0
        height = width = int(pixels**0.5)
        if height * width != pixels or max((length or 0 for length in shape), default=0) != pixels:
            return None
    if height is None and width is None:
        return IMAGE_SIZE
    return height if height == width and height and SMALLEST <= height <= LARGEST else None


def _fit_images(image: Any, model: keras.Model, shape: Shape, fit: Fit | None, said: list[str]) -> Any:
    """Images (28, 28) as a model takes them."""
    side = _side(shape)
    if side is None:
        raise UsageError(
            f"For export a network must take square images, such as (28, 28), (32, 32, 3) or (784,); {model.name} "
            f"takes {shape}."
        )
    made = keras.layers.Reshape((IMAGE_SIZE, IMAGE_SIZE, 1))(image)
    if side != IMAGE_SIZE and fit == "pad":
        if side < IMAGE_SIZE:
            raise UsageError(f"{model.name} takes {shape}, which is smaller than 28×28: --fit resize, or leave it out.")
        before = (side - IMAGE_SIZE) // 2
        made = keras.layers.ZeroPadding2D(((before, side - IMAGE_SIZE - before),) * 2)(made)
        said.append(f"it takes {shape}: images of 28×28 are padded with black to {side}×{side}")
    elif side != IMAGE_SIZE:
        made = keras.layers.Resizing(side, side, antialias=side < IMAGE_SIZE)(made)
        other = "; if it learned images that were padded, say --fit pad (fit='pad')" if side > IMAGE_SIZE else ""
        said.append(f"it takes {shape}: images of 28×28 are resized to {side}×{side}, bilinear{other}")
    channels = 3 if len(shape) == 3 and 3 in (shape[0], shape[2]) else 1
    if channels == 3:
        made = keras.layers.Concatenate()([made] * 3)
    if len(shape) == 3 and shape[0] == channels and shape[2] not in (1, 3):
        made = keras.layers.Permute((3, 1, 2))(made)
    wanted = tuple(side if length is None else length for length in shape)
    return made if made.shape[1:] == wanted else keras.layers.Reshape(wanted)(made)


def _outputs(model: keras.Model, shape: Shape) -> list[tuple[str, tuple[int | None, ...]]]:
    """The name and the shape of each output, images first."""
    sized = tuple(IMAGE_SIZE if length is None else length for length in shape)
    found = keras.tree.flatten(
        jax.eval_shape(converter.forward(model), jax.ShapeDtypeStruct((N, *sized), model.inputs[0].dtype))
    )
    names = list(getattr(model, "output_names", ()))
    names = names if len(names) == len(found) else [f"output {number}" for number in range(len(found))]
    return [(name, tuple(each.shape)) for name, each in zip(names, found, strict=True)]


def _classifier(
    model: keras.Model,
    outputs: Sequence[tuple[str, tuple[int | None, ...]]],
    class_names: Sequence[str] | None,
    said: list[str],
) -> tuple[int, int]:
    """The number of the output that gives a score for each class, and how many those are."""
    rows = {}
    for number, (_, shape) in enumerate(outputs):
        longer = [length for length in shape[1:] if length != 1]
        if len(shape) > 1 and len(longer) <= 1:
            rows[number] = int(longer[0] or 1) if longer else 1
    if len(outputs) > 1:
        if class_names is not None:
            rows = {number: n for number, n in rows.items() if n - len(class_names) in (0, 1)}
        else:
            rows = {number: n for number, n in rows.items() if n > 1}
    if len(rows) == 1:
        number = next(iter(rows))
        if len(outputs) > 1:
            said.append(f"of its outputs {_name_outputs(outputs)}, {outputs[number][0]} is taken for the classifier")
        return number, rows[number]
    if len(outputs) == 1:
        why = " Those are numbers of classes: export the network before its argmax." if len(outputs[0][1]) == 1 else ""
        raise UsageError(
            f"For export a network must give one row of numbers for each image; {model.name} gives "
            f"{_shown(outputs[0][1])}.{why}"
        )
    raise UsageError(
        f"{model.name} has {len(outputs)} outputs, {_name_outputs(outputs)}, and {len(rows) or 'none'} of them can be "
        "the classifier. Export the one that you mean: mnistry.export(keras.Model(model.input, model.outputs[0]), "
        "path), with its place in the list."
    )


def _name_outputs(outputs: Sequence[tuple[str, tuple[int | None, ...]]]) -> str:
    return ", ".join(f"{name} {_shown(shape)}" for name, shape in outputs)


def _shown(shape: tuple[int | None, ...]) -> str:
    return f"({', '.join(['n', *map(str, shape[1:])])}{',' if len(shape) == 1 else ''})"
