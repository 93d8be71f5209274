"""Write the lesson to read and to run, in both languages: `docs/lesson*.md` with their pictures, and the notebooks.

    python tools/write_lesson.py

Their words are those of `mnistry.training.lesson.steps`. Both run on MNIST, which MNISTRY_DATA_DIR or the cache must
hold.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

from mnistry.reporting.drawing import STANDALONE, Drawing
from mnistry.reporting.language import LANGUAGES, Language
from mnistry.training.lesson import steps as words
from mnistry.training.lesson import terminal
from mnistry.training.lesson.steps import Facts, Step, steps
from mnistry.training.result import Result

ROOT = Path(__file__).parent.parent
DOCS, EXAMPLES = ROOT / "docs", ROOT / "examples"
SUFFIXES = {"en": "", "ko": ".ko"}
DRAWING_CELL = "drawing"  # the tag of the cell whose output is a page: it is not kept
FIGURES = {2: "image", 3: "samples", 5: "network", 7: "learning", 9: "mistakes", 10: "probabilities"}

CELLS: Mapping[int, str] = {
    1: """dataset = mnistry.load()
x_train, y_train, x_test, y_test = dataset.x_train, dataset.y_train, dataset.x_test, dataset.y_test
print(dataset.title)
x_train.shape, y_train.shape, x_test.shape, y_test.shape""",
    2: """index = dataset.check_index(None)
print(index)
print(x_train[index][10])
plt.imshow(x_train[index], cmap="gray_r")
plt.axhline(10, color="tab:orange", alpha=0.5)
plt.show()""",
    3: """plt.figure(figsize=(8, 7))
for i in range(20):
    plt.subplot(4, 5, i + 1, xticks=[], yticks=[])
    plt.imshow(x_train[index - 10 + i], cmap=plt.cm.binary)
    plt.xlabel(y_train[index - 10 + i])
plt.show()
print(y_train[index - 10 : index + 10])""",
    4: """(x_train[index][10] / 255).round(2)""",
    5: """keras.utils.set_random_seed(0)
