"""The endpoint in memory: the same protocol, no time, and a network that does what it is told."""

from __future__ import annotations

import dataclasses
from typing import Any, cast

import pytest

from reportdl.drivers import Driven
from reportdl.testing import DOCUMENTED, MemoryEndpoint
from reportdl.transports.memory import Loss, Weather
from reportdl_core.commands import Check, Command
from reportdl_core.download import Download
from reportdl_core.endpoint_messages import Kind, Report
from reportdl_core.errors import Reason
from reportdl_core.events import Event
from reportdl_core.job import Job
from reportdl_core.lifecycle import State
from reportdl_core.policy import Policy, Preflight
from reportdl_core.session import Session
from reportdl_core.switches import AbortOnDisconnect, Switches, TtlPolicy


@pytest.mark.rules("R1", "R8", "R12", "R18", "R24")
def test_one_job_asks_four_times() -> None:
    endpoint = MemoryEndpoint()
    outcome = endpoint.download(1042, format="pdf")
    assert (outcome.state, outcome.reason) == (State.CONSUMED, Reason.DELIVERED)
    assert outcome.receipt is not None
    assert outcome.receipt.filename == "Sales Dashboard.pdf"
    assert endpoint.saw == ["formats", "init", "run", "get"]
    assert endpoint.now == pytest.approx(1.08)


@pytest.mark.rules("I9")
def test_the_same_weather_makes_the_same_conversation() -> None:
    def conversation() -> tuple[list[str], float]:
        endpoint = MemoryEndpoint(generation_seconds=90.0, network={"run": [Weather(loss=Loss.AFTER)]})
        endpoint.download(1042, format="pdf", seed=7)
        return endpoint.saw, endpoint.now

    assert conversation() == conversation()


@pytest.mark.rules("I7")
def test_jobs_follow_each_other_and_the_answers_of_one_do_not_reach_the_next() -> None:
    # The first job gives up while its `run` and a `check` are still on their way.
    endpoint = MemoryEndpoint(
        generation_seconds=50.0,
        switches=Switches(ttl_policy=TtlPolicy.SLIDING),
        network={"check": [Weather(back=40.0)]},
    )
    first = endpoint.download(1042, format="pdf", policy=Policy(job_timeout=20.0))
    assert first.reason is Reason.TIMED_OUT
    assert endpoint.now == pytest.approx(20.0)
    second = endpoint.download(1042, format="csv")
    assert second.reason is Reason.DELIVERED
    assert endpoint.now == pytest.approx(70.08)
    assert [(one.format, one.state) for one in endpoint.sessions] == [("pdf", State.READY), ("csv", State.CONSUMED)]


@pytest.mark.rules("I3", "D21")
@pytest.mark.parametrize("state", ["formats", "init", "run", "check", "get"])
@pytest.mark.parametrize("loss", [Loss.NOT_SENT, Loss.BEFORE, Loss.AFTER])
def test_one_request_lost_anywhere_costs_no_second_generation(state: str, loss: Loss) -> None:
    endpoint = MemoryEndpoint(generation_seconds=30.0, network={state: [Weather(loss=loss)]})
    outcome = endpoint.download(1042, format="pdf")
    assert outcome.reason is Reason.DELIVERED
    # A `run` lost without a trace is found out by the token's end, and costs one session, which generated nothing.
    assert [one.generations for one in endpoint.sessions if one.state is State.CONSUMED] == [1]
    assert sum(one.generations for one in endpoint.sessions) == 1


def test_a_forecast_holds_for_as_many_requests_as_it_names() -> None:
    endpoint = MemoryEndpoint()
    endpoint.forecast("formats", Weather(there=3.0), Weather(there=2.0))
    for seconds in (3.0, 2.0, 0.01):
        began = endpoint.now
        endpoint.download(1042, format="pdf")
        assert endpoint.now - began == pytest.approx(1.07 + seconds)


@pytest.mark.parametrize("state", ["get_token", "*", ""])
def test_weather_for_a_state_that_there_is_not(state: str) -> None:
    with pytest.raises(ValueError, match="formats, init, run, check, get"):
        MemoryEndpoint(network={state: [Weather()]})


@pytest.mark.rules("R22", "R5", "R6", "R10")
def test_reports_of_the_tests_own() -> None:
    def generation(report: Report, format: str) -> float:
        if report.element == 2:
            raise ValueError("no rows")
        return 10.0 if format == "pdf" else 20.0

    def report(element: int, **more: object) -> Report:
        return dataclasses.replace(DOCUMENTED, element=element, **more)  # type: ignore[arg-type]

    endpoint = MemoryEndpoint(
        reports=[report(1), report(2), report(3, allowed=False), report(4, kind=Kind.OTHER)],
        generation_seconds=generation,
    )
    reasons = {element: endpoint.download(element, format="csv").reason for element in (1, 2, 3, 4, 1042)}
    assert reasons == {
        1: Reason.DELIVERED,
        2: Reason.GENERATION_FAILED,
        3: Reason.ACCESS_DENIED,
        4: Reason.NOT_IMPLEMENTED,
        1042: Reason.NOT_FOUND,
    }
    began = endpoint.now
    endpoint.download(1, format="pdf")
    assert endpoint.now - began == pytest.approx(10.08)
    assert endpoint.download(1, format="xls").alternatives == ("image", "pdf", "csv")


