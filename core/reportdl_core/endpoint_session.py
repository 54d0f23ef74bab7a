"""Decides what the server's end keeps of one session, until when it holds, and how it stands when asked.

Only `lifecycle.py` moves its state. Must never hold the token itself (D39), nor read a clock.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final, assert_never

from reportdl_core.endpoint_messages import Refuse, Reply, StatusIs, Unsuccessful
from reportdl_core.envelope import clean_message
from reportdl_core.errors import Refusal
from reportdl_core.events import Status
from reportdl_core.lifecycle import FINAL, Cell, State
from reportdl_core.switches import BeforeRun, FailedRun, FailedSession, Switches, TtlPolicy

__all__ = ["FAILED", "Served", "ran", "readable", "standing"]

FAILED: Final = Refuse(refusal=Refusal.DOWNLOAD_FAILED, message=Refusal.DOWNLOAD_FAILED.value)
_IN_PROGRESS: Final = StatusIs(status=Status.IN_PROGRESS)


@dataclass(slots=True, kw_only=True, eq=False)
class Served:
    """One session as the server keeps it. Times are seconds on the caller's clock.

    `format` is set with `run` and never changes (D8, D9). `waiting` are the calls of `run` that are not answered
    yet, `sending` is the `get` that is being sent. `filed` is when the register will look at it next.
    """

    number: int
    user: str
    element: int
    segment: int
    digest: bytes
    began: float
    expires: float
    cell: Cell = field(default_factory=Cell)
    format: str | None = None
    generations: int = 0
    run_until: float = math.inf
    waiting: list[int] = field(default_factory=list[int])
    sending: int | None = None
    how: Unsuccessful = Unsuccessful.FAILED
    message: str = Refusal.DOWNLOAD_FAILED.value
    ended: float | None = None
    filed: float = math.inf

    def renew(self, switches: Switches, *, now: float) -> None:
        """`run` or `check` came: five more minutes for a live session where they slide (D1)."""
        if switches.ttl_policy is TtlPolicy.SLIDING and self.cell.state not in FINAL:
            self.expires = min(now + switches.ttl, self.began + switches.max_age)

    def begin(self, format: str, switches: Switches, *, now: float) -> None:
        """`run` starts the one generation (D8), bounded by its own timeout (D28)."""
        self.format = format
        self.generations += 1
        self.run_until = now + switches.run_timeout
        if switches.ttl_policy is TtlPolicy.START:
            self.expires = self.began + switches.max_age

    def over(self) -> bool:
        """Final, and no byte of it is on its way any more."""
        return self.cell.state in FINAL and self.sending is None

    def due(self, switches: Switches) -> float:
        """When the clock does something to it: expiry, a generation's timeout, being forgotten (D28, D36).

        Never while it is being sent: a started transfer completes (D2).
        """
        if self.sending is not None:
            return math.inf
        if self.ended is not None:
            return self.ended + switches.remember
        if self.cell.state is State.RUNNING:
            return min(self.expires, self.run_until)
        return self.expires


def readable(message: str) -> str:
    """A plugin's message, fit for an envelope: one line of bounded length, never empty (R32, D36)."""
    return clean_message(message) or Refusal.DOWNLOAD_FAILED.value


def standing(session: Served, switches: Switches, *, now: float) -> Reply:
    """How the session stands, for `check`, and for a `get` that has no file to send (R21, R26, D5, D18, D20)."""
    match session.cell.state:
        case State.INIT:
            early = switches.before_run is BeforeRun.ERROR
            return StatusIs(status=Status.ERROR, message=session.message) if early else _IN_PROGRESS
        case State.RUNNING:
            return _IN_PROGRESS
        case State.READY:
            return StatusIs(status=Status.READY)
        case State.ERROR:
            said = switches.failed_session is FailedSession.STATUS and session.how is Unsuccessful.FAILED
            # "Live session" in D5: once the token would have expired, R17 speaks.
            return _error(session) if said and now < session.expires else FAILED
        case State.CONSUMED | State.EXPIRED:  # R17, R28
            return FAILED
        case _:
            assert_never(session.cell.state)


def ran(session: Served, switches: Switches, *, now: float) -> Reply:
    """What `run` says of a generation that has ended, to whoever waited and to whoever asks again (D6, D8)."""
    match session.cell.state:
        case State.READY:
            return StatusIs(status=Status.OK)
        case State.ERROR:
            said = switches.failed_run is FailedRun.STATUS
            return _error(session) if said and now < session.expires else FAILED
        case _:
            return FAILED


def _error(session: Served) -> Reply:
    return StatusIs(status=Status.ERROR, message=session.message)
