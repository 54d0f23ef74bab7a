"""The very second: what happens exactly at a limit, and what a long silence or a long transfer does not end."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from reportdl.testing.playbook import Playbook
from reportdl_core import (
    Cancelled,
    Check,
    CredentialsRenewed,
    Event,
    Expiry,
    FileReceived,
    Finish,
    Get,
    Init,
    Job,
    ListFormats,
    Lost,
    Policy,
    Preflight,
    Reason,
    Receipt,
    Refusal,
    Refused,
    RenewCredentials,
    Run,
    RunFinished,
    Secret,
    Sent,
    Session,
    State,
    Status,
    StatusReported,
    TokenIssued,
    Wait,
)

JOB = Job(element=1042, format="pdf")
RECEIPT = Receipt(path=None, filename="a.pdf", content_type="application/pdf", size=1, sha256="", length_verified=True)


def running(policy: Policy | None = None) -> Playbook[Session]:
    """`init` and `run` were sent at 0."""
    play = Playbook(Session(JOB, policy=policy or Policy(), now=0.0, formats=("pdf",))) << Init
    play >> TokenIssued(number=play[Init], token=Secret("abc"))
    return play << (Run, Wait)


def in_progress(play: Playbook[Session]) -> None:
    play >> StatusReported(number=play[Check], status=Status.IN_PROGRESS)


def poll_until(play: Playbook[Session], until: float) -> list[float]:
    """IN PROGRESS to every `check` before a time; when they left."""
    asked: list[float] = []
    while play.driven.alarm[0] < until:
        play.alarm()
        if play.driven.outcome is not None:
            return asked
        if isinstance(play.driven.outstanding[-1], Check):
            asked.append(play.now)
            in_progress(play)
    return asked


@pytest.mark.rules("D18")
@pytest.mark.parametrize(("when", "confirmed"), [(10.0, True), (10.0 + 2.0**-20, False)])
def test_an_error_ten_seconds_after_run_is_early_and_a_tick_later_is_not(when: float, confirmed: bool) -> None:
    play = running().alarm() << Check
    play.at(when) >> StatusReported(number=play[Check], status=Status.ERROR)
    play << (Wait if confirmed else Finish)


@pytest.mark.rules("D41")
@pytest.mark.parametrize(
    ("when", "state", "reason"),
    [
        (300.0 - 2.0**-20, State.ERROR, Reason.GENERATION_FAILED),
        (300.0, State.EXPIRED, Reason.EXPIRED),
    ],
)
def test_download_failed_means_expired_from_300_s_on(when: float, state: State, reason: Reason) -> None:
    play = running()
    poll_until(play, 270.0)
    while not isinstance(play.driven.outstanding[-1], Check):
        play.alarm()
    play.at(when) >> Refused(number=play[Check], refusal=Refusal.DOWNLOAD_FAILED)
    assert play.driven.outcome is not None
    assert (play.driven.state, play.driven.outcome.reason) == (state, reason)


@pytest.mark.rules("D1", "I3")
def test_a_check_sent_at_300_s_is_the_question() -> None:
    play = running(Policy(expiry_margin=0.0))
    play.at(1.0) >> Lost(number=play[Run], sent=Sent.UNKNOWN)
    poll_until(play, 300.0)
    play.alarm() << Check
    assert play.now == 300.0
    in_progress(play)
    assert play.driven.outcome is not None
    assert (play.driven.state, play.driven.outcome.run_unproven) == (State.EXPIRED, True)


@pytest.mark.rules("D1", "D19")
def test_once_the_server_has_kept_the_session_polling_is_as_before() -> None:
    play = running()
    asked = poll_until(play, 1000.0)
    late = [one for one in asked if one > 330.0]
    assert len(late) > 20
    assert all(15.0 <= later - earlier <= 30.0 for earlier, later in pairwise(late))


@pytest.mark.rules("D1")
def test_in_progress_to_a_check_that_left_before_300_s_is_no_answer_to_the_question() -> None:
    play = running()
    poll_until(play, 270.0)
    while not isinstance(play.driven.outstanding[-1], Check):
        play.alarm()
    assert play.now < 300.0
    play.at(300.5)
    in_progress(play)
    play << Wait
    play.alarm() << Check
    assert 300.0 < play.now <= 302.0


@pytest.mark.rules("D16", "D6")
def test_in_progress_from_run_itself_arms_the_renewal_again() -> None:
    play = running()
    play.at(1.0) >> Refused(number=play[Run], refusal=Refusal.CREDENTIALS)
    play >> CredentialsRenewed(number=play[RenewCredentials])
    play << (Run, Wait)
    play.at(2.0) >> StatusReported(number=play[Run], status=Status.IN_PROGRESS)
    play.alarm() << Check
    play >> Refused(number=play[Check], refusal=Refusal.CREDENTIALS)
    play << RenewCredentials


class TestSilenceBegins:
    @pytest.mark.rules("D19", "D6")
    def test_when_a_live_run_is_lost_not_before(self) -> None:
        play = running()
        while play.now < 1500.0:
            play.alarm()  # no `check` is ever answered
        play.at(1600.0) >> Lost(number=play[Run], sent=Sent.UNKNOWN)
        assert play.driven.outcome is None
        while play.driven.outcome is None:
            play.alarm()
        assert (play.now, play.driven.outcome.reason) == (2200.0, Reason.UNREACHABLE)

    @pytest.mark.rules("D19", "D21")
    def test_when_a_long_transfer_breaks_not_before(self) -> None:
        play = running().alarm() << Check
        play >> StatusReported(number=play[Check], status=Status.READY)
        play >> Lost(number=play[Run], sent=Sent.UNKNOWN)
        play.at(1500.0) >> Lost(number=play[Get], sent=Sent.UNKNOWN)
        play << Wait
        play.alarm() << Check


class TestATransferThatHasBegun:
    def begun(self) -> Playbook[Session]:
        """`get` has left by 290 s under the literal reading; `run` is still out."""
        play = running(Policy(expiry=Expiry.DOCUMENTED))
        poll_until(play, 260.0)
        while not isinstance(play.driven.outstanding[-1], Check):
            play.alarm()
        play >> StatusReported(number=play[Check], status=Status.READY)
        return play << Get

    @pytest.mark.rules("D2", "D1")
    def test_no_answer_of_run_ends_it_after_300_s(self) -> None:
        play = self.begun()
        play.at(320.0) >> Lost(number=play[Run], sent=Sent.UNKNOWN)
        play << None
        assert play.driven.outstanding == (play.last(Get),)
        play.at(400.0) >> FileReceived(number=play[Get], receipt=RECEIPT)
        assert play.driven.state is State.CONSUMED

    @pytest.mark.rules("D2", "I8")
    def test_the_job_s_deadline_does(self) -> None:
        play = self.begun()
        assert play.last(Get).deadline == 3600.0
        play.at(3600.0) >> Lost(number=play[Run], sent=Sent.UNKNOWN)
        assert play.driven.outcome is not None
        assert play.driven.outcome.reason is Reason.TIMED_OUT


@pytest.mark.rules("I8", "D41")
def test_at_the_job_s_end_the_clock_speaks_first() -> None:
    play = running(Policy(job_timeout=6.0)).alarm() << Check
    play.at(6.0) >> StatusReported(number=play[Check], status=Status.ERROR, message="too late to matter")
    assert play.driven.outcome is not None
    assert (play.driven.outcome.reason, play.driven.outcome.retryable) == (Reason.TIMED_OUT, True)
    assert play.driven.outcome.evidence[-1].message == "too late to matter"


@pytest.mark.rules("D19", "D16")
def test_a_run_that_leaves_during_a_retry_after_is_insured_after_it() -> None:
    play = running(Policy(first_check=1.0)).alarm() << Check
    play >> Refused(number=play[Check], refusal=Refusal.CREDENTIALS)
    play.at(1.5) >> CredentialsRenewed(number=play[RenewCredentials])
    play.at(2.0) >> Refused(number=play[Check], refusal=Refusal.BUSY, retry_after=60.0)
    play.at(3.0) >> Refused(number=play[Run], refusal=Refusal.CREDENTIALS)  # it carried the older credential
    play << Run  # the Wait for the end of the Retry-After is kept
    assert play.driven.alarm[0] == play.last(Wait).deadline == 62.0


@pytest.mark.rules("D12")
def test_a_format_that_is_known_not_to_be_offered_ends_the_session_before_anything_is_asked() -> None:
    session = Session(JOB, now=0.0, formats=("csv", "xls"))
    assert session.outstanding == ()
    assert session.outcome is not None
    assert (session.outcome.reason, session.outcome.alternatives) == (Reason.INVALID_FORMAT, ("csv", "xls"))


@pytest.mark.rules("D39")
def test_the_token_is_told_to_whoever_keeps_it_beside_a_snapshot() -> None:
    play = Playbook(Session(JOB, now=0.0, formats=("pdf",))) << Init
    assert play.driven.token is None
    play >> TokenIssued(number=play[Init], token=Secret("abc"))
    assert play.driven.token == Secret("abc")


@pytest.mark.rules("D37")
def test_a_wait_that_a_driver_broke_off_goes_on_to_the_same_second() -> None:
    play = running()
    until = play.last(Wait).deadline
    play.at(1.0) >> Cancelled(number=play[Wait])
    play << Wait
    assert play.last(Wait).deadline == until
    assert play.driven.outcome is None


@pytest.mark.rules("D37", "D19")
def test_a_wait_that_a_driver_broke_off_goes_on_to_the_end_of_a_retry_after_that_came_meanwhile() -> None:
    play = running()
    run = play[Run]
    play.alarm() >> StatusReported(number=play[Check], status=Status.READY)
    play << Get
    play >> StatusReported(number=play[Get], status=Status.IN_PROGRESS)
    play << Wait
    told = play.now
    play >> Refused(number=run, refusal=Refusal.BUSY, retry_after=20.0)
    play.at(told + 0.125) >> Cancelled(number=play[Wait])
    play << Wait
    assert play.last(Wait).deadline == told + 20.0


@pytest.mark.rules("D12", "D19")
@pytest.mark.parametrize("elapsed", [399.0, 400.0])
def test_a_refused_format_waits_for_no_retry_after_to_be_told_the_others(elapsed: float) -> None:
    play = Playbook(Session(JOB, policy=Policy(preflight=Preflight.OFF), now=0.0)) << Init
    play >> TokenIssued(number=play[Init], token=Secret("abc"))
    play << (Run, Wait)
    play.alarm() >> Refused(number=play[Check], refusal=Refusal.BUSY, retry_after=400.0)
    run, told = play[Run], play.now
    play.at(told + elapsed) >> Refused(number=run, refusal=Refusal.INVALID_FORMAT)
    play << (Finish if elapsed < 400.0 else ListFormats)
    if play.driven.outcome is not None:
        assert (play.driven.outcome.reason, play.driven.outcome.alternatives) == (Reason.INVALID_FORMAT, ())


@pytest.mark.rules("D19")
def test_a_run_that_is_lost_beside_a_file_that_is_ready_ends_no_silence() -> None:
    play = running()
    run = play[Run]
    play.alarm() >> StatusReported(number=play[Check], status=Status.READY)
    play << Get
    play.at(6.0) >> Lost(number=play[Get], sent=Sent.UNKNOWN)  # the last that was heard: a silence begins here
    while play.now < 400.0:
        play.alarm()
    play >> Lost(number=run, sent=Sent.UNKNOWN)
    while play.driven.outcome is None:
        play.alarm()
    assert play.now == 606.0
    assert play.driven.outcome.reason is Reason.UNREACHABLE


@pytest.mark.rules("D19", "D28")
def test_a_check_that_is_due_when_run_is_given_up_leaves_first() -> None:
    play = running(Policy(first_check=5.0, run_timeout=5.0)).alarm() << Check
    assert play.now == 5.0
    play.alarm() << None  # `run` is lost in the same moment, and the `check` that is out asks what became of it
    assert play.now == 5.0
    assert [type(command) for command in play.driven.outstanding] == [Check]


@pytest.mark.rules("D28", "D41")
def test_a_run_that_is_given_up_says_so_in_the_evidence() -> None:
    play = running(Policy(run_timeout=3.0))
    while play.driven.outcome is None:
        play.alarm()
    first = play.driven.outcome.evidence[0]
    assert (first.asked, first.message, first.age) == ("Run", "no answer by its deadline", 3.0)


def ready_within_a_retry_after(seconds: float) -> tuple[Playbook[Session], float]:
    """A `check` was told to come back later, and `run` then said that the file is there; until when."""
    play = running().alarm() << Check
    play >> Refused(number=play[Check], refusal=Refusal.BUSY, retry_after=seconds)
    until = play.now + seconds
    play.at(10.0) >> RunFinished(number=play[Run])
    return play << Get, until


@pytest.mark.rules("D2", "D19")
@pytest.mark.parametrize(
    ("answer", "longest"),
    [
        (lambda number: Refused(number=number, refusal=Refusal.BUSY), 0.5),
        (lambda number: Lost(number=number, sent=Sent.NOT_SENT), 0.5),
        (lambda number: Refused(number=number, refusal=Refusal.BUSY, retry_after=7.0), 7.0),
    ],
)
def test_what_held_check_back_does_not_hold_the_file_back(answer: Callable[[int], Event], longest: float) -> None:
    play, _ = ready_within_a_retry_after(400.0)
    play >> answer(play[Get])
    play << Wait
    assert longest / 2 <= play.last(Wait).deadline - 10.0 <= longest
    play.alarm() << Get


@pytest.mark.rules("D19", "D21")
def test_a_check_after_a_lost_file_waits_for_a_retry_after_that_a_get_without_one_took_back_nothing_of() -> None:
    play, until = ready_within_a_retry_after(200.0)
    play >> Refused(number=play[Get], refusal=Refusal.BUSY)
    play.alarm() << Get
    play >> Lost(number=play[Get], sent=Sent.UNKNOWN)
    play << Wait
    assert play.last(Wait).deadline == until
    play.alarm() << Check


@pytest.mark.rules("D19")
def test_a_time_beside_a_refusal_that_is_not_busy_holds_nothing_back() -> None:
    play = Playbook(Session(JOB, now=0.0)) << ListFormats
    play >> Refused(number=play[ListFormats], refusal=Refusal.UNAVAILABLE, retry_after=60.0)
    play << Wait
    assert play.last(Wait).deadline <= 0.5


@pytest.mark.rules("D2", "D19")
def test_a_get_is_silent_from_what_it_was_told_itself() -> None:
    play, _ = ready_within_a_retry_after(1000.0)
    play >> Refused(number=play[Get], refusal=Refusal.BUSY, retry_after=7.0)
    play.alarm() << Get
    play.at(616.5) >> Lost(number=play[Get], sent=Sent.NOT_SENT)
    play << Wait
    play.alarm() << Finish
    assert play.driven.outcome is not None
    assert (play.now, play.driven.outcome.reason) == (617.0, Reason.SERVER_ERROR)


@pytest.mark.rules("D19")
@pytest.mark.parametrize(("told", "end"), [(None, 600.0), (0.0, 600.0), (10.0, 3600.0)])
def test_a_429_without_a_time_is_no_valid_answer_however_often_it_is_said(told: float | None, end: float) -> None:
    play = Playbook(Session(JOB, now=0.0)) << ListFormats
    while play.driven.outcome is None:
        if isinstance(play.driven.outstanding[0], Wait):
            play.alarm()
        else:
            play >> Refused(number=play[ListFormats], refusal=Refusal.BUSY, retry_after=told)
    assert play.now == end
    assert play.driven.outcome.reason is (Reason.TIMED_OUT if told else Reason.SERVER_ERROR)


@pytest.mark.rules("D16", "D19")
def test_a_renewal_is_silent_from_the_end_of_a_retry_after_that_it_waits_for() -> None:
    play, until = ready_within_a_retry_after(400.0)
    play >> Refused(number=play[Get], refusal=Refusal.CREDENTIALS)
    play >> Refused(number=play[RenewCredentials], refusal=Refusal.BUSY, retry_after=7.0)
    play.alarm() << RenewCredentials
    assert play.now == until
    while play.driven.outcome is None:
        play.alarm()
    assert play.now == until + 600.0


@pytest.mark.rules("D19", "D42")
def test_a_check_waits_for_what_a_needless_run_was_told() -> None:
    play = running()
    run = play[Run]
    play.alarm() >> StatusReported(number=play[Check], status=Status.READY)
    play >> StatusReported(number=play[Get], status=Status.IN_PROGRESS)  # not there yet: a check, after a pause
    play << Wait
    play >> Refused(number=run, refusal=Refusal.BUSY, retry_after=60.0)
    play << None
    play.alarm() << Wait
    assert play.last(Wait).deadline == 65.0
    play.alarm() << Check
