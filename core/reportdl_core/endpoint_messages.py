"""Decides what the server's end can be told and what it can ask for: the two vocabularies of the endpoint.

As for the client: events in the past tense, commands imperative, no HTTP. `number` names one call, `session` one
session; neither is ever used twice by one endpoint. Must never show a token in a repr.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from reportdl_core.errors import Refusal
from reportdl_core.events import Status
from reportdl_core.secret import Secret

__all__ = [
    "AbandonGeneration",
    "Answer",
    "Called",
    "Discard",
    "Disconnected",
    "EndpointCommand",
    "EndpointEvent",
    "FileMissing",
    "FileSent",
    "Formats",
    "Generate",
    "Generated",
    "GenerationFailed",
    "Kind",
    "Refuse",
    "Reply",
    "Report",
    "SendBroken",
    "SendFile",
    "StatusIs",
    "Token",
    "Unsuccessful",
]


class Kind(Enum):
    """What an element is, as far as this endpoint cares (R3)."""

    EXTERNAL_REPORT = "external report"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the catalog says of one element and segment, for one user, at the time of one call.

    `name` is the element's name, as people wrote it (R25). `formats` are the keys that the source plugin declares,
    in its order (R8, R11); empty where it can download nothing (R9). `allowed`: the user has view access (R6).
    """

    element: int
    segment: int
    name: str
    kind: Kind
    formats: tuple[str, ...]
    allowed: bool


# ---- events: what happened


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """A user called the endpoint; the credential has been checked already (D15, D16).

    `element` and `segment` are None where the path had no integer (D32), `state` is the path's word as it came (R2).
    `token` has been percent-decoded exactly once (D3); `token` and `format` are None where missing or malformed.
    `report` is what the catalog says now (D27), None where it has no such element (R5). `fresh_token` is the token
    that `init` would issue: never used before, 256 random bits, for the endpoint has no randomness of its own (D39).
    """

    number: int
    user: str
    element: int | None
    segment: int | None
    state: str
    token: str | None = field(default=None, repr=False)
    format: str | None = None
    report: Report | None
    fresh_token: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """The file of a session is complete. After AbandonGeneration it is answered with Discard."""

    session: int


class Unsuccessful(Enum):
    """How generation came to nothing: the plugin failed (R22), or it ended without a file (R30, D5)."""

    FAILED = "failed"
    NO_FILE = "no file"


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationFailed:
    """Generation ended and left no file. `message` is shown to the caller, so it must be fit to be read by them."""

    session: int
    message: str = ""
    how: Unsuccessful = Unsuccessful.FAILED


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSent:
    """The last byte of a SendFile has been written."""

    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SendBroken:
    """A SendFile ended before its last byte, `sent` bytes into the body (R27, D21)."""

    number: int
    sent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FileMissing:
    """A SendFile could not begin, for the file is not there any more; nothing has been answered yet (R30)."""

    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Disconnected:
    """The caller of a `run` that is not answered yet went away (D7). Changes nothing where it has been answered."""

    number: int


EndpointEvent = Called | Generated | GenerationFailed | FileSent | SendBroken | FileMissing | Disconnected


# ---- commands: what to do


@dataclass(frozen=True, slots=True, kw_only=True)
class Formats:
    """The formats that the report offers, as they are to be asked for (R8, D11)."""

    formats: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """The new session's token, not yet URL-encoded (R12)."""

    token: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusIs:
    """A status, with a message on ERROR alone (R31, R32)."""

    status: Status
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """A refusal. `message` is the document's text where it has one (D26); `retry_after` in seconds, with BUSY alone."""

    refusal: Refusal
    message: str = ""
    retry_after: float | None = None


Reply = Formats | Token | StatusIs | Refuse


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Answer the call with this number; each call is answered once, by this or by SendFile."""

    number: int
    answer: Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Generate:
    """Start to generate; report Generated or GenerationFailed. At most once in a session (D8).

    `format` is spelled as the report's plugin declares it.
    """

    session: int
    report: Report
    format: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AbandonGeneration:
    """Nobody will want this file: stop generating if that can be. A Generated that comes all the same is discarded."""

    session: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SendFile:
    """Answer the call with the session's file; report FileSent, SendBroken or FileMissing, exactly once (R24)."""

    number: int
    session: int
    report: Report
    format: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Discard:
    """Remove the session's file, if there is one."""

    session: int


EndpointCommand = Answer | Generate | AbandonGeneration | SendFile | Discard
