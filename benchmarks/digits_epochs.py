"""Choose the epochs of the lesson's network on the embedded digits by five-fold cross-validation of the training split.

    python benchmarks/digits_epochs.py

The test split is not looked at. The number with the lowest validation loss became the data set's own.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from sklearn.model_selection import StratifiedKFold

from mnistry.datasets import loading
from mnistry.evaluation import metrics
from mnistry.models import backend
from mnistry.runtime import files, provenance
from mnistry.training import trainer
from mnistry.training.config import TrainConfig

RESULTS = Path(__file__).parent / "results"
EPOCHS = (5, 10, 20, 30, 40, 60, 80)
FOLDS, SEEDS = 5, 3


def main() -> None:
    """Write `results/digits_epochs.json`."""
    digits = loading.load("digits")
    rows = []
    for epochs in EPOCHS:
        results = [_validated(digits, epochs, seed, fold) for seed in range(SEEDS) for fold in range(FOLDS)]
        accuracy = float(np.mean([result.accuracy for result in results]))
        loss = float(np.mean([result.loss for result in results]))
        rows.append({"epochs": epochs, "accuracy": accuracy, "loss": loss, "trainings": len(results)})
        print(f"{epochs:>3} epochs   validation accuracy {accuracy:.2%}   loss {loss:.4f}", flush=True)
    files.write_json(RESULTS / "digits_epochs.json", {"rows": rows, "environment": provenance.describe_environment()})


def _validated(digits: loading.Dataset, epochs: int, seed: int, fold: int) -> metrics.Evaluation:
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    learn, check = list(folds.split(digits.x_train, digits.y_train))[fold]
    part = replace(digits, x_train=digits.x_train[learn], y_train=digits.y_train[learn])
    trained = trainer.train(TrainConfig(epochs=epochs, seed=seed), dataset=part)
    return metrics.evaluate(backend.predict(trained.model, digits.x_train[check]), digits.y_train[check])


if __name__ == "__main__":
    main()
