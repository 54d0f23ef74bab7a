"""The oracle's own words: what a client was told, what it asked, and what it may choose, as plain values.

Whoever drives the real core translates into these. Must import nothing of the project: a name that means something
else in the core has to be noticed, not shared. Members of enums are told by their names ("IN_PROGRESS", "NOT_SENT").
"""

from __future__ import annotations

from dataclasses import dataclass, replace

__all__ = [
    "ACTIVE",
    "ANSWERS",
    "DOWNLOADS",
    "FINAL",
    "REFUSALS",
    "REQUESTS",
    "STATES",
    "WITH_TOKEN",
    "Command",
    "Event",
    "Job",
    "Outcome",
    "Policy",
]

STATES = ("INIT", "RUNNING", "READY", "ERROR", "CONSUMED", "EXPIRED")
FINAL = frozenset({"ERROR", "CONSUMED", "EXPIRED"})
ACTIVE = frozenset({"INIT", "RUNNING", "READY"})

# The calls of the download endpoint; a renewal goes to another one.
DOWNLOADS = ("ListFormats", "Init", "Run", "Check", "Get")
REQUESTS = (*DOWNLOADS, "RenewCredentials")
WITH_TOKEN = frozenset({"Run", "Check", "Get"})

REFUSALS = (
    "CREDENTIALS",  # 401, 412
    "REDIRECTED",  # 3xx
    "ELEMENT_NOT_ALLOWED",  # 403
    "ELEMENT_NOT_FOUND",  # 404 with the document's text
    "INVALID_STATE",  # 400s with the document's texts, down to DOWNLOAD_FAILED
    "INVALID_TOKEN",
    "INVALID_FORMAT",
    "NO_DOWNLOADS",
    "NOT_IMPLEMENTED",
    "DOWNLOAD_FAILED",
    "ENDPOINT_MISSING",  # 404 without the document's text
    "METHOD_NOT_ALLOWED",  # 405
    "OTHER",  # any other 4xx, a 400 with no message or an unknown one
    "BUSY",  # 429, 503 with Retry-After
    "UNAVAILABLE",  # 408, any other 5xx
    "NO_ENVELOPE",  # HTML, or a body that is no JSON object
    "UNREADABLE",  # an object that lacks what this answer must have; an unknown status
)

# What may answer a command at all. Cancelled answers any of them: the driver stopped it.
ANSWERS: dict[str, frozenset[str]] = {
    "ListFormats": frozenset({"FormatsListed", "StatusReported", "Refused", "Lost", "Cancelled"}),
    "Init": frozenset({"TokenIssued", "StatusReported", "Refused", "Lost", "Cancelled"}),
    "Run": frozenset({"RunFinished", "StatusReported", "Refused", "Lost", "Cancelled"}),
    "Check": frozenset({"StatusReported", "Refused", "Lost", "Cancelled"}),
    "Get": frozenset({"FileReceived", "FileNotKept", "StatusReported", "Refused", "Lost", "Cancelled"}),
    "Wait": frozenset({"WaitElapsed", "Cancelled"}),
    "RenewCredentials": frozenset({"CredentialsRenewed", "Refused", "Lost", "Cancelled"}),
    "Finish": frozenset(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One report to get. `format` is the key as the caller wrote it."""

    element: int
    segment: int = 0
    format: str = "pdf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Every number the rules name. Seconds, bytes and counts; defaults are the rules'.

    The fields down to `allow_unverified` are the client's own policy, of the same names. The last four are constants of
    the rules: R15's 300 s, D18's 10 s, I3's and the answer table's 5 s.
    """

    expiry: str = "CONFIRM"  # or DOCUMENTED (D1)
    preflight: str = "ON"  # or OFF (D12)
    job_timeout: float = 3600.0
    run_timeout: float = 1800.0
    request_timeout: float = 30.0
    get_timeout: float = 3600.0
    silence: float = 600.0  # D19: without one valid answer, `run` not alive
    first_contact: float = 600.0  # the same, while the job's server has given none at all
    first_check: float = 5.0
    longest_insurance: float = 30.0
    first_pause: float = 0.5
    longest_pause: float = 15.0
    growth: float = 1.5
    expiry_margin: float = 1.0  # D1's "just after"
    restarts_lost: int = 1
    restarts_unheld: int = 1
    restarts_unproven: int = 1
    strict: bool = False
    allow_unverified: bool = False
    ttl: float = 300.0
    early_error: float = 10.0
    early_refusal: float = 5.0
    early_loss: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What a client wants done. Fields that the kind does not have stay None.

    `token` is any name that tells tokens apart. `deadline` is in the clock of the events. A Finish is not compared by
    its fields: the outcome is handed over beside it.
    """

    number: int
    kind: str
    deadline: float | None = None
    element: int | None = None
    segment: int | None = None
    format: str | None = None
    token: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What happened to the command `number`. Fields that the kind does not have stay None or empty."""

    number: int
    kind: str
    formats: tuple[str, ...] = ()  # FormatsListed
    token: str | None = None  # TokenIssued
    status: str | None = None  # StatusReported: OK, READY, IN_PROGRESS, ERROR
    refusal: str | None = None  # Refused: one of REFUSALS
    retry_after: float | None = None  # Refused, BUSY
    sent: str | None = None  # Lost: NOT_SENT, UNKNOWN
    why: str | None = None  # FileNotKept: FAILED, UNVERIFIED


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a session or a job ended."""

    state: str
    reason: str
    ended_in: str
    run_unproven: bool = False
    unheld: bool = False
    sessions: int = 1
    alternatives: tuple[str, ...] = ()
    evidence: int = 0  # how many answers stand on it

    def of(self, sessions: int) -> Outcome:
        """The same end, of a job that took so many sessions."""
        return replace(self, sessions=sessions)
