"""Data sets of one's own, by the path of a folder or a file."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mnistry.datasets import arrays, csv_tables, image_folder, parquet
from mnistry.datasets.dataset import Dataset
from mnistry.datasets.labelled import Labelled, LoadedSplits, natural
from mnistry.errors import DataError
from mnistry.runtime.files import short

TEST_PART = 1 / 5  # of each class, where the data are split here
SPLIT_SEED = 0
MAX_CLASSES = 256  # labels are bytes
MAX_NAME = 80  # characters
BRIGHT = 127.5
FORMS = (
    "a folder of class folders, perhaps below train and test; a folder with IDX files, with train.csv and test.csv or "
    "with train-*.parquet and test-*.parquet; or one .npz, .csv or .parquet file"
)


def name_of(path: str | os.PathLike[str]) -> str:
    """What a data set at a path is called: the whole path, the home folder as ~, wherever one stands."""
    return short(Path(path).expanduser().resolve())


def load(path: str | os.PathLike[str]) -> Dataset:
    """The data set at a path.

    Class names are sorted as people do, numbers by value. Where there is no test split, a fifth of each class, rounded,
    is taken for it, always the same.

    Args:
        path: of what there is; see `FORMS`.

    Raises:
        DataError: there is nothing, it has another form, something in it is wrong, or there is nothing to learn in it.
    """
    place = Path(path).expanduser().resolve()
    found = _read(place)
    train, test = (found.train, found.test) if found.test is not None else _split(found.train)
    names = _class_names(train, test, short(place))
    splits: dict[str, Any] = {
        "x_train": np.ascontiguousarray(train.images),
        "y_train": _numbers(train, names),
        "x_test": np.ascontiguousarray(test.images),
        "y_test": _numbers(test, names),
    }
    for array in splits.values():
        array.setflags(write=False)
    return Dataset(
        name=name_of(place),
        title=place.name,
        **splits,
        class_names=names,
        source=short(place),
        licence="that of your own data",
        digests={
            **{name: hashlib.sha256(array.tobytes()).hexdigest() for name, array in splits.items()},
            "class_names": hashlib.sha256("\n".join(names).encode()).hexdigest(),
        },
        about=f"{place.name}: a data set of your own, in fields of 28×28 pixels.",
        origins={"train": train.origins, "test": test.origins},
        remarks=(*found.remarks, *_remarks(train, test, names, was_split=found.test is None)),
    )


def _read(place: Path) -> LoadedSplits:
    """What is there, by what it looks like."""
    name = short(place)
    try:
        if place.is_dir():
            return _read_folder(place)
        if not place.is_file():
            what = "is no regular file" if place.exists() else "does not exist"
            raise DataError(f"{name} {what}. A data set of your own is {FORMS}.")
        with place.open("rb") as file:
            start = file.read(4)
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror}.") from None
    if start.startswith(b"PK"):
        return arrays.read_npz(place)
    if start == b"PAR1":
        return parquet.read(place)
    if place.suffix.lower() in (".npz", ".parquet"):
        raise DataError(f"{name} is damaged or no {place.suffix.lower()} file: it does not begin as one.")
    if start[:2] == b"\0\0" or "-ubyte" in place.name:
        raise DataError(f"{name} is one of the IDX files; name the folder that holds all of them.")
    return csv_tables.read(place)


def _read_folder(folder: Path) -> LoadedSplits:
    if arrays.has_idx(folder):
        return arrays.read_idx(folder)
    if (folder / csv_tables.SPLITS[0]).is_file():
        return csv_tables.read(folder)
    if parquet.files_in(folder):
        return parquet.read(folder)
    return image_folder.read(folder)


def _split(all_of_it: Labelled) -> tuple[Labelled, Labelled]:
    """A fifth of each class, rounded, taken for the test; a class of one image stays in the training split."""
    random = np.random.default_rng(SPLIT_SEED)
    tested = np.zeros(len(all_of_it.labels), bool)
    for name in sorted(set(all_of_it.labels), key=natural):
        members = np.flatnonzero(all_of_it.labels == name)
        n = max(1, round(len(members) * TEST_PART)) if len(members) > 1 else 0
        tested[random.permutation(members)[:n]] = True
    return all_of_it.of(~tested), all_of_it.of(tested)


def _class_names(train: Labelled, test: Labelled, name: str) -> tuple[str, ...]:
    learnt, tested = set(train.labels.tolist()), set(test.labels.tolist())
    strange = sorted(tested - learnt, key=natural)
    if strange:
        raise DataError(
            f"{name} has test images of {_listed(strange)}, but no training images: nothing can learn that."
        )
    if len(learnt) < 2:
        raise DataError(
            f"{name} has {len(train.labels):,} training images of one class, {_listed(sorted(learnt))}. There must be "
            "two classes at least to tell apart."
        )
    if len(learnt) > MAX_CLASSES:
        raise DataError(
            f"{name} has {len(learnt):,} classes, more than the {MAX_CLASSES} that there can be: "
            f"{_listed(sorted(learnt, key=natural))}. Is the first column, or the folder's name, the class?"
        )
    odd = [each for each in learnt if not each.isprintable() or len(each) > MAX_NAME or each != each.strip()]
    if odd:
        raise DataError(
            f"{name} has a class named {odd[0]!r:.100}. A name must be printable, have at most {MAX_NAME} characters, "
            "and not begin or end with a blank."
        )
    if not tested:
        raise DataError(f"{name} has no image to test on: no class has more than one.")
    return tuple(sorted(learnt, key=natural))


def _numbers(part: Labelled, names: Sequence[str]) -> np.ndarray:
    """The labels as indices into the names, uint8 (n,)."""
    number = {name: index for index, name in enumerate(names)}
    unique, inverse = np.unique(part.labels, return_inverse=True)
    return np.array([number[name] for name in unique.tolist()], np.uint8)[inverse]


def _remarks(train: Labelled, test: Labelled, names: Sequence[str], *, was_split: bool) -> list[str]:
    remarks = []
    if was_split:
        remarks.append(
            f"There is no test split: {len(test.labels):,} of the {len(train.labels) + len(test.labels):,} images, a "
            "fifth of each class, were taken for it, always the same."
        )
    untested = sorted(set(names) - set(test.labels.tolist()), key=natural)
    if untested:
        remarks.append(f"There are no test images of {_listed(untested)}: nothing is known of how well they are read.")
    edges = np.concatenate([train.images[:, 0], train.images[:, -1]], axis=1).mean(axis=1)
    bright = float((edges > BRIGHT).mean())
    if bright > 0.5:
        remarks.append(
            f"{bright:.0%} of the training images are bright at their edge, as paper is. MNIST's have bright ink on "
            "black, and so have pictures that are read: invert yours if they show dark ink."
        )
    return remarks


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:10])
    return f"{shown}, … ({len(names):,} in all)" if len(names) > 10 else shown
