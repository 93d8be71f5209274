"""The worker of a batch: an actor that loads the recognizer once and reads parts into files."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from mnistry.batch import output, storage
from mnistry.batch.array_source import ImageFile, open_images
from mnistry.batch.output import Counts
from mnistry.batch.parquet_source import PICTURES, Column, ParquetRows, extract_images
from mnistry.batch.plan import PieceList, Plan
from mnistry.batch.sources import ARRAY, FOLDER, LIST, Piece
from mnistry.errors import MnistryError, PictureError
from mnistry.ocr.image_io import MAX_BYTES
from mnistry.ocr.recognizer import Recognizer, read_one, to_result
from mnistry.ocr.result import ReadResult
from mnistry.runtime.parallel import ProcessPool

if TYPE_CHECKING:
    import pyarrow as pa

    from mnistry.batch.storage import Place

PAUSES = (1.0, 4.0)  # seconds before what failed in another place than this machine is tried again
NO_IMAGE = "The row holds no image: expected 28×28 or 784 integers from 0 to 255."
NO_IMAGES = np.empty((0, 28, 28), np.uint8)
SECONDS = 60.0  # that a picture may take; on any machine far more than the largest needs
Picture = tuple[str, bytes | str]  # its name, and its content or why there is none
T = TypeVar("T")


class Reader:
    """Read parts of a plan, with one thread; each becomes a file, and is the same file however often it is read."""

    def __init__(self, plan: Plan, out: str, model: bytes) -> None:
        """Load the recogniser.

        Args:
            plan: the plan of the batch.
            out: the address of the output's folder.
            model: the content of the model file.
        """
        self._plan, self._out = plan, storage.locate(out)
        self._recognizer = Recognizer.from_bytes(model, threads=1)
        self._reading: ProcessPool[Recognizer, Picture, ReadResult] = ProcessPool(
            partial(Recognizer.from_bytes, model, threads=1),
            partial(read_picture, single=plan.single),
            processes=1,
            seconds=SECONDS,
        )
        self._list: PieceList | None = None
        self._opened: tuple[str, ImageFile | ParquetRows] | None = None

    def __call__(self, batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Read the parts of a batch.

        Args:
            batch: `part`, int64 (n,): their numbers.

        Returns:
            For each its `part`, how many `pictures` it has, how many are `unsure` and `failed`, all int64 (n,); what
            `stopped` it, one sentence, empty where the file is written; and when it `began`, in seconds since 1970.
        """
        began = time.time()
        done = [self._read(int(part)) for part in batch["part"]]
        counts = {name: np.array([asdict(each)[name] for each, _ in done]) for name in asdict(Counts())}
        stopped = np.array([stopped for _, stopped in done], object)
        return {"part": batch["part"], **counts, "stopped": stopped, "began": np.full(len(done), began)}

    def _read(self, part: int) -> tuple[Counts, str]:
        try:
            table = self._table(self._pieces(part))
            place = self._out.below(output.name_part(part))
            return _retry(place, lambda: output.write(place, table, part, self._plan.digest)), ""
        except MnistryError as error:
            return Counts(), f"On {platform.node()}: {error}"
        except Exception as error:  # OSError where a disk is full; a store's client has errors of its own
            why = f"{self._out.given} cannot be written: {storage.explain_error(error)}."
            return Counts(), f"On {platform.node()}: {why}"

    def _pieces(self, part: int) -> list[Piece]:
        """The pieces of a part. The first time, it is made sure that this machine sees what it needs."""
        if self._list is None:
            source = self._plan.source.place()
            if self._plan.source.form != LIST:
                _retry(source, lambda: storage.find_entry(source))
            self._list = _retry(self._out, lambda: PieceList(self._out))
        return self._list.part(part, self._plan.group_of(part))

    def _table(self, pieces: Sequence[Piece]) -> pa.Table:
        """The rows of pieces, every picture of them once, whatever happens to the files."""
        import pyarrow as pa

        if self._plan.source.form in (FOLDER, LIST):
            places = [self._plan.source.place(piece.file) for piece in pieces]
            return self._of_pictures([(place.given, partial(_read_content, place)) for place in places])
        return pa.concat_tables([table for piece in pieces for table in self._tables(piece)])

    def _tables(self, piece: Piece) -> Iterator[pa.Table]:
        """The rows of a piece of a file with many. What can no longer be read becomes rows with the reason."""
        place, done = self._plan.source.place(piece.file), 0
        for pause in (*(() if place.local else PAUSES), None):
            try:
                for values in self._values(place, piece.first + done, piece.rows - done):
                    yield self._of_values(values, place.given, piece.first + done)
                    done += len(values)
                return
            except MnistryError as error:
                self._opened = None
                if pause is None:
                    left = piece.rows - done
                    yield self._of_images(
                        _name_rows(place.given, piece.first + done, left), NO_IMAGES, np.zeros(left, bool), str(error)
                    )
                else:
                    time.sleep(pause)

    def _values(self, place: Place, first: int, n: int) -> Iterator[np.ndarray | pa.Array]:
        """Rows of a file, some at a time; the file stays open for the next part."""
        source = self._plan.source
        if self._opened is None or self._opened[0] != place.path:
            self._opened = place.path, open_images(place, source.column) if source.form == ARRAY else ParquetRows(place)
        file = self._opened[1]
        if isinstance(file, ImageFile):
            yield file.read(first, n)
        else:
            yield from file.read(Column(source.column or "", source.kind), first, n)

    def _of_values(self, values: np.ndarray | pa.Array, name: str, first: int) -> pa.Table:
        if self._plan.source.kind == PICTURES:
            named = ((f"{name}#{row}", value.as_py()) for row, value in enumerate(values, first))
            return self._of_pictures([(name, partial(_check_present, name, content)) for name, content in named])
        images, good = (
            (values, np.ones(len(values), bool)) if isinstance(values, np.ndarray) else extract_images(values)
        )
        return self._of_images(_name_rows(name, first, len(values)), images, good, NO_IMAGE)

    def _of_images(self, names: pa.Array, images: np.ndarray, good: np.ndarray, error: str) -> pa.Table:
        single = self._plan.single
        return output.tabulate_images(self._recognizer, names, images, good, error=error, single=single)

    def _of_pictures(self, pictures: Sequence[tuple[str, Callable[[], bytes]]]) -> pa.Table:
        """The rows of pictures, each given as its name and a function that gets its content.

        They are read in a process beside: one that hangs or crashes it costs itself only.
        """
        names = [name for name, _ in pictures]
        results = self._reading.map(_fetch(name, content) for name, content in pictures)
        return output.tabulate_results(list(map(to_result, names, results)), len(self._recognizer.info.class_names))


