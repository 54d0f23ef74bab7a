"""Decides what every call passes, whichever path it took: it is noted, faults may take it, its credential is read.

What the resources of this server share. Must never answer by itself.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from typing import Final

from starlette.types import Receive, Scope

from reportdl.server.accounts import ANONYMOUS, Accounts, Identity
from reportdl.server.calls import CallLog, SeenCall, shown
from reportdl.server.connection import Connection
from reportdl.server.delivery import STALL
from reportdl.server.faults import STATES, FaultBook
from reportdl.server.lateness import Turns
from reportdl.server.lookup import Catalog
from reportdl.server.session_loop import SessionLoop

__all__ = ["Service", "read_body"]

_LOG: Final = logging.getLogger("reportdl.server")
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_WORDS: Final = frozenset({*_METHODS, *STATES, "control", "openapi.json"})
_LARGEST_BODY: Final = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The parts of one server. Without `accounts` every caller is the same anonymous user."""

    sessions: SessionLoop
    catalog: Catalog
    accounts: Accounts | None = None
    faults: FaultBook = field(default_factory=FaultBook)
    turns: Turns = field(default_factory=Turns)
    calls: CallLog | None = None
    stall: float = STALL

    def note(self, scope: Scope, connection: Connection, state: str) -> None:
        """Log the call, in no words but the server's own, and remember it where calls are remembered."""
        _LOG.info("%s %s on connection %d", _word(scope["method"]), _word(state), connection.number)
        if self.calls is None:
            return
        query: bytes = scope["query_string"]
        target: bytes = scope["raw_path"] + (b"?" + query if query else b"")
        self.calls.add(
            SeenCall(
                state=state,
                method=scope["method"],
                target=target.decode("latin-1"),
                headers=shown(scope["headers"]),
                connection=connection.number,
                at=time.monotonic(),
            )
        )

    def identify(self, scope: Scope) -> Identity:
        """Who calls (D16)."""
        return ANONYMOUS if self.accounts is None else self.accounts.identify(scope["headers"])


def _word(said: str) -> str:
    # Any other is the caller's own: it may hold a token, the end of a line, what a terminal obeys (D39).
    return said if said in _WORDS else "?"


async def read_body(receive: Receive, *, within: float = 10.0) -> bytes | None:
    """The request's body; None if it is longer than 64 KiB, or its sender went away. Raises TimeoutError (D35)."""
    body = bytearray()
    async with asyncio.timeout(within):
        while len(body) <= _LARGEST_BODY:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            if not message.get("more_body", False):
                return bytes(body)
    return None
