"""Handwriting for tests: digits as strokes, and pens, paper and light to draw them with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

Point = tuple[float, float]
Colour = tuple[int, int, int]

# Strokes by points (x, y) from (0, 0), top left, to (1, 1.6), written by hand; curves go smoothly through their points.
STROKES: dict[str, list[list[Point]]] = {
    "0": [[(0.5, 0.02), (0.16, 0.3), (0.06, 0.85), (0.24, 1.45), (0.55, 1.56), (0.88, 1.2), (0.93, 0.6), (0.75, 0.15),
           (0.48, 0.02)]],
    "1": [[(0.56, 0.02), (0.52, 0.6), (0.48, 1.1), (0.45, 1.58)]],
    "2": [[(0.1, 0.36), (0.28, 0.08), (0.6, 0.03), (0.83, 0.28), (0.72, 0.68), (0.4, 1.1), (0.06, 1.5)],
          [(0.06, 1.5), (0.4, 1.47), (0.95, 1.52)]],
    "3": [[(0.12, 0.2), (0.38, 0.02), (0.75, 0.12), (0.78, 0.46), (0.5, 0.7), (0.36, 0.73)],
          [(0.36, 0.73), (0.7, 0.8), (0.88, 1.13), (0.7, 1.48), (0.35, 1.57), (0.06, 1.36)]],
    "4": [[(0.6, 0.03), (0.34, 0.5), (0.05, 0.98)], [(0.05, 0.98), (0.5, 0.99), (0.95, 0.97)],
          [(0.68, 0.5), (0.66, 1.0), (0.63, 1.58)]],
    "5": [[(0.22, 0.06), (0.18, 0.4), (0.16, 0.68)],
          [(0.16, 0.68), (0.5, 0.55), (0.83, 0.8), (0.84, 1.2), (0.56, 1.52), (0.12, 1.46)],
          [(0.22, 0.06), (0.55, 0.05), (0.88, 0.03)]],
    "6": [[(0.72, 0.05), (0.38, 0.38), (0.12, 0.95), (0.18, 1.4), (0.5, 1.57), (0.82, 1.35), (0.8, 0.98), (0.5, 0.84),
           (0.22, 1.05), (0.17, 1.25)]],
    "7": [[(0.06, 0.08), (0.5, 0.06), (0.92, 0.04)], [(0.92, 0.04), (0.68, 0.5), (0.48, 1.0), (0.36, 1.58)]],
    "8": [[(0.78, 0.24), (0.5, 0.03), (0.2, 0.22), (0.3, 0.58), (0.62, 0.82), (0.86, 1.2), (0.64, 1.52), (0.3, 1.5),
           (0.13, 1.2), (0.34, 0.84), (0.66, 0.56), (0.8, 0.26)]],
    "9": [[(0.85, 0.4), (0.62, 0.08), (0.28, 0.1), (0.12, 0.45), (0.3, 0.75), (0.62, 0.7), (0.84, 0.42)],
          [(0.85, 0.4), (0.82, 0.9), (0.72, 1.58)]],
}  # fmt: skip
ASPECT = 1.6  # height of a digit by its width
FINER = 4  # times as large when drawn, then reduced: soft edges
BLACK, WHITE, BLUE, RED, YELLOW = (20, 20, 24), (250, 250, 247), (30, 50, 150), (190, 30, 40), (235, 220, 80)


def curve(points: Sequence[Point], steps: int = 12) -> np.ndarray:
    """Points on a smooth line through some: Catmull and Rom's spline, (n, 2)."""
    p = np.array([points[0], *points, points[-1]])
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    parts = [
        0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
        for a, b, c, d in zip(p, p[1:], p[2:], p[3:], strict=False)
    ]
    return np.concatenate([*parts, p[-1:]])


