"""The program `mnistry`: its verbs, each defined in a module of its name, and how it ends."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import mnistry
from mnistry.cli import interruption
from mnistry.cli.adapt import adapt
from mnistry.cli.batch import batch
from mnistry.cli.data import data
from mnistry.cli.evaluate import evaluate
from mnistry.cli.export import export
from mnistry.cli.predict import predict
from mnistry.cli.read import read
from mnistry.cli.search import search
from mnistry.cli.serve import serve
from mnistry.cli.terminal import print_error as print_error
from mnistry.cli.train import train
from mnistry.cli.tutorial import tutorial
from mnistry.errors import MnistryError, missing_extra

OLD_OPTIONS = {"at-once": "max-concurrent", "validation": "validation-split"}  # still understood, no longer shown

LEARN, TRAIN, READ, SERVE = "Learn", "Train and evaluate", "Read", "Serve"  # the groups of verbs in the help


def run() -> None:
    """Be the program: run the command line, and end the process."""
    try:
        main()
    except SystemExit as error:
        if error.code:
            raise
    interruption.end()


def main() -> None:
    """Run the command line. Exit with 0 (done), 1 (failed), 2 (wrong usage) or 130 (interrupted)."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal without these characters gets question marks
    interruption.listen()
    try:
        app(prog_name="mnistry")
    except MnistryError as error:
        print_error(str(error))
        interruption.leave(error.exit_status)
    except ModuleNotFoundError as error:
        missing = missing_extra(" ".join(["mnistry", *sys.argv[1:2]]), error.name)
        if missing is None:
            raise
        print_error(str(missing))
        sys.exit(missing.exit_status)
    except MemoryError:
        print_error("there is not enough memory for this. Use fewer or smaller images at a time.")
        sys.exit(1)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # drops whatever is still buffered
        if not isinstance(error, BrokenPipeError):  # a reader that stops early, such as head, is not an error
            what = "the output cannot be written"
            if error.filename is not None:
                what = f"{error.filename!s:.200} cannot be used"
            print_error(f"{what}: {error.strerror or error}.")
        sys.exit(1)
    except SystemExit as error:
        if error.code in (interruption.INTERRUPTED, interruption.TERMINATED):
            print_error("interrupted; nothing half-written is left behind.")
            interruption.leave(error.code)
        raise


class Verbs(TyperGroup):
    """The verbs in groups: help lists them under the panel that each was given."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write a section for each group."""
        del ctx  # part of the signature that typer calls
        groups: dict[str, list[tuple[str, str]]] = {}
        for name, verb in self.commands.items():
            rows = groups.setdefault(getattr(verb, "rich_help_panel", ""), [])
            rows.append((name, verb.get_short_help_str(limit=200)))
        width = max(map(len, self.commands)) + 2
        for group, rows in groups.items():
            with formatter.section(group):
                formatter.write_dl(rows, col_max=width, col_spacing=width - max(len(name) for name, _ in rows))


app = typer.Typer(
    name="mnistry",
    cls=Verbs,
    help="Learn from, train on and use handwritten digits.",
    epilog="Run the whole lesson and write a report: mnistry tutorial",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"token_normalize_func": lambda option: OLD_OPTIONS.get(option, option)},
)


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        print(f"mnistry {mnistry.__version__}")
        raise typer.Exit


app.command(rich_help_panel=LEARN, short_help="Run the whole lesson and write a report.")(tutorial)
app.command(rich_help_panel=LEARN, short_help="Show what a data set holds, or check it.")(data)
app.command(rich_help_panel=TRAIN, short_help="Train a model, or resume an interrupted run.")(train)
app.command(rich_help_panel=TRAIN, short_help="Search for good settings of a recipe.")(search)
app.command(rich_help_panel=TRAIN, short_help="Evaluate a model: accuracy, calibration, worst mistakes.")(evaluate)
app.command(rich_help_panel=TRAIN, short_help="Write the model file of a run or of a Keras model.")(export)
app.command(rich_help_panel=TRAIN, short_help="Answer images without labels, as a CSV table.")(predict)
app.command(rich_help_panel=TRAIN, short_help="Adapt a model to your hand by digits that it misread.")(adapt)
app.command(rich_help_panel=READ, short_help="Read handwritten digits in pictures.")(read)
app.command(rich_help_panel=READ, short_help="Read pictures by the million, on this machine or a Ray cluster.")(batch)
app.command(rich_help_panel=SERVE, short_help="Serve a page to draw on, and a REST API.")(serve)
