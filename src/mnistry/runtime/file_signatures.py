"""Signatures: the first bytes by which the formats of files are told apart."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from mnistry.errors import DataError
from mnistry.runtime.files import short

START = 512  # bytes that are looked at

GZIP, HDF5, NPY, PARQUET = b"\x1f\x8b", b"\x89HDF\r\n\x1a\n", b"\x93NUMPY", b"PAR1"
ZIP = b"PK\x03\x04", b"PK\x05\x06"  # the latter holds nothing
ARROW = b"ARROW1", b"\xff\xff\xff\xff"  # of files and of streams
PICKLES = tuple(b"\x80" + bytes([protocol]) for protocol in range(2, 6))
PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*")  # PNG, JPEG, GIF and TIFF
HEIF = (b"ftyphei", b"ftypmif1", b"ftypavif")  # from the fifth byte on


def is_picture(start: bytes) -> bool:
    r"""Tell whether a file begins as a picture does; needs its first 12 bytes.

    >>> is_picture(b"\x89PNG\r\n\x1a\n"), is_picture(b"RIFF\0\0\0\0WEBP"), is_picture(b"BM,label\n1.80,7\n")
    (True, True, False)
    """
    bitmap = start[:2] == b"BM" and start[6:10] == bytes(4)
    pixmap = start[:2] in (b"P5", b"P6") and start[2:3].isspace()
    return start.startswith(PICTURES) or start[4:].startswith(HEIF) or start[8:12] == b"WEBP" or bitmap or pixmap


def read_start(path: Path) -> bytes:
    """The first bytes of a file; unpacked where it is packed with gzip.

    Raises:
        DataError: it is not a regular file: opening a pipe would wait for a writer.
    """
    if not path.is_file():
        raise DataError(f"{short(path)} is not a regular file.")
    with path.open("rb") as file:
        start = file.read(START)
    if not start.startswith(GZIP):
        return start
    try:
        with gzip.open(path) as packed:
            return packed.read(START)
    except (OSError, EOFError, zlib.error):
        return start
