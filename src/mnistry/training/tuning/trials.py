"""The trials of a search: what each was trained with, how far it came, and which one is the best."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from mnistry.errors import RunError
from mnistry.runtime import files

TABLE = "trials.jsonl"
State = Literal["open", "finished", "stopped", "failed"]


@dataclass(frozen=True)
class Trial:
    """A training with settings of its own.

    Attributes:
        number: from 1.
        settings: its settings: `learning_rate`, `batch_size`, and the recipe's own.
        state: "open" as long as it has not ended, "finished" after all epochs, "stopped" early because others did
            better, "failed" if it could not go on.
        records: of each epoch its number, loss, metrics and seconds.
        reason: why it failed.
    """

    number: int
    settings: Mapping[str, float]
    state: State = "open"
    records: tuple[dict[str, Any], ...] = ()
    reason: str = ""

    @property
    def accuracy(self) -> float:
        """Return the value on the images held out, after the last epoch; NaN before the first."""
        return float(self.records[-1]["val_accuracy"]) if self.records else math.nan

    @property
    def loss(self) -> float:
        """Return the value on the images held out, after the last epoch; NaN before the first."""
        return float(self.records[-1]["val_loss"]) if self.records else math.nan


def compute_score(record: Mapping[str, Any], images: int) -> float:
    """Errors on the images held out, and as a fraction below 1 the loss, so that it decides between equals.

    >>> compute_score({"val_accuracy": 0.97, "val_loss": 0.25}, 100)
    3.2
    """
    loss = float(record["val_loss"])
    if not math.isfinite(loss):
        return find_worst_score(images)
    return round((1 - float(record["val_accuracy"])) * images) + loss / (1 + loss)


def find_worst_score(images: int) -> float:
    """A score that is worse than that of any training."""
    return images + 1.0


def rank(trials: Sequence[Trial], images: int) -> list[Trial]:
    """The best first: those that finished by their score, then the others by how far they came and by theirs."""

    def key(trial: Trial) -> tuple[bool, int, float, int]:
        last = compute_score(trial.records[-1], images) if trial.records else find_worst_score(images)
        return trial.state != "finished", -len(trial.records), last, trial.number

    return sorted(trials, key=key)


def find_best(trials: Sequence[Trial], images: int) -> Trial:
    """The trial with the best score of those that finished.

    Raises:
        RunError: none did.
    """
    first = rank(trials, images)[0]
    if first.state != "finished":
        raise RunError(
            f"None of the {len(trials)} trials came to its end. The first one failed, since: {trials[0].reason} "
            "Search anew in another folder."
        )
    return first


def write(folder: Path, trials: Sequence[Trial]) -> None:
    """Keep the trials, one a line; when this returns they survive a power cut."""
    files.write_json_lines(folder / TABLE, [asdict(trial) for trial in trials])


def read(folder: Path) -> list[Trial]:
    """The trials that were kept.

    Raises:
        RunError: they cannot be read.
    """
    path = folder / TABLE
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return [Trial(**{**row, "records": tuple(row["records"])}) for row in rows]
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise RunError(f"{path} cannot be read as the trials of a search: {error}. Search in another folder.") from None
