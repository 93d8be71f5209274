"""The three sample pictures of the page, drawn by a program: a digit, a number, and a photo of a page.

python tools/write_samples.py
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from helpers.writing import BLUE, Page

FOLDER = Path(__file__).parent.parent / "src" / "mnistry" / "service" / "static"
PAPER = (246, 242, 230)


def main() -> None:
    """Write the pictures."""
    digit = Page(320, 240)
    digit.write("5", (115, 50), 140, pen=15, seed=4)
    digit.image().convert("L").quantize(16).save(FOLDER / "sample-digit.png", optimize=True)
    number = Page(480, 360)
    number.write("2048", (50, 110), 130, pen=9, ink=BLUE, slant=0.12, seed=7, gap=0.3)
    number.image().quantize(32).save(FOLDER / "sample-number.png", optimize=True)
    page().save(FOLDER / "sample-page.jpg", quality=60, optimize=True, progressive=True)


def page() -> Image.Image:
    """A ruled sheet with five numbers, photographed a little askew in the light of a window."""
    sheet = Page(800, 600, paper=PAPER)
    sheet.rule(58)
    for row, text in enumerate(("317", "4906", "825", "160", "7394")):
        sheet.write(text, (130 + 17 * (row % 3), 71 + 95 * row), 66, pen=6, ink=BLUE, slant=0.08, seed=row, gap=0.4)
    photo = sheet.photo(seed=3, dimmest=0.5, noise=2.5).rotate(
        -1.6, Image.Resampling.BICUBIC, fillcolor=(120, 115, 105)
    )
    return photo.crop((20, 20, 780, 580))


if __name__ == "__main__":
    main()
