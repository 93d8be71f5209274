"""`mnistry export`: write the model file of a finished run, or of one's own Keras model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mnistry.cli.keras_loading import import_keras
from mnistry.cli.options import PixelsOption
from mnistry.errors import RunError, UsageError


def export(
    model: Annotated[
        Path, typer.Argument(metavar="RUN|KERAS", help="The folder of a finished run, or a .keras or .h5 file.")
    ],
    *,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The file; it must not exist yet. [default: RUN/model.onnx, or NAME.onnx]"),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,…", help="The classes of a Keras model's outputs, in order. [default: numbers from 0]"
        ),
    ] = None,
    pixels: PixelsOption = None,
    fit: Annotated[
        str | None,
        typer.Option(
            metavar="HOW",
            help="How images come to a Keras model's size, if it is not 28x28: resize or pad. [default: resize]",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Write the model file of a finished run, or of your own Keras model: one ONNX file that explains itself.

    The model takes images as uint8 (n, 28, 28). It returns calibrated probabilities and a digit score: how much each
    image looks like a digit at all. The file is kept only if ONNX Runtime gives what Keras gives. Without --out, the
    file of a run, RUN/model.onnx, is replaced.
    """
    import_keras()
    from mnistry.models import foreign_files, onnx_file
    from mnistry.training import export as exports

    foreign_files.refuse(model)
    if model.expanduser().is_dir() or not onnx_file.is_keras(model):
        if classes is not None or pixels is not None or fit is not None:
            raise UsageError("--classes, --pixels and --fit are for Keras models: a run knows its own.")
        replaced = out is None and (model.expanduser() / onnx_file.EXPORTED).is_file()
        print(exports.export_run(model, out))
        if replaced:
            print("The file that was there has been replaced.", file=sys.stderr)
        return
    path = out or model.with_suffix(".onnx")
    if path.expanduser().exists():
        raise RunError(f"{path} exists already, and nothing is overwritten. Name another file with --out.")
    names = None if classes is None else [name.strip() for name in classes.split(",")]
    made = exports.export(model, path, names, pixels=pixels, fit=fit)
    for remark in onnx_file.check(made.read_bytes(), str(made))[0].details.get("assumed", ()):
        print(f"mnistry: {model}: {remark}.", file=sys.stderr)
    print(made)
