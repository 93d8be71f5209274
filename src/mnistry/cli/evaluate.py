"""`mnistry evaluate`: evaluate a model on the test split of a data set."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from mnistry.cli import terminal
from mnistry.cli.options import DataDirOption, JsonOption, PixelsOption, with_keras
from mnistry.errors import require
from mnistry.runtime import provenance


def evaluate(
    model: Annotated[
        Path | None,
        typer.Argument(
            metavar="MODEL", help="A model file, a run folder or a .keras file. [default: the built-in model]"
        ),
    ] = None,
    *,
    dataset: Annotated[
        str | None,
        typer.Option(metavar="NAME|PATH", help="The data set to test on. [default: the one the model was trained on]"),
    ] = None,
    data_dir: DataDirOption = None,
    no_corruptions: Annotated[
        bool, typer.Option("--no-corruptions", help="Leave out the fifteen kinds of corrupted images.")
    ] = False,
    pixels: PixelsOption = None,
    as_json: JsonOption = False,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A new folder for a report with figures. [default: none]")
    ] = None,
) -> None:
    """Evaluate a model on the test split of a data set.

    Shows errors with their confidence interval, loss, calibration, the confusion matrix, the worst mistakes, coverage
    and selective accuracy, and the accuracy on fifteen kinds of corrupted images.
    """
    provenance.command_begins()
    with_keras(model)
    require("mnistry evaluate", *(["scipy"] * (not no_corruptions)), *(["jinja2"] * (out is not None)))
    from mnistry.cli import progress
    from mnistry.evaluation import run as evaluation_run
    from mnistry.evaluation import text as evaluation_text

    with progress.LiveBars() as bars:
        folder, result = evaluation_run.evaluate_model(
            model,
            dataset=dataset,
            data_dir=data_dir,
            with_corruptions=not no_corruptions,
            pixels=pixels,
            out=out,
            callbacks=progress.for_an_evaluation(bars),
        )
    print(json.dumps(result.as_json(), ensure_ascii=False) if as_json else evaluation_text.evaluation(result))
    if folder is not None:
        print(f"report  {folder / 'report.html'}", file=sys.stderr if as_json else sys.stdout)
    file = model / "model.onnx" if model is not None and model.is_dir() else model
    chosen = "" if file is None else f"--model {terminal.quoted(file)} "
    terminal.suggest(f"mnistry read {chosen}photo.jpg", "reads with it")
