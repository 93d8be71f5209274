"""Tables as other programs write them: one-hot labels, decimal commas, images in one cell, ARFF, LIBSVM; and arrays."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from PIL import Image

from helpers.loaded import holds, refused
from mnistry.datasets import loading
from mnistry.datasets.dataset import Dataset
from mnistry.datasets.formats import table_rows
from mnistry.datasets.unlabelled import load_unlabelled

DIGITS = loading.load("digits")
X, Y = DIGITS.x_train[:60], DIGITS.y_train[:60] % 3
FLAT = X.reshape(60, 784)
PIXELS = [f"pixel{number}" for number in range(784)]
ONE_HOT = np.eye(3, dtype=int)[Y]
WORDS = np.array(["nought", "one", "two"])


def load(path: Path) -> Dataset:
    return loading.load(str(path))


def same(loaded: Dataset, labels: Any = Y, images: np.ndarray = X) -> bool:
    return holds(loaded, images, labels)


def said(loaded: Dataset, *words: str) -> bool:
    return any(all(word in remark for word in words) for remark in loaded.remarks)


def table(path: Path, head: list[str], *columns: Any, separator: str = ",") -> Path:
    body = (
        [str(cell) for each in cells for cell in (each if isinstance(each, list | np.ndarray) else [each])]
        for cells in zip(*columns, strict=True)
    )
    rows = [head, *body] if head else body
    path.write_text("\n".join(separator.join(row) for row in rows) + "\n", encoding="utf-8")
    return path


# One-hot labels


@pytest.mark.parametrize("names", [["label_0", "label_1", "label_2"], ["0", "1", "2"], ["y[0]", "y[1]", "y[2]"]])
@pytest.mark.parametrize("last", [False, True])
def test_one_hot_labels_under_names(names: list[str], last: bool, tmp_path: Path) -> None:
    head, columns = (PIXELS + names, (FLAT, ONE_HOT)) if last else (names + PIXELS, (ONE_HOT, FLAT))
    loaded = load(table(tmp_path / "own.csv", head, *columns))
    assert same(loaded)
    assert said(loaded, "one-hot", repr(names[0]), repr(names[-1]))


def test_one_hot_labels_of_words_with_an_index(tmp_path: Path) -> None:
    head = ["id", *PIXELS, *(f"class_{word}" for word in WORDS)]
    loaded = load(table(tmp_path / "own.csv", head, range(60), FLAT, ONE_HOT.astype(bool)))
    assert same(loaded, WORDS[Y])
    assert said(loaded, "passed over the column 'id'")


@pytest.mark.parametrize("last", [False, True])
def test_one_hot_labels_without_a_header(last: bool, tmp_path: Path) -> None:
    loaded = load(table(tmp_path / "own.csv", [], *((FLAT, ONE_HOT) if last else (ONE_HOT, FLAT))))
    assert same(loaded)
    assert said(loaded, f"the {'last' if last else 'first'} 3 columns")


def test_a_row_that_is_not_one_hot_is_named(tmp_path: Path) -> None:
    head = [*(f"label_{n}" for n in range(3)), *PIXELS]
    later = np.concatenate([np.tile(ONE_HOT, (20, 1)), [[1, 1, 0], [0, 0, 0]]])  # below the rows that are looked at
    path = table(tmp_path / "own.csv", head, later, np.concatenate([np.tile(FLAT, (20, 1)), FLAT[:2]]))
    sentence = refused(path)
    assert "own.csv, row 1202: expected one 1 among its 3 labels, and 0 in the others" in sentence
    assert "2 things are wrong" in sentence


# Several columns beside the pixels


def test_two_columns_of_labels(tmp_path: Path) -> None:
    head = ["label", "class", *PIXELS]
    loaded = load(table(tmp_path / "own.csv", head, Y, WORDS[Y], FLAT))
    assert same(loaded)
    assert said(loaded, "passed over the column 'class'")
    assert "'label' and 'class', and they differ" in refused(table(tmp_path / "two.csv", head, Y, WORDS[Y[::-1]], FLAT))
    unnamed = refused(table(tmp_path / "three.csv", ["left", "right", *PIXELS], Y, WORDS[Y], FLAT))
    assert unnamed.endswith("beside them the columns 'left', 'right': which is the label? Name that one label.")


def test_a_column_of_splits(tmp_path: Path) -> None:
    splits = np.array(["train", "test", "val"])[np.arange(60) % 3]
    loaded = load(table(tmp_path / "own.csv", ["split", "label", *PIXELS], splits, Y, FLAT))
    assert same(loaded)
    assert [len(x) for x, _ in loaded.splits.values()] == [20, 20, 20]
    splits[7] = "left"
    sentence = refused(table(tmp_path / "two.csv", ["split", "label", *PIXELS], splits, Y, FLAT))
    assert "two.csv, row 9: 'left' names no split" in sentence


def test_columns_numbered_by_pandas_beside_a_named_one(tmp_path: Path) -> None:
    """As `pd.DataFrame(pixels)` has them, with a column of labels put before or after."""
    numbers = [str(number) for number in range(784)]
    for head, columns in ((["label", *numbers], (Y, FLAT)), ([*numbers, "label"], (FLAT, Y))):
        assert same(load(table(tmp_path / "own.csv", head, *columns)))
    assert same(load(table(tmp_path / "own.csv", ["", *map(str, range(785))], range(60), Y, FLAT)))


def test_a_column_of_splits_that_names_none_is_passed_over(tmp_path: Path) -> None:
    loaded = load(table(tmp_path / "own.csv", ["label", "split", *PIXELS], Y, np.arange(60) % 5, FLAT))
    assert same(loaded)
    assert said(loaded, "passed over the column 'split'")


# Decimal commas


@pytest.mark.parametrize("head", [["label", *PIXELS], []], ids=["header", "no header"])
@pytest.mark.parametrize("separator", [";", "\t"])
def test_decimal_commas(head: list[str], separator: str, tmp_path: Path) -> None:
    cells = [[f"{value / 255:.4f}".replace(".", ",") for value in row] for row in FLAT.tolist()]
    loaded = load(table(tmp_path / "own.csv", head, Y, cells, separator=separator))
    assert same(loaded)
    assert said(loaded, "decimal commas")


# All pixels in one cell


def test_pixels_in_one_cell_with_a_column_of_splits(tmp_path: Path) -> None:
    cells = [" ".join(map(str, row)) for row in FLAT.tolist()]
    usage = np.array(["Training", "PublicTest"])[(np.arange(60) % 4 == 0).astype(int)]
    loaded = load(table(tmp_path / "fer.csv", ["emotion", "pixels", "Usage"], Y, cells, usage))
    assert same(loaded)
    assert (len(loaded.x_train), len(loaded.x_test)) == (45, 15)
    assert said(loaded, "column 'pixels' holds images of 28×28 pixels")


@pytest.mark.parametrize("form", ["list", "rows", "array"])
def test_arrays_in_one_cell_as_pandas_writes_them(form: str, tmp_path: Path) -> None:
    """An array goes over many lines."""
    cells = {"list": [str(row) for row in FLAT.tolist()], "rows": [str(x.tolist()) for x in X], "array": map(str, FLAT)}
    loaded = load(table(tmp_path / "own.csv", ["image", "label"], [f'"{cell}"' for cell in cells[form]], Y))
    assert same(loaded)


def test_json_is_read_and_what_pandas_makes_of_it_too(tmp_path: Path) -> None:
    lines = [json.dumps({"image": image.tolist(), "label": int(label)}) for image, label in zip(X, Y, strict=True)]
    (tmp_path / "own.jsonl").write_text("\n".join(lines))
    assert same(load(tmp_path / "own.jsonl"))
    (tmp_path / "own.json").write_text(f"[{','.join(lines)}]")
    assert same(load(tmp_path / "own.json"))
    pandas.read_json(tmp_path / "own.json").to_csv(tmp_path / "own.csv", index=False)
    assert same(load(tmp_path / "own.csv"))


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('{"label": 1}', "row 2: expected the keys image, label, received label."),
        ("[1, 2]", "row 2: expected a JSON object, received '[1, 2]'."),
        ('{"label": ', "row 2: expected a JSON object, received"),
    ],
)
def test_lines_of_json_that_are_wrong_are_named(line: str, sentence: str, tmp_path: Path) -> None:
    first = json.dumps({"image": X[0].tolist(), "label": 0})
    (tmp_path / "own.jsonl").write_text(f"{first}\n{line}\n")
    assert sentence in refused(tmp_path / "own.jsonl")


def test_images_of_several_lengths_in_cells_are_named(tmp_path: Path) -> None:
    cells = [" ".join(map(str, row)) for row in FLAT.tolist()]
    cells[3] = cells[3][:-4]
    cells[5] = cells[5].replace(" ", " x", 1)
    cells[0] = ""
    sentence = refused(table(tmp_path / "own.csv", ["label", "pixels"], Y, cells))
    assert "3 things are wrong" in sentence
    assert "own.csv, row 2, column 'pixels': expected 784 pixels, received 0" in sentence
    assert "own.csv, row 5, column 'pixels': expected 784 pixels, received 78" in sentence
    assert "own.csv, row 7, column 'pixels', pixel 2: expected a number, received 'x" in sentence


def test_an_array_that_numpy_cut_short_is_refused(tmp_path: Path) -> None:
    large = [f'"{np.zeros(4096)}"' for _ in Y]
    assert "'...' for most of its numbers" in refused(table(tmp_path / "own.csv", ["label", "pixels"], Y, large))


def test_images_in_cells_of_json_may_have_any_sides(tmp_path: Path) -> None:
    rows = [{"image": image[:, 2:26].tolist(), "label": int(label)} for image, label in zip(X, Y, strict=True)]
    (tmp_path / "own.json").write_text(json.dumps(rows))
    loaded = load(tmp_path / "own.json")
    assert said(loaded, "column 'image' holds images of 28×24 pixels")
    assert len(loaded.y_train) + len(loaded.y_test) == 60


def test_images_in_cells_are_answered_without_labels(tmp_path: Path) -> None:
    cells = [" ".join(map(str, row)) for row in FLAT.tolist()]
    path = tmp_path / "own.csv"
    for head, columns in ((["id", "pixels"], (range(60), cells)), (["pixels"], (cells,))):
        np.testing.assert_array_equal(load_unlabelled(str(table(path, head, *columns))).images, X)


# Comments


@pytest.mark.parametrize("comment", ["# exported\n# in 2020\n", "# " + ",".join(["label", *PIXELS]) + "\n"])
def test_comments_before_a_table(comment: str, tmp_path: Path) -> None:
    path = table(tmp_path / "own.csv", [], Y, FLAT)
    path.write_text(comment + path.read_text())
    assert same(load(path))


# ARFF


def arff(path: Path, rows: list[str], quote: str = "") -> Path:
    attributes = "".join(f"@ATTRIBUTE {quote}pixel{n}{quote} REAL\n" for n in range(784))
    head = f"% MNIST\n\n@RELATION mnist\n{attributes}@attribute class {{0,1,2}}\n@DATA\n% rows\n"
    path.write_text(head + "\n".join(rows) + "\n")
    return path


@pytest.mark.parametrize("quote", ["", "'"])
def test_arff(quote: str, tmp_path: Path) -> None:
    rows = [",".join(map(str, row)) + f",{quote}{label}{quote}" for row, label in zip(FLAT.tolist(), Y, strict=True)]
    assert same(load(arff(tmp_path / "mnist_784.arff", rows, quote)))


def test_sparse_arff(tmp_path: Path) -> None:
    rows = [
        "{" + ", ".join([*(f"{n} {value}" for n, value in enumerate(row) if value), f"784 {label}"]) + "}"
        for row, label in zip(FLAT.tolist(), Y, strict=True)
    ]
    assert same(load(arff(tmp_path / "own.arff", rows)))
    assert "'900 3' is not an index and a value" in refused(arff(tmp_path / "bad.arff", [*rows, "{900 3}"]))


def test_arff_without_rows(tmp_path: Path) -> None:
    (tmp_path / "own.arff").write_text("@relation a\n@attribute b real\n")
    assert refused(tmp_path / "own.arff").endswith("without @data: it holds no rows.")


# LIBSVM


def libsvm(x: np.ndarray = FLAT, y: np.ndarray = Y, first: int = 1) -> bytes:
    rows = zip(x.tolist(), y.tolist(), strict=True)
    lines = (
        " ".join([str(label), *(f"{n}:{value:g}" for n, value in enumerate(row, first) if value)])
        for row, label in rows
    )
    return "\n".join(lines).encode() + b"\n"


def test_libsvm_leaves_out_zeros(tmp_path: Path) -> None:
    (tmp_path / "mnist").write_bytes(libsvm())
    loaded = load(tmp_path / "mnist")
    assert same(loaded)
    assert said(loaded, "LIBSVM file", "features are taken as images of 28×28")


def test_libsvm_counted_from_zero_with_fractions(tmp_path: Path) -> None:
    x = np.round(FLAT / 255, 4)
    x[:, 0] = 1 / 255  # the pixel of index 0
    (tmp_path / "own.txt").write_bytes(libsvm(x, first=0))
    images = X.copy()
    images[:, 0, 0] = 1
    assert same(load(tmp_path / "own.txt"), images=images)


@pytest.mark.parametrize("folder", [False, True])
def test_libsvm_with_its_test_split_beside_it_as_it_is_published(folder: bool, tmp_path: Path) -> None:
    (tmp_path / "mnist.scale.bz2").write_bytes(bz2.compress(libsvm(FLAT[:40], Y[:40])))
    (tmp_path / "mnist.scale.t.bz2").write_bytes(bz2.compress(libsvm(FLAT[40:], Y[40:])))
    loaded = load(tmp_path if folder else tmp_path / "mnist.scale.bz2")
    assert same(loaded)
    assert (len(loaded.x_train), len(loaded.x_test)) == (40, 20)


def test_libsvm_from_minus_one_to_one_as_usps_is_published(tmp_path: Path) -> None:
    x = np.clip(FLAT.reshape(60, 28, 28)[:, 6:22, 6:22].reshape(60, 256) / 127.5 - 1, -1, 1)
    (tmp_path / "usps").write_bytes(libsvm(x))
    loaded = load(tmp_path / "usps")
    assert said(loaded, "256 features are taken as images of 16×16")
    assert said(loaded, "from -1 to 1")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"1 1:3 123:1\n" * 4, "is a LIBSVM file with 123 features, which make no square image"),
        (b"1 1:3 784:1\n2 1:3 x 784:1\n", "row 2 is not a label followed by index:value: '2 1:3 x 784:1'"),
        (b"1 1:3 784:1\n2,3 1:3 784:1\n", "row 2 is not a label followed by index:value"),
        (b"1 1:3 784:1\n2 1:z 784:1\n", "own, row 2, column 2: expected a number, received 'z'"),
    ],
)
def test_libsvm_files_that_are_wrong(content: bytes, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "own").write_bytes(content)
    assert sentence in refused(tmp_path / "own")


def test_libsvm_that_unpacks_to_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_rows, "MAX_BYTES", 60 * 784 - 1)
    (tmp_path / "own").write_bytes(b"1 1:1 784:1\n" * 60)
    assert "60 rows of 784 numbers with their zeros" in refused(tmp_path / "own")


# Packed tables


@pytest.mark.parametrize(("end", "pack"), [(".bz2", bz2.compress), (".xz", lzma.compress)])
def test_tables_packed_otherwise(end: str, pack: Any, tmp_path: Path) -> None:
    plain = table(tmp_path / "own.csv", ["label", *PIXELS], Y, FLAT)
    packed = tmp_path / f"own.csv{end}"
    packed.write_bytes(pack(plain.read_bytes()))
    plain.unlink()
    assert same(load(packed))
    packed.write_bytes(packed.read_bytes()[:3000])
    assert "cut short or damaged" in refused(packed)


# Arrays


@pytest.mark.parametrize("names", [["full_numpy_bitmap_cat", "full_numpy_bitmap_car", "full_numpy_bitmap_eye"], "ABC"])
@pytest.mark.parametrize("npz", [False, True])
def test_an_array_for_each_class(names: list[str], npz: bool, tmp_path: Path) -> None:
    """As Quick, Draw! has its drawings."""
    arrays = {name: FLAT[number == Y] for number, name in enumerate(names)}
    if npz:
        np.savez(tmp_path / "own.npz", **arrays)
    else:
        for name, array in arrays.items():
            np.save(tmp_path / f"{name}.npy", array)
    loaded = load(tmp_path / "own.npz" if npz else tmp_path)
    classes = np.array([name.removeprefix("full_numpy_bitmap_") for name in names])
    assert same(loaded, classes[Y])
    assert said(loaded, "each array holds the images of a class")


@pytest.mark.parametrize("names", [("train", "test"), ("x", "images"), ("arr_0", "arr_1")])
def test_arrays_of_splits_are_not_classes(names: tuple[str, str], tmp_path: Path) -> None:
    np.savez(tmp_path / "own.npz", **dict.fromkeys(names, X))
    assert "labels" in refused(tmp_path / "own.npz")


@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
def test_grey_levels_of_four_bits(dtype: Any, tmp_path: Path) -> None:
    """As scikit-learn has its digits: whole numbers from 0 to 16, of floats."""
    levels = np.rint(X / 255 * 16)
    np.savez(tmp_path / "own.npz", images=levels.astype(dtype), target=Y)
    loaded = load(tmp_path / "own.npz")
    assert same(loaded, images=np.rint(levels * 255 / 16).astype(np.uint8))
    assert said(loaded, "brightest pixel is 16")


def test_standardized_pixels_of_mnist_are_restored(tmp_path: Path) -> None:
    np.savez(tmp_path / "own.npz", x=((X / 255 - 0.1307) / 0.3081).astype(np.float32), y=Y)
    loaded = load(tmp_path / "own.npz")
    assert same(loaded)
    assert said(loaded, "mean of 0.1307")


def test_other_standardized_pixels_are_scaled_where_the_background_is_left(tmp_path: Path) -> None:
    parts = X / 255
    np.savez(tmp_path / "own.npz", x=((parts - parts.mean()) / parts.std()).astype(np.float32), y=Y)
    loaded = load(tmp_path / "own.npz")
    assert same(loaded)
    assert said(loaded, "of which a mean seems to be taken off, are scaled to 0–255")
    by_pixel = (parts - parts.mean(axis=0)) / (parts.std(axis=0) + 1e-6)  # no background is left: nothing to go by
    np.savez(tmp_path / "own.npz", x=by_pixel, y=Y)
    assert "pixels must be from 0 to 255" in refused(tmp_path / "own.npz")


@pytest.mark.parametrize(("labels", "expected"), [(2 * ONE_HOT - 1, Y), (ONE_HOT.astype(bool), Y), (Y > 0, Y > 0)])
def test_labels_of_other_kinds(labels: np.ndarray, expected: np.ndarray, tmp_path: Path) -> None:
    np.savez(tmp_path / "own.npz", X_tr=X[:50], y_tr=labels[:50], X_te=X[50:], y_te=labels[50:])
    loaded = load(tmp_path / "own.npz")
    assert same(loaded, expected)
    assert (len(loaded.x_train), len(loaded.x_test)) == (50, 10)


def test_probabilities_are_no_labels(tmp_path: Path) -> None:
    np.savez(tmp_path / "own.npz", samples=X, gt=0.9 * ONE_HOT + 0.03)
    assert "or one-hot, with one 1 in each row; received float64 (60, 3). Of probabilities" in refused(
        tmp_path / "own.npz"
    )


def test_dark_ink_is_inverted_as_pictures_that_are_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "own.npz", x=255 - X, y=Y)
    loaded = load(tmp_path / "own.npz")
    assert same(loaded)
    assert said(loaded, "100% of the training images show dark ink on bright paper: inverted")
    np.save(tmp_path / "x.npy", 255 - X)
    found = load_unlabelled(str(tmp_path / "x.npy"))
    np.testing.assert_array_equal(found.images, X)
    assert found.remarks[-1].startswith("The images show dark ink")


# Several tables in a folder, and lists of pictures in several folders


@pytest.mark.parametrize("head", [[], ["label"]])
@pytest.mark.parametrize(
    "names", [("X.csv", "y.csv"), ("X_train.csv", "y_train.csv"), ("csvTrainImages.csv", "csvTrainLabel.csv")]
)
def test_images_and_labels_in_tables_of_their_own(names: tuple[str, str], head: list[str], tmp_path: Path) -> None:
    table(tmp_path / names[0], PIXELS if head else [], FLAT)
    table(tmp_path / names[1], head, Y)
    loaded = load(tmp_path)
    assert same(loaded)
    assert said(loaded, f"the labels are those in {names[1]}")
    table(tmp_path / names[1], head, Y[1:])
    assert "60 images, but" in refused(tmp_path)


@pytest.mark.parametrize("form", ["index", "index and name", "one-hot", "words"])
def test_labels_in_a_table_of_their_own_in_any_form(form: str, tmp_path: Path) -> None:
    table(tmp_path / "x_train.csv", PIXELS, FLAT)
    match form:
        case "index":
            table(tmp_path / "y_train.csv", ["", "0"], range(60), Y)
        case "index and name":
            table(tmp_path / "y_train.csv", ["row", "Label"], range(5, 65), Y)
        case "one-hot":
            table(tmp_path / "y_train.csv", list("012"), ONE_HOT)
        case "words":
            table(tmp_path / "y_train.csv", [], WORDS[Y])
    assert same(load(tmp_path), WORDS[Y] if form == "words" else Y)


def test_a_table_for_each_class(tmp_path: Path) -> None:
    for label, word in enumerate(WORDS):
        table(tmp_path / f"{word}.csv", [], FLAT[label == Y])
    loaded = load(tmp_path)
    assert same(loaded, WORDS[Y])
    assert said(loaded, "each table holds the images of a class: nought, one, two")


def test_parts_of_a_table(tmp_path: Path) -> None:
    for part in range(3):
        table(tmp_path / f"train-{part}.csv", ["label", *PIXELS], Y[part::3], FLAT[part::3])
    loaded = load(tmp_path)
    assert same(loaded)
    assert said(loaded, "are parts of one table")
    table(tmp_path / "training.csv", ["label", *PIXELS], Y, FLAT)
    assert "several tables for train: train-0.csv" in refused(tmp_path)


@pytest.mark.parametrize("names", [("optdigits.tra", "optdigits.tes"), ("zip.train.gz", "zip.test.gz")])
def test_published_tables_without_a_usual_ending(names: tuple[str, str], tmp_path: Path) -> None:
    for name, part in zip(names, (slice(0, 50), slice(50, 60)), strict=True):
        content = table(tmp_path / name, [], FLAT[part], Y[part]).read_bytes()
        (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    (tmp_path / "optdigits.names").write_text("1. Title of Database: digits, 2. Source: E. Alpaydin\n")
    loaded = load(tmp_path)
    assert same(loaded)
    assert (len(loaded.x_train), len(loaded.x_test)) == (50, 10)


def test_files_beside_pictures_that_cannot_be_unpacked_are_passed_over(tmp_path: Path) -> None:
    for label in range(2):
        pictures(tmp_path / str(label))
    for name in ("notes.txt", "backup"):
        (tmp_path / name).write_bytes(gzip.compress(bytes(1000))[:15])
    assert said(load(tmp_path), "passed over 2 files")


def test_the_line_that_names_excels_separator_is_passed_over(tmp_path: Path) -> None:
    path = table(tmp_path / "own.csv", ["label", *PIXELS], Y, FLAT, separator=";")
    path.write_text(f"sep=;\n{path.read_text()}")
    assert same(load(path))


def pictures(folder: Path) -> list[str]:
    """Write all images as pictures, and give their names."""
    folder.mkdir(parents=True)
    for number, image in enumerate(X):
        Image.fromarray(image).save(folder / f"{number}.png")
    return [f"{number}.png" for number in range(60)]


@pytest.mark.parametrize("folder", ["digits", "archive/all of them"])
def test_a_list_finds_its_pictures_in_a_folder_of_any_name(folder: str, tmp_path: Path) -> None:
    names = pictures(tmp_path / folder)
    assert same(load(table(tmp_path / "labels.csv", ["filename", "label"], names, Y)))
    pictures(tmp_path / "others")  # the same names in two folders: none is taken
    assert "there is no picture '0.png'" in refused(tmp_path / "labels.csv")


def test_a_list_finds_pictures_that_were_added_after_it_was_refused(tmp_path: Path) -> None:
    (tmp_path / "archive").mkdir()
    path = table(tmp_path / "labels.csv", ["filename", "label"], [f"{n}.png" for n in range(60)], Y)
    assert "there is no picture '0.png'" in refused(path)
    pictures(tmp_path / "archive" / "all of them")
    assert same(load(path))


def test_a_list_with_one_hot_labels(tmp_path: Path) -> None:
    names = pictures(tmp_path / "images")
    stems = [name.removesuffix(".png") for name in names]
    loaded = load(table(tmp_path / "truth.csv", ["image", *WORDS], stems, ONE_HOT.astype(float)))
    assert same(loaded, WORDS[Y])
    assert said(loaded, "one-hot", "'nought' to 'two'")
    table(tmp_path / "truth.csv", ["image", *WORDS], stems, np.ones((60, 3), int))
    unclear = "has pictures, and beside them the columns 'nought', 'one', 'two': which is the label?"
    assert unclear in refused(tmp_path / "truth.csv")


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_metadata_beside_the_pictures_of_a_split_as_the_hub_has_them(form: str, tmp_path: Path) -> None:
    for split, part in (("train", slice(0, 50)), ("test", slice(50, 60))):
        names = pictures(tmp_path / split)[part]
        if form == "csv":
            table(tmp_path / split / "metadata.csv", ["file_name", "label"], names, Y[part])
        else:
            rows = [json.dumps({"file_name": name, "label": int(y)}) for name, y in zip(names, Y[part], strict=True)]
            (tmp_path / split / "metadata.jsonl").write_text("\n".join(rows))
    loaded = load(tmp_path)
    assert same(loaded)
    assert (len(loaded.x_train), len(loaded.x_test)) == (50, 10)


@pytest.mark.parametrize("separator", [";", "\t", ",", " "])
def test_a_list_as_a_text(separator: str, tmp_path: Path) -> None:
    names = pictures(tmp_path / "images")
    table(tmp_path / "labels.txt", [], [f"images/{name}" for name in names], Y, separator=separator)
    assert same(load(tmp_path))
