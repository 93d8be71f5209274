"""IDX, NPZ, CSV and Parquet files of one's own: what is accepted, and the errors of the rest."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import struct
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image

from helpers.drawn import NAMES, arrays, drawing
from helpers.loaded import refused
from mnistry.datasets import labelled, loading
from mnistry.datasets.formats import numpy_files
from mnistry.datasets.formats import parquet as datasets_parquet
from mnistry.datasets.unlabelled import load_unlabelled
from mnistry.errors import DataError, MissingExtraError

X = np.random.default_rng(0).integers(0, 256, (12, 28, 28), np.uint8)
X[:, 0] = X[:, -1] = 0
Y = np.arange(12) % 2
HEADER = "label," + ",".join(f"pixel{number}" for number in range(784))


def same_images(loaded: loading.Dataset, images: np.ndarray = X) -> bool:
    together = np.concatenate([loaded.x_train, loaded.x_test])
    return sorted(image.tobytes() for image in together) == sorted(image.tobytes() for image in images)


def told(loaded: loading.Dataset) -> dict[bytes, str]:
    """The origins that are given for the images."""
    assert loaded.origins is not None
    splits = {"train": loaded.x_train, "test": loaded.x_test}
    return {image.tobytes(): loaded.origins[split][i] for split, x in splits.items() for i, image in enumerate(x)}


# IDX


def write_idx(folder: Path, split: str, x: np.ndarray, y: np.ndarray) -> Path:
    folder.mkdir(exist_ok=True)
    images = struct.pack(">IIII", 2051, *x.shape) + x.tobytes()
    (folder / f"{split}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
    (folder / f"{split}-labels.idx1-ubyte").write_bytes(struct.pack(">II", 2049, len(y)) + y.astype(np.uint8).tobytes())
    return folder


def test_idx_files(tmp_path: Path) -> None:
    folder = write_idx(tmp_path / "own", "train", X[:8], Y[:8] + 200)
    write_idx(folder, "t10k", X[8:], Y[8:] + 200)
    loaded = loading.load(str(folder))
    assert loaded.class_names == ("200", "201")
    np.testing.assert_array_equal(loaded.x_train, X[:8])
    np.testing.assert_array_equal(loaded.y_test, Y[8:])
    assert told(loaded)[X[3].tobytes()] == "train-images-idx3-ubyte.gz[3]"
    assert told(loaded)[X[9].tobytes()] == "t10k-images-idx3-ubyte.gz[1]"


def test_idx_files_without_a_test_split_and_with_a_prefix(tmp_path: Path) -> None:
    folder = write_idx(tmp_path / "own", "other-letters-train", X, Y + 1)
    assert same_images(loading.load(str(folder)))


def test_idx_images_of_another_size_are_read_as_pictures(tmp_path: Path) -> None:
    drawn = np.stack(
        [np.asarray(drawing(NAMES[number % 2], np.random.default_rng(number)).resize((40, 40))) for number in range(6)]
    )
    loaded = loading.load(str(write_idx(tmp_path / "own", "train", drawn, np.arange(6) % 2)))
    assert loaded.x_train.shape == (4, 28, 28)
    assert not loaded.x_train[:, 0].any()  # dark ink on paper has become bright ink on black


def test_idx_files_that_are_wrong(tmp_path: Path) -> None:
    folder = write_idx(tmp_path / "own", "train", X, Y)
    write_idx(folder, "other-train", X, Y)
    assert "holds 2 sets: other, MNIST. Name a file of the one that you want, such as" in refused(folder)
    assert loading.load(str(folder / "other-train-images-idx3-ubyte.gz")).class_names == ("0", "1")
    (folder / "other-train-images-idx3-ubyte.gz").unlink()
    (folder / "other-train-labels.idx1-ubyte").rename(folder / "t10k-labels.idx1-ubyte")
    assert loading.load(str(folder)).class_names == ("0", "1")  # labels alone make no test split
    (folder / "train-labels.idx1-ubyte").unlink()
    assert "lacks the train labels. Expected are train-images-idx3-ubyte" in refused(folder)
    (folder / "train-labels.idx1-ubyte").write_bytes(struct.pack(">II", 2049, 2**32 - 1) + b"\1")
    assert "is cut short: its header promises 4,294,967,295 bytes for uint8" in refused(folder)


# NPZ


def npz(folder: Path, **values: Any) -> Path:
    np.savez(folder / "own.npz", **values)
    return folder / "own.npz"


@pytest.mark.parametrize(
    "x",
    [X, X.reshape(12, 784), X[..., None], X.astype(np.int64), X.astype(np.float32), X / 255.0],
    ids=["uint8", "flat", "channel", "int64", "float", "parts of white"],
)
@pytest.mark.parametrize("y", [Y, Y[:, None], Y.astype(np.float64), Y.astype("S1"), Y.astype(str)], ids=str)
def test_npz_arrays_of_many_kinds(x: np.ndarray, y: np.ndarray, tmp_path: Path) -> None:
    loaded = loading.load(str(npz(tmp_path, x_train=x, y_train=y)))
    assert loaded.class_names == ("0", "1")
    assert same_images(loaded)
    assert told(loaded) == {image.tobytes(): f"x_train[{i}]" for i, image in enumerate(X)}  # though split at random


def test_pixels_about_zero_get_their_whole_range(tmp_path: Path) -> None:
    x = X.copy()
    x[0, 1, :2] = 0, 255
    assert same_images(loading.load(str(npz(tmp_path, x_train=x / 255 - 0.5, y_train=Y))), x)
    assert same_images(loading.load(str(npz(tmp_path, x_train=x / 127.5 - 1, y_train=Y))), x)


def test_bools_and_noughts_and_ones_are_black_and_white(tmp_path: Path) -> None:
    ink = X > 128
    for x in (ink, ink.astype(np.uint8), ink.astype(np.float32)):
        assert same_images(loading.load(str(npz(tmp_path, x_train=x, y_train=Y))), ink * np.uint8(255))


NAN, MINUS, LARGE = (X.astype(np.float32) for _ in range(3))
NAN[3, 4, 5], MINUS[3, 4, 5], LARGE[3, 4, 5] = np.nan, -1, 256


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            {"x_train": NAN},
            "x_train[3], row 4, column 5: pixels must be from 0 to 255, or all from 0 to 1; received nan",
        ),
        (
            {"x_train": MINUS},
            "x_train[3], row 4, column 5: pixels must be from 0 to 255, or all from 0 to 1; received -1",
        ),
        ({"x_train": LARGE.reshape(12, 784)}, "x_train[3], row 4, column 5: pixels must be from 0 to 255"),
        ({"x_train": np.full((12, 28, 28), 300)}, "9,408 things are wrong"),
        ({"x_train": np.full((12, 28, 28), 300)}, "… and 9,398 more"),
        ({"x_train": X.astype(complex)}, "x_train must be numbers (n, 28, 28); received complex128 (12, 28, 28)"),
        (
            {"x_train": X[:, :, :, None, None]},
            "x_train must be images (n, 28, 28) or (n, height, width); received uint8 (12, 28, 28, 1, 1)",
        ),
        ({"x_train": X.reshape(12, 392, 2)[:, :, 0]}, "x_train must be images (n, 28, 28) or (n, height, width)"),
        ({"x_train": X[:11]}, "x_train has 11 images but"),
        ({"x_train": X[:0], "y_train": Y[:0]}, "own.npz, x_train holds no images"),
        ({"y_train": np.eye(12)[:, :2]}, "or one-hot, with one 1 in each row; received float64 (12, 2)"),
        ({"y_train": Y - 1}, "y_train[0]: labels must be whole numbers from 0; received -1"),
        ({"y_train": Y + 0.5}, "12 things are wrong"),
        ({"x_test": X}, "has no labels for test. Expected are x_train, y_train, x_test, y_test"),
        ({"x_train": np.array([{}] * 12), "y_train": Y}, "x_train holds Python objects, which are never loaded"),
    ],
)
def test_npz_arrays_that_are_wrong(values: dict[str, np.ndarray], sentence: str, tmp_path: Path) -> None:
    assert sentence in refused(npz(tmp_path, **{"x_train": X, "y_train": Y, **values}))


class Trap:
    """Leaves a trace where it is unpickled."""

    def __reduce__(self) -> tuple[Any, tuple[Path]]:
        return Path.touch, (Path("trace"),)


def test_no_pickle_is_ever_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "never loaded" in refused(npz(tmp_path, x_train=np.array([Trap()] * 12, object), y_train=Y))
    with zipfile.ZipFile(tmp_path / "bare.npz", "w") as file:
        file.writestr("x_train.npy", pickle.dumps(Trap()))
        file.writestr("y_train.npy", pickle.dumps(Trap()))
    assert "bare.npz, x_train is damaged" in refused(tmp_path / "bare.npz")
    assert not (tmp_path / "trace").exists()


def test_a_header_that_claims_too_much_is_not_believed(tmp_path: Path) -> None:
    sink = io.BytesIO()
    np.lib.format.write_array_header_1_0(sink, {"descr": "|u1", "fortran_order": False, "shape": (10**12, 28, 28)})
    with zipfile.ZipFile(tmp_path / "own.npz", "w") as file:
        file.writestr("x_train.npy", sink.getvalue())
        file.writestr("y_train.npy", sink.getvalue())
    assert "claims to hold uint8 (1000000000000, 28, 28): more than 2,000,000,000 bytes" in refused(
        tmp_path / "own.npz"
    )


@pytest.mark.parametrize("keep", [10, 200, 5000])
def test_npz_files_cut_short(keep: int, tmp_path: Path) -> None:
    path = npz(tmp_path, x_train=X, y_train=Y)
    path.write_bytes(path.read_bytes()[:keep])
    assert "own.npz is damaged or not an NPZ file" in refused(path)


def test_files_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numpy_files, "MAX_BYTES", 5000)
    assert "claims to hold uint8 (12, 28, 28): more than 5,000 bytes are not read" in refused(
        npz(tmp_path, x_train=X, y_train=Y)
    )


# CSV


def rows(x: np.ndarray = X, labels: Any = Y) -> list[list[str]]:
    return [[str(label), *map(str, image.reshape(-1).tolist())] for image, label in zip(x, labels, strict=True)]


def write_csv(path: Path, lines: list[list[str]], *, header: bool = True, end: str = "\n") -> Path:
    text = end.join([*([HEADER] if header else []), *(",".join(line) for line in lines)]) + end
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_csv_tables(header: bool, end: str, tmp_path: Path) -> None:
    loaded = loading.load(str(write_csv(tmp_path / "own.csv", rows(), header=header, end=end)))
    assert loaded.class_names == ("0", "1")
    assert same_images(loaded)
    first = 2 if header else 1
    assert told(loaded) == {image.tobytes(): f"own.csv, row {i}" for i, image in enumerate(X, first)}


def test_a_header_of_numbers_is_a_header(tmp_path: Path) -> None:
    numbers = ",".join(map(str, range(785)))
    path = write_csv(tmp_path / "own.csv", rows(), header=False)
    path.write_text(f"{numbers}\n{path.read_text()}")
    assert same_images(loading.load(str(path)))


def test_csv_tables_packed_marked_quoted_and_with_words(tmp_path: Path) -> None:
    lines = rows(labels=["ant", "bee, or wasp"] * 6)
    for line in lines:
        line[0] = f'"{line[0]}"'
    content = write_csv(tmp_path / "own.csv", lines).read_bytes()
    (tmp_path / "own.csv.gz").write_bytes(gzip.compress(b"\xef\xbb\xbf" + content))
    loaded = loading.load(str(tmp_path / "own.csv.gz"))
    assert loaded.class_names == ("ant", "bee, or wasp")
    assert same_images(loaded)


@pytest.mark.parametrize("end", [b"(12, 28, 28", b"(12, 28, 28)", b"'", b"(12, 28, 28), 'x': 'y}"])
def test_a_header_of_numpy_that_is_not_python(end: bytes, tmp_path: Path) -> None:
    head = b"{'descr': '|u1', 'fortran_order': False, 'shape': " + end
    head += b" " * (117 - len(head)) + b"\n"
    with zipfile.ZipFile(npz(tmp_path, x_train=X, y_train=Y), "a") as archive:
        archive.writestr("x_test.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + X.tobytes())
    assert "x_test is damaged: " in refused(tmp_path / "own.npz")


def test_a_damaged_name_in_an_npz_file_is_told(tmp_path: Path) -> None:
    content = npz(tmp_path, x_train=X, y_train=Y).read_bytes()
    place = content.index(b"y_train.npy")
    damaged = content[: place + 2] + b"\x80" + content[place + 3 :]
    damaged = damaged[: place - 24] + b"\0\x08" + damaged[place - 22 :]  # the flag for names in UTF-8
    (tmp_path / "own.npz").write_bytes(damaged)
    assert "own.npz is damaged or not a file of NumPy" in refused(tmp_path / "own.npz")
    with pytest.raises(DataError, match=r"own\.npz is damaged or not a file of NumPy's|own\.npz is damaged"):
        load_unlabelled(str(tmp_path / "own.npz"))
    (tmp_path / "cut.npz").write_bytes(content[:-30])
    with pytest.raises(DataError, match=r"cut\.npz is damaged"):
        load_unlabelled(str(tmp_path / "cut.npz"))


@pytest.mark.parametrize("style", ["%.18e", "%.6f", "%d", "   %d "])
def test_a_table_as_numpy_writes_it(style: str, tmp_path: Path) -> None:
    np.savetxt(tmp_path / "own.txt", np.column_stack([Y, X.reshape(12, 784)]), style)
    loaded = loading.load(str(tmp_path / "own.txt"))
    assert loaded.class_names == ("0", "1")
    assert same_images(loaded)


def test_a_folder_of_two_tables(tmp_path: Path) -> None:
    write_csv(tmp_path / "train.csv", rows(X[:8], Y[:8]))
    write_csv(tmp_path / "test.csv", rows(X[8:], Y[8:]), header=False)
    loaded = loading.load(str(tmp_path))
    np.testing.assert_array_equal(loaded.x_train, X[:8])
    np.testing.assert_array_equal(loaded.x_test, X[8:])


def test_more_rows_than_are_read_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mnistry.datasets.formats.tables.ROWS_AT_A_TIME", 5)
    lines = rows()
    assert same_images(loading.load(str(write_csv(tmp_path / "own.csv", lines))))
    lines[9][784] = "white"
    assert "own.csv, row 11, column 785: expected a number, received 'white'" in refused(
        write_csv(tmp_path / "own.csv", lines)
    )


@pytest.mark.parametrize(
    ("row", "column", "cell", "sentence"),
    [
        (2, 5, "many", "own.csv, row 4, column 6: expected a number, received 'many'"),
        (2, 5, "", "own.csv, row 4, column 6: expected a number, received ''"),
        (2, 5, "256", "own.csv, row 4, column 6: pixels must be from 0 to 255, or all from 0 to 1; received 256"),
        (2, 5, "-1", "own.csv, row 4, column 6: pixels must be from 0 to 255"),
        (2, 5, "nan", "own.csv, row 4, column 6: pixels must be from 0 to 255, or all from 0 to 1; received nan"),
        (2, 5, "1e300", "own.csv, row 4, column 6: pixels must be from 0 to 255, or all from 0 to 1; received inf"),
        (2, 5, "7,8", "own.csv, row 4: expected 785 columns, received 786"),
        (2, 0, " ", "own.csv, row 4, column 1: the label is empty"),
    ],
)
def test_csv_cells_that_are_wrong(row: int, column: int, cell: str, sentence: str, tmp_path: Path) -> None:
    lines = rows()
    lines[row][column] = cell
    assert sentence in refused(write_csv(tmp_path / "own.csv", lines))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "own.csv is empty"),
        (b"\n\n", "own.csv is empty"),
        (HEADER.encode(), "holds no images, only a header"),
        (b"a,b,c\n1,2,3", "has 3 columns in its first row, expected 785"),
        (b"hello", "has 1 column in its first row, expected 785"),
        (HEADER.removeprefix("label,").encode(), "has 784 columns, .* it has no labels, as the test.csv of Kaggle"),
        (b"5,\xff\xfe", "is not text in UTF-8: row 1 has a byte that does not belong"),
        (b"5,\0", "is not a CSV table: it holds bytes of zero"),
        (b"\0\0", "is not a CSV table: it holds bytes of zero"),
        (gzip.compress(HEADER.encode())[:-9], "is cut short or damaged: Compressed file ended"),
    ],
)
def test_csv_files_that_are_none(content: bytes, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_bytes(content)
    with pytest.raises(DataError, match=sentence):
        loading.load(str(tmp_path / "own.csv"))


# Parquet


def png(image: np.ndarray) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(image).save(sink, "PNG")
    return sink.getvalue()


def parquet(path: Path, columns: dict[str, Any], metadata: dict[str, str] | None = None) -> Path:
    table = pyarrow.table(columns)
    pyarrow.parquet.write_table(table if metadata is None else table.replace_schema_metadata(metadata), path)
    return path


def as_pictures(x: np.ndarray) -> list[dict[str, Any]]:
    return [{"bytes": png(image), "path": None} for image in x]


def test_parquet_as_the_hub_has_mnist(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for split, part in (("train", slice(0, 8)), ("test", slice(8, 12))):
        columns = {"image": as_pictures(X[part]), "label": Y[part]}
        features = {"label": {"names": ["zebra", "ant"], "_type": "ClassLabel"}}
        noted = {"huggingface": json.dumps({"info": {"features": features}})}
        parquet(tmp_path / "data" / f"{split}-00000-of-00001.parquet", columns, noted)
    loaded = loading.load(str(tmp_path))
    assert loaded.class_names == ("ant", "zebra")
    assert loaded.y_train.tolist() == [1, 0] * 4
    np.testing.assert_array_equal(loaded.x_train, X[:8])
    assert told(loaded)[X[0].tobytes()] == "train-00000-of-00001.parquet, row 1"
    assert told(loaded)[X[11].tobytes()] == "test-00000-of-00001.parquet, row 4"


def test_parquet_in_several_files(tmp_path: Path) -> None:
    for number, part in enumerate((slice(0, 5), slice(5, 12))):
        parquet(tmp_path / f"train-{number}.parquet", {"image": as_pictures(X[part]), "label": Y[part]})
    where = told(loading.load(str(tmp_path)))
    assert [where[image.tobytes()] for image in X[[0, 4, 5, 11]]] == [
        "train-0.parquet, row 1",
        "train-0.parquet, row 5",
        "train-1.parquet, row 1",
        "train-1.parquet, row 7",
    ]


@pytest.mark.parametrize("labels", [Y.tolist(), Y.astype(str).tolist()], ids=["numbers", "words"])
def test_parquet_with_bare_bytes_and_with_pixels(labels: list[Any], tmp_path: Path) -> None:
    bare = parquet(tmp_path / "bare.parquet", {"label": labels, "image": [png(image) for image in X]})
    assert same_images(loading.load(str(bare)))
    pixels = {f"pixel{number}": X.reshape(12, 784)[:, number] for number in range(784)}
    assert same_images(loading.load(str(parquet(tmp_path / "pixels.parquet", {"label": labels, **pixels}))))


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"image": as_pictures(X)}, "own.parquet has pictures: it has no labels"),
        ({"image": as_pictures(X), "label": [None, *Y[1:].tolist()]}, "row 1, column 2: the label is empty"),
        ({"image": as_pictures(X), "label": Y + 0.5}, "12 things are wrong.\n.*row 1, column 2: the label is empty"),
        ({"image": as_pictures(X), "label": Y - 1}, "row 1, column 2: the label is empty"),
        ({"image": [None] * 12, "label": Y}, "12 things are wrong|own.parquet"),
        ({"mask": as_pictures(X), "photo": as_pictures(X), "label": Y}, "may hold the images: 'mask', 'photo'"),
        (
            {"embedding": [[0.5] * 256] * 12, "pixels": X.reshape(12, 784).tolist(), "label": Y},
            "several columns that may hold the images: 'embedding', 'pixels'. Name one of them image",
        ),
        (
            {"image": [{"bytes": None, "path": "a.png"}, *as_pictures(X[1:])], "label": Y},
            "row 1: there is no picture in it",
        ),
        ({"image": [b"no picture"] * 12, "label": Y}, "row 12: it is not a picture|… and 2 more"),
        ({"image": ["text"] * 12, "label": Y}, "has 2 columns in its first row, expected 785"),
        ({"label": Y, "a": Y, "b": Y}, "has 3 columns in its first row, expected 785: the label and 784 pixels"),
        ({"label": Y, **{f"p{n}": ["x"] * 12 for n in range(784)}}, "row 1, column 2: expected a number, received 'x'"),
        (
            {"label": Y, **{f"p{n}": [None if n == 5 else 9.0, *[9.0] * 11] for n in range(784)}},
            "own.parquet, row 1, column 'p0 to p783', pixel 6: pixels must be from 0 to 255, .* received nan",
        ),
        ({"label": Y[:0], "image": pyarrow.array([], pyarrow.binary())}, "holds no rows"),
        (
            {"label": Y, "pixels": [None, *X.reshape(12, 784).tolist()[1:]]},
            "1 thing is wrong.\n.*own.parquet, row 1, column 'pixels': expected 784 pixels, received 0",
        ),
    ],
)
def test_parquet_tables_that_are_wrong(columns: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=sentence):
        loading.load(str(parquet(tmp_path / "own.parquet", columns)))


@pytest.mark.parametrize(
    "columns",
    [
        {"embedding": [[0.5] * 256] * 12, "image": X.tolist(), "label": Y},
        {"uid": [b"a%d" % number for number in range(12)], "scan": as_pictures(X), "label": Y},
        {
            "label": Y,
            **{f"note{n}": ["x"] * 12 for n in range(70)},
            **{f"p{n}": X.reshape(12, 784)[:, n] for n in range(784)},
        },
        {"pixels": X.reshape(12, 784).tolist(), "answer": [f"w{n // 2}" for n in range(12)]},
    ],
)
def test_parquet_with_columns_beside_the_images(columns: dict[str, Any], tmp_path: Path) -> None:
    loaded = loading.load(str(parquet(tmp_path / "own.parquet", columns)))
    assert {image.tobytes() for image in (*loaded.x_train, *loaded.x_test)} == {image.tobytes() for image in X}


def test_parquet_with_the_names_of_pictures(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for number, content in enumerate(map(png, X)):
        (tmp_path / "images" / f"{number}.png").write_bytes(content)
    columns = {"file_name": [f"{number}.png" for number in range(12)], "label": Y}
    loaded = loading.load(str(parquet(tmp_path / "own.parquet", columns)))
    assert same_images(loaded)
    assert told(loaded)[X[3].tobytes()] == "images/3.png"


@pytest.mark.parametrize("keep", [4, 100, 3000])
def test_parquet_files_cut_short(keep: int, tmp_path: Path) -> None:
    path = parquet(tmp_path / "own.parquet", {"image": as_pictures(X), "label": Y})
    path.write_bytes(path.read_bytes()[:keep])
    assert "own.parquet is damaged" in refused(path)


def test_parquet_that_unpacks_to_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets_parquet, "MAX_BYTES", 1000)
    assert "more than 1,000 are not read" in refused(
        parquet(tmp_path / "own.parquet", {"image": as_pictures(X), "label": Y})
    )


def test_without_pyarrow_the_command_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = parquet(tmp_path / "own.parquet", {"image": as_pictures(X), "label": Y})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"^A Parquet file needs pyarrow, .*: pip install 'mnistry\[ray\]'$"):
        loading.load(str(path))


def test_the_drawn_set_has_its_classes() -> None:
    x, names = arrays(4)
    assert x.shape == (12, 28, 28)
    assert tuple(dict.fromkeys(names.tolist())) == NAMES
    assert labelled.are_digits(["1", "2"])
    assert not labelled.are_digits(names)
