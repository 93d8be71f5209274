"""`mnistry serve` under load, abuse and interruption: it stays quick, refuses what is too much, and loses nothing."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import http.client
import io
import os
import random
import select
import signal
import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from helpers.batching import descendants
from helpers.running import Running, changed, running, serve, wait_for, written
from mnistry.errors import ModelError
from mnistry.service.error_output import ErrorOutput
from mnistry.service.problem_details import Problem
from mnistry.service.request_body import BodyLimits, RequestBodyReader
from mnistry.service.slow_lane import LARGE_BODY, QUICK_SECONDS, SlowLane
from mnistry.service.worker_pool import Limits, Pool, _Waiting

READ = "/api/read"
HEAD = "POST /api/read HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("server"), *serve()) as server:
        yield server


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server with one process, and limits of time that are soon reached."""
    program = changed(
        "limits=worker_pool.Limits(workers=1, seconds=1.0), bodies=request_body.BodyLimits(silence=1.0)",
        "connections.HEAD_SECONDS = connections.WRITE_SECONDS = connections.IDLE_SECONDS = 1",
    )
    with running(tmp_path_factory.mktemp("hasty"), *program) as server:
        yield server


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server with one process and little room, and limits of time that no test reaches."""
    program = changed(
        "limits=worker_pool.Limits(workers=1, waiting=2, seconds=120.0), bodies=request_body.BodyLimits("
        "bytes=100_000, bytes_of_all=300_000, bytes_of_client=200_000, silence=120.0, seconds=120.0)",
        "connections.HEAD_SECONDS = connections.WRITE_SECONDS = connections.IDLE_SECONDS = 120; "
        "connections.MOST_CONNECTIONS = 20",
    )
    with running(tmp_path_factory.mktemp("narrow"), *program) as server:
        yield server


def gauge(server: Running, name: str) -> float:
    """A value among the server's metrics."""
    line = next(line for line in server.get("/metrics").body.splitlines() if line.startswith(f"{name} ".encode()))
    return float(line.split()[1])


def wait_until_ready(server: Running) -> None:
    wait_for(lambda: server.get("/readyz").status == 200)


def worker_of(server: Running) -> int:
    """The reading process of a server that has one, as soon as it is ready."""
    wait_until_ready(server)
    (process,) = server.workers()
    return process


def wait_until_it_reads(server: Running, after: int = 0) -> None:
    """Waits until pictures are read; where a process has ended, by another one."""
    wait_for(lambda: after not in server.workers())
    wait_for(lambda: (answer := server.post(READ, written("5"))).status == 200 and answer.json["text"] == "5")


def read_on(connection: socket.socket) -> None:
    while connection.recv(1 << 20):
        pass


