from __future__ import annotations

import gzip
import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import requests  # noqa: F401 - imported here so that no test's time includes it

from helpers.lying_server import WEB_PAGE, LyingServer, refusing
from mnistry.datasets import download
from mnistry.datasets.download import RemoteFile, Timeouts, fetch, reachable
from mnistry.errors import DataError

PLAIN = np.random.default_rng(0).bytes(300_000)
CONTENT = gzip.compress(PLAIN, mtime=0)
FILE = RemoteFile(
    "some-file.gz", len(CONTENT), hashlib.sha256(CONTENT).hexdigest(), unpacked_sha256=hashlib.sha256(PLAIN).hexdigest()
)
SHORT = Timeouts(answer=1.0, connect=5.0, read=1.0, window=0.5, minimum_rate=4096)
PATIENT = Timeouts(answer=60, connect=60, read=60, window=60)
GOOD = ["honest", "late", "redirect", "unsized", "chunked", "called_gzip"]
BAD = {
    "missing": "HTTP status 404",
    "overloaded": "HTTP status 503",
    "circle": "Exceeded 30 redirects",
    "web_page": f"expected {FILE.size:,} bytes, received {len(WEB_PAGE)}",
    "wrong": f"expected SHA-256 {FILE.sha256[:12]}…, received [0-9a-f]{{12}}…",
    "too_much": f"expected {FILE.size:,} bytes, received more",
    "endless": f"expected {FILE.size:,} bytes, received more",
    "too_little": f"expected {FILE.size:,} bytes, received {FILE.size // 2:,}",
    "truncated": "the connection broke off",
    "truncated_chunks": "the connection broke off",
    "reset": "the connection broke off",
    "hang_up": "the connection broke off",
    "silent": "no answer in time",
    "stalled": "it stopped sending",
    "stalled_at_once": "it stopped sending",
    "slow": r"too slow: \d+ bytes a second",
    "tired": r"too slow: \d+ bytes a second",
}
FETCH = """
import sys
from pathlib import Path
from mnistry.datasets.download import Timeouts, RemoteFile, fetch

name, size, sha256, folder, mirror = sys.argv[1:]
print(fetch(RemoteFile(name, int(size), sha256, ""), Path(folder), [mirror], timeouts=Timeouts()))
"""


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def server() -> Iterator[LyingServer]:
    with LyingServer({FILE.name: CONTENT}) as server:
        yield server


def start_fetching(folder: Path, mirror: str) -> subprocess.Popen[str]:
    """`fetch` in a process of its own."""
    arguments = [FILE.name, str(FILE.size), FILE.sha256, str(folder), mirror]
    return subprocess.Popen([sys.executable, "-c", FETCH, *arguments], stdout=subprocess.PIPE, text=True)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != download.LOCK)


def wait_for(folder: Path, pattern: str, size: int) -> Path:
    """The first file of that pattern that has come to that size."""
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline:
        for path in folder.glob(pattern):
            if path.stat().st_size >= size:
                return path
        time.sleep(0.01)
    raise AssertionError(f"no {pattern} of {size} bytes appeared")


@pytest.mark.parametrize("manner", GOOD)
def test_the_file_arrives_byte_for_byte(server: LyingServer, tmp_path: Path, manner: str) -> None:
    folder = tmp_path / "not" / "there" / "yet"
    assert fetch(FILE, folder, [server.mirror(manner)], timeouts=PATIENT) == folder / FILE.name
    assert (folder / FILE.name).read_bytes() == CONTENT
    assert names_in(folder) == [FILE.name]


@pytest.mark.parametrize("manner", BAD)
def test_after_a_bad_mirror_the_next_is_used(server: LyingServer, tmp_path: Path, manner: str) -> None:
    fetch(FILE, tmp_path, [server.mirror(manner), server.mirror("honest")], timeouts=SHORT)
    assert (tmp_path / FILE.name).read_bytes() == CONTENT
    assert names_in(tmp_path) == [FILE.name]
    assert [server.asked[0][1], server.asked[-1][1]] == [manner, "honest"]


def test_after_a_mirror_that_refuses_the_next_is_used(server: LyingServer, tmp_path: Path) -> None:
    with refusing() as address:
        fetch(FILE, tmp_path, [address, server.mirror("honest")], timeouts=SHORT)
    assert (tmp_path / FILE.name).read_bytes() == CONTENT


def test_a_good_mirror_is_the_last_that_is_asked(server: LyingServer, tmp_path: Path) -> None:
    fetch(FILE, tmp_path, [server.mirror("honest"), server.mirror("redirect")], timeouts=SHORT)
    assert server.asked == [("GET", "honest", FILE.name)]


@pytest.mark.parametrize("manner", BAD)
def test_a_bad_mirror_is_named_with_its_reason(server: LyingServer, tmp_path: Path, manner: str) -> None:
    mirror = server.mirror(manner)
    with pytest.raises(DataError, match=rf"^some-file\.gz could not be downloaded\.\n  {mirror}: {BAD[manner]}\.?$"):
        fetch(FILE, tmp_path, [mirror], timeouts=SHORT)
    assert names_in(tmp_path) == []


