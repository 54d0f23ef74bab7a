"""A session to the tick: when each command leaves, until when it may take, and what each carries."""

from __future__ import annotations

from typing import Any

import pytest

from reportdl.testing.playbook import Playbook
from reportdl_core import (
    Cancelled,
    Check,
    Command,
    Download,
    Event,
    Evidence,
    Expiry,
    FileNotKept,
    FileReceived,
    Finish,
    FormatsListed,
    Get,
    Init,
    Job,
    Kept,
    ListFormats,
    Lost,
    Policy,
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
    Status,
    StatusReported,
    TokenIssued,
    Wait,
)
from reportdl_core.inquiry import Inquiry
from reportdl_core.lookup import ReportsLookup, SegmentsLookup
from reportdl_core.policy import insurance, pause

JOB = Job(element=1042, segment=7, format="pdf")
TOKEN = Secret("abc%3D")
POLICY = Policy()
SEED = 9


def session(policy: Policy = POLICY, *, formats: tuple[str, ...] | None = ("pdf",)) -> Playbook[Session]:
    return Playbook(Session(JOB, policy=policy, seed=SEED, now=100.0, formats=formats), now=100.0)


def running(policy: Policy = POLICY, *, formats: tuple[str, ...] = ("pdf",)) -> Playbook[Session]:
    """`init` was sent at 100, `run` (2) at 101."""
    play = session(policy, formats=formats)
    return play.at(101.0) >> TokenIssued(number=1, token=TOKEN)


def rest(number: int, times: int) -> float:
    return pause(POLICY, seed=SEED, number=number, times=times)


def insured(number: int, times: int) -> float:
    return insurance(POLICY, seed=SEED, number=number, times=times)


def leaves(play: Playbook[Any], *commands: Command) -> None:
    assert play.new == commands, f"\n{play}"


def lost(number: int, sent: Sent = Sent.UNKNOWN) -> Event:
    return Lost(number=number, sent=sent, message="cut")


# ---- what each command carries, and until when


@pytest.mark.rules("D35", "D11", "R13")
def test_every_command_of_a_session() -> None:
    play = session(formats=None)
    leaves(play, ListFormats(number=1, job=JOB, deadline=130.0))
    play = session()
    leaves(play, Init(number=1, job=JOB, deadline=130.0))
    play = running()
    leaves(play, Run(number=2, job=JOB, token=TOKEN, deadline=1901.0), Wait(number=3, deadline=106.0))
    play.alarm()
    leaves(play, Check(number=4, job=JOB, token=TOKEN, deadline=136.0))
    play.at(107.0) >> Refused(number=4, refusal=Refusal.CREDENTIALS)
    leaves(play, RenewCredentials(number=5, deadline=137.0))
    play = running()
    play.at(109.0) >> RunFinished(number=2)
    leaves(play, Get(number=4, job=JOB, token=TOKEN, deadline=3700.0))


@pytest.mark.rules("D11")
def test_every_request_with_a_token_asks_for_the_key_as_it_was_listed() -> None:
    play = running(formats=("PDF",))
    assert play.last(Run).job == Job(element=1042, segment=7, format="PDF")
    play.alarm()
    assert play.last(Check).job == play.last(Run).job
    play >> RunFinished(number=2)
    assert play.last(Get).job == play.last(Run).job


@pytest.mark.rules("I8", "D35", "D1")
@pytest.mark.parametrize(
    ("policy", "deadlines"),
    [
        (Policy(get_timeout=60.0), (1901.0, 169.0)),
        (Policy(job_timeout=50.0), (150.0, 150.0)),
        (Policy(run_timeout=20.0), (121.0, 3700.0)),
        (Policy(run_timeout=20.0, silence=15.0), (121.0, 3700.0)),  # a live `run` is no silence
    ],
)
def test_a_command_s_deadline_is_the_earliest_that_binds_it(policy: Policy, deadlines: tuple[float, float]) -> None:
    play = running(policy)
    run = play.last(Run).deadline
    play.at(109.0) >> RunFinished(number=2)
    assert (run, play.last(Get).deadline) == deadlines


# ---- pauses


@pytest.mark.rules("D19", "I9")
def test_a_check_that_insures_comes_after_five_seconds_and_then_ever_later() -> None:
    play = running()
    now = 106.0
    for times in range(1, 5):
        number = play.alarm()[Check]
        assert play.now == now
        play.after(0.5) >> StatusReported(number=number, status=Status.IN_PROGRESS)
        now = play.now + insured(number + 1, times)
        leaves(play, Wait(number=number + 1, deadline=now))


@pytest.mark.rules("D19", "I4")
def test_a_check_that_need_not_wait_leaves_with_run() -> None:
    play = running(Policy(first_check=1e-9))
    check = Check(number=3, job=JOB, token=TOKEN, deadline=131.0)
    leaves(play, Run(number=2, job=JOB, token=TOKEN, deadline=1901.0), check)


