"""`mnistry serve` as programs meet it: what each path answers, and what it says to those who get it wrong."""

from __future__ import annotations

import asyncio
import base64
import gzip
import io
import json
import re
import socket
import subprocess
import sys
import urllib.parse
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.running import Running, running, serve, wait_for, written
from mnistry import Recognizer
from mnistry.ocr import explain, image_io
from mnistry.service import pages, schemas
from mnistry.service import server as server_module
from mnistry.service.security import choose_access

READ = "/api/read"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("server"), *serve("--allow-origin", "http://127.0.0.1:9")) as server:
        yield server


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer.load()


def assert_problem(answer, status, detail):
    """A problem as RFC 9457 has it, with this sentence."""
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
    assert set(answer.json) == {"type", "title", "status", "detail"}
    assert (answer.json["type"], answer.json["status"], answer.json["detail"]) == ("about:blank", status, detail)


# Reading


def test_a_picture_is_read_as_the_command_line_reads_it(server, mnistry, tmp_path):
    (tmp_path / "208.png").write_bytes(written("208"))
    answer = server.post(f"{READ}?name=208.png", written("208"))
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json == json.loads(mnistry("read", "--json", "208.png").stdout)
    assert answer.json["text"] == "208"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM"])
def test_any_kind_of_picture_is_taken_whatever_it_is_called(server, kind):
    content = written("35", kind=kind)
    for headers in ({}, {"content-type": "image/png"}, {"content-type": "application/x-www-form-urlencoded"}):
        assert server.post(READ, content, headers=headers).json["text"] == "35"


def test_single_gives_one_digit(server):
    answer = server.post(f"{READ}?single=true", written("20")).json
    assert (len(answer["text"]), len(answer["digits"])) == (1, 1)


def test_a_file_of_several_pages_says_so_and_each_can_be_read(server):
    for kind in ("PDF", "TIFF"):
        sheets = [Image.open(io.BytesIO(written(text))).convert("L") for text in ("47", "38")]
        content = io.BytesIO()
        sheets[0].save(content, kind, save_all=True, append_images=sheets[1:])
        first, second, none = (
            server.post(f"{READ}{query}", content.getvalue()) for query in ("", "?page=2", "?page=3")
        )
        assert (first.json["text"], second.json["text"]) == ("47", "38")
        assert first.json["pages"] == second.json["pages"] == 2
        assert_problem(none, 422, "picture cannot be read: the file has 2 pages.")
    assert "pages" not in server.post(READ, written("47")).json
    assert server.post(f"{READ}?page=0", written("47")).status == 422


def test_a_body_in_chunks_is_taken(server):
    parts = [written("47")[start : start + 100] for start in range(0, len(written("47")), 100)]
    assert server.post(READ, iter(parts)).json["text"] == "47"


def test_images_are_what_the_network_saw(server, recognizer):
    content = written("69")
    digits = recognizer.read(content).digits
    shown = server.post(f"{READ}?images=true", content).json["digits"]
    assert [set(each) for each in shown] == [
        {"digit", "probability", "probabilities", "box", "sure", "image", "digitness", "is_digit"}
    ] * 2
    for each, digit in zip(shown, digits, strict=True):
        assert (np.array(each["image"], np.uint8) == digit.image).all()
        assert each["digitness"] == pytest.approx(digit.digitness)


def test_a_blank_sheet_is_an_empty_reading(server):
    answer = server.post(f"{READ}?explain=true", written(" "))
    assert answer.status == 200
    assert (answer.json["text"], answer.json["digits"]) == ("", [])
    assert "naive" not in answer.json


def test_an_explanation_has_heat_and_the_naive_answer(server, recognizer):
    content = written("7", height=200)
    answer = server.post(f"{READ}?explain=true", content).json
    (digit,) = answer["digits"]
    heat, image = np.array(digit["heat"]), np.array(digit["image"])
    assert heat.shape == (28, 28)
    assert (heat[image == 0] == 0).all()
    assert heat.max() > 0
    resized, inverted = digit["naive"]
    assert [each["how"] for each in digit["naive"]] == ["resized", "resized and inverted"]
    assert (np.array(resized["image"]) + inverted["image"] == 255).all()
    said = recognizer.predict_all(np.array([inverted["image"]], np.uint8))
    assert inverted["digit"] == said.digits[0]
    assert inverted["probability"] == pytest.approx(float(said.probabilities.max()))


def test_digits_of_a_page_are_resized_one_by_one(server, recognizer):
    answer = server.post(f"{READ}?explain=true", written("75", height=200)).json
    assert [len(digit["naive"]) for digit in answer["digits"]] == [2, 2]
    small = [np.array(digit["naive"][1]["image"]) for digit in answer["digits"]]
    assert (small[0] != small[1]).any()
    assert all(0.03 < (image > 100).mean() < 0.6 for image in small)  # the digit with some paper around it


