"""Through a proxy: the target stays as it is, and what is ours is told to the proxy no sooner than it must be."""

from __future__ import annotations

from base64 import b64encode

import pytest

from reportdl.network import Network
from reportdl.testing.canned import CHECKING
from reportdl.testing.raw_server import Answer, RawServer, Then, message
from reportdl.testing.stage import CREDENTIAL, TOKEN, Stage
from reportdl.transports.aiohttp import AiohttpTransport
from reportdl.transports.httpx2 import Httpx2Transport
from reportdl.transports.urllib3 import Urllib3Transport
from reportdl_core.commands import Check
from reportdl_core.events import Lost, Sent, StatusReported

WAYS = [
    (Urllib3Transport, None),
    (AiohttpTransport, "asyncio"),
    (Httpx2Transport, "asyncio"),
    (Httpx2Transport, "trio"),
]


@pytest.fixture(params=WAYS, ids=lambda way: f"{way[0].__name__}-{way[1]}")
def through(request):
    """Start a proxy that answers this, and reach a server through it."""
    make, library = request.param
    opened = []

    def start(url, answer):
        proxy = RawServer(answer)
        proxy.__enter__()
        network = Network(proxy=f"http://ann:s%20p@127.0.0.1:{proxy.port}")
        stage = Stage(lambda origin, network: make(origin, network=network), library=library, network=network)
        opened.append((stage, proxy))
        stage.reach(url)
        return stage, proxy

    yield start
    for stage, proxy in opened:
        stage.close()
        proxy.__exit__(None, None, None)


@pytest.mark.rules("D3", "R13")
def test_a_plain_request_names_the_whole_url(through):
    stage, proxy = through("http://127.0.0.1:9", lambda seen: CHECKING)
    assert isinstance(stage.perform(Check), StatusReported)
    (seen,) = proxy.seen
    path = f"/base/api/element/id/1042/segment/0/download/state/check?token={TOKEN}"
    assert seen.target.decode() == f"http://127.0.0.1:9{path}"
    assert seen.all("host") == ["127.0.0.1:9"]
    assert seen.all("proxy-authorization") == ["Basic " + b64encode(b"ann:s p").decode()]


@pytest.mark.rules("D39", "I3")
def test_a_tunnel_is_asked_for_without_anything_of_ours(through):
    refusal = Answer(data=message(407, {}, b""), then=Then.CLOSE)
    stage, proxy = through("https://127.0.0.1:9", lambda seen: refusal)
    event = stage.perform(Check)
    assert isinstance(event, Lost)
    assert event.sent is Sent.NOT_SENT
    (seen,) = proxy.seen
    assert seen.head.startswith(b"CONNECT 127.0.0.1:9 HTTP/1.")  # 1.0 by the standard library before 3.12
    assert TOKEN.encode() not in seen.head
    assert CREDENTIAL.encode() not in seen.head
    assert seen.all("proxy-authorization") == ["Basic " + b64encode(b"ann:s p").decode()]
