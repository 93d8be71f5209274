"""A run's report: figures as PNG files, and one HTML page that carries them all and needs nothing beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mnistry.evaluation import report as evaluation_report
from mnistry.evaluation.metrics import MISTAKES_SHOWN
from mnistry.reporting import html, plots
from mnistry.reporting.drawing import Drawing
from mnistry.runtime import run_folder
from mnistry.training import text as training_text
from mnistry.training.result import ROW, Result


def write(result: Result, folder: Path) -> None:
    """Writes `figures/*.png` and `report.html` into a run folder.

    Args:
        result: what to tell.
        folder: the run folder, which exists.
    """
    drawn = draw(result)
    html.save_figures(drawn, folder)
    html.write(page(result, drawn), folder)


def draw(result: Result) -> dict[str, Drawing]:
    """The figures of a result, by name."""
    dataset, test, sample, records = result.dataset, result.test, result.sample, result.records
    drawn = {
        "samples": plots.samples(dataset.x_train[result.grid.start : result.grid.stop], result.grid_labels),
        "curves": plots.curves([record["loss"] for record in records], [record["accuracy"] for record in records]),
        **evaluation_report.draw_test(dataset, test),
    }
    if sample is not None:
        title = f"training image {sample.index}, label {sample.label}"
        drawn["image"] = plots.image(sample.image, title)
        drawn["probabilities"] = plots.probabilities(sample.probabilities, sample.doubled, dataset.class_names)
    return drawn


def page(result: Result, drawn: Mapping[str, Drawing]) -> str:
    """The report as HTML.

    Args:
        result: what to tell.
        drawn: the figures.
    """
    return html.rendered(
        "report.html",
        result=result,
        dataset=result.dataset,
        statistics=result.dataset.statistics(),
        test=result.test,
        sample=result.sample,
        figures=drawn,
        row_number=ROW,
        title="The MNIST lesson, from its first cell to its last" if result.sample else "A training run",
        steps=-(-result.trained_on // result.config.batch_size),
        weights=sum(layer.parameters for layer in result.layers),
        most_of_doubled=training_text.most_of_doubled(len(result.dataset.class_names)),
        numbers=run_folder.SUMMARY,
        mistakes_shown=min(result.test.errors, MISTAKES_SHOWN),
    )
