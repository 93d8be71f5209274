"""How long each part of a run takes."""

from __future__ import annotations

import time


class Stopwatch:
    """Adds up how long each part takes, in `seconds`."""

    def __init__(self, started: float | None = None) -> None:
        """Starts now, or at a `time.perf_counter()` gone by: what lies between went into imports."""
        self._began = self._last = time.perf_counter() if started is None else started
        self.seconds: dict[str, float] = {}
        if started is not None:
            self.lap("import")

    def lap(self, name: str) -> None:
        """Books the time since the last lap under a name."""
        now = time.perf_counter()
        self.seconds[name], self._last = now - self._last, now

    def finish(self) -> None:
        """Books the whole time as the total."""
        self.seconds["total"] = time.perf_counter() - self._began
