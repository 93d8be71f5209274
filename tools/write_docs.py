"""Write all generated parts of the docs again: the command reference, the tables of the benchmarks, and the lesson.

    python tools/write_docs.py

The lesson runs on MNIST, which MNISTRY_DATA_DIR or the cache must hold.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "docs" / "commands.md"
COMMANDS = ("tutorial", "train", "search", "evaluate", "read", "batch", "serve", "export", "predict", "adapt", "data")
BENCHMARKS = ROOT / "benchmarks"
DOCS = ROOT / "docs"
PAGES = (
    ROOT / "README.md",
    ROOT / "README.ko.md",
    DOCS / "benchmarks.md",
    DOCS / "handwriting.md",
    DOCS / "install.md",
    DOCS / "scaling.md",
    DOCS / "serving.md",
)
TABLE = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end of table -->)", re.DOTALL)


def main() -> None:
    """Write all."""
    REFERENCE.write_text(reference(), encoding="utf-8")
    for page in PAGES:
        page.write_text(with_tables(page.read_text(encoding="utf-8")), encoding="utf-8")
    _tool("write_lesson").main()


def reference() -> str:
    """The command reference, out of the commands' own help."""
    parts = ["# The commands\n\nThis page is generated from the commands' own help: `make docs` writes it again.\n"]
    commands: list[tuple[str, ...]] = [(), *((name,) for name in COMMANDS)]
    parts += [f"## {' '.join(('mnistry', *command))}\n\n```text\n{_help(*command)}```\n" for command in commands]
    return "\n".join(parts)


def with_tables(page: str) -> str:
    """A page with the tables between its marks made anew from the benchmarks' results."""
    return TABLE.sub(lambda match: f"{match[1]}{_table(match[2])}\n{match[3]}", page)


def _table(name: str) -> str:
    """The table of that name; with `_ko` at its end in Korean."""
    english, korean = name.removesuffix("_ko"), name.endswith("_ko")
    sys.path.insert(0, str(BENCHMARKS))
    try:
        table: str = importlib.import_module(english).table(_content(name))
    finally:
        sys.path.pop(0)
    translated: str = _tool("korean_tables").korean(table) if korean and english != "claims" else table
    return translated


def _content(name: str) -> Any:
    """The results that a table shows; for the claims, which take theirs from several files, the language."""
    if name.startswith("claims"):
        return "ko" if name.endswith("_ko") else "en"
    return json.loads((BENCHMARKS / "results" / f"{name.removesuffix('_ko')}.json").read_text(encoding="utf-8"))


def _tool(name: str) -> Any:
    """A module beside this one."""
    sys.path.insert(0, str(Path(__file__).parent))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.pop(0)


def _help(*command: str) -> str:
    environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1"}
    arguments = [sys.executable, "-m", "mnistry", *command, "--help"]
    done = subprocess.run(arguments, capture_output=True, text=True, env=environment, check=True)  # noqa: S603
    return done.stdout.replace("python -m mnistry", "mnistry").strip() + "\n"


if __name__ == "__main__":
    main()
