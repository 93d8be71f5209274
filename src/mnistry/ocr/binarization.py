"""Binarization: ink differs from the paper around it, whatever its colour and the light."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mnistry.ocr.background import (
    LIKE_PAPER,
    content_region,
    estimate_background,
    even_background,
    find_patches,
    find_sheet,
    lighten_labels,
    with_patches,
)
from mnistry.ocr.components import Components, bounding_box, find_components, median, run_lengths
from mnistry.ocr.image_io import LUMINANCE
from mnistry.ocr.morphology import close_disc, dilate, erode
from mnistry.ocr.resizing import otsu_threshold, reduce_picture, resize

LEAST_CONTRAST = 12.0  # of 255: anything fainter is paper
NOISE = 5.0  # standard deviations of the paper's noise by which ink differs from it
CLEAR = 1.2  # times the least contrast: that of the middle of a stroke
FAINTEST = 0.25  # of a stroke's usual contrast: what is fainter is not part of it
GRAIN = 4.0  # pixels: strokes thicker than that are smoothed, as paper grain and ball pens leave holes in them
SMOOTHING = 0.15  # of the stroke's thickness: the radius
SHADOW_CELLS, NARROW = 160, 20  # along the longer side, for finding shadows; of it, they are broader than a part
SHADE, SHADOW = 14.0, 0.04  # of 255: how much darker a shadow is; of the picture: how large
PAPER_BLUR, MOST_MARKS = 0.8, 2000  # pixels: the noise that is smoothed before; components: more are no writing
RIVAL = 0.2  # of the first ink's contrast in all: with less, the other polarity is not looked at
ACROSS = 0.5  # of the ink on a sheet: so much goes on beyond its rim if it is not a sheet
MUCH_INK = 0.2  # of the picture: with less, the ink is not taken for the paper
RUN_TO_WIDTH = 0.8  # strokes are crossed aslant by most rows and columns
SAMPLE = 50_000  # pixels from which the noise is estimated
ABOVE_ANY = 512.0  # above any contrast; a power of two, so that sums with it are exact


@dataclass(frozen=True, eq=False)
class Foreground:
    """The ink of a picture.

    Attributes:
        strength: float32 (height, width), 0–1: contrast to the paper as a part of the stroke's own around there, so
            the edge of a stroke is at 0.5, be it dark or faint.
        contrast: float32 (height, width), 0–255: contrast to the paper.
        mask: bool (height, width): where the strength is at least 0.5.
        width: how thick its strokes are, in pixels.
        partial: whether it was looked for in a part of the picture only.
        shaded: whether shadows may lie over it; the ink between them comes next.
    """

    strength: np.ndarray
    contrast: np.ndarray
    mask: np.ndarray
    width: float
    partial: bool = False
    shaded: bool = False

    @cached_property
    def parts(self) -> Components:
        """The connected components of its mask."""
        return find_components(self.mask)

    def close_gaps(self, gap: float) -> Foreground:
        """The same ink with gaps in its strokes closed that are at most `gap` stroke widths wide."""
        side = 2 * max(1, round(gap * self.width / 2)) + 1
        strength, contrast = (close_disc(each, side) for each in (self.strength, self.contrast))
        return Foreground(strength, contrast, strength >= 0.5, self.width, self.partial)

    def turn(self, quarters: int) -> Foreground:
        """The same ink, turned anticlockwise by quarters of a full turn."""
        strength, contrast, mask = (
            np.ascontiguousarray(np.rot90(each, quarters)) for each in (self.strength, self.contrast, self.mask)
        )
        return Foreground(strength, contrast, mask, self.width, self.partial)


def foreground_candidates(pixels: np.ndarray, *, shadows: bool = False) -> Iterator[Foreground]:
    """Yield the candidates for the ink of a picture, the likeliest first.

    If a sheet lies on something else, the first is the ink on the sheet. Then come the ink darker and the ink brighter
    than the paper, the larger of the two first and followed by that between shadows, if there are some; then the ink if
    the first ink is taken for the paper, as in a picture that is mostly ink; then, in a picture of two tones,
    everything that does not have the edge's tone.

    Args:
        pixels: uint8 (height, width, 3), RGB.
        shadows: whether shadows with sharp edges are looked for.
    """
    area = content_region(pixels)
    part = pixels if area is None else pixels[area]
    sheet = find_sheet(part)
    on_sheet = None if sheet is None else _on_sheet(part, sheet)
    if on_sheet is not None:
        yield _place(on_sheet, pixels.shape[:2], area)
    paper = estimate_background(pixels) if area is None else pixels[0, 0].astype(np.float32)
    patches = find_patches(part, paper)
    lightened = part if patches is None else lighten_labels(part, paper, patches)
    if lightened is not part:
        part = lightened
        paper = estimate_background(part) if area is None else paper
        patches = find_patches(part, paper)
    darker, brighter = _departures(part, paper if patches is None else with_patches(part, paper, patches))
    least = LEAST_CONTRAST if area is not None else _least_contrast(darker + brighter)
    amounts = [float(np.maximum(each - least, 0).sum()) for each in (darker, brighter)]
    dark = amounts[0] >= amounts[1]
    first = _place(_ink(darker if dark else brighter, least), pixels.shape[:2], area)
    between = _between_shadows(part, paper) if area is None and shadows else None
    yield replace(first, shaded=between is not None)
    if between is not None:
        yield between
    other = brighter if dark else darker
    if min(amounts) >= RIVAL * max(amounts) > 0:
        yield _place(_ink(other, least), pixels.shape[:2], area)
    if first.mask.mean() >= MUCH_INK:
        swapped = _departures(pixels, estimate_background(pixels, first.mask))
        yield _ink(swapped[1 if dark else 0], _least_contrast(np.add(*swapped)[first.mask]))
    even = even_background(pixels) if area is None else None
    if even is not None:
        darker, brighter = _departures(pixels, even)
        least = _least_contrast((darker + brighter)[darker + brighter < LIKE_PAPER])
        yield _ink(darker if darker.sum() >= brighter.sum() else brighter, least)


def middle_foreground(pixels: np.ndarray) -> Foreground | None:
    """The ink of a digit in the middle of a crop, whatever frames and neighbours lie at the edge.

    Otsu's threshold there parts it in two (Otsu 1979, "A Threshold Selection Method from Gray-Level Histograms"); the
    part with fewer pixels is ink.

    Args:
        pixels: uint8 (height, width, 3), RGB.

    Returns:
        None where the middle is of one brightness.
    """
    grey = pixels @ LUMINANCE
    height, width = grey.shape
    middle = grey[height // 6 : height - height // 6, width // 5 : width - width // 5]
    low, high = (float(each) for each in np.percentile(middle, (2, 98)))
    if high - low < LEAST_CONTRAST:
        return None
    levels = np.rint(np.clip((middle - low) / (high - low), 0, 1) * 255).astype(np.uint8)
    bright = levels > otsu_threshold(levels)
    tones = float(middle[~bright].mean()), float(middle[bright].mean())
    paper, ink = tones if bright.mean() < 0.5 else tones[::-1]
    strength = np.clip((grey - paper) / (ink - paper), 0, 1).astype(np.float32)
    mask = strength >= 0.5
    return Foreground(strength, np.abs(grey - paper).astype(np.float32), mask, _stroke_width(mask))


def _place(ink: Foreground, shape: tuple[int, ...], area: tuple[slice, slice] | None) -> Foreground:
    """The ink of a picture (height, width), looked for in these rows and columns of it; None is all."""
    if area is None:
        return ink
    strength, contrast, mask = np.zeros(shape, np.float32), np.zeros(shape, np.float32), np.zeros(shape, bool)
    strength[area], contrast[area], mask[area] = ink.strength, ink.contrast, ink.mask
    return Foreground(strength, contrast, mask, ink.width, ink.partial)


def _on_sheet(pixels: np.ndarray, sheet: np.ndarray) -> Foreground | None:
    """The ink on a sheet, bool (height, width), whatever lies around it.

    None where most of it goes on beyond the sheet's rim: then it is a marker's patch, with writing across it.
    """
    darker, brighter = _departures(pixels, estimate_background(pixels, sheet))
    least = _least_contrast((darker + brighter)[sheet])
    darker, brighter = np.where(sheet, darker, 0), np.where(sheet, brighter, 0)
    dark = np.maximum(darker - least, 0).sum() >= np.maximum(brighter - least, 0).sum()
    ink = _ink(darker if dark else brighter, least, partial=True)
    rim = sheet & ~erode(sheet, 3, 3)
    beyond = np.unique(ink.parts.labels[rim & ink.mask])
    return ink if ink.parts.areas[beyond].sum() <= ACROSS * ink.parts.areas.sum() else None


def _between_shadows(pixels: np.ndarray, paper: np.ndarray) -> Foreground | None:
    """The ink on paper with shadows that have sharp edges; None where there are none.

    The paper is the picture with all closed that is dark and narrow, so that shadows keep their edges (Serra 1982,
    "Image Analysis and Mathematical Morphology": the bottom-hat transform).

    Args:
        pixels: uint8 (height, width, 3), RGB.
        paper: float32 (height, width, 3), the paper's colour if the light changes slowly.
    """
    from PIL import Image, ImageFilter

    longer = max(pixels.shape[:2])
    scale = min(1.0, SHADOW_CELLS / longer)
    size = tuple(max(1, round(side * scale)) for side in pixels.shape[:2])
    coarse = reduce_picture(pixels, *size) if scale < 1 else pixels
    shade = resize(paper, *size) @ LUMINANCE - _closed(coarse, round(max(size) / NARROW)) @ LUMINANCE
    if np.mean(np.abs(shade) > SHADE) < SHADOW:
        return None
    smooth = np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(PAPER_BLUR)))
    darker, _ = _departures(smooth, _closed(smooth, round(longer / NARROW)).astype(np.float32))
    usual = np.float32(np.median(darker))
    ink = _ink(np.maximum(darker - usual, 0), _least_contrast(np.abs(darker - usual)))
    is_writing = longer >= 2 * NARROW * ink.width and len(ink.parts) <= MOST_MARKS
    return ink if is_writing else None


def _closed(pixels: np.ndarray, side: int) -> np.ndarray:
    """The picture, uint8 (height, width, 3), with all that is dark and narrower than a square closed."""
    side = max(3, side | 1)
    return np.dstack([erode(dilate(pixels[:, :, i], side, side), side, side) for i in range(3)])


def _departures(pixels: np.ndarray, paper: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Measure how much darker and how much brighter than the paper each pixel is: float32 (height, width), 0–255.

    It is the distance of the two colours, so that a blue pen is seen on grey paper of the same brightness.
    """
    difference = pixels.astype(np.float32) - paper
    brighter = difference @ LUMINANCE >= 0
    red, green, blue = (np.square(difference[:, :, i]) for i in range(3))
    distance = np.sqrt((red + green + blue) / np.float32(3))
    return np.where(brighter, 0, distance), np.where(brighter, distance, 0)


