"""The log: one line a request on standard error, written by a thread, so that a slow reader of it delays nobody."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from datetime import UTC, datetime

STANDARD_ERROR = 2
GATHER = 0.02  # seconds: lines are written together
MOST_WAITING = 10_000  # lines; what comes while so many wait is counted, and the number is told later


class RequestLog:
    """Lines on their way to standard error."""

    def __init__(self) -> None:
        self._lines: queue.Queue[str | None] = queue.Queue(MOST_WAITING)
        self._lost = 0
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)
        self._thread.start()

    def line(self, client: str, method: str, path: str, status: int, size: int, seconds: float) -> None:
        """Logs an answered request; of what a client sent only printable ASCII gets through, and not much of it."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        shown = "".join(c if "!" <= c <= "~" else "?" for c in path[:100])
        try:
            self._lines.put_nowait(
                f"{now} {client} {method[:10]} {shown} {status} {size} bytes {1e3 * seconds:.1f} ms\n"
            )
        except queue.Full:
            self._lost += 1

    def close(self, seconds: float = 1.0) -> None:
        """Writes what is left, unless nobody takes it."""
        try:
            self._lines.put_nowait(None)
        except queue.Full:
            return
        self._thread.join(seconds)

    def _write(self) -> None:
        while True:
            lines = [self._lines.get()]
            time.sleep(GATHER)
            while not self._lines.empty():
                lines.append(self._lines.get_nowait())
            if self._lost:
                lines.insert(0, f"{self._lost} lines were not written: nobody took them quickly enough\n")
                self._lost = 0
            _write_all("".join(line for line in lines if line is not None).encode())
            if None in lines:
                return


def _write_all(text: bytes) -> None:
    """Writes to standard error past Python's buffer, whose lock would hold up the end of the process."""
    with contextlib.suppress(OSError):  # whoever read it is gone
        while text:
            text = text[os.write(STANDARD_ERROR, text) :]
