"""An examination's report: figures as PNG files, one HTML page that carries them all, and the numbers as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mnistry import corruptions, exam, figures, files, pages
from mnistry.evaluation import MISTAKES_SHOWN

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mnistry.exam import Exam

NUMBERS = "evaluation.json"


def write(result: Exam, folder: Path) -> None:
    """Writes `figures/*.png`, `report.html` and `evaluation.json` into a folder, which exists."""
    pages.write(page(result, pages.save_figures(draw(result), folder)), folder)
    files.write_json(folder / NUMBERS, result.as_json())


def draw(result: Exam) -> dict[str, Figure]:
    """The figures of an examination, by name."""
    dataset, test = result.dataset, result.test
    drawn = pages.of_test(dataset, test)
    if result.corrupted:
        names = [each.name for each in result.corrupted]
        first = dataset.x_test[:1]
        spoilt = [first, *(corruptions.corrupt(name, first, seed=exam.CORRUPTION_SEED) for name in names)]
        kinds = [exam.AS_THEY_ARE, *(exam.in_words(name) for name in names)]
        drawn["corrupted"] = figures.corrupted(np.concatenate(spoilt[1:]), kinds[1:])
        wrong = [1 - test.accuracy, *(each.all.errors / each.all.n for each in result.corrupted)]
        wrong_and_sure = [result.sure.errors / test.n, *(each.sure.errors / each.all.n for each in result.corrupted)]
        drawn["robustness"] = figures.robustness(kinds, np.subtract(wrong, wrong_and_sure), np.asarray(wrong_and_sure))
    return drawn


def page(result: Exam, pictures: dict[str, str]) -> str:
    """The report as HTML.

    Args:
        result: what to tell.
        pictures: a data URL for each figure.
    """
    return pages.rendered(
        "exam.html",
        result=result,
        info=result.info,
        dataset=result.dataset,
        test=result.test,
        pictures=pictures,
        in_words=exam.in_words,
        numbers=NUMBERS,
        mistakes_shown=min(result.test.errors, MISTAKES_SHOWN),
    )
