"""Data sets of other writers, which the network never saw: how much is read right, and what `sure` is worth there.

    python benchmarks/other_hands.py [FOLDER]

FOLDER holds `usps.npz`, `semeion.npz` and `pendigits.npz`, each with grey `images` and their `labels`, and crops from
old church books in `dida`, with a `labels.csv` of file and label. They are not part of this repository.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from handwriting import FOLDER as HANDWRITING
from mnistry import Recognizer
from mnistry.runtime import files, provenance

RESULT = Path(__file__).parent / "results" / "other_hands.json"
FOLDER = HANDWRITING / "other_hands"
ENLARGED = 6
NAMES = {
    "usps": "USPS, 16×16, from envelopes",
    "usps_enlarged": f"the same, enlarged {ENLARGED} times",
    "semeion": "Semeion, 16×16, black and white",
    "pendigits": "pen strokes (UCI), drawn as lines",
    "church_books": "Swedish church books (DIDA), crops with pieces of neighbours",
}


def main(folder: Path = FOLDER) -> None:
    """Read all pictures and write `results/other_hands.json`."""
    recognizer = Recognizer.load()
    content = {
        "command": "python benchmarks/other_hands.py",
        "model": {"name": recognizer.info.name, "version": recognizer.info.version},
        "sets": {name: measured(recognizer, labelled(folder, name)) for name in NAMES},
        "environment": provenance.describe_environment(),
    }
    files.write_json(RESULT, content)
    print(table(content))


def labelled(folder: Path, name: str) -> list[tuple[Any, str]]:
    """The pictures of a set, each with its label."""
    if name == "church_books":
        with (folder / "dida" / "labels.csv").open(newline="", encoding="utf-8") as file:
            return [(folder / "dida" / row["file"], row["label"]) for row in csv.DictReader(file)]
    with np.load(folder / f"{name.removesuffix('_enlarged')}.npz") as arrays:
        images, labels = arrays["images"], [str(label) for label in arrays["labels"]]
    scale = ENLARGED if name.endswith("_enlarged") else 1
    return [(enlarged(image, scale), label) for image, label in zip(images, labels, strict=True)]


def enlarged(image: np.ndarray, scale: int) -> np.ndarray:
    """A grey image with `scale` times as many pixels a side."""
    if scale == 1:
        return image
    size = [scale * side for side in image.shape[::-1]]
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))


def measured(recognizer: Recognizer, pictures: Iterable[tuple[Any, str]]) -> dict[str, Any]:
    """Shares that are right, with and without saying that it is one digit; sure; right among those; and mistakes."""
    rows, mistakes = [], {}
    for picture, label in pictures:
        digit = recognizer.read_digit(picture)
        answer = "nothing" if digit is None else digit.name
        rows.append((answer == label, recognizer.read(picture).text == label, digit is not None and digit.sure))
        if answer != label:
            mistakes[f"{label} as {answer}"] = mistakes.get(f"{label} as {answer}", 0) + 1
    right, read, sure = np.array(rows).T
    return {
        "pictures": len(rows),
        "right": float(right.mean()),
        "read": float(read.mean()),
        "sure": float(sure.mean()),
        "right_of_sure": float(right[sure].mean()) if sure.any() else 1.0,
        "mistakes": dict(sorted(mistakes.items(), key=lambda pair: -pair[1])),
    }


def table(content: Mapping[str, Any]) -> str:
    """The figures as a Markdown table."""
    lines = [
        "| pictures of one digit | how many | right | without `--single` | sure | right of those |",
        "|---" * 6 + "|",
    ]
    for name, each in content["sets"].items():
        shares = " | ".join(f"{each[key]:.1%}" for key in ("right", "read", "sure", "right_of_sure"))
        lines.append(f"| {NAMES[name]} | {each['pictures']} | {shares} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:]))
