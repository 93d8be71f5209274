"""The paper behind the ink: its colour at every pixel, whatever the light that fell on it.

Paper is what most of a picture's neighbourhood has in common. The neighbourhood is the whole picture where that
explains it; where the light falls off, a smooth surface is taken away first; where there are shadows or more than one
sheet, the neighbourhood becomes smaller. All of it happens on a coarse grid of cells.
"""

from __future__ import annotations

import numpy as np

from mnistry.ocr.components import Components, fill_holes, find_components, median, stroke_width
from mnistry.ocr.image_io import LUMINANCE
from mnistry.ocr.morphology import dilate, erode
from mnistry.ocr.resizing import median_of_five, otsu_threshold, reduce_picture

CELLS = 64  # along the longer side
SAMPLES = 7  # pixels along a side of a cell that are looked at
REACHES = (CELLS // 4, CELLS // 8)  # of a neighbourhood to each side, in cells, the larger first
COARSER = 2  # cells a side that are counted as one for local medians: they cost an eighth so
ENOUGH = 0.8  # of the cells are paper by one median for all: no smaller neighbourhood is tried
LEVELS = 64  # of brightness, for medians
LIKE_PAPER = 8.0  # of 255: how much the brightness of paper may differ from the median of its neighbourhood
FAIR = 0.5  # of the cells that are like the usual brightness: with fewer, the median is that of no paper
TWO_TONES = 0.6  # of the pixels at least are like the paper or like the ink of a picture in even light
PURE = 0.9  # of a cell must lie where paper is looked for
GOOD_ENOUGH = 0.9  # of the cells that the best explanation makes paper, for a simpler one to be taken
TREND_ORDER = 4  # of the polynomial that light may follow: lenses darken corners with the fourth power
TREND_ROUNDS = 8
PLAIN = 0.5  # of the pixels at least are paper where that has one colour exactly
ROOM = 16  # pixels of plain paper that are kept around what is on it, for blurs to end there
MEAN_REACH = 8  # cells over which the paper's colour is averaged
PATCH, PATCH_CONTRAST, MOST_PATCHES = 0.01, 24.0, 12  # of the picture; of 255, to the paper; the largest ones
PATCH_CORE, PATCH_WIDE = 9, 2.5  # pixels; strokes of the writing on it: a patch is thicker somewhere
PATCH_STEP, PATCH_LOOK = 4, 400  # pixels: the step of a first look at pictures whose sides are at least so long
PATCH_BOXES = 2.0  # pictures: the boxes of all patches together; more is a pattern
PATCH_SOLID = 0.25  # of it lies deeper within than half of that core: strokes are thinner
PATCH_RIM = 4  # pixels: its blurred rim
PATCH_ALIKE, PATCH_PLAIN = 0.16, 0.5  # of the paper: how much its colour may vary; so much of it has that colour
PATCH_INK, PATCH_LEAST = 1.2, 0.1  # how much darker ink is: times as much as the patch than paper; of the paper
INKED = 0.04  # how much ink there is, as a part of what is plain
LABEL_LIGHT, LABEL_INK = 0.55, 0.5  # of the paper's brightness: a dark label; of the way to the lightest on it: writing
LABEL_OPEN, LABEL_RIM, LABEL_WIDE = 5, 2, 2.0  # pixels: thinner lines that hang on it; its rim; strokes, as above
LABEL_SHAPE, LABEL_WRITTEN = 0.85, 0.6  # of the smallest rectangle around it; at most as much writing as label
LABEL_TONE = 0.8  # how dark its writing becomes
SHEET_CELLS = 160  # along the longer side, for finding a sheet
ANGLES = np.deg2rad(np.arange(0, 180, 0.5))  # of the sides of a rectangle: the second half is across
TURNS = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1).astype(np.float32)
SHEET, RECTANGULAR = (0.08, 0.93), 0.84  # of the picture; of the smallest rectangle around it
SHEET_CONTRAST = 14.0  # of 255: between the sheet and what it lies on
SHARP = 0.5  # of that contrast lies within a few pixels of its edge
SAME = 0.25  # of the pixels within have the colour of those around: it is a frame, and no sheet


