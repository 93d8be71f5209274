"""The check of a data set: what was planted is found, told, shown and written."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from typer.testing import CliRunner

from helpers.page import Page
from mnistry.audit import report as audit_report
from mnistry.audit import run as audit_run
from mnistry.audit import text as audit_text
from mnistry.audit.cross_validation import Plan
from mnistry.cli.app import app
from mnistry.datasets.dataset import make_origins
from mnistry.datasets.loading import Dataset
from mnistry.errors import RunError
from mnistry.reporting import drawing
from mnistry.runtime.callbacks import Callbacks
from mnistry.runtime.provenance import Stopwatch

FLIPPED = (100, 200, 300, 400, 500)
BLANK, INVERTED, MISPLACED = 20, 21, 22


@pytest.fixture(scope="module")
def spoilt(digits: Dataset) -> Dataset:
    """The embedded digits with five wrong labels, a blank, an inverted and an off-centre image, and two copies."""
    x_train, y_train, x_test, y_test = (
        np.array(part) for part in (digits.x_train, digits.y_train, digits.x_test, digits.y_test)
    )
    y_train[list(FLIPPED)] = (y_train[list(FLIPPED)] + 3) % 10
    x_train[BLANK] = 0
    x_train[INVERTED] = 255 - x_train[INVERTED]
    x_train[MISPLACED] = np.roll(x_train[MISPLACED], 4, axis=1)
    x_test[7], y_test[7] = np.roll(x_train[40], 1, axis=0), y_train[40]  # a test image out of the training images
    x_train[50], y_train[50] = x_train[51], (y_train[51] + 1) % 10  # the same image with two labels
    return replace(digits, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)


@pytest.fixture(scope="module")
def heard() -> list[tuple[str, int, int]]:
    return []


@pytest.fixture(scope="module")
def result(spoilt, heard):
    callbacks = Callbacks(progress=lambda *moment: heard.append(moment))
    return audit_run.check(spoilt, Stopwatch(), callbacks, "mnistry data --check", epochs=10)


def places(found):
    return [(place.split, place.index) for place in found]


# Findings


def test_wrong_labels_come_first(result):
    first = places(issue.place for issue in result.label_issues()[:8])
    assert len({("train", index) for index in FLIPPED} & set(first)) >= 4


def test_an_issue_tells_its_label_and_what_it_probably_is(result, digits):
    issue = next(each for each in result.label_issues("train") if each.place.index == 100)
    assert issue.place.label == str((digits.y_train[100] + 3) % 10)
    assert issue.answer == str(digits.y_train[100])
    assert issue.of_label < 0.1 < 0.9 < issue.of_answer


def test_issues_of_both_splits_are_all_issues(result):
    both = [*result.label_issues("train"), *result.label_issues("test")]
    assert sorted(both, key=lambda issue: issue.of_label) == result.label_issues()


def test_copies_are_found_and_what_is_wrong_with_them(result):
    assert places(result.places(result.leaks()[0].members)) == [("train", 40), ("test", 7)]
    assert places(result.places(result.contradictions()[0].members)) == [("train", 50), ("train", 51)]
    assert [group.exact for group in (*result.leaks(), *result.contradictions())] == [False, True]


def test_images_that_look_odd_are_found(result):
    assert result.image_quality.blank.tolist() == [BLANK]
    assert result.image_quality.inverted.tolist() == [INVERTED]
    assert result.image_quality.off_center.tolist() == [MISPLACED]
    assert result.image_quality.wrong_size.tolist() == []


@pytest.fixture
def two_networks(monkeypatch):
    """Let a check train two networks where it would train fifteen: each is compiled anew, which takes seconds."""
    monkeypatch.setattr(audit_run, "Plan", partial(Plan, folds=2, repeats=1))


@pytest.mark.usefixtures("two_networks")
def test_the_same_check_gives_the_same_result(spoilt):
    small = replace(spoilt, x_train=spoilt.x_train[:300], y_train=spoilt.y_train[:300])
    one, other = (audit_run.check(small, Stopwatch(), Callbacks(), "", epochs=1) for _ in range(2))
    assert np.array_equal(one.labels.probabilities, other.labels.probabilities)


def test_labels_of_very_few_images_are_not_judged(digits):
    few = replace(digits, x_train=digits.x_train[:8], y_train=digits.y_train[:8])
    few = replace(few, x_test=digits.x_test[:4], y_test=digits.y_test[:4])
    found = audit_run.check(few, Stopwatch(), Callbacks(), "")
    assert found.labels is None
    assert found.label_issues() == []
    assert found.as_json()["labels"] is None
    assert "not checked: that needs 20 images or more of each of two classes" in audit_text.format_audit(found)
    assert "Too few images of each class to judge the labels" in audit_report.render_page(found)


@pytest.mark.usefixtures("two_networks")
def test_a_class_with_few_images_is_named_and_not_suspected(digits):
    kept = np.flatnonzero((digits.y_train != 8) | (np.cumsum(digits.y_train == 8) <= 3))[:300]
    own = replace(digits, x_train=digits.x_train[kept], y_train=digits.y_train[kept])
    own = replace(own, x_test=digits.x_test[:0], y_test=digits.y_test[:0])
    found = audit_run.check(own, Stopwatch(), Callbacks(), "", epochs=1)
    assert found.too_small_classes() == {"8": 3}
    assert not {"8"} & (
        {each.place.label for each in found.label_issues()} | {each.answer for each in found.label_issues()}
    )
    assert "not judged, as they have fewer than 20 images: 8 (3 images)" in " ".join(
        audit_text.format_audit(found).split()
    )
    labels = found.as_json()["labels"]
    assert (labels["too_small_classes"], labels["thresholds"][8]) == ({"8": 3}, None)
    assert "Not judged, with fewer than 20 images: 8 (3)." in " ".join(audit_report.render_page(found).split())


def test_progress_goes_from_nothing_to_all(result, heard):
    assert [result.labels.plan.networks, result.labels.plan.epochs] == [15, 10]
    done = [moment[1] for moment in heard]
    assert done == sorted(done)
    assert (heard[0], heard[-1]) == (("duplicates", 0, 153), ("done", 153, 153))
    assert "labels: network 15 of 15" in {moment[0] for moment in heard}


# Report and terminal


def test_the_words_have_a_line_for_everything_that_was_looked_for(result):
    text = re.sub(r"\n {14}", " ", audit_text.format_audit(result))  # long lines go on below themselves
    assert text.startswith("the UCI digits: 1,437 training and 360 test images")
    for line in (
        f"labels        {len(result.label_issues()):,} of 1,797 are probably wrong",
        "duplicates    3 groups of images that are copies, 1 of them exact; 3 images too many; "
        "1 group with images of both splits",
        "blank         1 image with nothing to see",
        "inverted      1 image with dark ink on a bright ground",
        "wrong size    none",
        "off centre    1 image with ink more than 1.5 pixels off the middle",
        "classes       even: the largest has",
        f"blank       train {BLANK} (",
    ):
        assert line in text


def test_images_of_own_data_are_named_by_their_files(result, tmp_path):
    dataset = result.dataset
    rows = make_origins(f"train.csv, row {number + 2}" for number in range(len(dataset.x_train)))
    files = make_origins(f"{number}.png" for number in range(len(dataset.x_test)))
    own = replace(result, dataset=replace(dataset, origins={"train": rows, "test": files}))
    assert own.as_json()["image_quality"]["blank"][0]["origin"] == f"train.csv, row {BLANK + 2}"
    assert f"\nblank       train.csv, row {BLANK + 2} (" in audit_text.format_audit(own)
    assert "7.png (" in audit_text.format_groups(own, own.duplicates)
    found = own.label_issues("train")
    lines = audit_text.format_label_issues(found, "train").splitlines()
    assert lines[0].endswith("  where")
    for line, each in zip(lines[1:], found[: audit_text.ISSUES_PRINTED], strict=False):
        assert line.endswith(f"train.csv, row {each.place.index + 2}")
        assert line.index("train.csv") == lines[0].index("where")
    audit_report.write(own, tmp_path)
    assert f"train.csv, row {found[0].place.index + 2}" in Page(tmp_path).text


def test_json_has_all_that_was_found(result):
    content = json.loads(json.dumps(result.as_json(), allow_nan=False))
    assert [place["index"] for place in content["image_quality"]["blank"]] == [BLANK]
    assert content["duplicates"]["across_splits"] == 1
    assert content["balance"]["counts"]["train"] == np.bincount(result.dataset.y_train).tolist()
    labels = content["labels"]
    assert len(labels["issues"]) == len(result.label_issues())
    assert labels["issues"][0]["split"] == result.label_issues()[0].place.split
    assert np.array(labels["confident_joint"]).shape == (10, 10)
    assert labels["estimated_errors"] == pytest.approx(result.estimated_errors)


@pytest.fixture(scope="module")
def page(result, tmp_path_factory):
    folder = tmp_path_factory.mktemp("check")
    audit_report.write(result, folder)
    return Page(folder)


def test_the_page_is_whole_and_needs_nothing_beside_it(page):
    assert page.unbalanced == []
    assert all(image["src"].startswith("data:image/png;base64,") and image["alt"] for image in page.images)
    assert not {"script", "iframe"} & {tag for tag, _ in page.tags}


def test_the_page_shows_the_pictures_of_what_was_found(page, result):
    shown = {image["alt"]: image["src"] for image in page.images}
    for name in ("train image 100", f"train image {BLANK}", "test image 7", "train image 40", "train image 51"):
        assert name in shown
    picture = base64.b64decode(shown["train image 40"].partition(",")[2])
    assert picture == base64.b64decode(drawing.make_data_url(result.dataset.x_train[40]).partition(",")[2])


def test_the_page_says_what_is_wrong_with_copies(page):
    assert "Near: 2 images, in both splits" in page.text
    assert "Exact: 2 images, with different labels" in page.text


# The command


@pytest.mark.usefixtures("two_networks")
def test_the_command_prints_the_table_and_writes_the_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["data", "--check", "--dataset", "digits"])
    assert done.exit_code == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "report  runs/check-1/report.html"
    content = json.loads((tmp_path / "runs" / "check-1" / "check.json").read_text(encoding="utf-8"))
    assert content["command"] == "mnistry data --dataset digits --check"
    assert content["duplicates"]["groups"] == 1
    assert "duplicates    1 group of images that are copies, 0 of them exact" in done.stdout


def test_a_folder_with_something_in_it_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").touch()
    with pytest.raises(RunError, match="is not empty"):
        audit_run.audit_dataset(dataset="digits", out=tmp_path)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("--out somewhere", "--out is for the page of a check: add --check."),
        ("--check --index 3", "--index shows one image, --check looks at all of them: leave one of both out."),
    ],
)
def test_options_that_do_not_go_together_are_refused(mnistry, options, sentence):
    done = mnistry("data", "--dataset", "digits", *options.split())
    assert done.returncode == 2
    assert sentence in done.stderr
