"""Data as people have them: other names and shapes, splits of any name, pictures of anything, archives, EMNIST."""

from __future__ import annotations

import gzip
import io
import pickle
import struct
import tarfile
import unicodedata
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image

from helpers.drawn import NAMES, write_folder
from helpers.loaded import holds, refused
from mnistry.datasets import kinds, loading
from mnistry.datasets.dataset import Dataset, count_learning, count_validation, split
from mnistry.datasets.formats import archives, numpy_files
from mnistry.datasets.formats.naming import find_split
from mnistry.errors import DataError, UsageError

DIGITS = loading.load("digits")
X, Y = DIGITS.x_train[:60], DIGITS.y_train[:60] % 3
FLAT = X.reshape(60, 784)
PIXELS = [f"pixel{number}" for number in range(784)]


def load(path: Path, **options: Any) -> Dataset:
    return loading.load(str(path), **options)


def same(loaded: Dataset, x: np.ndarray = X, y: np.ndarray = Y) -> bool:
    return holds(loaded, x, y)


def write_png(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def write_pictures(folder: Path, x: np.ndarray = X, y: np.ndarray = Y) -> Path:
    for number, (image, label) in enumerate(zip(x, y, strict=True)):
        write_png(folder / str(label) / f"{number}.png", image)
    return folder


def write_csv(path: Path, head: list[str], rows: list[list[Any]], separator: str = ",") -> Path:
    lines = [separator.join(map(str, row)) for row in ([head] if head else []) + rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def said(loaded: Dataset, *words: str) -> bool:
    return any(all(word in remark for word in words) for remark in loaded.remarks)


# Names of splits


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("train", "train"), ("Training", "train"), ("TRAIN", "train"), ("trainingSet", "train"),
        ("train_images", "train"), ("training-data", "train"), ("mnist_train", "train"),
        ("testSample", None), ("Test", "test"), ("testing", "test"),
        ("testset", "test"), ("t10k", "test"), ("val", "validation"), ("Valid", "validation"), ("dev", "validation"),
        ("eval", "validation"), ("학습", "train"), ("훈련 데이터", "train"), ("평가용", "test"), ("테스트셋", "test"),
        (unicodedata.normalize("NFD", "검증"), "validation"), ("テストデータ", "test"), ("训练集", "train"),
        ("Entraînement", "train"), ("Trainingsdaten", "train"), ("Testdaten", "test"), ("prueba", "test"),
        ("숫자", None),
        ("validation_set", "validation"), ("cat", None), ("trainer", None), ("valve", None), ("7", None),
        ("train and test", None), ("test pilot", None),
    ],
)  # fmt: skip
def test_names_of_splits(name, expected):
    assert find_split(name) == expected


NAMED = [("training", "testing", "validation"), ("Train", "Test", "Val"), ("trainingSet", "testSet", "dev_images")]


@pytest.mark.parametrize("names", NAMED)
def test_folders_of_splits_have_any_usual_name(names, tmp_path):
    parts = (slice(0, 40), slice(40, 50), slice(50, 60))
    for name, part in zip(names, parts, strict=True):
        write_pictures(tmp_path / "own" / name, X[part], Y[part])
    loaded = load(tmp_path / "own")
    assert loaded.class_names == ("0", "1", "2")
    assert [len(y) for _, y in loaded.splits.values()] == [40, 10, 10]
    assert same(loaded)


def test_folders_of_classes_may_hold_the_splits(tmp_path):
    for number, (image, label) in enumerate(zip(X, Y, strict=True)):
        write_png(tmp_path / "own" / str(label) / ("train" if number < 45 else "test") / f"{number}.png", image)
    loaded = load(tmp_path / "own")
    assert (len(loaded.x_train), len(loaded.x_test)) == (45, 15)
    assert same(loaded)


def test_pictures_without_classes_in_the_test_folder_are_named(tmp_path):
    write_pictures(tmp_path / "own" / "train")
    write_png(tmp_path / "own" / "test" / "1.png", X[0])
    assert said(load(tmp_path / "own"), "no labels", "mnistry predict")


def test_a_folder_in_a_folder_is_found(tmp_path):
    write_pictures(tmp_path / "own" / "mnist_png" / "pictures")
    assert same(load(tmp_path / "own"))


def test_folders_of_one_split_in_each_other_are_one(tmp_path):
    """Kaggle's MNIST as JPG: trainingSet/trainingSet/0 beside testSample/testSample without classes."""
    write_pictures(tmp_path / "own" / "trainingSet" / "trainingSet", X[:50], Y[:50])
    write_pictures(tmp_path / "own" / "testSet" / "images", X[50:], Y[50:])
    write_png(tmp_path / "own" / "testSample" / "testSample" / "img_1.png", X[0])
    loaded = load(tmp_path / "own")
    assert same(loaded)
    assert (len(loaded.x_train), len(loaded.x_test)) == (50, 10)
    assert said(loaded, "passed over the folders testSample")


