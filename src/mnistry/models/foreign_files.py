"""Files that are not model files: the name of each format, and what to do with it."""

from __future__ import annotations

import zipfile
from pathlib import Path

from mnistry.errors import ModelError
from mnistry.runtime.file_signatures import ARROW, HDF5, NPY, PARQUET, PICKLES, ZIP, is_picture
from mnistry.runtime.files import short

START = 16  # bytes that are looked at
ONNX_LIKE = b"\x08"
REBUILD = "Build the same network in Keras, set its weights, and use mnistry.export(model, path)"
WEIGHTS_ONLY = (
    "weights without a network. Build the network in Python, then model.load_weights({name!r}) and "
    "mnistry.export(model, path)"
)
SAVED_MODEL = (
    "a SavedModel of TensorFlow. Where TensorFlow is: tf.keras.models.load_model({name!r}).save('own.h5'), then name "
    "own.h5"
)
PICTURE = "a picture, not a model. To read the digits in it: mnistry read {name}"
NAME_ONE = "Name a file that mnistry export wrote, a run folder or a .keras file"
DATA = "data, not a model. Name it with --dataset: mnistry predict MODEL --dataset {name}"
BY_START: tuple[tuple[bytes, str], ...] = (
    (b"%PDF", PICTURE),
    *((start, DATA) for start in (NPY, PARQUET, *ARROW, b"\0\0\x08\x01", b"\0\0\x08\x03")),
    *((start, f"a pickle, which can run any program when it is opened. {REBUILD}") for start in PICKLES),
    *((start, f"a model in XML, of PMML or OpenVINO. {REBUILD}") for start in (b"<?xml", b"<PMML", b"<net")),
    (b"GGUF", f"a language model in GGUF. {REBUILD}"),
    (
        b"{",
        "text in JSON: a network without weights. In Python: keras.models.model_from_json(text), load_weights, then "
        "mnistry.export(model, path)",
    ),
)
BY_ENDING = {
    ".safetensors": f"weights without a network. {REBUILD}",
    ".pb": SAVED_MODEL,
    ".index": f"a checkpoint of TensorFlow: {WEIGHTS_ONLY}",
    ".ckpt": f"a checkpoint: {WEIGHTS_ONLY}",
    ".mlmodel": f"a model of Core ML. {REBUILD}",
    **dict.fromkeys((".csv", ".tsv", ".arff", ".jsonl", ".libsvm"), DATA),
}


def refuse(path: Path) -> None:
    """Refuse a file or folder, which need not exist, that is a model of a kind that is not taken, and say what to do.

    Raises:
        ModelError: it is such a model.
    """
    path = path.expanduser()
    try:
        what = _kind(path)
    except (OSError, ValueError):
        return  # whoever reads it says what is wrong
    if what is not None:
        raise ModelError(f"{short(path)} is {what.format(name=path.name)}.")


def _kind(path: Path) -> str | None:
    if path.is_dir():
        return SAVED_MODEL if (path / "saved_model.pb").is_file() else None
    if not path.is_file():
        return None
    with path.open("rb") as file:
        start = file.read(START)
    if start.startswith(ZIP):
        return _zip_kind(path)
    if is_picture(start) or start[4:8] == b"ftyp":
        return PICTURE
    if start[4:8] == b"TFL3":
        return f"a model of TensorFlow Lite. {REBUILD}"
    if start.startswith(HDF5) or (start.startswith(ONNX_LIKE) and path.suffix.lower() == ".onnx"):
        return None
    found = next((kind for magic, kind in BY_START if start.startswith(magic)), None)
    found = found or BY_ENDING.get(path.suffix.lower())
    text = all(32 <= byte < 127 or byte in b"\t\r\n" for byte in start)  # ONNX begins with a number below them
    if found is None and start and text and path.suffix.lower() != ".onnx":
        return f"text, not a model. {NAME_ONE}"
    return found


def _zip_kind(path: Path) -> str | None:
    if not zipfile.is_zipfile(path):
        return "damaged: it begins as a Keras model and breaks off. Get it once more"
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    if "config.json" in names:
        return None
    if any(name.endswith(".npy") for name in names):
        return DATA
    if any(name.endswith("data.pkl") for name in names):
        return f"a file of PyTorch, with a pickle inside. {REBUILD}"
    return f"a ZIP file without a Keras model: it holds {', '.join(names[:3]) or 'nothing'}"
