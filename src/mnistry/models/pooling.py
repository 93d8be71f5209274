"""Pooling in the forms that are fastest on a CPU.

XLA's gradient of max pooling (select and scatter) costs more than the convolutions around it. Here the elements of a
window are shifted slices, compared or added. Each window remembers the place of its maximum: the first one, as in XLA.
"""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

from mnistry.models.backend import jax
from mnistry.models.windows import Window, pad, pick, spread

jnp = jax.numpy


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def pool_max(x: Any, window: Window) -> Any:
    """The largest value of each window: float32 (n, height, width, channels) to (n, *window.out, channels)."""
    return find_max(x, window)[0]


def _max_forward(x: Any, window: Window) -> tuple[Any, Any]:
    largest, place = find_max(x, window)
    return largest, (place, jnp.zeros((0, *x.shape[1:3])))


def _max_backward(window: Window, kept: Any, gradient: Any) -> tuple[Any]:
    place, empty = kept
    return (unpool(gradient, place, empty.shape[1:], window),)


def find_max(x: Any, window: Window) -> tuple[Any, Any]:
    """The largest value of each window, and its number in the window."""
    padded = pad(x, window, -jnp.inf)
    parts = [pick(padded, window, i, j) for i, j in itertools.product(*(range(size) for size in window.size))]
    largest, place = parts[0], jnp.zeros(parts[0].shape, jnp.int8 if len(parts) < 128 else jnp.int32)
    for number, part in enumerate(parts[1:], start=1):
        place = jnp.where(part > largest, jnp.asarray(number, place.dtype), place)
        largest = jnp.maximum(largest, part)
    return largest, place


def unpool(gradient: Any, place: Any, shape: tuple[int, ...], window: Window) -> Any:
    """The gradient of max pooling: to the place of each window's maximum, in an image of that height and width."""
    (rows, columns), (height, width) = window.size, window.out
    if window.size == window.stride and not any(window.before + window.after):
        number = jnp.arange(rows * columns, dtype=place.dtype).reshape(rows, 1, columns, 1)
        placed = jnp.where(place[:, :, None, :, None, :] == number, gradient[:, :, None, :, None, :], 0)
        placed = placed.reshape(len(gradient), height * rows, width * columns, gradient.shape[-1])
        missing = ((0, 0), (0, shape[0] - height * rows), (0, shape[1] - width * columns), (0, 0))
        return jnp.pad(placed, missing)
    parts = enumerate(itertools.product(range(rows), range(columns)))
    return sum(
        spread(jnp.where(place == number, gradient, 0), (shape[0], shape[1]), window, i, j) for number, (i, j) in parts
    )


pool_max.defvjp(_max_forward, _max_backward)


def pool_sum(x: Any, window: Window) -> Any:
    """The sum of each window; shapes as for `pool_max`."""
    (rows, columns), (height, width) = window.size, window.out
    if window.size == window.stride and not any(window.before + window.after):
        used = x[:, : height * rows, : width * columns]
        return used.reshape(len(x), height, rows, width, columns, x.shape[-1]).sum((2, 4))
    padded = pad(x, window)
    return sum(pick(padded, window, i, j) for i, j in itertools.product(range(rows), range(columns)))
