"""`mnistry tutorial`: the lesson, from its first cell to its last."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import typer

from mnistry.cli import terminal
from mnistry.cli.keras_loading import import_keras
from mnistry.cli.options import DataDirOption, IndexOption, given, with_config
from mnistry.reporting.language import Language, LanguageName, choose_language, message
from mnistry.runtime import provenance
from mnistry.training.config import TrainConfig


@with_config("dataset", "epochs", "batch_size", "seed", "settings")
def tutorial(
    *,
    data_dir: DataDirOption = None,
    index: IndexOption = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The run folder. [default: runs/tutorial-N, the next free N]")
    ] = None,
    lang: Annotated[
        LanguageName | None,
        typer.Option(metavar="en|ko", help="Language of the lesson. [default: the machine's]", show_default=False),
    ] = None,
    step: Annotated[bool, typer.Option("--step", help="Wait for Enter after each step.")] = False,
    **settings: Any,
) -> None:
    """Run the MNIST lesson in eleven steps: the lines of Keras, what comes out, why, and something to try.

    Writes a report that holds the trained network: draw on it and see inside.
    """
    from mnistry.datasets import loading

    provenance.start_clock()
    chosen = given(settings)
    with ThreadPoolExecutor(1) as beside:  # the files are unpacked while Keras is imported
        dataset = beside.submit(loading.load_at_hand, chosen.get("dataset"), data_dir=data_dir)
        import_keras()
    from mnistry.cli import progress
    from mnistry.tutorial import tutorial as run_lesson

    language = Language(lang or choose_language())
    with progress.LiveBars(language) as bars:
        folder, result = run_lesson(
            TrainConfig(**chosen),
            dataset=dataset.result(),
            data_dir=data_dir,
            index=index,
            out=out,
            language=lang,
            callbacks=progress.for_the_lesson(bars, language, wait=step),
        )
    progress.say_where(folder, result, language)
    why, head = message("reads your own handwriting"), message("next")
    terminal.suggest("mnistry read photo.jpg", language.say(why), language.say(head))
