"""What `mnistry search` does: the search, what is said while it runs, and what it found."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mnistry.cli import progress
from mnistry.errors import UsageError
from mnistry.training.tuning import search
from mnistry.training.tuning import text as tuning_text
from mnistry.training.tuning.trials import Trial


def run(
    asked: Mapping[str, Any],
    *,
    data_dir: Path | None,
    out: Path | None,
    resume: bool,
    at_once: int,
    ray_address: str | None,
) -> None:
    """Searches, and prints what was found on standard output; all else goes to standard error.

    Args:
        asked: see `search.search`.
        data_dir: where to look for the data first.
        out: the search's folder.
        resume: whether to go on with what is in it.
        at_once: how many trials run at the same time.
        ray_address: of a cluster; None starts Ray here.

    Raises:
        MnistryError: see `search.search`.
    """
    if resume and out is None:
        raise UsageError("--resume needs the search's folder: mnistry search --resume --out DIR")
    with progress.LiveBars() as bars:

        def told(trial: Trial, now: Sequence[Trial], epochs: int) -> None:
            if trial.state != "open":
                bars.clear()
                print(tuning_text.ended(trial, len(now), epochs), file=sys.stderr, flush=True)
            at = f"trial {trial.number}, epoch {len(trial.records)} of {epochs}: validation {trial.accuracy:.2%}"
            bars.parts(at, sum(one.state != "open" for one in now), len(now))

        found = search.search(
            asked,
            data_dir=data_dir,
            out=out,
            resume=resume,
            at_once=at_once,
            address=ray_address,
            callbacks=progress.for_an_exam(bars),
            told=told,
        )
    print(tuning_text.found(found))
