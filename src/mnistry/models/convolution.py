"""Convolutions in the forms that are fastest on a CPU.

XLA's own gradients of convolutions are ten times slower inside a compiled loop on a CPU.

- Convolution: matrix products. The columns that a kernel row covers lie side by side (three times the input for a 3×3
  kernel, not nine times); the kernel's rows are one product or several, see `_choose_form`. A large batch is worked
  through in pieces that stay in the cache, with the bias, relu and max pooling that follow. The gradients are matrix
  products too. With a large kernel and few filters, the products compute several neighbouring outputs at once.
- Depthwise convolution: a sum of shifted products, element by element, which XLA compiles into one loop.

Outputs and gradients are those of XLA, up to float32 rounding.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from mnistry.models.backend import jax
from mnistry.models.pooling import find_max, unpool
from mnistry.models.windows import Window, pad, pick, slice_axis, spread

jnp, lax = jax.numpy, jax.lax

FEW_FILTERS, LARGE_KERNEL = 32, 4  # a product with fewer columns wastes most of a CPU's vector units
PIECE_BYTES = 8_000_000  # of the columns and outputs of a piece: smaller ones keep a second core idle


class Block(NamedTuple):
    """A convolution with what follows it while a piece is in the cache.

    Attributes:
        window: of the convolution.
        relu: whether its outputs, bias included, go through relu.
        pool: of a max pooling after that, or None.
        neighbours: number of outputs of a row that are computed at once, as if they were filters of one output.
    """

    window: Window
    relu: bool = False
    pool: Window | None = None
    neighbours: int = 1


def convolve(x: Any, kernel: Any, bias: Any, block: Block) -> Any:
    """Convolve in two dimensions, add a bias, apply relu and max pooling.

    Args:
        x: float32 (n, height, width, channels).
        kernel: float32 (rows, columns, channels, filters).
        bias: float32 (filters,), or None.
        block: where the kernel goes, and what follows.

    Returns:
        float32 (n, *block.window.out, filters), or (n, *block.pool.out, filters) with pooling.
    """
    block = _leave_out_unused(block, x.shape[1:3])
    number = _count_neighbours(block.window, kernel.shape[-1])
    return _convolve(x, kernel, bias, block) if number == 1 else _convolve(*_join(x, kernel, bias, block, number))


def _leave_out_unused(block: Block, shape: tuple[int, int]) -> Block:
    """Leave out the last rows and columns of outputs if no pool takes them, as with 11 pixels in pools of 2."""
    if block.pool is None:
        return block
    out, after = [], []
    for axis in (0, 1):
        window, pool = ([value[axis] for value in each] for each in (block.window, block.pool))
        size, stride, dilation, before, padding, number = window
        used = min(number, (pool[5] - 1) * pool[1] + pool[0] - pool[3])
        out.append(used)
        after.append(
            padding if used == number else (used - 1) * stride + (size - 1) * dilation + 1 - before - shape[axis]
        )
    return block._replace(window=block.window._replace(out=(out[0], out[1]), after=(after[0], after[1])))


def _count_neighbours(window: Window, filters: int) -> int:
    """The number of outputs of a row to compute at once: 1 unless the kernel is large and the filters are few."""
    columns, (_, width) = window.size[1], window.out
    if columns < LARGE_KERNEL or (window.stride[1], window.dilation[1]) != (1, 1):
        return 1
    most = min(columns - 1, FEW_FILTERS // filters)
    return next((number for number in range(most, 1, -1) if width % number == 0), 1)


def _join(x: Any, kernel: Any, bias: Any, block: Block, number: int) -> tuple[Any, Any, Any, Block]:
    """Join that number of neighbouring pixels to one, with as many times the channels.

    The kernel gets zeros where an output does not see a pixel: a banded (Toeplitz) matrix for each of its rows.
    """
    window, (n, height, width, channels) = block.window, x.shape
    (rows, columns), filters = window.size, kernel.shape[-1]
    count = -(-(number + columns - 1) // number)
    joined = window.out[1] // number + count - 1
    after = max(0, joined * number - width - window.before[1])
    x = jnp.pad(x, ((0, 0), (0, 0), (window.before[1], after), (0, 0)))[:, :, : joined * number]
    shifted = [
        jnp.pad(kernel, ((0, 0), (place, count * number - columns - place), (0, 0), (0, 0))) for place in range(number)
    ]
    window = window._replace(
        size=(rows, count),
        before=(window.before[0], 0),
        after=(window.after[0], 0),
        out=(window.out[0], window.out[1] // number),
    )
    return (
        x.reshape(n, height, joined, number * channels),
        jnp.stack(shifted, axis=3).reshape(rows, count, number * channels, number * filters),
        bias,
        block._replace(window=window, neighbours=number),
    )


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def _convolve(x: Any, kernel: Any, bias: Any, block: Block) -> Any:
    return _forward(x, kernel, bias, block)[0]


def _forward(x: Any, kernel: Any, bias: Any, block: Block) -> tuple[Any, Any]:
    """The outputs, and with pooling the place of the maximum in each window."""

    def piece(part: Any) -> tuple[Any, Any]:
        y = _products(part, kernel, block.window)
        y = y.reshape(len(part), *_size_of_outputs(block), -1)
        y = y if bias is None else y + bias
        y = jnp.maximum(y, 0) if block.relu else y
        return (y, None) if block.pool is None else find_max(y, block.pool)

    y, place = _in_pieces(piece, (x,), _image_bytes(x, kernel, block))
    return y, place


def _convolve_forward(x: Any, kernel: Any, bias: Any, block: Block) -> tuple[Any, Any]:
    wanted = () if x.perturbed else None  # whether somebody wants the gradient by x
    x, kernel, bias = x.value, kernel.value, None if bias is None else bias.value
    y, place = _forward(x, kernel, bias, block)
    return y, (x, kernel, bias, y if block.relu else None, place, wanted)


def _convolve_backward(block: Block, kept: Any, gradient: Any) -> tuple[Any, Any, Any]:
    x, kernel, bias, outputs, places, wanted = kept
    if isinstance(gradient, jax.custom_derivatives.SymbolicZero):
        gradient = jnp.zeros(gradient.shape, gradient.dtype)
    filters = kernel.shape[-1]

    def piece(part: Any, own: Any, y: Any, place: Any) -> tuple[Any, Any, Any]:
        own = own if y is None else jnp.where(y > 0, own, 0)
        own = own if block.pool is None else unpool(own, place, _size_of_outputs(block), block.pool)
        by_bias = None if bias is None else own.reshape(-1, filters // block.neighbours).sum(0)
        own = own.reshape(len(own), *block.window.out, filters)
        by_x = None if wanted is None else _input_gradient(own, kernel, x.shape[1:3], block.window)
        return by_x, _kernel_gradient(part, own, kernel, block.window), by_bias

    by_x, by_kernel, by_bias = _in_pieces(
        piece, (x, gradient, outputs, places), _image_bytes(x, kernel, block), sums=(False, True, True)
    )
    return jnp.zeros_like(x) if wanted is None else by_x, by_kernel.reshape(kernel.shape), by_bias


_convolve.defvjp(_convolve_forward, _convolve_backward, symbolic_zeros=True)


def _size_of_outputs(block: Block) -> tuple[int, int]:
    """Height and width of the outputs before pooling."""
    height, width = block.window.out
    return height, width * block.neighbours


def _products(x: Any, kernel: Any, window: Window) -> Any:
    """The outputs of a convolution alone."""
    rows, filters = kernel.shape[0], kernel.shape[-1]
    seen, form = _columns(x, window), _choose_form(kernel.shape, window)
    if form == "whole kernel":
        seen = _rows(seen, window)
        return _dot(jnp.concatenate(seen, axis=-1), kernel.reshape(-1, filters))
    if form == "rows of inputs":
        parts = [_dot(part, row.reshape(-1, filters)) for part, row in zip(_rows(seen, window), kernel, strict=True)]
        return sum(parts[1:], start=parts[0])
    side_by_side = kernel.transpose(1, 2, 0, 3).reshape(-1, rows * filters)
    parts = jnp.split(_dot(seen, side_by_side), rows, axis=-1)
    return sum(slice_axis(part, 1, i, window) for i, part in enumerate(parts))


def _kernel_gradient(x: Any, gradient: Any, kernel: Any, window: Window) -> Any:
    (rows, columns, channels, filters), seen = kernel.shape, _columns(x, window)
    form = _choose_form(kernel.shape, window)
    if form == "whole kernel":
        return _dot_pixels(jnp.concatenate(_rows(seen, window), axis=-1), gradient)
    if form == "rows of inputs":
        return jnp.stack([_dot_pixels(part, gradient) for part in _rows(seen, window)])
    side_by_side = _dot_pixels(seen, _shift_rows(gradient, seen.shape[1], window))
    return side_by_side.reshape(columns, channels, rows, filters).transpose(2, 0, 1, 3)


def _shift_rows(gradient: Any, height: int, window: Window) -> Any:
    """For every row of inputs, the gradients of the outputs that each row of the kernel computes from it."""
    vertical = window._replace(before=(0, 0))
    shape = (height, window.out[1])
    return jnp.concatenate([spread(gradient, shape, vertical, i, 0) for i in range(window.size[0])], axis=-1)


def _input_gradient(gradient: Any, kernel: Any, shape: tuple[int, int], window: Window) -> Any:
    rows, columns, channels, filters = kernel.shape
    if window.stride == (1, 1) and rows < LARGE_KERNEL and filters <= min(channels, FEW_FILTERS):
        (before, _), (after, _) = window.before, window.after
        shifted = _shift_rows(gradient, before + shape[0] + after, window)  # compiled once, for both gradients
        parts = _dot(shifted, kernel.transpose(0, 3, 1, 2).reshape(rows * filters, -1))
        parts = lax.pad(parts, jnp.zeros((), parts.dtype), [(0, 0, 0), (-before, -after, 0), (0, 0, 0), (0, 0, 0)])
        horizontal = window._replace(size=(1, columns), before=(0, window.before[1]), out=(shape[0], window.out[1]))
        return sum(spread(part, shape, horizontal, 0, j) for j, part in enumerate(jnp.split(parts, columns, axis=-1)))
    places = itertools.product(range(rows), range(columns))
    if window.stride == (1, 1):
        parts = jnp.split(_dot(gradient, kernel.transpose(3, 0, 1, 2).reshape(filters, -1)), rows * columns, axis=-1)
    else:
        parts = [_dot(gradient, each.T) for row in kernel for each in row]
    return sum(spread(part, shape, window, i, j) for part, (i, j) in zip(parts, places, strict=True))


def _choose_form(shape: tuple[int, ...], window: Window) -> str:
    """The form of the products.

    - "whole kernel": one product with all that a kernel sees at an output.
    - "rows of inputs": one product for each row of the kernel, added up.
    - "rows of outputs": one product with the rows of the kernel side by side, as if they were more filters; its outputs
      are shifted and added up. For few filters: they are copied in place of the inputs, and the product is wider.
    """
    rows, columns, channels, filters = shape
    if window.stride != (1, 1) or channels == 1 or rows == 1:
        return "whole kernel"
    return "rows of outputs" if rows < LARGE_KERNEL and filters <= columns * channels else "rows of inputs"


def _dot(x: Any, matrix: Any) -> Any:
    """The product over the last axis."""
    return (x.reshape(-1, x.shape[-1]) @ matrix).reshape(*x.shape[:-1], -1)


def _dot_pixels(x: Any, y: Any) -> Any:
    """The product over all axes but the last."""
    return x.reshape(-1, x.shape[-1]).T @ y.reshape(-1, y.shape[-1])


def _columns(x: Any, window: Window) -> Any:
    """Gather the values that a row of the kernel covers at each output, for every row of inputs."""
    padded = pad(x, window)
    return jnp.concatenate([slice_axis(padded, 2, j, window) for j in range(window.size[1])], axis=-1)


def _rows(columns: Any, window: Window) -> list[Any]:
    """For each row of the kernel, the columns that it meets."""
    return [slice_axis(columns, 1, i, window) for i in range(window.size[0])]


def _image_bytes(x: Any, kernel: Any, block: Block) -> int:
    """Bytes of the columns and the outputs of one image."""
    (rows, columns, channels, filters), (height, width) = kernel.shape, block.window.out
    form = _choose_form(kernel.shape, block.window)
    column_height = height * rows if form == "whole kernel" else x.shape[1]
    output_height = height * rows if form == "rows of outputs" else height
    count: int = width * (column_height * columns * channels + output_height * filters)
    return 4 * count


def _in_pieces(form: Callable[..., Any], arrays: tuple[Any, ...], image_bytes: int, sums: tuple[bool, ...] = ()) -> Any:
    """Apply a form to a batch, piece by piece.

    Args:
        form: takes a piece of each array; returns a tuple.
        arrays: (n, ...) each, or None.
        image_bytes: memory that the form needs for one image.
        sums: for each of the form's results, whether to add those of the pieces; the others are (n, ...) again.
    """
    n = len(arrays[0])
    size = _piece(n, image_bytes)
    whole = n - n % size
    if whole <= size and n < 2 * size:
        return form(*arrays)
    pieces = [None if array is None else array[:whole].reshape(-1, size, *array.shape[1:]) for array in arrays]
    kinds = jax.eval_shape(form, *(None if piece is None else piece[0] for piece in pieces))
    sums = sums or (False,) * len(kinds)
    zeros = [
        jnp.zeros(kind.shape, kind.dtype) if adds and kind is not None else None
        for kind, adds in zip(kinds, sums, strict=True)
    ]

    def step(total: Any, piece: Any) -> tuple[Any, Any]:
        found = form(*piece)
        total = [None if old is None else old + new for old, new in zip(total, found, strict=True)]
        return total, [None if adds else new for new, adds in zip(found, sums, strict=True)]

    totals, parts = lax.scan(step, zeros, pieces)
    rest = form(*(None if array is None else array[whole:] for array in arrays)) if whole < n else [None] * len(sums)
    return tuple(_join_pieces(total, part, last) for total, part, last in zip(totals, parts, rest, strict=True))


def _join_pieces(total: Any, parts: Any, rest: Any) -> Any:
    """One result of `_in_pieces`: a sum, or the pieces one after the other."""
    if total is not None:
        return total if rest is None else total + rest
    if parts is None:
        return None
    parts = parts.reshape(-1, *parts.shape[2:])
    return parts if rest is None else jnp.concatenate([parts, rest])


def _piece(n: int, image_bytes: int) -> int:
    """Images of a piece: as many as fit, fewer if that leaves no remainder."""
    largest = max(1, min(n, PIECE_BYTES // max(1, image_bytes)))
    return next((size for size in range(largest, largest // 2, -1) if n % size == 0), largest)


# Depthwise convolution


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def convolve_depthwise(x: Any, kernel: Any, window: Window) -> Any:
    """Convolve each channel by itself.

    Args:
        x: float32 (n, height, width, channels).
        kernel: float32 (rows, columns, channels, filters per channel).
        window: where the kernel goes; the result is (n, *window.out, channels * filters per channel).
    """
    total = sum(
        pick(pad(x, window), window, i, j)[..., None] * kernel[i, j]
        for i, j in itertools.product(*(range(size) for size in window.size))
    )
    return total.reshape(*total.shape[:3], -1)


def _depthwise_forward(x: Any, kernel: Any, window: Window) -> tuple[Any, tuple[Any, Any]]:
    return convolve_depthwise(x, kernel, window), (x, kernel)


def _depthwise_backward(window: Window, kept: tuple[Any, Any], gradient: Any) -> tuple[Any, Any]:
    x, kernel = kept
    gradient = gradient.reshape(*gradient.shape[:3], *kernel.shape[2:])
    places = list(itertools.product(*(range(size) for size in window.size)))
    by_x = sum(spread((gradient * kernel[i, j]).sum(-1), x.shape[1:3], window, i, j) for i, j in places)
    padded = pad(x, window)
    by_kernel = [(pick(padded, window, i, j)[..., None] * gradient).sum((0, 1, 2)) for i, j in places]
    return by_x, jnp.stack(by_kernel).reshape(kernel.shape)


convolve_depthwise.defvjp(_depthwise_forward, _depthwise_backward)
