"""NumPy's files: one NPZ with several arrays, or a folder of NPY files or of NPZ files with one array each."""

from __future__ import annotations

import io
import pickletools
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from mnistry.datasets.dataset import make_origins
from mnistry.datasets.formats import array_pairs, naming, npy, pixels
from mnistry.datasets.formats.naming import find_split, split_words
from mnistry.datasets.formats.npy import Header
from mnistry.datasets.labelled import MAX_BYTES, LabelledImages, LoadedSplits, ValidationErrors, join, list_names
from mnistry.errors import DataError
from mnistry.runtime.files import short

NAMES = ("x_train", "y_train", "x_test", "y_test")
MAX_PICKLE = 100_000_000  # bytes of labels that were stored as Python objects
X_WORDS = {
    "x", "image", "images", "img", "imgs", "data", "pictures", "pixels", "features", "inputs", "input", "samples",
}  # fmt: skip
Y_WORDS = {"y", "label", "labels", "lbls", "target", "targets", "class", "classes", "digit", "output", "gt", "truth"}
SPLIT_CLASS = re.compile(r"([a-zA-Z]+)[ _-]?(.+)")  # train0: the split, and the class
SPLIT_ENDS = {"tr": "train", "te": "test", "va": "validation"}  # as in X_tr
DAMAGES = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, RuntimeError, UnicodeDecodeError)


class _Array(NamedTuple):
    name: str
    called: str  # in messages
    header: Header
    open: Callable[[], AbstractContextManager[IO[bytes]]]


def read(path: Path, called: str | None = None) -> LoadedSplits:
    """Read the images and labels of each split.

    Each array is recognized by its name (`x_train`, `train_images`, `X`, `labels` …) and its shape: images are
    (n, 28, 28) or (n, height, width), rows of pixels, or with channels; labels are (n,), (n, 1) or one-hot
    (n, classes). Where each split has one of both, they are taken. Pickled objects are never opened.

    Args:
        path: of an NPZ file, or of a folder of NPY or NPZ files.
        called: its name in messages.

    Raises:
        DataError: the file is damaged, or its arrays cannot be told apart.
    """
    name = called or short(path)
    with _open_arrays(path, name) as arrays:
        classes = _find_class_arrays(arrays)
        return _read_class_arrays(classes, name) if classes else _read_pairs(arrays, name)


def read_images(path: Path, called: str | None = None) -> tuple[np.ndarray, list[str]]:
    """Read the images of an NPY or NPZ file that may have no labels: uint8 (n, height, width, …), and remarks.

    Raises:
        DataError: the file is damaged, or there is not one array of images to choose.
    """
    name = called or short(path)
    with _open_arrays(path, name) as arrays:
        images = arrays if len(arrays) == 1 else [each for each in arrays if _role(each) == "images"]
        images = [each for each in images if _split_of(each.name) == "test"] or images
        if len(images) != 1:
            raise DataError(
                f"{name} has {len(images)} arrays of images: {list_names([each.name for each in arrays])}. Save the "
                "one that is meant in a file of its own."
            )
        problems, (array,) = ValidationErrors(), images
        _check_size(images, name)
        found, assumed = pixels.to_images(_read_pixels(array), None, array.called, problems)
        problems.refuse(name)
        taken = [f"{name}: the images are those of {array.name}."] if len(arrays) > 1 else []
        return found, [*taken, *(f"{array.called}: {each}." for each in assumed)]


def find_npy_files(folder: Path) -> list[Path]:
    """The NPY files of a folder."""
    return _find_files(folder, ".npy")


def _find_files(folder: Path, ending: str) -> list[Path]:
    return sorted(each for each in folder.iterdir() if each.suffix.lower() == ending and each.is_file())


