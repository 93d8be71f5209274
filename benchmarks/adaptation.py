"""Measure `mnistry adapt` on people's own digits: mistakes of a hand before and after it learns thirty of them.

    python benchmarks/adaptation.py [FOLDER]

FOLDER is that of `benchmarks/handwriting.py`. Of half of the digits of each hand, drawn at random, thirty are learnt:
misread ones first, as those are corrected. The other half is read before and after, and so are MNIST's test images.

Most of these sets are of many people. One writer with habits is drawn by a program: see `drawn_writers.py`. Of the
first sixty, those are adapted to of whose digits to learn from one in twenty is misread.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import mnistry
from drawn_writers import Writer
from handwriting import FOLDER, pictures
from mnistry import Recognizer
from mnistry.runtime import files, provenance
from other_hands import labelled

RESULT = Path(__file__).parent / "results" / "adaptation.json"
LEARNT = 30
SEED = 0
WRITERS = range(1000, 1060)  # seeds; the settings were chosen on others
WRITTEN = 100  # digits of a writer to learn from, and as many to read
HABITUAL = 5  # of them misread, or more: a habit
NAMES = {
    "photo": "one hand, cut from a photo",
    "sources": "pictures of fifteen people; those of fifteen others are read",
    "church_books": "Swedish church books (DIDA)",
    "pendigits": "pen strokes (UCI), drawn as lines",
    "usps": "USPS, 16×16",
}


def main(folder: Path = FOLDER) -> None:
    """Adapt to each hand and write `results/adaptation.json`."""
    mnist, before = mnistry.load("mnist"), Recognizer()
    content = {
        "command": "python benchmarks/adaptation.py",
        "model": {"name": before.info.name, "version": before.info.version},
        "mnist_before": mnist_mistakes(before, mnist),
        "hands": {name: measured(before, *parts(folder, name), mnist) for name in NAMES},
        "writers": [measured(before, *each, mnist) for each in with_habits(before)],
        "environment": provenance.describe_environment(),
    }
    files.write_json(RESULT, content)
    print(table(content))


def parts(folder: Path, name: str) -> tuple[Sequence[tuple[Any, str]], Sequence[tuple[Any, str]]]:
    """Pictures with their labels: those to learn from, and those to read."""
    if name in ("photo", "sources"):
        kind = "single" if name == "sources" else "photo_crops"
        rows = [(path, row["label"], row["source_repo"]) for row, path in pictures(folder, kind)]
        if name == "sources":
            first = set(sorted({source for *_, source in rows})[::2])
            return [row[:2] for row in rows if row[2] in first], [row[:2] for row in rows if row[2] not in first]
        found = [row[:2] for row in rows if row[2].startswith("Aiano/")]
    else:
        found = labelled(folder / "other_hands", name)
    order = np.random.default_rng(SEED).permutation(len(found)).tolist()
    half = len(found) // 2
    return [found[place] for place in order[:half]], [found[place] for place in order[half:]]


def with_habits(before: Recognizer) -> Iterator[tuple[list[tuple[Any, str]], list[tuple[Any, str]]]]:
    """For each drawn writer some of whose digits are misread again and again: digits to learn from, and others."""
    for seed in WRITERS:
        writer = Writer(seed)
        written = [(writer.write(str(number % 10)), str(number % 10)) for number in range(2 * WRITTEN)]
        if mistakes(before, written[:WRITTEN]) >= HABITUAL:
            yield written[:WRITTEN], written[WRITTEN:]


def measured(
    before: Recognizer, own: Sequence[tuple[Any, str]], others: Sequence[tuple[Any, str]], mnist: mnistry.Dataset
) -> dict[str, Any]:
    """Mistakes before and after, of pictures that are not learnt and of MNIST's test images, and the time it took."""
    found = [pair for pair in own if before.read_digit(pair[0]) is not None]
    learnt = sorted(found, key=lambda pair: not mistakes(before, [pair]))[:LEARNT]
    with tempfile.TemporaryDirectory() as place:
        for number, (picture, label) in enumerate(learnt):
            target = Path(place) / "mine" / label / f"{number}.png"
            target.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(picture, Path):
                shutil.copy(picture, target.with_suffix(picture.suffix))
            else:
                Image.fromarray(picture).save(target)
        model = Path(place) / "mine.onnx"
        command = [sys.executable, "-m", "mnistry", "adapt", str(Path(place) / "mine"), "--out", str(model), "--json"]
        done = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
        after = Recognizer(model)
    return {
        "learnt": len(learnt),
        "corrected": mistakes(before, learnt),
        "read": len(others),
        "before": mistakes(before, others),
        "after": mistakes(after, others),
        "mnist_after": mnist_mistakes(after, mnist),
        "seconds": done["seconds"],
    }


def mistakes(recognizer: Recognizer, found: Sequence[tuple[Any, str]]) -> int:
    """The number of pictures of one digit that are read as another, or not at all."""
    digits = [(recognizer.read_digit(picture), label) for picture, label in found]
    return sum(digit is None or digit.name != label for digit, label in digits)


def mnist_mistakes(recognizer: Recognizer, mnist: mnistry.Dataset) -> int:
    """The number of MNIST's test images that are read as another digit."""
    return int((recognizer.predict_all(mnist.x_test).digits != mnist.y_test).sum())


def table(content: Mapping[str, Any]) -> str:
    """The figures as a Markdown table."""
    lines = [
        "| hand | learnt, of them misread | mistakes before | after | of MNIST's 10,000, before | after | seconds |",
        "|---" * 7 + "|",
    ]
    writers = content["writers"]
    rows = [(NAMES[name], [each]) for name, each in content["hands"].items()]
    rows += [(f"{len(writers)} writers with habits, drawn by a program, each alone", writers)]
    for hand, each in rows:
        learnt, corrected, read, before, after = (
            sum(one[key] for one in each) for key in ("learnt", "corrected", "read", "before", "after")
        )
        mnist, seconds = (max(one[key] for one in each) for key in ("mnist_after", "seconds"))
        lines.append(
            f"| {hand} | {learnt}, {corrected} | {before} of {read:,} | {after} | {content['mnist_before']} | "
            f"{'' if len(each) == 1 else 'at most '}{mnist} | {seconds:.0f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:]))
