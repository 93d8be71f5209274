"""The form of a file of data, by its first bytes, its content or its name."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Literal

from mnistry.datasets.formats import archives, array_files, idx, idx_files, image_folder, table_folders, unsupported
from mnistry.errors import DataError
from mnistry.runtime.file_signatures import NPY, ZIP, read_start
from mnistry.runtime.files import short

Form = Literal["npz", "npy", "idx", "hdf5", "table", "picture", "archive"]


def find_form(path: Path) -> Form:
    """Tell the form of a file; "hdf5" is that of MATLAB's files, too.

    Raises:
        DataError: it is damaged, not a regular file, or of a format that is not read; says what to do.
    """
    start = read_start(path)
    if start.startswith(ZIP):
        return _find_zip_form(path)
    if start.startswith(NPY):
        return "npy"
    if array_files.is_one(start):
        return "hdf5"
    if table_folders.is_one(path, start):
        return "table"
    if path.suffix.lower() in (".npz", ".parquet", ".zip"):
        raise DataError(f"{short(path)} is damaged or not a {path.suffix.lower()} file: it does not begin as one.")
    if idx_files.is_one(path):
        return "idx"
    if image_folder.is_picture(path):
        return "picture"
    if (told := unsupported.describe(path, start)) is not None:
        raise DataError(told)
    if idx.is_one(start):
        return "idx"
    return "archive" if archives.is_tar(path) else "table"


def _find_zip_form(path: Path) -> Form:
    is_npz = path.suffix.lower() == ".npz"
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        what = "an NPZ file" if is_npz else "a ZIP file"
        raise DataError(f"{short(path)} is damaged or not {what}: {str(error).rstrip('.'):.200}.") from None
    if any(member.endswith(".npy") for member in members) and all("/" not in member for member in members):
        return "npz"
    if (told := unsupported.describe_zip(path, members)) is not None:
        raise DataError(told)
    return "npz" if is_npz else "archive"
