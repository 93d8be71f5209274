from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mnistry.runtime import files

WRITER = """
import sys
from pathlib import Path
from mnistry.runtime import files
path, round = Path(sys.argv[1]), 0
print("ready", flush=True)
while True:
    files.write_durably(path, [str(round).encode() * 200_000, b"\\n", str(round).encode() * 200_000])
    round = (round + 1) % 10
"""


def test_the_new_content_replaces_the_old(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    files.write_durably(path, [b"old"])
    files.write_durably(path, [b"new", memoryview(b" content")])
    assert path.read_bytes() == b"new content"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.bin"]


def test_a_failure_leaves_the_old_content_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.bin"
    files.write_durably(path, [b"old"])

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        files.write_durably(path, [b"new"])
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.bin"]


def test_content_and_folder_are_on_the_disk_before_it_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    sync, replace = os.fsync, Path.replace

    def fsync(handle: int) -> None:
        events.append("folder" if os.path.isdir(f"/proc/self/fd/{handle}") else "file")
        sync(handle)

    def renamed(self: Path, target: Path) -> Path:
        events.append("rename")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", renamed)
    files.write_durably(tmp_path / "a.bin", [b"content"])
    assert events == ["file", "rename", "folder"]


def test_a_killed_writer_never_leaves_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    for _ in range(6):
        with subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            for _ in range(20):
                if path.exists():
                    first, second = path.read_text().split("\n")
                    assert first == second
                    assert len(first) == 200_000
            writer.kill()
        first, second = path.read_text().split("\n") if path.exists() else ("", "")
        assert first == second


def test_json_lines(tmp_path: Path) -> None:
    files.write_json_lines(tmp_path / "a.jsonl", [{"epoch": 1}, {"epoch": 2}])
    assert [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()] == [
        {"epoch": 1},
        {"epoch": 2},
    ]
