"""Operations on many images at once, of which the corruptions are made: warps, blurs, edges and lines."""

from __future__ import annotations

import numpy as np

from mnistry.constants import IMAGE_SIZE as SIDE

# (down, right), in turns of 45 degrees from "to the right"
STEPS = ((0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1))
SOBEL_SCALE = 8.0  # the sum of a Sobel kernel's weights times the distance: gradients come out in grey levels a pixel
TIE = 3  # decimals of a grey level a pixel; less is rounding, and must not decide between two equal pixels
EIGHT_NEIGHBOURS = np.stack([np.zeros((3, 3)), np.ones((3, 3)), np.zeros((3, 3))])  # within an image, not across


def warp_affine(images: np.ndarray, matrices: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Apply an affine map to each image about its centre, with bilinear interpolation.

    The pixel at q = (row, column) goes to centre + matrix (q - centre) + shift. Whatever leaves the field is lost, and
    black comes in.

    Args:
        images: (n, 28, 28), any number type.
        matrices: float (n, 2, 2), invertible.
        shifts: float (n, 2), in pixels: down, right.

    Returns:
        float32 (n, 28, 28), in the images' own range.

    >>> dot = np.zeros((1, 28, 28))
    >>> dot[0, 10, 10] = 200
    >>> moved = warp_affine(dot, np.eye(2)[None], np.array([[3, 0.25]]))
    >>> moved[0, 13, 9:13].tolist()
    [0.0, 150.0, 50.0, 0.0]
    """
    from scipy import ndimage

    centre = np.full(2, (SIDE - 1) / 2)
    inverses = np.linalg.inv(matrices)  # SciPy takes the map from a pixel of the result to its source
    offsets = centre - (inverses @ (centre + shifts)[:, :, None])[:, :, 0]
    result = np.empty(images.shape, np.float32)
    for image, inverse, offset, warped in zip(images.astype(np.float32), inverses, offsets, result, strict=True):
        ndimage.affine_transform(image, inverse, offset, output=warped, order=1, mode="grid-constant")
    return result


def gaussian_blur(images: np.ndarray, sigma: float, *, mode: str = "nearest") -> np.ndarray:
    """Blur each image (n, height, width) with a Gaussian; `sigma` in pixels, `mode` in the words of scipy.ndimage."""
    from scipy import ndimage

    return ndimage.gaussian_filter(images.astype(np.float32), sigma, mode=mode, axes=(1, 2))


def convolve(images: np.ndarray, kernels: np.ndarray) -> np.ndarray:
    """Convolve each image (n, side, side) with its own kernel; beyond the field all is black.

    The kernels (n, odd, odd) are not negative; each is brought to the sum 1.
    """
    from scipy import signal

    weights = (kernels / kernels.sum(axis=(1, 2), keepdims=True)).astype(np.float32)
    return signal.fftconvolve(images.astype(np.float32), weights, mode="same", axes=(1, 2))


def shuffle_cells(images: np.ndarray, random: np.random.Generator, *, cell: int, margin: int) -> np.ndarray:
    """Put the pixels of each cell of each image (n, side, side) in random order.

    Args:
        images: any number type, as the result.
        random: the source of the order.
        cell: the side of a cell, in pixels; cells at the edges may be cut off.
        margin: how many pixels outside the field the first cells begin, less than `cell`.
    """
    n, side = images.shape[:2]
    rows = (np.arange(side) + margin) // cell
    cells = rows[:, None] * side + rows  # (side, side): pixels of one cell have the same number
    # Sorted by cell, in order and at random: the k-th of one list goes to the place of the k-th of the other.
    places = np.argsort(cells.reshape(-1), kind="stable")
    order = np.argsort(cells.reshape(-1) + random.random((n, side * side), np.float32), axis=1)
    moved = np.empty((n, side * side), images.dtype)
    moved[:, places] = np.take_along_axis(images.reshape(n, -1), order, axis=1)
    return moved.reshape(images.shape)


def canny(images: np.ndarray, *, sigma: float = 1.0, low: float = 20.0, high: float = 45.0) -> np.ndarray:
    """Find edges with Canny's detector: white lines on black.

    Canny 1986, "A Computational Approach to Edge Detection": smooth, differentiate, thin, follow.

    An edge is one pixel wide. Where it lies between two pixels whose gradient is the same, it is the darker one.

    Args:
        images: uint8 (n, 28, 28) 0–255.
        sigma: standard deviation of the Gaussian that smooths first, in pixels.
        low: the least gradient of an edge's pixel, in grey levels a pixel.
        high: the least gradient that one pixel of each edge must have.

    Returns:
        uint8 (n, 28, 28), 0 or 255.
    """
    from scipy import ndimage

    smooth = gaussian_blur(images, sigma)
    down = _sobel(smooth, axis=1)
    right = _sobel(smooth, axis=2)
    strength = np.hypot(down, right).round(TIE)
    candidates = _is_crest(strength, down, right) & (strength >= low)
    edges, n = ndimage.label(candidates, EIGHT_NEIGHBOURS)
    kept = np.zeros(n + 1, bool)
    kept[edges[candidates & (strength >= high)]] = True
    return np.where(kept[edges], np.uint8(255), np.uint8(0))


def _sobel(images: np.ndarray, axis: int) -> np.ndarray:
    from scipy import ndimage

    across = ndimage.correlate1d(images, [1, 2, 1], axis=3 - axis, mode="nearest")
    return ndimage.correlate1d(across, [-1, 0, 1], axis=axis, mode="nearest") / SOBEL_SCALE


def _is_crest(strength: np.ndarray, down: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Find pixels whose gradient exceeds that of both neighbours along its direction: bool (n, 28, 28)."""
    direction = np.rint(np.arctan2(down, right) / (np.pi / 4)).astype(np.int8) % len(STEPS)
    framed = np.pad(strength, ((0, 0), (1, 1), (1, 1)))
    crest = np.zeros(strength.shape, bool)
    for number, (row, column) in enumerate(STEPS):
        brighter, darker = _neighbours(framed, row, column), _neighbours(framed, -row, -column)
        crest |= (direction == number) & (strength >= brighter) & (strength > darker)
    return crest


def _neighbours(framed: np.ndarray, row: int, column: int) -> np.ndarray:
    """The pixels that lie `row` rows below and `column` columns right of each pixel inside the frame."""
    height, width = framed.shape[1:]
    return framed[:, 1 + row : height - 1 + row, 1 + column : width - 1 + column]


def line_coordinates(angles: np.ndarray, offsets: np.ndarray, *, side: int = SIDE) -> tuple[np.ndarray, np.ndarray]:
    """Give each pixel's coordinates along and across a straight line: two float32 arrays (n, side, side), in pixels.

    Args:
        angles: float (n,), from "to the right" towards "down", in radians.
        offsets: float (n,), how far the line passes the centre of the field, in pixels.
        side: of the field, in pixels.
    """
    places = np.arange(side, dtype=np.float32) - (side - 1) / 2
    cosine, sine = as_column(np.cos(angles)), as_column(np.sin(angles))
    along = cosine * places + sine * places[:, None]
    across = cosine * places[:, None] - sine * places - as_column(offsets)
    return along, across


def distance_from_segment(along: np.ndarray, across: np.ndarray, length: np.ndarray) -> np.ndarray:
    """The distance from a part of the line, `length` (n,) pixels long, whose middle is its point nearest the centre."""
    beyond = np.maximum(np.abs(along) - as_column(length) / 2, 0)
    return np.hypot(beyond, across)


def distance_from_dots(along: np.ndarray, across: np.ndarray, spacing: float, phase: np.ndarray) -> np.ndarray:
    """The distance from the nearest of the points that lie on the line, `spacing` pixels apart.

    Their `phase`, float (n,), is where they lie along the line, in parts of the spacing.
    """
    beside = (along / spacing - as_column(phase)) % 1
    return np.hypot(np.minimum(beside, 1 - beside) * spacing, across)


def distance_from_zigzag(
    along: np.ndarray, across: np.ndarray, period: np.ndarray, height: np.ndarray, phase: np.ndarray
) -> np.ndarray:
    """The distance from a zigzag around the line, from `line_coordinates`.

    Args:
        along: pixels, as `across`.
        across: likewise.
        period: float (n,), pixels from tooth to tooth.
        height: float (n,), pixels from the line to the teeth on both sides.
        phase: float (n,), where the teeth lie along the line, in periods.
    """
    width, rise = as_column(period) / 2, 2 * as_column(height)
    # Mirrored at each tooth, the zigzag is one and the same stroke, by (width, rise).
    right = np.abs((along / (2 * width) - as_column(phase)) % 1 - 0.5) * 2 * width
    up = across + rise / 2
    nearest = np.clip((right * width + up * rise) / (width**2 + rise**2), 0, 1)
    return np.hypot(right - nearest * width, up - nearest * rise)


def draw_line(distance: np.ndarray, *, width: float) -> np.ndarray:
    """The ink of a line of that width: 1 in it, 0 outside, and between on the pixels that its edge runs through."""
    return np.clip((width + 1) / 2 - distance, 0, 1)


def as_column(values: np.ndarray) -> np.ndarray:
    """One number an image, float32 (n, 1, 1), as it meets pixels (n, side, side)."""
    return np.asarray(values, np.float32)[:, None, None]