def test_folders_that_may_be_classes_or_not_are_refused(tmp_path):
    for name in ("anna", "ben", "carl"):
        write_pictures(tmp_path / "own" / name)
    sentence = refused(tmp_path / "own")
    assert "anna, ben, carl all hold folders 0, 1, 2: either may be the classes" in sentence
    assert "name them train, test and validation" in sentence
    for number, (image, label) in enumerate(zip(X, Y, strict=True)):  # folders that differ are parts of their class
        write_png(tmp_path / "other" / str(label) / f"part {label}{number % 2}" / f"{number}.png", image)
    assert same(load(tmp_path / "other"))


def test_folders_that_computers_add_are_left_out_and_classes_that_begin_with_a_line_are_not(tmp_path):
    names = np.array(["_", "_0", "__"])[Y]
    write_pictures(tmp_path / "own", X, names)
    for hidden in ("_0/.ipynb_checkpoints", "_/__MACOSX", "__MACOSX/_0", ".git"):
        write_png(tmp_path / "own" / hidden / "1.png", X[0])
    (tmp_path / "own" / "_" / "Thumbs.db").write_bytes(b"0")
    loaded = load(tmp_path / "own")
    assert same(loaded, X, names)
    assert said(loaded, "passed over 1 file,")


def test_classes_that_differ_in_capitals_are_said_to_be_two(tmp_path):
    names = np.array(["cat", "Cat", "dog"])[Y]
    assert said(load(write_pictures(tmp_path / "own", X, names)), "Cat, cat differ in capital letters only")


# Validation splits


def test_a_validation_split_is_used_where_images_would_be_held_out(tmp_path):
    np.savez(
        tmp_path / "own.npz",
        x_train=X[:40],
        y_train=Y[:40],
        x_val=X[40:50],
        y_val=Y[40:50],
        x_test=X[50:],
        y_test=Y[50:],
    )
    loaded = load(tmp_path / "own.npz")
    (learnt, _), (watched, labels) = split(loaded, 0.1, 0)
    np.testing.assert_array_equal(learnt, X[:40])
    np.testing.assert_array_equal(watched, X[40:50])
    np.testing.assert_array_equal(labels, Y[40:50])
    assert (count_learning(loaded, 0.1), count_validation(loaded, 0.1)) == (40, 10)
    assert (count_learning(loaded, 0.0), count_validation(loaded, 0.0)) == (40, 0)
    assert said(loaded, "validation split of 10 images")
    assert {"x_validation", "y_validation"} <= set(loaded.digests)
    assert loaded.as_json()["validation"]["images"]["shape"] == [10, 28, 28]


def test_the_only_image_of_a_class_is_learnt_from(tmp_path):
    labels = np.array([0] * 20 + [1] * 20 + [2])
    np.savez(tmp_path / "own.npz", x_train=X[:41], y_train=labels)
    loaded = load(tmp_path / "own.npz")
    (_, learnt), (_, held_out) = split(loaded, 1 / 12, 0)
    assert set(learnt.tolist()) == {0, 1, 2}
    assert len(held_out) == count_validation(loaded, 1 / 12) == 2
    assert said(loaded, "no test images of 2")


# NumPy's files


@pytest.mark.parametrize(
    "arrays",
    [
        {"train_images": X, "train_labels": Y}, {"X_train": X, "Y_train": Y}, {"xtrain": X, "ytrain": Y},
        {"X": X, "y": Y}, {"data": FLAT, "target": Y}, {"images": X, "labels": Y}, {"arr_0": X, "arr_1": Y},
        {"x_train": X, "y_train": np.eye(3)[Y]}, {"x_train": X, "y_train": np.eye(3, dtype=bool)[Y]},
        {"x_train": X[:, None], "y_train": Y}, {"x_train": X / 255, "y_train": Y},
        {"x_train": X / 127.5 - 1, "y_train": Y},
        {"x_train": np.moveaxis(X, 0, 2), "y_train": Y}, {"x_train": X, "y_train": Y[None]},
        {"x_train": np.repeat(X[..., None], 3, axis=3), "y_train": Y},
        {"x_train": X.astype(np.uint16) * 257, "y_train": Y}, {"x_train": X + 0.25 * (X < 255), "y_train": Y},
        {"x_train": X, "y_train": Y.astype(str).astype(object)},
        {"x_train": X, "y_train": Y.tolist(), "ids": np.arange(60)},
        {"x_train": np.asfortranarray(X), "y_train": Y.astype(float)}, {"x_train": X, "y_train": Y.astype(object)},
    ],
    ids=lambda arrays: " ".join(f"{name}{np.shape(a)}" for name, a in arrays.items()),
)  # fmt: skip
def test_arrays_by_other_names_and_in_other_forms(arrays, tmp_path):
    np.savez(tmp_path / "own.npz", **arrays)
    assert same(load(tmp_path / "own.npz"))
    (tmp_path / "folder").mkdir()
    for name, array in arrays.items():
        np.save(tmp_path / "folder" / f"{name}.npy", array)
    assert same(load(tmp_path / "folder"))


