"""Folders of IDX files, named like those of MNIST or EMNIST."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mnistry.datasets.dataset import DIGIT_NAMES, make_origins
from mnistry.datasets.formats import array_pairs, idx, pixels
from mnistry.datasets.formats.naming import SPLITS, find_split
from mnistry.datasets.labelled import MAX_BYTES, LabelledImages, LoadedSplits, ValidationErrors
from mnistry.errors import DataError
from mnistry.runtime.file_signatures import read_start
from mnistry.runtime.files import read_bytes, short

NAME = re.compile(
    rf"(?P<set>(?:.*[-_])?)(?P<split>{'|'.join(sorted(SPLITS, key=len, reverse=True))})[-_]"
    r"(?P<kind>images|labels)[-._](?:idx[13][-_]ubyte|idx2[-_]int)(?:\.gz)?"
)
ALIKE = re.compile(r"idx|ubyte", re.IGNORECASE)  # in names of another form
NAMES = "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte"
UPPER, LOWER = (tuple(map(chr, range(first, first + 26))) for first in (65, 97))
EMNIST = {  # the classes of the sets, in order; those of letters begin with 1
    "letters": ("", *UPPER),
    "byclass": (*DIGIT_NAMES, *UPPER, *LOWER),
    "bymerge": (*DIGIT_NAMES, *UPPER, *"abdefghnqrt"),
    "balanced": (*DIGIT_NAMES, *UPPER, *"abdefghnqrt"),
}

Files = dict[str, dict[tuple[str, str], list[Path]]]
"""By the name of a set, such as "emnist-letters-", and by split and kind: the copies of a file."""


def is_there(folder: Path) -> bool:
    """Tell whether a folder holds files named like MNIST's."""
    return bool(_files(folder))


def is_one(path: Path) -> bool:
    """Tell whether a file is named like MNIST's, or begins like them and is named after IDX."""
    return _role(path) is not None


def _role(path: Path) -> tuple[str, str, str] | None:
    """The set, the split and the kind of a file, images or labels; None for other files."""
    match = NAME.fullmatch(path.name)
    if match is not None:
        return match["set"], SPLITS[match["split"]], match["kind"]
    if ALIKE.search(path.name) is None or not path.is_file():
        return None
    start = read_start(path)
    if not idx.is_one(start):
        return None
    named = next((kind for kind in ("images", "labels") if kind[:-1] in path.name.lower()), None)
    kind = named or ("images" if start[3] > 2 else "labels")
    return "", find_split(path.name, prefix=True) or "train", kind


def read(folder: Path, one: str | None = None) -> LoadedSplits:
    """Read files in MNIST's format, with any content: images of any size, labels from 0 to 255.

    Args:
        folder: holds the files, gzip-compressed or not; those for `t10k` (or `test`) may be missing.
        one: the name of one of the files, where the folder holds several sets: its set is taken.

    Raises:
        DataError: a file is missing or damaged, or there are several sets or different copies.
    """
    sets = _files(folder)
    if one is not None and (role := _role(folder / one)) is not None:
        sets = {name: files for name, files in sets.items() if name == role[0]}
    whole = {name: files for name, files in sets.items() if {("train", "images"), ("train", "labels")} <= set(files)}
    if len(whole) > 1:
        first = sorted(str(next(iter(paths)).name) for files in whole.values() for paths in list(files.values())[:1])
        raise DataError(
            f"{short(folder)} holds {len(whole)} sets: {', '.join(name.rstrip('-_') or 'MNIST' for name in whole)}. "
            f"Name a file of the one that you want, such as {short(folder / first[0])}."
        )
    name, files = next(iter((whole or sets).items()))
    splits = [split for split in ("train", "test", "validation") if split == "train" or (split, "images") in files]
    missing = [f"{split} {kind}" for split in splits for kind in ("images", "labels") if (split, kind) not in files]
    if missing:
        raise DataError(f"{short(folder)} lacks the {' and the '.join(missing)}. Expected are {NAMES}.")
    classes, remarks = _classes(folder, name)
    remarks += [
        f"{short(folder)}: passed over {paths[0].name}: there are no images for it."
        for (split, _), paths in files.items()
        if split not in splits
    ]
    parts = {
        split: _pair(
            _check_copies(files[split, "images"], remarks),
            _check_copies(files[split, "labels"], remarks),
            classes,
            remarks,
        )
        for split in splits
    }
    return LoadedSplits(**parts, remarks=tuple(dict.fromkeys(remarks)))


