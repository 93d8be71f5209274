"""`mnistry read`: readings to standard output as they come, everything else to standard error."""

from __future__ import annotations

import csv
import json
import shlex
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mnistry.cli import terminal
from mnistry.cli.options import ModelOption, SingleOption, model_file
from mnistry.errors import UsageError
from mnistry.reporting.text import SHADES, format_count
from mnistry.runtime.files import PassedOver

if TYPE_CHECKING:
    import numpy as np

    from mnistry.cli.progress import LiveBars
    from mnistry.ocr.image_io import Source
    from mnistry.ocr.result import Digit, Reading, ReadResult
    from mnistry.ocr.visualization import Album

BETWEEN = "  "  # two images beside each other
TOP = 3
SURE, UNSURE, EMPTY, FAILED = "sure", "with doubts", "without a digit", "not readable"  # outcomes of a picture


def read(
    pictures: Annotated[
        list[str],
        typer.Argument(
            metavar="PICTURE", help="Files, folders of them, tables or arrays of images, or - for standard input."
        ),
    ],
    *,
    single: SingleOption = False,
    model: ModelOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line and picture.")] = False,
    as_csv: Annotated[
        bool,
        typer.Option("--csv", help="Print the numbers as the cells of a table, the picture's name in the first one."),
    ] = False,
    annotate: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write each picture with boxes and answers drawn on it into this folder."),
    ] = None,
) -> None:
    """Read handwritten digits in pictures and print them as text.

    Anything that is not a digit is skipped. In a terminal, the digits of a single picture are shown first as the
    network saw them, each with its three best answers. A picture that cannot be read does not stop the others; the
    exit status is 1 then.
    """
    from mnistry.ocr import image_io, recognizer, visualization

    if as_csv and as_json:
        raise UsageError("--csv and --json exclude each other: name one of them.")
    passed_over = PassedOver()
    (names, held), exported = _with_rows(image_io.list_pictures(pictures, passed_over)), model_file(model)
    if passed_over.count:
        print(f"mnistry: passed over {passed_over}: not named like a picture.", file=sys.stderr)
    if annotate is not None and annotate.exists() and not annotate.is_dir():
        raise UsageError(f"--annotate must name a folder; {annotate} is a file.")
    album = None if annotate is None else visualization.Album(annotate)
    counts: Counter[str] = Counter()
    bars = _bars(len(names))
    with bars or nullcontext():
        for result in recognizer.read_all(names, model=exported, single=single, held=held):
            with bars.hidden() if bars else nullcontext():
                if as_csv:
                    _print_csv(result)
                elif as_json:
                    print(json.dumps(result.as_json(), ensure_ascii=False), flush=True)
                else:
                    _print(result, alone=len(names) == 1)
            if album is not None:
                _annotate(album, result, held)
            counts[_outcome(result)] += 1
            if bars:
                bars.parts("pictures", counts.total(), len(names))
    _say_what_next(counts, pictures, annotated=album is not None)
    if counts[FAILED]:
        raise typer.Exit(1)


def _print(result: ReadResult, *, alone: bool) -> None:
    """Print a result; the answer comes last."""
    reading = result.reading
    if reading is None:
        terminal.print_error(str(result.error))
        return
    if alone and sys.stdout.isatty() and reading.digits:
        print(f"{draw_digits(reading.digits, shutil.get_terminal_size().columns)}\n")
    text = format_lines(reading, named=not alone, unsure=partial(typer.style, fg="yellow"))
    typer.echo(text, color=terminal.colour())
    _say_what_is_missing(reading)


def _print_csv(result: ReadResult) -> None:
    """Print the numbers of a picture as rows of a table."""
    from mnistry.ocr.result import table

    if result.reading is None:
        terminal.print_error(str(result.error))
        return
    rows = csv.writer(sys.stdout, lineterminator="\n")
    rows.writerows([result.source, *row] for row in table(result.reading))
    sys.stdout.flush()
    _say_what_is_missing(result.reading)


def _say_what_is_missing(reading: Reading) -> None:
    """Say on standard error that there is no digit, or that marks were skipped."""
    if not reading.digits:
        terminal.print_error(f"no digit found in {reading.source}.")
    elif reading.skipped:
        reasons = Counter(mark.reason for mark in reading.skipped)
        listed = ", ".join(f"{count} × {reason}" if count > 1 else reason for reason, count in reasons.items())
        terminal.print_error(f"{format_count(len(reading.skipped), 'mark')} skipped in {reading.source} ({listed}).")


