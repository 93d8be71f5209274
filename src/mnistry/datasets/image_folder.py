"""Folders of pictures: a folder for each class, with its pictures in it; below `train` and `test`, or to be split."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from mnistry.datasets import preprocess
from mnistry.datasets.dataset import file_origins
from mnistry.datasets.labelled import Labelled, LoadedSplits, ValidationErrors, are_digits, natural
from mnistry.datasets.preprocess import Raw
from mnistry.errors import DataError
from mnistry.ocr.read_many import SUFFIXES
from mnistry.runtime.files import short

SPLITS = ("train", "test")
MIX_SEED = 0


def read(folder: Path) -> LoadedSplits:
    """The pictures below a folder.

    Args:
        folder: holds folders named after the classes, or `train` and perhaps `test` that do.

    Raises:
        DataError: there are none, a class has no pictures, or some cannot be read.
    """
    splits = {name: folder / name for name in SPLITS if _folders(folder / name)}
    if "train" not in splits:
        splits = {"train": folder}
    if not _folders(folder):
        loose = any(_is_picture(entry) for entry in folder.iterdir())
        raise DataError(
            f"{short(folder)} holds {'pictures, but no folders' if loose else 'neither pictures nor data files'}. "
            "Put the pictures of each class into a folder of its name."
        )
    problems, remarks = ValidationErrors(), _left_out(folder, splits)
    listed = {name: _listed(each, problems, remarks) for name, each in splits.items()}
    problems.refuse(short(folder))
    digits = are_digits([label for pairs in listed.values() for _, label in pairs])
    read = {name: _labelled(folder, pairs, problems, digits=digits) for name, pairs in listed.items()}
    problems.refuse(short(folder))
    return LoadedSplits(read["train"], read.get("test"), tuple(remarks))


def _labelled(folder: Path, pairs: list[tuple[Path, str]], problems: ValidationErrors, *, digits: bool) -> Labelled:
    """The images, mixed, always the same: in order, a look at the first ones would show one class only."""
    images = preprocess.images([Raw(str(path)) for path, _ in pairs], problems, digits=digits)
    where = file_origins([path.relative_to(folder).as_posix() for path, _ in pairs])
    in_order = Labelled(images, np.array([label for _, label in pairs], np.str_), where)
    return in_order.of(np.random.default_rng(MIX_SEED).permutation(len(pairs)))


def _listed(folder: Path, problems: ValidationErrors, remarks: list[str]) -> list[tuple[Path, str]]:
    """Each picture with the name of its class, in natural order."""
    found: list[tuple[Path, str]] = []
    others = 0
    for each in _folders(folder):
        files = [Path(parent) / name for parent, _, names in os.walk(each) for name in names if name[0] != "."]
        pictures = [path for path in files if _is_picture(path)]
        others += len(files) - len(pictures)
        if not pictures:
            problems.add(short(each), "there are no pictures in it: put some in, or remove the folder")
        found.extend((path, each.name) for path in sorted(pictures, key=lambda path: natural(str(path))))
    others += sum(entry.is_file() and entry.name[0] != "." for entry in folder.iterdir())
    if others:
        remarks.append(f"{short(folder)}: passed over {others:,} files that are no pictures or lie in no class.")
    return found


def _folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    found = [entry for entry in folder.iterdir() if entry.is_dir() and entry.name[0] != "."]
    return sorted(found, key=lambda entry: natural(entry.name))


def _left_out(folder: Path, splits: dict[str, Path]) -> list[str]:
    if folder in splits.values():
        return []
    names = [entry.name for entry in _folders(folder) if entry.name not in splits]
    return [f"{short(folder)}: passed over {', '.join(names)}; only train and test are read."] if names else []


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES
