"""Drives one job with threads: every request in a thread of its own, the caller's thread waits for what comes first.

`run`'s answer, the other request's and the alarm wake the same queue, so nothing is polled and nothing delays
anything. Must never decide what to do next: it executes what is outstanding.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

from reportdl_core.commands import Finish, Wait
from reportdl_core.events import Event

from reportdl.drivers import Driven, Observer
from reportdl.errands import Errand, Errands
from reportdl.transports import Flight, Transport

__all__ = ["drive"]

_GRACE = 2.0  # seconds for a cancelled request's thread to end; it is a daemon, so a hanging name look-up holds nobody


def drive(
    driven: Driven,
    *,
    errands: Errands,
    transport: Transport,
    clock: Callable[[], float],
    observer: Observer | None = None,
) -> None:
    """Execute commands until there is an outcome. On any exception, Ctrl-C too, all that runs is cancelled (D38)."""
    inbox: SimpleQueue[Event | BaseException] = SimpleQueue()
    running: dict[int, _Work | None] = {}
    threads: list[_Work] = []
    if observer is not None:
        observer.moved(None, driven.outstanding, now=clock())
    try:
        while driven.outcome is None:
            _reconcile(driven, running, threads, errands, transport, inbox)
            when, late = driven.alarm
            try:
                event = inbox.get(timeout=max(0.0, when - clock()))
            except Empty:
                event = late
            if isinstance(event, BaseException):
                raise event
            now = clock()
            new = driven.receive(event, now=now)
            if observer is not None:
                observer.moved(event, new, now=now)
    finally:
        for work in threads:
            work.flight.cancel()
        for work in threads:
            work.thread.join(_GRACE)


class _Work:
    """One request and the thread that performs it."""

    __slots__ = ("flight", "thread")

    def __init__(self, flight: Flight, inbox: SimpleQueue[Event | BaseException]) -> None:
        self.flight = flight
        self.thread = threading.Thread(target=_perform, args=(flight, inbox), daemon=True, name="reportdl")
        self.thread.start()


def _perform(flight: Flight, inbox: SimpleQueue[Event | BaseException]) -> None:
    try:
        inbox.put(flight.perform())
    except BaseException as error:  # a bug in a transport or a sink must not leave the driver waiting for ever
        inbox.put(error)


def _reconcile(
    driven: Driven,
    running: dict[int, _Work | None],
    threads: list[_Work],
    errands: Errands,
    transport: Transport,
    inbox: SimpleQueue[Event | BaseException],
) -> None:
    outstanding = {command.number: command for command in driven.outstanding}
    for number in running.keys() - outstanding.keys():
        if (work := running.pop(number)) is not None:
            work.flight.cancel()
    for number in outstanding.keys() - running.keys():
        command = outstanding[number]
        running[number] = None
        if isinstance(command, Wait | Finish):
            continue  # the alarm answers a Wait
        errand = errands.begin(command)
        if isinstance(errand, Errand):
            threads[:] = [work for work in threads if work.thread.is_alive()]
            running[number] = work = _Work(transport.flight(errand), inbox)
            threads.append(work)
        else:
            inbox.put(errand)