def estimate_background(pixels: np.ndarray, among: np.ndarray | None = None) -> np.ndarray:
    """The paper's colour.

    Args:
        pixels: uint8 (height, width, 3), RGB.
        among: bool (height, width): where the paper is looked for; None is everywhere.

    Returns:
        float32 (height, width, 3), 0–255.
    """
    from PIL import Image

    height, width = pixels.shape[:2]
    scale = min(1.0, CELLS / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    cells = _cells(pixels, size)
    counted = np.ones(cells.shape[:2], bool)
    if among is not None:
        share = np.asarray(Image.fromarray(among.astype(np.float32)).resize(size, Image.Resampling.BOX))
        counted = share >= min(PURE, float(share.max()))
    paper = _average(cells, *_medians(cells @ LUMINANCE, counted, uneven=scale < 1), counted)
    if scale == 1:
        return paper
    planes = [Image.fromarray(np.ascontiguousarray(paper[:, :, i])) for i in range(3)]
    return np.dstack([np.asarray(plane.resize((width, height), Image.Resampling.BICUBIC)) for plane in planes])


def even_background(pixels: np.ndarray) -> np.ndarray | None:
    """The paper's colour where a picture has two tones only, as a drawing in even light that its ink fills.

    Args:
        pixels: uint8 (height, width, 3), RGB.

    Returns:
        float32 (3,), 0–255; None where two tones do not explain most of the picture.
    """
    brightness = pixels @ LUMINANCE
    everywhere = np.ones(brightness.shape, bool)
    paper = np.abs(brightness - _mode(brightness, everywhere)) < LIKE_PAPER
    ink = ~paper
    if ink.any():
        ink &= np.abs(brightness - _mode(brightness, ink)) < LIKE_PAPER
    if (paper | ink).mean() < TWO_TONES:
        return None
    return np.asarray(np.median(pixels[paper], axis=0), np.float32)


def with_patches(pixels: np.ndarray, paper: np.ndarray, parts: Components) -> np.ndarray:
    """The paper's colour where a marker or a shaded cell has coloured it, and writing lies on that.

    Colours are compared as parts of the paper's, whatever the light. Each pixel of such a patch has the paper that is
    most like it of all mixtures of the two colours, so that the blurred rim of the patch is paper too.

    Args:
        pixels: uint8 (height, width, 3), RGB.
        paper: float32 (height, width, 3) or (3,), 0-255.
        parts: what differs from the paper: see `find_patches`.
    """
    found, size, left = np.broadcast_to(paper, pixels.shape), pixels[..., 0].size, PATCH_BOXES
    for i in np.argsort(-parts.areas)[:MOST_PATCHES]:
        area = tuple(
            slice(max(0, first - PATCH_RIM), last + PATCH_RIM)
            for first, last in ((parts.top[i], parts.bottom[i]), (parts.left[i], parts.right[i]))
        )
        left -= pixels[area][..., 0].size / size
        if parts.areas[i] < PATCH * size or left < 0:
            break
        own, base = parts.labels[area] == i, found[area]
        core = erode(own, PATCH_CORE, PATCH_CORE, outside=False)
        if np.count_nonzero(core) < PATCH_SOLID * parts.areas[i]:
            continue
        colour = np.median(pixels[area][own] / np.maximum(base[own], 1), axis=0)
        pale = float(colour @ LUMINANCE)
        darkest = pale - PATCH_INK * (1 - pale) - PATCH_LEAST
        if pale >= 1 or darkest <= 0:  # nothing on it can be ink
            continue
        part = pixels[area] / np.maximum(base, 1)
        like = own & (np.abs(part - colour).max(axis=2) < PATCH_ALIKE)
        ink = own & (part @ LUMINANCE < darkest)
        is_patch = like.sum() >= PATCH_PLAIN * own.sum() and ink.sum() >= INKED * like.sum()
        thick = max(PATCH_CORE, round(PATCH_WIDE * stroke_width(ink)))
        if not is_patch or not erode(like, thick, thick, outside=False).any():
            continue
        way = colour - 1
        share = np.clip(((part - 1) @ way) / max(float(way @ way), 1e-6), 0, 1)
        near = dilate(own, 2 * PATCH_RIM + 1, 2 * PATCH_RIM + 1)
        found = found if found.flags.writeable else found.copy()
        found[area] = base * (1 + (share * near)[:, :, None] * way)
    return found


def lighten_labels(pixels: np.ndarray, paper: np.ndarray, unlike: Components) -> np.ndarray:
    """The picture with dark labels turned into paper, and the light writing on them into dark writing.

    Such are the windows of a meter, dark cells of a table, and numbers printed white on a coloured rectangle.

    Args:
        pixels: uint8 (height, width, 3), RGB.
        paper: float32 (height, width, 3) or (3,), 0-255.
        unlike: what differs from the paper: see `find_patches`.
    """
    brightness = pixels @ LUMINANCE
    dark = (unlike.labels >= 0) & (brightness < LABEL_LIGHT * (paper @ LUMINANCE))
    opened = dilate(erode(dark, LABEL_OPEN, LABEL_OPEN), LABEL_OPEN, LABEL_OPEN)
    parts = find_components(fill_holes(opened))
    found = pixels
    for i in np.argsort(-parts.areas)[:MOST_PATCHES].tolist():
        area = slice(parts.top[i], parts.bottom[i]), slice(parts.left[i], parts.right[i])
        filled = parts.labels[area] == i
        size = _area(filled)
        if size < PATCH * dark.size or size < LABEL_SHAPE * _least_rectangle(filled):
            continue
        inner = erode(filled, 2 * LABEL_RIM + 1, 2 * LABEL_RIM + 1, outside=False)
        light = brightness[area]
        if not inner.any():
            continue
        tone, lightest = float(np.median(light[inner])), float(np.percentile(light[inner], 99))
        share = np.clip((light - tone) / max(lightest - tone, 1), 0, 1) * inner
        written = share >= LABEL_INK
        plain = inner & (share < LABEL_INK / 2)
        if lightest - tone < PATCH_CONTRAST or not INKED * plain.sum() <= written.sum() <= LABEL_WRITTEN * plain.sum():
            continue
        thick = max(PATCH_CORE, round(LABEL_WIDE * stroke_width(written)))
        if not erode(plain, thick, thick, outside=False).any():
            continue
        found = found if found is not pixels else pixels.copy()
        _turn_light(found, pixels, area, parts.labels, i, share)
    return found


def _turn_light(
    found: np.ndarray, pixels: np.ndarray, area: tuple[slice, slice], labels: np.ndarray, label: int, share: np.ndarray
) -> None:
    """Give a label the colour that is around it, and its writing, by its share of each pixel, a dark one."""
    room = 2 * PATCH_RIM
    near = tuple(slice(max(0, each.start - room), each.stop + room) for each in area)
    own, others = labels[near] == label, (labels[near] >= 0) & (labels[near] != label)
    written = np.zeros(own.shape, np.float32)
    written[tuple(slice(a.start - b.start, a.stop - b.start) for a, b in zip(area, near, strict=True))] = share
    grown = dilate(own, 2 * PATCH_RIM + 1, 2 * PATCH_RIM + 1) & ~others
    around = pixels[near][~grown & ~others]
    paper = np.median(around, axis=0) if len(around) else np.full(3, 255.0)
    turned = np.rint(paper * (1 - LABEL_TONE * written[:, :, None]))
    found[near] = np.where(grown[:, :, None], turned, found[near]).astype(np.uint8)


def _departs(pixels: np.ndarray, paper: np.ndarray) -> np.ndarray:
    height, width = pixels.shape[:2]
    tone = np.rint(np.clip(paper, 0, 255)).astype(np.uint8)
    tones = tone.reshape(height, 3 * width) if tone.ndim == 3 else np.tile(tone, width)
    values = pixels.reshape(height, 3 * width)  # rows as they lie in memory: three times as fast
    far = np.maximum(values, tones) - np.minimum(values, tones) >= PATCH_CONTRAST
    return far[:, ::3] | far[:, 1::3] | far[:, 2::3]


def find_patches(pixels: np.ndarray, paper: np.ndarray) -> Components | None:
    """Find the components of what differs from the paper, if any of it may be a patch or a label; else None.

    Of large pictures each fourth row and column is looked at first. See `with_patches` and `lighten_labels`.
    """
    step = PATCH_STEP if min(pixels.shape[:2]) >= PATCH_LOOK else 1
    other = _departs(pixels[::step, ::step], paper[::step, ::step] if paper.ndim == 3 else paper)
    core = max(PATCH_CORE // step, 1)
    if not erode(other, core, core, outside=False).any():
        return None
    parts = find_components(other)
    if int(parts.areas.max()) < PATCH * other.size / (1 + (step > 1)):
        return None
    return parts if step == 1 else find_components(_departs(pixels, paper))


def find_sheet(pixels: np.ndarray) -> np.ndarray | None:
    """Find a sheet that lies on something else, or a patch on the paper: an upright or turned rectangle.

    Args:
        pixels: uint8 (height, width, 3), RGB.

    Returns:
        bool (height, width), the sheet without its rim; None where there is none.
    """
    height, width = pixels.shape[:2]
    scale = min(1.0, SHEET_CELLS / max(height, width))
    if min(height, width) * scale < 24:
        return None
    small = median_of_five(reduce_picture(pixels, round(height * scale), round(width * scale)))
    grey = np.rint(small @ LUMINANCE).astype(np.uint8)
    bright = grey > otsu_threshold(grey)
    rim = np.concatenate([small[0], small[-1], small[:, 0], small[:, -1]]).astype(np.float32)
    other = np.zeros(grey.shape, bool)
    for plane, colour in zip(small.transpose(2, 0, 1), rim.T, strict=True):
        other |= np.abs(plane.astype(np.float32) - np.float32(median(colour))) >= SHEET_CONTRAST
    for regions in (bright, other):
        found = _rectangle(regions, small)
        if found is not None:
            sheet = erode(found, 7, 7, outside=False)
            rows, columns = (
                np.arange(side) * part // side for side, part in zip((height, width), sheet.shape, strict=True)
            )
            enlarged = sheet[rows[:, None], columns]
            if enlarged.any():  # nothing is left of a bar as thin as a stroke
                return enlarged
    return None


def _rectangle(regions: np.ndarray, small: np.ndarray) -> np.ndarray | None:
    """The largest region, bool (height, width), its holes filled, if it is a sheet: see the constants."""
    if np.count_nonzero(regions) < SHEET[0] * regions.size / 2:  # ink, or a frame
        return None
    if regions[[0, -1]].all() and regions[:, [0, -1]].all():  # the paper around all
        return None
    parts = find_components(fill_holes(regions))
    i = int(parts.areas.argmax())
    height, width = regions.shape
    at_edges = sum((parts.left[i] <= 0, parts.top[i] <= 0, parts.right[i] >= width, parts.bottom[i] >= height))
    filled = parts.labels == i
    area = _area(filled)
    if not SHEET[0] * regions.size <= area <= SHEET[1] * regions.size or at_edges > 1:
        return None
    if area < RECTANGULAR * _least_rectangle(filled):
        return None
    inner = erode(filled, 5, 5, outside=False)
    outer = dilate(filled, 5, 5)
    around = _colour(small, ~outer)
    apart = _colour(small, inner) - around
    near = _colour(small, filled & ~inner) - _colour(small, outer & ~filled)
    contrast = float(np.abs(apart).max())
    if contrast < SHEET_CONTRAST or float(np.abs(near).max()) < SHARP * contrast:
        return None
    like_outside = np.abs(small[inner] - around).max(axis=1) < SHEET_CONTRAST / 2
    return filled if like_outside.mean() < SAME else None


def _area(region: np.ndarray) -> float:
    """The area within the line through the outermost pixels of a region, bool (height, width)."""
    pairs = region[1:].astype(np.int8) + region[:-1]
    squares = pairs[:, 1:] + pairs[:, :-1]
    return float(np.count_nonzero(squares == 4) + np.count_nonzero(squares == 3) / 2)


def _least_rectangle(region: np.ndarray) -> float:
    """The area of the smallest rectangle around that line, however turned."""
    rows = np.flatnonzero(region.any(axis=1))
    first, last = region[rows].argmax(axis=1), region.shape[1] - 1 - region[rows, ::-1].argmax(axis=1)
    corners = np.array([[*first, *last], [*rows, *rows]], np.float32)
    along = TURNS @ corners
    sides = along.max(axis=1) - along.min(axis=1)
    return float((sides[: len(TURNS) // 2] * sides[len(TURNS) // 2 :]).min())


def _colour(pixels: np.ndarray, where: np.ndarray) -> np.ndarray:
    """The median colour of some pixels: float64 (3,); 0 where there are none."""
    return np.median(pixels[where], axis=0) if where.any() else np.zeros(3)


def content_region(pixels: np.ndarray) -> tuple[slice, slice] | None:
    """Find the part that is not plain paper, if the paper has exactly one colour, as in drawings and screenshots.

    Args:
        pixels: uint8 (height, width, 3), RGB.

    Returns:
        The rows and columns of it, with some of the paper around; None where the paper is not plain: half of all
        pixels and all at the edge must have its colour.
    """
    height, width = pixels.shape[:2]
    other = pixels.reshape(height, -1) != np.tile(pixels[0, 0], width)
    if other[0].any() or other[-1].any() or other[:, :3].any() or other[:, -3:].any():
        return None
    rows = np.flatnonzero(other.any(axis=1))
    columns = np.flatnonzero(other.any(axis=0).reshape(width, 3).any(axis=1))
    if not len(rows):  # a blank sheet: one pixel of it says all
        return slice(0, 1), slice(0, 1)
    area = _with_room(rows), _with_room(columns)
    inside = other.reshape(height, width, 3)[area]
    differing = np.count_nonzero(inside[:, :, 0] | inside[:, :, 1] | inside[:, :, 2])
    return area if differing <= (1 - PLAIN) * height * width else None


def _with_room(indices: np.ndarray) -> slice:
    return slice(max(0, int(indices[0]) - ROOM), int(indices[-1]) + 1 + ROOM)


def _cells(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The picture on a grid of (width, height) cells, each the median of some of its pixels: paper if it can be."""
    from PIL import Image

    width, height = size
    finer = min(SAMPLES, -(-max(pixels.shape) // CELLS))
    drawn = Image.fromarray(pixels).resize((width * finer, height * finer), Image.Resampling.NEAREST)
    if finer == 1:
        return np.asarray(drawn, np.float32)
    blocks = np.asarray(drawn).reshape(height, finer, width, finer, 3).transpose(0, 2, 4, 1, 3)
    return np.median(blocks.reshape(height, width, 3, finer * finer), axis=3).astype(np.float32)


def _medians(brightness: np.ndarray, counted: np.ndarray, *, uneven: bool) -> tuple[np.ndarray, int]:
    """The brightness of the paper at each cell by the simplest explanation that will do, and its reach in cells."""

    def paper_share(middle: np.ndarray) -> float:
        return float((np.abs(brightness - middle)[counted] < LIKE_PAPER).mean())

    flat = np.full_like(brightness, median(brightness[counted]))
    usual = np.full_like(brightness, _mode(brightness, counted))
    if not uneven:  # a small picture is a drawing or a crop, and each of its pixels a cell
        return (flat if paper_share(flat) >= FAIR * paper_share(usual) else usual), CELLS

    light = flat
    if paper_share(flat) < GOOD_ENOUGH:  # otherwise nothing could explain so much more
        bent = _trend(brightness, counted)
        light = flat if paper_share(flat) >= GOOD_ENOUGH * paper_share(bent) else bent
    whole = light + median((brightness - light)[counted])
    if paper_share(whole) >= ENOUGH:
        return whole, CELLS
    middles = [whole, usual, *(_local_median(brightness - light, counted, reach) + light for reach in REACHES)]
    shares = [paper_share(middle) for middle in middles]
    chosen = next(i for i, share in enumerate(shares) if share >= GOOD_ENOUGH * max(shares))
    return middles[chosen], (CELLS, CELLS, *REACHES)[chosen]


def _mode(brightness: np.ndarray, counted: np.ndarray) -> float:
    """The brightness that most cells have, those at the picture's edge counted as much as all others together.

    Where a digit fills its picture, the median lies among the blurred edges of its strokes; the corners are paper.
    """
    weight = counted.astype(np.float64)
    rim = np.ones(weight.shape, bool)
    rim[1:-1, 1:-1] = False
    weight[rim] *= weight.size / rim.sum()
    levels = (brightness / LIKE_PAPER).astype(np.int64)
    most = int(np.bincount(levels.ravel(), weight.ravel()).argmax())
    near = (brightness >= most * LIKE_PAPER) & (brightness <= (most + 1) * LIKE_PAPER) & counted
    return median(brightness[near])


def _average(cells: np.ndarray, middle: np.ndarray, reach: int, counted: np.ndarray) -> np.ndarray:
    """The mean colour of the cells around that are like paper, for each cell."""
    brightness = cells @ LUMINANCE
    paper = cells
    for tolerance in (1.2 * LIKE_PAPER, LIKE_PAPER):
        weight = (counted * np.exp(-0.5 * ((brightness - middle) / tolerance) ** 2))[:, :, None]
        sums = sums_around(np.dstack([(cells - middle[:, :, None]) * weight, weight]), min(reach, MEAN_REACH))
        paper = (middle[:, :, None] + sums[:, :, :3] / np.maximum(sums[:, :, 3:], 1e-6)).astype(np.float32)
        middle = paper @ LUMINANCE
    return paper


def _trend(brightness: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """The polynomial in both directions with the least absolute deviations, found by reweighting squares."""
    height, width = brightness.shape
    x, y = (np.vander(np.linspace(-1, 1, side), TREND_ORDER + 1, increasing=True) for side in (width, height))
    powers = [(i, j) for i in range(TREND_ORDER + 1) for j in range(TREND_ORDER + 1 - i)]
    terms = np.stack([np.outer(y[:, j], x[:, i]).ravel() for i, j in powers])  # (15, cells)
    known, values = terms[:, counted.ravel()], brightness[counted].astype(np.float64)
    weights, found = np.ones_like(values), np.zeros(len(powers))
    for _ in range(TREND_ROUNDS):
        weighted = known * weights
        found = np.linalg.solve(weighted @ known.T + 1e-6 * np.eye(len(powers)), weighted @ values)
        weights = 1 / np.maximum(np.abs(values - found @ known), 2.0)
    fitted = np.clip(found @ terms, values.min(), values.max())  # where nothing is known it may go anywhere
    return fitted.reshape(height, width).astype(np.float32)


def _local_median(values: np.ndarray, counted: np.ndarray, reach: int) -> np.ndarray:
    """The median of the cells around each, by counting levels in coarser cells; float32 like the values."""
    height, width = values.shape
    coarse, there = _coarser(np.where(counted, values, 0)), _coarser(counted.astype(np.float32))
    coarse = coarse / np.maximum(there, 1e-6)
    low, high = (float(edge) for edge in np.percentile(coarse[there > 0], (0, 100)))
    step = max((high - low) / LEVELS, 1e-3)
    levels = np.clip((coarse - low) / step, 0, LEVELS - 1).astype(np.int64)
    counts = np.zeros((*coarse.shape, LEVELS), np.float32)
    np.put_along_axis(counts, levels[:, :, None], there[:, :, None], axis=2)
    up_to = sums_around(counts, reach // COARSER).cumsum(axis=2)
    middle = (up_to < up_to[:, :, -1:] / 2).sum(axis=2)
    medians = np.where(up_to[:, :, -1] > 0, low + (middle + 0.5) * step, median(values[counted]))
    enlarged = medians.astype(np.float32).repeat(COARSER, axis=0).repeat(COARSER, axis=1)
    return enlarged[:height, :width]


def _coarser(values: np.ndarray) -> np.ndarray:
    """The means of blocks of cells; at the edges the last cells count again."""
    padded = np.pad(values, ((0, -values.shape[0] % COARSER), (0, -values.shape[1] % COARSER)), mode="edge")
    rows, columns = padded.shape[0] // COARSER, padded.shape[1] // COARSER
    return padded.reshape(rows, COARSER, columns, COARSER).mean(axis=(1, 3))


def sums_around(values: np.ndarray, reach: int) -> np.ndarray:
    """The sums over the (2 reach + 1)² cells around each, fewer at the edges: float64 (height, width, n)."""
    height, width, n = values.shape
    table = np.zeros((height + 1, width + 1, n))
    table[1:, 1:] = values.cumsum(axis=0, dtype=np.float64).cumsum(axis=1)
    rows, columns = np.arange(height), np.arange(width)
    strips = table[np.minimum(rows + reach + 1, height)] - table[np.maximum(rows - reach, 0)]
    return strips[:, np.minimum(columns + reach + 1, width)] - strips[:, np.maximum(columns - reach, 0)]