def _least_contrast(distance: np.ndarray) -> float:
    """The contrast that ink has at least, by the paper's noise: most of a picture is paper.

    Where nothing has so much, most of the picture may be ink; then the noise is that of the quarter most like paper.
    """
    sample = distance.ravel()[:: max(1, distance.size // SAMPLE)]
    middle, quarter, most = (float(each) for each in np.percentile(sample, (50, 25, 100)))
    least = NOISE * 1.4826 * middle  # 1.4826: median deviation to standard
    if most < CLEAR * least:
        least = NOISE * 3.138 * quarter  # 3.138: the first quartile of the deviation to standard
    return max(LEAST_CONTRAST, least)


def _ink(contrast: np.ndarray, least: float, *, partial: bool = False) -> Foreground:
    """Threshold each stroke at half of its own contrast: at its edge, however blurred."""
    parts = find_components(contrast >= least)
    strength, width = np.zeros(contrast.shape, np.float32), 0.0
    if len(parts):
        inside = np.flatnonzero(parts.labels >= 0)
        numbers, values = parts.labels.ravel()[inside], contrast.ravel()[inside]
        usual = _usual(values, numbers, parts)
        usual[usual < CLEAR * least] = np.inf  # faint everywhere: not a stroke, but noise
        rough = np.zeros(contrast.shape, bool)
        rough.ravel()[inside] = values >= 0.5 * usual[numbers]
        width = _stroke_width(rough)
        if width >= GRAIN:
            contrast = _smooth(contrast, SMOOTHING * width)
            values = contrast.ravel()[inside]
        held = np.zeros(contrast.shape, np.float32)
        held.ravel()[inside] = values
        around = _largest_around(held, max(1, round(width)), inside)
        strength.ravel()[inside] = np.minimum(values / np.maximum(around, FAINTEST * usual[numbers]), 1)
    return Foreground(strength, contrast, strength >= 0.5, width, partial)


def _usual(values: np.ndarray, numbers: np.ndarray, parts: Components) -> np.ndarray:
    """For each component the contrast that 15% of its pixels exceed: that of the middle of its strokes."""
    ordered = np.sort(numbers * ABOVE_ANY + values)
    ends = np.cumsum(parts.areas)
    chosen = ordered[np.maximum(ends - 1 - (0.15 * parts.areas).astype(np.int64), ends - parts.areas)]
    return (chosen - np.arange(len(parts)) * ABOVE_ANY).astype(np.float32)


def _stroke_width(mask: np.ndarray) -> float:
    """Estimate the stroke width: the median length of all runs along rows and columns.

    A stroke is crossed by many short runs and covered by few long ones, a table or a shadow by few; so it is the
    strokes that are measured, however little of the ink they are.
    """
    left, top, right, bottom = bounding_box(mask)
    inside = mask[top:bottom, left:right]
    return RUN_TO_WIDTH * median(np.concatenate([run_lengths(inside), run_lengths(inside.T)])) if inside.size else 0.0


def _smooth(contrast: np.ndarray, radius: float) -> np.ndarray:
    from PIL import Image, ImageFilter

    plain = Image.fromarray(np.clip(contrast, 0, 255).astype(np.uint8))
    return np.asarray(plain.filter(ImageFilter.GaussianBlur(radius)), np.float32)


def _largest_around(values: np.ndarray, block: int, wanted: np.ndarray) -> np.ndarray:
    """The largest value within about one and a half blocks of each wanted pixel, int64 (n,) in the order of memory."""
    height, width = values.shape
    rows, columns = -(-height // block), -(-width // block)
    padded = np.zeros(((rows + 2) * block, (columns + 2) * block), np.float32)
    padded[block : block + height, block : block + width] = values
    largest = padded.reshape(rows + 2, block, -1).max(axis=1).reshape(rows + 2, columns + 2, block).max(axis=2)
    largest = np.maximum(np.maximum(largest[:-2], largest[1:-1]), largest[2:])
    largest = np.maximum(np.maximum(largest[:, :-2], largest[:, 1:-1]), largest[:, 2:])
    return largest[wanted // width // block, wanted % width // block]
