"""HDF5 and MATLAB files, converted to NPZ.

They are read in a process of its own: the libraries read some damaged files without end, and some end them.
"""

from __future__ import annotations

import contextlib
import math
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mnistry.datasets.formats import numpy_files, unsupported
from mnistry.datasets.labelled import MAX_BYTES, LoadedSplits
from mnistry.errors import DataError, require
from mnistry.runtime.file_signatures import HDF5, read_start
from mnistry.runtime.files import short
from mnistry.runtime.module_process import last_line, run_module

SECONDS = 300.0  # that a file may take; 2 GB take some 20
MEMORY = 4 * MAX_BYTES  # that the process may take: what a file claims of its sizes is not always true
SIZES = {"double": 8, "int64": 8, "uint64": 8, "single": 4, "int32": 4, "uint32": 4, "int16": 2, "uint16": 2}  # MATLAB
MATLAB = b"MATLAB "
ENDINGS = (".h5", ".hdf5", ".hdf", ".mat")
NUMBERS, TEXTS = "buif", "SU"  # kinds of NumPy's types
NOT_DATA = ("model_config", "layer_names", "keras_version")  # attributes of Keras models


def is_one(start: bytes) -> bool:
    """Tell whether a file is one of HDF5's or MATLAB's, by its first bytes."""
    return start.startswith((HDF5, MATLAB))


def find(folder: Path) -> list[Path]:
    """The HDF5 and MATLAB files of a folder, by their names."""
    return sorted(each for each in folder.iterdir() if each.suffix.lower() in ENDINGS and each.is_file())


@contextlib.contextmanager
def as_npz(files: Sequence[Path]) -> Iterator[Path]:
    """Write the arrays of some files into a temporary NPZ file, named as they are there.

    Of several files, the file's name comes before: train_32x32_X. Groups and structures are joined by _.

    Raises:
        MissingExtraError: the library for them is not installed.
        DataError: a file is damaged, holds no arrays or too much, or is a Keras model.
    """
    require("An HDF5 or MATLAB file", "h5py", "scipy")
    with tempfile.TemporaryDirectory(prefix="mnistry-") as place:
        target = Path(place).resolve() / "arrays.npz"
        try:
            done = run_module("mnistry.datasets.formats.array_files", str(target), *map(str, files), seconds=SECONDS)
        except subprocess.TimeoutExpired:
            raise DataError(f"{short(files[0])} was still being read after {SECONDS:g} seconds.") from None
        if done.returncode:
            told = last_line(done, "its library ended without a word")
            remedy = [text for each in files if (text := unsupported.describe(each, read_start(each)))]
            raise DataError(f"{short(files[0])} cannot be read: {told:.300}. {remedy[0] if remedy else ''}".rstrip())
        yield target


def read(files: Sequence[Path], name: str) -> LoadedSplits:
    """Read the images and labels of some files; see `numpy_files.read`."""
    with as_npz(files) as npz:
        return numpy_files.read(npz, name)


def read_images(path: Path) -> tuple[np.ndarray, list[str]]:
    """Read the images of a file that may have no labels, see `numpy_files.read_images`."""
    with as_npz([path]) as npz:
        return numpy_files.read_images(npz, short(path))


def main(target: str, *files: str) -> None:
    """Write the arrays of files into one NPZ file."""
    with contextlib.suppress(ImportError):  # Windows has no such limit
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    try:
        arrays = _read(files)
    except MemoryError:
        sys.exit(f"it needs more than {MEMORY:,} bytes of memory")
    if not arrays:
        sys.exit("it holds no arrays of numbers or text")
    np.savez(target, **arrays)  # type: ignore[arg-type] # none of them is named allow_pickle


def _read(files: Sequence[str]) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    for each in map(Path, files):
        before = f"{each.stem}_" if len(files) > 1 else ""
        with each.open("rb") as file:
            start = file.read(10)
        found = _read_matlab(each) if start.startswith(b"MATLAB 5.0") else _read_hdf5(each)
        arrays |= {before + name: array for name, array in found.items()}
    return arrays


def _read_hdf5(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an HDF5 file; those of MATLAB 7.3, which counts axes from the last, turned round."""
    import h5py

    found: dict[str, np.ndarray] = {}
    with path.open("rb") as file:
        matlab = file.read(len(MATLAB)) == MATLAB
    with h5py.File(path, "r") as file:
        if any(each in file.attrs for each in NOT_DATA):
            sys.exit("it is a Keras model, not data; name it as the model: mnistry predict MODEL --dataset DATA")
        size = 0

        def take(name: str, item: Any) -> None:
            nonlocal size
            if not isinstance(item, h5py.Dataset) or item.shape in ((), None) or "#" in name:
                return
            text = h5py.check_string_dtype(item.dtype) is not None
            if not text and item.dtype.kind not in NUMBERS:
                return
            size = _limit(size + item.nbytes)
            values = item.asstr()[()].astype(np.str_) if text else item[()]
            found[name.replace("/", "_")] = np.ascontiguousarray(values.T) if matlab else values

        file.visititems(take)
    return found


def _read_matlab(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a MATLAB file, also those in structures."""
    from scipy import io

    _limit(sum(math.prod(shape) * SIZES.get(kind, 1) for _, shape, kind in io.whosmat(path)))
    found: dict[str, np.ndarray] = {}

    def take(name: str, value: np.ndarray) -> None:
        if value.dtype.names is not None:  # a structure, or several
            for key in value.dtype.names if value.size == 1 else ():
                take(f"{name}_{key}", np.asarray(value[key].item()))
        elif value.dtype.kind == "O":
            texts = [each.item() if isinstance(each, np.ndarray) and each.size == 1 else each for each in value.flat]
            if all(isinstance(each, str) for each in texts):
                found[name] = np.array(texts, np.str_)
        elif value.dtype.kind in NUMBERS + TEXTS and value.size > 1:
            found[name] = value

    for key, value in io.loadmat(path).items():
        if not key.startswith("__"):
            take(key, np.asarray(value))
    return found


def _limit(size: int) -> int:
    if size > MAX_BYTES:
        sys.exit(f"it holds {size:,} bytes or more; more than {MAX_BYTES:,} are not read")
    return size


if __name__ == "__main__":
    main(*sys.argv[1:])