def test_steps_lead_from_the_picture_to_the_image(server):
    answer = server.post(f"{READ}?steps=true", written("75", height=200)).json
    assert [step["name"] for step in answer["steps"]] == ["picture", "paper", "ink"]
    pictures = [Image.open(io.BytesIO(base64.b64decode(step["png"]))) for step in answer["steps"]]
    assert len({picture.size for picture in pictures}) == 1
    ink = np.asarray(pictures[2])
    assert ink.shape[0] <= 480
    assert 0.01 < (ink > 128).mean() < 0.3
    for digit in answer["digits"]:
        cut, image = (np.asarray(Image.open(io.BytesIO(base64.b64decode(step["png"])))) for step in digit["steps"])
        assert (image == np.array(digit["image"])).all()
        assert cut.shape[0] > cut.shape[1] * 0.8


# Corrections


def test_corrections_are_kept_by_label(tmp_path):
    image = [[0] * 28 for _ in range(28)]
    image[5][7] = 200
    with running(tmp_path, *serve("--workers", "1", "--corrections", str(tmp_path / "kept"))) as server:
        state = server.get("/api/corrections").json
        assert (state["enabled"], state["count"], state["folder"]) == (True, 0, str(tmp_path / "kept"))
        for label, count in ((7, 1), (7, 1), (1, 1)):  # the same image again; and with another label
            assert server.post("/api/corrections", json.dumps({"image": image, "label": label})).json["count"] == count
        (path,) = (tmp_path / "kept").glob("*/*.png")
        assert path.parent.name == "1"
        with Image.open(path) as kept:
            assert (np.asarray(kept) == np.array(image)).all()
        for wrong in (
            {"image": image, "label": 10},
            {"image": image[1:], "label": 1},
            {"image": image},
            [],
            3,
            {"image": image, "label": 1, "by": "me"},
        ):
            answer = server.post("/api/corrections", json.dumps(wrong))
            assert answer.status == 422
            assert answer.json["detail"].startswith("A correction is JSON")
        assert_problem(server.post("/api/adapt", b""), 409, "At least 10 corrected digits are needed; there are 1.")
        forged = {"Origin": "http://somewhere.invalid"}
        assert server.post("/api/corrections", json.dumps({"image": image, "label": 3}), headers=forged).status == 403


def test_the_service_adapts_to_corrections_and_answers_with_the_new_model(tmp_path, digits):
    with running(tmp_path, *serve("--workers", "1", "--corrections", str(tmp_path / "kept"))) as server:
        for image, label in zip(digits.x_test[:12].tolist(), digits.y_test[:12].tolist(), strict=True):
            server.post("/api/corrections", json.dumps({"image": image, "label": int(label)}))
        before = server.get("/api/model").json["name"]
        answer = server.post("/api/adapt", b"")
        assert (answer.status, answer.json["running"]) == (202, True)
        assert server.post(READ, written("5")).json["text"] == "5"  # meanwhile
        wait_for(lambda: not server.get("/api/corrections").json["running"])
        state = server.get("/api/corrections").json
        assert state["error"] is None
        assert state["result"]["samples"] == 12
        assert state["result"]["check"]["n"] == 360
        assert Path(state["result"]["file"]) == tmp_path / "kept-model.onnx"
        assert server.get("/api/model").json["name"] == f"{before}-adapted"
        assert server.post(READ, written("5")).json["text"] == "5"
        wait_for(lambda: len(server.workers()) == 1)


def test_other_machines_cannot_correct_unless_they_are_let(tmp_path):
    with running(tmp_path, *serve("--workers", "1", "--host", "0.0.0.0")) as server:
        assert server.get("/api/corrections").json == {"enabled": False}
        sentence = "This server takes no corrections. Start it with --corrections DIR to let it."
        assert_problem(server.post("/api/corrections", b"{}"), 409, sentence)
        assert_problem(server.post("/api/adapt", b""), 409, sentence)


def test_the_name_is_the_source_and_stands_in_errors(server):
    assert server.post(f"{READ}?name=a%20b.png", written("1")).json["source"] == "a b.png"
    assert server.post(f"{READ}?name=a%0Ab%00", written("1")).json["source"] == "a?b?"
    assert server.post(f"{READ}?name=x.png", b"abc").json["detail"].startswith("x.png is not a picture")


# Ways to send a picture


def form(content: bytes, disposition: str = 'form-data; name="file"; filename="a.png"', boundary: str = "b") -> bytes:
    head = f"--{boundary}\r\nContent-Disposition: {disposition}\r\nContent-Type: image/png\r\n\r\n"
    return head.encode() + content + f"\r\n--{boundary}--\r\n".encode()


