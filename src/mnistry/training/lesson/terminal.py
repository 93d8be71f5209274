"""The lesson in the terminal: 80 columns, no word broken, wide characters counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mnistry.evaluation import text as evaluation_text
from mnistry.evaluation.metrics import find_confusions
from mnistry.reporting.language import Language, Message, count_columns, message, pad, plural, wrap
from mnistry.reporting.plots import format_percent
from mnistry.reporting.text import render_picture
from mnistry.training.lesson.steps import ROW, Facts, Step

if TYPE_CHECKING:
    from mnistry.datasets.dataset import Dataset
    from mnistry.evaluation.metrics import Evaluation
    from mnistry.models.networks import Layer
    from mnistry.training.result import Sample

COLUMNS = 76  # of the lines below a step's title, which are indented by four
BAR = 20  # characters of a bar
EPOCHS_SHOWN = 10
GRID_COLUMNS = 5
BRAILLE = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # the bits of a character's dots, row by row
INK = 100  # from which a pixel is a dot
CONFUSED_SHOWN = 3


def step(one: Step, shown: str, language: Language) -> str:
    """A step below its title: the lines of Keras, what came out, why, and one thing to try."""
    lines = one.code.splitlines()
    code = [f"{'... ' if line[0] in ' ])' else '>>> '}{line}" for line in lines]
    why = language.say(message("Why"))
    attempt = language.say(message("Try"))
    side = max(count_columns(why), count_columns(attempt)) + 2
    reasons = "\n".join(paragraph("" if number else why, each, side, language) for number, each in enumerate(one.why))
    return "\n".join([*code, "", shown, "", reasons, paragraph(attempt, one.attempt, side, language)])


def paragraph(head: str, said: Message, side: int, language: Language) -> str:
    """A paragraph with a word beside its first line."""
    text = language.say(said).replace("**", "")
    first, *others = wrap(text, COLUMNS - side)
    return "\n".join([pad(head, side) + first, *(" " * side + line for line in others)])


def load(dataset: Dataset, language: Language) -> str:
    """The source of the data, and the four shapes."""
    head = message("{title}, {n:,} images", title=title(dataset), n=len(dataset.x_train) + len(dataset.x_test))
    lines = [*wrap(f"{language.say(head)} ({language.say(source(dataset))})", COLUMNS)]
    columns = max(len(f"{x.shape} {x.dtype}") for x, _ in dataset.splits.values())
    side = max(len(f"x_{name}") for name in dataset.splits)
    for name, (x, y) in dataset.splits.items():
        images = f"{x.shape} {x.dtype}"
        lines.append(f"{'x_' + name:<{side}} {images:<{columns}}   {'y_' + name:<{side}} {y.shape} {y.dtype}")
    return "\n".join(lines)


def title(dataset: Dataset) -> Message | str:
    """The name of a data set."""
    return message("the UCI digits") if dataset.name == "digits" else dataset.title


def source(dataset: Dataset) -> Message | str:
    """The source of a data set."""
    return message("embedded, enlarged from 8×8") if dataset.name == "digits" else dataset.source


def one_image(pixels: np.ndarray, index: int, language: Language) -> str:
    """A row of an image, uint8 (28, 28), as numbers, and the whole image with the row marked."""
    head = language.say(message("training image {index}, row {row}", index=index, row=ROW))
    lines = [f"{line:<56}" for line in render_picture(pixels).split("\n")]
    lines[ROW] += f"  ← {language.say(message('row {row}', row=ROW))}"
    return "\n".join([head, " ".join(map(str, pixels[ROW])), "", *(line.rstrip() for line in lines)])


def many_images(images: np.ndarray, labels: Sequence[str], first: int, language: Language) -> str:
    """Images, uint8 (n, 28, 28), in rows of five, drawn in dots, each with its label; and the labels alone."""
    last = first + len(images) - 1
    lines = [language.say(message("training images {first} to {last}", first=first, last=last))]
    side = max(map(count_columns, labels))
    rows = [labels[start : start + GRID_COLUMNS] for start in range(0, len(labels), GRID_COLUMNS)]
    lines += [" ".join(pad(label, side) for label in row).rstrip() for row in rows]
    for start in range(0, len(images), GRID_COLUMNS):
        drawn = [dots(pixels) for pixels in images[start : start + GRID_COLUMNS]]
        lines += ["", *(" ".join(parts) for parts in zip(*drawn, strict=True))]
        names = (pad(f"      {label}", 14) for label in labels[start : start + GRID_COLUMNS])
        lines.append(" ".join(names).rstrip())
    return "\n".join(lines)


def dots(pixels: np.ndarray) -> list[str]:
    """An image, uint8 (28, 28), as 7 lines of 14 Braille characters: a dot a pixel.

    >>> dots(np.eye(28, dtype=np.uint8) * 255)[0]
    '⠑⢄⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀'
    """
    cells = (pixels >= INK).reshape(7, 4, 14, 2).transpose(0, 2, 1, 3)
    bits = (cells * np.array(BRAILLE)).sum(axis=(2, 3))
    return ["".join(chr(0x2800 + int(each)) for each in row) for row in bits]


def normalise(pixels: np.ndarray, language: Language) -> str:
    """The row of the image after the division: no longer 0 to 255 but 0 to 1."""
    row = pixels[ROW] / 255
    small = " ".join("0" if value == 0 else "1" if value == 1 else f"{value:.2f}" for value in row)
    low, high = int(pixels.min()), int(pixels.max())
    head = message(
        "{low} to {high} becomes {small:.3g} to {large:.3g}", low=low, high=high, small=low / 255, large=high / 255
    )
    return "\n".join([language.say(head), *wrap(small, COLUMNS)])


def build(layers: Sequence[Layer], facts: Facts, language: Language) -> str:
    """The network drawn, and its layers with their weights."""
    first, second = facts.weights
    weights = language.say(message("weights"))
    pixels = language.say(message("28×28 pixels"))
    rows = (
        (pixels, "784", " " * 13, f"{facts.hidden}", " " * 11, f"{facts.classes}"),
        ("┌───────────┐", "o", " " * 13, "o", " " * 11, "o"),
        ("│  ▄▄▄▄▄▄   │", "o", " " * 13, "o", " " * 11, "o"),
        ("│  █▄▄      │ Flatten", "o", f"{first:,}", "o", f"{second:,}", "o"),
        ("│    ▀▀▄    │ ──────▶", "⋮", "────────────▶", "⋮", "──────────▶", "⋮"),
        ("│  ▄▄▄▄▀    │", "o", weights, "o", weights, "o"),
        ("└───────────┘", "o", " " * 13, "relu", " " * 11, "softmax"),
    )
    sides = (24, 3, 17, 5, 15, 7)
    drawn = [
        pad(row[0], sides[0]) + "".join(centre(text, side) for text, side in zip(row[1:], sides[1:], strict=True))
        for row in rows
    ]
    kind = max(22, *(len(row.kind) for row in layers))
    output = max(10, *(len(str(row.output)) for row in layers))
    total = f"{sum(row.parameters for row in layers):,}"
    digits = max(9, len(total))
    lines = [f"{row.kind:<{kind}} {row.output!s:<{output}} {row.parameters:>{digits},}" for row in layers]
    last = pad(weights, kind + 1 + output) + f" {total:>{digits}}"
    return "\n".join([*(line.rstrip() for line in drawn), "", *lines, last])


def centre(text: str, columns: int) -> str:
    """A text in the middle of a number of columns."""
    left = (columns - count_columns(text)) // 2
    return pad(" " * left + text, columns)


def say_compiled(language: Language) -> str:
    """The optimizer, the loss and the metric."""
    return language.say(message("Adam, sparse categorical cross-entropy, accuracy"))


def train(records: Sequence[dict[str, Any]], facts: Facts, language: Language) -> str:
    """Loss, accuracy and seconds of each epoch; of a long training the first and the last ones."""
    loss, accuracy = language.say(message("loss")), language.say(message("accuracy"))
    name, n = language.say(message("epoch")), len(records)
    side = max(len(f"{record['loss']:.4f}") for record in records)
    times = [message("{seconds:5.2f} s", seconds=record["seconds"]) for record in records]
    lines = [
        f"{name} {record['epoch']:>{len(str(n))}}/{n}   {loss} {record['loss']:{side}.4f}   "
        f"{accuracy} {record['accuracy']:7.2%}   {language.say(took)}"
        for record, took in zip(records, times, strict=True)
    ]
    left_out = n - EPOCHS_SHOWN
    if left_out > 0:
        more = language.say(message("… {n} more …", n=left_out))
        lines = [*lines[:1], more, *lines[1 - EPOCHS_SHOWN :]]
    epochs = plural("{n} epoch", "{n} epochs", n=n)
    head = message("{epochs} of {steps}", epochs=epochs, steps=plural("{n:,} step", "{n:,} steps", n=facts.steps))
    return "\n".join([language.say(head), *lines])


def say_evaluated(test: Evaluation, language: Language) -> str:
    """Errors, accuracy with its interval, loss and calibration."""
    low, high = test.interval
    errors = plural("{n:,} error", "{n:,} errors", n=test.errors)
    found = message(
        "{errors} in {total:,} test images: accuracy {accuracy:.2%}",
        errors=errors,
        total=test.n,
        accuracy=test.accuracy,
    )
    interval = message("95% interval {low:.2%} to {high:.2%}", low=low, high=high)
    calibration = message("loss {loss:.4f}, expected calibration error {ece:.2%}", loss=test.loss, ece=test.ece)
    return "\n".join(language.say(each) for each in (found, interval, calibration))


def say_confused(test: Evaluation, class_names: Sequence[str], language: Language) -> str:
    """The confusion matrix, and the commonest mistakes."""
    label, answer = language.say(message("label")), language.say(message("answer"))
    matrix = evaluation_text.format_confusion(test.confusion, class_names, label=label, answer=answer)
    worst = commonest(test.confusion, class_names)
    if not worst:
        return matrix
    told = ", ".join(language.say(each) for each in worst)
    return "\n".join([matrix, "", *wrap(language.say(message("Most often: {mistakes}", mistakes=told)), COLUMNS)])


def commonest(matrix: np.ndarray, class_names: Sequence[str]) -> list[Message]:
    """The commonest mistakes of a confusion matrix, the most frequent first."""
    return [
        message("{label} read as {answer} ({n}×)", label=class_names[i], answer=class_names[j], n=n)
        for i, j, n in find_confusions(matrix)[:CONFUSED_SHOWN]
    ]


def probabilities(
    sample: Sample,
    train_shape: tuple[int, ...],
    test_shape: tuple[int, ...],
    class_names: Sequence[str],
    language: Language,
) -> str:
    """The sample image's probabilities after one Softmax and after two; of many classes, the likeliest."""
    shapes = message("for all images: train {train}, test {test}", train=train_shape, test=test_shape)
    likely = np.argsort(-sample.probabilities, kind="stable")[:10]
    shown = range(len(class_names)) if len(class_names) <= len(likely) else [int(number) for number in likely]
    heads = (message("class"), message("Softmax once"), message("Softmax twice"))
    names = [language.say(head) for head in heads]
    side = max(count_columns(names[0]), *(count_columns(class_names[number]) for number in shown))
    lines = [f"{pad(names[0], side)}  {pad(names[1], BAR + 8)}  {names[2]}"]
    for number in shown:
        parts = [
            f"{format_percent(float(values[number])):>6} {'█' * round(float(values[number]) * BAR):<{BAR}}"
            for values in (sample.probabilities, sample.doubled)
        ]
        lines.append(f"{pad(class_names[number], side, right=True)}  {parts[0]}   {parts[1]}".rstrip())
    image = message("training image {index}:", index=sample.index)
    return "\n".join([language.say(shapes), language.say(image), *lines])


def say_answered(sample: Sample, unseen: int, answer: str, label: str, language: Language) -> str:
    """The answer beside the label, for the sample and for a test image."""
    seen = message("the model says {answer}, the label says {label}", answer=sample.answer, label=sample.label)
    other = message(
        "test image {index}, which it has never seen: the model says {answer}, the label says {label}",
        index=unseen,
        answer=answer,
        label=label,
    )
    return "\n".join([language.say(seen), *wrap(language.say(other), COLUMNS)])
