"""Reading request bodies within limits of bytes, of time, and of memory for all of them together."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from mnistry.service.problem_details import CLIENT_GONE, RETRY_AFTER, Problem

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

SLOW = "The body came too slowly: {seconds:g} seconds are given for {what}. Reduce it, or send it over a faster line."
LARGE = "The body has more than the {most:,} bytes that are taken. Reduce the picture first."
CROWDED = "Too many bytes are waiting to be read. Send it again in a moment."
ENVELOPE = 65_536  # bytes around a picture in a form or in JSON


@dataclass(frozen=True)
class BodyLimits:
    """Limits for request bodies.

    Attributes:
        bytes: bytes of one picture; more than a phone's photo has.
        bytes_of_all: bytes of all bodies that are being received, wait, or are being read.
        bytes_of_client: the same for one client, so that one alone cannot take all of it.
        silence: seconds without a byte.
        seconds: seconds for a whole body.
    """

    bytes: int = 25_000_000
    bytes_of_all: int = 250_000_000
    bytes_of_client: int = 125_000_000
    silence: float = 5.0
    seconds: float = 60.0

    def most(self, media_type: str) -> int:
        """Bytes of one body of a media type: base64 takes a third more than the picture, a form a little more."""
        if media_type in ("application/json", "text/plain", "application/x-www-form-urlencoded"):
            return self.bytes * 4 // 3 + ENVELOPE
        return self.bytes + (ENVELOPE if media_type == "multipart/form-data" else 0)


class RequestBodyReader:
    """Read bodies and counts the memory that they take, from the moment that their bytes arrive."""

    def __init__(self, limits: BodyLimits) -> None:
        self.limits = limits
        self._reserved: Counter[str] = Counter()

    @asynccontextmanager
    async def read(
        self, headers: Mapping[str, str], receive: Receive, client: str, media_type: str
    ) -> AsyncIterator[bytes]:
        """Read the body of a request. Its memory counts as taken until the context ends.

        Args:
            headers: headers of the request; a Content-Length beyond the limit is refused before any byte is read.
            receive: the ASGI callable.
            client: address of the client, which has a share of the memory.
            media_type: decides how many bytes are taken.

        Raises:
            Problem: the body is too large or too slow, or there is no memory for it now.
        """
        most = self.limits.most(media_type)
        if int(headers.get("content-length", "0")) > most:
            raise Problem(413, LARGE.format(most=most))
        body, reserved = bytearray(), 0
        try:
            async for part in self._parts(receive):
                body += part
                if len(body) > most:
                    raise Problem(413, LARGE.format(most=most))
                reserved += len(part)
                self._reserve(client, len(part))
            yield bytes(body)
        finally:
            self._reserved[client] -= reserved
            if not self._reserved[client]:
                del self._reserved[client]

    async def _parts(self, receive: Receive) -> AsyncIterator[bytes]:
        silence = self.limits.silence
        whole = asyncio.timeout(self.limits.seconds)
        try:
            async with whole:
                more = True
                while more:
                    async with asyncio.timeout(silence):
                        message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Problem(CLIENT_GONE, "The connection was closed before the whole body had arrived.")
                    yield message.get("body", b"")
                    more = message.get("more_body", False)
        except TimeoutError:
            what, seconds = ("a whole body", self.limits.seconds) if whole.expired() else ("the next byte", silence)
            raise Problem(408, SLOW.format(seconds=seconds, what=what)) from None

    def _reserve(self, client: str, size: int) -> None:
        self._reserved[client] += size
        if self._reserved[client] > self.limits.bytes_of_client or self._reserved.total() > self.limits.bytes_of_all:
            raise Problem(503, CROWDED, RETRY_AFTER)
