"""urllib3 gives a connection back before its answer is dealt with: whoever has it then is not to be disturbed."""

from __future__ import annotations

import socket
import threading
from dataclasses import replace

import pytest
import urllib3
from urllib3.util.connection import is_connection_dropped

from reportdl.testing.canned import CHECKING, FILE, OK, PDF, WHOLE
from reportdl.testing.memory_sink import MemorySink
from reportdl.testing.raw_server import Answer, Then, message
from reportdl.testing.stage import Stage
from reportdl.testing.staging import staged
from reportdl.transports.urllib3 import Urllib3Transport
from reportdl_core.commands import Check, Get, Run
from reportdl_core.events import FileReceived, Lost, RunFinished, Sent, StatusReported

_PATIENCE = 5.0


class SlowDisk:
    """Takes what comes and keeps the writer, until it may go on."""

    def __init__(self, full):
        self._full = full
        self.sink, self.reached, self.go_on = MemorySink(), threading.Event(), threading.Event()
        self.taken = 0

    def write(self, data):
        self.taken += len(data)
        if self.taken == self._full:
            self.reached.set()
            assert self.go_on.wait(_PATIENCE)
        self.sink.write(data)

    def __getattr__(self, name):
        return getattr(self.sink, name)


class SlowReader:
    """An exchange that keeps whoever feeds it, until it may go on."""

    def __init__(self, exchange):
        self._exchange, self.reached, self.go_on = exchange, threading.Event(), threading.Event()

    def feed(self, data):
        self.reached.set()
        assert self.go_on.wait(_PATIENCE)
        return self._exchange.feed(data)

    def __getattr__(self, name):
        return getattr(self._exchange, name)


@pytest.fixture(params=["http", "https"])
def stage(request, tmp_path):
    stage = staged(lambda origin, network: Urllib3Transport(origin, network=network), None, request.param, tmp_path)
    yield stage
    stage.close()


@pytest.fixture
def writing(stage):
    """A `get` that has given its connection back and still writes its last bytes."""
    disk = SlowDisk(len(PDF))

    def begin():
        begun = stage.begin(Get, disk)
        assert disk.reached.wait(_PATIENCE)
        return begun

    yield begin
    disk.go_on.set()


@pytest.mark.rules("D38")
def test_a_file_that_is_cancelled_at_its_last_byte_disturbs_nobody(stage, writing):
    answering = threading.Event()

    def answer(seen):
        assert seen.state == "get" or answering.wait(_PATIENCE)
        return WHOLE if seen.state == "get" else CHECKING

    server = stage.serve(answer)
    get = writing()
    check = stage.begin(Check)
    server.wait_for("check")
    get.cancel()
    answering.set()
    assert isinstance(check.event(), StatusReported)
    assert [seen.connection for seen in server.seen] == [1, 1]


@pytest.mark.rules("D38", "I3")
def test_what_is_shut_down_as_it_is_taken_over_carries_nothing(stage, writing, monkeypatch):
    server = stage.serve(lambda seen: WHOLE if seen.state == "get" else CHECKING)
    get = writing()

    def looked(connection):
        found = is_connection_dropped(connection)
        get.cancel()
        return found

    monkeypatch.setattr("urllib3.connectionpool.is_connection_dropped", looked)
    event = stage.perform(Check)
    assert isinstance(event, Lost)
    assert event.sent is Sent.NOT_SENT
    monkeypatch.undo()
    assert isinstance(stage.perform(Check), StatusReported)
    assert [(seen.state, seen.connection) for seen in server.seen] == [("get", 1), ("check", 2)]


@pytest.mark.parametrize("size", [len(PDF) // 2, len(PDF)])
@pytest.mark.rules("D38")
def test_after_a_file_that_was_cancelled_the_next_request_is_answered_at_once(stage, size):
    """Cut in the middle, or at its last byte, where the connection is idle already: nobody is refused for it."""
    half = Answer(data=message(200, FILE, PDF[:size], length=len(PDF)), then=Then.HOLD)
    server = stage.serve(lambda seen: half if seen.state == "get" else CHECKING)
    disk = SlowDisk(size)
    get = stage.begin(Get, disk)
    assert disk.reached.wait(_PATIENCE)
    get.cancel()
    assert server.left(1, timeout=_PATIENCE)
    disk.go_on.set()
    assert not isinstance(get.event(), FileReceived)
    assert isinstance(stage.perform(Check), StatusReported)
    assert [(seen.state, seen.connection) for seen in server.seen] == [("get", 1), ("check", 2)]


@pytest.mark.rules("D38")
def test_a_cancellation_that_comes_too_late_costs_no_connection(stage):
    server = stage.serve(lambda _: CHECKING)
    begun = stage.begin(Check)
    assert isinstance(begun.event(), StatusReported)
    begun.cancel()
    assert isinstance(stage.perform(Check), StatusReported)
    assert [seen.connection for seen in server.seen] == [1, 1]


@pytest.mark.rules("D30")
def test_a_server_that_keeps_run_s_connection_keeps_it_in_vain(stage):
    """Asked to close it, it says nothing of the kind: the next `run` begins while the last one is being read."""
    server = stage.serve(lambda _: OK)
    errand = stage.errand(stage.command(Run))
    reading = SlowReader(errand.exchange)
    events = []
    flight = stage.transport.flight(replace(errand, exchange=reading))
    thread = threading.Thread(target=lambda: events.append(flight.perform()))
    thread.start()
    assert reading.reached.wait(_PATIENCE)
    assert isinstance(stage.perform(Run), RunFinished)
    reading.go_on.set()
    thread.join(_PATIENCE)
    assert [type(event) for event in events] == [RunFinished]
    assert [seen.connection for seen in server.seen] == [1, 2]
    assert server.all_left(timeout=_PATIENCE)


@pytest.mark.rules("I3")
def test_what_was_sent_once_stays_sent_where_a_pool_repeats_it_in_vain():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        nobody = listener.getsockname()[1]

    class Insistent(urllib3.HTTPConnectionPool):
        def urlopen(self, *args, **kwargs):
            try:
                return super().urlopen(*args, **kwargs)
            except urllib3.exceptions.HTTPError:
                self.port = nobody
                return super().urlopen(*args, **kwargs)

    pools = urllib3.PoolManager()
    pools.pool_classes_by_scheme = {"http": Insistent}
    stage = Stage(lambda origin, network: Urllib3Transport(origin, pools=pools), library=None)
    server = stage.serve(lambda _: Answer(then=Then.CUT))
    event = stage.perform(Run)
    stage.close()
    pools.clear()
    assert isinstance(event, Lost)
    assert event.message == "Connection refused"
    assert event.sent is Sent.UNKNOWN
    assert server.states == ["run"]
