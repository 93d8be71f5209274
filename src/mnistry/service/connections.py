"""Connections within limits: slow clients are cut off, and a stopping server loses no request that it has accepted.

uvicorn has no public interface for the limits of time and number below. This module is the only one that uses its
inner parts, and `tests/service/test_connections.py` fails when uvicorn changes them.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import signal
import socket
import struct
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from mnistry.service.middleware import CROWDED, TOO_MANY, ServerState
from mnistry.service.problem_details import RETRY_AFTER, Problem

HEAD_SECONDS = 10.0  # for a request's head, from the connection's start or from its first byte
IDLE_SECONDS = 30  # between two requests of a connection
WRITE_SECONDS = 10.0  # for a client to take an answer that fills the buffers
MOST_CONNECTIONS = 500
MOST_OF_CLIENT = 0.5  # the part of them that one client may have
CROWDED_PLACES = 32  # for connections beyond: they may ask for a probe
CROWDED_SECONDS = 1.0  # for the head of such a request
RESERVED_FILES = 128  # file descriptors for everything but connections: processes, files, crowded places, one round
ACCEPTED_AT_ONCE = 16  # connections that are accepted in one round of the event loop; all fit into the reserve
LAST_WORD_SECONDS = 0.5  # of a stopping server: for requests that are on their way over connections it has
SIGNALS = (signal.SIGINT, signal.SIGTERM)
SO_ATTACH_FILTER, BPF_RETURN = 26, 6  # of Linux (socket(7), linux/filter.h); a filter that returns 0 keeps nothing


class Places:
    """The places for connections: a number for all, a part of it for one client, and a few more for probes.

    Attributes:
        most: connections of all clients; fewer where the process may not open that many files.
    """

    def __init__(self, report: Callable[[str], None], trusted: Callable[[str], bool] = lambda _: False) -> None:
        self.most = max(16, min(MOST_CONNECTIONS, _files() - RESERVED_FILES))
        self._report, self._trusted = report, trusted
        self._of: dict[Connection, str] = {}
        self._counts: Counter[str] = Counter()
        self._crowded: dict[Connection, None] = {}

    def enter(self, connection: Connection, client: str) -> bool:
        """Take a place for a connection; return whether it is a full one. A crowded one may push out the oldest."""
        share = self.most if self._trusted(client) else max(1, int(self.most * MOST_OF_CLIENT))
        if len(self._of) < self.most and self._counts[client] < share:
            self._of[connection] = client
            self._counts[client] += 1
            return True
        self._report(f"there are more than {min(share, self.most)} connections: the newest are closed, probes answered")
        self._crowded[connection] = None
        if len(self._crowded) > CROWDED_PLACES:
            oldest = next(iter(self._crowded))
            del self._crowded[oldest]
            oldest.turn_away()
        return False

    def leave(self, connection: Connection) -> None:
        """Give a place back."""
        self._crowded.pop(connection, None)
        client = self._of.pop(connection, None)
        if client is not None:
            self._counts[client] -= 1
            if not self._counts[client]:
                del self._counts[client]


def _files() -> int:
    """File descriptors that this process may open, after the limit was raised as far as is allowed and useful."""
    try:
        import resource
    except ImportError:  # not on Windows, which has no such limit
        return MOST_CONNECTIONS + RESERVED_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_CONNECTIONS + RESERVED_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return wanted if soft == resource.RLIM_INFINITY else soft


class Connection(H11Protocol):
    """uvicorn's connection, with limits of time for the head of a request and for taking an answer."""

    _head_timer: asyncio.TimerHandle | None = None
    _write_timer: asyncio.TimerHandle | None = None
    _half_closed = False
    _full_place = True

    def __init__(self, places: Places, **given: Any) -> None:
        super().__init__(**given)
        self._places = places

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Take a place, and start the clock."""
        super().connection_made(transport)
        self._full_place = self._places.enter(self, self.client[0] if self.client else "-")
        if not self._full_place:
            self.app_state = {**self.app_state, CROWDED: True}
        self._watch_head()

    def data_received(self, data: bytes) -> None:
        """Take in data, and watch that the next head arrives whole."""
        super().data_received(data)
        self._watch_head()

    def eof_received(self) -> bool:  # type: ignore[override] # uvicorn's returns nothing: the connection is closed
        """Keep a half-closed connection open until its requests are answered (RFC 9112, 9.6)."""
        self._half_closed = not self.idle and not self.cycle.more_body
        return self._half_closed

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the place back, and stop the clocks."""
        self._places.leave(self)
        for timer in (self._head_timer, self._write_timer):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Start the clock for a client that does not take its answer."""
        super().pause_writing()
        self._end_later()

    def resume_writing(self) -> None:
        """Stop the clock when the client has taken enough of its answer."""
        super().resume_writing()
        if self._write_timer is not None and not self.transport.is_closing():
            self._write_timer.cancel()
            self._write_timer = None

    def on_response_complete(self) -> None:
        """Give the client some time to take the rest of the answer if the connection ends with it."""
        super().on_response_complete()
        if self._half_closed and self.idle:
            self.transport.close()
        if self.transport.is_closing():
            self._end_later()

    def timeout_keep_alive_handler(self) -> None:
        """End a connection that was idle for long."""
        super().timeout_keep_alive_handler()
        self._end_later()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - the sentence is ours
        """Answer a request that is not HTTP/1.1."""
        self._refuse(Problem(400, "The request is not valid HTTP/1.1."))

    def turn_away(self) -> None:
        """Close a connection for which there is no place."""
        if self.idle:
            self._refuse(Problem(503, TOO_MANY, RETRY_AFTER))
        else:
            self.transport.abort()

    @property
    def idle(self) -> bool:
        """True if no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def _watch_head(self) -> None:
        if not self.idle:
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None
        elif self._head_timer is None and not self.transport.is_closing():
            if self._full_place:
                self._head_timer = self.loop.call_later(HEAD_SECONDS, self.transport.abort)
            else:
                self._head_timer = self.loop.call_later(CROWDED_SECONDS, self.turn_away)

    def _end_later(self) -> None:
        if self._write_timer is None:
            self._write_timer = self.loop.call_later(WRITE_SECONDS, self.transport.abort)

    def _refuse(self, problem: Problem) -> None:
        if self.transport.is_closing():
            return
        content = problem.content()
        headers = {**problem.all_headers(), "content-length": str(len(content)), "connection": "close"}
        lines = [f"HTTP/1.1 {problem.status} ", *(f"{name}: {value}" for name, value in headers.items())]
        self.transport.write("\r\n".join([*lines, "", ""]).encode("latin-1") + content)
        self.transport.close()
        self._end_later()