def test_what_was_assumed_is_said(tmp_path):
    np.savez(tmp_path / "own.npz", train_images=X / 127.5 - 1, train_labels=np.eye(3)[Y], ids=np.arange(60))
    loaded = load(tmp_path / "own.npz")
    assert said(loaded, "taken are train_images with train_labels")
    assert said(loaded, "labels are one-hot, of 3 classes")
    assert said(loaded, "pixels from -1 to 1 are scaled")
    assert said(loaded, "passed over ids")


def test_an_npz_file_for_each_array_as_kuzushiji_mnist_is_published(tmp_path):
    arrays = {"train-imgs": X[:50], "train-labels": Y[:50], "test-imgs": X[50:], "test-labels": Y[50:]}
    for name, array in arrays.items():
        np.savez_compressed(tmp_path / f"kmnist-{name}.npz", array)
    loaded = load(tmp_path)
    assert same(loaded)
    assert (len(loaded.x_train), len(loaded.x_test)) == (50, 10)
    np.savez(tmp_path / "other.npz", x=X, y=Y)
    assert "several NPZ files" in refused(tmp_path)


def test_four_arrays_without_names_are_in_the_usual_order(tmp_path):
    np.savez(tmp_path / "own.npz", X[:40], Y[:40], X[40:], Y[40:])
    loaded = load(tmp_path / "own.npz")
    np.testing.assert_array_equal(loaded.x_test, X[40:])
    np.testing.assert_array_equal(loaded.y_train, Y[:40])


def test_arrays_that_can_be_read_in_two_ways_are_refused(tmp_path):
    np.savez(tmp_path / "own.npz", images=X, pictures=X, labels=Y)
    assert "several arrays that may be the images or labels for train" in refused(tmp_path / "own.npz")


