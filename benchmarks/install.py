"""The size of an installation: for reading only, and with each extra; and the first reading in it.

    python benchmarks/install.py

The wheel is built from this tree and installed in an environment of its own. The libraries that it asks for are linked
from the environment that runs this script. Sizes are those of all files of mnistry and these libraries, without pip.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from helpers import installed  # noqa: E402 - found by the line above
from mnistry.errors import EXTRAS  # noqa: E402 - as above
from mnistry.runtime import files, provenance  # noqa: E402 - as above

RESULT = ROOT / "benchmarks" / "results" / "install.json"
WHAT = {
    "": "reading",
    "train": "the lesson, training, evaluating",
    "serve": "the page and the REST service",
    "ray": "pictures by the million",
    "all": "everything",
}
READ = "import mnistry; print(mnistry.read({!r}).text)"


def main() -> None:
    """Write `results/install.json`."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        built = installed.wheel(Path(folder))
        for extra in ("", *EXTRAS, "all"):
            found = installed.install(built, Path(folder) / f"env-{extra}", [extra] if extra else [])
            rows.append({"extra": extra, "bytes": found.size(), "libraries": len(found.libraries)})
            if not extra:
                times = [_first_reading(found) for _ in range(5)]
    content = {
        "rows": rows,
        "first_reading": sorted(times)[len(times) // 2],
        "environment": provenance.describe_environment(),
    }
    files.write_json(RESULT, content)
    print(table(content))


def _first_reading(found: installed.Installed) -> float:
    started = time.perf_counter()
    done = found.run("python", "-c", READ.format(str(ROOT / "examples" / "375.jpg")))
    if done.stdout != "375\n":
        sys.exit(f"The sample was not read right: {done.stdout}{done.stderr}")
    return time.perf_counter() - started


def table(content: Mapping[str, Any]) -> str:
    """Show the results as a Markdown table."""
    lines = ["| what for | command | libraries | size |", "|---|---|---|---|"]
    for row in content["rows"]:
        command = f"pip install '.[{row['extra']}]'" if row["extra"] else "pip install ."
        lines.append(f"| {WHAT[row['extra']]} | `{command}` | {row['libraries']} | {row['bytes'] / 1e6:,.0f} MB |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
