from __future__ import annotations

import json
import re
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mnistry import tutorial
from mnistry.datasets import loading
from mnistry.datasets.loading import Dataset
from mnistry.errors import UsageError
from mnistry.evaluation import metrics
from mnistry.models import backend
from mnistry.models.backend import keras
from mnistry.reporting import language
from mnistry.runtime.callbacks import Callbacks
from mnistry.training.config import TrainConfig

SECONDS = ["load", "build", "train", "evaluate", "report", "total"]
FILES = ["config.json", "figures", "metrics.jsonl", "model.keras", "model.onnx", "report.html", "summary.json"]


@pytest.fixture(scope="module")
def on_digits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[int, str, str]]]:
    """A run of the lesson on the embedded digits, and what it told."""
    told: list[tuple[int, str, str]] = []
    callbacks = Callbacks(step=lambda *step: told.append(step))
    out = tmp_path_factory.mktemp("lesson") / "run"
    config = TrainConfig(dataset="digits", seed=2)
    folder, _ = tutorial.tutorial(config, out=out, language="en", callbacks=callbacks)
    return folder, told


@pytest.fixture(scope="module")
def on_mnist(tmp_path_factory: pytest.TempPathFactory, mnist_folder: Path) -> tuple[dict, list[tuple[int, str, str]]]:
    """The summary of the lesson on MNIST, and what it told."""
    told: list[tuple[int, str, str]] = []
    callbacks = Callbacks(step=lambda *step: told.append(step))
    out = tmp_path_factory.mktemp("lesson") / "run"
    folder, _ = tutorial.tutorial(data_dir=mnist_folder, out=out, language="en", callbacks=callbacks)
    return json.loads((folder / "summary.json").read_text()), told


def test_eleven_steps_are_told_in_their_order(on_digits: tuple[Path, list[tuple[int, str, str]]]) -> None:
    _, told = on_digits
    assert [number for number, _, _ in told] == list(range(1, 12))
    assert [name for _, name, _ in told] == [
        "Load the data", "Look at one image", "Look at many images", "Normalise", "Build the network", "Compile",
        "Train", "Evaluate", "Confusion matrix", "Probabilities", "Answer",
    ]  # fmt: skip


def test_the_run_folder_is_complete(on_digits: tuple[Path, list[tuple[int, str, str]]]) -> None:
    folder, _ = on_digits
    assert sorted(path.name for path in folder.iterdir()) == FILES
    assert sorted(path.stem for path in (folder / "figures").iterdir()) == [
        "confusion", "curves", "ideas", "image", "learning", "mistakes", "network", "probabilities", "reliability",
        "samples",
    ]  # fmt: skip


def test_the_summary_agrees_with_the_saved_model(
    on_digits: tuple[Path, list[tuple[int, str, str]]], digits: Dataset
) -> None:
    folder, _ = on_digits
    summary = json.loads((folder / "summary.json").read_text())
    model = keras.saving.load_model(folder / "model.keras")
    again = metrics.evaluate(backend.predict(model, digits.x_test), digits.y_test)
    assert summary["test"] == json.loads(json.dumps(again.as_json()))
    assert sum(map(sum, summary["test"]["confusion"])) == summary["test"]["n"] == 360
    assert np.trace(summary["test"]["confusion"]) == 360 - summary["test"]["errors"]
    probabilities = backend.predict(model, digits.x_train[1000:1001])[0]
    np.testing.assert_allclose(summary["sample"]["probabilities"], probabilities, atol=1e-6)
    assert summary["sample"]["prediction"] == probabilities.argmax()
    assert summary["sample"]["label"] == digits.y_train[1000]
    assert summary["sample"]["row_10"] == digits.x_train[1000, 10].tolist()
    assert summary["grid"]["indices"] == list(range(990, 1010))
    assert summary["grid"]["labels"] == digits.y_train[990:1010].tolist()


def test_the_summary_has_all_that_others_rely_on(on_digits: tuple[Path, list[tuple[int, str, str]]]) -> None:
    folder, _ = on_digits
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["dataset"]["name"] == "digits"
    assert summary["dataset"]["train_shape"] == [1437, 28, 28]
    assert summary["dataset"]["test_shape"] == [360, 28, 28]
    assert summary["dataset"]["fallback"] is None  # asked for by name
    assert summary["seed"] == 2
    assert len(summary["epochs"]) == 30
    assert set(SECONDS) <= set(summary["seconds"])
    parts = sum(seconds for name, seconds in summary["seconds"].items() if name != "total")
    assert parts <= summary["seconds"]["total"] + 1e-6
    low, high = summary["test"]["interval"]
    assert low < summary["test"]["accuracy"] < high


