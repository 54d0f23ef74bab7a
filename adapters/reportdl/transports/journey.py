"""Decides what is proven of a request that was lost, and how a sync flight is woken from another thread.

A flight says when its first byte is about to leave, and over which socket; the rest is the same for every library.
No policy, no HTTP. Must never let a body that a cancellation ended pass for a whole one (I10).
"""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
from typing import final

from reportdl.errands import Exchanging
from reportdl.transports import described
from reportdl_core.events import Event, Sent

__all__ = ["Journey"]


@final
class Journey:
    """One errand of a sync flight: call `depart` once, then `arrive` or `fail`, whose event `perform` returns.

    `cancel` may be called from any thread, at any time and more than once.
    """

    __slots__ = ("_cancelled", "_exchange", "_sent", "_sock")

    def __init__(self, exchange: Exchanging) -> None:
        self._exchange = exchange
        self._sent = Sent.NOT_SENT
        self._sock: socket.socket | None = None
        self._cancelled = threading.Event()

    def depart(self, sock: socket.socket) -> None:
        """The request is about to leave over this connected socket; without this call it is NOT_SENT, a proof (I3).

        Raises ConnectionAbortedError where the flight was cancelled meanwhile: nothing may leave any more (D38).
        """
        # Kept here because libraries let go of theirs before the body, where the connection's end is the framing.
        self._sock = sock
        if self._cancelled.is_set():
            raise ConnectionAbortedError(errno.ECONNABORTED, "cancelled")
        self._sent = Sent.UNKNOWN

    def arrive(self) -> Event:
        """The answer came to its end, or no more of it was wanted; call it after the connection was let go of."""
        self._sock = None
        if self._cancelled.is_set():
            return self._exchange.lost(sent=self._sent, message="cancelled")
        return self._exchange.finish()

    def fail(self, error: BaseException) -> Event:
        """What the library raised, as the event."""
        self._sock = None
        return self._exchange.lost(sent=self._sent, message=described(error))

    def cancel(self) -> None:
        """Wake whoever waits for the answer, by shutting the socket down; before `depart`, keep it from leaving."""
        self._cancelled.set()
        sock = self._sock
        if sock is not None:
            with contextlib.suppress(OSError, ValueError):
                # Not SSLSocket's own: it drops its TLS object under the thread that reads.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
