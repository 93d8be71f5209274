"""Kill a training with SIGKILL at random moments and resume it; the end must be that of a run left alone.

    MNISTRY_DATA_DIR=... python benchmarks/kills.py [KILLS]

Each trial starts a training in a new folder, kills it once at a moment drawn from its whole duration, lets it go on to
the end, and compares the digest of the weights.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mnistry.runtime import files, provenance, run_folder

RESULT = Path(__file__).parent / "results" / "kills.json"
FLAGS = ["--dataset", "mnist", "--epochs", "3", "--seed", "7"]


def main(kills: int = 50) -> None:
    """Write `results/kills.json`."""
    moments, rows = random.Random(2026), []
    with tempfile.TemporaryDirectory() as scratch:
        _train(Path(scratch) / "warm-up")
        started = time.perf_counter()
        expected = _train(Path(scratch) / "whole")
        duration = time.perf_counter() - started
        for number in range(1, kills + 1):
            out, moment = Path(scratch) / f"run-{number}", moments.uniform(0, duration)
            found = _killed(out, moment)
            identical = _train(out, "--resume") == expected
            rows.append({"after_seconds": moment, "killed_at": found, "identical": identical})
            print(f"kill {number}: after {moment:.2f} s, {found}: {'same' if identical else 'OTHER'} bits", flush=True)
    same = sum(row["identical"] for row in rows)
    print(f"{same} of {kills} bit-identical")
    files.write_json(
        RESULT, {"kills": kills, "identical": same, "rows": rows, "environment": provenance.describe_environment()}
    )


def table(content: Mapping[str, Any]) -> str:
    """The results as a Markdown table: how far the trainings had come when they were killed."""
    lines = ["| killed | trainings | bit-identical in the end |", "|---|---|---|"]
    for moment in sorted({row["killed_at"] for row in content["rows"]}):
        rows = [row["identical"] for row in content["rows"] if row["killed_at"] == moment]
        lines.append(f"| {moment} | {len(rows)} | {sum(rows)} |")
    return "\n".join([*lines, f"| all | {content['kills']} | {content['identical']} |"])


def _command(out: Path, *flags: str) -> list[str]:
    return [sys.executable, "-m", "mnistry", "train", *FLAGS, *flags, "--out", str(out)]


def _train(out: Path, *flags: str) -> str:
    """The digest of the weights of a training that comes to its end."""
    subprocess.run(_command(out, *flags), stdout=subprocess.DEVNULL, check=True)
    digest: str = json.loads((out / run_folder.SUMMARY).read_text(encoding="utf-8"))["weights_sha256"]
    return digest


def _killed(out: Path, moment: float) -> str:
    """Start a training, kill it, and say how far it had come."""
    process = subprocess.Popen(_command(out), stdout=subprocess.DEVNULL, start_new_session=True)
    time.sleep(moment)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if not out.exists():
        return "before the folder was made"
    if (out / run_folder.SUMMARY).exists():
        return "when it was complete"
    return f"with {len(list(out.glob('checkpoint-*.bin')))} checkpoints in the folder"


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
