"""`mnistry export`: write the model file of a finished run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mnistry.cli import terminal
from mnistry.cli.options import import_keras


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a finished run.")],
    *,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The file; it must not exist yet. [default: RUN/model.onnx]")
    ] = None,
) -> None:
    """Write the model file of a finished run: one ONNX file that explains itself.

    The model takes images as uint8 (n, 28, 28). It returns calibrated probabilities and a digit score: how much each
    image looks like a digit at all. The file is kept only if ONNX Runtime gives what Keras gives.
    """
    import_keras()
    from mnistry.training.export import export_run

    path = export_run(run, out)
    print(path)
    terminal.suggest(f"mnistry read --model {terminal.quoted(path)} photo.jpg", "reads with it")
