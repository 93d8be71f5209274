"""Pictures of anything but ink, for models that were trained on such pictures: grey, and 28×28 pixels small."""

from __future__ import annotations

import numpy as np

from mnistry.constants import IMAGE_SIZE


def thumbnail(pixels: np.ndarray) -> np.ndarray:
    """Make a picture grey and small; its sides are scaled to the same length.

    Args:
        pixels: uint8 (height, width) or (height, width, 3 or 4); a fourth channel is opacity, on white.

    Returns:
        uint8 (28, 28): brightness as Pillow reckons it (ITU-R BT.601), resized with Lanczos's filter.
    """
    from PIL import Image

    if pixels.ndim == 3 and pixels.shape[2] == 4:
        opaque = pixels[..., 3:] / 255.0
        pixels = np.rint(pixels[..., :3] * opaque + 255 * (1 - opaque)).astype(np.uint8)
    picture = Image.fromarray(np.ascontiguousarray(pixels)).convert("L")
    if picture.size != (IMAGE_SIZE, IMAGE_SIZE):
        picture = picture.resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.LANCZOS, reducing_gap=3)
    return np.asarray(picture)
