"""The report of a training run: figures as PNG files, and one HTML page that carries them all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mnistry.datasets.dataset import Dataset
from mnistry.evaluation import report as evaluation_report
from mnistry.evaluation.metrics import MISTAKES_SHOWN, Evaluation
from mnistry.reporting import html, plots
from mnistry.reporting.drawing import Drawing
from mnistry.runtime import run_folder
from mnistry.training.result import Result


def write(result: Result, folder: Path) -> None:
    """Write `figures/*.png` and `report.html` into a run folder."""
    drawn = draw(result)
    html.save_figures(drawn, folder)
    html.write(render_page(result, drawn), folder)


def draw(result: Result) -> dict[str, Drawing]:
    """The figures of a result, by name."""
    shown = result.dataset.x_train[result.grid.start : result.grid.stop]
    samples = plots.draw_samples(shown, result.grid_labels)
    return {"samples": samples, **draw_results(result.dataset, result.records, result.test)}


def draw_results(dataset: Dataset, records: Sequence[Mapping[str, Any]], test: Evaluation) -> dict[str, Drawing]:
    """The figures of the training and of the test, by name."""
    curves = {}
    if records:  # none where the weights of other runs were taken as they are
        losses, accuracies = ([record[name] for record in records] for name in ("loss", "accuracy"))
        curves = {"curves": plots.draw_curves(losses, accuracies)}
    return {**curves, **evaluation_report.draw_test(dataset, test)}


def render_page(result: Result, drawn: Mapping[str, Drawing]) -> str:
    """The report as HTML."""
    return html.render("report.html", figures=drawn, statistics=result.dataset.statistics(), **collect_facts(result))


def collect_facts(result: Result) -> dict[str, Any]:
    """The names that the templates of a training and of the lesson have in common."""
    return {
        "result": result,
        "dataset": result.dataset,
        "test": result.test,
        "training_steps": -(-result.trained_on // result.config.batch_size),
        "weights": sum(layer.parameters for layer in result.layers),
        "numbers": run_folder.SUMMARY,
        "mistakes_shown": min(result.test.errors, MISTAKES_SHOWN),
    }
