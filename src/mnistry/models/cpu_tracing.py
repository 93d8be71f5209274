"""Keras models traced so that their convolutions and pooling are fast on a CPU.

While `cpu_forms()` is active, Keras's operations on the JAX backend are traced in the forms of `convolution.py` and
`pooling.py`. The model keeps Keras's layers. Whatever is not float32, or has more than two spatial dimensions, is left
to XLA. `compile_program` tells XLA what it should know of the processor.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

from mnistry.models.backend import BaseConv, jax, keras, keras_nn
from mnistry.models.convolution import Block, convolve, convolve_depthwise
from mnistry.models.pooling import pool_max, pool_sum
from mnistry.models.windows import Window, make_window
from mnistry.runtime import provenance

jnp = jax.numpy

ZEN_5 = 26  # AMD's family
ZEN_5_OPTIONS: dict[str, Any] = {
    "xla_cpu_prefer_vector_width": 512,
    "xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_REDUCE",
}

Blocks = dict[int, tuple[Any, str, Callable[[Window], Any]]]
"""By the id of a layer's outputs: the outputs, their data format, and what makes them with a max pooling at the end."""


@contextlib.contextmanager
def cpu_forms() -> Iterator[None]:
    """Trace Keras's convolutions and pooling in the forms of this module, if JAX computes on a CPU."""
    if jax.default_backend() != "cpu":
        yield
        return
    blocks: Blocks = {}
    forms: list[tuple[Any, str, Any]] = [
        (keras_nn, "conv", partial(_convolution, _convolve)),
        (keras_nn, "depthwise_conv", partial(_convolution, _convolve_depthwise)),
        (keras_nn, "max_pool", partial(_pooling, partial(_pool_max, blocks))),
        (keras_nn, "average_pool", partial(_pooling, _pool_average)),
        (BaseConv, "call", partial(_call_conv_layer, blocks)),
    ]
    originals = [(owner, name, getattr(owner, name)) for owner, name, _ in forms]
    for (owner, name, original), (_, _, form) in zip(originals, forms, strict=True):
        setattr(owner, name, _bound(form, original) if owner is BaseConv else partial(form, original))
    try:
        yield
    finally:
        for owner, name, original in originals:
            setattr(owner, name, original)


@cache
def choose_options() -> dict[str, Any]:
    """Options of XLA for programs on this processor.

    XLA takes vectors of 256 bits, as older processors slow down with longer ones or halve them. From Zen 5 on, AMD's
    compute 512 bits at once. There oneDNN's matrix products are faster than YNNPACK's, which XLA prefers; YNNPACK's
    sums stay. An option that somebody has set in `XLA_FLAGS` stays theirs.
    """
    facts = provenance.read_processor()
    is_zen_5 = facts.get("vendor_id") == "AuthenticAMD" and int(facts.get("cpu family", "0")) >= ZEN_5
    if not is_zen_5 or jax.default_backend() != "cpu":
        return {}
    return {name: value for name, value in ZEN_5_OPTIONS.items() if name not in os.environ.get("XLA_FLAGS", "")}


def compile_program(lowered: Any) -> Any:
    """Compile a lowered program with the options of this processor; without, if XLA does not know one of them."""
    try:
        return lowered.compile(choose_options())
    except jax.errors.JaxRuntimeError as error:
        if "option" not in str(error):
            raise
        return lowered.compile()


def _bound(form: Callable[..., Any], original: Callable[..., Any]) -> Callable[..., Any]:
    """A form as a method; Keras looks at the names of its arguments."""

    def call(self: Any, inputs: Any) -> Any:
        return form(original, self, inputs)

    return call


