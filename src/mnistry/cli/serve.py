"""`mnistry serve`: a page to draw on, and a REST API."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mnistry.cli.options import ModelOption, model_file


def serve(
    *,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Address to listen on; 0.0.0.0 lets other machines in.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="N", min=0, max=65535, help="Port; 0 takes any free one.")] = 8000,
    model: ModelOption = None,
    workers: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Processes that read pictures. [default: one a core]")
    ] = None,
    corrections: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder for digits that users correct on the page. [default: a folder of yours; none with --host]",
        ),
    ] = None,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(metavar="ORIGIN", help="Let pages of this origin use the API, or * for any. May be repeated."),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Answer to this host name too, or * for any. May be repeated."),
    ] = None,
    root_path: Annotated[
        str, typer.Option(metavar="PATH", help="Path under which a proxy offers the service, such as /digits.")
    ] = "",
    trust_proxy: Annotated[
        list[str] | None,
        typer.Option(metavar="ADDRESS", help="Believe the X-Forwarded headers of this proxy. May be repeated."),
    ] = None,
) -> None:
    """Serve a page to draw on, and a REST API for programs.

    Prints the address when the server is ready. SIGTERM and Ctrl-C stop it; accepted requests are answered first.
    """
    from mnistry.service import server
    from mnistry.service.worker_pool import Limits

    settings = server.ServerSettings(
        host,
        port,
        model_file(model),
        allow_hosts=tuple(allow_host or ()),
        allow_origins=tuple(allow_origin or ()),
        trust_proxies=tuple(trust_proxy or ()),
        root_path=root_path.rstrip("/"),
        open_browser=open_browser,
        corrections=corrections,
        limits=Limits() if workers is None else Limits(workers=workers),
    )
    server.serve(settings)
