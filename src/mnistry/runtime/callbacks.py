"""Callbacks of a run: functions that are called as it proceeds. They have no influence on its result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


def _nobody(*_: Any) -> None:
    pass


@dataclass(frozen=True)
class Callbacks:
    """Functions that are called as a run goes on.

    Attributes:
        step: gets each step of the lesson: its number, its name, and what there is to say about it.
        loaded: gets the data set as soon as it is there.
        training: called several times an epoch.
        epoch: gets the record of each epoch when it is done and kept, and how many epochs there will be.
        download: called while a file arrives.
        progress: gets the name of the work, the number of parts that are done, and their total.
        warning: gets warnings, which do not stop the run.
        weights: gets the number of each epoch and the trainable weights after it, if there is somebody.
    """

    step: Callable[[int, str, str], None] = _nobody
    loaded: Callable[[Any], None] = _nobody
    training: Callable[[Any], None] = _nobody
    epoch: Callable[[dict[str, Any], int], None] = _nobody
    download: Callable[..., None] = _nobody
    progress: Callable[[str, int, int], None] = _nobody
    warning: Callable[[str], None] = _nobody
    weights: Callable[[int, list[Any]], None] | None = None


NO_CALLBACKS = Callbacks()
