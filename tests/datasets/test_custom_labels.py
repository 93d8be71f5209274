"""Labels as tools for labelling keep them, tables in JSON, and pictures as text."""

from __future__ import annotations

import base64
import gzip
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image

from helpers.loaded import holds, refused
from mnistry.datasets import loading
from mnistry.datasets.dataset import Dataset
from mnistry.datasets.unlabelled import load_pictures, load_unlabelled

DIGITS = loading.load("digits")
X, Y = DIGITS.x_train[:30], DIGITS.y_train[:30] % 3
NAMES = [f"{number:05d}" for number in range(30)]


def png(image: np.ndarray) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(image).save(sink, "PNG")
    return sink.getvalue()


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def write_pictures(folder: Path, part: slice = slice(None)) -> None:
    for name, image in zip(NAMES[part], X[part], strict=True):
        write(folder / f"{name}.png", png(image))


def load(path: Path) -> Dataset:
    return loading.load(str(path))


def same(loaded: Dataset) -> bool:
    return holds(loaded, X, Y)


@pytest.mark.parametrize(
    ("ending", "content"),
    [("txt", "{}\n"), ("cls", "{}"), ("json", '{{"label": {}, "writer": 3}}'), ("json", '{{"label": "{}"}}')],
)
def test_a_file_with_the_label_beside_each_picture(ending, content, tmp_path):
    write_pictures(tmp_path)
    for name, label in zip(NAMES, Y, strict=True):
        write(tmp_path / f"{name}.{ending}", content.format(label))
    loaded = load(tmp_path)
    assert same(loaded)
    assert any(f"read in the .{ending} files beside" in remark for remark in loaded.remarks)
    (tmp_path / f"{NAMES[3]}.{ending}").unlink()
    assert f"{NAMES[3]}.png has no .{ending} file with its label beside it" in refused(tmp_path)


def test_files_with_labels_in_a_folder_of_their_own_below_the_splits(tmp_path):
    for split, part in (("train", slice(20)), ("test", slice(20, 30))):
        write_pictures(tmp_path / "images" / split, part)
        for name, label in zip(NAMES[part], Y[part], strict=True):
            write(tmp_path / "labels" / split / f"{name}.txt", str(label))
    loaded = load(tmp_path)
    assert same(loaded)
    assert len(loaded.x_test) == 10


def test_shards_of_a_webdataset(tmp_path):
    for shard in range(2):
        with tarfile.open(tmp_path / f"digits-train-{shard:06d}.tar", "w") as archive:
            for name, image, label in list(zip(NAMES, X, Y, strict=True))[shard::2]:
                for ending, content in (("png", png(image)), ("cls", str(label).encode())):
                    member = tarfile.TarInfo(f"sample_{name}.{ending}")
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))
    assert same(load(tmp_path))


BOX = '{"shapes": [{"label": "7", "points": [[1, 2]]}], "imagePath": "a.png"}'
COCO = '{"info": {}, "images": [], "annotations": [], "categories": []}'


@pytest.mark.parametrize(
    ("pictures", "label", "content", "sentence"),
    [
        ("images", "labels/{}.txt", "7 0.5 0.5 0.25 0.25\n", "labels parts of a picture, as YOLO does"),
        ("train/images", "train/labels/{}.txt", "7 0.5 0.5 0.25 0.25\n", "labels parts of a picture, as YOLO does"),
        ("JPEGImages", "Annotations/{}.xml", "<annotation/>", "labels parts of a picture, as Pascal VOC does"),
        ("", "{}.json", BOX, "labels parts of a picture"),
        ("train", "train/_annotations.coco.json", COCO, "labels parts of pictures, as COCO does"),
        ("images", "annotations/instances.json", COCO, "labels parts of pictures, as COCO does"),
        ("", "labels.xlsx", b"PK", "names such as 00000.png hold no class"),
    ],
)
def test_labels_of_parts_of_pictures_are_named(pictures, label, content, sentence, tmp_path):
    write_pictures(tmp_path / pictures)
    for name in NAMES:
        write(tmp_path / label.format(name), content)
    said = refused(tmp_path)
    assert sentence in said
    assert "labels.csv" in said


