"""The kind of a data set, by looking at its images: ink on paper, or pictures of anything else.

Ink is brought into MNIST's form, as the picture reader does it. Pictures are made grey and 28×28 pixels small.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, cast, get_args

import numpy as np

from mnistry.datasets.labelled import DIGITS, Images, LoadedSplits
from mnistry.errors import PictureError, UsageError
from mnistry.ocr.image_io import open_image

Kind = Literal["ink", "pictures"]
KINDS: tuple[str, ...] = get_args(Kind)
LOOKED_AT = 120  # images, spread over the data
LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601, as Pillow makes grey

# An image is ink if nearly all of its border, and most of the rest, has one brightness, up to slow changes of light.
NEAR, NEAR_BORDER, NEAR_ALL = 24, 0.7, 0.5  # grey levels, and shares of pixels
CONTRAST = 40  # grey levels between paper and ink
THICKEST = 0.45  # of strokes, as a share of what is drawn
COLOURED, COLOURED_PIXELS, COLOURED_IMAGES = 40, 0.05, 0.1  # difference of channels; shares of pixels and of images
COLOUR_TELLS = 0.3  # share of the variance of the mean colour that classes explain: then colour matters
TRANSPOSED = "on their side, with rows for columns, as EMNIST's files have them"
TURNS: dict[str, Callable[[np.ndarray], np.ndarray]] = {  # how digits may lie, and what turns them upright
    TRANSPOSED: lambda images: images.transpose(0, 2, 1),
    "turned by a quarter to the left": lambda images: np.rot90(images, -1, (1, 2)),
    "turned by a quarter to the right": lambda images: np.rot90(images, 1, (1, 2)),
    "upside down": lambda images: np.rot90(images, 2, (1, 2)),
    "mirrored": lambda images: images[:, :, ::-1],
    "mirrored and upside down": lambda images: images[:, ::-1],
    "mirrored and turned by a quarter": lambda images: np.rot90(images, 2, (1, 2)).transpose(0, 2, 1),
}
UPRIGHT_IMAGES, TURNED, UPRIGHT = 20, 0.6, 0.3  # digits to look at; share read when turned, and as they are


def check_kind(kind: str | None) -> Kind | None:
    """Check the kind that a user named.

    Raises:
        UsageError: there is no such kind.
    """
    if kind not in (None, *KINDS):
        raise UsageError(f"The kind of a data set is ink or pictures; received {kind!r}.")
    return cast(Kind | None, kind)


def look(found: LoadedSplits) -> tuple[Kind, bool, bool]:
    """Look at some of the training images.

    Returns:
        The kind that most of them are of; whether they are coloured; and whether their classes differ in colour.
    """
    labels = found.train.labels
    chosen = _spread(len(labels), LOOKED_AT).tolist()
    seen = [(opened, labels[i]) for i in chosen if (opened := _open_image(found.train.images, i)) is not None]
    if not seen:
        return "ink", False, False
    votes = [is_ink(to_grey(pixels)) for pixels, _ in seen]
    coloured = [_is_coloured(pixels) for pixels, _ in seen]
    tells = _colour_tells([pixels for pixels, _ in seen], [label for _, label in seen])
    kind: Kind = "ink" if np.mean(votes) >= 0.5 else "pictures"
    return kind, bool(np.mean(coloured) >= COLOURED_IMAGES), tells


def to_grey(pixels: np.ndarray) -> np.ndarray:
    """The brightness of pixels (height, width) or (height, width, 3), as float."""
    return pixels.astype(np.float64) if pixels.ndim == 2 else pixels[..., :3] @ LUMA


def is_ink(image: np.ndarray) -> bool:
    """Tell whether an image, float (height, width) 0–255, shows ink on paper, dark on bright or bright on dark."""
    step = max(1, min(image.shape) // 64)
    small = image[: image.shape[0] // step * step, : image.shape[1] // step * step]
    small = small.reshape(small.shape[0] // step, step, small.shape[1] // step, step).mean(axis=(1, 3))
    height, width = small.shape
    if min(height, width) < 4:
        return True
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    rim = np.ones(small.shape, bool)
    rim[1:-1, 1:-1] = False
    plane = np.stack([np.ones_like(x), x, y], axis=-1)
    light = np.full(small.shape, np.median(small[rim]))
    for _ in range(2):  # strokes that reach the border are left out of the light
        seen = rim & (np.abs(small - light) <= 2 * NEAR)
        if np.count_nonzero(seen) > 3:
            light = plane @ np.linalg.lstsq(plane[seen], small[seen], rcond=None)[0]
    rest = np.abs(small - light)
    if rest.max() < CONTRAST:
        return bool(rest.max() < NEAR)  # blank paper
    plain = bool((rest[rim] <= NEAR).mean() >= NEAR_BORDER and (rest <= NEAR).mean() >= NEAR_ALL)
    return plain and _thickness(rest > NEAR) <= THICKEST


def _thickness(mask: np.ndarray) -> float:
    """The widest square of a mask, as a share of the mask's longer side."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return 0.0
    side, width = max(np.ptp(rows), np.ptp(columns)) + 1, 0
    while mask.any():
        mask, width = mask[1:, 1:] & mask[:-1, 1:] & mask[1:, :-1] & mask[:-1, :-1], width + 1
    return float(width / side)


