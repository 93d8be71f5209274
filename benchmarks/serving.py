"""`mnistry serve` under load: how soon it is there, how quick and how much it is, and what it bears and loses.

    python benchmarks/serving.py [PART...]

The load comes from this machine, over sockets of its own, in a process beside the server's. Each part is kept in
`results/serving.json` as it is finished, with the machine's load just before; all parts are run if none is named.
"""

from __future__ import annotations

import io
import json
import os
import random
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mnistry.runtime import files, provenance

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from helpers.browsing import launched, write
from helpers.running import Running, running, serve, written
from helpers.writing import Page

RESULT = Path(__file__).parent / "results" / "serving.json"
STARTS, ONES, STOPS, FUZZED, SHOWN = 10, 1000, 20, 10_000, 10
SCHEMA_CASES = 2_000
KINDS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM")


def main(parts: Sequence[str]) -> None:
    """Write `results/serving.json`."""
    content = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {}
    for name in parts or PARTS:
        load = os.getloadavg()[0]
        found = PARTS[name]()
        print(name, found, flush=True)
        content[name] = {**found, "load_before": round(load, 2)}
        content["environment"] = provenance.describe_environment()
        files.write_json(RESULT, content)
    print(table(content))


def table(content: Mapping[str, Any]) -> str:
    """The results as a Markdown table."""
    start, one, eight, many = (content[name] for name in ("start", "one", "eight", "sixty_four"))
    fuzz, schema, stop, page = (content[name] for name in ("fuzz", "schema", "stop", "page"))
    rows = [
        ("start to ready", f"{start['median']:.2f} s ({start['low']:.2f}–{start['high']:.2f} s)"),
        ("drawing of 280×280, 1 client: p50 / p99", f"{one['p50']:.1f} ms / {one['p99']:.1f} ms"),
        (f"8 clients, {eight['seconds']:.0f} s", f"{eight['rate']:.0f} pictures/s; {_statuses(eight)}"),
        (
            "memory after the first tenth of them, at their end",
            f"{eight['mb_first']:.0f} MB, {eight['mb_last']:.0f} MB",
        ),
        ("`/healthz` meanwhile: p50 / p99", f"{eight['health_p50']:.1f} ms / {eight['health_p99']:.1f} ms"),
        (f"64 clients, {many['seconds']:.0f} s", f"{many['rate']:.0f} pictures/s; {_statuses(many)}"),
        ("first answer after them", f"{many['recovered_ms']:.0f} ms"),
        (
            f"{fuzz['bodies']:,} fuzzed bodies",
            f"{_statuses(fuzz)}; {fuzz['mb_first']:.0f} MB, {fuzz['mb_last']:.0f} MB",
        ),
        (
            f"schemathesis, {schema['cases']:,} cases",
            f"{schema['failures']} failures, {schema['server_errors']} of 500",
        ),
        (f"SIGTERM under load, {stop['times']} times", f"{stop['answered']:,} answered, {stop['lost']} lost"),
        ("page: first picture on screen", f"{page['paint']:.0f} ms"),
        ("page: answer after a stroke", f"{page['answer']:.0f} ms"),
    ]
    return "\n".join(["| what | figure |", "|---|---|", *(f"| {what} | {figure} |" for what, figure in rows)])


def _statuses(found: Mapping[str, Any]) -> str:
    return ", ".join(f"{count:,} × {status}" for status, count in sorted(found["statuses"].items()))


# Requests


class Client:
    """A connection that is kept, and as little work as possible for a request."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._socket: socket.socket | None = None
        self._rest = b""

    def connect(self) -> None:
        """Open the connection if it is not open."""
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self.port), 60)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._rest = b""

    def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send a request's bytes; return status and body of the answer."""
        self.connect()
        self._socket.sendall(request)
        while b"\r\n\r\n" not in self._rest:
            self._more()
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        length = int(re.search(rb"content-length: (\d+)", head)[1])
        while len(self._rest) < length:
            self._more()
        body, self._rest = self._rest[:length], self._rest[length:]
        if b"connection: close" in head:
            self.close()
        return int(head[9:12]), body

    def close(self) -> None:
        """End the connection; the next request opens another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _more(self) -> None:
        data = self._socket.recv(1 << 18)
        if not data:
            raise ConnectionResetError("the connection ended before the answer")
        self._rest += data


def post(body: bytes, path: str = "/api/read") -> bytes:
    """A request's bytes."""
    return f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


HEALTH = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def drawing(text: str) -> bytes:
    """A drawing of 280×280 with one digit, as a PNG."""
    sheet, content = Page(280, 280), io.BytesIO()
    sheet.write(text, (90, 60), 150, pen=16)
    sheet.image().save(content, "PNG")
    return content.getvalue()


