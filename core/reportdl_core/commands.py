"""Decides what a driver can be told to do. Imperative and transport-agnostic: no URL, no header, no HTTP.

A driver executes each command once and answers it with one event that names its number. Must never grow a field
that a transport without HTTP could not use.
"""

from __future__ import annotations

from dataclasses import dataclass

from reportdl_core.job import Job
from reportdl_core.outcome import Outcome
from reportdl_core.questions import Question
from reportdl_core.secret import Secret

__all__ = [
    "Check",
    "Command",
    "Finish",
    "Get",
    "Init",
    "ListFormats",
    "LookUp",
    "Other",
    "RenewCredentials",
    "Request",
    "Run",
    "Wait",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListFormats:
    """Ask which formats the report offers (R8). Deadlines are absolute, in seconds of the caller's clock."""

    number: int
    job: Job
    deadline: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Init:
    """Ask for a token (R12)."""

    number: int
    job: Job
    deadline: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Generate the file; answered when generation ends (R18, R19). Needs a connection of its own (R20, D30)."""

    number: int
    job: Job
    token: Secret
    deadline: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Ask how far generation is (R21)."""

    number: int
    job: Job
    token: Secret
    deadline: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Get:
    """Fetch the file and keep it, whole or not at all (R24, I10)."""

    number: int
    job: Job
    token: Secret
    deadline: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Answer `WaitElapsed` at `deadline`, not before."""

    number: int
    deadline: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewCredentials:
    """Obtain a new credential for the same user (D16)."""

    number: int
    deadline: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LookUp:
    """Ask one of the endpoint's neighbours. No session issues it: a person looks for ids before there is a job."""

    number: int
    question: Question
    deadline: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """Nothing is outstanding any more: let go of what is held. Never answered."""

    number: int
    outcome: Outcome


Request = ListFormats | Init | Run | Check | Get
"""What is one request to the download endpoint (R2)."""

Other = ListFormats | Init | Check | Get | RenewCredentials | Wait
"""What may be outstanding beside a `Run` (I4)."""

Command = Request | Wait | RenewCredentials | LookUp | Finish
"""All that a driver can be told: a closed union, to be matched to its end. A `Download` never issues a `LookUp`."""
