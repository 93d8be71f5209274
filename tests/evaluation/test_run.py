"""Evaluations: the same numbers as by hand, of files and runs alike; their words, page and JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers.page import Page
from mnistry.datasets.dataset import make_origins
from mnistry.datasets.loading import Dataset
from mnistry.errors import DataError, ModelError, RunError, UsageError
from mnistry.evaluation import corruptions
from mnistry.evaluation import report as evaluation_report
from mnistry.evaluation import run as evaluation_run
from mnistry.evaluation import text as evaluation_text
from mnistry.evaluation.metrics import compute_selective_accuracy, evaluate
from mnistry.evaluation.result import Corrupted, ModelEvaluation
from mnistry.models import onnx_export, onnx_file
from mnistry.models.backend import keras
from mnistry.models.metadata import ModelMetadata
from mnistry.ocr.recognizer import Recognizer
from mnistry.reporting.drawing import Drawing
from mnistry.runtime.callbacks import Callbacks
from mnistry.training import export
from mnistry.training.run import train_run

FIGURES = {"confusion", "reliability", "mistakes", "corrupted", "robustness"}
NAMES = tuple("0123456789")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the lesson on the embedded digits."""
    folder = tmp_path_factory.mktemp("evaluation") / "run"
    train_run({"dataset": "digits", "epochs": 3, "seed": 1}, out=folder)
    return folder


@pytest.fixture(scope="module")
def network(run: Path) -> keras.Model:
    return export.load_run(run)[0]


