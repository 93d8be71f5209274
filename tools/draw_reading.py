"""Draw docs/reading.png, a photo with its digits and answers, and examples/375.jpg, a photo for first steps.

python tools/draw_reading.py
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image, ImageDraw

from mnistry import Reading, Recognizer
from mnistry.ocr.visualization import annotate

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from helpers.writing import BLUE, Page  # noqa: E402 - found by the line above

WIDTH, TALL, MARGIN = 1200, 96, 24
INK, PAPER = (40, 40, 48), (255, 255, 255)


def main() -> None:
    """Write both pictures."""
    sample().save(ROOT / "examples" / "375.jpg", quality=88)
    photo = written()
    reading = Recognizer.load().read(photo)
    print(reading.text)
    picture(photo, reading).save(ROOT / "docs" / "reading.png", optimize=True)


def written() -> Image.Image:
    """Two lines on squared paper in the light of a lamp."""
    page = Page(820, 330, paper=(244, 240, 226))
    page.rule(41, squared=True)
    page.write("20853", (70, 55), 92, pen=6.5, ink=BLUE, seed=4)
    page.write("6930 852", (80, 190), 88, pen=6.5, ink=BLUE, seed=9, slant=0.08)
    return page.photo(dimmest=0.4).rotate(-1.5, Image.Resampling.BICUBIC, fillcolor=(150, 147, 140))


def sample() -> Image.Image:
    """One number on plain paper."""
    page = Page(420, 240, paper=(246, 244, 238))
    page.write("375", (80, 60), 110, pen=8, seed=3, slant=0.06)
    return page.photo(dimmest=0.55)


def picture(photo: Image.Image, reading: Reading) -> Image.Image:
    """The photo with its boxes on the left, the network's images with their answers on the right."""
    left = annotate(photo, reading.digits)
    left = left.resize((700, round(700 * left.height / left.width)), Image.Resampling.LANCZOS)
    drawn = Image.new("RGB", (WIDTH, left.height + 2 * MARGIN), PAPER)
    drawn.paste(left, (MARGIN, MARGIN))
    draw = ImageDraw.Draw(drawn)
    for number, digit in enumerate(reading.digits):
        x = 700 + 2 * MARGIN + (number % 4) * (TALL + 16)
        y = MARGIN + (number // 4) * (TALL + 4)
        side = TALL - 24
        drawn.paste(Image.fromarray(digit.image).resize((side, side), Image.Resampling.NEAREST), (x, y))
        draw.text((x, y + side + 2), f"{digit.name}  {digit.probability:.0%}", fill=INK, font_size=15)
    return drawn


if __name__ == "__main__":
    main()
