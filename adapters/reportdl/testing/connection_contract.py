"""Decides what must be true of connections: `run` alone on its own, cancellable, and what was sent is known.

Must never take the client's word for it: the server says which connection carried what, and when it ended.
"""

from __future__ import annotations

import socket
import time
from dataclasses import replace
from typing import Any

import pytest

from reportdl.testing.canned import (
    CHECKING,
    ISSUED,
    OK,
    WAKE,
    good_answer,
)
from reportdl.testing.raw_server import Answer, Seen, Then
from reportdl.testing.stage import Stage
from reportdl.testing.staging import Staged
from reportdl_core.commands import Check, Get, Init, Run
from reportdl_core.events import (
    FileReceived,
    Lost,
    RunFinished,
    Sent,
    Status,
    StatusReported,
    TokenIssued,
)

__all__ = ["ConnectionContract"]


class ConnectionContract(Staged):
    """Which connection carries what, and when it ends."""

    @pytest.mark.parametrize("kind", [Run, Check])
    @pytest.mark.rules("I3", "D23")
    def test_a_request_dropped_on_a_kept_connection_is_not_repeated(self, stage: Stage, kind: type[Any]) -> None:
        server = stage.serve(lambda seen: Answer(then=Then.CUT) if seen.state != "init" else ISSUED)
        assert isinstance(stage.perform(Init), TokenIssued)
        event = stage.perform(kind)
        assert isinstance(event, Lost)
        assert event.sent is Sent.UNKNOWN
        time.sleep(0.05)
        assert len(server.seen) == 2

    @pytest.mark.rules("I3", "D23")
    def test_an_idle_connection_that_the_server_closed_costs_no_request_twice(self, stage: Stage) -> None:
        server = stage.serve(good_answer)
        stage.perform(Init)
        server.drop(server.seen[0].connection)
        assert server.left(1, timeout=WAKE)
        event = stage.perform(Check)
        arrived = server.states.count("check")
        assert arrived == 1 if isinstance(event, StatusReported) else (isinstance(event, Lost) and arrived == 0)

    @pytest.mark.parametrize("kind", [Init, Run])
    @pytest.mark.rules("I3")
    def test_a_refused_port_is_proven_not_sent(self, stage: Stage, scheme: str, kind: type[Any]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        stage.reach(f"{scheme}://127.0.0.1:{port}")
        event = stage.perform(kind)
        assert isinstance(event, Lost)
        assert event.sent is Sent.NOT_SENT
        assert event.message == "Connection refused"

    @pytest.mark.rules("I3")
    def test_a_failed_tls_handshake_is_proven_not_sent(self, stage: Stage, scheme: str) -> None:
        if scheme == "http":
            with socket.create_server(("127.0.0.1", 0)) as listener:
                port = listener.getsockname()[1]
            stage.reach(f"https://127.0.0.1:{port}", trusted=False)
        else:
            server = stage.serve(good_answer, trusted=False)
            assert server.seen == ()
        event = stage.perform(Run)
        assert isinstance(event, Lost)
        assert event.sent is Sent.NOT_SENT

    @pytest.mark.parametrize("kind", [Run, Check, Get])
    @pytest.mark.rules("D38", "I4")
    def test_cancel_wakes_a_request_that_waits_for_headers(self, stage: Stage, kind: type[Any]) -> None:
        server = stage.serve(lambda _: Answer(then=Then.HOLD))
        begun = stage.begin(kind)
        seen = server.wait_for(kind.__name__.lower())
        began = time.monotonic()
        begun.cancel()
        assert server.left(seen.connection, timeout=WAKE)
        assert not isinstance(begun.event(WAKE), RunFinished | StatusReported | FileReceived)
        assert time.monotonic() - began < WAKE
        assert len(server.seen) == 1

    @pytest.mark.rules("D38")
    def test_after_a_cancellation_others_go_on(self, stage: Stage) -> None:
        server = stage.serve(lambda seen: Answer(then=Then.HOLD) if seen.state == "run" else CHECKING)
        begun = stage.begin(Run)
        server.wait_for("run")
        begun.cancel()
        assert isinstance(stage.perform(Check), StatusReported)
        assert server.states == ["run", "check"]

    @pytest.mark.rules("R20", "D30")
    def test_run_has_a_connection_of_its_own_while_check_passes(self, stage: Stage) -> None:
        server = stage.serve(lambda seen: Answer(then=Then.HOLD) if seen.state == "run" else CHECKING)
        run = stage.begin(Run)
        held = server.wait_for("run").connection
        for _ in range(3):
            event = stage.perform(Check)
            assert isinstance(event, StatusReported)
            assert event.status is Status.IN_PROGRESS
        assert [seen.connection for seen in server.seen].count(held) == 1
        run.cancel()

    @pytest.mark.rules("D30")
    def test_a_check_never_follows_on_the_connection_of_run(self, stage: Stage) -> None:
        server = stage.serve(good_answer)
        stage.perform(Run)
        ended = server.seen[0].connection
        assert server.left(ended, timeout=WAKE)
        stage.perform(Check)
        assert server.seen[1].connection != ended

    @pytest.mark.rules("D35")
    def test_a_silent_server_is_left_after_the_stall_limit(self, stage: Stage) -> None:
        server = stage.serve(lambda _: Answer(then=Then.HOLD))
        stage.policy = replace(stage.policy, stall_timeout=0.2)
        event = stage.perform(Check)
        assert isinstance(event, Lost)
        assert event.sent is Sent.UNKNOWN
        assert server.left(server.seen[0].connection, timeout=WAKE)
        assert len(server.seen) == 1

    @pytest.mark.rules("R19", "D35")
    def test_run_may_be_silent_for_longer_than_others_may_stall(self, stage: Stage) -> None:
        def answer(seen: Seen) -> Answer:
            time.sleep(0.6)
            return OK

        stage.serve(answer)
        stage.policy = replace(stage.policy, stall_timeout=0.2)
        assert isinstance(stage.perform(Run), RunFinished)

    @pytest.mark.deep
    @pytest.mark.rules("R19")
    def test_run_may_be_silent_for_longer_than_any_library_waits_by_default(self, stage: Stage) -> None:
        def answer(seen: Seen) -> Answer:
            time.sleep(6.0)
            return OK

        stage.serve(answer)
        assert isinstance(stage.perform(Run), RunFinished)

    @pytest.mark.rules("D38")
    def test_closing_lets_go_of_every_connection(self, stage: Stage) -> None:
        server = stage.serve(good_answer)
        stage.perform(Init)
        stage.perform(Check)
        stage.close_transport()
        assert server.all_left(timeout=WAKE)
