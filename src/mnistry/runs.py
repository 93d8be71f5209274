"""Run folders: made when nothing else stands there, complete or not there at all."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import platform
import shutil
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from mnistry.errors import RunError

RUNS = Path("runs")
UNFINISHED = ".unfinished"
SUMMARY = "summary.json"
LIBRARIES = ("mnistry", "keras", "jax", "jaxlib", "numpy")


@contextlib.contextmanager
def new_folder(out: str | os.PathLike[str] | None, kind: str) -> Iterator[tuple[Path, Path]]:
    """A folder for a new run, filled only if the block ends well.

    Whatever goes wrong inside, an interrupt included, what was written is removed again.

    Args:
        out: where the run shall be; it may exist if it is empty. None means the next free `runs/KIND-N`.
        kind: the first part of that name.

    Yields:
        The folder to write into, and the folder that it becomes.

    Raises:
        RunError: something stands there already, or the folder cannot be written.
    """
    target, made = _claim(None if out is None else Path(out).expanduser(), kind)
    work = target / UNFINISHED
    try:
        work.mkdir()
        yield work, target
        _publish(work, target)
    except OSError as error:
        raise RunError(f"The run folder {target} cannot be written: {error.strerror or error}.") from None
    finally:
        shutil.rmtree(work, ignore_errors=True)
        for folder in made:
            with contextlib.suppress(OSError):  # not empty: the run is in it
                folder.rmdir()


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Writes readable JSON; a NaN in it is a mistake of ours and raises."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def environment() -> dict[str, Any]:
    """The versions and the machine, for whoever wants to repeat the run."""
    return {
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in LIBRARIES},
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
    }


def _claim(out: Path | None, kind: str) -> tuple[Path, list[Path]]:
    """The target folder, and the folders that had to be made for it, the innermost first."""
    try:
        return _claim_next(kind) if out is None else _claim_named(out)
    except OSError as error:
        where = RUNS if out is None else out
        raise RunError(
            f"The run folder {where} cannot be made: {error.strerror or error}. Name another with --out."
        ) from None


def _claim_named(out: Path) -> tuple[Path, list[Path]]:
    if out.is_dir():
        if any(out.iterdir()):
            raise RunError(f"{out} is not empty, and nothing is overwritten. Name another folder with --out.")
        return out, []
    if out.exists() or out.is_symlink():
        raise RunError(f"{out} is a file, not a folder. Name another folder with --out.")
    return out, _make(out)


def _claim_next(kind: str) -> tuple[Path, list[Path]]:
    made = _make(RUNS)
    for number in itertools.count(1):
        target = RUNS / f"{kind}-{number}"
        with contextlib.suppress(FileExistsError):  # taken, or another process was quicker
            target.mkdir()
            return target, [target, *made]
    raise AssertionError("unreachable")


def _make(folder: Path) -> list[Path]:
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return missing


def _publish(work: Path, target: Path) -> None:
    """Moves the finished parts up; the summary last, as the sign that the run is complete."""
    for part in sorted(work.iterdir(), key=lambda part: part.name == SUMMARY):
        part.rename(target / part.name)


def _processor() -> str:
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