def data_url(content: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(content).decode()


def ways(content: bytes) -> list[tuple[bytes, str]]:
    """A picture in every way that clients send one: body and Content-Type."""
    url = data_url(content)
    return [
        (form(content), "multipart/form-data; boundary=b"),
        (form(content, boundary="----x y"), 'Multipart/Form-Data; charset=utf-8; boundary="----x y"'),
        (b"preamble\r\n" + form(content) + b"epilogue", "multipart/form-data; boundary=b"),
        (form(url.encode(), 'form-data; name="canvas"'), "multipart/form-data; boundary=b"),
        (url.encode(), "text/plain"),
        (url.encode(), ""),
        (url.replace("base64,", "base64,%0A").replace("+", "%2B").encode(), "text/plain;charset=UTF-8"),
        (("data:," + urllib.parse.quote(content)).encode(), "text/plain"),
        (json.dumps({"image": url}).encode(), "application/json"),
        (json.dumps({"picture": base64.urlsafe_b64encode(content).decode().rstrip("=")}).encode(), "application/json"),
        (json.dumps({"data": base64.encodebytes(content).decode()}).encode(), "application/json; charset=utf-8"),
        (json.dumps({"filename": "a.png", "image": url}).encode(), "application/json"),
        (json.dumps(url).encode(), "application/json"),
        (form(base64.b64encode(content), 'form-data; name="image"'), "multipart/form-data; boundary=b"),
        (urllib.parse.urlencode({"image": url}).encode(), "application/x-www-form-urlencoded"),
        (b"image=" + base64.b64encode(content), "application/x-www-form-urlencoded"),
        (base64.b64encode(content), "application/x-www-form-urlencoded"),
    ]


@pytest.mark.parametrize("number", range(17))
def test_a_picture_may_be_sent_in_a_form_a_data_url_or_json(server, number):
    body, kind = ways(written("35"))[number]
    answer = server.post(f"{READ}?images=true", body, headers={"content-type": kind} if kind else {})
    assert (answer.status, answer.json.get("text")) == (200, "35"), answer.json
    assert answer.json["source"] == ("a.png" if "filename" in body.decode("latin-1") else "picture")


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        (b"", "multipart/form-data", "The form's Content-Type has no boundary. Send the picture's bytes"),
        (b"abc", "multipart/form-data; boundary=b", "The form is damaged: its parts do not begin and end"),
        (form(b"x")[:-6], "multipart/form-data; boundary=b", "The form is damaged: its parts do not begin and end"),
        (b"--b\r\nabc\r\n--b--", "multipart/form-data; boundary=b", "The form is damaged: a part has no end"),
        (b"--b--\r\n--b--", "multipart/form-data; boundary=b", "The form is damaged: a part has no end"),
        (
            form(b"true", 'form-data; name="single"'), "multipart/form-data; boundary=b",
            "The form's field 'single' is not a file. Options belong in the query: ?single=true.",
        ),
        (
            form(b"x").replace(b"--b--\r\n", b"") + form(b"y"), "multipart/form-data; boundary=b",
            "The form must have one file; received 2. Send one picture a request.",
        ),
        (form(b"x"), "multipart/form-data; boundary=b", "a.png is not a picture"),
        (b"data:image/png", "text/plain", "The data URL must be data:image/png;base64, followed by base64."),
        (b"data:image/png;base64,@@@", "", "The picture is not valid base64."),
        (b'{"image": 3}', "application/json", "The JSON must be an object with one text"),
        (b'{"image": "aaaa", "single": true}', "application/json", "The JSON must be an object with one text"),
        (b'{"image"', "application/json", "The body is not valid JSON."),
        (b"[" * 100_000, "application/json", "The body is not valid JSON."),
        (b'{"image": "aaa?"}', "application/json", "The picture is not valid base64."),
        (b'{"image": ""}', "application/json", "picture is empty"),
        (b'{"image": "aGVsbG8="}', "application/json", "picture is not a picture"),
        (b'{"image": "https://somewhere.invalid/a"}', "application/json", "Pictures are not fetched from addresses"),
        (b'["aaaa"]', "application/json", "The JSON must be an object with one text"),
    ],
    ids=range(19),
)  # fmt: skip
def test_what_holds_no_picture_is_refused_with_the_ways_that_work(server, body, kind, said):
    answer = server.post(READ, body, headers={"content-type": kind} if kind else {})
    assert answer.status == 422
    assert answer.json["detail"].startswith(said)


