"""Around every request: its answer's headers, its time, its line in the log, and the manners of its end.

A client that still sends when it is answered would often not see the answer: closing a connection with unread bytes
resets it. So the rest of a body that nobody wants is taken in and thrown away for a while before the connection ends.
"""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from mnistry.service.access_log import RequestLog
from mnistry.service.metrics import Metrics
from mnistry.service.problem_details import Problem
from mnistry.service.security import Access

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

POLICY = "; ".join(
    (
        "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' blob:", "connect-src 'self'",
        "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
    )
)  # fmt: skip
ALWAYS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
}
LINGER_SECONDS, LINGER_BYTES = 2.0, 200_000_000
OTHER = "other"  # what metrics call paths and methods that clients make up
METHODS = ("GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "PATCH")


@dataclass
class Life:
    """How far the server has come.

    Attributes:
        draining: whether it takes no more connections and says so to those that it has.
    """

    draining: bool = False


class Manners:
    """An ASGI application around another, which every request goes through."""

    def __init__(
        self, app: App, *, access: Access, metrics: Metrics, log: RequestLog, life: Life, paths: frozenset[str]
    ) -> None:
        self._app, self._access, self._metrics, self._log, self._life = app, access, metrics, log, life
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        started = time.perf_counter()
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        extra = {**ALWAYS, **self._access.cors(headers)}
        exchange = _Exchange(receive, send, extra, self._life, has_body=_has_body(headers))
        self._metrics.in_flight += 1
        try:
            await self._answer(scope, headers, exchange)
            await exchange.finish()
        finally:
            self._metrics.in_flight -= 1
            self._record(scope, exchange, time.perf_counter() - started)

    async def _answer(self, scope: Scope, headers: Mapping[str, str], exchange: _Exchange) -> None:
        refusal = self._access.refusal(scope["method"], headers)
        preflight = self._access.preflight(scope["method"], headers)
        if refusal is not None:
            await exchange.problem(refusal)
        elif preflight is not None:
            await exchange.answer(204, preflight, b"")
        else:
            try:
                await self._app(scope, exchange.receive, exchange.send)
            except Exception:
                traceback.print_exc()
                if exchange.status is not None:
                    raise  # half an answer is out: the connection must break
                await exchange.problem(Problem(500, "A mistake of ours: the server's log has the details."))

    def _record(self, scope: Scope, exchange: _Exchange, seconds: float) -> None:
        path, method, status = scope["path"], scope["method"], exchange.status or 499
        known = path if path in self._paths else OTHER
        self._metrics.request(known, method if method in METHODS else OTHER, status, seconds)
        client = (scope.get("client") or ("-",))[0]
        self._log.line(client, method, path, status, exchange.size, seconds)


def _has_body(headers: Mapping[str, str]) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0").strip("0") != ""


class _Exchange:
    """One request and its answer.

    Attributes:
        status: of the answer; None before it starts.
        size: of the answer's body in bytes.
    """

    def __init__(self, receive: Receive, send: Send, headers: Mapping[str, str], life: Life, *, has_body: bool) -> None:
        self._receive, self._send, self._headers, self._life = receive, send, headers, life
        self.status: int | None = None
        self.size = 0
        self._received_all = not has_body
        self._last: Message | None = None

    async def receive(self) -> Message:
        """The next part of the request's body."""
        message = await self._receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            self._received_all = True
        return message

    async def send(self, message: Message) -> None:
        """Passes on a part of the answer; its end is held back where the request has not ended yet."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": [*message.get("headers", []), *self._more_headers()]}
        else:
            self.size += len(message.get("body", b""))
            if not message.get("more_body", False) and not self._received_all:
                self._last = {"type": "http.response.body", "body": b"", "more_body": False}
                message = {**message, "more_body": True}
        await self._send(message)

    async def answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Answers with all at once."""
        lengths = {} if status == 204 else {"content-length": str(len(body))}
        pairs = [(name.encode(), value.encode("latin-1")) for name, value in {**headers, **lengths}.items()]
        await self.send({"type": "http.response.start", "status": status, "headers": pairs})
        await self.send({"type": "http.response.body", "body": body})

    async def problem(self, problem: Problem) -> None:
        """Answers with a problem."""
        await self.answer(problem.status, problem.all_headers(), problem.content())

    async def finish(self) -> None:
        """Takes in what is left of the request, within limits, and ends the answer."""
        if self._last is not None:
            await self._linger()
            await self._send(self._last)

    def _more_headers(self) -> list[tuple[bytes, bytes]]:
        close = self._life.draining or not self._received_all
        headers = {**self._headers, "connection": "close"} if close else self._headers
        return [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]

    async def _linger(self) -> None:
        left = LINGER_BYTES
        try:
            async with asyncio.timeout(LINGER_SECONDS):
                while left > 0 and not self._received_all:
                    left -= len((await self.receive()).get("body", b""))
        except TimeoutError:
            return
