"""Train the model that ships: several large networks, and smaller ones that learn from their averaged answers.

    MNISTRY_DATA_DIR=... python tools/distil.py OUT [--teacher-epochs 130] [--student-epochs 220] [--at-once 1]

Each network is a run of its own in OUT, trained by `mnistry train`. A command that was stopped goes on where it was.
On two cores this takes days, on a GPU minutes; there, several trainings share it (`--at-once`). Networks are compared
on the validation images; the test images are only counted.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

SHARED = ["--dataset", "mnist", "--seed", "0"]  # one seed: all hold the same images out
TEACHERS: Mapping[str, list[str]] = {
    "teacher-1": ["--set", "width=192", "--set", "depth=4"],
    "teacher-2": ["--set", "width=128", "--set", "depth=3", "--set", "kernel=5"],
    "teacher-3": ["--set", "width=160", "--set", "depth=5"],
}
STUDENTS: Mapping[str, list[str]] = {"student": ["--set", "width=108", "--set", "depth=1"]}


def main() -> int:
    """Train the teachers, then the students, and print what they reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder of the runs")
    parser.add_argument("--teacher-epochs", type=int, default=130)
    parser.add_argument("--student-epochs", type=int, default=220)
    parser.add_argument("--teacher-batch", type=int, default=1024)
    parser.add_argument("--student-batch", type=int, default=512)
    parser.add_argument("--at-once", type=int, default=1, help="trainings at the same time")
    parser.add_argument("--teachers", default=",".join(TEACHERS), help="which, by name")
    parser.add_argument("--students", default=",".join(STUDENTS), help="which, by name")
    asked = parser.parse_args()
    teachers, students = asked.teachers.split(","), [name for name in asked.students.split(",") if name]
    asked.out.mkdir(parents=True, exist_ok=True)
    size = ["--epochs", str(asked.teacher_epochs), "--batch-size", str(asked.teacher_batch), "--learning-rate", "0.2"]
    jobs = [(name, ["--recipe", "teacher", *SHARED, *TEACHERS[name], *size]) for name in teachers]
    failed = train(jobs, asked.out, asked.at_once)
    folders = ",".join(str(asked.out / name) for name in teachers if name not in failed)
    size = ["--epochs", str(asked.student_epochs), "--batch-size", str(asked.student_batch), "--learning-rate", "0.15"]
    jobs = [(name, ["--recipe", "strong", *SHARED, *STUDENTS[name], *size, "--teachers", folders]) for name in students]
    failed += train(jobs, asked.out, asked.at_once)
    print(table(asked.out, [*teachers, *students]))
    return 1 if failed else 0


def train(jobs: Sequence[tuple[str, list[str]]], out: Path, at_once: int) -> list[str]:
    """Run trainings, each with a log beside its folder, and return the names of those that failed."""
    waiting, running, failed = list(jobs), {}, []
    environment = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", **os.environ}
    while waiting or running:
        while waiting and len(running) < at_once:
            name, options = waiting.pop(0)
            command = [sys.executable, "-m", "mnistry", "train", *options, "--out", str(out / name), "--resume"]
            with (out / f"{name}.log").open("ab") as log:
                running[name] = subprocess.Popen(command, stdout=log, stderr=log, env=environment)  # noqa: S603 - our own
        for name, process in list(running.items()):
            if process.poll() is not None:
                del running[name]
                print(f"{name}: exit status {process.returncode}", flush=True)
                failed += [name] if process.returncode else []
        time.sleep(0.5)
    return failed


def table(out: Path, names: Sequence[str]) -> str:
    """Return what the runs reached, as a Markdown table."""
    lines = ["| network | weights | epochs | seconds | validation errors | test errors |", "|---" * 6 + "|"]
    for name in names:
        path = out / name / "summary.json"
        if not path.exists():
            continue
        summary = json.loads(path.read_text(encoding="utf-8"))
        last = summary["epochs"][-1]
        errors = round((1 - last["val_accuracy"]) * summary["calibration"]["images"])
        seconds = sum(epoch["seconds"] for epoch in summary["epochs"])
        lines.append(
            f"| {name} | {summary.get('parameters', 0):,} | {len(summary['epochs'])} | {seconds:.0f} | {errors} "
            f"| {summary['test']['errors']} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
