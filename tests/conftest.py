"""Fixtures of all tests: no network, caches of their own, MNIST where it is at hand."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from mnistry.datasets import loading

# Taken at import, before any test can change the environment.
MNIST_FOLDER = os.environ.get("MNISTRY_DATA_DIR")
NOWHERE = "http://127.0.0.1:9/"  # the discard port: refuses at once

Mnistry = Callable[..., subprocess.CompletedProcess[str]]


# The files that take longest, first: no process of the suite is left with one of them at its end.
LONGEST = (
    "training/tuning/test_run.py",
    "service/test_page.py",
    "training/test_run.py",
    "batch/test_ray_data.py",
    "test_docs.py",
    "ocr/test_handwriting.py",
    "training/test_fitting.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first."""
    places = {Path(__file__).parent / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.fixture(scope="session")
def session_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder that all tests share, so that each program is compiled once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session", autouse=True)
def _isolated(session_cache: Path) -> None:
    # A shell may have told what it starts in the background to ignore Ctrl-C, and processes pass that on.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ["MNISTRY_CACHE_DIR"] = str(session_cache)
    os.environ["MNISTRY_MIRRORS"] = NOWHERE
    os.environ.pop("MNISTRY_DATA_DIR", None)


@pytest.fixture(scope="session")
def mnist_folder() -> Path:
    """The folder of the real MNIST; the test is skipped without it, or fails where it is required."""
    if MNIST_FOLDER:
        return Path(MNIST_FOLDER).resolve()
    if os.environ.get("MNISTRY_REQUIRE_MNIST"):
        pytest.fail("MNISTRY_REQUIRE_MNIST is set, but MNISTRY_DATA_DIR names no folder with MNIST")
    pytest.skip("needs MNIST: set MNISTRY_DATA_DIR")


@pytest.fixture(scope="session")
def mnist(mnist_folder: Path) -> loading.Dataset:
    """The real MNIST."""
    return loading.load("mnist", data_dir=mnist_folder)


@pytest.fixture(scope="session")
def digits() -> loading.Dataset:
    """The embedded digits."""
    return loading.load("digits")


@pytest.fixture
def mnistry(tmp_path: Path) -> Mnistry:
    """Run the command line in a process of its own, in an empty folder."""

    def run(
        *arguments: object, env: Mapping[str, str] | None = None, **options: object
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "mnistry", *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, **(env or {})},
            timeout=300,
            check=False,
            **options,  # type: ignore[call-overload] # passed on
        )

    return run