def test_labels_stored_as_objects_are_read_without_running_anything(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    class Trap:
        def __reduce__(self) -> Any:
            return Path.touch, (Path("trace"),)

    np.savez("own.npz", x_train=X, y_train=np.array(["a", Trap()] * 30, object))
    assert "holds Python objects, which are never loaded" in refused(Path("own.npz"))
    assert not Path("trace").exists()
    items = ["zebra", "ant", "zebra", 7]
    assert numpy_files._read_pickled(pickle.dumps(items, 4)) == items


def test_a_small_file_that_unpacks_to_gigabytes_is_refused_by_its_header(tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (3_000_000, 28, 28)})
    with zipfile.ZipFile(tmp_path / "own.npz", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("x_train.npy", header.getvalue() + bytes(1000))
        file.writestr("y_train.npy", header.getvalue())
    assert "more than 2,000,000,000 bytes are not read" in refused(tmp_path / "own.npz")


# CSV tables


def rows(x: np.ndarray = FLAT, y: Any = Y) -> list[list[Any]]:
    return [[label, *image] for image, label in zip(x.tolist(), y, strict=True)]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("header", [True, False])
def test_labels_may_be_last_and_cells_parted_otherwise(separator, header, tmp_path):
    table = [[*row[1:], row[0]] for row in rows()]
    path = write_csv(tmp_path / "own.csv", [*PIXELS, "class"] if header else [], table, separator)
    loaded = load(path)
    assert same(loaded)
    assert said(loaded, "785" if not header else "column 785, 'class'")


@pytest.mark.parametrize("header", [True, False])
def test_a_column_that_counts_is_passed_over(header, tmp_path):
    table = [[number, *row] for number, row in enumerate(rows())]
    loaded = load(write_csv(tmp_path / "own.csv", ["", "label", *PIXELS] if header else [], table))
    assert same(loaded)
    assert said(loaded, "passed over the")


def test_fractions_floats_and_small_images_in_a_table(tmp_path):
    loaded = load(write_csv(tmp_path / "own.csv", ["label", *PIXELS], rows((FLAT / 255).round(6), Y.astype(float))))
    assert same(loaded)
    small = X.reshape(60, 14, 2, 14, 2).max(axis=(2, 4)).reshape(60, 196)
    loaded = load(write_csv(tmp_path / "small.csv", ["label", *PIXELS[:196]], rows(small)))
    assert loaded.x_train.shape[1:] == (28, 28)


def test_kaggles_folder_as_it_was_unpacked(tmp_path):
    write_csv(tmp_path / "train.csv", ["label", *PIXELS], rows())
    write_csv(tmp_path / "test.csv", PIXELS, FLAT[:9].tolist())
    write_csv(tmp_path / "sample_submission.csv", ["ImageId", "Label"], [[1, 0], [2, 0]])
    loaded = load(tmp_path)
    assert same(loaded)
    assert said(loaded, "test.csv has no labels", "mnistry predict MODEL")
    assert said(loaded, "passed over sample_submission.csv")


def test_a_list_of_files_with_labels(tmp_path):
    for number, image in enumerate(X):
        write_png(tmp_path / "images" / f"{number}.png", image)
    parts = ["train"] * 40 + ["valid"] * 10 + ["test"] * 10
    table = [[f"{n}.png", label, part] for n, (label, part) in enumerate(zip(Y, parts, strict=True))]
    loaded = load(write_csv(tmp_path / "labels.csv", ["filename", "label", "split"], table))
    assert same(loaded)
    assert [len(y) for _, y in loaded.splits.values()] == [40, 10, 10]
    table = [[number, label] for number, label in enumerate(Y)]  # without an extension, without a word for labels
    loaded = load(write_csv(tmp_path / "labels.csv", ["id", "breed"], table))
    assert same(loaded)
    assert said(loaded, "the labels are column 2, 'breed'")
    (tmp_path / "images" / "7.png").unlink()
    assert "labels.csv, row 9: there is no picture '7'" in refused(tmp_path / "labels.csv")


# Parquet


def shard(path: Path, part: slice, **more: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = []
    for image in X[part]:
        sink = io.BytesIO()
        Image.fromarray(image).save(sink, "PNG")
        content.append({"bytes": sink.getvalue(), "path": None})
    pyarrow.parquet.write_table(pyarrow.table({"image": content, "label": Y[part], **more}), path)


@pytest.mark.parametrize(
    "names",
    [
        ("part-00000.parquet", "part-00001.parquet", ""), ("part.0.parquet", "part.1.parquet", ""),
        ("mnist/train-00000-of-1.parquet", "mnist/test-00000-of-1.parquet", "mnist/validation-00000-of-1.parquet"),
        ("data/train.parquet", "data/test.parquet", ""),
        ("mnist/train/0000.parquet", "mnist/test/0000.parquet", "mnist/dev/0.parquet"),
    ],
)  # fmt: skip
def test_parquet_files_of_any_usual_name(names, tmp_path):
    parts = (slice(0, 40), slice(40, 50), slice(50, 60)) if names[2] else (slice(0, 40), slice(40, 60))
    for name, part in zip(names, parts, strict=False):
        shard(tmp_path / name, part)
    (tmp_path / "README.md").write_text("a card")
    loaded = load(tmp_path)
    assert same(loaded)
    if not names[0].startswith("part"):
        assert len(loaded.x_train) == 40


def test_parquet_with_lists_of_pixels_and_an_index(tmp_path):
    columns = {"label": Y.astype(float), "pixels": FLAT.tolist()}
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "own.parquet")
    assert same(load(tmp_path / "own.parquet"))
    columns = {"target": Y, "image": X.tolist(), "__index_level_0__": np.arange(60)}
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "own.parquet")
    assert same(load(tmp_path / "own.parquet"))


def png(image: np.ndarray) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(image).save(sink, "PNG")
    return sink.getvalue()


PNGS, HOT = [png(image) for image in X], np.eye(3, dtype=np.int64)[Y]
BY_PIXEL = {name: FLAT[:, number] for number, name in enumerate(PIXELS)}


@pytest.mark.parametrize(
    ("columns", "remark"),
    [
        ({"png": PNGS, "cls": Y}, None),
        ({"jpg": [{"bytes": each, "path": None} for each in PNGS], "answer": Y}, "the labels are column 2, 'answer'"),
        ({"image": PNGS, "label": HOT.tolist()}, "the labels are one-hot, of 3 classes"),
        ({"image": PNGS, "label": HOT.astype(bool).tolist()}, "the labels are one-hot, of 3 classes"),
        (
            {"image": PNGS, "id": range(60), **{f"is_{n}": HOT[:, n] for n in range(3)}},
            "in the columns 'is_0' to 'is_2'",
        ),
        ({**{f"class_{n}": HOT[:, n] == 1 for n in range(3)}, **BY_PIXEL}, "in the columns 'class_0' to 'class_2'"),
    ],
)
def test_parquet_with_other_names_and_one_hot_labels(columns, remark, tmp_path):
    pyarrow.parquet.write_table(
        pyarrow.table({name: list(each) for name, each in columns.items()}), tmp_path / "own.parquet"
    )
    loaded = load(tmp_path / "own.parquet")
    assert same(loaded)
    assert remark is None or said(loaded, remark)


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        (
            {"image": PNGS, "fine_label": Y, "coarse_label": Y},
            "beside them the columns 'fine_label', 'coarse_label': which is the label?",
        ),
        ({"image": PNGS, "id": range(60)}, "own.parquet has pictures: it has no labels"),
        ({"image": PNGS, "label": [[1, 1, 0], *HOT.tolist()[1:]]}, "row 1: expected one 1 among its 3 labels"),
        (
            {"image": PNGS, "label": [[1, 0, 0], [2, 0, 0], *HOT.tolist()[2:]]},
            "row 2: expected one 1 among its 3 labels",
        ),
        ({"image": PNGS, "a": HOT[:, 0], "b": HOT[:, 1], "c": 0 * Y}, "columns 'a', 'b', 'c': which is the label?"),
    ],
)
def test_parquet_whose_labels_are_unclear_is_refused(columns, sentence, tmp_path):
    pyarrow.parquet.write_table(
        pyarrow.table({name: list(each) for name, each in columns.items()}), tmp_path / "own.parquet"
    )
    assert sentence in refused(tmp_path / "own.parquet")


