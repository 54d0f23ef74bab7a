"""Decides what an async transport is, and how its errands end: under asyncio or trio, no policy, no HTTP library.

Must never leave a file half kept: what ends an errand runs to its end, or does not begin.
"""

from __future__ import annotations

from collections.abc import AsyncIterable
from typing import Protocol

import anyio

from reportdl.errands import Errand, Exchanging
from reportdl.transports.publishing import beside_the_loop
from reportdl_core.events import Event

__all__ = ["AsyncTransport", "fed", "finished"]


class AsyncTransport(Protocol):
    """Carries out errands. One request on the wire for each, never a retry, never a redirect followed (D23, D31)."""

    async def perform(self, errand: Errand) -> Event:
        """Send it once, read the answer, return the event; raises for nothing that a network or a server does.

        Cancelled at any await, it closes its connection and raises on: the driver tells the exchange. `finished`
        must be its last await, after the connection was let go of.
        """
        ...

    async def aclose(self) -> None:
        """Let go of connections that are ours."""
        ...


async def fed(exchange: Exchanging, chunks: AsyncIterable[bytes]) -> bool:
    """Feed a body; whether it came to its end, False where no more was wanted.

    The iteration is ended by cancelling it and not by leaving it: generators below, which nobody could close, would
    else wait for the garbage collector, and trio objects to that.
    """
    failure: Exception | None = None
    with anyio.CancelScope() as scope:
        async for chunk in chunks:
            try:
                wanted = failure is None and exchange.feed(chunk)
            except Exception as error:  # noqa: BLE001 - raised as soon as the iteration has ended
                wanted, failure = False, error
            if not wanted:
                scope.cancel()
    if failure is not None:
        raise failure
    return not scope.cancel_called


async def finished(exchange: Exchanging) -> Event:
    """The exchange's event, made in a thread where making a file durable would hold up the event loop.

    A cancellation that comes before the thread has begun is raised, and the file discarded. One that comes later waits
    for it, two seconds at most. The event is then returned: a file that was published is reported as such. asyncio's
    own cancellation (`Task.cancel`, `asyncio.timeout`) is raised all the same: the file may be there.
    """
    if not exchange.blocking:
        return exchange.finish()
    return await beside_the_loop(exchange.finish)
