"""Images without labels: which images are taken from each form, their names, and what is said of them."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image

from mnistry.datasets import loading
from mnistry.datasets.unlabelled import HEADER, load_pictures, load_unlabelled
from mnistry.errors import DataError, UsageError
from mnistry.ocr.image_io import is_array_file

X = loading.load("digits").x_test[:12]
NUMBERS = [str(number) for number in range(1, 13)]
PIXELS = ",".join(f"pixel{number}" for number in range(784))


def table(x: np.ndarray, y: np.ndarray | None = None) -> str:
    flat = x.reshape(len(x), -1)
    columns, header = (flat, PIXELS) if y is None else (np.column_stack([y, flat]), f"label,{PIXELS}")
    return "\n".join([header, *(",".join(map(str, row)) for row in columns.tolist())])


def png(image: np.ndarray) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(image).save(sink, "PNG")
    return sink.getvalue()


def idx_bytes(x: np.ndarray) -> bytes:
    return b"\0\0\x08\x03" + np.array(x.shape, ">u4").tobytes() + x.tobytes()


def tar_of(path: Path, name: str, content: bytes) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return path


def zip_of(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def parquet_of(path: Path, x: np.ndarray) -> Path:
    cells = [{"bytes": png(image), "path": None} for image in x]
    pyarrow.parquet.write_table(pyarrow.table({"image": cells}), path)
    return path


def of(path: Path, content: bytes | str) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


FILES = {
    "csv": lambda path: of(path / "images.csv", table(X)),
    "csv without a header": lambda path: of(path / "images.csv", table(X).split("\n", 1)[1]),
    "csv.gz": lambda path: of(path / "images.csv.gz", gzip.compress(table(X).encode())),
    "npy": lambda path: np.save(path / "images.npy", X) or path / "images.npy",
    "npy of floats": lambda path: np.save(path / "images.npy", X / 255) or path / "images.npy",
    "npz": lambda path: np.savez(path / "images.npz", x_train=X[::-1], x_test=X) or path / "images.npz",
    "idx": lambda path: of(path / "t10k-images-idx3-ubyte", idx_bytes(X)),
    "idx.gz": lambda path: of(path / "t10k-images-idx3-ubyte.gz", gzip.compress(idx_bytes(X))),
    "parquet": lambda path: parquet_of(path / "images.parquet", X),
    "zip of a table": lambda path: zip_of(path / "images.zip", {"test.csv": table(X).encode()}),
    "tar.gz of a table": lambda path: tar_of(path / "images.tar.gz", "test.csv", table(X).encode()),
    "folder with test.csv": lambda path: (
        [of(path / "train.csv", table(X[::-1])), of(path / "test.csv", table(X))][0].parent
    ),
    "folder of IDX files": lambda path: (
        [of(path / "train-images-idx3-ubyte", idx_bytes(X[::-1])), of(path / "t10k-images-idx3-ubyte", idx_bytes(X))][
            0
        ].parent
    ),
}


@pytest.mark.parametrize("form", FILES)
def test_the_images_are_taken_as_they_are_and_numbered(form, tmp_path):
    found = load_unlabelled(str(FILES[form](tmp_path)))
    np.testing.assert_array_equal(found.images, X)
    assert (found.images.dtype, found.names, found.header) == (np.uint8, NUMBERS, HEADER)


def test_the_labels_of_a_table_are_not_used_which_is_said(tmp_path):
    path = of(tmp_path / "own.csv", table(X, np.arange(12) % 10))
    found = load_unlabelled(str(path))
    np.testing.assert_array_equal(found.images, X)
    assert [remark.split(": ")[1] for remark in found.remarks] == ["the labels are not used."]


@pytest.mark.parametrize("form", ["folder", "zip", "one picture"])
def test_pictures_are_named_after_their_files_in_the_order_of_their_numbers(form, tmp_path):
    names = [f"{number}.png" for number in (1, 2, 10)]
    contents = {name: png(image) for name, image in zip(names, X, strict=False)}
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, content in contents.items():
        of(folder / name, content)
    if form == "zip":
        folder = zip_of(tmp_path / "pictures.zip", {name: contents[name] for name in reversed(names)})
    elif form == "one picture":
        folder, names = folder / "2.png", ["2.png"]
    found = load_unlabelled(str(folder))
    assert found.names == names
    np.testing.assert_array_equal(found.images, X[1:2] if form == "one picture" else X[:3])


def test_large_ink_is_brought_into_the_form_of_mnist_and_large_pictures_are_made_small(tmp_path):
    page = np.full((200, 160), 255, np.uint8)
    page[40:160, 70:90] = 0  # an upright stroke, dark on paper
    path = of(tmp_path / "one.png", png(page))
    ink, picture = (load_unlabelled(str(path), kind=kind, digits=False).images[0] for kind in ("ink", "pictures"))
    rows, columns = np.nonzero(ink > 127)
    assert (rows.min(), rows.max()) == (4, 23)  # 20 pixels tall, bright on black, in the middle
    assert abs(columns.mean() - 13.5) < 1
    assert ink[0].max() == 0
    assert picture[0].min() == 255  # as it was, only smaller
    assert picture[14, 13] < 60


def test_files_of_emnist_are_turned_upright_which_is_said(tmp_path):
    turned = np.ascontiguousarray(X.transpose(0, 2, 1))
    found = load_unlabelled(str(of(tmp_path / "emnist-letters-test-images-idx3-ubyte", idx_bytes(turned))))
    np.testing.assert_array_equal(found.images, X)
    assert found.remarks == ("EMNIST's files have rows for columns: turned upright.",)


def test_a_known_name_gives_its_test_images():
    found, digits = load_unlabelled("digits"), loading.load("digits")
    np.testing.assert_array_equal(found.images, digits.x_test)
    assert found.names[-1] == str(len(digits.x_test))
    assert found.remarks[-1] == "The test images of the UCI digits."


@pytest.mark.parametrize(("rows", "names"), [(12, [f"im{n}" for n in range(12)]), (11, NUMBERS)])
def test_a_sample_submission_names_the_images_where_it_has_as_many(rows, names, tmp_path):
    of(tmp_path / "test.csv", table(X))
    of(tmp_path / "sample_submission.csv", "\n".join(["id,digit", *(f"im{n},0" for n in range(rows))]))
    found = load_unlabelled(str(tmp_path))
    assert (found.header, found.names) == (("id", "digit"), names)


def test_what_holds_no_images_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"holds no pictures, and no test\.csv"):
        load_unlabelled(str(tmp_path / "empty"))
    with pytest.raises(DataError, match=r"own\.h5 is an HDF5 file"):
        load_unlabelled(str(of(tmp_path / "own.h5", b"\x89HDF\r\n\x1a\n" + bytes(99))))
    with pytest.raises(DataError, match=r"row 2: there is no picture 'a\.png'"):
        load_unlabelled(str(of(tmp_path / "list.csv", "file,label\na.png,1\nb.png,2\n")))
    with pytest.raises(UsageError, match="There is no data set named 'nothing'"):
        load_unlabelled("nothing")
    folder = tmp_path / "pictures"
    folder.mkdir()
    of(folder / "1.png", png(X[0]))
    of(folder / "2.png", png(X[1])[:60])
    with pytest.raises(DataError, match=r"2\.png"):
        load_unlabelled(str(folder))


def test_arff_libsvm_and_json_lines_are_read_as_pictures_too(tmp_path):
    flat = X.reshape(len(X), -1)
    attributes = "".join(f"@attribute p{number} numeric\n" for number in range(784))
    arff = "\n".join(",".join(map(str, [*row, 7])) for row in flat)
    (tmp_path / "own.arff").write_text(f"@relation own\n{attributes}@attribute class {{7}}\n@data\n{arff}\n")
    sparse = ("7 " + " ".join(f"{n}:{value}" for n, value in enumerate(row, 1) if value or n == 784) for row in flat)
    (tmp_path / "own.libsvm").write_text("\n".join(sparse))
    (tmp_path / "own.jsonl").write_text("\n".join(json.dumps({"image": row.tolist()}) for row in flat))
    for name in ("own.arff", "own.libsvm", "own.jsonl"):
        images, _ = load_pictures(str(tmp_path / name))
        assert is_array_file(name)
        assert [each.tolist() for each in images.values()] == X.tolist()


def test_tables_of_labels_and_lists_of_pictures_in_a_folder_are_not_taken_for_images(tmp_path):
    (tmp_path / "x_test.csv").write_text("\n".join(",".join(map(str, row)) for row in X.reshape(len(X), -1)))
    (tmp_path / "y_test.csv").write_text("\n".join("7" for _ in X))
    assert (load_unlabelled(str(tmp_path)).images == X).all()
    folder = tmp_path / "listed"
    (folder / "images").mkdir(parents=True)
    for number, image in enumerate(X):
        Image.fromarray(image).save(folder / "images" / f"{number}.png")
    (folder / "labels.csv").write_text("file,label\n" + "\n".join(f"{number}.png,7" for number in range(len(X))))
    found = load_unlabelled(str(folder))
    assert (found.images == X).all()
    assert found.names == [f"images/{number}.png" for number in range(len(X))]
