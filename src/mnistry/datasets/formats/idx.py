"""The IDX file format of MNIST, read without trusting it.

An IDX file is a big-endian header and then the bare bytes of the array: two zero bytes, a type code (8 for
uint8), the number of dimensions, then each dimension as an unsigned 32-bit number. Source: LeCun, Cortes and
Burges, "The MNIST database of handwritten digits", section "File formats".
"""

from __future__ import annotations

import math
import struct
import zlib

import numpy as np

from mnistry.datasets.formats import array_headers
from mnistry.datasets.labelled import MAX_BYTES
from mnistry.errors import DataError
from mnistry.runtime.file_signatures import GZIP

TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}  # of numbers, by the third byte
QMNIST = b"\0\0\x0c\x02"  # how its labels begin: 32-bit integers, two dimensions
QMNIST_COLUMNS = 8  # class, writer and the like


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


def parse(payload: bytes, name: str, *, dimensions: int) -> np.ndarray:
    """Parse the array in an IDX file.

    Args:
        payload: the unpacked bytes of the whole file.
        name: the name of the file in errors.
        dimensions: 1 for labels, 3 for images.

    Returns:
        A read-only uint8 array over `payload`: (n,) for labels, (n, height, width) for images.

    Raises:
        DataError: the header is not that of such a file, or the size differs from the header's.
    """
    shape = array_headers.read_idx(payload, name, dimensions)
    header_size = 4 + 4 * dimensions
    size, promised = len(payload) - header_size, math.prod(shape)
    if size < promised:
        raise DataError(
            f"{name} is cut short: its header promises {promised:,} values {shape}, received {size:,}. Fetch it again."
        )
    if size > promised:
        raise DataError(
            f"{name} has {size - promised:,} bytes too many: its header promises {promised:,} values {shape}, "
            f"received {size:,}."
        )
    try:
        return np.frombuffer(payload, np.uint8, offset=header_size).reshape(shape)
    except ValueError:  # a dimension of 0 among absurd ones
        raise DataError(f"{name} is damaged: its header promises an array {shape}. Fetch it again.") from None


def parse_any(payload: bytes, name: str) -> np.ndarray:
    """Parse the array in the unpacked bytes of an IDX file of any type of numbers, with any dimensions.

    Raises:
        DataError: the header is not that of an IDX file, or the size differs from the header's.
    """
    start = 4 + 4 * payload[3] if len(payload) > 3 else 4
    if len(payload) < start or payload[:2] != b"\0\0" or payload[2] not in TYPES:
        raise DataError(f"{name} is not an IDX file: it begins with {payload[:4].hex(' ') or 'nothing'}.")
    shape, kind = struct.unpack(f">{payload[3]}I", payload[4:start]), np.dtype(TYPES[payload[2]])
    if len(payload) - start != math.prod(shape) * kind.itemsize:
        raise DataError(
            f"{name} is damaged: its header promises {math.prod(shape):,} numbers {shape} of {kind.itemsize} bytes, "
            f"received {len(payload) - start:,} bytes. Fetch it again."
        )
    return np.frombuffer(payload, kind, offset=start).reshape(shape)


def parse_labels(payload: bytes, name: str) -> np.ndarray:
    """Parse the labels in an IDX file: bytes, or rows of eight numbers as QMNIST has them, the first of which is meant.

    Returns:
        uint8 (n,).

    Raises:
        DataError: see `parse`; or a number of QMNIST's is not from 0 to 255.
    """
    if payload[:4] != QMNIST:
        return parse(payload, name, dimensions=1)
    rows, columns = struct.unpack(">II", payload[4:12]) if len(payload) >= 12 else (0, 0)
    if columns != QMNIST_COLUMNS or len(payload) != 12 + 4 * rows * columns:
        raise DataError(f"{name} is not an IDX file of rows of {QMNIST_COLUMNS} numbers. Fetch it again.")
    numbers = np.frombuffer(payload, ">i4", offset=12).reshape(rows, columns)[:, 0]
    if len(numbers) and not 0 <= int(numbers.min()) <= int(numbers.max()) < 256:
        raise DataError(f"{name} has labels out of range: expected 0 to 255.")
    return numbers.astype(np.uint8)


def parse_pair(
    images: bytes, labels: bytes, *, names: tuple[str, str], classes: int = 256, side: int | None = 28
) -> tuple[np.ndarray, np.ndarray]:
    """Parse images and their labels, and check them against each other.

    Args:
        images: the unpacked bytes of an IDX file of images.
        labels: the unpacked bytes of the IDX file of their labels; see `parse_labels`.
        names: the names of the two files in errors.
        classes: labels are 0 to `classes` - 1.
        side: the pixels on each side that images must have; None takes any.

    Returns:
        Images, uint8 (n, side, side) 0–255, and labels, uint8 (n,).

    Raises:
        DataError: a file is damaged, images are of another size, counts differ, a label is out of range.
    """
    x, y = parse(images, names[0], dimensions=3), parse_labels(labels, names[1])
    if side is not None and x.shape[1:] != (side, side):
        raise DataError(f"{names[0]} has images of {x.shape[1]}×{x.shape[2]} pixels, expected {side}×{side}.")
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
