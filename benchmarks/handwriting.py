"""Real handwriting: how much of it is read right, how honestly, and how fast.

    python benchmarks/handwriting.py [FOLDER]

FOLDER holds pictures that people took of their own writing, in `single`, `photo_crops`, `several` and `nondigit`, each
with a `labels.csv` of file, label and source. They are not part of this repository. All shares are averaged over
sources, as the pictures of one source are alike.
"""

from __future__ import annotations

import csv
import io
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mnistry import Recognizer
from mnistry.runtime import files, provenance

RESULTS = Path(__file__).parent / "results"
FOLDER = Path(__file__).parent.parent.parent / "shared" / "handwriting"
PHOTO = (4000, 3000)  # 12 megapixels
ROUNDS = 5

Row = dict[str, str]


def main(folder: Path = FOLDER) -> None:
    """Read all pictures and write `results/handwriting.json`."""
    recognizer = Recognizer.load()
    content = {
        "command": "python benchmarks/handwriting.py",
        "model": {"name": recognizer.info.name, "version": recognizer.info.version},
        **{kind: single(recognizer, folder, kind) for kind in ("single", "photo_crops")},
        "several": several(recognizer, folder),
        "nondigit": nondigit(recognizer, folder),
        "simple": {kind: simple_means(recognizer, folder, kind) for kind in ("single", "photo_crops")},
        "speed": speed(recognizer, folder),
        "environment": provenance.describe_environment(),
    }
    files.write_json(RESULTS / "handwriting.json", content)
    print(table(content))


def single(recognizer: Recognizer, folder: Path, kind: str) -> dict[str, Any]:
    """Pictures of one digit: right as such and without that knowledge, said to be sure, and right among those."""
    right, read, sure, right_of_sure = [], [], [], []
    for row, path in pictures(folder, kind):
        digit = recognizer.read_digit(path)
        correct = digit is not None and digit.name == row["label"]
        right.append((row, correct))
        read.append((row, recognizer.read(path).text == row["label"]))
        sure.append((row, digit is not None and digit.sure))
        if digit is not None and digit.sure:
            right_of_sure.append((row, correct))
    return {
        "pictures": len(right),
        "right": by_source(right),
        "read": by_source(read),
        "sure": by_source(sure),
        "right_of_sure": by_source(right_of_sure),
        "wrong": [row["file"] for row, correct in right if not correct],
        "wrong_and_sure": sum(not correct for _, correct in right_of_sure),
    }


def several(recognizer: Recognizer, folder: Path) -> dict[str, Any]:
    """Pictures of several digits: read exactly, blanks apart; and digits wrong, missing or extra, for each 100."""
    exact, wrong = [], defaultdict(list)
    misread = {}
    for row, path in pictures(folder, "several"):
        expected = row["label"].replace(" ", "").replace("|", "\n")
        found = recognizer.read(path).text.replace(" ", "")
        exact.append((row, found == expected))
        wrong[row["source_repo"]].append(
            (edits(found.replace("\n", ""), expected.replace("\n", "")), int(row["n_digits"]))
        )
        if found != expected:
            misread[row["file"]] = {"label": row["label"], "read": found.replace("\n", "|")}
    rates = [100 * sum(e for e, _ in pairs) / sum(n for _, n in pairs) for pairs in wrong.values()]
    return {
        "pictures": len(exact),
        "exact": by_source(exact),
        "errors_per_100": statistics.mean(rates),
        "misread": misread,
    }


def nondigit(recognizer: Recognizer, folder: Path) -> dict[str, Any]:
    """Pictures without a digit, look-alikes apart: said with confidence to show one, as one digit and as any number."""
    rows = [(row, path) for row, path in pictures(folder, "nondigit") if not row["looks_like_digit"]]
    one, many = [], []
    for row, path in rows:
        digit = recognizer.read_digit(path)
        one.append((row, digit is not None and digit.sure))
        many.append((row, any(each.sure for each in recognizer.read(path).digits)))
    return {"pictures": len(rows), "sure_single": by_source(one), "sure_read": by_source(many)}


def simple_means(recognizer: Recognizer, folder: Path, kind: str) -> dict[str, float]:
    """The same network without a reader: what most programs do before they ask it."""
    found: dict[str, list[tuple[Row, bool]]] = defaultdict(list)
    for row, path in pictures(folder, kind):
        with Image.open(path) as image:
            grey = image.convert("RGBA") if "transparency" in image.info else image
            grey = Image.alpha_composite(Image.new("RGBA", grey.size, "white"), grey) if grey.mode == "RGBA" else grey
            grey = grey.convert("L")
        resized = np.asarray(grey.resize((28, 28), Image.Resampling.BILINEAR))
        inverted = 255 - resized if resized.mean() > 127 else resized
        for name, image_ in (("resized", resized), ("inverted", inverted), ("cropped", cropped(np.asarray(grey)))):
            answer = recognizer.predict_all(image_[None])
            found[name].append((row, recognizer.info.class_names[answer.digits[0]] == row["label"]))
    return {name: by_source(answers) for name, answers in found.items()}


