"""The share of the processes that costly pictures may hold while quick ones come.

A picture cannot be interrupted without ending its process, so a client that sends two slow ones would hold two
processes. A job is taken for costly if its body is large, or if the jobs of its connection took long before.
"""

from __future__ import annotations

from collections import OrderedDict

LARGE_BODY = 65_536  # bytes: a drawing of the page has less than 10,000, a photo more than 100,000
COSTLY_SECONDS = 0.2  # mean time of a connection's jobs; a drawing takes 5 ms
WEIGHT = 0.5  # of the last job in that mean
QUICK_SECONDS = 1.0  # after the last quick job that no more are expected
MOST_CONNECTIONS = 4096  # whose times are remembered


class SlowLane:
    """The places for costly jobs: half of the processes, one at least, and all of them where no quick job comes."""

    def __init__(self, workers: int) -> None:
        self._places = max(1, workers // 2)
        self._taken = 0
        self._seconds: OrderedDict[str, float] = OrderedDict()  # mean time of each connection's jobs
        self._last_quick = float("-inf")

    def is_costly(self, connection: str, size: int) -> bool:
        """Tell whether a job will probably take long, by the bytes of its body and by the ones before it."""
        return size >= LARGE_BODY or self._seconds.get(connection, 0.0) >= COSTLY_SECONDS

    def quick_came(self, now: float) -> None:
        """Remember that a quick job came."""
        self._last_quick = now

    def is_open(self, now: float) -> bool:
        """Tell whether another costly job may begin."""
        return self._taken < self._places or now - self._last_quick > QUICK_SECONDS

    def enter(self, costly: bool) -> None:
        """Count a job that begins, if it is costly."""
        self._taken += costly

    def leave(self, costly: bool) -> None:
        """Count a job that has ended, if it was costly."""
        self._taken -= costly

    def took(self, connection: str, seconds: float) -> None:
        """Remember the time of a connection's job."""
        before = self._seconds.pop(connection, seconds)
        self._seconds[connection] = WEIGHT * seconds + (1 - WEIGHT) * before
        if len(self._seconds) > MOST_CONNECTIONS:
            self._seconds.popitem(last=False)