@pytest.mark.rules("D19", "I13")
def test_a_failure_of_the_insurance_rests_as_long_as_its_success() -> None:
    play = running().alarm()
    play.after(0.5) >> lost(4)
    leaves(play, Wait(number=5, deadline=106.5 + insured(5, 1)))


@pytest.mark.rules("D19", "D6")
def test_once_run_is_lost_the_pauses_begin_anew() -> None:
    play = running()
    play.at(110.0) >> lost(2)
    play = running().alarm()
    play.at(107.0) >> StatusReported(number=4, status=Status.IN_PROGRESS)
    play.at(108.0) >> lost(2)
    now = 108.0 + rest(6, 0)
    leaves(play, Wait(number=6, deadline=now))
    for times in range(1, 4):
        number = play.alarm()[Check]
        assert play.now == now
        play >> StatusReported(number=number, status=Status.IN_PROGRESS)
        now += rest(number + 1, times)
        leaves(play, Wait(number=number + 1, deadline=now))


@pytest.mark.rules("D19", "I3")
def test_a_run_that_never_left_is_sent_again_after_the_first_pause() -> None:
    play = running()
    play.at(102.0) >> lost(2, Sent.NOT_SENT)
    now = 102.0 + rest(4, 0)
    leaves(play, Wait(number=4, deadline=now))
    play.alarm() << (Run, Wait)
    assert play.last(Wait).deadline == now + 5.0
    play.after(1.0) >> lost(5, Sent.NOT_SENT)
    leaves(play, Wait(number=7, deadline=now + 1.0 + rest(7, 1)))


@pytest.mark.rules("D18", "D19")
def test_an_early_error_is_asked_again_after_the_shortest_pause() -> None:
    play = running().alarm()
    play.after(0.5) >> StatusReported(number=4, status=Status.ERROR)
    leaves(play, Wait(number=5, deadline=106.5 + rest(5, 0)))
    # It was an answer: what becomes of `run` now does not find a server that was silent.
    play.after(0.125) >> lost(2)
    leaves(play, Wait(number=6, deadline=106.625 + rest(6, 0)))


def asked_beyond_the_end() -> Playbook[Session]:
    """`run` is alive after five minutes; the question was lost twice and is out for the third time."""
    play = running()
    while play.now < 401.0:
        play.alarm()
        if play.now < 401.0 and isinstance(play.driven.outstanding[-1], Check):
            play >> StatusReported(number=play[Check], status=Status.IN_PROGRESS)
    for _ in range(2):
        play >> lost(play[Check])
        play.alarm()
    return play


@pytest.mark.rules("D19", "I13")
@pytest.mark.parametrize(
    ("said", "times"),
    [
        (lost(2), 0),
        (Refused(number=2, refusal=Refusal.UNAVAILABLE), 0),
        (StatusReported(number=2, status=Status.ERROR), 2),
        (Refused(number=2, refusal=Refusal.DOWNLOAD_FAILED), 2),
    ],
)
def test_a_check_that_is_out_while_run_is_lost_stands_for_the_pause(said: Event, times: int) -> None:
    play = asked_beyond_the_end()
    number = play[Check]
    play >> said
    leaves(play)
    play.after(1.0) >> lost(number)
    leaves(play, Wait(number=number + 1, deadline=play.now + rest(number + 1, times)))


@pytest.mark.rules("D19", "D12")
def test_after_the_formats_were_listed_the_pauses_begin_anew() -> None:
    play = session(formats=None)
    play.at(101.0) >> lost(1)
    play.alarm() >> FormatsListed(number=3, formats=("pdf",))
    play.at(103.0) >> lost(4)
    leaves(play, Wait(number=5, deadline=103.0 + rest(5, 0)))


@pytest.mark.rules("D19")
@pytest.mark.parametrize("after", [None, 0.0, -1.0])
def test_who_is_busy_and_does_not_say_until_when_is_asked_after_the_pause(after: float | None) -> None:
    play = session()
    play.at(101.0) >> Refused(number=1, refusal=Refusal.BUSY, retry_after=after)
    leaves(play, Wait(number=2, deadline=101.0 + rest(2, 0)))


@pytest.mark.rules("D19")
def test_who_says_until_when_is_asked_then_and_not_sooner() -> None:
    play = session()
    play.at(101.0) >> Refused(number=1, refusal=Refusal.BUSY, retry_after=20.0)
    leaves(play, Wait(number=2, deadline=121.0))
    play = session()
    play.at(101.0) >> Refused(number=1, refusal=Refusal.BUSY, retry_after=0.75)
    leaves(play, Wait(number=2, deadline=101.75))


