"""Windows that move over images, for convolutions and pooling; images are float32 (n, height, width, channels)."""

from __future__ import annotations

from typing import Any, NamedTuple

from mnistry.models.backend import jax

jnp, lax = jax.numpy, jax.lax


class Window(NamedTuple):
    """The movement of a kernel over an image: two numbers each, for rows and columns.

    Attributes:
        size: of the kernel.
        stride: from one output to the next.
        dilation: from one element of the kernel to the next.
        before: pixels of padding before the first.
        after: pixels of padding after the last; below zero where the last pixels are not used.
        out: size of the output.
    """

    size: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    before: tuple[int, int]
    after: tuple[int, int]
    out: tuple[int, int]


def make_window(
    shape: tuple[int, int], size: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int], padding: str
) -> Window:
    """Place a kernel over an image of a given height and width, padded as Keras pads: "same" or "valid"."""
    before, after, out = [], [], []
    for n, k, s, d in zip(shape, size, stride, dilation, strict=True):
        extent = (k - 1) * d + 1
        count = -(-n // s) if padding == "same" else max(0, (n - extent) // s + 1)
        missing = max((count - 1) * s + extent - n, 0) if padding == "same" else 0
        before.append(missing // 2)
        after.append(missing - missing // 2)
        out.append(count)
    return Window(size, stride, dilation, (before[0], before[1]), (after[0], after[1]), (out[0], out[1]))


def pad(x: Any, window: Window, value: float = 0.0) -> Any:
    """Add a window's padding, or take pixels away where it is below zero."""
    if not any(window.before + window.after):
        return x
    edges = [(before, after, 0) for before, after in zip(window.before, window.after, strict=True)]
    return lax.pad(x, jnp.asarray(value, x.dtype), [(0, 0, 0), *edges, (0, 0, 0)])


def slice_axis(x: Any, axis: int, place: int, window: Window) -> Any:
    """Select the values that one row (axis 1) or column (axis 2) of the kernel meets."""
    stride, count = window.stride[axis - 1], window.out[axis - 1]
    start = place * window.dilation[axis - 1]
    return lax.slice_in_dim(x, start, start + (count - 1) * stride + 1, stride, axis)


def pick(padded: Any, window: Window, i: int, j: int) -> Any:
    """Select the values that one element of the kernel meets."""
    return slice_axis(slice_axis(padded, 1, i, window), 2, j, window)


def spread(values: Any, shape: tuple[int, int], window: Window, i: int, j: int) -> Any:
    """Put values back where `pick` took them from, in an image without padding; zeros elsewhere."""
    edges = [(0, 0, 0)]
    for axis, place in enumerate((i, j)):
        stride, count = window.stride[axis], window.out[axis]
        low = place * window.dilation[axis] - window.before[axis]
        edges.append((low, shape[axis] - low - ((count - 1) * stride + 1), stride - 1))
    return lax.pad(values, jnp.zeros((), values.dtype), [*edges, (0, 0, 0)])
