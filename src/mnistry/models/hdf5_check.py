"""HDF5 files looked through in a process of its own, as the library reads some damaged ones without end."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from mnistry.errors import ModelError
from mnistry.runtime.module_process import last_line, run_module

SECONDS = 30.0  # for all groups and attributes; everyday files take 0.2, most of it the start of Python
WEIGHTS = ".weights.h5"


def check(path: Path, name: str) -> None:
    """Look at all groups, data sets and attributes of an HDF5 file, or of the weights in a Keras file.

    Raises:
        ModelError: the library cannot read them, or not in time.
    """
    try:
        done = run_module("mnistry.models.hdf5_check", str(path), seconds=SECONDS)
    except subprocess.TimeoutExpired:
        raise ModelError(f"{name} is damaged: HDF5 was still reading it after {SECONDS:g} seconds.") from None
    if done.returncode:
        raise ModelError(f"{name} is damaged: {last_line(done, 'HDF5 ended without a word'):.200}.")


@contextmanager
def open_hdf5(path: Path) -> Iterator[IO[bytes] | Path]:
    """The HDF5 file itself, or the weights in a Keras file, which has some."""
    if not zipfile.is_zipfile(path):
        yield path
        return
    with zipfile.ZipFile(path) as archive:
        weights = next(each for each in archive.namelist() if each.endswith(WEIGHTS))
        with archive.open(weights) as stored:
            yield stored


def main(path: str) -> None:
    """Read all that is not data."""
    import h5py

    def look(_: str, item: Any) -> None:
        dict(item.attrs)

    with open_hdf5(Path(path)) as stored, h5py.File(stored, "r") as file:
        dict(file.attrs)
        file.visititems(look)


if __name__ == "__main__":
    main(sys.argv[1])
