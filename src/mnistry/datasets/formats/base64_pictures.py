"""Pictures in base64, bare or as a data URL."""

from __future__ import annotations

import base64

from mnistry.runtime.file_signatures import is_picture

LEAST = 60  # characters
URL_SAFE = str.maketrans("-_", "+/")


def decode(cell: str) -> bytes | None:
    r"""The bytes of the picture in a cell; None if there is none.

    >>> decode("data:image/png;base64," + base64.b64encode(b"\x89PNG" + bytes(60)).decode())[:4]
    b'\x89PNG'
    >>> decode("a word")
    """
    text = (cell.partition("base64,")[2] or cell).strip().translate(URL_SAFE)
    if len(text) < LEAST:
        return None
    try:
        content = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        return None
    return content if is_picture(content) else None
