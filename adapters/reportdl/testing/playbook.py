"""Drives a `Session`, a `Download` or an `Inquiry` by hand, so that a test reads as a transcript of both directions.

    play = Playbook(Download(Job(element=1042, format="pdf"), now=0.0))
    play << ListFormats
    play.at(0.1) >> FormatsListed(number=play[ListFormats], formats=("pdf",)) << Init

`>>` feeds an event, `<<` says which commands are new since the last one; numbers are looked up by kind. Must never
decide anything: it feeds, compares and prints.
"""

from __future__ import annotations

from typing import Any, Generic, Self, TypeVar, final

from reportdl.drivers import Driven
from reportdl_core.commands import Command
from reportdl_core.events import Event

__all__ = ["Playbook"]

D = TypeVar("D", bound=Driven)


@final
class Playbook(Generic[D]):
    """A transcript of events and commands under a virtual clock, in seconds."""

    def __init__(self, driven: D, *, now: float = 0.0) -> None:
        self.driven = driven
        self.now: float = now
        self.new: tuple[Command, ...] = driven.outstanding
        self._last: dict[type[Any], Any] = {type(command): command for command in self.new}
        self._lines = [f"{now:10.3f} << {command!r}" for command in self.new]

    def at(self, now: float) -> Self:
        """It is `now`."""
        self.now = now
        return self

    def after(self, seconds: float) -> Self:
        """So many seconds later."""
        self.now += seconds
        return self

    def __rshift__(self, event: Event) -> Self:
        """The event comes in."""
        self._lines.append(f"{self.now:10.3f} >> {event!r}")
        self.new = self.driven.receive(event, now=self.now)
        self._last |= {type(command): command for command in self.new}
        self._lines += [f"{self.now:10.3f} << {command!r}" for command in self.new]
        return self

    def __lshift__(self, expected: type[Any] | tuple[type[Any], ...] | None) -> Self:
        """These kinds of command, in this order and no others, came out last; None for nothing."""
        wanted = () if expected is None else expected if isinstance(expected, tuple) else (expected,)
        found = tuple(type(command) for command in self.new)
        said = ", ".join(kind.__name__ for kind in wanted) or "nothing"
        assert found == wanted, f"expected << {said}\n{self}"
        return self

    def alarm(self) -> Self:
        """The alarm rings: its event comes in at its time."""
        when, event = self.driven.alarm
        return self.at(max(self.now, when)) >> event

    def __getitem__(self, kind: type[Any]) -> int:
        """The number of the last command of this kind."""
        number: int = self._last[kind].number
        return number

    def last(self, kind: type[Any]) -> Any:
        """The last command of this kind."""
        return self._last[kind]

    def __str__(self) -> str:
        return "\n".join(self._lines)