class Page:
    """A sheet to write on; positions and sizes are in pixels."""

    def __init__(self, width: int, height: int, *, paper: Colour = WHITE) -> None:
        self._image = Image.new("RGB", (width * FINER, height * FINER), paper)
        self._draw = ImageDraw.Draw(self._image)

    def line(self, points: Sequence[Point] | np.ndarray, colour: Colour, width: float) -> None:
        fine = [(x * FINER, y * FINER) for x, y in np.asarray(points)]
        self._draw.line(fine, fill=colour, width=max(1, round(width * FINER)), joint="curve")
        radius = width * FINER / 2
        for x, y in (fine[0], fine[-1]):  # a round nib
            self._draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)

    def write(
        self,
        text: str,
        at: Point,
        height: float,
        *,
        pen: float | None = None,
        ink: Colour = BLACK,
        gap: float = 0.35,
        slant: float = 0.0,
        seed: int | None = None,
    ) -> None:
        """Writes digits and blanks in a line; each digit a little different where there is a seed.

        Args:
            text: what to write.
            at: the upper left corner of the first digit.
            height: of a digit.
            pen: how thick the strokes are; an eighth of the height is usual.
            ink: its colour.
            gap: between two digits, as a part of a digit's width; negative where they touch.
            slant: columns to the right for each row higher.
            seed: of the wobble.
        """
        random = np.random.default_rng(seed)
        width, x = height / ASPECT, at[0]
        for character in text:
            for stroke in STROKES.get(character, []):
                wobble = random.normal(0, 0.025, (len(stroke), 2)) if seed is not None else 0
                points = curve([tuple(point) for point in np.array(stroke) + wobble]) * [width, height / ASPECT]
                points[:, 0] += x + slant * (height - points[:, 1])
                points[:, 1] += at[1]
                self.line(points, ink, height / 11 if pen is None else pen)
            x += width * ((0.45 if character == "1" else 1.0) + gap)

    def rule(
        self, spacing: float, colour: Colour = (120, 150, 200), width: float = 1.2, *, squared: bool = False
    ) -> None:
        """Draws rulings over the whole sheet."""
        across, down = (side / FINER for side in self._image.size)
        for y in np.arange(spacing, down, spacing):
            self.line([(0, y), (across, y)], colour, width)
        for x in np.arange(spacing, across, spacing) if squared else ():
            self.line([(x, 0), (x, down)], colour, width)

    def image(self) -> Image.Image:
        """The sheet as a scanner would see it."""
        return self._image.reduce(FINER)

    def photo(self, *, seed: int = 0, dimmest: float = 0.45, noise: float = 3.0) -> Image.Image:
        """The sheet as a telephone would see it: light from one side, dark corners, noise and blur."""
        from PIL import ImageFilter

        sharp = self.image().filter(ImageFilter.GaussianBlur(0.8))
        pixels = np.asarray(sharp, np.float64)
        y, x = np.meshgrid(*(np.linspace(-1, 1, side) for side in pixels.shape[:2]), indexing="ij")
        light = 1 - (1 - dimmest) * (0.5 * (1 + x) * 0.6 + 0.4 * (x**2 + y**2) / 2)
        grain = np.random.default_rng(seed).normal(0, noise, pixels.shape)
        return Image.fromarray(np.clip(pixels * light[:, :, None] * 0.9 + grain, 0, 255).astype(np.uint8))


def digit(character: str, height: int = 100, **options: object) -> Image.Image:
    """One digit on a sheet with some paper around it."""
    page = Page(round(height * 1.5), round(height * 1.6))
    page.write(character, (height * 0.4, height * 0.3), height, **options)  # type: ignore[arg-type] # passed on
    return page.image()


def save_pictures(folder: Path) -> None:
    """Puts pictures into a folder: "208" above "35", a 6 in a folder below, and a hidden file that is none."""
    (folder / "below").mkdir(parents=True)
    sheet = Page(400, 260)
    sheet.write("208", (40, 30), 70)
    sheet.write("35", (40, 150), 70)
    sheet.image().save(folder / "b.png")
    digit("6").save(folder / "below" / "a.JPG", quality=95)
    (folder / ".hidden.png").write_bytes(b"")
