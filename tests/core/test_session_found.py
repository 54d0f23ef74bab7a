"""Bugs that reading the rules against the client's core brought up, each a transcript so that none comes back."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from reportdl.testing.playbook import Playbook
from reportdl_core import (
    Check,
    CredentialsRenewed,
    Download,
    FileReceived,
    Finish,
    FormatsListed,
    Get,
    Init,
    Job,
    ListFormats,
    LocalProtocolError,
    Lost,
    Policy,
    Preflight,
    Reason,
    Receipt,
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
from reportdl_core.inquiry import Inquiry

JOB = Job(element=1042, format="pdf")
TOKEN = Secret("abc")
RECEIPT = Receipt(path=None, filename="a.pdf", content_type="application/pdf", size=1, sha256="", length_verified=True)


def running(policy: Policy | None = None) -> Playbook[Session]:
    """`init` and `run` were sent at 0; the first `check` is due at 5."""
    play = Playbook(Session(JOB, policy=policy or Policy(), now=0.0, formats=("pdf",))) << Init
    play >> TokenIssued(number=play[Init], token=TOKEN)
    return play << (Run, Wait)


def ready_by_check() -> Playbook[Session]:
    """`check` saw the file while `run` is still out; `get` has left."""
    play = running().alarm() << Check
    play.at(6.0) >> StatusReported(number=play[Check], status=Status.READY)
    return play << Get


class TestRunAnswersAfterTheFileWasSeen:
    @pytest.mark.rules("D21", "I13", "I5")
    def test_its_ok_does_not_replace_the_check_after_a_lost_get(self) -> None:
        play = ready_by_check()
        play.at(7.0) >> Lost(number=play[Get], sent=Sent.UNKNOWN)
        play << Wait
        play.at(7.1) >> RunFinished(number=play[Run])
        play << None  # the pause stays, and so does the question after it
        play.alarm() << Check
        play.after(0.1) >> StatusReported(number=play[Check], status=Status.READY)
        play << Get

    @pytest.mark.rules("D21", "I7")
    def test_its_ok_leaves_a_check_after_a_lost_get_outstanding(self) -> None:
        play = ready_by_check()
        play.at(7.0) >> Lost(number=play[Get], sent=Sent.UNKNOWN)
        play.alarm() << Check
        play.after(0.1) >> RunFinished(number=play[Run])
        play << None
        assert play.driven.outstanding == (play.last(Check),)

    @pytest.mark.rules("D42")
    def test_its_ok_does_not_replace_the_check_after_an_early_get(self) -> None:
        play = ready_by_check()
        play.at(7.0) >> StatusReported(number=play[Get], status=Status.IN_PROGRESS)
        play << Wait
        play.at(7.1) >> RunFinished(number=play[Run])
        play << None
        play.alarm() << Check

    @pytest.mark.rules("D16", "D2")
    def test_its_ok_disturbs_no_transfer_and_arms_the_renewal(self) -> None:
        play = ready_by_check()
        play.at(7.0) >> Refused(number=play[Get], refusal=Refusal.CREDENTIALS)
        play << RenewCredentials
        play.at(8.0) >> CredentialsRenewed(number=play[RenewCredentials])
        play << Get
        play.at(9.0) >> RunFinished(number=play[Run])
        play << None
        play.at(400.0) >> Refused(number=play[Get], refusal=Refusal.CREDENTIALS)
        play << RenewCredentials  # `run`'s OK was a success: the renewal is armed again

    @pytest.mark.parametrize("status", Status)
    @pytest.mark.rules("D19")
    def test_whatever_status_it_says_the_server_has_spoken(self, status: Status) -> None:
        play = running(Policy(silence=60.0, first_contact=60.0)).alarm() << Check
        play.at(6.0) >> StatusReported(number=play[Check], status=Status.READY)
        play << Get
        play.at(50.0) >> StatusReported(number=play[Run], status=status)
        play << None
        play.at(100.0) >> Refused(number=play[Get], refusal=Refusal.CREDENTIALS)
        play << RenewCredentials  # the silence counts from 50, not from 6


class TestPauses:
    @pytest.mark.rules("I13", "D1", "D19")
    def test_the_question_after_five_minutes_is_repeated_with_growing_pauses(self) -> None:
        play = running()
        asked: list[float] = []
        while play.now < 1200.0:
            if isinstance(play.driven.outstanding[-1], Check):
                asked.append(play.now)
                play >> Refused(number=play[Check], refusal=Refusal.UNAVAILABLE, code=503)
            else:
                play.alarm()
        after = [one for one in asked if one >= 300.0]
        assert 300.0 < after[0] <= 302.0, "just after five minutes, one check asks"
        gaps = [later - earlier for earlier, later in pairwise(after)]
        assert all(gap > 0.0 for gap in gaps)
        assert all(7.5 <= gap <= 30.0 for gap in gaps[12:]), gaps
        assert len(after) < 150
        play >> RunFinished(number=play[Run])
        play << Get

    @pytest.mark.rules("I13", "D12", "R10")
    @pytest.mark.parametrize("preflight", list(Preflight))
    def test_formats_that_answers_invalid_format_is_not_asked_again(self, preflight: Preflight) -> None:
        play = Playbook(Session(JOB, policy=Policy(preflight=preflight), now=0.0))
        if preflight is Preflight.OFF:
            play >> Refused(number=play[Init], refusal=Refusal.INVALID_FORMAT, code=400)
            play << ListFormats  # once, to name the others
        play >> Refused(number=play[ListFormats], refusal=Refusal.INVALID_FORMAT, code=400)
        play << Finish
        assert play.driven.outcome is not None
        assert play.driven.outcome.reason is Reason.INVALID_FORMAT

    @pytest.mark.rules("I13", "D12")
    def test_an_inquiry_is_not_asked_again_either(self) -> None:
        play = Playbook(Inquiry(element=1042, now=0.0)) << ListFormats
        play >> Refused(number=1, refusal=Refusal.INVALID_FORMAT, code=400)
        play << None
        assert play.driven.outstanding == ()

    @pytest.mark.rules("D19", "D16")
    def test_a_renewal_does_not_make_a_retry_after_shorter(self) -> None:
        play = running().alarm() << Check
        play.at(6.0) >> Refused(number=play[Run], refusal=Refusal.BUSY, code=429, retry_after=60.0)
        play << None
        play.at(7.0) >> Refused(number=play[Check], refusal=Refusal.CREDENTIALS, code=401)
        play << RenewCredentials
        play.at(8.0) >> CredentialsRenewed(number=play[RenewCredentials])
        play << Wait
        assert play.last(Wait).deadline == 66.0
        play.alarm() << Check

    @pytest.mark.rules("I11", "D19")
    @pytest.mark.parametrize("seconds", [math.nan, math.inf, -math.inf])
    @pytest.mark.parametrize("clock", [0.0, 2.0**32 - 5_000.0])
    def test_a_retry_after_that_is_no_time_is_no_error(self, seconds: float, clock: float) -> None:
        play = Playbook(Session(JOB, now=clock), now=clock)
        play >> Refused(number=1, refusal=Refusal.BUSY, code=429, retry_after=seconds)
        play << Wait
        assert clock < play.last(Wait).deadline <= clock + 3600.0


class TestAfterFiveMinutes:
    @pytest.mark.rules("D1", "D43", "D21")
    def test_a_token_that_the_server_has_forgotten_is_an_expired_one(self) -> None:
        play = Playbook(Download(JOB, now=0.0, formats=("pdf",)))
        play >> TokenIssued(number=play[Init], token=TOKEN)
        written = json.loads(json.dumps(play.driven.snapshot(now=0.0)))
        back = Playbook(Download.restore(written, job=JOB, token=TOKEN, now=0.0, elapsed=86_400.0))
        back.driven.recover(now=0.0)
        back.alarm() << Check
        back.after(0.1) >> Refused(number=back[Check], refusal=Refusal.INVALID_TOKEN, code=400)
        back << Wait
        assert back.driven.restarts == (Restart.UNHELD,)

    @pytest.mark.rules("D43", "D21")
    @pytest.mark.parametrize(
        ("held", "away", "unheld"),
        [
            (300.0, 10.0, False),  # its end had come before
            (300.0 - 2.0**-20, 10.0, True),
            (200.0, 100.0, True),  # its end came with the very last moment away
            (200.0, 100.0 - 2.0**-20, False),
        ],
    )
    def test_nobody_held_it_means_that_the_end_fell_into_the_time_away(
        self, held: float, away: float, unheld: bool
    ) -> None:
        play = running()
        play.at(held) >> Lost(number=play[Run], sent=Sent.UNKNOWN)
        written = play.driven.snapshot(now=held)
        back = Playbook(Session.restore(written, job=JOB, token=TOKEN, now=7.0, elapsed=away), now=7.0)
        back.alarm() << Check
        back.at(120.0) >> Refused(number=back[Check], refusal=Refusal.DOWNLOAD_FAILED)
        assert back.driven.outcome is not None
        assert (back.driven.outcome.reason, back.driven.outcome.unheld) == (Reason.EXPIRED, unheld)

    @pytest.mark.rules("R14", "D41")
    def test_before_they_are_over_it_is_a_refusal(self) -> None:
        play = running().alarm() << Check
        play >> Refused(number=play[Check], refusal=Refusal.INVALID_TOKEN, code=400)
        assert play.driven.outcome is not None
        assert (play.driven.state, play.driven.outcome.reason) == (State.ERROR, Reason.REFUSED)


class TestWhatARestoredJobTells:
    def two_sessions(self) -> Playbook[Download]:
        play = Playbook(Download(JOB, now=0.0, formats=("pdf",)))
        play >> TokenIssued(number=play[Init], token=TOKEN)
        play.at(1.0) >> RunFinished(number=play[Run])
        play.at(2.0) >> Lost(number=play[Get], sent=Sent.UNKNOWN, message="cut off")
        play.alarm() << Check
        play >> Refused(number=play[Check], refusal=Refusal.DOWNLOAD_FAILED, message="Download failed")
        play << Wait
        play.alarm() << Init
        play >> TokenIssued(number=play[Init], token=TOKEN)
        return play << (Run, Wait)

    @staticmethod
    def again(play: Playbook[Download]) -> Playbook[Download]:
        written = json.loads(json.dumps(play.driven.snapshot(now=play.now)))
        back = Download.restore(written, job=JOB, token=TOKEN, now=play.now, elapsed=0.0)
        return Playbook(back, now=play.now)

    @pytest.mark.rules("I9", "D5", "D43")
    def test_the_end_tells_of_the_earlier_sessions_too(self) -> None:
        play = self.two_sessions()
        back = self.again(play)
        number = play[Run]
        for one in (play, back):
            one.at(100.0) >> StatusReported(number=number, status=Status.ERROR, message="no plugin")
            one.alarm() << Check
            one >> StatusReported(number=one[Check], status=Status.ERROR)
            one << Finish
        assert back.driven.outcome == play.driven.outcome
        assert play.driven.outcome is not None
        assert [one.asked for one in play.driven.outcome.evidence] == ["Check", "Run", "Check"]

    @pytest.mark.rules("D21", "D5")
    def test_each_earlier_session_is_told_of_by_its_last_answer(self) -> None:
        play = self.two_sessions()
        play.after(1.0) >> Lost(number=play[Run], sent=Sent.UNKNOWN, message="cut off again")
        while len(play.driven.restarts) < 2:
            play.alarm()
            if isinstance(play.driven.outstanding[-1], Check):
                play >> StatusReported(number=play[Check], status=Status.IN_PROGRESS)
        assert play.driven.restarts == (Restart.LOST, Restart.UNPROVEN)
        play.alarm() << Init
        play >> Refused(number=play[Init], refusal=Refusal.ELEMENT_NOT_ALLOWED, message="revoked")
        assert play.driven.outcome is not None
        told = [one.answer for one in play.driven.outcome.evidence]
        assert told == ["Download failed", "IN PROGRESS", "Element not allowed"]

    @pytest.mark.rules("I9", "D5")
    def test_a_finished_job_tells_the_same_after_it_was_written_down(self) -> None:
        play = self.two_sessions()
        play.at(50.0) >> StatusReported(number=play[Run], status=Status.ERROR, message="first")
        for message in ("second", "third"):
            play.alarm() << Check
            play >> Lost(number=play[Check], sent=Sent.UNKNOWN, message=message)
        play.alarm() >> StatusReported(number=play[Check], status=Status.ERROR, message="fourth")
        outcome = play.driven.outcome
        assert outcome is not None
        assert [one.message for one in outcome.evidence] == ["Download failed", "first", "third", "fourth"]
        assert self.again(play).driven.outcome == outcome


@pytest.mark.rules("I11")
class TestNumbersOutOfRange:
    @pytest.mark.parametrize(
        "field",
        [
            "job_timeout",
            "run_timeout",
            "request_timeout",
            "get_timeout",
            "silence",
            "first_pause",
            "longest_pause",
            "expiry_margin",
        ],
    )
    @pytest.mark.parametrize("value", [2.0**31, 1e300, math.inf, math.nan, -1.0, 10**400])
    def test_a_policy_that_would_fail_in_the_middle_is_refused_at_once(self, field: str, value: float) -> None:
        with pytest.raises(LocalProtocolError, match=field):
            Policy(**{field: value})  # type: ignore[arg-type]

    def test_a_huge_growth_is_no_overflow(self) -> None:
        play = Playbook(Session(JOB, policy=Policy(growth=1e9, silence=3600.0), now=0.0))
        for _ in range(40):
            play >> Lost(number=play[ListFormats], sent=Sent.UNKNOWN)
            play << Wait
            assert 0.0 < play.last(Wait).deadline - play.now <= 15.0
            play.alarm() << ListFormats

    @pytest.mark.parametrize("elapsed", [10**400, -1, math.nan])
    def test_a_time_away_that_is_no_time_is_misuse(self, elapsed: float) -> None:
        play = running()
        written = play.driven.snapshot(now=0.0)
        with pytest.raises(LocalProtocolError):
            Session.restore(written, job=JOB, token=TOKEN, now=0.0, elapsed=elapsed)


def _set(snapshot: dict[str, Any], path: tuple[Any, ...], value: Any) -> None:
    inner: Any = snapshot
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value


# Each of these reads well by itself and contradicts the rest: a state that no session is ever in.
INCOHERENT: list[tuple[tuple[Any, ...], Any]] = [
    (("facts", "end"), 10**400),
    (("facts", "end"), 2.0**32 - 1),
    (("outstanding", 0, 2), 10**400),
    (("outstanding", 0, 2), True),
    (("outstanding", 0, 1), True),
    (("facts", "ready"), True),
    (("state",), "READY"),
    (("state",), "INIT"),
    (("state",), "CONSUMED"),
    (("facts", "token_from"), None),
    (("facts", "run_sent"), None),
    (("outstanding", 1, 0), "Get"),
    (("outstanding", 1, 0), "Run"),
    (("outstanding", 0, 0), "Wait"),
    (("outstanding", 0, 0), "Finish"),
    (("outstanding",), []),
    (("token",), False),
    (("facts", "formats"), [7]),
    (("facts", "evidence"), [["Run", "lost"]]),
    (("facts", "run_evidence"), None),
    (("outstanding", 0, 3), "../../admin"),
    (("seed",), None),
]


@pytest.mark.rules("D43", "I1", "I2", "I11")
@pytest.mark.parametrize(("path", "value"), INCOHERENT, ids=lambda one: repr(one)[:40])
def test_a_snapshot_that_contradicts_itself_is_refused(path: tuple[Any, ...], value: Any) -> None:
    play = running()
    snapshot = json.loads(json.dumps(play.driven.snapshot(now=0.0)))
    Session.restore(snapshot, job=JOB, token=TOKEN, now=0.0, elapsed=0.0)  # sound before
    _set(snapshot, path, value)
    with pytest.raises(LocalProtocolError):
        Session.restore(snapshot, job=JOB, token=TOKEN, now=100_000.0, elapsed=0.0)


@pytest.mark.rules("I1", "I2")
def test_a_snapshot_past_init_without_its_token_is_refused() -> None:
    play = running()
    snapshot = play.driven.snapshot(now=0.0)
    snapshot["token"], snapshot["outstanding"] = False, [["Wait", 1, 5.0, "pdf"]]
    snapshot["facts"] |= {"token_from": None, "run": "over"}
    with pytest.raises(LocalProtocolError, match="token"):
        Session.restore(snapshot, job=JOB, token=None, now=0.0, elapsed=0.0)


@pytest.mark.rules("D2", "I10")
def test_a_whole_file_at_the_job_s_very_end_is_a_whole_file() -> None:
    play = running(Policy(job_timeout=100.0))
    play.at(50.0) >> RunFinished(number=play[Run])
    play.at(100.0) >> FileReceived(number=play[Get], receipt=RECEIPT)
    assert play.driven.state is State.CONSUMED


def test_a_formats_answer_can_be_given_before() -> None:
    play = Playbook(Session(JOB, now=0.0)) << ListFormats
    play >> FormatsListed(number=1, formats=("csv",))
    assert play.driven.outcome is not None
    assert (play.driven.outcome.reason, play.driven.outcome.alternatives) == (Reason.INVALID_FORMAT, ("csv",))


@pytest.mark.rules("D43", "I11")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("restarts", ["rewound"]),
        ("restarts", [[]]),
        ("restarts", None),
        ("evidence", None),
        ("evidence", [["Run", "lost", "", "long ago"]]),
        ("evidence", [["Run", "lost", "", 1e300]]),
        ("session", []),
    ],
)
def test_a_job_s_own_part_of_a_snapshot_is_checked_too(name: str, value: object) -> None:
    snapshot = Download(JOB, now=0.0).snapshot(now=0.0)
    assert Download.restore(snapshot, job=JOB, token=None, now=0.0, elapsed=0.0).outcome is None
    with pytest.raises(LocalProtocolError, match=r"snapshot|time"):
        Download.restore(snapshot | {name: value}, job=JOB, token=None, now=0.0, elapsed=0.0)


class TestARenewalThatFailed:
    def paused(self) -> Playbook[Session]:
        """`check` was refused and the renewal lost, while `run` is out: the next renewal has to wait."""
        play = running(Policy(first_check=1.0)).alarm() << Check
        play.at(1.5) >> Refused(number=play[Check], refusal=Refusal.CREDENTIALS, code=401)
        play << RenewCredentials
        play.at(2.0) >> Lost(number=play[RenewCredentials], sent=Sent.UNKNOWN)
        return play << Wait

    @pytest.mark.rules("I13", "D16")
    @pytest.mark.parametrize("kind", ["finished", "refused"])
    def test_it_keeps_its_pause_whatever_run_answers(self, kind: str) -> None:
        play = self.paused()
        until, number = play.last(Wait).deadline, play[Run]
        assert until > 2.1
        refused = Refused(number=number, refusal=Refusal.CREDENTIALS, code=401)
        play.at(2.1) >> (RunFinished(number=number) if kind == "finished" else refused)
        play << None  # the Wait is kept
        play.alarm() << RenewCredentials
        assert play.now == until
        play >> CredentialsRenewed(number=play[RenewCredentials])
        play << (Get if kind == "finished" else (Run, Wait))


@pytest.mark.rules("D19", "D41", "R17", "R22", "R30")
@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (StatusReported(number=0, status=Status.ERROR), Reason.GENERATION_FAILED),
        (Refused(number=0, refusal=Refusal.DOWNLOAD_FAILED, code=400), Reason.EXPIRED),
        (Refused(number=0, refusal=Refusal.ELEMENT_NOT_ALLOWED, code=403), Reason.ACCESS_DENIED),
    ],
)
def test_an_answer_that_comes_after_a_long_transfer_is_no_silence(said: Any, reason: Reason) -> None:
    play = running()
    play.at(1.0) >> RunFinished(number=play[Run])
    play.at(700.0) >> replace(said, number=play[Get])  # ten minutes without a valid answer were over at 601
    assert play.driven.outcome is not None
    assert play.driven.outcome.reason is reason
