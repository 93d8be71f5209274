"""The wheel, installed as `pip install .` does it: reading works, and everything else says what it needs."""

from __future__ import annotations

import re
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

from helpers import installed
from helpers.installed import Installed
from mnistry import errors

ROOT = Path(__file__).parent.parent
SAMPLE = ROOT / "examples" / "375.jpg"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed.wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def reading_only(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return installed.install(wheel, tmp_path_factory.mktemp("reading") / "env")


def test_the_wheel_holds_every_module_and_file_of_the_package(wheel):
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.startswith("mnistry/")}
    tree = {
        path.relative_to(ROOT / "src").as_posix() for path in (ROOT / "src" / "mnistry").rglob("*") if path.is_file()
    }
    assert packed == {name for name in tree if "__pycache__" not in name and not name.endswith(".po")}


def test_the_wheels_facts(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        facts = message_from_bytes(archive.read(name))
    assert facts["Requires-Python"] == ">=3.11"
    assert set(facts.get_all("Provides-Extra")) >= {"train", "serve", "ray", "all"}
    assert facts.get_all("Project-URL") is None
    page = facts.get_payload()
    assert "mnistry read" in page
    assert not re.search(r"\]\((?!#)|<img|<a ", page), "the package's page is alone: no link or picture leads anywhere"


def test_only_what_reading_needs_is_installed(reading_only):
    training = {"jax", "jaxlib", "keras", "matplotlib", "onnx", "scipy", "scikit-learn", "ray", "pyarrow", "fastapi"}
    assert not training & set(reading_only.libraries)
    assert {"numpy", "onnxruntime", "pillow", "typer"} <= set(reading_only.libraries)


def test_a_picture_is_read_in_python_and_from_the_command_line(reading_only):
    program = f"import mnistry; print(mnistry.__file__); print(mnistry.read({str(SAMPLE)!r}).text)"
    done = reading_only.run("python", "-c", program)
    assert done.stderr == ""
    place, text = done.stdout.splitlines()
    assert Path(place).is_relative_to(reading_only.folder)
    assert text == "375"
    done = reading_only.run("mnistry", "read", SAMPLE)
    assert (done.returncode, done.stdout, done.stderr) == (0, "375\n", "")


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        ("tutorial", "train"),
        ("train", "train"),
        ("search", "train"),
        ("evaluate", "train"),
        ("export run", "train"),
        ("data --check", "train"),
        ("serve --port 0", "serve"),
        (f"batch {SAMPLE} --out out", "ray"),
    ],
)
def test_a_verb_whose_extra_is_missing_says_the_command(reading_only, command, extra):
    done = reading_only.run("mnistry", *command.split())
    verb = command.split()[0]
    (library,) = re.findall(
        rf"^mnistry: mnistry {verb} needs (\w+), which is not installed\. "
        rf"Install it with: pip install 'mnistry\[{extra}\]'(?:\. .*)?$",
        done.stderr,
    )
    assert library in errors.EXTRAS[extra]
    assert (done.returncode, done.stdout) == (1, "")


def test_a_python_caller_is_told_the_command_too(reading_only):
    done = reading_only.run(
        "python", "-c", "import mnistry\ntry: mnistry.train\nexcept ImportError as error: print(error)"
    )
    assert done.stdout.endswith("is not installed. Install it with: pip install 'mnistry[train]'\n")
