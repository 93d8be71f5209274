"""ZIP and tar archives of data, unpacked into a temporary folder: no more than is allowed, nothing outside of it."""

from __future__ import annotations

import contextlib
import lzma
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from mnistry.datasets.labelled import MAX_BYTES
from mnistry.datasets.wording import is_hidden
from mnistry.errors import DataError
from mnistry.runtime.files import short

MAX_FILES = 2_000_000
DAMAGES = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, RuntimeError, NotImplementedError,
    UnicodeDecodeError,  # of a name
)  # fmt: skip


@contextlib.contextmanager
def unpack(path: Path) -> Iterator[Path]:
    """Unpack an archive into a folder that is removed afterwards.

    Links, devices and hidden files are left out; sizes are checked before anything is written.

    Raises:
        DataError: it is damaged, or unpacks to too much.
    """
    with tempfile.TemporaryDirectory(prefix="mnistry-") as place:
        folder = Path(place).resolve()
        try:
            _unpack(path, folder)
        except DAMAGES as error:
            raise DataError(f"{short(path)} is damaged: {str(error).rstrip('.'):.200}. Get it once more.") from None
        except OSError as error:
            raise DataError(f"{short(path)} cannot be unpacked: {error.strerror or error}.") from None
        yield folder


def is_tar(path: Path) -> bool:
    """Tell whether a file is a tar archive, compressed or not."""
    try:
        return tarfile.is_tarfile(path)
    except (OSError, *DAMAGES):
        return False


def _unpack(path: Path, folder: Path) -> None:
    total = files = 0
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            members = [each for each in archive.infolist() if not each.is_dir()]
            _check(path, sum(each.file_size for each in members), len(members))
            for each in members:
                with archive.open(each) as source:
                    _write(folder, each.filename, source, each.file_size)
        return
    with tarfile.open(path) as tar:
        for member in tar:
            if not member.isfile():
                continue
            total, files = total + member.size, files + 1
            _check(path, total, files)
            content = tar.extractfile(member)
            if content is not None:
                with content:
                    _write(folder, member.name, content, member.size)


def _check(path: Path, size: int, files: int) -> None:
    if size > MAX_BYTES or files > MAX_FILES:
        raise DataError(
            f"{short(path)} unpacks to {size:,} bytes in {files:,} files; at most {MAX_BYTES:,} in {MAX_FILES:,} are "
            "read. Unpack it yourself and name the folder."
        )


def _write(folder: Path, name: str, source: IO[bytes], size: int) -> None:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if not parts or ".." in parts or parts[0] == "/" or ":" in parts[0] or any(map(is_hidden, parts)):
        return  # what lies outside, and what computers add: __MACOSX, .DS_Store
    target = folder.joinpath(*parts)
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as sink:
        shutil.copyfileobj(source, sink)
    if target.stat().st_size != size:
        raise zipfile.BadZipFile(f"{name} has another size than the archive says")
