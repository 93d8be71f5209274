"""What in a picture's ink is writing, where one digit is known to be all of it."""

from __future__ import annotations

import numpy as np

from mnistry.ocr.components import Components, components

SPECK = 0.02  # of the largest component's area
FAR = 0.5  # of the digit's size: a small part farther away is no part of it


def of_one_digit(mask: np.ndarray) -> np.ndarray:
    """The part of a mask, bool (height, width), that is one digit: all but specks, frames and what lies at the edge."""
    parts = components(mask)
    if len(parts) <= 1:
        return mask
    main = _main(parts, mask.shape)
    keep = np.zeros(len(parts), bool)
    keep[main] = True
    box = np.array([parts.left[main], parts.top[main], parts.right[main], parts.bottom[main]])
    edge = parts.at_edge(mask.shape)
    order = np.argsort(-parts.areas)
    for i in order:
        if keep[i] or parts.areas[i] < max(2, SPECK * parts.areas[main]):
            continue
        size = max(box[2] - box[0], box[3] - box[1])
        gap = max(parts.left[i] - box[2], box[0] - parts.right[i], parts.top[i] - box[3], box[1] - parts.bottom[i], 0)
        far = (0.15 if edge[i] else FAR if parts.areas[i] > 0.1 * parts.areas[main] else 0.25) * size
        if gap > far or (edge[i] and _hugs(parts, i, mask.shape)):
            continue
        keep[i] = True
        box = np.array(
            [
                min(box[0], parts.left[i]),
                min(box[1], parts.top[i]),
                max(box[2], parts.right[i]),
                max(box[3], parts.bottom[i]),
            ]
        )
    kept: np.ndarray = (parts.labels >= 0) & keep[parts.labels]
    return kept


def _hugs(parts: Components, i: int, shape: tuple[int, ...]) -> bool:
    """Whether a component lies along the picture's edge: its whole depth is within an eighth of the side."""
    height, width = shape
    return bool(
        parts.right[i] <= 0.12 * width
        or parts.left[i] >= 0.88 * width
        or parts.bottom[i] <= 0.12 * height
        or parts.top[i] >= 0.88 * height
    )


def _main(parts: Components, shape: tuple[int, ...]) -> int:
    """The component with the most ink; what lies along the edge counts less."""
    height, width = shape
    centre = 1 - np.maximum(
        abs((parts.left + parts.right) / width - 1), abs((parts.top + parts.bottom) / height - 1)
    )  # 1 in the middle, 0 at the edge
    weight = parts.areas * np.where(parts.at_edge(shape), 0.2 + 0.5 * centre, 1.0)
    return int(weight.argmax())
