"""The inner parts of uvicorn that `service/connections.py` uses: these tests fail when uvicorn changes them."""

from __future__ import annotations

import asyncio
import inspect
import socket
import sys

import pytest
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from mnistry.service import connections

OVERRIDDEN = {
    "connection_made": ["transport"],
    "data_received": ["data"],
    "eof_received": [],
    "connection_lost": ["exc"],
    "pause_writing": [],
    "resume_writing": [],
    "on_response_complete": [],
    "timeout_keep_alive_handler": [],
    "send_400_response": ["msg"],
    "shutdown": [],
}


def test_a_connection_has_the_methods_that_are_overridden():
    for name, parameters in OVERRIDDEN.items():
        assert list(inspect.signature(getattr(H11Protocol, name)).parameters) == ["self", *parameters]


def test_a_connection_and_a_server_have_the_parts_that_are_used():
    async def parts() -> tuple[H11Protocol, uvicorn.Server]:
        async def app(scope, receive, send):
            pass

        config = uvicorn.Config(app, lifespan="off", log_config=None)
        return H11Protocol(config=config, server_state=ServerState(), app_state={}), uvicorn.Server(config)

    connection, server = asyncio.run(parts())
    assert connection.cycle is None
    assert connection.app_state == {}
    assert isinstance(connection.loop, asyncio.AbstractEventLoop)
    assert connection.connections == set()
    assert {"transport", "client"} <= set(vars(connection))
    assert list(inspect.signature(server.shutdown).parameters) == ["sockets"]
    assert server.server_state.connections == set()
    assert not server.should_exit
    assert server.config.http_protocol_class is H11Protocol or server.config.loaded is False


def test_a_cycle_tells_what_is_left_of_its_request():
    source = inspect.getsource(H11Protocol) + inspect.getsource(uvicorn.protocols.http.h11_impl.RequestResponseCycle)
    for used in ("self.more_body = True", "self.response_complete = False", "self.app_state.copy()"):
        assert used in source
    assert "def capture_signals" in inspect.getsource(uvicorn.Server)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can filter what arrives at a socket")
def test_a_listener_that_is_to_close_makes_no_connection_that_it_would_reset():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        listener.setblocking(False)
        address = listener.getsockname()
        with socket.create_connection(address) as early, socket.socket() as late:
            connections._turn_away_newcomers(listener)
            late.setblocking(False)
            with pytest.raises(BlockingIOError):
                late.connect(address)  # asks, and gets no answer: it will ask again, and be refused
            served, _ = listener.accept()
            with served:
                early.sendall(b"still heard")
                assert served.recv(100) == b"still heard"
            with pytest.raises(BlockingIOError):
                listener.accept()
