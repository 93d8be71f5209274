"""A pool of processes: results in order, a task that crashes or hangs costs itself, no process outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from mnistry.errors import UsageError
from mnistry.runtime.parallel import LostTask, ProcessPool, count_cpus


def first_state(value: int) -> int:
    return value


def refuse() -> int:
    raise UsageError("There is no such state.")


def add(state: int, task: int) -> int:
    return state + task


def crash_at_5(state: int, task: int) -> int:
    if task == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return state + task


def hang_at_5(state: int, task: int) -> int:
    if task == 5:
        time.sleep(600)
    return state + task


def process_id(_: int, __: int) -> int:
    return os.getpid()


@pytest.mark.parametrize("chunk", [1, 3])
def test_results_come_in_the_order_of_the_tasks(chunk: int) -> None:
    with ProcessPool(partial(first_state, 100), add, processes=2) as pool:
        assert list(pool.map(range(20), chunk=chunk)) == list(range(100, 120))


@pytest.mark.parametrize("chunk", [1, 4])
def test_a_task_that_crashes_its_process_costs_itself_only(chunk: int) -> None:
    with ProcessPool(partial(first_state, 0), crash_at_5, processes=2) as pool:
        results = list(pool.map(range(10), chunk=chunk))
    assert results == [0, 1, 2, 3, 4, LostTask("its process crashed"), 6, 7, 8, 9]


def test_a_task_that_hangs_costs_itself_only() -> None:
    with ProcessPool(partial(first_state, 0), hang_at_5, processes=2, seconds=2) as pool:
        results = list(pool.map(range(10)))
    assert results == [0, 1, 2, 3, 4, LostTask("it took longer than 2 seconds"), 6, 7, 8, 9]


def test_tasks_are_taken_a_few_at_a_time() -> None:
    taken = iter(range(1_000_000))
    with ProcessPool(partial(first_state, 0), add, processes=1) as pool:
        results = pool.map(taken)
        assert [next(results) for _ in range(3)] == [0, 1, 2]
    assert next(taken) < 20


def test_an_error_of_the_setup_is_raised_in_the_parent() -> None:
    with ProcessPool(refuse, add, processes=1) as pool, pytest.raises(UsageError, match=r"There is no such state\."):
        list(pool.map([1]))


def test_processes_are_used_again() -> None:
    with ProcessPool(partial(first_state, 0), process_id, processes=1) as pool:
        assert len(set(pool.map(range(5)))) == 1


def test_a_script_needs_no_guard_and_its_processes_die_with_it(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, time\n"
        "print('imported', flush=True)\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from functools import partial\n"
        "import test_parallel as here\n"
        "from mnistry.runtime.parallel import ProcessPool\n"
        "pool = ProcessPool(partial(here.first_state, 0), here.process_id, processes=1)\n"
        "print(*pool.map([1]), flush=True)\n"
        "list(ProcessPool(partial(here.first_state, 0), here.hang_at_5, processes=1).map([5]))\n"
    )
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "imported\n"
        child = int(parent.stdout.readline())
        os.kill(child, 0)  # it lives
        parent.kill()
    while is_alive(child):  # until the time for a test has passed
        time.sleep(0.05)


def is_alive(process: int) -> bool:
    """Tell whether a process runs; a zombie does not."""
    stat = Path(f"/proc/{process}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def test_cores_are_those_that_this_process_may_use() -> None:
    program = (
        "import os; os.sched_setaffinity(0, {0}); from mnistry.runtime.parallel import count_cpus; print(count_cpus())"
    )
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("this system does not bind processes to cores")
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert int(printed) == 1 <= count_cpus()
