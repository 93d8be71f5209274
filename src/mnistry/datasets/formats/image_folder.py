"""Folders of pictures: a folder for each class, perhaps below folders of the splits."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path

import numpy as np

from mnistry.datasets.dataset import make_origins
from mnistry.datasets.formats import file_names, label_files, unsupported
from mnistry.datasets.formats.naming import find_split, is_hidden
from mnistry.datasets.labelled import (
    SPLITS,
    EncodedImage,
    LabelledImages,
    LoadedSplits,
    ValidationErrors,
    list_names,
    natural,
)
from mnistry.errors import DataError
from mnistry.ocr.image_io import SUFFIXES
from mnistry.reporting.text import format_count
from mnistry.runtime import file_signatures
from mnistry.runtime.file_signatures import read_start
from mnistry.runtime.files import short

MIX_SEED = 0

Pairs = list[tuple[Path, str]]
"""Pictures, each with the name of its class."""


def read(folder: Path) -> LoadedSplits:
    """Read the pictures below a folder.

    Args:
        folder: holds folders named after the classes, or folders of the splits that do (`train`, `Testing`,
            `val_images` …), or folders of classes that hold folders of the splits.

    Raises:
        DataError: there are none, or a class has no pictures.
    """
    folders, notes = _folders(folder), _Notes()
    if _are_pictures_and_labels(folders):
        return read(next(each for each in folders if each.name.lower() in label_files.PICTURES))
    if not folders:
        listing = _list_flat(folder, notes)
    elif places := _split_folders(folder):
        known = {path for paths in places.values() for path in paths}
        unnamed = [each.name for each in folders if each not in known]
        if unnamed:
            notes.remarks.append(
                f"{short(folder)}: passed over the folders {list_names(unnamed)}: they are named after no split."
            )
        listing = {
            split: [pair for path in paths for pair in _list_pictures(_find_innermost(path, split), split, notes)]
            for split, paths in places.items()
        }
    else:
        listing = _split_inside(folder, notes)
    if folders:
        notes.others[folder] += _count_files(folder)
    notes.problems.refuse(short(folder))
    parts = {split: _label_pictures(folder, listing[split]) for split in SPLITS if listing.get(split)}
    if "train" not in parts:
        raise DataError(f"{short(folder)} holds no pictures to train on, only for {' and '.join(parts) or 'nothing'}.")
    others = (
        f"{short(each)}: passed over {format_count(n, 'file')}, not a picture or in no class."
        for each, n in notes.others.items()
        if n
    )
    return LoadedSplits(**parts, remarks=(*others, *notes.remarks))


@dataclass
class _Notes:
    """The notes of one reading: what is wrong, what is assumed, and how many other files each folder has."""

    problems: ValidationErrors = field(default_factory=ValidationErrors)
    remarks: list[str] = field(default_factory=list)
    others: Counter[Path] = field(default_factory=Counter)


def _list_flat(folder: Path, notes: _Notes) -> dict[str, Pairs]:
    """The pictures of a folder without others, by split."""
    how = "Put the pictures of each class into a folder of its name"
    pictures = _visible_pictures(folder)
    if not pictures:
        files = sorted(folder.iterdir(), key=lambda each: (each.suffix == ".json", each.name))
        told = (unsupported.describe(each, read_start(each)) for each in files if each.is_file())
        known = next((each for each in told if each is not None), None)
        raise DataError(known or f"{short(folder)} holds neither pictures nor data files. {how}.")
    listing = _list_unsorted(folder, pictures, notes)
    if isinstance(listing, str):
        raise DataError(
            f"{short(folder)} holds pictures, but no folders, and {listing}. {how}, or list names and labels in "
            f"labels.csv.{label_files.explain(folder)}"
        )
    return listing


def _list_unsorted(folder: Path, pictures: Sequence[Path], notes: _Notes) -> dict[str, Pairs] | str:
    """Pictures in no folders of classes, by split: a file beside each holds its class, or its name does.

    Returns:
        The pictures; or the reason why there are no classes, a clause.
    """
    if (found := label_files.read(pictures)) is not None:
        labels, ending = found
        notes.remarks.append(f"{short(folder)}: the classes are read in the {ending} files beside the pictures.")
        return {"train": list(zip(pictures, labels, strict=True))}
    named, why = file_names.read(pictures)
    if named is None:
        return why
    notes.remarks.append(
        f"{short(folder)}: the classes are read in the names of the pictures, such as {named.example}."
    )
    notes.others[folder] += _count_files(folder) - len(_visible_pictures(folder))
    listing: dict[str, Pairs] = {}
    for path, label, split in zip(pictures, named.labels, named.splits or repeat("train"), strict=False):
        listing.setdefault(split, []).append((path, label))
    return listing


def _visible_pictures(folder: Path) -> list[Path]:
    found = (entry for entry in folder.iterdir() if entry.name[0] != "." and entry.is_file() and is_picture(entry))
    return sorted(found, key=lambda path: natural(path.name))


def is_picture(path: Path) -> bool:
    """Tell whether a file's name ends like that of a picture; one without an ending may begin like a picture."""
    if path.suffix:
        return path.suffix.lower() in SUFFIXES
    return path.is_file() and file_signatures.is_picture(read_start(path))


def find_pictures(folder: Path) -> list[Path]:
    """All pictures in and below a folder, in natural order; hidden files are left out."""
    return sorted((path for path in _files(folder) if is_picture(path)), key=lambda path: natural(str(path)))


