"""`get` over the wire: streamed, consumed after the last byte, broken, slow; and the faults that are done to a file."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest

from reportdl.server import Switches, loopback
from reportdl.server.serve import listen
from reportdl_core.switches import ConsumeOn

BIG = 12 * 1024 * 1024
WHOLE = bytes(range(256)) * (BIG // 256)


def head_and_rest(connection: socket.socket) -> tuple[bytes, bytes]:
    """Everything until the server closes."""
    data = bytearray()
    try:
        while chunk := connection.recv(1 << 20):
            data += chunk
    except ConnectionResetError:
        pass
    head, _, rest = bytes(data).partition(b"\r\n\r\n")
    return head, rest


def states(server: Any) -> list[str]:
    return [session.state.name for session in server.sessions()]


@pytest.mark.rules("R24", "D22", "D34")
def test_a_large_file_arrives_whole(caller: Any) -> None:
    token = caller.ready(6000)
    got = caller.ask(caller.path("get", 6000, token=token, format="pdf"), headers={"Accept-Encoding": "gzip"})
    assert got.headers["content-length"] == str(BIG)
    assert "content-encoding" not in got.headers
    assert got.body == WHOLE


@pytest.mark.rules("R27", "R28", "R29", "D20", "D21")
def test_a_file_is_had_once_and_a_new_session_has_it_again(server: Any, source: Any, caller: Any) -> None:
    token = caller.ready(6000)
    assert len(caller.state("get", 6000, token=token, format="pdf").body) == BIG
    # The call that follows the last byte already finds it consumed.
    again = caller.state("get", 6000, token=token, format="pdf")
    assert (again.status, again.json["message"]) == (400, "Download failed")
    assert caller.state("check", 6000, token=token).json["message"] == "Download failed"
    assert states(server) == ["CONSUMED"]
    assert len(caller.state("get", 6000, token=caller.ready(6000), format="pdf").body) == BIG
    assert source.made == 2


@pytest.mark.rules("D9")
def test_another_format_than_that_of_run_is_refused_and_nothing_consumed(caller: Any) -> None:
    token = caller.ready()
    for format in ("csv", "xls", ""):
        answer = caller.state("get", token=token, format=format)
        assert (answer.status, answer.json["message"]) == (400, "Invalid format")
    assert caller.state("get", token=token, format="pdf").body == b"%PDF pdf"


@pytest.mark.rules("D42", "I5", "D2")
def test_a_second_get_while_the_first_is_being_sent(server: Any, caller: Any) -> None:
    token = caller.ready(6000)
    target = caller.path("get", 6000, token=token, format="pdf")
    with caller.begin(target) as first:
        beginning = first.recv(1000)
        second = caller.ask(target)
        assert (second.status, second.json) == (200, {"status": "IN PROGRESS"})
        assert caller.state("check", 6000, token=token).json == {"status": "READY"}
        first.settimeout(10)
        data = bytearray(beginning)
        while not data.endswith(WHOLE[-256:]) or len(data) < BIG:
            data += first.recv(1 << 20)
    assert bytes(data).partition(b"\r\n\r\n")[2] == WHOLE
    assert states(server) == ["CONSUMED"]


@pytest.mark.rules("D21", "R27")
def test_a_client_that_leaves_in_the_middle_may_come_again(server: Any, caller: Any, soon: Any) -> None:
    token = caller.ready(6000)
    target = caller.path("get", 6000, token=token, format="pdf")
    with caller.begin(target) as first:
        first.recv(1000)
    soon(lambda: caller.ask(caller.path("get", 6000, token=token, format="pdf")).body == WHOLE)
    assert states(server) == ["CONSUMED"]


@pytest.mark.rules("D21")
def test_with_consume_on_start_it_may_not(serving: Any, source: Any, caller: Any, soon: Any) -> None:
    running = serving(sources=[source], switches=Switches(consume_on=ConsumeOn.START))
    caller.port = running.port
    token = caller.ready(6000)
    with caller.begin(caller.path("get", 6000, token=token, format="pdf")) as first:
        first.recv(1000)
    soon(lambda: caller.state("get", 6000, token=token, format="pdf").status == 400)


@pytest.mark.rules("D21", "I12")
def test_sent_means_taken_by_the_operating_system(
    serving: Any, source: Any, caller: Any, soon: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is larger than what the kernel takes, by less than what asyncio would buffer without a word."""

    def generate(report: object, format: str, directory: Any) -> Any:
        (directory / "made").write_bytes(b"a" * 40_000)
        return directory / "made"

    def narrow(host: str, port: int) -> socket.socket:
        listener = listen(host, port)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        return listener

    monkeypatch.setattr(source, "generate", generate)
    monkeypatch.setattr(loopback, "listen", narrow)
    running = serving(sources=[source])
    caller.port = running.port
    token = caller.ready()
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        client.connect(("127.0.0.1", running.port))
        client.sendall(f"GET {caller.path('get', token=token, format='pdf')} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        assert client.recv(12) == b"HTTP/1.1 200"
        assert caller.state("get", token=token, format="pdf").json == {"status": "IN PROGRESS"}
    soon(lambda: len(caller.state("get", token=token, format="pdf").body) == 40_000)
    assert states(running) == ["CONSUMED"]


@pytest.mark.rules("D35")
def test_a_client_that_does_not_read_is_cut(serving: Any, source: Any, caller: Any, soon: Any) -> None:
    running = serving(sources=[source], stall=0.3)
    caller.port = running.port
    token = caller.ready(6000)
    with caller.begin(caller.path("get", 6000, token=token, format="pdf")) as idle:
        idle.recv(100)
        began = time.monotonic()
        soon(lambda: caller.state("get", 6000, token=token, format="pdf").body == WHOLE)
        assert 0.2 < time.monotonic() - began < 3
        assert len(head_and_rest(idle)[1]) < BIG


@pytest.mark.rules("D21")
@pytest.mark.parametrize("size", [0, 1000, 3_000_000])
def test_a_body_cut_at_a_byte(server: Any, caller: Any, soon: Any, size: int) -> None:
    token = caller.ready(6000)
    server.fault(f"get.cut_at={size}:1")
    with caller.begin(caller.path("get", 6000, token=token, format="pdf")) as connection:
        head, body = head_and_rest(connection)
    assert f"Content-Length: {BIG}".encode() in head
    assert body == WHOLE[:size]
    assert states(server) == ["READY"]
    assert caller.state("get", 6000, token=token, format="pdf").body == WHOLE


def test_a_body_shorter_than_the_cut_loses_its_last_byte(server: Any, caller: Any) -> None:
    token = caller.ready()
    server.fault("get.cut_at=1000:1")
    with caller.begin(caller.path("get", token=token, format="pdf")) as connection:
        assert head_and_rest(connection)[1] == b"%PDF pd"
    assert states(server) == ["READY"]


@pytest.mark.rules("D22")
def test_a_body_without_length_ends_with_the_connection(server: Any, caller: Any) -> None:
    token = caller.ready(6000)
    server.fault("get.no_length=1")
    with caller.begin(caller.path("get", 6000, token=token, format="pdf")) as connection:
        head, body = head_and_rest(connection)
    assert b"content-length" not in head.lower()
    assert b"transfer-encoding" not in head.lower()
    assert body == WHOLE
    assert states(server) == ["CONSUMED"]


@pytest.mark.rules("D22")
def test_a_cut_without_length_is_silent(server: Any, caller: Any) -> None:
    token = caller.ready(6000)
    server.fault("get.no_length=1")
    server.fault("get.cut_at=1000:1")
    got = caller.state("get", 6000, token=token, format="pdf")
    assert got.body == WHOLE[:1000]  # http.client believes that this is all
    assert states(server) == ["READY"]


def test_chunks_instead_of_a_length(server: Any, caller: Any) -> None:
    server.fault("get.chunked=1")
    got = caller.state("get", 6000, token=caller.ready(6000), format="pdf")
    assert got.headers["transfer-encoding"] == "chunked"
    assert "content-length" not in got.headers
    assert got.body == WHOLE
    assert states(server) == ["CONSUMED"]


@pytest.mark.rules("D24", "D25", "D4")
@pytest.mark.parametrize(
    ("fault", "header", "value"),
    [
        ("get.content_type=text/html", "content-type", "text/html"),
        ("get.filename=..%2F..%2Fetc%2Fpasswd", "content-disposition", 'attachment; filename="../../etc/passwd"'),
        ("get.filename=%E2%80%AEfdp.exe", "content-disposition", 'attachment; filename="\u202efdp.exe"'),
        ("get.no_disposition", "content-disposition", None),
    ],
)
def test_hostile_headers(server: Any, caller: Any, fault: str, header: str, value: str | None) -> None:
    server.fault(fault)
    got = caller.state("get", token=caller.ready(), format="pdf")
    found = got.headers.get(header)
    assert (found if found is None else found.encode("latin-1").decode()) == value
    assert got.body == b"%PDF pdf"


@pytest.mark.rules("D5")
def test_a_file_that_somebody_removed_is_download_failed(
    serving: Any, source: Any, caller: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    running = serving(sources=[source])
    caller.port = running.port
    token = caller.ready()
    for made in tmp_path.glob("reportdl-*/*/made"):
        made.unlink()
    answer = caller.state("get", token=token, format="pdf")
    assert (answer.status, answer.json["message"]) == (400, "Download failed")


def test_an_empty_file_is_a_file(serving: Any, source: Any, caller: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def empty(report: object, format: str, directory: Any) -> Any:
        path = directory / "empty"
        path.touch()
        return path

    monkeypatch.setattr(source, "generate", empty)
    running = serving(sources=[source])
    caller.port = running.port
    got = caller.state("get", token=caller.ready(format="csv"), format="csv")
    assert (got.status, got.body, got.headers["content-length"]) == (200, b"", "0")
    assert states(running) == ["CONSUMED"]
