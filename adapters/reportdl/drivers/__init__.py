"""The loop that executes commands. Sync and async differ here and nowhere else.

A driver keeps what runs equal to what is outstanding, waits for an event or the alarm, and feeds it. No policy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from reportdl_core.commands import Command
from reportdl_core.download import Download
from reportdl_core.events import Event

__all__ = ["Driven", "Observe", "Observer"]


class Driven(Protocol):
    """What a driver drives: a `Download`, a `Session` or an `Inquiry`."""

    @property
    def outcome(self) -> object:
        """None while it goes on."""
        ...

    @property
    def outstanding(self) -> tuple[Command, ...]:
        """What must be running now."""
        ...

    @property
    def alarm(self) -> tuple[float, Event]:
        """When to feed what, if nothing happens before."""
        ...

    def receive(self, event: Event, *, now: float) -> tuple[Command, ...]:
        """Take an event."""
        ...


class Observer(Protocol):
    """Who is told of each move, in the driver's thread or task, before the new commands are executed (D43)."""

    def moved(self, event: Event | None, new: tuple[Command, ...], *, now: float) -> None:
        """`event` was taken (None at the start) and `new` commands are about to be executed."""
        ...


Observe = Callable[[Download], Observer]
"""Asked once for each job, before it begins: who is to be told of it. What it raises is raised to the caller."""
