"""Custom data sets: any folder or file that holds labelled images."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mnistry.datasets import kinds, preprocess
from mnistry.datasets.dataset import DIGIT_NAMES, Dataset
from mnistry.datasets.formats import (
    archives,
    array_files,
    idx_files,
    image_folder,
    numpy_files,
    parquet,
    table_folders,
    unsupported,
)
from mnistry.datasets.formats.forms import find_form
from mnistry.datasets.formats.naming import is_hidden
from mnistry.datasets.kinds import Kind
from mnistry.datasets.labelled import (
    MAX_CLASSES,
    LabelledImages,
    LoadedSplits,
    ValidationErrors,
    are_digits,
    class_name,
    join,
    list_names,
    natural,
)
from mnistry.errors import DataError
from mnistry.runtime.file_signatures import read_start
from mnistry.runtime.files import short

TEST_PART = 1 / 5  # of each class, where the data are split here
SPLIT_SEED = 0
MAX_NAME = 80  # characters
INKLESS = 0.2  # of the images: if more of them show no ink, they are pictures of something else
MAX_DEPTH = 4  # folders with nothing but a folder in them, as archives unpack
FORMS = (
    "a folder of class folders, perhaps below train and test; a folder with IDX files, with train.csv and test.csv, "
    "with a list of files, with NPY files or with train-*.parquet; one .npz, .csv or .parquet file; or a .zip or "
    ".tar.gz of these"
)


def name_of(path: str | os.PathLike[str]) -> str:
    """The name of a data set at a path: the whole path, with the home folder as ~."""
    return short(Path(path).expanduser().resolve())


def load(path: str | os.PathLike[str], kind: str | None = None) -> Dataset:
    """Load the data set at a path.

    Class names are sorted as people do, numbers by value. Where there is no test split, a fifth of each class, rounded,
    is taken for it, always the same. Assumptions and passed-over files are in the remarks.

    Args:
        path: of what there is; see `FORMS`.
        kind: "ink" or "pictures"; None decides by looking.

    Raises:
        DataError: there is nothing, it has another form, something in it is wrong, or there is nothing to learn in it.
        UsageError: there is no such kind.
    """
    chosen = kinds.check_kind(kind)
    with _open(Path(path)) as (place, found):
        return _dataset(place, found, chosen)


def load_ink(path: str | os.PathLike[str]) -> LabelledImages:
    """Load all images of ink at a path, of any number of classes, with no regard to splits: uint8 (n, 28, 28).

    Raises:
        DataError: there is nothing, it has another form, or something in it is wrong.
    """
    with _open(Path(path)) as (place, found):
        return join(list(_prepare(place, found, "ink", [])[0].all.values()))


@contextmanager
def _open(path: Path) -> Iterator[tuple[Path, LoadedSplits]]:
    """The place of a data set, and the splits that are read there; what is unpacked for them is kept for the block."""
    place = path.expanduser().resolve()
    name = short(place)
    try:
        with _unpack(place) as folder:
            if folder is None:
                yield place, _read_file(place)
                return
            found = read_folder(folder)
            remarks = tuple(each.replace(short(folder), name) for each in found.remarks)
            yield place, replace(found, remarks=remarks)
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror or error}.") from None
    except MemoryError:
        raise DataError(f"{name} needs more memory than there is.") from None


def _unpack(place: Path) -> AbstractContextManager[Path | None]:
    """The folder to read: the one that is named, or an archive or a folder of archives unpacked; None for a file."""
    if place.is_dir():
        return archives.unpack(place) if _holds_archives(place) else nullcontext(place)
    if not place.is_file():
        what = "is not a regular file" if place.exists() else "does not exist"
        raise DataError(f"{short(place)} {what}. A data set of your own is {FORMS}.")
    return archives.unpack(place) if find_form(place) == "archive" else nullcontext(None)


def _read_file(place: Path) -> LoadedSplits:
    match find_form(place):
        case "npz":
            return numpy_files.read(place)
        case "hdf5":
            return array_files.read([place], short(place))
        case "idx" if idx_files.is_one(place):
            return idx_files.read(place.parent, place.name)
        case "idx":
            raise DataError(f"{short(place)} is one of the IDX files; name the folder that holds all of them.")
        case "table":
            return table_folders.read(place)
        case _:
            told = unsupported.describe(place, read_start(place))
            raise DataError(
                told
                or f"{short(place)} is not a picture, although its name says so. A data set of your own is {FORMS}."
            )


def _holds_archives(folder: Path) -> bool:
    """Tell whether a folder holds archives, and no data beside them."""
    inside = [each for each in folder.iterdir() if not is_hidden(each.name)]
    others = [
        each for each in inside if each.is_dir() or image_folder.is_picture(each) or each.suffix.lower() == ".npz"
    ]
    readers = (idx_files.is_there, table_folders.find_tables, parquet.find_files, numpy_files.find_npy_files)
    return bool(archives.find(folder)) and not others and not any(reader(folder) for reader in readers)


def read_folder(folder: Path, depth: int = 0) -> LoadedSplits:
    """Read a folder by its look.

    Args:
        folder: holds files of data, or folders of pictures.
        depth: the number of folders above it that hold nothing else.

    Raises:
        DataError: there is nothing, it has another form, or something in it is wrong.
    """
    if idx_files.is_there(folder):
        return idx_files.read(folder)
    if table_folders.find_tables(folder):
        return table_folders.read(folder)
    if parquet.find_files(folder):
        return table_folders.read_splits(folder, *parquet.find_splits(folder))
    if numpy_files.find_npy_files(folder):
        return numpy_files.read(folder)
    tables = table_folders.find_split_tables(image_folder.find_flat_splits(folder))
    if tables:
        return table_folders.read_splits(folder, tables, [])
    if arrays := array_files.find(folder):
        return array_files.read(arrays, short(folder))
    inner = [each for each in folder.iterdir() if not is_hidden(each.name)]
    folders = [each for each in inner if each.is_dir()]
    if not folders and any(each.suffix.lower() == ".npz" for each in inner):
        return numpy_files.read(folder)
    if (
        len(folders) == 1
        and depth < MAX_DEPTH
        and not any(image_folder.is_picture(each) for each in folders[0].iterdir())
    ):
        return read_folder(folders[0], depth + 1)  # an archive that was unpacked into a folder of its own
    return image_folder.read(folder)


def _dataset(place: Path, found: LoadedSplits, kind: Kind | None) -> Dataset:
    """Make a data set of the splits that were read."""
    remarks = list(found.remarks)
    found, kind = _prepare(place, found, kind, remarks)
    parts = found.all
    if found.test is None:
        parts["train"], parts["test"] = _split(found.train)
    names = _class_names(parts, short(place))
    splits: dict[str, Any] = {}
    for split, part in parts.items():
        splits |= {f"x_{split}": np.ascontiguousarray(part.images), f"y_{split}": _numbers(part, names)}
    for array in splits.values():
        array.setflags(write=False)
    remarks += _remarks(parts, names, was_split=found.test is None)
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
        about=f"{place.name}: a data set of your own, 28×28 pixels.",
        origins={split: part.origins for split, part in parts.items()},
        remarks=tuple(remarks),
        kind=kind,
    )


def _prepare(place: Path, found: LoadedSplits, kind: Kind | None, remarks: list[str]) -> tuple[LoadedSplits, Kind]:
    """Bring all images into the form that networks take: uint8 (n, 28, 28); labels are normalized."""
    seen, coloured, colour_tells = kinds.look(found)
    told, kind = kind, kind or seen
    resized = any(
        not isinstance(part.images, np.ndarray) or part.images.shape[1:] != (28, 28) for part in found.all.values()
    )
    parts, problems = _load_images(found, kind)
    if told is None and problems.inkless > INKLESS * sum(len(part.labels) for part in parts.values()):
        kind = "pictures"  # they look like ink, but little is found
        parts, problems = _load_images(found, kind)
    problems.refuse(short(place))
    if kind == "pictures" and resized:
        remarks.append(
            "The images are pictures, not ink on paper: they are made grey and 28×28 pixels small. If they do show "
            "ink, say so with --kind ink."
        )
    if colour_tells or (coloured and kind == "pictures"):
        remarks.append(
            "Many of the images are coloured, and their colour is dropped: only their brightness is kept. Classes that "
            "differ in colour alone cannot be told apart."
        )
    if kind == "ink":
        bright = preprocess.is_dark_ink(np.asarray(parts["train"].images)).mean()
        if bright > 0.5:
            remarks.append(
                f"{bright:.0%} of the training images show dark ink on bright paper: inverted, as MNIST's are."
            )
            parts = _change_images(parts, preprocess.invert_dark_ink)
    turn = kinds.find_turn(np.asarray(parts["train"].images), parts["train"].labels) if kind == "ink" else None
    if turn is not None:
        remarks.append(f"The digits lie {turn}: turned upright.")
        parts = _change_images(parts, kinds.TURNS[turn])
    elif (
        _is_emnist(place)
        and not set(DIGIT_NAMES) <= set(parts["train"].labels.tolist())
        and isinstance(found.train.images, np.ndarray)
    ):
        remarks.append("EMNIST's files have rows for columns: turned upright.")
        parts = _change_images(parts, kinds.TURNS[kinds.TRANSPOSED])
    names = kinds.find_names(np.asarray(parts["train"].images), parts["train"].labels) if kind == "ink" else {}
    if names:
        how = "10 is 0" if names["1"] == "1" else "each is one more than its digit"
        remarks.append(f"The labels are from 1 to 10, and the images show that {how}: named as the digits.")
        for split, part in parts.items():
            labels = np.array([names.get(each, each) for each in part.labels.tolist()], np.str_)
            parts[split] = replace(part, labels=labels)
    return LoadedSplits(**parts, remarks=()), kind


def _load_images(found: LoadedSplits, kind: Kind) -> tuple[dict[str, LabelledImages], ValidationErrors]:
    """The splits with their images prepared as a kind, and what is wrong with some."""
    problems = ValidationErrors()
    digits = are_digits(np.concatenate([np.unique(part.labels) for part in found.all.values()]))
    parts = {
        split: LabelledImages(
            preprocess.load_images(part, problems, kind=kind, digits=digits),
            np.array([class_name(label) for label in part.labels.tolist()], np.str_),
            part.origins,
        )
        for split, part in found.all.items()
    }
    return parts, problems


def _change_images(
    parts: Mapping[str, LabelledImages], change: Callable[[np.ndarray], np.ndarray]
) -> dict[str, LabelledImages]:
    return {split: replace(part, images=change(np.asarray(part.images))) for split, part in parts.items()}


def _is_emnist(place: Path) -> bool:
    """Tell whether a file or folder, or the data in it, is named like EMNIST's."""
    inside = [each.name for each in place.iterdir()] if place.is_dir() else []
    return any(name.lower().startswith("emnist") for name in (place.name, *inside))


