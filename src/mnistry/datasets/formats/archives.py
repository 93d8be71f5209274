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
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from mnistry.datasets.formats.naming import is_hidden
from mnistry.datasets.labelled import MAX_BYTES
from mnistry.errors import DataError
from mnistry.runtime.files import short

MAX_FILES = 2_000_000
MAX_DEPTH = 3  # archives in archives
ENDINGS = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")
DAMAGES = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, RuntimeError, NotImplementedError,
    UnicodeDecodeError,  # of a name
)  # fmt: skip


@contextlib.contextmanager
def unpack(path: Path) -> Iterator[Path]:
    """Unpack an archive, or the archives that a folder holds, into a folder that is removed afterwards.

    An archive in another one is unpacked beside it: into a folder of its name, or to the one file that it holds.
    Links, devices and hidden files are left out; sizes are checked before anything is written. Errors that are raised
    while it is used name the archive, not that folder.

    Raises:
        DataError: it is damaged, or unpacks to too much.
    """
    with tempfile.TemporaryDirectory(prefix="mnistry-") as place:
        folder = Path(place).resolve()
        used = _Used(path)
        try:
            for each in [path] if path.is_file() else find(path):
                _unpack(each, folder if each == path else _beside(folder, each), used)
            for _ in range(MAX_DEPTH):
                inner = sorted(filter(_is_archive, folder.rglob("*")))
                for each in inner:
                    _unpack(each, _beside(each.parent, each), used)
                    each.unlink()
                if not inner:
                    break
        except DAMAGES as error:
            raise DataError(f"{short(path)} is damaged: {str(error).rstrip('.'):.200}. Get it once more.") from None
        except OSError as error:
            raise DataError(f"{short(path)} cannot be unpacked: {error.strerror or error}.") from None
        try:
            yield folder
        except DataError as error:
            raise type(error)(str(error).replace(short(folder), short(path))) from None


def find(folder: Path) -> list[Path]:
    """The archives of a folder, by their names."""
    return sorted(each for each in folder.iterdir() if _is_archive(each))


def _is_archive(path: Path) -> bool:
    return path.name.lower().endswith(ENDINGS) and not is_hidden(path.name) and path.is_file()


def _beside(folder: Path, archive: Path) -> Path:
    """The folder in `folder` to unpack an archive into."""
    name = archive.name.lower()
    end = next(end for end in sorted(ENDINGS, key=len, reverse=True) if name.endswith(end))
    target = folder / (archive.name[: -len(end)] or "archive")
    return target if not target.exists() else folder / f"{archive.name} unpacked"


def is_tar(path: Path) -> bool:
    """Tell whether a file is a tar archive, compressed or not."""
    try:
        return tarfile.is_tarfile(path)
    except (OSError, *DAMAGES):
        return False


@dataclass
class _Used:
    """The files that were unpacked, and how much they are altogether."""

    path: Path
    size: int = 0
    files: int = 0

    def add(self, size: int, files: int) -> None:
        """Count files before they are written.

        Raises:
            DataError: they are too many or too large.
        """
        self.size, self.files = self.size + size, self.files + files
        if self.size > MAX_BYTES or self.files > MAX_FILES:
            raise DataError(
                f"{short(self.path)} unpacks to {self.size:,} bytes in {self.files:,} files; at most {MAX_BYTES:,} in "
                f"{MAX_FILES:,} are read. Unpack it yourself and name the folder."
            )


def _unpack(path: Path, folder: Path, used: _Used) -> None:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            members = [each for each in archive.infolist() if not each.is_dir()]
            used.add(sum(each.file_size for each in members), len(members))
            for each in members:
                with archive.open(each) as source:
                    _write(folder, each.filename, source, each.file_size)
    else:
        with tarfile.open(path) as tar:
            for member in tar:
                if not member.isfile():
                    continue
                used.add(member.size, 1)
                content = tar.extractfile(member)
                if content is not None:
                    with content:
                        _write(folder, member.name, content, member.size)
    inside = list(folder.iterdir()) if folder.exists() else []
    if len(inside) == 1 and inside[0].is_file() and folder.name == inside[0].name:  # train.csv in train.csv.zip
        inside[0].rename(folder.with_name(f"{folder.name} in its place"))
        folder.rmdir()
        folder.with_name(f"{folder.name} in its place").rename(folder)


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
