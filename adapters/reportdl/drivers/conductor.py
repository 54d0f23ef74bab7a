"""Decides what every driver must do between two waits: stop what is not wanted any more, start what is, feed what came.

Sync and async drivers hand in how a request is started and stopped, and differ in how they wait alone. No I/O and no
policy: it executes what is outstanding.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Generic, TypeVar, final

from reportdl.drivers import Driven, Observer
from reportdl.errands import Errand, Errands
from reportdl_core.commands import Command, Finish, Wait
from reportdl_core.events import Event

__all__ = ["Conductor", "forget_variables"]

W = TypeVar("W")
"""What a driver knows a running request by: a thread and its flight, a task's cancel scope."""


@final
class Conductor(Generic[W]):
    """Keeps what runs equal to what is outstanding.

    `start` begins a request and returns its handle, `stop` cancels one and must not wait, `put` hands an event that
    needed no request to the driver's own inbox. Loop: `advance`, wait that long, `take`.
    """

    __slots__ = ("_clock", "_driven", "_errands", "_late", "_now", "_observer", "_put", "_running", "_start", "_stop")

    def __init__(
        self,
        driven: Driven,
        *,
        errands: Errands,
        clock: Callable[[], float],
        observer: Observer | None,
        start: Callable[[Errand], W],
        stop: Callable[[W], None],
        put: Callable[[Event], None],
    ) -> None:
        self._driven, self._errands, self._clock, self._observer = driven, errands, clock, observer
        self._start, self._stop, self._put = start, stop, put
        self._running: dict[int, W | None] = {}
        self._late: tuple[float, Event] | None = None
        self._now = clock()
        if observer is not None:
            observer.moved(None, driven.outstanding, now=self._now)

    def advance(self) -> float | None:
        """Stop and start what the last event asks for; seconds to wait for the next one, None once it is over."""
        outstanding, running = self._driven.outstanding, self._running
        for number in running.keys() - {command.number for command in outstanding}:
            if (work := running.pop(number)) is not None:
                self._stop(work)
        if not outstanding:
            return None
        for command in outstanding:
            if command.number not in running:
                running[command.number] = None
                self._begin(command)
        self._late = self._driven.alarm
        return max(0.0, self._late[0] - self._clock())

    def _begin(self, command: Command) -> None:
        if isinstance(command, Wait | Finish):
            return  # the alarm answers a Wait
        errand = self._errands.begin(command)
        if isinstance(errand, Errand):
            self._running[command.number] = self._start(errand)
        else:
            self._put(errand)

    def take(self, event: Event | BaseException | None) -> None:
        """Feed what came, or the alarm's own event for None. An exception is a bug somewhere: it is raised.

        With its lines, and without the values of their variables: an HTTP library's hold tokens and credentials (D39).
        """
        if isinstance(event, BaseException):
            forget_variables(event)
            raise event
        if event is not None and event.number not in self._running:
            return  # late: its request was stopped, and its answer crossed the order to stop (I7)
        if event is not None:
            self._running[event.number] = None  # its request has ended: there is nothing left to stop
        # A timer may fire a moment early, and its clock may lag behind the alarm: time must not run backwards.
        self._now = max(self._now, self._clock())
        if event is None:
            assert self._late is not None
            when, event = self._late
            self._now = max(self._now, when)
        new = self._driven.receive(event, now=self._now)
        if self._observer is not None:
            self._observer.moved(event, new, now=self._now)


def forget_variables(error: BaseException) -> None:
    """Clear the frames that an exception has passed, and those chained to it: their lines stay (D39).

    Of a cancellation or an interrupt the chain is cut instead. It holds what its sender was handling: under trio an
    exception of another task, whose frames go on, and to clear a coroutine that waits is to close it.
    """
    links: list[BaseException | None] = [error]
    seen: set[int] = set()
    while links:
        link = links.pop()
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        traceback.clear_frames(link.__traceback__)
        links += getattr(link, "exceptions", ())
        if isinstance(link, Exception):
            links += (link.__cause__, link.__context__)
        else:
            link.__cause__ = link.__context__ = None
