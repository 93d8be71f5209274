"""Around every request: access control, metrics, the access log, security headers, and the end of the answer.

A client that is still sending when it is answered would often not see the answer: closing a connection with unread
bytes resets it. So the rest of an unwanted body is read and thrown away for a while before the connection ends.
"""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from mnistry.service.access_log import AccessLog
from mnistry.service.metrics import Metrics
from mnistry.service.problem_details import CLIENT_GONE, OUR_MISTAKE, RETRY_AFTER, Problem
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
SECURITY_HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
}
LINGER_SECONDS, LINGER_BYTES = 2.0, 200_000_000
HEALTH, READY, METRICS = "/healthz", "/readyz", "/metrics"
PROBES = (HEALTH, READY, METRICS)  # answered whatever the server has to do
CROWDED = "crowded"  # the state of a connection that is one too many: it may ask for a probe and nothing else
STATIC, OTHER = "/static", "other"  # labels of the metrics for files and for paths that clients make up
METHODS = ("GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "PATCH")
TOO_MANY = "There are too many connections. Try again in a moment."


@dataclass
class ServerState:
    """State of the server; while draining, it takes no connections and closes those that it has after their answers."""

    draining: bool = False


class RequestMiddleware:
    """An ASGI application around another one, for every request."""

    def __init__(
        self,
        app: App,
        *,
        access: Access,
        metrics: Metrics,
        log: AccessLog,
        state: ServerState,
        paths: frozenset[str],
        root_path: str = "",
    ) -> None:
        self._app, self._access, self._metrics, self._log, self._state = app, access, metrics, log, state
        self._paths, self._root = paths, root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        started = time.perf_counter()
        received = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        has_body = "transfer-encoding" in received or received.get("content-length", "0").strip("0") != ""
        response = ResponseState(receive, send, self._state, has_body=has_body)
        scope = {**scope, "headers": list(scope["headers"])}
        problem = self._prepare(scope, received)
        self._metrics.in_flight.inc()
        try:
            await self._answer(scope, response, problem)
            await response.finish()
        finally:
            self._metrics.in_flight.dec()
            self._record(scope, response, time.perf_counter() - started)

    def _prepare(self, scope: Scope, headers: Mapping[str, str]) -> Problem | None:
        """Bring the target, the client and the Host header into their usual form; the reason to refuse, or None."""
        peer = (scope.get("client") or ("-",))[0]
        headers = dict(headers)
        problem = _framing_problem(scope, headers)
        path = scope["path"]
        if path.startswith(("http://", "https://")):  # the absolute form: its host replaces the Host header
            target = urlsplit(scope["raw_path"].decode("ascii"))
            path, headers["host"] = unquote(target.path) or "/", target.netloc
        elif not path.startswith("/") and (path, scope["method"]) != ("*", "OPTIONS"):
            problem = problem or Problem(400, f"The request's target must be a path; received {path[:100]!r}.")
        client, headers = self._access.read_forwarded(peer, headers)
        if self._root and path.startswith(self._root + "/"):
            path = path.removeprefix(self._root)
        scope["path"], scope["raw_path"], scope["client"] = path, path.encode(), (client, 0)
        scope["headers"] = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        return problem or self._access.refusal(scope["method"], headers) or self._refuse_crowd(scope)

    def _refuse_crowd(self, scope: Scope) -> Problem | None:
        if scope.get("state", {}).get(CROWDED) and scope["path"] not in PROBES:
            return Problem(503, TOO_MANY, {**RETRY_AFTER, "connection": "close"})
        return None

    async def _answer(self, scope: Scope, response: ResponseState, problem: Problem | None) -> None:
        if problem is not None:
            await response.problem(problem)
        elif scope["path"] == "*":
            await response.answer(204, {"allow": "GET, HEAD, POST, OPTIONS"}, b"")
        elif self._root and scope["path"] == self._root:  # links are relative: the page needs the slash
            await response.answer(308, {"location": self._root + "/"}, b"")
        else:
            if scope["method"] == "HEAD":  # the body is left out on its way
                scope = {**scope, "method": "GET"}
            try:
                await self._app(scope, response.receive, response.send)
            except Exception:
                traceback.print_exc()
                if response.status is None:
                    await response.problem(Problem(500, OUR_MISTAKE))
                elif not response.complete:
                    raise  # half an answer is out: the connection must break

    def _record(self, scope: Scope, response: ResponseState, seconds: float) -> None:
        path, method, status = scope["path"], scope["method"], response.status or CLIENT_GONE
        known = path if path in self._paths else STATIC if path.startswith(STATIC + "/") else OTHER
        self._metrics.request(known, method if method in METHODS else OTHER, status, seconds)
        size = 0 if method == "HEAD" else response.size
        self._log.request(scope["client"][0], method, path, status, size, seconds)


def _framing_problem(scope: Scope, headers: Mapping[str, str]) -> Problem | None:
    """The reason to refuse a request whose length is ambiguous, which may be an attack (RFC 9112, 6.1 and 6.3)."""
    if "transfer-encoding" not in headers:
        return None
    if "content-length" in headers:
        sentence = "A request must have Content-Length or Transfer-Encoding; received both."
    elif scope.get("http_version") == "1.0":
        sentence = "A request of HTTP/1.0 cannot have Transfer-Encoding. Send Content-Length."
    else:
        return None
    return Problem(400, sentence, {"connection": "close"})


class ResponseState:
    """One request's answer.

    Attributes:
        status: status of the answer; None before it starts.
        size: bytes of the answer's body so far.
        complete: the whole answer was sent.
    """

    def __init__(self, receive: Receive, send: Send, state: ServerState, *, has_body: bool) -> None:
        self._receive, self._send, self._state = receive, send, state
        self.status: int | None = None
        self.size = 0
        self.complete = False
        self._received_all = not has_body
        self._last: Message | None = None

    async def receive(self) -> Message:
        """Receive the next part of the request's body."""
        message = await self._receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            self._received_all = True
        return message

    async def send(self, message: Message) -> None:
        """Pass on a part of the answer. Its end is held back until the request has ended too."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": self._all_headers(message.get("headers", []))}
        else:
            self.size += len(message.get("body", b""))
            self.complete = not message.get("more_body", False)
            if self.complete and not self._received_all:
                self._last = {"type": "http.response.body", "body": b"", "more_body": False}
                message = {**message, "more_body": True}
        await self._send(message)

    async def answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Send a whole answer."""
        lengths = {} if status == 204 else {"content-length": str(len(body))}
        pairs = [(name.encode(), value.encode("latin-1")) for name, value in {**headers, **lengths}.items()]
        await self.send({"type": "http.response.start", "status": status, "headers": pairs})
        await self.send({"type": "http.response.body", "body": body})

    async def problem(self, problem: Problem) -> None:
        """Send a problem as the answer."""
        await self.answer(problem.status, problem.all_headers(), problem.content())

    async def finish(self) -> None:
        """Read the rest of the request, within limits, and end the answer."""
        if self._last is not None:
            await self._linger()
            await self._send(self._last)

    def _all_headers(self, own: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        names = {name.lower() for name, _ in own}
        more = dict(SECURITY_HEADERS)
        if b"cache-control" not in names:
            more["cache-control"] = "no-cache"
        if (self._state.draining or not self._received_all) and b"connection" not in names:
            more["connection"] = "close"
        return [*own, *((name.encode(), value.encode("latin-1")) for name, value in more.items())]

    async def _linger(self) -> None:
        left = LINGER_BYTES
        try:
            async with asyncio.timeout(LINGER_SECONDS):
                while left > 0 and not self._received_all:
                    left -= len((await self.receive()).get("body", b""))
        except TimeoutError:
            return
