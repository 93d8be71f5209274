"""Compiled programs kept between runs, in the user's cache folder.

JAX writes an entry in place and never repairs one that it cannot read: a process killed at the wrong moment, or a full
disk, would cost a warning and a compilation in every run from then on. So new entries are checked first.
"""

from __future__ import annotations

import contextlib
import os
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

MAX_BYTES = 200_000_000
ENTRIES = "*-cache"  # JAX's names
CHECKED = "checked"  # a file whose time says until when the entries are known to be whole
SLACK_SECONDS = 2.0  # file systems keep times coarsely
ZSTANDARD_MAGIC = b"\x28\xb5\x2f\xfd"


def prepare(folder: Path) -> bool:
    """Make the folder fit for JAX: it exists, nothing in it is damaged, and it is not too large.

    Tells whether entries can be kept there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    started = time.time()
    for path in _find_damaged(folder):
        with contextlib.suppress(OSError):
            path.unlink()
    with contextlib.suppress(OSError):
        (folder / CHECKED).touch()
        os.utime(folder / CHECKED, (started, started - SLACK_SECONDS))
    _shrink(folder, MAX_BYTES)
    return os.access(folder, os.W_OK | os.X_OK)


def _find_damaged(folder: Path) -> Iterator[Path]:
    """The damaged entries among those written since the last check."""
    try:
        checked = (folder / CHECKED).stat().st_mtime
    except OSError:
        checked = 0.0
    for path in folder.glob(ENTRIES):
        try:
            if path.stat().st_mtime < checked:
                continue
            payload = path.read_bytes()
            if not payload.startswith(ZSTANDARD_MAGIC):  # which JAX uses if it can
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