def test_two_sets_in_a_clone_are_not_mixed(tmp_path):
    shard(tmp_path / "mnist/train.parquet", slice(0, 30))
    shard(tmp_path / "fashion/train.parquet", slice(30, 60))
    assert "holds several sets: fashion, mnist. Name the folder" in refused(tmp_path)


# IDX and EMNIST


def write_idx(path: Path, array: np.ndarray) -> None:
    content = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def test_identical_copies_are_one_and_different_ones_are_refused(tmp_path):
    raw = tmp_path / "MNIST" / "raw"
    for ending in ("", ".gz"):
        write_idx(raw / f"train-images-idx3-ubyte{ending}", X)
        write_idx(raw / f"train-labels-idx1-ubyte{ending}", Y)
    assert same(load(raw))
    assert same(load(tmp_path))
    write_idx(raw / "train-labels-idx1-ubyte", Y[::-1])
    assert "holds both train-labels-idx1-ubyte and train-labels-idx1-ubyte.gz, and they differ" in refused(raw)


def test_folders_named_as_the_files_are(tmp_path):
    for name, array in (("train-images-idx3-ubyte", X), ("train-labels-idx1-ubyte", Y)):
        write_idx(tmp_path / name / name, array)
        write_idx(tmp_path / name.replace("-idx", ".idx"), array)
    assert same(load(tmp_path))


@pytest.mark.parametrize(
    "names",
    [
        ("train_images.idx", "train_labels.idx", "test_images.idx.gz", "test_labels.idx.gz"),
        ("images-idx3-ubyte", "labels-idx1-ubyte"),
        ("x-train.idx3", "y-train.idx1", "x-val.idx3", "y-val.idx1"),
    ],
)
def test_idx_files_of_other_names_are_known_by_how_they_begin(names, tmp_path):
    parts = ((X[:50], Y[:50]), (X[50:], Y[50:])) if len(names) > 2 else ((X, Y),)
    for name, array in zip(names, (each for pair in parts for each in pair), strict=True):
        write_idx(tmp_path / name, array)
    assert same(load(tmp_path))
    assert same(load(tmp_path / names[0]))


def test_qmnists_labels_of_eight_numbers_are_read_by_path(tmp_path):
    rows = np.zeros((60, 8), ">i4")
    rows[:, 0], rows[:, 2] = Y, 7
    write_idx(tmp_path / "qmnist-train-images-idx3-ubyte.gz", X)
    with gzip.open(tmp_path / "qmnist-train-labels-idx2-int.gz", "wb") as file:
        file.write(struct.pack(">III", 0x0C02, 60, 8) + rows.tobytes())
    assert same(load(tmp_path))


def test_emnist_is_turned_upright_and_named_by_its_mapping(tmp_path):
    x, y = DIGITS.x_train[:200], DIGITS.y_train[:200]
    turned = x.transpose(0, 2, 1)
    write_idx(tmp_path / "emnist-letters-train-images-idx3-ubyte.gz", turned)
    write_idx(tmp_path / "emnist-letters-train-labels-idx1-ubyte.gz", y + 1)
    (tmp_path / "emnist-letters-mapping.txt").write_text("".join(f"{n + 1} {65 + n} {97 + n}\n" for n in range(26)))
    loaded = load(tmp_path)
    assert loaded.class_names == tuple("ABCDEFGHIJ")
    assert same(loaded, x, np.array([chr(65 + each) for each in y]))
    assert said(loaded, "turned upright")
    assert said(loaded, "named by emnist-letters-mapping.txt")
    (tmp_path / "emnist-letters-mapping.txt").unlink()
    assert load(tmp_path / "emnist-letters-train-labels-idx1-ubyte.gz").class_names == tuple("ABCDEFGHIJ")


LYING = {
    kinds.TRANSPOSED: lambda x: x.transpose(0, 2, 1),
    "turned by a quarter to the left": lambda x: np.rot90(x, 1, (1, 2)),
    "turned by a quarter to the right": lambda x: np.rot90(x, -1, (1, 2)),
    "upside down": lambda x: x[:, ::-1, ::-1],
    "mirrored": lambda x: x[:, :, ::-1],
    "mirrored and upside down": lambda x: x[:, ::-1],
    "mirrored and turned by a quarter": lambda x: x[:, ::-1, ::-1].transpose(0, 2, 1),
}