def test_one_hot_columns_named_by_numbers_in_folders_of_the_splits(tmp_path):
    """As Roboflow exports classes."""
    for split, part in (("train", slice(20)), ("test", slice(20, 30))):
        write_pictures(tmp_path / split, part)
        marks = np.eye(3, dtype=int)[Y[part]].tolist()
        rows = [f"{name}.png, {', '.join(map(str, row))}" for name, row in zip(NAMES[part], marks, strict=True)]
        write(tmp_path / split / "_classes.csv", "\n".join(["filename, 0, 1, 2", *rows]))
    loaded = load(tmp_path)
    assert same(loaded)
    assert len(loaded.x_test) == 10


ROWS = [{"label": int(label), "pixels": image.ravel().tolist()} for image, label in zip(X, Y, strict=True)]
FORMS: list[Any] = [
    ROWS,
    {"data": ROWS},
    {"label": Y.tolist(), "pixels": [row["pixels"] for row in ROWS]},
    {key: {str(number): row[key] for number, row in enumerate(ROWS)} for key in ("label", "pixels")},
    {"train": ROWS[:20], "test": ROWS[20:]},
]


@pytest.mark.parametrize("content", FORMS)
def test_tables_in_json(content, tmp_path):
    loaded = load(write(tmp_path / "own.json", json.dumps(content, indent=1)))
    assert same(loaded)
    assert len(loaded.x_test) == (10 if "train" in content else 5)


LISTS: list[Any] = [
    [{"image": f"{name}.png", "label": int(label)} for name, label in zip(NAMES, Y, strict=True)],
    {f"{name}.png": int(label) for name, label in zip(NAMES, Y, strict=True)},
    {f"{name}.png": {"label": int(label)} for name, label in zip(NAMES, Y, strict=True)},
    {str(c): [f"{name}.png" for name, label in zip(NAMES, Y, strict=True) if label == c] for c in range(3)},
]


@pytest.mark.parametrize("content", LISTS)
def test_lists_of_pictures_in_json(content, tmp_path):
    write_pictures(tmp_path / "images")
    write(tmp_path / "labels.json", json.dumps(content, indent=1))
    assert same(load(tmp_path))


def test_json_that_is_no_table(tmp_path):
    said = refused(write(tmp_path / "own.json", '{"version": 1.5, "cells": []}'))
    assert "own.json is not a list of objects with the same keys" in said
    assert "pd.read_json('own.json')" in said
    rows = [*ROWS[:20], {"label": 1}]
    assert "object 21: expected the keys label, pixels" in refused(write(tmp_path / "own.json", json.dumps(rows)))


@pytest.mark.parametrize("start", ["", "data:image/png;base64,"])
def test_pictures_in_base64(start, tmp_path):
    cells = [start + base64.b64encode(png(image)).decode() for image in X]
    rows = [f'"{cell}",{label}' for cell, label in zip(cells, Y, strict=True)]
    assert same(load(write(tmp_path / "own.csv", "\n".join(["image,label", *rows]))))
    records = [{"image": cell, "label": int(label)} for cell, label in zip(cells, Y, strict=True)]
    assert same(load(write(tmp_path / "own.json", json.dumps(records))))
    pyarrow.parquet.write_table(pyarrow.table({"image": cells, "label": Y}), tmp_path / "own.parquet")
    assert same(load(tmp_path / "own.parquet"))


def test_addresses_in_the_web_are_not_fetched(tmp_path):
    rows = [f"https://somewhere.invalid/{name}.png,{label}" for name, label in zip(NAMES, Y, strict=True)]
    write(tmp_path / "own.csv", "\n".join(["url,label", *rows]))
    assert "Nothing is fetched from there: put the pictures into a folder images" in refused(tmp_path / "own.csv")
    write_pictures(tmp_path / "images")
    assert same(load(tmp_path / "own.csv"))


@pytest.mark.parametrize("name", ["{}.PNG", "C:\\Users\\me\\digits\\{}.png", "{}"])
def test_names_in_a_list_that_differ_from_the_files(name, tmp_path):
    write_pictures(tmp_path / "images")
    rows = [f"{name.format(each)},{label}" for each, label in zip(NAMES, Y, strict=True)]
    write(tmp_path / "labels.csv", "\ufeff" + "\r\n".join(["File,Label", *rows]))
    assert same(load(tmp_path))


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16", "utf-32"])
def test_tables_in_other_encodings(encoding, tmp_path):
    header = "label," + ",".join(f"pixel{n}" for n in range(784))
    rows = [",".join(map(str, [row["label"], *row["pixels"]])) for row in ROWS]
    assert same(load(write(tmp_path / "own.csv", "\n".join([header, *rows]).encode(encoding))))


