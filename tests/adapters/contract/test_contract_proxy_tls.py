"""Through a proxy that is itself reached over TLS: it is trusted as the server is, and a request can be woken.

Over urllib3 this is TLS within TLS, whose outer layer is no socket of the system's.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading

import pytest

from reportdl.network import Network
from reportdl.testing.canned import CHECKING, WAKE
from reportdl.testing.raw_server import Answer, RawServer, Then
from reportdl.testing.stage import Stage
from reportdl.testing.staging import staged
from reportdl.transports.aiohttp import AiohttpTransport
from reportdl.transports.httpx2 import Httpx2Transport
from reportdl.transports.urllib3 import Urllib3Transport
from reportdl_core.commands import Check, Run
from reportdl_core.events import Lost, RunFinished, Sent, StatusReported

_PATIENCE = 5.0
WAYS = [
    (Urllib3Transport, None),
    (AiohttpTransport, "asyncio"),
    (Httpx2Transport, "asyncio"),
    (Httpx2Transport, "trio"),
]


class TlsProxy:
    """Opens a tunnel wherever it is asked to, and passes on what comes, for as long as both ends are there."""

    def __init__(self, tls):
        self._tls, self._listener = tls, socket.create_server(("127.0.0.1", 0))
        self.asked = []
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self):
        self._threads[0].start()
        return self

    def __exit__(self, *error):
        # Closing alone would not wake the thread that accepts.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(_PATIENCE)
            assert not thread.is_alive()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                raw, _ = self._listener.accept()
                self._threads.append(threading.Thread(target=self._serve, args=(raw,)))
                self._threads[-1].start()

    def _serve(self, raw):
        with raw, contextlib.suppress(OSError), self._tls.wrap_socket(raw, server_side=True) as near:
            head = near.recv(65_536)
            self.asked.append(head.partition(b"\r\n")[0])
            host, _, port = head.split(b" ")[1].rpartition(b":")
            with socket.create_connection((host, int(port))) as far:
                near.sendall(b"HTTP/1.1 200 Said\r\n\r\n")
                while data := self._passed(near, far):
                    del data

    def _passed(self, near, far):
        ready = [near] if near.pending() else select.select([near, far], [], [])[0]
        data = ready[0].recv(65_536)
        (far if ready[0] is near else near).sendall(data)
        return data


@pytest.fixture(params=WAYS, ids=lambda way: f"{way[0].__name__}-{way[1]}")
def through(request, tmp_path):
    """Start a server behind a proxy, both over TLS; `known` says whether their authority is."""
    make, library = request.param
    with contextlib.ExitStack() as opened:
        said = staged(make, library, "https", tmp_path)
        opened.callback(said.close)
        proxy = opened.enter_context(TlsProxy(said.server_tls))

        def start(answer, *, known=True):
            server = opened.enter_context(RawServer(answer, tls=said.server_tls))
            bundle = tmp_path / "authority.pem" if known else None
            network = Network(ca_bundle=bundle, proxy=f"https://127.0.0.1:{proxy.port}")
            stage = Stage(lambda origin, network: make(origin, network=network), library=library, network=network)
            opened.callback(stage.close)
            stage.reach(server.url)
            return stage, server, proxy

        yield start


@pytest.mark.rules("D38", "I4")
def test_a_proxy_over_tls_is_trusted_as_the_server_is_and_what_goes_through_it_can_be_woken(through):
    stage, server, proxy = through(lambda seen: Answer(then=Then.HOLD) if seen.state == "run" else CHECKING)
    assert isinstance(stage.perform(Check), StatusReported)
    assert proxy.asked[0].startswith(f"CONNECT 127.0.0.1:{server.port} HTTP/1.".encode())
    begun = stage.begin(Run)
    held = server.wait_for("run").connection
    begun.cancel()
    assert not isinstance(begun.event(WAKE), RunFinished)
    assert server.left(held, timeout=_PATIENCE)
    assert isinstance(stage.perform(Check), StatusReported)


@pytest.mark.rules("I3")
def test_a_proxy_that_nobody_vouches_for_is_asked_for_nothing(through):
    stage, server, proxy = through(lambda _: CHECKING, known=False)
    event = stage.perform(Check)
    assert isinstance(event, Lost)
    assert event.sent is Sent.NOT_SENT
    assert proxy.asked == []
    assert server.seen == ()
