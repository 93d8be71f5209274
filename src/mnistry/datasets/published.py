"""Published data sets: found on disk, or downloaded, and verified wherever they are found."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mnistry.datasets import download
from mnistry.datasets.dataset import Dataset
from mnistry.datasets.download import RemoteFile, Timeouts
from mnistry.datasets.formats import idx
from mnistry.datasets.labelled import MAX_BYTES
from mnistry.errors import DataError
from mnistry.runtime.files import find_cache_folder, read_bytes, short

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Training images and labels, test images and labels: uint8 (n, 28, 28) and (n,)."""


@dataclass(frozen=True)
class Published:
    """A data set whose files are known to the byte.

    Attributes:
        name: the word that loads it.
        title: what people call it.
        about: a sentence on what its images are.
        files: the smallest first: a bad mirror shows early.
        mirrors: addresses that end with a slash, the preferred ones first.
        licence: the terms of the data.
        class_names: the name of each label.
        arrays: `arrays(unpacked, names)` takes the content of the files apart; names are for messages.
        beside_others: whether its files have names that other sets use too: it is then looked for in a folder of its
            name, below the one that the user named and on mirrors that the user named.
    """

    name: str
    title: str
    about: str
    files: tuple[RemoteFile, ...]
    mirrors: tuple[str, ...]
    licence: str
    class_names: tuple[str, ...]
    arrays: Callable[[Mapping[RemoteFile, bytes], Mapping[RemoteFile, str]], Arrays]
    beside_others: bool = True

    @property
    def its_files(self) -> str:
        """The name of its files in messages."""
        return "file" if len(self.files) == 1 else f"{IN_WORDS[len(self.files)]} files"


IN_WORDS = {2: "two", 3: "three", 4: "four"}


def load(published: Published, folder: Path | None, progress: download.Progress | None, timeouts: Timeouts) -> Dataset:
    """The set: from the folder that the user named, else from the cache, else from a mirror into the cache.

    Raises:
        DamagedFolderError: it was not found, and the files in the folder are something else.
        DataError: it was not found.
    """
    tried, unused, error_class = list[str](), list[str](), DataError
    if folder is not None:
        place = _own_place(folder, published)
        try:
            for each in _subfolders(place):
                if (found := _found_in(each, published)) is not None:
                    return found
            tried.append(f"{short(place)}: holds none of {published.title}'s {published.its_files}")
        except DataError as error:
            error_class = DamagedFolderError
            tried.append(str(error))
            unused.append(f"{error} That folder was passed over.")
    else:
        tried.append("--data-dir or MNISTRY_DATA_DIR: not given")
    cache = find_cache_folder(published.name)
    try:
        if (found := _found_in(cache, published)) is not None:
            return replace(found, remarks=tuple(unused))
        tried.append(f"{short(cache)}: nothing cached yet")
    except DataError as error:
        tried.append(str(error))
        if not isinstance(error, _IncompleteError):
            unused.append(f"{error} It was fetched again into the cache.")
    try:
        return replace(_from_mirrors(published, cache, progress, timeouts), remarks=tuple(unused))
    except DataError as error:
        tried.extend(str(error).splitlines())
    lines = [f"{published.title} was not found. Tried, in this order:", *(f"  {line.strip()}" for line in tried)]
    raise error_class("\n".join([*lines, _advise(published)]))


def load_local(published: Published, folder: Path | None) -> Dataset | None:
    """Load the set from the folder that the user named, or from the cache; None where it is in neither."""
    own = [] if folder is None else _subfolders(_own_place(folder, published))
    for place in (*own, find_cache_folder(published.name)):
        with contextlib.suppress(DataError):
            if (found := _found_in(place, published)) is not None:
                return found
    return None


def load_at_hand(published: Published, folder: Path | None) -> Dataset | None:
    """Load the set from the first place where `load` looks for it; None if it is not there.

    Raises:
        DataError: the files there are damaged or incomplete.
    """
    return _found_in(find_cache_folder(published.name) if folder is None else _own_place(folder, published), published)