def test_digits_that_do_not_stand_upright_are_turned_whatever_they_are_called(tmp_path):
    x, y = DIGITS.x_train[:60], DIGITS.y_train[:60]
    for turn, lay in LYING.items():
        assert kinds.find_turn(lay(x), y.astype(str)) == turn
        assert (kinds.TURNS[turn](lay(x)) == x).all()
    np.savez(tmp_path / "own.npz", x_train=x[:, :, ::-1], y_train=y)
    loaded = load(tmp_path / "own.npz")
    assert same(loaded, x, y)
    assert said(loaded, "The digits lie mirrored: turned upright")


def test_upright_digits_stay_as_they_are(tmp_path):
    x, y = DIGITS.x_train[:60], DIGITS.y_train[:60]
    np.savez(tmp_path / "own.npz", x_train=x, y_train=y)
    loaded = load(tmp_path / "own.npz")
    assert same(loaded, x, y)
    assert not said(loaded, "turned")


# Ink and pictures


def wave(kind: int, random: np.random.Generator, side: int, tint: tuple[float, float, float]) -> np.ndarray:
    """Slanted waves, every grey level used: uint8 (side, side, 3)."""
    y, x = np.mgrid[:side, :side]
    grey = 128 + 80 * np.sin((y, x, x + y)[kind] / 3 + random.uniform(0, 6)) + random.normal(0, 10, (side, side))
    return np.clip(grey[..., None] * np.array(tint), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("side", "coloured"), [(28, True), (32, True), (64, False)])
def test_pictures_are_made_grey_and_small(side, coloured, tmp_path):
    random = np.random.default_rng(0)
    tint = (1.0, 0.5, 0.3) if coloured else (1.0, 1.0, 1.0)
    x = np.stack([wave(n % 3, random, side, tint) for n in range(60)])
    np.savez(tmp_path / "own.npz", x_train=x if coloured else x[..., 0], y_train=np.arange(60) % 3)
    loaded = load(tmp_path / "own.npz")
    assert loaded.kind == "pictures"
    assert said(loaded, "made grey and 28×28")
    assert said(loaded, "colour is dropped") == coloured
    expected = sorted(np.asarray(Image.fromarray(each).convert("L").resize((28, 28), 1)).tobytes() for each in x)
    together = np.concatenate([loaded.x_train, loaded.x_test])
    if side == 28:
        assert sorted(image.tobytes() for image in together) == expected
    assert together.std() > 30
    assert loaded.facts()["kind"] == "pictures"


def test_pictures_in_folders(tmp_path):
    random = np.random.default_rng(0)
    for number in range(30):
        write_png(
            tmp_path / "animals" / ("cat", "dog")[number % 2] / f"{number}.png", wave(number % 2, random, 50, (1, 1, 1))
        )
    loaded = load(tmp_path / "animals")
    assert loaded.kind == "pictures"
    assert loaded.x_train.shape == (24, 28, 28)


def test_ink_stays_ink_and_the_kind_can_be_chosen(tmp_path):
    folder = write_folder(tmp_path / "animals", 5)
    assert load(folder).kind == "ink"
    chosen = load(folder, kind="pictures")
    assert chosen.kind == "pictures"
    assert chosen.x_train[:, 0].min() > 200  # the paper stays bright
    with pytest.raises(UsageError, match="is ink or pictures; received 'photos'"):
        load(folder, kind="photos")
    assert chosen.class_names == NAMES


def test_colours_that_tell_the_classes_apart_are_said_to_be_lost(tmp_path):
    random = np.random.default_rng(0)
    x = random.integers(0, 40, (40, 28, 28, 3)).astype(np.uint8)
    for n in range(40):
        x[n, 8:20, 8:20, n % 2] = 220
    np.savez(tmp_path / "own.npz", x_train=x, y_train=np.arange(40) % 2)
    assert said(load(tmp_path / "own.npz"), "colour is dropped")


def test_paper_in_uneven_light_is_still_paper():
    y, x = np.mgrid[:60, :60]
    light = 150 + x + 0.5 * y
    written = np.where((abs(x - 30) < 3) & (abs(y - 30) < 20), light * 0.3, light)
    assert kinds.is_ink(written)
    assert not kinds.is_ink(np.where((x - 30) ** 2 + (y - 30) ** 2 < 400, 90.0, 240.0))  # a ball, no stroke


# Names, archives, other files


