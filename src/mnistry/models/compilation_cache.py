"""Compiled programs kept between runs, in the user's cache folder.

JAX writes an entry in place and never repairs one that it cannot read: a process killed at the wrong moment, or a full
disk, would cost a warning and a compilation in every run from then on. So the entries are looked through first.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from collections.abc import Iterator
from pathlib import Path

MAX_BYTES = 200_000_000
ENTRIES = "*-cache"  # JAX's names
ZSTANDARD_MAGIC = b"\x28\xb5\x2f\xfd"


def prepare(folder: Path) -> bool:
    """Make the folder fit for JAX: it exists, nothing in it is damaged, and it is not too large.

    Args:
        folder: where the entries are or shall be.

    Returns:
        Whether entries can be kept there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    for path in _damaged(folder):
        with contextlib.suppress(OSError):
            path.unlink()
    _shrink(folder, MAX_BYTES)
    return os.access(folder, os.W_OK | os.X_OK)


def _damaged(folder: Path) -> Iterator[Path]:
    for path in folder.glob(ENTRIES):
        try:
            payload = path.read_bytes()
            if not payload.startswith(ZSTANDARD_MAGIC):  # which JAX uses where it can
                zlib.decompress(payload)  # its checksum finds a cut and a flipped bit alike
        except (OSError, zlib.error):
            yield path


def _shrink(folder: Path, limit: int) -> None:
    """Remove the oldest entries until the rest fits."""
    entries = []
    for path in folder.glob(ENTRIES):
        with contextlib.suppress(OSError):
            status = path.stat()
            entries.append((status.st_mtime, status.st_size, path))
    total = sum(size for _, size, _ in entries)
    for _, size, path in sorted(entries):
        if total <= limit:
            break
        with contextlib.suppress(OSError):
            path.unlink()
        total -= size
