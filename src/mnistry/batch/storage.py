"""Local files and object stores through fsspec, by the same few calls."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from mnistry.errors import DataError
from mnistry.runtime import files
from mnistry.runtime.files import PART, PassedOver

ADDRESS = "://"


@dataclass(frozen=True)
class Place:
    """A file or folder, on whatever filesystem.

    Attributes:
        given: as somebody named it.
        system: fsspec's filesystem that holds it.
        path: what that filesystem calls it.
    """

    given: str
    system: Any
    path: str

    @property
    def local(self) -> bool:
        """True if the place is in a filesystem of this machine."""
        protocol = self.system.protocol
        return "file" in ((protocol,) if isinstance(protocol, str) else protocol)

    @property
    def address(self) -> str:
        """The place's name on any machine and from any folder: an absolute path, or an address."""
        return self.path if self.local else self.given

    def below(self, name: str) -> Place:
        """A file or folder in this folder; `name` may lead through several."""
        return Place(f"{self.given.rstrip('/')}/{name}", self.system, f"{self.path.rstrip('/')}/{name}")


@dataclass(frozen=True)
class Entry:
    """A file as its folder lists it.

    Attributes:
        name: its path below the folder that was walked.
        size: in bytes.
        stamp: what changes when its content does: its time, or the store's tag.
    """

    name: str
    size: int
    stamp: str


def locate(given: str) -> Place:
    """Resolve a path or an address such as `s3://bucket/folder`, without looking whether something is there.

    Raises:
        DataError: no filesystem of that kind is known, or its package is not installed.
    """
    import fsspec

    if ADDRESS not in given:
        return Place(given, fsspec.filesystem("file"), os.path.abspath(os.path.expanduser(given)))
    try:
        system, path = fsspec.core.url_to_fs(given)
    except ImportError as error:  # "Install s3fs to access S3"
        raise DataError(f"{given} cannot be reached: {error}, with pip, wherever the job runs.") from None
    except (ValueError, OSError) as error:
        raise DataError(f"{given} cannot be reached: {explain_error(error)}.") from None
    return Place(given, system, path)


def find_entry(place: Place) -> Entry | None:
    """A file by itself, its name empty; None if it is a folder.

    Raises:
        DataError: nothing is there, or it cannot be looked at.
    """
    try:
        info = place.system.info(place.path)
    except FileNotFoundError:
        raise DataError(f"{place.given} does not exist.") from None
    except Exception as error:  # each store's client has errors of its own
        raise DataError(f"{place.given} cannot be looked at: {explain_error(error)}.") from None
    return None if info["type"] == "directory" else _entry("", info)


def walk(folder: Place, suffixes: frozenset[str], passed_over: PassedOver) -> Iterator[Entry]:
    """Yield all files with these suffixes in and below a folder; see `files.walk`.

    A store's folders are listed one at a time, in order of name; hidden files and folders are left out there, too.

    Args:
        folder: where to begin.
        suffixes: lower case, with their dots.
        passed_over: counts files with other suffixes.

    Raises:
        DataError: a folder cannot be listed.
    """
    if not folder.local:
        yield from _walk_store(folder, suffixes, passed_over, "")
        return
    try:
        for path in files.walk(folder.path, suffixes, passed_over):
            yield _entry(os.path.relpath(path, folder.path), _local_info(path))
    except OSError as error:
        raise DataError(f"{error.filename} cannot be listed: {explain_error(error)}.") from None


def _walk_store(folder: Place, suffixes: frozenset[str], passed_over: PassedOver, below: str) -> Iterator[Entry]:
    try:
        infos = sorted(folder.system.ls(folder.path, detail=True), key=lambda info: str(info["name"]))
    except Exception as error:  # each store's client has errors of its own
        raise DataError(f"{folder.given} cannot be listed: {explain_error(error)}.") from None
    named = [(PurePosixPath(info["name"].rstrip("/")).name, info) for info in infos]
    shown = [(name, info) for name, info in named if not name.startswith(".")]
    for name, info in shown:
        if info["type"] == "directory":
            continue
        if PurePosixPath(name).suffix.lower() in suffixes:
            yield _entry(below + name, info)
        else:
            passed_over.add(below + name)
    for name, info in shown:
        if info["type"] == "directory":
            yield from _walk_store(folder.below(name), suffixes, passed_over, f"{below}{name}/")


def open_file(place: Place) -> IO[bytes]:
    """A file opened for reading, with seeking.

    Raises:
        OSError: it cannot be opened; of other errors of a store's client, too.
    """
    if place.local and not os.path.isdir(place.path) and not os.path.isfile(place.path) and os.path.exists(place.path):
        raise OSError(None, "It is not a regular file")  # a pipe could keep us waiting for ever
    return place.system.open(place.path, "rb")


@contextmanager
def open_new_file(place: Place) -> Iterator[IO[bytes]]:
    """A file to write that appears whole when the block ends well, in the place of another if there is one.

    Raises:
        OSError: it cannot be written; of other errors of a store's client, too.
    """
    if place.local:
        with files.write_atomically(Path(place.path)) as sink:
            yield sink
        return
    folder, _, name = place.path.rpartition("/")
    part = f"{folder}/.{name}.{uuid.uuid4().hex}{PART}"
    try:
        with place.system.open(part, "wb") as sink:
            yield sink
        place.system.mv(part, place.path)
    except BaseException:
        with suppress(Exception):
            place.system.rm_file(part)
        raise


def write(place: Place, content: bytes) -> None:
    """Write a file at once; see `open_new_file`."""
    with open_new_file(place) as sink:
        sink.write(content)


def explain_error(error: BaseException) -> str:
    """The reason of an error, without a full stop."""
    return (getattr(error, "strerror", None) or str(error).strip() or type(error).__name__).rstrip(".")


def _local_info(path: str) -> dict[str, Any]:
    """Size and time of a file; of a broken link nothing, which reading it will tell."""
    try:
        found = os.stat(path)
    except OSError:
        return {}
    return {"size": found.st_size, "mtime": found.st_mtime}


def _entry(name: str, info: dict[str, Any]) -> Entry:
    times = (info.get(key) for key in ("mtime", "ETag", "etag", "LastModified", "last_modified", "created"))
    return Entry(name, int(info.get("size") or 0), str(next((time for time in times if time), "")))