def _split(all_of_it: LabelledImages) -> tuple[LabelledImages, LabelledImages]:
    """Take a fifth of each class, rounded, for the test; a class of one image stays in the training split."""
    random = np.random.default_rng(SPLIT_SEED)
    tested = np.zeros(len(all_of_it.labels), bool)
    for name in sorted(set(all_of_it.labels.tolist()), key=natural):
        members = np.flatnonzero(all_of_it.labels == name)
        n = max(1, round(len(members) * TEST_PART)) if len(members) > 1 else 0
        tested[random.permutation(members)[:n]] = True
    return all_of_it.of(~tested), all_of_it.of(tested)


def _class_names(parts: Mapping[str, LabelledImages], name: str) -> tuple[str, ...]:
    train = parts["train"]
    learnt = set(train.labels.tolist())
    for split, part in parts.items():
        strange = sorted(set(part.labels.tolist()) - learnt, key=natural)
        if strange:
            raise DataError(
                f"{name} has {split} images of {list_names(strange)}, but no training images: nothing can learn that."
            )
    if len(learnt) < 2:
        raise DataError(
            f"{name} has {len(train.labels):,} training images of one class, {list_names(sorted(learnt))}. There must "
            "be two classes at least to tell apart."
        )
    if len(learnt) > MAX_CLASSES:
        raise DataError(
            f"{name} has {len(learnt):,} classes, more than the {MAX_CLASSES} that there can be: "
            f"{list_names(sorted(learnt, key=natural))}. Is the first column, or the folder's name, the class?"
        )
    odd = [each for each in learnt if not each.isprintable() or not 0 < len(each) <= MAX_NAME]
    if odd:
        raise DataError(
            f"{name} has a class named {odd[0]!r:.100}. A name must be printable and have 1 to {MAX_NAME} characters."
        )
    if not len(parts["test"].labels):
        raise DataError(f"{name} has no image to test on: no class has more than one.")
    return tuple(sorted(learnt, key=natural))


