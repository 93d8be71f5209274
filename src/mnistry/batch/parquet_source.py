"""A Parquet file's column of pictures or of 28×28 arrays, read onward in bounded memory."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mnistry.batch import storage
from mnistry.batch.array_source import PIXELS
from mnistry.errors import DataError, UsageError
from mnistry.runtime.file_signatures import is_picture

if TYPE_CHECKING:
    import pyarrow as pa

    from mnistry.batch.storage import Place

PICTURES, IMAGES = "pictures", "images"
AT_ONCE = {PICTURES: 32, IMAGES: 2048}  # rows decoded at a time: pictures may have megabytes each
BUFFER = 1 << 20  # bytes of a column that are fetched at a time


@dataclass(frozen=True)
class Column:
    """A column that can be read.

    Attributes:
        path: its name, with that of the field inside it after a dot.
        kind: whether its values are pictures, as the bytes of their files, or images, as 784 numbers each.
    """

    path: str
    kind: str


class ParquetRows:
    """An open Parquet file with `count` rows."""

    def __init__(self, place: Place) -> None:
        """Open it.

        Raises:
            DataError: it is none, or damaged.
        """
        import pyarrow.parquet as pq

        self._name = place.given
        try:
            self._file = pq.ParquetFile(storage.open_file(place), pre_buffer=False, buffer_size=BUFFER)
        except Exception as error:  # of pyarrow's, and of a store's client
            raise DataError(f"{self._name} cannot be read as Parquet: {storage.explain_error(error)}.") from None
        metadata = self._file.metadata
        self.count = int(metadata.num_rows)
        sizes = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
        self._starts = np.cumsum([0, *sizes]).tolist()
        self._batches: Iterator[pa.Array] = iter(())
        self._rest: pa.Array | None = None  # values that are decoded already, from the position on
        self._position = self.count

    def column(self, wanted: str | None) -> Column:
        """The column to read.

        Args:
            wanted: its name; None is the only one that can be read.

        Raises:
            DataError: none holds pictures or images.
            UsageError: several do, or not the one that is asked for.
        """
        found = [column for field in self._file.schema_arrow for column in self._readable(field)]
        if wanted is not None:
            found = [column for column in found if wanted in (column.path, column.path.rpartition(".")[0])]
        names = ", ".join(column.path for column in found)
        if len(found) > 1:
            raise UsageError(f"{self._name} has several columns that can be read. Name one with --column: {names}.")
        if not found:
            held = ", ".join(f"{field.name} ({field.type})" for field in self._file.schema_arrow)
            message = (
                f"{self._name} has no column {'' if wanted is None else repr(wanted) + ' '}that can be read: expected "
                f"the bytes of pictures, or lists of 28×28 or 784 integers; received {held:.500}."
            )
            raise DataError(message) if wanted is None else UsageError(message)
        return found[0]

    def read(self, column: Column, first: int, n: int) -> Iterator[pa.Array]:
        """The values of rows `first` to `first + n - 1`, some at a time.

        Raises:
            DataError: the file is damaged or ends before.
        """
        try:
            group = bisect_right(self._starts, first) - 1
            if not self._starts[group] <= self._position <= first:
                self._batches, self._rest, self._position = self._decode(column, group), None, self._starts[group]
            while self._position < first:
                self._take(first - self._position)
            end = first + n
            while self._position < end:
                yield self._take(end - self._position)
        except DataError:
            raise
        except Exception as error:  # of pyarrow's, and of a store's client
            reached, self._position = self._position, self.count  # the next time it starts anew
            raise DataError(
                f"{self._name} cannot be read after row {reached}: {storage.explain_error(error)}."
            ) from None

    def _decode(self, column: Column, first: int) -> Iterator[pa.Array]:
        """The column from a row group on; each group by itself, so that a damaged one spoils no other."""
        for group in range(first, self._file.metadata.num_row_groups):
            for batch in self._file.iter_batches(AT_ONCE[column.kind], [group], [column.path], use_threads=False):
                yield _inner(batch.column(0), column.path)

    def _take(self, most: int) -> pa.Array:
        """Take values from the position on, at least one."""
        while self._rest is None or not len(self._rest):
            self._rest = next(self._batches, None)
            if self._rest is None:
                raise DataError(f"{self._name} is cut short: it ends before row {self._position}.")
        taken, self._rest = self._rest.slice(0, most), self._rest.slice(most)
        self._position += len(taken)
        return taken

    def _readable(self, field: pa.Field, prefix: str = "") -> Iterator[Column]:
        import pyarrow.types as types

        path, kind = prefix + field.name, field.type
        if types.is_struct(kind):
            for number in range(kind.num_fields):
                inner = kind.field(number)
                if types.is_binary(inner.type) or types.is_large_binary(inner.type):
                    yield from self._readable(inner, f"{path}.")
        elif types.is_fixed_size_binary(kind) and kind.byte_width == PIXELS:
            yield Column(path, IMAGES)
        elif types.is_binary(kind) or types.is_large_binary(kind):
            yield Column(path, IMAGES if self._bare(path) else PICTURES)
        elif _lists_of_integers(kind):
            yield Column(path, IMAGES)

    def _bare(self, path: str) -> bool:
        """Tell whether a column of bytes holds raw pixels: the first value has 784 and no mark of a picture."""
        for batch in self._file.iter_batches(1, columns=[path], use_threads=False):
            value = _inner(batch.column(0), path)[0].as_py()
            if value is not None:
                return len(value) == PIXELS and not is_picture(value)
        return False


def extract_images(values: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Images out of a column's values.

    Returns:
        The images, uint8 (m, 28, 28), and which of the n values are images, bool (n,), m of them set.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.types as types

    good = values.is_valid().to_numpy(zero_copy_only=False)
    if types.is_fixed_size_binary(values.type):
        values = values.cast(pa.binary())
    if types.is_binary(values.type) or types.is_large_binary(values.type):
        good &= pc.fill_null(pc.equal(pc.binary_length(values), PIXELS), False).to_numpy(zero_copy_only=False)
        content = b"".join(values.filter(pa.array(good)).to_pylist())
        return np.frombuffer(content, np.uint8).reshape(-1, 28, 28), good
    rows, n = np.arange(len(values)), len(values)
    while not types.is_integer(values.type):
        rows = rows[pc.list_parent_indices(values).to_numpy(zero_copy_only=False)]
        values = values.flatten()
    good &= np.bincount(rows, minlength=n) == PIXELS
    if values.null_count or not types.is_uint8(values.type):
        numbers = values.cast(pa.int64()).fill_null(-1).to_numpy()
        good &= np.bincount(rows[(numbers < 0) | (numbers > 255)], minlength=n) == 0
    else:
        numbers = values.to_numpy()
    kept = numbers if good.all() else numbers[good[rows]]
    return kept.astype(np.uint8, copy=False).reshape(-1, 28, 28), good


def _lists_of_integers(kind: pa.DataType) -> bool:
    import pyarrow.types as types

    depth = 0
    while types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        kind, depth = kind.value_type, depth + 1
    return depth in (1, 2, 3) and types.is_integer(kind)


def _inner(values: pa.Array, path: str) -> pa.Array:
    """The values of a column, those of its field where the path names one."""
    import pyarrow.compute as pc
    import pyarrow.types as types

    return pc.struct_field(values, path.rpartition(".")[2]) if types.is_struct(values.type) else values
