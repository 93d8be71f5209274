"""`mnistry serve` under load, abuse and interruption: it stays quick, refuses what is too much, and loses nothing."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import io
import os
import random
import signal
import socket
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from helpers.running import Running, changed, running, serve, written
from mnistry.service.problem_details import Problem
from mnistry.service.request_body import BodyLimits, RequestBodyReader
from mnistry.service.slow_lane import LARGE_BODY, QUICK_SECONDS, SlowLane
from mnistry.service.worker_pool import Limits, Pool, _Errors, _Waiting

READ = "/api/read"
HEAD = "POST /api/read HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("server"), *serve()) as server:
        yield server


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server with one process, a short queue and little patience."""
    program = changed(
        "limits=worker_pool.Limits(workers=1, waiting=2, seconds=1.0), "
        "bodies=request_body.BodyLimits("
        "bytes=100_000, bytes_of_all=300_000, bytes_of_client=200_000, silence=0.5, seconds=1.5)",
        "connections.HEAD_SECONDS = connections.WRITE_SECONDS = 0.7; connections.IDLE_SECONDS = 1; "
        "connections.MOST_CONNECTIONS = 20; connections.CROWDED_SECONDS = 0.2",
    )
    with running(tmp_path_factory.mktemp("hasty"), *program) as server:
        yield server


