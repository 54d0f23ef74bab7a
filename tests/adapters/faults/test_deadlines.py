"""D35: every request has a deadline over its whole life, its socket is closed at it, and no thread stays behind."""

from __future__ import annotations

import os
import socket
import threading
import time

import pytest

import reportdl
from reportdl.drivers import workers
from reportdl.testing.canned import FILE, PDF, good_answer
from reportdl.testing.faults.fault import dripping
from reportdl.testing.raw_server import Answer, RawServer, Then, message
from reportdl.testing.staging import staged
from reportdl.transports.urllib3 import Urllib3Transport
from reportdl_core.policy import Policy

# No socket ever waits longer than this without a byte; only the core's deadline, 0.3 s, can end these.
LIMIT = 0.3
POLICY = Policy(
    first_pause=0.01,
    request_timeout=LIMIT,
    run_timeout=LIMIT,
    get_timeout=LIMIT,
    first_contact=2 * LIMIT,
    silence=2 * LIMIT,
    job_timeout=4 * LIMIT,
)
# The beginning of a TLS record that goes on for 16 KiB: a handshake that never gets there.
HANDSHAKE = b"\x16\x03\x03\x40\x00" + bytes(16_384)
HEAD = message(200, FILE, b"", length=len(PDF))


def busy() -> int:
    """Threads of ours that still carry out a request; an idle one waits a moment for the next, and ends."""
    time.sleep(0.05)  # an ended request is one step away from being counted as such
    return sum(thread.name == "reportdl" for thread in threading.enumerate()) - len(workers._idle)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


@pytest.fixture
def ask(tmp_path):
    """Start a server that answers so, and download from it; what came of it."""

    def asked(answer, scheme="http", greet=lambda: None):
        stage = staged(lambda origin, network: Urllib3Transport(origin, network=network), None, scheme, tmp_path)
        with RawServer(answer, tls=stage.server_tls, greet=greet) as server:
            stage.reach(server.url)
            began = time.monotonic()
            with (
                reportdl.Client(
                    server.url, credentials=reportdl.Token("any"), policy=POLICY, transport=stage.transport
                ) as client,
                pytest.raises(reportdl.DownloadError) as caught,
            ):
                client.download(1042, format="pdf", to=tmp_path / "files")
            assert time.monotonic() - began < 10.0
            assert busy() == 0
            stage.close_transport()
            assert server.all_left(timeout=1.0)
        stage.close()
        assert not (tmp_path / "files").exists()
        return caught.value

    return asked


@pytest.mark.rules("D35", "D38")
@pytest.mark.parametrize("more", [dripping(HEAD), dripping(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)])
def test_what_drips_ends_at_the_deadline(ask, more):
    assert isinstance(ask(lambda _: Answer(more=more)), reportdl.Unreachable)


@pytest.mark.rules("D35", "D21")
def test_a_body_that_drips_ends_at_the_deadline(ask):
    def answer(seen):
        return good_answer(seen) if seen.state != "get" else Answer(data=HEAD, more=dripping(PDF))

    error = ask(answer)
    assert isinstance(error, reportdl.TransferLost | reportdl.TimedOut)


@pytest.mark.rules("D35", "I3")
@pytest.mark.parametrize("greeting", [Answer(then=Then.HOLD), Answer(more=dripping(HANDSHAKE))])
def test_a_handshake_that_never_ends_holds_no_thread(ask, greeting):
    """Connecting may take 10 s, the request 0.3 s: the socket is shut down under the handshake."""
    before = descriptors()
    assert isinstance(ask(good_answer, "https", lambda: greeting), reportdl.Unreachable)
    assert descriptors() <= before


@pytest.mark.rules("D35")
def test_a_port_that_never_answers_holds_no_thread(tmp_path):
    """Its backlog is full, so that a connection is neither made nor refused."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        full = [socket.socket() for _ in range(4)]
        for one in full:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        client = reportdl.Client(f"http://127.0.0.1:{port}", credentials=reportdl.Token("any"), policy=POLICY)
        with client, pytest.raises(reportdl.Unreachable):
            client.formats(1042)
        assert busy() == 0
        for one in full:
            one.close()
