"""Drives one job with threads: every request in a thread to itself, the caller's thread waits for what comes first.

`run`'s answer, the other request's, the alarm and signals wake the same inbox, so nothing is polled and nothing delays
anything. Must never decide what to do next: it executes what is outstanding.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from reportdl.drivers import Driven, Observer
from reportdl.drivers.conductor import Conductor
from reportdl.drivers.inbox import Inbox
from reportdl.drivers.workers import Worker
from reportdl.errands import Errand, Errands
from reportdl.transports import Flight, Transport
from reportdl_core.events import Event

__all__ = ["drive"]

_GRACE = 2.0  # seconds for a cancelled request's thread to end; it is a daemon, so a hanging name look-up holds nobody

Answers = Inbox[Event | BaseException]


def drive(
    driven: Driven,
    *,
    errands: Errands,
    transport: Transport,
    clock: Callable[[], float],
    observer: Observer | None = None,
) -> None:
    """Execute commands until there is an outcome. On any exception, Ctrl-C too, all that runs is cancelled (D38)."""
    inbox: Answers = Inbox()
    works: list[_Work] = []

    def start(errand: Errand) -> _Work:
        works[:] = [work for work in works if not work.ended]
        work = _Work(transport.flight(errand), inbox)
        works.append(work)
        Worker.take(work.perform)
        return work

    conductor = Conductor(
        driven, errands=errands, clock=clock, observer=observer, start=start, stop=_Work.cancel, put=inbox.put
    )
    try:
        inbox.open()
        while (patience := conductor.advance()) is not None:
            conductor.take(inbox.get(patience))
    finally:
        try:
            _end([work for work in works if not work.ended], inbox)
        finally:
            inbox.close()


class _Work:
    """One request, and whether its thread is through with it."""

    __slots__ = ("_flight", "_inbox", "ended")

    def __init__(self, flight: Flight, inbox: Answers) -> None:
        self._flight, self._inbox = flight, inbox
        self.ended = False

    def perform(self, worker: Worker) -> None:
        """In a worker's thread: carry it out, and report the event."""
        answer: Event | BaseException
        try:
            answer = self._flight.perform()
        except BaseException as error:  # noqa: BLE001 - a bug in a transport or a sink must not leave the driver waiting for ever
            answer = error
        self.ended = True
        worker.free()
        self._inbox.put(answer)

    def cancel(self) -> None:
        """Stop the request; its thread is through with it soon."""
        self._flight.cancel()


def _end(works: list[_Work], inbox: Answers) -> None:
    for work in works:
        work.cancel()
    until = time.monotonic() + _GRACE
    while not all(work.ended for work in works) and inbox.get(max(0.0, until - time.monotonic())) is not None:
        pass
