"""Arrays in files: four IDX files named as MNIST's are, or one NPZ as NumPy and Keras write it."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np

from mnistry.datasets import idx, preprocess
from mnistry.datasets.dataset import ITEM, numbered_origins
from mnistry.datasets.labelled import (
    MAX_BYTES,
    PIXELS,
    SIDE,
    Labelled,
    LoadedSplits,
    ValidationErrors,
    are_digits,
    of_numbers,
)
from mnistry.datasets.preprocess import Raw
from mnistry.errors import DataError
from mnistry.runtime.files import read_bytes, short

IDX_NAME = re.compile(r"(?:.*-)?(train|t10k|test)-(images|labels)[-.]idx[13]-ubyte(?:\.gz)?")
IDX_NAMES = "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte"
NPZ_NAMES = ("x_train", "y_train", "x_test", "y_test")


def has_idx(folder: Path) -> bool:
    """Whether some file in a folder is called as MNIST's are."""
    return any(IDX_NAME.fullmatch(entry.name) for entry in folder.iterdir())


def read_idx(folder: Path) -> LoadedSplits:
    """MNIST's file format, with any content: images of any size, labels from 0 to 255.

    Args:
        folder: holds the files, gzip-compressed or not; those for `t10k` (or `test`) may be missing.

    Raises:
        DataError: a file is missing, damaged, or there are two for the same.
    """
    paths: dict[tuple[str, str], Path] = {}
    for entry in sorted(folder.iterdir()):
        match = IDX_NAME.fullmatch(entry.name)
        if match is not None:
            kind = ("train" if match[1] == "train" else "test", match[2])
            if kind in paths:
                raise DataError(
                    f"{short(folder)} holds both {paths[kind].name} and {entry.name}. Keep one set in a folder."
                )
            paths[kind] = entry
    splits = [split for split in ("train", "test") if split == "train" or (split, "images") in paths]
    missing = [f"{split} {kind}" for split in splits for kind in ("images", "labels") if (split, kind) not in paths]
    if missing:
        raise DataError(f"{short(folder)} lacks the {' and the '.join(missing)}. Expected are {IDX_NAMES}.")
    problems = ValidationErrors()
    read = [_idx_pair(paths[split, "images"], paths[split, "labels"], problems) for split in splits]
    problems.refuse(short(folder))
    return LoadedSplits(read[0], read[1] if len(read) > 1 else None)


def _idx_pair(images: Path, labels: Path, problems: ValidationErrors) -> Labelled:
    names = (short(images), short(labels))
    unpacked = [
        idx.unpack(read_bytes(path, idx.MAX_BYTES), name) for path, name in zip((images, labels), names, strict=True)
    ]
    x, y = idx.parse_pair(unpacked[0], unpacked[1], names=names, side=None)
    return _labelled(x, y.astype(np.str_), names[0], images.name, problems)


def read_npz(path: Path) -> LoadedSplits:
    """Arrays `x_train`, `y_train` and, where there are any, `x_test` and `y_test` in one file of NumPy's.

    Images are (n, 28, 28), (n, 784) or (n, 28, 28, 1), or (n, height, width) with or without channels; labels are
    (n,) or (n, 1), whole numbers from 0 or text. Pickled objects are never loaded.

    Raises:
        DataError: the file is damaged, an array is missing or of another shape or type.
    """
    name = short(path)
    try:
        with zipfile.ZipFile(io.BytesIO(read_bytes(path, MAX_BYTES))) as archive:
            there = {Path(member).stem: member for member in archive.namelist() if member.endswith(".npy")}
            wanted = NPZ_NAMES if {"x_test", "y_test"} & set(there) else NPZ_NAMES[:2]
            missing = [each for each in wanted if each not in there]
            if missing:
                raise DataError(
                    f"{name} has no {' and no '.join(missing)}. Expected are {', '.join(NPZ_NAMES)}, the last two of "
                    f"which may both be missing; it has {', '.join(there) or 'no arrays'}."
                )
            arrays = {each: _array(archive, there[each], f"{name}, {each}") for each in wanted}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as error:
        raise DataError(f"{name} is damaged or no NPZ file: {str(error).rstrip('.')}.") from None
    problems = ValidationErrors()
    pairs = [
        _npz_pair(arrays[f"x_{split}"], arrays[f"y_{split}"], name, split, problems)
        for split in ("train", "test")
        if f"x_{split}" in arrays
    ]
    problems.refuse(name)
    return LoadedSplits(pairs[0], pairs[1] if len(pairs) > 1 else None)