def test_metrics_hold_a_line_an_epoch(on_digits: tuple[Path, list[tuple[int, str, str]]]) -> None:
    folder, _ = on_digits
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == list(range(1, 31))
    assert lines == json.loads((folder / "summary.json").read_text())["epochs"]
    assert lines[-1]["loss"] < lines[0]["loss"] / 5


def test_softmax_twice_is_softmax_of_the_probabilities(on_digits: tuple[Path, list[tuple[int, str, str]]]) -> None:
    folder, _ = on_digits
    sample = json.loads((folder / "summary.json").read_text())["sample"]
    powers = np.exp(sample["probabilities"])
    np.testing.assert_allclose(sample["double_softmax"], powers / powers.sum(), rtol=1e-6)
    assert max(sample["double_softmax"]) <= np.e / (np.e + 9) + 1e-9


def test_the_config_says_everything(on_digits: tuple[Path, list[tuple[int, str, str]]]) -> None:
    folder, _ = on_digits
    config = TrainConfig(**json.loads((folder / "config.json").read_text()))
    assert config == TrainConfig(
        recipe="tutorial", dataset="digits", epochs=30, batch_size=32, seed=2, learning_rate=0.001, validation=0.0
    )


def test_the_command_in_the_summary_gives_the_same_run(
    on_digits: tuple[Path, list[tuple[int, str, str]]], mnistry, tmp_path: Path
) -> None:
    folder, _ = on_digits
    summary = json.loads((folder / "summary.json").read_text())
    program, *arguments = summary["command"].split()
    assert program == "mnistry"
    done = mnistry(*arguments, "--out", "again")
    assert done.returncode == 0, done.stderr
    again = json.loads((tmp_path / "again" / "summary.json").read_text())
    assert again["test"] == summary["test"]
    assert again["sample"] == summary["sample"]


@pytest.mark.parametrize(("index", "grid"), [(0, range(10)), (5, range(15)), (1436, range(1426, 1437))])
def test_the_grid_stays_inside_the_set(index: int, grid: range, digits: Dataset, tmp_path: Path) -> None:
    config = TrainConfig(dataset="digits", epochs=1)
    _, result = tutorial.tutorial(config, index=index, out=tmp_path / "run")
    assert result.grid == grid
    assert result.sample.index == index
    assert result.sample.label == str(digits.y_train[index])


