"""`mnistry read`: readings to standard output as they come, everything else to standard error."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mnistry.cli.options import ModelOption, SingleOption
from mnistry.errors import UsageError
from mnistry.runtime.files import PassedOver

if TYPE_CHECKING:
    from mnistry.ocr.read_many import ReadResult
    from mnistry.ocr.visualization import Album


def read(
    pictures: Annotated[
        list[str], typer.Argument(metavar="PICTURE...", help="Files, folders of them, or - for standard input.")
    ],
    *,
    single: SingleOption = False,
    model: ModelOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line and picture.")] = False,
    annotate: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write each picture with boxes and answers drawn on it into this folder."),
    ] = None,
) -> None:
    """Read handwritten digits in pictures and print them as text.

    Anything that is not a digit is skipped. In a terminal, each digit is shown as the network saw it, with its three
    best answers. A picture that cannot be read does not stop the others; the exit status is 1 then.
    """
    from mnistry.ocr import read_many

    passed_over = PassedOver()
    names = read_many.names(pictures, passed_over)
    if passed_over.count:
        print(f"mnistry: passed over {passed_over}: not named like a picture.", file=sys.stderr)
    album = None if annotate is None else _album(annotate)
    complete = True
    with _progress(len(names)) as advance:
        for done, result in enumerate(read_many.read_all(names, model=model, single=single), start=1):
            advance(done)
            complete = complete and result.error is None
            if as_json:
                print(json.dumps(result.as_json(), ensure_ascii=False), flush=True)
            else:
                _print(result, named=len(names) > 1)
            if album is not None:
                _annotate(album, result)
    if not complete:
        raise typer.Exit(1)


def _print(result: ReadResult, *, named: bool) -> None:
    from mnistry.ocr import text as ocr_text

    if result.reading is None:
        print(f"mnistry: {result.error}", file=sys.stderr, flush=True)
        return
    print(ocr_text.lines(result.reading, named=named), flush=True)
    if sys.stdout.isatty() and result.reading.digits:
        print(f"\n{ocr_text.seen(result.reading.digits, shutil.get_terminal_size().columns)}\n", flush=True)


def _album(folder: Path) -> Album:
    from mnistry.ocr.visualization import Album

    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--annotate must name a folder; {folder} is a file.")
    return Album(folder)


def _annotate(album: Album, result: ReadResult) -> None:
    from mnistry.ocr import read_many
    from mnistry.ocr.visualization import annotated

    if result.reading is not None:
        source = read_many.standard_input() if result.source == read_many.STANDARD_INPUT else result.source
        annotated(source, result.reading.digits).save(album.path(result.source))


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar on standard error for several pictures in a terminal; otherwise nothing."""
    if total < 2 or not sys.stderr.isatty():
        yield lambda _: None
        return
    from mnistry.cli import progress

    with progress.LiveBars() as bars:
        yield lambda done: bars.parts("pictures", done, total)
