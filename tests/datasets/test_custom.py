"""Data sets of one's own, whatever form they have: what comes out, how they are split, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.drawn import NAMES, drawing, write_folder
from helpers.loaded import refused
from mnistry.datasets import loading
from mnistry.datasets.dataset import make_origins
from mnistry.datasets.labelled import LabelledImages, natural
from mnistry.datasets.unlabelled import load_unlabelled
from mnistry.errors import DataError, UsageError
from mnistry.ocr.image_io import KINDS

ARRAYS = ("x_train", "y_train", "x_test", "y_test")


def labelled(images: np.ndarray, labels: np.ndarray) -> LabelledImages:
    return LabelledImages(images, labels, make_origins(f"own[{number}]" for number in range(len(labels))))


def small(labels: list[str], *, seed: int = 0) -> LabelledImages:
    """An image of noise for each label."""
    images = np.random.default_rng(seed).integers(0, 256, (len(labels), 28, 28), np.uint8)
    images[:, 0] = images[:, -1] = 0  # no paper
    return labelled(images, np.array(labels, np.str_))


def npz(folder: Path, train: LabelledImages, test: LabelledImages | None = None, **others: np.ndarray) -> Path:
    arrays = {"x_train": train.images, "y_train": train.labels}
    if test is not None:
        arrays |= {"x_test": test.images, "y_test": test.labels}
    np.savez(folder / "own.npz", **arrays, **others)
    return folder / "own.npz"


# Properties of every form


def test_a_data_set_says_what_it_is(tmp_path: Path) -> None:
    path = npz(tmp_path, small(["b", "10", "2"] * 4), small(["2", "b", "10"]))
    loaded = loading.load(str(path))
    assert (loaded.name, loaded.title, loaded.source) == (str(path), "own.npz", str(path))
    assert loaded.class_names == ("2", "10", "b")
    assert loaded.y_train.tolist() == [2, 1, 0] * 4
    assert loaded.y_test.tolist() == [0, 2, 1]
    assert {getattr(loaded, name).dtype for name in ARRAYS} == {np.dtype(np.uint8)}
    assert not any(getattr(loaded, name).flags.writeable for name in ARRAYS)
    assert set(loaded.digests) == {*ARRAYS, "class_names"}
    assert (loaded.fallback, loaded.remarks) == (None, ())
    assert loaded.check_index(None) == 6


def test_names_are_sorted_as_people_do() -> None:
    names = ["10", "9", "zebra", "Ant", "ant2", "ant10", "0", "ä", "01", "1"]
    assert sorted(names, key=natural) == ["0", "01", "1", "9", "10", "Ant", "ant2", "ant10", "zebra", "ä"]


@pytest.mark.parametrize(("images", "index"), [(1009, 504), (1010, 1000), (2009, 1000), (2010, 2000)])
def test_the_example_is_image_2000_where_there_is_room_around_it(images: int, index: int, tmp_path: Path) -> None:
    blank, labels = np.zeros((images, 28, 28), np.uint8), np.arange(images) % 2
    path = npz(tmp_path, labelled(blank, labels), labelled(blank[:2], labels[:2]))
    loaded = loading.load(str(path))
    assert loaded.check_index(None) == index


def test_a_path_is_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = npz(tmp_path, small(["a", "b"] * 5))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    names = {loading.load(name).name for name in (str(path), "own.npz", "./own.npz", "~/own.npz")}
    assert names == {"~/own.npz"} == {loading.name_of("own.npz")}
    assert loading.name_of("mnist") == "mnist"


def test_a_name_goes_before_a_folder_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "digits").mkdir()
    monkeypatch.chdir(tmp_path)
    assert loading.load("digits").title == "the UCI digits"
    with pytest.raises(DataError, match="digits holds neither pictures nor data files"):
        loading.load("./digits")


@pytest.mark.parametrize("name", ["nowhere/cats", "cats.csv", "~nobody-of-this-name/cats", "x" * 300 + "/y"])
def test_a_path_that_leads_nowhere(name: str) -> None:
    with pytest.raises(UsageError, match=r"^There is no file or folder .* A data set of your own is a folder of class"):
        loading.load(name)


def test_an_empty_name_is_not_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tmp_path, 3)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"^There is no data set named ''"):
        loading.load("")


def test_digests_tell_changed_data_and_changed_names(tmp_path: Path) -> None:
    first = loading.load(str(npz(tmp_path, small(["a", "b"] * 5)))).digests
    assert loading.load(str(npz(tmp_path, small(["a", "b"] * 5)))).digests == first
    renamed = loading.load(str(npz(tmp_path, small(["a", "c"] * 5)))).digests
    assert [name for name in first if first[name] != renamed[name]] == ["class_names"]
    other = loading.load(str(npz(tmp_path, small(["a", "b"] * 5, seed=1)))).digests
    assert other["x_train"] != first["x_train"]


# The split


def test_a_fifth_of_each_class_is_taken_for_the_test(tmp_path: Path) -> None:
    labels = ["a"] * 50 + ["b"] * 7 + ["c"] * 2 + ["d"]
    whole = small(labels)
    loaded = loading.load(str(npz(tmp_path, whole)))
    assert np.bincount(loaded.y_train, minlength=4).tolist() == [40, 6, 1, 1]
    assert np.bincount(loaded.y_test, minlength=4).tolist() == [10, 1, 1, 0]
    together = np.concatenate([loaded.x_train, loaded.x_test])
    assert sorted(image.tobytes() for image in together) == sorted(image.tobytes() for image in whole.images)
    assert loaded.remarks == (
        "There is no test split: 12 of the 60 images, a fifth of each class, were taken for it, always the same.",
        "There are no test images of d: nothing is known of how well they are read.",
    )


def test_the_split_is_always_the_same_and_at_random(tmp_path: Path) -> None:
    path = npz(tmp_path, small(["a", "b"] * 50))
    np.random.seed(3)  # the global state, of which the split must not depend
    first, second = loading.load(str(path)), loading.load(str(path))
    assert all(np.array_equal(getattr(first, name), getattr(second, name)) for name in ARRAYS)
    whole = small(["a", "b"] * 50).images
    positions = [int(np.flatnonzero((whole == image).all(axis=(1, 2)))[0]) for image in first.x_test]
    assert positions == sorted(positions)
    assert len({position // 10 for position in positions}) > 5  # not one end of the file


# Data that cannot be learnt


@pytest.mark.parametrize(
    ("train", "test", "sentence"),
    [
        (["a"] * 9, None, r"has 7 training images of one class, a\. There must be two classes"),
        (["a"], None, "has 1 training images of one class, a"),
        (["a", "b"], None, "has no image to test on: no class has more than one"),
        (["a", "b"], ["a", "owl"], "has test images of owl, but no training images"),
        ([str(number) for number in range(257)] * 2, None, "has 257 classes, more than the 256 .* Is the first"),
        (["a", "b\x1b[31m"] * 5, None, r"has a class named 'b\\x1b\[31m'\. A name must be printable"),
        (["a", "b" * 81] * 5, None, "must be printable and have 1 to 80 characters"),
    ],
)
def test_what_cannot_be_learnt(train: list[str], test: list[str] | None, sentence: str, tmp_path: Path) -> None:
    path = npz(tmp_path, small(train), None if test is None else small(test))
    with pytest.raises(DataError, match=sentence):
        loading.load(str(path))


def test_as_many_classes_as_a_byte_counts(tmp_path: Path) -> None:
    loaded = loading.load(str(npz(tmp_path, small([str(number) for number in range(256)] * 2))))
    assert loaded.class_names == tuple(str(number) for number in range(256))
    assert sorted(loaded.y_train.tolist()) == list(range(256))


# Folders of pictures


def test_folders_of_classes_are_split(tmp_path: Path) -> None:
    loaded = loading.load(str(write_folder(tmp_path / "animals", 10)))
    assert loaded.class_names == NAMES
    assert np.bincount(loaded.y_train).tolist() == [8, 8, 8]
    assert np.bincount(loaded.y_test).tolist() == [2, 2, 2]
    assert set(loaded.x_train.max(axis=(1, 2)).tolist()) == {255}
    assert not loaded.x_train[:, 0].any()  # dark ink on paper has become bright ink on black


def test_train_and_test_are_taken_as_they_are(tmp_path: Path) -> None:
    folder = tmp_path / "animals"
    write_folder(folder / "train", 3)
    write_folder(folder / "test", 2, seed=1)
    (folder / "others" / "cat").mkdir(parents=True)
    loaded = loading.load(str(folder))
    assert np.bincount(loaded.y_train).tolist() == [3, 3, 3]
    assert np.bincount(loaded.y_test).tolist() == [2, 2, 2]
    assert loaded.remarks == (f"{folder}: passed over the folders others: they are named after no split.",)


def test_grey_pictures_of_28_pixels_pass_as_they_are(tmp_path: Path) -> None:
    images = small(["x"] * 12).images
    for number, image in enumerate(images):
        place = tmp_path / "own" / "ab"[number % 2] / "deeper"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{number}.png")
    loaded = loading.load(str(tmp_path / "own"))
    together = {image.tobytes() for image in np.concatenate([loaded.x_train, loaded.x_test])}
    assert together == {image.tobytes() for image in images}
    assert loaded.origins is not None
    for split, x, y in (("train", loaded.x_train, loaded.y_train), ("test", loaded.x_test, loaded.y_test)):
        for index, (image, label) in enumerate(zip(x, y, strict=True)):
            where = loaded.origins[split][index]
            assert where.startswith(f"{loaded.class_names[label]}/deeper/")
            np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "own" / where)), image)


def test_pictures_of_a_colour_or_a_size_are_read_as_pictures(tmp_path: Path) -> None:
    for name in NAMES[:2]:
        for number in range(2):
            (tmp_path / "own" / name).mkdir(parents=True, exist_ok=True)
            picture = drawing(name, np.random.default_rng(number)).convert("RGB").resize((28, 28))
            coloured = np.asarray(picture).copy()
            coloured[..., 2] = coloured[..., 2] // 2 + 100  # bluish
            Image.fromarray(coloured).save(tmp_path / "own" / name / f"{number}.png")
    loaded = loading.load(str(tmp_path / "own"))
    for image in np.concatenate([loaded.x_train, loaded.x_test]):
        rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
        assert max(np.ptp(rows), np.ptp(columns)) + 1 == 20  # MNIST's box


def test_many_pictures_are_shared_among_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mnistry.datasets import preprocess

    folder = write_folder(tmp_path / "animals", 3)
    (folder / "cat" / "spoilt.png").write_bytes(b"no picture")
    alone = refused(folder)
    monkeypatch.setattr(preprocess, "MANY", 4)
    monkeypatch.setattr(preprocess, "count_cpus", lambda: 2)
    assert refused(folder) == alone
    (folder / "cat" / "spoilt.png").unlink()
    shared = loading.load(str(folder))
    monkeypatch.setattr(preprocess, "MANY", 1000)
    assert shared.digests == loading.load(str(folder)).digests


def test_what_is_no_picture_is_passed_over(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "animals", 3)
    (folder / "cat" / "notes.txt").write_text("not a cat")
    (folder / "cat" / ".DS_Store").write_text("hidden")
    (folder / "read me.md").write_text("about cats")
    assert loading.load(str(folder)).remarks[0] == (f"{folder}: passed over 2 files, not a picture or in no class.")


@pytest.mark.parametrize("content", [b"", b"hello"])
def test_a_file_that_is_named_like_a_picture_and_is_none(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "own.png").write_bytes(content)
    assert f"{tmp_path}/own.png is not a picture, although its name says so." in refused(tmp_path / "own.png")


def test_pictures_that_cannot_be_read_are_told_and_counted(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "animals", 3)
    for number in range(12):
        (folder / "dog" / f"bad{number}.png").write_bytes(b"no picture")
    Image.new("L", (40, 40), 255).save(folder / "cat" / "blank.png")
    lines = refused(folder).splitlines()
    assert lines[0] == f"{folder} cannot be used: 13 things are wrong."
    assert lines[1] == f"  {folder / 'cat' / 'blank.png'}: no ink is found in it"
    assert lines[2] == f"  {folder / 'dog' / 'bad0.png'}: it is not a picture that can be read: it must be {KINDS}."
    assert lines[-1] == "  … and 3 more"
    assert len(lines) == 12


def test_a_class_without_pictures(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "animals", 3)
    (folder / "newt").mkdir()
    assert f"{folder / 'newt'}: there are no pictures in it: put some in, or remove the folder" in refused(folder)


def test_pictures_without_folders_of_classes(tmp_path: Path) -> None:
    drawing("cat", np.random.default_rng(0)).save(tmp_path / "1.png")
    assert refused(tmp_path) == (
        f"{tmp_path} holds pictures, but no folders, and names such as 1.png hold no class. Put the pictures of each "
        "class into a folder of its name, or list names and labels in labels.csv."
    )


@pytest.mark.skipif(os.name == "nt", reason="needs named pipes")
def test_a_pipe_is_no_data_set(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert refused(tmp_path / "pipe").startswith(f"{tmp_path / 'pipe'} is not a regular file.")
    with pytest.raises(DataError, match="is not a regular file"):
        load_unlabelled(str(tmp_path / "pipe"))
