"""The lesson's report: one page with the trained network inside, and its figures as files beside it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mnistry.datasets.dataset import Dataset
from mnistry.evaluation.metrics import MISTAKES_SHOWN, Evaluation
from mnistry.reporting import html, plots
from mnistry.reporting.drawing import Drawing
from mnistry.reporting.language import LANGUAGES, Language, LanguageName, message, preferred
from mnistry.training import report as training_report
from mnistry.training.lesson import drawings
from mnistry.training.lesson.snapshots import Network
from mnistry.training.lesson.steps import ROW, Facts, steps
from mnistry.training.lesson.terminal import commonest, title
from mnistry.training.result import Result

TEMPLATE = "lesson.html"


def begin(dataset: Dataset, facts: Facts, folder: Path) -> frozenset[str]:
    """Do what the report needs and a trained network does not change, while the network trains.

    Args:
        dataset: of the lesson.
        facts: the numbers in the words of the steps.
        folder: the run folder, which exists.

    Returns:
        The names of the figures that are written already.
    """
    drawn = draw_first(dataset, facts)
    html.save_figures(drawn, folder)
    html.compile_template(TEMPLATE)
    return frozenset(drawn)


def write(
    result: Result,
    facts: Facts,
    network: Network,
    folder: Path,
    language: LanguageName | None = None,
    begun: frozenset[str] = frozenset(),
) -> None:
    """Write `figures/*.png` and `report.html` into a run folder.

    Args:
        result: of the lesson.
        facts: the numbers in the words of the steps.
        network: the trained network.
        folder: the run folder, which exists.
        language: in which the page opens; None means that of the browser, and without scripts the machine's.
        begun: the figures that `begin` has written.
    """
    drawn = draw(result, facts, network)
    html.save_figures({name: drawing for name, drawing in drawn.items() if name not in begun}, folder)
    html.write(page(result, facts, network, drawn, language), folder)


def draw_first(dataset: Dataset, facts: Facts) -> dict[str, Drawing]:
    """The figures that do not depend on the training, by name."""
    shown, image, names = slice(facts.first, facts.last + 1), dataset.x_train[facts.index], dataset.class_names
    label = names[dataset.y_train[facts.index]]
    title = message("training image {index}, label {label}", index=facts.index, label=label)
    return {
        "samples": plots.samples(dataset.x_train[shown], dataset.labels(dataset.y_train[shown])),
        "image": plots.image(image, title),
        "network": drawings.network(image, facts, names),
        "ideas": drawings.ideas(facts),
    }


def draw(result: Result, facts: Facts, network: Network) -> dict[str, Drawing]:
    """The figures of the lesson, by name."""
    sample, names = result.sample, result.dataset.class_names
    assert sample is not None  # noqa: S101 - a lesson has one
    return {
        **draw_first(result.dataset, facts),
        **training_report.draw_results(result),
        "probabilities": plots.probabilities(sample.probabilities, sample.doubled, names),
        "learning": drawings.learning(network),
    }


def page(
    result: Result,
    facts: Facts,
    network: Network,
    drawn: Mapping[str, Drawing],
    language: LanguageName | None = None,
) -> str:
    """The report as HTML, in all languages.

    Args:
        result: of the lesson.
        facts: the numbers in the words of the steps.
        network: the trained network.
        drawn: the figures.
        language: in which the page opens; None means that of the browser, and without scripts the machine's.
    """
    first = language or preferred()
    languages = [first, *(name for name in LANGUAGES if name != first)]
    return html.rendered(
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
        **training_report.shown(result),
    )


def live(dataset: Dataset, test: Evaluation, facts: Facts, network: Network) -> dict[str, Any]:
    """Collect the data of the page's script: the network, and images for the pad; JSON types only."""
    shown = slice(facts.first, facts.last + 1)
    wrong = test.mistakes[:MISTAKES_SHOWN]
    return {
        "names": list(dataset.class_names),
        "epochs": facts.epochs,
        "start": facts.index - facts.first,
        "network": network.packed(),
        "samples": _images(dataset.x_train[shown], dataset.labels(dataset.y_train[shown])),
        "mistakes": _images(dataset.x_test[wrong], dataset.labels(dataset.y_test[wrong]))
        | {"answers": dataset.labels(test.answers[wrong])},
    }


def _images(images: np.ndarray, labels: list[str]) -> dict[str, Any]:
    return {"labels": labels, "pixels": base64.b64encode(np.ascontiguousarray(images).tobytes()).decode("ascii")}
