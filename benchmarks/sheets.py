"""Sheets to compose pages on, and the hands that write there: MNIST's test digits, drawn strokes, and fonts."""

from __future__ import annotations

import functools
import io
import sys
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageFont

from mnistry.datasets import loading

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from helpers.writing import BLACK, BLUE, FINER, RED, WHITE, Colour, Page, Point, curve

GREY, CHALK = (110, 110, 115), (225, 225, 220)
FONTS = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono", "DejaVuSerif", "STIXGeneral", "cmtt10")  # matplotlib's
WORDS = ("Anna", "Sum", "Total", "Room", "Name", "Peter Falk", "No", "Invoice", "Class", "Paid", "Page", "Marks", "ID",
         "Gate", "Tel", "Route", "Kim", "Order", "Seat", "Due")  # fmt: skip
# Letters by strokes, as in the package's glyphs.txt: curves through points x,y; a capital is 16 high.
LETTERS = {
    "A": "0,16 5,0;5,0 10,16;2,10 8,10", "C": "10,3 6,0 1,5 1,11 6,16 10,13", "D": "0,0 0,16;0,0 6,1 10,8 6,15 0,16",
    "F": "0,0 0,16;0,0 9,0;0,8 7,8", "G": "10,3 6,0 1,5 1,11 6,16 10,13;10,13 10,9;6,9 10,9",
    "O": "5,0 0,8 5,16 10,8 5,0",
    "I": "0,0 4,0;2,0 2,16;0,16 4,16", "K": "0,0 0,16;9,0 0,9;3,7 9,16", "M": "0,16 0,0;0,0 6,10;6,10 12,0;12,0 12,16",
    "N": "0,16 0,0;0,0 9,16;9,16 9,0", "P": "0,0 0,16;0,0 7,1 8,5 6,8 0,8",
    "R": "0,0 0,16;0,0 7,1 8,5 6,8 0,8;4,8 9,16",
    "S": "9,2 5,0 1,3 5,8 9,12 5,16 0,14", "T": "0,0 10,0;5,0 5,16", "a": "8,7 4,6 0,11 4,16 8,12;8,6 8,16",
    "c": "8,8 4,6 0,11 4,16 8,14", "d": "8,8 4,6 0,11 4,16 8,12;8,0 8,16", "e": "0,11 8,11 4,6 0,11 4,16 8,14",
    "g": "8,8 4,6 0,11 4,16 8,12;8,6 8,19 4,21 0,19", "i": "1,6 1,16;1,2 1,3", "k": "0,0 0,16;6,6 0,12;2,10 7,16",
    "l": "1,0 1,16", "m": "0,6 0,16;0,9 3,6 5,9 5,16;5,9 8,6 10,9 10,16", "n": "0,6 0,16;0,9 4,6 7,9 7,16",
    "o": "4,6 0,11 4,16 8,11 4,6", "r": "0,6 0,16;0,10 3,6 6,7", "s": "6,7 3,6 0,8 3,11 6,14 3,16 0,15",
    "t": "3,2 3,14 5,16 7,15;0,6 6,6", "u": "0,6 0,13 3,16 7,13;7,6 7,16", "v": "0,6 4,16;4,16 8,6",
}  # fmt: skip
# Signs by strokes in units of a digit's width; a digit is 1.6 high. Then how wide they are.
SIGNS: dict[str, tuple[list[list[Point]], float]] = {
    "/": ([[(0.0, 1.8), (0.7, -0.2)]], 0.7),
    "|": ([[(0.1, -0.25), (0.1, 1.85)]], 0.2),
    "(": ([[(0.5, -0.2), (0.15, 0.3), (0.05, 0.8), (0.15, 1.3), (0.5, 1.8)]], 0.5),
    ")": ([[(0.0, -0.2), (0.35, 0.3), (0.45, 0.8), (0.35, 1.3), (0.0, 1.8)]], 0.5),
    "-": ([[(0.0, 0.85), (0.65, 0.82)]], 0.65),
    "+": ([[(0.0, 0.85), (0.7, 0.82)], [(0.35, 0.45), (0.35, 1.2)]], 0.7),
    "=": ([[(0.0, 0.65), (0.65, 0.63)], [(0.0, 1.0), (0.65, 0.98)]], 0.65),
    "×": ([[(0.05, 0.55), (0.6, 1.15)], [(0.6, 0.55), (0.05, 1.15)]], 0.65),
    ".": ([[(0.1, 1.54), (0.12, 1.56)]], 0.2),
    ",": ([[(0.2, 1.48), (0.05, 1.85)]], 0.2),
    ":": ([[(0.1, 0.6), (0.12, 0.62)], [(0.1, 1.3), (0.12, 1.32)]], 0.2),
    "'": ([[(0.15, -0.05), (0.05, 0.3)]], 0.2),
    "°": ([[(0.15, 0.0), (0.02, 0.15), (0.15, 0.3), (0.28, 0.15), (0.15, 0.0)]], 0.3),
    "#": ([[(0.3, 0.1), (0.15, 1.5)], [(0.7, 0.1), (0.55, 1.5)], [(0.0, 0.55), (0.85, 0.5)],
           [(0.0, 1.1), (0.85, 1.05)]],
          0.9),
    "%": ([[(0.9, 0.0), (0.1, 1.6)], [(0.25, 0.1), (0.05, 0.35), (0.25, 0.6), (0.45, 0.35), (0.25, 0.1)],
           [(0.8, 1.0), (0.6, 1.25), (0.8, 1.5), (1.0, 1.25), (0.8, 1.0)]], 1.0),
    "$": ([[(0.8, 0.3), (0.45, 0.1), (0.1, 0.4), (0.45, 0.8), (0.8, 1.15), (0.45, 1.5), (0.1, 1.3)],
           [(0.45, -0.2), (0.45, 1.8)]], 0.85),
}  # fmt: skip


