"""The lesson in the terminal: each step with its code, its values, why, and something to try, in 80 columns."""

from __future__ import annotations

import re

import numpy as np
import pytest

from helpers.results import facts_of, made_by_hand
from mnistry.models.networks import Layer
from mnistry.reporting.language import Language, LanguageName, count_columns
from mnistry.training.lesson import terminal
from mnistry.training.lesson.steps import Facts, steps
from mnistry.training.result import Sample

ENGLISH, KOREAN = Language("en"), Language("ko")
LAYERS = [
    Layer("Rescaling(1/255)", (28, 28), 0),
    Layer("Flatten", (784,), 0),
    Layer("Dense(128, relu)", (128,), 100_480),
    Layer("Dropout(0.2)", (128,), 0),
    Layer("Dense(10, softmax)", (10,), 1_290),
]


@pytest.mark.parametrize("name", ["en", "ko"])
def test_every_step_teaches_in_eighty_columns(name: LanguageName) -> None:
    language, lesson = Language(name), steps(Facts())
    assert [step.number for step in lesson] == list(range(1, 12))
    why, attempt = {"en": ("Why", "Try"), "ko": ("왜", "해 보기")}[name]
    for step in lesson:
        text = terminal.step(step, "", language)
        assert text.startswith(">>> ")
        assert re.search(rf"^{why} ", text, re.MULTILINE), step.number
        assert re.search(rf"^{attempt} ", text, re.MULTILINE), step.number
        assert all(count_columns(line) <= terminal.COLUMNS for line in text.splitlines()), step.number
        sentences = " ".join(language.say(each) for each in (*step.why, step.attempt)).replace("**", "").split()
        words = text.replace("\n", " ").split()
        assert all(word in words for word in sentences), step.number  # no word is broken


def test_the_code_is_that_of_the_learners_tutorial_and_runs_as_python() -> None:
    for step in steps(Facts()):
        compile(step.code, f"step {step.number}", "exec")
    codes = {step.number: step.code for step in steps(Facts())}
    assert codes[2] == "x_train[2000][10]"
    assert "keras.layers.Dropout(0.2)" in codes[5]
    assert "Softmax()" in codes[10]


def test_a_run_with_other_settings_is_not_compared_with_the_tutorial() -> None:
    def told(facts: Facts) -> str:
        return terminal.step(steps(facts)[7], "", ENGLISH)

    assert "Your tutorial says 0.9775" in told(Facts())
    assert "0.9775" not in told(Facts(comparable=False))


def test_the_row_is_told_and_marked_in_the_picture() -> None:
    pixels = np.zeros((28, 28), np.uint8)
    pixels[10, 3:6] = 255
    lines = terminal.one_image(pixels, 2000, ENGLISH).split("\n")
    assert lines[0] == "training image 2000, row 10"
    assert lines[1] == " ".join(["0"] * 3 + ["255"] * 3 + ["0"] * 22)
    assert len(lines) == 3 + 28
    assert lines[3 + 10] == f"{' ' * 6 + '█' * 6:<56}  ← row 10"
    assert not any(line.strip() for line in lines[4:13])


def test_twenty_images_are_drawn_in_rows_of_five_with_their_labels() -> None:
    labels = list("65453055205884269710")
    text = terminal.many_images(np.full((20, 28, 28), 255, np.uint8), labels, 1990, ENGLISH)
    lines = text.split("\n")
    assert lines[:5] == ["training images 1990 to 2009", "6 5 4 5 3", "0 5 5 2 0", "5 8 8 4 2", "6 9 7 1 0"]
    assert lines[6] == " ".join(["⣿" * 14] * 5)
    assert lines[13].split() == list("65453")
    assert len(lines) == 5 + 4 * 9
    assert max(map(count_columns, lines)) <= terminal.COLUMNS


