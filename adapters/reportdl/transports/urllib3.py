"""Carries out errands with urllib3: one request on the wire for each, woken by shutting its socket down.

`retries=False` and `redirect=False`, always: urllib3's default would send one `run` four times. urllib3 is given the
path without its query, which `urllib3_watch` completes at the last moment: so no token reaches urllib3's log, its
exceptions or its normalisation, and the bytes sent are proven sent or not. No policy here.
"""

from __future__ import annotations

import functools
import socket
import threading
from typing import final

import urllib3
from urllib3.connection import HTTPConnection

from reportdl.errands import Errand
from reportdl.network import Network
from reportdl.origin import Origin
from reportdl.transports import described
from reportdl.transports.arrived import pieces
from reportdl.transports.dialing import Dialled, shut
from reportdl.transports.urllib3_pools import Pools, PoolsInUse
from reportdl.transports.urllib3_watch import performing
from reportdl_core.events import Event, Sent

__all__ = ["Pools", "Urllib3Transport"]


@functools.lru_cache(maxsize=32)
def _timeout(connect: float, read: float) -> urllib3.Timeout:
    return urllib3.Timeout(connect=connect, read=read)


@final
class Urllib3Transport:
    """Errands over a pool manager: a user's `pools`, which stays theirs, or one of our own that reaches `origin`."""

    def __init__(self, origin: Origin, *, network: Network | None = None, pools: Pools | None = None) -> None:
        self._pools = PoolsInUse(origin, network, pools)

    def flight(self, errand: Errand) -> Urllib3Flight:
        """Make ready; nothing is sent yet."""
        origin = errand.origin
        # Plain HTTP through a proxy names the whole URL; urllib3 leaves that to its manager, which we go round.
        whole = self._pools.proxied and origin.scheme == "http"
        prefix = f"{origin.scheme}://{origin.authority}" if whole else ""
        return Urllib3Flight(errand, self._pools.pool(origin, alone=errand.exchange.own_connection), prefix)

    def close(self) -> None:
        """Close the manager, if it is ours."""
        self._pools.close()


@final
class Urllib3Flight:
    """One request under way."""

    def __init__(self, errand: Errand, pool: urllib3.HTTPConnectionPool, prefix: str) -> None:
        self.target: str = prefix + errand.target
        self.sent: Sent = Sent.NOT_SENT
        self._errand, self._pool, self._prefix = errand, pool, prefix
        self._sock: socket.socket | None = None
        self.dialled: Dialled = Dialled()
        self.alone: bool = errand.exchange.own_connection
        self.hold: threading.Lock = threading.Lock()
        self._cancelled = False

    def perform(self) -> Event:
        """Send it once, read the answer, return the event."""
        exchange = self._errand.exchange
        performing.flight = self
        try:
            response = self._pool.urlopen(
                self._errand.method,
                self._prefix + self._errand.place,
                body=self._errand.body or None,
                headers=self._errand.headers,
                retries=False,
                redirect=False,
                assert_same_host=False,
                timeout=_timeout(exchange.connect_timeout, exchange.read_timeout),
                preload_content=False,
                decode_content=False,
            )
            self._read(response)
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            return exchange.lost(sent=self.sent, message=described(error))
        finally:
            self._sock = None
            self.dialled.forget()
        if self._cancelled:  # a body that a shutdown ended must not pass for a whole one
            return exchange.lost(sent=self.sent, message="cancelled")
        return exchange.finish()

    def _read(self, response: urllib3.BaseHTTPResponse) -> None:
        exchange, whole = self._errand.exchange, False
        try:
            if exchange.head(response.status, response.headers.iteritems()):
                whole = all(map(exchange.feed, pieces(response)))
        finally:
            if not whole:
                response.close()
            response.release_conn()

    def cancel(self) -> None:
        """Wake whoever waits for this answer, by shutting the socket down."""
        self._cancelled = True
        self.dialled.give_up()
        sock = self._sock
        if sock is not None and self.hold.acquire(blocking=False):  # else another flight has the connection by now
            shut(sock)

    def watch(self, connection: HTTPConnection) -> None:
        """The connection is about to carry this request; refuse it if the flight was cancelled meanwhile."""
        # The socket too: where the connection's end is the framing, the connection lets go of it before the body.
        self._sock = connection.sock
        self.dialled.forget()
        if self._cancelled:
            raise urllib3.exceptions.NewConnectionError(connection, "cancelled")