def find_turn(images: np.ndarray, labels: np.ndarray) -> str | None:
    """Tell how digits lie, if they are not upright: the built-in model reads them once they are turned.

    Args:
        images: uint8 (n, 28, 28), bright ink on black.
        labels: str (n,); classes that are not digits are passed over.

    Returns:
        The name of a turn in `TURNS`; None where they are upright, or it cannot be told.
    """
    digits = np.flatnonzero(np.isin(labels, sorted(DIGITS)))
    if len(digits) < UPRIGHT_IMAGES or len(set(labels[digits].tolist())) < 2:
        return None
    from mnistry.models.classifier import Classifier

    chosen = digits[_spread(len(digits), 2 * LOOKED_AT)]
    model, truth = Classifier.load(threads=1), labels[chosen].astype(int)

    def read(seen: np.ndarray) -> float:
        return float((model.predict(np.ascontiguousarray(seen)).argmax(axis=1) == truth).mean())

    as_they_are = read(images[chosen])
    if as_they_are >= TURNED:
        return None
    share, turn = max((read(turn(images[chosen])), name) for name, turn in TURNS.items())
    return turn if share >= TURNED and as_they_are <= max(UPRIGHT, share / 2) else None


def find_names(images: np.ndarray, labels: np.ndarray) -> dict[str, str]:
    """Tell the digits that labels from 1 to 10 stand for: 10 may be 0, as in MATLAB, or each be one too many.

    Args:
        images: uint8 (n, 28, 28), upright digits, bright ink on black.
        labels: str (n,).

    Returns:
        The digits by label; empty where there are other labels, or the built-in model does not read them so.
    """
    ways = [{str(n): str(n % 10) for n in range(1, 11)}, {str(n): str(n - 1) for n in range(1, 11)}]
    if "10" not in labels or not set(labels.tolist()) <= set(ways[0]):
        return {}
    from mnistry.models.classifier import Classifier

    chosen = np.union1d(_spread(len(labels), 2 * LOOKED_AT), np.flatnonzero(labels == "10")[:LOOKED_AT])
    read = Classifier.load(threads=1).predict(np.ascontiguousarray(images[chosen])).argmax(axis=1).astype(np.str_)
    tens = labels[chosen] == "10"
    for way in ways:
        right = np.array([way[each] for each in labels[chosen].tolist()]) == read
        if right.mean() >= TURNED and right[tens].mean() >= TURNED:
            return way
    return {}


def _spread(n: int, most: int) -> np.ndarray:
    """Indices below n, no more than `most`, evenly spread."""
    return np.unique(np.linspace(0, n - 1, most).round().astype(int)) if n else np.arange(0)


def _open_image(images: Images, index: int) -> np.ndarray | None:
    if isinstance(images, np.ndarray):
        return np.asarray(images[index])
    try:
        return open_image(images[index].source, "it").pixels
    except (PictureError, MemoryError):
        return None  # reported when all are opened


def _is_coloured(pixels: np.ndarray) -> bool:
    if pixels.ndim == 2:
        return False
    channels = pixels[..., :3].astype(np.int16)
    return bool((np.ptp(channels, axis=2) >= COLOURED).mean() >= COLOURED_PIXELS)


def _colour_tells(images: Sequence[np.ndarray], labels: Sequence[str]) -> bool:
    """Tell whether the mean colour of an image, apart from its brightness, tells much about its class."""
    if any(pixels.ndim == 2 for pixels in images):
        return False
    colours = np.array([pixels[..., :3].mean(axis=(0, 1)) for pixels in images])
    colours = (colours - (colours @ LUMA)[:, None])[:, ::2]  # red and blue against brightness
    classes, counts = np.unique(np.asarray(labels), return_counts=True)
    if len(classes) < 2 or len(labels) < 4 * len(classes):
        return False
    total = ((colours - colours.mean(axis=0)) ** 2).sum(axis=0)
    means = np.array([colours[np.asarray(labels) == name].mean(axis=0) for name in classes])
    between = (counts[:, None] * (means - colours.mean(axis=0)) ** 2).sum(axis=0)
    spread = np.sqrt(total / len(labels))
    return bool(((between >= COLOUR_TELLS * total) & (spread >= 1)).any())