def wait_until_ready(server: Running, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while server.get("/readyz").status != 200:
        assert time.monotonic() < end
        time.sleep(0.05)


def read_on(connection: socket.socket) -> None:
    while connection.recv(1 << 20):
        pass


def reset(connection: socket.socket) -> None:
    """Breaks a connection off: closing it looks like a request that is half-closed and wants its answer."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class Stopped:
    """A reading process that is stopped for a while, as if a picture held it up."""

    def __init__(self, server: Running) -> None:
        (self.process,) = server.workers()

    def __enter__(self) -> None:
        os.kill(self.process, signal.SIGSTOP)

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process, signal.SIGCONT)


# Bodies


def test_a_body_that_is_too_large_is_refused_before_it_is_sent(hasty):
    with hasty.socket() as connection:
        started = time.monotonic()
        connection.sendall(f"{HEAD}Content-Length: 100001\r\n\r\n".encode())  # and nothing of it
        answer = connection.recv(1 << 16)
        while b"}" not in answer:
            answer += connection.recv(1 << 16)
    assert time.monotonic() - started < 0.4
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer
    assert b"The body has more than the 100,000 bytes that are taken. Reduce the picture first." in answer


def test_a_client_that_sends_all_of_it_sees_the_answer(hasty):
    answer = hasty.post(READ, b"x" * 5_000_000)
    assert (answer.status, answer.headers["connection"]) == (413, "close")


def test_a_body_in_chunks_is_refused_when_it_becomes_too_large(hasty):
    answer = hasty.post(READ, (b"x" * 10_000 for _ in range(50)))
    assert answer.status == 413


def test_a_silent_client_is_cut_off(hasty):
    with hasty.socket() as connection:
        connection.sendall(f"{HEAD}Content-Length: 1000\r\n\r\nabc".encode())
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"The body came too slowly: 0.5 seconds are given for the next byte." in answer


def test_a_dripping_client_is_cut_off(hasty):
    with hasty.socket() as connection:
        connection.sendall(f"{HEAD}Content-Length: 1000\r\n\r\n".encode())
        started = time.monotonic()
        answer = b""
        connection.settimeout(0.2)
        while b"}" not in answer and time.monotonic() - started < 5:
            connection.sendall(b"x")
            with contextlib.suppress(TimeoutError):
                answer += connection.recv(1 << 16)
        assert 1.2 < time.monotonic() - started < 3
        assert b"1.5 seconds are given for a whole body" in answer


def test_a_head_that_does_not_come_is_cut_off(hasty):
    for start in (b"", b"GET /healthz HTTP/1.1\r\nHost: loc"):
        with hasty.socket() as connection:
            connection.sendall(start)
            started = time.monotonic()
            assert connection.recv(100) == b""
            assert 0.5 < time.monotonic() - started < 3


def test_a_head_that_does_not_come_after_a_request_is_cut_off(hasty):
    with hasty.socket() as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with connection.makefile("rb") as answers:
            assert answers.readline().startswith(b"HTTP/1.1 200 ")
            while answers.readline().strip():
                pass
            assert answers.read(19) == b'{"status": "alive"}'  # head and body come in as many parts as they like
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: loc")
            assert answers.read() == b""


def test_a_client_that_does_not_take_its_answer_is_cut_off(hasty):
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(20)
        connection.connect(("127.0.0.1", hasty.port))
        connection.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 3000)
        time.sleep(3)
        with pytest.raises(ConnectionResetError):
            read_on(connection)


def test_too_many_bytes_at_once_are_refused(hasty):
    waiting = [hasty.socket() for _ in range(2)]
    for each in waiting:
        each.sendall(f"{HEAD}Content-Length: 90000\r\n\r\n".encode() + b"x" * 89_000)
    time.sleep(0.1)
    answer = hasty.post(READ, b"x" * 50_000)
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert answer.json["detail"] == "Too many bytes are waiting to be read. Send it again in a moment."
    for each in waiting:
        each.close()
    time.sleep(0.3)
    assert hasty.post(READ, b"x" * 50_000).status == 422  # all of it was given free


def test_bytes_count_when_they_arrive_and_not_when_they_are_promised(hasty):
    waiting = [hasty.socket() for _ in range(8)]
    for each in waiting:
        each.sendall(f"{HEAD}Content-Length: 100000\r\n\r\nx".encode())
    time.sleep(0.1)
    assert hasty.post(READ, b"x" * 50_000).status == 422
    for each in waiting:
        each.close()


def test_too_many_connections_are_refused(hasty):
    held = [hasty.socket() for _ in range(10)]  # a client's part of them
    with hasty.socket() as connection:
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 1" in answer
    asked = hasty.get("/api/model")
    assert (asked.status, asked.headers["connection"]) == (503, "close")
    assert asked.json["detail"] == "There are too many connections. Try again in a moment."
    for each in held:
        each.close()
    time.sleep(0.2)
    assert hasty.get("/healthz").status == 200


def test_probes_are_answered_beside_any_number_of_connections(server):
    held = [server.socket() for _ in range(600)]
    for path in ("/healthz", "/readyz", "/metrics"):
        assert server.get(path).status == 200
    for each in held:
        each.close()


def test_few_file_descriptors_are_enough(tmp_path):
    limited = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))"
    program = f"{limited}; from mnistry.cli.app import main; main()"
    with running(tmp_path, "-c", program, "serve", "--port", "0", "--workers", "1") as server:
        held = [server.socket() for _ in range(400)]
        assert server.get("/healthz").status == 200
        with contextlib.suppress(ConnectionError):
            assert held[300].recv(100)[:13] in (b"", b"HTTP/1.1 503 ")  # there is no place for it
        for each in held:
            each.close()
        time.sleep(0.3)
        assert server.post(READ, written("5")).json["text"] == "5"
        assert len(server.log.read_text().splitlines()) < 20


# The queue


def test_what_takes_too_long_is_ended_and_the_next_picture_read(hasty):
    wait_until_ready(hasty)
    (before,) = hasty.workers()
    with Stopped(hasty):
        answer = hasty.post(READ, written("5"))
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert answer.json["detail"] == "The picture took longer than 1 seconds to read. Reduce it, or try again later."
    time.sleep(0.2)
    wait_until_ready(hasty)
    assert hasty.post(READ, written("5")).json["text"] == "5"
    assert hasty.workers() != [before]
    assert b"mnistry_worker_restarts 1.0\n" in hasty.get("/metrics").body


def test_a_full_queue_refuses_at_once_and_others_are_answered(hasty):
    wait_until_ready(hasty)
    with ThreadPoolExecutor(8) as threads, Stopped(hasty):
        asked = [threads.submit(hasty.post, READ, written("5")) for _ in range(3)]
        time.sleep(0.3)
        started = time.monotonic()
        answer = hasty.post(READ, written("5"))
        assert time.monotonic() - started < 0.3
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert answer.json["detail"].startswith("More pictures are waiting than can be read soon.")
        assert hasty.get("/healthz").status == 200
        assert b"mnistry_waiting 2.0\n" in hasty.get("/metrics").body
        statuses = Counter(each.result().status for each in asked)
    assert set(statuses) <= {200, 503}
    wait_until_ready(hasty)
    assert hasty.post(READ, written("5")).status == 200


def test_a_process_that_ends_while_it_reads_is_started_again(hasty):
    wait_until_ready(hasty)
    (process,) = hasty.workers()
    with ThreadPoolExecutor(1) as thread, Stopped(hasty):
        asked = thread.submit(hasty.post, READ, written("5"))
        time.sleep(0.3)
        os.kill(process, signal.SIGKILL)
        answer = asked.result()
    assert answer.status == 503
    assert answer.json["detail"].startswith("The process that read the picture ended while it did.")
    time.sleep(0.1)
    wait_until_ready(hasty)
    assert hasty.post(READ, written("5")).json["text"] == "5"


def test_a_process_that_ends_idle_is_not_missed(hasty):
    wait_until_ready(hasty)
    (process,) = hasty.workers()
    os.kill(process, signal.SIGKILL)
    time.sleep(0.1)
    assert hasty.post(READ, written("5")).status in (200, 503)  # 503: it took longer than a second to start another
    wait_until_ready(hasty)
    assert hasty.post(READ, written("5")).json["text"] == "5"


def test_who_has_gone_is_not_read_for(hasty):
    wait_until_ready(hasty)
    body = written("5")
    with Stopped(hasty):
        held = [hasty.socket() for _ in range(2)]
        for each in held:
            each.sendall(f"{HEAD}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        time.sleep(0.2)
        reset(held[1])  # that of the second waits
        time.sleep(0.2)
    held[0].recv(1 << 16)
    time.sleep(0.3)
    assert " 499 " in hasty.log.read_text()
    held[0].close()


# Fair shares


def test_long_pictures_make_room_for_others(tmp_path):
    """Two pictures that take for ever: their processes go on beside the others, which are all answered."""
    slow = changed(
        "limits=worker_pool.Limits(workers=2, patience=0.3, seconds=8.0)",
        "from mnistry.service import connections; import os; os.environ['PYTHONPATH'] = os.pathsep.join("
        "[os.path.abspath('slow'), *filter(None, [os.environ.get('PYTHONPATH')])])",
    )
    (tmp_path / "slow").mkdir()
    (tmp_path / "slow" / "sitecustomize.py").write_text(SLOW_READER)
    with running(tmp_path, *slow) as server, ThreadPoolExecutor(2) as threads:
        wait_until_ready(server)
        greedy = [threads.submit(server.post, f"{READ}?name=slow", written("5")) for _ in range(2)]
        time.sleep(0.2)
        started = time.monotonic()
        assert [server.post(READ, written("5")).status for _ in range(10)] == [200] * 10
        assert time.monotonic() - started < 6
        answers = [each.result() for each in greedy]
        assert {answer.status for answer in answers} == {503}
        assert "took longer than 8 seconds" in answers[0].json["detail"]
        wait_until_ready(server)
        end = time.monotonic() + 5
        while len(server.workers()) != 2:  # those that were set aside are gone
            assert time.monotonic() < end
            time.sleep(0.05)


SLOW_READER = """
import sys
if sys.orig_argv[1:3] == ["-m", "mnistry.service.worker"]:
    import time
    from mnistry.service import handlers
    read = handlers.read
    def slow(recognizer, body, job):
        while job.name == "slow":
            pass
        return read(recognizer, body, job)
    handlers.read = slow
"""


def queue_of(*clients: str, limit: int = 64) -> Pool:
    """A pool without processes, and jobs that wait in it."""
    pool = Pool(None, Limits(workers=1, waiting=limit), print)
    pool._waiting += [_Waiting(client, asyncio.get_running_loop().create_future()) for client in clients]
    return pool


def test_the_next_job_is_one_of_the_client_that_used_least():
    async def order(used: dict[str, float]) -> list[str]:
        pool, taken = queue_of("a", "a", "b", "c"), []
        pool._used.update(used)
        while pool._waiting:
            before = list(pool._waiting)
            pool._give(object())
            (given,) = set(before) - set(pool._waiting)
            taken.append(given.client)
            pool._used[given.client] += 1
        return taken

    assert asyncio.run(order({})) == ["a", "b", "c", "a"]
    assert asyncio.run(order({"a": 5.0, "b": 1.0})) == ["c", "b", "a", "a"]


def test_costly_pictures_hold_half_of_the_processes_while_quick_ones_come():
    now = 100.0
    lane = SlowLane(4)
    lane.quick_came(now)
    assert [lane.is_costly("a:1", size) for size in (10_000, LARGE_BODY)] == [False, True]
    for _ in range(2):
        assert lane.is_open(now)
        lane.enter(True)
    lane.enter(False)
    assert not lane.is_open(now)
    assert lane.is_open(now + QUICK_SECONDS + 0.01)  # nobody else comes
    lane.leave(False)
    assert not lane.is_open(now)
    lane.leave(True)
    assert lane.is_open(now)
    assert SlowLane(1).is_open(now)


def test_a_connection_whose_pictures_took_long_is_costly_until_they_are_quick_again():
    lane = SlowLane(2)
    lane.took("a:1", 0.3)
    assert (lane.is_costly("a:1", 100), lane.is_costly("a:2", 100)) == (True, False)
    lane.took("a:1", 0.0)
    assert not lane.is_costly("a:1", 100)  # 0.15 s, the mean of both


def test_a_costly_picture_waits_though_a_process_is_idle():
    async def given() -> list[bool]:
        pool = Pool(None, Limits(workers=2, patience=0.02), print)
        pool._idle += [_Idle(), _Idle()]
        loop = asyncio.get_running_loop()
        pool._lane.quick_came(loop.time())

        async def wanted() -> bool:
            return True

        first = await pool._worker("a", wanted, costly=True)
        second = asyncio.create_task(pool._worker("a", wanted, costly=True))
        await asyncio.sleep(0.05)
        found = [second.done()]
        quick = await pool._worker("b", wanted, costly=False)  # overtakes it
        pool._give(quick)
        await asyncio.sleep(0)
        found.append(second.done())
        pool._lane.leave(True)
        pool._give(first)
        await second
        return [*found, second.done()]

    class _Idle:
        since = 0.0

    assert asyncio.run(given()) == [False, False, True]


def test_whoever_fills_the_queue_makes_room_for_others():
    async def pushed_out(*clients: str, newcomer: str) -> str | None:
        pool = queue_of(*clients, limit=len(clients))
        found = pool._to_push_out(newcomer)
        if found is None:
            with pytest.raises(Problem, match="More pictures are waiting"):
                pool.check(newcomer)
            return None
        assert found is [each for each in pool._waiting if each.client == found.client][-1]
        pool.check(newcomer)
        return found.client

    assert asyncio.run(pushed_out("a", "a", "a", "b", newcomer="b")) == "a"
    assert asyncio.run(pushed_out("a", "a", "a", "b", newcomer="c")) == "a"
    assert asyncio.run(pushed_out("a", "a", "a", "b", newcomer="a")) is None
    assert asyncio.run(pushed_out("a", "a", "b", "b", newcomer="b")) is None


def test_bytes_are_shared_too():
    async def held(sizes: list[tuple[str, int]]) -> list[int]:
        reader = RequestBodyReader(BodyLimits(bytes=100, bytes_of_all=100, bytes_of_client=60))
        statuses = []
        async with contextlib.AsyncExitStack() as stack:
            for client, size in sizes:

                async def receive(size=size):
                    return {"type": "http.request", "body": b"x" * size}

                try:
                    await stack.enter_async_context(reader.read({}, receive, client, ""))
                    statuses.append(200)
                except Problem as problem:
                    statuses.append(problem.status)
        assert reader._reserved == {}
        return statuses

    assert asyncio.run(held([("a", 50), ("a", 20), ("b", 50), ("b", 5), ("a", 10)])) == [200, 503, 200, 503, 503]
    assert asyncio.run(held([("a", 101), ("a", 60), ("b", 40)])) == [413, 200, 200]


def test_what_a_reading_process_writes_is_bounded(tmp_path):
    noisy = "import sys; print('first', flush=True); [print('x' * 500, file=sys.stderr) for _ in range(5000)]"
    reports: list[str] = []

    async def take_in() -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", noisy, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        errors = _Errors(process.stderr, reports.append)
        await asyncio.wait_for(process.wait(), 20)
        await errors.end()
        errors.begin()

    asyncio.run(take_in())
    assert len(reports) == 31
    assert reports[0] == "a reading process wrote: " + "x" * 200
    assert reports[-1] == "a reading process wrote 4970 more lines, which were dropped"


# Load


def test_many_clients_are_served_and_the_server_stays_quick(server):
    pictures = [(text, written(text, height=60)) for text in ("1", "4", "7", "0", "35")]
    stop = time.monotonic() + 4
    statuses: Counter[int] = Counter()
    quick: list[float] = []

    def client(seed: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        chooser = random.Random(seed)
        while time.monotonic() < stop:
            text, body = chooser.choice(pictures)
            connection.request("POST", READ, body)
            response = connection.getresponse()
            content = response.read()
            statuses[response.status] += 1
            assert response.status == 503 or f'"text": "{text}"'.encode() in content
        connection.close()

    def watch() -> None:
        while time.monotonic() < stop:
            started = time.monotonic()
            assert server.get("/healthz").status == 200
            quick.append(time.monotonic() - started)
            time.sleep(0.05)

    with ThreadPoolExecutor(17) as threads:
        for each in [*(threads.submit(client, seed) for seed in range(16)), threads.submit(watch)]:
            each.result()
    assert statuses[200] > 20
    assert set(statuses) == {200}
    assert sorted(quick)[len(quick) // 2] < 0.5


def test_more_clients_than_the_queue_holds_get_503_and_nothing_else(server):
    body = written("5", height=60)
    with ThreadPoolExecutor(100) as threads:
        answers = [each.result() for each in [threads.submit(server.post, READ, body) for _ in range(300)]]
    statuses = Counter(answer.status for answer in answers)
    assert set(statuses) <= {200, 503}
    assert statuses[200] >= 60
    assert all("retry-after" in answer.headers for answer in answers if answer.status == 503)
    assert server.post(READ, body).json["text"] == "5"


def test_fuzzed_bodies_do_no_harm(server):
    random_ = random.Random(0)
    seeds = [written("5", height=40, kind=kind) for kind in ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM")]
    for _ in range(20):
        server.post(READ, seeds[0])
    before = server.memory()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    statuses: Counter[int] = Counter()
    for _ in range(700):
        body = bytearray(random_.choice(seeds))
        for _ in range(random_.choice((1, 3, 20))):
            body[random_.randrange(len(body))] = random_.randrange(256)
        if random_.random() < 0.3:
            del body[random_.randrange(len(body)) :]
        connection.request("POST", random_.choice((READ, f"{READ}?single=true")), bytes(body))
        response = connection.getresponse()
        response.read()
        statuses[response.status] += 1
    connection.close()
    assert set(statuses) == {200, 422}
    assert min(statuses.values()) > 50
    assert server.memory() - before < 60_000_000


# Stopping


def test_at_sigterm_what_was_accepted_is_answered(tmp_path):
    with running(tmp_path, *serve()) as server:
        body = written("58", height=80)
        answered: Counter[str] = Counter()
        going = threading.Event()

        def client(keep: bool) -> None:
            connection = None
            while True:
                try:
                    if connection is None:
                        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
                        connection.connect()
                except ConnectionError:  # it takes no more: an honest end
                    return
                try:
                    connection.request("POST", READ, body)
                    response = connection.getresponse()
                    answered["right" if b'"text": "58"' in response.read() else "wrong"] += 1
                except OSError as error:
                    answered[f"lost: {error!r}"] += 1
                    return
                going.set()
                if not keep or response.will_close:
                    connection.close()
                    connection = None

        with ThreadPoolExecutor(8) as threads:
            clients = [threads.submit(client, keep) for keep in (True, False) * 4]
            going.wait(30)
            time.sleep(0.5)
            assert server.stop() == 0
            for each in clients:
                each.result()
    assert set(answered) == {"right"}
    assert "Traceback" not in server.log.read_text()


def test_while_it_stops_it_is_not_ready_and_its_processes_end_with_it(tmp_path):
    with running(tmp_path, *serve("--workers", "1")) as server:
        workers = server.workers()
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        connection.request("GET", "/readyz")
        assert connection.getresponse().read() == b'{"status": "ready"}'
        with Stopped(server), server.socket() as slow:
            body = written("5")
            slow.sendall(f"{HEAD}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            time.sleep(0.2)
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            connection.request("GET", "/readyz")  # over the connection that was there before
            response = connection.getresponse()
            assert (response.status, response.headers["connection"]) == (503, "close")
            assert b"The server is stopping." in response.read()
            with pytest.raises(ConnectionError):
                server.socket()
            for worker in workers:
                os.kill(worker, signal.SIGCONT)
            assert b'"text": "5"' in slow.makefile("rb").read()
        assert server.process.wait(20) == 0
    for worker in workers:
        with pytest.raises(ProcessLookupError):
            os.kill(worker, 0)


def test_ctrl_c_stops_it_in_peace(tmp_path):
    with running(tmp_path, *serve("--workers", "1")) as server:
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(20) == 0
        assert server.log.read_text() == ""


def kill_and_see_the_end(server, workers):
    """Kill the server; its workers must be gone within three seconds."""
    server.process.kill()
    server.process.wait()
    end = time.monotonic() + 3
    while any(os.path.exists(f"/proc/{worker}") for worker in workers):
        assert time.monotonic() < end
        time.sleep(0.02)


def test_when_the_server_is_killed_its_processes_end_whatever_they_do(tmp_path):
    with running(tmp_path, *serve("--workers", "2")) as server:
        workers = server.workers()
        os.kill(workers[0], signal.SIGSTOP)  # as one that is in a long calculation: it does not look at its input
        kill_and_see_the_end(server, workers)


def test_when_the_server_is_killed_a_picture_under_way_is_given_up(tmp_path):
    noise = (np.random.default_rng(0).random((1788, 1788)) < 0.5).astype(np.uint8) * 255  # takes most of a second
    picture = io.BytesIO()
    Image.fromarray(noise).save(picture, "PNG")
    with running(tmp_path, *serve("--workers", "2")) as server, server.socket() as connection:
        wait_until_ready(server)
        workers = server.workers()
        before = [processor_ticks(worker) for worker in workers]
        size = len(picture.getvalue())
        connection.sendall(f"{HEAD}Content-Length: {size}\r\n\r\n".encode() + picture.getvalue())
        end = time.monotonic() + 20
        while [processor_ticks(worker) for worker in workers] == before:
            assert time.monotonic() < end
            time.sleep(0.005)
        kill_and_see_the_end(server, workers)
        with contextlib.suppress(ConnectionError):
            assert connection.recv(1000) == b""  # nobody has answered


def processor_ticks(process: int) -> int:
    """The time that a process has computed, in hundredths of a second."""
    with open(f"/proc/{process}/stat", encoding="ascii", errors="replace") as file:
        words = file.read().rpartition(")")[2].split()
    return int(words[11]) + int(words[12])


def test_a_log_that_nobody_reads_holds_nothing_up(tmp_path):
    reading, writing = os.pipe()
    with running(tmp_path, *serve("--workers", "1"), errors=writing) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        for _ in range(2000):  # more lines than a pipe holds
            connection.request("GET", "/healthz")
            assert connection.getresponse().read() == b'{"status": "alive"}'
        connection.close()
        assert server.stop() == 0
    os.close(reading)
    os.close(writing)
