"""The strong recipe as it comes, over seeds: mean and spread.

    MNISTRY_DATA_DIR=... python benchmarks/strong_seeds.py [SEEDS] [EPOCHS]

The test images are only counted: no choice is made by these figures.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mnistry.runtime import files, provenance
from strong import trained

RESULT = Path(__file__).parent / "results" / "strong_seeds.json"


def main(seeds: int = 5, epochs: int | None = None) -> None:
    """Train with seeds 0 to seeds - 1, and write `results/strong_seeds.json`."""
    rows: list[dict[str, Any]] = []
    for seed in range(seeds):
        rows.append(trained(epochs, seed=seed))
        content = {"seeds": rows, "environment": provenance.describe_environment()}
        files.write_json(RESULT, content)
    print(table(content))


def table(content: Mapping[str, Any]) -> str:
    """The seeds as a Markdown table."""
    rows = content["seeds"]
    lines = ["| seed | test errors of 10,000 | ECE | mean accuracy over corruptions | seconds |", "|---" * 5 + "|"]
    lines += [
        f"| {row['seed']} | {row['errors']} | {row['ece']:.2%} | {row['corruptions']:.2%} | {row['seconds']:.0f} |"
        for row in rows
    ]
    errors = [row["errors"] for row in rows]
    spread = f" ± {statistics.stdev(errors):.1f}" if len(rows) > 1 else ""
    ece, corrupted = (statistics.mean(row[name] for row in rows) for name in ("ece", "corruptions"))
    return "\n".join([*lines, f"| mean | {statistics.mean(errors):.1f}{spread} | {ece:.2%} | {corrupted:.2%} | |"])


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
