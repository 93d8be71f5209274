"""The lesson's report: one page with the trained network inside, and its figures as files beside it."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mnistry.datasets.dataset import Dataset
from mnistry.evaluation.metrics import MISTAKES_SHOWN, Evaluation
from mnistry.reporting import html, plots
from mnistry.reporting.drawing import Drawing
from mnistry.reporting.language import LANGUAGES, Language, LanguageName, choose_language, message
from mnistry.training import report as training_report
from mnistry.training.lesson import drawings
from mnistry.training.lesson.snapshots import Network
from mnistry.training.lesson.steps import ROW, Facts, steps
from mnistry.training.lesson.terminal import commonest, source, title
from mnistry.training.result import Result

TEMPLATE = "lesson.html"
NAMES = {  # of the machine's facts and of the parts of the time, which records have in English
    "system": message("system"),
    "processor": message("processor"),
    "cores": message("cores"),
    "import": message("import"),
    "load": message("load the data"),
    "build": message("build the network"),
    "train": message("train"),
    "evaluate": message("evaluate"),
    "total": message("total"),
}


class Report:
    """The report of a lesson, made in three parts, each as soon as its content is known; `figures` has those drawn."""

    def __init__(self, dataset: Dataset, facts: Facts, folder: Path) -> None:
        """Draw nothing yet."""
        self._dataset, self._facts, self._folder = dataset, facts, folder
        self.figures: dict[str, Drawing] = {}

    def begin(self) -> None:
        """Draw the figures that do not depend on the training, and compile the page's template."""
        dataset, facts = self._dataset, self._facts
        shown, image, names = slice(facts.first, facts.last + 1), dataset.x_train[facts.index], dataset.class_names
        label = names[dataset.y_train[facts.index]]
        title = message("training image {index}, label {label}", index=facts.index, label=label)
        self._save(
            {
                "samples": plots.draw_samples(dataset.x_train[shown], dataset.labels(dataset.y_train[shown])),
                "image": plots.draw_image(image, title),
                "network": drawings.network(image, facts, names),
                "ideas": drawings.ideas(facts),
            }
        )
        html.compile_template(TEMPLATE)

    def draw_results(self, records: Sequence[Mapping[str, Any]], test: Evaluation, network: Network) -> None:
        """Draw the training and the test."""
        drawn = training_report.draw_results(self._dataset, records, test)
        self._save(drawn | {"learning": drawings.learning(network)})

    def finish(self, result: Result, network: Network, language: LanguageName | None = None) -> None:
        """Draw the sample's probabilities, and write `report.html`; see `render_page`."""
        sample, names = result.sample, result.dataset.class_names
        assert sample is not None  # noqa: S101 - a lesson has one
        self._save({"probabilities": plots.draw_probabilities(sample.probabilities, sample.doubled, names)})
        html.write(render_page(result, self._facts, network, self.figures, language), self._folder)

    def _save(self, drawn: Mapping[str, Drawing]) -> None:
        self.figures |= drawn
        html.save_figures(drawn, self._folder)


def render_page(
    result: Result, facts: Facts, network: Network, drawn: Mapping[str, Drawing], language: LanguageName | None = None
) -> str:
    """The report as HTML, in all languages.

    It opens in the language that is named; None means that of the browser, and without scripts the machine's.
    """
    languages = sorted(LANGUAGES, key=(language or choose_language()).__ne__)
    return html.render(
        TEMPLATE,
        figures=drawn,
        languages=[Language(name) for name in languages],
        follow=language is None,
        steps=steps(facts),
        facts=facts,
        live=live(result.dataset, result.test, facts, network),
        worst=commonest(result.test.confusion, result.dataset.class_names),
        unseen=facts.index % len(result.dataset.y_test),
        row_number=ROW,
        sample=result.sample,
        title=title(result.dataset),
        source=source(result.dataset),
        names=NAMES,
        **training_report.collect_facts(result),
    )


def live(dataset: Dataset, test: Evaluation, facts: Facts, network: Network) -> dict[str, Any]:
    """Collect the data of the page's script: the network, and images for the pad; JSON types only."""
    shown = slice(facts.first, facts.last + 1)
    wrong = test.mistakes[:MISTAKES_SHOWN]
    return {
        "names": list(dataset.class_names),
        "epochs": facts.epochs,
        "start": facts.index - facts.first,
        "network": network.pack(),
        "samples": _images(dataset.x_train[shown], dataset.labels(dataset.y_train[shown])),
        "mistakes": _images(dataset.x_test[wrong], dataset.labels(dataset.y_test[wrong]))
        | {"answers": dataset.labels(test.answers[wrong])},
    }


def _images(images: np.ndarray, labels: list[str]) -> dict[str, Any]:
    return {"labels": labels, "pixels": base64.b64encode(np.ascontiguousarray(images).tobytes()).decode("ascii")}