class Sheet(Page):
    """A sheet and the hand that writes on it."""

    def __init__(
        self, random: np.random.Generator, width: float, height: float, paper: Colour = WHITE, ink: Colour | None = None
    ) -> None:
        super().__init__(round(width), round(height), paper=paper)
        self.random = random
        self.ink = ink or [BLACK, BLUE, RED, GREY][random.choice(4, p=[0.4, 0.35, 0.1, 0.15])]
        self.hand = str(random.choice(["mnist", "pen", "font"], p=[0.5, 0.4, 0.1]))
        self.font = str(random.choice(FONTS))
        self.slant, self.thick = random.uniform(-0.05, 0.2), random.uniform(0.05, 0.13)

    def put(self, text: str, x: float, y: float, height: float, gap: float = 0.22) -> float:
        """Write digits, signs and blanks; gaps are in heights. Returns the right end."""
        for character in text:
            if character == " ":
                x += 0.8 * height
            elif character in SIGNS:
                strokes, wide = SIGNS[character]
                for stroke in strokes:
                    points = (np.array(stroke) + self.random.normal(0, 0.02, (len(stroke), 2))) * height / 1.6
                    self.line(curve(points) + np.array([x, y]), self.ink, max(1.0, self.thick * height))
                x += wide * height / 1.6 + gap * height
            else:
                x += self._digit(character, x, y, height) + gap * height * self.random.uniform(0.8, 1.2)
        return x - gap * height

    def _digit(self, name: str, x: float, y: float, height: float) -> float:
        if self.hand == "font":
            return self.print(name, x, y, height)
        if self.hand == "mnist":
            mask = _mnist(name, self.random)
            scale = FINER * height / max(mask.shape[0], 0.8 * mask.shape[1])
            size = max(1, round(mask.shape[1] * scale)), max(1, round(mask.shape[0] * scale))
            soft = cv2.resize(mask, size, interpolation=cv2.INTER_CUBIC)
            inked = Image.fromarray(np.uint8(np.clip((soft - 0.4) * 4 + 0.5, 0, 1) * 255))
            at = round(x * FINER), round((y + height) * FINER) - size[1]
            self._image.paste(self.ink, (*at, at[0] + size[0], at[1] + size[1]), inked)
            return size[0] / FINER
        pen = max(1.0, self.thick * height)
        seed = int(self.random.integers(1 << 30))
        self.write(name, (x, y), height, pen=pen, ink=self.ink, slant=self.slant, seed=seed)
        return height / 1.6 * (0.6 if name == "1" else 1)

    def print(self, text: str, x: float, y: float, height: float) -> float:
        """Print text in the sheet's font, digits of this height. Returns how wide it is."""
        font = _font(self.font, round(height * FINER / 0.72))
        box = font.getbbox("0")
        self._draw.text((x * FINER, y * FINER - box[1]), text, fill=self.ink, font=font)
        return float(font.getlength(text)) / FINER

    def letters(self, text: str, x: float, y: float, height: float) -> float:
        """Write words with strokes, capitals of this height. Returns how wide they are."""
        left, pen = x, max(1.0, self.random.uniform(0.05, 0.1) * height)
        for character in text:
            if character == " ":
                x += 0.6 * height
                continue
            strokes = [
                [tuple(map(int, at.split(","))) for at in each.split()] for each in LETTERS[character].split(";")
            ]
            for stroke in strokes:
                points = (np.array(stroke) + self.random.normal(0, 0.25, (len(stroke), 2))) * height / 16
                points[:, 0] += self.slant * (height - points[:, 1])
                self.line(curve(points.tolist()) + np.array([x, y]), self.ink, pen)
            x += (max(at[0] for stroke in strokes for at in stroke) + 3.5) * height / 16
        return x - left

    def frame(self, box: tuple[float, float, float, float], colour: Colour, width: float, kind: str = "box") -> None:
        """Draw a box, a box with round corners, a dashed box, or an ellipse."""
        fine, pen = [each * FINER for each in box], max(1, round(width * FINER))
        left, top, right, bottom = box
        if kind == "circle":
            self._draw.ellipse(fine, outline=colour, width=pen)
        elif kind == "round":
            self._draw.rounded_rectangle(fine, radius=0.2 * (fine[3] - fine[1]), outline=colour, width=pen)
        elif kind == "dashed":
            for x in np.arange(left, right, 9):
                for y in (top, bottom):
                    self.line([(x, y), (min(x + 5, right), y)], colour, width)
            for y in np.arange(top, bottom, 9):
                for x in (left, right):
                    self.line([(x, y), (x, min(y + 5, bottom))], colour, width)
        else:
            self._draw.rectangle(fine, outline=colour, width=pen)

    def taken(self) -> Image.Image:
        """The sheet as it is handed in: scanned or photographed, as PNG or JPEG."""
        image = self.image()
        if self.random.random() < 0.5:
            image = self.photo(seed=int(self.random.integers(1 << 30)), dimmest=self.random.uniform(0.4, 0.9))
        return compressed(image, self.random) if self.random.random() < 0.5 else image


def compressed(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """The picture as a JPEG file of some quality."""
    file = io.BytesIO()
    image.convert("RGB").save(file, "JPEG", quality=int(random.integers(60, 95)))
    return Image.open(file)


@functools.cache
def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    import matplotlib

    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf"), size)


@functools.cache
def _test_digits() -> dict[str, np.ndarray]:
    data = loading.load("mnist")
    return {str(name): data.x_test[data.y_test == name] for name in range(10)}


def _mnist(name: str, random: np.random.Generator) -> np.ndarray:
    image = random.choice(_test_digits()[name])
    rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    return np.pad(image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], 1).astype(np.float32) / 255
