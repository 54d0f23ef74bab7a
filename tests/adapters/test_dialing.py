"""A connection is made within one limit, name and TLS included, and leaves nothing open where it is given up."""

from __future__ import annotations

import socket
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import aiohttp
import anyio
import pytest

from reportdl.origin import Origin
from reportdl.testing.canned import WAKE, good_answer
from reportdl.testing.full_queue import FullQueue
from reportdl.testing.memory_sink import MemorySink
from reportdl.testing.raw_server import RawServer
from reportdl.testing.stage import Stage
from reportdl.transports import dialing
from reportdl.transports.aiohttp import AiohttpTransport
from reportdl.transports.journey import Journey
from reportdl_core.commands import Check, Run
from reportdl_core.events import Lost, Sent


@pytest.fixture
def server():
    with RawServer(good_answer) as server:
        yield server


@pytest.fixture
def journey(server):
    stage = Stage(lambda origin, network: SimpleNamespace(close=lambda: None), library=None)
    stage.reach(server.url)
    yield Journey(stage.errand(stage.command(Check), MemorySink()).exchange)
    stage.close()


@pytest.mark.rules("D35")
def test_the_look_up_of_the_name_counts(server, monkeypatch):
    now, look_up = 0.0, socket.getaddrinfo

    def slow(*args, **kwargs):
        nonlocal now
        now += 4.0
        return look_up(*args, **kwargs)

    monkeypatch.setattr(dialing, "time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr(socket, "getaddrinfo", slow)
    address = ("127.0.0.1", server.port)
    with dialing.dial(address, timeout=5.0, options=(), source=None, show=lambda sock: None) as sock:
        assert sock.gettimeout() == 1.0  # for the handshake


@pytest.mark.rules("D35")
def test_an_address_that_swallows_everything_leaves_time_for_the_next(server, monkeypatch):
    with FullQueue() as full:
        places = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in (full.port, server.port)]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: places)
        with dialing.dial(("two.example", 80), timeout=1.0, options=(), source=None, show=lambda sock: None) as sock:
            assert sock.getpeername() == ("127.0.0.1", server.port)


@pytest.mark.rules("D35")
def test_an_address_of_a_family_that_this_system_does_not_have_is_passed_over(server, monkeypatch):
    """As the first one of a name that has both, where IPv6 is switched off."""
    places: list[Any] = [(255, socket.SOCK_STREAM, 6, "", ("::1", server.port, 0, 0))]
    places.append((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port)))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: places)
    with dialing.dial(("two.example", 80), timeout=1.0, options=(), source=None, show=lambda sock: None) as sock:
        assert sock.getpeername() == ("127.0.0.1", server.port)
    del places[1:]
    with pytest.raises(OSError, match="not supported"):
        dialing.dial(("two.example", 80), timeout=1.0, options=(), source=None, show=lambda sock: None)


@pytest.mark.rules("D35", "I3")
def test_a_look_up_without_end_is_given_up_in_time(monkeypatch):
    """The others' look-ups run in a thread, and count too; aiohttp's own limit for a connection begins behind it."""

    async def look_up(*args, **kwargs):
        await anyio.sleep(30.0)

    monkeypatch.setattr(aiohttp.DefaultResolver, "resolve", look_up)
    stage = Stage(lambda origin, network: AiohttpTransport(origin, network=network), library="asyncio")
    stage.reach("https://mi.example.com")
    stage.policy = replace(stage.policy, connect_timeout=0.2)
    begun = stage.begin(Run)
    try:
        event = begun.event(5.0)
    finally:
        begun.cancel()
        stage.close()
    assert isinstance(event, Lost)
    assert event.sent is Sent.NOT_SENT


@pytest.mark.rules("D38", "I3")
def test_what_was_given_up_tries_no_other_address(journey, monkeypatch):
    with FullQueue() as full, socket.create_server(("127.0.0.1", 0)) as other:
        ports = (full.port, other.getsockname()[1])
        places = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in ports]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: places)
        journey.cancel()
        with pytest.raises(ConnectionAbortedError):
            journey.connect(Origin.parse("https://two.example"))
        other.setblocking(False)
        with pytest.raises(BlockingIOError):
            other.accept()


@pytest.mark.parametrize("host", ["a..b", "a" * 64])
@pytest.mark.rules("I11")
def test_what_is_no_host_name_is_an_error_of_the_network(journey, host):
    with pytest.raises(OSError, match="not a host name"):
        journey.connect(Origin.parse(f"https://{host}"))


@pytest.mark.rules("D35")
def test_a_connection_waits_for_each_byte_as_long_as_its_errand_says(server, journey):
    with journey.connect(Origin.parse(server.url)) as sock:
        assert sock.gettimeout() == 10.0
        assert sock.getpeername() == ("127.0.0.1", server.port)


@pytest.mark.rules("D38", "I3")
def test_what_was_cancelled_before_it_connects_leaves_nothing_open(server, journey):
    journey.cancel()
    with pytest.raises(ConnectionAbortedError) as caught:
        journey.connect(Origin.parse(server.url))
    event = journey.fail(caught.value)
    assert isinstance(event, Lost)
    assert event.sent is Sent.NOT_SENT
    assert server.all_left(timeout=WAKE)
    assert server.seen == ()


@pytest.mark.rules("D38", "I3")
def test_what_is_cancelled_when_it_is_connected_does_not_depart(server, journey):
    with journey.connect(Origin.parse(server.url)) as sock:
        journey.cancel()
        with pytest.raises(ConnectionAbortedError):
            journey.depart(sock)
    assert server.all_left(timeout=WAKE)
