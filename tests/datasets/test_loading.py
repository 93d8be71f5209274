from __future__ import annotations

import gzip
import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import requests  # noqa: F401 - imported here so that no test's time includes it
from sklearn.datasets import load_digits

from helpers.lying_server import LyingServer, refusing
from mnistry.datasets import dataset, loading
from mnistry.datasets.catalog import MNIST, TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS
from mnistry.datasets.download import Timeouts
from mnistry.errors import DataError, UsageError

# Of scikit-learn's digits in MNIST's form.
DIGITS_SHA256 = {
    "x_train": "fbeb64bd67013887c0409a6e0662b50d90a337281da7bce4b92bcde3a6261f44",
    "y_train": "33fe81a53fa12d9cd119c74adab9b6b08a7d070ee62e736390c5cf89f00886b1",
    "x_test": "266005e53d051b30e8a9545f791749c37b5a9d1b8c04ca18bc752920119fad53",
    "y_test": "70ee2850bb25b543ca4112717fd4396c3fb90bcb54d8015bd3f9c7c900966072",
}
TRAIN_COUNTS = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
TEST_COUNTS = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
NAMES = sorted(file.name for file in MNIST.files)
ARRAYS = ("x_train", "y_train", "x_test", "y_test")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache folder of MNIST: one of each test's own, not made yet."""
    monkeypatch.setenv("MNISTRY_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "*")
    return tmp_path / "cache" / "mnist"


@pytest.fixture(scope="module")
def files(mnist_folder: Path) -> dict[str, bytes]:
    """The bytes of MNIST's four files."""
    return {name: (mnist_folder / name).read_bytes() for name in NAMES}


@pytest.fixture
def server(files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> Iterator[LyingServer]:
    """The only mirror: a server with the real files."""
    with LyingServer(files) as server:
        monkeypatch.setenv("MNISTRY_MIRRORS", server.mirror("honest"))
        yield server


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The only mirror: one that refuses."""
    with refusing() as address:
        monkeypatch.setenv("MNISTRY_MIRRORS", address)
        yield address


def write(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def same_arrays(a: loading.Dataset, b: loading.Dataset) -> bool:
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in ARRAYS)


# The embedded digits


def all_digits(digits: loading.Dataset) -> np.ndarray:
    return np.concatenate([digits.x_train, digits.x_test])


def test_the_digits_shapes(digits: loading.Dataset) -> None:
    assert (digits.x_train.shape, digits.y_train.shape) == ((1437, 28, 28), (1437,))
    assert (digits.x_test.shape, digits.y_test.shape) == ((360, 28, 28), (360,))
    assert {str(getattr(digits, name).dtype) for name in ARRAYS} == {"uint8"}


@pytest.mark.parametrize("name", ARRAYS)
def test_the_digits_are_read_only(digits: loading.Dataset, name: str) -> None:
    with pytest.raises(ValueError, match="read-only"):
        getattr(digits, name)[0] = 0


@pytest.mark.parametrize("name", ARRAYS)
def test_the_digits_are_these_bytes(digits: loading.Dataset, name: str) -> None:
    assert hashlib.sha256(getattr(digits, name).tobytes()).hexdigest() == DIGITS_SHA256[name]
    assert digits.digests[name] == DIGITS_SHA256[name]


def test_the_digits_are_split_by_class(digits: loading.Dataset) -> None:
    train, test = np.bincount(digits.y_train), np.bincount(digits.y_test)
    np.testing.assert_array_equal(train + test, np.bincount(load_digits().target))
    shares = test / (train + test)
    assert len(shares) == 10
    assert 0.19 <= shares.min() <= shares.max() <= 0.21


def test_the_digits_fill_a_box_of_twenty_pixels(digits: loading.Dataset) -> None:
    images = all_digits(digits)
    inked = (images.any(axis=1), images.any(axis=2))  # (n, 28): which columns, which rows have ink
    sides = [28 - some.argmax(axis=1) - some[:, ::-1].argmax(axis=1) for some in inked]
    assert set(np.max(sides, axis=0).tolist()) == {20}
    assert set(images.max(axis=(1, 2)).tolist()) == {255}


def test_the_digits_are_centred(digits: loading.Dataset) -> None:
    images = all_digits(digits).astype(np.float64)
    mass = images.sum(axis=(1, 2))
    for axis in (1, 2):
        centres = images.sum(axis=axis) @ np.arange(28) / mass
        inked = images.any(axis=axis)
        at_the_border = inked[:, 0] | inked[:, -1]
        assert (at_the_border | (np.abs(centres - 13.5) <= 1)).all()
        assert at_the_border.mean() < 0.01


def test_no_image_of_the_digits_is_in_both_splits(digits: loading.Dataset) -> None:
    source = {image.tobytes() for image in load_digits().images}
    train, test = ({image.tobytes() for image in x} for x in (digits.x_train, digits.x_test))
    assert len(train) + len(test) == len(source) == 1797
    assert not train & test


def test_the_digits_have_their_own_labels(digits: loading.Dataset) -> None:
    """The nearest mean image tells most digits; with labels mixed up it would tell a tenth."""
    means = np.stack([digits.x_train[digits.y_train == label].mean(axis=0) for label in range(10)])
    distances = ((digits.x_test[:, None].astype(np.float64) - means) ** 2).sum(axis=(2, 3))
    assert (distances.argmin(axis=1) == digits.y_test).mean() > 0.85


def test_the_digits_are_the_same_each_time(digits: loading.Dataset) -> None:
    np.random.seed(3)  # the global state, of which the split must not depend
    again = loading.load("digits")
    assert same_arrays(digits, again)
    assert again.digests == digits.digests


def test_the_digits_say_where_they_come_from(digits: loading.Dataset) -> None:
    assert digits.name == "digits"
    assert digits.source == "embedded, enlarged from 8×8"
    assert "CC BY 4.0" in digits.licence
    assert digits.fallback is None
    assert digits.remarks == ()


# All data sets


def test_statistics_are_those_of_numpy(digits: loading.Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "STATISTICS_CHUNK", 100)  # many parts, the last one short
    statistics = digits.statistics()
    assert list(statistics) == ["train", "test"]
    for split, x, y in (("train", digits.x_train, digits.y_train), ("test", digits.x_test, digits.y_test)):
        assert statistics[split]["images"] == {"shape": list(x.shape), "dtype": "uint8"}
        assert statistics[split]["labels"] == {"shape": list(y.shape), "dtype": "uint8"}
        assert statistics[split]["counts"] == [int((y == label).sum()) for label in range(10)]
        assert statistics[split]["mean"] == pytest.approx(x.mean(), rel=1e-12)
        assert statistics[split]["std"] == pytest.approx(x.std(), rel=1e-9)


def test_statistics_count_classes_that_do_not_occur(digits: loading.Dataset) -> None:
    few = replace(digits, x_test=digits.x_test[:1], y_test=np.array([3], np.uint8))
    assert few.statistics()["test"]["counts"] == [0, 0, 0, 1, 0, 0, 0, 0, 0, 0]


def test_as_json_survives_json(digits: loading.Dataset) -> None:
    told = json.loads(json.dumps(digits.as_json()))
    assert told == digits.as_json()
    assert told["name"] == "digits"
    assert told["digests"] == DIGITS_SHA256
    assert told["class_names"] == list("0123456789")
    assert told["train"]["images"]["shape"] == [1437, 28, 28]
    assert told["test"]["counts"] == np.bincount(digits.y_test).tolist()


def test_labels_are_the_names_of_classes(digits: loading.Dataset) -> None:
    named = replace(digits, class_names=("nought", "one", "two"))
    assert named.labels(np.array([2, 0, 0], np.uint8)) == ["two", "nought", "nought"]


@pytest.mark.parametrize(("index", "checked"), [(None, 1000), (0, 0), (1436, 1436)])
def test_an_index_of_a_training_image(digits: loading.Dataset, index: int | None, checked: int) -> None:
    assert digits.check_index(index) == checked


@pytest.mark.parametrize("index", [-1, 1437, 10**9])
def test_an_index_of_no_training_image(digits: loading.Dataset, index: int) -> None:
    sentence = f"must be from 0 to 1436, as the UCI digits has 1,437 training images; received {index}"
    with pytest.raises(UsageError, match=sentence):
        digits.check_index(index)


# Names and paths


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("mnits", "Did you mean mnist?"),
        ("digit", "Did you mean digits?"),
        ("cats", "Known are: digits, emnist-digits, fashion-mnist, kmnist, mnist, qmnist."),
    ],
)
def test_an_unknown_name(name: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        loading.load(name)
    assert str(caught.value) == f"There is no data set named {name!r}, nor a file or folder. {hint}"


@pytest.mark.parametrize("name", [None, "mnist"])
@pytest.mark.parametrize("source", ["--data-dir", "MNISTRY_DATA_DIR"])
@pytest.mark.parametrize(
    ("place", "problem"),
    [
        ("missing", "does not exist"),
        ("file", "is a file, not a folder"),
        ("file/below", "does not exist"),
        ("x" * 300, "does not exist"),
    ],
    ids=["missing", "file", "below a file", "too long"],
)
def test_a_data_dir_that_is_no_folder(
    name: str | None, source: str, place: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / place
    if source == "MNISTRY_DATA_DIR":
        monkeypatch.setenv("MNISTRY_DATA_DIR", str(folder))
    with pytest.raises(UsageError) as caught:
        loading.load(name, data_dir=folder if source == "--data-dir" else None)
    assert str(caught.value).startswith(f"{folder} (from {source}) {problem}.")


def test_a_data_dir_in_the_home_of_nobody() -> None:
    with pytest.raises(UsageError, match=r"~nobody-of-this-name/mnist .from --data-dir. does not exist"):
        loading.load("mnist", data_dir="~nobody-of-this-name/mnist")


# MNIST, from a folder


def test_mnist_shapes(mnist: loading.Dataset) -> None:
    assert (mnist.x_train.shape, mnist.y_train.shape) == ((60_000, 28, 28), (60_000,))
    assert (mnist.x_test.shape, mnist.y_test.shape) == ((10_000, 28, 28), (10_000,))
    assert {str(getattr(mnist, name).dtype) for name in ARRAYS} == {"uint8"}


@pytest.mark.parametrize("name", ARRAYS)
def test_mnist_is_read_only(mnist: loading.Dataset, name: str) -> None:
    with pytest.raises(ValueError, match="read-only"):
        getattr(mnist, name)[0] = 0


def test_mnist_is_what_the_lesson_saw(mnist: loading.Dataset) -> None:
    assert " ".join(mnist.labels(mnist.y_train[1990:2010])) == "6 5 4 5 3 0 5 5 2 0 5 8 8 4 2 6 9 7 1 0"
    assert mnist.x_train[2000, 10].tolist() == [0] * 9 + [92, 255, 254, 254, 119] + [0] * 14
    assert mnist.check_index(None) == 2000


def test_mnist_statistics(mnist: loading.Dataset) -> None:
    statistics = mnist.statistics()
    assert statistics["train"]["counts"] == TRAIN_COUNTS
    assert statistics["test"]["counts"] == TEST_COUNTS
    assert statistics["train"]["mean"] == pytest.approx(33.3184, abs=5e-5)
    assert statistics["train"]["std"] == pytest.approx(78.5675, abs=5e-5)
    assert statistics["test"]["mean"] == pytest.approx(mnist.x_test.mean(), rel=1e-12)
    assert statistics["test"]["std"] == pytest.approx(mnist.x_test.std(), rel=1e-9)


def test_mnist_says_where_it_comes_from(mnist: loading.Dataset, files: dict[str, bytes]) -> None:
    assert mnist.digests == {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    assert "CC BY-SA 3.0" in mnist.licence
    assert (mnist.name, mnist.fallback, mnist.remarks) == ("mnist", None, ())


@pytest.mark.parametrize(
    "rename",
    [lambda name: name, lambda name: name.replace("-idx", ".idx")],
    ids=["train-images-idx3-ubyte", "train-images.idx3-ubyte"],
)
def test_unpacked_files_are_accepted(
    rename: object, files: dict[str, bytes], mnist: loading.Dataset, nowhere: str, tmp_path: Path
) -> None:
    unpacked = {rename(name.removesuffix(".gz")): gzip.decompress(content) for name, content in files.items()}
    loaded = loading.load("mnist", data_dir=write(tmp_path / "data", unpacked))
    assert same_arrays(loaded, mnist)
    assert loaded.digests == mnist.digests


def test_files_packed_anew_are_accepted(
    files: dict[str, bytes], mnist: loading.Dataset, nowhere: str, tmp_path: Path
) -> None:
    anew = {name: gzip.compress(gzip.decompress(content), 1) for name, content in files.items()}
    assert all(anew[name] != files[name] for name in NAMES)
    assert same_arrays(loading.load("mnist", data_dir=write(tmp_path / "data", anew)), mnist)


@pytest.mark.parametrize("name", [None, "mnist"])
def test_the_environment_names_the_folder(
    name: str | None, mnist_folder: Path, mnist: loading.Dataset, nowhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNISTRY_DATA_DIR", str(mnist_folder))
    loaded = loading.load(name)
    assert same_arrays(loaded, mnist)
    assert (loaded.name, loaded.source, loaded.fallback) == ("mnist", mnist.source, None)


def test_the_argument_counts_more_than_the_environment(
    mnist_folder: Path, nowhere: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNISTRY_DATA_DIR", str(tmp_path / "missing"))
    assert loading.load(data_dir=mnist_folder).name == "mnist"


def flipped(content: bytes) -> bytes:
    """As long as before, with one byte changed."""
    return content[:2000] + bytes([content[2000] ^ 255]) + content[2001:]


def repacked(content: bytes) -> bytes:
    """A sound gzip with one value changed; a label stays a label."""
    return gzip.compress(gzip.decompress(content)[:-1] + b"\x03", 1)


DAMAGES = {
    "truncated": (
        TEST_IMAGES,
        lambda content: content[:-1000],
        "t10k-images-idx3-ubyte.gz is cut short: its gzip stream",
    ),
    "changed byte": (TRAIN_LABELS, flipped, "train-labels-idx1-ubyte.gz is damaged: it cannot be unpacked"),
    "changed pixel": (TEST_IMAGES, repacked, r"t10k-images-idx3-ubyte.gz is not MNIST's .* another SHA-256"),
    "changed label": (TEST_LABELS, repacked, r"t10k-labels-idx1-ubyte.gz is not MNIST's .* another SHA-256"),
    "web page": (TRAIN_LABELS, lambda _: b"<html>Sign in</html>", "train-labels-idx1-ubyte.gz is not an .*web page"),
    "empty": (TEST_LABELS, lambda _: b"", "t10k-labels-idx1-ubyte.gz is not an IDX file: it begins with nothing"),
    "missing": (TEST_LABELS, None, "MNIST is incomplete there, t10k-labels-idx1-ubyte.gz missing"),
}


def damaged(files: dict[str, bytes], damage: str) -> dict[str, bytes]:
    file, change, _ = DAMAGES[damage]
    kept = {name: content for name, content in files.items() if name != file.name}
    return kept if change is None else kept | {file.name: change(files[file.name])}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_folder_says_what_is_wrong(
    damage: str, files: dict[str, bytes], nowhere: str, tmp_path: Path
) -> None:
    folder = write(tmp_path / "data", damaged(files, damage))
    with pytest.raises(DataError, match=DAMAGES[damage][2]) as caught:
        loading.load("mnist", data_dir=folder)
    assert str(folder) in str(caught.value)
    assert f"{nowhere}: it refused the connection" in str(caught.value)


def test_a_damaged_unpacked_file_says_what_is_wrong(files: dict[str, bytes], nowhere: str, tmp_path: Path) -> None:
    unpacked = {name.removesuffix(".gz"): gzip.decompress(content) for name, content in files.items()}
    unpacked["train-images-idx3-ubyte"] = unpacked["train-images-idx3-ubyte"][:-784]
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte is cut short: .*47,040,000 .*received 47,039,216"):
        loading.load("mnist", data_dir=write(tmp_path / "data", unpacked))


def test_train_and_test_swapped_are_not_mnist(files: dict[str, bytes], nowhere: str, tmp_path: Path) -> None:
    pairs = [(TRAIN_IMAGES, TEST_IMAGES), (TRAIN_LABELS, TEST_LABELS)]
    swapped = {a.name: files[b.name] for pair in pairs for a, b in (pair, pair[::-1])}
    with pytest.raises(DataError, match=r"is not MNIST's t10k-labels-idx1-ubyte.gz"):
        loading.load("mnist", data_dir=write(tmp_path / "data", swapped))


def test_a_folder_in_a_files_place_says_so(files: dict[str, bytes], nowhere: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "data", damaged(files, "missing"))
    (folder / TEST_LABELS.name).mkdir()
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte.gz is a folder, not a data file\."):
        loading.load("mnist", data_dir=folder)


# MNIST missing


def test_a_damaged_folder_is_no_reason_for_other_digits(nowhere: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "data", {TEST_LABELS.name: b"torn"})
    with pytest.raises(DataError, match=r"MNIST is incomplete there, train-labels-idx1-ubyte.gz and .* missing"):
        loading.load(data_dir=folder)


def test_without_mnist_the_digits_stand_in_and_say_why(
    digits: loading.Dataset, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    with refusing() as first, LyingServer({TEST_LABELS.name: b""}) as server:
        monkeypatch.setenv("MNISTRY_MIRRORS", f"{first} {server.mirror('missing')}")
        loaded = loading.load(data_dir=tmp_path / "empty")
    assert same_arrays(loaded, digits)
    assert loaded.fallback is not None
    assert loaded.fallback.splitlines() == [
        "MNIST was not found. Tried, in this order:",
        f"  {tmp_path / 'empty'}: holds none of MNIST's four files",
        f"  {cache}: nothing cached yet",
        f"  {first}: it refused the connection",
        f"  {server.mirror('missing')}: HTTP status 404",
        "Put its four .gz files into a folder and name that with --data-dir.",
    ]


def test_with_no_folder_given_the_fallback_says_so(nowhere: str) -> None:
    assert "  --data-dir or MNISTRY_DATA_DIR: not given\n" in str(loading.load().fallback)


def test_by_name_mnist_is_an_error_where_it_is_nowhere(nowhere: str, cache: Path) -> None:
    with pytest.raises(DataError, match=r"^MNIST was not found. Tried, in this order:\n") as caught:
        loading.load("mnist")
    assert f"  {nowhere}: it refused the connection" in str(caught.value)
    assert not cache.exists()


def test_the_fallback_does_not_tell_the_users_name(
    nowhere: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes into a report that is passed on: the home folder is ~ there."""
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path))
    (tmp_path / "data").mkdir()
    fallback = str(loading.load(data_dir=tmp_path / "data").fallback)
    assert "  ~/data: holds none of MNIST's four files" in fallback
    assert str(tmp_path) not in fallback


