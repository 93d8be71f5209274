"""The content of a table's cells: text, the bytes of a picture, or an array of numbers."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from mnistry.runtime.file_signatures import is_picture

Cell = str | bytes | np.ndarray

LEAST_ENCODED = 60  # characters of a picture in base64
URL_SAFE = str.maketrans("-_", "+/")
BRACKETS = str.maketrans("[](),;", " " * 6)  # around and between numbers in one cell
WHOLE = re.compile(r"\d{1,9}\.\d{0,20}(e\+\d{2})?")  # of numbers that may be whole, those with a point
TRUE, FALSE = ("1", "1.0", "true"), ("0", "0.0", "false", "")  # cells of one-hot labels


def to_cell(value: Any) -> Cell:
    """The cell for a value of JSON or Parquet: numbers are text, lists of numbers arrays, and nothing is empty text."""
    if isinstance(value, dict) and "bytes" in value:  # a picture of the Hugging Face hub
        value = value["bytes"]
    if value is None or isinstance(value, str | bytes):
        return value or ""
    if isinstance(value, list):
        try:
            with np.errstate(over="ignore"):
                return np.array(value, np.float32)
        except (ValueError, TypeError, OverflowError):
            pass  # its numbers are looked at one by one
    return json.dumps(value, default=str) if isinstance(value, dict | list) else str(value)


def text(cell: Cell) -> str:
    """A cell without blanks around it; empty where it holds a picture or an array."""
    return cell.strip() if isinstance(cell, str) else ""


def numbers(cell: Cell) -> np.ndarray | list[str]:
    """The numbers in one cell: an array, or the texts between blanks, commas and brackets."""
    return cell if isinstance(cell, np.ndarray) else text(cell).translate(BRACKETS).split()


def picture(cell: Cell) -> bytes | None:
    r"""The bytes of the picture in a cell, bare or in base64, perhaps as a data URL; None if there is none.

    >>> picture("data:image/png;base64," + base64.b64encode(b"\x89PNG" + bytes(60)).decode())[:4]
    b'\x89PNG'
    >>> picture("a word")
    """
    if not isinstance(cell, str):
        return cell if isinstance(cell, bytes) else None
    encoded = (cell.partition("base64,")[2] or cell).strip().translate(URL_SAFE)
    if len(encoded) < LEAST_ENCODED:
        return None
    try:
        content = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        return None
    return content if is_picture(content) else None


def clean_label(cell: Cell) -> str:
    """A label as text; 7.0, 7.000000 and 7.0e+00, as np.savetxt and pandas write a 7, are 7."""
    label = text(cell)
    if WHOLE.fullmatch(label) and (value := float(label)).is_integer():
        return str(int(value))
    return label


def find_hot(cells: Sequence[Cell]) -> int | None:
    """The place of the one cell that is 1 where the others are 0; None if they are not such.

    >>> find_hot(["0", "1.0", ""]), find_hot(["1", "1"]), find_hot(["0", "7"])
    (1, None, None)
    """
    words = [text(cell).lower() for cell in cells]
    hot = [place for place, word in enumerate(words) if word in TRUE]
    return hot[0] if len(hot) == 1 and all(word in FALSE for word in words if word not in TRUE) else None


def is_one_hot(rows: Sequence[Sequence[Cell]], columns: Sequence[int], *, all_of_them: bool = False) -> bool:
    """Tell whether one of some columns is 1 in each row, and the others 0; perhaps each in some row."""
    seen = set()
    for row in rows:
        hot = find_hot([row[n] for n in columns])
        if hot is None:
            return False
        seen.add(hot)
    return bool(rows) and (not all_of_them or len(seen) == len(columns))


def count_up(cells: Sequence[Cell]) -> bool:
    """Tell whether cells count the rows, from any number."""
    found = [int(each) for cell in cells if (each := text(cell)).isdigit()]
    return len(found) == len(cells) > 1 and all(after - before == 1 for before, after in pairwise(found))


def is_number(cell: Cell) -> bool:
    """Tell whether a cell is a number.

    >>> is_number(" 7.0"), is_number("7a"), is_number("")
    (True, False, False)
    """
    try:
        float(text(cell))
    except ValueError:
        return False
    return True


def is_name(cell: str) -> bool:
    """Tell whether a cell may be in a header: a word such as pixel12 or 1x1, not an empty or garbled cell."""
    return any(letter.isalpha() for letter in cell) and not is_number(cell)
