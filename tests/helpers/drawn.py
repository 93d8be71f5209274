"""A small data set to test with: triangles, squares and rings, drawn by a program, under names of animals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

NAMES = ("cat", "dog", "snowy owl")


def drawing(name: str, random: np.random.Generator, side: int = 40) -> Image.Image:
    """A dark outline on bright paper."""
    picture = Image.new("L", (side + int(random.integers(0, 9)), side), 250)
    pen = ImageDraw.Draw(picture)
    (left, top), size = (int(each) for each in random.integers(5, 9, 2)), int(random.integers(22, 27))
    right, bottom = left + size, top + size
    if name == "cat":
        pen.polygon([(left, bottom), (right, bottom), ((left + right) // 2, top)], outline=10, width=3)
    elif name == "dog":
        pen.rectangle((left, top, right, bottom), outline=10, width=3)
    else:
        pen.ellipse((left, top, right, bottom), outline=10, width=3)
    return picture


def write_folder(folder: Path, each: int, *, seed: int = 0) -> Path:
    """Write `each` pictures of each class into a folder of its name."""
    random = np.random.default_rng(seed)
    for name in NAMES:
        (folder / name).mkdir(parents=True)
        for number in range(each):
            drawing(name, random).save(folder / name / f"{number}.png")
    return folder


def arrays(each: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Images, uint8 (n, 28, 28), bright on black, and their names."""
    random = np.random.default_rng(seed)
    names = [name for name in NAMES for _ in range(each)]
    drawn = [255 - np.asarray(drawing(name, random).resize((28, 28))) for name in names]
    return np.stack(drawn), np.array(names)


def write_npz(path: Path, each: int) -> Path:
    """The same as arrays, to be split."""
    x, y = arrays(each)
    np.savez(path, x_train=x, y_train=y)
    return path
