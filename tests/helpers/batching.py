"""Batches for tests and benchmarks: their processes, what they have written, and a Ray cluster on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from unittest.mock import patch

import pyarrow as pa
import pyarrow.parquet as pq

from mnistry.batch import ray_data
from mnistry.runtime import ray_cluster

PATIENCE = 300.0  # seconds
STORE = 80_000_000  # bytes: only numbers go through it


def command(source: object, out: object, *options: object) -> list[str]:
    """The command line of a batch."""
    return [sys.executable, "-m", "mnistry", "batch", str(source), "--out", str(out), *map(str, options)]


def started(source: object, out: object, *options: object) -> subprocess.Popen[str]:
    """A batch at work, in a session of its own."""
    return subprocess.Popen(
        command(source, out, *options),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def parts(out: Path) -> list[Path]:
    """The files of the output, in their order."""
    return sorted(out.glob("part-*.parquet"))


def rows(out: Path) -> pa.Table:
    """All rows of an output, in the order of the source."""
    return pa.concat_tables([pq.read_table(path) for path in parts(out)])


def wait_for(condition: Callable[[], object], process: subprocess.Popen[str] | None = None) -> None:
    """Waits until something is so, or a process has ended."""
    end = time.monotonic() + PATIENCE
    while not condition() and (process is None or process.poll() is None):
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.02)


def descendants(pid: int) -> dict[int, str]:
    """The processes below one, with what they call themselves."""
    parents: dict[int, int] = {}
    names: dict[int, str] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            name = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it has just ended
            continue
        if state != "Z":
            parents[int(folder.name)], names[int(folder.name)] = int(parent), name
    found: dict[int, str] = {}
    todo = [pid]
    while todo:
        above = todo.pop()
        below = [each for each, parent in parents.items() if parent == above]
        found |= {each: names[each] for each in below}
        todo += below
    return found


def workers(pid: int) -> list[int]:
    """The processes below one that read parts."""
    return [each for each, name in descendants(pid).items() if name.startswith("ray::MapWorker")]


def alive(pid: int) -> bool:
    """Tell whether a process is still at work."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def listening(pid: int) -> set[str]:
    """The addresses, as /proc/net writes them, at which a process and those below it listen for TCP connections."""
    sockets = set()
    for process in (pid, *descendants(pid)):
        with suppress(OSError):  # it has just ended
            links = {os.readlink(link) for link in Path(f"/proc/{process}/fd").iterdir()}
            sockets |= {link[8:-1] for link in links if link.startswith("socket:[")}
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *rest = line.split()
            if state == "0A" and rest[5] in sockets:
                found.add(local.partition(":")[0])
    return found


@contextmanager
def cluster(nodes: int) -> Iterator[object]:
    """A Ray cluster of as many node processes, with a CPU each, on this machine."""
    from ray.cluster_utils import Cluster

    options = {"num_cpus": 1, "object_store_memory": STORE}
    with patch.dict(os.environ, ray_cluster.SETTINGS | ray_data.SETTINGS):
        found = Cluster(initialize_head=True, head_node_args={**options, "include_dashboard": False})
        try:
            for _ in range(nodes - 1):
                found.add_node(**options)
            yield found
        finally:
            found.shutdown()
