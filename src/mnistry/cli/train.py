"""`mnistry train`: train a recipe in a run folder, or resume an interrupted run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mnistry.cli import terminal
from mnistry.cli.keras_loading import import_keras
from mnistry.cli.options import DataDirOption, given, with_config
from mnistry.errors import UsageError
from mnistry.runtime import provenance


@with_config()
def train(
    *,
    data_dir: DataDirOption = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The run folder. [default: runs/train-N, the next free N]")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Resume the run in --out, with its settings.")] = False,
    **settings: Any,
) -> None:
    """Train a recipe in a run folder.

    A checkpoint is written after every epoch. An interrupted run that --resume finishes on the same machine has the
    same weights, to the bit, as an uninterrupted one.
    """
    provenance.start_clock()
    if resume and out is None:
        raise UsageError("--resume needs the run folder: mnistry train --resume --out RUN")
    import_keras()
    from mnistry.cli import progress
    from mnistry.evaluation import text as evaluation_text
    from mnistry.training.run import train_run

    with progress.LiveBars() as bars:
        folder, result = train_run(
            given(settings), data_dir=data_dir, out=out, resume=resume, callbacks=progress.for_a_training(bars)
        )
    if result is None:
        print(f"The run in {folder} is complete already: see its summary.json and report.html.")
        return
    print(
        f"\n{evaluation_text.format_test_result(result.test)}\n\n"
        f"{evaluation_text.format_confusion(result.test.confusion, result.dataset.class_names)}\n"
    )
    progress.say_where(folder, result)
    terminal.suggest(f"mnistry evaluate {terminal.quote(folder)}", "tests it thoroughly")
