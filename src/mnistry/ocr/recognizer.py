"""The recognizer: a classifier that also reads pictures, one or many.

All ways lead here: the command line and batches by `read_all` and `read_one`, the service by `Recognizer.read`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, partial
from threading import Lock
from typing import TYPE_CHECKING

from mnistry.errors import MnistryError
from mnistry.models.classifier import Classifier
from mnistry.ocr import pipeline
from mnistry.ocr.image_io import MAX_BYTES, STANDARD_INPUT
from mnistry.ocr.result import ReadResult
from mnistry.runtime.parallel import LostTask, ProcessPool, count_cpus

if TYPE_CHECKING:
    from mnistry.ocr.image_io import Source
    from mnistry.ocr.result import Digit, Reading

MANY = 150  # pictures: with fewer, starting processes takes longer than they save
AT_ONCE = 4  # pictures that a process is handed at a time
SECONDS = 60.0  # that a picture may take; on any machine far more than the largest needs


class Recognizer(Classifier):
    """A model ready to read pictures. Thread-safe. Keeps no threads between calls.

    Takes what `Classifier` takes: the path of a model file, a run folder or a .keras file, or nothing for the built-in
    model.

    >>> Recognizer().read("examples/375.jpg").text
    '375'
    """

    def read(self, picture: Source, *, single: bool = False, name: str | None = None, page: int = 1) -> Reading:
        """Read all digits in a picture. The command line, the service and batches read through this method too.

        Args:
            picture: a path, a file's bytes, an open binary file, a PIL image or an array; see `open_image`.
            single: whether the picture shows exactly one digit, to which all of its ink belongs.
            name: the picture's name in the reading's `source` and in errors; None for the file's own.
            page: the page of a PDF or TIFF file, from 1.

        Raises:
            PictureError: it is not a picture, is damaged, or too large.
        """
        return pipeline.read(self, picture, single=single, name=name, page=page)

    def read_digit(self, picture: Source) -> Digit | None:
        """Read a picture of exactly one digit. Returns None if it is blank. See `read`."""
        return pipeline.read_digit(self, picture)


_loading = Lock()


def read(picture: Source, *, single: bool = False) -> Reading:
    """Read the handwritten digits in a picture with the built-in model, which is loaded once.

    Thread-safe. For another model, see `Recognizer`.

    Args:
        picture: a path, a file's bytes, an open binary file, a PIL image or an array; see `open_image`.
        single: whether the picture shows exactly one digit, to which all of its ink belongs.

    Returns:
        A reading: `text`, and for each digit its class, probability, box and whether the model is sure.

    Raises:
        PictureError: it is not a picture, is damaged, or too large.

    >>> reading = read("examples/375.jpg")
    >>> reading
    Reading('375', sure=True)
    >>> reading.text
    '375'
    """
    with _loading:
        recognizer = _built_in()
    return recognizer.read(picture, single=single)


@cache
def _built_in() -> Recognizer:
    return Recognizer()


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