model = keras.Sequential(
    [
        keras.Input((28, 28)),
        keras.layers.Rescaling(1 / 255),
        keras.layers.Flatten(),
        keras.layers.Dense(128, activation="relu"),
        keras.layers.Dropout(0.2),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
model.summary()""",
    6: """model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
-np.log([0.1, 0.5, 0.99]).round(2)""",
    7: """epochs = 5 if len(x_train) > 10_000 else 30
history = mnistry.fit(model, x_train, y_train, epochs=epochs, batch_size=32, seed=0, verbose=0)
for epoch, loss in enumerate(history.history["loss"], start=1):
    print(f"epoch {epoch}  loss {loss:.4f}  accuracy {history.history['accuracy'][epoch - 1]:.2%}")
patches = model.get_weights()[0].T.reshape(-1, 28, 28)
plt.figure(figsize=(9, 2))
for i in range(8):
    plt.subplot(1, 8, i + 1, xticks=[], yticks=[])
    plt.imshow(patches[i], cmap="RdBu", vmin=-0.3, vmax=0.3)
plt.show()""",
    8: """test_probabilities = mnistry.predict(model, x_test)
test = mnistry.evaluate(test_probabilities, y_test)
low, high = test.interval
print(f"{test.errors} / {test.n}  accuracy {test.accuracy:.2%} ({low:.2%} - {high:.2%})  loss {test.loss:.4f}")""",
    9: """plt.figure(figsize=(6, 6))
plt.imshow(test.confusion - np.diag(np.diag(test.confusion)), cmap="Oranges")
for (label, answer), count in np.ndenumerate(test.confusion):
    plt.text(answer, label, count, ha="center", va="center", fontsize=8)
plt.xticks(range(10)), plt.yticks(range(10)), plt.xlabel("answer"), plt.ylabel("label")
plt.show()""",
    10: """probability_model = keras.Sequential([model, keras.layers.Softmax()])
once = mnistry.predict(model, x_train[index : index + 1])[0]
twice = np.asarray(probability_model(x_train[index : index + 1]))[0]
print("Softmax once: ", once.round(3))
print("Softmax twice:", twice.round(3))
plt.bar(np.arange(10) - 0.2, once, 0.4, label="once")
plt.bar(np.arange(10) + 0.2, twice, 0.4, label="twice", hatch="//")
plt.xticks(range(10)), plt.legend()
plt.show()""",
    11: """print(np.argmax(once), y_train[index])
plt.imshow(x_train[index], cmap="gray_r")
plt.colorbar()
plt.show()
print(np.argmax(test_probabilities[index % len(x_test)]), y_test[index % len(x_test)])""",
}
INSTALL = """try:
    import mnistry
except ImportError:
    %pip install --quiet "mnistry[train]" matplotlib
    import mnistry"""
IMPORTS = """%matplotlib inline
import os
from pathlib import Path

os.environ["KERAS_BACKEND"] = "jax"
import keras
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image, ImageDraw"""
OWN_FILE = """path = Path("my-digit.png")
if not path.exists():
    sheet = Image.new("L", (300, 400), 235)
    ImageDraw.Draw(sheet).line([(60, 60), (210, 60), (120, 330)], fill=40, width=14, joint="curve")
    sheet.save(path)
only_resized = 255 - np.asarray(Image.open(path).convert("L").resize((28, 28)))
in_form = mnistry.Recognizer.load().read_digit(path).image
for number, image in enumerate((only_resized, in_form), start=1):
    p = mnistry.predict(model, image[None])[0]
    plt.subplot(1, 2, number, title=f"{p.argmax()}: {p.max():.1%}")
    plt.imshow(image, cmap="gray_r")
plt.show()"""
OWN_DRAWING = """from mnistry.training.lesson.pad import Pad

Pad(model, dataset, language="{language}")"""


def main() -> None:
    """Write the pages and the notebooks."""
    write_pages()
    for name in LANGUAGES:
        notebook = executed(notebook_of(Language(name)))
        nbformat.write(notebook, EXAMPLES / f"lesson{SUFFIXES[name]}.ipynb")


def write_pages() -> None:
    """Run the lesson once, and write its pages with their pictures."""
    from mnistry.training.lesson import report
    from mnistry.tutorial import tutorial

    drawn: dict[str, Drawing] = {}

    def keep(*given: Any) -> str:
        drawn.update(given[3])
        return made(*given)

    made, report.render_page = report.render_page, keep  # the figures of the run, to write them in both languages
    with tempfile.TemporaryDirectory() as folder:
        _, result = tutorial(out=Path(folder) / "run", language="en")
    report.render_page = made
    for name in LANGUAGES:
        language, files = Language(name), {}
        for figure in FIGURES.values():
            files[figure] = f"lesson_{figure}{SUFFIXES[name]}.svg"
            (DOCS / files[figure]).write_text(svg(drawn[figure], language), encoding="utf-8")
        text = page(language, shown(result, language), files)
        (DOCS / f"lesson{SUFFIXES[name]}.md").write_text(text, encoding="utf-8")


def shown(result: Result, language: Language) -> dict[int, str]:
    """The values of each step, as the terminal shows them."""
    dataset, sample, facts = result.dataset, result.sample, Facts()
    x, names = dataset.x_train, dataset.class_names
    train, test = (len(x), len(names)), (result.test.n, len(names))
    unseen = facts.index % result.test.n
    answer, label = names[result.test.answers[unseen]], names[dataset.y_test[unseen]]
    row, many = terminal.one_image(x[facts.index], facts.index, language), result.grid_labels
    return {
        1: terminal.load(replace(dataset, source="keras.datasets.mnist"), language),
        2: "\n".join(row.split("\n")[:2]),
        3: "\n".join(" ".join(many[start : start + 5]) for start in range(0, len(many), 5)),
        4: terminal.normalise(x[facts.index], language),
        5: terminal.build(result.layers, facts, language),
        6: terminal.say_compiled(language),
        7: terminal.train(result.records, facts, language),
        8: terminal.say_evaluated(result.test, language),
        9: terminal.say_confused(result.test, names, language),
        10: terminal.probabilities(sample, train, test, names, language),
        11: terminal.say_answered(sample, unseen, answer, label, language),
    }


def page(language: Language, shown: Mapping[int, str], figures: Mapping[str, str]) -> str:
    """The lesson to read.

    Args:
        language: of the words.
        shown: the values of each step.
        figures: for each figure the file beside the page.
    """
    say = language.say
    parts = [f"# {say(words.TITLE)}"]
    parts.append(say(words.TO_READ))
    for step in steps(Facts()):
        parts += [
            f"## {step.number}. {say(step.title)}",
            f"```python\n{step.code}\n```",
            f"```text\n{shown[step.number]}\n```",
        ]
        if step.number in FIGURES:
            name = FIGURES[step.number]
            parts.append(f"![{say(step.title)}]({figures[name]})")
        parts += [say(each) for each in step.why]
        parts.append(f"> **{say(words.TRY)}** {say(step.attempt)}")
    return "\n\n".join(parts) + "\n"


def notebook_of(language: Language) -> nbformat.NotebookNode:
    """The notebook, without outputs."""
    say, v4 = language.say, nbformat.v4
    cells = [
        v4.new_markdown_cell(f"# {say(words.TITLE)}\n\n{say(words.TO_RUN)}"),
        v4.new_code_cell(INSTALL),
        v4.new_code_cell(IMPORTS),
    ]
    for step in steps(Facts()):
        cells += [v4.new_markdown_cell(_words(step, say)), v4.new_code_cell(CELLS[step.number])]
        cells.append(v4.new_markdown_cell(f"> **{say(words.TRY)}** {say(step.attempt)}"))
    cells += [
        v4.new_markdown_cell(f"## {say(words.YOUR_OWN)}\n\n{say(words.FROM_A_FILE)}"),
        v4.new_code_cell(OWN_FILE),
        v4.new_markdown_cell(say(words.DRAWN)),
        v4.new_code_cell(OWN_DRAWING.format(language=language.name), metadata={"tags": [DRAWING_CELL]}),
    ]
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return v4.new_notebook(cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}})


def _words(step: Step, say: Callable[..., str]) -> str:
    reasons = "\n\n".join(say(each) for each in step.why)
    return f"## {step.number}. {say(step.title)}\n\n{reasons}"


def executed(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook with its outputs, but for the page to draw on."""
    os.environ["PYTHONHASHSEED"] = "0"
    with tempfile.TemporaryDirectory() as folder:
        resources = {"metadata": {"path": folder}}
        NotebookClient(notebook, timeout=600, kernel_name="python3", record_timing=False, resources=resources).execute()
    for cell in notebook.cells:
        if DRAWING_CELL in cell.metadata.get("tags", ()):
            cell.outputs = []
    notebook.metadata.language_info = {"name": "python"}
    return notebook


def svg(drawing: Drawing, language: Language) -> str:
    """A drawing as a file of its own."""
    from markupsafe import escape

    return drawing.svg(f'{STANDALONE} style="background:#fff"', lambda text: escape(language.say(text))) + "\n"


if __name__ == "__main__":
    main()
