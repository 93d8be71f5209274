"""The counters of the service, in Prometheus's text format."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds


class Metrics:
    """Counters since the start of the server."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call] # prometheus_client's own
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "mnistry_requests", "Answered requests.", ("path", "method", "status"), registry=registry
        )
        self._errors = Counter("mnistry_errors", "Requests answered with a status of 400 or more.", registry=registry)
        self._seconds = Histogram(
            "mnistry_request_seconds", "From a request's head to the end of its answer.", ("path",),
            buckets=BUCKETS, registry=registry,
        )  # fmt: skip
        self._pictures = Counter("mnistry_pictures", "Pictures, read and unreadable.", ("outcome",), registry=registry)
        self._digits = Counter("mnistry_digits", "Digits found in pictures.", registry=registry)
        self._images = Counter("mnistry_images", "Images of batches that were classified.", registry=registry)
        self.in_flight = Gauge("mnistry_in_flight", "Requests that are being answered.", registry=registry)
        for outcome in ("read", "unreadable"):
            self._pictures.labels(outcome)

    def gauge(self, name: str, meaning: str, value: Callable[[], float]) -> None:
        """Add a gauge, whose value is asked for each time."""
        Gauge(name, meaning, registry=self._registry).set_function(value)

    def request(self, path: str, method: str, status: int, seconds: float) -> None:
        """Count an answered request. `path` and `method` come from a closed list, whatever clients ask for."""
        self._requests.labels(path, method, status).inc()
        self._seconds.labels(path).observe(seconds)
        if status >= 400:
            self._errors.inc()

    def picture(self, digits: int | None) -> None:
        """Count a picture with its number of digits; None if it could not be read."""
        self._pictures.labels("unreadable" if digits is None else "read").inc()
        self._digits.inc(digits or 0)

    def images(self, n: int) -> None:
        """Count images of a batch."""
        self._images.inc(n)

    def text(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        return generate_latest(self._registry)
