"""A pool of worker processes. A task that crashes or takes too long is lost; all others are done."""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Generic, Self, TypeVar

if TYPE_CHECKING:
    from pebble import ProcessFuture

AHEAD = 4  # chunks per process that wait in the queue, so that no process idles and no task is taken much too early

State = TypeVar("State")
Task = TypeVar("Task")
Result = TypeVar("Result")


def count_cpus() -> int:
    """The number of cores that this process may use; at least 1."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class LostTask:
    """A task without a result; the reason is the end of a sentence, such as "its process crashed"."""

    reason: str


class ProcessPool(Generic[State, Task, Result]):
    """Worker processes, each of which makes a state once and then works on tasks with it.

    A script that uses it needs no guard around its main part: the processes never import it. They end with the process
    that started them, also when that is killed.
    """

    def __init__(
        self,
        setup: Callable[[], State],
        work: Callable[[State, Task], Result],
        *,
        processes: int | None = None,
        seconds: float | None = None,
    ) -> None:
        """Prepare the pool; processes start with the first task.

        Args:
            setup: makes the state of a process. Like `work`, it must be picklable: a function of a module, or a
                `functools.partial` of one.
            work: gives the result of a task.
            processes: how many; None means one for each core.
            seconds: the time that a task may take before its process is ended; None means any.
        """
        import pebble

        from mnistry.runtime import child_process

        self._processes = processes or count_cpus()
        self._seconds = seconds
        self._work = work
        self._run = child_process.run
        self._pool = pebble.ProcessPool(
            self._processes, initializer=child_process.start, initargs=(setup,), context=child_process.Context()
        )

    def __enter__(self) -> Self:
        """Give the pool; it is closed at the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the processes, whatever they are at."""
        self.close()

    def close(self) -> None:
        """End the processes, whatever they are at."""
        self._pool.stop()  # type: ignore[no-untyped-call] # pebble leaves it without types
        self._pool.join()

    def map(self, tasks: Iterable[Task], *, chunk: int = 1) -> Iterator[Result | LostTask]:
        """Give the result of each task, in their order.

        Tasks are taken from the iterable a few at a time, so it may be long or endless. Exceptions that `setup` or
        `work` raise are raised here.

        Args:
            tasks: picklable objects.
            chunk: tasks that a process is handed at a time; more than one where they take less than a millisecond.
        """
        source = iter(tasks)
        pending: deque[tuple[Sequence[Task], ProcessFuture[list[Result]]]] = deque()
        while part := list(itertools.islice(source, chunk)):
            pending.append((part, self._submit(part)))
            if len(pending) > AHEAD * self._processes:
                yield from self._results(*pending.popleft())
        while pending:
            yield from self._results(*pending.popleft())

    def _submit(self, part: Sequence[Task]) -> ProcessFuture[list[Result]]:
        limit = None if self._seconds is None else self._seconds * len(part)
        return self._pool.schedule(self._run, args=(self._work, part), timeout=limit)

    def _results(self, part: Sequence[Task], future: ProcessFuture[list[Result]]) -> Iterator[Result | LostTask]:
        """The results of a chunk; where it is lost, its tasks are done one by one, so that the others are not."""
        from pebble import ProcessExpired

        try:
            yield from future.result()
            return
        except ProcessExpired:
            reason = "its process crashed"
        except TimeoutError:
            reason = f"it took longer than {self._seconds:g} seconds"
        if len(part) == 1:
            yield LostTask(reason)
            return
        for task in part:
            yield from self._results([task], self._submit([task]))
