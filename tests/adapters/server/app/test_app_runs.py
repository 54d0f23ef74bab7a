"""`run` over the wire: held, joined, dropped, timed out by a proxy, abandoned; and what generation does meanwhile."""

from __future__ import annotations

import dataclasses
import socket
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from reportdl.server import LoopbackServer, Switches
from reportdl.server.sources import OnlyUsers
from reportdl_core.switches import AbortOnDisconnect, RunSaysOk


def closed(connection: socket.socket) -> bool:
    """Whether the server closed it without a byte."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def states(server: Any) -> list[str]:
    return [session.state.name for session in server.sessions()]


@pytest.mark.rules("R19", "R20", "R21", "R26", "D8")
def test_run_is_held_while_check_and_get_say_in_progress(server: Any, source: Any, caller: Any, soon: Any) -> None:
    token = caller.token(7000)
    target = caller.path("run", 7000, token=token, format="pdf")
    with caller.begin(target) as first, caller.begin(target) as second:
        server.wait_for("run", 2)
        soon(lambda: source.made == 1)
        assert caller.state("check", 7000, token=token).json == {"status": "IN PROGRESS"}
        assert caller.state("get", 7000, token=token, format="pdf").json == {"status": "IN PROGRESS"}
        other = caller.state("run", 7000, token=token, format="csv")
        assert (other.status, other.json["message"]) == (400, "Invalid format")
        source.gate.set()
        for connection in (first, second):
            assert caller.answer(connection).json == {"status": "OK"}
    assert source.made == 1
    assert [session.generations for session in server.sessions()] == [1]


@pytest.mark.rules("D7", "D6")
def test_a_run_dropped_at_a_fifth_of_a_second_goes_on_generating(
    serving: Any, source: Any, caller: Any, soon: Any
) -> None:
    running = serving(sources=[source], generation_seconds=0.6, faults=["run.drop_after=0.2"])
    caller.port = running.port
    token = caller.token()
    began = time.monotonic()
    with caller.begin(caller.path("run", token=token, format="pdf")) as run:
        assert closed(run)
    assert 0.15 < time.monotonic() - began < 0.55
    assert caller.state("check", token=token).json == {"status": "IN PROGRESS"}
    soon(lambda: caller.state("check", token=token).json == {"status": "READY"})
    assert time.monotonic() - began >= 0.6
    assert caller.state("get", token=token, format="pdf").body == b"%PDF pdf"
    assert source.made == 1


@pytest.mark.rules("D7")
def test_a_caller_that_leaves_is_noticed_and_generation_goes_on(
    server: Any, source: Any, caller: Any, soon: Any
) -> None:
    token = caller.token(7000)
    with caller.begin(caller.path("run", 7000, token=token, format="pdf")):
        soon(lambda: source.made == 1)
    assert caller.state("check", 7000, token=token).json == {"status": "IN PROGRESS"}
    source.gate.set()
    soon(lambda: caller.state("check", 7000, token=token).json == {"status": "READY"})


@pytest.mark.rules("D7")
def test_a_caller_that_leaves_ends_generation_where_the_switch_says_so(
    serving: Any, source: Any, caller: Any, soon: Any
) -> None:
    switches = Switches(abort_on_disconnect=AbortOnDisconnect.ON)
    running = serving(sources=[source], switches=switches, generation_seconds=30.0)
    caller.port = running.port
    token = caller.token()
    with caller.begin(caller.path("run", token=token, format="pdf")):
        soon(lambda: states(running) == ["RUNNING"])
    soon(lambda: states(running) == ["ERROR"])
    assert caller.state("check", token=token).json["message"] == "Download failed"
    assert source.made == 0


@pytest.mark.rules("D6")
def test_a_proxy_gives_up_on_run(server: Any, source: Any, caller: Any, soon: Any) -> None:
    server.fault("run.gateway_timeout=0.2:1")
    token = caller.token(7000)
    answer = caller.state("run", 7000, token=token, format="pdf")
    assert (answer.status, answer.headers["content-type"]) == (504, "text/html; charset=utf-8")
    source.gate.set()
    soon(lambda: caller.state("check", 7000, token=token).json == {"status": "READY"})
    assert caller.state("run", 7000, token=token, format="pdf").json == {"status": "OK"}
    assert source.made == 1


def test_a_proxy_that_is_patient_enough_changes_nothing(server: Any, caller: Any) -> None:
    server.fault("run.gateway_timeout=5")
    assert caller.ready()


@pytest.mark.rules("D6")
def test_dropped_before_the_effect_nothing_happened(server: Any, source: Any, caller: Any) -> None:
    server.fault("run.drop_before=1")
    token = caller.token()
    with caller.begin(caller.path("run", token=token, format="pdf")) as run:
        assert closed(run)
    assert states(server) == ["INIT"]
    assert source.made == 0


@pytest.mark.rules("D6")
def test_dropped_after_the_effect_it_happened(server: Any, caller: Any) -> None:
    server.fault("init.drop_after=0:1")
    with caller.begin(caller.path("init")) as init:
        assert closed(init)
    assert states(server) == ["INIT"]


@pytest.mark.rules("D21")
def test_a_get_dropped_before_its_headers_may_be_repeated(server: Any, caller: Any) -> None:
    token = caller.ready()
    server.fault("get.drop_after=0:1")
    with caller.begin(caller.path("get", token=token, format="pdf")) as get:
        assert closed(get)
    assert caller.state("get", token=token, format="pdf").body == b"%PDF pdf"
    assert states(server) == ["CONSUMED"]


@pytest.mark.rules("R15", "R16", "R17")
def test_a_token_that_expires_during_generation(serving: Any, source: Any, caller: Any) -> None:
    running = serving(sources=[source], switches=Switches(ttl=0.4, max_age=10.0))
    caller.port = running.port
    token = caller.token(7000)
    answer = caller.state("run", 7000, token=token, format="pdf")
    assert (answer.status, answer.json["message"]) == (400, "Download failed")
    assert states(running) == ["EXPIRED"]
    source.gate.set()
    assert caller.state("check", 7000, token=token).json["message"] == "Download failed"


@pytest.mark.rules("D42")
def test_ok_before_the_file_exists(serving: Any, source: Any, caller: Any, soon: Any) -> None:
    running = serving(sources=[source], switches=Switches(run_says_ok=RunSaysOk.AT_ONCE))
    caller.port = running.port
    token = caller.ready(7000)
    assert caller.state("get", 7000, token=token, format="pdf").json == {"status": "IN PROGRESS"}
    source.gate.set()
    soon(lambda: caller.state("check", 7000, token=token).json == {"status": "READY"})


def test_generations_run_side_by_side_up_to_the_limit(serving: Any, source: Any, caller: Any, soon: Any) -> None:
    running = serving(sources=[source], generations_at_once=2)
    caller.port = running.port
    tokens = [caller.token(7000) for _ in range(3)]
    runs = [caller.begin(caller.path("run", 7000, token=token, format="pdf")) for token in tokens]
    running.wait_for("run", 3)
    soon(lambda: source.made == 2)
    # The event loop is free although every thread is taken.
    assert caller.state("check", 7000, token=tokens[2]).json == {"status": "IN PROGRESS"}
    assert source.made == 2
    source.gate.set()
    for run in runs:
        with run:
            assert caller.answer(run).json == {"status": "OK"}
    assert source.made == 3


@pytest.mark.rules("R16", "R27")
def test_files_are_removed_when_they_are_not_wanted_any_more(
    source: Any, caller: Any, soon: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with LoopbackServer(sources=[source], switches=Switches(ttl=1.5, max_age=10.0)) as running:
        caller.port = running.port
        consumed, forgotten = caller.ready(), caller.ready()
        assert len(list(tmp_path.glob("reportdl-*/*/made"))) == 2
        caller.state("get", token=consumed, format="pdf")
        soon(lambda: len(list(tmp_path.glob("reportdl-*/*"))) == 1)
        soon(lambda: not list(tmp_path.glob("reportdl-*/*")))
        assert caller.state("get", token=forgotten, format="pdf").json["message"] == "Download failed"
        caller.ready()
    assert not list(tmp_path.iterdir())


@pytest.mark.rules("D30")
def test_calls_with_one_cookie_can_be_made_to_wait_for_each_other(server: Any, source: Any, caller: Any) -> None:
    server.fault("*.cookie_lock")
    cookie = caller.state("init", 7000).headers["set-cookie"].partition(";")[0]
    token = caller.token(7000)
    with caller.begin(caller.path("check", 7000, token=token)) as free:
        assert caller.answer(free).json == {"status": "IN PROGRESS"}
    caller.headers["Cookie"] = cookie
    with (
        caller.begin(caller.path("run", 7000, token=token, format="pdf")) as run,
        caller.begin(caller.path("check", 7000, token=token)) as check,
    ):
        server.wait_for("check", 2)
        check.settimeout(0.3)
        with pytest.raises(TimeoutError):
            check.recv(1)
        source.gate.set()
        check.settimeout(10)
        assert caller.answer(run).json == {"status": "OK"}
        assert caller.answer(check).json == {"status": "READY"}


@pytest.mark.rules("D27", "R5", "R6")
def test_access_is_asked_for_on_every_call(source: Any, caller: Any) -> None:
    token = caller.ready()
    known = list(source.infos)
    source.infos[0] = dataclasses.replace(known[0], access=OnlyUsers(users=frozenset({"admin"})))
    assert caller.state("get", token=token, format="pdf").json["message"] == "Element not allowed"
    source.infos[:] = known[1:]
    assert caller.state("get", token=token, format="pdf").json["message"] == "Element not found"
    source.infos[:] = known
    assert caller.state("get", token=token, format="pdf").body == b"%PDF pdf"


@pytest.mark.rules("R30")
def test_an_element_that_vanishes_before_its_turn_leaves_no_file(
    serving: Any, source: Any, caller: Any, soon: Any
) -> None:
    running = serving(sources=[source], generation_seconds=0.3)
    caller.port = running.port
    token = caller.token()
    with caller.begin(caller.path("run", token=token, format="pdf")) as run:
        soon(lambda: states(running) == ["RUNNING"])
        known = list(source.infos)
        source.infos[:] = known[1:]
        answer = caller.answer(run)
    source.infos[:] = known
    assert (answer.status, answer.json["message"]) == (400, "Download failed")
    assert caller.state("check", token=token).json["message"] == "Download failed"
    assert source.made == 0


@pytest.mark.rules("R16", "D28")
def test_a_thread_that_outlives_its_session_leaves_nothing_behind(
    source: Any, caller: Any, soon: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with LoopbackServer(sources=[source], switches=Switches(run_timeout=0.3)) as running:
        caller.port = running.port
        token = caller.token(7000)
        assert caller.state("run", 7000, token=token, format="pdf").status == 400
        assert list(tmp_path.glob("reportdl-*/*"))
        source.gate.set()
        soon(lambda: not list(tmp_path.glob("reportdl-*/*")))
        assert states(running) == ["ERROR"]
