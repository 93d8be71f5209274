"""The standard error of a reading process, taken in and bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mnistry.service.access_log import make_printable

LINES_A_PICTURE = 30  # lines that a process may write to the log for one picture; the rest is counted


class ErrorOutput:
    """Take in a process's standard error, so that it never fills, log a bounded part of it, and keep its `last`."""

    def __init__(self, pipe: asyncio.StreamReader, report: Callable[[str], None]) -> None:
        """Begin to take it in."""
        self._pipe, self._report = pipe, report
        self.last = ""
        self._left, self._dropped = LINES_A_PICTURE, 0
        self._task = asyncio.create_task(self._take_in())

    def begin(self) -> None:
        """Begin a new picture, which may log some lines again."""
        if self._dropped:
            self._report(f"a reading process wrote {self._dropped} more lines, which were dropped")
        self._left, self._dropped = LINES_A_PICTURE, 0

    async def end(self) -> None:
        """Wait until all is taken in."""
        await asyncio.wait({self._task}, timeout=1)

    async def _take_in(self) -> None:
        rest = b""
        while data := await self._pipe.read(65_536):
            *lines, rest = (rest + data).split(b"\n")
            rest = rest[-1000:]
            for line in lines:
                self._line(line.decode(errors="replace").rstrip())

    def _line(self, line: str) -> None:
        if not line:
            return
        self.last = make_printable(line, 200)
        if self._left:
            self._left -= 1
            self._report(f"a reading process wrote: {self.last}")
        else:
            self._dropped += 1
