"""Run folders are whole or not there: after a good end, an error, an interrupt, a full disk, and side by side."""

from __future__ import annotations

import errno
import importlib.metadata
import json
import math
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from mnistry.errors import RunError
from mnistry.runtime import files, provenance, run_folder


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def start(out: str | Path | None = "lesson") -> None:
    """Enters the block where it must not come to that."""
    with run_folder.create_folder(out, "tutorial"):
        pytest.fail("the block must not run")


def write_half_and_raise(problem: BaseException, out: str | None = "lesson") -> None:
    with run_folder.create_folder(out, "tutorial") as (work, _):
        (work / "figures").mkdir()
        (work / "figures" / "one.png").write_bytes(b"half of it")
        raise problem


def write_a_run(out: str | None = "lesson") -> Path:
    with run_folder.create_folder(out, "tutorial") as (work, folder):
        for name in ("summary.json", "a.txt", "zebra.txt"):
            (work / name).write_text("{}")
    return folder


def everything_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_a_block_that_ends_well_leaves_its_files_and_nothing_else(here):
    with run_folder.create_folder("lesson", "tutorial") as (work, folder):
        (work / "summary.json").write_text("{}")
        (work / "figures").mkdir()
        (work / "figures" / "one.png").write_bytes(b"png")
    assert folder == Path("lesson")
    assert everything_in(here) == ["lesson", "lesson/figures", "lesson/figures/one.png", "lesson/summary.json"]
    assert Path("lesson/figures/one.png").read_bytes() == b"png"


def test_nothing_is_in_its_place_before_the_block_ends(here):
    with run_folder.create_folder("lesson", "tutorial") as (work, folder):
        (work / "summary.json").write_text("{}")
        assert not (folder / "summary.json").exists()
        assert work == folder / ".unfinished"


def test_the_summary_is_put_in_its_place_last(monkeypatch):
    moved = []
    rename = Path.rename
    monkeypatch.setattr(Path, "rename", lambda path, target: (moved.append(path.name), rename(path, target)))
    write_a_run()
    assert sorted(moved[:-1]) == ["a.txt", "zebra.txt"]
    assert moved[-1] == "summary.json"


@pytest.mark.parametrize("problem", [ValueError(), KeyboardInterrupt(), SystemExit()], ids=repr)
def test_whatever_is_raised_leaves_nothing_behind(here, problem):
    with pytest.raises(type(problem)):
        write_half_and_raise(problem, "made/for/this")
    assert everything_in(here) == []


@pytest.mark.parametrize("problem", [ValueError(), KeyboardInterrupt()], ids=repr)
def test_a_folder_that_was_there_before_stays_and_is_empty(here, problem):
    Path("mine/lesson").mkdir(parents=True)
    with pytest.raises(type(problem)):
        write_half_and_raise(problem, "mine/lesson")
    assert everything_in(here) == ["mine", "mine/lesson"]


def test_parents_that_were_there_before_stay(here):
    Path("mine").mkdir()
    with pytest.raises(ValueError, match="stop"):
        write_half_and_raise(ValueError("stop"), "mine/made/lesson")
    assert everything_in(here) == ["mine"]


def test_an_empty_folder_that_is_there_is_used(here):
    Path("lesson").mkdir()
    write_a_run()
    assert everything_in(here) == ["lesson", "lesson/a.txt", "lesson/summary.json", "lesson/zebra.txt"]


def test_a_folder_with_something_in_it_is_refused_and_untouched(here):
    Path("lesson").mkdir()
    Path("lesson/thesis.txt").write_text("years of work")
    with pytest.raises(RunError, match=r"^lesson is not empty, and nothing is overwritten\. Name another .* --out\.$"):
        start()
    assert everything_in(here) == ["lesson", "lesson/thesis.txt"]
    assert Path("lesson/thesis.txt").read_text() == "years of work"


def test_the_same_folder_is_refused_the_second_time():
    write_a_run()
    with pytest.raises(RunError, match="lesson is not empty"):
        start()


def test_a_file_is_refused_and_untouched(here):
    Path("lesson").write_text("a letter")
    with pytest.raises(RunError, match=r"^lesson is a file, not a folder\. Name another folder with --out\.$"):
        start()
    assert Path("lesson").read_text() == "a letter"


def test_a_link_to_nowhere_is_refused_and_not_followed(here):
    Path("lesson").symlink_to("gone")
    with pytest.raises(RunError, match=r"^lesson is "):
        start()
    assert everything_in(here) == ["lesson"]
    assert Path("lesson").is_symlink()


def test_a_folder_below_a_file_cannot_be_made(here):
    Path("letter").write_text("a letter")
    with pytest.raises(
        RunError, match=r"^The run folder letter/lesson cannot be made: Not a directory\. Name another "
    ):
        start("letter/lesson")
    assert everything_in(here) == ["letter"]


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc, where nobody can make a folder")
def test_a_folder_where_nobody_may_write_cannot_be_made():
    with pytest.raises(RunError, match=r"^The run folder /proc/mnistry/lesson cannot be made: .*\. Name another "):
        start("/proc/mnistry/lesson")


def test_parents_are_removed_again_when_the_folder_itself_cannot_be_made(here):
    too_long = "x" * 300
    with pytest.raises(RunError, match="cannot be made: File name too long"):
        start(Path("made/for") / too_long)
    assert everything_in(here) == []


