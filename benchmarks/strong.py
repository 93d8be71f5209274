"""The strong recipe: test accuracy against training seconds, beside Keras's own example of a convolutional network.

    MNISTRY_DATA_DIR=... python benchmarks/strong.py PEERS_PYTHON

Each training of ours has a length of its own (the learning rate falls to nothing at its end) and a process of its own;
its seconds include compilation, its programs coming from the cache as in every run after the first. Keras's example is
scored after each of its 15 epochs. The test images are only counted: no choice is made by these figures.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mnistry.runtime import files, provenance, run_folder

HERE = Path(__file__).parent
RESULT = HERE / "results" / "strong.json"
LENGTHS = (1, 2, 3, 5, 8, 10, 20)  # epochs


def main(peers_python: str) -> None:
    """Train for each length, run Keras's example, and write `results/strong.json`."""
    trained(1)  # fills the compilation cache
    ours = [trained(epochs) for epochs in LENGTHS]
    content = {
        "ours": ours,
        "keras_mnist_convnet": convnet(peers_python),
        "environment": provenance.describe_environment(),
    }
    files.write_json(RESULT, content)
    print(table(content))


def trained(epochs: int | None, *, seed: int = 0) -> dict[str, Any]:
    """The figures of one training in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        length = [] if epochs is None else ["--epochs", str(epochs)]
        command = ["train", "--recipe", "strong", "--dataset", "mnist", "--seed", str(seed), *length]
        subprocess.run(
            [sys.executable, "-m", "mnistry", *command, "--out", str(out)], check=True, stdout=subprocess.DEVNULL
        )
        summary = json.loads((out / run_folder.SUMMARY).read_text(encoding="utf-8"))
        judged = json.loads(
            subprocess.run(
                [sys.executable, "-m", "mnistry", "evaluate", str(out), "--json"],
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        )
    test = summary["test"]
    row = {
        "command": "mnistry " + " ".join(command),
        "epochs": len(summary["epochs"]),
        "seed": seed,
        "seconds": summary["seconds"]["train"],
        "errors": test["errors"],
        "loss": test["loss"],
        "ece": test["ece"],
        "corruptions": judged["corruptions"]["mean_accuracy"],
        "calibration": summary["calibration"],
    }
    print({name: row[name] for name in ("epochs", "seed", "seconds", "errors", "ece", "corruptions")}, flush=True)
    return row


def convnet(peers_python: str) -> list[dict[str, float]]:
    """Keras's example on TensorFlow, epoch by epoch."""
    done = subprocess.run(
        [peers_python, str(HERE / "peers" / "convnet_keras.py"), os.environ["MNISTRY_DATA_DIR"]],
        env={**os.environ, "KERAS_BACKEND": "tensorflow"},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    rows: list[dict[str, float]] = json.loads(done.stdout.splitlines()[-1])["rows"]
    return rows


def table(content: Mapping[str, Any]) -> str:
    """The curve as a Markdown table."""
    lines = ["| training | epochs | seconds | test errors of 10,000 | accuracy |", "|---|---|---|---|---|"]
    for name, key in (("ours, strong", "ours"), ("Keras's `mnist_convnet` on TensorFlow", "keras_mnist_convnet")):
        lines += [
            f"| {name} | {int(row.get('epochs', row.get('epoch', 0)))} | {row['seconds']:.0f} | {row['errors']} "
            f"| {1 - row['errors'] / 10_000:.2%} |"
            for row in content[key]
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    main(sys.argv[1])