def test_all_bad_mirrors_are_named_in_order(server: LyingServer, tmp_path: Path) -> None:
    with refusing() as address, pytest.raises(DataError) as caught:
        fetch(FILE, tmp_path, [server.mirror("missing"), address, server.mirror("wrong")], timeouts=SHORT)
    head, *lines = str(caught.value).splitlines()
    assert head == "some-file.gz could not be downloaded."
    assert lines[0] == f"  {server.mirror('missing')}: HTTP status 404"
    assert lines[1] == f"  {address}: it refused the connection"
    assert lines[2].startswith(f"  {server.mirror('wrong')}: expected SHA-256")
    assert len(lines) == 3
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("address", ["no address at all/", "ftp://127.0.0.1/", "http://[::1/", "http://a..b/"])
def test_an_address_that_is_none_is_named(tmp_path: Path, address: str) -> None:
    with pytest.raises(DataError) as caught:
        fetch(FILE, tmp_path, [address], timeouts=SHORT)
    assert str(caught.value).splitlines()[1].startswith(f"  {address}: ")
    assert reachable([address], FILE, SHORT)[1][0].startswith(f"{address}: ")


def test_a_steady_transfer_may_take_longer_than_the_window(server: LyingServer, tmp_path: Path) -> None:
    timeouts = Timeouts(answer=60, connect=60, read=60, window=0.1, minimum_rate=1)
    file = RemoteFile("short", 30, hashlib.sha256(CONTENT[:30]).hexdigest(), "")
    server.files = {"short": CONTENT[:30]}
    begin = time.monotonic()
    fetch(file, tmp_path, [server.mirror("slow")], timeouts=timeouts)
    assert time.monotonic() - begin > 5 * timeouts.window
    assert (tmp_path / "short").read_bytes() == CONTENT[:30]


@pytest.mark.parametrize("old", [None, b"what was there before"])
def test_the_target_is_never_seen_half_written(server: LyingServer, tmp_path: Path, old: bytes | None) -> None:
    target = tmp_path / FILE.name
    if old is not None:
        target.write_bytes(old)
    seen = []

    def look(name: str, received: int, size: int) -> None:
        seen.append(target.read_bytes() if target.exists() else None)

    fetch(FILE, tmp_path, [server.mirror("wrong"), server.mirror("honest")], timeouts=SHORT, progress=look)
    assert len(seen) >= 2
    assert set(seen) == {old}
    assert target.read_bytes() == CONTENT


def test_a_failure_leaves_what_was_there(server: LyingServer, tmp_path: Path) -> None:
    (tmp_path / FILE.name).write_bytes(b"what was there before")
    with pytest.raises(DataError, match="SHA-256"):
        fetch(FILE, tmp_path, [server.mirror("wrong")], timeouts=SHORT)
    assert (tmp_path / FILE.name).read_bytes() == b"what was there before"
    assert names_in(tmp_path) == [FILE.name]


def test_an_interrupt_leaves_nothing_behind(server: LyingServer, tmp_path: Path) -> None:
    def interrupt(name: str, received: int, size: int) -> None:
        assert len(names_in(tmp_path)) == 1  # the part is there
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(FILE, tmp_path, [server.mirror("honest")], timeouts=SHORT, progress=interrupt)
    assert names_in(tmp_path) == []