def test_labels_from_1_to_10_are_named_as_the_digits_that_the_images_show(tmp_path):
    x, y = DIGITS.x_train[:150], DIGITS.y_train[:150].astype(int)
    for number, labels in enumerate((np.where(y == 0, 10, y), y + 1)):
        np.savez(tmp_path / f"{number}.npz", x_train=x, y_train=labels)
        loaded = load(tmp_path / f"{number}.npz")
        assert loaded.class_names == tuple("0123456789")
        assert any("The labels are from 1 to 10" in remark for remark in loaded.remarks)
        pairs = {(image.tobytes(), int(label)) for image, label in zip(x, y, strict=True)}
        assert {
            (i.tobytes(), int(loaded.class_names[j])) for i, j in zip(loaded.x_train, loaded.y_train, strict=True)
        } <= pairs
    np.savez(tmp_path / "other.npz", x_train=x, y_train=y % 3 * 4 + 2)
    assert load(tmp_path / "other.npz").class_names == ("2", "6", "10")


def test_pictures_without_an_ending_and_files_that_are_none(tmp_path):
    for name, image, label in zip(NAMES, X, Y, strict=True):
        write(tmp_path / "own" / str(label) / name, png(image))
    assert same(load(tmp_path / "own"))
    for label in range(3):
        write(tmp_path / "others" / str(label) / "1.npy", b"\x93NUMPY")
    assert "there are no pictures in it (it holds .npy files, which are not read" in refused(tmp_path / "others")


