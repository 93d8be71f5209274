"""The README: every command in it runs, its Python gives what it says, and its pictures are of today."""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import mnistry
from helpers import pictures
from helpers.running import running, serve
from helpers.writing import digit
from mnistry.batch import job
from mnistry.cli.app import app
from mnistry.cli.read import draw_digits

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
LINES = [line for block in BLOCKS for line in block.splitlines() if line]
COMMANDS = [line.partition("  #")[0].strip() for line in LINES]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all files that the README's commands name."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "scans").mkdir()
    (folder / "examples").symlink_to(ROOT / "examples")
    shutil.copy(ROOT / "examples" / "375.jpg", folder / "photo.jpg")
    digit("6").save(folder / "digit.png")
    digit("2").save(folder / "scans" / "2.png")
    random = np.random.default_rng(0)
    for name, level in (("cat", 60), ("dog", 200)):
        (folder / "animals" / name).mkdir(parents=True)
        for number in range(10):
            pixels = random.integers(level - 50, level + 50, (28, 28), np.uint8)
            Image.fromarray(pixels).save(folder / "animals" / name / f"{number}.png")
    return folder


def run(folder: Path, command: str, *more: str) -> subprocess.CompletedProcess[str]:
    """Run a command of ours in a folder."""
    program, *words = shlex.split(command)
    assert program == "mnistry"
    arguments = [sys.executable, "-m", "mnistry", *words, *more]
    return subprocess.run(arguments, cwd=folder, capture_output=True, text=True, timeout=300, check=False)


def prints(expected: str, *more: str, remarks: str = r"$") -> Callable[[Path, str], None]:
    """Check that a command succeeds, what it prints, and what it remarks on standard error, as patterns."""

    def check(folder: Path, command: str) -> None:
        done = run(folder, command, *more)
        assert done.returncode == 0, done.stderr
        assert re.match(remarks, done.stderr), done.stderr
        assert re.search(expected, done.stdout), done.stdout

    return check


def calls(step: str) -> Callable[[Path, str], None]:
    """Check that make would run a step."""

    def check(_: Path, command: str) -> None:
        done = subprocess.run(
            [*shlex.split(command), "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert step in done.stdout

    return check


def would_read(folder: Path, command: str) -> None:
    """Check what a batch would do; tests of their own start Ray."""
    asked = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job, "run_batch", lambda options, **_: asked.append(options) or sys.exit(0))
        assert CliRunner().invoke(app, shlex.split(command)[1:]).exit_code == 0
    assert [(each.source, each.out) for each in asked] == [("scans/", "out/")]


def serves(folder: Path, command: str) -> None:
    """Check the server, and the command that asks it."""
    curl = next(other for other in COMMANDS if other.startswith("curl "))
    with running(folder, *serve(*shlex.split(command)[2:])) as server:
        asked = shlex.split(curl.replace("http://127.0.0.1:8000", server.address))
        done = subprocess.run(asked, cwd=folder, capture_output=True, text=True, timeout=60, check=True)
    assert '"text":"375"' in done.stdout.replace(" ", "")


CHECKS: dict[str, Callable[[Path, str], None]] = {
    "make run": calls("mnistry tutorial"),
    "make test": calls("-m pytest"),
    "mnistry read examples/375.jpg": prints(r"^375\n$"),
    "mnistry read photo.jpg": prints(r"^375\n$"),
    "mnistry read --single digit.png": prints(r"^6\n$"),
    "mnistry read --json scans/": prints(r'^\{"source": "scans/2.png", "text": "2", '),
    "mnistry batch scans/ --out out/": would_read,
    "mnistry train --dataset animals": prints(r"report  runs/train-1/report\.html", "--epochs", "1", remarks=r"\n!  "),
    "mnistry serve": serves,
}
ELSEWHERE = {"pip install .", *(command for command in COMMANDS if command.startswith("curl "))}  # test_install, serves


@pytest.mark.parametrize("command", [command for command in COMMANDS if command not in ELSEWHERE])
def test_every_command_runs(folder, command):
    CHECKS[command](folder, command)


def test_no_command_of_the_readme_is_left_out():
    assert set(COMMANDS) == set(CHECKS) | ELSEWHERE
    assert all("  #" not in line or line.count("#") == 1 for line in LINES)


@pytest.mark.parametrize("command", sorted(set(re.findall(r"`mnistry ([a-z][^`]*)`", README))))
def test_every_command_in_a_sentence_exists(command):
    verb, *words = shlex.split(command)
    text = CliRunner().invoke(app, [verb, "--help"], env={"COLUMNS": "200"}).output
    assert re.match(rf"Usage: \w+ {verb} ", text)
    assert [word for word in words if word.startswith("--") and word not in text] == []


def test_the_python_runs_and_gives_what_it_says(folder):
    reads, trains = re.findall(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    for program, expected in (
        (reads, r"375 True\n3 \(\d+, \d+, \d+, \d+\)\n7 \(.+\)\n5 \(.+\)\n"),
        (trains, r"\d+ errors in 360 images\n"),
    ):
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=folder, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert re.fullmatch(expected, done.stdout), done.stdout


def test_the_package_page_shows_what_the_command_prints():
    page = (ROOT / "docs" / "package.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^```text\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    reading = mnistry.read(ROOT / "examples" / "375.jpg")
    printed = f"{draw_digits(reading.digits, 88)}\n\n{reading.text}\n"
    assert shown.splitlines()[-1] == printed.splitlines()[-1] == "375"
    pairs = list(zip_longest(shown.ljust(len(printed)), printed, fillvalue=" "))
    assert sum(one != other for one, other in pairs) < 0.1 * len(pairs), f"docs/package.md shows another:\n{printed}"


@pytest.mark.parametrize("name", pictures.SOURCES)
def test_the_pictures_of_pages_are_of_today(name):
    assert f"docs/{name}" in README
    assert pictures.kept(name) == pictures.digest(name), "run: make pictures"


def test_the_picture_of_a_reading_is_of_today():
    draw_reading = tool("draw_reading")
    photo = draw_reading.written()
    reading = mnistry.read(photo)
    assert reading.text == "20853\n6930 852"
    fresh = np.asarray(draw_reading.picture(photo, reading).convert("RGB"), np.int16)
    with Image.open(ROOT / "docs" / "reading.png") as image:
        stored = np.asarray(image.convert("RGB"), np.int16)
    assert stored.shape == fresh.shape
    different = np.abs(stored - fresh).max(axis=2) > 60
    assert different.mean() < 0.01, "run: make pictures"


def tool(name: str) -> ModuleType:
    """A module of the folder tools/."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
