"""The server's end at the tick where two things happen at once, and what it tells whoever waits for a `run`."""

from __future__ import annotations

from typing import Any

import pytest

from reportdl_core.endpoint import Endpoint
from reportdl_core.endpoint_messages import (
    AbandonGeneration,
    Answer,
    Called,
    Discard,
    Disconnected,
    EndpointCommand,
    FileMissing,
    FileSent,
    Generated,
    GenerationFailed,
    Kind,
    Refuse,
    Reply,
    Report,
    StatusIs,
)
from reportdl_core.errors import Refusal
from reportdl_core.events import Status
from reportdl_core.lifecycle import State
from reportdl_core.secret import Secret
from reportdl_core.switches import AbortOnDisconnect, ConsumeOn, FailedRun, Switches

SALES = Report(element=1, segment=0, name="Sales", kind=Kind.EXTERNAL_REPORT, formats=("pdf",), allowed=True)
FAILED = Refuse(refusal=Refusal.DOWNLOAD_FAILED, message="Download failed")
TOO_LONG = StatusIs(status=Status.ERROR, message="Generation took too long")


def called(number: int, state: str) -> Called:
    return Called(
        number=number,
        user="ann",
        element=1,
        segment=0,
        state=state,
        token=None if state == "init" else "t",
        format="pdf",
        report=SALES,
        fresh_token=Secret("t"),
    )


def running(switches: Switches) -> Endpoint:
    """`init` and `run` (2) were called at 1000, and `run` waits."""
    endpoint = Endpoint(switches=switches)
    endpoint.receive(called(1, "init"), now=1000.0)
    endpoint.receive(called(2, "run"), now=1000.0)
    return endpoint


def says(number: int, answer: Reply) -> EndpointCommand:
    return Answer(number=number, answer=answer)


@pytest.mark.rules("D28", "D5", "D6")
def test_a_run_that_took_too_long_is_told_so_where_failures_are_told_and_while_the_token_lives() -> None:
    endpoint = running(Switches(failed_run=FailedRun.STATUS, run_timeout=60.0))
    assert endpoint.sweep(now=1059.75) == ()
    assert endpoint.sweep(now=1060.0) == (AbandonGeneration(session=1), says(2, TOO_LONG))
    for number, state in ((3, "run"), (4, "check"), (5, "get")):
        assert endpoint.receive(called(number, state), now=1299.75) == (says(number, TOO_LONG),)
    for number, state in ((6, "run"), (7, "check"), (8, "get")):
        assert endpoint.receive(called(number, state), now=1300.0) == (says(number, FAILED),)
    assert endpoint.sessions[0].state is State.ERROR


@pytest.mark.rules("R16", "D28")
def test_a_token_that_ends_with_the_run_has_expired() -> None:
    endpoint = running(Switches(failed_run=FailedRun.STATUS, run_timeout=300.0))
    assert endpoint.sweep(now=1300.0) == (AbandonGeneration(session=1), says(2, FAILED))
    assert endpoint.sessions[0].state is State.EXPIRED


@pytest.mark.rules("D6", "R30")
def test_whoever_waits_for_a_run_that_failed_is_told_in_the_plugin_s_words() -> None:
    endpoint = running(Switches(failed_run=FailedRun.STATUS))
    told = endpoint.receive(GenerationFailed(session=1, message="Out of order"), now=1299.75)
    assert told == (says(2, StatusIs(status=Status.ERROR, message="Out of order")),)


@pytest.mark.rules("D6", "R30", "D7")
def test_a_generation_that_was_given_up_is_told_in_the_document_s_words() -> None:
    endpoint = running(Switches(failed_run=FailedRun.STATUS, abort_on_disconnect=AbortOnDisconnect.ON, remember=500.0))
    assert endpoint.receive(Disconnected(number=2), now=1010.0) == (AbandonGeneration(session=1),)
    said = StatusIs(status=Status.ERROR, message="Download failed")
    assert endpoint.receive(called(3, "run"), now=1020.0) == (says(3, said),)
    assert endpoint.alarm == 1510.0


@pytest.mark.rules("D6", "R30", "D36")
def test_a_file_that_went_missing_is_told_in_the_document_s_words() -> None:
    endpoint = running(Switches(failed_run=FailedRun.STATUS, remember=500.0))
    endpoint.receive(Generated(session=1), now=1010.0)
    endpoint.receive(called(3, "get"), now=1020.0)
    endpoint.receive(FileMissing(number=3), now=1030.0)
    said = StatusIs(status=Status.ERROR, message="Download failed")
    assert endpoint.receive(called(4, "run"), now=1040.0) == (says(4, said),)
    assert endpoint.alarm == 1530.0


@pytest.mark.rules("D21", "D36")
def test_what_its_first_byte_consumed_ended_with_it() -> None:
    endpoint = running(Switches(consume_on=ConsumeOn.START, remember=500.0))
    endpoint.receive(Generated(session=1), now=1010.0)
    endpoint.receive(called(3, "get"), now=1020.0)
    endpoint.receive(FileSent(number=3), now=1200.0)
    assert endpoint.alarm == 1520.0


@pytest.mark.rules("D8")
def test_a_session_shows_the_format_of_its_run() -> None:
    assert [(one.format, one.generations) for one in running(Switches()).sessions] == [("pdf", 1)]


@pytest.mark.rules("D37")
def test_what_is_no_event_is_named_and_moves_nothing() -> None:
    endpoint: Any = running(Switches())
    with pytest.raises(AssertionError, match="unreachable, but got: 'an event'"):
        endpoint.receive("an event", now=2000.0)
    assert endpoint.alarm == 1300.0


@pytest.mark.rules("D36", "R28")
def test_what_ended_is_remembered_from_its_end_on_however_late_the_sweep() -> None:
    endpoint = running(Switches(remember=100.0))
    endpoint.receive(Generated(session=1), now=1010.0)
    assert endpoint.sweep(now=1399.75) == (Discard(session=1),)
    assert [one.state for one in endpoint.sessions] == [State.EXPIRED]
    assert endpoint.alarm == 1400.0
    assert endpoint.sweep(now=1400.0) == ()
    assert endpoint.sessions == ()
