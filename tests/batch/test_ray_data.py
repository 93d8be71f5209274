"""Batches on a real Ray: three node processes, and what is left in the output of whatever is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from helpers.batching import STORE, cluster, descendants, listening, parts, rows, started, wait_for, workers
from helpers.writing import Page, digit
from mnistry.ocr.recognizer import Recognizer, read_all
from mnistry.runtime.files import PART

N = 24_000
FILES = 10  # that these images become
KILLED_AFTER = 2


# In Ray's workers, where a batch's output has a folder "gate" beside it: a part is put in place for a ticket in it.
GATED = """
import os, pathlib, sys, time

replace = pathlib.Path.replace

def replace_for_a_ticket(path, target):
    gate = pathlib.Path(target).parent.parent / "gate"
    while pathlib.Path(target).suffix == ".parquet" and gate.exists():
        try:
            os.remove(next(gate.iterdir()))
            break
        except (StopIteration, FileNotFoundError):  # there is none, or another worker was quicker
            time.sleep(0.02)
    return replace(path, target)

if any(word.endswith("default_worker.py") for word in sys.orig_argv):
    pathlib.Path.replace = replace_for_a_ticket
"""


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    gated = tmp_path_factory.mktemp("gated")
    (gated / "sitecustomize.py").write_text(GATED)
    path = os.pathsep.join([str(gated), *filter(None, [os.environ.get("PYTHONPATH")])])
    with patch.dict(os.environ, PYTHONPATH=path), cluster(3) as found:
        yield found


class Gate:
    """Holds the workers of a batch before a part, until it is let pass."""

    def __init__(self, out: Path) -> None:
        self._folder, self._number = out.parent / "gate", 0
        self._folder.mkdir()

    def let_pass(self, n: int) -> None:
        for _ in range(n):
            self._number += 1
            (self._folder / str(self._number)).touch()

    def open(self) -> None:
        self._folder.rename(self._folder.with_name("open"))


def wait_for_parts(n: int, out: Path, process: subprocess.Popen[str]) -> None:
    wait_for(lambda: len(parts(out)) >= n, process)
    assert process.poll() is None


@pytest.fixture(scope="module")
def stack(digits, tmp_path_factory) -> tuple[Path, list[str]]:
    """Many images in a file, and the answers to them."""
    path = tmp_path_factory.mktemp("stack") / "images.npy"
    np.save(path, np.resize(digits.x_train, (N, 28, 28)))
    answers = [str(each) for each in Recognizer.load().predict_all(digits.x_train).digits]
    return path, [answers[number % len(answers)] for number in range(N)]


def check_every_picture_is_there_once(out: Path, stack: tuple[Path, list[str]]) -> None:
    table = rows(out)
    assert table["source"].to_pylist() == [f"{stack[0]}#{row}" for row in range(N)]
    assert table["text"].to_pylist() == stack[1]
    assert not list(out.glob(f"*{PART}"))
    assert not list(out.glob(f".*{PART}"))
    summary = json.loads((out / "summary.json").read_text())
    assert [summary[name] for name in ("pictures", "read", "failed")] == [N, N, 0]
    assert summary["unsure"] == N - sum(table["sure"].to_pylist())
    assert summary["parts"] == len(parts(out)) == FILES
    assert summary["class_names"] == list("0123456789")


def finish(process: subprocess.Popen[str]) -> str:
    results, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return results


def raylet(node: object) -> int:
    return node.all_processes["raylet"][0].process.pid


def all_workers(nodes: object) -> list[int]:
    return [pid for node in nodes.list_all_nodes() for pid in workers(raylet(node))]


def test_a_node_that_is_killed_costs_no_picture(nodes, stack, tmp_path):
    out = tmp_path / "out"
    gate = Gate(out)
    gate.let_pass(KILLED_AFTER)
    process = started(stack[0], out, "--single", "--ray-address", nodes.address)
    wait_for_parts(KILLED_AFTER, out, process)

    def at_work() -> list[object]:
        return [node for node in nodes.list_all_nodes() if workers(raylet(node))]

    wait_for(lambda: len(at_work()) >= 2, process)
    lost = next(node for node in at_work() if node != nodes.head_node)
    nodes.remove_node(lost, allow_graceful=False)
    assert len(parts(out)) == KILLED_AFTER
    gate.open()
    results = finish(process)
    nodes.add_node(num_cpus=1, object_store_memory=STORE)
    assert results.splitlines()[0].split() == ["pictures", "24,000"]
    check_every_picture_is_there_once(out, stack)


def test_a_worker_that_is_killed_costs_no_picture(nodes, tmp_path):
    pictures, out = tmp_path / "pictures", tmp_path / "out"
    pictures.mkdir()
    for number in range(400):
        digit(str(number % 10), height=60, seed=number).save(pictures / f"{number:03}.png")
    gate = Gate(out)
    gate.let_pass(2)
    process = started(pictures, out, "--ray-address", nodes.address, "--workers", "2")
    wait_for_parts(2, out, process)
    wait_for(lambda: len(all_workers(nodes)) == 2, process)
    os.kill(all_workers(nodes)[0], signal.SIGKILL)
    gate.open()
    finish(process)
    table, names = rows(out), sorted(map(str, pictures.iterdir()))
    assert table["source"].to_pylist() == names
    assert table["text"].to_pylist() == [outcome.reading.text for outcome in read_all(names)]
    assert table["error"].null_count == 400


def test_a_batch_that_is_killed_or_stopped_goes_on_with_what_is_missing(nodes, stack, tmp_path):
    out = tmp_path / "out"
    options = ("--single", "--ray-address", nodes.address)
    gate = Gate(out)
    gate.let_pass(KILLED_AFTER)
    process = started(stack[0], out, *options)
    wait_for_parts(KILLED_AFTER, out, process)
    process.kill()
    process.communicate()
    wait_for(lambda: not all_workers(nodes))
    assert not (out / "summary.json").exists()
    there = parts(out)
    there[0].write_bytes(there[0].read_bytes()[:-100])  # as after a crash of the machine
    (out / f".part-00019.parquet.abc{PART}").write_bytes(b"half")
    before = {path: path.stat().st_mtime_ns for path in there}

    again = started(stack[0], out, *options)
    _, errors = again.communicate()
    assert again.returncode == 1
    assert (
        errors == f"mnistry: {out} holds a batch already. Go on with it: --resume. Or name another folder with --out.\n"
    )

    gate.let_pass(KILLED_AFTER + 1)  # the damaged part is written again
    process = started(stack[0], out, *options, "--resume")
    wait_for_parts(2 * KILLED_AFTER, out, process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    wait_for(lambda: not all_workers(nodes))
    assert process.returncode == 130
    command = f"mnistry batch {stack[0]} --out {out} --resume --single --ray-address {nodes.address}"
    assert errors.splitlines()[-1] == f"mnistry: stopped; what is done is kept, go on with: {command}"

    gate.let_pass(KILLED_AFTER + 1)  # one may have been lost with a worker
    process = started(stack[0], out, *options, "--resume")
    wait_for_parts(3 * KILLED_AFTER, out, process)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate()
    assert process.returncode == 143
    assert errors.splitlines()[-1] == "mnistry: interrupted; nothing half-written is left behind."

    gate.open()
    finish(started(stack[0], out, *options, "--resume"))
    check_every_picture_is_there_once(out, stack)
    assert [path.stat().st_mtime_ns == before[path] for path in there[:2]] == [False, True]
    summary = (out / "summary.json").read_text()
    assert 0 < json.loads(summary)["pictures_now"] < N
    finish(started(stack[0], out, *options, "--resume"))  # it is complete: nothing is read
    assert (out / "summary.json").read_text() == summary


LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}


def test_a_ray_of_its_own_listens_to_this_machine_only_and_is_gone_afterwards(tmp_path, mnistry, monkeypatch):
    (tmp_path / "pictures").mkdir()
    sheet = Page(400, 130)
    sheet.write("2035", (40, 30), 70)
    sheet.image().save(tmp_path / "pictures" / "a.png")
    digit("6").save(tmp_path / "pictures" / "b.png")
    (tmp_path / "pictures" / "c.png").write_text("no picture")
    before = set(descendants(os.getpid()))
    scratch = Path(tempfile.mkdtemp(prefix="b"))  # others may have a Ray at work in the usual place
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.chdir(tmp_path)
    process, addresses = started("pictures", "out", "--workers", "2"), set[str]()
    while process.poll() is None:
        addresses |= listening(process.pid)
        assert not any("dashboard.py" in name for name in descendants(process.pid).values())
        time.sleep(0.2)
    results, errors = process.communicate()
    assert process.returncode == 0, errors
    assert errors.splitlines()[0] == "0 of 3 pictures  starting"
    assert all(" of 3 pictures  " in line for line in errors.splitlines())  # one every few seconds
    assert addresses
    assert addresses <= LOOPBACK
    found = rows(tmp_path / "out").to_pylist()
    expected = [json.loads(line) for line in mnistry("read", "--json", "pictures").stdout.splitlines()]
    for row, each in zip(found, expected, strict=True):
        assert {name: row[name] for name in ("source", "text", "error")} == {
            name: each[name] for name in ("source", "text", "error")
        }
        assert row["probabilities"] == [digit["probabilities"] for digit in each["digits"]]
    unsure = sum(not row["sure"] for row in found) - 1
    counts = [["pictures", "3"], ["read", "2"], ["unsure", str(unsure)], ["failed", "1"]]
    assert [line.split()[:2] for line in results.splitlines()[:4]] == counts
    wait_for(lambda: set(descendants(os.getpid())) <= before)
    assert not list(scratch.iterdir())
    scratch.rmdir()
