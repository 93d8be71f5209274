"""`mnistry tutorial`: the lesson, from its first cell to its last."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mnistry.cli import terminal
from mnistry.cli.options import DataDirOption, IndexOption, given, import_keras, with_config
from mnistry.runtime import provenance
from mnistry.training.config import TrainConfig


@with_config("dataset", "epochs", "batch_size", "seed")
def tutorial(
    *,
    data_dir: DataDirOption = None,
    index: IndexOption = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The run folder. [default: runs/tutorial-N, the next free N]"),
    ] = None,
    **settings: Any,
) -> None:
    """Run the MNIST lesson, from its first cell to its last, and write a report."""
    provenance.command_begins()
    import_keras()
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
    terminal.suggest("mnistry read photo.jpg", "reads your own handwriting")
