"""Decides which events a command can be answered with, good and bad, one of them to be chosen by whoever tests.

`choose` takes a sequence and returns one of its members: `random.Random(seed).choice`, or a draw from Hypothesis. Must
never draw by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from reportdl_core.commands import Check, Command, Get, Init, ListFormats, RenewCredentials, Run, Wait
from reportdl_core.errors import Refusal
from reportdl_core.events import (
    Cancelled,
    CredentialsRenewed,
    Event,
    FileNotKept,
    FileReceived,
    FormatsListed,
    Kept,
    Lost,
    Refused,
    RunFinished,
    Sent,
    Status,
    StatusReported,
    TokenIssued,
    WaitElapsed,
)
from reportdl_core.outcome import Receipt
from reportdl_core.policy import Expiry, Policy, Preflight
from reportdl_core.secret import Secret

__all__ = [
    "FAILURES",
    "FORGIVEN",
    "POLICIES",
    "RECEIPT",
    "STATUSES",
    "UNGENERATED",
    "Choose",
    "Make",
    "bad",
    "first",
    "good",
]

Choose = Callable[[Sequence[Any]], Any]
Make = Callable[[int], Event]
"""An event, but for the number of the command that it answers."""

RECEIPT: Final = Receipt(
    path=None, filename="a.pdf", content_type="application/pdf", size=1, sha256="", length_verified=True
)

POLICIES: Final[tuple[Policy, ...]] = (
    Policy(),
    Policy(expiry=Expiry.DOCUMENTED),
    Policy(preflight=Preflight.OFF, first_check=2.0),
    Policy(job_timeout=400.0, request_timeout=400.0, preflight=Preflight.OFF),
    Policy(job_timeout=700.0, expiry=Expiry.DOCUMENTED, request_timeout=310.0, silence=60.0, restarts_lost=2),
    Policy(run_timeout=40.0, first_contact=20.0, growth=1.0, expiry_margin=0.0),
)
"""Clients that differ in what matters: what five minutes mean, how long, how often, how soon."""

FAILURES: Final[tuple[Make, ...]] = (
    lambda number: Lost(number=number, sent=Sent.UNKNOWN),
    lambda number: Lost(number=number, sent=Sent.NOT_SENT),
    lambda number: Cancelled(number=number),
    *(lambda number, refusal=refusal: Refused(number=number, refusal=refusal) for refusal in Refusal),
    *(
        lambda number, after=after: Refused(number=number, refusal=Refusal.BUSY, retry_after=after)
        for after in (0.0, 3.0, 50.0, 1e9)
    ),
)
FORGIVEN: Final[tuple[Make, ...]] = (
    *FAILURES[:3],
    lambda number: Refused(number=number, refusal=Refusal.CREDENTIALS),
    lambda number: Refused(number=number, refusal=Refusal.UNAVAILABLE),
    lambda number: Refused(number=number, refusal=Refusal.BUSY, retry_after=3.0),
)
UNGENERATED: Final[tuple[Make, ...]] = (
    lambda number: Refused(number=number, refusal=Refusal.DOWNLOAD_FAILED),
    lambda number: StatusReported(number=number, status=Status.ERROR, message="no source"),
)
"""How a server says that it could not generate (R17, R30)."""


def first(among: Sequence[Any]) -> Any:
    """The choice of whoever leaves nothing to chance: of good answers the one that leads on."""
    return among[0]


def good(command: Command, choose: Choose, fresh: int) -> Event:
    """One of the answers that a server in order gives; `fresh` makes each token another."""
    number = command.number
    match command:
        case ListFormats():
            asked = command.job.format
            other = "csv" if asked != "csv" else "pdf"
            return FormatsListed(number=number, formats=choose(((asked, other), (asked.upper(),), (asked,), (other,))))
        case Init():
            return TokenIssued(number=number, token=Secret(f"token-{fresh}"))
        case Run():
            return RunFinished(number=number)
        case Check():
            return StatusReported(number=number, status=choose((Status.IN_PROGRESS, Status.READY)))
        case Get():
            kept = choose((None, None, None, *Kept))
            if kept is None:
                return FileReceived(number=number, receipt=RECEIPT)
            return FileNotKept(number=number, why=kept, message="no", path=choose((None, "a.unverified")))
        case RenewCredentials():
            return CredentialsRenewed(number=number)
        case Wait():
            return WaitElapsed(number=number)
        case _:
            raise AssertionError(command)


def bad(command: Command, choose: Choose, kinds: Sequence[Make]) -> Event:
    """One of these failures, as far as it can answer this command."""
    if isinstance(command, Wait):
        waited: Event = choose((WaitElapsed(number=command.number), Cancelled(number=command.number)))
        return waited
    if isinstance(command, RenewCredentials):
        kinds = [one for one in kinds if not isinstance(one(1), StatusReported)]
    event: Event = choose(kinds)(command.number)
    return event


STATUSES: Final[tuple[Make, ...]] = tuple(
    lambda number, status=status: StatusReported(number=number, status=status)  # type: ignore[misc]
    for status in Status
)
