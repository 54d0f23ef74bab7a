"""Decides how what ends an errand runs in a thread, beside an event loop: how many at a time, and who waits how long.

What a cancellation finds begun is waited for, also by asyncio's own, which knows no shield: what becomes of the file is
then settled. Not without end: a stream that nobody reads keeps its thread for ever. Must never keep its caller so, nor
let such threads stop everybody else's files.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Final, final

import anyio
import anyio.to_thread
from anyio.lowlevel import RunVar

from reportdl_core.events import Event

__all__ = ["beside_the_loop"]

# Enough for flushes to share what a disk does at a time; the default, 40, is a thread for each of 40 files.
_THREADS: Final = 4
_QUEUE: Final = 1.0  # seconds in the queue, after which there is one place more
_GRACE: Final = 2.0  # seconds for what has begun, as for the threads of the blocking driver
_LOOK: Final = 0.01  # seconds: a thread that was left has no way back into the loop, and is looked at


async def beside_the_loop(finish: Callable[[], Event]) -> Event:
    """What `finish` returns, called in a thread. A cancellation that comes first is raised, and it is never called.

    After one that comes later the event is still returned, once it is there; asyncio's own may not be swallowed, and is
    raised then. Either is raised where it takes longer than _GRACE seconds.
    """
    places, finishing = _of_this_loop(), _Finishing(finish)
    await places.take(finishing)
    try:
        event = await anyio.to_thread.run_sync(finishing, abandon_on_cancel=True, limiter=places.counted_here)
        assert event is not None
        return event
    except anyio.get_cancelled_exc_class():
        if finishing.claim.acquire(blocking=False):
            raise  # it has not begun, and never will
        with anyio.move_on_after(_GRACE, shield=True):
            while not finishing.ended:  # noqa: ASYNC110 - see _LOOK
                await anyio.sleep(_LOOK)
        if finishing.event is None or anyio.current_effective_deadline() != -math.inf:
            raise
        return finishing.event
    finally:
        places.give_back(finishing)


@final
class _Finishing:
    """The call itself. Whoever has the claim decides: its thread, that it runs; a cancellation, that it never does."""

    __slots__ = ("_finish", "claim", "ended", "event")

    def __init__(self, finish: Callable[[], Event]) -> None:
        self._finish = finish
        self.claim = threading.Lock()
        self.event: Event | None = None
        self.ended = False

    def __call__(self) -> Event | None:
        if not self.claim.acquire(blocking=False):
            return None
        try:
            self.event = self._finish()
            return self.event
        finally:
            self.ended = True


@final
class _Places:
    """Few threads, and more where those before do not come to an end."""

    __slots__ = ("_added", "_limiter", "counted_here")

    def __init__(self) -> None:
        self._limiter = anyio.CapacityLimiter(_THREADS)
        self._added = -math.inf
        self.counted_here = anyio.CapacityLimiter(math.inf)

    async def take(self, borrower: object) -> None:
        try:
            self._limiter.acquire_on_behalf_of_nowait(borrower)
        except anyio.WouldBlock:
            await self._wait(borrower)

    async def _wait(self, borrower: object) -> None:
        while True:
            with anyio.move_on_after(_QUEUE):
                await self._limiter.acquire_on_behalf_of(borrower)
                return
            if (now := anyio.current_time()) >= self._added + _QUEUE:  # one for all who wait
                self._added = now
                self._limiter.total_tokens += 1

    def give_back(self, borrower: object) -> None:
        self._limiter.release_on_behalf_of(borrower)
        if not self._limiter.borrowed_tokens:
            self._limiter.total_tokens = _THREADS


_places: Final[RunVar[_Places]] = RunVar("reportdl publishing")  # one for each event loop


def _of_this_loop() -> _Places:
    try:
        return _places.get()
    except LookupError:
        places = _Places()
        _places.set(places)
        return places
