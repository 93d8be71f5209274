"""Arrays as other programs keep them: HDF5, MATLAB, Arrow, IDX of any type, and colours in rows of numbers."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import scipy.io

from helpers.loaded import holds
from mnistry.datasets import loading
from mnistry.datasets.dataset import Dataset
from mnistry.datasets.formats import array_files, pixels
from mnistry.datasets.unlabelled import load_pictures, load_unlabelled
from mnistry.errors import DataError

DIGITS = loading.load("digits")
X, Y = DIGITS.x_train[:40], DIGITS.y_train[:40] % 3
FLAT = X.reshape(40, 784)
COLOURED = np.stack([np.pad(X, ((0, 0), (2, 2), (2, 2))) // part for part in (1, 2, 4)], axis=-1)
PLANES = COLOURED.transpose(0, 3, 1, 2).reshape(40, 3072)


def same(loaded: Dataset) -> bool:
    return holds(loaded, X, Y)


def hdf5(path: Path, **arrays: Any) -> Path:
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array
    return path


@pytest.mark.parametrize(
    "arrays",
    [
        {"train/data": FLAT[:30] / 255, "train/target": Y[:30], "test/data": FLAT[30:] / 255, "test/target": Y[30:]},
        {"X": X, "Y": np.eye(3)[Y]},
        {"images": X, "labels": [str(label) for label in Y], "list_classes": np.arange(3)},
    ],
)
def test_hdf5_files_are_read_as_npz_files_are(arrays, tmp_path):
    loaded = loading.load(str(hdf5(tmp_path / "own.h5", **arrays)))
    assert same(loaded)
    assert len(loaded.x_test) == (10 if "test/data" in arrays else 8)


MATLAB = [
    {"data": FLAT.T, "label": Y[None].astype(float)},  # images are columns
    {"X": FLAT.T, "T": np.eye(3)[Y].T},
    {"X": X.transpose(1, 2, 0), "y": Y[:, None]},
    {"set": {"train": {"images": FLAT, "labels": Y[:, None], "writers": np.arange(40)[:, None]}}},
    {f"{split}{c}": part[Y[where] == c] for split, where in (("train", slice(30)), ("test", slice(30, 40)))
     for part in (FLAT[where],) for c in range(3)},
]  # fmt: skip


@pytest.mark.parametrize("arrays", MATLAB)
def test_matlab_files_are_read_also_structures_and_arrays_of_one_class(arrays, tmp_path):
    scipy.io.savemat(tmp_path / "own.mat", arrays)
    loaded = loading.load(str(tmp_path / "own.mat"))
    assert same(loaded)
    assert len(loaded.x_test) == (10 if "test0" in arrays else 8)


def test_a_folder_of_matlab_files_of_the_splits(tmp_path):
    """The Street View House Numbers' own form."""
    for name, part in (("train_32x32", slice(30)), ("test_32x32", slice(30, 40))):
        content = {"X": COLOURED[part].transpose(1, 2, 3, 0), "y": Y[part][:, None]}
        scipy.io.savemat(tmp_path / f"{name}.mat", content)
    loaded = loading.load(str(tmp_path), kind="pictures")
    assert [len(y) for _, y in loaded.splits.values()] == [30, 10]
    assert loaded.y_test.tolist() == Y[30:].tolist()


def test_images_of_a_matlab_file_are_counted_by_the_last_axis_without_labels_too(tmp_path):
    scipy.io.savemat(tmp_path / "own.mat", {"X": X.transpose(1, 2, 0)})
    np.testing.assert_array_equal(load_unlabelled(str(tmp_path / "own.mat")).images, X)
    scipy.io.savemat(tmp_path / "own.mat", {"X": COLOURED.transpose(1, 2, 3, 0)})
    pictures, remarks = load_pictures(str(tmp_path / "own.mat"))
    np.testing.assert_array_equal(np.stack(list(pictures.values())), COLOURED)
    assert remarks[-1].endswith("X: images are counted by its last axis.")


def test_damaged_files_and_models_are_named(tmp_path):
    with hdf5(tmp_path / "own.h5", X=X).open("r+b") as file:
        file.truncate(3000)
    with pytest.raises(DataError, match=r"own\.h5 cannot be read: .* own\.h5 is an HDF5 file\. To use it: with h5py"):
        loading.load(str(tmp_path / "own.h5"))
    with h5py.File(tmp_path / "model.h5", "w") as file:
        file.attrs["model_config"] = "{}"
    with pytest.raises(DataError, match="it is a Keras model, not data"):
        loading.load(str(tmp_path / "model.h5"))
    scipy.io.savemat(tmp_path / "own.mat", {"name": "none"})
    with pytest.raises(DataError, match="it holds no arrays of numbers"):
        loading.load(str(tmp_path / "own.mat"))


def test_images_of_an_hdf5_file_are_answered(tmp_path):
    found = load_unlabelled(str(hdf5(tmp_path / "own.h5", x_train=X[:5], x_test=X)))
    assert np.array_equal(found.images, X)


