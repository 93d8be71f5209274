"""The verbs of the command line for pictures: read, batch and serve; none of them needs Keras."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ModelOption = Annotated[
    Path | None, typer.Option(metavar="MODEL", help="A model file. [default: the one that comes with mnistry]")
]
SingleOption = Annotated[
    bool, typer.Option("--single", help="Each picture shows one digit; all of its ink belongs to it.")
]


def read(
    pictures: Annotated[
        list[str], typer.Argument(metavar="PICTURE...", help="Files, folders of them, or - for standard input.")
    ],
    *,
    single: SingleOption = False,
    model: ModelOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line and picture.")] = False,
    annotate: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write each picture with boxes and answers drawn on it into this folder."),
    ] = None,
) -> None:
    """Read handwritten digits in pictures and print them as text.

    What is no digit is left out. In a terminal, what the network saw of each digit and its three best answers are
    shown as well. A picture that cannot be read does not stop the others; the exit status is 1 then.
    """
    from mnistry.cli import read as cli_read

    if not cli_read.run(pictures, model=model, single=single, as_json=as_json, annotate=annotate):
        raise typer.Exit(1)


def batch(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A folder of pictures or Parquet files; a Parquet, IDX, NPY or NPZ file; a text file of paths; or the "
            "address of one.",
            show_default=False,
        ),
    ],
    *,
    out: Annotated[str, typer.Option(metavar="DIR", help="The folder for the output, or its address.")],
    model: ModelOption = None,
    single: SingleOption = False,
    column: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which column of Parquet or array of NPZ, if there are several.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the batch in --out.")] = False,
    workers: Annotated[int | None, typer.Option(metavar="N", min=1, help="[default: one for each core]")] = None,
    ray_address: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="A Ray cluster, HOST:PORT or auto. [default: a Ray here, for the job]"),
    ] = None,
) -> None:
    """Read pictures by the million into Parquet files, a row a picture, on Ray Data.

    Rows have the words of mnistry read --json: source, text, digits, probabilities, sure, error. Memory is bounded
    however many pictures there are; a picture that cannot be read is a row with its error; and whatever is killed,
    --resume goes on, and every picture is in the output exactly once.
    """
    from mnistry.batch.job import BatchOptions
    from mnistry.cli import batch as cli_batch

    given_model = None if model is None else str(model)
    cli_batch.run(BatchOptions(source, out, given_model, column, single, resume, workers, ray_address))


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

    Prints its address when it is ready. SIGTERM and Ctrl-C stop it: what it has accepted is answered before.
    """
    from mnistry.service import server
    from mnistry.service.worker_pool import Limits

    limits = Limits() if workers is None else Limits(workers=workers)
    hosts, origins = tuple(allow_host or ()), tuple(allow_origin or ())
    server.serve(server.ServerSettings(host, port, model, allow_hosts=hosts, allow_origins=origins, limits=limits))
