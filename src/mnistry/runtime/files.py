"""Files read within limits and written atomically; folders walked in a fixed order; the cache folder."""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import IO, Any

from mnistry.errors import DataError

PART = ".part"  # the end of the names of files that are being written


def read_bytes(path: Path, most: int) -> bytes:
    """The content of a data file.

    Raises:
        DataError: it is not a regular file, larger than `most` bytes, or cannot be read.
    """
    try:
        if path.exists() and not path.is_file():
            raise DataError(
                f"{short(path)} is {'a folder' if path.is_dir() else 'not a regular file'}, not a data file."
            )
        if path.stat().st_size > most:
            raise DataError(f"{short(path)} is larger than {most:,} bytes, the most that is read of such a file.")
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{short(path)} cannot be read: {error.strerror}.") from None


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write readable JSON durably; a NaN in it is a mistake of ours and raises."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_durably(path, [text.encode(errors="replace")])


def write_json_lines(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write one JSON object a line, durably."""
    write_durably(path, [(json.dumps(row) + "\n").encode() for row in rows])


def write_durably(path: Path, parts: Sequence[bytes | memoryview]) -> None:
    """Replace a file; see `write_atomically`."""
    with write_atomically(path) as sink:
        for content in parts:
            sink.write(content)


@contextlib.contextmanager
def write_atomically(path: Path) -> Iterator[IO[bytes]]:
    """A file to write to, which then replaces another in one step that survives a power cut.

    The other has its old content or the new, never a mixture. Until the block ends well, the content lies beside it
    under a hidden name that ends in `PART`.

    Raises:
        OSError: it cannot be written.
    """
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}{PART}")
    try:
        with part.open("wb") as sink:
            yield sink
            sink.flush()
            os.fsync(sink.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@dataclass
class PassedOver:
    """The number of files whose names do not end like those wanted, and the names of the first three."""

    count: int = 0
    names: list[str] = field(default_factory=list)

    def add(self, name: str) -> None:
        """Count a file."""
        self.count += 1
        if len(self.names) < 3:
            self.names.append(name)

    def __str__(self) -> str:
        """The number and the names: `5 files (a.txt, b.txt, c.pdf, …)`."""
        names = ", ".join([*self.names, *(["…"] if self.count > len(self.names) else [])])
        return f"{self.count:,} file{'' if self.count == 1 else 's'} ({names})"


def walk(
    folder: str, suffixes: frozenset[str], passed_over: PassedOver, closed: list[str] | None = None
) -> Iterator[str]:
    """Yield the paths of files with these suffixes in and below a folder, in order of name.

    Links are followed: to files, and to folders, each of which is walked once, however many links lead to it. Broken
    links and special files, such as pipes, are given like any other: opening them says what is wrong. Hidden
    files and folders are left out.

    Args:
        folder: where to begin.
        suffixes: lower case, with their dots.
        passed_over: counts files with other suffixes.
        closed: gets the folders that cannot be listed; None raises.

    Raises:
        OSError: a folder cannot be listed.
    """
    seen: set[tuple[int, int]] = set()
    linked: list[str] = []
    todo = [folder]
    while todo or linked:
        parent = todo.pop() if todo else linked.pop(0)
        stat = os.stat(parent)
        if (stat.st_dev, stat.st_ino) in seen:
            continue
        seen.add((stat.st_dev, stat.st_ino))
        try:
            with os.scandir(parent) as listed:
                entries = sorted(
                    (entry for entry in listed if not entry.name.startswith(".")), key=lambda entry: entry.name
                )
        except OSError:
            if closed is None:
                raise
            closed.append(parent)
            continue
        for entry in entries:
            if entry.is_dir():
                continue
            if PurePath(entry.name).suffix.lower() in suffixes:
                yield entry.path
            else:
                passed_over.add(entry.path)
        todo.extend(entry.path for entry in reversed(entries) if entry.is_dir(follow_symlinks=False))
        linked.extend(entry.path for entry in entries if entry.is_symlink() and entry.is_dir())


def find_cache_folder(part: str) -> Path:
    """The user's cache folder for one purpose; it may not exist yet.

    `MNISTRY_CACHE_DIR` names another place than the operating system's usual one.
    """
    chosen = os.environ.get("MNISTRY_CACHE_DIR")
    if chosen:
        return Path(chosen) / part
    import platformdirs

    return platformdirs.user_cache_path("mnistry", appauthor=False) / part


def short(path: Path) -> str:
    """The path with the home folder as ~, fit for a report that is passed on."""
    try:
        return f"~/{path.relative_to(Path.home())}"
    except (ValueError, RuntimeError):
        return str(path)