@pytest.fixture(scope="module")
def model(run: Path, network: keras.Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its model file, with a temperature and thresholds of its own."""
    info = replace(export.load_run(run)[1], temperature=2.0, sure_threshold=0.6, digit_threshold=0.3)
    path = tmp_path_factory.mktemp("model") / "mine.onnx"
    path.write_bytes(onnx_export.to_onnx(network, info))
    return path


@pytest.fixture(scope="module")
def result(model: Path) -> ModelEvaluation:
    return evaluation_run.evaluate_model(model)[1]


# Results


def test_the_numbers_are_those_of_the_recognisers_answers(result, model, digits):
    answers = Recognizer.load(model).predict_all(digits.x_test)
    test, right = evaluate(answers.probabilities, digits.y_test), answers.digits == digits.y_test
    assert result.test.as_json() == test.as_json()
    assert result.sure == compute_selective_accuracy(answers.sure, right)
    assert result.digits == compute_selective_accuracy(answers.is_digit, right)
    assert 0 < result.sure.n < result.digits.n < 360
    assert result.sure_of_mistakes.tolist() == answers.sure[test.mistakes].tolist()


def test_uncalibrated_is_the_same_network_at_temperature_one(result, network, digits):
    plain = Recognizer.from_bytes(onnx_export.to_onnx(network, ModelMetadata("plain", "tutorial", NAMES)))
    expected = evaluate(plain.predict(digits.x_test), digits.y_test)
    assert result.uncalibrated is not None
    assert result.uncalibrated.loss == pytest.approx(expected.loss, rel=1e-4)
    assert result.uncalibrated.ece == pytest.approx(expected.ece, abs=1e-4)
    assert abs(result.uncalibrated.loss - result.test.loss) > 0.01


def test_nothing_is_uncalibrated_at_temperature_one(run):
    assert evaluation_run.evaluate_model(run, with_corruptions=False)[1].uncalibrated is None


def test_every_corruption_is_examined(result, model, digits):
    assert [each.name for each in result.corrupted] == list(corruptions.NAMES)
    answers = Recognizer.load(model).predict_all(corruptions.corrupt("shear", digits.x_test, seed=0))
    right = answers.digits == digits.y_test
    shear = next(each for each in result.corrupted if each.name == "shear")
    assert (shear.all.n, shear.all.accuracy) == (360, right.mean())
    assert shear.sure == compute_selective_accuracy(answers.sure, right)
    assert result.mean_accuracy == np.mean([each.all.accuracy for each in result.corrupted])


def test_corruptions_may_be_left_out(model):
    found = evaluation_run.evaluate_model(model, with_corruptions=False)[1]
    assert found.corrupted == ()
    assert found.as_json()["corruptions"] is None
    assert found.command.endswith("--no-corruptions")


def test_mistakes_tell_which_image_they_are_about(result, digits):
    test = result.test
    assert [each["index"] for each in result.mistakes()] == test.mistakes[:20].tolist()
    for each, sure in zip(result.mistakes(), result.sure_of_mistakes, strict=False):
        assert each["label"] == str(digits.y_test[each["index"]]) != each["answer"]
        assert each["sure"] == sure
    assert {each["origin"] for each in result.mistakes()} == {None}
    rows = make_origins(f"test.csv, row {number + 2}" for number in range(len(digits.x_test)))
    own = replace(result, dataset=replace(digits, origins={"train": rows, "test": rows}))
    first = own.mistakes()[0]
    assert first["origin"] == f"test.csv, row {first['index'] + 2}"
    assert evaluation_text.format_mistakes(own).splitlines()[1].endswith(f": {first['origin']}")
    probabilities = [each["probability"] for each in result.mistakes()]
    assert probabilities == sorted(probabilities, reverse=True)


def test_the_json_has_the_test_object_of_a_summary(result, run):
    found = json.loads(json.dumps(result.as_json(), allow_nan=False))
    summary = json.loads((run / "summary.json").read_text())
    assert set(found["test"]) == set(summary["test"])
    assert found["test"]["errors"] == summary["test"]["errors"]  # a temperature changes no answer
    assert found["dataset"] == summary["dataset"] | {key: found["dataset"][key] for key in found["dataset"]}
    assert found["dataset"]["test_shape"] == [360, 28, 28]
    assert found["model"]["temperature"] == 2.0
    assert set(found["corruptions"]["each"]) == set(corruptions.NAMES)
    assert found["uncalibrated"]["loss"] == result.uncalibrated.loss


# Models and data sets


def test_a_run_folder_without_a_model_file_is_refused_with_the_command_that_writes_it(tmp_path):
    (tmp_path / "run").mkdir()
    with pytest.raises(ModelError, match=r"holds no model\.onnx.*mnistry export "):
        evaluation_run.evaluate_model(tmp_path / "run", with_corruptions=False)


def test_a_run_with_a_model_file_is_examined_by_it(run, model, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / onnx_file.EXPORTED).write_bytes(model.read_bytes())
    assert evaluation_run.evaluate_model(tmp_path / "run", with_corruptions=False)[1].info.temperature == 2.0


def test_the_data_set_is_the_one_the_model_was_trained_on(model, digits):
    assert evaluation_run.evaluate_model(model, with_corruptions=False)[1].dataset.name == "digits"


@pytest.mark.parametrize("details", [{}, {"dataset": None}, {"dataset": {"name": 5}}, {"dataset": {"name": "mine"}}])
def test_a_model_that_names_no_known_set_must_be_told_one(details, network, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(onnx_export.to_onnx(network, ModelMetadata("m", "r", NAMES, details=details)))
    with pytest.raises(UsageError, match=r"does not say on which data it was trained.*Name a data set with --dataset"):
        evaluation_run.evaluate_model(path, with_corruptions=False)
    seen: list[Dataset] = []
    callbacks = Callbacks(loaded=seen.append)
    found = evaluation_run.evaluate_model(path, dataset="digits", with_corruptions=False, callbacks=callbacks)[1]
    assert seen == [found.dataset]


def test_a_model_for_mnist_is_not_tested_on_other_digits(network, tmp_path):
    path = tmp_path / "model.onnx"
    details = {"dataset": {"name": "mnist"}}
    path.write_bytes(onnx_export.to_onnx(network, ModelMetadata("m", "r", NAMES, details=details)))
    with pytest.raises(DataError, match="MNIST was not found"):  # no test has a network
        evaluation_run.evaluate_model(path, with_corruptions=False)


def test_mnist_is_not_replaced_where_it_was_asked_for(model):
    with pytest.raises(DataError, match="MNIST was not found"):
        evaluation_run.evaluate_model(model, dataset="mnist")


def test_a_data_set_with_other_classes_is_refused(network, tmp_path):
    letters = ModelMetadata("letters", "none", tuple("ABCDEFGHIJ"))
    (tmp_path / "letters.onnx").write_bytes(onnx_export.to_onnx(network, letters))
    with pytest.raises(
        UsageError,
        match=r"The model has the classes A B C D E F G H I J; the UCI digits has 0 1 2 3 4 5 6 7 8 9. Name a data set",
    ):
        evaluation_run.evaluate_model(tmp_path / "letters.onnx", dataset="digits")


def test_a_long_list_of_classes_is_cut():
    assert evaluation_run._list_names(tuple(map(str, range(1000)))).endswith(" 27 28 … (1000)")


@pytest.mark.parametrize(
    ("make", "error", "sentence"),
    [
        (lambda path: None, ModelError, "There is no model file"),
        (lambda path: path.mkdir(), ModelError, r"holds no model\.onnx.*mnistry export"),
        (lambda path: path.write_text("hello"), ModelError, "is text, not a model"),
    ],
)
def test_what_is_no_model_is_refused_and_no_folder_is_left(tmp_path, make, error, sentence):
    make(tmp_path / "it")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(error, match=sentence):
        evaluation_run.evaluate_model(tmp_path / "it", out=tmp_path / "report")
    assert sorted(tmp_path.rglob("*")) == before


def test_progress_is_told_from_nothing_to_all(model):
    told: list[tuple[str, int, int]] = []
    evaluation_run.evaluate_model(model, callbacks=Callbacks(progress=lambda *each: told.append(each)))
    assert told[0] == ("as they are", 0, 16)
    assert told[1] == ("shot noise", 1, 16)
    assert told[-1] == ("done", 16, 16)
    assert [done for _, done, _ in told] == list(range(17))


# The report


@pytest.fixture(scope="module")
def folder(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, _ = evaluation_run.evaluate_model(model, out=tmp_path_factory.mktemp("report") / "mine")
    assert folder is not None
    return folder


def test_the_folder_holds_page_figures_and_numbers(folder, result):
    assert sorted(path.name for path in folder.iterdir()) == ["evaluation.json", "figures", "report.html"]
    assert {path.stem for path in (folder / "figures").iterdir()} == FIGURES
    numbers, expected = json.loads((folder / "evaluation.json").read_text()), result.as_json()
    for part in ("test", "sure", "digits", "uncalibrated", "corruptions", "mistakes"):
        assert numbers[part] == expected[part]


def test_a_folder_with_something_in_it_is_refused_before_anything_is_done(tmp_path, model):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(RunError, match="is not empty, and nothing is overwritten"):
        evaluation_run.evaluate_model(
            model, out=tmp_path, callbacks=Callbacks(progress=lambda *_: pytest.fail("too late"))
        )
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_the_page_needs_nothing_beside_it_and_is_whole(folder):
    page = Page(folder)
    without_pictures = re.sub(r"data:image/png;base64,[\w+/=]+", "", page.source)
    assert not re.search(r"https?:|//\w|@import|url\(|<script|javascript:", without_pictures, re.IGNORECASE)
    assert page.unbalanced == []
    assert len(page.figures) == len(FIGURES)
    assert all(figure["role"] == "img" and len(figure["aria-label"]) > 20 for figure in page.figures)


def test_the_page_has_the_numbers(folder, result):
    text = Page(folder).text
    test, sure = result.test, result.sure
    assert f"It read 360 test images of the UCI digits and got {test.errors} of them wrong." in text
    assert f"It was sure of {sure.coverage:.2%} of its answers, and {sure.accuracy:.2%} of those are right." in text
    assert f"{100 * test.interval[0]:.2f} to {test.interval[1]:.2%}" in text
    assert f"2.000 {test.loss:.4f} {test.ece:.2%}" in text
    assert f"1, as without it {result.uncalibrated.loss:.4f} {result.uncalibrated.ece:.2%}" in text
    assert "its digit-ness is at least 0.3," in text
    for each in result.corrupted:
        assert f"{each.name.replace('_', ' ')} {each.all.accuracy:.2%} {each.sure.coverage:.1%}" in text
    assert f"mean of the corrupted {result.mean_accuracy:.2%}" in text
    assert "mnistry evaluate --dataset digits …/mine.onnx" in text  # the folder is left out of pages to share


def test_the_bars_show_wrong_answers_with_those_that_were_sure_apart(result, monkeypatch):
    drawn: list[tuple] = []
    monkeypatch.setattr(evaluation_report.plots, "draw_robustness", lambda *given: drawn.append(given))
    evaluation_report.draw(result)
    names, unsure, sure = drawn[0]
    assert names[:2] == ["as they are", "shot noise"]
    assert unsure[0] + sure[0] == pytest.approx(result.test.errors / 360)
    assert sure[0] == result.sure.errors / 360
    for each, one, other in zip(result.corrupted, unsure[1:], sure[1:], strict=True):
        assert one + other == pytest.approx(1 - each.all.accuracy)
        assert other == each.sure.errors / 360


def drawn_of(result: ModelEvaluation, folder: Path) -> Page:
    drawn = dict.fromkeys(FIGURES, Drawing(1, 1))
    (folder / "report.html").write_text(evaluation_report.render_page(result, drawn), encoding="utf-8")
    return Page(folder)


def test_what_the_model_says_of_itself_is_escaped(result, tmp_path):
    hostile = replace(result, info=replace(result.info, name="<script>alert(1)</script>", licence="<b>&"))
    page = drawn_of(hostile, tmp_path)
    assert "<script" not in page.source
    assert "Evaluation of <script>alert(1)</script>" in page.text


def without_mistakes(result: ModelEvaluation) -> ModelEvaluation:
    dataset = result.dataset
    test = evaluate(np.eye(10)[dataset.y_test], dataset.y_test)
    nothing, everything = np.zeros(360, bool), np.ones(360, bool)
    return replace(
        result,
        test=test,
        uncalibrated=None,
        sure=compute_selective_accuracy(nothing, everything),
        sure_of_mistakes=np.zeros(0, bool),
        corrupted=(),
    )


def test_a_page_without_mistakes_sureness_or_corruptions(result, tmp_path):
    perfect = without_mistakes(result)
    page = drawn_of(perfect, tmp_path)
    assert set(evaluation_report.draw(perfect)) == {"confusion", "reliability"}
    assert "It was sure of none of its answers." in page.text
    assert "sure 0 0.00% 0 none 0.00 to 100.00%" in page.text
    for absent in ("What it got wrong", "What leads it astray", "temperature", "corrupted"):
        assert absent not in page.text


def test_data_that_stand_in_are_told_loudly(result, tmp_path):
    page = drawn_of(replace(result, dataset=replace(result.dataset, fallback="no network <here>")), tmp_path)
    assert "This was not MNIST" in page.text
    assert "no network <here>" in page.text


# The words


def test_the_words_have_the_numbers(result):
    text = evaluation_text.format_evaluation(result)
    test = result.test
    assert text.startswith("mnistry-tutorial (")
    assert f"{test.errors} errors in 360 test images: accuracy {test.accuracy:.2%}" in text
    assert (
        f"without its temperature of 2.000: loss {result.uncalibrated.loss:.4f}, {result.uncalibrated.ece:.2%}" in text
    )
    assert re.search(
        rf"^sure of +{result.sure.n} \({result.sure.coverage:.2%}\), probability times digit score at least 0.6; right",
        text,
        re.M,
    )
    assert re.search(rf"^taken for a digit {result.digits.n} .* digit-ness at least 0.3;", text, re.M)
    assert re.search(rf"^mean +{result.mean_accuracy:.2%}$", text, re.M)
    assert max(map(len, text.splitlines())) <= 120


def test_the_words_for_mistakes_and_corruptions_by_hand(result):
    test = evaluate(np.array([[0.9, 0.1], [0.25, 0.75], [0.6, 0.4]]), np.array([1, 1, 1]))
    labels = replace(result.dataset, y_test=np.array([1, 1, 1], np.uint8), class_names=("cat", "dog"))
    three = replace(result, test=test, dataset=labels, sure_of_mistakes=np.array([True, False]))
    assert evaluation_text.format_mistakes(three).splitlines() == [
        "the most confident of 2 mistakes",
        "test image 0 is dog, read cat, 90.0%, sure",
        "test image 2 is dog, read cat, 60.0%",
    ]
    right = np.array([True, True, True, False])
    rows = [
        Corrupted(
            "motion_blur",
            compute_selective_accuracy(np.ones(4, bool), right),
            compute_selective_accuracy(np.array([True, True, False, False]), right),
        ),
        Corrupted(
            "fog",
            compute_selective_accuracy(np.ones(4, bool), ~right),
            compute_selective_accuracy(np.zeros(4, bool), right),
        ),
    ]
    assert evaluation_text.format_corruptions(rows, 0.5).splitlines() == [
        "corruption   accuracy    sure  right of those",
        "motion blur    75.00%  50.00%         100.00%",
        "fog            25.00%   0.00%            none",
        "mean           50.00%",
    ]


def test_the_words_of_a_perfect_model_have_no_list_of_mistakes(result):
    text = evaluation_text.format_evaluation(without_mistakes(result))
    assert "0 errors in 360 test images: accuracy 100.00%" in text
    assert "mistake" not in text
    assert "corruption" not in text
    assert re.search(r"^sure of +0 \(0.00%\), .*; none$", text, re.MULTILINE)


# The commands


def test_evaluate_prints_a_table_and_json(mnistry: Callable, model: Path, result: ModelEvaluation):
    answer = mnistry("evaluate", model, "--no-corruptions")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert f"{result.test.errors} errors in 360 test images" in answer.stdout
    answer = mnistry("evaluate", model, "--json", "--out", "mine", "--no-corruptions")
    assert answer.returncode == 0
    assert json.loads(answer.stdout)["test"] == json.loads(json.dumps(result.test.as_json()))
    assert "report.html" in answer.stderr


def test_evaluate_of_a_model_file_brings_in_no_keras(mnistry: Callable, model: Path):
    answer = mnistry("evaluate", model, "--no-corruptions", env={"PYTHONPROFILEIMPORTTIME": "1"})
    loaded = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in answer.stderr.splitlines()}
    assert {"onnxruntime", "numpy"} <= loaded
    assert not {"keras", "jax", "onnx", "matplotlib"} & loaded


def test_export_prints_the_file_and_evaluate_takes_it(mnistry: Callable, run: Path, tmp_path: Path):
    answer = mnistry("export", run, "--out", "mine.onnx")
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "mine.onnx\n", "")
    assert Recognizer.load(tmp_path / "mine.onnx").info.recipe == "tutorial"
    again = mnistry("export", run, "--out", "mine.onnx")
    assert (again.returncode, again.stdout) == (1, "")
    assert (
        again.stderr == "mnistry: mine.onnx exists already, and nothing is overwritten. Name another file with --out.\n"
    )


@pytest.mark.parametrize("command", ["evaluate nowhere", "export nowhere"])
def test_what_is_not_there_is_a_sentence(mnistry: Callable, command: str):
    answer = mnistry(*command.split())
    assert (answer.returncode, answer.stdout) == (1, "")
    assert re.fullmatch(r"mnistry: There is no (model file|run folder) nowhere\. .+\n", answer.stderr)
