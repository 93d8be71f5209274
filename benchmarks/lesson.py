"""The lesson's job, ours beside its peers: interleaved, each run in a process of its own.

    make bench                                              # sets up the peers' environment, then this
    python benchmarks/lesson.py PEERS_PYTHON [ROUNDS]       # with MNISTRY_DATA_DIR set

Measured are the seconds of training (compilation included), the whole process (imports, data, training, evaluation, and
for the lessons their figures), peak memory and test accuracy. Caveats: the machine may be shared, so only ratios
within a round mean much; PyTorch and scikit-learn only load, train and score, which flatters them in the whole process.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from mnistry.runtime import files, provenance

HERE = Path(__file__).parent
RESULT = HERE / "results" / "lesson.json"
PEERS = HERE / "peers"
ROUNDS = 5


@dataclass(frozen=True)
class Measured:
    """One run of one contender.

    Attributes:
        contender: which.
        round: in which round, from 1.
        fit_seconds: training, compilation included.
        process_seconds: from start to end of the process.
        peak_mb: the most memory it held, in MB.
        accuracy: on the 10,000 test images; None for the floor.
    """

    contender: str
    round: int
    fit_seconds: float
    process_seconds: float
    peak_mb: float
    accuracy: float | None


def main(peers_python: str, rounds: int = ROUNDS) -> None:
    """Run all contenders in turn, several rounds, and write `results/lesson.json`."""
    data = Path(os.environ["MNISTRY_DATA_DIR"]).resolve()
    with tempfile.TemporaryDirectory() as scratch:
        contenders = _contenders(peers_python, data, Path(scratch))
        contenders["ours, warm"]()  # fills the compilation cache
        rows = []
        for number in range(1, rounds + 1):
            for name, run in contenders.items():
                found = run()
                if found is not None:
                    rows.append(Measured(name, number, **found))
                    print(f"round {number}   {name:<24} fit {found['fit_seconds']:6.2f} s", flush=True)
    content = {
        "environment": provenance.describe_environment(),
        "rounds": rounds,
        "rows": [asdict(row) for row in rows],
    }
    files.write_json(RESULT, content)
    print(table(content))


def table(content: Mapping[str, object]) -> str:
    """The results as a Markdown table: medians, and the median of the ratios to ours, warm, round by round."""
    rows = [Measured(**row) for row in content["rows"]]  # type: ignore[attr-defined]
    ours = {row.round: row for row in rows if row.contender == "ours, warm"}
    lines = ["| | fit | ours / it | whole process | ours / it | memory | accuracy |", "|---|---|---|---|---|---|---|"]
    for name in dict.fromkeys(row.contender for row in rows):
        mine = [row for row in rows if row.contender == name]
        fit = [ours[row.round].fit_seconds / row.fit_seconds for row in mine]
        process = [ours[row.round].process_seconds / row.process_seconds for row in mine]
        accuracy = mine[0].accuracy
        whole = "" if accuracy is None else f"{_spread([row.process_seconds for row in mine])} s"
        lines.append(
            f"| {name} | {_spread([row.fit_seconds for row in mine])} s | {statistics.median(fit):.2f} | {whole} "
            f"| {'' if accuracy is None else f'{statistics.median(process):.2f}'} "
            f"| {statistics.median(row.peak_mb for row in mine):,.0f} MB "
            f"| {'' if accuracy is None else f'{statistics.median(row.accuracy or 0 for row in mine):.2%}'} |"
        )
    return "\n".join(lines)


def _contenders(peers_python: str, data: Path, scratch: Path) -> dict[str, Callable[[], dict[str, float] | None]]:
    """The contenders of a round, in order; each gives its figures, or None where it is not installed."""

    def script(python: str, name: str, *arguments: Path, **environment: str) -> Callable[[], dict[str, float] | None]:
        return lambda: _timed([python, str(PEERS / name), *map(str, arguments)], environment)

    def lesson(cache: str, *, fresh: bool) -> Callable[[], dict[str, float] | None]:
        def run() -> dict[str, float] | None:
            out = scratch / "run"
            for folder in (out, *([scratch / cache] if fresh else [])):
                shutil.rmtree(folder, ignore_errors=True)
            command = [sys.executable, "-m", "mnistry", "tutorial", "--data-dir", str(data), "--out", str(out)]
            found = _timed(command, {"MNISTRY_CACHE_DIR": str(scratch / cache)}, reads_json=False)
            summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
            return found | {"fit_seconds": summary["seconds"]["train"], "accuracy": summary["test"]["accuracy"]}

        return run

    return {
        "ours, warm": lesson("warm", fresh=False),
        "ours, cold": lesson("cold", fresh=True),
        "Keras on TensorFlow": script(peers_python, "lesson_keras.py", data, scratch, KERAS_BACKEND="tensorflow"),
        "Keras `fit` on JAX": script(sys.executable, "lesson_keras.py", data, scratch, KERAS_BACKEND="jax"),
        "PyTorch loop": script(peers_python, "lesson_torch.py", data),
        "scikit-learn": script(peers_python, "lesson_sklearn.py", data),
        "matrix products, NumPy": script(sys.executable, "floor.py"),
        "the same, one thread": script(sys.executable, "floor.py", OPENBLAS_NUM_THREADS="1"),
    }


def _timed(command: list[str], environment: Mapping[str, str], *, reads_json: bool = True) -> dict[str, float] | None:
    started = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={**os.environ, **environment}, text=True
    )
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.stdout.close()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        print(f"left out, it cannot run here: {' '.join(command[:2])}", flush=True)
        return None
    found = json.loads(output.splitlines()[-1]) if reads_json else {}
    found.pop("total_seconds", None)
    found.pop("loss", None)
    return {"accuracy": None, **found, "process_seconds": seconds, "peak_mb": usage.ru_maxrss / 1024}


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):.1f} ({min(values):.1f}–{max(values):.1f})"


if __name__ == "__main__":
    main(sys.argv[1], *(int(argument) for argument in sys.argv[2:]))
