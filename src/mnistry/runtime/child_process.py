"""A process of a pool: how it starts, works and ends; see `parallel`."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from multiprocessing import connection
from multiprocessing.context import SpawnContext, SpawnProcess
from types import ModuleType
from typing import Any

_process: dict[str, Any] = {}  # `setup`, and once it was called its `state`


class Process(SpawnProcess):
    """A spawned process that does not import the main module of its parent, as it has no task there."""

    @staticmethod
    def _Popen(process_obj: Any) -> Any:  # noqa: N802 - the name that multiprocessing calls
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            return SpawnProcess._Popen(process_obj)
        finally:
            sys.modules["__main__"] = main


class Context(SpawnContext):
    """The context in which a pool starts its processes."""

    Process = Process


def start(setup: Callable[[], Any]) -> None:
    """Prepare this process for its tasks; `setup` makes its state when the first task is there."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, which ends its processes
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    _process["setup"] = setup


def run(work: Callable[[Any, Any], Any], tasks: Sequence[Any]) -> list[Any]:
    """Give the results of tasks."""
    if "state" not in _process:
        _process["state"] = _process["setup"]()
    return [work(_process["state"], task) for task in tasks]


def _end_with_the_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGKILL)
