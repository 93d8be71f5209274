"""Progress and messages in the terminal: results on standard output, everything else on standard error."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from mnistry.cli.interruption import raise_again
from mnistry.datasets.loading import Dataset
from mnistry.reporting.language import ENGLISH, Language, message
from mnistry.runtime import run_folder
from mnistry.runtime.callbacks import Callbacks
from mnistry.training import text as training_text
from mnistry.training.lesson.terminal import title

if TYPE_CHECKING:
    from mnistry.training.loop import TrainProgress
    from mnistry.training.result import Result

INDENT = "    "
STEPS = 11  # of the lesson
LINE_EVERY = 10  # seconds between plain lines on a long work's progress, without a terminal


def step(number: int, name: str, text: str) -> None:
    """Print a step of the lesson: its number and name, and below what there is to say."""
    body = "\n".join((INDENT + line).rstrip() for line in text.splitlines())
    print(f"{number:>2}  {name}\n{body}\n", flush=True)


def warn(text: str) -> None:
    """Print something that must not be overlooked."""
    lines = [f"!  {line}" for line in text.splitlines()]
    print("\n".join(["", *lines, ""]), file=sys.stderr, flush=True)


def warn_about(dataset: Dataset, language: Language = ENGLISH) -> None:
    """Warn that a data set replaces MNIST, and of anything else that is wrong with its source."""
    for remark in dataset.remarks:
        warn(remark)
    if dataset.fallback is not None:
        head = message("THIS IS NOT MNIST: going on with {title}, which come with the software.", title=title(dataset))
        warn(f"{language.say(head)}\n{dataset.fallback}")


def for_the_lesson(bars: LiveBars, language: Language, *, wait: bool = False) -> Callbacks:
    """Show the steps and the progress of the lesson, and perhaps wait for Enter after each step but the last."""

    def listen(number: int, name: str, text: str) -> None:
        step(number, name, text)
        raise_again()
        if wait and number < STEPS:
            print("[Enter] ", end="", file=sys.stderr, flush=True)
            sys.stdin.readline()

    return Callbacks(
        step=listen,
        loaded=partial(warn_about, language=language),
        training=bars.training,
        download=bars.download,
        warning=warn,
    )


def for_a_training(bars: LiveBars) -> Callbacks:
    """Tell a person how a training goes on, with a line an epoch."""

    def epoch(record: dict[str, Any], epochs: int) -> None:
        bars.clear()
        print(training_text.format_epoch(record, epochs), flush=True)
        raise_again()

    return Callbacks(loaded=warn_about, training=bars.training, epoch=epoch, download=bars.download, warning=warn)


def for_an_evaluation(bars: LiveBars) -> Callbacks:
    """Show the progress of an evaluation, a check or a search."""
    return Callbacks(loaded=warn_about, download=bars.download, progress=bars.parts, warning=warn)


def say_where(folder: Path, result: Result, language: Language = ENGLISH) -> None:
    """Print where the report is; the last line of a run."""
    if result.dataset.fallback is not None:
        warning = message(
            "This was not MNIST but {title}: see the reasons above and in the report.", title=title(result.dataset)
        )
        warn(language.say(warning))
    head, took = message("report"), message("{seconds:.1f} s in all", seconds=result.seconds["total"])
    print(f"{language.say(head)}  {folder / run_folder.REPORT}   ({language.say(took)})")


class LiveBars:
    """Progress bars on standard error, gone when the work is done; plain lines or nothing elsewhere."""

    def __init__(self, language: Language = ENGLISH) -> None:
        """Show nothing yet; a training is shown in this language."""
        self._language = language
        self._console = Console(stderr=True)
        self._shown: Progress | None = None
        self._task = TaskID(0)
        self._description = ""
        self._next_line = 0.0

    def __enter__(self) -> Self:
        """The bars themselves."""
        return self

    def __exit__(self, *_: object) -> None:
        """Clear away what is shown."""
        self.clear()

    def download(self, name: str, received: int, size: int) -> None:
        """Show how much of a file has arrived."""
        raise_again()
        if not self._console.is_terminal:
            if received == size:
                print(f"Downloaded {name}, {size:,} bytes.", file=sys.stderr, flush=True)
            return
        self._show(name, received, size, DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())

    def training(self, moment: TrainProgress) -> None:
        """Show epoch, steps a second, loss, accuracy and the time left."""
        raise_again()
        if not self._console.is_terminal:
            return
        say, accuracy = self._language.say, moment.logs.get("accuracy", math.nan)
        logs = message("loss {loss:.4f}  accuracy {accuracy:.2%}", loss=moment.logs["loss"], accuracy=accuracy)
        self._show(
            say(message("train")),
            (moment.epoch - 1) * moment.steps + moment.step,
            moment.epochs * moment.steps,
            TextColumn("{task.fields[epoch]}  {task.fields[rate]}  {task.fields[logs]}"),
            TimeRemainingColumn(),
            TextColumn(say(message("left"))),
            epoch=say(message("epoch {n}/{epochs}", n=moment.epoch, epochs=moment.epochs)),
            rate=say(message("{rate:,.0f} steps/s", rate=moment.steps_per_second)),
            logs=say(logs),
        )

    def parts(self, what: str, done: int, total: int) -> None:
        """Show the name of the work, the part that is done, and the time left."""
        raise_again()
        if not self._console.is_terminal:
            return
        text = TextColumn("{task.completed:.0f} of {task.total:.0f}  {task.fields[logs]}")
        self._show("done", done, total, text, TimeRemainingColumn(), TextColumn("left"), logs=what)

    def pictures(self, done: int, total: int, rate: float) -> None:
        """Show how many pictures are read, how many a second, and the time left."""
        raise_again()
        seconds = (total - done) / rate if rate else None
        left = "" if seconds is None else f"{timedelta(seconds=round(seconds))} left"
        speed = f"{rate:,.0f} pictures/s" if rate else "starting"
        if not self._console.is_terminal:
            if time.monotonic() >= self._next_line and done < total:
                self._next_line = time.monotonic() + LINE_EVERY
                print(f"{done:,} of {total:,} pictures  {speed}  {left}".rstrip(), file=sys.stderr, flush=True)
            return
        text = TextColumn("{task.completed:,.0f} of {task.total:,.0f} pictures  {task.fields[logs]}")
        self._show("batch", done, total, text, logs=f"{speed}  {left}")

    def _show(self, name: str, completed: int, total: int, *columns: ProgressColumn, **fields: Any) -> None:
        """Bring the bar of that name up to date; another one gives way to it, and it goes when all is done."""
        if self._shown is None or self._description != name:
            self.clear()
            self._description = name
            bar = (TextColumn("{task.description}"), BarColumn(bar_width=20))
            self._shown = Progress(*bar, *columns, console=self._console, transient=True, redirect_stdout=False)
            self._task = self._shown.add_task(name, total=total, epoch="", rate="", logs="")
            self._shown.start()
        self._shown.update(self._task, completed=completed, **fields)
        if completed == total:
            self.clear()

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Clear the bar for a block that prints, and show it again."""
        if self._shown is not None:
            self._shown.stop()
        yield
        if self._shown is not None:
            self._shown.start()

    def clear(self) -> None:
        """Clear away what is shown; the next report brings it back."""
        if self._shown is not None:
            self._shown.stop()
        self._shown, self._description = None, ""
