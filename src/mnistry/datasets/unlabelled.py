"""Images without labels, to be answered by a model: from any file or folder that holds images."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mnistry.datasets import custom, kinds, loading, preprocess
from mnistry.datasets.dataset import make_origins
from mnistry.datasets.formats import (
    archives,
    array_files,
    idx_files,
    image_folder,
    numpy_files,
    parquet,
    table_folders,
    tables,
)
from mnistry.datasets.formats.forms import find_form
from mnistry.datasets.formats.naming import find_split, is_hidden
from mnistry.datasets.labelled import EncodedImage, LabelledImages, ValidationErrors, natural
from mnistry.errors import DataError
from mnistry.runtime.files import short

HEADER = ("ImageId", "Label")  # as in Kaggle's competition
MAX_TEMPLATE = 50_000_000  # bytes of a sample submission


@dataclass(frozen=True, eq=False)
class UnlabelledImages:
    """Images to be answered.

    Attributes:
        images: uint8 (n, 28, 28), in the form that the model takes.
        names: of the images: numbers from 1, names of files, or the first column of a sample submission beside them.
        header: the two column names of a submission.
        remarks: assumptions, and files that were passed over.
    """

    images: np.ndarray
    names: list[str]
    header: tuple[str, str]
    remarks: tuple[str, ...]


def load_unlabelled(name: str, *, kind: str = "ink", digits: bool = True) -> UnlabelledImages:
    """Load images; labels among the data are not used.

    Args:
        name: the name of a data set, whose test images are taken, or a path: of a CSV, NPY, NPZ, Parquet or IDX file, a
            picture, a folder of pictures, a folder with a test.csv, or an archive of one of these.
        kind: the kind of images that the model was trained on.
        digits: whether its classes are digits.

    Raises:
        DataError: there are no images, or some cannot be read.
        UsageError: there is nothing of that name.
    """
    if name in loading.LOADERS:
        known = loading.load(name)
        names = [str(number) for number in range(1, len(known.x_test) + 1)]
        return UnlabelledImages(known.x_test, names, HEADER, (*known.remarks, f"The test images of {known.title}."))
    place = loading.own_path(name).resolve()
    images, names_, remarks = _open(place, short(place))
    problems = ValidationErrors()
    part = LabelledImages(images, np.array([], np.str_), make_origins(f"{place.name}[{n}]" for n in range(len(images))))
    prepared = preprocess.load_images(part, problems, kind=kinds.check_kind(kind) or "ink", digits=digits)
    problems.refuse(short(place))
    if not len(prepared):
        raise DataError(f"{short(place)} holds no images.")
    if "emnist" in place.name.lower() and isinstance(images, np.ndarray):
        prepared = np.ascontiguousarray(prepared.transpose(0, 2, 1))
        remarks.append("EMNIST's files have rows for columns: turned upright.")
    if kind == "ink" and preprocess.is_dark_ink(prepared).mean() > 0.5:
        prepared = preprocess.invert_dark_ink(prepared)
        remarks.append("The images show dark ink on bright paper: inverted, as MNIST's are.")
    header, template = _template(place, len(prepared))
    return UnlabelledImages(prepared, template or names_, header, tuple(remarks))


def load_pictures(name: str) -> tuple[dict[str, np.ndarray | bytes | Path], list[str]]:
    """Load the images of a CSV, NPY, NPZ, Parquet or IDX file as they are, to be read as pictures.

    Returns:
        The images by the file's name, # and their number from 1: uint8 (height, width) or (height, width, channels), or
        the content or the path of a picture's file; and remarks.

    Raises:
        DataError: there are none, or they cannot be read.
        UsageError: there is no such file.
    """
    images, names, remarks = _open(loading.own_path(name).resolve(), name)
    found = (each if isinstance(each, np.ndarray) else each.content or Path(each.name) for each in images)
    return {f"{name}#{number}": image for number, image in zip(names, found, strict=True)}, remarks


Found = tuple[np.ndarray | Sequence[EncodedImage], list[str], list[str]]


def _open(place: Path, name: str) -> Found:
    """Read images; errors of the system name the place by this name."""
    try:
        return _read(place)
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror or error}.") from None
    except MemoryError:
        raise DataError(f"{name} needs more memory than there is.") from None


def _read(place: Path) -> Found:
    """Read images, their names and remarks, by the kind of place."""
    if place.is_dir():
        return _read_folder(place)
    match find_form(place):
        case "archive":
            with archives.unpack(place) as folder:
                return _open_now(_read(_only(folder)))
        case "npz" | "npy":
            found = numpy_files.read_images(place)
        case "hdf5":
            found = array_files.read_images(place)
        case "idx":
            found = idx_files.read_images(place)
        case "picture":
            return [EncodedImage(str(place))], [place.name], []
        case _:
            return _name_images(*tables.read_images(place), place.parent)
    return _number_images(*found)


def _name_images(images: np.ndarray | Sequence[EncodedImage], remarks: list[str], folder: Path) -> Found:
    """Images with their numbers, or those of a list of files with the names of these."""
    if isinstance(images, np.ndarray) or any(each.content is not None for each in images):
        return _number_images(images, remarks)
    return images, [Path(each.name).relative_to(folder).as_posix() for each in images], remarks


def _read_folder(folder: Path) -> Found:
    found = table_folders.find_image_tables(folder)
    tests = [each for each in found if "test" in each.name.lower()]
    if len(tests or found) == 1:
        return _number_images(*tables.read_images((tests or found)[0]))
    idx_tests = [each for each in sorted(folder.iterdir()) if idx_files.is_one(each) and "images" in each.name]
    idx_tests = [each for each in idx_tests if "train" not in each.name] or idx_tests
    if idx_tests:
        return _read(idx_tests[0])
    pictures = image_folder.find_pictures(folder)
    if not pictures:
        return _read_arrays(folder)
    by_split: dict[str, list[Path]] = {}
    for path in pictures:
        parents = reversed(path.relative_to(folder).parts[:-1])
        by_split.setdefault(next(filter(None, map(find_split, parents)), ""), []).append(path)
    wanted = next((split for split in ("test", "validation") if split in by_split and "train" in by_split), None)
    remarks = []
    if wanted is not None:
        others = [split or "no split" for split in by_split if split != wanted]
        remarks.append(
            f"{short(folder)}: answered are the {len(by_split[wanted]):,} pictures in folders for {wanted}, not those "
            f"for {' and '.join(others)}. Name another folder to have them answered."
        )
    chosen = pictures if wanted is None else by_split[wanted]
    names = sorted((path.relative_to(folder).as_posix() for path in chosen), key=natural)
    return [EncodedImage(str(folder / name)) for name in names], names, remarks


def _read_arrays(folder: Path) -> Found:
    """Read a folder of arrays or Parquet files: its test images, if it has some."""
    files = parquet.find_files(folder) or numpy_files.find_npy_files(folder) or array_files.find(folder)
    files = [each for each in files if find_split(each.stem, prefix=True) == "test"] or files
    if len(files) == 1:
        return _read(files[0])
    if not any(each.is_file() for each in folder.rglob("*")):
        raise DataError(f"{short(folder)} holds no pictures, and no test.csv.")
    found = custom.read_folder(folder)
    split, part = ("train", found.train) if found.test is None else ("test", found.test)
    remarks = [f"{short(folder)}: answered are its {split} images; their labels are not used."]
    return _number_images(part.images, [*found.remarks, *remarks])


def _only(folder: Path) -> Path:
    """The one thing in an unpacked archive, or all of it."""
    inside = [each for each in folder.iterdir() if not is_hidden(each.name)]
    return inside[0] if len(inside) == 1 else folder


def _open_now(found: Found) -> Found:
    """The same with the content of files that are about to be removed."""
    images, names, remarks = found
    if isinstance(images, np.ndarray):
        return found
    kept = [
        each if each.content is not None else EncodedImage(name, Path(each.name).read_bytes())
        for each, name in zip(images, names, strict=True)
    ]
    return kept, names, remarks


def _number_images(images: np.ndarray | Sequence[EncodedImage], remarks: list[str]) -> Found:
    return images, [str(number) for number in range(1, len(images) + 1)], remarks


def _template(place: Path, n: int) -> tuple[tuple[str, str], list[str] | None]:
    """The header of a sample submission beside the images, and its names where there are as many."""
    folder = place if place.is_dir() else place.parent
    for each in sorted(folder.glob("*submission*.csv*")):
        opener = gzip.open if each.name.endswith(".gz") else open
        try:
            if each.stat().st_size > MAX_TEMPLATE or "sample" not in each.name.lower():
                continue
            with opener(each, "rt", encoding="utf-8", newline="") as file:
                rows = [row for row in csv.reader(file) if row]
        except (OSError, EOFError, UnicodeDecodeError, csv.Error):
            continue
        if rows and len(rows[0]) == 2:
            names = [row[0] for row in rows[1:]]
            return (rows[0][0], rows[0][1]), names if len(names) == n else None
    return HEADER, None
