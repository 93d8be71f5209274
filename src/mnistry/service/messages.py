"""Messages between the server and its reading processes: a JSON object and bytes, each with its length before it."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any

LENGTHS = struct.Struct(">II")
JSON, BYTES, FORM = "application/json", "application/octet-stream", "multipart/form-data"
DONE, UNREADABLE, FAILED, NO_MEMORY = 200, 422, 500, 503  # the status of an answer


@dataclass(frozen=True)
class Frame:
    """A message: facts, in JSON's types only, and a picture or the content of an answer."""

    head: Mapping[str, Any]
    body: bytes = b""

    def pack(self) -> bytes:
        """The bytes that go through the pipe."""
        head = json.dumps(self.head, ensure_ascii=False).encode()
        return LENGTHS.pack(len(head), len(self.body)) + head + self.body


def read(pipe: IO[bytes]) -> Frame | None:
    """The next message from a pipe; None at its end."""
    start = pipe.read(LENGTHS.size)
    if len(start) < LENGTHS.size:
        return None
    head, body = LENGTHS.unpack(start)
    rest = pipe.read(head + body)
    return None if len(rest) < head + body else Frame(json.loads(rest[:head]), rest[head:])


async def receive(pipe: asyncio.StreamReader) -> Frame:
    """The next message from a pipe.

    Raises:
        asyncio.IncompleteReadError: the pipe ended before.
    """
    head, body = LENGTHS.unpack(await pipe.readexactly(LENGTHS.size))
    content = json.loads(await pipe.readexactly(head))
    return Frame(content, await pipe.readexactly(body) if body else b"")