def _outcome(result: ReadResult) -> str:
    if result.reading is None:
        return FAILED
    if not result.reading.digits:
        return EMPTY
    return SURE if result.reading.sure else UNSURE


def _say_what_next(counts: Counter[str], pictures: Sequence[str], *, annotated: bool) -> None:
    """Sum several pictures up, and offer to show where the digits are: for a person at a terminal."""
    if not sys.stderr.isatty():
        return
    if counts.total() > 1:
        parts = [f"{counts[kind]:,} {kind}" for kind in (SURE, UNSURE, EMPTY, FAILED) if counts[kind]]
        print(f"{counts.total():,} pictures: {', '.join(parts)}", file=sys.stderr)
    if counts[SURE] + counts[UNSURE] and not annotated:
        terminal.suggest(f"mnistry read --annotate out {shlex.join(pictures)}", "draws boxes and answers on them")


def _annotate(album: Album, result: ReadResult, held: Mapping[str, Source]) -> None:
    from mnistry.ocr import image_io, recognizer
    from mnistry.ocr.visualization import annotate

    if result.reading is not None:
        name = result.source
        source = recognizer.read_standard_input() if name == image_io.STANDARD_INPUT else held.get(name, name)
        annotate(source, result.reading.digits, result.reading.skipped).save(album.path(name))


def _with_rows(names: Sequence[str]) -> tuple[list[str], dict[str, Source]]:
    """The pictures, with the images of tables and arrays in their place; and those images by their names."""
    from mnistry.ocr import image_io

    expanded: list[str] = []
    held: dict[str, Source] = {}
    for name in names:
        if not image_io.is_array_file(name) or not Path(name).is_file():
            expanded.append(name)
            continue
        from mnistry.datasets import unlabelled

        images, remarks = unlabelled.load_pictures(name)
        for remark in remarks:
            terminal.print_error(remark)
        expanded += images
        held |= images
        print(
            f"mnistry: each image in {name} is read as a picture. A table with a class for each: mnistry predict MODEL "
            f"--dataset {shlex.quote(name)}",
            file=sys.stderr,
        )
    return expanded, held


def _bars(total: int) -> LiveBars | None:
    """A progress bar on standard error for several pictures in a terminal."""
    if total < 2 or not sys.stderr.isatty():
        return None
    from mnistry.cli import progress

    return progress.LiveBars()


def format_lines(reading: Reading, *, named: bool, unsure: Callable[[str], str] = str) -> str:
    """Write the text of a picture, perhaps with its name before each line; `unsure` marks digits that are not sure."""
    parts, at = [], 0
    for digit in reading.digits:
        start = reading.text.index(digit.name, at)
        parts += [reading.text[at:start], digit.name if digit.sure else unsure(digit.name)]
        at = start + len(digit.name)
    text = "".join([*parts, reading.text[at:]])
    return "\n".join(f"{reading.source}: {line}" if named else line for line in text.split("\n"))


def draw_digits(digits: Sequence[Digit], width: int) -> str:
    """Draw each digit as the network saw it, with its three best answers below, as many beside each other as fit."""
    blocks = [[*draw_image(digit.image), *_answers(digit)] for digit in digits]
    across = max(1, (width + len(BETWEEN)) // (28 + len(BETWEEN)))
    rows = [blocks[start : start + across] for start in range(0, len(blocks), across)]
    return "\n\n".join(
        "\n".join(BETWEEN.join(line.ljust(28) for line in parts).rstrip() for parts in zip_longest(*row, fillvalue=""))
        for row in rows
    )


def draw_image(pixels: np.ndarray) -> list[str]:
    """Draw an image, uint8 (28, 28), as 14 lines of 28 characters: a character is as high as two are wide.

    >>> import numpy as np
    >>> draw_image(np.full((28, 28), 255, np.uint8))[0]
    '████████████████████████████'
    """
    import numpy as np

    halved = pixels.reshape(14, 2, 28).mean(axis=1)
    levels = np.rint(halved / 255 * (len(SHADES) - 1)).astype(np.int64)
    return ["".join(SHADES[level] for level in row) for row in levels]


def _answers(digit: Digit) -> list[str]:
    best = sorted(range(len(digit.probabilities)), key=lambda i: -digit.probabilities[i])[:TOP]
    answers = "  ".join(f"{digit.class_names[i]} {digit.probabilities[i]:.0%}" for i in best)
    return [answers] if digit.sure else [answers, "not sure"]
