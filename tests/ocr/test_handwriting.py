"""Real handwriting, where it is at hand: the figures are no worse than those that the benchmark wrote down."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from mnistry import Recognizer

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
FOLDER = Path(__file__).parents[3] / "shared" / "handwriting"
SLACK = 0.01  # of a share: another machine may round another way

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="needs the pictures of real handwriting")


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import handwriting
    finally:
        sys.path.pop(0)
    return handwriting


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer.load(threads=1)


@pytest.fixture(scope="module")
def written() -> dict:
    return json.loads((BENCHMARKS / "results" / "handwriting.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("kind", ["single", "photo_crops"])
def test_one_digit(benchmark, recognizer, written, kind):
    found = benchmark.single(recognizer, FOLDER, kind)
    for share in ("right", "sure", "right_of_sure"):
        assert found[share] >= written[kind][share] - SLACK, (share, found["wrong"])


def test_several_digits(benchmark, recognizer, written):
    found = benchmark.several(recognizer, FOLDER)
    assert found["exact"] >= written["several"]["exact"] - SLACK, found["misread"]
    assert found["errors_per_100"] <= written["several"]["errors_per_100"] + 100 * SLACK


def test_what_is_no_digit(benchmark, recognizer, written):
    found = benchmark.nondigit(recognizer, FOLDER)
    assert found["sure_single"] <= written["nondigit"]["sure_single"] + SLACK
    assert found["sure_read"] <= written["nondigit"]["sure_read"] + SLACK
