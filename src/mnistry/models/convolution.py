"""Convolutions and pooling in the forms that are fastest on a CPU.

XLA's own convolution is ten times slower inside a compiled loop on a CPU, and its gradient of max pooling (select and
scatter) costs more than the convolutions around it.

- Convolution: matrix products. The columns that a kernel row covers lie side by side (three times the input for a 3×3
  kernel, not nine times), and each kernel row is one product. A large batch is worked through in pieces that stay in
  the cache, with the bias, relu and max pooling that follow. The gradients are matrix products too. With a large kernel
  and few filters, the products compute several neighbouring outputs at once.
- Depthwise convolution: a sum of shifted products, element by element, which XLA compiles into one loop.
- Pooling: the elements of a window are shifted slices, compared or added. Each window remembers the place of its
  maximum: the first one, as in XLA.

Outputs and gradients are those of XLA, up to float32 rounding.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from mnistry.models.backend import jax

jnp, lax = jax.numpy, jax.lax

FEW_FILTERS, LARGE_KERNEL = 32, 4  # a product with fewer columns wastes most of a CPU's vector units
PIECE_BYTES = 4_000_000  # of the columns and outputs of a piece: smaller ones keep a second core idle


class Window(NamedTuple):
    """The movement of a kernel over an image: two numbers each, for rows and columns.

    Attributes:
        size: of the kernel.
        stride: from one output to the next.
        dilation: from one element of the kernel to the next.
        before: pixels of padding before the first.
        after: pixels of padding after the last.
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