@pytest.mark.parametrize("packed", [gzip.compress, zlib.compress])
def test_a_body_may_be_packed(server, packed):
    encoding = {"content-encoding": "gzip" if packed is gzip.compress else "deflate"}
    assert server.post(READ, packed(written("35")), headers=encoding).json["text"] == "35"
    body, kind = ways(written("35"))[0]
    assert server.post(READ, packed(body), headers={**encoding, "content-type": kind}).json["text"] == "35"
    cut = server.post(READ, packed(written("35"))[:-9], headers=encoding).json["detail"]
    assert cut == "The body is cut short. Send the picture without a Content-Encoding."
    bomb = server.post(READ, packed(bytes(50_000_000)), headers=encoding).json["detail"]
    assert bomb.startswith("The body unpacks to 40,000,000 bytes or more.")
    assert_problem(
        server.post(READ, b"abc", headers=encoding), 422, "The body is not packed as its Content-Encoding says."
    )
    said = "The Content-Encoding 'br' is not taken. Send the picture without, or with gzip."
    assert_problem(server.post(READ, b"abc", headers={"content-encoding": "br"}), 415, said)


def test_an_option_is_there_once(server):
    said = "The query parameter 'single' is there more than once. Leave one."
    assert_problem(server.post(f"{READ}?single=true&single=false", written("35")), 422, said)


@pytest.mark.parametrize("shape", [(2, 784), (2, 28, 28, 1)])
def test_a_batch_may_be_rows_of_pixels_or_have_a_channel(server, shape):
    images = np.arange(2 * 784).reshape(2, 28, 28) % 256
    answers = [
        server.post(
            "/api/predict", json.dumps({"images": each.tolist()}).encode(), headers={"content-type": "application/json"}
        ).json
        for each in (images, images.reshape(shape))
    ]
    assert answers[0] == answers[1]
    assert len(answers[0]["digits"]) == 2


# Wrong requests


def test_what_is_no_picture_is_said_as_the_command_line_says_it(server, mnistry, tmp_path):
    (tmp_path / "picture").write_bytes(b"no picture")
    said = mnistry("read", "picture").stderr.removeprefix("mnistry: ").strip()
    assert_problem(server.post(READ, b"no picture"), 422, said)


def test_a_damaged_picture_and_a_bomb_are_refused(server):
    assert server.post(READ, written("5")[:300]).json["detail"].startswith("picture is damaged: ")
    bomb = b"P5 60000 60000 255\n"
    detail = server.post(READ, bomb + b"0" * 100).json["detail"]
    assert detail.startswith("picture has ")
    assert "more than" in detail


def test_an_empty_body_is_refused(server):
    answer = server.post(READ, b"")
    assert answer.status == 422
    assert answer.json["detail"] == "picture is empty: it has 0 bytes."


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("single=maybe", "The query parameter 'single' must be true or false; received 'maybe'."),
        ("singel=true", "There is no query parameter 'singel' here. Did you mean single?"),
        ("name=" + "x" * 201, None),
    ],
)
def test_a_query_that_makes_no_sense_is_refused(server, query, detail):
    answer = server.post(f"{READ}?{query}", written("5"))
    assert_problem(answer, 422, detail or answer.json["detail"])
    assert len(answer.json["detail"]) < 400


def test_a_form_of_a_batch_is_refused_with_what_to_do(server):
    answer = server.post(
        "/api/predict", b"--x\r\n\r\n--x--", headers={"content-type": "multipart/form-data; boundary=x"}
    )
    sentence = "The body must be the batch itself; received a form. With curl, send --data-binary @FILE."
    assert_problem(answer, 415, sentence)


def test_unknown_paths_and_methods(server):
    assert_problem(server.get("/api/reed"), 404, "There is nothing at '/api/reed'. Did you mean /api/read?")
    answer = server.get(READ)
    assert_problem(answer, 405, "/api/read takes POST; received GET.")
    assert answer.headers["allow"] == "POST"
    assert server.ask("DELETE", "/").status == 405


def test_head_is_answered_on_every_path_that_takes_get(server):
    for path in ("/", "/docs", "/favicon.svg", "/static/main.js", "/api/model", "/openapi.json", pages.CARD):
        shown, head = server.get(path), server.ask("HEAD", path)
        assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(shown.body)))
    for path in ("/healthz", "/readyz", "/metrics"):
        assert (server.ask("HEAD", path).status, server.ask("HEAD", path).body) == (200, b"")
    assert server.ask("HEAD", READ).status == 405


def raw(server: Running, request: bytes, *, half_close: bool = False) -> bytes:
    """All that the server sends for some bytes."""
    with server.socket() as connection:
        connection.sendall(request)
        if half_close:
            connection.shutdown(socket.SHUT_WR)
        return connection.makefile("rb").read()