@contextmanager
def _open_arrays(path: Path, name: str) -> Iterator[list[_Array]]:
    """The arrays of a file or folder; those of several files are named after these."""
    files = (find_npy_files(path) or _find_files(path, ".npz")) if path.is_dir() else [path]
    openers: dict[str, Callable[[], AbstractContextManager[IO[bytes]]]] = {}
    try:
        with ExitStack() as stack:
            for file in files:
                if file.suffix.lower() == ".npy":
                    openers[file.stem] = partial(io.FileIO, file)
                    continue
                archive = stack.enter_context(zipfile.ZipFile(file))
                members = [each for each in archive.namelist() if each.endswith(".npy")]
                if len(files) > 1 and len(members) != 1:
                    raise DataError(
                        f"{name} holds several NPZ files, {list_names([each.name for each in files])}, and {file.name} "
                        f"has {len(members)} arrays. Name the file that you want."
                    )
                for each in members:
                    openers[file.stem if len(files) > 1 else each.removesuffix(".npy")] = partial(archive.open, each)
            yield [_open_array(each, f"{name}, {each}", opener) for each, opener in openers.items()]
    except DAMAGES as error:
        raise DataError(f"{name} is damaged or not a file of NumPy's: {str(error).rstrip('.'):.200}.") from None


def _open_array(name: str, called: str, opener: Callable[[], AbstractContextManager[IO[bytes]]]) -> _Array:
    with opener() as stream:
        return _Array(name, called, npy.read_header(stream, called), opener)


def _read_pairs(arrays: list[_Array], name: str) -> LoadedSplits:
    """Read an array of images and one of labels for each split."""
    chosen, extra = _choose_pairs(arrays, name)
    _check_size([array for pair in chosen.values() for array in pair], name)
    problems, parts = ValidationErrors(), dict[str, LabelledImages]()
    unusual = [f"{x.name} with {y.name}" for x, y in chosen.values() if x.name not in NAMES]
    remarks = [f"{name}: taken are {', '.join(unusual)}."] if unusual else []
    for split, (x, y) in chosen.items():
        stored = _read_objects(y) if y.header.dtype.hasobject else _read_values(y)
        images, labels, assumed = array_pairs.match(_read_pixels(x), stored, (x.called, y.called), problems)
        parts[split] = LabelledImages(images, labels, make_origins(f"{x.name}[{n}]" for n in range(len(labels))))
        remarks += assumed
    problems.refuse(name)
    if extra:
        remarks.append(f"{name}: passed over {list_names([each.name for each in extra])}.")
    return LoadedSplits(**parts, remarks=tuple(remarks))


def _find_class_arrays(arrays: list[_Array]) -> dict[str, list[tuple[_Array, str]]]:
    """Arrays that each hold the images of one class, by split, with the classes that they are named after.

    Quick, Draw! has them as full_numpy_bitmap_cat, MATLAB users as train0 and test0. Empty where they are not such.
    """
    shapes = {array.header.shape[1:] for array in arrays}
    plain = all(array.header.dtype.kind in "buif" and len(array.header.shape) > 1 for array in arrays)
    if len(arrays) < 2 or len(shapes) != 1 or not plain or any(_role(array) != "images" for array in arrays):
        return {}
    found: dict[str, list[tuple[_Array, str]]] = {}
    for array in arrays:
        match = SPLIT_CLASS.fullmatch(array.name)
        split = None if match is None else find_split(match[1])
        found.setdefault(split or "train", []).append((array, match[2] if match is not None and split else array.name))
    for split, pairs in found.items():
        names = naming.strip_prefix([name for _, name in pairs])
        found[split] = [(array, name) for (array, _), name in zip(pairs, names, strict=True)]
    classes = {name for _, name in found.get("train", [])}
    usual = X_WORDS | Y_WORDS
    known = any(find_split(name, prefix=True) or set(split_words(name)) & usual for name in classes)
    if known or len(classes) < 2 or arrays[0].name.startswith("arr_"):
        return {}
    return found if all({name for _, name in pairs} <= classes for pairs in found.values()) else {}


