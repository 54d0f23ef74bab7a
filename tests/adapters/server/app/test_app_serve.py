"""Where the endpoint listens, how it starts, how it ends, and what it does to clients that waste its time."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from reportdl.server import (
    Accounts,
    CannotServe,
    InvalidFault,
    LoopbackServer,
    PublicWithoutCredentials,
    create_app,
    serve,
)
from reportdl.server import connection as connections

PROGRAM = textwrap.dedent(
    """
    import sys
    from reportdl.server import serve

    def ready(url):
        print(url, flush=True)

    try:
        serve(port=0, ready=ready, generation_seconds=60.0, grace=0.2)
    except KeyboardInterrupt:
        sys.exit(130)
    print("ended")
    """
)


def started(tmp_path: Path) -> tuple[subprocess.Popen[str], str]:
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


@pytest.mark.parametrize(
    ("number", "code", "said"), [(signal.SIGTERM, 0, "ended\n"), (signal.SIGINT, 130, "")], ids=["SIGTERM", "SIGINT"]
)
def test_a_signal_ends_it_cleanly_and_silently_even_while_a_run_is_held(
    caller: Any, tmp_path: Path, number: signal.Signals, code: int, said: str
) -> None:
    process, url = started(tmp_path)
    try:
        caller.port = int(url.rpartition(":")[2])
        token = caller.token()
        with caller.begin(caller.path("run", token=token, format="pdf")) as run:
            while caller.state("check", token=token).json["status"] != "IN PROGRESS":
                time.sleep(0.01)
            assert list(tmp_path.iterdir())
            began = time.monotonic()
            process.send_signal(number)
            out, errors = process.communicate(timeout=10)
            assert time.monotonic() - began < 5
            assert run.recv(1) == b""
        assert (process.returncode, out, errors) == (code, said, "")
        assert not list(tmp_path.iterdir())
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.invalid", ""])
def test_a_public_address_without_credentials_is_refused(host: str) -> None:
    with pytest.raises(PublicWithoutCredentials):
        serve(host=host, port=0)


def test_with_credentials_a_public_address_is_looked_up() -> None:
    # 192.0.2.1 is nobody's: that it cannot be had is the proof that it was tried.
    with pytest.raises(CannotServe):
        serve(host="192.0.2.1", port=0, accounts=Accounts(bearers={"t": "u"}), sources=[])


def test_a_port_in_use_is_a_typed_error(server: LoopbackServer) -> None:
    with pytest.raises(CannotServe, match=str(server.port)):
        serve(port=server.port, sources=[])


def test_a_wrong_fault_is_refused_before_anything_starts() -> None:
    with pytest.raises(InvalidFault):
        LoopbackServer(sources=[], faults=["run.nonsense=1"])


def test_leaving_the_block_ends_every_thread_and_frees_the_port(caller: Any, source: Any) -> None:
    before = set(threading.enumerate())
    with LoopbackServer(sources=[source]) as server:
        caller.port = server.port
        assert caller.ready()
    source.gate.set()
    assert set(threading.enumerate()) <= before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), timeout=2)


def test_a_held_run_is_cut_when_the_block_is_left(caller: Any, source: Any) -> None:
    with LoopbackServer(sources=[source], generation_seconds=60.0) as server:
        caller.port = server.port
        token = caller.token()
        held = caller.begin(caller.path("run", token=token, format="pdf"))
        server.wait_for("run")
        began = time.monotonic()
    with held:
        assert held.recv(1) == b""
    assert time.monotonic() - began < 3


def test_nothing_is_logged_above_info_and_no_token_at_all(caller: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        token = caller.ready()
        caller.state("get", token=token, format="pdf")
        caller.ask("/nowhere")
    ours = [record for record in caplog.records if record.name.startswith(("reportdl", "uvicorn"))]
    assert any("GET run" in record.getMessage() for record in ours)
    assert max(record.levelno for record in ours) == logging.INFO
    assert not any(token in record.getMessage() for record in ours)


@pytest.mark.parametrize("element", [7000, 7001])
def test_a_generation_in_progress_is_waited_for_and_nothing_is_left(
    caller: Any, source: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, element: int
) -> None:
    def generate(report: object, format: str, directory: Path) -> Path:
        source.made += 1
        assert source.gate.wait(20)
        (directory / "made").write_bytes(b"late")
        if element == 7001:
            raise RuntimeError("late too")
        return directory / "made"

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(source, "generate", generate)
    with LoopbackServer(sources=[source]) as server:
        caller.port = server.port
        held = caller.begin(caller.path("run", token=caller.token(), format="pdf"))
        while not source.made:
            time.sleep(0.01)
        threading.Timer(0.3, source.gate.set).start()
    held.close()
    assert source.gate.is_set()
    assert not list(tmp_path.iterdir())


@pytest.mark.rules("D35")
@pytest.mark.parametrize(
    "drip",
    [b"GET / HTTP/1.1\r\nX-Drip: ", b"GET /openapi.json HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n", b""],
    ids=["headers", "body", "silence"],
)
def test_a_request_that_drips_is_cut(serving: Any, source: Any, monkeypatch: pytest.MonkeyPatch, drip: bytes) -> None:
    monkeypatch.setattr(connections, "PATIENCE", 0.5)
    running = serving(sources=[source])
    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as client:
        client.sendall(drip)
        client.settimeout(0.05)
        began = time.monotonic()
        while not cut(client, b"a" if drip else b""):
            assert time.monotonic() - began < 5
        assert 0.3 < time.monotonic() - began < 3


def cut(client: socket.socket, more: bytes) -> bool:
    """Send a little more and see whether the server has closed the connection."""
    try:
        client.sendall(more)
        while client.recv(65536):
            pass
    except TimeoutError:
        return False
    except OSError:
        pass
    return True


@pytest.mark.rules("D36")
def test_headers_beyond_64_kib_are_refused(server: LoopbackServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: " + b"a" * 70_000)
        assert client.recv(100).startswith(b"HTTP/1.1 400 ")


@pytest.mark.rules("D36")
def test_connections_are_kept_alive_and_pipelined_calls_are_answered_in_order(
    server: LoopbackServer, caller: Any
) -> None:
    with caller.begin(caller.path("formats")) as connection:
        assert caller.answer(connection).status == 200
        connection.sendall(
            b"GET /api/element HTTP/1.1\r\nHost: a\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        )
        data = b""
        while chunk := connection.recv(65536):
            data += chunk
    assert data.count(b"HTTP/1.1 200 ") == 1
    assert data.index(b"HTTP/1.1 200 ") < data.index(b"HTTP/1.1 404 ")
    assert len({call.connection for call in server.calls}) == 1


@pytest.mark.rules("D40")
def test_a_source_that_breaks_is_a_500_that_says_nothing(serving: Any, source: Any, caller: Any) -> None:
    def broken() -> list[object]:
        raise RuntimeError("secret of the plugin")

    source.reports = broken
    for target in (caller.path("formats"), "/api/element"):
        answer = caller.ask(target)
        assert (answer.status, answer.json["message"]) == (500, "Internal server error")
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_under_another_server_the_reason_is_told() -> None:
    async def call() -> None:
        raw = caller_path.encode()
        scope = {"type": "http", "method": "GET", "path": caller_path, "raw_path": raw, "headers": []}
        await create_app(sources=[])({**scope, "query_string": b""}, nothing, nothing)

    async def nothing(*_: object) -> Any:
        return {"type": "http.disconnect"}

    caller_path = "/api/element/id/1/segment/0/download/state/formats"
    with pytest.raises(RuntimeError, match="LoopbackServer"):
        asyncio.run(call())
