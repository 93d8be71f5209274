"""The model that comes with the package: all that is measured of it, and kept for its card.

    MNISTRY_DATA_DIR=... python benchmarks/model.py [FOLDER]

FOLDER is that of `handwriting.py`; its `nondigit` pictures are not part of this repository and were used for nothing
but this measurement. Look-alikes (O, S, Z and the like) are counted apart.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from handwriting import FOLDER, pictures
from mnistry import Recognizer
from mnistry.datasets import loading
from mnistry.evaluation import calibration
from mnistry.evaluation import run as evaluation_run
from mnistry.runtime import files, provenance

RESULT = Path(__file__).parent / "results" / "model.json"
KEPT = 0.98  # of MNIST's test digits


def main(folder: Path = FOLDER) -> None:
    """Evaluate the model and write `results/model.json`."""
    recognizer = Recognizer.load()
    evaluation = evaluation_run.evaluate_model(dataset="mnist")[1].as_json()
    evaluation["dataset"] |= {"source": "MNISTRY_DATA_DIR"}  # where that is on a machine concerns nobody
    content = {
        "command": "python benchmarks/model.py",
        "evaluation": evaluation,
        "nondigit": nondigit(recognizer, folder),
        "environment": provenance.describe_environment(),
    }
    files.write_json(RESULT, content)
    print(table(content))


def nondigit(recognizer: Recognizer, folder: Path) -> dict[str, Any]:
    """Digit-ness of MNIST's test digits against that of pictures without a digit, read as one digit each."""
    digits = recognizer.predict_all(loading.load("mnist").x_test).digitness
    groups: dict[str, list[float]] = {}
    for row, path in pictures(folder, "nondigit"):
        digit = recognizer.read_digit(path)
        group = "look-alikes" if row["looks_like_digit"] else row["group"]
        groups.setdefault(group, []).append(0.0 if digit is None else digit.digitness)
    others = np.concatenate([scores for group, scores in groups.items() if group != "look-alikes"])
    return {
        "auroc": _auroc(digits, others),
        "rejected_where_98_of_100_digits_are_kept": _rejected(digits, others),
        "digits_kept": float((digits >= recognizer.info.digit_threshold).mean()),
        "rejected": float((others < recognizer.info.digit_threshold).mean()),
        "groups": {
            group: {"pictures": len(scores), "auroc": _auroc(digits, scores), "rejected": _rejected(digits, scores)}
            for group, scores in sorted(groups.items())
        },
    }


def _auroc(digits: np.ndarray, others: Sequence[float]) -> float:
    return float(roc_auc_score(np.r_[np.ones(len(digits)), np.zeros(len(others))], np.r_[digits, others]))


def _rejected(digits: np.ndarray, others: Sequence[float]) -> float:
    """The part of the others that the highest threshold rejects that keeps the stated part of the digits."""
    return float((np.asarray(others) < calibration.threshold_at_recall(digits, KEPT)).mean())


def table(content: Mapping[str, Any]) -> str:
    """The figures as a Markdown table."""
    evaluation, others = content["evaluation"], content["nondigit"]
    test, sure = evaluation["test"], evaluation["sure"]
    low, high = test["interval"]
    rows = [
        ("errors on MNIST's 10,000 test images", f"{test['errors']}"),
        ("accuracy, with its 95% interval", f"{test['accuracy']:.2%} ({low:.2%} to {high:.2%})"),
        ("log loss", f"{test['loss']:.4f}"),
        ("expected calibration error", f"{test['ece']:.2%}"),
        ("said to be sure; right among those", f"{sure['coverage']:.1%}; {sure['accuracy']:.2%}"),
        ("mean accuracy over fifteen corruptions", f"{evaluation['corruptions']['mean_accuracy']:.2%}"),
        ("pictures of no digit against test digits: AUROC", f"{others['auroc']:.4f}"),
        (
            "the same: rejected where 98% of digits are kept",
            f"{others['rejected_where_98_of_100_digits_are_kept']:.1%}",
        ),
    ]
    return "\n".join(["| what | figure |", "|---|---|", *(f"| {what} | {figure} |" for what, figure in rows)])


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:]))