@pytest.mark.rules("D21", "D42")
@pytest.mark.parametrize("answer", ["lost", "in progress"])
def test_after_a_get_that_brought_nothing_check_comes_after_the_pause(answer: str) -> None:
    play = running()
    play.at(109.0) >> RunFinished(number=2)
    said = lost(4) if answer == "lost" else StatusReported(number=4, status=Status.IN_PROGRESS)
    play.at(110.0) >> said
    leaves(play, Wait(number=5, deadline=110.0 + rest(5, 0)))


@pytest.mark.rules("D1", "D19")
@pytest.mark.parametrize("margin", [1.0, 7.0])
def test_the_question_comes_so_many_seconds_after_the_five_minutes(margin: float) -> None:
    policy = Policy(expiry_margin=margin, longest_insurance=1000.0, growth=40.0)
    play = running(policy).alarm()
    play.after(0.5) >> StatusReported(number=4, status=Status.IN_PROGRESS)
    leaves(play, Wait(number=5, deadline=min(400.0 + margin, 106.5 + insurance(policy, seed=SEED, number=5, times=1))))
    while play.now < 400.0:
        play.alarm()
        if isinstance(play.driven.outstanding[-1], Check):
            play >> StatusReported(number=play[Check], status=Status.IN_PROGRESS)
    assert play.now == 400.0 + margin


@pytest.mark.rules("D1", "D19", "I13")
def test_the_question_is_repeated_after_pauses_that_grow_one_by_one() -> None:
    play = running()
    while play.now < 401.0:
        play.alarm()
        if play.now < 401.0 and isinstance(play.driven.outstanding[-1], Check):
            play >> StatusReported(number=play[Check], status=Status.IN_PROGRESS)
    for times in range(5):
        number = play[Check]
        play.after(0.25) >> lost(number)
        leaves(play, Wait(number=number + 1, deadline=play.now + rest(number + 1, times)))
        play.alarm()


# ---- ends


@pytest.mark.rules("D19", "D29")
@pytest.mark.parametrize(
    ("refusal", "reason"),
    [
        (None, Reason.UNREACHABLE),
        (Refusal.UNAVAILABLE, Reason.SERVER_ERROR),
        (Refusal.NO_ENVELOPE, Reason.ENDPOINT_MISSING),
    ],
)
def test_silence_is_named_by_what_was_heard_last(refusal: Refusal | None, reason: Reason) -> None:
    play = session(Policy(silence=5.0))
    if refusal is not None:
        play.at(104.875) >> Refused(number=1, refusal=refusal)
    while play.driven.outcome is None:
        play.alarm()
    assert (play.driven.outcome.reason, play.now) == (reason, 105.0)


@pytest.mark.rules("D19", "D29")
def test_a_job_taken_up_with_no_time_for_a_first_contact_left_nobody_there() -> None:
    play = session(Policy(first_contact=0.0))
    assert play.driven.outcome is not None
    assert play.driven.outcome.reason is Reason.UNREACHABLE


@pytest.mark.rules("D19", "D29")
def test_once_a_server_was_heard_its_first_contact_is_over() -> None:
    play = session(Policy(first_contact=10.0), formats=None)
    leaves(play, ListFormats(number=1, job=JOB, deadline=110.0))
    play.at(101.0) >> FormatsListed(number=1, formats=("pdf",))
    leaves(play, Init(number=2, job=JOB, deadline=131.0))


@pytest.mark.rules("D1", "D21")
def test_ready_proves_that_run_arrived() -> None:
    play = running(Policy(expiry=Expiry.DOCUMENTED))
    play.at(102.0) >> lost(2)
    play.alarm() >> StatusReported(number=play[Check], status=Status.READY)
    play >> Refused(number=play[Get], refusal=Refusal.BUSY, retry_after=1000.0)
    play.alarm()
    assert play.driven.outcome is not None
    assert (play.now, play.driven.outcome.reason, play.driven.outcome.run_unproven) == (400.0, Reason.EXPIRED, False)


@pytest.mark.rules("D44", "D5")
def test_a_file_that_was_not_kept_is_told_as_what_get_brought() -> None:
    play = running()
    play.at(109.0) >> RunFinished(number=2)
    play.at(110.0) >> FileNotKept(number=4, why=Kept.FAILED, message="no room", path="a.part")
    assert play.driven.outcome is not None
    assert play.driven.outcome.evidence == (Evidence(asked="Get", answer="failed", message="no room", age=10.0),)
    assert play.driven.outcome.kept == "a.part"


@pytest.mark.rules("D5", "D38")
def test_a_command_that_the_driver_stopped_is_told_as_lost() -> None:
    play = session(Policy(job_timeout=5.0))
    play.at(104.875) >> Cancelled(number=1)
    play.alarm()
    assert play.driven.outcome is not None
    assert play.driven.outcome.evidence == (Evidence(asked="Init", answer="lost, cancelled", message="", age=4.875),)