@pytest.mark.rules("R15", "D36")
def test_sleeping_expires_and_forgets() -> None:
    endpoint = MemoryEndpoint(network={"get": [Weather(loss=Loss.BEFORE)] * 9})
    endpoint.download(1042, format="pdf", policy=Policy(job_timeout=60.0, restarts_lost=0))
    assert [one.state for one in endpoint.sessions] == [State.READY]
    endpoint.sleep(300.0 - endpoint.now)
    assert [one.state for one in endpoint.sessions] == [State.READY]
    endpoint.sleep(1.0)
    assert [one.state for one in endpoint.sessions] == [State.EXPIRED]
    endpoint.sleep(3600.0)
    assert endpoint.sessions == ()


def test_a_download_of_ones_own_is_driven() -> None:
    endpoint = MemoryEndpoint()
    policy = Policy(preflight=Preflight.OFF)
    download = Download(Job(element=1042, segment=0, format="pdf"), policy=policy, now=endpoint.now)
    endpoint.drive(download)
    assert download.outcome is not None
    assert endpoint.saw == ["init", "run", "get"]


def one_of_its_own(kind: type[Download] | type[Session], endpoint: MemoryEndpoint) -> Download | Session:
    return kind(Job(element=1042, segment=0, format="pdf"), now=endpoint.now)


@pytest.mark.rules("I7", "I9")
@pytest.mark.parametrize("kind", [Download, Session])
def test_jobs_that_number_their_commands_alike_take_the_same_time_each(kind: type[Download] | type[Session]) -> None:
    endpoint, took = MemoryEndpoint(), []
    for _ in range(3):
        began, job = endpoint.now, one_of_its_own(kind, endpoint)
        endpoint.drive(job)
        assert job.outcome is not None
        assert job.outcome.reason is Reason.DELIVERED
        took.append(endpoint.now - began)
    assert took == pytest.approx([1.08] * 3)
    assert endpoint.saw == ["formats", "init", "run", "get"] * 3


@pytest.mark.rules("I7")
def test_an_answer_that_comes_after_its_job_is_not_the_next_one_s() -> None:
    # The first answer arrives at 30 s, when the second job waits for the same command under the same number.
    endpoint = MemoryEndpoint(network={"formats": [Weather(back=30.0), Weather(back=20.0)]})
    assert endpoint.download(1042, format="pdf", policy=Policy(job_timeout=20.0)).reason is Reason.TIMED_OUT
    assert endpoint.download(1042, format="pdf").reason is Reason.DELIVERED
    assert endpoint.now == pytest.approx(20.0 + 20.01 + 1.06)


class Stopped(Exception):
    """What a driver's caller may raise."""


class StoppedAtCheck:
    """Something of the tests' own around a job, which breaks while `run` is out."""

    def __init__(self, job: Session) -> None:
        self.job = job

    def __getattr__(self, name: str) -> Any:
        return getattr(self.job, name)

    def receive(self, event: Event, *, now: float) -> tuple[Command, ...]:
        new = self.job.receive(event, now=now)
        if any(isinstance(command, Check) for command in new):
            raise Stopped
        return new


@pytest.mark.rules("D38")
@pytest.mark.parametrize("abort", AbortOnDisconnect)
def test_what_a_job_raises_comes_out_and_its_requests_end(abort: AbortOnDisconnect) -> None:
    endpoint = MemoryEndpoint(generation_seconds=60.0, switches=Switches(abort_on_disconnect=abort))
    with pytest.raises(Stopped):
        endpoint.drive(cast("Driven", StoppedAtCheck(Session(Job(element=1042, format="pdf"), now=0.0))))
    endpoint.sleep(100.0)
    ended = {AbortOnDisconnect.ON: State.ERROR, AbortOnDisconnect.OFF: State.READY}[abort]
    assert [(one.state, one.generations) for one in endpoint.sessions] == [(ended, 1)]


IMPATIENT = Policy(run_timeout=20.0, request_timeout=20.0)


@pytest.mark.rules("D7", "R30")
def test_a_run_that_is_given_up_is_aborted_where_the_server_does_so() -> None:
    endpoint = MemoryEndpoint(generation_seconds=60.0, switches=Switches(abort_on_disconnect=AbortOnDisconnect.ON))
    outcome = endpoint.download(1042, format="pdf", policy=IMPATIENT)
    assert outcome.reason is Reason.GENERATION_FAILED
    assert 20.0 < endpoint.now < 60.0
    assert [one.state for one in endpoint.sessions] == [State.ERROR]


@pytest.mark.rules("D7", "I3")
def test_a_run_that_is_given_up_is_still_generated_elsewhere() -> None:
    endpoint = MemoryEndpoint(generation_seconds=60.0)
    outcome = endpoint.download(1042, format="pdf", policy=IMPATIENT)
    assert outcome.reason is Reason.DELIVERED
    assert endpoint.now > 60.0
    assert endpoint.saw.count("run") == 1
    assert [one.generations for one in endpoint.sessions] == [1]


@pytest.mark.rules("D7")
def test_a_job_that_is_over_hangs_up_as_well() -> None:
    endpoint = MemoryEndpoint(
        generation_seconds=60.0,
        switches=Switches(abort_on_disconnect=AbortOnDisconnect.ON),
        network={"run": [Weather(there=3.0)]},
    )
    outcome = endpoint.download(1042, format="pdf", policy=Policy(job_timeout=20.0))
    assert outcome.reason is Reason.TIMED_OUT
    assert endpoint.now == pytest.approx(20.0)
    endpoint.sleep(2.0)
    assert [one.state for one in endpoint.sessions] == [State.RUNNING]  # it has not come to the server yet
    endpoint.sleep(2.0)
    assert [one.state for one in endpoint.sessions] == [State.ERROR]