@pytest.mark.parametrize("index", [-1, 1437])
def test_an_index_outside_the_set_is_refused(index: int, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=rf"from 0 to 1436.*received {index}"):
        tutorial.tutorial(TrainConfig(dataset="digits"), index=index, out=tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_without_mnist_the_lesson_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MNISTRY_CACHE_DIR", str(tmp_path / "empty"))
    heard: list[Dataset] = []
    callbacks = Callbacks(loaded=heard.append)
    folder, _ = tutorial.tutorial(TrainConfig(epochs=1), out=tmp_path / "run", callbacks=callbacks)
    assert heard[0].name == "digits"
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["dataset"]["fallback"].startswith("MNIST was not found. Tried, in this order:")
    page = (folder / "report.html").read_text()
    assert "This run did not use MNIST" in page.split("<section")[0]


def test_class_names_other_than_digits_go_through(
    digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    monkeypatch.setattr(loading, "load", lambda *_, **__: replace(digits, class_names=words))
    folder, result = tutorial.tutorial(TrainConfig(epochs=1), out=tmp_path / "run")
    assert result.sample.label in words
    assert json.loads((folder / "summary.json").read_text())["sample"]["label"] == result.sample.label


def test_the_lessons_values_on_mnist(on_mnist: tuple[dict, list[tuple[int, str, str]]]) -> None:
    summary, told = on_mnist
    text = {number: text for number, _, text in told}
    assert "(60000, 28, 28) uint8" in text[1]
    assert "(60000,) uint8" in text[1]
    assert "(10000, 28, 28) uint8" in text[1]
    assert "(10000,) uint8" in text[1]
    row = [0] * 9 + [92, 255, 254, 254, 119] + [0] * 14
    assert "training image 2000, row 10\n" + " ".join(map(str, row)) in text[2]
    assert "training images 1990 to 2009\n6 5 4 5 3\n0 5 5 2 0\n5 8 8 4 2\n6 9 7 1 0" in text[3]
    assert "101,770" in text[5]
    assert "5 epochs of 1,875 steps" in text[7]
    assert "train (60000, 10), test (10000, 10)\ntraining image 2000:" in text[10]
    assert "Your tutorial says 0.9775" in " ".join(text[8].split())
    assert summary["sample"]["row_10"] == row
    assert summary["sample"]["label"] == 5
    assert summary["grid"]["labels"] == [6, 5, 4, 5, 3, 0, 5, 5, 2, 0, 5, 8, 8, 4, 2, 6, 9, 7, 1, 0]
    assert summary["dataset"]["train_shape"] == [60000, 28, 28]
    assert len(summary["epochs"]) == 5
    assert summary["test"]["n"] == 10_000
    assert summary["test"]["accuracy"] > 0.972


def test_the_lessons_model_says_5_on_mnist(on_mnist: tuple[dict, list[tuple[int, str, str]]]) -> None:
    summary, told = on_mnist
    assert summary["sample"]["prediction"] == 5
    assert "\nthe model says 5, the label says 5\n" in told[-1][2]


def test_the_lesson_speaks_korean_and_gives_the_same_values(tmp_path: Path) -> None:
    told: dict[int, tuple[str, str]] = {}
    callbacks = Callbacks(step=lambda number, name, text: told.update({number: (name, text)}))
    config = TrainConfig(dataset="digits", epochs=1, settings={"hidden": 16, "dropout": 0})
    folder, result = tutorial.tutorial(config, out=tmp_path / "run", language="ko", callbacks=callbacks)
    assert [name for name, _ in told.values()] == [
        "데이터 읽어오기", "이미지 하나 살펴보기", "이미지 여러 개 살펴보기", "정규화", "인공신경망 구성", "컴파일",
        "학습", "평가", "혼동 행렬", "확률", "예측",
    ]  # fmt: skip
    assert f"평가 이미지 360개 중 오류 {result.test.errors}개: 정확도 {result.test.accuracy:.2%}" in told[8][1]
    assert " ".join(map(str, result.sample.image[10])) in told[2][1]
    assert "12,730" in told[5][1]  # 784 × 16 + 16 + 16 × 10 + 10
    assert max(language.count_columns(line) for _, text in told.values() for line in text.splitlines()) <= 76
    assert json.loads((folder / "config.json").read_text())["settings"] == {"hidden": 16, "dropout": 0}
    assert '<html lang="ko">' in (folder / "report.html").read_text(encoding="utf-8")


def test_reading_between_the_steps_is_not_counted(tmp_path: Path) -> None:
    def slow(number: int, *_: str) -> None:
        time.sleep(1.5 if number == 6 else 0)

    begun = time.perf_counter()
    _, result = tutorial.tutorial(
        TrainConfig(dataset="digits", epochs=1), out=tmp_path / "run", callbacks=Callbacks(step=slow)
    )
    assert time.perf_counter() - begun - result.seconds["total"] >= 1.5


def test_the_readme_shows_what_the_lesson_prints(on_mnist: tuple[dict, list[tuple[int, str, str]]]) -> None:
    summary, told = on_mnist
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^```text\n(.*?)^```", readme, re.DOTALL | re.MULTILINE)
    steps = [int(number) for number in re.findall(r"^([ \d]\d)  [A-Z]", shown, re.MULTILINE)]
    parts = [
        f"{number:>2}  {name}\n{textwrap.indent(text, '    ')}\n" for number, name, text in told if number in steps
    ]
    printed = "\n".join(parts)

    def without_figures(text: str) -> list[str]:  # they differ in their last places between machines
        return re.sub(r"[\d.,]+%?( █+)?", "#", text).split()

    assert steps
    assert without_figures(printed) == without_figures(shown)
    once = dict(re.findall(r"^ +(\d) +([\d.]+)%", shown, re.MULTILINE))
    assert max(once, key=lambda name: float(once[name])) == str(summary["sample"]["prediction"])
