"""The server: a listening socket, the reading processes behind it, and an end that loses nothing.

The server's own process only takes requests apart and puts answers together. It never loads NumPy or the model:
pictures are read by the pool's processes, which start while it is still importing.
"""

from __future__ import annotations

import asyncio
import errno
import functools
import io
import os
import socket
import sys
import webbrowser
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnistry.errors import ServeError, UsageError
from mnistry.service.access_log import AccessLog
from mnistry.service.corrections import Corrections, find_default_folder
from mnistry.service.metrics import Metrics
from mnistry.service.middleware import ServerState
from mnistry.service.request_body import BodyLimits, RequestBodyReader
from mnistry.service.security import Access, choose_access, is_loopback
from mnistry.service.worker_pool import Limits, Pool

if TYPE_CHECKING:
    from mnistry.service.connections import Server

BACKLOG = 512
DRAIN_SECONDS = 30
EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 - compared with, not listened on
BEYOND = ("192.0.2.1", "2001:db8::1")  # addresses for documentation: a route to them leads out of this machine
OPEN = """\
mnistry: other machines can reach this server ({host}). Anyone who can reach it may use it: there is no password.
mnistry: it answers to IP addresses and this machine's name. Other names need --allow-host."""


@dataclass(frozen=True)
class ServerSettings:
    """Settings of a server.

    Attributes:
        host: address to listen on.
        port: TCP port; 0 takes any free one.
        model: path of a model file; None is the built-in model.
        allow_hosts: host names that it answers to, beside its address and localhost; `*` for any.
        allow_origins: origins whose pages may use it, beside its own; `*` for any.
        trust_proxies: addresses or networks of proxies whose X-Forwarded headers are believed.
        root_path: path under which a proxy offers the service, such as /digits; empty for none.
        open_browser: open the page in the browser.
        corrections: folder for digits that users correct. None is a folder in the user's own data where only this
            machine can reach the server, and no corrections otherwise.
        limits: limits of the work.
        bodies: limits of request bodies.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    model: Path | None = None
    allow_hosts: tuple[str, ...] = ()
    allow_origins: tuple[str, ...] = ()
    trust_proxies: tuple[str, ...] = ()
    root_path: str = ""
    open_browser: bool = False
    corrections: Path | None = None
    limits: Limits = field(default_factory=Limits)
    bodies: BodyLimits = field(default_factory=BodyLimits)

    @property
    def access(self) -> Access:
        """The access rules.

        Raises:
            UsageError: a host name, an origin or a proxy is not valid.
        """
        return choose_access(self.host, self.allow_hosts, self.allow_origins, self.trust_proxies)

    @property
    def corrections_folder(self) -> Path | None:
        """The folder for corrected digits; None where none are taken."""
        if self.corrections is not None:
            return self.corrections.expanduser().absolute()
        return find_default_folder() if is_loopback(self.host) else None


def serve(settings: ServerSettings) -> None:
    """Serve until SIGTERM or SIGINT, then answer the accepted requests and return.

    Raises:
        UsageError: a setting is not valid.
        ServeError: the address cannot be listened on.
        ModelError: the model cannot be loaded.
    """
    _ = settings.access
    if settings.root_path and (not settings.root_path.startswith("/") or settings.root_path.endswith("/")):
        raise UsageError(f"--root-path must be a path such as /digits; received {settings.root_path!r}.")
    with _listener(settings.host, settings.port) as listener:
        asyncio.run(_serve(settings, listener))


async def _serve(settings: ServerSettings, listener: socket.socket) -> None:
    log, state = AccessLog(), ServerState()
    pool = Pool(None if settings.model is None else os.fspath(settings.model), settings.limits, log.event)
    asyncio.get_running_loop().set_exception_handler(functools.partial(_report, log))
    starting = asyncio.create_task(pool.start())
    await asyncio.sleep(0)  # the processes start now, and load the model while the imports below take their time
    corrections = Corrections(settings.corrections_folder)
    try:
        server = _server(settings, pool, corrections, log, state)
        serving = asyncio.create_task(server.serve([listener]))
        await asyncio.wait({starting, serving}, return_when=asyncio.FIRST_COMPLETED)
        if listener.fileno() == -1:
            pass  # SIGTERM came first, and it is closed
        elif starting.done() and starting.exception() is None:
            listener.listen(BACKLOG)  # asyncio listens again with the number that it accepts at once
            _print_address(settings, listener)
        elif starting.done():
            server.should_exit = True
        await serving
        if starting.done():
            starting.result()
        else:
            starting.cancel()
            await asyncio.wait({starting})
    finally:
        await corrections.close()
        await pool.close()
        log.close()


def _server(
    settings: ServerSettings, pool: Pool, corrections: Corrections, log: AccessLog, state: ServerState
) -> Server:
    import uvicorn

    from mnistry.service import app
    from mnistry.service.connections import ACCEPTED_AT_ONCE, IDLE_SECONDS, Connection, Places, Server

    service = app.Service(pool, RequestBodyReader(settings.bodies), Metrics(), state, corrections)
    access = settings.access
    http: Any = functools.partial(Connection, Places(log.event, access.trusts))  # uvicorn calls it as it calls a class
    config = uvicorn.Config(
        app.create(service, access=access, log=log, root_path=settings.root_path),
        http=http,
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=ACCEPTED_AT_ONCE,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    return Server(config, state)


def _report(log: AccessLog, _: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
    """Log an error of the event loop in one line, such as a lack of file descriptors."""
    error = context.get("exception")
    log.event(f"{context['message']}{'' if error is None else f': {error}'}")


def _listener(host: str, port: int) -> socket.socket:
    """A socket that listens, so that a port in use is known before anything is loaded."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise UsageError(f"--host {host} is not an address of this machine: {error.strerror}.") from None
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
                f"Port {port} of {host} is in use. Stop the program that uses it, or take another: --port {port + 1}"
            ) from None
        raise ServeError(f"Cannot listen on {host}, port {port}: {error.strerror}.") from None
    listener.setblocking(False)
    return listener


def _print_address(settings: ServerSettings, listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    everywhere = settings.host in EVERYWHERE
    here = "127.0.0.1" if everywhere else settings.host
    address = f"http://{_in_url(_own_address() or here if everywhere else here)}:{port}{settings.root_path}"
    if not is_loopback(settings.host):
        print(OPEN.format(host=settings.host), file=sys.stderr)
    print(f"{address}  (Ctrl-C stops it)", flush=True)
    if not is_loopback(settings.host):
        if everywhere and here not in address:
            print(f"On this machine: http://{here}:{port}{settings.root_path}")
        _print_qr_code(address)
    if settings.open_browser:
        asyncio.get_running_loop().run_in_executor(None, webbrowser.open, f"http://{_in_url(here)}:{port}/")


def _own_address() -> str | None:
    """The address of this machine in its network; None without one. Nothing is sent to find it out."""
    for family, beyond in zip((socket.AF_INET, socket.AF_INET6), BEYOND, strict=True):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((beyond, 9))
                address = str(probe.getsockname()[0])
        except OSError:
            continue
        if not is_loopback(address):
            return address
    return None


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _print_qr_code(address: str) -> None:
    """Print an address for a phone's camera, where the terminal can show it."""
    import segno

    drawn = io.StringIO()
    segno.make_qr(address, error="L").terminal(drawn, compact=True)
    try:
        drawn.getvalue().encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        return
    print(f"For a phone in the same network:\n{drawn.getvalue()}", flush=True)
