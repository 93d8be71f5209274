"""The command line: each verb brings in its part of the package when it is called."""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

import mnistry
from mnistry.cli import picture_verbs
from mnistry.cli.options import DataDirOption, JsonOption, given, with_config
from mnistry.errors import MnistryError, UsageError
from mnistry.runtime import provenance
from mnistry.training.config import TrainConfig

INTERRUPTED, TERMINATED = 130, 143

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
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))  # so that what is half-written is removed
    try:
        app()
    except MnistryError as error:
        print(f"mnistry: {error}", file=sys.stderr)
        sys.exit(error.exit_status)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still buffered goes nowhere
        if not isinstance(error, BrokenPipeError):  # a reader who has seen enough is no failure to talk about
            print(f"mnistry: the output cannot be written: {error.strerror or error}.", file=sys.stderr)
        sys.exit(1)
    except SystemExit as error:
        if error.code in (INTERRUPTED, TERMINATED):
            print("mnistry: interrupted; nothing half-written is left behind.", file=sys.stderr)
        raise


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        print(f"mnistry {mnistry.__version__}")
        raise typer.Exit


@app.command(short_help="Run the whole lesson and write a report.")
@with_config("dataset", "epochs", "batch_size", "seed")
def tutorial(
    *,
    data_dir: DataDirOption = None,
    index: Annotated[
        int | None,
        typer.Option(metavar="N", help="The training image to follow. [default: 2000 for MNIST]", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The run folder. [default: runs/tutorial-N, the next free N]"),
    ] = None,
    **settings: Any,
) -> None:
    """Run the MNIST lesson, from its first cell to its last, and write a report."""
    provenance.command_begins()
    _import_keras()
    from mnistry.cli import progress
    from mnistry.tutorial import tutorial as run_lesson

    with progress.LiveBars() as bars:
        folder, result = run_lesson(
            TrainConfig(**given(settings)),
            data_dir=data_dir,
            index=index,
            out=out,
            callbacks=progress.for_the_lesson(bars),
        )
    progress.say_where(folder, result)


@app.command(short_help="Train a recipe; what was stopped can go on.")
@with_config()
def train(
    *,
    data_dir: DataDirOption = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The run folder. [default: runs/train-N, the next free N]"),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out, with its settings.")] = False,
    **settings: Any,
) -> None:
    """Train a recipe in a run folder.

    After every epoch a checkpoint is safe on the disk. However a run was stopped, --resume goes on with it, and it
    ends with the same weights, to the bit, as one that was not.
    """
    provenance.command_begins()
    if resume and out is None:
        raise UsageError("--resume needs the run folder: mnistry train --resume --out RUN")
    _import_keras()
    from mnistry.cli import progress
    from mnistry.evaluation import text as evaluation_text
    from mnistry.training.run import train_run

    with progress.LiveBars() as bars:
        folder, result = train_run(
            given(settings),
            data_dir=data_dir,
            out=out,
            resume=resume,
            callbacks=progress.for_a_training(bars),
        )
    if result is None:
        print(f"The run in {folder} is complete already: see its summary.json and report.html.")
        return
    print(
        f"\n{evaluation_text.test_result(result.test)}\n\n"
        f"{evaluation_text.confusion(result.test.confusion, result.dataset.class_names)}\n"
    )
    progress.say_where(folder, result)


@app.command(short_help="Search for good settings of a recipe.")
@with_config("recipe", "dataset", "epochs", "seed")
def search(
    *,
    data_dir: DataDirOption = None,
    trials: Annotated[
        int | None, typer.Option(metavar="N", help="How many settings are tried. [default: 20]", show_default=False)
    ] = None,
    at_once: Annotated[
        int, typer.Option(metavar="N", help="How many trials run at the same time, each on one core.")
    ] = 2,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The search's folder. [default: runs/search-N, the next free N]"),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the search in --out.")] = False,
    ray_address: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="A Ray cluster. [default: Ray is started here]")
    ] = None,
    **settings: Any,
) -> None:
    """Search for good settings of a recipe, and keep the best training as a run.

    Learning rate, batch size and the recipe's own settings are drawn at random, and trials that fall behind are
    stopped early. They are compared on training images held out; the test images are opened once, for the best.
    """
    _import_keras()
    from mnistry.cli import search as cli_search

    asked = given({**settings, "trials": trials})
    cli_search.run(asked, data_dir=data_dir, out=out, resume=resume, at_once=at_once, ray_address=ray_address)


