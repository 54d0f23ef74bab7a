"""Decides what the core's commands, events and outcomes are called in the oracle's words.

The only file that knows both vocabularies: the oracle imports nothing of the core, and the core nothing of tests. A
translation names; it must never judge, drop or mend anything.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final, assert_never

from reportdl_core import commands as c
from reportdl_core import events as e
from reportdl_core.job import Job
from reportdl_core.outcome import Outcome
from reportdl_core.policy import Policy
from tests.oracle import vocabulary as o

__all__ = ["command_of", "event_of", "job_of", "outcome_of", "policy_of"]

_NUMBERS: Final = [field.name for field in fields(o.Policy) if field.name in {own.name for own in fields(Policy)}]


def job_of(job: Job) -> o.Job:
    """A job."""
    return o.Job(element=job.element, segment=job.segment, format=job.format)


def policy_of(policy: Policy, **constants: float) -> o.Policy:
    """A policy; `constants` are the rules' own, where a small clock has made them smaller."""
    chosen: dict[str, Any] = {name: getattr(policy, name) for name in _NUMBERS}
    chosen |= {"expiry": policy.expiry.name, "preflight": policy.preflight.name}
    chosen |= constants
    return o.Policy(**chosen)


def command_of(command: c.Command) -> o.Command:
    """A command."""
    match command:
        case c.ListFormats() | c.Init():
            return o.Command(
                number=command.number,
                kind=type(command).__name__,
                deadline=command.deadline,
                element=command.job.element,
                segment=command.job.segment,
            )
        case c.Run() | c.Check() | c.Get():
            return o.Command(
                number=command.number,
                kind=type(command).__name__,
                deadline=command.deadline,
                element=command.job.element,
                segment=command.job.segment,
                format=None if isinstance(command, c.Check) else command.job.format,
                token=command.token.reveal(),
            )
        case c.Wait() | c.RenewCredentials():
            return o.Command(number=command.number, kind=type(command).__name__, deadline=command.deadline)
        case c.Finish() | c.LookUp():  # a look-up belongs to no job
            return o.Command(number=command.number, kind=type(command).__name__)
        case _:
            assert_never(command)


def event_of(event: e.Event) -> o.Event:
    """An event."""
    number, kind = event.number, type(event).__name__
    match event:
        case e.FormatsListed():
            return o.Event(number=number, kind=kind, formats=event.formats)
        case e.TokenIssued():
            return o.Event(number=number, kind=kind, token=event.token.reveal())
        case e.StatusReported():
            return o.Event(number=number, kind=kind, status=event.status.name)
        case e.Refused():
            return o.Event(number=number, kind=kind, refusal=event.refusal.name, retry_after=event.retry_after)
        case e.Lost():
            return o.Event(number=number, kind=kind, sent=event.sent.name)
        case e.FileNotKept():
            return o.Event(number=number, kind=kind, why=event.why.name)
        case (
            e.RunFinished() | e.FileReceived() | e.WaitElapsed() | e.CredentialsRenewed() | e.Cancelled() | e.LookedUp()
        ):
            return o.Event(number=number, kind=kind)
        case _:
            assert_never(event)


def outcome_of(outcome: Outcome) -> o.Outcome:
    """An outcome."""
    return o.Outcome(
        state=outcome.state.name,
        reason=outcome.reason.name,
        ended_in=outcome.ended_in.name,
        run_unproven=outcome.run_unproven,
        unheld=outcome.unheld,
        sessions=outcome.sessions,
        alternatives=outcome.alternatives,
        evidence=len(outcome.evidence),
    )