def cropped(grey: np.ndarray) -> np.ndarray:
    """Ink by one threshold half way between the darkest and the brightest, in a box of 20 pixels, centred."""
    dark = 255 - grey if grey.mean() > 127 else grey
    ink = np.where(dark > (int(dark.min()) + int(dark.max())) / 2, dark, 0) / 255
    if not ink.any():
        return np.zeros((28, 28), np.uint8)
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    box = Image.fromarray(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.float32))
    scale = 20 / max(box.size)
    small = np.asarray(box.resize([max(1, round(side * scale)) for side in box.size], Image.Resampling.BICUBIC))
    pixels = np.rint(np.clip(small / small.max(), 0, 1) * 255)
    centre = np.array([np.average(np.indices(pixels.shape)[axis], weights=pixels) for axis in (0, 1)])
    top, left = (
        int(np.clip(round(13.5 - middle), 0, 28 - side)) for middle, side in zip(centre, pixels.shape, strict=True)
    )
    image = np.zeros((28, 28), np.uint8)
    image[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
    return image


def speed(recognizer: Recognizer, folder: Path) -> dict[str, float]:
    """Pictures a second for small ones, with and without `single`, one process; and the seconds of a large photo."""
    small = [path.read_bytes() for _, path in pictures(folder, "single") if path.stat().st_size < 20_000]
    photo = enlarged(next(path for _, path in pictures(folder, "several") if path.stat().st_size > 50_000))
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "one.png"
        path.write_bytes(small[0])
        command = [sys.executable, "-m", "mnistry", "read", str(path)]
        return {
            "small_single_per_second": len(small) / seconds(lambda: [recognizer.read_digit(each) for each in small]),
            "small_read_per_second": len(small) / seconds(lambda: [recognizer.read(each) for each in small]),
            "photo_seconds": seconds(lambda: recognizer.read(photo)),
            "command_seconds": seconds(lambda: subprocess.run(command, check=True, capture_output=True)),
        }


def enlarged(path: Path) -> bytes:
    """A photo with 12 megapixels, as a JPEG file."""
    with Image.open(path) as image:
        large = image.convert("RGB").resize(PHOTO, Image.Resampling.BICUBIC)
    file = io.BytesIO()
    large.save(file, "JPEG", quality=90)
    return file.getvalue()


def seconds(work: Callable[[], object]) -> float:
    """The median time of some rounds of work."""
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def pictures(folder: Path, kind: str) -> list[tuple[Row, Path]]:
    """The rows of a kind's labels, each with its picture."""
    with (folder / kind / "labels.csv").open(newline="", encoding="utf-8") as file:
        return [(row, folder / kind / "images" / row["file"]) for row in csv.DictReader(file)]


def by_source(answers: Iterable[tuple[Row, bool]]) -> float:
    """The share that is true in each source, averaged over the sources."""
    groups: dict[str, list[bool]] = defaultdict(list)
    for row, answer in answers:
        groups[row["source_repo"]].append(bool(answer))
    return statistics.mean(statistics.mean(group) for group in groups.values())


def edits(found: str, expected: str) -> int:
    """Count the characters that are wrong, missing or extra (Levenshtein)."""
    row = list(range(len(expected) + 1))
    for i, one in enumerate(found, start=1):
        last, row = row, [i]
        for j, other in enumerate(expected, start=1):
            row.append(min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (one != other)))
    return row[-1]


def table(content: Mapping[str, Any]) -> str:
    """The figures as a Markdown table."""
    one, crops, several_, non = (content[kind] for kind in ("single", "photo_crops", "several", "nondigit"))
    rows = [
        (f"one digit in a picture ({one['pictures']} pictures), right", f"{one['right']:.1%}"),
        ("the same without `--single`: this digit and no other", f"{one['read']:.1%}"),
        (f"one digit cut from a photo ({crops['pictures']}), right", f"{crops['right']:.1%}"),
        (f"several digits ({several_['pictures']}), read exactly, blanks apart", f"{several_['exact']:.1%}"),
        ("the same, digits wrong, missing or extra for each 100", f"{several_['errors_per_100']:.1f}"),
        ("one digit: said to be sure", f"{one['sure']:.1%}"),
        ("one digit: right among those", f"{one['right_of_sure']:.2%}"),
        (
            f"letters, doodles, blank paper ({non['pictures']}), said to be a digit and sure",
            f"{non['sure_single']:.1%}",
        ),
        ("the same, any digit found and sure without `--single`", f"{non['sure_read']:.1%}"),
        ("small pictures a second, one process", f"{content['speed']['small_single_per_second']:.0f}"),
        ("a photo of 12 megapixels", f"{content['speed']['photo_seconds']:.2f} s"),
        ("`mnistry read one.png`, start to finish", f"{content['speed']['command_seconds']:.2f} s"),
    ]
    return "\n".join(["| what | figure |", "|---|---|", *(f"| {what} | {figure} |" for what, figure in rows)])


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:]))
