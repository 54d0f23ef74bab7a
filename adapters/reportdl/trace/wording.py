"""Decides how one command, one event and one end are said to people: a few words each, in the order of a sentence.

Must never show a token (values hold masks) nor let a server's text break a line.
"""

from __future__ import annotations

from typing import assert_never

from reportdl_core.commands import Check, Command, Finish, Get, Init, ListFormats, LookUp, RenewCredentials, Run, Wait
from reportdl_core.envelope import clean_message
from reportdl_core.events import (
    Cancelled,
    CredentialsRenewed,
    Event,
    FileNotKept,
    FileReceived,
    FormatsListed,
    LookedUp,
    Lost,
    Refused,
    RunFinished,
    StatusReported,
    TokenIssued,
    WaitElapsed,
)
from reportdl_core.outcome import Outcome

__all__ = ["asked", "ended", "happened", "seconds"]


def seconds(value: float) -> str:
    """A span for people."""
    return f"{value:.1f} s" if value < 120 else f"{value / 60:.0f} min"


def asked(command: Command, *, now: float) -> str:
    """What the driver was told."""
    match command:
        case ListFormats():
            return "formats"
        case Init():
            return "init"
        case Run():
            return f"run {command.job.format}"
        case Check():
            return "check"
        case Get():
            return f"get {command.job.format}"
        case RenewCredentials():
            return "get_token"
        case LookUp():
            return type(command.question).__name__
        case Wait():
            return f"wait {seconds(command.deadline - now)}"
        case Finish():
            return ended(command.outcome)
        case _:
            assert_never(command)


def ended(outcome: Outcome) -> str:
    """How it ended."""
    sessions = f", {outcome.sessions} sessions" if outcome.sessions > 1 else ""
    return f"{outcome.state.value}: {outcome.reason.value}{sessions}"


def happened(event: Event) -> str:
    """What the driver reported."""
    match event:
        case FormatsListed():
            return clean_message(", ".join(event.formats)) or "no formats"
        case TokenIssued():
            return "a token"
        case RunFinished():
            return "OK"
        case StatusReported():
            return event.status.value + _said(event.message)
        case FileReceived():
            return f"{clean_message(event.receipt.filename)}, {event.receipt.size:,} bytes"
        case FileNotKept():
            return f"not kept, {event.why.value}{_said(event.message)}"
        case Refused():
            return _refused(event)
        case Lost():
            return f"lost, {'perhaps sent' if event.sent.name == 'UNKNOWN' else event.sent.value}{_said(event.message)}"
        case WaitElapsed():
            return "elapsed"
        case LookedUp():
            return f"{len(event.found):,} found"
        case CredentialsRenewed():
            return "renewed"
        case Cancelled():
            return "cancelled"
        case _:
            assert_never(event)


def _refused(event: Refused) -> str:
    code = f"{event.code} " if event.code is not None else ""
    after = "" if event.retry_after is None else f", again after {seconds(event.retry_after)}"
    words = clean_message(event.message)
    # The document's own messages say what the refusal is.
    kind = "" if words.casefold() == event.refusal.value.casefold() else f"{event.refusal.value}{': ' if words else ''}"
    return f"{code}{kind}{words}{after}"


def _said(message: str) -> str:
    words = clean_message(message)
    return f": {words}" if words else ""
