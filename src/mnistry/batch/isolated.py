"""Pictures read in a process beside, so that one that brings its reader down costs itself and nothing else."""

from __future__ import annotations

import io
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

from mnistry.ocr import read_many
from mnistry.ocr.read_many import ReadResult
from mnistry.ocr.recognizer import Recognizer

_of_this_process: list[Recognizer] = []


class NamedPicture(io.BytesIO):
    """The content of a picture's file.

    Attributes:
        name: what errors call it.
    """

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__(content)
        self.name = name


class IsolatedReader:
    """Reads pictures one at a time in a process of its own, and starts another when that has died."""

    def __init__(self, model: bytes) -> None:
        """Takes the content of a model file; the process is started when there is something to read."""
        self._model = model
        self._pool: ProcessPoolExecutor | None = None

    def outcome(self, name: str, content: bytes, *, single: bool) -> ReadResult:
        """What comes of a picture; where its reader dies of it, an error that says so."""
        if self._pool is None:
            self._pool = ProcessPoolExecutor(1, get_context("spawn"), initializer=_start, initargs=(self._model,))
        try:
            return self._pool.submit(read, name, content, single=single).result()
        except BrokenProcessPool:
            self._pool.shutdown()
            self._pool = None
            return ReadResult(name, None, f"{name} cannot be read: the process that tried has died of it.")


def _start(model: bytes) -> None:
    _of_this_process.append(Recognizer.from_bytes(model, threads=1))


def read(name: str, content: bytes, *, single: bool) -> ReadResult:
    """What comes of a picture, in the process that reads."""
    return read_many.outcome(_of_this_process[0], (name, NamedPicture(content, name)), single=single)
