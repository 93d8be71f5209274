"""The header of an array in NumPy's format, read without trusting it."""

from __future__ import annotations

import math
from typing import IO, Any, NamedTuple

import numpy as np

from mnistry.errors import DataError


class Header(NamedTuple):
    """The header of an array in NumPy's format."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]

    @property
    def size(self) -> int:
        """The bytes that it promises."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_header(stream: IO[bytes], name: str) -> Header:
    """Read the header of an array in NumPy's format; the stream is then at its first byte.

    Raises:
        DataError: it is damaged, or of a later version of the format.
    """
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
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
