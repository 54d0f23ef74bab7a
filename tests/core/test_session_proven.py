"""Bugs that the oracle found in simulated and explored runs, each a transcript so that none comes back."""

from __future__ import annotations

import pytest

from reportdl.testing.playbook import Playbook
from reportdl_core import (
    Check,
    CredentialsRenewed,
    Download,
    Finish,
    FormatsListed,
    Get,
    Init,
    Job,
    ListFormats,
    Lost,
    Policy,
    Preflight,
    Reason,
    Refusal,
    Refused,
    RenewCredentials,
    Restart,
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
TOKEN = Secret("abc")


def running(seed: int = 0) -> Playbook[Session]:
    """`init` and `run` were sent at 0; the first `check` is due at 5."""
    play = Playbook(Session(JOB, policy=Policy(), seed=seed, now=0.0, formats=("pdf",))) << Init
    play >> TokenIssued(number=play[Init], token=TOKEN)
    return play << (Run, Wait)


def paused(play: Playbook[Session], now: float) -> float:
    """How long the Wait is that is outstanding."""
    wait: Wait = play.last(Wait)
    return wait.deadline - now


@pytest.mark.rules("D16", "D19")
def test_a_renewal_that_failed_is_repeated_after_the_short_pause_though_run_is_alive() -> None:
    play = running()
    for now in (5.0, 30.0, 70.0):
        play.alarm() << Check
        play.at(now + 20.0) >> StatusReported(number=play[Check], status=Status.IN_PROGRESS)
        play << Wait
    play.alarm() << Check
    play.after(0.1) >> Refused(number=play[Check], refusal=Refusal.CREDENTIALS)
    play << RenewCredentials
    play.after(0.1) >> Lost(number=play[RenewCredentials], sent=Sent.UNKNOWN)
    play << Wait
    assert paused(play, play.now) <= 0.5
    play.alarm() << RenewCredentials


@pytest.mark.rules("D19")
@pytest.mark.parametrize("seed", range(6))
def test_the_first_pause_after_run_was_lost_is_the_shortest_though_a_check_was_out(seed: int) -> None:
    play = running(seed).alarm() << Check
    play.at(20.0) >> Lost(number=play[Run], sent=Sent.UNKNOWN)
    play << None
    play.at(21.0) >> Lost(number=play[Check], sent=Sent.UNKNOWN)
    play << Wait
    assert 0.25 <= paused(play, 21.0) <= 0.5


@pytest.mark.rules("D2", "D16", "D19")
def test_a_hold_on_check_does_not_hold_the_file_back_after_a_renewal() -> None:
    play = running().alarm() << Check
    play.at(6.0) >> Refused(number=play[Check], refusal=Refusal.BUSY, retry_after=3000.0)
    play << Wait
    play.at(60.0) >> RunFinished(number=play[Run])
    play << Get
    play.at(60.1) >> Refused(number=play[Get], refusal=Refusal.CREDENTIALS)
    play << RenewCredentials
    play.at(60.2) >> CredentialsRenewed(number=play[RenewCredentials])
    play << Get  # at once, as it left the first time


@pytest.mark.rules("D21", "D43")
@pytest.mark.parametrize("unheld", [0, 1])
def test_where_one_budget_is_spent_another_that_applies_is_drawn_on(unheld: int) -> None:
    policy = Policy(preflight=Preflight.OFF, restarts_unheld=unheld, restarts_unproven=1)
    job = Download(JOB, policy=policy, now=0.0)
    play = Playbook(job) << Init
    play.at(0.1) >> TokenIssued(number=play[Init], token=TOKEN)
    written = job.snapshot(now=0.2)
    job = Download.restore(written, job=JOB, policy=policy, token=TOKEN, now=0.2, elapsed=400.0)
    play = Playbook(job, now=0.2)
    # `run` was lost as soon as it was sent, and the five minutes ended while nobody held the token.
    job.recover(now=0.2)
    play.alarm() << Check
    play.after(0.1) >> Refused(number=play[Check], refusal=Refusal.DOWNLOAD_FAILED)
    play << Wait
    assert job.restarts == (Restart.UNHELD if unheld else Restart.UNPROVEN,)
    assert Finish not in [type(command) for command in job.outstanding]


@pytest.mark.rules("D12", "R10")
@pytest.mark.parametrize("answer", [RunFinished(number=2), Refused(number=2, refusal=Refusal.ELEMENT_NOT_FOUND)])
def test_once_the_format_is_refused_an_answer_of_run_changes_nothing(answer: RunFinished | Refused) -> None:
    play = Playbook(Session(JOB, policy=Policy(preflight=Preflight.OFF), now=0.0)) << Init
    play >> TokenIssued(number=play[Init], token=TOKEN)
    play.alarm() << Check
    play.at(6.0) >> Refused(number=play[Check], refusal=Refusal.INVALID_FORMAT)
    play << ListFormats  # to name the others
    play.at(7.0) >> answer
    play << None
    assert play.driven.state is State.RUNNING
    play.at(8.0) >> FormatsListed(number=play[ListFormats], formats=("csv",))
    play << Finish
    assert play.driven.outcome is not None
    assert play.driven.outcome.reason is Reason.INVALID_FORMAT


@pytest.mark.rules("D12", "D16", "R10")
@pytest.mark.parametrize("refusal", [Refusal.CREDENTIALS, Refusal.UNAVAILABLE])
def test_a_renewal_that_fails_before_the_alternatives_are_named_hides_no_invalid_format(refusal: Refusal) -> None:
    play = Playbook(Session(JOB, policy=Policy(preflight=Preflight.OFF), now=0.0)) << Init
    play >> TokenIssued(number=play[Init], token=TOKEN)
    play.alarm() << Check
    play.at(6.0) >> Refused(number=play[Check], refusal=Refusal.CREDENTIALS)
    play << RenewCredentials
    play.at(7.0) >> Refused(number=play[Run], refusal=Refusal.INVALID_FORMAT)
    play << None  # the renewal comes first: `formats` would be refused as well
    play.at(8.0) >> Refused(number=play[RenewCredentials], refusal=refusal)
    play << Finish
    assert play.driven.outcome is not None
    assert play.driven.outcome.reason is Reason.INVALID_FORMAT


@pytest.mark.rules("D19")
def test_a_429_without_a_time_takes_back_no_retry_after_that_was_said_before() -> None:
    play = running().alarm() << Check
    play.at(6.0) >> Refused(number=play[Run], refusal=Refusal.BUSY, retry_after=60.0)
    play << None
    play.at(7.0) >> Refused(number=play[Check], refusal=Refusal.BUSY)
    play << Wait
    assert paused(play, 6.0) == 60.0


@pytest.mark.rules("D19", "D2")
def test_a_429_to_get_does_not_bring_back_what_held_check_back() -> None:
    play = running().alarm() << Check
    play.at(6.0) >> Refused(number=play[Check], refusal=Refusal.BUSY, retry_after=1e9)
    play << Wait
    play.at(60.0) >> RunFinished(number=play[Run])
    play << Get
    play.at(61.0) >> Refused(number=play[Get], refusal=Refusal.BUSY)
    play << Wait
    assert paused(play, 61.0) <= 15.0
    play.alarm() << Get


@pytest.mark.rules("D41", "D2", "D19")
def test_a_final_answer_that_took_longer_than_the_silence_is_what_the_session_ends_for() -> None:
    play = running()
    play.at(200.0) >> RunFinished(number=play[Run])
    play << Get
    play.at(860.0) >> Refused(number=play[Get], refusal=Refusal.DOWNLOAD_FAILED)
    play << Finish
    assert play.driven.outcome is not None
    assert (play.driven.outcome.state, play.driven.outcome.reason) == (State.EXPIRED, Reason.EXPIRED)
