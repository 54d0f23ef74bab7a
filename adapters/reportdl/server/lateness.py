"""Decides when the answer to a call leaves, and what is said instead where that was too late: the faults of timing.

The same for the download endpoint and its neighbours. A fault that hit a call is done to it, whatever the answer
is: refused credentials, an answer given instead. Must never decide what a call means, nor keep a call from its effect.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from typing import Final, assert_never
from weakref import WeakValueDictionary

from starlette.types import Message, Receive, Scope, Send

from reportdl.server.accounts import SessionExpired
from reportdl.server.delivery import Delivery
from reportdl.server.faults import (
    Answered,
    CookieLock,
    Delay,
    DropAfter,
    DropBefore,
    ExpireAfter,
    FaultBook,
    GatewayTimeout,
    Instead,
    Late,
    Timing,
)
from reportdl.server.plain import GATEWAY_TIMEOUT, Plain, denied, instead

__all__ = ["Fate", "Turns", "gone", "with_cookie"]

_COOKIE: Final = "reportdl_session"


class Fate:
    """The faults that hit one call of `state`, from its coming to its last byte. Made when it comes."""

    def __init__(self, faults: FaultBook, state: str) -> None:
        self._faults = faults
        self._state = state
        self.timings: tuple[Timing, ...]
        self.effect: Instead | None
        self.timings, self.effect = faults.before(state)
        self.late: Final = next(
            (timing for timing in self.timings if isinstance(timing, (DropAfter, GatewayTimeout, ExpireAfter))), None
        )

    @property
    def sealed(self) -> bool:
        """Whether no answer can come in time, be it there at once."""
        return self.late is not None and (isinstance(self.late, DropAfter) or self.late.seconds == 0)

    async def reached(self) -> None:
        """Return when the call reaches the endpoint."""
        await asyncio.sleep(sum(timing.seconds for timing in self.timings if isinstance(timing, Delay)))

    async def instead(self, effect: Instead, receive: Receive, out: Delivery) -> None:
        """Say what is said in the endpoint's place."""
        said = instead(effect)
        await _send(out, await self._last(receive) or said)

    async def at_once(self, answer: Plain, receive: Receive, out: Delivery) -> None:
        """Send an answer that did not have to be waited for."""
        last = await self._last(receive)
        if last is None:
            await self.shaped(answer, out)
        else:
            await _send(out, last)

    async def shaped(self, answer: Plain, out: Delivery) -> None:
        """Send an answer that comes in time."""
        await out.plain(answer, self._faults.after(self._state, Answered.ENVELOPE))

    def in_time(self) -> None:
        """The answer came before a proxy gave up: that fault is left for another call."""
        if self.late is not None:
            self._faults.spare(self._state, self.late)

    async def too_late(self, out: Delivery) -> None:
        """Say what is said of an answer that nobody waited for."""
        await _send(out, DropBefore() if self.late is None else _too_late(self.late))

    async def _last(self, receive: Receive) -> Plain | DropBefore | None:
        late = self.late
        if late is None:
            return None
        if not self.sealed:
            self.in_time()
            return None
        if isinstance(late, DropAfter):
            await _left(receive, late.seconds)
        return _too_late(late)


def _too_late(late: Late) -> Plain | DropBefore:
    match late:
        case GatewayTimeout():
            return GATEWAY_TIMEOUT
        case ExpireAfter():
            return denied(SessionExpired())
        case DropAfter():
            return DropBefore()
        case _:
            assert_never(late)


async def _send(out: Delivery, answer: Plain | DropBefore) -> None:
    if isinstance(answer, Plain):
        await out.plain(answer)
    else:
        await out.cut()


async def _left(receive: Receive, seconds: float) -> None:
    # Not a sleep alone: the server's end is not to wait for a connection that is to be dropped anyway.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await gone(receive)


async def gone(receive: Receive) -> None:
    """Return once the caller has gone, throwing away what it still sends."""
    while (await receive())["type"] != "http.disconnect":
        pass


class Turns:
    """Calls that carry one session cookie, one after the other, whichever paths they take (D30)."""

    def __init__(self) -> None:
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def of(
        self, scope: Scope, timings: Iterable[Timing]
    ) -> contextlib.AbstractAsyncContextManager[object, bool | None]:
        """The turn of one call; nothing to wait for unless a CookieLock hit it."""
        cookie = _cookie(scope)
        if cookie is None or not _locked(timings):
            return contextlib.nullcontext()
        turn = self._turns.get(cookie) or asyncio.Lock()
        self._turns[cookie] = turn
        return turn


def _locked(timings: Iterable[Timing]) -> bool:
    return any(isinstance(timing, CookieLock) for timing in timings)


def _cookie(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"cookie":
            with contextlib.suppress(CookieError):
                morsel = SimpleCookie(value.decode("latin-1")).get(_COOKIE)
                return None if morsel is None else morsel.value
    return None


def with_cookie(send: Send, scope: Scope, timings: Iterable[Timing]) -> Send:
    """`send`, which sets the session cookie where a CookieLock hit the call."""
    if not _locked(timings):
        return send
    value = _cookie(scope) or secrets.token_hex(8)

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            cookie = (b"set-cookie", f"{_COOKIE}={value}; Path=/; HttpOnly".encode("latin-1"))
            message = {**message, "headers": [*message["headers"], cookie]}
        await send(message)

    return sending