@pytest.mark.rules("I8", "D21")
def test_a_job_keeps_the_end_it_was_given_over_all_its_sessions() -> None:
    play = Playbook(Download(JOB, seed=SEED, now=100.0, number=7, end=500.0, formats=("pdf",)), now=100.0)
    leaves(play, Init(number=7, job=JOB, deadline=130.0))
    play.at(101.0) >> TokenIssued(number=7, token=TOKEN)
    play.at(109.0) >> RunFinished(number=8)
    assert play.last(Get).deadline == 500.0
    play.at(110.0) >> lost(10)
    play.alarm() << Check
    play.at(112.0) >> Refused(number=12, refusal=Refusal.DOWNLOAD_FAILED)
    leaves(play, Wait(number=14, deadline=112.0 + rest(14, 0)))
    play.alarm()
    leaves(play, Init(number=15, job=JOB, deadline=play.now + 30.0))
    assert play.driven.session.end == 500.0
    assert play.driven.formats == ("pdf",)


@pytest.mark.rules("D21", "D35", "I9", "I13")
def test_a_second_session_keeps_the_job_s_policy_and_seed() -> None:
    policy = Policy(request_timeout=10.0)
    play = Playbook(Download(JOB, policy=policy, seed=SEED, now=100.0, formats=("pdf",)), now=100.0)
    play >> TokenIssued(number=1, token=TOKEN)
    play >> RunFinished(number=2)
    play.at(101.0) >> lost(4)
    play.alarm() >> Refused(number=6, refusal=Refusal.DOWNLOAD_FAILED)
    play.alarm()
    leaves(play, Init(number=9, job=JOB, deadline=play.now + 10.0))
    play >> lost(9)
    leaves(play, Wait(number=10, deadline=play.now + rest(10, 0)))


@pytest.mark.rules("D5", "D21")
def test_of_many_sessions_the_last_four_are_told_of() -> None:
    policy = Policy(restarts_lost=9)
    play = Playbook(Download(JOB, policy=policy, seed=SEED, now=100.0, formats=("pdf",)), now=100.0)
    for session in range(7):
        if session:
            play.alarm()
        play >> TokenIssued(number=play[Init], token=TOKEN)
        play.after(1.0) >> RunFinished(number=play[Run])
        play >> Lost(number=play[Get], sent=Sent.UNKNOWN, message="a file cut short")
        play.alarm() >> Refused(number=play[Check], refusal=Refusal.DOWNLOAD_FAILED, message=f"no. {session}")
    play.alarm() >> Refused(number=play[Init], refusal=Refusal.ELEMENT_NOT_ALLOWED, message="the end")
    assert play.driven.outcome is not None
    assert [one.message for one in play.driven.outcome.evidence] == ["no. 4", "no. 5", "no. 6", "the end"]
    assert play.driven.outcome.sessions == 8


@pytest.mark.rules("I9")
@pytest.mark.parametrize(
    "asked",
    [
        lambda **seed: Session(JOB, now=0.0, **seed),
        lambda **seed: Download(JOB, now=0.0, **seed),
        lambda **seed: Inquiry(element=1042, now=0.0, **seed),
        lambda **seed: ReportsLookup(now=0.0, **seed),
        lambda **seed: SegmentsLookup(element=1042, now=0.0, **seed),
    ],
)
def test_without_a_seed_it_is_nought(asked: Any) -> None:
    def rests(driven: Any) -> tuple[Command, ...]:
        new: tuple[Command, ...] = driven.receive(lost(1), now=1.0)
        return new

    assert rests(asked()) == rests(asked(seed=0)) != rests(asked(seed=1))


@pytest.mark.rules("I7")
def test_the_end_of_a_job_is_told_once_with_its_outcome() -> None:
    play = Playbook(Download(JOB, seed=SEED, now=100.0, formats=("pdf",)), now=100.0)
    play.at(101.0) >> Refused(number=1, refusal=Refusal.ELEMENT_NOT_FOUND)
    assert play.driven.outcome is not None
    leaves(play, Finish(number=2, outcome=play.driven.outcome))
    play >> lost(1)
    leaves(play)


@pytest.mark.rules("I9")
def test_a_finish_has_a_number_of_its_own() -> None:
    play = running()
    play.at(109.0) >> RunFinished(number=2)
    receipt = Receipt(path=None, filename="a", content_type="", size=1, sha256="", length_verified=True)
    play.at(110.0) >> FileReceived(number=4, receipt=receipt)
    assert play.driven.outcome is not None
    leaves(play, Finish(number=5, outcome=play.driven.outcome))
    assert play.driven.next_number == 6
