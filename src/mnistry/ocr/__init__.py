"""Pictures to digits to text, one module a step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mnistry import _lazy

if TYPE_CHECKING:
    from mnistry.ocr.image_io import open_image
    from mnistry.ocr.recognizer import Recognizer, read
    from mnistry.ocr.result import Digit, Reading

__all__ = ["Digit", "Reading", "Recognizer", "open_image", "read"]

__getattr__, __dir__ = _lazy.attach(
    __name__, {"ocr.image_io": "open_image", "ocr.recognizer": "Recognizer read", "ocr.result": "Digit Reading"}
)
