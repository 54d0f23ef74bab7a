"""A session written down and read back at every step: each command, number, token and time; and the form itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from reportdl.testing.playbook import Playbook
from reportdl_core import (
    Check,
    Command,
    CredentialsRenewed,
    Download,
    Event,
    FileNotKept,
    FileReceived,
    Finish,
    FormatsListed,
    Get,
    Init,
    Job,
    Kept,
    ListFormats,
    LocalProtocolError,
    Lost,
    Outcome,
    Policy,
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
from reportdl_core.policy import pause

JOB = Job(element=1042, segment=7, format="PDF")
TOKEN = Secret("abc%3D")
POLICY = Policy()
AWAY = 1000.0  # between one process's clock and the next one's
RECEIPT = Receipt(path=None, filename="a.pdf", content_type="application/pdf", size=1, sha256="", length_verified=True)
Step = tuple[float, type[Any], Any]


def lost(number: int) -> Event:
    return Lost(number=number, sent=Sent.UNKNOWN, message="cut")


def not_sent(number: int) -> Event:
    return Lost(number=number, sent=Sent.NOT_SENT, message="no way")


def dead(number: int) -> Event:
    return Refused(number=number, refusal=Refusal.CREDENTIALS, message="Unauthorized", code=401)


def busy(number: int) -> Event:
    return Refused(number=number, refusal=Refusal.BUSY, code=429, retry_after=20.0)


def refused(refusal: Refusal) -> Any:
    return lambda number: Refused(number=number, refusal=refusal, message=refusal.value, code=400)


def status(said: Status) -> Any:
    return lambda number: StatusReported(number=number, status=said)


def formats(number: int) -> Event:
    return FormatsListed(number=number, formats=("pdf", "csv"))


def other_formats(number: int) -> Event:
    return FormatsListed(number=number, formats=("csv",))


def token(number: int) -> Event:
    return TokenIssued(number=number, token=TOKEN)


def renewed(number: int) -> Event:
    return CredentialsRenewed(number=number)


def finished(number: int) -> Event:
    return RunFinished(number=number)


def file(number: int) -> Event:
    return FileReceived(number=number, receipt=RECEIPT)


def kept(number: int) -> Event:
    return FileNotKept(number=number, why=Kept.UNVERIFIED, message="no end mark", path="out/a.pdf.unverified")


STARTED: list[Step] = [(0.25, ListFormats, formats), (0.5, Init, token)]
STORIES: dict[str, list[Step]] = {
    "straight": [*STARTED, (9.0, Run, finished), (10.0, Get, file)],
    "troubled": [
        (0.25, ListFormats, lost),
        (1.0, ListFormats, dead),
        (1.5, RenewCredentials, lost),
        (2.5, RenewCredentials, renewed),
        (3.0, ListFormats, formats),
        (3.5, Init, busy),
        (24.0, Init, token),
        (24.5, Run, not_sent),
        (30.0, Run, lost),
        (32.0, Check, status(Status.ERROR)),
    ],
    "early": [
        *STARTED,
        (0.75, Run, dead),
        (1.0, RenewCredentials, renewed),
        (6.5, Check, status(Status.ERROR)),
        (8.0, Check, status(Status.IN_PROGRESS)),
        (9.0, Run, finished),
        (10.0, Get, status(Status.IN_PROGRESS)),
        (12.0, Check, status(Status.READY)),
        (13.0, Get, file),
    ],
    "a credential that is always dead": [
        *STARTED,
        (6.0, Check, dead),
        (6.5, RenewCredentials, renewed),
        (7.0, Check, dead),
        (20.0, Run, finished),
        (21.0, Get, dead),
        (21.5, RenewCredentials, renewed),
        (22.0, Get, dead),
    ],
    "a lost transfer": [
        *STARTED,
        (6.0, Check, status(Status.IN_PROGRESS)),
        (20.0, Check, status(Status.READY)),
        (21.0, Get, lost),
        (23.0, Check, status(Status.READY)),
        (24.0, Get, lost),
    ],
    "not kept": [*STARTED, (9.0, Run, finished), (10.0, Get, kept)],
    "another format": [(0.25, ListFormats, other_formats)],
    "never proven": [*STARTED, (0.75, Run, lost), (301.0, Check, lost), (303.0, Check, status(Status.IN_PROGRESS))],
    "expired": [*STARTED, (302.0, Check, refused(Refusal.DOWNLOAD_FAILED))],
}
ENDS = {
    "straight": "DELIVERED",
    "troubled": "GENERATION_FAILED",
    "early": "DELIVERED",
    "a credential that is always dead": "CREDENTIALS",
    "a lost transfer": "TRANSFER_LOST",
    "not kept": "UNVERIFIED",
    "another format": "INVALID_FORMAT",
    "never proven": "EXPIRED",
    "expired": "EXPIRED",
}


def told(story: str) -> Iterator[Playbook[Session]]:
    """The story, step by step: the alarm rings until the command of each step is out."""
    play = Playbook(Session(JOB, seed=9, now=0.0))
    yield play
    for when, kind, answer in STORIES[story]:
        while not any(type(one) is kind for one in play.driven.outstanding):
            play.alarm()
            yield play
        play.at(max(when, play.now)) >> answer(play[kind])
        yield play


def shifted(command: Command) -> Command:
    assert not isinstance(command, Finish)
    return replace(command, deadline=command.deadline + AWAY)


@pytest.mark.rules("D43", "D39", "I9")
@pytest.mark.parametrize("story", STORIES)
def test_what_is_read_back_is_what_was_written(story: str) -> None:
    steps = 0
    for play in told(story):
        steps, session = steps + 1, play.driven
        written = json.loads(json.dumps(session.snapshot(now=play.now)))
        assert TOKEN.reveal() not in json.dumps(written)
        back = Session.restore(written, job=JOB, policy=POLICY, token=session.token, now=play.now + AWAY, elapsed=0.0)
        assert back.snapshot(now=play.now + AWAY) == written
        assert back.outstanding == tuple(map(shifted, session.outstanding))
        assert (back.state, back.token, back.formats) == (session.state, session.token, session.formats)
        assert (back.next_number, back.end, back.seed) == (session.next_number, session.end + AWAY, 9)
        assert back.outcome == (session.outcome and replace(session.outcome, receipt=None))
        if session.outcome is None:
            (when, event), (again, the_same) = session.alarm, back.alarm
            assert (when + AWAY, event) == (again, the_same)
    assert steps > len(STORIES[story])


@pytest.mark.parametrize("story", STORIES)
def test_each_story_comes_to_its_end(story: str) -> None:
    *_, play = told(story)
    assert isinstance(play.driven.outcome, Outcome)
    assert play.driven.outcome.reason.name == ENDS[story]


@pytest.mark.rules("D43", "D39")
def test_the_form_of_a_snapshot() -> None:
    play = Playbook(Download(JOB, seed=9, now=100.0), now=100.0)
    play.at(101.0) >> formats(play[ListFormats])
    play.at(102.0) >> token(play[Init])
    play.at(107.0).alarm() << Check
    play.at(108.0) >> lost(play[Run])
    assert json.loads(json.dumps(play.driven.snapshot(now=110.0))) == {
        "restarts": [],
        "evidence": [],
        "session": {
            "version": 1,
            "job": [1042, 7, "PDF"],
            "seed": 9,
            "state": "RUNNING",
            "token": True,
            "outcome": None,
            "outstanding": [["Check", 5, 27.0, "pdf"]],
            "facts": {
                "number": 6,
                "began": 10.0,
                "end": 3590.0,
                "due": pause(POLICY, seed=9, number=6, times=0) - 2.0,
                "quiet_since": 2.0,
                "token_from": 9.0,
                "run_sent": 8.0,
                "other_sent": 3.0,
                "held_until": None,
                "formats": ["pdf", "csv"],
                "run": "over",
                "step": "get",
                "renewal": "armed",
                "renewed": 0,
                "pauses": 0,
                "polls": 0,
                "run_refusals": 0,
                "early_errors": 0,
                "odd_checks": 0,
                "lost_gets": 0,
                "silence": "nothing",
                "ready": False,
                "heard": True,
                "kept_on": False,
                "naming": False,
                "run_unproven": False,
                "unheld": False,
                "run_evidence": [["Run", "lost, unknown", "cut", 8.0]],
                "evidence": [["Run", "lost, unknown", "cut", 8.0]],
            },
        },
    }


@pytest.mark.rules("D43", "D16", "D18")
def test_what_happened_once_is_counted_once() -> None:
    counted = []
    for play in told("early"):
        facts = play.driven.snapshot(now=play.now)["facts"]
        counted.append((facts["run_refusals"], facts["early_errors"]))
    assert sorted(set(counted)) == [(0, 0), (1, 0), (1, 1)]


@pytest.mark.rules("D43", "D44", "D41")
@pytest.mark.parametrize(
    ("story", "outcome"),
    [
        ("not kept", ("unverified", "READY", False, False, "out/a.pdf.unverified")),
        ("never proven", ("expired", "RUNNING", True, False, None)),
        ("a lost transfer", ("transfer lost", "READY", False, False, None)),
    ],
)
def test_the_form_of_an_end(story: str, outcome: tuple[Any, ...]) -> None:
    *_, play = told(story)
    names = ("reason", "ended_in", "run_unproven", "unheld", "kept")
    assert play.driven.snapshot(now=play.now)["outcome"] == dict(zip(names, outcome, strict=True))
    assert play.driven.snapshot(now=play.now)["outstanding"] == []


@pytest.mark.rules("D43", "D21")
@pytest.mark.parametrize(("elapsed", "unheld"), [(199.75, False), (200.0, True), (5000.0, True)])
def test_the_time_away_ages_the_token_and_nothing_else(elapsed: float, unheld: bool) -> None:
    play = Playbook(Session(JOB, seed=9, now=0.0, formats=("pdf",)))
    play >> token(play[Init])
    written = play.at(100.0).driven.snapshot(now=100.0)
    back = Session.restore(written, job=JOB, policy=POLICY, token=TOKEN, now=0.0, elapsed=elapsed)
    again = back.snapshot(now=0.0)
    assert again["facts"] == {**written["facts"], "token_from": 100.0 + elapsed, "unheld": unheld}
    assert {**again, "facts": None} == {**written, "facts": None}


@pytest.mark.rules("D43")
def test_a_job_may_have_come_far() -> None:
    session = Session(JOB, now=0.0, number=2**40)
    back = Session.restore(session.snapshot(now=0.0), job=JOB, token=None, now=0.0, elapsed=0.0)
    assert back.next_number == 2**40 + 1
    assert back.outstanding == session.outstanding


@pytest.mark.rules("D43", "I1")
@pytest.mark.parametrize("kind", ["Run", "Check"])
def test_an_end_with_something_outstanding_is_none(kind: str) -> None:
    *_, play = told("straight")
    written = play.driven.snapshot(now=10.0)
    written["outstanding"] = [[kind, 3, 1.0, "pdf"]]
    with pytest.raises(LocalProtocolError, match=r"^snapshot: outstanding is damaged, or of another job$"):
        Session.restore(written, job=JOB, token=TOKEN, now=10.0, elapsed=0.0)


@pytest.mark.rules("D43", "D21")
def test_that_nobody_held_the_token_stays_told() -> None:
    play = Playbook(Session(JOB, seed=9, now=0.0, formats=("pdf",)))
    play >> token(play[Init])
    session = play.driven
    for elapsed in (400.0, 0.0):
        session = Session.restore(session.snapshot(now=0.0), job=JOB, token=TOKEN, now=0.0, elapsed=elapsed)
        assert session.outcome is None
    session.receive(lost(play[Run]), now=0.0)
    when, event = session.alarm
    (check,) = session.receive(event, now=when)
    session.receive(refused(Refusal.DOWNLOAD_FAILED)(check.number), now=when)
    again = Session.restore(session.snapshot(now=when), job=JOB, token=TOKEN, now=0.0, elapsed=0.0)
    assert session.outcome is not None
    assert session.outcome.unheld
    assert again.outcome == session.outcome


@pytest.mark.rules("D43", "R10")
def test_an_end_that_is_read_back_still_names_the_other_formats() -> None:
    *_, play = told("another format")
    written = play.driven.snapshot(now=1.0)
    back = Session.restore(written, job=JOB, policy=POLICY, token=None, now=1.0, elapsed=0.0)
    assert back.outcome is not None
    assert back.outcome.alternatives == ("csv",)


def test_a_story_has_every_command() -> None:
    seen = {type(one) for story in STORIES for play in told(story) for one in play.driven.outstanding}
    assert seen == {ListFormats, Init, Run, Check, Get, RenewCredentials, Wait}
