"""A convolution that trains fast on a CPU: as products of matrices, also inside a compiled loop.

XLA's own convolution reaches half the speed of its products of matrices on a CPU, and a tenth inside a loop. Here the
columns that a kernel sees lie side by side (three or five times the input, not nine or twenty-five), and each row of
the kernel is one product; where the kernel is small or skips pixels, all that it sees lies side by side, and one
product does. The derivatives are products of matrices too.
"""

from __future__ import annotations

from typing import Any

from mnistry.models.backend import jax, keras

jnp = jax.numpy


def convolved(x: Any, kernel: Any, stride: int) -> Any:
    """A two-dimensional convolution with "same" padding, as Keras pads.

    Args:
        x: float32 (n, height, width, channels).
        kernel: float32 (k, k, channels, filters).
        stride: in both directions.

    Returns:
        float32 (n, ⌈height / stride⌉, ⌈width / stride⌉, filters).
    """
    n, height, width, channels = x.shape
    k, filters = kernel.shape[0], kernel.shape[-1]
    rows, columns = -(-height // stride), -(-width // stride)
    padded = jnp.pad(x, ((0, 0), _padding(height, rows, k, stride), _padding(width, columns, k, stride), (0, 0)))
    side_by_side = jnp.concatenate([_every(padded, 2, at, columns, stride) for at in range(k)], axis=-1)
    seen = [_every(side_by_side, 1, at, rows, stride) for at in range(k)]  # each (n, rows, columns, k * channels)
    if stride > 1 or channels == 1:
        products = [jnp.concatenate(seen, axis=-1).reshape(-1, k * k * channels) @ kernel.reshape(-1, filters)]
    else:
        products = [
            part.reshape(-1, k * channels) @ row.reshape(-1, filters) for part, row in zip(seen, kernel, strict=True)
        ]
    return sum(products[1:], start=products[0]).reshape(n, rows, columns, filters)


def _padding(size: int, out: int, k: int, stride: int) -> tuple[int, int]:
    missing = max((out - 1) * stride + k - size, 0)
    return missing // 2, missing - missing // 2


def _every(x: Any, axis: int, start: int, count: int, stride: int) -> Any:
    return jax.lax.slice_in_dim(x, start, start + (count - 1) * stride + 1, stride, axis)


@keras.saving.register_keras_serializable("mnistry")
class MatrixConv2D(keras.layers.Conv2D):  # type: ignore[misc]  # Keras comes without types
    """Keras's Conv2D, computed as products of matrices: "same" padding and equal strides only."""

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        """What Keras's layer calls to convolve."""
        return convolved(inputs, keras.ops.convert_to_tensor(kernel), self.strides[0])


def plain(model: keras.Model) -> keras.Model:
    """The same network with Keras's own layers only, so that it opens wherever Keras is, with the same weights.

    Args:
        model: built; one that has a MatrixConv2D must be a plain sequence of layers. Others are returned as they are.
    """
    if not any(isinstance(layer, MatrixConv2D) for layer in model.layers):
        return model
    layers = [
        (keras.layers.Conv2D if isinstance(layer, MatrixConv2D) else type(layer)).from_config(layer.get_config())
        for layer in model.layers
    ]
    copy = keras.Sequential([keras.Input(model.input_shape[1:], name=model.inputs[0].name), *layers], name=model.name)
    copy.set_weights(model.get_weights())
    return copy
