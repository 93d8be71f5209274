"""The lesson's test accuracy over seeds, beside Keras's own `fit` from the same first weights: mean and spread.

    MNISTRY_DATA_DIR=... python benchmarks/seeds.py [SEEDS]

No choice is made by these figures: the test set is only counted.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mnistry.datasets import loading
from mnistry.evaluation import metrics
from mnistry.models import backend, networks
from mnistry.models.backend import keras
from mnistry.runtime import files, provenance
from mnistry.training import recipes, trainer
from mnistry.training.config import ResolvedConfig, TrainConfig

RESULTS = Path(__file__).parent / "results"


def main(seeds: int = 5) -> None:
    """Train with seeds 0 to `seeds` - 1 and write `results/seeds.json`."""
    mnist = loading.load("mnist")
    rows = []
    for seed in range(seeds):
        config = recipes.resolve(TrainConfig(dataset="mnist", seed=seed), mnist)
        ours, theirs = trainer.train(config, dataset=mnist).model, _trained_by_keras(mnist, config)
        row: dict[str, Any] = {"seed": seed}
        for name, model in (("ours", ours), ("keras", theirs)):
            result = metrics.evaluate(backend.predict(model, mnist.x_test), mnist.y_test)
            row[name] = {"errors": result.errors, "accuracy": result.accuracy, "loss": result.loss}
        rows.append(row)
        print(f"seed {seed}   ours {row['ours']['accuracy']:.2%}   Keras {row['keras']['accuracy']:.2%}", flush=True)
    content = {"seeds": rows, "environment": provenance.describe_environment()}
    files.write_json(RESULTS / "seeds.json", content)
    print(table(content))


def table(content: Mapping[str, Any]) -> str:
    """The results as a Markdown table."""
    lines = [
        "| seed | ours: errors of 10,000 | accuracy | loss | Keras `fit`: errors | accuracy | loss |",
        "|---" * 7 + "|",
    ]
    for row in content["seeds"]:
        cells = [f"{row[name][key]:{form}}" for name in ("ours", "keras") for key, form in FORMS.items()]
        lines.append(" | ".join([f"| {row['seed']}", *cells]) + " |")
    shares = [[row[name]["accuracy"] for row in content["seeds"]] for name in ("ours", "keras")]
    ours, keras_ = (f"{statistics.mean(part):.2%} ± {statistics.stdev(part):.2%}" for part in shares)
    return "\n".join([*lines, f"| mean ± standard deviation | | {ours} | | | {keras_} | |"])


FORMS = {"errors": "d", "accuracy": ".2%", "loss": ".4f"}


def _trained_by_keras(mnist: loading.Dataset, config: ResolvedConfig) -> keras.Model:
    model = recipes.compile_model(networks.tutorial(seed=config.seed), learning_rate=config.learning_rate)
    keras.utils.set_random_seed(config.seed)  # Keras draws the order of the images from it
    model.fit(
        mnist.x_train.astype(np.float32),
        mnist.y_train.astype(np.int32),
        epochs=config.epochs,
        batch_size=config.batch_size,
        verbose=0,
    )
    return model


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