# Convolution


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
    number = _count_neighbours(block.window, kernel.shape[-1])
    return _convolve(x, kernel, bias, block) if number == 1 else _convolve(*_join(x, kernel, bias, block, number))


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
        return (y, None) if block.pool is None else _max_and_place(y, block.pool)

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
    rows, columns, channels, filters = kernel.shape

    def piece(part: Any, own: Any, y: Any, place: Any) -> tuple[Any, Any, Any]:
        own = own if y is None else jnp.where(y > 0, own, 0)
        own = own if block.pool is None else _unpool(own, place, _size_of_outputs(block), block.pool)
        by_bias = None if bias is None else own.reshape(-1, filters // block.neighbours).sum(0)
        flat = own.reshape(-1, filters)
        by_x = wanted and None
        if wanted is not None:
            by_x = sum(
                _spread(
                    (flat @ kernel[i, j].T).reshape(-1, *block.window.out, channels), x.shape[1:3], block.window, i, j
                )
                for i, j in itertools.product(range(rows), range(columns))
            )
        return by_x, _kernel_gradient(part, flat, block.window), by_bias

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
    n, filters = len(x), kernel.shape[-1]
    seen = _columns(x, window)
    if isinstance(seen, list):
        parts = [
            part.reshape(-1, part.shape[-1]) @ row.reshape(-1, filters) for part, row in zip(seen, kernel, strict=True)
        ]
        flat = sum(parts[1:], start=parts[0])
    else:
        flat = seen.reshape(-1, seen.shape[-1]) @ kernel.reshape(-1, filters)
    return flat.reshape(n, *window.out, filters)


def _kernel_gradient(x: Any, flat: Any, window: Window) -> Any:
    seen = _columns(x, window)
    if isinstance(seen, list):
        return jnp.stack([part.reshape(-1, part.shape[-1]).T @ flat for part in seen])
    return seen.reshape(-1, seen.shape[-1]).T @ flat


def _columns(x: Any, window: Window) -> Any:
    """Gather the values that the kernel covers at each output.

    A list with an array for each kernel row; or one array for the whole kernel if that is small or skips pixels.
    """
    rows, columns = window.size
    padded = _pad(x, window)
    side_by_side = jnp.concatenate([_slice(padded, 2, j, window) for j in range(columns)], axis=-1)
    seen = [_slice(side_by_side, 1, i, window) for i in range(rows)]
    return jnp.concatenate(seen, axis=-1) if _at_once(x, window) else seen


def _at_once(x: Any, window: Window) -> bool:
    return window.stride != (1, 1) or x.shape[-1] == 1 or window.size[0] == 1


def _image_bytes(x: Any, kernel: Any, block: Block) -> int:
    """Bytes of the columns and the outputs of one image."""
    (rows, columns), (height, width) = block.window.size, block.window.out
    column_height = height * rows if _at_once(x, block.window) else x.shape[1]
    count: int = width * (column_height * columns * x.shape[-1] + height * kernel.shape[-1])
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
        window: where the kernel goes.

    Returns:
        float32 (n, *window.out, channels * filters per channel).
    """
    total = sum(
        _pick(_pad(x, window), window, i, j)[..., None] * kernel[i, j]
        for i, j in itertools.product(*(range(size) for size in window.size))
    )
    return total.reshape(*total.shape[:3], -1)


def _depthwise_forward(x: Any, kernel: Any, window: Window) -> tuple[Any, tuple[Any, Any]]:
    return convolve_depthwise(x, kernel, window), (x, kernel)


def _depthwise_backward(window: Window, kept: tuple[Any, Any], gradient: Any) -> tuple[Any, Any]:
    x, kernel = kept
    gradient = gradient.reshape(*gradient.shape[:3], *kernel.shape[2:])
    places = list(itertools.product(*(range(size) for size in window.size)))
    by_x = sum(_spread((gradient * kernel[i, j]).sum(-1), x.shape[1:3], window, i, j) for i, j in places)
    padded = _pad(x, window)
    by_kernel = [(_pick(padded, window, i, j)[..., None] * gradient).sum((0, 1, 2)) for i, j in places]
    return by_x, jnp.stack(by_kernel).reshape(kernel.shape)


convolve_depthwise.defvjp(_depthwise_forward, _depthwise_backward)


# Pooling


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def pool_max(x: Any, window: Window) -> Any:
    """The largest value of each window.

    Args:
        x: float32 (n, height, width, channels).
        window: of the pool.

    Returns:
        float32 (n, *window.out, channels).
    """
    return _max_and_place(x, window)[0]


def _max_forward(x: Any, window: Window) -> tuple[Any, Any]:
    largest, place = _max_and_place(x, window)
    return largest, (place, jnp.zeros((0, *x.shape[1:3])))


def _max_backward(window: Window, kept: Any, gradient: Any) -> tuple[Any]:
    place, empty = kept
    return (_unpool(gradient, place, empty.shape[1:], window),)


def _max_and_place(x: Any, window: Window) -> tuple[Any, Any]:
    """The largest value of each window, and its number in the window."""
    padded = _pad(x, window, -jnp.inf)
    parts = [_pick(padded, window, i, j) for i, j in itertools.product(*(range(size) for size in window.size))]
    largest, place = parts[0], jnp.zeros(parts[0].shape, jnp.int8 if len(parts) < 128 else jnp.int32)
    for number, part in enumerate(parts[1:], start=1):
        place = jnp.where(part > largest, jnp.asarray(number, place.dtype), place)
        largest = jnp.maximum(largest, part)
    return largest, place


def _unpool(gradient: Any, place: Any, shape: tuple[int, ...], window: Window) -> Any:
    """The gradient of max pooling: to the place of each window's maximum, in an image of that height and width."""
    (rows, columns), (height, width) = window.size, window.out
    if window.size == window.stride and not any(window.before + window.after):
        number = jnp.arange(rows * columns, dtype=place.dtype).reshape(rows, 1, columns, 1)
        spread = jnp.where(place[:, :, None, :, None, :] == number, gradient[:, :, None, :, None, :], 0)
        spread = spread.reshape(len(gradient), height * rows, width * columns, gradient.shape[-1])
        missing = ((0, 0), (0, shape[0] - height * rows), (0, shape[1] - width * columns), (0, 0))
        return jnp.pad(spread, missing)
    parts = enumerate(itertools.product(range(rows), range(columns)))
    return sum(
        _spread(jnp.where(place == number, gradient, 0), (shape[0], shape[1]), window, i, j) for number, (i, j) in parts
    )


pool_max.defvjp(_max_forward, _max_backward)


def pool_sum(x: Any, window: Window) -> Any:
    """The sum of each window; shapes as for `pool_max`."""
    (rows, columns), (height, width) = window.size, window.out
    if window.size == window.stride and not any(window.before + window.after):
        used = x[:, : height * rows, : width * columns]
        return used.reshape(len(x), height, rows, width, columns, x.shape[-1]).sum((2, 4))
    padded = _pad(x, window)
    return sum(_pick(padded, window, i, j) for i, j in itertools.product(range(rows), range(columns)))


# Slices


def _pad(x: Any, window: Window, value: float = 0.0) -> Any:
    if not any(window.before + window.after):
        return x
    return jnp.pad(x, ((0, 0), *zip(window.before, window.after, strict=True), (0, 0)), constant_values=value)


def _slice(x: Any, axis: int, place: int, window: Window) -> Any:
    """Select the values that one row (axis 1) or column (axis 2) of the kernel meets."""
    stride, count = window.stride[axis - 1], window.out[axis - 1]
    start = place * window.dilation[axis - 1]
    return lax.slice_in_dim(x, start, start + (count - 1) * stride + 1, stride, axis)


def _pick(padded: Any, window: Window, i: int, j: int) -> Any:
    """Select the values that one element of the kernel meets."""
    return _slice(_slice(padded, 1, i, window), 2, j, window)


def _spread(values: Any, shape: tuple[int, int], window: Window, i: int, j: int) -> Any:
    """Put values back where `_pick` took them from, in an image without padding; zeros elsewhere."""
    edges = [(0, 0, 0)]
    for axis, place in enumerate((i, j)):
        stride, count = window.stride[axis], window.out[axis]
        low = place * window.dilation[axis] - window.before[axis]
        edges.append((low, shape[axis] - low - ((count - 1) * stride + 1), stride - 1))
    return lax.pad(values, jnp.zeros((), values.dtype), [*edges, (0, 0, 0)])