def reset(connection: socket.socket) -> None:
    """Breaks a connection off: closing it looks like a request that is half-closed and wants its answer."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def send_picture(connection: socket.socket, body: bytes) -> None:
    connection.sendall(f"{HEAD}Content-Length: {len(body)}\r\n\r\n".encode() + body)


class Stopped:
    """A reading process that is stopped for a while, as if a picture held it up."""

    def __init__(self, server: Running) -> None:
        self.process = worker_of(server)

    def __enter__(self) -> None:
        os.kill(self.process, signal.SIGSTOP)

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process, signal.SIGCONT)


# Bodies


def test_a_body_that_is_too_large_is_refused_before_it_is_sent(narrow):
    with narrow.socket(60) as connection:
        connection.sendall(f"{HEAD}Content-Length: 100001\r\n\r\n".encode())  # and nothing of it
        answer = connection.recv(1 << 16)
        while b"}" not in answer:
            answer += connection.recv(1 << 16)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer
    assert b"The body has more than the 100,000 bytes that are taken. Reduce the picture first." in answer


def test_a_client_that_sends_all_of_it_sees_the_answer(narrow):
    answer = narrow.post(READ, b"x" * 5_000_000)
    assert (answer.status, answer.headers["connection"]) == (413, "close")


def test_a_body_in_chunks_is_refused_when_it_becomes_too_large(narrow):
    answer = narrow.post(READ, (b"x" * 10_000 for _ in range(50)))
    assert answer.status == 413


def test_a_silent_client_is_cut_off(hasty):
    with hasty.socket(60) as connection:
        connection.sendall(f"{HEAD}Content-Length: 1000\r\n\r\nabc".encode())
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"The body came too slowly: 1 seconds are given for the next byte." in answer


def test_a_dripping_client_is_cut_off():
    async def receive() -> dict[str, object]:
        await asyncio.sleep(0.01)
        return {"type": "http.request", "body": b"x", "more_body": True}

    async def read() -> None:
        async with RequestBodyReader(BodyLimits(silence=60, seconds=0.3)).read({}, receive, "a", ""):
            pass

    with pytest.raises(Problem, match=r"0\.3 seconds are given for a whole body"):
        asyncio.run(read())


def test_a_head_that_does_not_come_is_cut_off(hasty):
    for start in (b"", b"GET /healthz HTTP/1.1\r\nHost: loc"):
        begun = time.monotonic()
        with hasty.socket(60) as connection:
            connection.sendall(start)
            assert connection.recv(100) == b""
        assert time.monotonic() - begun > 0.9


def test_a_head_that_does_not_come_after_a_request_is_cut_off(hasty):
    with hasty.socket(60) as connection:
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
        connection.settimeout(60)
        connection.connect(("127.0.0.1", hasty.port))
        connection.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 3000)
        closed = select.poll()
        closed.register(connection, select.POLLHUP)
        assert closed.poll(60_000)
        with pytest.raises(ConnectionResetError):
            read_on(connection)


def test_too_many_bytes_at_once_are_refused(narrow):
    waiting = [narrow.socket() for _ in range(2)]
    for each in waiting:
        each.sendall(f"{HEAD}Content-Length: 90000\r\n\r\n".encode() + b"x" * 89_000)
    answers = []
    wait_for(lambda: answers.append(narrow.post(READ, b"x" * 50_000)) or answers[-1].status != 422)  # they have come
    assert (answers[-1].status, answers[-1].headers["retry-after"]) == (503, "1")
    assert answers[-1].json["detail"] == "Too many bytes are waiting to be read. Send it again in a moment."
    for each in waiting:
        each.close()
    wait_for(lambda: narrow.post(READ, b"x" * 50_000).status == 422)  # all of it is given free


def test_bytes_count_when_they_arrive_and_not_when_they_are_promised(narrow):
    waiting = [narrow.socket() for _ in range(8)]
    for each in waiting:
        each.sendall(f"{HEAD}Content-Length: 100000\r\n\r\nx".encode())
    wait_for(lambda: gauge(narrow, "mnistry_in_flight") == 9)  # this question is one of them
    assert narrow.post(READ, b"x" * 50_000).status == 422
    for each in waiting:
        each.close()


def test_too_many_connections_are_refused(narrow):
    wait_for(lambda: narrow.get("/api/model").status == 200)
    held = [narrow.socket() for _ in range(10)]  # a client's part of them
    with narrow.socket(60) as connection:
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 1" in answer
    asked = narrow.get("/api/model")
    assert (asked.status, asked.headers["connection"]) == (503, "close")
    assert asked.json["detail"] == "There are too many connections. Try again in a moment."
    for each in held:
        each.close()
    wait_for(lambda: narrow.get("/api/model").status == 200)


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
        held = [server.socket(60) for _ in range(400)]
        assert server.get("/healthz").status == 200
        with contextlib.suppress(ConnectionError):
            assert held[300].recv(100)[:13] in (b"", b"HTTP/1.1 503 ")  # there is no place for it
        for each in held:
            each.close()
        wait_until_it_reads(server)
        assert len(server.log.read_text().splitlines()) < 20


# The queue


def test_what_takes_too_long_is_ended_and_the_next_picture_read(hasty):
    before, restarts = worker_of(hasty), gauge(hasty, "mnistry_worker_restarts")
    with Stopped(hasty):
        answer = hasty.post(READ, written("5"))
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert answer.json["detail"] == "The picture took longer than 1 seconds to read. Reduce it, or try again later."
    wait_until_it_reads(hasty, after=before)
    assert gauge(hasty, "mnistry_worker_restarts") > restarts


def test_a_full_queue_refuses_at_once_and_others_are_answered(narrow):
    with ThreadPoolExecutor(8) as threads:
        with Stopped(narrow):
            asked = [threads.submit(narrow.post, READ, written("5"), timeout=120) for _ in range(3)]
            wait_for(lambda: gauge(narrow, "mnistry_waiting") == 2)
            answer = narrow.post(READ, written("5"))
            assert (answer.status, answer.headers["retry-after"]) == (503, "1")
            assert answer.json["detail"].startswith("More pictures are waiting than can be read soon.")
            assert narrow.get("/healthz").status == 200
            assert not any(each.done() for each in asked)
        assert [each.result().json["text"] for each in asked] == ["5"] * 3


def test_a_process_that_ends_while_it_reads_is_started_again(narrow):
    process = worker_of(narrow)
    with ThreadPoolExecutor(2) as threads, Stopped(narrow):
        asked = [threads.submit(narrow.post, READ, written("5"), timeout=120) for _ in range(2)]
        wait_for(lambda: gauge(narrow, "mnistry_waiting") == 1)  # and the other is being read
        os.kill(process, signal.SIGKILL)
        answers = sorted((each.result() for each in asked), key=lambda answer: answer.status)
    assert [answer.status for answer in answers] == [200, 503]
    assert answers[0].json["text"] == "5"
    assert answers[1].json["detail"].startswith("The process that read the picture ended while it did.")


def test_a_process_that_ends_idle_is_not_missed(narrow):
    process = worker_of(narrow)
    os.kill(process, signal.SIGKILL)
    assert narrow.post(READ, written("5"), timeout=120).status in (
        200,
        503,
    )  # 503: it was given the picture as it ended
    wait_until_it_reads(narrow, after=process)


def test_who_has_gone_is_not_read_for(narrow):
    body = written("5")
    with Stopped(narrow):
        held = [narrow.socket(60) for _ in range(2)]
        send_picture(held[0], body)
        wait_for(lambda: gauge(narrow, "mnistry_in_flight") >= 2)  # this question is one of them
        send_picture(held[1], body)
        wait_for(lambda: gauge(narrow, "mnistry_waiting") == 1)
        reset(held[1])
        for _ in range(2):
            narrow.get("/healthz")  # what came before it, the server has seen
    assert held[0].recv(1 << 16).startswith(b"HTTP/1.1 200 ")
    held[0].close()
    wait_for(lambda: " 499 " in narrow.log.read_text())


# Fair shares


def test_long_pictures_make_room_for_others(tmp_path):
    """Two pictures that take for ever: their processes go on beside the others, which are all answered."""
    slow = changed(
        "limits=worker_pool.Limits(workers=2, patience=0.3, seconds=120.0)",
        "from mnistry.service import connections; import os; os.environ['PYTHONPATH'] = os.pathsep.join("
        "[os.path.abspath('slow'), *filter(None, [os.environ.get('PYTHONPATH')])])",
    )
    (tmp_path / "slow").mkdir()
    (tmp_path / "slow" / "sitecustomize.py").write_text(SLOW_READER)
    with running(tmp_path, *slow) as server, ThreadPoolExecutor(2) as threads:
        wait_until_ready(server)
        first = server.workers()
        greedy = [threads.submit(server.post, f"{READ}?name=slow", written("5"), timeout=120) for _ in range(2)]
        wait_for(lambda: gauge(server, "mnistry_in_flight") >= 3)  # this question is one of them
        assert [server.post(READ, written("5"), timeout=120).status for _ in range(10)] == [200] * 10
        assert not any(each.done() for each in greedy)
        (tmp_path / "enough").touch()
        assert [each.result().json["text"] for each in greedy] == ["5"] * 2
        wait_for(lambda: not set(first) & set(server.workers()))  # those that were set aside end with their pictures
        wait_for(lambda: len(server.workers()) == 2)


SLOW_READER = """
import sys
if sys.orig_argv[1:3] == ["-m", "mnistry.service.worker"]:
    import os
    from mnistry.service import handlers
    read = handlers.read
    def slow(recognizer, body, *, name, **options):
        while name == "slow" and not os.path.exists("enough"):
            pass
        return read(recognizer, body, name=name, **options)
    handlers.HANDLERS["read"] = slow
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
        errors = ErrorOutput(process.stderr, reports.append)
        await asyncio.wait_for(process.wait(), 60)
        await errors.end()
        errors.begin()

    asyncio.run(take_in())
    assert len(reports) == 31
    assert reports[0] == "a reading process wrote: " + "x" * 200
    assert reports[-1] == "a reading process wrote 4970 more lines, which were dropped"


