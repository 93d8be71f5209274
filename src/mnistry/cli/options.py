"""Options that several verbs of the command line share; those of a training are made from the fields of its config."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import typing
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

from mnistry.errors import UsageError
from mnistry.training.config import TrainConfig

DataDirOption = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="DIR",
        help="A folder with MNIST's four files; looked into first. [env var: MNISTRY_DATA_DIR]",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]

Command = Callable[..., None]


def with_config(*names: str) -> Callable[[Command], Command]:
    """Gives a command an option for each named field of TrainConfig, for all of them if none is named."""

    def decorate(command: Command) -> Command:
        types, hints = typing.get_type_hints(TrainConfig), typing.get_type_hints(command, include_extras=True)
        asked = {field.name: _option(field, types) for field in fields(TrainConfig) if field.name in names or not names}
        own = [
            parameter.replace(annotation=hints[parameter.name])
            for parameter in inspect.signature(command).parameters.values()
            if parameter.kind is not parameter.VAR_KEYWORD
        ]
        made = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
            for name, annotation in asked.items()
        ]
        command.__signature__ = inspect.Signature([*made, *own])  # type: ignore[attr-defined] # typer looks there
        command.__annotations__ |= asked
        return command

    return decorate


def _option(field: dataclasses.Field[Any], types: dict[str, Any]) -> Any:
    """The option of a field: None, so that it is known whether somebody asked for it."""
    kind = types[field.name]
    if field.name == "settings":
        text = f"{field.metadata['meaning']} [default: {field.metadata['otherwise']}]"
        return Annotated[list[str] | None, typer.Option("--set", metavar="NAME=X", help=text, show_default=False)]
    metavar = "X" if kind is float or kind == float | None else "NAME" if kind is str or kind == str | None else "N"
    text = f"{field.metadata['meaning']} [default: {field.metadata['otherwise']}]"
    return Annotated[kind | None, typer.Option(metavar=metavar, help=text, show_default=False)]


def given(settings: dict[str, Any]) -> dict[str, Any]:
    """Those settings that somebody asked for.

    Raises:
        UsageError: one of `--set` is not a name and a number.
    """
    asked = {name: value for name, value in settings.items() if value is not None}
    if "settings" in asked:
        asked["settings"] = dict(_named(text) for text in asked["settings"])
    return asked


def _named(text: str) -> tuple[str, float]:
    """A name and its number, out of NAME=X."""
    name, _, number = text.partition("=")
    with contextlib.suppress(ValueError):
        return name, float(number)
    raise UsageError(f"--set takes a name and a number, such as --set dropout=0.1; received {text!r}.")
