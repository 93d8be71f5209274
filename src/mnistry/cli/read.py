"""What `mnistry read` does: readings to standard output as they come, everything else to standard error."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mnistry.errors import UsageError
from mnistry.ocr import read_many
from mnistry.ocr import text as ocr_text
from mnistry.ocr.read_many import ReadResult

if TYPE_CHECKING:
    from collections.abc import Callable

    from mnistry.ocr.visualization import Album


def run(pictures: Sequence[str], *, model: Path | None, single: bool, as_json: bool, annotate: Path | None) -> bool:
    """Reads pictures and prints what they say; whether all could be read.

    Args:
        pictures: files, folders, `-`.
        model: a model file; None is the one that comes with the package.
        single: whether each picture shows one digit.
        as_json: whether to print JSON.
        annotate: the folder for pictures with the answers drawn on them.
    """
    names = read_many.names(pictures)
    album = None if annotate is None else _album(annotate)
    complete = True
    with _bar(len(names)) as advance:
        for done, outcome in enumerate(read_many.read_all(names, model=model, single=single), start=1):
            advance(done)
            complete = complete and outcome.error is None
            if as_json:
                print(json.dumps(outcome.as_json(), ensure_ascii=False), flush=True)
            else:
                _print(outcome, named=len(names) > 1)
            if album is not None and outcome.reading is not None:
                _draw(album, outcome)
    return complete


def _print(outcome: ReadResult, *, named: bool) -> None:
    if outcome.reading is None:
        print(f"mnistry: {outcome.error}", file=sys.stderr, flush=True)
        return
    print(ocr_text.lines(outcome.reading, named=named), flush=True)
    if sys.stdout.isatty() and outcome.reading.digits:
        print(f"\n{ocr_text.seen(outcome.reading.digits, shutil.get_terminal_size().columns)}\n", flush=True)


def _album(folder: Path) -> Album:
    from mnistry.ocr.visualization import Album

    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--annotate must name a folder; {folder} is a file.")
    return Album(folder)


def _draw(album: Album, outcome: ReadResult) -> None:
    from mnistry.ocr.visualization import annotated

    reading = outcome.reading
    if reading is not None:
        source = read_many.standard_input() if outcome.source == read_many.STANDARD_INPUT else outcome.source
        annotated(source, reading.digits).save(album.path(outcome.source))


@contextmanager
def _bar(total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar on standard error where there are several pictures and somebody looks at it."""
    if total < 2 or not sys.stderr.isatty():
        yield _nothing
        return
    from mnistry.cli import progress

    with progress.LiveBars() as bars:
        yield lambda done: bars.parts("pictures", done, total)


def _nothing(_: int) -> None:
    """Shows no progress."""