def test_accents_are_one_letter_whichever_way_they_are_written(tmp_path):
    for number, form in enumerate(("NFC", "NFD")):
        name = unicodedata.normalize(form, "école")
        for each in range(5):
            write_png(tmp_path / "own" / ("train", "test")[number] / name / f"{each}.png", X[each])
            write_png(tmp_path / "own" / ("train", "test")[number] / "b" / f"{each}.png", X[5 + each])
    loaded = load(tmp_path / "own")
    assert loaded.class_names == ("b", unicodedata.normalize("NFC", "école"))


@pytest.mark.parametrize("ending", [".zip", ".tar.gz", ".tar"])
def test_archives_of_pictures_are_read(ending, tmp_path):
    folder = write_pictures(tmp_path / "own")
    path = tmp_path / f"own{ending}"
    if ending == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for each in sorted(folder.rglob("*.png")):
                archive.write(each, each.relative_to(tmp_path))
            archive.writestr("__MACOSX/own/._1.png", b"no picture")
            archive.writestr("../outside.txt", b"never written")
    else:
        with tarfile.open(path, "w:gz" if ending.endswith("gz") else "w") as tar:
            tar.add(folder, "own")
    assert same(load(path))
    assert not (tmp_path.parent / "outside.txt").exists()


def zipped(files: dict[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return sink.getvalue()


def encoded(x: np.ndarray, y: np.ndarray, folders: bool = True) -> dict[str, bytes]:
    """Pictures as PNG by name, in folders of their classes."""
    names = (f"{label}/{number}.png" if folders else f"{number}.png" for number, label in enumerate(y))
    return dict(zip(names, map(png, x), strict=True))


@pytest.mark.parametrize("wrapped", [False, True])
def test_archives_in_archives_and_in_folders_are_read(wrapped, tmp_path):
    splits = {"train.zip": zipped(encoded(X[:50], Y[:50])), "Test.zip": zipped(encoded(X[50:], Y[50:]))}
    if wrapped:
        (tmp_path / "own.zip").write_bytes(zipped({"__MACOSX/._own": b"0", "own.zip": zipped(splits)}))
    else:
        for name, content in splits.items():
            (tmp_path / name).write_bytes(content)
    loaded = load(tmp_path / "own.zip" if wrapped else tmp_path)
    assert same(loaded)
    assert (len(loaded.x_train), len(loaded.x_test)) == (50, 10)


def test_an_archive_for_each_class_and_one_for_each_table(tmp_path):
    for label in range(3):
        (tmp_path / f"{label}.zip").write_bytes(zipped(encoded(X[label == Y], Y[label == Y], folders=False)))
    assert same(load(tmp_path))
    (tmp_path / "kaggle").mkdir()
    table = write_csv(tmp_path / "train.csv", ["label", *PIXELS], [[y, *x] for x, y in zip(FLAT, Y, strict=True)])
    (tmp_path / "kaggle" / "train.csv.zip").write_bytes(zipped({"train.csv": table.read_bytes()}))
    assert same(load(tmp_path / "kaggle"))


def test_errors_and_remarks_name_the_archive_and_not_the_folder_it_was_unpacked_into(tmp_path):
    (tmp_path / "own.zip").write_bytes(zipped({f"pictures/{name}": b"no" for name in ("a/1.png", "b/1.png")}))
    sentence = refused(tmp_path / "own.zip")
    assert sentence.startswith(f"{tmp_path}/own.zip cannot be used: 2 things are wrong.")
    assert f"{tmp_path}/own.zip/pictures/a/1.png: it is not a picture" in sentence
    assert "mnistry-" not in sentence
    (tmp_path / "own.zip").write_bytes(zipped(encoded(X, Y) | {"notes.txt": b"0"}))
    assert said(load(tmp_path / "own.zip"), f"{tmp_path}/own.zip: passed over 1 file,")


def test_an_archive_that_unpacks_to_too_much(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_BYTES", 1000)
    with zipfile.ZipFile(tmp_path / "own.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/1.png", bytes(1001))
    assert "unpacks to 1,001 bytes in 1 files; at most 1,000" in refused(tmp_path / "own.zip")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("own.h5", b"\x89HDF\r\n\x1a\n" + bytes(99), ("an HDF5 file", "h5py.File('own.h5')", "np.savez")),
        ("own.mat", b"MATLAB 5.0 MAT-file", ("a MATLAB file", "scipy.io.loadmat")),
        ("own.mat", b"MATLAB 7.3 MAT-file", ("a MATLAB file of version 7.3", "h5py.File('own.mat')")),
        ("own.json", b'{"image": [], "label": 1}', ("a JSON file", "pd.read_json('own.json')")),
        ("mnist.pkl.gz", gzip.compress(pickle.dumps([1, 2], 2), mtime=0), ("a pickle", "np.savez")),
        ("own.pkl", pickle.dumps([1, 2], 0), ("a pickle",)),
        ("x_train.npy", b"\x93NUMPY\x01\x00" + bytes(99), ("one NumPy array", "name the folder")),
        ("own.json", b'{"a": 1}', ("a JSON file", "to_csv")),
        ("page.csv", b"<!DOCTYPE html><html>", ("a web page",)),
        ("own.csv", b"version https:" b"//git-lfs.github.com/spec/v1\n", ("Git LFS", "git lfs pull")),
        ("1.png", b"\x89PNG\r\n", ("one picture", "mnistry read 1.png")),
        ("own.7z", b"7z\xbc\xaf'\x1c", ("a 7-Zip archive", "unpack it")),
    ],
)  # fmt: skip
def test_files_of_other_kinds_are_named_with_a_way_out(name, content, words, tmp_path):
    (tmp_path / name).write_bytes(content)
    sentence = refused(tmp_path / name)
    assert all(word in sentence for word in words), sentence


# Classes in the names of pictures, and lists of pictures


def flat(folder, name):
    for number, (image, label) in enumerate(zip(IMAGES, LABELS, strict=True)):
        folder.mkdir(exist_ok=True)
        Image.fromarray(image).save(folder / name(number, label))
    return folder


OWN = loading.load("digits")
IMAGES, LABELS = OWN.x_train[:60], OWN.y_train[:60] % 5
KNOWN = {image.tobytes(): str(label) for image, label in zip(IMAGES, LABELS, strict=True)}


def assert_right(loaded):
    assert len(loaded.x_train) + len(loaded.x_test) == 60
    for images, labels in ((loaded.x_train, loaded.y_train), (loaded.x_test, loaded.y_test)):
        for image, label in zip(images, labels, strict=True):
            assert loaded.class_names[label] == KNOWN[image.tobytes()]


@pytest.mark.parametrize(
    "name",
    [
        lambda number, label: f"{label}_{number:04}.png",
        lambda number, label: f"{number:04}_label{label}.png",
        lambda number, label: f"img_{number:05}-{label}.png",
        lambda number, label: f"{'train' if number < 45 else 'test'}_{number:03}_{label}.png",
    ],
)
def test_classes_are_read_in_names_and_that_is_said(name, tmp_path):
    loaded = load(flat(tmp_path / "own", name))
    assert_right(loaded)
    assert said(loaded, "the classes are read in the names of the pictures")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (lambda number, _: f"img_{number}.png", r"names such as img_0\.png hold no class"),
        (lambda number, label: f"{'abcde'[label]}_{'xyz'[number % 3]}_{number}.png", "more than one part of names"),
    ],
)
def test_names_that_can_be_read_in_no_or_several_ways_are_refused(name, sentence, tmp_path):
    with pytest.raises(DataError, match=sentence):
        load(flat(tmp_path / "own", name))


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("labels.csv", "C:\\Users\\me\\{name},{label}"),
        ("labels.csv", "own/{name},{label}"),
        ("train.txt", "{name} {label}"),
    ],
)
def test_lists_with_paths_of_elsewhere_and_lists_of_text(file, line, tmp_path):
    folder = flat(tmp_path / "own", lambda number, _: f"{number}.png")
    rows = [line.format(name=f"{number}.png", label=label) for number, label in enumerate(LABELS)]
    head = ["file,label"] if file.endswith("csv") else []
    (folder / file).write_text("\n".join([*head, *rows]))
    assert_right(load(folder))