def test_a_half_closed_request_is_answered(server):
    body = written("5")
    head = f"POST {READ} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    assert b'"text": "5"' in raw(server, head + body, half_close=True)
    assert raw(server, (head + body) * 2, half_close=True).count(b'"text": "5"') == 2
    assert raw(server, head + body[:20], half_close=True) == b""  # the rest will never come


def test_targets_of_all_forms_are_understood(server):
    absolute = f"http://127.0.0.1:{server.port}/healthz"
    request = "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n"
    for host in ("127.0.0.1", "somewhere.invalid"):  # the target's host counts, RFC 9112, 3.2.2
        assert b'{"status": "alive"}' in raw(server, request.format(absolute, host).encode())
    other = raw(server, request.format("http://somewhere.invalid/healthz", "127.0.0.1").encode())
    assert other.startswith(b"HTTP/1.1 421 ")
    assert b"<title>mnistry" in raw(server, request.format(absolute[:-8], "127.0.0.1").encode())
    assert raw(server, b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").startswith(
        b"HTTP/1.1 204 "
    )
    for target in ("*", "healthz", "127.0.0.1:80"):
        assert raw(server, request.format(target, "127.0.0.1").encode()).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    "host", ["[::1]x", "[::1]:80x", "localhost:80x", "localhost:99999", "a@localhost", "a b", "a/b"]
)
def test_a_host_header_that_is_none_is_refused(server, host):
    assert_problem(
        server.get("/healthz", headers={"Host": host}),
        400,
        f"The Host header must be NAME or NAME:PORT; received {host!r}.",
    )


def test_no_host_header_or_two_are_refused(server):
    for hosts in ("", "Host: localhost\r\nHost: localhost\r\n"):
        assert raw(server, f"GET / HTTP/1.1\r\n{hosts}\r\n".encode()).startswith(b"HTTP/1.1 400 ")


def test_a_body_with_two_lengths_is_refused_and_the_connection_ends(server):
    head = f"POST {READ} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
    smuggled = b"0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    answer = raw(server, head.encode() + smuggled)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1") == 1
    old = f"POST {READ} HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    assert raw(server, old.encode()).startswith(b"HTTP/1.1 400 ")


def test_what_is_no_http_is_refused_with_a_problem(server):
    with server.socket() as connection:
        connection.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in answer


# Batches


def test_a_batch_is_answered_as_the_recogniser_does(server, recognizer, digits):
    images = digits.x_test[:300]
    said = recognizer.predict_all(images)
    as_bytes = server.post("/api/predict", images.tobytes(), headers={"content-type": "application/octet-stream"}).json
    in_json = json.dumps({"images": images.tolist()})
    as_json = server.post("/api/predict", in_json, headers={"content-type": "application/json; charset=utf-8"}).json
    assert as_bytes == as_json
    assert set(as_json) == {"digits", "probabilities", "digitness", "is_digit", "sure"}
    assert as_json["digits"] == said.digits.tolist()
    np.testing.assert_allclose(as_json["probabilities"], said.probabilities, atol=1e-6)
    assert as_json["sure"] == said.sure.tolist()


def test_one_image_is_a_batch(server, digits):
    body = json.dumps({"images": digits.x_test[0].tolist()})
    assert len(server.post("/api/predict", body, headers={"content-type": "application/json"}).json["digits"]) == 1


@pytest.mark.parametrize(
    "body",
    [
        "", "{", "[]", "null", "{}", '{"images": []}', '{"images": [[1]]}', '{"images": [[1], [2, 3]]}',
        '{"images": "a"}',
        json.dumps({"images": [[0.5] * 28] * 28}), json.dumps({"images": [[256] * 28] * 28}), '{"images": NaN}',
        json.dumps({"images": [[-1] * 28] * 28}), json.dumps({"images": [[True] * 28] * 28}), "[" * 100_000,
        json.dumps({"images": [[0] * 28] * 28, "more": 1}), '{"images": [' + "9" * 5000 + "]}", "\udcff",
    ],
    ids=range(18),
)  # fmt: skip
def test_what_is_no_batch_is_refused(server, body):
    content = body.encode(errors="surrogateescape")
    answer = server.post("/api/predict", content, headers={"content-type": "application/json"})
    assert answer.status == 422
    assert answer.json["detail"].endswith('n times 784 bytes, or JSON {"images": [...]}.')


def test_bytes_that_are_no_whole_images_are_refused(server):
    for n in (0, 783, 785):
        answer = server.post("/api/predict", b"x" * n)
        assert answer.status == 422
        assert answer.json["detail"].startswith(f"The body has {n} bytes; ")


# About the model and the server


def test_the_model_says_what_it_is(server, recognizer):
    assert server.get("/api/model").json == json.loads(json.dumps(recognizer.info.as_json()))


