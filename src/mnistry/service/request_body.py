"""Bodies of requests: taken in within limits of bytes, of time, and of memory for all of them together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from mnistry.service.problem_details import CLIENT_GONE, RETRY_AFTER, Problem

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

SLOW = "The body came too slowly: {seconds:g} seconds are given for {what}. Reduce it, or send it over a faster line."


@dataclass(frozen=True)
class BodyLimits:
    """How much is taken in.

    Attributes:
        bytes: of one body; more than any telephone's photo.
        bytes_of_all: of all that are being received, wait or are being read.
        silence: seconds without a byte.
        seconds: for a whole body.
    """

    bytes: int = 25_000_000
    bytes_of_all: int = 250_000_000
    silence: float = 5.0
    seconds: float = 60.0


class Bodies:
    """Takes in bodies and knows how much memory they need."""

    def __init__(self, limits: BodyLimits) -> None:
        self.limits = limits
        self._held = 0

    @asynccontextmanager
    async def take(self, headers: Mapping[str, str], receive: Receive) -> AsyncIterator[bytes]:
        """A request's body; its memory counts as taken until the context ends.

        Raises:
            Problem: it is too large (said before it is received, where its length is told), too slow, or there is no
                memory for it now.
        """
        told = int(headers.get("content-length", "0"))
        self._check(told)
        held = _Held(self, told)
        try:
            yield await self._receive(receive, held)
        finally:
            held.release()

    def _check(self, size: int) -> None:
        if size > self.limits.bytes:
            sentence = (
                f"The body has more than the {self.limits.bytes:,} bytes that are taken. Reduce the picture first."
            )
            raise Problem(413, sentence)

    def hold(self, size: int) -> None:
        """Counts bytes as taken; raises a Problem if there are too many."""
        if self._held + size > self.limits.bytes_of_all:
            raise Problem(503, "Too many bytes are waiting to be read. Send it again in a moment.", RETRY_AFTER)
        self._held += size

    def release(self, size: int) -> None:
        """Counts them as free again."""
        self._held -= size

    async def _receive(self, receive: Receive, held: _Held) -> bytes:
        parts: list[bytes] = []
        size, silence = 0, self.limits.silence
        whole = asyncio.timeout(self.limits.seconds)
        try:
            async with whole:
                while True:
                    async with asyncio.timeout(silence):
                        message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Problem(CLIENT_GONE, "The connection was closed before the whole body was there.")
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    self._check(size)
                    held.grow_to(size)
                    if not message.get("more_body", False):
                        return b"".join(parts)
        except TimeoutError:
            what, seconds = ("a whole body", self.limits.seconds) if whole.expired() else ("the next byte", silence)
            raise Problem(408, SLOW.format(seconds=seconds, what=what)) from None


class _Held:
    """The bytes that one request holds."""

    def __init__(self, bodies: Bodies, size: int) -> None:
        self._bodies, self._size = bodies, 0
        self.grow_to(size)

    def grow_to(self, size: int) -> None:
        if size > self._size:
            self._bodies.hold(size - self._size)
            self._size = size

    def release(self) -> None:
        self._bodies.release(self._size)
        self._size = 0
