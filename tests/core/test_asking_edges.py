"""Questions outside a session, to the tick: what each command carries, how long it may take, what misuse is told."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from reportdl_core import (
    CredentialsRenewed,
    Event,
    Evidence,
    FormatsListed,
    Job,
    ListedReport,
    ListFormats,
    LocalProtocolError,
    LookedUp,
    LookUp,
    Lost,
    Outcome,
    Policy,
    Reason,
    Refusal,
    Refused,
    RenewCredentials,
    Segment,
    Sent,
    State,
    Wait,
    WaitElapsed,
)
from reportdl_core.inquiry import Inquiry
from reportdl_core.lookup import ReportsLookup, SegmentsLookup
from reportdl_core.policy import pause
from reportdl_core.questions import DimensionValues, ElementInfo, Elements

POLICY = Policy()
LOST = Lost(number=1, sent=Sent.UNKNOWN, message="cut")
Questions = Inquiry | ReportsLookup | SegmentsLookup


def inquiry(now: float = 0.0, policy: Policy = POLICY) -> Inquiry:
    return Inquiry(element=1042, segment=7, policy=policy, seed=9, now=now)


def reports(now: float = 0.0, policy: Policy = POLICY) -> ReportsLookup:
    return ReportsLookup(policy=policy, seed=9, now=now)


def segments(now: float = 0.0, policy: Policy = POLICY) -> SegmentsLookup:
    return SegmentsLookup(element=1042, policy=policy, seed=9, now=now)


def listed(segment: int = 71, *, name: str = "", dimension: int | None = None, accessible: bool = True) -> ListedReport:
    return ListedReport(
        element=1042,
        segment=segment,
        name="Sales",
        source="Tableau",
        accessible=accessible,
        segment_name=name,
        dimension=dimension,
    )


# ---- what leaves, and until when


@pytest.mark.rules("R8", "D12", "D35")
def test_an_inquiry_asks_for_its_own_element_and_segment() -> None:
    (asked,) = inquiry(now=100.0).outstanding
    assert asked == ListFormats(number=1, job=Job(element=1042, segment=7, format="any"), deadline=130.0)
    (plain,) = Inquiry(element=1042, now=0.0).outstanding
    assert isinstance(plain, ListFormats)
    assert plain.job.segment == 0


@pytest.mark.rules("D35")
@pytest.mark.parametrize("asked", [reports, segments])
def test_a_look_up_asks_for_the_elements_first(asked: Callable[[float], Questions]) -> None:
    assert asked(100.0).outstanding == (LookUp(number=1, question=Elements(), deadline=130.0),)


@pytest.mark.rules("D19", "I9", "I13")
@pytest.mark.parametrize("asked", [inquiry, reports, segments])
def test_a_lost_question_is_asked_again_after_the_pause_of_its_own_seed(asked: Callable[[float], Questions]) -> None:
    driven = asked(100.0)
    first = pause(POLICY, seed=9, number=2, times=0)
    assert driven.receive(LOST, now=101.0) == (Wait(number=2, deadline=101.0 + first),)
    (again,) = driven.receive(WaitElapsed(number=2), now=101.0 + first)
    assert isinstance(again, ListFormats | LookUp)
    assert (again.number, again.deadline) == (3, 131.0 + first)
    second = pause(POLICY, seed=9, number=4, times=1)
    lost = Lost(number=3, sent=Sent.UNKNOWN, message="cut")
    assert driven.receive(lost, now=200.0) == (Wait(number=4, deadline=200.0 + second),)


@pytest.mark.rules("I8", "D19")
@pytest.mark.parametrize("asked", [inquiry, reports, segments])
def test_nothing_stays_out_beyond_the_end(asked: Callable[[float, Policy], Questions]) -> None:
    driven = asked(100.0, Policy(job_timeout=5.0))
    assert driven.alarm[0] == 105.0
    (rest,) = driven.receive(Lost(number=1, sent=Sent.UNKNOWN, message="cut"), now=104.875)
    assert rest == Wait(number=2, deadline=105.0)
    assert driven.alarm == (105.0, WaitElapsed(number=2))
    assert driven.receive(WaitElapsed(number=2), now=105.0) == ()
    assert driven.outcome == Outcome(
        state=State.ERROR,
        reason=Reason.TIMED_OUT,
        ended_in=State.INIT,
        evidence=(
            Evidence(
                asked=type(asked(0.0, POLICY).outstanding[0]).__name__, answer="lost, unknown", message="cut", age=4.875
            ),
        ),
    )


@pytest.mark.rules("D19", "D29")
def test_a_server_that_is_silent_is_given_up_after_the_first_contact_s_time() -> None:
    driven = inquiry(policy=Policy(first_contact=10.0, request_timeout=30.0))
    assert driven.alarm == (10.0, Lost(number=1, sent=Sent.UNKNOWN, message="no answer by its deadline"))
    driven.receive(driven.alarm[1], now=10.0)
    assert isinstance(driven.outcome, Outcome)
    assert driven.outcome.reason is Reason.UNREACHABLE


@pytest.mark.rules("D16")
@pytest.mark.parametrize("asked", [inquiry, reports, segments])
def test_a_renewal_has_as_long_as_a_question(asked: Callable[[float], Questions]) -> None:
    driven = asked(100.0)
    refused = Refused(number=1, refusal=Refusal.CREDENTIALS)
    assert driven.receive(refused, now=101.0) == (RenewCredentials(number=2, deadline=131.0),)
    (again,) = driven.receive(CredentialsRenewed(number=2), now=102.0)
    assert again.number == 3
    assert isinstance(again, ListFormats | LookUp)


@pytest.mark.rules("I8")
@pytest.mark.parametrize("asked", [inquiry, reports, segments])
def test_a_question_without_time_is_over_before_it_is_asked(asked: Callable[[float, Policy], Questions]) -> None:
    driven = asked(100.0, Policy(job_timeout=0.0))
    assert driven.outstanding == ()
    assert isinstance(driven.outcome, Outcome)
    assert driven.outcome.reason is Reason.TIMED_OUT


@pytest.mark.rules("D19")
def test_an_answer_that_took_longer_than_the_silence_is_what_the_question_ends_for() -> None:
    driven = inquiry(policy=Policy(silence=5.0))
    driven.receive(Refused(number=1, refusal=Refusal.ELEMENT_NOT_FOUND), now=6.0)
    assert isinstance(driven.outcome, Outcome)
    assert driven.outcome.reason is Reason.NOT_FOUND


@pytest.mark.rules("D19")
def test_after_an_answer_the_pauses_begin_anew() -> None:
    driven = segments()
    driven.receive(LOST, now=1.0)
    driven.receive(WaitElapsed(number=2), now=driven.alarm[0])
    driven.receive(LookedUp(number=3, found=(listed(71),)), now=2.0)
    lost = Lost(number=4, sent=Sent.UNKNOWN, message="cut")
    assert driven.receive(lost, now=3.0) == (Wait(number=5, deadline=3.0 + pause(POLICY, seed=9, number=5, times=0)),)


# ---- answers


@pytest.mark.rules("R8")
def test_a_report_may_offer_nothing_and_that_is_an_answer() -> None:
    driven = inquiry()
    assert driven.receive(FormatsListed(number=1, formats=()), now=1.0) == ()
    assert (driven.outcome, driven.outstanding) == ((), ())


@pytest.mark.rules("R4")
def test_rows_of_another_kind_are_passed_over() -> None:
    driven = reports()
    stray = Segment(id=7, name="North")
    driven.receive(LookedUp(number=1, found=(listed(), stray)), now=1.0)  # type: ignore[arg-type]
    assert driven.outcome == (listed(),)


@pytest.mark.rules("R4", "R6")
def test_only_segments_that_may_be_seen_are_told() -> None:
    driven = segments()
    rows = (listed(71, name="North"), listed(72, name="South", accessible=False), listed(0))
    driven.receive(LookedUp(number=1, found=rows), now=1.0)
    assert driven.outcome == (Segment(id=71, name="North"),)


@pytest.mark.rules("R4")
def test_the_description_is_asked_of_the_first_segment_and_names_the_dimension() -> None:
    driven = segments()
    (second,) = driven.receive(LookedUp(number=1, found=(listed(71), listed(72))), now=1.0)
    assert second == LookUp(number=2, question=ElementInfo(element=1042, segment=71), deadline=31.0)
    (third,) = driven.receive(LookedUp(number=2, found=(listed(71, dimension=5),)), now=2.0)
    assert third == LookUp(number=3, question=DimensionValues(dimension=5), deadline=32.0)
    named = (Segment(id=72, name="South"), Segment(id=71, name="North"))
    driven.receive(LookedUp(number=3, found=named), now=3.0)
    assert driven.outcome == (Segment(id=71, name="North"), Segment(id=72, name="South"))


@pytest.mark.rules("R4", "D26")
@pytest.mark.parametrize("asked", [1, 2])
def test_a_name_that_never_comes_leaves_the_ids(asked: int) -> None:
    driven = segments()
    driven.receive(LookedUp(number=1, found=(listed(71),)), now=1.0)
    if asked == 2:
        driven.receive(LookedUp(number=2, found=(listed(71, dimension=5),)), now=1.0)
    driven.receive(Refused(number=asked + 1, refusal=Refusal.ELEMENT_NOT_ALLOWED), now=2.0)
    assert driven.outcome == (Segment(id=71, name=""),)


@pytest.mark.rules("R4")
def test_a_description_that_describes_nothing_leaves_the_ids() -> None:
    driven = segments()
    driven.receive(LookedUp(number=1, found=(listed(71),)), now=1.0)
    driven.receive(LookedUp(number=2, found=()), now=2.0)
    assert driven.outcome == (Segment(id=71, name=""),)


# ---- misuse (D37)


def told(misuse: Callable[[], object]) -> str:
    with pytest.raises(LocalProtocolError) as raised:
        misuse()
    return str(raised.value)


@pytest.mark.rules("D37", "I7")
@pytest.mark.parametrize("asked", [inquiry, reports, segments])
@pytest.mark.parametrize(
    ("event", "now", "words"),
    [
        (LOST, 99.5, "the clock ran backwards, or no command has that number"),
        (Lost(number=0, sent=Sent.UNKNOWN), 100.0, "the clock ran backwards, or no command has that number"),
        (Lost(number=2, sent=Sent.UNKNOWN), 100.0, "the clock ran backwards, or no command has that number"),
    ],
)
def test_a_driver_that_is_wrong_is_told_how(
    asked: Callable[[float], Questions], event: Event, now: float, words: str
) -> None:
    driven = asked(100.0)
    assert told(lambda: driven.receive(event, now=now)) == words
    assert driven.outstanding[0].number == 1


@pytest.mark.rules("D37", "I7")
def test_an_event_answers_its_own_kind_of_command_and_only_once() -> None:
    driven = inquiry(100.0)
    looked_up = LookedUp(number=1, found=())
    assert told(lambda: driven.receive(looked_up, now=100.0)) == "LookedUp does not answer ListFormats"
    driven.receive(LOST, now=100.0)
    assert driven.receive(FormatsListed(number=1, formats=("pdf",)), now=100.0) == ()
    assert driven.outcome is None
    # What changes nothing moves no clock either; what was taken does.
    assert told(lambda: driven.receive(LOST, now=99.0)) == "the clock ran backwards, or no command has that number"


@pytest.mark.rules("D37")
def test_what_is_over_has_no_alarm_and_hears_nothing() -> None:
    driven = inquiry()
    driven.receive(FormatsListed(number=1, formats=("pdf",)), now=1.0)
    assert told(lambda: driven.alarm) == "the inquiry is over: nothing is outstanding"
    assert driven.receive(FormatsListed(number=1, formats=("csv",)), now=2.0) == ()
    assert driven.outcome == ("pdf",)
