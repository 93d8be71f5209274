"""The figures: what they show, that nothing is cut off or written over, and the files that they become."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from PIL import Image

from mnistry.evaluation.metrics import Bin, Evaluation, evaluate
from mnistry.reporting import plots

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


def mistakes(n: int, names: list[str]) -> Figure:
    labels, answers = [names[i % len(names)] for i in range(n)], [names[(3 * i + 1) % len(names)] for i in range(n)]
    return plots.mistakes(images(n), labels, answers, np.linspace(0.999999, 0.2, n))


def probabilities(classes: int, most: float, names: list[str] | None = None) -> Figure:
    p = np.full(classes, (1 - most) / (classes - 1))
    p[classes // 2] = most
    return plots.probabilities(p, np.exp(p) / np.exp(p).sum(), names or (DIGITS if classes == 10 else LETTERS))


def reliability(evaluated: Evaluation) -> Figure:
    return plots.reliability(evaluated.bins, evaluated.n)


FIGURES: dict[str, Callable[[], Figure]] = {
    "samples, 1 image": lambda: plots.samples(images(1), ["5"]),
    "samples, 7 images": lambda: plots.samples(images(7), list("6545305")),
    "samples, 20 images": lambda: plots.samples(images(20), list("65453052055884269717")),
    "samples, words": lambda: plots.samples(images(10), WORDS),
    "mistakes, 1": lambda: mistakes(1, DIGITS),
    "mistakes, 5": lambda: mistakes(5, DIGITS),
    "mistakes, 20": lambda: mistakes(20, DIGITS),
    "mistakes, words": lambda: mistakes(8, WORDS),
    "image": lambda: plots.image(images(1)[0], "training image 59999, label 5"),
    "curves, 1 epoch": lambda: plots.curves([0.26], [0.9234]),
    "curves, 5 epochs": lambda: plots.curves([0.26, 0.11, 0.08, 0.06, 0.0543], [0.92, 0.965, 0.975, 0.98, 0.9832]),
    "curves, 100 epochs": lambda: plots.curves(np.geomspace(2.5, 0.0001, 100), 1 - np.geomspace(0.9, 0.0001, 100)),
    "curves, getting worse": lambda: plots.curves([0.1, 1.0, 12.5], [0.9, 0.5, 0.1]),
    "confusion, 2 classes": lambda: plots.confusion(evaluation(2).confusion, DIGITS[:2]),
    "confusion, 10 classes": lambda: plots.confusion(evaluation(10).confusion, DIGITS),
    "confusion, 10 classes, all right": lambda: plots.confusion(evaluation(10, right=1).confusion, DIGITS),
    "confusion, 10 classes, 60,000 images": lambda: plots.confusion(evaluation(10, 60_000, 0.5).confusion, DIGITS),
    "confusion, words": lambda: plots.confusion(evaluation(10).confusion, WORDS),
    "confusion, 26 classes": lambda: plots.confusion(evaluation(26).confusion, LETTERS),
    "probabilities, 2 classes": lambda: probabilities(2, 0.75, ["0", "1"]),
    "probabilities, certain": lambda: probabilities(10, 1.0),
    "probabilities, all equal": lambda: probabilities(10, 0.1),
    "probabilities, words": lambda: probabilities(10, 0.97, WORDS),
    "probabilities, 26 classes": lambda: probabilities(26, 0.97),
    "reliability": lambda: reliability(evaluation(10)),
    "reliability, 1 image": lambda: reliability(sure_of(0.7, 1)),
    "reliability, all certain": lambda: reliability(sure_of(1.0, 10_000)),
    "reliability, all in the middle": lambda: reliability(sure_of(0.55, 100)),
}


class Drawn:
    """A figure that was saved: its pixels, and where each of its texts came to stand."""

    def __init__(self, figure: Figure, path: Path) -> None:
        boxes: dict[Text, Bbox] = {}
        original = Text.draw

        def draw(text: Text, renderer: object) -> None:
            if text.get_visible() and text.get_text().strip():
                boxes[text] = Text.get_window_extent(text, renderer)  # in pixels, an annotation without its arrow
            original(text, renderer)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Text, "draw", draw)
            plots.save(figure, path)
        self.boxes = [(text.get_text(), box) for text, box in boxes.items()]
        self.texts = [text for text, _ in self.boxes]
        with Image.open(path) as opened:
            self.format = opened.format
            self.pixels = np.asarray(opened.convert("RGB"))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Drawn]:
    """Gives a figure of the list above, saved once for all tests."""
    folder, done = tmp_path_factory.mktemp("figures"), {}

    def get(name: str) -> Drawn:
        if name not in done:
            done[name] = Drawn(FIGURES[name](), folder / f"{len(done)}.png")
        return done[name]

    return get


@pytest.mark.parametrize("name", FIGURES)
def test_the_file_is_a_png_as_wide_as_all_others_and_not_blank(drawn, name):
    assert drawn(name).format == "PNG"
    height, width, _ = drawn(name).pixels.shape
    assert width == pytest.approx(plots.WIDTH * plots.DPI, rel=0.01)
    assert height >= 100
    assert drawn(name).pixels.std() > 5
    assert (drawn(name).pixels == 255).all(axis=2).mean() > 0.05  # and not solid either


@pytest.mark.parametrize("name", FIGURES)
def test_no_text_is_cut_off(drawn, name):
    height, width, _ = drawn(name).pixels.shape
    assert drawn(name).texts
    outside = {
        text: np.round(box.extents)
        for text, box in drawn(name).boxes
        if box.x0 < -0.5 or box.y0 < -0.5 or box.x1 > width + 0.5 or box.y1 > height + 0.5
    }
    assert not outside, f"outside of {width}×{height} pixels: {outside}"


@pytest.mark.parametrize("name", FIGURES)
def test_no_text_is_written_over_another(drawn, name):
    texts = drawn(name).texts
    left, bottom, right, top = np.array([box.padded(-2).extents for _, box in drawn(name).boxes]).T  # ink is smaller
    apart = (left >= right[:, None]) | (right <= left[:, None]) | (bottom >= top[:, None]) | (top <= bottom[:, None])
    assert [(texts[one], texts[other]) for one, other in np.argwhere(~apart) if one < other] == []


def test_the_check_for_text_sees_what_is_cut_off(tmp_path):
    figure = Figure(figsize=(1, 1))
    figure.text(0.9, 0.5, "too long for this")
    [(text, box)] = Drawn(figure, tmp_path / "cut.png").boxes
    assert text == "too long for this"
    assert box.x1 > plots.DPI


def test_samples_show_each_label_once_in_rows_of_five(drawn):
    boxes = drawn("samples, 7 images").boxes
    assert [text for text, _ in boxes] == list("6545305")
    columns = [round(5 * (box.x0 + box.x1) / 2 / drawn("samples, 7 images").pixels.shape[1] - 0.5) for _, box in boxes]
    assert columns == [0, 1, 2, 3, 4, 0, 1]
    assert boxes[5][1].y1 < boxes[4][1].y0  # the second row is below


def test_samples_show_the_images_themselves(tmp_path):
    # A white image and a black one: the first column is mostly white or nearly so, the second dark where the image is.
    pair = np.stack([np.full((28, 28), 255, np.uint8), np.zeros((28, 28), np.uint8)])
    pixels = Drawn(plots.samples(pair, ["w", "b"]), tmp_path / "pair.png").pixels
    row = pixels[pixels.shape[0] // 3, :, 0]
    dark = np.flatnonzero(row < 30) / len(row)
    assert 0.2 <= dark.min() < 0.25
    assert 0.35 < dark.max() <= 0.4


def test_mistakes_tell_the_label_the_answer_and_how_sure(drawn, tmp_path):
    figure = plots.mistakes(images(4), list("4790"), list("9124"), np.array([1.0, 0.99996, 0.9994, 0.25]))
    captions = Drawn(figure, tmp_path / "mistakes.png").texts
    assert captions[::2] == ["is 4, read 9", "is 7, read 1", "is 9, read 2", "is 0, read 4"]
    assert captions[1::2] == ["100.0% sure", "over 99.9% sure", "99.9% sure", "25.0% sure"]


def test_an_image_is_drawn_with_its_title_axes_and_colour_bar(drawn):
    texts = drawn("image").texts
    assert {"training image 59999, label 5", "row", "column", "value"} <= set(texts)
    assert [text for text in texts if text in {"0", "64", "128", "192", "255"}].count("255") == 1


def test_an_image_is_not_turned(tmp_path):
    # Only the pixel at the top left is bright: so is the top left quarter of the drawing, and no other.
    pixels = np.zeros((28, 28), np.uint8)
    pixels[:7, :7] = 255
    figure = plots.image(pixels, "corner")
    shown = figure.axes[0].images[0]
    np.testing.assert_array_equal(shown.get_array(), pixels)
    left, right, *_ = shown.get_extent()
    assert left < right
    assert figure.axes[0].transData.transform((0, 0))[1] > figure.axes[0].transData.transform((0, 27))[1]


def test_curves_show_every_epoch_and_the_last_values(drawn):
    figure = FIGURES["curves, 5 epochs"]()
    upper, lower = figure.axes
    assert upper.lines[0].get_xdata().tolist() == [1, 2, 3, 4, 5]
    assert upper.lines[0].get_ydata().tolist() == [0.26, 0.11, 0.08, 0.06, 0.0543]
    assert lower.lines[0].get_ydata().tolist() == [0.92, 0.965, 0.975, 0.98, 0.9832]
    assert {"0.0543", "98.32%", "loss", "accuracy", "epoch"} <= set(drawn("curves, 5 epochs").texts)


@pytest.mark.parametrize("name", ["curves, 1 epoch", "curves, 5 epochs", "curves, 100 epochs"])
def test_epochs_are_whole_numbers(name):
    axes = FIGURES[name]().axes[1]
    low, high = axes.get_xlim()
    ticks = [float(tick) for tick in axes.get_xticks() if low <= tick <= high]
    assert ticks
    assert ticks == [round(tick) for tick in ticks]


@pytest.mark.parametrize(
    ("name", "evaluated"),
    [
        ("confusion, 2 classes", evaluation(2)),
        ("confusion, 10 classes", evaluation(10)),
        ("confusion, 26 classes", evaluation(26)),
    ],
)
def test_the_numbers_in_a_confusion_figure_are_those_of_the_matrix(name, evaluated):
    [axes] = FIGURES[name]().axes
    shown = {(text.get_position()[1], text.get_position()[0]): text.get_text() for text in axes.texts}
    classes = len(evaluated.confusion)
    assert shown == {
        (row, column): str(evaluated.confusion[row, column] or "·")
        for row in range(classes)
        for column in range(classes)
    }


def test_labels_are_the_rows_of_a_confusion_figure(drawn):
    [axes] = FIGURES["confusion, words"]().axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("the model's answer", "the label")
    assert [label.get_text() for label in axes.get_yticklabels()] == WORDS
    assert [label.get_text() for label in axes.get_xticklabels()] == WORDS
    assert axes.transData.transform((0, 0))[1] > axes.transData.transform((0, 9))[1]  # the first row is on top


def test_mistakes_are_the_darker_the_more_there_are_and_right_answers_have_no_shade():
    confusion = np.array([[50, 1, 4], [0, 60, 2], [0, 0, 70]])
    labels, answers = np.repeat(np.repeat([0, 1, 2], 3), confusion.ravel()), np.repeat([0, 1, 2] * 3, confusion.ravel())
    [axes] = plots.confusion(evaluate(np.eye(3)[answers], labels).confusion, DIGITS[:3]).axes
    shade = axes.images[0].get_array()
    assert np.diag(shade.mask).all()
    assert shade.mask.sum() == 3
    assert [shade[0, 1], shade[0, 2], shade[1, 2], shade[2, 0]] == [0.25, 1, 0.5, 0]


def test_numbers_in_a_confusion_figure_stand_out_from_their_shade():
    from matplotlib.colors import to_rgb

    [axes] = FIGURES["confusion, 10 classes"]().axes
    image = axes.images[0]
    colours = image.cmap(image.norm(image.get_array()))[..., :3]
    for text in axes.texts:
        column, row = text.get_position()
        if text.get_text() != "·":
            assert _contrast(to_rgb(text.get_color()), colours[row, column]) > 3, (row, column)


def _contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """The contrast ratio of WCAG 2.2, section 1.4.3; 3 is what it asks of large type."""

    def luminance(colour: tuple[float, ...]) -> float:
        parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour]
        return float(np.dot(parts, [0.2126, 0.7152, 0.0722]))

    darker, lighter = sorted([luminance(one), luminance(other)])
    return (lighter + 0.05) / (darker + 0.05)


def test_probabilities_name_the_two_largest_of_each_kind(tmp_path):
    figure = plots.probabilities(np.array([0.1, 0.7, 0.2]), np.array([0.26, 0.46, 0.28]), ["a", "b", "c"])
    texts = Drawn(figure, tmp_path / "probabilities.png").texts
    assert sorted(text for text in texts if "." in text) == ["20.0%", "28.0%", "46.0%", "70.0%"]
    assert {"a", "b", "c", "Softmax once: what the model says", "Softmax twice: as in the lesson"} <= set(texts)


def test_bars_of_probabilities_are_as_long_as_the_values():
    figure = plots.probabilities(np.array([0.1, 0.7, 0.2]), np.array([0.26, 0.46, 0.28]), ["a", "b", "c"])
    [axes] = figure.axes
    once, twice = axes.containers
    assert [bar.get_width() for bar in once] == [0.1, 0.7, 0.2]
    assert [bar.get_width() for bar in twice] == [0.26, 0.46, 0.28]
    assert twice[0].get_hatch()  # not told by colour alone
    assert axes.transData.transform((0, 0))[1] > axes.transData.transform((0, 2))[1]  # the first class is on top


def test_reliability_shows_accuracy_confidence_and_number_of_each_filled_bin():
    bins = (Bin(0.0, 0.5, 4, 0.4, 0.25), Bin(0.5, 1.0, 0, float("nan"), float("nan")))
    upper, lower = plots.reliability(bins, 4).axes
    [bar] = upper.containers[0]
    assert (bar.get_x(), bar.get_width(), bar.get_height()) == (0, 0.5, 0.25)
    assert upper.lines[1].get_xydata().tolist() == [[0.4, 0.4]]
    low, high = lower.get_ylim()
    heights = [bar.get_height() for bar in lower.containers[0]]
    assert heights[0] == 4 < high
    assert heights[1] <= low  # an empty bin shows no bar


def test_all_figures_are_drawn_alike_whatever_the_user_has_set(tmp_path):
    import matplotlib as mpl

    usual = Drawn(FIGURES["curves, 5 epochs"](), tmp_path / "usual.png").pixels
    with mpl.rc_context({"font.size": 9, "axes.titlesize": 30, "axes.spines.top": True, "text.color": "red"}):
        other = Drawn(FIGURES["curves, 5 epochs"](), tmp_path / "other.png").pixels
    np.testing.assert_array_equal(usual, other)


def test_the_same_figure_is_the_same_file(tmp_path):
    for name in ("one", "two"):
        plots.save(FIGURES["reliability"](), tmp_path / f"{name}.png")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
