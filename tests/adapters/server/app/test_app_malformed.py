"""What is no HTTP: refused as everything else is refused, and never the ruin of an answer, a session or the log."""

from __future__ import annotations

import json
import logging
import socket
from typing import Any

import pytest

from reportdl.server import LoopbackServer, Switches
from reportdl_core.switches import AbortOnDisconnect

CANARY = b"c4n4ry-7f3a9"
SECURITY = {"cache-control": "no-store", "x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}
CHUNKED = b"Host: a\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(autouse=True)
def _silent(caplog: pytest.LogCaptureFixture) -> Any:
    """No test of this file may leave a traceback in the log of the host."""
    with caplog.at_level(logging.DEBUG):
        yield
    loud = [one for one in caplog.get_records("call") if one.exc_info or one.levelno > logging.WARNING]
    assert [record.getMessage() for record in loud] == []


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def rest(client: socket.socket) -> bytes:
    """What comes until the end."""
    data = b""
    while chunk := client.recv(65536):
        data += chunk
    return data


def refused(answer: Any) -> None:
    assert (answer.status, answer.json) == (400, {"status": "ERROR", "message": "Bad request"})
    assert (answer.headers["content-type"], answer.headers["connection"]) == ("application/json", "close")
    assert SECURITY.items() <= answer.headers.items()
    assert "server" not in answer.headers


@pytest.mark.rules("D40", "R31")
@pytest.mark.parametrize(
    "garbage",
    [
        CANARY + b"\r\n\r\n",
        b"GET /api/element/id/%s\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n" % CANARY,
        b"GET /%s HTTP/1.1\r\n\r\n" % CANARY,
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: %s\r\n\r\n" % CANARY,
        b"GET / HTTP/1.1\r\nHost: a\r\n %s\r\n: b\r\n\r\n" % CANARY,
        b"GET / HTTP/3.9%s\r\n\r\n" % CANARY,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: " + b"a" * 70_000,
    ],
    ids=["words", "a target beyond ASCII", "no host", "a length", "a header", "a version", "TLS", "too long"],
)
def test_it_is_refused_like_everything_else(server: Any, caller: Any, garbage: bytes) -> None:
    with connected(server.port) as client:
        client.sendall(garbage)
        answer = caller.answer(client)
        assert client.recv(1) == b""
    refused(answer)
    assert CANARY not in answer.body + repr(answer.headers).encode()
    assert caller.state("formats").status == 200


@pytest.mark.rules("D40")
def test_after_an_answer_on_the_same_connection(caller: Any) -> None:
    with caller.begin(caller.path("formats")) as connection:
        assert caller.answer(connection).status == 200
        connection.sendall(b"GARBAGE\r\n\r\n")
        refused(caller.answer(connection))
        assert connection.recv(1) == b""


@pytest.mark.rules("D21")
def test_a_body_that_breaks_off_after_the_answer_changes_nothing(server: Any, caller: Any) -> None:
    token = caller.ready()
    with connected(server.port) as client:
        client.sendall(b"GET %s HTTP/1.1\r\n%s" % (caller.path("get", token=token, format="pdf").encode(), CHUNKED))
        assert caller.answer(client).body == b"%PDF pdf"
        client.sendall(b"ZZ\r\n")
        assert rest(client) == b""
    assert [session.state.name for session in server.sessions()] == ["CONSUMED"]


@pytest.mark.rules("D40")
def test_a_body_that_breaks_off_before_the_answer_is_refused(server: Any, caller: Any) -> None:
    with connected(server.port) as client:
        client.sendall(b"POST /api/get_token HTTP/1.1\r\n" + CHUNKED + b"2\r\n{}\r\nZZ\r\n")
        refused(caller.answer(client))
        assert client.recv(1) == b""


@pytest.mark.rules("D7")
def test_a_held_run_ends_with_it(serving: Any, source: Any, caller: Any, soon: Any) -> None:
    switches = Switches(abort_on_disconnect=AbortOnDisconnect.ON)
    running: LoopbackServer = serving(sources=[source], switches=switches, generation_seconds=30.0)
    caller.port = running.port
    target = caller.path("run", token=caller.token(), format="pdf").encode()
    with connected(running.port) as client:
        client.sendall(b"GET %s HTTP/1.1\r\n%s" % (target, CHUNKED))
        soon(lambda: [session.state.name for session in running.sessions()] == ["RUNNING"])
        client.sendall(b"ZZ\r\n")
        refused(caller.answer(client))
        assert client.recv(1) == b""
    soon(lambda: [session.state.name for session in running.sessions()] == ["ERROR"])


@pytest.mark.rules("D21")
def test_a_file_under_way_is_cut_and_may_be_had_again(server: Any, caller: Any) -> None:
    token = caller.ready(6000)
    target = caller.path("get", 6000, token=token, format="pdf")
    with connected(server.port) as client:
        client.sendall(b"GET %s HTTP/1.1\r\n%s" % (target.encode(), CHUNKED))
        head = client.recv(1000)
        assert head.startswith(b"HTTP/1.1 200 ")
        client.sendall(b"ZZ\r\n")
        try:
            got = len(head) + len(rest(client))
        except ConnectionResetError:
            got = 0
    whole = caller.ask(target)
    assert got < int(whole.headers["content-length"]) == len(whole.body)


def test_the_envelope_is_the_one_of_other_refusals(server: Any, caller: Any) -> None:
    with connected(server.port) as client:
        client.sendall(b"?\r\n\r\n")
        said = caller.answer(client).json
    assert said == caller.ask("/api/get_token", method="POST", body=json.dumps([]).encode()).json
