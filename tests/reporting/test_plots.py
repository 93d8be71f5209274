"""The figures: what they show, that nothing is cut off or written over, and the files that they become."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mnistry.evaluation.metrics import Bin, Evaluation, evaluate
from mnistry.reporting import plots
from mnistry.reporting.drawing import SCALE, Box, Drawing, Pixels, Polyline

DIGITS = list("0123456789")
LETTERS = list("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
WORDS = ["nought", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def images(n: int) -> np.ndarray:
    return np.random.default_rng(n).integers(0, 256, (n, 28, 28), np.uint8)


def evaluation(classes: int, n: int = 3000, right: float = 0.9) -> Evaluation:
    """Of n answers about the given part is right, each with a confidence of its own."""
    generator = np.random.default_rng(classes)
    labels = np.arange(n) % classes
    answers = np.where(generator.random(n) < right, labels, generator.integers(0, classes, n))
    sure = generator.uniform(0.55, 1, n)
    p = np.repeat(((1 - sure) / (classes - 1))[:, None], classes, axis=1)
    p[np.arange(n), answers] = sure
    return evaluate(p, labels)


def sure_of(confidence: float, n: int) -> Evaluation:
    """All n answers equally sure, every second one wrong."""
    return evaluate(np.array([[confidence, 1 - confidence]] * n), np.arange(n) % 2)


def mistakes(n: int, names: list[str]) -> Drawing:
    labels, answers = [names[i % len(names)] for i in range(n)], [names[(3 * i + 1) % len(names)] for i in range(n)]
    return plots.draw_mistakes(images(n), labels, answers, np.linspace(0.999999, 0.2, n))


def probabilities(classes: int, most: float, names: list[str] | None = None) -> Drawing:
    p = np.full(classes, (1 - most) / (classes - 1))
    p[classes // 2] = most
    return plots.draw_probabilities(p, np.exp(p) / np.exp(p).sum(), names or (DIGITS if classes == 10 else LETTERS))


def reliability(evaluated: Evaluation) -> Drawing:
    return plots.draw_reliability(evaluated.bins, evaluated.n)


def robustness(names: list[str]) -> Drawing:
    wrong = np.linspace(0, 0.4, len(names))
    return plots.draw_robustness(names, 0.8 * wrong, 0.2 * wrong)


FIGURES: dict[str, Callable[[], Drawing]] = {
    "samples, 1 image": lambda: plots.draw_samples(images(1), ["5"]),
    "samples, 7 images": lambda: plots.draw_samples(images(7), list("6545305")),
    "samples, 20 images": lambda: plots.draw_samples(images(20), list("65453052055884269717")),
    "samples, words": lambda: plots.draw_samples(images(10), WORDS),
    "samples, long words": lambda: plots.draw_samples(images(3), ["Ankle boot with laces", "T-shirt/top", "b"]),
    "samples, Korean": lambda: plots.draw_samples(images(2), ["고양이", "강아지와 고양이"]),
    "mistakes, 1": lambda: mistakes(1, DIGITS),
    "mistakes, 5": lambda: mistakes(5, DIGITS),
    "mistakes, 20": lambda: mistakes(20, DIGITS),
    "mistakes, words": lambda: mistakes(8, WORDS),
    "image": lambda: plots.draw_image(images(1)[0], "training image 59999, label 5"),
    "curves, 1 epoch": lambda: plots.draw_curves([0.26], [0.9234]),
    "curves, 5 epochs": lambda: plots.draw_curves([0.26, 0.11, 0.08, 0.06, 0.0543], [0.92, 0.965, 0.975, 0.98, 0.9832]),
    "curves, 100 epochs": lambda: plots.draw_curves(np.geomspace(2.5, 0.0001, 100), 1 - np.geomspace(0.9, 0.0001, 100)),
    "curves, getting worse": lambda: plots.draw_curves([0.1, 1.0, 12.5], [0.9, 0.5, 0.1]),
    "curves, perfect": lambda: plots.draw_curves([0.0, 0.0], [1.0, 1.0]),
    "confusion, 2 classes": lambda: plots.draw_confusion(evaluation(2).confusion, DIGITS[:2]),
    "confusion, 10 classes": lambda: plots.draw_confusion(evaluation(10).confusion, DIGITS),
    "confusion, 10 classes, all right": lambda: plots.draw_confusion(evaluation(10, right=1).confusion, DIGITS),
    "confusion, 10 classes, 60,000 images": lambda: plots.draw_confusion(evaluation(10, 60_000, 0.5).confusion, DIGITS),
    "confusion, words": lambda: plots.draw_confusion(evaluation(10).confusion, WORDS),
    "confusion, 26 classes": lambda: plots.draw_confusion(evaluation(26).confusion, LETTERS),
    "confusion, 60 classes": lambda: plots.draw_confusion(
        evaluation(60).confusion, [str(number) for number in range(60)]
    ),
    "probabilities, 2 classes": lambda: probabilities(2, 0.75, ["0", "1"]),
    "probabilities, certain": lambda: probabilities(10, 1.0),
    "probabilities, all equal": lambda: probabilities(10, 0.1),
    "probabilities, words": lambda: probabilities(10, 0.97, WORDS),
    "probabilities, 26 classes": lambda: probabilities(26, 0.97),
    "reliability": lambda: reliability(evaluation(10)),
    "reliability, 1 image": lambda: reliability(sure_of(0.7, 1)),
    "reliability, all certain": lambda: reliability(sure_of(1.0, 10_000)),
    "reliability, all in the middle": lambda: reliability(sure_of(0.55, 100)),
    "robustness": lambda: robustness(["as they are", "shot noise", "motion blur", "glass blur"]),
    "robustness, 1 kind": lambda: robustness(["as they are"]),
}


def texts(drawing: Drawing) -> list[str]:
    return [str(text.text) for text in drawing.texts]


@pytest.mark.parametrize("name", FIGURES)
def test_the_file_is_a_png_as_large_as_the_drawing_and_not_blank(name: str, tmp_path: Path) -> None:
    drawing = FIGURES[name]()
    drawing.save(tmp_path / "figure.png")
    with Image.open(tmp_path / "figure.png") as opened:
        assert opened.format == "PNG"
        assert opened.size == (SCALE * plots.WIDTH, pytest.approx(SCALE * drawing.height, abs=1))
        pixels = np.asarray(opened.convert("RGB"))
    assert pixels.std() > 5
    assert (pixels == 255).all(axis=2).mean() > 0.05  # and not solid either


@pytest.mark.parametrize("name", FIGURES)
def test_no_text_is_cut_off(name: str) -> None:
    drawing = FIGURES[name]()
    assert drawing.texts
    for text in drawing.texts:
        left, top, right, bottom = text.extent
        assert left >= -1, text
        assert top >= -1, text
        assert right <= drawing.width + 1, text
        assert bottom <= drawing.height + 1, text


@pytest.mark.parametrize("name", FIGURES)
def test_no_text_is_written_over_another(name: str) -> None:
    found = FIGURES[name]().texts
    left, top, right, bottom = np.array([text.extent for text in found]).T  # ink is smaller
    left, top, right, bottom = left + 1, top + 1, right - 1, bottom - 1
    apart = (left >= right[:, None]) | (right <= left[:, None]) | (top >= bottom[:, None]) | (bottom <= top[:, None])
    assert [(found[one].text, found[other].text) for one, other in np.argwhere(~apart) if one < other] == []


@pytest.mark.parametrize("name", FIGURES)
def test_letters_are_no_wider_than_estimated(name: str, tmp_path: Path) -> None:
    """The room that the two tests above ask for is enough for the letters that are drawn."""
    from mnistry.reporting.drawing import _font

    for text in FIGURES[name]().texts:
        content = str(text.text)
        if content.isascii():
            left, _, right, _ = text.extent
            long = right - left if not text.upright else text.extent[3] - text.extent[1]
            assert _font(100, True).getlength(content) * text.size / 100 <= 1.15 * long + text.size / 2, content


def test_samples_show_each_label_once_in_rows_of_five() -> None:
    drawing = FIGURES["samples, 7 images"]()
    assert texts(drawing) == list("6545305")
    assert [int(5 * text.x / drawing.width) for text in drawing.texts] == [0, 1, 2, 3, 4, 0, 1]
    assert drawing.texts[5].y > drawing.texts[4].y  # the second row is below


def test_samples_show_the_images_with_dark_ink_on_white() -> None:
    shown = [part.pixels for part in plots.draw_samples(images(3), list("abc")).parts if isinstance(part, Pixels)]
    np.testing.assert_array_equal(np.stack(shown), 255 - images(3))


def test_mistakes_tell_the_label_the_answer_and_how_sure() -> None:
    drawing = plots.draw_mistakes(images(4), list("4790"), list("9124"), np.array([1.0, 0.99996, 0.9994, 0.25]))
    captions = texts(drawing)
    assert captions[::2] == ["is 4, read 9", "is 7, read 1", "is 9, read 2", "is 0, read 4"]
    assert captions[1::2] == ["100.0% sure", ">99.9% sure", "99.9% sure", "25.0% sure"]


def test_an_image_is_drawn_in_reversed_grey_with_its_title_axes_and_colour_bar() -> None:
    drawing = FIGURES["image"]()
    assert {"training image 59999, label 5", "row", "column", "0", "64", "128", "192", "255"} <= set(texts(drawing))
    pixels, bar = (part for part in drawing.parts if isinstance(part, Pixels))
    np.testing.assert_array_equal(pixels.pixels, 255 - images(1)[0])
    assert bar.pixels[:, 0].tolist() == list(range(256))  # black, for 255, on top
    marks = {str(text.text): text.y for text in drawing.texts if text.x > bar.x}
    assert marks["255"] == pytest.approx(bar.y)
    assert marks["0"] == pytest.approx(bar.y + bar.height)


def test_curves_show_every_epoch_and_the_last_values() -> None:
    drawing = FIGURES["curves, 5 epochs"]()
    loss, accuracy = (part for part in drawing.parts if isinstance(part, Polyline) and part.width == 2)
    for curve, values in ((loss, [0.26, 0.11, 0.08, 0.06, 0.0543]), (accuracy, [0.92, 0.965, 0.975, 0.98, 0.9832])):
        x, y = np.array(curve.points).T
        assert np.diff(x) == pytest.approx(np.full(4, x[1] - x[0]))
        slope = (y[1] - y[0]) / (values[1] - values[0])  # the same everywhere, and up is more
        assert slope < 0
        assert y - y[0] == pytest.approx(slope * (np.array(values) - values[0]))
    assert {"0.0543", "98.32%", "loss", "accuracy", "epoch", "1", "2", "3", "4", "5"} <= set(texts(drawing))


def test_the_epochs_of_a_long_training_are_marked_at_round_numbers() -> None:
    assert {"20", "40", "60", "80", "100"} <= set(texts(FIGURES["curves, 100 epochs"]()))


@pytest.mark.parametrize("classes", [2, 10, 26])
def test_the_numbers_in_a_confusion_figure_are_those_of_the_matrix(classes: int) -> None:
    matrix = evaluation(classes).confusion
    drawing = plots.draw_confusion(matrix, LETTERS[:classes])
    cells = [part for part in drawing.parts if isinstance(part, Box)]
    shown = [str(text.text) for text in drawing.texts][: classes**2]
    assert shown == [str(count or "·") for count in matrix.ravel()]
    for cell, text in zip(cells, drawing.texts, strict=False):
        assert cell.x < text.x < cell.x + cell.width
        assert cell.y < text.y < cell.y + cell.height


def test_labels_are_the_rows_of_a_confusion_figure() -> None:
    drawing = FIGURES["confusion, words"]()
    places = {str(text.text): text for text in drawing.texts if str(text.text) in WORDS and text.anchor == "end"}
    assert [texts(drawing).count(word) for word in WORDS] == [2] * 10
    rows = [text for text in drawing.texts if str(text.text) in WORDS and not text.upright]
    assert [str(text.text) for text in sorted(rows, key=lambda text: text.y)] == WORDS
    assert places
    assert {"the model's answer", "the label"} <= set(texts(drawing))


def test_mistakes_are_the_darker_the_more_there_are_and_right_answers_have_no_shade() -> None:
    drawing = plots.draw_confusion(np.array([[50, 1, 4], [0, 60, 2], [0, 0, 70]]), DIGITS[:3])
    fills = [part.fill for part in drawing.parts if isinstance(part, Box)]
    assert [fills[number] for number in (0, 4, 8)] == ["line"] * 3
    none, one, two, four = (sum(_rgb(fills[number])) for number in (3, 1, 5, 2))
    assert none > one > two > four


def _rgb(colour: str) -> tuple[float, ...]:
    return tuple(int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))


def test_numbers_in_a_confusion_figure_stand_out_from_their_shade() -> None:
    drawing = FIGURES["confusion, 10 classes"]()
    cells = [part for part in drawing.parts if isinstance(part, Box)]
    for cell, text in zip(cells, drawing.texts, strict=False):
        if cell.fill.startswith("#"):
            assert _contrast(_rgb(text.fill), _rgb(cell.fill)) >= 4.5, (cell.fill, text.fill)


def _contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """The contrast ratio of WCAG 2.2, section 1.4.3, which asks for 4.5."""

    def luminance(colour: tuple[float, ...]) -> float:
        parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour]
        return float(np.dot(parts, [0.2126, 0.7152, 0.0722]))

    darker, lighter = sorted([luminance(one), luminance(other)])
    return (lighter + 0.05) / (darker + 0.05)


def three_classes() -> Drawing:
    return plots.draw_probabilities(np.array([0.1, 0.7, 0.2]), np.array([0.26, 0.46, 0.28]), ["a", "b", "c"])


def test_probabilities_name_the_two_largest_of_each_kind() -> None:
    found = texts(three_classes())
    assert sorted(text for text in found if "." in text) == ["20.0%", "28.0%", "46.0%", "70.0%"]
    assert {"a", "b", "c", "Softmax once: what the model says", "Softmax twice: as in the tutorial"} <= set(found)


def test_bars_of_probabilities_are_as_long_as_the_values() -> None:
    bars = [part for part in three_classes().parts if isinstance(part, Box) and part.height == 15]
    once, twice = (np.array([bar.width for bar in bars if bar.striped is striped]) for striped in (False, True))
    assert once / once[0] == pytest.approx([1, 7, 2])
    assert twice / once[0] == pytest.approx([2.6, 4.6, 2.8])  # striped: not told by colour alone


def test_reliability_shows_accuracy_confidence_and_number_of_each_filled_bin() -> None:
    bins = (Bin(0.0, 0.5, 4, 0.4, 0.25), Bin(0.5, 1.0, 0, float("nan"), float("nan")))
    drawing = plots.draw_reliability(bins, 4)
    [bar] = [part for part in drawing.parts if isinstance(part, Box) and part.fill == "blue" and part.y > 40]
    [count] = [part for part in drawing.parts if isinstance(part, Box) and part.fill == "faint"]
    diagonal = next(part for part in drawing.parts if isinstance(part, Polyline) and part.dashed)
    (x0, y0), (x1, y1) = diagonal.points
    assert (bar.x, bar.width) == (x0, pytest.approx((x1 - x0) / 2 - 1))
    assert bar.height == pytest.approx(0.25 * (y0 - y1))
    assert count.x == x0
    diamond = next(part for part in drawing.parts if isinstance(part, Polyline) and part.fill == "orange")
    x, y = np.mean(diamond.points, axis=0)
    assert ((x - x0) / (x1 - x0), (y - y0) / (y1 - y0)) == (pytest.approx(0.4), pytest.approx(0.4))


def test_robustness_shows_wrong_answers_and_those_that_were_sure_apart() -> None:
    drawing = plots.draw_robustness(["a", "b"], np.array([0.1, 0.2]), np.array([0.0, 0.05]))
    plain, striped = (
        [part.width for part in drawing.parts if isinstance(part, Box) and part.height == 18 and part.striped is kind]
        for kind in (False, True)
    )
    assert plain[1] == pytest.approx(2 * plain[0])
    assert striped == [pytest.approx(plain[0] / 2)]
    assert {"10.0%", "25.0%"} <= set(texts(drawing))


def test_the_same_figure_is_the_same_file(tmp_path: Path) -> None:
    for name in ("one", "two"):
        FIGURES["reliability"]().save(tmp_path / f"{name}.png")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_an_svg_takes_its_colours_from_the_page_and_escapes_its_texts() -> None:
    svg = plots.draw_samples(images(1), ["<b>&"]).svg(' id="x"')
    assert svg.startswith('<svg viewBox="0 0 460 ')
    assert ' id="x"' in svg
    assert "&lt;b&gt;&amp;" in svg
    assert "<b>" not in svg
    assert "var(--ink,#1f2933)" in svg
    assert not re.search(r"https?:", svg)
