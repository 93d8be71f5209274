"""The report of an evaluation: figures as PNG files, one HTML page with all of them, and the numbers as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mnistry.datasets.dataset import Dataset
from mnistry.evaluation import corruptions
from mnistry.evaluation import result as evaluation_result
from mnistry.evaluation.metrics import MISTAKES_SHOWN, Evaluation
from mnistry.evaluation.result import ModelEvaluation
from mnistry.reporting import html, plots
from mnistry.reporting.drawing import Drawing
from mnistry.runtime import files

NUMBERS = "evaluation.json"


def write(result: ModelEvaluation, folder: Path) -> None:
    """Write `figures/*.png`, `report.html` and `evaluation.json` into a folder, which exists."""
    drawn = draw(result)
    html.save_figures(drawn, folder)
    html.write(render_page(result, drawn), folder)
    files.write_json(folder / NUMBERS, result.as_json())


def draw(result: ModelEvaluation) -> dict[str, Drawing]:
    """Draw the figures of an evaluation, by name."""
    dataset, test = result.dataset, result.test
    drawn = draw_test(dataset, test)
    if result.corrupted:
        names = [each.name for each in result.corrupted]
        first, seed = dataset.x_test[:1], evaluation_result.CORRUPTION_SEED
        kinds = [evaluation_result.format_corruption(name) for name in names]
        spoilt = np.concatenate([corruptions.corrupt(name, first, seed=seed) for name in names])
        drawn["corrupted"] = plots.draw_corrupted(spoilt, kinds)
        wrong = [1 - test.accuracy, *(each.all.errors / each.all.n for each in result.corrupted)]
        wrong_and_sure = [result.sure.errors / test.n, *(each.sure.errors / each.all.n for each in result.corrupted)]
        drawn["robustness"] = plots.draw_robustness(
            [evaluation_result.AS_THEY_ARE, *kinds], np.subtract(wrong, wrong_and_sure), np.asarray(wrong_and_sure)
        )
    return drawn


def render_page(result: ModelEvaluation, drawn: Mapping[str, Drawing]) -> str:
    """The report as HTML."""
    return html.render(
        "evaluation.html",
        result=result,
        info=result.info,
        dataset=result.dataset,
        test=result.test,
        figures=drawn,
        in_words=evaluation_result.format_corruption,
        numbers=NUMBERS,
        mistakes_shown=min(result.test.errors, MISTAKES_SHOWN),
    )


def draw_test(dataset: Dataset, test: Evaluation) -> dict[str, Drawing]:
    """The figures that all reports on a test have: confusion matrix, reliability, and mistakes if there are any."""
    drawn = {
        "confusion": plots.draw_confusion(test.confusion, dataset.class_names),
        "reliability": plots.draw_reliability(test.bins, test.n),
    }
    shown = test.mistakes[:MISTAKES_SHOWN]
    if len(shown):
        drawn["mistakes"] = plots.draw_mistakes(
            dataset.x_test[shown],
            dataset.labels(dataset.y_test[shown]),
            dataset.labels(test.answers[shown]),
            test.confidences[shown],
        )
    return drawn
