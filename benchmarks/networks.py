"""Convolutional networks, an epoch of training: ours beside Keras on TensorFlow and JAX, and PyTorch, interleaved.

    make bench                                              # sets up the peers' environment, then this
    python benchmarks/networks.py PEERS_PYTHON [ROUNDS]     # with MNISTRY_DATA_DIR set

Each run is a process of its own; a round has all contenders. Shown are medians over the rounds, of the first epoch and
of the later ones. Processor time is shown too: it suffers less from other work on the machine.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mnistry.runtime import files, provenance

HERE = Path(__file__).parent
RESULT = HERE / "results" / "networks.json"
KERAS, TORCH = HERE / "peers" / "networks_keras.py", HERE / "peers" / "networks_torch.py"
NETWORKS = ("mnist_convnet", "LeNet-5", "residual")
IMAGES, EPOCHS, ROUNDS = 3_000, 5, 3


def main(peers_python: str, rounds: int = ROUNDS) -> None:
    """Write `results/networks.json`."""
    contenders = {
        "ours": (sys.executable, KERAS, "jax", ["ours"]),
        "Keras on TensorFlow": (peers_python, KERAS, "tensorflow", []),
        "Keras `fit` on JAX": (sys.executable, KERAS, "jax", []),
        "PyTorch loop": (peers_python, TORCH, "torch", []),
    }
    if subprocess.run([peers_python, "-c", "import torch"], stderr=subprocess.DEVNULL, check=False).returncode:
        del contenders["PyTorch loop"]
        print("PyTorch is left out: it is not installed", flush=True)
    rows = []
    for number in range(1, rounds + 1):
        for network in NETWORKS:
            for name, (python, script, backend, extra) in contenders.items():
                found = _run(
                    [python, str(script), os.environ["MNISTRY_DATA_DIR"], network, str(IMAGES), str(EPOCHS), *extra],
                    backend,
                )
                rows.append({"round": number, "network": network, "contender": name, **found})
                print(number, network, name, [round(value, 2) for value in found["seconds"]], flush=True)
        content = {"environment": provenance.describe_environment(), "rounds": number, "images": IMAGES, "rows": rows}
        files.write_json(RESULT, content)
    print(table(content))


def table(content: Mapping[str, Any]) -> str:
    """The results as a Markdown table: medians, and the median of the ratios to ours, round by round."""
    lines = [
        "| network | | first epoch | later epochs | ours / it | processor time | ours / it | memory |",
        "|---" * 8 + "|",
    ]
    later = {
        (row["round"], row["network"], row["contender"]): {
            key: statistics.median(row[key][1:]) for key in ("seconds", "cpu_seconds")
        }
        for row in content["rows"]
    }
    for network, contender in dict.fromkeys((row["network"], row["contender"]) for row in content["rows"]):
        mine = [row for row in content["rows"] if (row["network"], row["contender"]) == (network, contender)]
        cells = [
            network if contender == "ours" else "",
            contender,
            f"{statistics.median(r['seconds'][0] for r in mine):.1f} s",
        ]
        for key in ("seconds", "cpu_seconds"):
            own = [later[row["round"], network, contender][key] for row in mine]
            ratios = [later[row["round"], network, "ours"][key] / value for row, value in zip(mine, own, strict=True)]
            cells += [f"{statistics.median(own):.2f} s", f"{statistics.median(ratios):.2f}"]
        lines.append(f"| {' | '.join(cells)} | {statistics.median(row['peak_mb'] for row in mine):,.0f} MB |")
    return "\n".join(lines)


def _run(command: list[str], backend: str) -> dict[str, Any]:
    environment = {**os.environ, "KERAS_BACKEND": backend}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, text=True)
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.stdout.close()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[1]} failed on {backend}")
    return json.loads(output.splitlines()[-1]) | {"peak_mb": usage.ru_maxrss / 1024}


if __name__ == "__main__":
    main(sys.argv[1], *(int(argument) for argument in sys.argv[2:]))
