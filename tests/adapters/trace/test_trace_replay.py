"""Today's core over a trace: the same decisions, or the first one that differs."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reportdl.trace import Kind, Trace, TraceDamaged, parse_trace, read_trace, recording, replay
from reportdl.trace.reading import Moved
from reportdl_core.commands import Check, Command, Get, Init, ListFormats, RenewCredentials, Run, Wait
from reportdl_core.download import Download
from reportdl_core.errors import Reason, Refusal
from reportdl_core.events import (
    CredentialsRenewed,
    Event,
    FileReceived,
    FormatsListed,
    Lost,
    Refused,
    RunFinished,
    Sent,
    Status,
    StatusReported,
    TokenIssued,
    WaitElapsed,
)
from reportdl_core.job import Job
from reportdl_core.outcome import Receipt
from reportdl_core.policy import Expiry, Policy
from reportdl_core.secret import Secret

Record = Callable[..., Trace]

TOKEN = Secret("abcDEF123%3D")
FORMATS = FormatsListed(number=1, formats=("pdf", "csv"))
ISSUED = TokenIssued(number=2, token=TOKEN)
RECEIPT = Receipt(
    path=Path("/tmp/a.pdf"), filename="a.pdf", content_type="application/pdf", size=9, sha256="0", length_verified=True
)

# A `run` that is dropped after 6 s, and found ready by `check`.
DROPPED: list[tuple[float, Event]] = [
    (0.1, FORMATS),
    (0.2, ISSUED),
    (5.21, WaitElapsed(number=4)),
    (5.3, StatusReported(number=5, status=Status.IN_PROGRESS)),
    (6.2, Lost(number=3, sent=Sent.UNKNOWN, message="connection reset")),
    (6.9, WaitElapsed(number=7)),
    (7.0, StatusReported(number=8, status=Status.READY)),
    (7.5, FileReceived(number=9, receipt=RECEIPT)),
]


@pytest.mark.rules("I9")
def test_the_same_core_decides_the_same(recorded: Record) -> None:
    trace = recorded(DROPPED)
    done = replay(trace)
    assert done.same
    assert (done.moves, done.of) == (9, 9)
    assert done.outcome is not None
    assert done.outcome.reason is Reason.DELIVERED


def _answers(command: Command, number: int, rng: random.Random) -> Event:
    lost = Lost(number=number, sent=rng.choice(list(Sent)), message="m")
    refused = Refused(number=number, refusal=rng.choice([*Refusal]), code=500, retry_after=rng.choice([None, 3.0]))
    status = StatusReported(number=number, status=rng.choice(list(Status)))
    match command:
        case ListFormats():
            might: list[Event] = [FormatsListed(number=number, formats=("pdf",)), lost, refused]
        case Init():
            might = [TokenIssued(number=number, token=TOKEN), TokenIssued(number=number, token=TOKEN), lost]
        case Run():
            might = [RunFinished(number=number), lost, lost, refused, status]
        case Check():
            might = [status, status, lost, refused]
        case Get():
            might = [FileReceived(number=number, receipt=RECEIPT), lost, lost, status]
        case RenewCredentials():
            might = [CredentialsRenewed(number=number), lost]
        case _:
            might = [WaitElapsed(number=number)]
    return rng.choice(might)


@pytest.mark.rules("I9")
@given(seed=st.integers(0, 2**32))
def test_whatever_happened_is_decided_again_as_it_was(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    """A random world, with drivers that wake late; the first half is a job taken up again, every other time."""
    rng = random.Random(seed)
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    now = rng.uniform(0, 1e6)
    policy = Policy(job_timeout=rng.choice([50.0, 3600.0, 1234.567]), expiry=rng.choice(list(Expiry)))
    job = Job(element=1, format="pdf")
    download = Download(job, policy=policy, seed=seed, now=now)
    if rng.random() < 0.5:
        now = _lived(download, now, rng, rng.randint(0, 12), lambda event, new, at: None)
        token = download.token
        snapshot = json.loads(json.dumps(download.snapshot(now=now)))
        download = Download.restore(snapshot, job=job, policy=policy, token=token, now=0.0, elapsed=rng.uniform(0, 400))
        now = 0.0
        download.recover(now=now)
    observer = recording(path)(download)
    observer.moved(None, download.outstanding, now=now)
    _lived(download, now, rng, 40, lambda event, new, at: observer.moved(event, new, now=at))
    observer.close()
    trace = read_trace(path)
    done = replay(trace)
    assert done.same, done.differences
    assert done.moves == len(trace.moves)
    assert done.outcome == _by_name(download)


Tell = Callable[[Event, tuple[Command, ...], float], None]


def _lived(download: Download, now: float, rng: random.Random, moves: int, tell: Tell) -> float:
    for _ in range(moves):
        if download.outcome is not None:
            break
        when, event = download.alarm
        asked = [command for command in download.outstanding if not isinstance(command, Wait)]
        if asked and rng.random() < 0.7:
            command = rng.choice(asked)
            event, when = _answers(command, command.number, rng), now + rng.uniform(0, 40)
        now = max(now, when + rng.choice([0.0, rng.uniform(0, 0.2)]))
        tell(event, download.receive(event, now=now), now)
    return now


def _by_name(download: Download) -> object:
    outcome = download.outcome
    if outcome is None or outcome.receipt is None:
        return outcome
    return replace(outcome, receipt=replace(outcome.receipt, path=Path("a.pdf")))


def _with(trace: Trace, at: int, event: Event) -> Trace:
    moves = list(trace.moves)
    moves[at] = replace(moves[at], event=event)
    return replace(trace, moves=tuple(moves))


def test_another_decision_is_shown_and_what_follows_is_not_judged(recorded: Record) -> None:
    """The recorded core asked `get` on READY; had the answer been IN PROGRESS, today's would wait."""
    trace = recorded(DROPPED)
    done = replay(_with(trace, 7, StatusReported(number=8, status=Status.IN_PROGRESS)))
    (found,) = done.differences
    assert (found.kind, found.line, done.moves, done.of) == (Kind.DECISION, 9, 8, 9)
    assert isinstance(found.recorded[0], Get)
    assert isinstance(found.today[0], Wait)


