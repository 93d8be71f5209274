"""Numbers that the whole package shares."""

from __future__ import annotations

IMAGE_SIZE = 28  # pixels on a side of an image, as in MNIST
BOX_SIZE = 20  # pixels on the longer side of a digit's ink, as in MNIST
