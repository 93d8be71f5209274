"""Connections with an end: slow clients are cut off, and a stopping server loses no request that it has accepted."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Iterator

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from mnistry.service.middleware import Life
from mnistry.service.problem_details import RETRY_AFTER, Problem

HEAD_SECONDS = 10.0  # for a request's head, from the connection's start or from its first byte
IDLE_SECONDS = 30  # between two requests of a connection
WRITE_SECONDS = 10.0  # for a client to take an answer that fills the buffers
MOST_CONNECTIONS = 500
LAST_WORD_SECONDS = 0.5  # of a stopping server: for requests that are on their way over connections it has
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Connection(H11Protocol):
    """uvicorn's connection, with limits of time for the head of a request and for the taking of an answer."""

    _head_timer: asyncio.TimerHandle | None = None
    _write_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Starts the clock; refuses one connection too many."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            self._refuse(Problem(503, "There are too many connections. Try again in a moment.", RETRY_AFTER))
        else:
            self._watch_head()

    def data_received(self, data: bytes) -> None:
        """Takes in what came, and watches that the next head comes whole."""
        super().data_received(data)
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops the clocks."""
        for timer in (self._head_timer, self._write_timer):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client does not take the answer: it has some time to."""
        super().pause_writing()
        self._end_later()

    def resume_writing(self) -> None:
        """It took it."""
        super().resume_writing()
        if self._write_timer is not None and not self.transport.is_closing():
            self._write_timer.cancel()
            self._write_timer = None

    def on_response_complete(self) -> None:
        """Gives the client some time to take what is left of the answer where the connection ends with it."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._end_later()

    def timeout_keep_alive_handler(self) -> None:
        """Ends a connection that was idle for long."""
        super().timeout_keep_alive_handler()
        self._end_later()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's words are not ours
        """Answers what is no HTTP."""
        self._refuse(Problem(400, "The request is no HTTP/1.1 that this server understands."))

    @property
    def idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def _watch_head(self) -> None:
        if not self.idle:
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None
        elif self._head_timer is None and not self.transport.is_closing():
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def _end_later(self) -> None:
        if self._write_timer is None:
            self._write_timer = self.loop.call_later(WRITE_SECONDS, self.transport.abort)

    def _refuse(self, problem: Problem) -> None:
        content = problem.content()
        headers = {**problem.all_headers(), "content-length": str(len(content)), "connection": "close"}
        lines = [f"HTTP/1.1 {problem.status} ", *(f"{name}: {value}" for name, value in headers.items())]
        self.transport.write("\r\n".join([*lines, "", ""]).encode("latin-1") + content)
        self.transport.close()
        self._end_later()


class Server(uvicorn.Server):
    """uvicorn's server, stopped so that what was accepted is answered, and what is on its way too."""

    def __init__(self, config: uvicorn.Config, life: Life) -> None:
        super().__init__(config)
        self._life = life

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Ends in peace at SIGTERM and SIGINT: uvicorn would raise them again when all is done."""
        previous = {number: signal.signal(number, self.handle_exit) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Takes what waits to be accepted, then nothing more; answers what it has; and ends idle connections last."""
        self._life.draining = True  # from now on answers say that the connection ends with them
        await self._stop_listening(sockets or [])
        loop = asyncio.get_running_loop()
        end = loop.time() + LAST_WORD_SECONDS
        while self._any_idle() and loop.time() < end:
            await asyncio.sleep(0.01)
        await super().shutdown()

    async def _stop_listening(self, callbacks: list[socket.socket]) -> None:
        """Closing a listening socket resets the connections that wait in it, so these are taken out just before."""
        loop = asyncio.get_running_loop()
        waiting = []
        for listener in callbacks:
            with contextlib.suppress(BlockingIOError):
                while True:
                    waiting.append(listener.accept()[0])
        for server in self.servers:
            server.close()
        for each in waiting:
            each.setblocking(False)
            await loop.connect_accepted_socket(self._connection, each)

    def _connection(self) -> Connection:
        return Connection(self.config, self.server_state, self.lifespan.state)

    def _any_idle(self) -> bool:
        return any(isinstance(each, Connection) and each.idle for each in self.server_state.connections)