def _files(folder: Path) -> Iterator[Path]:
    """All files in and below a folder, but for hidden ones and those in hidden folders."""
    for parent, folders, names in os.walk(folder):
        folders[:] = [each for each in folders if not is_hidden(each)]
        yield from (Path(parent) / name for name in names if not is_hidden(name))


def _split_folders(folder: Path) -> dict[str, list[Path]]:
    """The folders of each split; none where the folders are named after classes."""
    found: dict[str, list[Path]] = {}
    for each in _folders(folder):
        split = find_split(each.name)
        if split is not None:
            found.setdefault(split, []).append(each)
    return found if "train" in found or len(found) == len(_folders(folder)) else {}


def find_flat_splits(folder: Path) -> dict[str, list[Path]]:
    """The folders of each split, if none of them holds folders, as of classes."""
    found = _split_folders(folder)
    return {} if any(_folders(path) for paths in found.values() for path in paths) else found


def _split_inside(folder: Path, notes: _Notes) -> dict[str, Pairs]:
    """The pictures of folders of classes, which may each hold folders of the splits."""
    classes = _folders(folder)
    inside = {each: _split_folders(each) for each in classes}
    if not all("train" in places for places in inside.values()):
        _refuse_unclear(folder, classes)
        return {"train": _list_pictures(folder, "train", notes)}
    listing: dict[str, Pairs] = {}
    for each, places in inside.items():
        for split, paths in places.items():
            listing.setdefault(split, []).extend(
                (picture, each.name) for path in paths for picture in find_pictures(path)
            )
    return listing


def _find_innermost(folder: Path, split: str) -> Path:
    """The folder of a split, below others that hold nothing else: trainingSet/trainingSet, test/images."""
    while len(inner := _folders(folder)) == 1 and not _visible_pictures(folder):
        if find_split(inner[0].name) != split and len(_folders(inner[0])) < 2:
            break
        folder = inner[0]
    return folder


def _refuse_unclear(folder: Path, classes: Sequence[Path]) -> None:
    """Refuse folders that all hold folders of the same names: either may be the classes.

    Raises:
        DataError: they do.
    """
    inside = [{each.name for each in _folders(path)} for path in classes]
    shared = set.intersection(*inside) if len(inside) > 1 else set()
    if len(shared) < max(2, max(map(len, inside), default=0) / 2) or any(map(_visible_pictures, classes)):
        return
    raise DataError(
        f"{short(folder)}: its folders {list_names([each.name for each in classes])} all hold folders "
        f"{list_names(sorted(shared, key=natural))}: either may be the classes. If the first are splits, name them "
        "train, test and validation; if they are the classes, put their pictures into them without folders between; "
        "if they are neither, put all pictures of a class into one folder."
    )


def _list_pictures(folder: Path, split: str, notes: _Notes) -> Pairs:
    """The pictures of a split with the names of their classes, in natural order."""
    classes = _folders(folder)
    flat = find_pictures(folder) if _are_pictures_and_labels(classes) else [] if classes else _visible_pictures(folder)
    if flat:
        listing = _list_unsorted(folder, flat, notes)
        if not isinstance(listing, str):
            return [pair for pairs in listing.values() for pair in pairs]
        if split == "train":
            why = f"it holds no folders of classes, and {listing}.{label_files.explain(folder)}"
            notes.problems.add(short(folder), why)
            return []
        notes.remarks.append(
            f"{short(folder)}: its pictures are in no folders of classes, so they have no labels and are not used. "
            f"Once there is a model: mnistry predict MODEL --dataset {shlex.quote(str(folder))} --out answers.csv"
        )
        return []
    found: Pairs = []
    for each in classes:
        pictures = find_pictures(each)
        files = list(_files(each))
        notes.others[folder] += len(files) - len(pictures)
        if not pictures and split != "train":
            notes.remarks.append(f"{short(each)}: there are no pictures in it.")
        elif not pictures:
            endings = sorted({path.suffix or path.name for path in files})
            but = f" (it holds {list_names(endings)} files, which are not read as pictures)" if endings else ""
            notes.problems.add(short(each), f"there are no pictures in it{but}: put some in, or remove the folder")
        found.extend((path, each.name) for path in pictures)
    return found


def _are_pictures_and_labels(folders: Sequence[Path]) -> bool:
    """Tell whether folders are one of pictures and one of the files with their labels."""
    names = {each.name.lower() for each in folders}
    pictures = names & label_files.PICTURES
    return len(pictures) == 1 < len(names) and names - pictures <= label_files.LABELS


def _label_pictures(folder: Path, pairs: Pairs) -> LabelledImages:
    """The pictures, mixed, always the same: in order, a look at the first ones would show one class only."""
    where = make_origins(path.relative_to(folder).as_posix() for path, _ in pairs)
    pictures = [EncodedImage(str(path)) for path, _ in pairs]
    in_order = LabelledImages(pictures, np.array([label for _, label in pairs], np.str_), where)
    return in_order.of(np.random.default_rng(MIX_SEED).permutation(len(pairs)))


def _count_files(folder: Path) -> int:
    """Count the files in a folder that are not hidden."""
    return sum(entry.is_file() and entry.name[0] != "." for entry in folder.iterdir())


def _folders(folder: Path) -> list[Path]:
    found = [entry for entry in folder.iterdir() if entry.is_dir() and not is_hidden(entry.name)]
    return sorted(found, key=lambda entry: natural(entry.name))
