"""An evaluation as text for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mnistry.evaluation.metrics import Evaluation, SelectiveAccuracy, find_confusions
from mnistry.evaluation.result import Corrupted, ModelEvaluation, format_corruption
from mnistry.reporting import text as reporting_text
from mnistry.reporting.html import format_share
from mnistry.reporting.language import count_columns as columns_of
from mnistry.reporting.language import pad
from mnistry.reporting.text import WIDEST, format_count

CONFUSIONS_SHOWN, MISTAKES_PRINTED = 20, 10


def format_evaluation(result: ModelEvaluation) -> str:
    """The whole evaluation, part by part."""
    parts = [
        _format_heading(result),
        format_verdict(result),
        format_classes(result.test, result.dataset.class_names),
        format_confusion(result.test.confusion, result.dataset.class_names),
        format_mistakes(result),
        format_corruptions(result.corrupted, result.mean_accuracy),
    ]
    return "\n\n".join(part for part in parts if part)


def format_answers(counts: Mapping[str, int], *, sure: float) -> str:
    """Return the share of each class among the answers to images without labels.

    >>> print(format_answers({"0": 12, "1": 3}, sure=0.8))
    15 images without labels, sure of 80.0%
    <BLANKLINE>
    class  answers  share
        0       12  80.0%
        1        3  20.0%
    """
    n = sum(counts.values())
    rows = [[name, f"{count:,}", f"{count / n:.1%}"] for name, count in counts.items()]
    table = reporting_text.format_table([["class", "answers", "share"], *rows])
    return f"{n:,} images without labels, sure of {sure:.1%}\n\n{table}"


def _format_heading(result: ModelEvaluation) -> str:
    info, dataset = result.info, result.dataset
    return (
        f"{info.name} ({result.source}), recipe {info.recipe}, version {info.version or 'unknown'}\n"
        f"{dataset.title}, {len(dataset.x_test):,} test images ({dataset.source})"
    )


def format_verdict(result: ModelEvaluation) -> str:
    """Accuracy, calibration with and without the temperature, and selective accuracy."""
    info, raw = result.info, result.uncalibrated
    thing = "digit" if result.dataset.shows_digits else "class"
    lines = [format_test_result(result.test)]
    if raw is not None:
        lines.append(f"without its temperature of {info.temperature:.3f}: loss {raw.loss:.4f}, {raw.ece:.2%}")
    sure = f"probability times digit score at least {info.sure_threshold:.4g}"
    lines += ["", _say_selected("sure of          ", result.sure, sure)]
    lines.append(
        _say_selected(f"taken for a {thing}", result.digits, f"digit-ness at least {info.digit_threshold:.4g}")
    )
    return "\n".join(lines)


def format_classes(test: Evaluation, class_names: Sequence[str]) -> str:
    """Precision, recall and F1 of each class.

    >>> from mnistry.evaluation.metrics import evaluate
    >>> print(format_classes(evaluate(np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3]]), np.array([0, 0, 1])), ["0", "1"]))
    class  precision   recall      F1
        0     66.67%  100.00%  80.00%
        1       none    0.00%   0.00%
    """
    columns = zip(class_names, test.precision, test.recall, test.f1, strict=True)
    rows = [[name, *map(format_share, shares)] for name, *shares in columns]
    return reporting_text.format_table([["class", "precision", "recall", "F1"], *rows])


def format_mistakes(result: ModelEvaluation) -> str:
    """The most confident mistakes, a line each; empty if there are none."""
    shown = result.mistakes()[:MISTAKES_PRINTED]
    if not shown:
        return ""
    width = max(len(str(each["index"])) for each in shown)
    lines = [
        f"test image {each['index']:>{width}} is {each['label']}, read {each['answer']}, {each['probability']:.1%}"
        f"{', sure' if each['sure'] else ''}{': ' + each['origin'] if each['origin'] else ''}"
        for each in shown
    ]
    return "\n".join([f"the most confident of {reporting_text.format_count(result.test.errors, 'mistake')}", *lines])


def format_corruptions(rows: Sequence[Corrupted], mean_accuracy: float) -> str:
    """A table of the accuracy on corrupted images; empty if there are none."""
    if not rows:
        return ""
    lines = [
        [format_corruption(each.name), *map(format_share, (each.all.accuracy, each.sure.coverage, each.sure.accuracy))]
        for each in rows
    ]
    head, mean = ["corruption", "accuracy", "sure", "right of those"], ["mean", format_share(mean_accuracy), "", ""]
    return reporting_text.format_table([head, *lines, mean], left={0})


def _say_selected(name: str, picked: SelectiveAccuracy, line: str) -> str:
    low, high = picked.interval
    right = f"right of those: {picked.accuracy:.2%} (95% interval {low:.2%} to {high:.2%})" if picked.n else "none"
    return reporting_text.format_entry(name, f"{picked.n:,} ({picked.coverage:.2%}), {line}; {right}", len(name) + 1)


def format_test_result(test: Evaluation) -> str:
    """The test result as a sentence and two figures."""
    low, high = test.interval
    return (
        f"{format_count(test.errors, 'error')} in {test.n:,} test images: accuracy {test.accuracy:.2%} "
        f"(95% interval {low:.2%} to {high:.2%})\n"
        f"loss {test.loss:.4f}, expected calibration error {test.ece:.2%}"
    )


def format_confusion(
    matrix: np.ndarray, class_names: Sequence[str], *, label: str = "label", answer: str = "answer"
) -> str:
    """A confusion matrix: a row a label, a column an answer, a dot for none; of many classes the confusions as a list.

    Args:
        matrix: int (classes, classes).
        class_names: of the rows and columns.
        label: the word for the rows.
        answer: the word for the columns.

    >>> print(format_confusion(np.array([[3, 0], [1, 12]]), ["0", "1"]))
    label   0  1  ← answer
        0   3  ·
        1   1 12
    """
    width = max(len(str(int(matrix.max()))), *map(columns_of, class_names))
    side = max(columns_of(label), *map(columns_of, class_names))
    if side + 2 + len(class_names) * (width + 1) + 10 > WIDEST:
        return _confusions(matrix, class_names, side)
    names = " ".join(pad(name, width, right=True) for name in class_names)
    head = f"{pad(label, side)}  {names}  ← {answer}"
    rows = (
        f"{pad(name, side, right=True)}  " + " ".join(f"{count or '·':>{width}}" for count in counts)
        for name, counts in zip(class_names, matrix.tolist(), strict=True)
    )
    return "\n".join([head, *rows])


def _confusions(matrix: np.ndarray, class_names: Sequence[str], side: int) -> str:
    """The most frequent confusions, a line each."""
    found = find_confusions(matrix)
    if not found:
        return "nothing is taken for anything else"
    lines = [f"{class_names[i]:>{side}}  read as {class_names[j]}: {n:,}" for i, j, n in found[:CONFUSIONS_SHOWN]]
    left_out = len(found) - len(lines)
    more = [f"… and {format_count(left_out, 'kind')} more"] if left_out else []
    return "\n".join([f"{'label':>{side}}", *lines, *more])
