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
UINT8 = 8
DIMENSIONS = {1: "labels", 3: "images"}
QMNIST = b"\0\0\x0c\x02"  # how its labels begin: 32-bit integers, two dimensions
QMNIST_COLUMNS = 8  # class, writer and the like


def is_one(start: bytes) -> bool:
    """Tell whether a file begins as IDX files do."""
    return len(start) > 3 and start[:2] == b"\0\0" and start[2] in TYPES


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


def read_header(start: bytes, name: str, dimensions: int | None = None) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Read the header of an IDX file: its shape and its type of numbers.

    Args:
        start: the first bytes of the file, 4 and 4 for each dimension; or all of them.
        name: the name of the file in errors.
        dimensions: 1 for labels and 3 for images, which must be bytes; None takes any number of any type.

    Raises:
        DataError: the header is not that of such a file.
    """
    if dimensions is None:
        if not is_one(start) or len(start) < 4 + 4 * start[3]:
            raise DataError(
                f"{name} is not an IDX file: it begins with {start[:4].hex(' ') or 'nothing'}{_kind_of(start)}."
            )
        return struct.unpack(f">{start[3]}I", start[4 : 4 + 4 * start[3]]), np.dtype(TYPES[start[2]])
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
    return struct.unpack(f">{dimensions}I", start[4:size]), np.dtype(np.uint8)


def _kind_of(start: bytes) -> str:
    if start[:2] == b"\0\0" and start[2:3] == bytes([UINT8]) and start[3] in DIMENSIONS:
        return f" (an IDX file of {DIMENSIONS[start[3]]})"
    return " (a web page)" if start.lstrip()[:1] == b"<" else ""


def parse(payload: bytes, name: str, *, dimensions: int | None = None) -> np.ndarray:
    """Parse the array in an IDX file.

    Args:
        payload: the unpacked bytes of the whole file.
        name: the name of the file in errors.
        dimensions: see `read_header`.

    Returns:
        A read-only array over `payload`: uint8 (n,) for labels and (n, height, width) for images.

    Raises:
        DataError: the header is not that of such a file, or the size differs from the header's.
    """
    shape, kind = read_header(payload, name, dimensions)
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


def parse_labels(payload: bytes, name: str, *, dimensions: int | None = 1) -> np.ndarray:
    """Parse the labels in an IDX file: see `parse`; of rows of eight numbers, as QMNIST has them, the first is meant.

    Returns:
        uint8 (n,), if `dimensions` is 1.

    Raises:
        DataError: see `parse`; or a number of QMNIST's is not from 0 to 255.
    """
    if payload[:4] != QMNIST:
        return parse(payload, name, dimensions=dimensions)
    rows, columns = struct.unpack(">II", payload[4:12]) if len(payload) >= 12 else (0, 0)
    if columns != QMNIST_COLUMNS or len(payload) != 12 + 4 * rows * columns:
        raise DataError(f"{name} is not an IDX file of rows of {QMNIST_COLUMNS} numbers. Fetch it again.")
    numbers = np.frombuffer(payload, ">i4", offset=12).reshape(rows, columns)[:, 0]
    if len(numbers) and not 0 <= int(numbers.min()) <= int(numbers.max()) < 256:
        raise DataError(f"{name} has labels out of range: expected 0 to 255.")
    return numbers.astype(np.uint8)


def parse_pair(images: bytes, labels: bytes, *, names: tuple[str, str], classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Parse the images and labels of a published set, and check them against each other.

    Args:
        images: the unpacked bytes of an IDX file of images.
        labels: the unpacked bytes of the IDX file of their labels; see `parse_labels`.
        names: the names of the two files in errors.
        classes: labels are 0 to `classes` - 1.

    Returns:
        Images, uint8 (n, 28, 28) 0–255, and labels, uint8 (n,).

    Raises:
        DataError: a file is damaged, images are of another size, counts differ, a label is out of range.
    """
    x, y = parse(images, names[0], dimensions=3), parse_labels(labels, names[1])
    if x.shape[1:] != (28, 28):
        raise DataError(f"{names[0]} has images of {x.shape[1]}×{x.shape[2]} pixels, expected 28×28.")
    if len(x) != len(y):
        raise DataError(f"{names[0]} has {len(x):,} images but {names[1]} has {len(y):,} labels: they do not match.")
    if len(x) == 0:
        raise DataError(f"{names[0]} holds no images.")
    if int(y.max()) >= classes:
        first = int(np.argmax(y >= classes))
        raise DataError(
            f"{names[1]} has labels out of range: expected 0 to {classes - 1}, received {y[first]} at position {first} "
            f"({int((y >= classes).sum()):,} such labels)."
        )
    return x, y
