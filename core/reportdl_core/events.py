"""Decides what a driver can report. Past tense; each event names by number the command that it answers.

An event whose command is not outstanding any more is late: it is taken and changes nothing (I7).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from reportdl_core.errors import Refusal
from reportdl_core.outcome import Receipt
from reportdl_core.questions import Found
from reportdl_core.secret import Secret

__all__ = [
    "Cancelled",
    "CredentialsRenewed",
    "Event",
    "FileNotKept",
    "FileReceived",
    "FormatsListed",
    "Kept",
    "LookedUp",
    "Lost",
    "Refused",
    "RunFinished",
    "Sent",
    "Status",
    "StatusReported",
    "TokenIssued",
    "WaitElapsed",
]


class Status(Enum):
    """The envelope's four statuses (R31)."""

    OK = "OK"
    READY = "READY"
    IN_PROGRESS = "IN PROGRESS"
    ERROR = "ERROR"

    def __repr__(self) -> str:
        return f"Status.{self.name}"


class Sent(Enum):
    """Whether a lost command may have reached the server. NOT_SENT is a proof, UNKNOWN is everything else (I3)."""

    NOT_SENT = "not sent"
    UNKNOWN = "unknown"

    def __repr__(self) -> str:
        return f"Sent.{self.name}"


class Kept(Enum):
    """Why a file that arrived was not published."""

    FAILED = "failed"  # disk full, no permission, a file system that said no (D44)
    UNVERIFIED = "unverified"  # its length could not be verified and its end mark is missing (D22)

    def __repr__(self) -> str:
        return f"Kept.{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatsListed:
    """`formats` as the server spells them, in its order (R8)."""

    number: int
    formats: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenIssued:
    """The session's token, URL-encoded as it came (R12, R13)."""

    number: int
    token: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished:
    """`run` said OK (R18)."""

    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReported:
    """An envelope that says a status and nothing that this answer was asked for (R21, R26)."""

    number: int
    status: Status
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReceived:
    """The whole file is under its final name."""

    number: int
    receipt: Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class FileNotKept:
    """The server gave the file, and it is not under its final name. `path` names what was kept of it, if anything."""

    number: int
    why: Kept
    message: str
    path: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The server said no. `retry_after` in seconds from now; `code` is the wire's own number, as evidence only."""

    number: int
    refusal: Refusal
    message: str = ""
    code: int | None = None
    retry_after: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """An answer that will not come."""

    number: int
    sent: Sent
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitElapsed:
    """The wait's deadline has come."""

    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialsRenewed:
    """Commands issued from now on carry the new credential."""

    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LookedUp:
    """What a neighbour of the endpoint answered."""

    number: int
    found: Found


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """The driver stopped the command itself. For a command still outstanding this is a loss (UNKNOWN)."""

    number: int


Event = (
    FormatsListed
    | TokenIssued
    | RunFinished
    | StatusReported
    | FileReceived
    | FileNotKept
    | Refused
    | Lost
    | WaitElapsed
    | CredentialsRenewed
    | LookedUp
    | Cancelled
)
"""All that a driver can report: a closed union, to be matched to its end."""
