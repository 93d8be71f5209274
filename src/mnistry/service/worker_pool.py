"""The reading processes, and the queue before them: bounded in length and in time, and fair to the clients.

Four rules keep a few costly pictures from holding up everybody:

* Pictures that probably take long hold half of the processes at most while quick ones come (`slow_lane`).
* The next picture is one of the client that has used the processes least.
* A picture that takes long while others wait goes on at low priority, and another process takes its place.
* When the queue is full, the client that fills it most gives up its last place.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from mnistry.errors import ModelError
from mnistry.runtime.parallel import count_cpus
from mnistry.service import messages
from mnistry.service.error_output import ErrorOutput
from mnistry.service.messages import Frame
from mnistry.service.problem_details import CLIENT_GONE, RETRY_AFTER, Problem
from mnistry.service.slow_lane import SlowLane

T = TypeVar("T")

START_SECONDS = 60.0
BUFFER = 1 << 20  # bytes of an answer that are taken out of the pipe at a time
PAUSE_SECONDS = 5.0  # before a process that could not be started is started again
LOW_PRIORITY = 10  # nice value: about a tenth of the time that a process of usual priority gets beside it
SLOW = "The picture took longer than {seconds:g} seconds to read. Reduce it, or try again later."
FULL = "More pictures are waiting than can be read soon. Send it again in a moment."
SET_ASIDE = "The picture took long while many others waited. Reduce it, or try again later."
STOPPED = (
    "The process that read the picture ended while it did. Send it again; if that happens twice, it is the picture."
)


@dataclass(frozen=True)
class Limits:
    """Limits of the work.

    Attributes:
        workers: processes that read; one a core by default. As many more may finish long pictures at low priority.
        waiting: jobs that may wait for a process.
        seconds: seconds that a picture may take, and that a job may wait.
        patience: seconds after which a picture has to make room while others wait.
    """

    workers: int = field(default_factory=count_cpus)
    waiting: int = 64
    seconds: float = 10.0
    patience: float = 0.7


@dataclass(eq=False)
class _Waiting:
    """A job that waits for a process."""

    client: str
    place: asyncio.Future[_Worker]
    costly: bool = False
    since: float = 0.0


class Pool:
    """Reading processes, started again when they end or have to be ended.

    Attributes:
        limits: limits of the work.
        model: metadata of the model; None until a process has loaded it.
        path: of the model file; None is the built-in model.
        restarts: processes that were started again since the start.
    """

    def __init__(self, model: str | None, limits: Limits, report: Callable[[str], None]) -> None:
        self.limits, self.path, self.restarts = limits, model, 0
        self.model: Mapping[str, Any] | None = None
        self._report = report
        self._idle: list[_Worker] = []
        self._busy: dict[_Worker, str] = {}  # and the client that each works for
        self._aside: list[_Worker] = []  # those that finish a long picture at low priority, and then end
        self._waiting: list[_Waiting] = []
        self._used: defaultdict[str, float] = defaultdict(float)  # seconds of processes that each client has used
        self._lane = SlowLane(limits.workers)
        self._floor = 0.0  # seconds that the last served client had used: newcomers begin there
        self._tasks: set[asyncio.Task[None]] = set()
        self._alive: set[_Worker] = set()

    @property
    def alive(self) -> int:
        """Number of processes that can read."""
        return len(self._alive)

    @property
    def ready(self) -> bool:
        """The model is loaded: some process can read."""
        return bool(self._alive)

    @property
    def waiting(self) -> int:
        """Number of jobs that wait."""
        return len(self._waiting)

    def check(self, client: str) -> None:
        """Raise a Problem if a job of this client would be refused now."""
        if not self._idle:
            self._check_queue(client)

    def _check_queue(self, client: str) -> None:
        if len(self._waiting) >= self.limits.waiting and self._to_push_out(client) is None:
            raise Problem(503, FULL, RETRY_AFTER)

    async def start(self) -> None:
        """Start all processes and wait until they have loaded the model.

        Raises:
            ModelError: the model cannot be loaded.
        """
        await _all_of(self._start_one() for _ in range(self.limits.workers))

    async def do(
        self, job: Frame, client: str, still_wanted: Callable[[], Awaitable[bool]], connection: str = ""
    ) -> Frame:
        """Have a job for `worker.answer` done by a process.

        Args:
            job: the job.
            client: address of the client, for a fair share.
            still_wanted: asked when a process is there, if the job had to wait for one.
            connection: its client's connection, whose jobs before tell how long this one will take.

        Raises:
            Problem: the queue is full, the job took too long, its process ended, or its client has gone.
        """
        loop = asyncio.get_running_loop()
        costly = self._lane.is_costly(connection, len(job.body))
        if not costly:
            self._lane.quick_came(loop.time())
        worker = await self._worker(client, still_wanted, costly)
        self._busy[worker], worker.since = client, loop.time()
        patience = loop.call_later(self.limits.patience, self._make_room)
        try:
            async with asyncio.timeout(self.limits.seconds):
                answer = await worker.ask(job)
        except BaseException as error:
            worker.kill()  # whatever it is doing
            if isinstance(error, TimeoutError):
                raise Problem(503, SLOW.format(seconds=self.limits.seconds), RETRY_AFTER) from None
            if isinstance(error, OSError | EOFError):
                raise Problem(503, SET_ASIDE if worker.pushed_out else STOPPED, RETRY_AFTER) from None
            raise
        finally:
            patience.cancel()
            self._busy.pop(worker, None)
            self._used[client] += loop.time() - worker.since
            self._lane.took(connection, loop.time() - worker.since)
            self._lane.leave(costly)
        if worker in self._aside:
            worker.kill()  # its place is taken, and its priority cannot be raised again
        else:
            self._give(worker)
        return answer

    async def use(self, model: str) -> None:
        """Answer with another model file from now on. Jobs in progress end with the old one.

        Raises:
            ModelError: the model cannot be loaded; the old one stays.
        """
        started = [asyncio.create_task(_Worker.start(model, self._report)) for _ in range(self.limits.workers)]
        try:
            workers = await _all_of(started)
        except BaseException:
            done = [each.result() for each in started if not each.cancelled() and each.exception() is None]
            await asyncio.gather(*(each.end() for each in done))
            raise
        self.path, self.model = model, workers[0].model
        self._aside += [each for each in self._busy if each not in self._aside]
        for old in self._idle:
            old.push_out()
        self._idle.clear()
        for worker in workers:
            self._add(worker)

    async def close(self) -> None:
        """End all processes, and what waits for them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(worker.end() for worker in self._alive))

    async def _worker(self, client: str, still_wanted: Callable[[], Awaitable[bool]], costly: bool) -> _Worker:
        now = asyncio.get_running_loop().time()
        if self._idle and (not costly or self._lane.is_open(now)):
            self._lane.enter(costly)
            return self._idle.pop()
        self._check_queue(client)
        if len(self._waiting) >= self.limits.waiting and (last := self._to_push_out(client)) is not None:
            self._waiting.remove(last)
            last.place.set_exception(Problem(503, FULL, RETRY_AFTER))
        self._used[client] = max(self._used[client], self._floor)
        waiting = _Waiting(client, asyncio.get_running_loop().create_future(), costly, now)
        self._waiting.append(waiting)
        self._look_later()
        try:
            async with asyncio.timeout(self.limits.seconds):
                worker = await waiting.place
        except (TimeoutError, asyncio.CancelledError) as error:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
            place = waiting.place
            if place.done() and not place.cancelled() and place.exception() is None:  # given at the same moment
                self._lane.leave(costly)
                self._give(place.result())
            if isinstance(error, TimeoutError):
                raise Problem(503, FULL, RETRY_AFTER) from None
            raise
        if not await still_wanted():
            self._lane.leave(costly)
            self._give(worker)
            raise Problem(CLIENT_GONE, "The client has gone.")
        return worker

    def _to_push_out(self, client: str) -> _Waiting | None:
        """The waiting job that makes room for one of this client: the last of whoever fills the queue most."""
        counts = Counter(each.client for each in self._waiting)
        if not counts:
            return None
        biggest, most = counts.most_common(1)[0]
        if most <= counts[client] + 1:
            return None
        return next(each for each in reversed(self._waiting) if each.client == biggest)

    def _give(self, worker: _Worker) -> None:
        """Give a free process to the job that is next: one of the client that has used the processes least."""
        now = asyncio.get_running_loop().time()
        running: defaultdict[str, float] = defaultdict(float)
        for busy, client in self._busy.items():
            running[client] += now - busy.since
        while allowed := self._take_allowed(now):
            following = min(allowed, key=lambda each: self._used[each.client] + running[each.client])
            self._waiting.remove(following)
            if not following.place.done():
                self._floor = self._used[following.client]
                self._lane.enter(following.costly)
                following.place.set_result(worker)
                return
        if not self._waiting:
            self._used.clear()
            self._floor = 0.0
        self._idle.append(worker)

    def _take_allowed(self, now: float) -> list[_Waiting]:
        """The waiting jobs that may begin now."""
        return self._waiting if self._lane.is_open(now) else [each for each in self._waiting if not each.costly]

    def _look_later(self) -> None:  # whether those that wait now can begin, or somebody has to make room for them
        asyncio.get_running_loop().call_later(self.limits.patience / 2, self._look)

    def _look(self) -> None:
        while self._idle and self._take_allowed(asyncio.get_running_loop().time()):
            self._give(self._idle.pop())
        self._make_room()
        if self._waiting and self._idle:  # costly jobs, until no quick ones come
            self._look_later()

    def _make_room(self) -> None:
        """Set aside the processes that have been at a picture for long while others wait, and start others."""
        now = asyncio.get_running_loop().time()
        patience = self.limits.patience - 0.01  # a timer may come a little early
        if not any(now - each.since >= patience / 2 for each in self._take_allowed(now)):
            return
        for worker in [each for each in self._busy if each not in self._aside and now - each.since >= patience]:
            if len(self._aside) >= self.limits.workers:
                self._aside.pop(0).push_out()
            worker.lower_priority()
            self._aside.append(worker)
            self._in_background(self._start_again())

    async def _start_one(self) -> None:
        worker = await _Worker.start(self.path, self._report)
        if self.model not in (None, worker.model):
            await worker.end()
            raise ModelError("The model file was replaced while the server ran. Start the server again to use it.")
        self.model = worker.model
        self._add(worker)

    def _add(self, worker: _Worker) -> None:
        self._alive.add(worker)
        self._give(worker)
        self._in_background(self._watch(worker))

    async def _watch(self, worker: _Worker) -> None:
        """Start another process when this one ends, unless one has taken its place already."""
        await worker.ended()
        self._alive.discard(worker)
        if worker in self._idle:
            self._idle.remove(worker)
        if worker in self._aside:
            self._aside.remove(worker)
        elif not worker.pushed_out:
            await self._start_again()

    async def _start_again(self) -> None:
        self.restarts += 1
        while True:
            try:
                await self._start_one()
            except (ModelError, OSError) as error:  # OSError: there is no memory for a process now
                self._report(f"a reading process cannot be started again: {error}")
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                return

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _all_of(works: Iterable[Awaitable[T]]) -> list[T]:
    """Wait until all have ended, then raise the first error: none goes on unwatched."""
    results = await asyncio.gather(*works, return_exceptions=True)
    for each in results:
        if isinstance(each, BaseException):
            raise each
    return [each for each in results if not isinstance(each, BaseException)]


