"""A search in words: its trials as a table, and the best one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mnistry.reporting import text as reporting_text
from mnistry.runtime import run_folder
from mnistry.training.tuning import trials
from mnistry.training.tuning.trials import Trial

if TYPE_CHECKING:
    from mnistry.training.tuning.run import SearchResult


def format_trial(trial: Trial, of: int, epochs: int) -> str:
    """A trial that has ended, in a line.

    >>> record = {"epoch": 1, "val_accuracy": 0.9, "val_loss": 0.25}
    >>> format_trial(Trial(3, {"learning_rate": 0.01}, "stopped", (record,)), 20, 5)
    'trial  3/20   stopped after 1 of 5 epochs   validation accuracy  90.00%   loss 0.2500   learning_rate=0.01'
    """
    parts = [f"trial {trial.number:>{len(str(of))}}/{of}"]
    if trial.state == "failed":
        parts.append(f"failed: {trial.reason}")
    else:
        parts.append(f"{trial.state} after {len(trial.records)} of {epochs} epochs")
        parts.append(f"validation accuracy {trial.accuracy:7.2%}   loss {trial.loss:.4f}")
    return "   ".join([*parts, _settings(trial)])


def format_search(result: SearchResult) -> str:
    """The result of a search: the trials, the best one, its test accuracy, and the command that trains it."""
    test, best = result.summary["test"], result.best
    low, high = test["interval"]
    count = {state: sum(trial.state == state for trial in result.trials) for state in ("finished", "stopped", "failed")}
    return "\n".join(
        [
            format_table(result),
            "",
            f"{len(result.trials)} trials: {count['finished']} finished, {count['stopped']} stopped early, "
            f"{count['failed']} failed; compared on {result.images:,} training images held out",
            f"best: trial {best.number}, {_settings(best)}",
            f"{test['errors']:,} errors in {test['n']:,} test images, opened for this one only: accuracy "
            f"{test['accuracy']:.2%} (95% interval {low:.2%} to {high:.2%})",
            "",
            "trained again by hand:",
            result.summary["command"],
            "",
            f"trials  {result.folder / trials.TABLE}",
            f"model   {result.folder / 'best' / 'model.onnx'}",
            f"report  {result.folder / 'best' / run_folder.REPORT}",
        ]
    )


def format_table(result: SearchResult) -> str:
    """The trials, the best first: their settings and their scores on the images held out."""
    names = list(result.best.settings)
    head = ["trial", *names, "epochs", "accuracy", "loss", ""]
    rows = [head]
    for trial in trials.rank(result.trials, result.images):
        figures = ["", ""] if math.isnan(trial.loss) else [f"{trial.accuracy:.2%}", f"{trial.loss:.4f}"]
        values = [f"{trial.settings[name]:g}" for name in names]
        note = trial.reason if trial.state == "failed" else "" if trial.state == "finished" else trial.state
        rows.append([str(trial.number), *values, f"{len(trial.records)}/{result.plan.epochs}", *figures, note])
    return reporting_text.format_table(rows, left={len(head) - 1})


def _settings(trial: Trial) -> str:
    return ", ".join(f"{name}={value:g}" for name, value in trial.settings.items())