def test_a_missing_label_is_not_a_class(tmp_path):
    path = write_csv(
        tmp_path / "own.csv", ["label", *PIXELS], [[y, *x] for x, y in zip(FLAT, ["nan", *Y[1:]], strict=True)]
    )
    assert "own.csv, row 2, column 1: the label is nan" in refused(path)


def test_a_picture_with_two_labels_is_refused(tmp_path):
    folder = flat(tmp_path / "own", lambda number, _: f"{number}.png")
    rows = [f"{number}.png,{label}" for number, label in enumerate(LABELS)]
    (folder / "labels.csv").write_text("\n".join(["file,label", *rows, "0.png,9"]))
    with pytest.raises(DataError, match=r"row 62: '0\.png' is '9', but '\d' in row 2"):
        load(folder)


def test_shapes_on_a_plain_wall_are_pictures_where_no_ink_is_found(tmp_path: Path) -> None:
    """Their border is plain, as paper is, but the picture reader finds no ink in most of them."""
    random = np.random.default_rng(0)
    for name, colour in (("cat", (120, 90, 60)), ("dog", (60, 90, 120))):
        for number in range(6):
            pixels = (random.random((48, 64, 3)) * 80 + colour).clip(0, 255).astype(np.uint8)
            left = int(random.integers(10, 30))
            pixels[10:35, left : left + 25] = 240
            write_png(tmp_path / name / f"{number}.png", pixels)
    loaded = load(tmp_path)
    assert loaded.kind == "pictures"
    assert said(loaded, "pictures, not ink on paper")
    with pytest.raises(DataError, match="no ink is found in it"):
        load(tmp_path, kind="ink")
