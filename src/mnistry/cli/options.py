"""Options that several verbs of the command line share; those of a training are made from the fields of its config."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import inspect
import operator
import sys
import typing
from collections.abc import Callable
from dataclasses import fields
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

import typer

from mnistry.cli.keras_loading import import_keras
from mnistry.errors import UsageError
from mnistry.training.config import OF_THE_RECIPE, TrainConfig
from mnistry.training.recipes import RECIPES, Recipe

DataDirOption = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="DIR",
        help="A folder with MNIST's four files; looked into first. [env var: MNISTRY_DATA_DIR]",
        show_default=False,
    ),
]
IndexOption = Annotated[
    int | None,
    typer.Option(metavar="N", help="The training image to show. [default: 2000 for MNIST]", show_default=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
MODEL = "A model file, a run folder or a .keras file. [default: the built-in one]"
ModelArgument = Annotated[Path | None, typer.Argument(metavar="MODEL", help=MODEL)]
ModelOption = Annotated[Path | None, typer.Option(metavar="MODEL", help=MODEL)]
SingleOption = Annotated[
    bool, typer.Option("--single", help="Each picture shows one digit; all of its ink belongs to it.")
]
PixelsOption = Annotated[
    str | None,
    typer.Option(
        metavar="RANGE",
        help="The pixels a Keras model was trained on: 0-1, -1-1 or 0-255. [default: it scales them itself]",
        show_default=False,
    ),
]
FLAGS = {"settings": "--set", "validation": "--validation-split"}  # of fields whose option has another name

MNIST_IMAGES, DIGITS_IMAGES = 60_000, 1_437  # training images, on which the recipes' numbers of epochs depend

Command = Callable[..., None]


def with_config(*names: str) -> Callable[[Command], Command]:
    """Give a command an option for each named field of TrainConfig, for all of them if none is named."""

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
    """The option of a field; None if the user did not give it."""
    kind = types[field.name]
    text = f"{field.metadata['meaning']} [default: {_default(field)}]"
    if field.name == "settings":
        kind, metavar = list[str], "NAME=X"
    else:
        metavar = "X" if kind == float | None else "NAME" if kind in (str, str | None) else "N"
    flags = [FLAGS[field.name]] if field.name in FLAGS else []
    return Annotated[kind | None, typer.Option(*flags, metavar=metavar, help=text, show_default=False)]


def _default(field: dataclasses.Field[Any]) -> str:
    """The default of a field in words; that of each recipe where it is the recipe's own.

    >>> _default(next(field for field in fields(TrainConfig) if field.name == "batch_size"))
    'tutorial 32, strong 128, teacher 128, smaller for few images'
    """
    if field.metadata["otherwise"] != OF_THE_RECIPE:
        return str(field.metadata["otherwise"])
    if field.name == "epochs":
        return f"for MNIST {_epochs(MNIST_IMAGES)}; for the digits {_epochs(DIGITS_IMAGES)}"
    if field.name == "settings":
        return "; ".join(f"{name} {_hyperparameters(recipe)}" for name, recipe in RECIPES.items())
    if field.name == "validation":
        return _of_each_recipe(lambda recipe: Fraction(recipe.validation).limit_denominator(100))
    text = _of_each_recipe(operator.attrgetter(field.name))
    return f"{text}, smaller for few images" if field.name == "batch_size" else text


def _of_each_recipe(value: Callable[[Recipe], object]) -> str:
    return ", ".join(f"{name} {value(recipe)}" for name, recipe in RECIPES.items())


def _epochs(images: int) -> str:
    return _of_each_recipe(lambda recipe: recipe.epochs(images))


def _hyperparameters(recipe: Recipe) -> str:
    return ", ".join(f"{name}={each.default:g}" for name, each in recipe.settings.items())


def given(settings: dict[str, Any]) -> dict[str, Any]:
    """Select the settings that the user gave.

    Raises:
        UsageError: one of `--set` is not a name and a number.
    """
    asked = {name: value for name, value in settings.items() if value is not None}
    if "settings" in asked:
        asked["settings"] = dict(_parse_named(text) for text in asked["settings"])
    return asked


def _parse_named(text: str) -> tuple[str, float]:
    """A name and its number, out of NAME=X."""
    name, _, number = text.partition("=")
    with contextlib.suppress(ValueError):
        return name, float(number)
    raise UsageError(f"--set takes a name and a number, such as --set dropout=0.1; received {text!r}.")


def with_keras(model: Path | None) -> None:
    """Import Keras if a model is one of Keras's files."""
    from mnistry.models import onnx_file

    if model is not None and onnx_file.is_keras(model):
        import_keras()


def model_file(model: Path | None) -> Path | None:
    """The model file of a verb that reads pictures: of a run folder, or made of a Keras model and kept in the cache.

    Raises:
        ModelError: the folder holds none, or the Keras model cannot be opened.
        UsageError: the Keras model cannot be exported, or does not scale its pixels itself.
    """
    from mnistry.models import model_source, onnx_file

    if model is not None and model.expanduser().is_dir() and (model.expanduser() / onnx_file.EXPORTED).is_file():
        return model / onnx_file.EXPORTED
    if model is None or not onnx_file.is_keras(model):
        return model
    from mnistry.runtime.files import find_cache_folder, write_durably

    content = model_source.read(model)
    made = find_cache_folder("models") / f"{hashlib.sha256(content).hexdigest()}.onnx"
    made.parent.mkdir(parents=True, exist_ok=True)
    write_durably(made, [content])
    print(f"{model} is read as the model file {made}", file=sys.stderr)
    for remark in onnx_file.check(content, str(model))[0].details.get("assumed", ()):
        print(f"mnistry: {model}: {remark}.", file=sys.stderr)
    return made
