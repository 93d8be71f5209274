"""Where the images of one's own data come from: a file for each, and a place in it, in a few bytes an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

ROW, ITEM = "{file}, row {number}", "{file}[{number}]"


@dataclass(frozen=True, eq=False)
class Origins:
    """Where images come from; indexing gives the words for one.

    Attributes:
        files: names of files or arrays, as seen from the data set's own place.
        file: int32 (n,): each one's, an index into `files`.
        number: int64 (n,): of its row or item there.
        form: how that is said: `ROW` or `ITEM`; the bare `"{file}"` where each file is one picture.
    """

    files: tuple[str, ...]
    file: np.ndarray
    number: np.ndarray
    form: str

    def __getitem__(self, index: int) -> str:
        """The words for an image.

        >>> of_numbers("train.csv", [2, 3, 5], ROW)[2]
        'train.csv, row 5'
        >>> of_files(["a/1.png", "b/2.png"])[1]
        'b/2.png'
        """
        return self.form.format(file=self.files[self.file[index]], number=self.number[index])

    def of(self, chosen: np.ndarray) -> Origins:
        """Those of some images, chosen by a mask or by indices."""
        return Origins(self.files, self.file[chosen], self.number[chosen], self.form)


def of_files(names: Sequence[str]) -> Origins:
    """The origins of pictures that are files of their own."""
    numbers = np.arange(len(names))
    return Origins(tuple(names), numbers.astype(np.int32), numbers, "{file}")


def of_numbers(file: str, numbers: Sequence[int] | np.ndarray, form: str) -> Origins:
    """The origins of images in one file or array."""
    return Origins((file,), np.zeros(len(numbers), np.int32), np.asarray(numbers, np.int64), form)


def joined(parts: Sequence[Origins]) -> Origins:
    """Those of several files, one after the other; all in the form of the first."""
    before = np.cumsum([0, *(len(part.files) for part in parts)])
    return Origins(
        tuple(name for part in parts for name in part.files),
        np.concatenate([part.file + np.int32(n) for part, n in zip(parts, before, strict=False)]),
        np.concatenate([part.number for part in parts]),
        parts[0].form,
    )
