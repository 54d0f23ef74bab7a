"""What a trace holds: every move, no secret; and what is no trace is refused with the line."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import reportdl
from reportdl.server import LoopbackServer
from reportdl.trace import Trace, TraceDamaged, TraceUnwritable, parse_trace, read_trace, recording, replay
from reportdl.trace.codec import Unreadable, read_command, read_event, written_message
from reportdl_core.commands import Check, Command, Finish, Get, Init, ListFormats, RenewCredentials, Run, Wait
from reportdl_core.download import Download
from reportdl_core.errors import LocalProtocolError, Reason, Refusal
from reportdl_core.events import (
    Cancelled,
    CredentialsRenewed,
    Event,
    FileNotKept,
    FileReceived,
    FormatsListed,
    Kept,
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
from reportdl_core.lifecycle import State
from reportdl_core.outcome import Evidence, Outcome, Receipt
from reportdl_core.policy import Policy
from reportdl_core.secret import Secret

SECRET = "abcDEF123%3D"
JOB = Job(element=1042, format="pdf")
RECEIPT = Receipt(
    path=Path("/home/ann/reports/Sales.pdf"),
    filename="Sales.pdf",
    content_type="application/pdf",
    size=12,
    sha256="00",
    length_verified=True,
    warnings=("w",),
)
OUTCOME = Outcome(
    state=State.CONSUMED,
    reason=Reason.DELIVERED,
    ended_in=State.READY,
    evidence=(Evidence(asked="Run", answer="OK", message="", age=1.5),),
    receipt=RECEIPT,
)

COMMANDS: list[Command] = [
    ListFormats(number=1, job=JOB, deadline=1.0),
    Init(number=1, job=JOB, deadline=1.0),
    Run(number=1, job=JOB, token=Secret(SECRET), deadline=1.0),
    Check(number=1, job=JOB, token=Secret(SECRET), deadline=1.0),
    Get(number=1, job=JOB, token=Secret(SECRET), deadline=1.0),
    Wait(number=1, deadline=1.0),
    RenewCredentials(number=1, deadline=1.0),
    Finish(number=1, outcome=OUTCOME),
]
EVENTS: list[Event] = [
    FormatsListed(number=1, formats=("pdf", "csv")),
    TokenIssued(number=1, token=Secret(SECRET)),
    RunFinished(number=1),
    StatusReported(number=1, status=Status.IN_PROGRESS),
    FileReceived(number=1, receipt=RECEIPT),
    FileNotKept(number=1, why=Kept.FAILED, message="No space left", path="/x/y"),
    Refused(number=1, refusal=Refusal.BUSY, message="m", code=429, retry_after=2.0),
    Lost(number=1, sent=Sent.UNKNOWN, message="m"),
    WaitElapsed(number=1),
    CredentialsRenewed(number=1),
    Cancelled(number=1),
]


def _named(message: object) -> str:
    return type(message).__name__


@pytest.mark.rules("D39")
@pytest.mark.parametrize("message", [*COMMANDS, *EVENTS], ids=_named)
def test_every_message_comes_back_as_it_was_but_for_secrets_and_folders(message: Any) -> None:
    said = json.dumps(written_message(message))
    assert SECRET not in said
    assert "/home/ann" not in said
    read = read_command if isinstance(message, Command) else read_event
    back: Any = read(json.loads(said))
    assert json.dumps(written_message(back)) == said
    if "***" not in said and "Sales.pdf" not in said:
        assert back == message


def test_every_message_of_both_vocabularies_was_tried() -> None:
    assert len({type(message) for message in COMMANDS}) == len(COMMANDS) == 8
    assert len({type(message) for message in EVENTS}) == len(EVENTS) == 11


DAMAGED = [
    ({"is": "Nonsense"}, "no such message"),
    ({"is": "Wait", "number": 1}, "Wait lacks deadline"),
    ({"is": "Wait", "number": "1", "deadline": 1.0}, "int was expected"),
    ({"is": "Wait", "number": True, "deadline": 1.0}, "int was expected"),
    ({"is": "Wait", "number": 1, "deadline": 1e999}, "float was expected"),
    ({"is": "Init", "number": 1, "job": {"element": "../x", "format": "pdf"}, "deadline": 1}, "int was expected"),
    ({"is": "Init", "number": 1, "job": {"element": 1, "format": ".."}, "deadline": 1}, "format must be a key"),
    ({"is": "Init", "number": 1, "job": 7, "deadline": 1}, "an object was expected"),
    (None, "an object was expected"),
]


@pytest.mark.parametrize(("value", "message"), DAMAGED)
def test_a_message_that_nobody_wrote_is_refused(value: Any, message: str) -> None:
    with pytest.raises(Unreadable, match=message):
        read_command(value)


def test_a_member_that_a_later_version_adds_is_passed_over() -> None:
    assert read_event({"is": "WaitElapsed", "number": 3, "mood": "good"}) == WaitElapsed(number=3)


@pytest.mark.rules("D39", "I2")
def test_a_job_over_real_http_is_recorded_without_its_token_its_credential_or_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "job.jsonl"
    with LoopbackServer(generation_seconds=0.3, faults=["run.drop_after=0.1:1"]) as server:
        with reportdl.Client(server.url, credentials=reportdl.Token("canary-credential")) as client:
            client.download(1042, format="csv", to=tmp_path / "out/", observe=recording(path))
        run = next(call.target for call in server.calls if call.state == "run")
    token = run.partition("token=")[2].partition("&")[0]
    text = path.read_text()
    for secret in (token, "canary-credential", str(tmp_path), server.url):
        assert secret not in text
    trace = read_trace(path)
    assert (trace.job, trace.moves[-1].state) == (Job(element=1042, format="csv"), State.CONSUMED)
    asked = [_named(command) for move in trace.moves for command in move.new if not isinstance(command, Wait)]
    assert [word for word in asked if word != "Check"] == ["ListFormats", "Init", "Run", "Get", "Finish"]


def test_a_recording_serves_one_job_and_its_file_is_opened_before_anything_is_asked(tmp_path: Path) -> None:
    with LoopbackServer() as server, reportdl.Client(server.url, credentials=reportdl.Token("x")) as client:
        with pytest.raises(TraceUnwritable):
            client.download(1042, format="csv", to=tmp_path, observe=recording(tmp_path / "no" / "job.jsonl"))
        assert server.calls == ()
        once = recording(tmp_path / "job.jsonl")
        client.download(1042, format="csv", to=tmp_path / "a.csv", observe=once)
        with pytest.raises(LocalProtocolError):
            client.download(1042, format="csv", to=tmp_path / "b.csv", observe=once)


@pytest.mark.rules("D12")
def test_a_job_that_was_over_before_it_began_says_why(tmp_path: Path) -> None:
    path = tmp_path / "job.jsonl"
    with LoopbackServer() as server, reportdl.Client(server.url, credentials=reportdl.Token("x")) as client:
        with pytest.raises(reportdl.FormatNotOffered):
            client.download(1042, format="xls", to=tmp_path, formats=("pdf",), observe=recording(path))
        assert server.calls == ()
    trace = read_trace(path)
    ((end,),) = [move.new for move in trace.moves]
    assert isinstance(end, Finish)
    assert (end.outcome.reason, end.outcome.alternatives) == (Reason.INVALID_FORMAT, ("pdf",))
    again = replay(trace)
    assert (again.differences, again.outcome) == ((), end.outcome)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_disk_that_is_full_ends_the_recording_and_not_the_job(tmp_path: Path) -> None:
    once = recording("/dev/full")
    with LoopbackServer() as server, reportdl.Client(server.url, credentials=reportdl.Token("x")) as client:
        got = client.download(1042, format="csv", to=tmp_path, observe=once)
    assert got.size > 0
    assert once.broken is not None


def _job(path: Path) -> list[bytes]:
    download = Download(JOB, policy=Policy(), seed=1, now=5.0)
    observer = recording(path)(download)
    observer.moved(None, download.outstanding, now=5.0)
    event = FormatsListed(number=1, formats=("pdf",))
    observer.moved(event, download.receive(event, now=6.0), now=6.0)
    return path.read_bytes().splitlines()


def test_a_line_that_was_cut_off_is_left_out_and_told(tmp_path: Path) -> None:
    lines = _job(tmp_path / "job.jsonl")
    whole = parse_trace(b"\n".join([*lines, b""]))
    cut = parse_trace(b"\n".join([*lines[:-1], lines[-1][:-9]]))
    assert (len(whole.moves), whole.cut_off) == (2, False)
    assert (len(cut.moves), cut.cut_off) == (1, True)


Damage = Callable[[list[bytes]], list[bytes]]

FILES: list[tuple[str, Damage, str]] = [
    ("empty", lambda lines: [b""], "no whole line"),
    ("something else", lambda lines: [b"hello", b""], "line 1 is no JSON object"),
    ("another object", lambda lines: [b"{}", b""], "line 1 does not say so"),
    ("newer", lambda lines: [lines[0].replace(b'"trace":1', b'"trace":2'), b""], "by a newer reportdl"),
    ("no job", lambda lines: [lines[0].replace(b'"job"', b'"jab"'), b""], "line 1: an object was expected"),
    ("a line of words", lambda lines: [lines[0], b"words", b""], "line 2: no JSON object"),
    ("no time", lambda lines: [lines[0], lines[1].replace(b'"at"', b'"et"'), b""], "line 2: float was expected"),
    ("NaN", lambda lines: [lines[0], lines[1].replace(b'"at":0.0', b'"at":NaN'), b""], "line 2: no JSON object"),
    ("no commands", lambda lines: [lines[0], lines[1].replace(b'"new"', b'"old"'), b""], "line 2: the new commands"),
]


@pytest.mark.parametrize(("damage", "message"), [case[1:] for case in FILES], ids=[case[0] for case in FILES])
def test_what_is_no_trace_is_refused_with_its_line(tmp_path: Path, damage: Damage, message: str) -> None:
    lines = damage(_job(tmp_path / "job.jsonl"))
    with pytest.raises(TraceDamaged, match=message):
        parse_trace(b"\n".join(lines))


def test_times_in_a_trace_begin_with_the_job(tmp_path: Path) -> None:
    _job(tmp_path / "job.jsonl")
    trace: Trace = read_trace(tmp_path / "job.jsonl")
    assert [move.at for move in trace.moves] == [0.0, 1.0]
    assert trace.moves[0].new == (ListFormats(number=1, job=JOB, deadline=30.0),)
