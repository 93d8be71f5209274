"""Writers whose digits a program draws, each with habits of its own: flags on 1s, bars through 7s, closed 4s."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from helpers.writing import BLACK, WHITE, Page, curve

# Ways to write each digit, by strokes: curves through points x,y; a digit is about 10 wide and 16 high.
FORMS = {
    "0": ("5,0 2,3 1,8 2,14 6,16 9,12 9,6 8,2 5,0", "5,0 2,3 1,8 2,14 6,16 9,12 9,6 8,2 5,0;1,14 9,2",
          "8,2 5,0 2,3 1,8 2,14 6,16 9,12 9,5", "6,0 3,2 2,8 3,14 6,15 8,12 8,5 6,1 3,0"),
    "1": ("6,0 5,6 5,11 5,16", "1,5 4,3 6,0;6,0 6,8 5,16", "0,9 3,5 6,0;6,0 6,8 6,16", "0,13 3,6 6,0;6,0 6,8 6,16",
          "1,5 4,3 6,0;6,0 6,8 5,16;2,16 10,16", "0,3 3,1 6,0;6,0 5,8 4,16"),
    "2": ("1,4 3,1 6,0 8,3 7,7 4,11 1,15;1,15 4,15 10,15", "1,4 3,1 6,0 8,3 7,7 4,12 1,15 1,12 4,13 6,15 10,14",
          "1,1 5,0 9,1;9,1 5,8 1,15;1,15 5,15 10,15"),
    "3": ("1,2 4,0 8,1 8,5 5,7 4,7;4,7 7,8 9,11 7,15 4,16 1,14", "1,1 5,0 9,1;9,1 6,4 4,7;4,7 8,8 9,11 7,15 4,16 1,14",
          "1,1 5,0 8,3 6,6 4,7 5,6 8,8 9,12 6,16 1,14"),
    "4": ("6,0 3,5 1,10;1,10 5,10 10,10;7,5 7,10 6,16", "7,0 3,5 1,10;1,10 5,10 10,10;7,0 7,8 7,16",
          "2,1 1,4 2,8 5,8 9,8;9,0 8,8 8,16", "8,0 4,2 1,6 3,8 8,8;8,0 8,8 8,16"),
    "5": ("2,1 2,4 2,7;2,7 5,6 8,8 8,12 6,15 1,15;2,1 6,1 9,0", "9,1 5,0 2,2 2,5 5,7 8,9 8,13 6,15 1,15",
          "2,3 2,5 2,7;2,7 5,6 8,8 8,12 6,15 1,15;3,1 6,1 10,0"),
    "6": ("7,1 4,4 1,10 2,14 5,16 8,14 8,10 5,8 2,10 2,13", "6,0 3,5 2,11 3,15 6,16 7,13 6,11 4,11 2,13",
          "2,0 2,6 2,12 4,15 8,15 8,11 6,9 2,11"),
    "7": ("1,1 5,1 9,0;9,0 7,5 5,10 4,16", "1,1 5,1 9,0;9,0 7,5 5,10 4,16;2,8 6,7 9,7",
          "1,3 1,1;1,1 5,1 9,0;9,0 7,5 5,10 4,16", "1,3 1,1;1,1 5,1 9,0;9,0 6,6 4,10 4,16;2,9 9,8",
          "1,1 5,1 9,1 8,4 5,9 4,16"),
    "8": ("8,2 5,0 2,2 3,6 6,8 9,12 6,15 3,15 1,12 3,8 7,6 8,3",
          "5,0 2,2 2,6 5,8 8,6 8,2 5,0;5,8 1,10 2,15 5,16 9,14 8,9 5,8",
          "9,1 5,0 2,3 4,6 8,10 8,14 4,16 1,12 4,8 8,4"),
    "9": ("9,4 6,1 3,1 1,5 3,8 6,7 8,4;9,4 8,9 7,16", "9,2 6,0 2,2 2,6 5,8 8,5 9,2;9,2 9,9 7,14 4,16 1,13",
          "7,1 4,0 2,3 4,6 7,5;8,0 8,8 7,16", "8,3 5,1 3,3 4,6 7,4 8,3;8,3 6,9 3,16"),
}  # fmt: skip
SIZE, HEIGHT = (160, 130), 80.0  # pixels: of a picture, and of the digit in it
OWN, EACH = 0.5, 0.3  # standard deviations of points: of a writer's digits, and of each time that one is written


class Writer:
    """Somebody who writes each digit in one of its ways, with a slant, a width and a pen of their own."""

    def __init__(self, seed: int) -> None:
        self._random = random = np.random.default_rng([seed, 1])
        self._forms = {name: self._chosen(forms) for name, forms in FORMS.items()}
        self._slant, self._width = random.normal(0.05, 0.18), random.uniform(0.65, 1.15)
        self._pen = random.uniform(0.05, 0.13)

    def write(self, name: str) -> np.ndarray:
        """A digit as this writer writes it, now so and now so: uint8 (height, width), dark on bright."""
        random, page = self._random, Page(*SIZE, paper=WHITE)
        slant, width, pen = self._slant + random.normal(0, 0.05), *np.exp(random.normal(0, (0.07, 0.06)))
        angle = random.normal(0, 0.04)
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        for stroke in self._moved(self._forms[name], EACH):
            points = (curve([tuple(point) for point in stroke]) - [5, 8]) * HEIGHT / 16
            points[:, 0] = points[:, 0] * width * self._width - slant * points[:, 1]
            page.line(points @ turn + np.array(SIZE) / 2, BLACK, HEIGHT * self._pen * pen)
        return np.asarray(page.image().convert("L"))

    def _chosen(self, forms: tuple[str, ...]) -> list[np.ndarray]:
        strokes = forms[self._random.integers(len(forms))].split(";")
        points = [[[float(each) for each in at.split(",")] for at in stroke.split()] for stroke in strokes]
        return self._moved([np.array(each) for each in points], OWN)

    def _moved(self, strokes: list[np.ndarray], far: float) -> list[np.ndarray]:
        """Strokes whose points are moved a little; where one begins at the end of another, it still does."""
        moved = [stroke + self._random.normal(0, far, stroke.shape) for stroke in strokes]
        for at in range(1, len(strokes)):
            if (strokes[at][0] == strokes[at - 1][-1]).all():
                moved[at][0] = moved[at - 1][-1]
        return moved
