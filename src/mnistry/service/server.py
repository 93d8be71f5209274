"""The server: a listening socket, reading processes behind it, and a quiet end.

The server's own process only takes requests apart and puts answers together. It never loads NumPy or the model:
pictures are read by the pool's processes, which start while it is still importing.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mnistry.errors import ServeError, UsageError
from mnistry.service.access_log import RequestLog
from mnistry.service.metrics import Metrics
from mnistry.service.middleware import Life
from mnistry.service.request_body import Bodies, BodyLimits
from mnistry.service.security import access_for, is_loopback
from mnistry.service.worker_pool import Limits, Pool

if TYPE_CHECKING:
    from mnistry.service.connections import Server

BACKLOG = 512
DRAIN_SECONDS = 30
OPEN = """\
mnistry: this server can be reached from other machines ({host}). Whoever reaches it may use it; there is no password.
mnistry: other names than addresses and this machine's own need --allow-host."""


@dataclass(frozen=True)
class ServerSettings:
    """How to serve.

    Attributes:
        host: the address to listen on.
        port: 0 takes any free one.
        model: a model file; None is the one that comes with the package.
        allow_hosts: names that the server is called by, beside its address and localhost.
        allow_origins: whose pages may use it, beside its own.
        limits: of the work.
        bodies: limits of what is sent.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    model: Path | None = None
    allow_hosts: tuple[str, ...] = ()
    allow_origins: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    bodies: BodyLimits = field(default_factory=BodyLimits)


def serve(settings: ServerSettings) -> None:
    """Serves until SIGTERM or SIGINT, then answers what was accepted and returns.

    Raises:
        UsageError: a setting makes no sense.
        ServeError: the address cannot be listened on.
        ModelError: the model cannot be loaded.
    """
    access_for(settings.host, settings.allow_hosts, settings.allow_origins)
    with _listener(settings.host, settings.port) as listener:
        asyncio.run(_serve(settings, listener))


async def _serve(settings: ServerSettings, listener: socket.socket) -> None:
    pool = Pool(None if settings.model is None else os.fspath(settings.model), settings.limits)
    starting = asyncio.create_task(pool.start())
    await asyncio.sleep(0)  # the processes start now, and load the model while the imports below take their time
    log, life = RequestLog(), Life()
    try:
        server = _server(settings, pool, log, life)
        serving = asyncio.create_task(server.serve([listener]))
        await asyncio.wait({starting, serving}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done() and starting.exception() is None:
            _say_where(settings.host, listener)
        elif starting.done():
            server.should_exit = True
        await serving
        if starting.done():
            starting.result()
        else:
            starting.cancel()
    finally:
        await pool.close()
        log.close()


def _server(settings: ServerSettings, pool: Pool, log: RequestLog, life: Life) -> Server:
    import uvicorn

    from mnistry.service import app
    from mnistry.service.connections import IDLE_SECONDS, Connection, Server

    state = app.Service(pool, Bodies(settings.bodies), Metrics(), life)
    access = access_for(settings.host, settings.allow_hosts, settings.allow_origins)
    config = uvicorn.Config(
        app.create(state, access=access, log=log),
        http=Connection,
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    return Server(config, life)


def _listener(host: str, port: int) -> socket.socket:
    """A socket that listens, so that a port in use is known before anything is loaded."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise UsageError(f"--host {host} is no address of this machine: {error.strerror}.") from None
    listener = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise ServeError(
                f"Port {port} of {host} is in use. Stop what listens there, or take another: --port {port + 1}"
            ) from None
        raise ServeError(f"{host}, port {port}, cannot be listened on: {error.strerror}.") from None
    listener.setblocking(False)
    return listener


def _say_where(host: str, listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    shown = f"[{host}]" if ":" in host else host
    if not is_loopback(host):
        print(OPEN.format(host=host), file=sys.stderr)
    print(f"http://{shown}:{port}  (Ctrl-C stops it)", flush=True)
