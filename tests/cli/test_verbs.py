"""Each verb of the command line: what it prints and writes, and what it refuses before it computes."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.commands import assert_refused
from mnistry import Recognizer
from mnistry.evaluation.metrics import evaluate


@pytest.fixture
def pictures(tmp_path, digits) -> Path:
    """Five images of the digits as files 1.png to 5.png."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, image in enumerate(digits.x_test[:5], 1):
        Image.fromarray(image).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def probabilities(digits) -> np.ndarray:
    return Recognizer.load(threads=1).predict(digits.x_test)


# predict


def test_predict_prints_a_row_for_each_image(called, pictures, probabilities):
    answer = called("predict", "--dataset", "pictures", "--probabilities")
    assert (answer.returncode, answer.stderr) == (0, "")
    header, *rows = csv.reader(answer.stdout.splitlines())
    assert header == ["ImageId", "Label", *(f"p_{digit}" for digit in range(10))]
    assert [row[0] for row in rows] == [f"{number}.png" for number in range(1, 6)]
    assert [int(row[1]) for row in rows] == probabilities[:5].argmax(axis=1).tolist()
    np.testing.assert_allclose([[float(cell) for cell in row[2:]] for row in rows], probabilities[:5], atol=1e-5)


def test_predict_as_json_is_an_object_for_each_image(called, pictures, probabilities):
    objects = [json.loads(line) for line in called("predict", "--dataset", "pictures", "--json").stdout.splitlines()]
    assert [each["image"] for each in objects] == [f"{number}.png" for number in range(1, 6)]
    np.testing.assert_allclose([each["probabilities"] for each in objects], probabilities[:5], atol=1e-5)


def test_predict_replaces_its_file_and_says_how_many_answers_it_holds(called, tmp_path, pictures):
    (tmp_path / "answers.csv").write_text("old")
    answer = called("predict", "--dataset", "pictures", "--out", "answers.csv")
    assert (answer.returncode, answer.stdout) == (0, "")
    assert re.fullmatch(r"answers\.csv: 5 answers, sure of \d+\.\d%\n", answer.stderr)
    assert len((tmp_path / "answers.csv").read_text().splitlines()) == 6


# evaluate


def test_evaluate_measures_the_built_in_model(called, digits, probabilities):
    answer = called("evaluate", "--dataset", "digits", "--no-corruptions", "--json")
    assert (answer.returncode, answer.stderr) == (0, "")
    found, expected = json.loads(answer.stdout)["test"], evaluate(probabilities, digits.y_test)
    assert found["confusion"] == expected.confusion.tolist()
    assert found["loss"] == pytest.approx(expected.loss, abs=1e-5)


# Refusals before anything is computed

REFUSED = {
    "predict": (2, "Missing option '--dataset'"),
    "predict --dataset digits --json --out x.csv": (2, "--json prints to standard output, --out writes a CSV file"),
    "predict --dataset nothing.csv": (2, r"There is no file or folder nothing\.csv"),
    "predict nothing.onnx --dataset digits": (1, r"There is no model file nothing\.onnx"),
    "evaluate nothing.onnx --dataset digits": (1, r"There is no model file nothing\.onnx"),
    "export runs/train-1": (1, "There is no run folder runs/train-1"),
    "export mine.keras": (1, "mine.keras is damaged: it begins as a Keras model and breaks off"),
    "export there.txt": (1, "there.txt is text, not a model"),
    "export . --classes a,b": (2, "--classes, --pixels and --fit are for Keras models"),
    "adapt nothing": (2, "There is no file or folder .*/nothing. A data set of your own is "),
    "adapt nothing --out there.txt": (2, r"there\.txt exists already. Name another file with --out"),
    "data --out page": (2, "--out is for the page of a check: add --check."),
    "data --check --index 3": (2, "--index shows one image, --check looks at all of them"),
    "batch nothing": (2, "Missing option '--out'"),
    "batch nothing --out table": (1, "nothing does not exist."),
    "batch there.txt --out there.txt": (1, "there.txt"),
    "batch there.txt --out table --workers 0": (2, "Invalid value for '--workers'"),
    "serve --port 65536": (2, "Invalid value for '--port'"),
    "serve --workers 0": (2, "Invalid value for '--workers'"),
    "serve --model nothing.onnx --port 0": (1, r"There is no model file nothing\.onnx"),
    "read nothing.png": (1, r"nothing\.png"),
    "train --resume": (2, "--resume needs the run folder: mnistry train --resume --out RUN"),
}


@pytest.mark.parametrize("line", REFUSED)
def test_a_verb_refuses_with_a_sentence_and_leaves_nothing(called, tmp_path, line):
    (tmp_path / "there.txt").write_text("nothing.png\n")
    (tmp_path / "mine.keras").write_bytes(b"PK\x03\x04")
    assert_refused(called(*line.split()), *REFUSED[line])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.keras", "there.txt"]
    assert (tmp_path / "there.txt").read_text() == "nothing.png\n"