def test_a_silent_mirror_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with LyingServer({TEST_LABELS.name: b""}) as server:
        monkeypatch.setenv("MNISTRY_MIRRORS", server.mirror("silent"))
        begin = time.monotonic()
        with pytest.raises(DataError, match=r"/silent/: no answer within 0\.5 s"):
            loading.load("mnist", timeouts=Timeouts(answer=0.5, connect=100.0, read=100.0))
        assert time.monotonic() - begin < 60


# MNIST, from a mirror and from the cache


def test_a_mirror_fills_the_cache_once(
    server: LyingServer, cache: Path, mnist: loading.Dataset, files: dict[str, bytes]
) -> None:
    seen: dict[str, tuple[int, int]] = {}
    first = loading.load(progress=lambda name, received, size: seen.update({name: (received, size)}))
    assert same_arrays(first, mnist)
    assert (first.source, first.fallback, first.remarks) == (str(cache), None, ())
    assert seen == {name: (len(content),) * 2 for name, content in files.items()}
    assert {path.name: path.read_bytes() for path in cache.glob("*.gz")} == files
    assert sorted(server.fetched()) == NAMES
    server.asked.clear()
    assert same_arrays(loading.load(), mnist)
    assert server.asked == []


def test_mirrors_are_separated_by_blanks_and_need_no_slash(
    server: LyingServer, mnist: loading.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirrors = [server.mirror(manner).rstrip("/") for manner in ("missing", "honest")]
    monkeypatch.setenv("MNISTRY_MIRRORS", "  ".join(mirrors))
    assert same_arrays(loading.load("mnist"), mnist)


def test_a_mirror_with_wrong_bytes_is_passed_over(
    server: LyingServer, mnist: loading.Dataset, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNISTRY_MIRRORS", f"{server.mirror('wrong')} {server.mirror('late')}")
    assert same_arrays(loading.load("mnist"), mnist)
    assert [manner for method, manner, _ in server.asked if method == "GET"] == ["wrong", "late"] * 4
    assert sorted(path.name for path in cache.iterdir()) == [".lock", *NAMES]


def test_a_cache_that_cannot_be_is_an_error(
    server: LyingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("MNISTRY_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte.gz cannot be stored in .*mnist: Not a directory"):
        loading.load("mnist")
    assert "cannot be stored" in str(loading.load().fallback)


@pytest.mark.parametrize("damage", ["truncated", "changed byte", "changed label", "missing"])
def test_only_the_damaged_file_of_the_cache_is_fetched_again(
    damage: str, server: LyingServer, cache: Path, mnist: loading.Dataset, files: dict[str, bytes]
) -> None:
    write(cache, damaged(files, damage))
    loaded = loading.load("mnist")
    assert same_arrays(loaded, mnist)
    assert server.fetched() == [DAMAGES[damage][0].name]
    assert (cache / DAMAGES[damage][0].name).read_bytes() == files[DAMAGES[damage][0].name]
    if damage == "missing":  # as after an interrupted download: nothing that a user should know
        assert loaded.remarks == ()
    else:
        (remark,) = loaded.remarks
        assert remark.endswith(" It was fetched again into the cache.")
        assert DAMAGES[damage][0].name in remark
    assert loading.load("mnist").remarks == ()


def test_a_damaged_cache_is_an_error_by_name_once_the_mirrors_are_gone(
    nowhere: str, cache: Path, files: dict[str, bytes]
) -> None:
    write(cache, damaged(files, "truncated"))
    with pytest.raises(DataError, match=DAMAGES["truncated"][2]) as caught:
        loading.load("mnist")
    assert f"{nowhere}: it refused the connection" in str(caught.value)
    assert "nothing cached yet" not in str(caught.value)


def test_a_damaged_cache_is_told_of_where_the_digits_stand_in(
    nowhere: str, cache: Path, files: dict[str, bytes]
) -> None:
    write(cache, damaged(files, "changed byte"))
    loaded = loading.load()
    assert loaded.name == "digits"
    assert "train-labels-idx1-ubyte.gz is damaged" in str(loaded.fallback)


@pytest.mark.parametrize("name", [None, "mnist"])
def test_a_damaged_folder_is_passed_over_where_a_mirror_is_good(
    name: str | None, server: LyingServer, cache: Path, mnist: loading.Dataset, files: dict[str, bytes], tmp_path: Path
) -> None:
    folder = write(tmp_path / "data", damaged(files, "truncated"))
    loaded = loading.load(name, data_dir=folder)
    assert same_arrays(loaded, mnist)
    assert (loaded.source, loaded.fallback) == (str(cache), None)
    (remark,) = loaded.remarks
    assert str(folder) in remark
    assert "is cut short" in remark
    assert remark.endswith("That folder was passed over.")
    assert sorted(path.name for path in folder.iterdir()) == NAMES  # and it is left alone
    assert (folder / TEST_IMAGES.name).read_bytes() == files[TEST_IMAGES.name][:-1000]


def test_a_damaged_folder_is_passed_over_where_the_cache_is_good(
    nowhere: str, cache: Path, mnist: loading.Dataset, files: dict[str, bytes], tmp_path: Path
) -> None:
    write(cache, files)
    loaded = loading.load(data_dir=write(tmp_path / "data", damaged(files, "missing")))
    assert same_arrays(loaded, mnist)
    assert len(loaded.remarks) == 1
    assert "t10k-labels-idx1-ubyte.gz missing. That folder was passed over." in loaded.remarks[0]


def test_a_damaged_folder_and_a_damaged_cache_are_both_told_of(
    server: LyingServer, cache: Path, files: dict[str, bytes], tmp_path: Path
) -> None:
    write(cache, damaged(files, "empty"))
    loaded = loading.load(data_dir=write(tmp_path / "data", damaged(files, "changed byte")))
    assert [remark.split(". ")[-1] for remark in loaded.remarks] == [
        "That folder was passed over.",
        "It was fetched again into the cache.",
    ]


def test_an_empty_folder_is_passed_over_without_a_word(
    nowhere: str, cache: Path, mnist: loading.Dataset, files: dict[str, bytes], tmp_path: Path
) -> None:
    write(cache, files)
    (tmp_path / "empty").mkdir()
    loaded = loading.load(data_dir=tmp_path / "empty")
    assert same_arrays(loaded, mnist)
    assert loaded.remarks == ()


def test_what_is_at_hand_is_what_would_be_loaded(mnist_folder: Path, mnist: loading.Dataset, nowhere: str) -> None:
    found = loading.load_at_hand(None, data_dir=mnist_folder)
    assert found is not None
    assert same_arrays(found, mnist)
    assert (found.source, found.digests, found.remarks) == (mnist.source, mnist.digests, ())


@pytest.mark.parametrize("folder", ["damaged", "empty", "missing", None])
def test_what_has_to_be_told_of_is_not_at_hand(
    folder: str | None, cache: Path, files: dict[str, bytes], nowhere: str, tmp_path: Path
) -> None:
    write(cache, files if folder is not None else damaged(files, "missing"))
    write(tmp_path / "damaged", damaged(files, "changed byte"))
    (tmp_path / "empty").mkdir()
    assert loading.load_at_hand("mnist", data_dir=None if folder is None else tmp_path / folder) is None


@pytest.mark.parametrize("name", ["digits", "no-such-set", ""])
def test_only_published_sets_are_at_hand(name: str, mnist_folder: Path) -> None:
    assert loading.load_at_hand(name, data_dir=mnist_folder) is None


def test_the_cache_is_at_hand_where_no_folder_is_named(
    cache: Path, files: dict[str, bytes], mnist: loading.Dataset, nowhere: str
) -> None:
    write(cache, files)
    found = loading.load_at_hand("mnist")
    assert found is not None
    assert same_arrays(found, mnist)