def test_an_unknown_home_folder_is_an_error_that_can_be_mended(here):
    with pytest.raises(RunError, match="~nobody-of-that-name"):
        start("~nobody-of-that-name/x")
    assert everything_in(here) == []


def test_without_a_name_runs_are_numbered_in_the_current_folder(here):
    for number in (1, 2, 3):
        with run_folder.create_folder(None, "tutorial") as (work, folder):
            (work / "number.txt").write_text(str(number))
        assert folder == Path("runs") / f"tutorial-{number}"
    with run_folder.create_folder(None, "train") as (_, folder):
        assert folder == Path("runs/train-1")
    assert [Path(f"runs/tutorial-{number}/number.txt").read_text() for number in (1, 2, 3)] == ["1", "2", "3"]


def test_the_first_free_number_is_taken(here):
    Path("runs/tutorial-1").mkdir(parents=True)
    Path("runs/tutorial-3").write_text("even a file takes its number")
    assert [write_a_run(None).name for _ in range(2)] == ["tutorial-2", "tutorial-4"]


def test_the_number_of_a_failed_run_is_free_again(here):
    with pytest.raises(KeyboardInterrupt):
        write_half_and_raise(KeyboardInterrupt(), None)
    assert everything_in(here) == []


def test_a_file_in_the_place_of_the_runs_is_an_error(here):
    Path("runs").write_text("a marathon")
    with pytest.raises(RunError, match="The run folder runs cannot be made: "):
        start(None)


TAKE_A_NUMBER = """
import sys
from mnistry.runtime import run_folder
with run_folder.create_folder(None, "tutorial") as (work, folder):
    (work / "who.txt").write_text(sys.argv[1])
    print(folder, flush=True)
    sys.stdin.read()
"""


def test_processes_at_once_get_different_numbers(here):
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", TAKE_A_NUMBER, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for name in "abc"
    ]
    folders = {process.stdout.readline().strip() for process in processes}  # all three are inside their blocks now
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert folders == {f"runs/tutorial-{number}" for number in (1, 2, 3)}
    assert {Path(folder, "who.txt").read_text() for folder in folders} == {"a", "b", "c"}


def test_what_another_process_writes_at_the_same_moment_is_left_alone(here, monkeypatch):
    claim = run_folder._claim

    def claim_and_be_overtaken(*arguments):
        claimed = claim(*arguments)
        (claimed[0] / run_folder.UNFINISHED).mkdir()  # the other process found the folder empty too, and was quicker
        (claimed[0] / run_folder.UNFINISHED / "theirs.txt").write_text("theirs")
        return claimed

    monkeypatch.setattr(run_folder, "_claim", claim_and_be_overtaken)
    with pytest.raises(RunError):
        start()
    assert everything_in(here) == ["lesson", "lesson/.unfinished", "lesson/.unfinished/theirs.txt"]


def test_a_full_disk_is_one_sentence_and_leaves_nothing_behind(here):
    with pytest.raises(RunError, match=r"^The run folder lesson cannot be written: No space left on device\."):
        write_half_and_raise(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert everything_in(here) == []


@pytest.mark.parametrize(
    ("problem", "raised"),
    [(OSError(errno.EIO, "Input/output error"), RunError), (KeyboardInterrupt(), KeyboardInterrupt)],
)
def test_a_failure_while_the_files_are_put_in_their_place_leaves_nothing_behind(here, monkeypatch, problem, raised):
    rename = Path.rename

    def fail_at_the_summary(path, target):
        if path.name == "summary.json":
            raise problem
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail_at_the_summary)
    with pytest.raises(raised):
        write_a_run()
    assert everything_in(here) == []


def test_the_tilde_is_the_home_folder(here, monkeypatch):
    monkeypatch.setenv("HOME", str(here / "home"))
    Path("home").mkdir()
    assert write_a_run("~/lesson") == here / "home" / "lesson"
    assert Path("home/lesson/a.txt").exists()


def test_json_is_readable_and_comes_back(here):
    content = {"name": "Ünï", "numbers": [1, 2.5, None], "inner": {"true": True}}
    files.write_json(Path("a.json"), content)
    text = Path("a.json").read_text(encoding="utf-8")
    assert json.loads(text) == content
    assert text.startswith('{\n  "name": "Ünï",\n')
    assert text.endswith("}\n")


def test_a_path_that_is_no_unicode_does_not_spoil_the_json(here):
    command = "mnistry tutorial --data-dir " + os.fsdecode(b"m\xff")
    files.write_json(Path("a.json"), {"command": command})
    assert json.loads(Path("a.json").read_text(encoding="utf-8"))["command"].startswith("mnistry tutorial --data-dir m")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_does_not_know_are_refused(here, value):
    with pytest.raises(ValueError, match="JSON compliant"):
        files.write_json(Path("a.json"), {"loss": value})
    assert not Path("a.json").exists()


def test_the_environment_has_the_versions_and_the_machine():
    environment = provenance.describe_environment()
    assert environment["python"] == platform.python_version()
    for library in ("mnistry", "keras", "jax", "jaxlib", "numpy"):
        assert environment[library] == importlib.metadata.version(library)
    assert environment["system"].split() == [platform.system(), platform.machine()]
    assert environment["cores"] >= 1
    assert environment["processor"]
    json.dumps(environment, allow_nan=False)
