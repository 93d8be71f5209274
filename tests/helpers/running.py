"""A real server for tests, in a process of its own, and ways to talk to it."""

from __future__ import annotations

import http.client
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.writing import Page

PROGRAM = """if True:
    from mnistry.service import connections, middleware, request_body, server, worker_pool
    {changes}
    server.serve(server.ServerSettings(port=0, {settings}))
"""


@dataclass(frozen=True)
class Answer:
    """The answer of a server."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Running:
    """A server that runs."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path
    announced: str = ""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, timeout: float = 30
    ) -> Answer:
        """One request over a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())
        finally:
            connection.close()

    def get(self, path: str, **options: Any) -> Answer:
        return self.ask("GET", path, **options)

    def post(self, path: str, body: Any, **options: Any) -> Answer:
        return self.ask("POST", path, body, **options)

    def socket(self, timeout: float = 10) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def workers(self) -> list[int]:
        """The process numbers of the reading processes."""
        children = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        return [int(number) for each in children for number in each.read_text().split()]

    def memory(self) -> int:
        """Bytes of memory that it and its reading processes have to themselves."""
        return sum(_own_memory(pid) for pid in (self.process.pid, *self.workers()))

    def stop(self) -> int:
        """SIGTERM; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


def _own_memory(pid: int) -> int:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(1024 * int(number) for number in re.findall(r"^Private_\w+: +(\d+)", text, re.MULTILINE))


@contextmanager
def running(folder: Path, *command: str, errors: int | None = None) -> Iterator[Running]:
    """Starts a server and waits until it says where it is; standard error goes into a file, or where one says."""
    log = folder / f"server-{time.monotonic_ns()}.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, *command],
            stdout=subprocess.PIPE,
            stderr=file if errors is None else errors,
            cwd=folder,
            env={**os.environ, "XDG_DATA_HOME": str(folder)},  # for corrections
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline().decode()
        found = re.search(r":(\d+)[ /]", line)
        assert found, f"{line!r} {log.read_text()}"
        yield Running(process, int(found[1]), log, line)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def wait_for(condition: Callable[[], object], seconds: float = 100) -> None:
    """Waits until something is so; the limit only ends a test that has failed."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def serve(*options: str) -> tuple[str, ...]:
    """The command line that serves."""
    return ("-m", "mnistry", "serve", "--port", "0", *options)


def changed(settings: str = "", changes: str = "") -> tuple[str, ...]:
    """A program that serves with other limits than usual."""
    return ("-c", PROGRAM.format(settings=settings, changes=changes))


def written(text: str, height: int = 120, kind: str = "PNG", **options: Any) -> bytes:
    """A picture of handwriting as a file's bytes."""
    sheet = Page(round(40 + height * (0.5 + 0.88 * len(text))), round(height * 1.6))
    sheet.write(text, (30, height * 0.3), height, **options)
    content = io.BytesIO()
    sheet.image().save(content, kind)
    return content.getvalue()
