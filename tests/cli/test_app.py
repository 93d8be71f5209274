"""The command line as its users meet it: a process with arguments, two streams, an exit status and a folder."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from helpers.commands import Answer, assert_refused
from mnistry import __version__
from mnistry.cli import app
from mnistry.datasets import text as datasets_text
from mnistry.reporting import text as reporting_text

MNISTRY = [sys.executable, "-m", "mnistry"]
QUICK = ("tutorial", "--dataset", "digits", "--epochs", "1")


def everything_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


# Help and version


def test_help_lists_the_commands(mnistry):
    answer = mnistry("--help")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout.startswith("Usage: ")
    for command, text in (("tutorial", "Run the whole lesson"), ("data", "Show what a data set holds")):
        assert re.search(rf"^  {command} +{text}", answer.stdout, re.MULTILINE)


def test_help_groups_the_verbs(mnistry):
    groups = re.findall(r"^(\w[\w ]*):\n((?:  .+\n)+)", mnistry("--help").stdout, re.MULTILINE)
    verbs = {name: re.findall(r"^  (\w+)", rows, re.MULTILINE) for name, rows in groups}
    verbs.pop("Options")
    assert list(verbs) == ["Learn", "Train and evaluate", "Read", "Serve"]
    assert {"tutorial", "data"} <= set(verbs["Learn"])
    assert {"read", "batch"} <= set(verbs["Read"])
    assert sorted(name for names in verbs.values() for name in names) == sorted(
        command.callback.__name__ for command in app.app.registered_commands
    )


@pytest.mark.parametrize(
    ("words", "offered"), [("mnistry e", {"evaluate", "export"}), ("mnistry read --an", {"--annotate"})]
)
def test_the_shell_completes_verbs_and_options(mnistry, words, offered):
    environment = {"_MNISTRY_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    assert set(mnistry(env=environment).stdout.split()) == offered


def test_help_is_quick_as_it_loads_nothing_heavy(mnistry):
    answer = mnistry("tutorial", "--help", env={"PYTHONPROFILEIMPORTTIME": "1"})
    loaded = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in answer.stderr.splitlines()}
    assert "typer" in loaded
    assert not loaded & {"numpy", "keras", "jax", "matplotlib", "sklearn", "requests"}


def test_help_of_the_tutorial_names_its_options_with_their_defaults(mnistry):
    text = " ".join(mnistry("tutorial", "--help").stdout.split())
    for option in ("--dataset NAME", "--data-dir DIR", "--index N", "--epochs N", "--seed N", "--out DIR"):
        assert option in text
    assert "Images per training step. [default: tutorial 32, strong 128, teacher 128, smaller for few images]" in text
    assert "[default: runs/tutorial-N, the next free N]" in text


def test_version(mnistry):
    answer = mnistry("--version")
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, f"mnistry {__version__}\n", "")


def test_no_arguments_are_wrong_usage_answered_with_help(mnistry):
    answer = mnistry()
    assert_refused(answer, 2, "Usage: .* Learn: tutorial .* data ")


# Wrong usage


WRONG = {
    "tutorail": "No such command 'tutorail'. Did you mean 'tutorial'",
    "tutorial --epoks 1": "No such option: --epoks.*--epochs",
    "data --jsn": "No such option: --jsn.*--json",
    "data mnist": r"unexpected extra argument\S* \(mnist\)",
    "data --index 3.5": "Invalid value for '--index': .*integer",
    "tutorial --epochs abc": "Invalid value for '--epochs': .*integer",
    "tutorial --epochs 0": "The number of epochs must be 1 or more; received 0.",
    "tutorial --epochs -1": "The number of epochs must be 1 or more; received -1.",
    "tutorial --batch-size 0": "The batch size must be 1 or more; received 0.",
    "tutorial --dataset digits --batch-size 1438": (
        "The batch size must be at most the number of training images, 1,437; received 1,438."
    ),
    "tutorial --seed -1": "The seed must be a whole number from 0 to 4294967295; received -1.",
    "tutorial --seed 4294967296": "The seed must be a whole number from 0 to 4294967295; received 4294967296.",
    "tutorial --dataset mnits": "There is no data set named 'mnits', nor a file or folder. Did you mean mnist?",
    "data --dataset mnits": "There is no data set named 'mnits', nor a file or folder. Did you mean mnist?",
    "data --dataset cats": (
        "There is no data set named 'cats', nor a file or folder. "
        "Known are: digits, emnist-digits, fashion-mnist, kmnist, mnist, qmnist."
    ),
    "search --max-concurrent 0": "The number of concurrent trials must be 1 or more; received 0.",
    "search --at-once 0": "The number of concurrent trials must be 1 or more; received 0.",  # the option's old name
    "train --validation-split 0.7": "The part for validation must be from 0 to 0.5; received 0.7.",
    "train --validation 0.7": "The part for validation must be from 0 to 0.5; received 0.7.",  # the option's old name
    "tutorial --dataset digits --index -1": (
        "The index must be from 0 to 1436, as the UCI digits has 1,437 training images; received -1."
    ),
    "tutorial --dataset digits --index 1437": "The index must be from 0 to 1436, .* received 1437.",
    "data --dataset digits --index -1": "The index must be from 0 to 1436, .* received -1.",
    "data --dataset digits --index 1437": "The index must be from 0 to 1436, .* received 1437.",
    "data --data-dir nowhere": (
        r"nowhere \(from --data-dir\) does not exist. Name the folder that holds the data files."
    ),
    "tutorial --data-dir nowhere": r"nowhere \(from --data-dir\) does not exist.",
    "data --data-dir ~nobody-of-that-name/mnist": "~nobody-of-that-name",
}


@pytest.mark.parametrize(("line", "sentence"), WRONG.items(), ids=list(WRONG))
def test_wrong_usage_is_answered_with_a_sentence(called, tmp_path, line, sentence):
    assert_refused(called(*line.split()), 2, sentence)
    assert everything_in(tmp_path) == []


@pytest.mark.parametrize("line", ["tutorial --epochs 0", "data --dataset mnits"])
def test_wrong_usage_is_the_same_in_a_process_of_its_own(mnistry, tmp_path, line):
    assert_refused(mnistry(*line.split()), 2, WRONG[line])
    assert everything_in(tmp_path) == []


def test_a_file_in_the_place_of_the_data_folder_is_wrong_usage(called, tmp_path):
    (tmp_path / "letter").write_text("a letter")
    answer = called("data", "--data-dir", "letter")
    assert_refused(answer, 2, r"letter \(from --data-dir\) is a file, not a folder.")


def test_a_wrong_folder_in_the_environment_is_told_as_such(called, monkeypatch):
    monkeypatch.setenv("MNISTRY_DATA_DIR", "nowhere")
    assert_refused(called("data"), 2, r"nowhere \(from MNISTRY_DATA_DIR\) does not exist.")


# The run folder


def test_a_folder_with_something_in_it_is_refused_and_untouched(mnistry, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    answer = mnistry(*QUICK, "--out", "mine")
    assert_refused(answer, 1, "mine is not empty, and nothing is overwritten. Name another folder with --out.")
    assert everything_in(tmp_path) == ["mine", "mine/thesis.txt"]
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_a_file_is_refused_and_untouched(called, tmp_path):
    (tmp_path / "letter").write_text("a letter")
    answer = called(*QUICK, "--out", "letter")
    assert_refused(answer, 1, "letter is a file, not a folder. Name another folder with --out.")
    assert everything_in(tmp_path) == ["letter"]


@pytest.mark.parametrize(
    ("out", "sentence"),
    [
        ("letter/lesson", "The run folder letter/lesson cannot be made: Not a directory. Name another with --out."),
        ("~nobody-of-that-name/lesson", "~nobody-of-that-name"),
    ],
)
def test_a_folder_that_cannot_be_made_is_told(called, tmp_path, out, sentence):
    (tmp_path / "letter").write_text("a letter")
    assert_refused(called(*QUICK, "--out", out), 1, sentence)
    assert everything_in(tmp_path) == ["letter"]


# Data


def test_mnist_out_of_reach_is_a_failure_that_says_what_was_tried(mnistry, tmp_path):
    (tmp_path / "empty").mkdir()
    cache, mirror = str(tmp_path / "cache"), os.environ["MNISTRY_MIRRORS"]
    answer = mnistry("data", "--dataset", "mnist", "--data-dir", "empty", env={"MNISTRY_CACHE_DIR": cache})
    assert_refused(answer, 1, "MNIST was not found. Tried, in this order:")
    lines = [line.strip() for line in answer.stderr.splitlines()]
    assert lines[1:4] == [
        "empty: holds none of MNIST's four files",
        f"{cache}/mnist: nothing cached yet",
        f"{mirror}: it refused the connection",
    ]
    assert lines[4:] == ["Put its four .gz files into a folder and name that with --data-dir."]
    assert everything_in(tmp_path) == ["empty"]


def test_the_lesson_on_mnist_out_of_reach_leaves_nothing_behind(called, tmp_path):
    assert_refused(called("tutorial", "--dataset", "mnist"), 1, "MNIST was not found.*it refused the connection")
    assert everything_in(tmp_path) == []


def test_without_a_name_the_digits_stand_in_and_standard_error_says_so(mnistry, digits):
    answer = mnistry("data")
    assert answer.returncode == 0
    assert answer.stdout == datasets_text.format_dataset(digits, 1000) + "\n"
    assert "!  THIS IS NOT MNIST: going on with the UCI digits" in answer.stderr
    assert "it refused the connection" in answer.stderr


def test_data_prints_what_the_set_holds(mnistry, digits):
    answer = mnistry("data", "--dataset", "digits")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout == datasets_text.format_dataset(digits, 1000) + "\n"
    assert re.search(r"^train +\(1437, 28, 28\) +\(1437,\) ", answer.stdout, re.MULTILINE)
    assert "training image 1000, label 7\n" in answer.stdout


def test_data_shows_the_image_that_it_is_asked_for(called, digits):
    answer = called("data", "--dataset", "digits", "--index", "1436")
    label = digits.y_train[1436]
    assert answer.stdout.endswith(
        f"training image 1436, label {label}\n{reporting_text.render_picture(digits.x_train[1436])}\n"
    )


def test_data_as_json_is_one_object_with_all_of_it(called, digits):
    answer = called("data", "--dataset", "digits", "--json")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout.count("\n") == 1
    read = json.loads(answer.stdout)
    assert read == json.loads(json.dumps(digits.as_json()))
    assert read["train"]["images"] == {"shape": [1437, 28, 28], "dtype": "uint8"}
    assert sum(read["test"]["counts"]) == 360
    assert read["fallback"] is None


# A run


@pytest.fixture(scope="module")
def lesson(tmp_path_factory: pytest.TempPathFactory) -> tuple[Answer, Path]:
    """A whole run that falls back to the digits, and the folder in which it was called."""
    folder = tmp_path_factory.mktemp("lesson")
    called = [*MNISTRY, "tutorial", "--epochs", "1", "--index", "7", "--seed", "3"]
    return subprocess.run(called, capture_output=True, text=True, cwd=folder, check=False), folder


def test_a_run_ends_with_the_place_of_its_report(lesson):
    answer, folder = lesson
    assert answer.returncode == 0
    match = re.fullmatch(
        r"report  (runs/tutorial-1/report\.html)   \((\d+\.\d) s in all\)", answer.stdout.splitlines()[-1]
    )
    assert match
    assert (folder / match[1]).read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_run_prints_its_eleven_steps_on_standard_output(lesson):
    steps = re.findall(r"^( ?\d+)  (\w.*)$", lesson[0].stdout, re.MULTILINE)
    assert [int(number) for number, _ in steps] == list(range(1, 12))
    assert [name for _, name in steps][:3] == ["Load the data", "Look at one image", "Look at many images"]
    assert "training image 7, row 10" in lesson[0].stdout


def test_the_lesson_waits_after_each_step_and_speaks_korean(tmp_path):
    called = [*MNISTRY, *QUICK, "--lang", "ko", "--step"]
    answer = subprocess.run(called, capture_output=True, text=True, cwd=tmp_path, input="\n" * 10, check=False)
    assert answer.returncode == 0, answer.stderr
    assert answer.stderr.count("[Enter]") == 10
    assert "11  예측\n" in answer.stdout
    assert re.search(r"^보고서  runs/tutorial-1/report\.html   \(모두 \d+\.\d초\)$", answer.stdout, re.MULTILINE)


def test_a_run_warns_first_and_last_that_this_was_not_mnist(lesson):
    warnings = [line for line in lesson[0].stderr.splitlines() if line]
    assert warnings[0] == "!  THIS IS NOT MNIST: going on with the UCI digits, which come with the software."
    assert warnings[-1] == "!  This was not MNIST but the UCI digits: see the reasons above and in the report."
    assert all(line.startswith("!  ") for line in warnings)
    assert "MNIST was not found" not in lesson[0].stdout


def test_a_run_writes_what_it_was_asked_for_and_nothing_else(lesson):
    folder = lesson[1] / "runs" / "tutorial-1"
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    assert (summary["seed"], summary["sample"]["index"], len(summary["epochs"])) == (3, 7, 1)
    assert summary["command"].split()[:4] == ["mnistry", "tutorial", "--dataset", "digits"]
    assert [path.name for path in lesson[1].iterdir()] == ["runs"]
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.json",
        "figures",
        "metrics.jsonl",
        "model.keras",
        "model.onnx",
        "report.html",
        "summary.json",
    ]


# Streams that end or are full, odd terminals


def shell(folder: Path, line: str) -> Answer:
    """Runs a line with `mnistry` in a shell, which says `status N` at the end of its standard error."""
    program = f'mnistry() {{ {shlex.join(MNISTRY)} "$@"; echo "status $?" >&2; }}; {line}'
    return subprocess.run(["sh", "-c", program], capture_output=True, text=True, cwd=folder, check=False)


def test_a_reader_that_stops_early_gets_what_it_asked_for_and_no_complaint(tmp_path):
    answer = shell(tmp_path, "mnistry data --dataset digits | head -1")
    assert answer.stdout.startswith("the UCI digits: 1,797 images")
    assert re.fullmatch(r"status \d+\n", answer.stderr)


def test_a_lesson_whose_reader_stops_early_does_not_blame_its_folder(tmp_path):
    answer = shell(tmp_path, f"mnistry {' '.join(QUICK)} | head -1")
    assert answer.stdout == " 1  Load the data\n"
    assert "Traceback" not in answer.stderr
    assert "folder" not in answer.stderr
    assert not list(tmp_path.rglob(".unfinished"))


needs_dev_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a device without space")


@needs_dev_full
@pytest.mark.parametrize("arguments", ["--help", "data --dataset digits"])
def test_a_full_disk_behind_standard_output_is_one_sentence(tmp_path, arguments):
    answer = shell(tmp_path, f"mnistry {arguments} > /dev/full")
    assert "Traceback" not in answer.stderr
    assert "Exception ignored" not in answer.stderr
    assert re.fullmatch(r"mnistry: .*No space left on device.*\nstatus 1\n", answer.stderr)


@pytest.mark.parametrize("arguments", ["--version", "--help"])
def test_a_closed_standard_output_is_no_error(tmp_path, arguments):
    assert shell(tmp_path, f"mnistry {arguments} >&-").stderr == "status 0\n"


@pytest.mark.parametrize(
    "env",
    [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}],
    ids=["ascii", "C locale"],
)
def test_a_terminal_without_these_characters_gets_question_marks(mnistry, digits, env):
    answer = mnistry("data", "--dataset", "digits", env=env)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout == (datasets_text.format_dataset(digits, 1000) + "\n").encode("ascii", "replace").decode(
        "ascii"
    )


# A full disk and an interrupt


def test_a_full_disk_is_one_sentence_and_leaves_nothing_behind(tmp_path):
    # A process that may write files of 100 kB at most: the model does not fit.
    program = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000));"
        "from mnistry.cli.app import main; main()"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program, *QUICK], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert "Traceback" not in answer.stderr
    assert re.search(r"^mnistry: The run folder runs/tutorial-1 cannot be written: .+\.$", answer.stderr, re.MULTILINE)
    assert answer.returncode == 1
    assert "report  " not in answer.stdout
    assert everything_in(tmp_path) == []


@pytest.mark.parametrize(("begun", "seconds"), [("Load the data", 0.0), ("Compile", 1.0)])
def test_ctrl_c_leaves_nothing_behind(tmp_path, begun, seconds):
    arguments = ["tutorial", "--dataset", "digits", "--epochs", "100000"]
    log = tmp_path.with_suffix(".log")
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "mnistry", *arguments],
            stdout=subprocess.PIPE,
            stderr=errors,
            encoding="utf-8",
            cwd=tmp_path,
        )
    try:
        while not re.fullmatch(rf" ?\d+  {begun}\n", line := process.stdout.readline()):
            assert process.poll() is None
            assert not line.endswith("Train\n")  # too late: what it waits for never came
        time.sleep(seconds)
        there = [name for name in everything_in(tmp_path) if ".unfinished/" not in name]
        assert there == ["runs", "runs/tutorial-1", "runs/tutorial-1/.unfinished"]
        process.send_signal(signal.SIGINT)
        output = process.stdout.read()
        process.wait()
    finally:
        process.kill()
        process.stdout.close()
    assert process.returncode == 130
    assert log.read_text() == "mnistry: interrupted; nothing half-written is left behind.\n"
    assert "report  " not in output
    assert everything_in(tmp_path) == []
