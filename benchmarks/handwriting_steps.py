"""Measure the worth of each step of reading: the figures without it, on people's pictures and on composed pages.

    MNISTRY_DATA_DIR=... python benchmarks/handwriting_steps.py [FOLDER]

The pictures are those of `handwriting.py`, the pages those of `pages.py` with another seed. The last rows are what the
same network makes of the same pictures without a reader.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from PIL import Image

import pages
from handwriting import FOLDER, RESULTS, nondigit, several, simple_means, single
from mnistry import Recognizer
from mnistry.ocr import binarization, decoding, normalization, pipeline, segmentation
from mnistry.ocr.binarization import Foreground
from mnistry.ocr.components import Components, find_components
from mnistry.ocr.frame_removal import Cleaned
from mnistry.ocr.pipeline import Interpretation
from mnistry.ocr.rejection import Judgement
from mnistry.ocr.result import DecodedDigit
from mnistry.runtime import files, provenance

KINDS = ("single", "photo_crops")
SEED, EACH = 2029, 6  # pages of each kind


def main(folder: Path = FOLDER) -> None:
    """Leave out one step at a time and write `results/handwriting_steps.json`."""
    recognizer = Recognizer.load()
    composed = {
        kind: [compose(np.random.default_rng([SEED, *kind.encode(), i])) for i in range(EACH)]
        for kind, compose in pages.KINDS.items()
    }
    rows = {}
    for name, patches in STEPS.items():
        with ExitStack() as stack:
            for where, what, instead in patches:
                stack.enter_context(patch.object(where, what, instead))
            rows[name] = figures(recognizer, folder) | on_pages(recognizer, composed)
        print(name, rows[name], flush=True)
    simple = {kind: simple_means(recognizer, folder, kind) for kind in KINDS}
    content = {
        "command": "python benchmarks/handwriting_steps.py",
        "pages": {"seed": SEED, "n": EACH * len(composed)},
        "steps": rows,
        "simple": simple,
        "environment": provenance.describe_environment(),
    }
    files.write_json(RESULTS / "handwriting_steps.json", content)
    print(table(content))


def figures(recognizer: Recognizer, folder: Path) -> dict[str, float]:
    """The figures that a step may change."""
    found = several(recognizer, folder)
    return {
        **{kind: single(recognizer, folder, kind)["right"] for kind in KINDS},
        "exact": found["exact"],
        "errors_per_100": found["errors_per_100"],
        "nondigit": nondigit(recognizer, folder)["sure_read"],
    }


def on_pages(recognizer: Recognizer, composed: Mapping[str, list[tuple[Image.Image, str]]]) -> dict[str, float]:
    """The figures of the composed pages: read exactly, as a mean over kinds; sure and wrong, of all their digits."""
    scores = [
        pages.score(kind, [(recognizer.read(image), label) for image, label in those])
        for kind, those in composed.items()
    ]
    return {
        "pages_exact": statistics.mean(each["exact"] / each["n"] for each in scores),
        "pages_sure_and_wrong": sum(each["sure_and_wrong"] for each in scores) / sum(each["digits"] for each in scores),
    }


def flat_paper(pixels: np.ndarray, among: np.ndarray | None = None) -> np.ndarray:
    """One colour of paper for the whole picture: the median."""
    chosen = pixels.reshape(-1, 3) if among is None else pixels[among]
    return np.broadcast_to(np.median(chosen, axis=0), pixels.shape).astype(np.float32)


def first_ink(pixels: np.ndarray) -> Iterator[Foreground]:
    """The likeliest ink only."""
    return islice(binarization.foreground_candidates(pixels), 1)


def one_threshold(contrast: np.ndarray, least: float) -> Foreground:
    """Ink where the contrast is more than half of the strongest in the picture."""
    strongest = max(float(np.percentile(contrast[contrast >= least], 95)) if (contrast >= least).any() else 1.0, least)
    strength = np.minimum(contrast / strongest, 1).astype(np.float32)
    mask = strength >= 0.5
    return Foreground(strength, contrast, mask, binarization._stroke_width(mask))


def as_it_is(mask: np.ndarray, *_: object) -> np.ndarray:
    """All of the ink."""
    return mask


def all_of_it(parts: Components) -> np.ndarray:
    """All ink is the digit's."""
    ink: np.ndarray = parts.labels >= 0
    return ink


def nothing(*_: object) -> None:
    """Find nothing."""


def no_cuts(*_: object) -> list[int]:
    """No place to cut at."""
    return []


def all_of_them(_: object, lines: Sequence[Sequence[DecodedDigit]], *__: object) -> Judgement:
    """All digits, as the recognizer sees each for itself."""
    return Judgement([list(line) for line in lines if line])


def no_frames(mask: np.ndarray, gone: np.ndarray, _: float) -> Cleaned:
    """Nothing but the rulings is taken out of the ink."""
    left = mask & ~gone
    return replace(Cleaned.nothing(mask.shape), mask=left, parts=find_components(left))


def as_found(_: object, __: object, page: Interpretation) -> Interpretation:
    """The page as it is, never turned."""
    return page


STEPS: dict[str, list[tuple[Any, str, Any]]] = {
    "all steps": [],
    "one colour of paper for the whole picture": [(binarization, "estimate_background", flat_paper)],
    "one threshold for the whole picture": [(binarization, "_ink", one_threshold)],
    "the likeliest ink is never doubted": [(pipeline, "foreground_candidates", first_ink)],
    "rulings stay": [(pipeline, "remove_ruling_lines", as_it_is)],
    "frames, tables and underlines stay": [(pipeline, "remove_frames", no_frames)],
    "no sheet is looked for": [(binarization, "find_sheet", nothing)],
    "pages are never turned": [(pipeline, "_upright", as_found)],
    "all ink is never one digit": [(pipeline, "_as_one_digit", nothing)],
    "specks, frames and edges stay (one digit)": [(pipeline, "isolate_digit", all_of_it)],
    "strokes stay as thick as they are": [(normalization, "THINNEST", 0.1), (normalization, "THICKEST", 99.0)],
    "nothing is cut": [(segmentation, "_cuts", no_cuts)],
    "nothing is joined": [(decoding, "MOST_PIECES", 1)],
    "digits are not doubted together": [(pipeline, "reject_implausible", all_of_them)],
}
SIMPLE = {
    "no reader: the picture resized to 28×28": "resized",
    "no reader: the same, inverted where it is bright": "inverted",
    "no reader: cropped by one threshold, box of 20 pixels, centre of mass": "cropped",
}


def table(content: Mapping[str, Any]) -> str:
    """The results as a Markdown table."""
    heads = ("without", "one digit", "cut from photos", "several, exact", "wrong of 100", "no digit, yet sure")
    heads += ("pages, exact", "sure and wrong of 100")
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for name, row in content["steps"].items():
        cells = [f"{row[key]:.1%}" for key in ("single", "photo_crops", "exact")]
        cells += [f"{row['errors_per_100']:.1f}", f"{row['nondigit']:.1%}", f"{row['pages_exact']:.1%}"]
        lines.append(f"| {name} | {' | '.join(cells)} | {100 * row['pages_sure_and_wrong']:.1f} |")
    for name, key in SIMPLE.items():
        cells = [f"{content['simple'][kind][key]:.1%}" for kind in KINDS]
        lines.append(f"| {name} | {' | '.join(cells)} | | | | | |")
    return "\n".join(lines)


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:]))