class _Worker:
    """One reading process.

    Attributes:
        model: metadata of its model.
        since: when it began its job, by the event loop's clock.
        pushed_out: it was ended because others waited.
    """

    def __init__(self, process: asyncio.subprocess.Process, model: Mapping[str, Any], errors: ErrorOutput) -> None:
        self._process, self.model, self._errors = process, model, errors
        self.since = 0.0
        self.pushed_out = False

    @classmethod
    async def start(cls, model: str | None, report: Callable[[str], None]) -> _Worker:
        command = [sys.executable, "-m", "mnistry.service.worker", *([] if model is None else [model])]
        pipe = asyncio.subprocess.PIPE  # the session is its own, as Ctrl-C in a terminal is for the server alone
        process = await asyncio.create_subprocess_exec(
            *command, stdin=pipe, stdout=pipe, stderr=pipe, limit=BUFFER, start_new_session=True
        )
        assert process.stdout is not None  # noqa: S101 - for the type checker
        assert process.stderr is not None  # noqa: S101 - for the type checker
        errors = ErrorOutput(process.stderr, report)
        try:
            async with asyncio.timeout(START_SECONDS):
                hello = (await messages.receive(process.stdout)).head
        except BaseException as error:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            await errors.end()
            if isinstance(error, TimeoutError | EOFError):
                last = errors.last or "It wrote no error."
                raise ModelError(f"A reading process ended before it had loaded the model. {last}") from None
            raise
        if "error" in hello:
            await process.wait()
            await errors.end()
            raise ModelError(hello["error"])
        return cls(process, hello["model"], errors)

    async def ask(self, job: Frame) -> Frame:
        """Hand over a job and wait for the answer; raise OSError or EOFError if the process ends."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None  # noqa: S101 - for the type checker
        assert stdout is not None  # noqa: S101 - for the type checker
        self._errors.begin()
        stdin.write(job.pack())
        await stdin.drain()
        return await messages.receive(stdout)

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    def push_out(self) -> None:
        """End it, because others wait."""
        self.pushed_out = True
        self.kill()

    def lower_priority(self) -> None:
        if hasattr(os, "setpriority"):
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, self._process.pid, LOW_PRIORITY)

    async def ended(self) -> None:
        await self._process.wait()

    async def end(self) -> None:
        """End its input, give it a moment to end, and then kill it."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), 2)
        except TimeoutError:
            self.kill()
            await self._process.wait()
