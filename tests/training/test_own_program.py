"""A data set of one's own through the whole program: three classes of drawings, named after animals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import mnistry
from helpers.drawn import NAMES, drawing, write_folder
from mnistry.datasets import loading
from mnistry.errors import RunError, UsageError
from mnistry.evaluation import run as evaluation_run
from mnistry.evaluation.result import ModelEvaluation
from mnistry.training import run as training_run
from mnistry.training.config import TrainConfig
from mnistry.training.result import Result
from mnistry.tutorial import tutorial

STRONG = {"recipe": "strong", "epochs": 25}


@pytest.fixture(scope="module")
def animals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("own") / "animals", 40)


@pytest.fixture(scope="module")
def lesson(animals: Path) -> tuple[Path, Result]:
    return tutorial(TrainConfig(dataset=str(animals), epochs=15), out=animals.parent / "lesson")


@pytest.fixture(scope="module")
def strong(animals: Path) -> tuple[Path, Result]:
    folder, result = training_run.train_run({**STRONG, "dataset": str(animals)}, out=animals.parent / "strong")
    assert result is not None
    return folder, result


@pytest.fixture(params=["lesson", "strong"])
def run(request: pytest.FixtureRequest) -> tuple[Path, Result]:
    return request.getfixturevalue(request.param)


def test_it_learns_them(run: tuple[Path, Result]) -> None:
    folder, result = run
    assert result.dataset.class_names == NAMES
    assert result.test.n == 24
    assert result.test.accuracy > 0.9
    assert {"config.json", "summary.json", "report.html", "model.keras", "model.onnx"} <= {
        path.name for path in folder.iterdir()
    }


def test_the_run_names_the_data_by_their_whole_path(run: tuple[Path, Result], animals: Path) -> None:
    folder, result = run
    summary, config = (json.loads((folder / name).read_text()) for name in ("summary.json", "config.json"))
    assert config["dataset"] == summary["dataset"]["name"] == str(animals)
    assert f"--dataset {animals}" in result.command
    assert summary["dataset"]["class_names"] == list(NAMES)


def test_the_report_is_about_images_of_ones_own(run: tuple[Path, Result]) -> None:
    page = (run[0] / "report.html").read_text(encoding="utf-8")
    assert "animals: a data set of your own" in page
    assert "snowy owl" in page
    assert "handwritten digits" not in page
    assert "written by" not in page


def test_few_images_make_small_batches(lesson: tuple[Path, Result], strong: tuple[Path, Result]) -> None:
    assert (lesson[1].config.batch_size, strong[1].config.batch_size) == (16, 16)
    assert list(lesson[1].grid) == list(range(38, 58))


def test_a_look_at_consecutive_images_shows_all_classes(lesson: tuple[Path, Result]) -> None:
    assert set(lesson[1].grid_labels) == set(NAMES)


def test_the_model_is_examined_on_what_it_was_trained_on(run: tuple[Path, Result], animals: Path) -> None:
    _, result = evaluation_run.evaluate_model(run[0], with_corruptions=False)
    assert result.dataset.name == str(animals)
    assert result.test.errors == run[1].test.errors
    assert result.dataset.remarks == run[1].dataset.remarks


def test_the_model_reads_a_new_picture(run: tuple[Path, Result]) -> None:
    recognizer = mnistry.Recognizer.load(run[0] / "model.onnx")
    assert recognizer.info.class_names == NAMES
    right = 0
    for number in range(12):
        name = NAMES[number % 3]
        digit = recognizer.read_digit(drawing(name, np.random.default_rng([7, number]), side=50))
        assert digit is not None
        right += digit.name == name
    assert right >= 10


def test_what_a_strong_model_has_learnt_to_refuse(strong: tuple[Path, Result]) -> None:
    recognizer = mnistry.Recognizer.load(strong[0] / "model.onnx")
    own = recognizer.predict_all(strong[1].dataset.x_test).digitness.mean()
    blank = recognizer.predict_all(np.zeros((1, 28, 28), np.uint8)).digitness[0]
    assert own > 0.8 > 0.5 > blank


def evaluate_run(run: Path, dataset: Path) -> ModelEvaluation:
    return evaluation_run.evaluate_model(run, dataset=str(dataset), with_corruptions=False)[1]


def test_data_may_lack_a_class_of_the_model(lesson: tuple[Path, Result], tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "two", 10, seed=3)
    for path in (folder / "cat").iterdir():
        path.unlink()
    (folder / "cat").rmdir()
    result = evaluate_run(lesson[0], folder)
    assert result.dataset.class_names == NAMES
    assert set(result.dataset.y_test.tolist()) == {1, 2}
    assert np.isnan(result.test.recall[0])
    assert result.test.accuracy > 0.7


def test_data_with_other_classes_are_refused(lesson: tuple[Path, Result]) -> None:
    with pytest.raises(UsageError, match="The model has the classes cat dog snowy owl; the UCI digits has 0 1 2"):
        evaluation_run.evaluate_model(lesson[0], dataset="digits", with_corruptions=False)


def test_changed_data_are_remarked_on(lesson: tuple[Path, Result], animals: Path) -> None:
    more = animals / "cat" / "more.png"
    drawing("cat", np.random.default_rng(99)).save(more)
    try:
        _, result = evaluation_run.evaluate_model(lesson[0], with_corruptions=False)
    finally:
        more.unlink()
    assert result.dataset.remarks[-1].startswith("The data have changed since the model was trained on them")


def test_data_that_are_gone_are_asked_for(lesson: tuple[Path, Result], animals: Path) -> None:
    away = animals.with_name("away")
    animals.rename(away)
    try:
        with pytest.raises(UsageError, match=r"The model was trained on '.*animals', where nothing is\."):
            evaluation_run.evaluate_model(lesson[0], with_corruptions=False)
    finally:
        away.rename(animals)


def test_a_run_goes_on_from_any_folder_but_not_with_changed_data(
    animals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(animals.parent)
    given = {"dataset": "animals", "epochs": 2}

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(mnistry.MnistryError, match="stopped; what is done is kept"):
        training_run.train_run(given, out=tmp_path / "run", callbacks=training_run.Callbacks(epoch=stop))
    monkeypatch.chdir(tmp_path)
    more = animals / "cat" / "more.png"
    drawing("cat", np.random.default_rng(99)).save(more)
    try:
        with pytest.raises(RunError, match="was trained on other data"):
            training_run.train_run({}, out=tmp_path / "run", resume=True)
    finally:
        more.unlink()
    with pytest.raises(RunError, match=r"has other settings: dataset is .*animals, asked for is digits"):
        training_run.train_run({"dataset": "digits"}, out=tmp_path / "run", resume=True)
    asked = {"dataset": str(animals.parent / "." / "animals")}
    _, result = training_run.train_run(asked, out=tmp_path / "run", resume=True)
    assert result is not None
    assert len(result.records) == 2
    assert list(result.grid) == list(range(20))


def test_the_smallest_set_there_can_be(tmp_path: Path) -> None:
    x = np.zeros((4, 28, 28), np.uint8)
    x[::2, 10:18, 10:18] = 255
    np.savez(tmp_path / "own.npz", x_train=x, y_train=["$a_b$", "<b>"] * 2)
    _, result = tutorial(TrainConfig(dataset=str(tmp_path / "own.npz"), epochs=1), out=tmp_path / "run")
    assert (result.config.batch_size, list(result.grid)) == (2, [0, 1])
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;" in page
    assert "<b></th>" not in page
    assert loading.load(str(tmp_path / "own.npz")).class_names == ("$a_b$", "<b>")