def _array(archive: zipfile.ZipFile, member: str, name: str) -> np.ndarray:
    """An array, once its header has shown that it is small enough and holds no objects."""
    try:
        with archive.open(member) as stream:
            shape, dtype = _header(stream, name)
            if dtype.hasobject:
                raise DataError(f"{name} holds Python objects, which are never loaded. Save it as numbers or text.")
            if int(np.prod(shape, dtype=object)) * dtype.itemsize > MAX_BYTES:
                raise DataError(f"{name} claims to be {dtype} {shape}: more than {MAX_BYTES:,} bytes are not read.")
        with archive.open(member) as stream:
            return np.lib.format.read_array(stream, allow_pickle=False)
    except (ValueError, MemoryError, RuntimeError) as error:
        raise DataError(f"{name} is damaged: {str(error).splitlines()[0]:.200}.") from None


def _header(stream: IO[bytes], name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(stream)
    readers: dict[tuple[int, int], Callable[[IO[bytes]], Any]] = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise DataError(f"{name} has version {version} of NumPy's format, expected (1, 0) or (2, 0).")
    shape, _, dtype = readers[version](stream)
    return shape, dtype


def _npz_pair(x: np.ndarray, y: np.ndarray, name: str, split: str, problems: ValidationErrors) -> Labelled:
    x_name, y_name = f"{name}, x_{split}", f"{name}, y_{split}"
    if x.dtype.kind not in "buif" or x.ndim not in (2, 3, 4):
        raise DataError(f"{x_name} must be numbers (n, 28, 28); received {x.dtype} {x.shape}.")
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise DataError(f"{y_name} must be (n,), the class of each image; received {y.dtype} {y.shape}.")
    if len(x) != len(y):
        raise DataError(f"{x_name} has {len(x):,} images but {y_name} has {len(y):,} labels: they do not match.")
    return _labelled(x, _class_names(y, y_name, problems), x_name, f"x_{split}", problems)


def _class_names(y: np.ndarray, name: str, problems: ValidationErrors) -> np.ndarray:
    """Labels as text: str (n,)."""
    if y.dtype.kind == "S":
        return np.char.decode(y, "utf-8", "replace")
    if y.dtype.kind == "U":
        return y
    if y.dtype.kind not in "uif":
        raise DataError(f"{name} must be whole numbers or text; received {y.dtype}.")
    wrong = ~np.isfinite(y) | (y < 0) | (y != np.rint(y)) | (y > 2**31)
    for index in np.flatnonzero(wrong):
        problems.add(f"{name}[{index}]", f"labels must be whole numbers from 0; received {y[index]:g}")
    return np.where(wrong, 0, y).astype(np.int64).astype(np.str_)


def _labelled(x: np.ndarray, labels: np.ndarray, name: str, origin: str, problems: ValidationErrors) -> Labelled:
    """Images of any shape as (n, 28, 28); `origin` is what their array is called within the data set."""
    if x.ndim == 4 and x.shape[3] == 1:
        x = x[..., 0]
    if x.ndim == 2 and x.shape[1] == PIXELS:
        x = x.reshape(len(x), SIDE, SIDE)
    if x.ndim == 2 or (x.ndim == 4 and x.shape[3] not in (3, 4)) or 0 in x.shape[1:]:
        raise DataError(f"{name} must be images (n, 28, 28) or (n, height, width); received {x.dtype} {x.shape}.")

    def place(index: tuple[int, ...]) -> str:
        row, column = divmod(index[1], SIDE) if len(index) == 2 else index[1:3]
        return f"{name}[{index[0]}], row {row}, column {column}"

    pixels, where = of_numbers(x, place, problems), numbered_origins(origin, np.arange(len(x)), ITEM)
    if pixels.shape[1:] == (SIDE, SIDE) or problems.count:
        return Labelled(pixels, labels, where)
    raw = [Raw(f"{name}[{number}]", _as_file(each)) for number, each in enumerate(pixels)]
    return Labelled(preprocess.images(raw, problems, digits=are_digits(labels)), labels, where)


def _as_file(pixels: np.ndarray) -> bytes:
    from PIL import Image

    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, "PNG", compress_level=1)
    return sink.getvalue()