def test_a_dot_is_a_pixel() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (28, 28)).astype(np.uint8)
    lines = terminal.dots(pixels)
    order = [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1), (3, 0), (3, 1)]  # the Unicode standard, section 21.1
    for row in range(28):
        for column in range(28):
            bit = order.index((row % 4, column % 2))
            shown = ord(lines[row // 4][column // 2]) - 0x2800 >> bit & 1
            assert shown == (pixels[row, column] >= terminal.INK)


def test_the_divided_row_is_short_and_right() -> None:
    pixels = np.zeros((28, 28), np.uint8)
    pixels[10, :5] = [92, 255, 254, 254, 119]
    lines = terminal.normalise(pixels, ENGLISH).split("\n")
    assert lines[0] == "0 to 255 becomes 0 to 1"
    assert lines[1] == "0.36 1 1.00 1.00 0.47" + " 0" * 23


@pytest.mark.parametrize("language", [ENGLISH, KOREAN])
def test_the_network_is_drawn_with_its_weights(language: Language) -> None:
    lines = terminal.build(LAYERS, Facts(), language).split("\n")
    assert "100,480" in lines[3]
    assert "1,290" in lines[3]
    assert max(map(count_columns, lines)) <= terminal.COLUMNS
    assert [line.split()[-1] for line in lines[-6:]] == ["0", "0", "100,480", "0", "1,290", "101,770"]
    assert len({count_columns(line) for line in lines[-6:]}) == 1
    assert len({count_columns(line) for line in lines[1:6]}) == 1  # the columns are straight


def records(epochs: int, *, first_loss: float = 0.5) -> list[dict[str, float]]:
    """Epochs: the first has a loss of its own, the others 0.25; accuracy 50%, 1.5 s each."""
    return [
        {"epoch": epoch, "loss": first_loss if epoch == 1 else 0.25, "accuracy": 0.5, "seconds": 1.5}
        for epoch in range(1, epochs + 1)
    ]


def test_epochs_are_a_line_each() -> None:
    facts = Facts(train=1437)
    assert terminal.train(records(2), facts, ENGLISH).split("\n") == [
        "2 epochs of 45 steps",
        "epoch 1/2   loss 0.5000   accuracy  50.00%    1.50 s",
        "epoch 2/2   loss 0.2500   accuracy  50.00%    1.50 s",
    ]
    assert terminal.train(records(1), facts, ENGLISH).startswith("1 epoch of 45 steps\n")
    assert terminal.train(records(1), facts, KOREAN).split("\n") == [
        "1에포크, 에포크마다 45단계",
        "에포크 1/1   손실 0.5000   정확도  50.00%    1.50초",
    ]


@pytest.mark.parametrize("epochs", [10, 12, 30, 100])
def test_of_many_epochs_the_first_and_the_last_nine_are_shown(epochs: int) -> None:
    _, *lines = terminal.train(records(epochs, first_loss=12.5), Facts(), ENGLISH).split("\n")
    if epochs > 10:
        assert lines.pop(1) == f"… {epochs - 10} more …"
    assert [int(line.split("/")[0].removeprefix("epoch")) for line in lines] == [1, *range(epochs - 8, epochs + 1)]
    assert len({len(line) for line in lines}) == 1


def test_the_commonest_mistakes_are_named() -> None:
    test = made_by_hand().test  # one each of 0 to 6 is read as the next
    assert "Most often: 0 read as 1 (1×), 1 read as 2 (1×), 2 read as 3 (1×)" in terminal.say_confused(
        test, list("0123456789"), ENGLISH
    )
    korean = terminal.say_confused(test, list("0123456789"), KOREAN).split("\n")
    assert korean[0].startswith("정답")
    assert korean[0].endswith("← 예측")
    assert len({count_columns(line) for line in korean[1:11]}) == 1
    assert count_columns(korean[0].removesuffix("  ← 예측")) == count_columns(korean[1])


@pytest.mark.parametrize("language", [ENGLISH, KOREAN])
def test_probabilities_have_bars_and_columns(language: Language) -> None:
    once = np.array([0.2, 0.8])
    sample = Sample(7, np.zeros((28, 28), np.uint8), "1", once, np.exp(once) / np.exp(once).sum(), "1")
    lines = terminal.probabilities(sample, (60, 2), (10, 2), ["0", "1"], language).split("\n")
    assert "(60, 2)" in lines[0]
    assert "7" in lines[1]
    assert lines[3].split() == ["0", "20.0%", "████", "35.4%", "███████"]
    assert lines[4].split() == ["1", "80.0%", "█" * 16, "64.6%", "█" * 13]
    assert lines[3].index("35.4%") == lines[4].index("64.6%")


def test_of_many_classes_the_ten_likeliest_are_shown() -> None:
    once = np.linspace(0.001, 0.5, 26)
    sample = Sample(7, np.zeros((28, 28), np.uint8), "Z", once, once, "Z")
    lines = terminal.probabilities(sample, (60, 26), (10, 26), list("ABCDEFGHIJKLMNOPQRSTUVWXYZ"), ENGLISH).split("\n")
    assert [line.split()[0] for line in lines[3:]] == list("ZYXWVUTSRQ")


def test_the_answer_is_told_for_the_sample_and_for_an_image_not_seen_before() -> None:
    sample = made_by_hand().sample
    assert sample is not None
    assert terminal.say_answered(sample, 12, "4", "9", ENGLISH).replace("\n", " ") == (
        "the model says 3, the label says 3 test image 12, which it has never seen: the model says 4, the label says 9"
    )


def test_facts_follow_the_run() -> None:
    facts = facts_of(made_by_hand())
    assert (facts.first, facts.last, facts.steps) == (23, 42, 4)
    assert facts.weights == (784 * 8 + 8, 8 * 10 + 10)
    assert (Facts(index=0).first, Facts(index=0).last) == (0, 9)
    assert Facts(index=59_999).last == 59_999
    assert Facts(classes=2).most_of_doubled == pytest.approx(np.e / (np.e + 1))
