"""What type checkers make of `reportdl_core`. A line with an ignore is one that they must refuse, by these names.

Read by test_typing.py, under mypy and pyright; never run.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, assert_never, assert_type

from reportdl_core import (
    Cancelled,
    Check,
    Command,
    CredentialsRenewed,
    Download,
    Event,
    Evidence,
    FileNotKept,
    FileReceived,
    Finish,
    FormatsListed,
    Get,
    Init,
    Job,
    ListedReport,
    ListFormats,
    LookedUp,
    LookUp,
    Lost,
    Outcome,
    Policy,
    Receipt,
    Refused,
    RenewCredentials,
    Run,
    RunFinished,
    Secret,
    Segment,
    Sent,
    Session,
    State,
    StatusReported,
    TokenIssued,
    Wait,
    WaitElapsed,
)
from reportdl_core.exchange import Exchange
from reportdl_core.sink import Offer, Sink

__all__: list[str] = []


def a_download_says_what_it_wants(job: Job, event: Event, snapshot: Mapping[str, Any]) -> None:
    download = Download(job, now=0.0)
    assert_type(download, Download)
    assert_type(download.job, Job)
    assert_type(download.session, Session)
    assert_type(download.policy, Policy)
    assert_type(download.state, State)
    assert_type(download.outcome, Outcome | None)
    assert_type(download.outstanding, tuple[Command, ...])
    assert_type(download.alarm, tuple[float, Event])
    assert_type(download.receive(event, now=1.0), tuple[Command, ...])
    assert_type(download.recover(now=1.0), tuple[Command, ...])
    assert_type(download.snapshot(now=1.0), dict[str, Any])
    assert_type(download.token, Secret | None)
    assert_type(Download.restore(snapshot, job=job, token=None, now=0.0, elapsed=1.0), Download)
    download.outcome = None  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    download.state = State.READY  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    download.receive(event)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Download(job)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Download.restore(snapshot, job=job, token="t", now=0.0, elapsed=1.0)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def a_job_is_a_value(job: Job) -> None:
    assert_type(job.element, int)
    assert_type(job.segment, int)
    assert_type(job.format, str)
    job.element = 7  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    Job(1042, 0, "pdf")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Job(element=1042)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def commands_are_a_closed_union(command: Command) -> str:
    match command:
        case ListFormats() | Init():
            assert_type(command.job, Job)
            return "before there is a token"
        case Run() | Check() | Get():
            assert_type(command.token, Secret)
            return "with a token"
        case Wait() | RenewCredentials() | LookUp():
            assert_type(command.deadline, float)
            return "without a job"
        case Finish():
            assert_type(command.outcome, Outcome)
            return "never answered"
        case _:
            assert_never(command)


def a_forgotten_command_is_seen(command: Command) -> str:
    match command:
        case ListFormats() | Init() | Run() | Check() | Wait() | RenewCredentials() | LookUp() | Finish():
            return "but Get"
        case _:
            assert_never(command)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def events_are_a_closed_union(event: Event) -> int:
    match event:
        case FormatsListed():
            assert_type(event.formats, tuple[str, ...])
        case TokenIssued():
            assert_type(event.token, Secret)
        case FileReceived():
            assert_type(event.receipt, Receipt)
        case FileNotKept():
            assert_type(event.path, str | None)
        case Refused():
            assert_type(event.retry_after, float | None)
        case Lost():
            assert_type(event.sent, Sent)
        case LookedUp():
            assert_type(event.found, tuple[ListedReport, ...] | tuple[Segment, ...])
        case StatusReported() | RunFinished() | WaitElapsed() | CredentialsRenewed() | Cancelled():
            pass
        case _:
            assert_never(event)
    return event.number


def a_forgotten_event_is_seen(event: FileReceived | FileNotKept | Lost) -> None:
    match event:
        case FileReceived() | FileNotKept():
            pass
        case _:
            assert_never(event)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def an_outcome_may_have_no_file(outcome: Outcome) -> None:
    assert_type(outcome.evidence, tuple[Evidence, ...])
    assert_type(outcome.retryable, bool)
    assert outcome.receipt.size  # type: ignore[union-attr]  # pyright: ignore[reportOptionalMemberAccess]
    if outcome.receipt is not None:
        assert_type(outcome.receipt.path, Path | None)
        outcome.receipt.path.read_bytes()  # type: ignore[union-attr]  # pyright: ignore[reportOptionalMemberAccess]


def a_secret_is_no_text(secret: Secret) -> str:
    assert_type(secret.reveal(), str)
    return secret  # type: ignore[return-value]  # pyright: ignore[reportReturnType]


class Meddling(Secret):  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]
    """Nobody inherits from what hides a token."""


class Place:
    """A sink of one's own needs no base class."""

    def open(self, offer: Offer) -> None: ...
    def write(self, data: bytes) -> None: ...
    def publish(self, *, length_verified: bool, warnings: tuple[str, ...]) -> Receipt:
        raise NotImplementedError

    def set_aside(self, reason: str) -> str | None: ...
    def discard(self) -> None: ...


class HalfAPlace:
    """A sink that forgot the end."""

    def open(self, offer: Offer) -> None: ...
    def write(self, data: bytes) -> None: ...


def an_exchange_takes_a_sink(command: Get, wait: Wait, policy: Policy) -> None:
    sink: Sink = Place()
    exchange = Exchange(command, policy=policy, sink=sink)
    assert_type(exchange.head(200, [("Content-Type", "text/csv")]), bool)
    assert_type(exchange.feed(b""), bool)
    assert_type(exchange.finish(), Event)
    assert_type(exchange.lost(sent=Sent.UNKNOWN, message=""), Event)
    exchange.feed("text")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Exchange(command, policy=policy, sink=HalfAPlace())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Exchange(wait, policy=policy)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