@contextmanager
def served(*options: str) -> Iterator[Running]:
    """A server for one part."""
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), *serve(*options)) as server:
        yield server


# Parts


def start() -> dict[str, Any]:
    """From the start of the process to the first time that it says it is ready."""
    seconds = []
    for _ in range(STARTS):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "mnistry", "serve", "--port", str(port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while not _ready(port):
            time.sleep(0.005)
        seconds.append(time.perf_counter() - started)
        process.terminate()
        process.wait()
    return {"median": statistics.median(seconds), "low": min(seconds), "high": max(seconds)}


def _ready(port: int) -> bool:
    client = Client(port)
    try:
        return client.ask(HEALTH.replace(b"healthz", b"readyz"))[0] == 200
    except OSError:
        return False
    finally:
        client.close()


def one() -> dict[str, Any]:
    """One client, one drawing after the other."""
    requests = [post(drawing(text)) for text in "0123456789"]
    with served() as server:
        client = Client(server.port)
        for request in requests * 3:
            client.ask(request)
        times = [_milliseconds(lambda request=request: client.ask(request)) for request in requests * (ONES // 10)]
        client.close()
    return _quantiles(times)


def eight() -> dict[str, Any]:
    """Eight clients for a minute, and one that asks whether the server is alive."""
    with served() as server:
        return _loaded(server, clients=8, seconds=60)


def sixty_four() -> dict[str, Any]:
    """Sixty-four clients for half a minute, and how long the first answer after them takes."""
    with served() as server:
        found = _loaded(server, clients=64, seconds=30)
        client = Client(server.port)
        found["recovered_ms"] = _milliseconds(lambda: client.ask(post(drawing("5"))))
        client.close()
    return found


def _loaded(server: Running, *, clients: int, seconds: float) -> dict[str, Any]:
    requests = [(text, post(drawing(text))) for text in "0123456789"]
    statuses: Counter[int] = Counter()
    health: list[float] = []
    memory: list[float] = []
    begun = time.monotonic()
    end = begun + seconds

    def work(seed: int) -> None:
        client, chooser = Client(server.port), random.Random(seed)
        while time.monotonic() < end:
            text, request = chooser.choice(requests)
            status, body = client.ask(request)
            right = status != 200 or f'"text": "{text}"'.encode() in body
            statuses[status if right else -1] += 1
            if status == 503:
                time.sleep(0.05)
        client.close()

    def watch() -> None:
        client = Client(server.port)
        while time.monotonic() < end:
            health.append(_milliseconds(lambda: client.ask(HEALTH)))
            time.sleep(0.02)
        client.close()

    def weigh() -> None:
        time.sleep(seconds / 10)
        while time.monotonic() < end:
            memory.append(server.memory() / 1e6)
            time.sleep(seconds / 20)

    _at_once([*(lambda seed=seed: work(seed) for seed in range(clients)), watch, weigh])
    taken = time.monotonic() - begun
    return {
        "seconds": taken,
        "rate": statuses[200] / taken,
        "statuses": {str(status): count for status, count in statuses.items()},
        "mb_first": memory[0],
        "mb_last": memory[-1],
        **{f"health_{name}": value for name, value in _quantiles(health).items()},
    }


def fuzz() -> dict[str, Any]:
    """Pictures with bytes changed and cut off, to both paths."""
    chooser = random.Random(0)
    seeds = [written(text, height=40, kind=kind) for kind in KINDS for text in ("5", "17")]
    statuses: Counter[int] = Counter()
    slowest = 0.0
    memory = []
    with served() as server:
        client = Client(server.port)
        for number in range(FUZZED):
            request = post(_fuzzed(chooser, seeds), chooser.choice(("/api/read", "/api/read?single=true&explain=true")))
            started = time.perf_counter()
            statuses[client.ask(request)[0]] += 1
            slowest = max(slowest, time.perf_counter() - started)
            if number % (FUZZED // 10) == FUZZED // 10 - 1:
                memory.append(server.memory() / 1e6)
        client.close()
    counts = {str(status): count for status, count in statuses.items()}
    ends = {"mb_first": memory[0], "mb_last": memory[-1]}
    return {"bodies": FUZZED, "statuses": counts, "slowest": slowest, "mb": memory, **ends}


def _fuzzed(chooser: random.Random, seeds: Sequence[bytes]) -> bytes:
    body = bytearray(chooser.choice(seeds))
    for _ in range(chooser.choice((1, 3, 20, 200))):
        body[chooser.randrange(len(body))] = chooser.randrange(256)
    if chooser.random() < 0.3:
        del body[chooser.randrange(len(body)) :]
    return bytes(body)


def schema() -> dict[str, Any]:
    """Schemathesis on the OpenAPI description; random bytes are not pictures, so that check is left out."""
    cases = failures = errors = 0
    with served() as server, tempfile.TemporaryDirectory() as folder:
        while cases < SCHEMA_CASES:
            done = subprocess.run(
                [
                    str(Path(sys.executable).with_name("schemathesis")), "run", f"{server.address}/openapi.json",
                    "--continue-on-failure", "--phases", "examples,coverage,fuzzing", "-n", "400",
                    "--max-time", "180", "--exclude-checks", "positive_data_acceptance",
                ],
                cwd=folder, capture_output=True, text=True, check=False,
            )  # fmt: skip
            cases += int(re.search(r"(\d+) generated", done.stdout)[1])
            failures += int((re.search(r"(\d+) unique failures", done.stdout) or [0, 0])[1])
        counted = server.get("/metrics").body.decode()
        errors = sum(int(n) for n in re.findall(r'requests_total\{.*status="500"\} (\d+)', counted))
    return {"cases": cases, "failures": failures, "server_errors": errors}


def stop() -> dict[str, Any]:
    """SIGTERM while eight clients ask, half of them over a new connection each time."""
    outcomes: Counter[str] = Counter()
    for _ in range(STOPS):
        with served() as server:
            port, request = server.port, post(drawing("5"))
            clients = [
                lambda keep=keep, port=port, request=request: _ask_until_refused(port, request, keep, outcomes)
                for keep in (True, False) * 4
            ]
            stopper = threading.Timer(random.uniform(0.5, 1.5), server.process.terminate)
            stopper.start()
            _at_once(clients)
            assert server.process.wait(60) == 0
    lost = sum(count for outcome, count in outcomes.items() if outcome != "answered")
    return {"times": STOPS, "answered": outcomes["answered"], "lost": lost, "outcomes": dict(outcomes)}


def _ask_until_refused(port: int, request: bytes, keep: bool, outcomes: Counter[str]) -> None:
    client = Client(port)
    while True:
        try:
            client.connect()
        except OSError:  # the server takes no more, and says so before anything is sent
            return
        try:
            status, _body = client.ask(request)
        except OSError as error:
            outcomes[f"lost: {error}"] += 1
            return
        outcomes["answered" if status == 200 else f"status {status}"] += 1
        if not keep:
            client.close()


def page() -> dict[str, Any]:
    """In headless Chromium: the first paint after navigation began, and from the end of a stroke to its answer."""
    paints, answers = [], []
    with served() as server, launched() as browser:
        for _ in range(SHOWN):
            opened = browser.new_page()
            opened.goto(server.address)
            _wait(opened, "performance.getEntriesByName('first-contentful-paint').length")
            paints.append(opened.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
            opened.evaluate(WATCH)
            write(opened, "7")
            _wait(opened, "window.answeredAfter !== undefined")
            answers.append(opened.evaluate("window.answeredAfter"))
            opened.close()
    return {
        "paint": statistics.median(paints),
        "answer": statistics.median(answers),
        "paints": paints,
        "answers": answers,
    }


WATCH = """() => {
    let up = 0;
    const pad = document.querySelector("#pad"), answered = document.querySelector("#answered");
    pad.addEventListener("pointerup", () => { up = performance.now(); window.answeredAfter = undefined; }, true);
    new MutationObserver(() => {
        if (answered.getAttribute("aria-busy") !== "false" || !up) return;
        requestAnimationFrame(() => { window.answeredAfter = performance.now() - up; });
    }).observe(answered, { attributes: true });
}"""


# Helpers


def _wait(opened: Any, condition: str) -> None:
    """Wait in Python: the page's policy forbids Playwright's own way."""
    while not opened.evaluate(condition):
        time.sleep(0.02)


def _at_once(work: Sequence[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=each) for each in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _milliseconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return 1e3 * (time.perf_counter() - started)


def _quantiles(values: Sequence[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {"p50": ordered[len(ordered) // 2], "p99": ordered[int(0.99 * len(ordered))], "most": ordered[-1]}


PARTS: dict[str, Callable[[], dict[str, Any]]] = {
    "start": start,
    "one": one,
    "eight": eight,
    "sixty_four": sixty_four,
    "fuzz": fuzz,
    "schema": schema,
    "stop": stop,
    "page": page,
}

if __name__ == "__main__":
    main(sys.argv[1:])
