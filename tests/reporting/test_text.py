"""Tables are aligned, pictures keep their proportions, and sentences have the right numbers and plurals."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mnistry.datasets import text as datasets_text
from mnistry.datasets.loading import Dataset
from mnistry.evaluation import text as evaluation_text
from mnistry.evaluation.metrics import evaluate
from mnistry.models.networks import Layer
from mnistry.reporting import text as reporting_text
from mnistry.training import text as training_text
from mnistry.training.result import Sample


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


def records(epochs: int, *, first_loss: float = 0.5) -> list[dict[str, float]]:
    """Epochs: the first has a loss of its own, the others 0.25; accuracy 50%, 1.5 s each."""
    return [
        {"epoch": epoch, "loss": first_loss if epoch == 1 else 0.25, "accuracy": 0.5, "seconds": 1.5}
        for epoch in range(1, epochs + 1)
    ]


def assert_equally_long(lines: list[str]) -> None:
    assert len({len(line) for line in lines}) == 1, "\n".join(lines)


def test_shapes_tell_the_title_the_source_and_the_four_arrays():
    assert datasets_text.shapes(small_dataset()).splitlines() == [
        "the small digits, 5 images (made by hand)",
        "x_train (3, 28, 28) uint8   y_train (3,) uint8",
        "x_test  (2, 28, 28) uint8   y_test  (2,) uint8",
    ]


def test_shapes_of_unequal_length_stay_in_columns():
    _, train, test = datasets_text.shapes(small_dataset(n_train=1200, n_test=30)).splitlines()
    assert train.index("y_train") == test.index("y_test")


def test_a_data_set_is_told_with_its_source_statistics_counts_and_a_sample():
    lines = datasets_text.dataset(small_dataset(), 1).split("\n")
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
    lines = datasets_text.dataset(small_dataset(1200, 30, ("nought", "one", "eleventy-one")), 1).splitlines()
    split_table, class_table = lines[4:7], lines[8:11]
    for column in ("mean", "std"):
        end = split_table[0].index(column) + len(column)
        assert all(line[end - 1].isdigit() and line[end] == " " for line in split_table[1:])
    assert_equally_long(class_table)
    for name in ("nought", "one ", "eleventy-one"):
        end = class_table[0].index(name.strip()) + len(name.strip())
        assert all(line[end - 1].isdigit() for line in class_table[1:])


def test_large_counts_do_not_run_together():
    dataset = small_dataset(40_000)
    train = next(
        line for line in datasets_text.dataset(dataset, 1).splitlines() if line.startswith("train") and "(" not in line
    )
    assert train.split() == ["train", "20,000", "20,000"]


def test_a_row_of_an_image_is_its_28_numbers():
    image = np.arange(784, dtype=np.int64).reshape(28, 28) % 256
    expected = " ".join(str((28 * 10 + column) % 256) for column in range(28))
    assert datasets_text.row(image.astype(np.uint8), 2000, 10) == f"training image 2000, row 10\n{expected}"


def test_labels_stand_in_rows_of_five():
    assert datasets_text.grid(range(7, 19), list("abcdefghijkl")).splitlines() == [
        "training images 7 to 18",
        "a b c d e",
        "f g h i j",
        "k l",
    ]


def test_labels_of_unequal_length_stay_in_columns():
    _, first, second = datasets_text.grid(range(10), ["A", "ten", "B", "C", "D", "E", "F", "G", "H", "I"]).splitlines()
    assert first.index("B") == second.index("G")


def test_a_picture_has_two_characters_a_pixel_in_five_shades():
    # 256 values in five equal parts: 0–51 blank, 52–102, 103–153, 154–204, 205–255 full.
    pixels = np.array([[51, 52, 102, 103, 153, 154, 204, 205, 255], [255, 0, 0, 0, 0, 0, 0, 0, 255]], np.uint8)
    assert reporting_text.picture(pixels).split("\n") == ["  ░░░░▒▒▒▒▓▓▓▓████", "██" + " " * 14 + "██"]


def test_a_picture_has_a_line_for_each_row_even_where_it_is_black():
    assert reporting_text.picture(np.zeros((28, 28), np.uint8)) == "\n" * 27


def test_layers_are_a_line_each_and_the_sum():
    rows = [Layer("Flatten", (784,), 0), Layer("Dense(128, relu)", (128,), 100_480), Layer("Dense", (10,), 1_290)]
    lines = training_text.layers(rows).splitlines()
    assert_equally_long(lines)
    assert [line.split()[-1] for line in lines] == ["0", "100,480", "1,290", "101,770"]
    assert lines[-1].split() == ["weights", "101,770"]
    assert lines[1].startswith("Dense(128, relu) ")


def test_layers_with_three_axes_stay_in_columns():
    rows = [Layer("Conv2D(32, 3×3, relu)", (28, 28, 128), 1_280), Layer("Dense(10, softmax)", (10,), 12_345_678)]
    assert_equally_long(training_text.layers(rows).splitlines())


def test_epochs_are_a_line_each():
    assert training_text.epochs(records(2), steps=45).splitlines() == [
        "2 epochs of 45 steps",
        "epoch 1/2   loss 0.5000   accuracy  50.00%    1.50 s",
        "epoch 2/2   loss 0.2500   accuracy  50.00%    1.50 s",
    ]


def test_one_epoch_is_no_plural():
    assert training_text.epochs(records(1), steps=45).splitlines()[0] == "1 epoch of 45 steps"


def test_ten_epochs_are_all_shown():
    lines = training_text.epochs(records(10), steps=45).splitlines()[1:]
    assert [int(line.split()[1].split("/")[0]) for line in lines] == list(range(1, 11))
    assert_equally_long(lines)


@pytest.mark.parametrize("epochs", [12, 30, 100])
def test_of_many_epochs_the_first_and_the_last_nine_are_shown(epochs):
    head, *lines = training_text.epochs(records(epochs), steps=45).splitlines()
    assert head == f"{epochs} epochs of 45 steps"
    assert lines.pop(1) == f"… {epochs - 10} more …"
    assert [int(line.split("/")[0].removeprefix("epoch")) for line in lines] == [1, *range(epochs - 8, epochs + 1)]
    assert_equally_long(lines)


def test_a_large_first_loss_keeps_its_column():
    assert_equally_long(training_text.epochs(records(3, first_loss=12.5), steps=45).splitlines()[1:])


def test_a_result_is_a_sentence_and_two_figures():
    # 10 images, each answered 0 with 0.75; 7 are: accuracy 70%, Wilson 39.68% to 89.22%; 0.75 is 0.05 too sure;
    # loss -(7 ln 0.75 + 3 ln 0.25) / 10 = 0.61727.
    result = evaluate(np.array([[0.75, 0.25]] * 10), np.array([0] * 7 + [1] * 3))
    assert evaluation_text.test_result(result).splitlines() == [
        "3 errors in 10 test images: accuracy 70.00% (95% interval 39.68% to 89.22%)",
        "loss 0.6173, expected calibration error 5.00%",
    ]


def test_one_error_is_no_plural():
    result = evaluate(np.array([[0.75, 0.25]] * 10), np.array([0] * 9 + [1]))
    assert evaluation_text.test_result(result).startswith("1 error in 10 test images")


def test_thousands_are_set_apart():
    result = evaluate(np.array([[0.75, 0.25]] * 12_000), np.array([0] * 10_000 + [1] * 2_000))
    assert evaluation_text.test_result(result).startswith("2,000 errors in 12,000 test images")


def test_a_confusion_matrix_shows_its_numbers_and_dots_for_none():
    matrix = np.array([[980, 0, 7], [1, 1_135, 0], [0, 0, 0]])
    lines = evaluation_text.confusion(matrix, ["0", "1", "2"]).splitlines()
    assert [line.split() for line in lines] == [
        ["label", "0", "1", "2", "←", "answer"],
        ["0", "980", "·", "7"],
        ["1", "1", "1135", "·"],
        ["2", "·", "·", "·"],
    ]


@pytest.mark.parametrize("names", [["0", "1", "2"], ["nought", "one", "two"]])
def test_the_columns_of_a_confusion_matrix_end_together(names):
    head, *rows = evaluation_text.confusion(np.array([[98_000, 0, 7], [1, 113, 0], [0, 0, 10]]), names).splitlines()
    assert_equally_long([head.removesuffix("  ← answer"), *rows])
    for name in names:
        end = head.index(name) + len(name)
        assert all(row[end - 1] != " " and row[end : end + 1] in ("", " ") for row in rows)


def test_probabilities_are_in_percent_under_their_classes():
    table = reporting_text.probability_table(
        [("once", np.array([0.9, 0.1])), ("twice", np.array([0.69, 0.31]))], ["0", "1"]
    )
    lines = table.splitlines()
    assert_equally_long(lines)
    assert [line.split() for line in lines] == [["0", "1"], ["once", "90.0%", "10.0%"], ["twice", "69.0%", "31.0%"]]
    assert {line.index("%") for line in lines[1:]} == {lines[0].index("0")}


@pytest.mark.parametrize("names", [list("0123456789"), ["nought", "one", "two", *"3456789"]])
def test_a_certain_probability_keeps_its_column(names):
    certain = np.eye(10)[5]
    lines = reporting_text.probability_table([("once", certain), ("twice", np.full(10, 0.1))], names).splitlines()
    assert_equally_long(lines)
    assert lines[1].split() == ["once", *["0.0%"] * 5, "100.0%", *["0.0%"] * 4]


def test_probabilities_of_the_sample_tell_the_shapes_and_why_softmax_is_not_applied_twice():
    sample = Sample(7, np.zeros((28, 28), np.uint8), "1", np.array([0.2, 0.8]), np.array([0.354, 0.646]), "1")
    text = training_text.probabilities(sample, np.zeros((60, 2)), np.zeros((10, 2)), ["0", "1"])
    lines = text.splitlines()
    assert lines[0] == "for all images: train (60, 2), test (10, 2); training image 7:"
    assert lines[2].split() == ["Softmax", "once", "20.0%", "80.0%"]
    assert lines[3].split() == ["Softmax", "twice", "35.4%", "64.6%"]
    # Of two classes the surer one can get e¹ / (e¹ + e⁰) = 73.1%.
    assert "can never give more than 73.1%" in text


@pytest.mark.parametrize("classes", [2, 10, 26])
def test_the_most_that_softmax_gives_of_probabilities_is_that_of_a_certain_answer(classes):
    powers = np.exp(np.eye(classes)[0])
    assert training_text.most_of_doubled(classes) == pytest.approx((powers / powers.sum()).max(), rel=1e-12)
    assert math.isclose(training_text.most_of_doubled(1), 1)
