"""The access log: one line per request on standard error, written by a background thread.

A reader of standard error that is slow or gone delays no request and does not hold up the end of the process. Lines
that do not fit into the queue are counted, and the number is logged later.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import time
from datetime import UTC, datetime
from logging.handlers import QueueHandler, QueueListener

STANDARD_ERROR = 2
MOST_WAITING = 10_000  # lines
CLOSE_SECONDS = 1.0  # for the rest at the end
QUIET_SECONDS = 10.0  # between two lines of the same event


class AccessLog:
    """Lines on their way to standard error."""

    def __init__(self) -> None:
        lines: queue.Queue[logging.LogRecord] = queue.Queue(MOST_WAITING)
        self._handler = _BoundedHandler(lines)
        self._listener = _Listener(lines, _StandardError())
        self._told: dict[str, float] = {}
        self._listener.start()

    def request(self, client: str, method: str, path: str, status: int, size: int, seconds: float) -> None:
        """Log an answered request. Of its path, 100 characters of printable ASCII get through."""
        shown = make_printable(path.replace(" ", "?"))
        self._write(f"{client} {method[:10]} {shown} {status} {size} bytes {1e3 * seconds:.1f} ms")

    def event(self, sentence: str) -> None:
        """Log an event of the server. The same sentence is logged once in ten seconds."""
        now = time.monotonic()
        if now - self._told.get(sentence, -QUIET_SECONDS) >= QUIET_SECONDS:
            self._told = {each: when for each, when in self._told.items() if now - when < QUIET_SECONDS}
            self._told[sentence] = now
            self._write(f"mnistry: {sentence}")

    def close(self) -> None:
        """Write the rest, for a second at most."""
        self._listener.stop()

    def _write(self, line: str) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._handler.handle(logging.LogRecord("mnistry", logging.INFO, "", 0, f"{now} {line}", None, None))


def make_printable(text: str, most: int = 100) -> str:
    """Text with `?` in place of all but printable ASCII, cut off after some characters."""
    return "".join(each if " " <= each <= "~" else "?" for each in text[:most])


class _BoundedHandler(QueueHandler):
    """A queue handler that drops lines where the queue is full, and counts them."""

    lost = 0

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            if self.lost:
                lost = f"{self.lost} lines were dropped: standard error was not read quickly enough"
                self.queue.put_nowait(logging.LogRecord("mnistry", logging.INFO, "", 0, lost, None, None))
                self.lost = 0
            self.queue.put_nowait(record)
        except queue.Full:
            self.lost += 1


class _Listener(QueueListener):
    """A queue listener whose end is not waited for longer than a second."""

    def stop(self) -> None:
        with contextlib.suppress(queue.Full):
            self.enqueue_sentinel()
            if self._thread is not None:
                self._thread.join(CLOSE_SECONDS)


class _StandardError(logging.Handler):
    """Write past Python's buffer and without a lock: either would hold up the end of the process."""

    def createLock(self) -> None:  # noqa: N802 - logging's name
        self.lock = None

    def emit(self, record: logging.LogRecord) -> None:
        text = (record.getMessage() + "\n").encode()
        with contextlib.suppress(OSError):  # the reader is gone
            while text:
                text = text[os.write(STANDARD_ERROR, text) :]
