"""Decides what of each request a person may see: that it was asked, and how it failed. Repeats are the core's (I13).

A transport around the real one. Must never show a token (an errand shows its path alone, events show `***`), and
never change what is sent or what came.
"""

from __future__ import annotations

import logging
from typing import Final, Protocol, assert_never, final

from reportdl.errands import Errand
from reportdl.transports import Flight, Transport
from reportdl_core.errors import Refusal
from reportdl_core.events import (
    Cancelled,
    CredentialsRenewed,
    Event,
    FileNotKept,
    FileReceived,
    FormatsListed,
    LookedUp,
    Lost,
    Refused,
    RunFinished,
    StatusReported,
    TokenIssued,
    WaitElapsed,
)

__all__ = ["Watched", "Watcher"]

_LOG = logging.getLogger("reportdl.requests")


# The end of the job, which its error tells; in a list it is an answer like others. No trouble in which it goes on.
_TOLD: Final = frozenset(
    {
        Refusal.ELEMENT_NOT_ALLOWED,
        Refusal.ELEMENT_NOT_FOUND,
        Refusal.INVALID_FORMAT,
        Refusal.NO_DOWNLOADS,
        Refusal.NOT_IMPLEMENTED,
    }
)


class Watcher(Protocol):
    """Who is told, from the thread of each request. `state` is the endpoint's word, or `get_token`."""

    def asks(self, state: str) -> None:
        """A request is about to leave."""

    def ends(self, state: str, trouble: str | None) -> None:
        """It ended: well, or in trouble. A request that was not wanted any more is not told."""


@final
class Watched:
    """A transport that tells a watcher. It closes the one inside."""

    def __init__(self, inner: Transport, watcher: Watcher) -> None:
        self._inner, self._watcher = inner, watcher

    def flight(self, errand: Errand) -> Flight:
        """Tell, and hand it on."""
        state = errand.place.rpartition("/")[2]
        self._watcher.asks(state)
        _LOG.info("%s %s", errand.method, errand.place)
        return _WatchedFlight(self._inner.flight(errand), self._watcher, state)

    def close(self) -> None:
        """Close the transport inside."""
        self._inner.close()


@final
class _WatchedFlight:
    def __init__(self, inner: Flight, watcher: Watcher, state: str) -> None:
        self._inner, self._watcher, self._state = inner, watcher, state
        self._wanted = True

    def perform(self) -> Event:
        event = self._inner.perform()
        if self._wanted:
            _LOG.info("%s: %r", self._state, event)
            self._watcher.ends(self._state, _trouble(event))
        return event

    def cancel(self) -> None:
        self._wanted = False
        self._inner.cancel()


def _trouble(event: Event) -> str | None:
    match event:
        case Lost():
            return f"no answer ({event.message})" if event.message else "no answer"
        case Refused() if event.refusal in _TOLD:
            return None
        case Refused():
            code = f" ({event.code})" if event.code is not None else ""
            return (event.message or event.refusal.value) + code
        case FormatsListed() | LookedUp() | TokenIssued() | RunFinished() | StatusReported() | FileReceived():
            return None
        case FileNotKept() | WaitElapsed() | CredentialsRenewed() | Cancelled():
            return None
        case _:
            assert_never(event)
