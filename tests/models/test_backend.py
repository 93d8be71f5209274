"""Keras and JAX as mnistry sets them up, each case in a process of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mnistry.models import compilation_cache

COMPILE = """
import warnings
warnings.simplefilter("error")
from mnistry.models.backend import jax
print(float(jax.jit(lambda x: (x * 3 + 1).sum())(jax.numpy.arange(10.0))), jax.config.jax_compilation_cache_dir)
"""


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environment}, check=False
    )


def compiled(cache: Path) -> str:
    done = python(COMPILE, MNISTRY_CACHE_DIR=str(cache))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.split()[0]


def entries(cache: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (cache / "compiled").glob(compilation_cache.ENTRIES)}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A cache that one process has filled, and a copy of it."""
    folder = tmp_path_factory.mktemp("cache")
    assert compiled(folder) == "145.0"
    return folder, Path(shutil.copytree(folder, tmp_path_factory.mktemp("copy") / "cache"))


@pytest.fixture
def filled(kept: tuple[Path, Path]) -> Path:
    """The cache as one process has filled it; at its own place, as JAX's keys depend on that."""
    shutil.rmtree(kept[0])
    return Path(shutil.copytree(kept[1], kept[0]))


def test_programs_are_kept_and_used_again(filled: Path) -> None:
    first = entries(filled)
    assert first
    times = {name: (filled / "compiled" / name).stat().st_mtime_ns for name in first}
    assert compiled(filled) == "145.0"
    assert {name: (filled / "compiled" / name).stat().st_mtime_ns for name in entries(filled)} == times


@pytest.mark.parametrize("damage", ["truncated", "emptied", "flipped", "replaced by text"])
def test_damaged_entries_are_mended_without_a_word(damage: str, filled: Path) -> None:
    whole = entries(filled)
    for name, payload in whole.items():
        middle = len(payload) // 2
        spoilt = {
            "truncated": payload[:middle],
            "emptied": b"",
            "flipped": payload[:middle] + bytes([payload[middle] ^ 0x10]) + payload[middle + 1 :],
            "replaced by text": b"xxxx no longer a program",
        }[damage]
        (filled / "compiled" / name).write_bytes(spoilt)
    assert compiled(filled) == "145.0"
    assert entries(filled).keys() == whole.keys()
    assert list(compilation_cache._find_damaged(filled / "compiled")) == []


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = python(COMPILE, MNISTRY_CACHE_DIR=str(tmp_path / "file"))
    assert done.stdout.split() == ["145.0", "None"]
    assert done.stderr == ""


def test_a_cache_that_the_user_chose_is_left_alone(tmp_path: Path) -> None:
    done = python(COMPILE, JAX_COMPILATION_CACHE_DIR=str(tmp_path / "mine"), MNISTRY_CACHE_DIR=str(tmp_path / "ours"))
    assert done.stdout.split() == ["145.0", str(tmp_path / "mine")]
    assert not (tmp_path / "ours").exists()


def test_the_oldest_entries_go_when_there_are_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for age in range(5):
        path = tmp_path / f"program{age}-cache"
        path.write_bytes(compilation_cache.ZSTANDARD_MAGIC.ljust(100))
        os.utime(path, (1e9 - age, 1e9 - age))
    monkeypatch.setattr(compilation_cache, "MAX_BYTES", 250)
    assert compilation_cache.prepare(tmp_path)
    assert sorted(path.name for path in tmp_path.glob("*-cache")) == ["program0-cache", "program1-cache"]


def test_entries_known_to_be_whole_are_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = tmp_path / "old-cache", tmp_path / "new-cache"
    old.write_bytes(compilation_cache.ZSTANDARD_MAGIC)
    os.utime(old, (1e9, 1e9))
    assert compilation_cache.prepare(tmp_path)
    new.write_bytes(compilation_cache.ZSTANDARD_MAGIC)
    read: list[str] = []
    read_bytes = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: (read.append(path.name), read_bytes(path))[1])
    assert compilation_cache.prepare(tmp_path)
    assert read == ["new-cache"]


def test_another_backend_in_the_environment_gives_way() -> None:
    done = python("import mnistry.models.backend, keras; print(keras.backend.backend())", KERAS_BACKEND="torch")
    assert done.stdout == "jax\n"


def test_keras_loaded_on_another_backend_is_an_error() -> None:
    done = python("import keras\nimport mnistry.models.backend", KERAS_BACKEND="numpy")
    assert done.returncode == 1
    assert (
        "Keras is loaded on 'numpy' already: import mnistry before keras, with KERAS_BACKEND unset or jax."
        in done.stderr
    )


@pytest.mark.parametrize(("chosen", "backend"), [(None, "jax"), ("numpy", "numpy")])
def test_keras_imported_after_mnistry_is_on_jax_unless_the_user_chose(chosen, backend, tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    environment |= {"KERAS_HOME": str(tmp_path)} | ({"KERAS_BACKEND": chosen} if chosen else {})
    program = "import mnistry, keras; print(keras.backend.backend())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.strip() == backend


WEIGHTS = """
import hashlib
{first}
from mnistry.training import recipes
from mnistry.training.config import ResolvedConfig
from mnistry.models.backend import keras
config = ResolvedConfig(recipe="strong", dataset="d", epochs=1, batch_size=8, learning_rate=0.1, validation=0.0)
model = recipes.build(config, classes=10, images=80)
print(hashlib.sha256(b"".join(part.tobytes() for part in model.get_weights())).hexdigest(), keras.config.epsilon())
"""


def test_the_users_keras_settings_change_no_weights(tmp_path: Path) -> None:
    odd = '{"floatx": "float16", "epsilon": 0.01, "image_data_format": "channels_first", "backend": "tensorflow"}'
    (tmp_path / "keras.json").write_text(odd)
    usual, changed = python(WEIGHTS.format(first="")), python(WEIGHTS.format(first=""), KERAS_HOME=str(tmp_path))
    assert (usual.returncode, changed.returncode) == (0, 0), changed.stderr
    assert usual.stdout == changed.stdout
    assert usual.stdout.split()[1] == "1e-07"
    refused = python(WEIGHTS.format(first="import keras"), KERAS_HOME=str(tmp_path), KERAS_BACKEND="jax")
    assert (
        "The recipes need Keras's floatx to be float32; it is float16, from this program or ~/.keras/keras.json."
        in (refused.stderr)
    )
