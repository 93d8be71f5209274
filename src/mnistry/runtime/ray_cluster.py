"""Ray for as long as a command needs it: a cluster that runs already, or one on this machine, started and stopped here.

Ray's messages go to its own log files; anything that a person needs to know becomes an error of ours, in a sentence.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any
from unittest import mock

import filelock

from mnistry.errors import ClusterError

OBJECT_STORE = 100_000_000  # bytes; Ray wants some 80 million at least
FOLDER = "mnistry-ray-"  # in the system's folder for temporary files, whose path is short
ROOM_FOR_SOCKETS = 50  # characters that Ray adds to the path of its folder; a socket's path has 107 at most
NEW = 60  # seconds; a folder that is younger may belong to a process that has not locked it yet
PATIENCE = 5  # seconds for a cluster to take a connection
SETTINGS = {
    "RAY_raylet_start_wait_time_s": "120",  # a busy machine takes longer than Ray's usual 30
    "RAY_USAGE_STATS_ENABLED": "0",  # no report is sent to anybody
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # what Ray will do from some version on; unset, it warns
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # workers have this interpreter, however it was started
}
ON_THIS_MACHINE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}  # Ray's name for: listen on 127.0.0.1 only
NONE: Mapping[str, str] = MappingProxyType({})


@contextlib.contextmanager
def connect(
    address: str | None, *, cpus: int, object_store: int = OBJECT_STORE, settings: Mapping[str, str] = NONE
) -> Iterator[None]:
    """Ray, ready to be used inside the block.

    Args:
        address: of a cluster, such as "auto" or "head:6379", which goes on after the block. None starts Ray on
            this machine, without dashboard, and stops it after the block; its temporary folder is removed then.
        cpus: how many cores a Ray on this machine hands out.
        object_store: bytes of shared memory that a Ray on this machine takes for objects.
        settings: environment variables for Ray, beyond `SETTINGS`. Those that somebody has set stay as they are, and
            after the block all are as before.

    Raises:
        ClusterError: the cluster cannot be reached, or Ray cannot be started.
    """
    with contextlib.ExitStack() as stack:
        wanted = SETTINGS | dict(settings) | ({} if address else ON_THIS_MACHINE)
        new = {name: value for name, value in wanted.items() if name not in os.environ}
        os.environ.update(new)
        for name in new:
            stack.callback(os.environ.pop, name, None)
        import ray
        from ray._private.node import Node

        if address is None:
            folder = stack.enter_context(_temporary_folder())
            # Without a dashboard Ray's API server only reports usage. That is switched off, but it would still ask the
            # metadata addresses of three clouds where it runs.
            stack.enter_context(mock.patch.object(Node, "start_api_server", return_value=None))
            own: dict[str, Any] = {"address": "local", "num_cpus": cpus, "object_store_memory": object_store}
            own |= {"include_dashboard": False, "_temp_dir": str(folder)}
        else:
            _check_listening(address)
            own = {"address": address}
        before = signal.getsignal(signal.SIGTERM)
        try:
            with _silence_stderr():
                ray.init(**own, logging_level=logging.CRITICAL, log_to_driver=False)
        except Exception as error:  # Ray raises whatever its parts do
            raise _unreachable(address, error) from None
        finally:
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, before)  # Ray's own would not let us clear up
        stack.callback(ray.shutdown)
        yield


@contextlib.contextmanager
def _silence_stderr() -> Iterator[None]:
    """Throw away what Ray's C++ parts say on standard error while they start; Python reports failures."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


@contextlib.contextmanager
def _temporary_folder() -> Iterator[Path]:
    """A temporary folder for Ray, removed afterwards; those of processes that were killed are removed first."""
    root = Path(tempfile.gettempdir())
    if len(str(root)) + len(FOLDER) + ROOM_FOR_SOCKETS > 100:
        root = Path("/tmp")  # noqa: S108 - mkdtemp makes a folder of our own in it
    for old in (path for path in root.glob(FOLDER + "*") if path.stat().st_mtime < time.time() - NEW):
        with contextlib.suppress(OSError, filelock.Timeout), filelock.FileLock(old / "lock").acquire(timeout=0):
            shutil.rmtree(old, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=FOLDER, dir=root))
    try:
        with filelock.FileLock(folder / "lock"):  # given up by the system when the process dies
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _check_listening(address: str) -> None:
    """Refuse an address where nothing listens: Ray itself would try for minutes."""
    host, colon, port = address.rpartition(":")
    if not (colon and port.isdecimal()):
        return  # "auto", or something that Ray refuses at once
    try:
        socket.create_connection((host.rpartition("/")[2], int(port)), PATIENCE).close()
    except (OSError, OverflowError) as error:
        raise _unreachable(address, error) from None


def _unreachable(address: str | None, error: Exception) -> ClusterError:
    why = getattr(error, "strerror", None) or " ".join(str(error).split())[:300].rstrip(".") or type(error).__name__
    if address is None:
        return ClusterError(f"Ray cannot be started on this machine: {why}. Is there memory and room on the disk?")
    return ClusterError(
        f"No Ray cluster can be reached at {address}: {why}. Without --ray-address one is started here."
    )
