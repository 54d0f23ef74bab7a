"""The raw server of the contracts: what it takes for a request, and that it lets go of whoever leaves."""

from __future__ import annotations

import socket
import time

import pytest

from reportdl.testing import FaultServer
from reportdl.testing.raw_server import Answer, RawServer, Then, message

HEAD = b"POST /base/api/get_token HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"
OK = Answer(data=message(200, {}, b"{}"), then=Then.CLOSE)
SOON = 2.0


def conversed(port: int, *pieces: bytes) -> bytes:
    """Send these, say that there is no more, and read what comes until the other side leaves."""
    said = b""
    with socket.create_connection(("127.0.0.1", port), timeout=SOON) as client:
        for piece in pieces:
            client.sendall(piece)
            time.sleep(0.01)
        client.shutdown(socket.SHUT_WR)
        while data := client.recv(65_536):
            said += data
    return said


@pytest.mark.parametrize("sent", [b"", b"12345"])
def test_a_client_that_leaves_inside_a_body_is_let_go_of(sent: bytes) -> None:
    with RawServer(lambda _: OK) as server:
        assert conversed(server.port, HEAD + sent) == b""
        assert server.all_left(timeout=SOON)
        assert server.seen == ()


def test_a_body_in_pieces_is_one_request() -> None:
    with RawServer(lambda _: OK) as server:
        assert conversed(server.port, HEAD, b"12345", b"67890") == OK.data
        (seen,) = server.seen
    assert (seen.state, seen.head, seen.body) == ("get_token", HEAD, b"1234567890")


def test_the_fault_server_ends_too() -> None:
    with FaultServer("503", on="init") as server:
        port = int(server.url.rpartition(":")[2])
        assert conversed(port, HEAD + b"12345") == b""
        assert server.all_left(timeout=SOON)
    assert server.states == []
