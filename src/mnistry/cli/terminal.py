"""Lines for a person at a terminal: hints and a little colour, none of it where nobody looks."""

from __future__ import annotations

import os
import shlex
import sys

import typer

from mnistry.reporting.language import pad


def colour() -> bool | None:
    """Decide about colour: never with NO_COLOR, else where the stream is a terminal (None leaves that to typer)."""
    return False if os.environ.get("NO_COLOR") else None


def print_error(text: str) -> None:
    """Print an error to standard error, its beginning in red."""
    typer.echo(typer.style("mnistry:", fg="red") + f" {text}", err=True, color=colour())


def quote(word: object) -> str:
    """Write a path or a name as a shell takes it."""
    return shlex.quote(str(word))


def suggest(command: str, why: str, head: str = "next") -> None:
    """Print the next useful command to standard error, if that is a terminal."""
    if sys.stderr.isatty():
        sys.stdout.flush()
        line = f"{typer.style(pad(head, 8), dim=True)}{command}   {typer.style(why, dim=True)}"
        typer.echo(line, err=True, color=colour())
