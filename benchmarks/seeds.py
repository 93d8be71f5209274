"""The lesson's test accuracy over seeds: mean and spread.

    MNISTRY_DATA_DIR=... python benchmarks/seeds.py [SEEDS]

No choice is made by these figures: the test set is only counted.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mnistry import data, evaluation, files, loop, runs, training
from mnistry.config import TrainConfig

RESULTS = Path(__file__).parent / "results"


def table(content: Mapping[str, Any]) -> str:
    """The results as a Markdown table."""
    lines = ["| seed | errors of 10,000 | accuracy | loss |", "|---|---|---|---|"]
    lines += [f"| {r['seed']} | {r['errors']} | {r['accuracy']:.2%} | {r['loss']:.4f} |" for r in content["seeds"]]
    return "\n".join(
        [*lines, f"| mean, standard deviation | | {content['mean']:.2%}, {content['standard_deviation']:.2%} | |"]
    )


def main(seeds: int = 5) -> None:
    """Trains with seeds 0 to `seeds` - 1 and writes `results/seeds.json`."""
    mnist = data.load("mnist")
    rows = []
    for seed in range(seeds):
        trained = training.train(TrainConfig(dataset="mnist", seed=seed), dataset=mnist)
        result = evaluation.evaluate(loop.predict(trained.model, mnist.x_test), mnist.y_test)
        rows.append({"seed": seed, "errors": result.errors, "accuracy": result.accuracy, "loss": result.loss})
        print(f"seed {seed}   {result.errors} errors   accuracy {result.accuracy:.2%}   loss {result.loss:.4f}")
    accuracies = [row["accuracy"] for row in rows]
    mean, spread = statistics.mean(accuracies), statistics.stdev(accuracies)
    print(f"mean {mean:.2%}, standard deviation {spread:.2%}, {min(accuracies):.2%} to {max(accuracies):.2%}")
    RESULTS.mkdir(exist_ok=True)
    content = {"seeds": rows, "mean": mean, "standard_deviation": spread, "environment": runs.environment()}
    files.write_json(RESULTS / "seeds.json", content)


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