def test_alive_and_ready(server):
    assert server.get("/healthz").json == {"status": "alive"}
    assert server.get("/readyz").json == {"status": "ready"}


def test_metrics_count_what_happened(server):
    def counted() -> dict[str, float]:
        lines = server.get("/metrics").body.decode().splitlines()
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}

    before = counted()
    server.post(READ, written("20"))
    server.post(READ, b"no picture")
    server.post("/api/predict", b"\0" * 784 * 3)
    server.get("/nowhere")
    server.ask("BREW", READ)
    after = counted()
    grown = {name: after[name] - before.get(name, 0) for name in after}
    assert grown['mnistry_requests_total{method="POST",path="/api/read",status="200"}'] == 1
    assert grown['mnistry_requests_total{method="POST",path="/api/read",status="422"}'] == 1
    assert grown['mnistry_requests_total{method="other",path="/api/read",status="405"}'] == 1
    assert grown['mnistry_requests_total{method="GET",path="other",status="404"}'] == 1
    assert grown["mnistry_errors_total"] == 3
    assert grown['mnistry_pictures_total{outcome="read"}'] == 1
    assert grown['mnistry_pictures_total{outcome="unreadable"}'] == 1
    assert (grown["mnistry_digits_total"], grown["mnistry_images_total"]) == (2, 3)
    assert grown['mnistry_request_seconds_count{path="/api/read"}'] == 3
    assert grown['mnistry_request_seconds_bucket{le="+Inf",path="/api/read"}'] == 3
    assert after["mnistry_in_flight"] == 1  # the one that asks
    assert after["mnistry_workers"] == len(server.workers())


def test_the_log_has_a_line_a_request_and_nothing_of_the_picture(server):
    server.post(f"{READ}?name=secret", b"also secret")
    server.get("/%0Aforged%20line%1B[31m")
    wait_for(lambda: "forged" in server.log.read_text())
    text = server.log.read_text()
    assert "secret" not in text
    assert "\x1b" not in text
    line = re.compile(r"\S+ 127\.0\.0\.1 [A-Z]+ \S+ \d{3} \d+ bytes \d+\.\d ms")
    assert [each for each in text.splitlines() if not line.fullmatch(each)] == []


# Access


@pytest.mark.parametrize("host", ["somewhere.invalid", "127.0.0.1.somewhere.invalid", "", "0x7f.1", "[::2]"])
def test_a_host_that_is_not_ours_is_refused(server, host):
    answer = server.get("/healthz", headers={"Host": host})
    assert answer.status == 421
    assert "--allow-host" in answer.json["detail"]


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]:8000"])
def test_our_own_names_are_taken(server, host):
    assert server.get("/healthz", headers={"Host": host}).status == 200


def test_a_page_of_another_origin_may_not_use_it(server):
    for origin in ("http://somewhere.invalid", "null", f"https://127.0.0.1:{server.port + 1}"):
        answer = server.post(READ, written("5"), headers={"Origin": origin})
        assert answer.status == 403
        assert "--allow-origin" in answer.json["detail"]
        assert "access-control-allow-origin" not in answer.headers
    assert "access-control-allow-origin" not in server.get("/api/model", headers={"Origin": "null"}).headers


def test_its_own_page_may(server):
    assert server.post(READ, written("5"), headers={"Origin": server.address}).status == 200


