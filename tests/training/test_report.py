"""The report: one page that needs nothing beside it, has the result's numbers, and escapes what it is handed."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from markupsafe import escape

from helpers.page import Page
from helpers.results import DIGITS, LETTERS, made_by_hand
from mnistry.evaluation.metrics import evaluate
from mnistry.reporting.drawing import Drawing
from mnistry.runtime import run_folder
from mnistry.training import report as training_report
from mnistry.training.result import Result

FIGURES = {"samples", "curves", "confusion", "reliability", "mistakes"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the usual result."""
    folder = tmp_path_factory.mktemp("usual")
    training_report.write(made_by_hand(), folder)
    return folder


@pytest.fixture(scope="module")
def page(folder: Path) -> Page:
    return Page(folder)


def page_of(result: Result, folder: Path) -> Page:
    """The page alone, with an empty picture in the place of each figure: quicker where they do not matter."""
    drawn = dict.fromkeys(FIGURES, Drawing(1, 1))
    (folder / run_folder.REPORT).write_text(training_report.render_page(result, drawn), encoding="utf-8")
    return Page(folder)


def test_the_page_needs_nothing_beside_it(page):
    without_pictures = re.sub(r"data:image/png;base64,[\w+/=]+", "", page.source)
    assert not re.search(r"https?:|//\w|@import|url\(|<script|javascript:", without_pictures, re.IGNORECASE)
    for tag, attributes in page.tags:
        assert tag not in {"script", "iframe", "object", "embed", "base", "form"}
        for name in ("src", "href", "srcset", "data", "action"):
            assert (attributes.get(name) or "data:").startswith("data:"), (tag, attributes)
        assert not [name for name in attributes if name.startswith("on")]


def test_the_tags_of_the_page_are_balanced(page):
    assert page.source.startswith("<!doctype html>")
    assert page.unbalanced == []
    tags = [tag for tag, _ in page.tags]
    for once in ("html", "head", "title", "body", "main", "h1"):
        assert tags.count(once) == 1, once
    assert dict(page.tags)["html"] == {"lang": "en"}


def test_the_rows_of_each_table_are_equally_long(page):
    for table in re.findall(r"<table.*?</table>", page.source, re.DOTALL):
        cells = [len(re.findall(r"<t[hd][ >]", row)) for row in re.findall(r"<tr>.*?</tr>", table, re.DOTALL)]
        assert len(set(cells)) == 1, table


def test_every_picture_says_what_is_on_it(page):
    assert len(page.figures) == len(FIGURES)
    texts = [figure["aria-label"] for figure in page.figures]
    assert all(text and len(text) > 20 for text in texts)
    assert len(set(texts)) == len(texts)
    assert "Training images 23 to 42 with their labels: 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2" in texts


def test_the_figures_in_the_folder_are_those_on_the_page(folder, page):
    assert {path.name for path in (folder / "figures").iterdir()} == {f"{name}.png" for name in FIGURES}
    drawn = training_report.draw(made_by_hand())
    for name in FIGURES:
        assert inside(drawn[name]) in page.source, name


def inside(drawing: Drawing) -> str:
    """The content between the tags of a drawing on a page."""
    return drawing.svg(say=lambda text: escape(str(text))).partition(">")[2]


def test_each_figure_has_its_own_label(page):
    alts = {
        "samples": "Training images",
        "curves": "Loss and accuracy",
        "confusion": "Confusion matrix",
        "reliability": "Reliability diagram",
        "mistakes": "most confident mistakes",
    }
    for name, words in alts.items():
        drawing = inside(training_report.draw(made_by_hand())[name])
        assert re.search(rf'aria-label="[^"]*{words}[^"]*">{re.escape(drawing)}', page.source), name


def test_nothing_but_the_report_and_its_figures_is_written(folder):
    assert sorted(path.name for path in folder.iterdir()) == ["figures", "report.html"]


@pytest.mark.parametrize(
    "words",
    [
        "96.50%",  # 193 of 200
        "7 errors in 200 images",
        # Wilson: (0.965 + z²/400 ± z √(0.965 × 0.035 / 200 + z²/160000)) / (1 + z²/200) = 0.9295 and 0.9829
        "92.95 to 98.29%",
        "6.50% (expected calibration error)",  # 96.5% right, 90% sure
        "looked at 60 handwritten digits 3 times each",
        "mnistry tutorial --dataset mnist --index 33 --epochs 3 --batch-size 16 --seed 4711",
        "seed 4711",
        "images.gz " + "12ab" * 16,
        "labels.gz " + "34cd" * 16,
        "from a folder of mine; licence CC BY-SA 3.0",
        "python 3.99.1",
        "processor an abacus",
        "12.5 s to train",
        "load 0.12 s",
        "7,850 weights",
        "Dense(classes, softmax) 10 7,850",
        "train (60, 28, 28) (60,)",
        "test (200, 28, 28) (200,)",
        "1 1.5000 50.00% 0.25",  # the first epoch
        "3 0.5000 83.33% 0.25",  # the last one
        "The finished network gets 100.00% of them right, and 96.50% of the test images",
        "16 images a step, 4 steps an epoch",
    ],
)
def test_the_numbers_of_the_result_are_on_the_page(page, words):
    assert words in page.text


def test_the_loss_on_the_page_is_that_of_the_answers(page):
    # 193 labels have the probability 0.9, and 7 a ninth of 0.1.
    loss = -(193 * np.log(0.9) + 7 * np.log(0.1 / 9)) / 200
    assert f"{loss:.4f} loss" in page.text