def _own_place(folder: Path, published: Published) -> Path:
    return folder / published.name if published.beside_others else folder


class DamagedFolderError(DataError):
    """The folder that the user named holds files that are something else: too serious to go on with other digits."""


class _IncompleteError(DataError):
    """Some of the files are there, not all: as after a download that was interrupted."""


def _subfolders(place: Path) -> list[Path]:
    """A folder, and those in it that torchvision makes."""
    return [place, place / "raw", place / "MNIST" / "raw"]


def _advise(published: Published) -> str:
    kind = {Path(file.name).suffix for file in published.files}.pop()
    its = f"its {published.its_files.replace('file', f'{kind} file')}"
    if published.beside_others:
        return f"Put {its} into a folder named {published.name}, and name the folder above it with --data-dir."
    return f"Put {its} into a folder and name that with --data-dir."


def _found_in(folder: Path, published: Published) -> Dataset | None:
    """The set out of a folder, None if nothing there looks like it."""
    paths = {file: _find(folder, file) for file in published.files}
    missing = [file.name for file, path in paths.items() if path is None]
    if len(missing) == len(paths):
        return None
    if missing:
        raise _IncompleteError(
            f"{short(folder)}: {published.title} is incomplete there, {' and '.join(missing)} missing."
        )
    raw = {file: read_bytes(path, MAX_BYTES) for file, path in paths.items() if path is not None}
    names = {file: short(path) for file, path in paths.items() if path is not None}
    unpacked = {file: idx.unpack(raw[file], names[file]) for file in published.files}

    def verify(files: Iterable[RemoteFile]) -> None:
        for file in files:
            _verify_digest(file, raw[file], unpacked[file], names[file], published.title)

    verify(file for file in published.files if file.unpacked_sha256 is None)  # none but the published is taken apart
    arrays = published.arrays(unpacked, names)
    verify(file for file in published.files if file.unpacked_sha256 is not None)
    for array in arrays:
        array.setflags(write=False)
    splits: dict[str, Any] = dict(zip(("x_train", "y_train", "x_test", "y_test"), arrays, strict=True))
    return Dataset(
        name=published.name,
        title=published.title,
        **splits,
        class_names=published.class_names,
        source=short(folder),
        licence=published.licence,
        digests=dict(sorted((file.name, file.sha256) for file in published.files)),
        about=published.about,
    )


def _find(folder: Path, file: RemoteFile) -> Path | None:
    plain = file.name.removesuffix(".gz")
    candidates = [file.name]
    if file.unpacked_sha256 is not None:
        candidates += [plain, plain.replace("-idx", ".idx")]  # the last: how some archivers name it
    places = [folder / name for name in candidates]
    places += [place / place.name for place in places]  # as some archives unpack: a folder of the file's name
    there = [place for place in places if place.exists()]
    return next((place for place in there if not place.is_dir()), next(iter(there), None))


def _verify_digest(file: RemoteFile, raw: bytes, unpacked: bytes, name: str, title: str) -> None:
    """Check that this is the set's own file, or was repacked from it."""
    if hashlib.sha256(raw).hexdigest() != file.sha256 and (
        file.unpacked_sha256 is None or hashlib.sha256(unpacked).hexdigest() != file.unpacked_sha256
    ):
        raise DataError(
            f"{name} is not {title}'s {file.name}: its content has another SHA-256 than the published file. "
            "Fetch it again."
        )


def _from_mirrors(published: Published, cache: Path, progress: download.Progress | None, timeouts: Timeouts) -> Dataset:
    below = f"{published.name}/" if published.beside_others else ""
    chosen = [mirror.rstrip("/") + "/" + below for mirror in os.environ.get("MNISTRY_MIRRORS", "").split()]
    ranked, failures = download.reachable(chosen or published.mirrors, published.files[0], timeouts)
    if not ranked:
        raise DataError("\n".join(failures))
    for file in published.files:
        download.fetch(file, cache, ranked, timeouts=timeouts, progress=progress)
    found = _found_in(cache, published)
    if found is None:
        raise DataError(f"{short(cache)}: the downloaded files have vanished. Try again.")
    return found
