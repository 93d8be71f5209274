"""Ctrl-C and SIGTERM are heard wherever they arrive."""

from __future__ import annotations

import signal
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from mnistry.cli import interruption, progress
from mnistry.reporting.language import ENGLISH

# A signal arrives in a callback of the garbage collector, where Python drops what its handler raises.
DROPPED = """
import gc, signal, sys, time
from mnistry.cli import interruption

interruption.listen()

def collect(*_):
    gc.callbacks.remove(collect)
    signal.raise_signal(signal.{name})

gc.callbacks.append(collect)
gc.collect()
print("dropped", flush=True)
try:
    time.sleep(60)
except BaseException as error:
    print(type(error).__name__, flush=True)
    interruption.leave(7)
"""


@pytest.mark.parametrize(("name", "kind"), [("SIGINT", "KeyboardInterrupt"), ("SIGTERM", "SystemExit")])
def test_a_signal_whose_exception_is_dropped_comes_again(name: str, kind: str) -> None:
    program = [sys.executable, "-c", DROPPED.format(name=name)]
    answer = subprocess.run(program, capture_output=True, text=True, timeout=50, check=False)
    assert (answer.returncode, answer.stdout, answer.stderr) == (7, f"dropped\n{kind}\n", "")


def test_other_exceptions_that_are_dropped_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[object] = []
    monkeypatch.setattr(sys, "__unraisablehook__", shown.append)
    dropped: Any = SimpleNamespace(exc_type=ValueError)
    interruption._hear_dropped(dropped)
    assert shown == [dropped]


@pytest.mark.parametrize(
    ("received", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit), (None, None)]
)
def test_a_signal_that_nobody_heard_is_raised_at_the_next_report(
    received: int | None, error: type[BaseException] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interruption, "_received", received)
    record = {"epoch": 1, "loss": 0.5, "accuracy": 0.9, "seconds": 1.0}
    with progress.LiveBars() as bars:
        reports = (
            lambda: bars.parts("search", 2, 3),
            lambda: bars.pictures(1, 2, 3.0),
            lambda: bars.download("it", 1, 2),
            lambda: bars.training(SimpleNamespace()),  # type: ignore[arg-type] # it is looked at in a terminal only
            lambda: progress.for_the_lesson(bars, ENGLISH).step(1, "Load", "the data"),
            lambda: progress.for_a_training(bars).epoch(record, 2),
        )
        for report in reports:
            if error is None:
                report()
            else:
                with pytest.raises(error):
                    report()


LEAVES = """
import atexit, sys, threading, time, types
from mnistry.cli import interruption

class TornDown:
    def __del__(self):
        print("torn down", flush=True)

kept = TornDown()
atexit.register(print, "called")
print("buffered", end=" ")
{before}
interruption.end()
"""


@pytest.mark.parametrize(
    ("before", "printed"),
    [
        ("sys.modules['jax'] = types.ModuleType('jax')", "buffered called\n"),
        ("", "buffered called\ntorn down\n"),
        ("sys.modules |= dict.fromkeys(['jax', 'ray'], types)", "buffered called\ntorn down\n"),
        (
            "sys.modules['jax'] = types; threading.Thread(target=lambda: (time.sleep(0.3), print('done'))).start()",
            "buffered done\ncalled\ntorn down\n",
        ),
    ],
    ids=["JAX", "no JAX", "Ray", "a thread"],
)
def test_a_verb_that_did_its_work_leaves_without_tearing_jax_down(before: str, printed: str) -> None:
    program = [sys.executable, "-c", LEAVES.format(before=before)]
    answer = subprocess.run(program, capture_output=True, text=True, timeout=50, check=False)
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, printed, "")
