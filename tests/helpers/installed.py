"""mnistry as `pip install .` leaves it: its wheel, and what the wheel asks for, in an environment of its own.

No network is needed: the libraries are linked from the environment that runs the tests, those only that the wheel's
own facts name, and what these ask for in turn.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PROJECT = ("pyproject.toml", "LICENSE", "README.md", "docs/package.md", "src")


def wheel(folder: Path) -> Path:
    """Builds the wheel from a copy of the tree: a build leaves files beside its sources."""
    tree = folder / "tree"
    for name in PROJECT:
        source, target = ROOT / name, tree / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy(source, target)
    _pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, tree)
    (built,) = folder.glob("*.whl")
    return built


@dataclass(frozen=True)
class Installed:
    """An environment with mnistry and the libraries of some extras.

    Attributes:
        folder: of the environment.
        libraries: the distributions beside mnistry.
    """

    folder: Path
    libraries: tuple[str, ...]

    def run(self, *command: object, **options: Any) -> subprocess.CompletedProcess[str]:
        """Runs one of its programs, "python" or "mnistry", far from the tree."""
        program, *arguments = map(str, command)
        return subprocess.run(
            [self.folder / "bin" / program, *arguments],
            capture_output=True,
            text=True,
            cwd=self.folder,
            check=False,
            timeout=120,
            env=_alone(),
            **options,
        )

    def size(self) -> int:
        """Bytes of all files of the libraries and of mnistry's own package."""
        own = [path for path in (self.folder / "own").rglob("*") if path.is_file()]
        files = [path for name in self.libraries for path in _files(metadata.distribution(name))]
        return sum(path.stat().st_size for path in own + files)


def install(built: Path, folder: Path, extras: Iterable[str] = ()) -> Installed:
    """Installs a wheel and links what it asks for."""
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    _pip("--python", python, "install", "--no-deps", built)
    (site,) = folder.glob("lib/python*/site-packages")
    (own,) = metadata.distributions(path=[str(site)])
    needed = closure(own, extras)
    for name in needed:
        distribution = metadata.distribution(name)
        base = Path(str(distribution.locate_file("")))
        for top in {file.parts[0] for file in distribution.files or () if file.parts[0] not in ("..", "__pycache__")}:
            if not (site / top).exists():
                (site / top).symlink_to(base / top)
    (folder / "own").symlink_to(site / "mnistry")
    return Installed(folder, tuple(needed))


def closure(distribution: metadata.Distribution, extras: Iterable[str] = ()) -> list[str]:
    """The names of all distributions that one asks for, directly or not."""
    found: dict[str, set[str]] = {}

    def add(asking: metadata.Distribution, wanted: set[str]) -> None:
        for requirement in map(Requirement, asking.requires or ()):
            marker = requirement.marker
            if marker is not None and not any(marker.evaluate({"extra": extra}) for extra in ("", *wanted)):
                continue
            name, more = requirement.name.lower(), set(requirement.extras)
            if name == asking.name:  # an extra made of other extras
                add(asking, more)
            elif name not in found or not more <= found[name]:
                found.setdefault(name, set()).update(more)
                add(metadata.distribution(name), found[name])

    add(distribution, set(extras))
    return sorted(found)


def _files(distribution: metadata.Distribution) -> Iterable[Path]:
    paths = (Path(str(file.locate())) for file in distribution.files or ())
    return (path for path in paths if path.is_file())


def _pip(*arguments: object) -> None:
    """Calls pip without an index; its options follow the name of the command."""
    words = [str(argument) for argument in arguments]
    at = 1 + max(words.index(name) for name in ("wheel", "install") if name in words)
    quietly = ["--quiet", "--no-index", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", *words[:at], *quietly, *words[at:]]
    subprocess.run(command, check=True, capture_output=True, text=True, env=_alone())


def _alone() -> dict[str, str]:
    """The environment variables without those that make Python see other packages."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