def _files(folder: Path) -> Files:
    """The files in a folder, and in folders that have such a file's name, as some archives unpack."""
    found: Files = {}
    for entry in sorted(folder.iterdir()):
        role = _role(entry)
        if role is None:
            continue
        paths = [entry] if entry.is_file() else [each for each in sorted(entry.iterdir()) if is_one(each)]
        if not paths and not entry.is_dir():
            paths = [entry]  # a link to nowhere: the error comes when it is read
        if paths:
            found.setdefault(role[0], {}).setdefault(role[1:], []).extend(paths)
    return found


def _check_copies(paths: Sequence[Path], remarks: list[str]) -> Path:
    """The file, of which there may be identical copies, packed and unpacked.

    Raises:
        DataError: two of them differ.
    """
    first, *others = paths
    content = _content(first) if others else b""
    for other in others:
        if _content(other) != content:
            raise DataError(
                f"{short(first.parent)} holds both {first.name} and {other.name}, and they differ. Keep one set in a "
                "folder."
            )
        remarks.append(f"{short(first.parent)} holds {first.name} more than once; the copies are identical.")
    return first


def _content(path: Path) -> bytes:
    name = short(path)
    return idx.unpack(read_bytes(path, MAX_BYTES), name)


def _pair(images: Path, labels: Path, classes: Sequence[str], remarks: list[str]) -> LabelledImages:
    names, problems = (short(images), short(labels)), ValidationErrors()
    y = idx.parse_labels(_content(labels), names[1])
    x, text, assumed = array_pairs.match(idx.parse(_content(images), names[0]), y, names, problems)
    problems.refuse(names[0])
    remarks += assumed
    known = {str(number): name for number, name in enumerate(classes)}
    named = np.array([known.get(each, each) for each in text.tolist()], np.str_)
    return LabelledImages(x, named, make_origins(f"{images.name}[{n}]" for n in range(len(x))))


def read_images(path: Path) -> tuple[np.ndarray, list[str]]:
    """Read the images of a file in MNIST's format, uint8 (n, height, width, …), and remarks.

    Raises:
        DataError: it is damaged, or holds no images.
    """
    name, problems = short(path), ValidationErrors()
    x, assumed = pixels.to_images(idx.parse(_content(path), name), None, name, problems)
    problems.refuse(name)
    return x, [f"{name}: {each}." for each in assumed]


def _classes(folder: Path, name: str) -> tuple[list[str], list[str]]:
    """The classes of labels, by a mapping file or by EMNIST's names, and a remark on it."""
    mapping = folder / f"{name}mapping.txt"
    if name and mapping.is_file():
        return _read_mapping(mapping), [f"The classes are named by {mapping.name}."]
    for part, classes in EMNIST.items():
        if name.lower().startswith("emnist") and part in name.lower():
            return list(classes), [f"The classes are named as those of EMNIST's {part} are."]
    return [], []


def _read_mapping(path: Path) -> list[str]:
    """The characters in EMNIST's mapping file: a line a label, with the numbers of its characters."""
    classes: dict[int, str] = {}
    try:
        for line in read_bytes(path, 1_000_000).decode("ascii").splitlines():
            label, *codes = (int(word) for word in line.split())
            classes[label] = chr(codes[0])
    except (ValueError, IndexError, OverflowError):
        raise DataError(f"{short(path)} is not a mapping file: each line must be a label and its characters.") from None
    if not classes or not 0 <= min(classes) <= max(classes) < 256:
        raise DataError(f"{short(path)} is not a mapping file: labels must be from 0 to 255.")
    return [classes.get(number, str(number)) for number in range(max(classes) + 1)]
