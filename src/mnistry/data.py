"""Data sets of digits: found on disk, downloaded and verified, or embedded.

MNIST is the work of Yann LeCun, Corinna Cortes and Christopher J. C. Burges, under CC BY-SA 3.0. The embedded digits
are the 1,797 of "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak, 1998), CC BY 4.0, that scikit-learn
carries.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from mnistry import download, idx
from mnistry.download import Patience, RemoteFile
from mnistry.errors import DataError, UsageError, did_you_mean
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
DIGITS_TEST_SIZE = 360
DIGITS_SPLIT_SEED = 0
STATISTICS_CHUNK = 5_000
VALIDATION_STREAM = 0  # epochs are numbered from 1, so no order of images shares its random numbers


Split = tuple[np.ndarray, np.ndarray]
"""Images, uint8 (n, 28, 28), and their labels, uint8 (n,)."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """A named set of images with a train and a test split.

    Attributes:
        name: the word that loads it.
        title: what it is, for people.
        x_train: uint8 (n, 28, 28) 0–255, ink bright on black.
        y_train: uint8 (n,), indices into `class_names`.
        x_test: like `x_train`.
        y_test: like `y_train`.
        class_names: what each label stands for.
        source: where the bytes came from.
        licence: the terms of the data.
        digests: SHA-256 of each file or array.
        lesson_index: the training image that the lesson looks at.
        lesson_epochs: how many epochs the lesson's network takes on this set.
        fallback: why this set stands in for MNIST, or None where it does not.
        remarks: what else a user should know, such as a damaged file that was passed over.
    """

    name: str
    title: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    class_names: tuple[str, ...]
    source: str
    licence: str
    digests: Mapping[str, str]
    lesson_index: int
    lesson_epochs: int
    fallback: str | None = None
    remarks: tuple[str, ...] = field(default=())

    def labels(self, classes: np.ndarray) -> list[str]:
        """The class names of integers (n,)."""
        return [self.class_names[int(number)] for number in classes]

    def statistics(self) -> dict[str, Any]:
        """Shapes, dtypes, images per class, and the mean and standard deviation of the pixels, for each split."""
        splits = {"train": (self.x_train, self.y_train), "test": (self.x_test, self.y_test)}
        return {name: _statistics(x, y, len(self.class_names)) for name, (x, y) in splits.items()}

    def as_json(self) -> dict[str, Any]:
        """What `mnistry data --json` prints."""
        return {
            "name": self.name,
            "title": self.title,
            "source": self.source,
            "licence": self.licence,
            "class_names": list(self.class_names),
            "digests": dict(self.digests),
            "fallback": self.fallback,
            "remarks": list(self.remarks),
            **self.statistics(),
        }

    def checked_index(self, index: int | None) -> int:
        """The index of a training image; None gives the one that the lesson looks at.

        Raises:
            UsageError: there is no such image.
        """
        if index is None:
            return self.lesson_index
        if not 0 <= index < len(self.x_train):
            raise UsageError(
                f"The index must be from 0 to {len(self.x_train) - 1}, as {self.title} has {len(self.x_train):,} "
                f"training images; received {index}."
            )
        return index


def load(
    name: str | None = None,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    progress: download.Progress | None = None,
    patience: Patience | None = None,
) -> Dataset:
    """A data set by name.

    MNIST is looked for in `data_dir` (or the folder that `MNISTRY_DATA_DIR` names), then in the user's cache folder,
    then on the public mirrors (or those that `MNISTRY_MIRRORS` names, separated by blanks). Wherever it is found, it
    is checked against its published SHA-256.

    Args:
        name: "mnist" or "digits". None means MNIST if it is on disk or reachable, else the embedded digits; the
            result's `fallback` then says why.
        data_dir: a folder that holds MNIST's four files, gzip-compressed or unpacked.
        progress: called while a file is downloaded.
        patience: when to give a mirror up.

    Raises:
        UsageError: the name is unknown, or `data_dir` is not a folder.
        DataError: MNIST was asked for and is nowhere, or what lies in `data_dir` is damaged.

    >>> digits = load("digits")
    >>> digits.x_train.shape, digits.x_train.dtype, digits.x_test.shape
    ((1437, 28, 28), dtype('uint8'), (360, 28, 28))
    """
    if name is not None and name not in LOADERS:
        raise UsageError(f"There is no data set named {name!r}. {did_you_mean(name, LOADERS)}")
    folder = _data_folder(data_dir)
    if name is not None:
        return LOADERS[name](folder, progress, patience or Patience())
    try:
        return _load_mnist(folder, progress, patience or Patience())
    except _DamagedFolderError:
        raise
    except DataError as error:
        return replace(_load_digits(), fallback=str(error))


def _load_mnist(folder: Path | None, progress: download.Progress | None, patience: Patience) -> Dataset:
    tried: list[str] = []
    damaged: _DamagedFolderError | None = None
    spoilt: DataError | None = None
    if folder is not None:
        try:
            found = _mnist_in(folder)
            if found is not None:
                return found
            tried.append(f"{short(folder)}: holds none of MNIST's four files")
        except DataError as error:
            damaged = _DamagedFolderError(str(error))
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
    raise DataError(text) if damaged is None else _DamagedFolderError(text)


class _DamagedFolderError(DataError):
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
    raw = {file: _read(path) for file, path in paths.items() if path is not None}
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
    )


def _find(folder: Path, file: RemoteFile) -> Path | None:
    plain = file.name.removesuffix(".gz")
    candidates = (file.name, plain, plain.replace("-idx", ".idx"))  # the last: how some archivers name it
    return next((folder / name for name in candidates if (folder / name).exists()), None)


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > idx.MAX_BYTES:
            raise DataError(f"{short(path)} is larger than {idx.MAX_BYTES:,} bytes: that is no file of MNIST.")
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{short(path)} cannot be read: {error.strerror}.") from None


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


def _load_digits(*_: object) -> Dataset:
    import sklearn
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    bunch = load_digits()
    x = np.stack([_enlarged(image) for image in bunch.images])
    y = bunch.target.astype(np.uint8)
    x_train, x_test, y_train, y_test = train_test_split(
        x, y, test_size=DIGITS_TEST_SIZE, stratify=y, random_state=DIGITS_SPLIT_SEED
    )
    splits = {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}
    for array in splits.values():
        array.setflags(write=False)
    return Dataset(
        name="digits",
        title="the UCI digits",
        **splits,
        class_names=DIGIT_NAMES,
        source=f"scikit-learn {sklearn.__version__}, embedded, enlarged from 8×8",
        licence="CC BY 4.0 (E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI)",
        digests={name: hashlib.sha256(array.tobytes()).hexdigest() for name, array in splits.items()},
        lesson_index=1000,
        lesson_epochs=30,
    )


def _enlarged(image: np.ndarray) -> np.ndarray:
    """An 8×8 image (0–16, each cell the inked part of a 4×4 block) in MNIST's form.

    The cells are a blurred stroke; drawing them large and raising the contrast gives its edge back.
    """
    from PIL import Image

    from mnistry.form import to_mnist_form

    cells = Image.fromarray(np.pad(image / 16, 1).astype(np.float32))
    large = np.asarray(cells.resize((100, 100), Image.Resampling.BICUBIC))
    return to_mnist_form(np.clip((large - 0.2) / 0.6, 0.0, 1.0))


def _statistics(x: np.ndarray, y: np.ndarray, classes: int) -> dict[str, Any]:
    total = squares = 0.0
    for start in range(0, len(x), STATISTICS_CHUNK):  # in parts: float64 takes eight times the memory
        pixels = x[start : start + STATISTICS_CHUNK].reshape(-1).astype(np.float64)
        total, squares = total + float(pixels.sum()), squares + float(pixels @ pixels)
    mean = total / x.size
    variance = squares / x.size - mean**2
    return {
        "images": {"shape": list(x.shape), "dtype": str(x.dtype)},
        "labels": {"shape": list(y.shape), "dtype": str(y.dtype)},
        "counts": np.bincount(y, minlength=classes).tolist(),
        "mean": mean,
        "std": variance**0.5,
    }


def _data_folder(data_dir: str | os.PathLike[str] | None) -> Path | None:
    given = data_dir if data_dir is not None else os.environ.get("MNISTRY_DATA_DIR") or None
    if given is None:
        return None
    try:
        folder = Path(given).expanduser()
        if folder.is_dir():
            return folder
    except (OSError, RuntimeError):  # a name too long, a home folder of nobody
        folder = Path(given)
    origin = "--data-dir" if data_dir is not None else "MNISTRY_DATA_DIR"
    kind = "is a file, not a folder" if os.path.exists(folder) else "does not exist"
    raise UsageError(f"{folder} (from {origin}) {kind}. Name the folder that holds the data files.")


DIGIT_NAMES = tuple("0123456789")
LOADERS: Mapping[str, Callable[[Path | None, download.Progress | None, Patience], Dataset]] = {
    "mnist": _load_mnist,
    "digits": _load_digits,
}


def validation_size(dataset: Dataset, part: float) -> int:
    """How many training images `split` holds out: the part of each class, rounded down, at least one."""
    counts = np.bincount(dataset.y_train, minlength=len(dataset.class_names))
    return int(sum(max(1, int(count * part)) for count in counts if count)) if part else 0


def split(dataset: Dataset, part: float, seed: int) -> tuple[Split, Split]:
    """The training split in two: to learn from, and to watch.

    Args:
        dataset: whose training split.
        part: how much of each class is held out, 0 to 0.5; 0 holds out none.
        seed: decides which.

    Returns:
        Images and labels to learn from, and images and labels held out, each in their old order.
    """
    held_out = np.zeros(len(dataset.y_train), bool)
    random = np.random.default_rng([seed, VALIDATION_STREAM])
    for number in range(len(dataset.class_names)):
        members = np.flatnonzero(dataset.y_train == number)
        if part and len(members):
            held_out[random.permutation(members)[: max(1, int(len(members) * part))]] = True
    if not held_out.any():
        return (dataset.x_train, dataset.y_train), (dataset.x_train[:0], dataset.y_train[:0])
    return (dataset.x_train[~held_out], dataset.y_train[~held_out]), (
        dataset.x_train[held_out],
        dataset.y_train[held_out],
    )