OTHERS = {
    "own.csv.zst": (
        b"\x28\xb5\x2f\xfd" + bytes(9),
        "is packed with Zstandard. To use it: unpack it with: zstd -d own.csv",
    ),
    "own.RData": (b"RDX3\nX\n", "is a file of R. To use it: in R: write.csv"),
    "own.sas7bdat": (bytes(12) + b"\xc2\xea\x81\x60", "is a SAS file"),
    "own.mp4": (b"\0\0\0\x18ftypmp42" + bytes(9), "is a video"),
    "own.py": (b"import numpy\n", "is a program, not data"),
    "mnist-train.tfrecord-00000-of-00001": (b"\x10\0\0\0abc", "is a TFRecord file"),
    "data.mdb": (bytes(99), "is an LMDB database"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_files_of_other_kinds_are_named_also_in_a_folder(name, tmp_path):
    content, sentence = OTHERS[name]
    write(tmp_path / "own" / name, content)
    assert sentence in refused(tmp_path / "own" / name)
    write(tmp_path / "own" / "dataset_info.json", "{}")
    if name != "own.py":
        assert sentence in refused(tmp_path / "own")


def test_of_folders_of_splits_the_test_part_is_answered(tmp_path):
    for split, part in (("train", slice(20)), ("val", slice(20, 25)), ("test", slice(25, 30))):
        for name, image, label in zip(NAMES[part], X[part], Y[part], strict=True):
            write(tmp_path / split / str(label) / f"{name}.png", png(image))
    found = load_unlabelled(str(tmp_path))
    assert sorted(Path(name).stem for name in found.names) == NAMES[25:]
    assert "answered are the 5 pictures in folders for test, not those for train and validation" in found.remarks[0]
    assert len(load_unlabelled(str(tmp_path / "train")).images) == 20


def test_folders_of_arrays_and_parquet_files_are_answered(tmp_path):
    for name, array in (("x_train", X[:20]), ("y_train", Y[:20]), ("x_test", X[20:]), ("y_test", Y[20:])):
        write(tmp_path / "arrays" / "none.txt", "")
        np.save(tmp_path / "arrays" / f"{name}.npy", array)
    assert np.array_equal(load_unlabelled(str(tmp_path / "arrays")).images, X[20:])
    for split, part in (("train", slice(20)), ("test", slice(20, 30))):
        (tmp_path / "hub").mkdir(exist_ok=True)
        table = pyarrow.table({"image": [png(image) for image in X[part]]})
        pyarrow.parquet.write_table(table, tmp_path / "hub" / f"{split}-00000-of-00001.parquet")
    assert np.array_equal(load_unlabelled(str(tmp_path / "hub")).images, X[20:])


@pytest.mark.parametrize("labelled", [True, False])
def test_the_pictures_of_a_list_are_answered_in_its_order(labelled, tmp_path):
    write_pictures(tmp_path / "images")
    order = np.random.default_rng(0).permutation(30)
    rows = [f"{NAMES[n]}.png" + f",{Y[n]}" * labelled for n in order]
    path = write(tmp_path / "test.csv", "\n".join(["file,label" if labelled else "file", *rows]))
    found = load_unlabelled(str(path))
    assert np.array_equal(found.images, X[order])
    assert found.names == [f"images/{NAMES[n]}.png" for n in order]
    pictures, _ = load_pictures(str(path))
    assert next(iter(pictures.values())) == tmp_path / "images" / f"{NAMES[order[0]]}.png"
    if not labelled:
        assert "has pictures: it has no labels" in refused(path)


def test_columns_of_pixels_are_taken_in_the_order_of_their_numbers(tmp_path):
    """As they are after they were sorted as text: pixel0, pixel1, pixel10, pixel100 …"""
    order = sorted(range(784), key=lambda number: f"pixel{number}")
    flat = X.reshape(30, 784)[:, order]
    header = "label," + ",".join(f"pixel{number}" for number in order)
    rows = [",".join(map(str, [label, *row])) for label, row in zip(Y, flat.tolist(), strict=True)]
    loaded = load(write(tmp_path / "own.csv", "\n".join([header, *rows])))
    assert same(loaded)
    assert any("in the order of their numbers" in remark for remark in loaded.remarks)
    columns = {f"pixel{number}": flat[:, place] for place, number in enumerate(order)}
    pyarrow.parquet.write_table(pyarrow.table({"label": Y, **columns}), tmp_path / "own.parquet")
    assert same(load(tmp_path / "own.parquet"))


def test_tables_of_something_else_and_packed_copies_in_a_folder_are_passed_over(tmp_path):
    """As in the folder of samples of notebooks in the web."""
    table = "\n".join(",".join(map(str, [row["label"], *row["pixels"]])) for row in ROWS)
    write(tmp_path / "mnist_train_small.csv", table)
    write(tmp_path / "mnist_train_small.csv.gz", gzip.compress(table.encode()))
    write(tmp_path / "california_housing_train.csv", "longitude,latitude,rooms\n1.5,2.5,3\n")
    loaded = load(tmp_path)
    assert same(loaded)
    for name in ("california_housing_train.csv", "mnist_train_small.csv.gz"):
        assert any("passed over" in remark and name in remark for remark in loaded.remarks)


def test_empty_lines_in_a_table(tmp_path):
    """As Python writes them on Windows without newline=''."""
    header = "label," + ",".join(f"pixel{n}" for n in range(784))
    rows = [",".join(map(str, [row["label"], *row["pixels"]])) for row in ROWS]
    assert same(load(write(tmp_path / "own.csv", "\n\n" + "\r\r\n".join([header, *rows]))))


@pytest.mark.parametrize(
    ("x", "said"),
    [((X.astype(int) - 128).astype(np.int8), "-128 to 127"), (X.astype(np.uint16) * 16 + X // 16, "pixels of 12 bits")],
)
def test_grey_levels_of_cameras(x, said, tmp_path):
    np.savez(tmp_path / "own.npz", x_train=x, y_train=Y)
    loaded = load(tmp_path / "own.npz")
    assert same(loaded)
    assert any(said in remark for remark in loaded.remarks)


def test_pictures_that_are_pointers_or_web_pages_are_named(tmp_path):
    write_pictures(tmp_path / "1")
    write_pictures(tmp_path / "2")
    write(tmp_path / "1" / "00001.png", "version https:" + "//git-lfs.github.com/spec/v1\n")
    write(tmp_path / "2" / "00002.png", "<html>404</html>")
    sentence = refused(tmp_path)
    assert "00001.png is a pointer of Git LFS, not the data. To use it: fetch the data with: git lfs pull" in sentence
    assert "00002.png is a web page, not the data" in sentence