def test_precision_and_recall_of_each_class_are_in_the_table(page):
    # Each class has 20 images. Of 0 to 6 one each is read as the next: 0 is answered 19 times, 1 to 6 are answered
    # 20 times with 19 right, 7 is answered 21 times with 20 right, 8 and 9 are untouched.
    assert "0 100.00% 95.00% 97.44% 1 95.00% 95.00% 95.00%" in page.text
    assert "7 95.24% 100.00% 97.56% 8 100.00% 100.00% 100.00%" in page.text


def test_without_a_fallback_there_is_no_notice(page):
    assert "notice" not in [attributes.get("class") for _, attributes in page.tags]
    assert "did not use MNIST" not in page.text


def test_a_fallback_is_told_before_anything_else(tmp_path):
    result = made_by_hand()
    about = "Digits written by 13 people."
    digits = replace(result.dataset, name="digits", title="the UCI digits", about=about, fallback="NO NET")
    result = replace(result, dataset=digits)
    page = page_of(result, tmp_path)
    assert "This run did not use MNIST" in page.text
    assert page.source.index("NO NET") < page.source.index("<section")
    assert {"class": "notice", "role": "note"} in [attributes for _, attributes in page.tags]
    assert "It ran on the UCI digits: 260 real handwritten digits" in page.text
    assert "Digits written by 13 people" in page.text


def test_remarks_are_told_before_the_first_section(tmp_path):
    result = made_by_hand()
    remarks = ("The folder was passed over.", "The cache was spoilt.")
    page = page_of(replace(result, dataset=replace(result.dataset, remarks=remarks)), tmp_path)
    for remark in remarks:
        assert page.source.index(remark) < page.source.index("<section")


def test_what_it_is_handed_is_escaped(tmp_path):
    evil = "<b>&\"'</b><script>alert(1)</script>"
    result = made_by_hand(tuple(f"{evil}{digit}" for digit in DIGITS))
    dataset = replace(
        result.dataset,
        title=f"title {evil}",
        source=f"source {evil}",
        licence=f"licence {evil}",
        fallback=f"fallback {evil}",
        remarks=(f"remark {evil}",),
        digests={f"file {evil}": "ab" * 32},
    )
    result = replace(result, dataset=dataset, command=f"command {evil}", environment={"processor": f"processor {evil}"})
    page = page_of(result, tmp_path)
    assert evil not in page.source
    assert "<script" not in page.source
    assert page.unbalanced == []
    for what in ("title", "source", "licence", "fallback", "remark", "file", "command", "processor"):
        assert f"{what} {evil}" in page.text, what
    assert any(f"{evil}4 {evil}5" in figure["aria-label"] for figure in page.figures)
    assert html.escape("<b>&") in page.source


def test_class_names_other_than_digits(tmp_path):
    names = ("nought", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    training_report.write(made_by_hand(names), tmp_path)
    page = Page(tmp_path)
    assert "seven 95.24% 100.00% 97.56%" in page.text
    assert page.unbalanced == []


def test_without_mistakes_there_is_no_section_about_them(tmp_path):
    training_report.write(made_by_hand(errors=0), tmp_path)
    page = Page(tmp_path)
    assert {path.stem for path in (tmp_path / "figures").iterdir()} == FIGURES - {"mistakes"}
    assert len(page.figures) == len(FIGURES) - 1
    assert "What it got wrong" not in page.text
    assert "It got 0 of them wrong" in page.text
    assert "100.00%" in page.text


def test_twenty_six_classes(tmp_path):
    training_report.write(made_by_hand(LETTERS), tmp_path)
    page = Page(tmp_path)
    assert {path.stem for path in (tmp_path / "figures").iterdir()} == FIGURES
    assert "Z 100.00% 100.00% 100.00%" in page.text


def test_of_many_mistakes_twenty_are_shown(tmp_path):
    page = page_of(made_by_hand(errors=30), tmp_path)
    assert "The 20 most confident of its 30 mistakes" in page.text
    assert any("The most confident mistakes, 20 in all" in figure["aria-label"] for figure in page.figures)


def test_the_figure_of_mistakes_shows_the_most_confident_twenty():
    drawn = training_report.draw(made_by_hand(errors=25))["mistakes"]
    captions = [str(text.text) for text in drawn.texts]
    assert captions[::2] == [f"is {i % 10}, read {(i + 1) % 10}" for i in range(20)]
    assert captions[1::2] == ["90.0% sure"] * 20


def test_a_class_without_test_images_has_no_shares(tmp_path):
    result = made_by_hand()
    few = result.dataset.y_test < 9
    test = evaluate(np.eye(10)[result.dataset.y_test[few]], result.dataset.y_test[few])
    assert "9 none none none" in page_of(replace(result, test=test), tmp_path).text


def test_a_long_training_has_its_curves_but_no_table(tmp_path):
    assert "epoch loss accuracy seconds" in page_of(made_by_hand(epochs=12), tmp_path).text
    assert "epoch loss accuracy seconds" not in page_of(made_by_hand(epochs=13), tmp_path).text


def test_one_of_a_kind_is_no_plural(tmp_path):
    page = page_of(made_by_hand(errors=1, epochs=1), tmp_path)
    seen = " ".join([page.text, *(figure["aria-label"] for figure in page.figures)])
    assert "It got 1 of them wrong" in seen
    assert re.findall(r"(?<![\d.,])1 (?:errors|mistakes|times|epochs|images)\b", seen) == []


def test_a_path_that_is_no_unicode_does_not_spoil_the_page(tmp_path, monkeypatch):
    monkeypatch.setattr(training_report, "draw", lambda _: {})
    monkeypatch.setattr(
        training_report, "render_page", lambda *_: "<!doctype html><pre>--data-dir m\udcff</pre>"
    )  # b"m\xff" on disk
    training_report.write(made_by_hand(), tmp_path)
    assert "--data-dir m" in (tmp_path / run_folder.REPORT).read_text(encoding="utf-8")
