"""Files that cannot be read as data sets: the name of each format, and how to convert it into one that can."""

from __future__ import annotations

import zipfile
from pathlib import Path

from mnistry.runtime import file_signatures

SAVE = "np.savez('own.npz', x_train=images, y_train=labels)"
HDF5 = "with h5py.File({name!r}) as f: f.visit(print) shows what is in it; take f[NAME][:] for each, then " + SAVE
MATLAB = (
    "content = scipy.io.loadmat({name!r}); list(content) shows what is in it; then "
    + SAVE
    + ". MATLAB counts rows down "
    "the columns: if images of single rows lie on their side, reshape them with order='F'"
)
PICKLE_IS = "a pickle, which can run any program when it is opened"
PICKLE = "if you trust who made it: pickle.load(open({name!r}, 'rb')), then " + SAVE
ARROW = "pyarrow.parquet.write_table(table, 'own.parquet')"
ARCHIVE = "unpack it and name the folder"
ONE_PICTURE = "name the folder of folders of classes; to read digits in it: mnistry read {name}"
JSON = "pd.read_json({name!r}).to_csv('own.csv', index=False), with a column label and one of the pixels"
TORCH = "images, labels = (each.numpy() for each in torch.load({name!r})), then " + SAVE
TFRECORD_IS, TFRECORD = "a TFRecord file", "iterate tf.data.TFRecordDataset({name!r}), then " + SAVE
MODEL = "name it as the model: mnistry predict {name} --dataset DATA"

TABLE = "write it as CSV or Parquet"

BY_START: tuple[tuple[bytes, str, str], ...] = (
    (file_signatures.HDF5, "an HDF5 file", HDF5),
    (b"MATLAB 7.3", "a MATLAB file of version 7.3, which is HDF5", HDF5),
    (b"MATLAB 5.0", "a MATLAB file", MATLAB),
    (file_signatures.NPY, "one NumPy array", "name the folder that holds the labels too, or " + SAVE),
    *((magic, PICKLE_IS, PICKLE) for magic in file_signatures.PICKLES),
    (b"version https://git-lfs", "a pointer of Git LFS, not the data", "fetch the data with: git lfs pull"),
    (b"7z\xbc\xaf'\x1c", "a 7-Zip archive", ARCHIVE),
    (b"Rar!", "a RAR archive", ARCHIVE),
    (b"\x28\xb5\x2f\xfd", "packed with Zstandard", "unpack it with: zstd -d {name}"),
    (b"FEA1", "a Feather file", ARROW),
    (b"SQLite format 3", "an SQLite database", "write its images and labels into a CSV or NPZ file"),
    (b"%PDF", "a PDF document", "take its pictures out into a folder for each class"),
    *(
        (magic, "a file of R", "in R: write.csv(data, 'own.csv', row.names = FALSE)")
        for magic in (b"RDX", b"X\n\0\0\0")
    ),
    *(
        (magic, kind, TABLE)
        for magic, kind in ((b"ORC", "an ORC table"), (b"Obj\x01", "an Avro file"), (b"<stata", "a Stata file"))
    ),
    *((magic, "a program, not data", "name the file that holds the images") for magic in (b"MZ", b"\x7fELF")),
    *((magic, "a web page, not the data", "download the file itself") for magic in (b"<!doctype", b"<html")),
    *((magic, "a JSON file", JSON) for magic in (b"{", b"[")),
)
BY_ENDING = {
    **dict.fromkeys((".h5", ".hdf5"), ("no HDF5 file, although its name says so", HDF5)),
    ".mat": ("no MATLAB file of version 5, although its name says so", MATLAB),
    **dict.fromkeys((".pkl", ".pickle"), (PICKLE_IS, PICKLE)),
    ".onnx": ("a model, not data", MODEL),
    **dict.fromkeys((".tfrecord", ".tfrecords"), (TFRECORD_IS, TFRECORD)),
    ".mdb": ("an LMDB database", "read it with lmdb in Python, then " + SAVE),
    ".sas7bdat": ("a SAS file", TABLE),
    ".sav": ("an SPSS file", TABLE),
    ".msgpack": ("a MessagePack file", TABLE),
    ".py": ("a program, not data", "name the file or folder that it reads"),
    ".ipynb": ("a notebook, not data", "name the file or folder that it reads"),
}
IN_ZIP: tuple[tuple[str, str, str], ...] = (
    ("[Content_Types].xml", "an Excel or Office file", "save the sheet as CSV"),
    ("mimetype", "an OpenDocument file", "save the sheet as CSV"),
    ("model.weights.h5", "a Keras model, not data", MODEL),
    ("data.pkl", "a file of PyTorch, with a pickle inside", TORCH),
)


def describe(path: Path, start: bytes) -> str | None:
    """Name the kind of a file that is not taken, and what to do with it; None where it may be a table of text.

    Args:
        path: of the file.
        start: its first bytes, unpacked where it is packed with gzip.
    """
    if start.startswith(file_signatures.ZIP) and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return describe_zip(path, archive.namelist())
    lower = start.lstrip().lower()
    for magic, kind, remedy in BY_START:
        if start.startswith(magic) or (magic[:1] in b"@<{[" and lower.startswith(magic)):
            return _sentence(path, kind, remedy)
    if file_signatures.is_picture(start):
        return _sentence(path, "one picture", ONE_PICTURE)
    if start[4:8] == b"ftyp":
        return _sentence(path, "a video", "take its pictures out into a folder")
    if ".tfrecord-" in path.name:  # mnist-train.tfrecord-00000-of-00001
        return _sentence(path, TFRECORD_IS, TFRECORD)
    ending = next((each.lower() for each in reversed(path.suffixes) if each.lower() != ".gz"), "")
    return _sentence(path, *BY_ENDING[ending]) if ending in BY_ENDING else None


def describe_zip(path: Path, members: list[str]) -> str | None:
    """Name the kind of a ZIP file that is not taken, by its content."""
    names = {member.rpartition("/")[2] for member in members}
    return next((_sentence(path, kind, remedy) for name, kind, remedy in IN_ZIP if name in names), None)


def _sentence(path: Path, kind: str, remedy: str) -> str:
    told = remedy.format(name=path.name) if "{name" in remedy else remedy
    return f"{path.name} is {kind}. To use it: {told}."
