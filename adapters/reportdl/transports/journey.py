"""Decides what is proven of a request that was lost, and how a sync flight is woken from another thread.

A flight has its connection made here, or makes it itself, and says when its first byte is about to leave, and over
which socket; the rest is the same for every library. No policy, no HTTP. Must never let a body that a cancellation
ended pass for a whole one (I10).
"""

from __future__ import annotations

import errno
import socket
import threading
from ssl import SSLContext
from typing import Final, final

from reportdl.errands import Exchanging
from reportdl.origin import Origin
from reportdl.transports import described
from reportdl.transports.dialing import Dialled, dial, shut
from reportdl_core.events import Event, Sent

__all__ = ["Journey"]

_AT_ONCE: Final = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


@final
class Journey:
    """One errand of a sync flight: `connect` if you like, `depart` once, then `arrive` or `fail`: the event.

    `cancel` may be called from any thread, at any time and more than once.
    """

    __slots__ = ("_cancelled", "_dialled", "_exchange", "_sent", "_sock")

    def __init__(self, exchange: Exchanging) -> None:
        self._exchange = exchange
        self._sent = Sent.NOT_SENT
        self._sock: socket.socket | None = None
        self._dialled = Dialled()
        self._cancelled = threading.Event()

    def connect(self, origin: Origin, *, tls: SSLContext | None = None) -> socket.socket:
        """A connection of your own to `origin`, past its TLS handshake, if any; it waits `read_timeout` for each byte.

        Every address is tried, within `connect_timeout` in all; `cancel` wakes it, but for a look-up of the name.
        Raises OSError, and leaves nothing open.
        """
        patience, show = self._exchange.connect_timeout, self._dialled.show
        sock: socket.socket | None = None
        try:
            sock = dial((origin.host, origin.port), timeout=patience, options=(_AT_ONCE,), source=None, show=show)
            if tls is not None:
                # The handshake apart: `wrap_socket` leaves it out, and says nothing, where the other side has gone.
                sock = secured = tls.wrap_socket(sock, server_hostname=origin.host, do_handshake_on_connect=False)
                secured.do_handshake()
            sock.settimeout(self._exchange.read_timeout)
        except BaseException:
            if sock is not None:
                sock.close()
            raise
        finally:
            self._dialled.forget()
        return sock

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
        """Wake whoever connects or waits for the answer, by shutting the socket down; nothing departs any more."""
        self._cancelled.set()
        self._dialled.give_up()
        shut(self._sock)
