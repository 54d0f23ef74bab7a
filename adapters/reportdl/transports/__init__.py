"""One HTTP library each: an errand in, an event out, the body streamed. No policy.

A sync transport makes a `Flight` of an errand; its `perform` runs in a thread of the driver's, `cancel` may be called
from another one at any time and must wake it.
"""

from __future__ import annotations

from typing import Protocol

from reportdl_core.events import Event

from reportdl.errands import Errand

__all__ = ["Flight", "Transport"]


class Flight(Protocol):
    """One request under way."""

    def perform(self) -> Event:
        """Send it once, read the answer, return the event. Never raises for what a network or a server does."""

    def cancel(self) -> None:
        """Stop it now: `perform` returns soon, its event does not matter any more. May be called twice, or too late."""


class Transport(Protocol):
    """Makes flights. One request on the wire for each, never a retry, never a redirect followed (D23, D31)."""

    def flight(self, errand: Errand) -> Flight:
        """Make ready to carry out the errand; nothing is sent yet."""

    def close(self) -> None:
        """Let go of connections that are ours."""
