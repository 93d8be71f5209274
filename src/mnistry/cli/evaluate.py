"""`mnistry evaluate`: evaluate a model on the test split of a data set."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from mnistry.cli import terminal
from mnistry.cli.options import DataDirOption, JsonOption, ModelArgument, PixelsOption, with_keras
from mnistry.errors import NoLabelsError, require
from mnistry.runtime import provenance


def evaluate(
    model: ModelArgument = None,
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
    and selective accuracy, and the accuracy on fifteen kinds of corrupted images. Of a table without labels, shows how
    often each class is the answer.
    """
    provenance.start_clock()
    with_keras(model)
    require("mnistry evaluate", *(["scipy"] * (not no_corruptions)), *(["jinja2"] * (out is not None)))
    from mnistry.cli import progress
    from mnistry.evaluation import run as evaluation_run
    from mnistry.evaluation import text as evaluation_text

    try:
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
    except NoLabelsError as error:
        if out is not None:  # a report is about right and wrong
            raise
        terminal.print_error(str(error))
        _show_answers(model, str(dataset), pixels, as_json=as_json)
        return
    print(json.dumps(result.as_json(), ensure_ascii=False) if as_json else evaluation_text.format_evaluation(result))
    if folder is not None:
        print(f"report  {folder / 'report.html'}", file=sys.stderr if as_json else sys.stdout)
    file = model / "model.onnx" if model is not None and model.is_dir() else model
    chosen = "" if file is None else f"--model {terminal.quote(file)} "
    terminal.suggest(f"mnistry read {chosen}photo.jpg", "reads with it")


def _show_answers(model: Path | None, dataset: str, pixels: str | None, *, as_json: bool) -> None:
    """Show how often each class is the answer to images without labels."""
    from mnistry.evaluation import text as evaluation_text
    from mnistry.evaluation.prediction import predict_dataset

    found = predict_dataset(model, dataset, pixels=pixels)
    if as_json:
        print(json.dumps({"dataset": dataset, "test": None, "answers": found.counts()}, ensure_ascii=False))
    else:
        print(evaluation_text.format_answers(found.counts(), sure=float(found.answers.sure.mean())))
    chosen = "" if model is None else f" {terminal.quote(model)}"
    command = f"mnistry predict{chosen} --dataset {terminal.quote(dataset)} --out submission.csv"
    terminal.suggest(command, "writes the answers into a file")
