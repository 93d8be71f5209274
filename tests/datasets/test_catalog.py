"""The sets like MNIST that have names: found, fetched and verified as MNIST is, with small files in place of theirs."""

from __future__ import annotations

import gzip
import hashlib
import io
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import requests  # noqa: F401 - imported here so that no test's time includes it

from helpers.lying_server import LyingServer, refusing
from mnistry.datasets import catalog, loading, published
from mnistry.datasets.download import RemoteFile, Timeouts
from mnistry.datasets.published import Published
from mnistry.errors import DataError

LIKE_MNIST = [catalog.FASHION_MNIST, catalog.KMNIST, catalog.QMNIST, catalog.EMNIST_DIGITS]
SHORT = Timeouts(answer=0.5, connect=1.0, read=2.0)
X = np.random.default_rng(0).integers(0, 256, (50, 28, 28), np.uint8)
Y = (np.arange(50) % 10).astype(np.uint8)
TRAIN, TEST = slice(0, 30), slice(30, 50)


def idx_images(x: np.ndarray) -> bytes:
    return gzip.compress(struct.pack(">IIII", 2051, *x.shape) + np.ascontiguousarray(x).tobytes(), mtime=0)


def idx_labels(y: np.ndarray) -> bytes:
    return gzip.compress(struct.pack(">II", 2049, len(y)) + y.tobytes(), mtime=0)


def idx_rows(y: np.ndarray) -> bytes:
    rows = np.random.default_rng(1).integers(0, 100, (len(y), 8)).astype(">i4")
    rows[:, 0] = y
    return gzip.compress(struct.pack(">III", 0x0C02, *rows.shape) + rows.tobytes(), mtime=0)


def archive() -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as file:
        for split, part in (("train", TRAIN), ("test", TEST)):
            file.writestr(f"gzip/emnist-digits-{split}-images-idx3-ubyte.gz", idx_images(X[part].transpose(0, 2, 1)))
            file.writestr(f"gzip/emnist-digits-{split}-labels-idx1-ubyte.gz", idx_labels(Y[part]))
        file.writestr("gzip/emnist-letters-train-labels-idx1-ubyte.gz", b"of no concern")
    return sink.getvalue()


def content(name: str) -> bytes:
    if name == "gzip.zip":
        return archive()
    part = TRAIN if "train" in name else TEST
    make = idx_images if "images" in name else idx_rows if "idx2" in name else idx_labels
    return make(X[part] if "images" in name else Y[part])


def small(each: Published) -> tuple[Published, dict[str, bytes]]:
    """The set with small files of the same names and forms, and these files."""
    contents = {file.name: content(file.name) for file in each.files}
    files = tuple(RemoteFile(name, len(raw), hashlib.sha256(raw).hexdigest()) for name, raw in contents.items())
    return replace(each, files=files), contents


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MNISTRY_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "*")
    return tmp_path / "cache"


@pytest.fixture(params=LIKE_MNIST, ids=lambda each: each.name)
def named(request: pytest.FixtureRequest) -> tuple[Published, dict[str, bytes]]:
    return small(request.param)


@pytest.fixture
def server(named: tuple[Published, dict[str, bytes]], monkeypatch: pytest.MonkeyPatch) -> Iterator[LyingServer]:
    with LyingServer(named[1]) as server:
        monkeypatch.setenv("MNISTRY_MIRRORS", server.mirror("honest"))
        yield server


def load(each: Published, folder: Path | None = None) -> loading.Dataset:
    return published.load(each, folder, None, SHORT)


def write(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True)
    for name, raw in files.items():
        (folder / name).write_bytes(raw)
    return folder