def test_an_allowed_origin_may_read_what_it_gets_and_is_told_so_before(server):
    origin = {"Origin": "http://127.0.0.1:9"}
    answer = server.post(READ, written("5"), headers=origin)
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, "http://127.0.0.1:9")
    assert answer.headers["vary"] == "Origin"
    asked = {**origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    answer = server.ask("OPTIONS", READ, headers=asked)
    assert answer.status == 200
    assert "content-type" in answer.headers["access-control-allow-headers"].split(", ")
    asked["Origin"] = "http://somewhere.invalid"
    assert server.ask("OPTIONS", READ, headers=asked).status == 400


def test_beyond_loopback_addresses_are_names_and_others_must_be_allowed():
    access = choose_access("0.0.0.0", ("digits.example",), ())
    for host in ("192.0.2.7:8000", "[2001:db8::1]", "digits.example:80", socket.gethostname()):
        assert access.refusal("GET", {"host": host}) is None
    assert access.refusal("GET", {"host": "somewhere.invalid"}).status == 421


def test_any_host_may_be_allowed(tmp_path):
    with running(tmp_path, *serve("--workers", "1", "--allow-host", "*")) as server:
        assert server.get("/healthz", headers={"Host": "digits.example:8000"}).status == 200
        assert server.get("/healthz", headers={"Host": "digits.example]"}).status == 400
        forged = {"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Host": "[", "Origin": "http://somewhere.invalid"}
        assert server.post(READ, written("5"), headers=forged).status == 403
        wait_for(lambda: "/api/read" in server.log.read_text())
        assert "192.0.2.7" not in server.log.read_text()


def test_behind_a_proxy(tmp_path):
    options = (
        "--workers",
        "1",
        "--root-path",
        "/digits",
        "--trust-proxy",
        "127.0.0.0/8",
        "--allow-host",
        "digits.example",
    )
    with running(tmp_path, *serve(*options)) as server:
        for prefix in ("", "/digits"):  # proxies that hand the path on with and without the prefix
            for path in ("/", "/healthz", "/docs", "/static/main.js", "/model-card"):
                assert server.get(prefix + path).status == 200
        assert server.get("/digits").status == 308
        assert server.get("/digits").headers["location"] == "/digits/"
        assert server.get("/digitsx").status == 404
        assert server.get("/openapi.json").json["servers"] == [{"url": "/digits"}]
        told = {"X-Forwarded-For": "203.0.113.9, 192.0.2.7, 127.0.0.2", "X-Forwarded-Host": "digits.example"}
        answer = server.post(f"/digits{READ}", written("5"), headers={**told, "Origin": "https://digits.example"})
        assert answer.json["text"] == "5"
        wait_for(lambda: "/api/read" in server.log.read_text())
        assert " 192.0.2.7 POST /api/read 200 " in server.log.read_text()
        assert server.get("/", headers={"X-Forwarded-Host": "somewhere.invalid"}).status == 421


def test_links_of_the_page_are_relative():
    for name in ("index.html", "docs.html"):
        links = re.findall(r'(?:href|src)="([^"#]+)"', (pages.STATIC_FOLDER / name).read_text())
        assert len(links) >= 4
        assert [link for link in links if link.startswith("/")] == []


@pytest.mark.parametrize(
    ("option", "value"),
    [("--allow-host", "a:80"), ("--allow-host", "a b"), ("--trust-proxy", "somewhere"), ("--root-path", "digits")],
)
def test_an_option_that_makes_no_sense_is_wrong_usage(mnistry, option, value):
    answer = mnistry("serve", option, value)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.startswith(f"mnistry: {option} must be ")
    assert answer.stderr.strip().endswith(f"received {value!r}.")


def test_an_origin_that_is_none_is_wrong_usage(mnistry):
    answer = mnistry("serve", "--allow-origin", "somewhere.invalid/path")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.startswith(
        "mnistry: --allow-origin must be scheme://host or scheme://host:port, or *; received"
    )


# The page's files


def page_files() -> dict[str, Path]:
    """The page's files by the path that they are served at."""
    files = {f"/static/{each.name}": each for each in pages.STATIC_FOLDER.iterdir()}
    return files | {path: pages.STATIC_FOLDER / name for path, name in pages.PAGES.items()}


def test_every_file_of_the_page_is_served_with_a_strict_policy(server):
    for path, file in page_files().items():
        answer = server.get(path)
        assert (answer.status, answer.body) == (200, file.read_bytes())
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert (answer.headers["x-content-type-options"], answer.headers["cache-control"]) == ("nosniff", "no-cache")
        assert server.get(path, headers={"If-None-Match": answer.headers["etag"]}).status == 304


def test_no_other_file_is_served(server):
    for path in ("/static/../server.py", "/static/%2e%2e/server.py", "/static/", "/static", "/static//etc/passwd"):
        assert server.get(path).status == 404


def test_the_page_asks_nobody_else():
    for file in page_files().values():
        found = file.read_text(encoding="latin-1").replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in found
        assert "https:" not in found
        assert "//cdn" not in found


def test_the_models_card_is_a_page(server):
    answer = server.get(pages.CARD)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    text = answer.body.decode()
    assert "<h1>The model that comes with mnistry</h1>" in text
    assert "<table>" in text
    assert "|---|" not in text
    assert "**" not in text


# The description of the interface


def test_openapi_names_every_path_and_what_it_answers(server):
    description = server.get("/openapi.json").json
    assert description["openapi"].startswith("3.1")
    operations = {path: set(methods) for path, methods in description["paths"].items()}
    expected = {READ: {"post"}, "/api/predict": {"post"}, "/api/corrections": {"get", "post"}, "/api/adapt": {"post"}}
    expected |= {path: {"get"} for path in ("/api/model", "/healthz", "/readyz", "/metrics")}
    assert operations == expected
    names = [each["operationId"] for methods in description["paths"].values() for each in methods.values()]
    assert sorted(names) == [
        "adapt", "correct", "corrections", "health", "metrics", "model", "predict", "read", "ready",
    ]  # fmt: skip
    for methods in description["paths"].values():
        for operation in methods.values():
            assert operation["summary"]
            for status, response in operation["responses"].items():
                kinds = set(response["content"])
                assert kinds == ({"application/problem+json"} if int(status) >= 400 else kinds)


def test_schemathesis_finds_no_answer_that_the_description_does_not_tell(server, tmp_path):
    """Random bytes are mostly no pictures, so that valid bodies are taken is not checked."""
    program = str(Path(sys.executable).with_name("schemathesis"))
    limits = ("-n", "10", "--phases", "examples,coverage,fuzzing", "--seed", "1")
    done = subprocess.run(
        [program, "run", f"{server.address}/openapi.json", *limits, "--exclude-checks", "positive_data_acceptance"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert int(re.search(r"(\d+) generated", done.stdout)[1]) > 100


def test_openapi_takes_the_kinds_of_pictures_that_are_read():
    known = {"x-portable-pixmap": "PPM", "heic": "HEIF"}
    assert [known.get(kind, kind.upper()) for kind in schemas.MEDIA_TYPES] == [*image_io.FORMATS, "HEIF"]


def test_fields_that_were_not_asked_for_are_left_out(server):
    assert "heat" not in server.post(READ, written("5")).json["digits"][0]


# Starting


def test_a_port_in_use_is_a_sentence(mnistry):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        answer = mnistry("serve", "--port", port)
    sentence = (
        f"mnistry: Port {port} of 127.0.0.1 is in use. "
        f"Stop the program that uses it, or take another: --port {port + 1}"
    )
    assert (answer.returncode, answer.stdout, answer.stderr.strip()) == (1, "", sentence)


def test_an_address_that_is_not_ours_is_a_sentence(mnistry):
    answer = mnistry("serve", "--port", 0, "--host", "192.0.2.1")
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr.startswith("mnistry: Cannot listen on 192.0.2.1, port 0: ")
    assert mnistry("serve", "--host", "no such name").returncode == 2


def test_a_model_that_is_none_is_a_sentence(mnistry, tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"no model")
    answer = mnistry("serve", "--port", 0, "--model", "model.onnx")
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr.startswith("mnistry: model.onnx ")
    assert "Traceback" not in answer.stderr


def test_listening_for_others_is_warned_of(tmp_path):
    with running(tmp_path, *serve("--host", "0.0.0.0", "--workers", "1")) as server:
        assert server.get("/readyz").status == 200
        assert "other machines can reach this server (0.0.0.0)" in server.log.read_text()
        assert "0.0.0.0" not in server.announced  # nobody can open that
        server.stop()
        rest = server.process.stdout.read().decode()
    if "127.0.0.1" not in server.announced:
        assert f"On this machine: http://127.0.0.1:{server.port}" in rest
    drawn = [line for line in rest.splitlines() if re.fullmatch("[ █▀▄]+", line) and line.strip()]
    assert len(drawn) >= 12  # the QR code, two rows a line


def test_the_server_itself_loads_no_numbers():
    program = (
        "import sys, mnistry.service.server, mnistry.service.app, mnistry.service.connections; print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"numpy", "onnxruntime", "PIL", "keras", "jax"} & set(done.stdout.split())


# Heat


def test_heat_is_where_the_answer_comes_from(recognizer):
    image = np.zeros((28, 28), np.uint8)
    image[4:24, 13:16] = 255
    image[4:7, 6:22] = 255  # with its bar it is a 7 or a T, without it a 1
    (answer,) = recognizer.predict_all(image[None]).digits
    (heat,) = explain.heat(recognizer, image[None], [answer])
    patched = image.copy()
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    patched[max(0, row - 2) : row + 3, max(0, column - 2) : column + 3] = 0
    before, after = recognizer.predict(np.stack([image, patched]))[:, answer]
    assert after < before


def test_each_pixel_is_covered_by_as_many_squares():
    covering = explain._squares().sum(axis=0)
    assert covering.min() >= 4


def test_a_server_that_is_stopped_while_its_model_is_loaded_ends_in_order(monkeypatch, capsys):
    class Stopped:
        should_exit = True

        async def serve(self, sockets):
            sockets[0].close()
            await asyncio.sleep(0.05)

    class Loading:
        def __init__(self, *_):
            self.closed = False

        async def start(self):
            await asyncio.sleep(0.01)

        async def close(self):
            self.closed = True

    monkeypatch.setattr(server_module, "Pool", Loading)
    monkeypatch.setattr(server_module, "_server", lambda *_: Stopped())
    server_module.serve(server_module.ServerSettings(port=0))
    assert capsys.readouterr().out == ""
