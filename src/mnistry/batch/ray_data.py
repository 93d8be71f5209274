"""The workers of a batch on Ray Data, which hands out the numbers of parts and restarts workers that die."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from typing import Any

from mnistry.errors import BatchError
from mnistry.runtime import ray_cluster
from mnistry.runtime.parallel import count_cpus

NEEDED = ("ray", "pyarrow", "fsspec", "pandas")
INSTEAD = "For up to some ten thousand pictures, mnistry read does without it."
GO_ON = "What is done is kept; go on with the same command and --resume."
MAX_BLOCKS = 2000  # in which Ray Data is given the parts: each costs the driver a little
CPUS = 0.5  # that a worker asks for; it uses one, but those of a lost node find room on others this way
SETTINGS = {
    "RAY_agent_register_timeout_ms": "120000",  # on a busy machine, Ray's parts take longer than its usual 30 s
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
}


@contextmanager
def connect(address: str | None, workers: int | None) -> Iterator[int]:
    """Connect to Ray.

    Args:
        address: of a cluster, or "auto" for the one that this machine belongs to; None starts one here for the block.
        workers: how many there shall be; None means one for each core.

    Yields:
        How many workers there shall be.

    Raises:
        ClusterError: no Ray can be started, or none answers there.
    """
    with ExitStack() as stack:
        # Ray prints on standard output what happens to nodes; that is for our results.
        stack.enter_context(redirect_stdout(stack.enter_context(open(os.devnull, "w"))))
        # One CPU more than workers: Ray Data may need one for a task of its own while all workers are busy.
        cpus = (workers or count_cpus()) + 1
        stack.enter_context(ray_cluster.connect(address, cpus=cpus, settings=SETTINGS))
        import ray

        yield workers or (count_cpus() if address is None else max(1, int(ray.cluster_resources().get("CPU", 1))))


def read_parts(
    reader: type, arguments: tuple[Any, ...], parts: Sequence[int], workers: int
) -> Iterator[dict[str, Any]]:
    """Have parts read by workers, and give the rows that they answer with, as they come.

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
        reader, fn_constructor_args=arguments, batch_size=1, concurrency=min(workers, blocks), num_cpus=CPUS
    )  # a worker that dies is started again, elsewhere if its node is gone, and what it was reading is read again
    try:
        yield from data.iter_rows()
    except ray.exceptions.RayError as error:
        text = str(error)
        if "No module named 'mnistry'" in text:
            raise BatchError("The cluster's machines have no mnistry. Install the same version on them.") from None
        last = next((line for line in reversed(text.splitlines()) if line.strip()), "")
        raise BatchError(f"Ray has given up: {last.strip():.300}. {GO_ON}") from None
