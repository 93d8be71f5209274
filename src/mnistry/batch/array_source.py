"""28×28 images in IDX, NPY and NPZ files of any size, read one range at a time.

Tables (CSV), HDF5 and MATLAB files are read whole.

A stream that is compressed can only be read onward. It stays open, and what is asked for in rising order costs one
pass; what lies before it costs another.
"""

from __future__ import annotations

import gzip
import io
import math
import struct
import zipfile
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from mnistry.batch import storage
from mnistry.datasets.formats import array_files, idx, npy, tables
from mnistry.errors import DataError, UsageError
from mnistry.runtime.file_signatures import GZIP, NPY, ZIP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mnistry.batch.storage import Place

PIXELS = 28 * 28
IDX_START = b"\0\0"
MAX_RATIO = 1100  # deflate cannot make more bytes of one: a header that promises more is not believed
CHUNK = 1 << 20  # bytes
HEAD = 1 << 16  # bytes by which a file is recognised
CELLS = 28  # separators in its first line make a text a table: no path has that many
DAMAGES = (
    zlib.error, EOFError, gzip.BadGzipFile, zipfile.BadZipFile, struct.error, NotImplementedError, RuntimeError,
    UnicodeDecodeError,  # of a name in an NPZ file
)  # fmt: skip
SHAPES = "(n, 28, 28), (n, 28, 28, 1) or (n, 784)"


class ImageFile:
    """An open file of `count` images."""

    def __init__(self, name: str, stream: IO[bytes], start: int, count: int) -> None:
        """Take an open file; see `open_images`."""
        self._name, self._stream, self._start = name, stream, start
        self.count = count

    def read(self, first: int, n: int) -> np.ndarray:
        """Images `first` to `first + n - 1`, uint8 (n, 28, 28).

        Raises:
            DataError: the file is damaged or ends before.
        """
        with _explain_damage(self._name):
            self._stream.seek(self._start + first * PIXELS)
            content = self._stream.read(n * PIXELS)
        if len(content) < n * PIXELS:
            raise DataError(f"{self._name} is cut short: it ends before image {first + len(content) // PIXELS}.")
        return np.frombuffer(content, np.uint8).reshape(n, 28, 28)

    def check(self) -> None:
        """Read what has a checksum once to its end, where that is compared.

        Raises:
            DataError: the file is damaged.
        """
        if isinstance(self._stream, gzip.GzipFile | zipfile.ZipExtFile):
            with _explain_damage(self._name):
                self._stream.seek(0)
                while self._stream.read(CHUNK):
                    pass


def is_image_file(head: bytes) -> bool:
    """Tell by its first bytes whether a file is one of those that are read here."""
    return head.startswith((NPY, *ZIP, IDX_START, GZIP)) or array_files.is_one(head) or _is_table(head)


def _is_table(head: bytes) -> bool:
    """Tell whether a text is a table of pixels: its first line has more cells than any path has commas."""
    line = head.partition(b"\n")[0]
    return max(line.count(separator) for separator in b",;\t|") >= CELLS or len(line.split()) > 2 * CELLS


def open_images(place: Place, array: str | None = None) -> ImageFile:
    """Open a file of images.

    Args:
        place: of an IDX file, packed with gzip or not, an NPY, NPZ, CSV, HDF5 or MATLAB file.
        array: which array of an NPZ file; None is the only one that holds images.

    Raises:
        DataError: it holds no uint8 images of 28×28, or is damaged.
        UsageError: it holds several such arrays, or not the one that is asked for.
    """
    name = place.given
    with _explain_damage(name):
        raw = storage.open_file(place)
        head = raw.read(HEAD)
        raw.seek(0)
        if array is not None and not head.startswith(ZIP):
            raise UsageError(
                f"--column names an array of an NPZ file or a column of a Parquet file; {name} is neither."
            )
        if head.startswith(ZIP):
            return _open_archive(raw, name, array)
        if head.startswith(NPY):
            return _open_npy(raw, name)
        if array_files.is_one(head):
            return _open_whole(place, "an HDF5 or MATLAB file", array_files.read_images)
        size = _measure(raw)
        packed = head.startswith(GZIP)
        if _is_table(gzip.GzipFile(fileobj=raw).read(HEAD) if packed else head):
            return _open_whole(place, "a table", tables.read_images)
        raw.seek(0)
        if packed:
            return _open_idx(gzip.GzipFile(fileobj=raw), name, size * MAX_RATIO)
        return _open_idx(raw, name, size, exact=True)


