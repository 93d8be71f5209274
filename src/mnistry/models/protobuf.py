"""A strict parser for the wire format of Protocol Buffers.

A library for ONNX files accepts more, and takes longer to import than a model takes to load. Here a part that the
schema does not name, or one more of it than may be there, is refused: so a file can mean one thing only, and a hostile
one is done with quickly.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

VARINT, BYTES = 0, 2  # the kinds of fields that our files have
MAX_VARINT = 10  # bytes


class Field(NamedTuple):
    """One field of a message: its name, its kind, VARINT or BYTES, and how often it may be there."""

    name: str
    kind: int
    most: int = 1


Schema = Mapping[int, Field]


class Message:
    """The fields of a message, by name."""

    def __init__(self, content: memoryview, schema: Schema) -> None:
        """Take it apart; messages within it stay bytes until they are asked for.

        Raises:
            ValueError: it is not of that schema; the text says why, as a clause.
        """
        self._fields: dict[str, list[int | memoryview]] = {field.name: [] for field in schema.values()}
        position = 0
        while position < len(content):
            tag, position = _varint(content, position)
            field = schema.get(tag >> 3)
            if field is None or field.kind != tag & 7:
                raise ValueError(f"it has a part that does not belong there (field {tag >> 3}, kind {tag & 7})")
            value, position = _value(content, position, field.kind)
            found = self._fields[field.name]
            if len(found) == field.most:
                raise ValueError(f"it has more than {field.most} of the part {field.name}")
            found.append(value)

    def number(self, name: str) -> int:
        """A field that is a whole number; 0 if it is not there."""
        return next(iter(self.numbers(name)), 0)

    def numbers(self, name: str) -> list[int]:
        """All values of a field of whole numbers."""
        return [value for value in self._fields[name] if isinstance(value, int)]

    def all_bytes(self, name: str) -> list[memoryview]:
        """All values of a field of bytes."""
        return [value for value in self._fields[name] if isinstance(value, memoryview)]

    def bytes(self, name: str) -> memoryview:
        """A field that is bytes; none are there if it is not."""
        return next(iter(self.all_bytes(name)), memoryview(b""))

    def texts(self, name: str) -> list[str]:
        """All values of a field of text."""
        return [str(value, "utf-8") for value in self.all_bytes(name)]  # a UnicodeDecodeError is a ValueError

    def text(self, name: str) -> str:
        """A field that is text; empty if it is not there."""
        return next(iter(self.texts(name)), "")

    def messages(self, name: str, schema: Schema) -> list[Message]:
        """All values of a field of messages."""
        return [Message(value, schema) for value in self.all_bytes(name)]

    def message(self, name: str, schema: Schema) -> Message:
        """A field that is a message; an empty one if it is not there."""
        return Message(self.bytes(name), schema)

    def has(self, name: str) -> bool:
        """Tell whether there is such a field."""
        return bool(self._fields[name])


def _varint(content: memoryview, position: int) -> tuple[int, int]:
    """A number of one to ten bytes, seven bits in each, and where it ends; two's complement of 64 bits."""
    value = 0
    for place, byte in enumerate(content[position : position + MAX_VARINT]):
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            value &= 2**64 - 1
            return value - (value >> 63 << 64), position + place + 1
    raise ValueError("it breaks off or is garbled")


def _value(content: memoryview, position: int, kind: int) -> tuple[int | memoryview, int]:
    if kind == VARINT:
        return _varint(content, position)
    length, position = _varint(content, position)
    if not 0 <= length <= len(content) - position:
        raise ValueError("it breaks off or is garbled")
    return content[position : position + length], position + length
