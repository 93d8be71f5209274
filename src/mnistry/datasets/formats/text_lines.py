"""Lines of text files with their numbers: packed or not, in UTF-8, UTF-16 or UTF-32, of limited length."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from mnistry.datasets.labelled import MAX_BYTES
from mnistry.errors import DataError
from mnistry.runtime.file_signatures import GZIP
from mnistry.runtime.files import short

MAX_LINE = 4_000_000  # characters
DAMAGES = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile)  # of a packed file
OPENERS: dict[bytes, Callable[..., Any]] = {GZIP: gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
ENCODINGS = ((b"\xff\xfe\0\0", "utf-32"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))  # by their marks

Lines = Iterator[tuple[int, str]]
"""Lines with their numbers in the file, from 1."""


def number_lines(path: Path) -> Lines:
    """The lines of a file with their numbers; empty ones at the end are left out.

    Raises:
        DataError: it cannot be read or unpacked, is not text, or too long.
    """
    name = short(path)
    waiting: list[int] = []
    try:
        with _open_text(path, name) as file:
            total = 0
            for number in range(1, 2**62):
                line = file.readline(MAX_LINE)
                if not line:
                    return
                total += len(line)
                if len(line) == MAX_LINE or total > MAX_BYTES:
                    limit = f"a line of {MAX_LINE:,}" if len(line) == MAX_LINE else f"{MAX_BYTES:,}"
                    raise DataError(f"{name} has {limit} characters or more, which is not read.")
                line = line.rstrip("\r\n")
                if "\0" in line:
                    raise DataError(
                        f"{name} is not a CSV table: it holds bytes of zero. If it is text in UTF-16, save it as UTF-8."
                    )
                if not line.strip():
                    waiting.append(number)
                    continue
                yield from ((each, "") for each in waiting)
                waiting.clear()
                yield number, line
    except UnicodeDecodeError:
        raise DataError(
            f"{name} is not text in UTF-8: row {_undecodable(path)} has a byte that does not belong. "
            "Save it as UTF-8, or in Python: pd.read_csv(path, encoding='cp1252').to_csv('own.csv', index=False), with "
            "'cp949' for a Korean file."
        ) from None
    except DAMAGES as error:
        raise DataError(f"{name} is cut short or damaged: {str(error).rstrip('.'):.200}. Fetch it again.") from None
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror or error}.") from None


def read_first_line(path: Path, most: int) -> bytes:
    """The first line of a file, no more than `most` bytes of it; empty where it cannot be unpacked.

    Raises:
        OSError: it cannot be read.
    """
    try:
        with _open_bytes(path) as file:
            return file.readline(most)
    except DAMAGES:
        return b""


def _undecodable(path: Path) -> int:
    with _open_bytes(path) as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return 1


def _open_text(path: Path, name: str) -> IO[str]:
    """The file as text: UTF-8, or UTF-16 or UTF-32 if it begins so; packed or not."""
    if path.exists() and not path.is_file():
        raise DataError(f"{name} is {'a folder' if path.is_dir() else 'not a regular file'}, not a data file.")
    raw = _open_bytes(path)
    start = raw.read(4)
    raw.seek(0)
    encoding = next((name for begin, name in ENCODINGS if start.startswith(begin)), "utf-8-sig")
    if len(start) == 4 and start[1] == start[3] == 0 < min(start[0], start[2]):
        encoding = "utf-16-le"  # without its mark
    return io.TextIOWrapper(raw, encoding, newline=None)


def _open_bytes(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        start = file.read(8)
    opener = next((opener for magic, opener in OPENERS.items() if start.startswith(magic)), open)
    return opener(path, "rb")
