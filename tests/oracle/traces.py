"""A trace: what happened in one run of one job or more, as both ends and an onlooker saw it, in order.

One clock for all of it: what a restored process reads on its own clock is translated by whoever records. A record
stands after its cause. Records of an end may be left out where there is none: a rule that needs them is not judged.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.oracle.vocabulary import Command, Event, Job, Outcome, Policy

__all__ = [
    "Answered",
    "Asked",
    "Began",
    "Called",
    "Ended",
    "GenerationEnded",
    "GenerationStarted",
    "Issued",
    "Moved",
    "Published",
    "Raised",
    "Received",
    "Record",
    "Restored",
    "Saved",
    "SentFile",
    "ServerMoved",
    "Superseded",
    "Trace",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Began:
    """A job was begun. Its first commands follow as Issued."""

    at: float
    job: Job
    policy: Policy
    user: str = "user"
    download: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A command became outstanding. `session` counts the sessions of the download from 1."""

    at: float
    command: Command
    session: int = 1
    download: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Superseded:
    """A command left the outstanding ones without an answer."""

    at: float
    number: int
    download: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """The client was told of an event, late ones too. Its effects follow, at the same time."""

    at: float
    event: Event
    download: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """The client's session is in `state` now (recorded when it changes, and once for INIT of each session)."""

    at: float
    state: str
    session: int = 1
    download: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """A snapshot was written, of these outstanding commands. Stands before what it shows is executed (Asked)."""

    at: float
    outstanding: tuple[Command, ...]
    download: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """Another process took up the last Saved; `elapsed` is the time nobody held it, which has passed on the clock.

    `outstanding` is what was restored, deadlines on the clock of the trace, before all of it is answered as lost.
    Those losses follow as Received, each with its effects; or, where `recovered`, they are told all at once, and their
    effects follow here. Commands that were issued after the last Saved are gone, as if never issued.
    """

    at: float
    elapsed: float
    outstanding: tuple[Command, ...]
    recovered: bool = False
    download: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The client's last word on the job."""

    at: float
    outcome: Outcome
    download: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Bytes became visible under a final name. `whole` is the onlooker's own comparison with what was generated."""

    at: float
    whole: bool
    download: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """The core raised something out of a call. `documented` where it is one of its own errors, for a misuse."""

    at: float
    what: str
    documented: bool
    download: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request left the client: the transport sent the bytes of the command `number`."""

    at: float
    number: int
    download: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """A request reached the server. `call` numbers the calls. `credential` is None where it is good, else 401 or 412.

    `token` is the name of the token that the request carries once decoded, "" where it carries none, and any name that
    the server never issued where it is malformed.
    """

    at: float
    call: int
    user: str
    element: int
    segment: int
    state: str
    token: str = ""
    format: str | None = None
    credential: int | None = None
    # The command that this is the request of, where the recorder knows.
    number: int | None = None
    download: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The server's answer to a call.

    `says`: FORMATS, TOKEN, FILE, a status (OK, READY, IN_PROGRESS, ERROR) or the name of a refusal. `token` is the name
    of the token that an `init` issued. `fault` where the answer is a lie that was asked for.
    """

    at: float
    call: int
    says: str
    token: str | None = None
    fault: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SentFile:
    """The answer to a `get` that was a file came to its end at the server: whole, or cut after some bytes."""

    at: float
    call: int
    whole: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerMoved:
    """The server's session of this token is in `state` now; its INIT too, right before the Answered of `init`."""

    at: float
    token: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationStarted:
    """The source was called for this token's session."""

    at: float
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationEnded:
    """The source came to its end, with a file or without."""

    at: float
    token: str
    file: bool


Record = (
    Began
    | Issued
    | Superseded
    | Received
    | Moved
    | Saved
    | Restored
    | Ended
    | Published
    | Raised
    | Asked
    | Called
    | Answered
    | SentFile
    | ServerMoved
    | GenerationStarted
    | GenerationEnded
)
Trace = tuple[Record, ...]
