"""`mnistry predict`: answer images without labels."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from mnistry.cli import terminal
from mnistry.cli.options import JsonOption, ModelArgument, PixelsOption, with_keras
from mnistry.errors import UsageError


def predict(
    model: ModelArgument = None,
    *,
    dataset: Annotated[
        str,
        typer.Option(
            metavar="NAME|PATH",
            help="Images: a CSV, NPY, NPZ, Parquet or IDX file, a folder of pictures, an archive; or a data set.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The CSV file for the answers; replaced. [default: standard output]"),
    ] = None,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Add a column for the probability of each class.")
    ] = False,
    pixels: PixelsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answer images without labels: a CSV table as Kaggle takes it, a row for each image.

    The header is ImageId,Label, or that of a sample_submission.csv beside the images. With --json, print a JSON object
    for each image, with its probabilities.
    """
    if as_json and out is not None:
        raise UsageError("--json prints to standard output, --out writes a CSV file: leave one of both out.")
    with_keras(model)
    from mnistry.cli import progress
    from mnistry.evaluation.prediction import predict_dataset

    found = predict_dataset(model, dataset, out=out, probabilities=probabilities, pixels=pixels)
    for remark in found.images.remarks:
        progress.warn(remark)
    if as_json:
        for row in found.as_json():
            print(json.dumps(row, ensure_ascii=False))
    elif out is None:
        print(found.csv(probabilities=probabilities), end="")
    else:
        print(f"{out}: {len(found.labels):,} answers, sure of {found.answers.sure.mean():.1%}", file=sys.stderr)
    chosen = "" if model is None else f" {terminal.quote(model)}"
    if out is None:
        again = f"mnistry predict{chosen} --dataset {terminal.quote(dataset)} --out submission.csv"
        terminal.suggest(again, "writes them into a file")
    else:
        terminal.suggest(f"mnistry evaluate{chosen} --dataset DATA", "tests it on images with labels")
