"""`mnistry serve` attacked, beside plain uvicorn and granian where they can be compared.

    python benchmarks/attacks.py [PART...]

Each part is kept in `results/attacks.json` as it is finished. granian is not needed by the project: without it its
column is empty.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
import signal
import socket
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

import numpy as np
from PIL import Image

from mnistry.runtime import files, provenance
from serving import Client, drawing, post

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from helpers.running import Running, running, serve

RESULT = Path(__file__).parent / "results" / "attacks.json"
PEERS = Path(__file__).parent / "peers"
STOPS, CLIENTS, SECONDS = 20, 16, 10.0
PATIENCE = 30.0  # seconds after which a server that cuts nobody is given up
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
CLAIM = b"POST /api/read HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 25000000\r\n\r\nx"


def main(parts: Sequence[str]) -> None:
    """Write `results/attacks.json`."""
    content = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {}
    for name in parts or PARTS:
        load = os.getloadavg()[0]
        content[name] = {**PARTS[name](), "load_before": round(load, 2)}
        print(name, content[name], flush=True)
        content["environment"] = provenance.describe_environment()
        files.write_json(RESULT, content)
    print(table(content))


def table(content: Mapping[str, Any]) -> str:
    """The results as a Markdown table."""
    servers = ("mnistry", "uvicorn", "granian")
    rows = [["attack", "mnistry serve", "uvicorn", "granian"]]
    for part, what in (
        ("head", "a head that never ends: cut off after"),
        ("body", "a body that never ends: cut off after"),
        ("probe", "600 silent connections: `/healthz`"),
        ("stop", f"SIGTERM under {CLIENTS} clients, {STOPS} times: requests lost"),
    ):
        rows.append([what, *(str(content[part].get(server, "–")) for server in servers)])
    greedy, claims, few = content["greedy"], content["claims"], content["files"]
    share = greedy["beside"] / greedy["alone"]
    others = f"{share:.0%} of {greedy['alone']:.0f}/s"
    rows.append(["two clients with pictures that take long: rate of eight others", others, "–", "–"])
    rows.append(["ten connections that claim 25 MB: another's drawing", claims["mnistry"], "–", "–"])
    rows.append(["256 file descriptors, 400 connections: `/healthz`; lines of log", few["mnistry"], "–", "–"])
    rows.append(["server killed during a picture: its processes end after", content["kill"]["mnistry"], "–", "–"])
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|---|---|---|---|", *lines[1:]])


# Servers


@contextmanager
def ours(*options: str) -> Iterator[Running]:
    """`mnistry serve`."""
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), *serve(*options)) as server:
        while server.get("/readyz").status != 200:
            time.sleep(0.05)
        yield server


@contextmanager
def peer(name: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The plain application on uvicorn or granian."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    option = ["--interface", "asgi"] if name == "granian" else []
    command = [sys.executable, "-m", name, *option, "plain_app:app", "--host", "127.0.0.1", "--port", str(port)]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, cwd=PEERS, stdout=quiet, stderr=quiet)
    try:
        while not _answers(port):
            time.sleep(0.05)
        yield process, port
    finally:
        process.kill()
        process.wait()


def _answers(port: int) -> bool:
    client = Client(port)
    try:
        return client.ask(HEALTH)[0] == 200
    except OSError:
        return False
    finally:
        client.close()


def compared(measure: Callable[[subprocess.Popen[bytes], int], str]) -> dict[str, str]:
    """A measure of all three servers."""
    found = {}
    with ours() as server:
        found["mnistry"] = measure(server.process, server.port)
    for name in ("uvicorn", "granian"):
        if importlib.util.find_spec(name):
            with peer(name) as (process, port):
                found[name] = measure(process, port)
    return found


# Parts


def _cut_after(port: int, start: bytes) -> str:
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall(start)
        connection.settimeout(PATIENCE)
        begun = time.monotonic()
        try:
            while connection.recv(1 << 16):
                pass
        except TimeoutError:
            return "never"
        except ConnectionError:
            pass
        return f"{time.monotonic() - begun:.0f} s"


def head() -> dict[str, str]:
    """A request whose head never ends."""
    return compared(lambda _, port: _cut_after(port, HEALTH[:-2]))


def body() -> dict[str, str]:
    """A request whose body never ends."""
    return compared(lambda _, port: _cut_after(port, CLAIM))


def probe() -> dict[str, str]:
    """Six hundred connections of one client, and a probe."""

    def measure(_: object, port: int) -> str:
        held = [socket.create_connection(("127.0.0.1", port), 5) for _ in range(600)]
        begun = time.monotonic()
        answered = _answers(port)
        taken = 1e3 * (time.monotonic() - begun)
        for each in held:
            each.close()
        return f"200 in {taken:.0f} ms" if answered else "not answered"

    return compared(measure)


def stop() -> dict[str, str]:
    """SIGTERM while clients ask, half of them over a new connection each time."""
    request = post(drawing("5"))

    def once(process: subprocess.Popen[bytes], port: int, outcomes: Counter[str]) -> None:
        threads = [threading.Thread(target=_ask, args=(port, request, bool(i % 2), outcomes)) for i in range(CLIENTS)]
        for thread in threads:
            thread.start()
        time.sleep(0.7)
        process.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join()
        process.wait(60)

    found = {}
    for name in ("mnistry", "uvicorn", "granian"):
        if name != "mnistry" and not importlib.util.find_spec(name):
            continue
        outcomes: Counter[str] = Counter()
        for _ in range(STOPS):
            with ours() if name == "mnistry" else peer(name) as server:
                process, port = (server.process, server.port) if isinstance(server, Running) else server
                once(process, port, outcomes)
        found[name] = f"{outcomes['lost']} of {outcomes.total():,}"
    return found


def _ask(port: int, request: bytes, keep: bool, outcomes: Counter[str]) -> None:
    client = Client(port)
    while True:
        try:
            client.connect()
        except OSError:  # it takes no more connections, and says so before anything is sent
            return
        try:
            outcomes["answered" if client.ask(request)[0] in (200, 503) else "lost"] += 1
        except OSError:
            outcomes["lost"] += 1
            return
        if not keep:
            client.close()


def greedy() -> dict[str, float]:
    """Eight clients that draw, alone and beside two that send pictures of noise."""
    noise = io.BytesIO()
    pixels = (np.random.default_rng(0).random((1788, 1788)) < 0.5).astype(np.uint8) * 255
    Image.fromarray(pixels).save(noise, "PNG")
    with ours() as server:
        alone = _rate(server, [])
        beside = _rate(server, [post(noise.getvalue())] * 2)
    return {"alone": alone, "beside": beside}


def _rate(server: Running, costly: Sequence[bytes]) -> float:
    end = time.monotonic() + SECONDS
    answers: Counter[int] = Counter()

    def work(request: bytes, counted: bool) -> None:
        client = Client(server.port)
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                status = client.ask(request)[0]
                answers[status] += counted

    drawn = post(drawing("5"))
    threads = [threading.Thread(target=work, args=(each, False), daemon=True) for each in costly]
    threads += [threading.Thread(target=work, args=(drawn, True), daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads[len(costly) :]:
        thread.join()
    return answers[200] / SECONDS


def claims() -> dict[str, str]:
    """Ten connections that claim 25 MB and send one byte, and a drawing of somebody else."""
    with ours() as server:
        held = [socket.create_connection(("127.0.0.1", server.port), 5) for _ in range(10)]
        for each in held:
            each.sendall(CLAIM)
        time.sleep(0.2)
        begun = time.monotonic()
        status = server.post("/api/read", drawing("5")).status
        taken = 1e3 * (time.monotonic() - begun)
        for each in held:
            each.close()
    return {"mnistry": f"{status} in {taken:.0f} ms"}


def few_files() -> dict[str, str]:
    """Four hundred connections where 256 file descriptors are allowed."""
    limited = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))"
    program = f"{limited}; from mnistry.cli.app import main; main()"
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder), "-c", program, "serve", "--port", "0") as server,
    ):
        held = [server.socket() for _ in range(400)]
        status = server.get("/healthz").status
        time.sleep(2)
        lines = len(server.log.read_text().splitlines())
        for each in held:
            each.close()
    return {"mnistry": f"{status}; {lines}"}


def kill() -> dict[str, str]:
    """The server is killed while a picture is read."""
    with ours("--workers", "2") as server:
        workers = server.workers()
        os.kill(workers[0], signal.SIGSTOP)  # as if it were calculating
        server.process.kill()
        server.process.wait()
        begun = time.monotonic()
        while any(os.path.exists(f"/proc/{worker}") for worker in workers) and time.monotonic() < begun + PATIENCE:
            time.sleep(0.01)
        return {"mnistry": f"{time.monotonic() - begun:.1f} s"}


PARTS: dict[str, Callable[[], dict[str, Any]]] = {
    "head": head,
    "body": body,
    "probe": probe,
    "stop": stop,
    "greedy": greedy,
    "claims": claims,
    "files": few_files,
    "kill": kill,
}

if __name__ == "__main__":
    main(sys.argv[1:])