def test_another_end_is_another_decision_and_other_words_are_another_outcome(recorded: Record) -> None:
    story = [(0.1, FORMATS), (0.2, Refused(number=2, refusal=Refusal.ELEMENT_NOT_ALLOWED, message="m", code=403))]
    trace = recorded(story)
    other = _with(trace, 2, Refused(number=2, refusal=Refusal.ELEMENT_NOT_ALLOWED, message="other words", code=403))
    assert [one.kind for one in replay(other).differences] == [Kind.OUTCOME]
    other = _with(trace, 2, Refused(number=2, refusal=Refusal.ELEMENT_NOT_FOUND, message="m", code=404))
    assert [one.kind for one in replay(other).differences] == [Kind.DECISION]


def test_an_event_that_today_s_core_does_not_take_is_a_difference(recorded: Record) -> None:
    trace = recorded(DROPPED)
    assert replay(_with(trace, 2, RunFinished(number=2))).differences[-1].kind is Kind.REFUSED
    assert replay(_with(trace, 2, WaitElapsed(number=99))).differences[-1].kind is Kind.REFUSED
    late = Moved(line=11, at=9.0, state=trace.moves[-1].state, event=WaitElapsed(number=4), new=())
    assert replay(replace(trace, moves=(*trace.moves, late))).differences[-1].words == "the job is over"


@pytest.mark.rules("D19")
@pytest.mark.parametrize(
    ("first_check", "words"),
    [(2.0, "it is woken at 2.200 s already, by WaitElapsed"), (9.0, "it waits until 9.200 s")],
)
def test_another_wait_is_another_deadline_and_then_another_clock(
    recorded: Record, first_check: float, words: str
) -> None:
    trace = recorded(DROPPED)
    done = replay(trace, policy=replace(trace.policy, first_check=first_check))
    assert [one.kind for one in done.differences] == [Kind.DEADLINE, Kind.CLOCK]
    assert done.differences[-1].words == words
    assert done.outcome is None


@pytest.mark.rules("D1")
def test_a_trace_answers_what_another_policy_would_have_done(recorded: Record) -> None:
    """A server that keeps its session beyond five minutes: `documented` would have given the report up."""
    story: list[tuple[float, Event]] = [(0.1, FORMATS), (0.2, ISSUED)]
    policy = Policy(first_check=200.0, longest_insurance=200.0)
    story += [(200.25, WaitElapsed(number=4)), (200.3, StatusReported(number=5, status=Status.IN_PROGRESS))]
    trace = recorded(story, policy=policy)
    assert replay(trace).same
    done = replay(trace, policy=replace(policy, expiry=Expiry.DOCUMENTED))
    assert {one.kind for one in done.differences} == {Kind.DEADLINE}
    recorded_wait, today = done.differences[-1].recorded[0], done.differences[-1].today[0]
    assert isinstance(recorded_wait, Wait)
    assert isinstance(today, Wait)
    assert today.deadline == pytest.approx(300.1)
    assert recorded_wait.deadline > today.deadline


def test_a_job_taken_up_again_whose_snapshot_is_damaged_is_told(tmp_path: Path, recorded: Record) -> None:
    recorded(DROPPED)
    first, *rest = (tmp_path / "job.jsonl").read_bytes().split(b"\n")
    head = json.loads(first)
    head["snapshot"] = {"session": {"token": True}}
    with pytest.raises(TraceDamaged, match="line 1: snapshot"):
        replay(parse_trace(b"\n".join([json.dumps(head).encode(), *rest])))
