"""MNIST: found on disk, or downloaded, and verified wherever it is found.

MNIST is the work of Yann LeCun, Corinna Cortes and Christopher J. C. Burges, under CC BY-SA 3.0.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from mnistry import download, idx
from mnistry.dataset import DIGIT_NAMES, Dataset
from mnistry.download import Patience, RemoteFile
from mnistry.errors import DataError
from mnistry.files import read_bytes
from mnistry.folders import cache_folder, short

TRAIN_IMAGES = RemoteFile(
    "train-images-idx3-ubyte.gz",
    size=9_912_422,
    sha256="440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    unpacked_sha256="ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
)
TRAIN_LABELS = RemoteFile(
    "train-labels-idx1-ubyte.gz",
    size=28_881,
    sha256="3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    unpacked_sha256="65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
)
TEST_IMAGES = RemoteFile(
    "t10k-images-idx3-ubyte.gz",
    size=1_648_877,
    sha256="8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    unpacked_sha256="0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
)
TEST_LABELS = RemoteFile(
    "t10k-labels-idx1-ubyte.gz",
    size=4_542,
    sha256="f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    unpacked_sha256="ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
)
MNIST_FILES = (TEST_LABELS, TRAIN_LABELS, TEST_IMAGES, TRAIN_IMAGES)  # small ones first: a bad mirror shows early
MNIST_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "http://yann.lecun.com/exdb/mnist/",
)


def load(folder: Path | None, progress: download.Progress | None, patience: Patience) -> Dataset:
    """MNIST: from the folder that the user named, else from the cache, else from a mirror into the cache.

    Raises:
        DamagedFolderError: it is nowhere, and what lies in the folder is not MNIST.
        DataError: it is nowhere.
    """
    tried: list[str] = []
    damaged: DamagedFolderError | None = None
    spoilt: DataError | None = None
    if folder is not None:
        try:
            found = _mnist_in(folder)
            if found is not None:
                return found
            tried.append(f"{short(folder)}: holds none of MNIST's four files")
        except DataError as error:
            damaged = DamagedFolderError(str(error))
            tried.append(str(error))
    else:
        tried.append("--data-dir or MNISTRY_DATA_DIR: not given")
    cache = cache_folder("mnist")
    try:
        found = _mnist_in(cache)
        if found is not None:
            return replace(found, remarks=_passed_over(damaged))
        tried.append(f"{short(cache)}: nothing cached yet")
    except _IncompleteError as error:
        tried.append(str(error))
    except DataError as error:
        spoilt = error
        tried.append(str(error))
    try:
        return replace(_mnist_from_mirrors(cache, progress, patience), remarks=_passed_over(damaged, spoilt))
    except DataError as error:
        tried.extend(str(error).splitlines())
    lines = ["MNIST was not found. Tried, in this order:", *(f"  {line.strip()}" for line in tried)]
    text = "\n".join([*lines, "Put its four .gz files into a folder and name that with --data-dir."])
    raise DataError(text) if damaged is None else DamagedFolderError(text)


class DamagedFolderError(DataError):
    """The folder that the user named holds files that are not MNIST: too serious to go on with other digits."""


class _IncompleteError(DataError):
    """Some of the four files are there, not all: as after a download that was interrupted."""


def _passed_over(damaged: DataError | None, spoilt: DataError | None = None) -> tuple[str, ...]:
    """What to tell of files that were not used: those in the user's folder, and those in the cache."""
    told = [] if damaged is None else [f"{damaged} That folder was passed over."]
    return (*told, *([] if spoilt is None else [f"{spoilt} It was fetched again into the cache."]))


def _mnist_in(folder: Path) -> Dataset | None:
    """MNIST out of a folder, None if nothing there looks like it."""
    paths = {file: _find(folder, file) for file in MNIST_FILES}
    missing = [file.name for file, path in paths.items() if path is None]
    if len(missing) == len(paths):
        return None
    if missing:
        raise _IncompleteError(f"{short(folder)}: MNIST is incomplete there, {' and '.join(missing)} missing.")
    raw = {file: read_bytes(path, idx.MAX_BYTES) for file, path in paths.items() if path is not None}
    names = {file: short(path) for file, path in paths.items() if path is not None}
    unpacked = {file: idx.unpack(raw[file], names[file]) for file in MNIST_FILES}

    def pair(images: RemoteFile, labels: RemoteFile) -> tuple[np.ndarray, np.ndarray]:
        return idx.parse_pair(
            unpacked[images], unpacked[labels], names=(names[images], names[labels]), classes=len(DIGIT_NAMES)
        )

    x_train, y_train = pair(TRAIN_IMAGES, TRAIN_LABELS)
    x_test, y_test = pair(TEST_IMAGES, TEST_LABELS)
    digests = {file.name: _verified_digest(file, raw[file], unpacked[file], names[file]) for file in MNIST_FILES}
    return Dataset(
        name="mnist",
        title="MNIST",
        x_train=x_train,
        y_train=y_train,
        x_test=x_test,
        y_test=y_test,
        class_names=DIGIT_NAMES,
        source=short(folder),
        licence="CC BY-SA 3.0 (Yann LeCun, Corinna Cortes, Christopher J. C. Burges)",
        digests=dict(sorted(digests.items())),
        lesson_index=2000,
        lesson_epochs=5,
        about="MNIST: digits written by American census workers and school students, scanned, and set into fields of "
        "28×28 pixels.",
    )


def _find(folder: Path, file: RemoteFile) -> Path | None:
    plain = file.name.removesuffix(".gz")
    candidates = (file.name, plain, plain.replace("-idx", ".idx"))  # the last: how some archivers name it
    return next((folder / name for name in candidates if (folder / name).exists()), None)


def _verified_digest(file: RemoteFile, raw: bytes, unpacked: bytes, name: str) -> str:
    """The SHA-256 of MNIST's own file, if this is it or was packed anew from it."""
    if hashlib.sha256(raw).hexdigest() != file.sha256 and hashlib.sha256(unpacked).hexdigest() != file.unpacked_sha256:
        raise DataError(
            f"{name} is not MNIST's {file.name}: its content has another SHA-256 than the published file. "
            "Fetch it again."
        )
    return file.sha256


def _mnist_from_mirrors(cache: Path, progress: download.Progress | None, patience: Patience) -> Dataset:
    chosen = os.environ.get("MNISTRY_MIRRORS", "").split()
    mirrors = [mirror.rstrip("/") + "/" for mirror in chosen] or list(MNIST_MIRRORS)
    ranked, failures = download.reachable(mirrors, TEST_LABELS, patience)
    if not ranked:
        raise DataError("\n".join(failures))
    for file in MNIST_FILES:
        if not _is_whole(cache / file.name, file):
            download.fetch(file, cache, ranked, patience=patience, progress=progress)
    found = _mnist_in(cache)
    if found is None:
        raise DataError(f"{short(cache)}: the downloaded files have vanished. Try again.")
    return found


def _is_whole(path: Path, file: RemoteFile) -> bool:
    try:
        return path.stat().st_size == file.size and hashlib.sha256(path.read_bytes()).hexdigest() == file.sha256
    except OSError:
        return False