def _numbers(part: LabelledImages, names: Sequence[str]) -> np.ndarray:
    """The labels as indices into the names, uint8 (n,)."""
    number = {name: index for index, name in enumerate(names)}
    unique, inverse = np.unique(part.labels, return_inverse=True)
    return np.array([number[name] for name in unique.tolist()], np.uint8)[inverse]


def _remarks(parts: Mapping[str, LabelledImages], names: Sequence[str], *, was_split: bool) -> list[str]:
    remarks, train, test = list[str](), parts["train"], parts["test"]
    if was_split:
        remarks.append(
            f"There is no test split: {len(test.labels):,} of the {len(train.labels) + len(test.labels):,} images, a "
            "fifth of each class, were taken for it, always the same."
        )
    same = [name for name in names if name.casefold() in {each.casefold() for each in names if each != name}]
    if same:
        remarks.append(f"The classes {list_names(same)} differ in capital letters only: they are not one class.")
    untested = sorted(set(names) - set(test.labels.tolist()), key=natural)
    if untested:
        remarks.append(
            f"There are no test images of {list_names(untested)}: nothing is known of how well they are read."
        )
    if "validation" in parts:
        remarks.append(
            f"There is a validation split of {len(parts['validation'].labels):,} images: it is used where training "
            "images would be held out."
        )
    return remarks
