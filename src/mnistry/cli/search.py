"""`mnistry search`: search for good settings of a recipe."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mnistry.cli import terminal
from mnistry.cli.keras_loading import import_keras
from mnistry.cli.options import DataDirOption, given, with_config
from mnistry.errors import UsageError

if TYPE_CHECKING:
    from mnistry.training.tuning.trials import Trial


@with_config("recipe", "dataset", "epochs", "seed")
def search(
    *,
    data_dir: DataDirOption = None,
    trials: Annotated[
        int | None, typer.Option(metavar="N", help="Number of settings to try. [default: 20]", show_default=False)
    ] = None,
    max_concurrent: Annotated[
        int, typer.Option(metavar="N", help="Trials that run at the same time, each on one core.")
    ] = 2,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The search's folder. [default: runs/search-N, the next free N]")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Resume the search in --out.")] = False,
    ray_address: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="A Ray cluster. [default: Ray is started here]")
    ] = None,
    **settings: Any,
) -> None:
    """Search for good settings of a recipe, and keep the best training as a run.

    Learning rate, batch size and the recipe's own settings are drawn at random, and trials that fall behind are
    stopped early. They are compared on training images held out; the test images are opened once, for the best.
    """
    if resume and out is None:
        raise UsageError("--resume needs the search's folder: mnistry search --resume --out DIR")
    import_keras()
    from mnistry.cli import progress
    from mnistry.training.tuning import run as tuning_run
    from mnistry.training.tuning import text as tuning_text

    with progress.LiveBars() as bars:

        def on_trial(trial: Trial, trials: Sequence[Trial], epochs: int) -> None:
            if trial.state != "open":
                bars.clear()
                print(tuning_text.format_trial(trial, len(trials), epochs), file=sys.stderr, flush=True)
            at = f"trial {trial.number}, epoch {len(trial.records)} of {epochs}: validation {trial.accuracy:.2%}"
            bars.parts(at, sum(one.state != "open" for one in trials), len(trials))

        found = tuning_run.search(
            given({**settings, "trials": trials}),
            data_dir=data_dir,
            out=out,
            resume=resume,
            max_concurrent=max_concurrent,
            address=ray_address,
            callbacks=progress.for_an_evaluation(bars),
            on_trial=on_trial,
        )
    print(tuning_text.format_search(found))
    terminal.suggest(f"mnistry evaluate {terminal.quote(found.folder / 'best')}", "tests it thoroughly")