def test_progress_rises_to_the_whole_size(server: LyingServer, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    fetch(FILE, tmp_path, [server.mirror("honest")], timeouts=SHORT, progress=lambda *moment: seen.append(moment))
    received = [moment[1] for moment in seen]
    assert received == sorted(set(received))
    assert received[0] > 0
    assert seen[-1] == (FILE.name, FILE.size, FILE.size)
    assert {(name, size) for name, _, size in seen} == {(FILE.name, FILE.size)}


def test_of_two_processes_at_once_one_fetches_and_both_succeed(server: LyingServer, tmp_path: Path) -> None:
    processes = [start_fetching(tmp_path, server.mirror("honest")) for _ in range(2)]
    outputs = [process.communicate(timeout=120)[0].strip() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert outputs == [str(tmp_path / FILE.name)] * 2
    assert server.fetched() == [FILE.name]
    assert (tmp_path / FILE.name).read_bytes() == CONTENT
    assert names_in(tmp_path) == [FILE.name]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_killed_process_leaves_nothing_that_is_taken_for_the_file(server: LyingServer, tmp_path: Path) -> None:
    process = start_fetching(tmp_path, server.mirror("stalled"))
    part = wait_for(tmp_path, "*.part", size=100_000)
    process.kill()
    assert process.wait(timeout=60) == -signal.SIGKILL
    process.communicate()
    assert names_in(tmp_path) == [part.name]
    fetch(FILE, tmp_path, [server.mirror("honest")], timeouts=SHORT)
    assert (tmp_path / FILE.name).read_bytes() == CONTENT
    assert names_in(tmp_path) == [FILE.name]


def test_a_folder_that_cannot_be(server: LyingServer, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"^some-file.gz cannot be stored in .*folder: Not a directory\.$"):
        fetch(FILE, tmp_path / "file" / "folder", [server.mirror("honest")], timeouts=SHORT)
    assert server.asked == []


def test_a_folder_in_the_files_place(server: LyingServer, tmp_path: Path) -> None:
    (tmp_path / FILE.name).mkdir()
    with pytest.raises(DataError, match=r"^some-file.gz cannot be stored in .*: Is a directory\.$"):
        fetch(FILE, tmp_path, [server.mirror("honest")], timeouts=SHORT)
    assert names_in(tmp_path) == [FILE.name]


@pytest.mark.skipif(os.name != "posix", reason="needs permission bits")
def test_the_file_may_be_read_by_whom_the_umask_allows(server: LyingServer, tmp_path: Path) -> None:
    (tmp_path / "ordinary").touch()
    fetch(FILE, tmp_path, [server.mirror("honest")], timeouts=SHORT)
    assert oct((tmp_path / FILE.name).stat().st_mode) == oct((tmp_path / "ordinary").stat().st_mode)


def test_the_first_to_answer_is_at_the_head(server: LyingServer) -> None:
    silent, late, honest = (server.mirror(manner) for manner in ("silent", "late", "honest"))
    assert reachable([silent, late, honest], FILE, PATIENT) == ([honest, silent, late], [])


def test_a_redirect_counts_as_an_answer(server: LyingServer) -> None:
    assert reachable([server.mirror("redirect")], FILE, SHORT) == ([server.mirror("redirect")], [])


def test_a_mirror_that_refuses_head_is_asked_again_with_get(server: LyingServer, tmp_path: Path) -> None:
    mirror = server.mirror("no_head")
    assert reachable([mirror], FILE, SHORT) == ([mirror], [])
    fetch(FILE, tmp_path, [mirror], timeouts=SHORT)
    assert (tmp_path / FILE.name).read_bytes() == CONTENT


def test_those_that_failed_before_the_first_answer_are_left_out(server: LyingServer) -> None:
    with refusing() as address:
        mirrors = [server.mirror("missing"), address, server.mirror("late")]
        assert reachable(mirrors, FILE, PATIENT) == ([server.mirror("late")], [])


def test_asking_does_not_download(server: LyingServer) -> None:
    reachable([server.mirror("honest")], FILE, SHORT)
    assert server.asked == [("HEAD", "honest", FILE.name)]


def test_when_all_fail_each_has_a_line_and_nothing_is_waited_for(server: LyingServer) -> None:
    begin = time.monotonic()
    with refusing() as address:
        mirrors = [server.mirror("overloaded"), address, server.mirror("hang_up"), server.mirror("circle")]
        ranked, lines = reachable(mirrors, FILE, PATIENT)
    assert time.monotonic() - begin < PATIENT.answer
    assert ranked == []
    assert lines == [
        f"{mirrors[0]}: HTTP status 503",
        f"{address}: it refused the connection",
        f"{mirrors[2]}: the connection broke off",
        f"{mirrors[3]}: Exceeded 30 redirects.",
    ]


def test_a_mirror_named_twice_is_waited_for_once() -> None:
    begin = time.monotonic()
    with refusing() as address:
        ranked, lines = reachable([address, address], FILE, PATIENT)
    assert time.monotonic() - begin < PATIENT.answer
    assert ranked == []
    assert set(lines) == {f"{address}: it refused the connection"}


def test_silent_mirrors_are_given_up_in_time(server: LyingServer) -> None:
    begin = time.monotonic()
    mirrors = [server.mirror("silent"), server.mirror("missing")]
    ranked, lines = reachable(mirrors, FILE, Timeouts(answer=1.5, connect=60, read=60))
    assert 1.5 <= time.monotonic() - begin < 60
    assert ranked == []
    assert lines == [f"{mirrors[0]}: no answer within 1.5 s", f"{mirrors[1]}: HTTP status 404"]


def test_a_listening_port_that_nobody_serves_is_given_up_in_time() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        mirror = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        begin = time.monotonic()
        timeouts = Timeouts(answer=0.3, connect=60, read=60)
        assert reachable([mirror], FILE, timeouts) == ([], [f"{mirror}: no answer within 0.3 s"])
        assert time.monotonic() - begin < 60


def test_a_name_lookup_that_hangs_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    end = threading.Event()
    ended = threading.Event()

    def hang(*_: object, **__: object) -> None:
        end.wait(100)
        ended.set()
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    begin = time.monotonic()
    mirror = "http://somewhere.invalid/"
    assert reachable([mirror], FILE, Timeouts(answer=0.3)) == ([], [f"{mirror}: no answer within 0.3 s"])
    assert time.monotonic() - begin < 60
    end.set()
    assert ended.wait(60)
    assert reachable([mirror], FILE, PATIENT) == ([], [f"{mirror}: its name cannot be resolved"])


def test_the_usual_timeouts_is_short() -> None:
    assert Timeouts().answer <= 10
    assert Timeouts().connect + Timeouts().read <= 20
