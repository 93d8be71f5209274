"""`mnistry batch`: read pictures by the million into Parquet files."""

from __future__ import annotations

from typing import Annotated

import typer

from mnistry.cli import terminal
from mnistry.cli.options import ModelOption, SingleOption, model_file


def batch(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A folder of pictures or Parquet files; a Parquet, IDX, NPY, NPZ, CSV, HDF5 or MATLAB file; a text "
            "file of paths; or the address of one.",
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
    resume: Annotated[bool, typer.Option("--resume", help="Resume the batch in --out.")] = False,
    workers: Annotated[int | None, typer.Option(metavar="N", min=1, help="[default: one for each core]")] = None,
    ray_address: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="A Ray cluster, HOST:PORT or auto. [default: a Ray here, for the job]"),
    ] = None,
) -> None:
    """Read pictures by the million into Parquet files, one row per picture, on Ray Data.

    The columns are those of mnistry read --json: source, text, digits, probabilities, sure, error. Memory is bounded
    for any number of pictures. A picture that cannot be read becomes a row with its error. A batch that was killed
    goes on with --resume, and every picture is in the output exactly once.
    """
    from mnistry.batch import job
    from mnistry.batch import text as batch_text
    from mnistry.cli import progress

    exported = model_file(model)
    given_model = None if exported is None else str(exported)
    options = job.BatchOptions(source, out, given_model, column, single, resume, workers, ray_address)
    with progress.LiveBars() as bars:
        summary = job.run_batch(options, progress=bars.pictures)
    print(batch_text.format_summary(summary))
    print(f"output  {out.rstrip('/')}/part-*.parquet, {job.SUMMARY}")
    program = f"import pandas; print(pandas.read_parquet({out.rstrip('/') + '/part-00000.parquet'!r}))"
    terminal.suggest(f"python -c {terminal.quote(program)}", "shows rows")