def check(loaded: loading.Dataset, each: Published) -> None:
    """It holds the small set."""
    np.testing.assert_array_equal(loaded.x_train, X[TRAIN])
    np.testing.assert_array_equal(loaded.y_train, Y[TRAIN])
    np.testing.assert_array_equal(loaded.x_test, X[TEST])
    np.testing.assert_array_equal(loaded.y_test, Y[TEST])
    assert {array.dtype for array in (loaded.x_train, loaded.y_train)} == {np.dtype(np.uint8)}
    assert not loaded.x_train.flags.writeable
    assert (loaded.name, loaded.title, loaded.class_names) == (each.name, each.title, each.class_names)
    assert (loaded.licence, loaded.about) == (each.licence, each.about)
    assert loaded.digests == {file.name: file.sha256 for file in each.files}


def test_it_is_fetched_verified_and_kept(
    named: tuple[Published, dict[str, bytes]], server: LyingServer, cache: Path
) -> None:
    each, contents = named
    check(load(each), each)
    assert sorted(server.fetched()) == sorted(contents)
    assert {path.name for path in (cache / each.name).iterdir()} == {".lock", *contents}
    check(load(each), each)
    assert len(server.fetched()) == len(contents)  # from the cache


@pytest.mark.parametrize("manner", ["wrong", "truncated", "web_page", "missing", "too_much"])
def test_a_mirror_that_lies_is_not_believed(
    manner: str, named: tuple[Published, dict[str, bytes]], server: LyingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    each, _ = named
    monkeypatch.setenv("MNISTRY_MIRRORS", server.mirror(manner))
    with pytest.raises(DataError, match=rf"^{each.title} was not found\. Tried, in this order:"):
        load(each)
    monkeypatch.setenv("MNISTRY_MIRRORS", f"{server.mirror(manner)} {server.mirror('honest')}")
    check(load(each), each)


def test_it_is_found_in_a_folder_of_its_name(
    named: tuple[Published, dict[str, bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    each, contents = named
    folder = write(tmp_path / "data" / each.name, contents)
    with refusing() as address:
        monkeypatch.setenv("MNISTRY_MIRRORS", address)
        loaded = load(each, tmp_path / "data")
        check(loaded, each)
        assert loaded.source == str(folder)
        with pytest.raises(DataError) as caught:
            load(each, folder)
    lines = str(caught.value).splitlines()
    assert lines[1] == f"  {folder / each.name}: holds none of {each.title}'s {each.its_files}"
    assert lines[-1].endswith(f"into a folder named {each.name}, and name the folder above it with --data-dir.")


def test_a_changed_byte_is_seen(
    named: tuple[Published, dict[str, bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    each, contents = named
    name = each.files[0].name
    changed = bytes([*contents[name][:-1], contents[name][-1] ^ 1]) if name.endswith(".zip") else content(name)[::-1]
    folder = write(tmp_path / "data" / each.name, contents | {name: changed})
    with refusing() as address:
        monkeypatch.setenv("MNISTRY_MIRRORS", address)
        with pytest.raises(published.DamagedFolderError, match=rf"{folder / name} is not {each.title}'s {name}"):
            load(each, tmp_path / "data")


def test_the_names_load_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert [each.name for each in catalog.ALL] == ["mnist", "fashion-mnist", "kmnist", "qmnist", "emnist-digits"]
    assert set(loading.LOADERS) == {each.name for each in catalog.ALL} | {"digits"}
    with refusing() as address:
        monkeypatch.setenv("MNISTRY_MIRRORS", address)
        with pytest.raises(DataError, match=r"^Kuzushiji-MNIST was not found"):
            loading.load("kmnist", data_dir=tmp_path, timeouts=SHORT)


@pytest.mark.parametrize("each", catalog.ALL, ids=lambda each: each.name)
def test_what_is_known_of_them_is_whole(each: Published) -> None:
    assert all(len(file.sha256) == 64 and int(file.sha256, 16) and file.size > 4_000 for file in each.files)
    assert each.files[0] == min(each.files, key=lambda file: file.size)
    assert all(mirror.startswith("http") and mirror.endswith("/") for mirror in each.mirrors)
    assert len(set(each.class_names)) == 10
