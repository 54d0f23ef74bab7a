"""Decides what must be true until a connection stands: done within `connect_timeout`, given up at once, nothing sent.

Must never let a transport wait for an answer that it has not asked for: the longer timeouts are out of reach here.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from reportdl.testing.canned import WAKE, good_answer
from reportdl.testing.full_queue import FullQueue
from reportdl.testing.raw_server import Answer, RawServer, Then
from reportdl.testing.stage import Begun, Stage
from reportdl.testing.staging import Staged, certified
from reportdl_core.commands import Check, Run
from reportdl_core.events import Event, Lost, Sent

__all__ = ["ConnectContract"]

_CONNECT = 0.3  # seconds; the next limit of a transport's is 10 s, that of `run` 30 minutes
_PATIENCE = 5.0


class ConnectContract(Staged):
    """What becomes of a request that has no connection yet."""

    @pytest.fixture
    def full(self) -> Iterator[FullQueue]:
        """A port that neither takes a connection nor refuses it."""
        with FullQueue() as full:
            yield full

    @pytest.fixture
    def deaf(self) -> Iterator[tuple[RawServer, threading.Event]]:
        """A server that never answers a TLS handshake, and when one has begun."""
        begun = threading.Event()

        def greet() -> Answer:
            begun.set()
            return Answer(then=Then.HOLD)

        with RawServer(good_answer, greet=greet) as server:
            yield server, begun

    @pytest.mark.parametrize("scheme", ["https"], indirect=True)
    @pytest.mark.parametrize("name", ["localhost", "127.0.0.2"])
    @pytest.mark.parametrize("kind", [Run, Check])
    @pytest.mark.rules("I3")
    def test_a_certificate_for_another_host_is_refused(self, stage: Stage, kind: type[Any], name: str) -> None:
        with RawServer(good_answer, tls=certified(name)) as server:
            stage.reach(server.url)
            assert _not_sent(stage.perform(kind))
            stage.close_transport()
            assert server.all_left(timeout=WAKE)
        assert server.seen == ()

    @pytest.mark.rules("I3", "D35")
    def test_a_connection_that_nobody_takes_is_given_up_in_time(
        self, stage: Stage, scheme: str, full: FullQueue
    ) -> None:
        stage.reach(f"{scheme}://127.0.0.1:{full.port}")
        stage.policy = replace(stage.policy, connect_timeout=_CONNECT)
        assert _not_sent(_ended(stage.begin(Run)))
        assert full.tried(0, timeout=WAKE)

    @pytest.mark.parametrize("scheme", ["https"], indirect=True)
    @pytest.mark.rules("I3", "D35")
    def test_a_handshake_that_nobody_answers_is_given_up_in_time(
        self, stage: Stage, deaf: tuple[RawServer, threading.Event]
    ) -> None:
        server, _ = deaf
        stage.reach(f"https://127.0.0.1:{server.port}")
        stage.policy = replace(stage.policy, connect_timeout=_CONNECT)
        assert _not_sent(_ended(stage.begin(Run)))
        assert server.all_left(timeout=WAKE)

    @pytest.mark.parametrize("kind", [Run, Check])
    @pytest.mark.rules("D38", "I3")
    def test_cancel_wakes_a_request_that_is_connecting(
        self, stage: Stage, scheme: str, full: FullQueue, kind: type[Any]
    ) -> None:
        stage.reach(f"{scheme}://127.0.0.1:{full.port}")
        begun = stage.begin(kind)
        assert full.tried(1, timeout=_PATIENCE)
        begun.cancel()
        event = begun.event(WAKE)
        assert event is None or _not_sent(event)
        assert full.tried(0, timeout=WAKE)

    @pytest.mark.parametrize("scheme", ["https"], indirect=True)
    @pytest.mark.parametrize("kind", [Run, Check])
    @pytest.mark.rules("D38", "I3")
    def test_cancel_wakes_a_request_in_its_handshake(
        self, stage: Stage, deaf: tuple[RawServer, threading.Event], kind: type[Any]
    ) -> None:
        server, handshake = deaf
        stage.reach(f"https://127.0.0.1:{server.port}")
        begun = stage.begin(kind)
        assert handshake.wait(_PATIENCE)
        begun.cancel()
        event = begun.event(WAKE)
        assert event is None or _not_sent(event)
        assert server.all_left(timeout=WAKE)


def _ended(begun: Begun) -> Event | None:
    try:
        return begun.event(_PATIENCE)
    finally:
        begun.cancel()  # whoever waits for the wrong limit must not hold up the tests


def _not_sent(event: Event | None) -> bool:
    return isinstance(event, Lost) and event.sent is Sent.NOT_SENT
