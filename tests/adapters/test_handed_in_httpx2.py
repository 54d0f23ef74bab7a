"""An httpx2 client whose transport is the user's own: what it does not show is not taken for a proof."""

from __future__ import annotations

import socket

import httpx2
import pytest

from reportdl.testing.raw_server import Answer, Then
from reportdl.testing.stage import Stage
from reportdl.transports.httpx2 import Httpx2Transport
from reportdl_core.commands import Run
from reportdl_core.events import Lost, Sent


class Gateway(httpx2.AsyncBaseTransport):
    """Hands every request on by means of its own, of which httpx2 learns nothing; the answer is lost."""

    def __init__(self):
        self.handed_on = []

    async def handle_async_request(self, request):
        self.handed_on.append(request.extensions["target"].partition(b"?")[0].rpartition(b"/")[2])
        raise httpx2.ReadError("the server has it")


class Insistent(httpx2.AsyncBaseTransport):
    """Repeats what was lost, at a port where nobody is any more."""

    def __init__(self, port):
        self._inner, self._port = httpx2.AsyncHTTPTransport(), port

    async def handle_async_request(self, request):
        try:
            return await self._inner.handle_async_request(request)
        except httpx2.HTTPError:
            request.url = request.url.copy_with(port=self._port)
            return await self._inner.handle_async_request(request)

    async def aclose(self):
        await self._inner.aclose()


@pytest.fixture(params=["asyncio", "trio"])
def play(request):
    """A stage whose client has this transport."""
    stages = []

    def played(transport):
        client = httpx2.AsyncClient(transport=transport, trust_env=False)
        stage = Stage(lambda origin, network: Httpx2Transport(origin, client=client), library=request.param)
        stages.append((stage, client))
        return stage

    yield played
    for stage, client in stages:
        stage.call(client.aclose)
        stage.close()


@pytest.mark.rules("I3")
def test_what_shows_nothing_proves_nothing(play):
    gateway = Gateway()
    stage = play(gateway)
    stage.reach("https://mi.example.com")
    event = stage.perform(Run)
    assert isinstance(event, Lost)
    assert event.sent is Sent.UNKNOWN
    assert gateway.handed_on == [b"run"]


@pytest.mark.rules("I3")
def test_what_was_sent_once_stays_sent_where_it_is_repeated_in_vain(play):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        nobody = listener.getsockname()[1]
    stage = play(Insistent(nobody))
    server = stage.serve(lambda _: Answer(then=Then.CUT))
    event = stage.perform(Run)
    assert isinstance(event, Lost)
    assert event.message == "Connection refused"
    assert event.sent is Sent.UNKNOWN
    assert server.states == ["run"]
