"""A real HTTP server on the loopback that treats who asks as the address says: well, badly, or not at all."""

from __future__ import annotations

import socket
import struct
import sys
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

WEB_PAGE = b"<!DOCTYPE html><title>Welcome to the hotel's network</title>"


class LyingServer(ThreadingHTTPServer):
    """Serves files in many manners, each a mirror of its own; a context manager that ends all it began.

    Attributes:
        asked: the method, the manner and the file's name of each request, in order.
    """

    daemon_threads = False  # so that closing waits for every answer to end
    request_queue_size = 64

    def __init__(self, files: Mapping[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.files = files
        self.asked: list[tuple[str, str, str]] = []
        self.closing = threading.Event()
        self._loop = threading.Thread(target=self.serve_forever, args=(0.01,))

    def mirror(self, manner: str) -> str:
        """The address of the mirror that answers in this manner, a method of `_Answer`."""
        assert hasattr(_Answer, manner), manner
        return f"http://127.0.0.1:{self.server_port}/{manner}/"

    def fetched(self) -> list[str]:
        """The names of the files that were asked for, not counting the mere questions whether they are there."""
        return [name for method, _, name in self.asked if method == "GET"]

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is what these tests are about; anything else is a mistake of the server's."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type] # as it came

    def __enter__(self) -> Self:
        self._loop.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.closing.set()
        self.shutdown()
        self._loop.join()
        self.server_close()


class refusing:  # noqa: N801 - used like a function
    """A mirror that refuses every connection: its port is taken, but nobody listens."""

    def __enter__(self) -> str:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}/"

    def __exit__(self, *_: object) -> None:
        self._socket.close()


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: LyingServer

    def do_GET(self) -> None:
        self.close_connection = True
        _, manner, *_, name = self.path.split("/")
        self.server.asked.append((self.command, manner, name))
        getattr(self, manner)(self.server.files[name])

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass

    # The good ones.

    def honest(self, content: bytes) -> None:
        self._head(length=len(content))
        self._send(content)

    def late(self, content: bytes) -> None:
        self._wait(1.0)
        self.honest(content)

    def redirect(self, _: bytes) -> None:
        self._head(302, length=0, Location=self.path.replace("/redirect/", "/honest/"))

    def unsized(self, content: bytes) -> None:
        self._head()
        self._send(content)

    def chunked(self, content: bytes) -> None:
        self._head(Transfer_Encoding="chunked")
        for start in range(0, len(content), 50_000):
            piece = content[start : start + 50_000]
            self._send(b"%x\r\n%s\r\n" % (len(piece), piece))
        self._send(b"0\r\n\r\n")

    def called_gzip(self, content: bytes) -> None:
        """Takes the file's own compression for one of the transfer, as some servers do."""
        self._head(length=len(content), Content_Encoding="gzip")
        self._send(content)

    def no_head(self, content: bytes) -> None:
        """Forbids HEAD, as addresses that are signed for GET do."""
        if self.command == "HEAD":
            self._head(403, length=0)
        else:
            self.honest(content)

    # The bad ones.

    def missing(self, _: bytes) -> None:
        self._head(404, length=0)

    def overloaded(self, _: bytes) -> None:
        self._head(503, length=0)

    def circle(self, _: bytes) -> None:
        self._head(302, length=0, Location=self.path)

    def web_page(self, _: bytes) -> None:
        self._head(length=len(WEB_PAGE), Content_Type="text/html")
        self._send(WEB_PAGE)

    def wrong(self, content: bytes) -> None:
        self._head(length=len(content))
        self._send(content[:-1] + bytes([content[-1] ^ 1]))

    def too_much(self, content: bytes) -> None:
        self._head(length=len(content) + 1)
        self._send(content + b"!")

    def endless(self, content: bytes) -> None:
        """Not quite: a test of a client that never has enough must come to an end too."""
        self._head()
        for _ in range(50):
            self._send(content)

    def too_little(self, content: bytes) -> None:
        self._head(length=len(content) // 2)
        self._send(content[: len(content) // 2])

    def truncated(self, content: bytes) -> None:
        self._head(length=len(content))
        self._send(content[: len(content) // 2])

    def truncated_chunks(self, content: bytes) -> None:
        self._head(Transfer_Encoding="chunked")
        self._send(b"%x\r\n%s" % (len(content), content[: len(content) // 2]))

    def reset(self, content: bytes) -> None:
        self.truncated(content)
        self._reset()

    def hang_up(self, _: bytes) -> None:
        """Closes without a word."""

    def silent(self, _: bytes) -> None:
        self.server.closing.wait()

    def stalled(self, content: bytes) -> None:
        self.truncated(content)
        self.server.closing.wait()

    def stalled_at_once(self, content: bytes) -> None:
        self._head(length=len(content))
        self.server.closing.wait()

    def slow(self, content: bytes) -> None:
        self._head(length=len(content))
        self._trickle(content)

    def tired(self, content: bytes) -> None:
        self.truncated(content)
        self._trickle(content[len(content) // 2 :])

    # Their parts.

    def _head(self, status: int = 200, *, length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        if length is not None:
            self.send_header("Content-Length", str(length))
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.send_header("Connection", "close")
        self.end_headers()

    def _send(self, body: bytes) -> None:
        if self.command == "GET":
            self.wfile.write(body)

    def _wait(self, seconds: float) -> bool:
        return self.server.closing.wait(seconds)

    def _trickle(self, content: bytes) -> None:
        for position in range(min(len(content), 200)):
            if self._wait(0.02):
                return
            self._send(content[position : position + 1])

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.rfile.close()  # the last but one hold on the connection: only then does close() close it
        self.connection.close()
