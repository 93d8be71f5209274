"""Adaptation to a hand: its usual mistakes become rare, and nothing else is forgotten."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mnistry import Recognizer
from mnistry.errors import DataError, ModelError, UsageError
from mnistry.models.onnx_head import Head
from mnistry.training import adaptation


def of_a_hand(images: np.ndarray) -> np.ndarray:
    """Digits as somebody would write who leans them far over: a 7 then looks like a 1, and a 3 like a 7."""
    leaning = (1, 1.3, -17.55, 0, 1, 0)
    pictures = (Image.fromarray(image) for image in images)
    moved = (each.transform((28, 28), Image.Transform.AFFINE, leaning, Image.Resampling.BILINEAR) for each in pictures)
    return np.stack([np.asarray(each) for each in moved])


@pytest.fixture(scope="module")
def hand(digits) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Thirty digits of a hand, misread ones first, and others of the same hand."""
    chosen = np.flatnonzero(np.isin(digits.y_train, (3, 7, 9)))[:420]
    images, labels = of_a_hand(digits.x_train[chosen]), digits.y_train[chosen].astype(np.int64)
    wrong = Recognizer().predict_all(images[:120]).digits != labels[:120]
    order = np.concatenate([np.flatnonzero(wrong), np.flatnonzero(~wrong)])[:30]
    return images[order], labels[order], images[120:], labels[120:]


@pytest.fixture(scope="module")
def folder(hand, tmp_path_factory) -> Path:
    """The thirty digits as a folder of pictures for each digit."""
    made = tmp_path_factory.mktemp("hand") / "mine"
    for number, (image, label) in enumerate(zip(*hand[:2], strict=True)):
        (made / str(label)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(made / str(label) / f"{number}.png")
    return made


@pytest.fixture(scope="module")
def adapted(folder) -> adaptation.Adaptation:
    return adaptation.adapt(*adaptation.load_samples(folder, tuple("0123456789"))[:2])


def test_the_usual_mistakes_become_rare(hand, adapted, digits):
    def mistakes(model: Recognizer, images: np.ndarray, labels: np.ndarray) -> int:
        return int((model.predict_all(images).digits != labels).sum())

    before, after = Recognizer(), Recognizer.from_bytes(adapted.content)
    assert mistakes(before, *hand[2:]) >= 10
    assert mistakes(after, *hand[2:]) <= mistakes(before, *hand[2:]) / 2
    others = (digits.x_train[700:], digits.y_train[700:])
    assert mistakes(after, *others) <= mistakes(before, *others) + 3
    assert adapted.after <= adapted.before
    assert adapted.held >= 4
    assert adapted.check == {
        "n": 360,
        "before": mistakes(before, digits.x_test, digits.y_test),
        "after": mistakes(after, digits.x_test, digits.y_test),
    }


def test_the_file_says_what_it_is(hand, adapted):
    info = Recognizer.from_bytes(adapted.content).info
    assert info.name == f"{Recognizer().info.name}-adapted"
    assert info.details["adapted"]["samples"] == 30
    assert info.class_names == Recognizer().info.class_names


def test_the_command_writes_the_same_model_which_reads(mnistry, hand, folder, adapted, tmp_path):
    shutil.copytree(folder, tmp_path / "mine")
    done = mnistry("adapt", "mine", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    figures = json.loads(done.stdout)
    assert (figures["samples"], figures["file"]) == (30, "adapted.onnx")
    written, expected = (Head(each, "it") for each in ((tmp_path / "adapted.onnx").read_bytes(), adapted.content))
    assert written.info == expected.info
    np.testing.assert_allclose(written.weights, expected.weights, atol=1e-4)  # sums depend on the number of threads
    Image.fromarray(hand[2][0]).save(tmp_path / "one.png")
    read = json.loads(mnistry("read", "--single", "--json", "--model", "adapted.onnx", "one.png").stdout)
    expected = Recognizer(tmp_path / "adapted.onnx").read_digit(tmp_path / "one.png").probabilities
    assert read["digits"][0]["probabilities"] == pytest.approx(expected.tolist(), abs=1e-5)
    again = mnistry("adapt", "mine")
    assert (again.returncode, again.stdout) == (2, "")
    assert again.stderr.startswith("mnistry: adapted.onnx exists already.")


def test_samples_of_one_digit_or_one_of_each_are_enough(digits, tmp_path):
    sevens = np.flatnonzero(digits.y_test == 7)[:12]
    one_of_each = [int(np.flatnonzero(digits.y_test == digit)[0]) for digit in range(10)]
    for name, chosen in (("sevens", sevens), ("each", one_of_each)):
        for number in chosen:
            place = tmp_path / name / str(digits.y_test[number]) / f"{number}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(digits.x_test[number]).save(place)
        found = adaptation.load_samples(tmp_path / name, tuple("0123456789"))
        order = [int(Path(origin).stem) for origin in found.origins]
        assert sorted(order) == sorted(chosen)
        np.testing.assert_array_equal(found.images, digits.x_test[order])
        np.testing.assert_array_equal(found.labels, digits.y_test[order])


def test_a_wrong_label_is_named(mnistry, digits, tmp_path):
    clear = digits.x_test[np.flatnonzero(digits.y_test == 0)[:10]]
    for number, image in enumerate(clear):
        place = tmp_path / "mine" / ("0" if number else "1") / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place)
    done = mnistry("adapt", "mine")
    assert done.returncode == 0, done.stderr
    assert "Still misread: 1 sample. Are the labels right?\n  1/0.png: labelled 1, read 0\n" in done.stdout


def test_too_few_samples_and_other_classes_are_said(tmp_path, hand):
    for name in ("7", "8"):
        (tmp_path / "few" / name).mkdir(parents=True)
        for number in range(3):
            Image.fromarray(hand[0][number]).save(tmp_path / "few" / name / f"{number}.png")
    with pytest.raises(UsageError, match=r"has 6 samples; at least 10 are needed"):
        adaptation.load_samples(tmp_path / "few", tuple("0123456789"))
    with pytest.raises(DataError, match=r"has the class '8', which the model does not have"):
        adaptation.load_samples(tmp_path / "few", tuple("01234567"))


def test_a_file_that_is_no_model_is_refused(tmp_path, hand):
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(ModelError, match=r"model\.onnx"):
        adaptation.adapt(hand[0], hand[1], model=tmp_path / "model.onnx")
