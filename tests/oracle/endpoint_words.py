"""The words in which the server's end is judged: its switches, what happens to it, what it does, what it remembers."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tests.oracle.vocabulary import ACTIVE

__all__ = [
    "Answer",
    "Call",
    "Discard",
    "Effect",
    "Endpoint",
    "Generate",
    "Happening",
    "Happens",
    "Report",
    "SendFile",
    "ServerSession",
    "Stop",
    "Switches",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """The readings that a server may take, by the names of the members."""

    ttl_policy: str = "ABSOLUTE"  # START, SLIDING (D1)
    consume_on: str = "END"  # START (D21)
    abort_on_disconnect: str = "OFF"  # ON (D7)
    failed_session: str = "STATUS"  # REFUSAL: what check and get say of a failed run (D5)
    failed_run: str = "REFUSAL"  # STATUS: what a failed run itself says (D6)
    run_says_ok: str = "WHEN_READY"  # AT_ONCE (D42)
    before_run: str = "IN_PROGRESS"  # ERROR (D18)
    format_keys: str = "LOWER"  # CAPABILITY, FOLDED (D11)
    ttl: float = 300.0
    run_timeout: float = 1800.0
    max_age: float = 7200.0
    remember: float = 3600.0
    live_per_user: int = 1000
    live_in_all: int = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the catalog says of an element and segment at the time of a call."""

    external: bool = True
    allowed: bool = True
    formats: tuple[str, ...] = ("image", "pdf", "csv")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request. `report` is None where there is no such element and segment.

    `token` is the name of the token once decoded ("" or None: missing); `fresh` names the one an `init` would issue.
    """

    number: int
    state: str
    user: str = "user"
    element: int | None = 1042
    segment: int | None = 0
    token: str | None = None
    format: str | None = None
    report: Report | None = Report()
    fresh: str = ""
    credential: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Happens:
    """Anything else that the server is told.

    `Disconnected`, `FileSent`, `SendBroken`, `FileMissing` carry a call's number; `Generated` and `GenerationFailed` a
    token, the latter with `how` (FAILED, NO_FILE); `Tick` is time passing, alone.
    """

    kind: str
    number: int | None = None
    token: str | None = None
    how: str = "FAILED"


Happening = Call | Happens


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`says`: FORMATS, TOKEN, a status (OK, READY, IN_PROGRESS, ERROR) or the name of a refusal."""

    number: int
    says: str
    formats: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SendFile:
    """The answer to this `get` is the file of this token's session."""

    number: int
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Generate:
    token: str
    format: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Generation is no longer wanted."""

    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Discard:
    """The session's file is to be removed."""

    token: str


Effect = Answer | SendFile | Generate | Stop | Discard


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSession:
    """One token at the server. `how` is how a run failed: FAILED, NO_FILE, ABORTED, TIMED_OUT."""

    token: str
    user: str
    element: int | None
    segment: int | None
    began: float
    renewed: float
    state: str = "INIT"
    format: str | None = None
    run_began: float | None = None
    waiting: tuple[int, ...] = ()  # calls of `run` that are not answered yet
    sending: int | None = None  # the `get` that is being answered with the file
    generating: bool = False
    how: str = ""
    ended: float | None = None

    @property
    def live(self) -> bool:
        return self.state in ACTIVE

    def ends(self, state: str, now: float, how: str = "") -> ServerSession:
        return replace(self, state=state, ended=now, how=how or self.how)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """All that the server remembers, in one reading."""

    switches: Switches = Switches()
    sessions: tuple[ServerSession, ...] = ()

    def find(self, token: str | None) -> ServerSession | None:
        return next((session for session in self.sessions if session.token == token), None)

    def having(self, session: ServerSession) -> Endpoint:
        rest = tuple(other for other in self.sessions if other.token != session.token)
        return replace(self, sessions=tuple(sorted((*rest, session), key=lambda one: one.token)))
