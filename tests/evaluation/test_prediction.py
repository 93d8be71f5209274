"""Answers to images without labels, and Kaggle's whole way from train.csv to submission.csv."""

from __future__ import annotations

import csv
import gzip
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import mnistry
from mnistry.cli import terminal
from mnistry.cli.app import app
from mnistry.datasets import loading

DIGITS = loading.load("digits")
X, Y = DIGITS.x_test[:40], DIGITS.y_test[:40]
PIXELS = ",".join(f"pixel{number}" for number in range(784))


def table(path: Path, x: np.ndarray, y: np.ndarray | None = None) -> Path:
    columns = x.reshape(len(x), -1) if y is None else np.column_stack([y, x.reshape(len(x), -1)])
    np.savetxt(path, columns, "%d", ",", header=PIXELS if y is None else f"label,{PIXELS}", comments="")
    return path


def rows(text: str) -> list[list[str]]:
    return list(csv.reader(text.splitlines()))


@pytest.fixture
def expected():
    return [str(digit) for digit in mnistry.Recognizer.load().predict(X).argmax(axis=1)]


@pytest.mark.parametrize(
    "form", ["csv", "csv.gz", "npy", "npz", "folder of npz", "labelled csv", "folder", "zip", "idx"]
)
def test_images_of_any_form_are_answered(form, expected, tmp_path):
    path = tmp_path / f"images.{form.split()[-1]}"
    if form in ("csv", "labelled csv"):
        table(path, X, Y if form == "labelled csv" else None)
    elif form == "csv.gz":
        path.write_bytes(gzip.compress(table(tmp_path / "plain.csv", X).read_bytes()))
    elif form == "npy":
        np.save(path, X / 255)
    elif form in ("npz", "folder of npz"):
        np.savez(path, x_train=X[:5], x_test=X, y_test=Y)
    elif form in ("folder", "zip"):
        path = tmp_path / "pictures"
        path.mkdir()
        for number, image in enumerate(X):
            Image.fromarray(image).save(path / f"{number}.png")
        if form == "zip":
            with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
                for each in path.iterdir():
                    archive.write(each, f"pictures/{each.name}")
            path = tmp_path / "images.zip"
    else:
        path.write_bytes(b"\0\0\x08\x03" + np.array(X.shape, ">u4").tobytes() + X.tobytes())
    found = mnistry.predict_dataset(None, path, out=tmp_path / "answers.csv")
    assert found.labels == expected
    table_ = rows((tmp_path / "answers.csv").read_text())
    assert table_[0] == ["ImageId", "Label"]
    assert [row[1] for row in table_[1:]] == expected
    names = [f"{number}.png" for number in range(40)] if form in ("folder", "zip") else list(map(str, range(1, 41)))
    assert [row[0] for row in table_[1:]] == names


def test_a_sample_submission_gives_header_and_names(expected, tmp_path):
    table(tmp_path / "test.csv", X)
    table(tmp_path / "train.csv", X, Y)
    lines = [f"{number},0" for number in range(100, 140)]
    (tmp_path / "sample_submission.csv").write_text("\n".join(["id,label", *lines]))
    found = mnistry.predict_dataset(None, tmp_path)
    table_ = rows(found.csv(probabilities=True))
    assert table_[0] == ["id", "label", *(f"p_{digit}" for digit in range(10))]
    assert [row[:2] for row in table_[1:]] == [[str(100 + n), label] for n, label in enumerate(expected)]
    assert all(abs(sum(map(float, row[2:])) - 1) < 1e-4 for row in table_[1:])


def run(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mnistry", *map(str, words)], capture_output=True, text=True, check=False
    )


def test_kaggles_way_from_train_csv_to_submission_csv(tmp_path):
    table(tmp_path / "train.csv", DIGITS.x_train[:600], DIGITS.y_train[:600])
    table(tmp_path / "test.csv", X)
    (tmp_path / "sample_submission.csv").write_text("ImageId,Label\n" + "".join(f"{n + 1},0\n" for n in range(40)))
    trained = run("train", "--dataset", tmp_path, "--epochs", 12, "--out", tmp_path / "run")
    assert trained.returncode == 0, trained.stderr
    done = run("predict", tmp_path / "run", "--dataset", tmp_path / "test.csv", "--out", tmp_path / "submission.csv")
    assert done.returncode == 0, done.stderr
    table_ = rows((tmp_path / "submission.csv").read_text())
    assert table_[0] == ["ImageId", "Label"]
    assert [row[0] for row in table_[1:]] == [str(number) for number in range(1, 41)]
    right = np.mean([row[1] == str(label) for row, label in zip(table_[1:], Y, strict=True)])
    assert right >= 0.8
    lines = run("predict", tmp_path / "run", "--dataset", tmp_path / "test.csv", "--json").stdout.splitlines()
    assert [json.loads(line)["label"] for line in lines] == [row[1] for row in table_[1:]]
    refused = run("predict", tmp_path / "run", "--dataset", tmp_path / "test.csv", "--json", "--out", "x.csv")
    assert refused.returncode == 2
    evaluated = run("evaluate", tmp_path / "run", "--dataset", tmp_path / "test.csv", "--json")
    assert evaluated.returncode == 0
    assert "it has no labels" in evaluated.stderr
    counts = json.loads(evaluated.stdout)["answers"]
    assert counts == {name: [row[1] for row in table_[1:]].count(name) for name in "0123456789"}
    refused = run("evaluate", tmp_path / "run", "--dataset", tmp_path / "test.csv", "--out", tmp_path / "report")
    assert (refused.returncode, "it has no labels" in refused.stderr) == (1, True)
    read = run("read", "--single", "--model", tmp_path / "run/model.onnx", tmp_path / "test.csv")
    named = [line.rpartition(": ") for line in read.stdout.splitlines()]
    assert [name for name, _, _ in named] == [f"{tmp_path / 'test.csv'}#{number}" for number in range(1, 41)]
    assert np.mean([text == str(label) for (_, _, text), label in zip(named, Y, strict=True)]) >= 0.8


def test_the_command_ends_with_the_next_one(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(terminal, "suggest", lambda command, _: said.append(command))
    images = table(tmp_path / "my test.csv", X)
    for words in ([], ["--out", str(tmp_path / "a.csv")]):
        assert CliRunner().invoke(app, ["predict", "--dataset", str(images), *words]).exit_code == 0
    assert said == [f"mnistry predict --dataset '{images}' --out submission.csv", "mnistry evaluate --dataset DATA"]
