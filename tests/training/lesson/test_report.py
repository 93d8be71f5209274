"""The lesson's report: one page in two languages that needs nothing beside it and tells no paths."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from helpers.page import Page
from helpers.results import LETTERS, facts_of, made_by_hand, network_of
from mnistry.errors import UsageError
from mnistry.reporting.language import LanguageName
from mnistry.training.lesson import drawings, report
from mnistry.training.lesson.pad import Pad
from mnistry.training.lesson.snapshots import Snapshots
from mnistry.training.result import Result

FIGURES = {
    "samples", "image", "curves", "confusion", "probabilities", "reliability", "mistakes", "network", "ideas",
    "learning",
}  # fmt: skip


def written(result: Result, folder: Path, language: LanguageName | None = "en") -> Page:
    network = network_of(len(result.dataset.class_names))
    made = report.Report(result.dataset, facts_of(result), folder)
    made.begin()
    made.draw_results(result.records, result.test, network)
    made.finish(result, network, language)
    return Page(folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lesson")
    written(made_by_hand(), folder)
    return folder


@pytest.fixture(scope="module")
def page(folder: Path) -> Page:
    return Page(folder)


def test_the_page_needs_nothing_beside_it(page: Page) -> None:
    without = re.sub(r"data:image/png;base64,[\w+/=]+", "", page.source)
    assert not re.search(r"https?:|@import|url\(|javascript:|fetch\(|XMLHttpRequest|import\(", without)
    for tag, attributes in page.tags:
        assert tag not in {"iframe", "object", "embed", "base", "form", "link"} or attributes.get("rel") == "icon"
        assert (attributes.get("src") or "data:").startswith("data:")
        assert not [name for name in attributes if name.startswith("on")]
    assert page.unbalanced == []


def test_each_part_draws_what_is_known(tmp_path: Path) -> None:
    result, network = made_by_hand(), network_of(10)
    made = report.Report(result.dataset, facts_of(result), tmp_path)
    made.begin()
    assert {path.stem for path in (tmp_path / "figures").iterdir()} == {"samples", "image", "network", "ideas"}
    made.draw_results(result.records, result.test, network)
    assert {path.stem for path in (tmp_path / "figures").iterdir()} == FIGURES - {"probabilities"}
    made.finish(result, network, "en")
    assert {path.stem for path in (tmp_path / "figures").iterdir()} == FIGURES == set(made.figures)


def test_the_page_is_small_enough_to_send(folder: Path) -> None:
    assert (folder / "report.html").stat().st_size < 2_500_000


def test_the_figures_are_on_the_page_and_beside_it(folder: Path, page: Page) -> None:
    assert {path.name for path in (folder / "figures").iterdir()} == {f"{name}.png" for name in FIGURES}
    labels = [figure["aria-label"] for figure in page.figures]
    assert len(labels) == len(set(labels)) == len(FIGURES)
    assert "Training images 23 to 42 with their labels: 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2" in labels


@pytest.mark.parametrize("number", range(1, 12))
def test_each_step_has_code_reasons_and_something_to_try(page: Page, number: int) -> None:
    start = page.source.index(f'<h2 id="step-{number}">')
    step = page.source[start : page.source.index("</section>", start)].split("<h2 id=")[1]
    assert '<pre class="code">' in step
    assert '<p class="try">' in step
    assert len(re.findall(r"<p>", step)) >= 1
    assert f'href="#step-{number}"' in page.source


@pytest.mark.parametrize(
    "words",
    [
        "96.50%",  # 193 of 200
        "7 errors in 200 images: accuracy 96.50% (95% interval 92.95% to 98.29%)",
        "92.95 to 98.29%",
        "expected calibration error 6.50%",  # 96.5% right, 90% sure
        "looked 3 times at 60 handwritten digits",
        "mnistry tutorial --dataset mnist --index 33 --epochs 3 --batch-size 16 --seed 4711",
        "images.gz " + "12ab" * 16,
        "python 3.99.1",
        "processor an abacus",
        "12.5 s to train",
        "training data (60, 28, 28) (60,)",
        "1 1.5000 50.00% 0.25",  # the first epoch
        "3 0.5000 83.33% 0.25",  # the last one
        "The finished network gets 100.00% of the training images right, and 96.50% of the test images.",
        "here in 4 steps of 16 images",
        "The model says 3, the label says 3.",
        "3 with 98.00%. As in the tutorial: 22.8%.",
        "= 23.2%",  # e / (e + 9)
        "Most often: 0 read as 1 (1×), 1 read as 2 (1×), 2 read as 3 (1×)",
    ],
)
def test_the_numbers_of_the_result_are_on_the_page(page: Page, words: str) -> None:
    assert words in page.text.replace(" .", ".").replace(" ,", ",")


def test_the_korean_page_has_the_same_numbers(tmp_path: Path) -> None:
    page = written(made_by_hand(), tmp_path, "ko")
    assert dict(page.tags)["html"] == {"lang": "ko"}
    for words in (
        "이미지 200개 중 오류 7개: 정확도 96.50% (95% 신뢰 구간 92.95%~98.29%)",
        "손글씨 숫자 60개를 3번씩 보고",
        "모델의 예측은 3, 정답은 3입니다.",
    ):
        assert words in page.text
    assert "Look before you train" not in page.text
    assert "프로세서 an abacus" in page.text
    assert "학습 데이터 (60, 28, 28) (60,)" in page.text
    left = {
        piece.strip() for piece in page.pieces if re.search("[A-Za-z]{4}", piece) and not re.search("[가-힣]", piece)
    }
    code = {
        each for each in left if re.search(r"[=(\[]|^--|^mnistry |\.(gz|py|ipynb)$", each)
    }  # lines of Keras, and commands
    assert left - code <= NAMES_IN_KOREAN


NAMES_IN_KOREAN = {  # texts on the Korean page that are names, or in the words of who wrote them
    "MNIST", "MNIST,", "Softmax", "softmax", "relu", "dropout", "relu, dropout", "Flatten", "sparse", "Adam", "argmax",
    "python", "mnistry", "keras", "jaxlib", "numpy", "English", "an abacus",
    "a folder of mine",
}  # fmt: skip


def data_of(page: Page) -> dict:
    found = re.search(r'<script type="application/json" id="lesson-data">(.*?)</script>', page.source, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def test_every_text_is_in_both_languages(page: Page, tmp_path: Path) -> None:
    data, korean = data_of(page), data_of(written(made_by_hand(), tmp_path, "ko"))
    assert data["languages"] == ["en", "ko"]
    assert [pair[::-1] for pair in data["texts"]] == korean["texts"]
    marked = {int(number) for number in re.findall(r'data-t="(\d+)"', page.source)}
    attributes = {int(number) for number in re.findall(r'data-t-attribute="[\w-]+ (\d+)"', page.source)}
    assert marked | attributes | set(data["phrases"].values()) == set(range(len(data["texts"])))
    assert not data["follow"]  # a language was asked for


def test_without_a_language_the_page_follows_the_browser(tmp_path: Path) -> None:
    assert data_of(written(made_by_hand(), tmp_path, None))["follow"]


def test_what_it_is_handed_is_escaped_in_both_languages(tmp_path: Path) -> None:
    evil = "<b>&\"'</b><script>alert(1)</script>"
    result = made_by_hand(tuple(f"{evil}{digit}" for digit in "0123456789"))
    dataset = replace(result.dataset, title=f"title {evil}", fallback=f"fallback {evil}", remarks=(f"remark {evil}",))
    page = written(replace(result, dataset=dataset, command=f"command {evil}"), tmp_path)
    assert evil not in page.source
    assert page.source.count("<script") == 2
    assert page.unbalanced == []
    texts, elements = data_of(page)["texts"], re.findall(r'data-t="(\d+)"', page.source)
    assert all("<script" not in text for number in elements for text in texts[int(number)])


def test_the_page_tells_no_folder_of_this_machine(tmp_path: Path) -> None:
    result = made_by_hand()
    place = "/home/kim/data"
    dataset = replace(
        result.dataset, source=f"{place}/mnist", fallback=f"{place}/mnist: damaged", remarks=(f"see {place}/x",)
    )
    command = f"mnistry tutorial --data-dir {place}/mnist"
    page = written(replace(result, dataset=dataset, command=command), tmp_path)
    assert "/home/" not in page.source
    assert "mnistry tutorial --data-dir …/mnist" in page.text


def test_twenty_six_classes_and_no_mistakes(tmp_path: Path) -> None:
    page = written(made_by_hand(LETTERS, errors=0), tmp_path)
    assert "= 9.8%" in page.text  # e / (e + 25)
    assert len(page.figures) == len(FIGURES) - 1
    assert data_of(page)["mistakes"]["labels"] == []


def test_one_of_a_kind_is_no_plural(tmp_path: Path) -> None:
    page = written(made_by_hand(errors=1, epochs=1), tmp_path)
    assert "1 error in 200 images" in page.text
    assert "Its only mistake." in page.text


def test_a_long_training_has_its_curves_but_no_table(tmp_path: Path) -> None:
    assert "epoch loss accuracy seconds" not in written(made_by_hand(epochs=13), tmp_path).text


def test_snapshots_are_few_and_begin_before_the_training() -> None:
    def kept(epochs: int) -> tuple[int, ...]:
        snapshots = Snapshots(epochs, [np.zeros(1)])
        for epoch in range(1, epochs + 1):
            snapshots.keep(epoch, [np.full(1, epoch)])
        network = snapshots.network([np.full(1, epochs)])
        assert [weights[0][0] for weights in network.earlier] == list(network.moments)
        return network.moments

    assert kept(1) == (0,)
    assert kept(5) == (0, 1, 2, 3, 4)
    assert kept(30) == (0, 1, 2, 4, 8, 15)
    assert len(kept(1000)) <= 7


def test_weights_are_orange_for_and_blue_against() -> None:
    weights = np.zeros(784)
    weights[:2] = 1, -1
    picture = drawings.weights_picture(weights)
    assert picture[0, 0].tolist() == [213, 94, 0]
    assert picture[0, 1].tolist() == [0, 114, 178]
    assert picture[0, 2].tolist() == [255, 255, 255]


def test_packed_weights_are_those_of_the_network() -> None:
    network = network_of(10)
    packed = network.pack()
    hidden = np.frombuffer(base64.b64decode(packed["weights"]["hidden"]), "<f4").reshape(784, 8)
    np.testing.assert_array_equal(hidden, network.weights[0])
    earlier = packed["earlier"][1]["output"]
    rounded = np.frombuffer(base64.b64decode(earlier["values"]), np.int8).reshape(8, 10) * earlier["scale"]
    np.testing.assert_allclose(rounded, network.earlier[1][2], atol=earlier["scale"] / 2 + 1e-7)


def test_the_pad_of_a_notebook_refuses_other_networks() -> None:
    other = SimpleNamespace(get_weights=lambda: [np.zeros((3, 3, 1, 8)), np.zeros(8)])
    with pytest.raises(
        UsageError, match=r"two dense layers on 784 pixels.* received weights \[\(3, 3, 1, 8\), \(8,\)\]"
    ):
        Pad(other, made_by_hand().dataset)
