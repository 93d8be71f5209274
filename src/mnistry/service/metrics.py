"""What the service counts, and its form for Prometheus (text exposition format 0.0.4)."""

from __future__ import annotations

import bisect
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds


@dataclass
class Histogram:
    """Durations in classes.

    Attributes:
        counts: of those up to each bound, and of longer ones.
        total: seconds of all.
    """

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    total: float = 0.0

    def add(self, seconds: float) -> None:
        """Counts one."""
        self.counts[bisect.bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds


class Metrics:
    """The counters of a service since its start.

    Attributes:
        in_flight: requests that are being answered.
    """

    def __init__(self) -> None:
        self.in_flight = 0
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._seconds: defaultdict[str, Histogram] = defaultdict(Histogram)
        self._pictures: Counter[str] = Counter(read=0, unreadable=0)
        self._digits = self._images = 0

    def request(self, path: str, method: str, status: int, seconds: float) -> None:
        """Counts an answered request; `path` and `method` are from a closed list, whatever clients ask for."""
        self._requests[path, method, status] += 1
        self._seconds[path].add(seconds)

    def picture(self, digits: int | None) -> None:
        """Counts a picture with its digits; None if it could not be read."""
        self._pictures["unreadable" if digits is None else "read"] += 1
        self._digits += digits or 0

    def images(self, n: int) -> None:
        """Counts images that were answered for."""
        self._images += n

    def text(self, gauges: Mapping[str, tuple[str, float]]) -> str:
        """All of it, and gauges by name with their meaning and value."""
        return "\n".join([*self._lines(gauges), ""])

    def _lines(self, gauges: Mapping[str, tuple[str, float]]) -> Iterator[str]:
        yield from _head("mnistry_requests_total", "counter", "Answered requests.")
        for (path, method, status), count in sorted(self._requests.items()):
            yield f'mnistry_requests_total{{path="{path}",method="{method}",status="{status}"}} {count}'
        yield from _head("mnistry_errors_total", "counter", "Requests answered with a status of 400 or more.")
        yield f"mnistry_errors_total {sum(n for (_, _, status), n in self._requests.items() if status >= 400)}"
        yield from _head("mnistry_request_seconds", "histogram", "From a request's head to the end of its answer.")
        for path, histogram in sorted(self._seconds.items()):
            yield from _histogram(path, histogram)
        yield from _head("mnistry_pictures_total", "counter", "Pictures, read and unreadable.")
        for outcome, count in sorted(self._pictures.items()):
            yield f'mnistry_pictures_total{{outcome="{outcome}"}} {count}'
        yield from _head("mnistry_digits_total", "counter", "Digits found in pictures.")
        yield f"mnistry_digits_total {self._digits}"
        yield from _head("mnistry_images_total", "counter", "Images of batches that were answered for.")
        yield f"mnistry_images_total {self._images}"
        yield from _head("mnistry_in_flight", "gauge", "Requests that are being answered.")
        yield f"mnistry_in_flight {self.in_flight}"
        for name, (meaning, value) in gauges.items():
            yield from _head(name, "gauge", meaning)
            yield f"{name} {value:g}"


def _head(name: str, kind: str, meaning: str) -> Iterator[str]:
    yield f"# HELP {name} {meaning}"
    yield f"# TYPE {name} {kind}"


def _histogram(path: str, histogram: Histogram) -> Iterator[str]:
    below = 0
    for bound, count in zip((*(f"{bound:g}" for bound in BOUNDS), "+Inf"), histogram.counts, strict=True):
        below += count
        yield f'mnistry_request_seconds_bucket{{path="{path}",le="{bound}"}} {below}'
    yield f'mnistry_request_seconds_sum{{path="{path}"}} {histogram.total:.6f}'
    yield f'mnistry_request_seconds_count{{path="{path}"}} {below}'
