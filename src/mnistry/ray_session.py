"""Ray for as long as a job takes: one of our own on this machine, started and stopped, or a cluster that is there."""

from __future__ import annotations

import importlib.util
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from mnistry import storage
from mnistry.errors import BatchError

NEEDED = ("ray", "pyarrow", "fsspec", "pandas")
MISSING = (
    "Reading at scale runs on Ray, which is not installed. Install it with: pip install 'mnistry[ray]'. "
    "For up to some ten thousand pictures, mnistry read does without it."
)
GO_ON = "What is done is kept; go on with the same command and --resume."
MAX_BLOCKS = 2000  # in which Ray Data is given the parts: each costs the driver a little
OBJECT_STORE = 100_000_000  # bytes: only numbers of parts and counts go through it
LONGEST = 40  # characters of a temporary folder: below it Ray makes sockets, whose paths may have 107
CPUS = 0.5  # that a worker asks for; it uses one, but those of a lost node find room on others this way
PATIENCE = 10  # seconds in which a cluster must answer
SETTINGS = {
    "RAY_raylet_start_wait_time_s": "120",  # on a machine that is busy, Ray's parts take longer to find each other
    "RAY_agent_register_timeout_ms": "120000",  # than the usual 30 s
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # without it Ray warns of what a later version will do
}


def require() -> None:
    """Makes sure that Ray and what it needs are installed.

    Raises:
        BatchError: with the command that installs them.
    """
    for name in NEEDED:
        try:
            found = importlib.util.find_spec(name)
        except ValueError:  # a module that somebody has put out of reach
            found = None
        if found is None:
            raise BatchError(MISSING)


@contextmanager
def session(address: str | None, workers: int | None) -> Iterator[int]:
    """Connects to Ray.

    Args:
        address: of a cluster, or "auto" for the one that this machine belongs to; None starts one here for the block.
        workers: how many there shall be; None means one for each core.

    Yields:
        How many workers there shall be.

    Raises:
        BatchError: no Ray can be started, or none answers there.
    """
    os.environ |= {name: value for name, value in SETTINGS.items() if name not in os.environ}
    import ray

    if ray.is_initialized():
        raise BatchError("This process is connected to a Ray already. Shut that down first, or start another process.")
    own = _local(workers or _cores()) if address is None else _cluster(address)
    # Ray prints on standard output what happens to nodes; that is for our results.
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), own:
        yield workers or (_cores() if address is None else max(1, int(ray.cluster_resources().get("CPU", 1))))


def rows(reader: type, arguments: tuple[Any, ...], parts: Sequence[int], workers: int) -> Iterator[dict[str, Any]]:
    """Has parts read by workers, and gives the rows that they answer with, as they come.

    Args:
        reader: a class whose constructor takes the arguments and whose call takes a batch of a column `part`.
        arguments: for the constructor.
        parts: their numbers.
        workers: how many.

    Raises:
        BatchError: Ray has given up.
    """
    import ray.data

    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    blocks = min(len(parts), MAX_BLOCKS)
    data = ray.data.from_items([{"part": part} for part in parts], override_num_blocks=blocks).map_batches(
        reader,
        fn_constructor_args=arguments,
        batch_size=1,
        concurrency=workers,
        num_cpus=CPUS,
    )  # a worker that dies is started again, elsewhere if its node is gone, and what it was reading is read again
    try:
        yield from data.iter_rows()
    except ray.exceptions.RayError as error:
        text = str(error)
        if "No module named 'mnistry'" in text:
            raise BatchError("The cluster's machines have no mnistry. Install the same version on them.") from None
        last = next((line for line in reversed(text.splitlines()) if line.strip()), "")
        raise BatchError(f"Ray has given up: {last.strip():.300}. {GO_ON}") from None


def started_again() -> bool:
    """Whether this process is a worker that Ray has started in the place of one that died."""
    ray = sys.modules.get("ray")  # whoever is no worker of Ray's need not import it
    if ray is None or not ray.is_initialized():
        return False
    context = ray.get_runtime_context()
    return context.get_actor_id() is not None and bool(context.was_current_actor_reconstructed)


@contextmanager
def _local(workers: int) -> Iterator[None]:
    """A Ray of our own. Whatever ends the block, its processes end and its files are removed."""
    root = tempfile.gettempdir() if len(tempfile.gettempdir()) <= LONGEST - len("/mnistry-12345678") else "/tmp"  # noqa: S108
    folder = Path(tempfile.mkdtemp(prefix="mnistry-", dir=root))
    try:
        # One CPU more than workers: Ray Data may need one for a task of its own while all workers are busy.
        with _connected(
            address="local",
            num_cpus=workers + 1,
            object_store_memory=OBJECT_STORE,
            include_dashboard=False,
            _temp_dir=str(folder),
        ):
            yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _cluster(address: str) -> Iterator[None]:
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if address != "auto":
        try:
            socket.create_connection((host, int(port)), PATIENCE).close()  # Ray itself would wait for minutes
        except (OSError, ValueError, OverflowError) as error:
            raise BatchError(
                f"No Ray answers at {address}: {storage.reason(error)}. Name the head node as HOST:6379, or auto on a "
                "machine of the cluster."
            ) from None
    with _connected(address=address):
        yield


@contextmanager
def _connected(**options: Any) -> Iterator[None]:
    import ray

    local = options["address"] == "local"
    before = signal.getsignal(signal.SIGTERM)
    try:
        try:
            with _muted():
                ray.init(log_to_driver=False, logging_level=logging.CRITICAL, **options)
        except Exception as error:  # Ray raises whatever its parts do
            where = "Ray cannot be started here" if local else f"No Ray answers at {options['address']}"
            raise BatchError(f"{where}: {' '.join(str(error).split()):.300}") from None
        finally:
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, before)  # Ray's own would end the process without our clearing up
        yield
    finally:
        ray.shutdown()


@contextmanager
def _muted() -> Iterator[None]:
    """Throws away what Ray's C++ parts say on standard error while they start; that they failed is told by Python."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
