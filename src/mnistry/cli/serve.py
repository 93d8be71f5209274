"""`mnistry serve`: a page to draw on, and a REST API."""

from __future__ import annotations

from typing import Annotated

import typer

from mnistry.cli.options import ModelOption


def serve(
    *,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Where to listen; 0.0.0.0 lets other machines in.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="N", min=0, max=65535, help="0 takes any free one.")] = 8000,
    model: ModelOption = None,
    workers: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Processes that read pictures. [default: one for each core]")
    ] = None,
    allow_origin: Annotated[
        list[str] | None, typer.Option(metavar="ORIGIN", help="Lets pages of this origin use the API; may be repeated.")
    ] = None,
    allow_host: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A name that the server is called by; may be repeated.")
    ] = None,
) -> None:
    """Serve a page to draw on, and a REST API for programs.

    Prints its address when it is ready. SIGTERM and Ctrl-C stop it after all accepted requests are answered.
    """
    from mnistry.service import server
    from mnistry.service.worker_pool import Limits

    limits = Limits() if workers is None else Limits(workers=workers)
    hosts, origins = tuple(allow_host or ()), tuple(allow_origin or ())
    server.serve(server.ServerSettings(host, port, model, allow_hosts=hosts, allow_origins=origins, limits=limits))
