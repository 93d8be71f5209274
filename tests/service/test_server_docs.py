"""The examples in docs/serving.md, as a reader would run them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from helpers.running import Running, running, serve, written
from helpers.serving_page import ADDRESS, PAGE, examples


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("server"), *serve("--workers", "1")) as server:
        yield server


def test_python(server, tmp_path):
    (tmp_path / "photo.png").write_bytes(written("20"))
    printed = []
    for example in examples("python"):
        program = example.replace(ADDRESS, server.address)
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        printed.append(done.stdout)
    reading, images = printed
    assert reading.splitlines()[0] == "20"
    assert re.fullmatch(r"20\n2 \d+\.\d% .*sure \[.*\]\n0 \d+\.\d% .*sure \[.*\]\n", reading)
    assert images == "[1] True\n"


def test_shell(server, tmp_path):
    if not shutil.which("curl"):
        pytest.skip("needs curl")
    (tmp_path / "photo.png").write_bytes(written("20"))
    printed = []
    for example in examples("sh"):
        command = example.replace(ADDRESS, server.address)
        done = subprocess.run(
            ["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
        )
        printed.append(json.loads(done.stdout))
    *readings, images, problem = printed
    assert [reading["text"] for reading in readings] == ["20"] * 4
    assert len(images["digits"]) == 10
    assert problem == json.loads(examples("json")[0])


def test_limits_are_those_of_the_program():
    from mnistry.service.request_body import BodyLimits
    from mnistry.service.worker_pool import Limits

    text, bodies, limits = PAGE.read_text(encoding="utf-8"), BodyLimits(), Limits()
    assert f"more than {bodies.bytes:,} bytes" in text
    assert f"{bodies.silence:g} seconds without a byte, or {bodies.seconds:g} seconds for a body" in text
    assert f"longer than {limits.seconds:g} seconds" in text
    assert f"At most {limits.waiting} pictures wait" in text
    assert f"takes longer than {limits.patience:g} s\n  while others wait" in text
    assert f"{bodies.bytes_of_all // 10**6} MB for all, {bodies.bytes_of_client // 10**6} MB for one client" in text