def _read_class_arrays(found: Mapping[str, Sequence[tuple[_Array, str]]], name: str) -> LoadedSplits:
    """Read arrays that each hold the images of one class."""
    _check_size([array for pairs in found.values() for array, _ in pairs], name)
    problems, remarks, parts = ValidationErrors(), dict[str, None](), dict[str, list[LabelledImages]]()
    for split, pairs in found.items():
        for array, label in pairs:
            x, assumed = pixels.to_images(_read_pixels(array), array.header.shape[0], array.called, problems)
            where = make_origins(f"{array.name}[{n}]" for n in range(len(x)))
            parts.setdefault(split, []).append(LabelledImages(x, np.full(len(x), label), where))
            remarks |= dict.fromkeys(assumed)
    problems.refuse(name)
    classes = list_names([label for _, label in found["train"]])
    told = (f"{name}: each array holds the images of a class: {classes}.", *(f"{name}: {each}." for each in remarks))
    joined = {split: join(those) for split, those in parts.items()}
    return LoadedSplits(**joined, remarks=told)


def _choose_pairs(arrays: list[_Array], name: str) -> tuple[dict[str, tuple[_Array, _Array]], list[_Array]]:
    """The images and labels of each split, and the arrays that are neither.

    Raises:
        DataError: there is more than one way to choose, or none.
    """
    by_split: dict[str, dict[str, list[_Array]]] = {}
    extra = []
    for array in _name_by_position(arrays):
        role, split = _role(array), _split_of(array.name) or "train"
        if role is None:
            extra.append(array)
        else:
            by_split.setdefault(split, {"images": [], "labels": []})[role].append(array)
    chosen: dict[str, tuple[_Array, _Array]] = {}
    for split, roles in by_split.items():
        pairs = [(x, y) for x in roles["images"] for y in roles["labels"] if _may_match(x.header, y.header)]
        best = max((_score_names(x, y, split) for x, y in pairs), default=0)
        pairs = [(x, y) for x, y in pairs if _score_names(x, y, split) == best]
        if len(pairs) != 1:
            if not len(roles["images"]) == len(roles["labels"]) == 1:
                lacks = [kind for kind, those in roles.items() if not those]
                what = f"no {' and no '.join(lacks)}" if lacks else "several arrays that may be the images or labels"
                raise DataError(f"{name} has {what} for {split}. {_describe_expected(arrays)}")
            pairs = [(roles["images"][0], roles["labels"][0])]  # they do not match: reported later
        chosen[split] = pairs[0]
        extra += [each for each in (*roles["images"], *roles["labels"]) if each not in pairs[0]]
    if "train" not in chosen:
        raise DataError(f"{name} has no images to train on. {_describe_expected(arrays)}")
    return chosen, extra


def _split_of(name: str) -> str | None:
    """The split that an array is named after: x_train, test_images, X_te."""
    return find_split(name, prefix=True) or SPLIT_ENDS.get(split_words(name)[-1] if split_words(name) else "")


def _describe_expected(arrays: list[_Array]) -> str:
    return (
        f"Expected are {', '.join(NAMES)}, the last two of which may both be missing; it has "
        f"{', '.join(each.name for each in arrays) or 'no arrays'}."
    )


def _name_by_position(arrays: list[_Array]) -> list[_Array]:
    """Arrays that were stored without names, arr_0 to arr_3, under the usual names in Keras's order."""
    by_name = {array.name: array for array in arrays}
    if set(by_name) == {f"arr_{number}" for number in range(4)}:
        return [by_name[f"arr_{number}"]._replace(name=name) for number, name in enumerate(NAMES)]
    return arrays


def _role(array: _Array) -> str | None:
    """The role of an array, images or labels, by name and shape; None for neither."""
    shape, dtype, words = array.header.shape, array.header.dtype, set(split_words(array.name))
    named = [role for role, known in (("images", X_WORDS), ("labels", Y_WORDS)) if words & known]
    if len(named) == 1:
        return named[0]
    if len(named) == 2:  # "train_image_labels"
        return "labels" if len(shape) <= 2 else "images"
    if dtype.kind not in "buif":
        return "labels" if len(shape) == 1 else None
    if len(shape) >= 3 or (len(shape) == 2 and pixels.shape_of(shape[1]) is not None):
        return "images"
    return "labels" if len(shape) in (1, 2) and 0 not in shape else None