def _open_whole(place: Place, what: str, read: Callable[[Path], tuple[Any, list[str]]]) -> ImageFile:
    if not place.local:
        raise DataError(f"{place.given} is {what}; one that is not on this machine is not read. Fetch it first.")
    images, _ = read(Path(place.path))
    if not isinstance(images, np.ndarray):
        raise DataError(f"{place.given} is a list of pictures. Name the folder that holds them.")
    if images.shape[1:] != (28, 28):
        raise DataError(f"{place.given} has images of {images.shape[1]}×{images.shape[2]} pixels, expected 28×28.")
    return ImageFile(place.given, io.BytesIO(np.ascontiguousarray(images).tobytes()), 0, len(images))


def _open_idx(stream: Any, name: str, size: int, *, exact: bool = False) -> ImageFile:
    shape, dtype = idx.read_header(stream.read(20), name)
    _check_form(name, shape, dtype)
    start = 4 + 4 * len(shape)
    promised = start + math.prod(shape)
    if promised > size or (exact and promised != size):
        raise DataError(
            f"{name} has not the size that its header promises: {promised:,} bytes, received "
            f"{'' if exact else 'at most '}{size:,}. Fetch it again."
        )
    return ImageFile(name, stream, start, shape[0])


def _open_archive(raw: IO[bytes], name: str, array: str | None) -> ImageFile:
    archive = zipfile.ZipFile(raw)
    found: dict[str, ImageFile] = {}
    others: dict[str, str] = {}
    for member in archive.infolist():
        key = member.filename.removesuffix(".npy")
        try:
            found[key] = _open_npy(archive.open(member), f"{name}, array {key}", member.file_size)
        except DataError as error:
            others[key] = str(error)
    if array is not None and array in others:
        raise DataError(others[array])
    if array is not None and array not in found:
        raise UsageError(
            f"{name} has no array {array!r}. Name one of these with --column: {', '.join(found) or 'none'}."
        )
    if not found:
        raise DataError(f"{name} holds no array of images: expected uint8 {SHAPES}.")
    if array is None and len(found) > 1:
        raise UsageError(f"{name} holds several arrays of images. Name one with --column: {', '.join(found)}.")
    return found[array or next(iter(found))]


def _open_npy(stream: Any, name: str, size: int | None = None) -> ImageFile:
    """An array's file; `size` is what its archive says of it."""
    shape, fortran, dtype = npy.read_header(stream, name)
    _check_form(name, shape, dtype, fortran=fortran)
    start = stream.tell()
    size = _measure(stream) if size is None else size
    if size != start + math.prod(shape):
        raise DataError(
            f"{name} is damaged: its header promises {math.prod(shape):,} bytes, received {size - start:,}."
        )
    return ImageFile(name, stream, start, shape[0])


def _check_form(name: str, shape: tuple[int, ...], dtype: np.dtype[Any], *, fortran: bool = False) -> None:
    if dtype != np.uint8 or fortran or math.prod(shape[1:]) != PIXELS or len(shape) not in (2, 3, 4):
        raise DataError(f"{name} is {dtype} {shape}, expected uint8 {SHAPES}, 0–255, ink bright on black.")


def _measure(stream: IO[bytes]) -> int:
    position = stream.tell()
    size = stream.seek(0, 2)
    stream.seek(position)
    return size


@contextmanager
def _explain_damage(name: str) -> Iterator[None]:
    """Say in one sentence what is wrong with a file."""
    try:
        yield
    except (DataError, UsageError):
        raise
    except DAMAGES as error:
        raise DataError(f"{name} is damaged: {storage.explain_error(error)}.") from None
    except OSError as error:
        raise DataError(f"{name} cannot be read: {storage.explain_error(error)}.") from None
