"""The IDX file format of MNIST, read without trusting it.

An IDX file is a big-endian header and then the bare bytes of the array: two zero bytes, a type code (8 for
uint8), the number of dimensions, then each dimension as an unsigned 32-bit number. Source: LeCun, Cortes and
Burges, "The MNIST database of handwritten digits", section "File formats".
"""

from __future__ import annotations

import math
import struct
import zlib
from typing import Any

import numpy as np

from mnistry.datasets.labelled import MAX_BYTES
from mnistry.errors import DataError
from mnistry.runtime.file_signatures import GZIP

TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}  # of numbers, by the third byte
QMNIST = b"\0\0\x0c\x02"  # how its labels begin: 32-bit integers, two dimensions
QMNIST_COLUMNS = 8  # class, writer and the like


def is_one(start: bytes) -> bool:
    """Tell whether a file begins as IDX files do."""
    return len(start) > 3 and start[:2] == b"\0\0" and start[2] in TYPES and 0 < start[3] < 5


def unpack(payload: bytes, name: str) -> bytes:
    """Unpack the bytes of a file that may be gzip-compressed; its name is for errors.

    Raises:
        DataError: the compressed stream is cut short, damaged, or unpacks to more than `MAX_BYTES`.
    """
    if not payload.startswith(GZIP):
        return payload
    try:
        unpacker = zlib.decompressobj(wbits=31)
        unpacked = unpacker.decompress(payload, MAX_BYTES)
        if unpacker.unconsumed_tail:
            raise DataError(f"{name} unpacks to more than {MAX_BYTES:,} bytes, which no MNIST-like file does.")
        if not unpacker.eof:
            raise DataError(f"{name} is cut short: its gzip stream ends after {len(payload):,} bytes. Fetch it again.")
        if unpacker.unused_data:
            raise DataError(f"{name} has {len(unpacker.unused_data):,} bytes too many after its gzip stream.")
        return unpacked
    except zlib.error as error:
        raise DataError(f"{name} is damaged: it cannot be unpacked ({error}). Fetch it again.") from None


def read_header(start: bytes, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Read the header of an IDX file: its shape and its type of numbers.

    Args:
        start: the first bytes of the file, 4 and 4 for each dimension; or all of them.
        name: the name of the file in errors.

    Raises:
        DataError: the header is not that of an IDX file.
    """
    if not is_one(start):
        page = " (a web page)" if start.lstrip()[:1] == b"<" else ""
        raise DataError(f"{name} is not an IDX file: it begins with {start[:4].hex(' ') or 'nothing'}{page}.")
    if len(start) < (size := 4 + 4 * start[3]):
        raise DataError(f"{name} is too short: expected a header of {size} bytes, received {len(start)} bytes in all.")
    return struct.unpack(f">{start[3]}I", start[4:size]), np.dtype(TYPES[start[2]])


def parse(payload: bytes, name: str) -> np.ndarray:
    """Parse the array in the unpacked bytes of an IDX file; its name is for errors.

    Returns:
        A read-only array over `payload`: uint8 (n,) for MNIST's labels and (n, 28, 28) for its images.

    Raises:
        DataError: the header is not that of such a file, or the size differs from the header's.
    """
    shape, kind = read_header(payload, name)
    start = 4 + 4 * len(shape)
    size, promised = len(payload) - start, math.prod(shape) * kind.itemsize
    if size != promised:
        what = "is cut short" if size < promised else f"has {size - promised:,} bytes too many"
        raise DataError(
            f"{name} {what}: its header promises {promised:,} bytes for {kind} {shape}, received {size:,}. Fetch it "
            "again."
        )
    try:
        return np.frombuffer(payload, kind, offset=start).reshape(shape)
    except ValueError:  # a dimension of 0 among absurd ones
        raise DataError(f"{name} is damaged: its header promises an array {shape}. Fetch it again.") from None


def parse_labels(payload: bytes, name: str) -> np.ndarray:
    """Parse labels: see `parse`; of rows of eight numbers, as QMNIST has them, the first is the label, uint8 (n,).

    Raises:
        DataError: see `parse`; or a number of QMNIST's is not from 0 to 255.
    """
    array = parse(payload, name)
    if payload[:4] != QMNIST:
        return array
    if array.shape[1] != QMNIST_COLUMNS:
        raise DataError(f"{name} is not an IDX file of rows of {QMNIST_COLUMNS} numbers. Fetch it again.")
    labels = array[:, 0]
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < 256:
        raise DataError(f"{name} has labels out of range: expected 0 to 255.")
    return labels.astype(np.uint8)
