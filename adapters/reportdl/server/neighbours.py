"""Decides how a neighbour of the download endpoint is served: one method table, one JSON answer, no side doors.

A neighbour is a path that a caller needs besides the endpoint: credentials, elements, plugins. HEAD is not GET here:
a GET that issues a token must not run for a HEAD (D23). Must never hold what a neighbour answers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final
from urllib.parse import parse_qsl

from starlette.types import Receive, Scope, Send

from reportdl.server.accounts import Caller
from reportdl.server.connection import connection_of
from reportdl.server.delivery import Delivery
from reportdl.server.lateness import Fate, with_cookie
from reportdl.server.plain import Plain, denied, wrong_method
from reportdl.server.service import Service
from reportdl_core.job import integer

__all__ = ["Handler", "Neighbour", "known", "queried"]

Handler = Callable[[Scope, Receive], Awaitable[Plain]]


class Neighbour:
    """An ASGI application for one path. `name` is what the call is noted and hit by faults under."""

    def __init__(self, service: Service, name: str, methods: Mapping[str, Handler]) -> None:
        self._service: Final = service
        self._name: Final = name
        self._methods: Final = methods

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one call."""
        connection = connection_of(scope)
        self._service.note(scope, connection, self._name)
        fate = Fate(self._service.faults, self._name)
        sending = with_cookie(send, scope, fate.timings)
        out = Delivery(send=sending, connection=connection, stall=self._service.stall)
        async with self._service.turns.of(scope, fate.timings):
            await fate.reached()
            if fate.effect is not None:
                await fate.instead(fate.effect, receive, out)
            else:
                await fate.at_once(await self._answer(scope, receive), receive, out)

    async def _answer(self, scope: Scope, receive: Receive) -> Plain:
        handler = self._methods.get(scope["method"])
        return wrong_method(tuple(self._methods)) if handler is None else await handler(scope, receive)


def known(service: Service, handler: Callable[[Scope, Caller], Plain]) -> Handler:
    """A handler for callers whose credential is good; the others read 401 or 412."""

    async def checked(scope: Scope, receive: Receive) -> Plain:
        identity = service.identify(scope)
        return handler(scope, identity) if isinstance(identity, Caller) else denied(identity)

    return checked


def queried(scope: Scope, name: str, *, missing: int | None = None) -> int | None:
    """The integer that the query gives for `name` (D32): None if malformed or given twice, `missing` if it is not."""
    query: bytes = scope["query_string"]
    values = [value for key, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True) if key == name]
    if not values:
        return missing
    return integer(values[0]) if len(values) == 1 else None