def _convolution(
    form: Callable[[Any, Any, Window], Any],
    original: Callable[..., Any],
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:
    """Compute one of Keras's convolutions as `form(x, weights, window)`, where that applies."""
    kernel = keras.ops.convert_to_tensor(kernel)
    inputs = keras.ops.convert_to_tensor(inputs, dtype=kernel.dtype)

    def convolved(x: Any) -> Any:
        weights = kernel if kernel.ndim == 4 else kernel[None]
        window = _window_of(x, weights.shape[:2], strides, padding, dilation_rate, inputs.ndim)
        return None if 0 in window.out else form(x, weights, window)

    found = _with_channels_last(convolved, inputs, data_format)
    return original(inputs, kernel, strides, padding, data_format, dilation_rate) if found is None else found


def _convolve(x: Any, weights: Any, window: Window) -> Any:
    groups, remainder = divmod(x.shape[-1], weights.shape[2])
    if remainder or weights.shape[3] % groups:
        return None
    if groups == 1:
        return convolve(x, weights, None, Block(window))
    if weights.shape[2] == 1:
        return convolve_depthwise(x, weights.reshape(*weights.shape[:2], groups, -1), window)
    parts = zip(jnp.split(x, groups, axis=-1), jnp.split(weights, groups, axis=-1), strict=True)
    return jnp.concatenate([convolve(part, own, None, Block(window)) for part, own in parts], axis=-1)


def _convolve_depthwise(x: Any, weights: Any, window: Window) -> Any:
    return convolve_depthwise(x, weights, window) if x.shape[-1] == weights.shape[2] else None


def _call_conv_layer(blocks: Blocks, original: Callable[..., Any], layer: Any, inputs: Any) -> Any:
    """A Conv2D layer with its bias and relu in one go.

    Its outputs are noted in `blocks`: a max pooling that takes them can then be part of the same block. The outputs
    themselves are no longer needed then, and XLA leaves them out.
    """
    relu, kernel = layer.activation is keras.activations.relu, keras.ops.convert_to_tensor(layer.kernel)
    if (
        type(layer).convolution_op is not BaseConv.convolution_op
        or (layer.rank, layer.groups) != (2, 1)
        or not (relu or layer.activation in (None, keras.activations.linear))
        or not jnp.float32 == inputs.dtype == kernel.dtype
    ):
        return original(layer, inputs)
    bias = keras.ops.convert_to_tensor(layer.bias) if layer.use_bias else None

    def form(x: Any, pool: Window | None = None) -> Any:
        window = _window_of(x, kernel.shape[:2], layer.strides, layer.padding, layer.dilation_rate, 4)
        return None if 0 in window.out else convolve(x, kernel, bias, Block(window, relu, pool))

    outputs = _with_channels_last(form, inputs, layer.data_format)
    if outputs is None:
        return original(layer, inputs)
    x = jnp.moveaxis(inputs, 1, -1) if layer.data_format == "channels_first" else inputs
    blocks[id(outputs)] = (outputs, layer.data_format, partial(form, x))
    return outputs


def _pooling(
    form: Callable[[Any, Window, Any, str], Any],
    original: Callable[..., Any],
    inputs: Any,
    pool_size: Any,
    strides: Any = None,
    padding: str = "valid",
    data_format: str | None = None,
) -> Any:
    """Compute one of Keras's poolings as `form(x, window, inputs, layout)`, where that applies."""

    def pooled(x: Any) -> Any:
        window = _window_of(x, pool_size, pool_size if strides is None else strides, padding, 1, inputs.ndim)
        return None if 0 in window.out else form(x, window, inputs, data_format or keras.config.image_data_format())

    found = _with_channels_last(pooled, inputs, data_format)
    return original(inputs, pool_size, strides, padding, data_format) if found is None else found


def _pool_max(blocks: Blocks, x: Any, window: Window, inputs: Any, layout: str) -> Any:
    _, own, with_pool = blocks.get(id(inputs), (None, None, None))
    return pool_max(x, window) if with_pool is None or own != layout else with_pool(window)


def _pool_average(x: Any, window: Window, _inputs: Any, _layout: str) -> Any:
    if not any(window.before + window.after):
        return pool_sum(x, window) / (window.size[0] * window.size[1])
    return pool_sum(x, window) / pool_sum(jnp.ones((1, *x.shape[1:3], 1), x.dtype), window)


def _window_of(x: Any, size: Any, strides: Any, padding: str, dilation: Any, ndim: int) -> Window:
    """The window of one of Keras's operations; a sequence is one row of an image."""
    given: list[tuple[int, int]] = []
    for value in (size, strides, dilation):
        pair = (value,) * (ndim - 2) if isinstance(value, int) else tuple(value)
        given.append((pair[0] if len(pair) == 2 else 1, pair[-1]))
    return make_window(x.shape[1:3], given[0], given[1], given[2], padding)


def _with_channels_last(form: Callable[[Any], Any], inputs: Any, data_format: str | None) -> Any:
    """Apply a form for (n, height, width, channels) to inputs of Keras's layouts; None where it does not apply."""
    if inputs.ndim not in (3, 4) or inputs.dtype != jnp.float32:
        return None
    first = (data_format or keras.config.image_data_format()) == "channels_first"
    x = jnp.moveaxis(inputs, 1, -1) if first else inputs
    y = form(x if x.ndim == 4 else x[:, None])
    if y is None:
        return None
    y = y if x.ndim == 4 else y[:, 0]
    return jnp.moveaxis(y, -1, 1) if first else y
