"""Tables are aligned, pictures keep their proportions, and sentences have the right numbers and plurals."""

from __future__ import annotations

import numpy as np
import pytest

from mnistry.datasets import text as datasets_text
from mnistry.datasets.loading import Dataset
from mnistry.evaluation import text as evaluation_text
from mnistry.evaluation.metrics import evaluate
from mnistry.reporting import text as reporting_text
from mnistry.training import text as training_text


def small_dataset(n_train: int = 3, n_test: int = 2, class_names: tuple[str, ...] = ("0", "1")) -> Dataset:
    """Images with the value 51 everywhere, a fifth of 255, but for one white pixel at the top left."""
    train, test = (np.full((n, 28, 28), 51, np.uint8) for n in (n_train, n_test))
    train[:, 0, 0] = 255
    return Dataset(
        name="small",
        title="the small digits",
        x_train=train,
        y_train=np.array([index % len(class_names) for index in range(n_train)], np.uint8),
        x_test=test,
        y_test=np.zeros(n_test, np.uint8),
        class_names=class_names,
        source="made by hand",
        licence="CC0",
        digests={"x_train": "0" * 64},
    )


def assert_equally_long(lines: list[str]) -> None:
    assert len({len(line) for line in lines}) == 1, "\n".join(lines)


def test_a_data_set_is_told_with_its_source_statistics_counts_and_a_sample():
    lines = datasets_text.format_dataset(small_dataset(), 1).split("\n")
    assert lines[:3] == [
        "the small digits: 5 images, uint8 28×28, ink bright on black",
        "source   made by hand",
        "licence  CC0",
    ]
    # Train: 783 pixels of 51 and one of 255 each: mean (783 × 51 + 255) / 784 = 51.2602; variance
    # (783 × 51² + 255²) / 784 - 51.2602² = 53.014, its root 7.281. Test: 51 everywhere.
    assert " ".join(lines[5].split()) == "train (3, 28, 28) (3,) 51.260 7.281 0.2010 ± 0.0286"
    assert " ".join(lines[6].split()) == "test (2, 28, 28) (2,) 51.000 0.000 0.2000 ± 0.0000"
    # Labels 0, 1, 0 and 0, 0.
    assert [line.split() for line in lines[8:11]] == [["class", "0", "1"], ["train", "2", "1"], ["test", "2", "0"]]
    assert lines[12] == "training image 1, label 1"
    assert lines[13:] == ["██", *[""] * 27]  # 51 is still black


def test_the_tables_of_a_data_set_are_aligned():
    lines = datasets_text.format_dataset(small_dataset(1200, 30, ("nought", "one", "eleventy-one")), 1).splitlines()
    split_table, class_table = lines[4:7], lines[8:11]
    for column in ("mean", "std"):
        end = split_table[0].index(column) + len(column)
        assert all(line[end - 1].isdigit() and line[end] == " " for line in split_table[1:])
    assert_equally_long(class_table)
    for name in ("nought", "one ", "eleventy-one"):
        end = class_table[0].index(name.strip()) + len(name.strip())
        assert all(line[end - 1].isdigit() for line in class_table[1:])


def test_names_of_wide_letters_are_a_line_each_where_they_would_not_fit():
    lines = datasets_text.format_counts([f"글자 {number}" for number in range(10)], {"train": range(10)}).splitlines()
    assert [line.split()[-1] for line in lines] == ["train", *map(str, range(10))]


def test_large_counts_do_not_run_together():
    dataset = small_dataset(40_000)
    train = next(
        line
        for line in datasets_text.format_dataset(dataset, 1).splitlines()
        if line.startswith("train") and "(" not in line
    )
    assert train.split() == ["train", "20,000", "20,000"]


def test_a_picture_has_two_characters_a_pixel_in_five_shades():
    # 256 values in five equal parts: 0–51 blank, 52–102, 103–153, 154–204, 205–255 full.
    pixels = np.array([[51, 52, 102, 103, 153, 154, 204, 205, 255], [255, 0, 0, 0, 0, 0, 0, 0, 255]], np.uint8)
    assert reporting_text.render_picture(pixels).split("\n") == ["  ░░░░▒▒▒▒▓▓▓▓████", "██" + " " * 14 + "██"]


def test_a_picture_has_a_line_for_each_row_even_where_it_is_black():
    assert reporting_text.render_picture(np.zeros((28, 28), np.uint8)) == "\n" * 27


def test_a_result_is_a_sentence_and_two_figures():
    # 10 images, each answered 0 with 0.75; 7 are: accuracy 70%, Wilson 39.68% to 89.22%; 0.75 is 0.05 too sure;
    # loss -(7 ln 0.75 + 3 ln 0.25) / 10 = 0.61727.
    result = evaluate(np.array([[0.75, 0.25]] * 10), np.array([0] * 7 + [1] * 3))
    assert evaluation_text.format_test_result(result).splitlines() == [
        "3 errors in 10 test images: accuracy 70.00% (95% interval 39.68% to 89.22%)",
        "loss 0.6173, expected calibration error 5.00%",
    ]


def test_one_error_is_no_plural():
    result = evaluate(np.array([[0.75, 0.25]] * 10), np.array([0] * 9 + [1]))
    assert evaluation_text.format_test_result(result).startswith("1 error in 10 test images")


def test_thousands_are_set_apart():
    result = evaluate(np.array([[0.75, 0.25]] * 12_000), np.array([0] * 10_000 + [1] * 2_000))
    assert evaluation_text.format_test_result(result).startswith("2,000 errors in 12,000 test images")


def test_a_confusion_matrix_shows_its_numbers_and_dots_for_none():
    matrix = np.array([[980, 0, 7], [1, 1_135, 0], [0, 0, 0]])
    lines = evaluation_text.format_confusion(matrix, ["0", "1", "2"]).splitlines()
    assert [line.split() for line in lines] == [
        ["label", "0", "1", "2", "←", "answer"],
        ["0", "980", "·", "7"],
        ["1", "1", "1135", "·"],
        ["2", "·", "·", "·"],
    ]


@pytest.mark.parametrize("names", [["0", "1", "2"], ["nought", "one", "two"]])
def test_the_columns_of_a_confusion_matrix_end_together(names):
    head, *rows = evaluation_text.format_confusion(
        np.array([[98_000, 0, 7], [1, 113, 0], [0, 0, 10]]), names
    ).splitlines()
    assert_equally_long([head.removesuffix("  ← answer"), *rows])
    for name in names:
        end = head.index(name) + len(name)
        assert all(row[end - 1] != " " and row[end : end + 1] in ("", " ") for row in rows)


def test_lines_fit_a_terminal_of_80_columns(digits: Dataset) -> None:
    record = {
        "epoch": 20,
        "loss": 2.3456,
        "accuracy": 0.9876,
        "val_loss": 2.3456,
        "val_accuracy": 1.0,
        "seconds": 12.34,
    }
    classes = [f"class {number}" for number in range(26)]
    told = [
        datasets_text.format_dataset(digits, 0),
        datasets_text.format_counts(classes, {"train": [60000] * 26, "test": [1] * 26}),
        training_text.format_epoch(record, 200),
        reporting_text.format_entry("sure of", "words " * 40, 12),
    ]
    assert max(len(line) for text in told for line in text.splitlines()) <= 80
