"""Headers of arrays in files, read without trusting them: NumPy's format and MNIST's IDX."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import IO, Any, NamedTuple

import numpy as np

from mnistry.errors import DataError

UINT8 = 8  # IDX's number for bytes
DIMENSIONS = {1: "labels", 3: "images"}


class Header(NamedTuple):
    """The header of an array in NumPy's format."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]

    @property
    def size(self) -> int:
        """The bytes that it promises."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_npy(stream: IO[bytes], name: str) -> Header:
    """Read the header of an array in NumPy's format; the stream is then at its first byte.

    Raises:
        DataError: it is damaged, or of a later version of the format.
    """
    readers: dict[tuple[int, int], Callable[[IO[bytes]], Any]] = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    try:
        version = np.lib.format.read_magic(stream)
        if version not in readers:
            raise DataError(f"{name} has version {version} of NumPy's format, expected (1, 0) or (2, 0).")
        header = Header(*readers[version](stream))
    except DataError:
        raise
    except Exception as error:  # NumPy parses the header as Python: whatever ast and tokenize raise comes through
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise DataError(f"{name} is damaged: {first.rstrip('.'):.200}.") from None
    if any(length < 0 for length in header.shape):
        raise DataError(f"{name} is damaged: it claims the shape {header.shape!s:.80}.")
    return header


def read_idx(start: bytes, name: str, dimensions: int) -> tuple[int, ...]:
    """Read the header of an IDX file of bytes.

    Args:
        start: the first bytes of the file, 4 and 4 for each dimension; or all of them.
        name: the name of the file in errors.
        dimensions: 1 for labels, 3 for images.

    Raises:
        DataError: the header is not that of such a file.
    """
    expected, size = (UINT8 << 8) + dimensions, 4 + 4 * dimensions
    if len(start) < size:
        raise DataError(
            f"{name} is too short for an IDX file of {DIMENSIONS[dimensions]}: expected a header of {size} bytes, "
            f"received {len(start)} bytes in all."
        )
    magic = struct.unpack(">I", start[:4])[0]
    if magic != expected:
        raise DataError(
            f"{name} is not an IDX file of {DIMENSIONS[dimensions]}: expected the magic number {expected}, "
            f"received {magic}{_kind_of(start)}."
        )
    return struct.unpack(f">{dimensions}I", start[4:size])


def _kind_of(start: bytes) -> str:
    if start[:2] == b"\0\0" and start[2] == UINT8 and start[3] in DIMENSIONS:
        return f" (an IDX file of {DIMENSIONS[start[3]]})"
    return " (a web page)" if start.lstrip()[:1] == b"<" else ""