def _score_names(x: _Array, y: _Array, split: str) -> int:
    """The certainty with which names say that arrays are the images and labels of a split."""
    if (x.name, y.name) == (f"x_{split}", f"y_{split}"):
        return 3
    return bool(X_WORDS & set(split_words(x.name))) + bool(Y_WORDS & set(split_words(y.name)))


def _may_match(x: Header, y: Header) -> bool:
    return bool(x.shape) and bool(y.shape) and bool({y.shape[0], y.shape[-1]} & {x.shape[0], x.shape[-1]})


def _check_size(arrays: Sequence[_Array], name: str) -> None:
    """Refuse arrays that are too large, by what their headers claim."""
    for _, _, header, _ in arrays:
        if header.size > MAX_BYTES:
            raise DataError(
                f"{name} claims to hold {header.dtype} {header.shape}: more than {MAX_BYTES:,} bytes are not read."
            )
    if (size := sum(array.header.size for array in arrays)) > MAX_BYTES:
        raise DataError(f"{name} claims to hold {size:,} bytes of arrays; more than {MAX_BYTES:,} are not read.")


def _read_values(array: _Array) -> np.ndarray:
    """The values of an array, whose size has been checked."""
    if array.header.dtype.hasobject:
        raise DataError(f"{array.called} holds Python objects, which are never loaded. Save it as numbers or text.")
    try:
        with array.open() as stream:
            return np.lib.format.read_array(stream, allow_pickle=False)
    except (ValueError, MemoryError, RuntimeError) as error:
        what = next(iter(str(error).splitlines()), "no memory for it")
        raise DataError(f"{array.called} is damaged: {what:.200}.") from None


def _read_pixels(array: _Array) -> np.ndarray:
    """The values of an array that must be numbers."""
    dtype = array.header.dtype
    if dtype.kind not in "buif" and not dtype.hasobject:
        raise DataError(f"{array.called} must be numbers (n, 28, 28); received {dtype} {array.header.shape}.")
    return _read_values(array)


def _read_objects(array: _Array) -> np.ndarray:
    """Labels that were stored as Python objects: text and whole numbers only, read without executing the pickle."""
    (length, *more) = array.header.shape or (0,)
    if more not in ([], [1]):
        raise DataError(
            f"{array.called} must be (n,), the class of each image; received {array.header.dtype} {array.header.shape}."
        )
    with array.open() as stream:
        npy.read_header(stream, array.called)
        content = stream.read(MAX_PICKLE + 1)
    if len(content) > MAX_PICKLE:
        raise DataError(
            f"{array.called} holds more than {MAX_PICKLE:,} bytes of Python objects. Save it as numbers or text."
        )
    try:
        items = _read_pickled(content)
    except (ValueError, IndexError, KeyError, UnicodeError):
        items = []
    if len(items) != length or not all(isinstance(each, str | int) and not isinstance(each, bool) for each in items):
        raise DataError(f"{array.called} holds Python objects, which are never loaded. Save it as numbers or text.")
    return np.array([str(each) for each in items], np.str_)


def _read_pickled(content: bytes) -> list[Any]:
    """The items of a pickled array of objects, by its instructions, none of which is executed.

    After its last empty list, the pickle of an array of text and whole numbers has instructions that push one, or push
    one again that was pushed before. Any other object among the items is None.
    """
    items, last, memo = list[Any](), None, dict[Any, Any]()
    for instruction, argument, _ in pickletools.genops(content):
        match instruction.name:
            case "EMPTY_LIST":
                items, last = [], None
            case "MEMOIZE":
                memo[len(memo)] = last
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                memo[argument] = last
            case "GET" | "BINGET" | "LONG_BINGET":
                items.append(memo[argument])
            case "MARK" | "APPEND" | "APPENDS" | "TUPLE" | "BUILD" | "PROTO" | "FRAME" | "STOP":
                last = None
            case name:
                plain = isinstance(argument, str | int) and name not in ("GLOBAL", "INST", "PERSID")
                last = argument if plain else None
                items.append(last)
    return items
