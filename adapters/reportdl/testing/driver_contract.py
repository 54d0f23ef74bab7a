"""Decides what a driver must prove: what is outstanding runs, nothing else does, and nothing stays behind.

Subclass `DriverContract` as you would `TransportContract`; the driver is the one that belongs to the transport, unless
the fixture `drive` gives another. Must never look into a driver: commands and events at one end, the wire at the other.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from reportdl.credentials import ApplicationKey
from reportdl.drivers import Driven, Observer
from reportdl.errands import Errands
from reportdl.testing.canned import CHECKING, FILE, ISSUED, OK, PDF, WAKE, good_answer
from reportdl.testing.memory_sink import MemorySink
from reportdl.testing.raw_server import Answer, RawServer, Seen, Then, message
from reportdl.testing.stage import Stage
from reportdl.testing.staging import Staged
from reportdl_core.commands import Command, Init
from reportdl_core.download import Download
from reportdl_core.errors import Reason
from reportdl_core.events import Event, Lost, WaitElapsed
from reportdl_core.policy import Policy

__all__ = ["AsyncDriverContract", "DriverContract"]

Drive = Callable[[Driven, Errands, Observer | None], None]

# A job ends by itself, so that a transport which takes its caller's exception for a loss fails, and does not hang.
_QUICK = Policy(first_pause=0.01, longest_pause=0.02, connect_timeout=5.0, job_timeout=20.0)
_EAGER = replace(_QUICK, first_check=0.02, longest_insurance=0.02)


class _Stop(Exception):
    """What an observer raises in these tests."""


class _Watching:
    """Keeps every move; stops the driver at the first move that `stop` says yes to."""

    def __init__(self, stop: Callable[[Event | None, tuple[Command, ...]], bool] = lambda _event, _new: False) -> None:
        self.moves: list[tuple[Event | None, tuple[Command, ...]]] = []
        self._stop = stop

    def moved(self, event: Event | None, new: tuple[Command, ...], *, now: float) -> None:
        self.moves.append((event, new))
        if self._stop(event, new):
            raise _Stop


class DriverContract(Staged):
    """What every driver must do."""

    @pytest.fixture
    def drive(self, stage: Stage) -> Drive:
        """A function that drives a job to its end, and raises what the driver raises."""
        return stage.drive

    def _download(self, stage: Stage, policy: Policy = _QUICK) -> Download:
        stage.policy = policy
        return Download(stage.job, policy=policy, seed=1, now=time.monotonic())

    @pytest.mark.rules("R12", "R18", "R24")
    def test_a_job_is_four_requests(self, stage: Stage, drive: Drive) -> None:
        server, sink = stage.serve(good_answer), MemorySink()
        download = self._download(stage)
        drive(download, stage.errands(sink), None)
        assert download.outcome is not None
        assert download.outcome.reason is Reason.DELIVERED
        assert sink.published == PDF
        assert server.states == ["formats", "init", "run", "get"]

    @pytest.mark.rules("I7", "I9")
    def test_every_event_is_fed_once_and_seen_by_the_observer(self, stage: Stage, drive: Drive) -> None:
        stage.serve(good_answer)
        watching = _Watching()
        download = self._download(stage)
        drive(download, stage.errands(), watching)
        answered = [event.number for event, _ in watching.moves if event is not None]
        issued = [command.number for _, new in watching.moves for command in new]
        assert watching.moves[0][0] is None
        assert len(answered) == len(set(answered))
        assert set(answered) <= set(issued)
        assert issued == sorted(set(issued))

    @pytest.mark.rules("I4")
    def test_a_superseded_check_is_cancelled_and_get_leaves_at_once(self, stage: Stage, drive: Drive) -> None:
        asked = threading.Event()

        def answer(seen: Seen) -> Answer:
            if seen.state == "check":
                asked.set()
                return Answer(then=Then.HOLD)
            if seen.state == "run":
                assert asked.wait(5.0)
            return good_answer(seen)

        server = stage.serve(answer)
        download = self._download(stage, _EAGER)
        drive(download, stage.errands(), None)
        assert download.outcome is not None
        assert download.outcome.reason is Reason.DELIVERED
        assert server.left(server.wait_for("check").connection, timeout=WAKE)
        # The check may overtake `run`, which needs a new connection.
        assert sorted(server.states[2:4]) == ["check", "run"]
        assert [*server.states[:2], *server.states[4:]] == ["formats", "init", "get"]

    @pytest.mark.rules("R20")
    def test_run_delays_no_check(self, stage: Stage, drive: Drive) -> None:
        checks = iter([CHECKING] * 5)
        enough = threading.Event()

        def answer(seen: Seen) -> Answer:
            if seen.state == "run":
                assert enough.wait(5.0)
                return OK
            if seen.state == "check":
                said = next(checks, None)
                if said is None:
                    enough.set()
                return said or Answer(then=Then.HOLD)
            return good_answer(seen)

        server = stage.serve(answer)
        drive(self._download(stage, _EAGER), stage.errands(), None)
        # The first check may overtake `run`, which needs a new connection.
        assert [state for state in server.states if state != "check"] == ["formats", "init", "run", "get"]
        assert server.states.count("check") == 6

    @pytest.mark.rules("D35", "I8")
    def test_the_alarm_ends_a_request_that_nobody_answers(self, stage: Stage, drive: Drive) -> None:
        # A second: under load a TLS handshake alone can take a fifth, and then a request before it is lost too.
        silent = iter([Answer(then=Then.HOLD)])
        server = stage.serve(lambda seen: next(silent, ISSUED) if seen.state == "init" else good_answer(seen))
        watching = _Watching()
        download = self._download(stage, replace(_QUICK, request_timeout=1.0))
        drive(download, stage.errands(), watching)
        assert server.states == ["formats", "init", "init", "run", "get"]
        assert [event.message for event, _ in watching.moves if isinstance(event, Lost)] == [
            "no answer by its deadline"
        ]
        assert server.left(server.wait_for("init").connection, timeout=WAKE)

    @pytest.mark.rules("I8")
    def test_the_jobs_own_deadline_ends_everything(self, stage: Stage, drive: Drive) -> None:
        server = stage.serve(lambda seen: Answer(then=Then.HOLD) if seen.state == "run" else good_answer(seen))
        download = self._download(stage, replace(_QUICK, job_timeout=1.5))
        drive(download, stage.errands(), None)
        assert download.outcome is not None
        assert download.outcome.reason is Reason.TIMED_OUT
        assert server.left(server.wait_for("run").connection, timeout=WAKE)

    @pytest.mark.rules("D16")
    def test_what_needs_no_request_is_answered_at_once(self, stage: Stage, drive: Drive) -> None:
        server = stage.serve(good_answer)
        stage.credentials = ApplicationKey(application_id="app", application_key="k3y", user="ann")
        drive(self._download(stage), stage.errands(), None)
        assert server.states == ["get_token", "formats", "init", "run", "get"]
        assert server.seen[1].all("token") == ["n3w"]

    @pytest.mark.rules("D38")
    def test_what_an_observer_raises_comes_out_as_it_is_and_ends_all(self, stage: Stage, drive: Drive) -> None:
        # At the first insurance check: `run` is out, after a TLS handshake if need be, and a check is about to leave.
        patient = replace(_QUICK, first_check=0.5)

        def stop(event: Event | None, new: tuple[Command, ...]) -> bool:
            return isinstance(event, WaitElapsed)

        server = stage.serve(lambda seen: Answer(then=Then.HOLD) if seen.state == "run" else good_answer(seen))
        with pytest.raises(_Stop):
            drive(self._download(stage, patient), stage.errands(), _Watching(stop))
        assert server.left(server.wait_for("run").connection, timeout=WAKE)
        time.sleep(0.05)
        assert server.states == ["formats", "init", "run"]

    @pytest.mark.rules("D38", "I10")
    def test_what_a_progress_callback_raises_comes_out_as_it_is(self, stage: Stage, drive: Drive) -> None:
        def progress(received: int, total: int | None) -> None:
            raise _Stop

        stage.serve(good_answer)
        sink = MemorySink()
        with pytest.raises(_Stop):
            drive(self._download(stage), stage.errands(sink, progress), None)
        sink.close()
        assert sink.published is None

    @pytest.mark.rules("I10")
    def test_a_bug_in_a_sink_is_raised_and_does_not_hang(self, stage: Stage, drive: Drive) -> None:
        stage.serve(good_answer)
        sink = MemorySink()
        sink.published = b"so that open is misuse"
        with pytest.raises(AssertionError):
            drive(self._download(stage), stage.errands(sink), None)

    @pytest.mark.rules("D30")
    def test_two_jobs_share_a_transport(self, stage: Stage, drive: Drive) -> None:
        both = threading.Barrier(2, timeout=5.0)

        def answer(seen: Seen) -> Answer:
            if seen.state == "run":
                both.wait()
            return good_answer(seen)

        server = stage.serve(answer)
        downloads = [self._download(stage) for _ in range(2)]
        sinks = [MemorySink(), MemorySink()]
        errands = [stage.errands(sink) for sink in sinks]
        threads = [threading.Thread(target=drive, args=(d, e, None)) for d, e in zip(downloads, errands, strict=True)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20.0)
        assert [sink.published for sink in sinks] == [PDF, PDF]
        assert sorted(server.states) == sorted(["formats", "init", "run", "get"] * 2)


class AsyncDriverContract(DriverContract):
    """What an async driver must do besides: be cancelled at any await (D38)."""

    @pytest.mark.parametrize("where", ["formats", "init", "run", "check", "get"])
    @pytest.mark.rules("D38")
    def test_cancelled_while_a_request_waits(self, stage: Stage, where: str) -> None:
        held = ("run", "check") if where == "check" else (where,)
        server = stage.serve(lambda seen: Answer(then=Then.HOLD) if seen.state in held else good_answer(seen))
        sink = MemorySink()
        future = stage.begin_drive(self._download(stage, _EAGER if where == "check" else _QUICK), stage.errands(sink))
        server.wait_for(where)
        self._cancelled(stage, server, sink, future)

    @pytest.mark.parametrize("size", [1, 100_000, len(PDF) - 1])
    @pytest.mark.rules("D38", "I10")
    def test_cancelled_while_the_file_comes(self, stage: Stage, size: int) -> None:
        data = message(200, FILE, PDF[:size], length=len(PDF))
        server = stage.serve(
            lambda seen: Answer(data=data, then=Then.HOLD) if seen.state == "get" else good_answer(seen)
        )
        sink, arrived = MemorySink(), threading.Event()
        errands = stage.errands(sink, lambda _received, _total: arrived.set())
        future = stage.begin_drive(self._download(stage), errands)
        assert arrived.wait(5.0)
        self._cancelled(stage, server, sink, future)

    @pytest.mark.parametrize("turns", [int(1.5**power) for power in range(21)])
    @pytest.mark.rules("D38", "I10")
    def test_cancelled_after_so_many_turns_of_the_loop(self, stage: Stage, turns: int) -> None:
        # Whatever await it meets: before the first byte, in a handshake, between two requests, in the file's thread.
        server, sink = stage.serve(good_answer), MemorySink()
        stage.begin_drive(self._download(stage), stage.errands(sink), after=turns).result(10.0)
        assert not sink.open_now
        assert sink.published in (None, PDF)
        assert _no_more(server)
        stage.close_transport()
        assert server.all_left(timeout=WAKE)

    @pytest.mark.rules("D38")
    def test_cancelled_before_it_began_a_kept_connection_carries_nothing(self, stage: Stage) -> None:
        # Over a new one it would have to wait, and end; over a kept one it might leave without a wait.
        server, sink = stage.serve(good_answer), MemorySink()
        stage.perform(Init)
        stage.begin_drive(self._download(stage), stage.errands(sink), after=0).result(10.0)
        stage.close_transport()
        assert server.all_left(timeout=WAKE)
        assert server.states == ["init"]

    def _cancelled(self, stage: Stage, server: RawServer, sink: MemorySink, future: Any) -> None:
        began = time.monotonic()
        future.cancel()
        held = {seen.connection for seen in server.seen if seen.state in ("run", "check", "get")} or {1}
        assert all(server.left(connection, timeout=WAKE) for connection in held)
        assert time.monotonic() - began < 2 * WAKE
        deadline = time.monotonic() + WAKE
        while sink.open_now and time.monotonic() < deadline:
            time.sleep(0.005)
        assert (sink.published, sink.open_now) == (None, False)
        assert _no_more(server)


def _no_more(server: RawServer) -> bool:
    """Whether no request arrives any more (D38)."""
    time.sleep(0.05)  # what had left before has arrived
    before = len(server.seen)
    time.sleep(0.05)
    return len(server.seen) == before