def read_picture(recognizer: Recognizer, picture: Picture, *, single: bool) -> ReadResult:
    """Read a picture, or say why it cannot be read.

    Args:
        recognizer: the model that answers.
        picture: its name, and its content or why there is none.
        single: whether it shows one digit.
    """
    name, content = picture
    if isinstance(content, str):
        return ReadResult(name, None, content)
    return read_one(recognizer, (name, content), single=single)


def _fetch(name: str, content: Callable[[], bytes]) -> Picture:
    try:
        return name, content()
    except PictureError as error:
        return name, str(error)


def _read_content(place: Place) -> bytes:
    """The content of a picture's file, no more of it than a picture may have."""

    def read() -> bytes:
        with storage.open_file(place) as file:
            return file.read(MAX_BYTES + 1)

    try:
        return _retry(place, read)
    except Exception as error:  # OSError; a null in a path; a store's client has errors of its own
        raise PictureError(f"{place.given} cannot be read: {storage.explain_error(error)}.") from None


def _check_present(name: str, content: bytes | None) -> bytes:
    """The content of a picture that a row of Parquet holds."""
    if content is None:
        raise PictureError(f"{name} holds no picture: its value is null.")
    return content


def _retry(place: Place, action: Callable[[], T]) -> T:
    """Do something; what fails in another place than this machine is tried again, as it may be busy."""
    for pause in () if place.local else PAUSES:
        try:
            return action()
        except FileNotFoundError:
            raise
        except Exception:  # a store's client has errors of its own
            time.sleep(pause)
    return action()


def _name_rows(name: str, first: int, n: int) -> pa.Array:
    """Name the rows of a file: its name, `#` and the row's number."""
    import pyarrow as pa
    import pyarrow.compute as pc

    numbers = pa.array(np.arange(first, first + n)).cast(pa.string())
    return pc.binary_join_element_wise(name, numbers, "#")
