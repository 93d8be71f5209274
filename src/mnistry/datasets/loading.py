"""Data sets by name or path: found on disk, downloaded and verified, embedded, or custom."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from mnistry.datasets import catalog, download, published, uci_digits
from mnistry.datasets.dataset import DIGIT_NAMES, Dataset, Split, split
from mnistry.datasets.download import Timeouts
from mnistry.errors import DataError, UsageError, did_you_mean

__all__ = ["DIGIT_NAMES", "LOADERS", "Dataset", "Split", "load", "name_of", "split"]

logger = logging.getLogger(__name__)


def load(
    name: str | None = None,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    progress: download.Progress | None = None,
    timeouts: Timeouts | None = None,
    kind: str | None = None,
) -> Dataset:
    """Load a data set by name, or a custom one by its path.

    MNIST is looked for in `data_dir` (or the folder that `MNISTRY_DATA_DIR` names), then in the user's cache folder,
    then on the public mirrors (or those that `MNISTRY_MIRRORS` names, separated by blanks). Wherever it is found, it
    is checked against its published SHA-256. The sets like MNIST are looked for in the same places, in a folder of
    their name.

    Args:
        name: "mnist", "fashion-mnist", "kmnist", "qmnist", "emnist-digits" or "digits", or the path of a folder or
            file; see `custom.FORMS`. None means MNIST if it is on disk or reachable, else the embedded digits; the
            result's `fallback` then says why.
        data_dir: a folder that holds MNIST's four files, gzip-compressed or unpacked.
        progress: called while a file is downloaded.
        timeouts: after which a mirror is given up.
        kind: of custom data: "ink" brings handwriting into MNIST's form, "pictures" makes anything else grey and
            28×28 pixels small; None decides by looking.

    Raises:
        UsageError: the name is unknown and not a path, or `data_dir` is not a folder.
        DataError: MNIST was asked for and not found, the files in `data_dir` are damaged, or something is wrong with
            the data at the path.

    >>> digits = load("digits")
    >>> digits.x_train.shape, digits.x_train.dtype, digits.x_test.shape
    ((1437, 28, 28), dtype('uint8'), (360, 28, 28))
    """
    found = _found(name, data_dir, progress, timeouts, kind)
    logger.info("loaded %r from %s", found, found.source)
    for remark in found.remarks:
        logger.warning("%s: %s", found.title, remark)
    if found.fallback is not None:
        logger.warning("this is not MNIST but %s: %s", found.title, found.fallback)
    return found


def _found(
    name: str | None,
    data_dir: str | os.PathLike[str] | None,
    progress: download.Progress | None,
    timeouts: Timeouts | None,
    kind: str | None,
) -> Dataset:
    if name is not None and name not in LOADERS:
        return _custom().load(own_path(name), kind)
    folder = _data_folder(data_dir)
    if name is not None:
        return LOADERS[name](folder, progress, timeouts or Timeouts())
    try:
        return LOADERS["mnist"](folder, progress, timeouts or Timeouts())
    except published.DamagedFolderError:
        raise
    except DataError as error:
        return replace(uci_digits.load(), fallback=str(error))


def load_local(name: str, *, data_dir: str | os.PathLike[str] | None = None) -> Dataset | None:
    """Load a published data set, such as "mnist", that is on disk; None where it is not. Nothing is downloaded."""
    (wanted,) = (each for each in catalog.ALL if each.name == name)
    return published.load_local(wanted, _data_folder(data_dir))


def load_at_hand(name: str | None, *, data_dir: str | os.PathLike[str] | None = None) -> Dataset | None:
    """Load a published data set (None is MNIST) that is whole in the first place where `load` looks; else None."""
    wanted = next((each for each in catalog.ALL if each.name == ("mnist" if name is None else name)), None)
    try:
        return None if wanted is None else published.load_at_hand(wanted, _data_folder(data_dir))
    except (DataError, UsageError):
        return None  # `load` says what is wrong


def name_of(name: str) -> str:
    """The name of a data set in configs and reports: a path is completed.

    Raises:
        UsageError: there is nothing of that name.
    """
    return name if name in LOADERS else str(_custom().name_of(own_path(name)))


def with_full_name(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Complete the path of a data set in settings, if they name one; see `name_of`."""
    return settings if settings.get("dataset") is None else {**settings, "dataset": name_of(settings["dataset"])}


def _custom() -> Any:
    """The module for custom data, imported only when needed: it brings in the readers of all formats."""
    from mnistry.datasets import custom

    return custom


def own_path(name: str) -> Path:
    """The path of a custom data set.

    Raises:
        UsageError: nothing is there.
    """
    path = Path(name)
    try:
        path = path.expanduser()
        if name and path.exists():  # an empty name would be the current folder
            return path
    except (OSError, RuntimeError):  # a name too long, a home folder of nobody
        pass
    if len(path.parts) > 1 or path.suffix:
        raise UsageError(f"There is no file or folder {name}. A data set of your own is {_custom().FORMS}.")
    raise UsageError(f"There is no data set named {name!r}, nor a file or folder. {did_you_mean(name, LOADERS)}")


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


LOADERS: Mapping[str, Callable[[Path | None, download.Progress | None, Timeouts], Dataset]] = {
    **{each.name: partial(published.load, each) for each in catalog.ALL},
    "digits": lambda *_: uci_digits.load(),
}