def idx(path: Path, array: np.ndarray, number: int) -> None:
    head = bytes([0, 0, number, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(head + array.tobytes())


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (((X / 255).astype(">f4"), 13), (Y.astype(np.uint8), 8)),
        ((X.astype(">f8"), 14), (Y.astype(">i4"), 12)),
        ((X.astype(">i2"), 11), (Y.astype(np.int8), 9)),
        ((FLAT, 8), (np.eye(3, dtype=np.uint8)[Y], 8)),
        ((X[..., None], 8), (Y[:, None].astype(np.uint8), 8)),
    ],
)
def test_idx_files_of_any_type_and_shape(images, labels, tmp_path):
    idx(tmp_path / "train-images-idx3-ubyte", *images)
    idx(tmp_path / "train-labels-idx1-ubyte", *labels)
    assert same(loading.load(str(tmp_path)))
    assert np.array_equal(load_unlabelled(str(tmp_path / "train-images-idx3-ubyte")).images, X)


def test_idx_files_whose_size_is_wrong(tmp_path):
    idx(tmp_path / "train-images-idx3-ubyte", (X / 255).astype(">f4")[:, :, :27], 13)
    content = (tmp_path / "train-images-idx3-ubyte").read_bytes()
    (tmp_path / "train-images-idx3-ubyte").write_bytes(content[:-4])
    idx(tmp_path / "train-labels-idx1-ubyte", Y.astype(np.uint8), 8)
    with pytest.raises(DataError, match=r"promises 120,960 bytes for >f4 \(40, 28, 27\), received 120,956\."):
        loading.load(str(tmp_path))


@pytest.mark.parametrize("rows", [PLANES, COLOURED.reshape(40, 3072)])
def test_rows_of_coloured_pixels_in_either_order(rows, tmp_path):
    images, told = pixels.arrange(rows, None, "own")
    assert np.array_equal(images, COLOURED)
    assert "coloured images of 32×32" in str(told)
    table = np.column_stack([Y, rows])
    np.savetxt(
        tmp_path / "own.csv", table, "%d", ",", comments="", header="label," + ",".join(f"p{n}" for n in range(3072))
    )
    lines = [f"{y} " + " ".join(f"{n}:{v}" for n, v in enumerate(row, 1) if v or n == 3072) for y, *row in table]
    (tmp_path / "own.libsvm").write_text("\n".join(lines))
    np.savez(tmp_path / "own.npz", data=rows, labels=Y)
    columns = {"pixels": [" ".join(map(str, row)) for row in rows], "label": Y}
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "own.parquet")
    for name in ("own.csv", "own.libsvm", "own.npz", "own.parquet"):
        loaded = loading.load(str(tmp_path / name), kind="pictures")
        assert any("coloured images of 32×32" in remark for remark in loaded.remarks), name
        assert sorted(loaded.y_train.tolist() + loaded.y_test.tolist()) == sorted(Y.tolist())
        assert len({x.tobytes() for images, _ in loaded.splits.values() for x in images}) == 40


def test_pixels_as_text_and_a_column_of_splits_in_parquet(tmp_path):
    """As FER-2013 has them."""
    usage = ["Training"] * 30 + ["PublicTest"] * 5 + ["PrivateTest"] * 5
    columns = {"emotion": Y, "pixels": [" ".join(map(str, row)) for row in FLAT], "Usage": usage}
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "own.parquet")
    loaded = loading.load(str(tmp_path / "own.parquet"))
    assert same(loaded)
    assert loaded.y_test.tolist() == Y[30:].tolist()
    columns["Usage"] = ["some"] * 40
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "own.parquet")
    with pytest.raises(DataError, match="row 1: 'some' names no split"):
        loading.load(str(tmp_path / "own.parquet"))


def test_arrow_files_as_data_sets_of_the_hub_are_saved(tmp_path):
    for split, part in (("train", slice(30)), ("test", slice(30, 40))):
        table = pyarrow.table({"image": X[part].tolist(), "label": Y[part].astype(np.int64)})
        (tmp_path / split).mkdir()
        with pyarrow.ipc.new_stream(tmp_path / split / "data-00000-of-00001.arrow", table.schema) as sink:
            sink.write_table(table)
        (tmp_path / split / "state.json").write_text("{}")
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    loaded = loading.load(str(tmp_path))
    assert same(loaded)
    assert loaded.y_test.tolist() == Y[30:].tolist()
    with pyarrow.ipc.new_file(tmp_path / "own.arrow", table.schema) as sink:
        sink.write_table(table)
    assert np.array_equal(load_unlabelled(str(tmp_path / "own.arrow")).images, X[30:])


def test_what_a_matlab_file_holds_is_counted_in_bytes_before_it_is_read(tmp_path, monkeypatch):
    scipy.io.savemat(tmp_path / "own.mat", {"X": np.zeros((100, 8))})
    monkeypatch.setattr(array_files, "MAX_BYTES", 6399)
    with pytest.raises(SystemExit, match="it holds 6,400 bytes or more; more than 6,399 are not read"):
        array_files._read_matlab(tmp_path / "own.mat")
    monkeypatch.setattr(array_files, "MAX_BYTES", 6400)
    assert array_files._read_matlab(tmp_path / "own.mat")["X"].shape == (100, 8)


def test_a_file_that_unpacks_to_more_memory_than_is_given_is_refused(tmp_path):
    packed = {"data": {"X": np.zeros(400_000_000, np.uint8)}}  # a structure: its size stands nowhere before it
    scipy.io.savemat(tmp_path / "own.mat", packed, do_compression=True)
    assert (tmp_path / "own.mat").stat().st_size < 1_000_000
    program = (
        "import sys; from mnistry.datasets.formats import array_files; array_files.MEMORY = 300_000_000; "
        "array_files.main(*sys.argv[1:])"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "a.npz"), str(tmp_path / "own.mat")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "it needs more than 300,000,000 bytes of memory\n")