def test_no_reading_process_is_left_when_the_model_cannot_be_loaded(tmp_path):
    (tmp_path / "bad.onnx").write_bytes(b"no model")

    async def start() -> None:
        pool = Pool(str(tmp_path / "bad.onnx"), Limits(workers=2), print)
        for work in (pool.start, functools.partial(pool.use, str(tmp_path / "bad.onnx"))):
            with pytest.raises(ModelError, match=r"bad\.onnx"):
                await work()
            assert not [name for name in descendants(os.getpid()).values() if "bad.onnx" in name]
        await pool.close()

    asyncio.run(start())
    gc.collect()  # what was left open would be an error here


# Load


def test_many_clients_are_served_and_probes_are_answered_beside_them(server):
    pictures = [(text, written(text, height=60)) for text in ("1", "4", "7", "0", "35")]
    statuses: Counter[int] = Counter()

    def client(seed: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        chooser = random.Random(seed)
        for _ in range(20):
            text, body = chooser.choice(pictures)
            connection.request("POST", READ, body)
            response = connection.getresponse()
            content = response.read()
            statuses[response.status] += 1
            assert f'"text": "{text}"'.encode() in content
        connection.close()

    with ThreadPoolExecutor(16) as threads:
        asked = [threads.submit(client, seed) for seed in range(16)]
        while not all(each.done() for each in asked):
            assert server.get("/healthz").status == 200
        for each in asked:
            each.result()
    assert statuses == {200: 320}


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
    program = changed(changes="connections.LAST_WORD_SECONDS = 60")  # a client may be slow on a machine in use
    with running(tmp_path, *program) as server:
        body = written("58", height=80)
        answered: Counter[str] = Counter()

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
                    connection.close()
                    return
                if not keep or response.will_close:
                    connection.close()
                    connection = None

        with ThreadPoolExecutor(8) as threads:
            clients = [threads.submit(client, keep) for keep in (True, False) * 4]
            wait_for(lambda: answered.total() >= 20)
            assert server.stop() == 0
            for each in clients:
                each.result()
    assert set(answered) == {"right"}
    assert "Traceback" not in server.log.read_text()


def test_while_it_stops_it_is_not_ready_and_its_processes_end_with_it(tmp_path):
    program = changed("limits=worker_pool.Limits(workers=1, seconds=120.0)", "connections.LAST_WORD_SECONDS = 120")
    with running(tmp_path, *program) as server:
        workers = server.workers()
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        connection.request("GET", "/readyz")
        assert connection.getresponse().read() == b'{"status": "ready"}'
        with Stopped(server), server.socket(60) as slow:
            send_picture(slow, written("5"))
            wait_for(lambda: gauge(server, "mnistry_in_flight") >= 2)  # this question is one of them
            server.process.send_signal(signal.SIGTERM)
            wait_for(lambda: refuses_connections(server))
            connection.request("GET", "/readyz")  # over the connection that was there before
            response = connection.getresponse()
            assert (response.status, response.headers["connection"]) == (503, "close")
            assert b"The server is stopping." in response.read()
            for worker in workers:
                os.kill(worker, signal.SIGCONT)
            assert b'"text": "5"' in slow.makefile("rb").read()
        assert server.process.wait(60) == 0
    for worker in workers:
        with pytest.raises(ProcessLookupError):
            os.kill(worker, 0)


def refuses_connections(server: Running) -> bool:
    try:
        server.socket().close()
    except ConnectionError:
        return True
    return False


def test_ctrl_c_stops_it_in_peace(tmp_path):
    with running(tmp_path, *serve("--workers", "1")) as server:
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(60) == 0
        assert server.log.read_text() == ""


def kill_and_see_the_end(server, workers):
    """Kill the server; its workers must be gone soon."""
    server.process.kill()
    server.process.wait()
    wait_for(lambda: not any(os.path.exists(f"/proc/{worker}") for worker in workers))


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
        send_picture(connection, picture.getvalue())
        wait_for(lambda: [processor_ticks(worker) for worker in workers] != before)
        kill_and_see_the_end(server, workers)


def processor_ticks(process: int) -> int:
    """The time that a process has computed, in hundredths of a second."""
    with open(f"/proc/{process}/stat", encoding="ascii", errors="replace") as file:
        words = file.read().rpartition(")")[2].split()
    return int(words[11]) + int(words[12])


def test_a_log_that_nobody_reads_holds_nothing_up(tmp_path):
    reading, writing = os.pipe()
    with running(tmp_path, *serve("--workers", "1"), errors=writing) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        for _ in range(2000):  # more lines than a pipe holds
            connection.request("GET", "/healthz")
            assert connection.getresponse().read() == b'{"status": "alive"}'
        connection.close()
        assert server.stop() == 0
    os.close(reading)
    os.close(writing)