@app.command(short_help="Examine a model: how right it is, and how rightly sure.")
def evaluate(
    model: Annotated[
        Path | None,
        typer.Argument(
            metavar="MODEL", help="A model file or a run folder. [default: the model that comes with mnistry]"
        ),
    ] = None,
    *,
    dataset: Annotated[
        str | None,
        typer.Option(metavar="NAME|PATH", help="Whose test split. [default: the set that the model was trained on]"),
    ] = None,
    data_dir: DataDirOption = None,
    no_corruptions: Annotated[
        bool, typer.Option("--no-corruptions", help="Leave out the fifteen kinds of corrupted images.")
    ] = False,
    as_json: JsonOption = False,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A new folder for a report with figures. [default: none]")
    ] = None,
) -> None:
    """Examine a model on the test split of a data set.

    Errors with their interval, loss, calibration, what is taken for what, the worst mistakes, how much it is sure of
    and how right it is then, and how it does on fifteen kinds of corrupted images.
    """
    provenance.command_begins()
    from mnistry.cli import progress
    from mnistry.evaluation import run as evaluation_run
    from mnistry.evaluation import text as evaluation_text

    with progress.LiveBars() as bars:
        folder, result = evaluation_run.evaluate_model(
            model,
            dataset=dataset,
            data_dir=data_dir,
            with_corruptions=not no_corruptions,
            out=out,
            callbacks=progress.for_an_exam(bars),
        )
    print(json.dumps(result.as_json(), ensure_ascii=False) if as_json else evaluation_text.exam(result))
    if folder is not None:
        print(f"report  {folder / 'report.html'}", file=sys.stderr if as_json else sys.stdout)


@app.command(short_help="Write the model file of a run.")
def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a finished run.")],
    *,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The file; it must not exist yet. [default: RUN/model.onnx]")
    ] = None,
) -> None:
    """Write the model file of a finished run: ONNX, one file, that explains itself.

    It takes images as they are, uint8 (n, 28, 28), and gives calibrated probabilities and how much each looks like a
    digit at all. It is kept only if ONNX Runtime gives what Keras gives.
    """
    _import_keras()
    from mnistry.training import export

    print(export.export_run(run, out))


@app.command(short_help="Show what a data set holds, or check it.")
@with_config("dataset")
def data(
    *,
    data_dir: DataDirOption = None,
    index: Annotated[
        int | None,
        typer.Option(metavar="N", help="The training image to show. [default: 2000 for MNIST]", show_default=False),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Look for wrong labels, copies and other things that spoil training.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The folder for the check's page. [default: runs/check-N, the next free N]"),
    ] = None,
    as_json: JsonOption = False,
    **settings: Any,
) -> None:
    """Show what a data set holds: shapes, counts, mean and deviation, its source, and a sample.

    With --check, look for what spoils training instead: labels that are probably wrong, copies within and across the
    splits, blank and inverted images, ink of another size or place than MNIST's, uneven classes. Shows a table, and
    writes a page with the pictures.
    """
    if check:
        _check(settings["dataset"], data_dir, index, out, as_json=as_json)
        return
    if out is not None:
        raise UsageError("--out is for the page of a check: add --check.")
    from mnistry.cli import progress
    from mnistry.datasets import loading as datasets
    from mnistry.datasets import text as datasets_text

    with progress.LiveBars() as bars:
        loaded = datasets.load(settings["dataset"], data_dir=data_dir, progress=bars.download)
    progress.warn_about(loaded)
    index = loaded.checked_index(index)
    print(json.dumps(loaded.as_json(), ensure_ascii=False) if as_json else datasets_text.dataset(loaded, index))


app.command(short_help="Read handwritten digits in pictures.")(picture_verbs.read)
app.command(short_help="Read pictures by the million, on this machine or a Ray cluster.")(picture_verbs.batch)
app.command(short_help="Serve a page to draw on, and a REST API.")(picture_verbs.serve)


def _check(dataset: str | None, data_dir: Path | None, index: int | None, out: Path | None, *, as_json: bool) -> None:
    """What `data --check` does."""
    provenance.command_begins()
    if index is not None:
        raise UsageError("--index shows one image, --check looks at all of them: leave one of both out.")
    _import_keras()
    from mnistry.audit import run as audit_run
    from mnistry.audit import text as audit_text
    from mnistry.cli import progress

    with progress.LiveBars() as bars:
        folder, result = audit_run.audit_dataset(
            dataset=dataset, data_dir=data_dir, out=out, callbacks=progress.for_an_exam(bars)
        )
    print(json.dumps(result.as_json(), ensure_ascii=False) if as_json else audit_text.audit(result))
    print(f"report  {folder / 'report.html'}", file=sys.stderr if as_json else sys.stdout)


def _import_keras() -> None:
    """Imports Keras without scikit-learn, which it would load for wrappers that no command uses: a second saved."""
    hidden: dict[str, Any] = {} if "sklearn" in sys.modules else {"sklearn": None}
    sys.modules.update(hidden)
    try:
        importlib.import_module("mnistry.models.backend")
    finally:
        for name in hidden:
            del sys.modules[name]
    gc.freeze()  # a million objects that stay to the end: never looked through again, half a second less at exit
