"""A stack of pictures read one after the other, in several processes where there are many; none stops the others."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from mnistry.errors import MnistryError, PictureError
from mnistry.ocr.image_io import MAX_BYTES, is_picture, page_count
from mnistry.ocr.recognizer import Recognizer
from mnistry.runtime.files import PassedOver, walk
from mnistry.runtime.parallel import LostTask, ProcessPool, count_cpus

if TYPE_CHECKING:
    from mnistry.ocr.image_io import Source
    from mnistry.ocr.result import Reading

STANDARD_INPUT = "-"
SUFFIXES = frozenset(
    (
        ".png",
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".webp",
        ".bmp",
        ".gif",
        ".tif",
        ".tiff",
        ".ppm",
        ".pgm",
        ".pbm",
        ".avif",
        ".heic",
        ".heif",
    )
)
MANY = 150  # pictures: with fewer, starting processes takes longer than they save
AT_ONCE = 4  # pictures that a process is handed at a time
SECONDS = 60.0  # that a picture may take; on any machine far more than the largest needs


@dataclass(frozen=True, eq=False)
class ReadResult:
    """The result of reading a picture.

    Attributes:
        source: the user's name for it.
        reading: the reading, or None.
        error: one sentence on why nothing was, or None.
    """

    source: str
    reading: Reading | None
    error: str | None

    def as_json(self) -> dict[str, Any]:
        """The object that `mnistry read --json` prints for it."""
        if self.reading is None:
            return {"source": self.source, "text": "", "digits": [], "skipped": [], "error": self.error}
        return self.reading.as_json()


def list_pictures(arguments: Sequence[str], passed_over: PassedOver | None = None) -> list[str]:
    """The pictures that arguments name: files, all pictures in and below folders in order of name, `-` as it is.

    Args:
        arguments: files, folders and `-`.
        passed_over: counts the files in folders whose names are not those of pictures.

    Raises:
        PictureError: a folder cannot be listed.
    """
    passed_over = PassedOver() if passed_over is None else passed_over
    found: list[str] = []
    for argument in arguments:
        if not os.path.isdir(argument):
            found.append(argument)
            continue
        try:
            inside = list(walk(argument, SUFFIXES | {".pdf", ""}, passed_over))
        except OSError as error:
            raise PictureError(f"{error.filename} cannot be listed: {error.strerror}.") from None
        pictures = [name for name in inside if os.path.splitext(name)[1] or is_picture(name)]
        for name in sorted(set(inside) - set(pictures)):
            passed_over.add(name)
        found.extend(pictures or [argument])  # opening it says that it is a folder
    return [page for name in found for page in _pages(name)]


def _pages(name: str) -> list[str]:
    """The name of a file, or of each of its pages where it has several."""
    count = 1 if name == STANDARD_INPUT else page_count(name)
    return [f"{name}#page={number}" for number in range(1, count + 1)] if count > 1 else [name]


def read_all(
    pictures: Sequence[str],
    *,
    model: str | os.PathLike[str] | None = None,
    single: bool = False,
    held: Mapping[str, Source] | None = None,
) -> Iterator[ReadResult]:
    """Read pictures by name, in their order; many of them in a process for each core.

    Args:
        pictures: paths, `-` for standard input, or names of `held`.
        model: a model file; None is the one that comes with the package.
        single: whether each picture shows one digit.
        held: pictures in memory by their names, such as the rows of a table.

    Raises:
        ModelError: the model cannot be loaded.
    """
    recognizer = Recognizer.load(model, threads=1)
    held = {} if held is None else held
    tasks = [(name, read_standard_input() if name == STANDARD_INPUT else held.get(name, name)) for name in pictures]
    if len(pictures) < MANY or count_cpus() < 2:
        yield from (read_one(recognizer, task, single=single) for task in tasks)
        return
    setup, work = partial(Recognizer.load, model, threads=1), partial(read_one, single=single)
    with ProcessPool(setup, work, seconds=SECONDS) as pool:
        yield from map(to_result, pictures, pool.map(tasks, chunk=AT_ONCE))


def to_result(name: str, result: ReadResult | LostTask) -> ReadResult:
    """Give the result of a picture, also where the process that read it was lost."""
    return (
        ReadResult(name, None, f"{name} cannot be read: {result.reason}.") if isinstance(result, LostTask) else result
    )


@cache
def read_standard_input() -> bytes:
    """Read standard input, no more of it than a picture may have."""
    return sys.stdin.buffer.read(MAX_BYTES + 1)


def read_one(recognizer: Recognizer, task: tuple[str, Source], *, single: bool) -> ReadResult:
    """Read a picture, given as its name and its source; an error becomes part of the result."""
    name, source = task
    try:
        return ReadResult(name, recognizer.read(source, single=single, name=name), None)
    except MnistryError as error:
        return ReadResult(name, None, str(error))
    except MemoryError:
        return ReadResult(name, None, f"{name} needs more memory than there is.")
