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

import numpy as np
import pytest

from helpers.batching import STORE, cluster, descendants, listening, parts, rows, started, wait_for, workers
from helpers.writing import Page, digit
from mnistry.ocr.read_many import read_all
from mnistry.ocr.recognizer import Recognizer
from mnistry.runtime.files import PART

N = 24_000
FILES = 10  # that these images become
KILLED_AFTER = 2


@pytest.fixture(scope="module")
def nodes() -> Iterator[object]:
    with cluster(3) as found:
        yield found


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


def test_a_node_that_is_killed_costs_no_picture(nodes, stack, tmp_path):
    out = tmp_path / "out"
    process = started(stack[0], out, "--single", "--ray-address", nodes.address)
    wait_for(lambda: len(parts(out)) >= KILLED_AFTER, process)
    at_work = [node for node in nodes.list_all_nodes() if workers(raylet(node))]
    assert len(at_work) >= 2
    lost = next(node for node in at_work if node != nodes.head_node)
    nodes.remove_node(lost, allow_graceful=False)
    assert len(parts(out)) < FILES
    results = finish(process)
    nodes.add_node(num_cpus=1, object_store_memory=STORE)
    assert results.splitlines()[0].split() == ["pictures", "24,000"]
    check_every_picture_is_there_once(out, stack)


def test_a_worker_that_is_killed_costs_no_picture(nodes, tmp_path):
    pictures, out = tmp_path / "pictures", tmp_path / "out"
    pictures.mkdir()
    for number in range(400):
        digit(str(number % 10), height=60, seed=number).save(pictures / f"{number:03}.png")
    process = started(pictures, out, "--ray-address", nodes.address, "--workers", "2")
    wait_for(lambda: len(parts(out)) >= 2, process)
    chosen = [pid for node in nodes.list_all_nodes() for pid in workers(raylet(node))]
    assert len(chosen) == 2
    os.kill(chosen[0], signal.SIGKILL)
    finish(process)
    table, names = rows(out), sorted(map(str, pictures.iterdir()))
    assert table["source"].to_pylist() == names
    assert table["text"].to_pylist() == [outcome.reading.text for outcome in read_all(names)]
    assert table["error"].null_count == 400


def test_a_batch_that_is_killed_or_stopped_goes_on_with_what_is_missing(nodes, stack, tmp_path):
    out = tmp_path / "out"
    options = ("--single", "--ray-address", nodes.address)
    process = started(stack[0], out, *options)
    wait_for(lambda: len(parts(out)) >= KILLED_AFTER, process)
    process.kill()
    process.communicate()
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

    process = started(stack[0], out, *options, "--resume")
    wait_for(lambda: len(parts(out)) >= 2 * KILLED_AFTER, process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130
    command = f"mnistry batch {stack[0]} --out {out} --resume --single --ray-address {nodes.address}"
    assert errors.splitlines()[-1] == f"mnistry: stopped; what is done is kept, go on with: {command}"

    process = started(stack[0], out, *options, "--resume")
    wait_for(lambda: len(parts(out)) >= 3 * KILLED_AFTER, process)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate()
    assert process.returncode == 143
    assert errors.splitlines()[-1] == "mnistry: interrupted; nothing half-written is left behind."

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
    assert errors == "0 of 3 pictures  starting\n"
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
