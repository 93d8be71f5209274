"""The command line: each verb brings in its part of the package when it is called."""

from __future__ import annotations

import gc
import importlib
import json
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

import mnistry
from mnistry.errors import MnistryError

INTERRUPTED = 130

DatasetOption = Annotated[
    str | None,
    typer.Option(
        "--dataset",
        metavar="NAME",
        help="mnist or digits. Without it: MNIST if it is on disk or reachable, else the embedded digits.",
        show_default=False,
    ),
]
DataDirOption = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="DIR",
        envvar="MNISTRY_DATA_DIR",
        help="A folder with MNIST's four files; looked into first.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]

app = typer.Typer(
    name="mnistry",
    help="Learn from, train on and use handwritten digits.",
    epilog="The lesson from its first cell to its last, with a report: mnistry tutorial",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Runs the command line and exits with 0 (done), 1 (failed), 2 (wrong usage) or 130 (interrupted)."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal without these characters gets question marks
    try:
        app()
    except MnistryError as error:
        print(f"mnistry: {error}", file=sys.stderr)
        sys.exit(error.exit_status)
    except SystemExit as error:
        if error.code == INTERRUPTED:
            print("mnistry: interrupted; nothing half-written is left behind.", file=sys.stderr)
        raise


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        print(f"mnistry {mnistry.__version__}")
        raise typer.Exit


@app.command(short_help="Run the whole lesson and write a report.")
def tutorial(
    dataset: DatasetOption = None,
    data_dir: DataDirOption = None,
    index: Annotated[
        int | None,
        typer.Option(metavar="N", help="The training image to follow. [default: 2000 for MNIST]", show_default=False),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(metavar="N", help="Passes over the data. [default: 5 for MNIST]", show_default=False),
    ] = None,
    batch_size: Annotated[int, typer.Option(metavar="N", help="Images a step.")] = 32,
    seed: Annotated[int, typer.Option(metavar="N", help="Same seed, same result.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="The run folder. [default: runs/tutorial-N, the next free N]", show_default=False
        ),
    ] = None,
) -> None:
    """Run the MNIST lesson, from its first cell to its last, and write a report."""
    started = time.perf_counter()
    _import_keras()
    from mnistry import console, report
    from mnistry.training import TrainConfig
    from mnistry.tutorial import Listeners
    from mnistry.tutorial import tutorial as run_lesson

    config = TrainConfig(recipe="tutorial", dataset=dataset, epochs=epochs, batch_size=batch_size, seed=seed)
    with console.LiveBars() as bars:
        listeners = Listeners(console.step, console.warn_about, bars.training, bars.download)
        folder, result = run_lesson(
            config, data_dir=data_dir, index=index, out=out, listeners=listeners, started=started
        )
    if result.dataset.fallback is not None:
        console.warn(f"This was not MNIST but {result.dataset.title}: see the reasons above and in the report.")
    print(f"report  {folder / report.REPORT}   ({result.seconds['total']:.1f} s in all)")


@app.command(short_help="Show what a data set holds.")
def data(
    dataset: DatasetOption = None,
    data_dir: DataDirOption = None,
    index: Annotated[
        int | None,
        typer.Option(metavar="N", help="The training image to show. [default: 2000 for MNIST]", show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a data set holds: shapes, counts, mean and deviation, its source, and a sample."""
    from mnistry import console, words
    from mnistry import data as datasets

    with console.LiveBars() as bars:
        loaded = datasets.load(dataset, data_dir=data_dir, progress=bars.download)
    console.warn_about(loaded)
    index = loaded.checked_index(index)
    print(json.dumps(loaded.as_json(), ensure_ascii=False) if as_json else words.dataset(loaded, index))


def _import_keras() -> None:
    """Imports Keras without scikit-learn, which it would load for wrappers that no command uses: a second saved."""
    hidden: dict[str, Any] = {} if "sklearn" in sys.modules else {"sklearn": None}
    sys.modules.update(hidden)
    try:
        importlib.import_module("mnistry.backend")
    finally:
        for name in hidden:
            del sys.modules[name]
    gc.freeze()  # a million objects that stay to the end: never looked through again, half a second less at exit