class Server(uvicorn.Server):
    """uvicorn's server; before it ends, it answers the requests that were accepted or are on their way."""

    def __init__(self, config: uvicorn.Config, state: ServerState) -> None:
        super().__init__(config)
        self._state = state

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle SIGTERM and SIGINT without raising them again at the end, as uvicorn would."""
        previous = {number: signal.signal(number, self.handle_exit) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept what waits to be accepted, then nothing more; answer it all; end idle connections last."""
        self._state.draining = True  # from now on answers say that the connection ends with them
        await self._stop_listening(sockets or [])
        loop = asyncio.get_running_loop()
        end = loop.time() + LAST_WORD_SECONDS
        connections = self.server_state.connections
        while any(isinstance(each, Connection) and each.idle for each in connections) and loop.time() < end:
            await asyncio.sleep(0.01)
        await super().shutdown()

    async def _stop_listening(self, listeners: list[socket.socket]) -> None:
        """Accept the connections that wait: closing a listening socket would reset them."""
        loop = asyncio.get_running_loop()
        waiting = []
        for listener in listeners:
            _turn_away_newcomers(listener)
            with contextlib.suppress(OSError):
                while True:
                    waiting.append(listener.accept()[0])
        for server in self.servers:
            server.close()
        for each in waiting:
            each.setblocking(False)
            await loop.connect_accepted_socket(self._connection, each)

    def _connection(self) -> asyncio.Protocol:
        made: Any = self.config.http_protocol_class
        return made(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)


def _turn_away_newcomers(listener: socket.socket) -> None:
    """Drop what arrives at a listening socket, where the system can: no connection is made that close would reset."""
    if sys.platform == "linux":
        drop = ctypes.create_string_buffer(struct.pack("HBBI", BPF_RETURN, 0, 0, 0))
        filter_ = struct.pack("@HP", 1, ctypes.addressof(drop))
        with contextlib.suppress(OSError):
            listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, filter_)
