"""Decides what each answer means: the table of the rules as data, and which events may answer which command.

A row is a kind of answer, a column the command that it answers. The session acts on the meaning and adds only what
depends on its own past (D18, D21, D41, I3). Must never look at a clock or at a session.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, assert_never

from reportdl_core.commands import (
    Check,
    Command,
    Get,
    Init,
    ListFormats,
    LookUp,
    RenewCredentials,
    Run,
    Wait,
)
from reportdl_core.errors import Refusal
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
    Sent,
    Status,
    StatusReported,
    TokenIssued,
    WaitElapsed,
)

__all__ = ["MEANINGS", "Answer", "Failure", "Meaning", "answer_of", "fits"]


class Answer(Enum):
    """The rows of the table."""

    NOT_SENT = "lost, not sent"
    UNAVAILABLE = "lost, unknown; 408; 5xx; HTML or no envelope"
    BUSY = "429, 503 with Retry-After"
    CREDENTIALS = "401, 412"
    REDIRECTED = "3xx"
    REFUSED = "403, 404, other documented 400"
    DOWNLOAD_FAILED = "400 Download failed"
    OTHER = "any other 4xx; 400 with no or an unknown message"
    ERROR = "status ERROR"
    IN_PROGRESS = "IN PROGRESS"
    READY = "READY"
    UNREADABLE = "unknown status, a status that does not belong here, unreadable envelope"


class Meaning(Enum):
    """What an answer asks of the session."""

    REPEAT = "the same command again after a wait"
    REPEAT_ONCE = "the same, but final after the second while `run` is not alive"
    POLL = "`check` decides"
    RENEW = "renew the credential, then the same command again"
    FINAL = "the session ends"  # so no `get` follows an ERROR (R23)
    PROTOCOL = "the session ends: the server broke the protocol"
    READY = "the file is there: `get`"
    LOST_GET = "`check`, then one more `get`"
    NOT_YET = "READY was a belief: `check` until it says so, then `get` again"


_COLUMNS: Final = (ListFormats, Init, Run, Check, Get)
_R, _P, _F, _X = Meaning.REPEAT, Meaning.POLL, Meaning.FINAL, Meaning.PROTOCOL

_ROWS: Final[dict[Answer, tuple[Meaning, Meaning, Meaning, Meaning, Meaning]]] = {
    Answer.NOT_SENT: (_R, _R, _R, _R, _R),
    Answer.UNAVAILABLE: (_R, _R, _P, _R, Meaning.LOST_GET),
    Answer.BUSY: (_R, _R, _P, _R, _R),
    Answer.CREDENTIALS: (Meaning.RENEW, Meaning.RENEW, Meaning.RENEW, Meaning.RENEW, Meaning.RENEW),
    Answer.REDIRECTED: (_F, _F, _F, _F, _F),
    Answer.REFUSED: (_F, _F, _F, _F, _F),
    Answer.DOWNLOAD_FAILED: (_X, _X, _P, _F, _F),
    Answer.OTHER: (_F, _F, _P, _F, _F),
    Answer.ERROR: (_F, _F, _P, _F, _F),
    Answer.IN_PROGRESS: (_X, _X, _P, _P, Meaning.NOT_YET),
    Answer.READY: (_X, _X, Meaning.READY, Meaning.READY, _X),
    Answer.UNREADABLE: (_X, _X, _P, Meaning.REPEAT_ONCE, _X),
}

MEANINGS: Final[dict[tuple[Answer, type[Command]], Meaning]] = {
    (answer, column): meaning for answer, row in _ROWS.items() for column, meaning in zip(_COLUMNS, row, strict=True)
}
# Outside the rules' table: a question without effect, as harmless as `formats`.
MEANINGS.update({(answer, LookUp): row[0] for answer, row in _ROWS.items()})

Failure = StatusReported | Refused | Lost | Cancelled
"""The events that the table is about: everything but the one good answer that each command hopes for."""

_GOOD: Final[dict[type[Command], tuple[type[Event], ...]]] = {
    ListFormats: (FormatsListed,),
    Init: (TokenIssued,),
    Run: (RunFinished,),
    Check: (),
    Get: (FileReceived, FileNotKept),
    RenewCredentials: (CredentialsRenewed,),
    LookUp: (LookedUp,),
    Wait: (WaitElapsed,),
}


def fits(command: Command, event: Event) -> bool:
    """Whether this kind of event can answer this kind of command at all; another one is the caller's mistake."""
    match event:
        case Cancelled():
            return True
        case Lost() | Refused():
            return not isinstance(command, Wait)
        case StatusReported():
            return isinstance(command, ListFormats | Init | Run | Check | Get)
        case _:
            return type(event) in _GOOD[type(command)]


def answer_of(event: Failure) -> Answer:
    """The row that an answer belongs to."""
    match event:
        case Cancelled():
            return Answer.UNAVAILABLE
        case Lost():
            return Answer.NOT_SENT if event.sent is Sent.NOT_SENT else Answer.UNAVAILABLE
        case StatusReported():
            return _of_status(event.status)
        case Refused():
            return _of_refusal(event.refusal)
        case _:
            assert_never(event)


def _of_status(status: Status) -> Answer:
    match status:
        case Status.OK:  # a good OK arrives as an event of its own, so this one does not belong here
            return Answer.UNREADABLE
        case Status.READY:
            return Answer.READY
        case Status.IN_PROGRESS:
            return Answer.IN_PROGRESS
        case Status.ERROR:
            return Answer.ERROR
        case _:
            assert_never(status)


def _of_refusal(refusal: Refusal) -> Answer:
    match refusal:
        case Refusal.CREDENTIALS:
            return Answer.CREDENTIALS
        case Refusal.REDIRECTED:
            return Answer.REDIRECTED
        case Refusal.DOWNLOAD_FAILED:
            return Answer.DOWNLOAD_FAILED
        case Refusal.OTHER | Refusal.METHOD_NOT_ALLOWED:
            return Answer.OTHER
        case Refusal.BUSY:
            return Answer.BUSY
        case Refusal.UNAVAILABLE | Refusal.NO_ENVELOPE:
            return Answer.UNAVAILABLE
        case Refusal.UNREADABLE:
            return Answer.UNREADABLE
        case (
            Refusal.ELEMENT_NOT_ALLOWED
            | Refusal.ELEMENT_NOT_FOUND
            | Refusal.INVALID_STATE
            | Refusal.INVALID_TOKEN
            | Refusal.INVALID_FORMAT
            | Refusal.NO_DOWNLOADS
            | Refusal.NOT_IMPLEMENTED
            | Refusal.ENDPOINT_MISSING
        ):
            return Answer.REFUSED
        case _:
            assert_never(refusal)
