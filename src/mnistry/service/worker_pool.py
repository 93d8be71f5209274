"""Processes that read pictures, and the queue before them: bounded in length, in bytes and in time."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

from mnistry.errors import ModelError
from mnistry.runtime.parallel import cpu_count
from mnistry.service import messages
from mnistry.service.messages import Frame
from mnistry.service.problem_details import CLIENT_GONE, RETRY_AFTER, Problem

START_SECONDS = 60.0
BUFFER = 1 << 20  # bytes of an answer that are taken out of the pipe at a time
PAUSE_SECONDS = 5.0  # before a process that could not be started is started again
SLOW = "The picture took longer than {seconds:g} seconds to read. Reduce it, or try again later."
FULL = "More pictures are waiting than can be read soon. Send it again in a moment."
STOPPED = (
    "The process that read the picture ended while it did. Send it again; if that happens twice, it is the picture."
)


@dataclass(frozen=True)
class Limits:
    """How much work is taken on.

    Attributes:
        workers: processes that read; one for each core unless said otherwise.
        waiting: jobs that may wait for one.
        seconds: that a picture may take.
    """

    workers: int = field(default_factory=cpu_count)
    waiting: int = 64
    seconds: float = 10.0


class Pool:
    """Reading processes, started again when they end or have to be ended.

    Attributes:
        limits: how much work is taken on.
        model: what the model says of itself; None until a process has loaded it.
        restarts: how often a process has been started again.
    """

    def __init__(self, model: str | None, limits: Limits) -> None:
        self.limits, self.restarts = limits, 0
        self.model: Mapping[str, Any] | None = None
        self._path = model
        self._idle: list[_Worker] = []
        self._waiting: deque[asyncio.Future[_Worker]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._alive: set[_Worker] = set()

    @property
    def alive(self) -> int:
        """How many processes can read."""
        return len(self._alive)

    @property
    def ready(self) -> bool:
        """Whether the model is loaded: some process can read."""
        return bool(self._alive)

    @property
    def waiting(self) -> int:
        """How many jobs wait."""
        return len(self._waiting)

    @property
    def full(self) -> bool:
        """Whether one more job would be refused."""
        return not self._idle and len(self._waiting) >= self.limits.waiting

    @staticmethod
    def refusal() -> Problem:
        """What a job is told while the queue is full."""
        return Problem(503, FULL, RETRY_AFTER)

    async def start(self) -> None:
        """Starts all processes and waits until they have loaded the model.

        Raises:
            ModelError: it cannot be loaded.
        """
        await asyncio.gather(*(self._start_one() for _ in range(self.limits.workers)))

    async def do(self, job: Frame, still_wanted: Callable[[], Awaitable[bool]]) -> Frame:
        """Has a job done.

        Args:
            job: for `worker.answered`.
            still_wanted: asked when a process is there, if the job had to wait for one.

        Raises:
            Problem: the queue is full, it took too long, or its process ended; or nobody wants it any more.
        """
        worker = await self._worker(still_wanted)
        try:
            async with asyncio.timeout(self.limits.seconds):
                answer = await worker.ask(job)
        except BaseException as error:
            worker.kill()  # whatever it is at
            if isinstance(error, TimeoutError):
                raise Problem(503, SLOW.format(seconds=self.limits.seconds), RETRY_AFTER) from None
            if isinstance(error, OSError | EOFError):
                raise Problem(503, STOPPED, RETRY_AFTER) from None
            raise
        self._give(worker)
        return answer

    async def close(self) -> None:
        """Ends all processes, and what waits for them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*(worker.end() for worker in self._alive))

    async def _worker(self, still_wanted: Callable[[], Awaitable[bool]]) -> _Worker:
        if self._idle:
            return self._idle.pop()
        if self.full:
            raise self.refusal()
        place: asyncio.Future[_Worker] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            async with asyncio.timeout(self.limits.seconds):
                worker = await place
        except (TimeoutError, asyncio.CancelledError) as error:
            if place in self._waiting:
                self._waiting.remove(place)
            if place.done() and not place.cancelled():  # it was handed a process at the same moment
                self._give(place.result())
            if isinstance(error, TimeoutError):
                raise self.refusal() from None
            raise
        if not await still_wanted():
            self._give(worker)
            raise Problem(CLIENT_GONE, "Nobody waits for the answer any more.")
        return worker

    def _give(self, worker: _Worker) -> None:
        """Hands a free process to the job that has waited longest."""
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(worker)
                return
        self._idle.append(worker)

    async def _start_one(self) -> None:
        worker = await _Worker.start(self._path)
        if self.model not in (None, worker.model):
            worker.kill()
            raise ModelError("The model file was replaced while the server ran. Start the server again to use it.")
        self.model = worker.model
        self._alive.add(worker)
        self._give(worker)
        self._in_background(self._watch(worker))

    async def _watch(self, worker: _Worker) -> None:
        """Starts another process when this one ends, whether it was ended or ended by itself, at work or idle."""
        await worker.ended()
        self._alive.discard(worker)
        if worker in self._idle:
            self._idle.remove(worker)
        self.restarts += 1
        while True:
            try:
                await self._start_one()
            except (ModelError, OSError) as error:  # OSError: there is no memory for a process now
                print(f"mnistry: a reading process cannot be started again: {error}", file=sys.stderr)
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                return

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Worker:
    """One reading process."""

    def __init__(self, process: asyncio.subprocess.Process, model: Mapping[str, Any]) -> None:
        self._process, self.model = process, model

    @classmethod
    async def start(cls, model: str | None) -> _Worker:
        command = [sys.executable, "-m", "mnistry.service.worker", *([] if model is None else [model])]
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=pipe,
            stdout=pipe,
            limit=BUFFER,
            start_new_session=True,  # Ctrl-C in a terminal is for the server alone
        )
        assert process.stdout is not None  # noqa: S101 - for the type checker
        try:
            async with asyncio.timeout(START_SECONDS):
                hello = (await messages.receive(process.stdout)).head
        except BaseException as error:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            if isinstance(error, TimeoutError | EOFError):
                raise ModelError(
                    "A reading process ended before it had loaded the model. See above for its error."
                ) from None
            raise
        if "error" in hello:
            await process.wait()
            raise ModelError(hello["error"])
        return cls(process, hello["model"])

    async def ask(self, job: Frame) -> Frame:
        """Hands over a job and waits for the answer; raises OSError or EOFError if the process ends."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None  # noqa: S101 - for the type checker
        assert stdout is not None  # noqa: S101 - for the type checker
        stdin.write(job.pack())
        await stdin.drain()
        return await messages.receive(stdout)

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def ended(self) -> None:
        """Waits until the process has ended."""
        await self._process.wait()

    async def end(self) -> None:
        """Ends its input, waits a moment for it to end, and then no longer."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), 2)
        except TimeoutError:
            self.kill()
            await self._process.wait()
